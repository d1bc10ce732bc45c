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
use crate::limits::REPLY_BYTES_MAX;
use crate::outcome::Outcome;
use crate::reference::decimal;

use super::event::{Event, Key};
use super::fields::Fields;
use super::turn::{Reply, Turn};
use super::{Reference, directive, event, work};

pub use outlook::GroupFigures;

pub(super) use ask::{Ask, KINDS, decode};
pub(super) use calendar::zone;
pub(super) use line::{Consumed, LineKey, Side, Step};

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
    /// Zone and bucket of each location when somebody looked last.
    days: BTreeMap<String, (String, i64)>,
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
        self.look_at_days(sequence);
        for (code, subject) in self.look_at_promises() {
            self.work.raise(&code, &subject);
        }
    }

    /// What there is to tell since somebody looked last.
    pub(super) fn look_at_promises(&mut self) -> Vec<(String, String)> {
        self.look_at_risks();
        self.look_at_lines()
    }

    /// In another bucket, or another zone, positions with open lines or dated reservations reflect the message that brought it about.
    pub(super) fn look_at_days(&mut self, sequence: u64) {
        let locations: BTreeSet<_> = self.positions.keys().map(|at| at.location.clone()).collect();
        let now: BTreeMap<_, _> =
            locations.into_iter().map(|location| (location.clone(), self.day_at(&location))).collect();
        let before = std::mem::replace(&mut self.promise.days, now.clone());
        let lines = self.promise.lines.iter().filter(|(_, line)| line.is_open()).map(|(key, _)| &key.at);
        let dated = self.parts().filter(|part| part.held > 0 && part.due.is_some()).map(|part| &part.at);
        let affected: BTreeSet<PositionKey> = lines.chain(dated).cloned().collect();
        for at in affected {
            if before.get(&at.location).is_some_and(|day| *day != now[&at.location]) {
                self.reflect(&at, sequence);
            }
        }
    }

    /// What is promised of items may have another figure in some bucket: their positions reflect who said so.
    pub(super) fn reflect_promised(&mut self, is_meant: impl Fn(&str) -> bool, sequence: u64) {
        let lines = self.promise.lines.iter().filter(|(_, line)| line.is_open()).map(|(key, _)| &key.at);
        let live = self.parts().filter(|part| part.held > 0).map(|part| &part.at);
        let affected: BTreeSet<PositionKey> = lines.chain(live).filter(|at| is_meant(&at.sku)).cloned().collect();
        for at in affected {
            self.reflect(&at, sequence);
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
        if outcome == Outcome::Held || !KINDS_ANSWERED.iter().any(|kind| event::has_kind(text, kind)) {
            return;
        }
        let key = event.key();
        let is_judged_alone = outcome == Outcome::Conflict || self.memory.find(&key).is_none();
        let known = self.promise.told.get(&key).filter(|_| !is_judged_alone).cloned();
        self.send(text, known.unwrap_or_else(|| refusal(&key, text, outcome, sequence)));
    }

    /// Answers a request that is none, if it says who asks.
    pub(super) fn answer_malformed(&mut self, key: &Key, text: &[u8], sequence: u64) {
        if KINDS_ANSWERED.iter().any(|kind| event::has_kind(text, kind)) {
            self.send(text, refusal(key, text, Outcome::Malformed, sequence));
        }
    }

    fn send(&mut self, text: &[u8], body: Value) {
        if let Some(reply) = reply_of(text) {
            self.answers.push(Promised { reply, body });
        }
    }
}

const REQUEST: &str = "reservation.requested";
const KINDS_ANSWERED: [&str; 3] = [REQUEST, "reservation.posted", "reservation.voided"];

/// Whether somebody is told that there is not enough, and nobody else has to look at it.
pub(super) fn is_answered(text: &[u8], outcome: Outcome) -> bool {
    let is_of_kind = || KINDS_ANSWERED.iter().any(|kind| event::has_kind(text, kind));
    outcome == Outcome::Insufficient && is_of_kind() && reply_of(text).is_some()
}

/// Where an answer goes.
fn reply_of(text: &[u8]) -> Option<String> {
    let fields = Fields::read(std::str::from_utf8(text).ok()?, &["reply"])?;
    fields.text("reply", REPLY_BYTES_MAX).ok()?
}

/// An answer that refuses without having looked at anything.
fn refusal(key: &Key, text: &[u8], outcome: Outcome, sequence: u64) -> Value {
    if event::has_kind(text, REQUEST) {
        return decision::refusal(key, outcome, sequence);
    }
    reservation::answer(key, "refused", outcome, 0, sequence)
}

/// An amount as it is written.
fn amount(thousandths: i128) -> Value {
    serde_json::from_str(&decimal::written(thousandths)).expect("an amount is written as a number")
}
