//! Review: what an element changed is looked at once it is done, and what the log's time brings is brought about:
//! expiry, the next bucket, zones and groups that change (`docs/promise.md` §1, §4).

use tallystick_contract::config::Config;
use tallystick_contract::quantity;

use tallystick_contract::config::Mode;

use crate::core::days::When;
use crate::diagnostics::About;
use crate::promise::Promises;
use crate::read::element::Place;
use crate::schedule::{Books, View};

/// Reservations that an exception names.
const NAMED_MAX: usize = 10;

impl Promises {
    /// Counts all of an entry anew, because buckets are others.
    pub(crate) fn recount_entry(&mut self, books: &mut Books<'_>, slot: u32) {
        let (zone, spot) = (books.schedule.entry(slot).zone, books.schedule.entry(slot).spot);
        for serial in books.schedule.entry(slot).lines.clone() {
            let due = books.schedule.lines[&serial].due;
            let bucket = books.core.calendar.bucket_of(zone, due);
            books.schedule.lines.get_mut(&serial).expect("the line is known").bucket = bucket;
            books.schedule.recount(books.core, books.config, serial);
        }
        self.look_for_holders();
        for (record, number) in self.parts_of(spot) {
            let known = self.reservations.get(record);
            let is_for_line = known.named.document().is_some();
            let part = known.parts[number].clone();
            let Some((due, before)) = part.due else { continue };
            let bucket = books.core.calendar.bucket_of(zone, due);
            if bucket != before {
                if !is_for_line {
                    books.schedule.hold_at(books.core, spot, Some(before), (part.held, 0));
                    books.schedule.hold_at(books.core, spot, Some(bucket), (0, part.held));
                }
                self.reservations.change(record, |record| record.parts[number].due = Some((due, bucket)));
            }
        }
    }

    /// Tells when the live reservations of a position cannot all be kept any more, and when they can again.
    pub(crate) fn review_risk(&mut self, books: &mut Books<'_>, slot: u32, place: Place) {
        let entry = books.schedule.entry(slot);
        let (spot, was_at_risk) = (entry.spot, entry.is_at_risk);
        let first = match entry.live_dated.first() {
            _ if entry.live_now > 0 => Some(When::Now),
            Some((bucket, _)) => Some(When::Bucket(*bucket)),
            None => None,
        };
        if first.is_none() && !was_at_risk {
            return;
        }
        books.schedule.look_at(books.core, slot);
        let site = books.schedule.site_of(books.core, spot, Some(slot), None);
        // Beyond the horizon there is no figure.
        let first = first.filter(|when| !matches!(when, When::Bucket(bucket) if *bucket >= site.horizon.end));
        let bucket = first.map(|when| books.core.bucket_within(site.zone, site.horizon, when));
        let figure = bucket.map_or(0, |bucket| books.schedule.figure(books.core, &site, Mode::LookAhead, bucket));
        let is_at_risk = figure < 0;
        if is_at_risk == was_at_risk {
            return;
        }
        books.schedule.entry_mut(slot).is_at_risk = is_at_risk;
        let names = books.core.view_names(spot).map(ToOwned::to_owned);
        let subject = names.join("/");
        if !is_at_risk {
            books.core.resolve("reservation_at_risk", &subject, "in order again", place);
            return;
        }
        self.look_for_holders();
        let cause = self.cause_of_risk(books.view(), slot, figure, bucket.unwrap_or(site.horizon.today));
        let about = About {
            code: "reservation_at_risk",
            subject: &subject,
            source: None,
            sku: Some(&names[0]),
            location: Some(&names[1]),
            cause,
            missing: None,
            place,
        };
        books.core.raise(books.config, about);
    }

    /// Which reservations a shortage breaks: the newest first.
    fn cause_of_risk(&self, view: View<'_>, slot: u32, figure: i64, bucket: i32) -> String {
        let site = view.schedule.site(view.core, view.schedule.entry(slot).spot, None);
        let binding = view.schedule.binding(view.core, &site, bucket);
        let parts = self.parts_of(view.schedule.entry(slot).spot);
        let mut held: Vec<(u64, String, i64)> = parts
            .into_iter()
            .map(|(record, number)| {
                let record = self.reservations.get(record);
                (record.serial, record.named.to_string(), record.parts[number].held)
            })
            .collect();
        held.sort_by_key(|(serial, ..)| std::cmp::Reverse(*serial));
        let mut short = -figure;
        let mut broken = Vec::new();
        for (_, name, quantity) in held {
            if short <= 0 || broken.len() == NAMED_MAX {
                break;
            }
            short = short.saturating_sub(quantity);
            broken.push(name);
        }
        format!(
            "{} is missing in {}; it breaks {}",
            quantity::text(-figure),
            view.core.bucket_text(binding),
            broken.join(", ")
        )
    }

    /// Forgets what is kept for as long as keys are.
    pub(crate) fn tidy_promises(&mut self, config: &Config, before_ns: i64) {
        self.reservations.tidy(before_ns, config.promise.answers_max);
    }

    /// Whether a reservation still holds something.
    pub(crate) fn is_live(&self, slot: u32) -> bool {
        self.reservations.is_live(slot)
    }
}
