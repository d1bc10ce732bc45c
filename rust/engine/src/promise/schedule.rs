//! Schedule: entries of positions, lines of supply, where their rest counts, and what happens when their day passes
//! (`docs/promise.md` §1, §2).

use tallystick_contract::config::{Config, PastDue};
use tallystick_contract::outcome::Outcome;

use super::line::{Line, State};
use crate::batch::Batch;
use crate::directive::ReceiptLine;
use crate::engine::Engine;
use crate::ledger::PROMISED;
use crate::raise::About;
use crate::stock::Spot;
use crate::wave::{Found, Seen};

impl Engine {
    /// The entry of a position, if it has one.
    pub(crate) fn promised(&self, spot: Spot) -> Option<u32> {
        let is_promised = self.stock.at(spot).1.counts & PROMISED != 0;
        if is_promised { self.promises.find(spot) } else { None }
    }

    /// Where an event's position is, if it has an entry.
    pub(crate) fn promised_spot(&self, seen: &Seen<'_>, found: Found) -> Option<Spot> {
        let part = u32::try_from(self.stock.part_of(seen.hashes.sku)).expect("there are few parts");
        let spot = Spot { part, place: found.place? };
        Some(spot).filter(|spot| self.stock.at(*spot).1.counts & PROMISED != 0)
    }

    /// The entry of a position, new if need be.
    pub(crate) fn entry_of(&mut self, spot: Spot) -> u32 {
        if let Some(slot) = self.promised(spot) {
            return slot;
        }
        let (part, position) = self.stock.at(spot);
        let zone = self.zone_of(part.names.name(position.names[1]));
        self.stock.parts[spot.part as usize].ledger.set_promised(spot.place, true);
        let slot = self.promises.add(spot, zone);
        // Nothing may come of it, and then it goes again.
        self.promises.touch(slot);
        slot
    }

    /// A position by its names. One that nothing was posted to yet comes into being empty.
    pub(crate) fn position_of(&mut self, names: [&str; 4], sequence: u64) -> Result<Spot, Outcome> {
        if let Some(spot) = self.stock.find(names) {
            return Ok(spot);
        }
        if !self.stock.has_room(1) {
            return Err(Outcome::Overflow);
        }
        let number = self.stock.part_of(self.stock.hash(names[0]));
        let part = &mut self.stock.parts[number];
        let mut ids = [tallystick_tables::intern::NONE; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = part.names.intern(name).ok_or(Outcome::Overflow)?;
        }
        let place = part.ledger.bring_about(ids, sequence);
        let spot = Spot { part: u32::try_from(number).expect("there are few parts"), place };
        self.touch(spot, sequence);
        Ok(spot)
    }

    /// Whether supply of a receipt's names is scheduled, of whatever lot and owner.
    pub(crate) fn is_scheduled(&self, receipt: &ReceiptLine) -> bool {
        let (now_ns, window_ns) = (self.log_time_ns.unwrap_or(0), self.config.dedup_window_ns);
        self.promises.lines.values().any(|known| {
            let [sku, location, ..] = self.view_names(known.spot);
            (sku, location) == (&*receipt.sku, &*receipt.location) && !known.is_forgotten(now_ns, window_ns) && {
                let line = self.claims.line(known.claim);
                line.number == receipt.line && self.claims.document(line.document).name() == &*receipt.document
            }
        })
    }

    /// What an exception about a line of supply is about.
    pub(crate) fn subject_of_supply(&self, line: &Line) -> String {
        let [sku, location, ..] = self.view_names(line.spot);
        let claim = self.claims.line(line.claim);
        let number = claim.number.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}/{number}/{sku}/{location}", self.claims.document(claim.document).label())
    }

    /// Lets a line's rest count where it belongs now, and tells when its day has passed.
    pub(crate) fn recount(&mut self, config: &Config, serial: u64) {
        let line = &self.promises.lines[&serial];
        let slot = line.entry;
        let is_open = line.state == State::Open;
        let zone = if is_open { self.promises.entry(slot).zone } else { 0 };
        let today = self.today(zone);
        let policy = config.promise.past_due(line.supplier.as_deref(), &line.source);
        let rest = line.open_rest();
        let is_past = rest > 0 && line.bucket < today;
        let counted = line.place(today, policy).map(|bucket| (bucket, rest)).filter(|(_, rest)| *rest > 0);
        let (before, was_overdue) = (line.counted, line.is_overdue);
        if counted != before {
            let entry = self.promises.entry_mut(slot);
            if let Some((bucket, rest)) = before {
                entry.timeline.add(bucket, -rest, 0);
            }
            if let Some((bucket, rest)) = counted {
                entry.timeline.add(bucket, rest, 0);
            }
            self.promises.lines.get_mut(&serial).expect("the line is known").counted = counted;
        }
        if is_open || counted != before {
            self.promises.touch(slot);
        }
        if is_past || was_overdue {
            self.promises.overdue.push(serial);
        }
    }

    /// Tells of lines whose day has passed, and of those that are in order again: once the element, or the step of
    /// time, is done.
    pub(crate) fn tell_lines_overdue(&mut self, config: &Config, place: (u64, u32), batch: &mut Batch) {
        for serial in std::mem::take(&mut self.promises.overdue) {
            let Some(line) = self.promises.lines.get(&serial) else { continue };
            let is_open = line.open_rest() > 0;
            let is_past = is_open && line.bucket < self.today(self.promises.entry(line.entry).zone);
            let policy = config.promise.past_due(line.supplier.as_deref(), &line.source);
            if is_past != line.is_overdue {
                self.tell_overdue_line(config, (serial, policy), is_past, place, batch);
            }
            if is_past && policy == PastDue::Drop {
                // What is told stays with the people, though the line is closed.
                let line = self.promises.lines.get_mut(&serial).expect("the line is known");
                (line.is_overdue, line.is_dropped) = (false, true);
                let claim = line.claim;
                self.settle_supply(config, claim, place.0);
            }
        }
    }

    fn tell_overdue_line(
        &mut self,
        config: &Config,
        (serial, policy): (u64, PastDue),
        is_past: bool,
        place: (u64, u32),
        batch: &mut Batch,
    ) {
        let line = &self.promises.lines[&serial];
        let subject = self.subject_of_supply(line);
        let [sku, location, ..] = self.view_names(line.spot).map(ToOwned::to_owned);
        let what = match policy {
            PastDue::Exception => "it counts no more until it is rescheduled or received".to_owned(),
            PastDue::Drop => "it is dropped".to_owned(),
            PastDue::Slide(buckets) => format!("it counts {buckets} buckets after the present one"),
            PastDue::Keep(buckets) => format!("it counts as of now for {buckets} buckets"),
        };
        let (rest, due) = (tallystick_contract::quantity::text(line.open_rest()), self.bucket_text(line.bucket));
        let document = self.claims.document(self.claims.line(line.claim).document).name();
        let cause = format!("{rest} of {document:?} was due {due} and has not come; {what}");
        let source = line.source.clone();
        self.promises.lines.get_mut(&serial).expect("the line is known").is_overdue = is_past;
        if !is_past {
            let now = self.now(place);
            self.work.resolve("supply_overdue", &subject, "in order again", now);
            return;
        }
        let about = About {
            code: "supply_overdue",
            subject: &subject,
            source: Some(&source),
            sku: Some(&sku),
            location: Some(&location),
            cause,
            missing: None,
            place,
        };
        self.raise_about(config, about, batch);
    }
}
