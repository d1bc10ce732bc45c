//! Receipts against what was announced, and transfers against what was dispatched.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;

use super::claims::supply::{SupplyFact, SupplySaid};
use super::directive::ReceiptLine;
use super::document::Order;
use super::posting::Posting;
use super::turn::Turn;
use super::twin::{Dispatch, Expected, Reference, Taken};

/// The line that a posting brings something of.
fn line_of(posting: &Posting) -> Option<ReceiptLine> {
    let body = &posting.body;
    let is_receipt = &*body.rule.name == "stock.received" && !body.document.is_empty();
    is_receipt.then(|| ReceiptLine {
        names: posting.names.clone(),
        document: body.document.clone(),
        number: body.line.clone(),
        sku: body.sku.clone(),
        location: body.location.clone(),
    })
}

fn subject_of(line: &ReceiptLine) -> String {
    let order = Order { names: line.names.clone(), document: line.document.clone(), sku: line.sku.clone() };
    format!("{}/{}", order.subject(&line.number), line.location)
}

impl Reference {
    /// An announcement, or the end of a line.
    pub(super) fn announce(
        &mut self,
        turn: &Turn,
        line: &ReceiptLine,
        quantity: Option<i64>,
        sequence: u64,
    ) -> Vec<(String, String)> {
        let line = self.line_named(turn, line);
        if quantity.is_none() {
            self.close_receipt(turn, &line, sequence);
        }
        let change = |expected: &mut Expected| match quantity {
            Some(quantity) => expected.announced = Some(quantity),
            None => expected.is_closed = true,
        };
        self.look_at(&line, change).into_iter().collect()
    }

    /// All that should have come of a supply line was received.
    fn close_receipt(&mut self, turn: &Turn, line: &ReceiptLine, sequence: u64) {
        let ReceiptLine { names, document, number, sku, location } = line.clone();
        let order = Order { names, document, sku: sku.clone() };
        let at = PositionKey { sku, location, lot: String::new(), owner: String::new() };
        let fact = SupplyFact {
            number,
            at: at.clone(),
            time_ns: turn.admitted.time_ns,
            key: turn.key(),
            posting: None,
            said: SupplySaid::Closed { is_received: true },
        };
        self.seeing(&BTreeSet::from([order.clone()]), &[], sequence, |twin| {
            twin.claims.supplies.add(&order, [fact]);
        });
        // As every word about a line, it brings about where the line is.
        self.positions.entry(at.clone()).or_default();
        self.reflect(&at, sequence);
    }

    /// A line in our names.
    pub(super) fn line_named(&self, turn: &Turn, line: &ReceiptLine) -> ReceiptLine {
        let (source, time_ns) = (&turn.event.source, turn.admitted.time_ns);
        ReceiptLine {
            names: self.config.documents(source).to_owned(),
            sku: self.master.item_name(source, &line.sku, time_ns),
            location: self.master.location_name(source, &line.location, time_ns),
            ..line.clone()
        }
    }

    /// What a posting that is taken out, and one that is put in, change of what was received.
    pub(super) fn receive(&mut self, undo: Option<&Posting>, add: Option<&Posting>) -> Vec<(String, String)> {
        if self.config.receipts.is_none() {
            return Vec::new();
        }
        self.forget_lines();
        let mut changes: Vec<(ReceiptLine, i128)> = Vec::new();
        for (posting, sign) in undo.map(|undo| (undo, -1)).into_iter().chain(add.map(|add| (add, 1))) {
            let Some(line) = line_of(posting) else { continue };
            // What was forgotten cannot be taken back.
            if sign < 0 && !self.lines.contains_key(&line) {
                continue;
            }
            let amount = sign * i128::from(posting.body.quantity);
            match changes.iter_mut().find(|(known, _)| *known == line) {
                Some((_, sum)) => *sum += amount,
                None => changes.push((line, amount)),
            }
        }
        let look = |(line, amount): (ReceiptLine, i128)| self.look_at(&line, |expected| expected.received += amount);
        changes.into_iter().filter_map(look).collect()
    }

