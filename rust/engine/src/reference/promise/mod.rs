//! Promises: schedule lines, figures, reservations, protection and groups (`docs/promise.md` §1–§6). All that was said is kept, and every figure
//! is computed anew from it when somebody asks.

mod ask;
mod calendar;
mod decision;
mod group;
pub(super) mod kernel;
mod line;
mod outlook;
mod protection;
mod request;
mod reservation;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::balance::PositionKey;
use crate::outcome::Outcome;
use crate::quantity;

use super::event::{Content, Event, Key};
use super::fields::Fields;
use super::turn::{Reply, Turn};
use super::{Reference, directive, event, work};

pub use outlook::GroupFigures;

pub(super) use ask::{Ask, KINDS, decode};
pub(super) use calendar::zone;
pub(super) use line::{Consumed, LineKey, Side, Step};

use kernel::Figure;
use protection::{Protection, ProtectionKey};
use reservation::Reservation;

/// An answer to a request for a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// The subject that it goes to.
    pub reply: String,
    /// The answer.
    pub body: Value,
}

/// All that was said of what comes, goes, is held and kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Promise {
    lines: BTreeMap<LineKey, line::Line>,
    reservations: Vec<Reservation>,
    protections: BTreeMap<ProtectionKey, Protection>,
    groups: Vec<group::Version>,
    /// When documents were closed.
    closed: BTreeMap<String, i64>,
    /// What was answered to a request, by its key.
    told: BTreeMap<Key, Value>,
    /// Positions whose reservations were told of as at risk.
    at_risk: BTreeSet<PositionKey>,
    /// The figures of positions when somebody looked last.
    figures: BTreeMap<PositionKey, Vec<Option<i64>>>,
    /// Things that were taken and protected so far.
    numbers: u64,
}

impl Promise {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl Reference {
    /// What a directive about promises does.
    pub(super) fn promise_what_is_said(&mut self, turn: &Turn, said: &Ask, sequence: u64) -> Reply {
        let source = &turn.event.source;
        let Ok(said) = self.in_our_names(source, said, turn.claim.time_ns) else {
            unreachable!("names and units were looked at when it was admitted")
        };
        let mut reply = Reply::new(Outcome::Applied);
        reply.outcome = match said {
            Ask::Schedule { line, due, quantity, supplier } => {
                self.schedule(&line, (due, quantity.quantity), (supplier, source), sequence)
            }
            Ask::Reschedule { line, due, quantity } => {
                self.reschedule(&line, due, quantity.map(|quantity| quantity.quantity), sequence)
            }
            Ask::Cancel(line) => self.cancel(&line, sequence),
            Ask::Close(document) => {
                self.close_lines(|line| line.document == document, false, sequence);
                self.void_document(&document, sequence);
                self.promise.closed.insert(document, self.now_ns());
                Outcome::Applied
            }
            Ask::Request(request) => return self.request(turn, &request, sequence),
            Ask::Settle { target, is_post, amounts } => return self.settle(turn, &target, is_post, &amounts, sequence),
            Ask::Protect { channel, sku, scope, protected, cap } => {
                let key = ProtectionKey { sku, scope, channel };
                reply.raised = self.protect(key, protected.quantity, cap.map(|cap| cap.quantity));
                Outcome::Applied
            }
            Ask::Shift { sku, scope, from, to, quantity } => {
                let key = |channel| ProtectionKey { sku: sku.clone(), scope: scope.clone(), channel };
                self.shift(&key(from), &key(to), quantity.quantity)
            }
            Ask::Group { name, members } => self.define_group(turn.rank(), &name, members),
        };
        reply
    }

    /// Lets time do what it does: reservations expire, lines become overdue.
    pub(super) fn let_time_pass(&mut self, sequence: u64) {
        self.expire(sequence);
        for (code, subject) in self.look_at_promises() {
            self.work.raise(&code, &subject);
        }
        self.look_at_figures(sequence);
    }

    /// What there is to tell since somebody looked last.
    pub(super) fn look_at_promises(&mut self) -> Vec<(String, String)> {
        self.look_at_risks();
        self.look_at_lines()
    }

