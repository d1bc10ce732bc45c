//! Review: what an element changed is looked at once it is done, and what the log's time brings is brought about:
//! expiry, the next bucket, zones and groups that change (`docs/promise.md` §1, §4).

use tallystick_contract::config::Config;
use tallystick_contract::quantity;

use super::Calendar;
use super::figure::When;
use super::line::State;
use crate::atp::Mode;
use crate::batch::Batch;
use crate::engine::Engine;
use crate::raise::About;
use crate::stock::Spot;

/// Reservations that an exception names.
const NAMED_MAX: usize = 10;

impl Engine {
    /// What the log's time brings for promises.
    #[cold]
    pub(crate) fn promises_on_time(&mut self, config: &Config, place: (u64, u32), batch: &mut Batch) {
        let sequence = place.0;
        let now_ns = self.log_time_ns.unwrap_or(i64::MIN);
        self.expire_reservations(sequence);
        if now_ns >= self.promises.next_bucket_ns {
            self.turn(config, sequence);
        }
        while let Some((location, _)) = self.locations.begun(now_ns) {
            self.rezone(config, &location, sequence);
        }
        self.tell_lines_overdue(config, place, batch);
    }

    /// Whether the log's time brings anything for promises.
    #[inline]
    pub(crate) fn is_promise_due(&self) -> bool {
        let now_ns = self.log_time_ns.unwrap_or(i64::MIN);
        self.promises.is_used
            && (now_ns >= self.promises.next_bucket_ns
                || self.promises.reservations.expired(now_ns).is_some()
                || self.locations.has_begun(now_ns))
    }

    /// Looks where bucket 0 is now in all zones; lines whose place that changes count anew, and positions with a
    /// schedule are published.
    pub(crate) fn turn(&mut self, config: &Config, sequence: u64) {
        let turned = self.reach_zones();
        let mut changed = Vec::new();
        for number in self.promises.slots() {
            let entry = self.promises.entry(number);
            let has_schedule = !(entry.lines.is_empty() && entry.live_dated.is_empty() && entry.shown.is_empty());
            if has_schedule && turned[entry.zone as usize] {
                changed.push(entry.spot);
            }
            // Safety stock of another bucket may have come into the horizon.
            self.promises.touch(number);
        }
        let lines = self.promises.lines.iter().filter(|(_, line)| line.state == State::Open);
        for serial in lines.map(|(serial, _)| *serial).collect::<Vec<_>>() {
            self.recount(config, serial);
        }
        if !config.promise.keeps_past_due_demand {
            for line in self.claims.numbers() {
                self.reckon(config, line, sequence);
            }
        }
        for spot in self.in_order(changed) {
            self.touch(spot, sequence);
        }
    }

    /// Lets all entries be looked at once the element is done, because what must be left of them may be another.
    pub(crate) fn review_all(&mut self) {
        for slot in self.promises.slots() {
            self.promises.touch(slot);
        }
    }

    /// Looks where bucket 0 is in all zones, and when the next one begins. Returns for each zone whether it is another
    /// than before.
    pub(crate) fn reach_zones(&mut self) -> Vec<bool> {
        let now_ns = self.log_time_ns.unwrap_or(0);
        let calendar = &mut self.promises.calendar;
        self.promises.next_bucket_ns = i64::MAX;
        let mut turned = Vec::new();
        for zone in 0..calendar.zones() {
            let before = calendar.reached(zone);
            let bucket = calendar.reach(zone, now_ns);
            let next_ns = calendar.start_of(zone, bucket.saturating_add(1));
            self.promises.next_bucket_ns = self.promises.next_bucket_ns.min(next_ns);
            turned.push(before != Some(bucket));
        }
        turned
    }

    /// Lets the lines of a location count in the zone that it has now.
    pub(crate) fn rezone(&mut self, config: &Config, location: &str, sequence: u64) {
        let zone = self.zone_of(location);
        for slot in self.promises.slots() {
            let (spot, known) = (self.promises.entry(slot).spot, self.promises.entry(slot).zone);
            if known != zone && self.view_names(spot)[1] == location {
                self.promises.entry_mut(slot).zone = zone;
                self.recount_entry(config, slot);
                self.touch(spot, sequence);
            }
        }
        self.rebucket(config, |known| known == location, sequence);
    }

