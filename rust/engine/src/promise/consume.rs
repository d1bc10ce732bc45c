//! Consuming: events of stock with a document move its schedule lines, in the same event (`docs/promise.md` §2).

use super::line::State;
use crate::carry_out::raised_about;
use crate::config::{Config, Receipts};
use crate::dedup::Fingerprint;
use crate::directive::Side;
use crate::engine::Engine;
use crate::event::Event;
use crate::explain::Findings;
use crate::judge::Claim;
use crate::quantity;
use crate::rules::Flow;

/// The reason with which an event says that nothing more will come.
const FINAL: &str = "final";

impl Engine {
    /// Moves the line of an event that was posted.
    #[inline]
    pub(crate) fn consume(
        &mut self,
        config: &Config,
        (event, claim, quantity): (&Event<'_>, &Claim<'_>, i64),
        key: Fingerprint,
        findings: &mut Findings,
    ) {
        if !self.promises.lines.is_empty() {
            self.consume_line(config, (event, claim, quantity), key, findings);
        }
    }

    fn consume_line(
        &mut self,
        config: &Config,
        (event, claim, quantity): (&Event<'_>, &Claim<'_>, i64),
        key: Fingerprint,
        findings: &mut Findings,
    ) {
        let (Some(document), Some((flow, is_back))) = (event.document, claim.rule.flow) else { return };
        let names = [event.sku, event.location, event.lot, event.owner].map(Option::unwrap_or_default);
        let side = if flow == Flow::Received { Side::Supply } else { Side::Demand };
        let Some(spot) = self.stock.find(names) else { return };
        let Some(serial) = self.line_at((side, document, event.line), spot) else { return };
        let moved = (flow, if is_back { -quantity } else { quantity });
        self.keep_earlier(serial, key);
        self.move_line(serial, key, moved);
        let line = &self.promises.lines[&serial];
        let is_beyond = match line.state {
            State::Open => false,
            State::Full => line.sum(flow) > line.quantity,
            State::Final | State::Cancelled => true,
        };
        if is_beyond && !is_back {
            let what = if line.state == State::Full { "complete" } else { "closed" };
            let cause = format!("this line of {} {document:?} was {what} before", side.name());
            let subject = line.subject(names);
            findings.raised.push(raised_about("closed_line", subject, cause));
        }
        let ends = matches!(flow, Flow::Received | Flow::Shipped) && event.reason == Some(FINAL);
        if ends && line.state == State::Open {
            self.close_line(config, serial, State::Final);
        }
        self.settle_line(config, serial, findings);
    }

    /// Keeps what an event moved whose key was forgotten and is used again: it counts on, and nobody can take it back any more.
    fn keep_earlier(&mut self, serial: u64, key: Fingerprint) {
        let line = self.promises.lines.get_mut(&serial).expect("the line is known");
        let Some(earlier) = line.moved.remove(&key.0) else { return };
        // A key that no event has.
        let [mut low, high] = key.0;
        while line.moved.contains_key(&[low, !high]) {
            low = low.wrapping_add(1);
        }
        line.moved.insert([low, !high], earlier);
    }

    /// Notes what an event moved.
    pub(crate) fn move_line(&mut self, serial: u64, key: Fingerprint, moved: (Flow, i64)) {
        let line = self.promises.lines.get_mut(&serial).expect("the line is known");
        line.moved.insert(key.0, moved);
        self.promises.moved_by.insert(key.0, serial);
    }

    /// Takes back what an event moved, because it never happened. Gives its line, which is compared once what happened instead has moved it.
    pub(crate) fn retract_consumption(&mut self, config: &Config, key: Fingerprint) -> Option<u64> {
        let serial = self.promises.moved_by.remove(&key.0)?;
        let now_ns = self.log_time_ns.unwrap_or(0);
        let line = self.promises.lines.get_mut(&serial)?;
        line.moved.remove(&key.0);
        if line.is_forgotten(now_ns, config.dedup_window_ns) {
            return None;
        }
        self.complete_line(config, serial);
        Some(serial)
    }

    /// Closes supply lines by word, of whatever lot and owner: what is missing will not come.
    pub(crate) fn close_supply(
        &mut self,
        config: &Config,
        (document, line, sku, location): (&str, Option<i64>, &str, &str),
        sequence: u64,
        findings: &mut Findings,
    ) {
        let lines = self.promises.document(document).map(|document| document.lines.clone()).unwrap_or_default();
        for serial in lines {
            let known = &self.promises.lines[&serial];
            let [known_sku, known_location, ..] = self.view(known.spot).names;
            let is_it = known.side == Side::Supply
                && known.number == line
                && known.state == State::Open
                && (known_sku, known_location) == (sku, location);
            if is_it {
                let spot = known.spot;
                self.close_line(config, serial, State::Final);
                self.settle_line(config, serial, findings);
                self.touch(spot, sequence);
            }
        }
    }

    /// Closes a line that is complete, opens one again that is not any more, and tells whether what came fits.
    pub(crate) fn settle_line(&mut self, config: &Config, serial: u64, findings: &mut Findings) {
        self.complete_line(config, serial);
        self.compare_line(config.receipts, serial, findings);
    }

    /// Closes a line that is complete, and opens one again that is not any more.
    fn complete_line(&mut self, config: &Config, serial: u64) {
        let line = &self.promises.lines[&serial];
        let is_complete = line.finished() >= line.quantity;
        match (line.state, is_complete) {
            (State::Open, true) => self.close_line(config, serial, State::Full),
            (State::Full, false) => {
                self.reopen_line(serial);
                self.recount(config, serial);
            }
            _ => self.recount(config, serial),
        }
    }

    /// Tells whether what was received fits what was scheduled.
    pub(crate) fn compare_line(&mut self, receipts: Option<Receipts>, serial: u64, findings: &mut Findings) {
        if self.promises.lines[&serial].side == Side::Demand {
            return;
        }
        let tolerance = receipts.unwrap_or(Receipts { tolerance: 0, tolerance_percent: 0 });
        let names = self.view(self.promises.lines[&serial].spot).names;
        let line = &self.promises.lines[&serial];
        let (received, scheduled) = (i128::from(line.finished()), i128::from(line.quantity));
        let is_beyond = |size: i128| {
            size > i128::from(tolerance.tolerance) && size * 100 > scheduled * i128::from(tolerance.tolerance_percent)
        };
        let is_over = received > scheduled && is_beyond(received - scheduled) && line.state != State::Cancelled;
        let is_short = received < scheduled && line.state == State::Final && is_beyond(scheduled - received);
        let (was_told, is_told) = (line.is_told, is_over || is_short);
        if is_told == was_told {
            return;
        }
        let subject = line.subject(names);
        let what = if is_over { "more" } else { "less" };
        let cause = format!(
            "{} came, {what} than the {} that were scheduled",
            quantity::text(line.finished()),
            quantity::text(line.quantity)
        );
        self.promises.lines.get_mut(&serial).expect("the line is known").is_told = is_told;
        if is_told {
            findings.raised.push(raised_about("receipt_variance", subject, cause));
        } else {
            findings.settled.push(("receipt_variance", subject));
        }
    }
}