    /// Changes a line and says if it does not fit since.
    fn look_at(&mut self, line: &ReceiptLine, change: impl FnOnce(&mut Expected)) -> Option<(String, String)> {
        let receipts = self.config.receipts?;
        self.forget_lines();
        let is_scheduled = self.is_scheduled(line);
        let expected = self.lines.entry(line.clone()).or_default();
        change(expected);
        expected.touched_ns = self.log_time_ns.unwrap_or(0);
        let was_off = expected.is_off;
        // What was scheduled is what was announced, and says itself whether it fits.
        if is_scheduled {
            return None;
        }
        expected.is_off = !expected.fits(receipts);
        if !expected.is_off && expected.announced.is_some() {
            self.work.resolve("receipt_variance", &subject_of(line));
        }
        (expected.is_off && !was_off).then(|| ("receipt_variance".to_owned(), subject_of(line)))
    }

    fn forget_lines(&mut self) {
        let (now, window_ns) = (self.log_time_ns.unwrap_or(0), self.config.dedup_window_ns);
        self.lines.retain(|_, expected| expected.touched_ns.saturating_add(window_ns) > now);
    }

    /// What a posting that is taken out, and one that is put in, change of what is on its way.
    pub(super) fn ship(&mut self, undo: Option<&Posting>, add: Option<&Posting>) {
        if self.config.transfer_age_ns.is_none() {
            return;
        }
        if let Some(undo) = undo {
            for dispatch in self.dispatches.iter().filter(|dispatch| dispatch.number == undo.number) {
                self.work.resolve("transfer_overdue", &dispatch.subject());
            }
            self.dispatches.retain(|dispatch| dispatch.number != undo.number);
            self.taken.retain(|taken| taken.number != undo.number);
        }
        if let Some(Posting { number, key, body, .. }) = add {
            let quantity = i128::from(body.quantity);
            match &*body.rule.name {
                "transfer.dispatched" => self.dispatches.push(Dispatch {
                    number: *number,
                    key: key.clone(),
                    to: body.remote_key(),
                    quantity,
                    came_ns: self.log_time_ns.unwrap_or(0),
                    is_told: false,
                }),
                "transfer.received" => self.taken.push(Taken { number: *number, at: body.key(), quantity }),
                _ => {}
            }
        }
        let open = self.open_dispatches();
        for dispatch in self.dispatches.iter().filter(|dispatch| !open.contains(&dispatch.number)) {
            self.work.resolve("transfer_overdue", &dispatch.subject());
        }
    }

    /// Tells once of each dispatch that is on its way for too long.
    pub(super) fn tell_overdue(&mut self) {
        let (Some(age_ns), Some(now)) = (self.config.transfer_age_ns, self.log_time_ns) else { return };
        let open = self.open_dispatches();
        let mut dispatches: Vec<_> = self.dispatches.iter_mut().collect();
        // The one that came first is told first; of those that came together, in the order of their positions.
        dispatches.sort_by_key(|dispatch| (dispatch.came_ns, dispatch.to.clone()));
        for dispatch in dispatches {
            let is_overdue = dispatch.came_ns.saturating_add(age_ns) <= now && open.contains(&dispatch.number);
            if is_overdue && !dispatch.is_told {
                dispatch.is_told = true;
                self.work.raise("transfer_overdue", &dispatch.subject());
            }
        }
    }

    /// Dispatches that are not taken whole, first in, first out, per position.
    fn open_dispatches(&self) -> Vec<u64> {
        let mut left: BTreeMap<&PositionKey, i128> = BTreeMap::new();
        for taken in &self.taken {
            *left.entry(&taken.at).or_default() += taken.quantity;
        }
        let mut open = Vec::new();
        for dispatch in &self.dispatches {
            let left = left.entry(&dispatch.to).or_default();
            *left -= dispatch.quantity;
            open.extend((*left < 0).then_some(dispatch.number));
        }
        open
    }
}
