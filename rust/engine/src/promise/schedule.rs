//! Schedule: lines of supply and demand as the log says them, where their rest counts, and what happens when their day passes (`docs/promise.md` §1, §2).

use super::line::{Line, State};
use super::record::Part;
use crate::admit::Admitted;
use crate::batch::Batch;
use crate::config::{Config, PastDue};
use crate::dedup::Fingerprint;
use crate::directive::{LineName, LineSaid, ReceiptLine, Side};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::judge::Case;
use crate::ledger::PROMISED;
use crate::limits::ACCOUNT_MAX;
use crate::outcome::Outcome;
use crate::raise::About;
use crate::rules::Flow;
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
        self.promises.add(spot, zone)
    }

    /// A position by its names. One that nothing was posted to yet comes into being empty.
    fn position_of(&mut self, names: [&str; 4], sequence: u64) -> Result<Spot, Outcome> {
        if let Some(spot) = self.stock.find(names) {
            return Ok(spot);
        }
        if !self.stock.has_room(1) {
            return Err(Outcome::Overflow);
        }
        let number = self.stock.part_of(self.stock.hash(names[0]));
        let part = &mut self.stock.parts[number];
        let mut ids = [crate::intern::NONE; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = part.names.intern(name).ok_or(Outcome::Overflow)?;
        }
        let place = part.ledger.bring_about(ids, sequence);
        let spot = Spot { part: u32::try_from(number).expect("there are few parts"), place };
        self.touch(spot, sequence);
        Ok(spot)
    }

    /// The line with a name, at a position.
    pub(crate) fn line_at(&self, (side, document, line): (Side, &str, Option<i64>), spot: Spot) -> Option<u64> {
        let lines = &self.promises.document(document)?.lines;
        let (now_ns, window_ns) = (self.log_time_ns.unwrap_or(0), self.config.dedup_window_ns);
        let is = |serial: &&u64| {
            let known = &self.promises.lines[*serial];
            let is_it = known.side == side && known.number == line && known.spot == spot;
            is_it && !known.is_forgotten(now_ns, window_ns)
        };
        lines.iter().find(is).copied()
    }

    /// Whether supply of a receipt's names is scheduled, of whatever lot and owner.
    pub(crate) fn is_scheduled(&self, line: &ReceiptLine) -> bool {
        let lines = self.promises.document(&line.document).map_or(&[][..], |document| &document.lines);
        let (now_ns, window_ns) = (self.log_time_ns.unwrap_or(0), self.config.dedup_window_ns);
        lines.iter().any(|serial| {
            let known = &self.promises.lines[serial];
            let [sku, location, ..] = self.view(known.spot).names;
            known.side == Side::Supply
                && known.number == line.line
                && (sku, location) == (&*line.sku, &*line.location)
                && !known.is_forgotten(now_ns, window_ns)
        })
    }

    /// Opens a line, or says anew what it is.
    pub(crate) fn schedule(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (name, said, admitted): (&LineName, &LineSaid, &Admitted),
        findings: &mut Findings,
    ) -> Outcome {
        let [sku, location, lot, owner] = names_of(name, admitted);
        let spot = match self.position_of([sku, location, lot, owner], case.sequence) {
            Ok(spot) => spot,
            Err(outcome) => return outcome,
        };
        let known = self.line_at((name.side, &name.document, name.line), spot);
        let quantity = admitted.quantity.or(said.quantity).unwrap_or_default();
        let Some(due) = said.due else { unreachable!("a line that is scheduled has a date") };
        let mut line = match known {
            Some(serial) => self.promises.lines[&serial].clone(),
            None => Line {
                side: name.side,
                document: name.document.clone(),
                number: name.line,
                entry: 0,
                spot,
                quantity,
                due,
                bucket: 0,
                supplier: None,
                kind: None,
                source: Box::default(),
                state: State::Cancelled,
                moved: std::collections::BTreeMap::new(),
                counted: None,
                is_overdue: false,
                is_told: false,
                closed_ns: 0,
                reserved: 0,
            },
        };
        (line.quantity, line.due, line.state) = (quantity, due, State::Open);
        (line.supplier, line.kind) = (said.supplier.clone(), said.kind.clone());
        line.source = case.seen.event.source.unwrap_or_default().into();
        if known.is_none() && name.side == Side::Supply {
            self.recall_receipts(name, [sku, location], &mut line);
        }
        self.put_line(config, (known, line), case, findings)
    }

    /// Changes a line that is open.
    pub(crate) fn reschedule(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (name, said, admitted): (&LineName, &LineSaid, &Admitted),
        findings: &mut Findings,
    ) -> Outcome {
        let Some((serial, mut line)) = self.open_line(name, admitted, findings) else {
            return Outcome::UnknownReference;
        };
        line.quantity = admitted.quantity.or(said.quantity).unwrap_or(line.quantity);
        line.due = said.due.unwrap_or(line.due);
        self.put_line(config, (Some(serial), line), case, findings)
    }

    /// Closes a line that is open.
    pub(crate) fn cancel(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (name, admitted): (&LineName, &Admitted),
        findings: &mut Findings,
    ) -> Outcome {
        let Some((serial, _)) = self.open_line(name, admitted, findings) else {
            return Outcome::UnknownReference;
        };
        self.close_line(config, serial, State::Cancelled);
        self.touch(self.promises.lines[&serial].spot, case.sequence);
        Outcome::Applied
    }

    fn open_line(&self, name: &LineName, admitted: &Admitted, findings: &mut Findings) -> Option<(u64, Line)> {
        let spot = self.stock.find(names_of(name, admitted));
        let serial = spot.and_then(|spot| self.line_at((name.side, &name.document, name.line), spot));
        let known = serial.map(|serial| (serial, &self.promises.lines[&serial]));
        let why = match known {
            Some((serial, line)) if line.state == State::Open => return Some((serial, line.clone())),
            Some(_) => "is closed",
            None => "was never scheduled",
        };
        findings.why = Some(format!("this line of {} {:?} {why}", name.side.name(), name.document));
        None
    }

    /// What was received for a line before it was scheduled, where receipts are watched.
    fn recall_receipts(&mut self, name: &LineName, [sku, location]: [&str; 2], line: &mut Line) {
        let (document, number) = (name.document.clone(), name.line);
        let watched = ReceiptLine { document, line: number, sku: sku.into(), location: location.into() };
        for (key, quantity) in self.lines.received(&watched) {
            // Receipts are watched whatever their lot; only what came to this position counts for the line.
            let posted = self.stock.parts[line.spot.part as usize].journal.find(Fingerprint(key));
            if posted.is_some_and(|posted| posted.places.0 == line.spot.place) {
                line.moved.insert(key, (Flow::Received, quantity));
            }
        }
    }

    /// Puts a line in its place, unless its position would hold too much.
    fn put_line(
        &mut self,
        config: &Config,
        (serial, mut line): (Option<u64>, Line),
        case: &Case<'_, '_>,
        findings: &mut Findings,
    ) -> Outcome {
        let spot = line.spot;
        let was_open = serial.is_some_and(|serial| self.promises.lines[&serial].state == State::Open);
        let before = serial.filter(|_| was_open).map_or(0, |serial| self.promises.lines[&serial].quantity);
        let slot = self.entry_of(spot);
        let entry = self.promises.entry_mut(slot);
        let open = &mut entry.open[line.side as usize];
        if *open - before + line.quantity > ACCOUNT_MAX {
            self.promises.touch(slot);
            return Outcome::Overflow;
        }
        // Closed lines add what they had to nothing.
        *open += line.quantity - before;
        line.entry = slot;
        let zone = entry.zone;
        line.bucket = self.promises.calendar.bucket_of(zone, line.due);
        let serial = serial.unwrap_or_else(|| {
            let serial = self.promises.next_serial();
            self.promises.document_mut(&line.document).lines.push(serial);
            serial
        });
        if !was_open {
            self.promises.entry_mut(slot).lines.push(serial);
            line.reserved = self.held_for(&line);
        }
        for key in line.moved.keys() {
            self.promises.moved_by.insert(*key, serial);
        }
        self.promises.lines.insert(serial, line);
        self.settle_line(config, serial, findings);
        self.touch(spot, case.sequence);
        Outcome::Applied
    }

    /// Closes a line.
    pub(crate) fn close_line(&mut self, config: &Config, serial: u64, state: State) {
        let now_ns = self.log_time_ns.unwrap_or(0);
        let line = self.promises.lines.get_mut(&serial).expect("the line is known");
        if line.state == State::Open {
            let (slot, side, quantity) = (line.entry, line.side, line.quantity);
            (line.state, line.closed_ns) = (state, now_ns);
            let entry = self.promises.entry_mut(slot);
            entry.open[side as usize] -= quantity;
            entry.lines.retain(|known| *known != serial);
        } else {
            line.state = state;
        }
        self.recount(config, serial);
    }

    /// Opens a line again of which something was given back.
    pub(crate) fn reopen_line(&mut self, serial: u64) {
        let spot = self.promises.lines[&serial].spot;
        let slot = self.entry_of(spot);
        let reserved = self.held_for(&self.promises.lines[&serial]);
        let line = self.promises.lines.get_mut(&serial).expect("the line is known");
        line.state = State::Open;
        (line.entry, line.reserved) = (slot, reserved);
        let (side, quantity, due) = (line.side, line.quantity, line.due);
        let entry = self.promises.entry_mut(slot);
        entry.open[side as usize] += quantity;
        entry.lines.push(serial);
        let bucket = self.promises.calendar.bucket_of(self.promises.entry(slot).zone, due);
        self.promises.lines.get_mut(&serial).expect("the line is known").bucket = bucket;
    }

    /// Lets a line's rest count where it belongs now, and tells when its day has passed.
    pub(crate) fn recount(&mut self, config: &Config, serial: u64) {
        let line = &self.promises.lines[&serial];
        let (slot, side) = (line.entry, line.side);
        let is_open = line.state == State::Open;
        let zone = if is_open { self.promises.entry(slot).zone } else { 0 };
        let today = self.today(zone);
        let policy = config.promise.past_due(line.supplier.as_deref(), &line.source);
        let rest = line.rest();
        let is_past = is_open && rest > 0 && side == Side::Supply && line.bucket < today;
        let counted = line.place(today, policy, config.promise.keeps_past_due_demand).map(|bucket| (bucket, rest));
        let counted = counted.filter(|(_, rest)| *rest > 0);
        let (before, was_overdue) = (line.counted, line.is_overdue);
        if counted != before {
            let on_side = |amount: i64| if side == Side::Supply { (amount, 0) } else { (0, amount) };
            let entry = self.promises.entry_mut(slot);
            if let Some((bucket, rest)) = before {
                let (supply, demand) = on_side(-rest);
                entry.timeline.add(bucket, supply, demand);
            }
            if let Some((bucket, rest)) = counted {
                let (supply, demand) = on_side(rest);
                entry.timeline.add(bucket, supply, demand);
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

    /// What live reservations of a line's document, number and position hold.
    pub(super) fn held_for(&self, line: &Line) -> i64 {
        if line.side == Side::Supply {
            return 0;
        }
        let slots = self.promises.document(&line.document).map_or(&[][..], |document| &document.reservations);
        let held = |slot: &u32| {
            let record = self.promises.reservations.get(*slot);
            let here = |part: &&Part| part.spot == line.spot && record.got[usize::from(part.line)].line == line.number;
            record.parts.iter().filter(here).map(|part| part.held).fold(0, i64::saturating_add)
        };
        slots.iter().map(held).fold(0, i64::saturating_add)
    }

    /// Tells of lines whose day has passed, and of those that are in order again: once the element, or the step of time, is done.
    pub(crate) fn tell_lines_overdue(&mut self, config: &Config, place: (u64, u32), batch: &mut Batch) {
        for serial in std::mem::take(&mut self.promises.overdue) {
            let Some(line) = self.promises.lines.get(&serial) else { continue };
            let is_open = line.state == State::Open && line.side == Side::Supply && line.rest() > 0;
            let is_past = is_open && line.bucket < self.today(self.promises.entry(line.entry).zone);
            let policy = config.promise.past_due(line.supplier.as_deref(), &line.source);
            if is_past != line.is_overdue {
                self.tell_overdue_line(config, (serial, policy), is_past, place, batch);
            }
            if is_past && policy == PastDue::Drop {
                // What is told stays with the people, though the line is closed.
                self.promises.lines.get_mut(&serial).expect("the line is known").is_overdue = false;
                self.close_line(config, serial, State::Cancelled);
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
        let names = self.view(line.spot).names;
        let subject = line.subject(names);
        let [sku, location, ..] = names.map(ToOwned::to_owned);
        let what = match policy {
            PastDue::Exception => "it counts no more until it is rescheduled or received".to_owned(),
            PastDue::Drop => "it is dropped".to_owned(),
            PastDue::Slide(buckets) => format!("it counts {buckets} buckets after the present one"),
            PastDue::Keep(buckets) => format!("it counts as of now for {buckets} buckets"),
        };
        let (rest, due) = (crate::quantity::text(line.rest()), self.bucket_text(line.bucket));
        let cause = format!("{rest} of {:?} was due {due} and has not come; {what}", line.document);
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

    /// Closes all that is open of a document.
    pub(crate) fn close_lines(&mut self, config: &Config, document: &str, case: &Case<'_, '_>) {
        let lines = self.promises.document(document).map(|document| document.lines.clone()).unwrap_or_default();
        for serial in lines {
            if self.promises.lines[&serial].state == State::Open {
                self.close_line(config, serial, State::Cancelled);
                self.touch(self.promises.lines[&serial].spot, case.sequence);
            }
        }
    }
}

/// The names of a line as the ledger has them.
fn names_of<'a>(name: &'a LineName, admitted: &'a Admitted) -> [&'a str; 4] {
    let [sku, location, lot, owner] = &name.names;
    [admitted.sku.as_deref().unwrap_or(sku), admitted.location.as_deref().unwrap_or(location), lot, owner]
}