    /// Counts all of an entry anew, because buckets are others.
    fn recount_entry(&mut self, config: &Config, slot: u32) {
        let (zone, spot) = (self.promises.entry(slot).zone, self.promises.entry(slot).spot);
        for serial in self.promises.entry(slot).lines.clone() {
            let due = self.promises.lines[&serial].due;
            let bucket = self.promises.calendar.bucket_of(zone, due);
            self.promises.lines.get_mut(&serial).expect("the line is known").bucket = bucket;
            self.recount(config, serial);
        }
        self.promises.look_for_holders();
        for (record, number) in self.promises.parts_of(spot) {
            let known = self.promises.reservations.get(record);
            let is_for_line = known.named.document().is_some();
            let part = known.parts[number].clone();
            let Some((due, before)) = part.due else { continue };
            let bucket = self.promises.calendar.bucket_of(zone, due);
            if bucket != before {
                if !is_for_line {
                    self.hold_at(spot, Some(before), (part.held, 0));
                    self.hold_at(spot, Some(bucket), (0, part.held));
                }
                self.promises.reservations.change(record, |record| record.parts[number].due = Some((due, bucket)));
            }
        }
    }

    /// Lets the days of lines at some locations fall into the buckets that they have now.
    fn rebucket(&mut self, config: &Config, is_meant: impl Fn(&str) -> bool, sequence: u64) {
        for number in self.claims.numbers() {
            let mut is_other = false;
            for place in 0..self.claims.line(number).places.len() {
                let location = self.view_names(self.claims.line(number).places[place].spot)[1];
                if is_meant(location) {
                    let zone = self.zone_of(location);
                    let Self { claims, promises, .. } = self;
                    claims.line_mut(number).rebucket(place, |due| promises.calendar.bucket_of(zone, due));
                    is_other = true;
                }
            }
            if is_other {
                self.reckon(config, number, sequence);
            }
        }
    }

    /// Counts everything anew under another configuration.
    pub(crate) fn recount_all(&mut self, config: &Config, sequence: u64) {
        self.promises.calendar = Calendar::new(config.promise.bucket, &config.promise.time_zone);
        for zone in self.locations.time_zones() {
            self.promises.calendar.zone(&zone);
        }
        self.reach_zones();
        for slot in self.promises.slots() {
            let spot = self.promises.entry(slot).spot;
            let zone = self.zone_of(self.view_names(spot)[1]);
            self.promises.entry_mut(slot).zone = zone;
            self.recount_entry(config, slot);
            self.touch(spot, sequence);
        }
        self.rebucket(config, |_| true, sequence);
    }

    /// Looks at all positions that an element changed.
    #[inline]
    pub(crate) fn review(&mut self, config: &Config, place: (u64, u32), batch: &mut Batch) {
        if self.promises.is_used {
            self.review_touched(config, place, batch);
        }
    }

