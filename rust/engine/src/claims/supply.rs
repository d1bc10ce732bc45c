//! Supply: what comes of purchase lines counts in the schedule, and is compared with what was ordered (`docs/claims.md`
//! §7, `docs/promise.md` §2).

use tallystick_contract::config::Receipts;
use tallystick_contract::quantity;

use crate::calendar::Due;
use crate::claims::book::{Claims, Coming, FactKind, LinePlace, coming};
use crate::claims::is_before;
use crate::diagnostics::{Diagnostics, Raised};
use crate::schedule::Books;
use crate::schedule::{SupplyLine, SupplyState};

impl Claims {
    /// Lets what is known of a purchase line, and of those that share facts with it, count.
    pub(crate) fn settle_supply(&mut self, books: &mut Books<'_>, number: u32) {
        let family = self.family(number);
        let document = self.document(self.line(number).document);
        let closed_ns = document.closed_on(crate::read::directive::Side::Supply);
        let all: Vec<Vec<Coming>> = if let [only] = &*family {
            vec![coming(&self.line(*only), closed_ns, &self.sources)]
        } else {
            let stock = &books.core.stock;
            let lines = self.shared_out(&family, |one, other| is_before(stock, one, other));
            lines.iter().map(|line| coming(line, closed_ns, &self.sources)).collect()
        };
        for (number, coming) in family.iter().zip(all) {
            for here in coming {
                self.settle_coming(books, *number, here);
            }
        }
    }

    fn settle_coming(&mut self, books: &mut Books<'_>, number: u32, here: Coming) {
        let now_ns = books.core.now_ns();
        let place = self.place_of(books.view(), number, here.spot);
        let known = self.line(number).places[place as usize].serial;
        let serial = if known > 0 { known } else { books.schedule.next_serial() };
        self.line_mut(number).places[place as usize].serial = serial;
        let before = books.schedule.lines.get(&serial).cloned();
        // A line that was dropped counts again with another quantity or day. While it is put back neither is known.
        let is_same =
            |line: &SupplyLine| books.core.is_quiet || (line.quantity, Some(line.due)) == (here.quantity, here.due);
        let is_dropped = before.as_ref().is_some_and(|line| line.is_dropped && is_same(line));
        let state = match here.closed_by {
            _ if is_dropped => SupplyState::Cancelled,
            Some(FactKind::Final) => SupplyState::Final,
            Some(_) => SupplyState::Cancelled,
            None if here.rest == 0 => SupplyState::Full,
            None => SupplyState::Open,
        };
        let was_open = before.as_ref().is_some_and(|line| line.state == SupplyState::Open);
        let slot = books.schedule.entry_of(books.core, here.spot);
        let zone = books.schedule.entry(slot).zone;
        let due = here.due.unwrap_or(Due::FarOff);
        // Of an open line it says nothing.
        let since =
            before.as_ref().filter(|line| line.state != SupplyState::Open).map_or(now_ns, |line| line.closed_ns);
        let closed_ns = if state == SupplyState::Open { 0 } else { since };
        let line = SupplyLine {
            claim: number,
            entry: slot,
            spot: here.spot,
            quantity: here.quantity,
            received: here.received,
            rest: here.rest,
            due,
            bucket: books.core.calendar.bucket_of(zone, due),
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
        let open = |line: &SupplyLine| if line.state == SupplyState::Open { line.quantity } else { 0 };
        let entry = books.schedule.entry_mut(slot);
        entry.open += open(&line) - before.as_ref().map_or(0, open);
        match (was_open, state == SupplyState::Open) {
            (false, true) => entry.lines.push(serial),
            (true, false) => entry.lines.retain(|known| *known != serial),
            _ => {}
        }
        // A position reflects what is other of it.
        let seen = |line: &SupplyLine| Some((line.open_rest(), line.due)).filter(|(rest, _)| *rest != 0);
        let is_other = before.as_ref().and_then(seen) != seen(&line);
        books.schedule.touch(slot);
        books.schedule.lines.insert(serial, line);
        books.schedule.recount(books.core, books.config, serial);
        if is_other {
            books.core.touch(here.spot, books.sequence);
        }
    }

    /// Compares what was received with what was scheduled, over all positions of a line.
    pub(crate) fn compare_supply(&self, books: &mut Books<'_>, number: u32, diagnostics: &mut Diagnostics) {
        let serials: Vec<u64> = self.line(number).places.iter().map(|place| place.serial).collect();
        for serial in serials.into_iter().filter(|serial| *serial > 0) {
            self.compare_line(books, books.config.receipts, serial, diagnostics);
        }
    }

    fn compare_line(
        &self,
        books: &mut Books<'_>,
        receipts: Option<Receipts>,
        serial: u64,
        diagnostics: &mut Diagnostics,
    ) {
        let tolerance = receipts.unwrap_or(Receipts { tolerance: 0, tolerance_percent: 0 });
        let line = &books.schedule.lines[&serial];
        let (received, scheduled) = (i128::from(line.received), i128::from(line.quantity));
        let is_beyond = |size: i128| {
            size > i128::from(tolerance.tolerance) && size * 100 > scheduled * i128::from(tolerance.tolerance_percent)
        };
        let is_over = received > scheduled && is_beyond(received - scheduled) && line.state != SupplyState::Cancelled;
        let is_short = received < scheduled && line.state == SupplyState::Final && is_beyond(scheduled - received);
        let (was_told, is_told) = (line.is_told, is_over || is_short);
        if is_told == was_told {
            return;
        }
        let subject = self.subject_of_supply(books.view(), line);
        let what = if is_over { "more" } else { "less" };
        let (came, ordered) = (quantity::text(line.received), quantity::text(line.quantity));
        let cause = format!("{came} came, {what} than the {ordered} that were scheduled");
        // Lots and owners of a line at a location are told of as one.
        let kin = |place: &LinePlace| place.serial > 0 && place.serial != serial;
        let kin = self.line(line.claim).places.iter().filter(|place| kin(place)).map(|place| place.serial).collect();
        let is_told_of = |kin: Vec<u64>| {
            let known = kin.into_iter().map(|serial| &books.schedule.lines[&serial]);
            known.filter(|line| line.is_told).any(|line| self.subject_of_supply(books.view(), line) == subject)
        };
        let is_news = !is_told_of(kin);
        books.schedule.lines.get_mut(&serial).expect("the line is known").is_told = is_told;
        if !is_news {
            return;
        }
        if is_told {
            diagnostics.raised.push(Raised::about("receipt_variance", subject, cause));
        } else {
            diagnostics.settled.push(("receipt_variance", subject));
        }
    }
}
