//! Supply: what comes of purchase lines counts in the schedule, and is compared with what was ordered (`docs/claims.md`
//! §7, `docs/promise.md` §2).

use tallystick_contract::config::{Config, Receipts};
use tallystick_contract::quantity;

use super::is_before;
use crate::carry_out::raised_about;
use crate::claims::{Coming, Kind, Place, coming};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::promise::{Due, Line, State};

impl Engine {
    /// Lets what is known of a purchase line, and of those that share facts with it, count.
    pub(crate) fn settle_supply(&mut self, config: &Config, number: u32, sequence: u64) {
        let family = self.claims.family(number);
        let document = self.claims.document(self.claims.line(number).document);
        let closed_ns = document.closed_on(crate::directive::Side::Supply);
        let all: Vec<Vec<Coming>> = if let [only] = &*family {
            vec![coming(&self.claims.line(*only), closed_ns, &self.claims.sources)]
        } else {
            let stock = &self.stock;
            let lines = self.claims.shared_out(&family, |one, other| is_before(stock, one, other));
            lines.iter().map(|line| coming(line, closed_ns, &self.claims.sources)).collect()
        };
        for (number, coming) in family.iter().zip(all) {
            for here in coming {
                self.settle_coming(config, *number, here, sequence);
            }
        }
    }

    fn settle_coming(&mut self, config: &Config, number: u32, here: Coming, sequence: u64) {
        let now_ns = self.log_time_ns.unwrap_or(0);
        let place = self.place_of(number, here.spot);
        let known = self.claims.line(number).places[place as usize].serial;
        let serial = if known > 0 { known } else { self.promises.next_serial() };
        self.claims.line_mut(number).places[place as usize].serial = serial;
        let before = self.promises.lines.get(&serial).cloned();
        // A line that was dropped counts again with another quantity or day. While it is put back neither is known.
        let is_same = |line: &Line| self.is_quiet || (line.quantity, Some(line.due)) == (here.quantity, here.due);
        let is_dropped = before.as_ref().is_some_and(|line| line.is_dropped && is_same(line));
        let state = match here.closed_by {
            _ if is_dropped => State::Cancelled,
            Some(Kind::Final) => State::Final,
            Some(_) => State::Cancelled,
            None if here.rest == 0 => State::Full,
            None => State::Open,
        };
        let was_open = before.as_ref().is_some_and(|line| line.state == State::Open);
        let slot = self.entry_of(here.spot);
        let zone = self.promises.entry(slot).zone;
        let due = here.due.unwrap_or(Due::FarOff);
        // Of an open line it says nothing.
        let since = before.as_ref().filter(|line| line.state != State::Open).map_or(now_ns, |line| line.closed_ns);
        let closed_ns = if state == State::Open { 0 } else { since };
        let line = Line {
            claim: number,
            entry: slot,
            spot: here.spot,
            quantity: here.quantity,
            received: here.received,
            rest: here.rest,
            due,
            bucket: self.promises.calendar.bucket_of(zone, due),
            supplier: here.supplier,
            kind: here.kind,
            source: here.source,
            state,
            counted: before.as_ref().and_then(|line| line.counted),
            is_overdue: before.as_ref().is_some_and(|line| line.is_overdue),
            is_told: before.as_ref().is_some_and(|line| line.is_told),
            is_dropped,
            closed_ns,
        };
        let open = |line: &Line| if line.state == State::Open { line.quantity } else { 0 };
        let entry = self.promises.entry_mut(slot);
        entry.open += open(&line) - before.as_ref().map_or(0, open);
        match (was_open, state == State::Open) {
            (false, true) => entry.lines.push(serial),
            (true, false) => entry.lines.retain(|known| *known != serial),
            _ => {}
        }
        // A position reflects what is other of it.
        let seen = |line: &Line| Some((line.open_rest(), line.due)).filter(|(rest, _)| *rest != 0);
        let is_other = before.as_ref().and_then(seen) != seen(&line);
        self.promises.touch(slot);
        self.promises.lines.insert(serial, line);
        self.recount(config, serial);
        if is_other {
            self.touch(here.spot, sequence);
        }
    }

    /// Compares what was received with what was scheduled, over all positions of a line.
    pub(crate) fn compare_supply(&mut self, config: &Config, number: u32, findings: &mut Findings) {
        let serials: Vec<u64> = self.claims.line(number).places.iter().map(|place| place.serial).collect();
        for serial in serials.into_iter().filter(|serial| *serial > 0) {
            self.compare_line(config.receipts, serial, findings);
        }
    }

    fn compare_line(&mut self, receipts: Option<Receipts>, serial: u64, findings: &mut Findings) {
        let tolerance = receipts.unwrap_or(Receipts { tolerance: 0, tolerance_percent: 0 });
        let line = &self.promises.lines[&serial];
        let (received, scheduled) = (i128::from(line.received), i128::from(line.quantity));
        let is_beyond = |size: i128| {
            size > i128::from(tolerance.tolerance) && size * 100 > scheduled * i128::from(tolerance.tolerance_percent)
        };
        let is_over = received > scheduled && is_beyond(received - scheduled) && line.state != State::Cancelled;
        let is_short = received < scheduled && line.state == State::Final && is_beyond(scheduled - received);
        let (was_told, is_told) = (line.is_told, is_over || is_short);
        if is_told == was_told {
            return;
        }
        let subject = self.subject_of_supply(line);
        let what = if is_over { "more" } else { "less" };
        let (came, ordered) = (quantity::text(line.received), quantity::text(line.quantity));
        let cause = format!("{came} came, {what} than the {ordered} that were scheduled");
        // Lots and owners of a line at a location are told of as one.
        let kin = |place: &Place| place.serial > 0 && place.serial != serial;
        let kin =
            self.claims.line(line.claim).places.iter().filter(|place| kin(place)).map(|place| place.serial).collect();
        let is_told_of = |kin: Vec<u64>| {
            let known = kin.into_iter().map(|serial| &self.promises.lines[&serial]);
            known.filter(|line| line.is_told).any(|line| self.subject_of_supply(line) == subject)
        };
        let is_news = !is_told_of(kin);
        self.promises.lines.get_mut(&serial).expect("the line is known").is_told = is_told;
        if !is_news {
            return;
        }
        if is_told {
            findings.raised.push(raised_about("receipt_variance", subject, cause));
        } else {
            findings.settled.push(("receipt_variance", subject));
        }
    }
}