    fn review_touched(&mut self, config: &Config, place: (u64, u32), batch: &mut Batch) {
        for (part, stock) in (0..).zip(&mut self.stock.parts) {
            for place in stock.promised.drain(..) {
                if let Some(slot) = self.promises.find(Spot { part, place }) {
                    self.promises.touch(slot);
                }
            }
        }
        if !self.promises.overdue.is_empty() {
            self.tell_lines_overdue(config, place, batch);
        }
        if self.promises.touched.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.promises.touched);
        if touched.len() > 1 {
            let names = |slot: u32| self.view_names(self.promises.entry(slot).spot);
            touched.sort_by(|one, other| names(*one).cmp(&names(*other)));
        }
        for slot in touched.drain(..) {
            self.promises.entry_mut(slot).is_touched = false;
            self.review_risk(config, slot, place, batch);
            self.drop_if_idle(slot);
        }
        // The room is used again.
        self.promises.touched = touched;
    }

    /// Keeps no entry of a position of which nothing is to come and nothing is claimed.
    pub(crate) fn drop_if_idle(&mut self, slot: u32) {
        let entry = self.promises.entry(slot);
        if entry.is_idle() {
            let spot = entry.spot;
            self.stock.parts[spot.part as usize].ledger.set_promised(spot.place, false);
            self.promises.remove(slot);
        }
    }

    /// Positions in the order of their names, which does not depend on how the stock is divided.
    pub(super) fn in_order(&self, mut spots: Vec<Spot>) -> Vec<Spot> {
        if spots.len() > 1 {
            spots.sort_by(|one, other| self.view_names(*one).cmp(&self.view_names(*other)));
        }
        spots
    }

    /// Tells when the live reservations of a position cannot all be kept any more, and when they can again.
    fn review_risk(&mut self, config: &Config, slot: u32, place: (u64, u32), batch: &mut Batch) {
        let entry = self.promises.entry(slot);
        let (spot, was_at_risk) = (entry.spot, entry.is_at_risk);
        let first = match entry.live_dated.first() {
            _ if entry.live_now > 0 => Some(When::Now),
            Some((bucket, _)) => Some(When::Bucket(*bucket)),
            None => None,
        };
        if first.is_none() && !was_at_risk {
            return;
        }
        self.look_at(slot);
        let site = self.site_of(spot, Some(slot), None);
        // Beyond the horizon there is no figure.
        let first = first.filter(|when| !matches!(when, When::Bucket(bucket) if *bucket >= site.horizon.end));
        let bucket = first.map(|when| self.bucket_within(site.zone, site.horizon, when));
        let figure = bucket.map_or(0, |bucket| self.figure(&site, Mode::LookAhead, bucket));
        let is_at_risk = figure < 0;
        if is_at_risk == was_at_risk {
            return;
        }
        self.promises.entry_mut(slot).is_at_risk = is_at_risk;
        let names = self.view_names(spot).map(ToOwned::to_owned);
        let subject = names.join("/");
        if !is_at_risk {
            let now = self.now(place);
            self.work.resolve("reservation_at_risk", &subject, "in order again", now);
            return;
        }
        self.promises.look_for_holders();
        let cause = self.cause_of_risk(slot, figure, bucket.unwrap_or(site.horizon.today));
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
        self.raise_about(config, about, batch);
    }

    /// Which reservations a shortage breaks: the newest first.
    fn cause_of_risk(&self, slot: u32, figure: i64, bucket: i32) -> String {
        let site = self.site(self.promises.entry(slot).spot, None);
        let binding = self.binding(&site, bucket);
        let parts = self.promises.parts_of(self.promises.entry(slot).spot);
        let mut held: Vec<(u64, String, i64)> = parts
            .into_iter()
            .map(|(record, number)| {
                let record = self.promises.reservations.get(record);
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
            self.bucket_text(binding),
            broken.join(", ")
        )
    }

    /// Forgets what is kept for as long as keys are.
    pub(crate) fn tidy_promises(&mut self, config: &Config, before_ns: i64) {
        self.promises.reservations.tidy(before_ns, config.promise.answers_max);
    }

    /// The log time at which something happens of itself, in nanoseconds since 1970: what is waited for, runs out, or
    /// begins.
    pub fn next_due_ns(&self) -> Option<i64> {
        let promises = &self.promises;
        let expiry = promises.reservations.next_expiry_ns();
        let is_scheduled = promises.entries.iter().flatten().any(|entry| !entry.timeline.is_empty())
            || promises.lines.values().any(|line| line.state == State::Open);
        let bucket = Some(promises.next_bucket_ns).filter(|ns| promises.is_used && is_scheduled && *ns > i64::MIN);
        let begins = [self.items.next_begin_ns(), self.locations.next_begin_ns()].into_iter().flatten().min();
        let safety = self.log_time_ns.and_then(|now_ns| self.config.next_safety_ns(now_ns));
        [expiry, bucket, begins, safety, self.lanes.next_due_ns()].into_iter().flatten().min()
    }

    /// Whether a reservation still holds something.
    pub(crate) fn is_live(&self, slot: u32) -> bool {
        self.promises.reservations.is_live(slot)
    }
}