    /// A position whose figures are others than before reflects the message that brought it about, be it the first of a day.
    pub(super) fn look_at_figures(&mut self, sequence: u64) {
        // Without lines and reservations, figures say no more than accounts and safety stock do.
        if self.promise.lines.is_empty() && self.promise.reservations.is_empty() {
            return;
        }
        let mode = self.config.promise.mode;
        let now: BTreeMap<_, _> = self.positions.keys().map(|at| (at.clone(), self.figures(at, mode, None))).collect();
        let before = std::mem::replace(&mut self.promise.figures, now.clone());
        for (at, figures) in &now {
            if before.get(at).is_some_and(|before| before != figures) {
                self.reflect(at, sequence);
            }
        }
    }

    /// Positions with live reservations that cannot all be kept.
    fn look_at_risks(&mut self) {
        let positions: BTreeSet<_> = self.parts().filter(|part| part.held > 0).map(|part| part.at.clone()).collect();
        let risky: BTreeSet<_> = positions.into_iter().filter(|at| self.is_at_risk(at)).collect();
        let before = std::mem::replace(&mut self.promise.at_risk, risky.clone());
        for at in before.difference(&risky) {
            self.work.resolve("reservation_at_risk", &work::of_position(at));
        }
        for at in risky.difference(&before) {
            self.work.raise("reservation_at_risk", &work::of_position(at));
        }
    }

    /// Whether a supply line governs what a receipt's line is to bring.
    pub(super) fn is_scheduled(&self, line: &directive::Line) -> bool {
        let is_it = |key: &LineKey| {
            key.side == Side::Supply
                && (&key.document, key.number) == (&line.document, line.number)
                && (&key.at.sku, &key.at.location) == (&line.sku, &line.location)
        };
        self.promise.lines.keys().any(is_it)
    }

    /// A position reflects a message.
    fn reflect(&mut self, at: &PositionKey, sequence: u64) {
        if let Some(position) = self.positions.get_mut(at) {
            position.version = sequence;
        }
    }

    fn is_closed_document(&self, document: &str) -> bool {
        let window_ns = self.config.dedup_window_ns;
        self.promise.closed.get(document).is_some_and(|closed_ns| closed_ns.saturating_add(window_ns) > self.now_ns())
    }

    fn now_ns(&self) -> i64 {
        self.log_time_ns.unwrap_or(0)
    }

    /// Answers a request that has its outcome, at once or after it was held.
    pub(super) fn answer_request(&mut self, event: &Event, text: &[u8], outcome: Outcome, sequence: u64) {
        let is_request = matches!(&event.content, Ok(Content::Directive(directive)) if directive.kind == REQUEST)
            || (event.content.is_err() && event::has_kind(text, REQUEST));
        if !is_request || outcome == Outcome::Held {
            return;
        }
        let key = event.key();
        let is_judged_alone = outcome == Outcome::Conflict || self.memory.find(&key).is_none();
        let body = if is_judged_alone {
            Some(decision::refusal(&key, outcome, sequence))
        } else {
            self.promise.told.get(&key).cloned()
        };
        self.send(text, body);
    }

    /// Answers a request that is none, if it says who asks.
    pub(super) fn answer_malformed(&mut self, key: &Key, text: &[u8], sequence: u64) {
        if event::has_kind(text, REQUEST) {
            self.send(text, Some(decision::refusal(key, Outcome::Malformed, sequence)));
        }
    }

    fn send(&mut self, text: &[u8], body: Option<Value>) {
        let fields = std::str::from_utf8(text).ok().and_then(|text| Fields::read(text, &["reply"]));
        let reply = fields.and_then(|fields| fields.text("reply", crate::limits::REPLY_BYTES_MAX).ok().flatten());
        if let Some((reply, body)) = reply.zip(body) {
            self.answers.push(Promised { reply, body });
        }
    }
}

const REQUEST: &str = "reservation.requested";

/// An amount as it is written.
fn amount(thousandths: i128) -> Value {
    let mut text = Vec::new();
    quantity::write(&mut text, i64::try_from(thousandths).expect("amounts are sums of few accounts"));
    serde_json::from_slice(&text).expect("an amount is written as a number")
}

/// A figure as it is written.
fn figure(figure: Figure) -> Value {
    figure.map_or(Value::Null, amount)
}
