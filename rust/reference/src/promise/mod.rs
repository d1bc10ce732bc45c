//! Promises: schedule lines, figures, reservations, protection and groups (`docs/promise.md` §1–§6). All that was said
//! is kept, and every figure is computed anew from it when somebody asks.

mod ask;
mod calendar;
mod decision;
mod group;
pub(super) mod kernel;
mod outlook;
mod protection;
mod request;
mod reservation;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::limits::REPLY_BYTES_MAX;
use tallystick_contract::outcome::Outcome;

use crate::decimal;

use super::event::{Event, Key};
use super::fields::Fields;
use super::turn::{Reply, Turn};
use super::{Reference, event, work};

pub use outlook::GroupFigures;

pub(super) use ask::{Amounts, Ask, KINDS, decode};
pub(super) use calendar::{Due, zone};
pub(super) use decision::Wanting;
pub(super) use protection::Scope;
pub(super) use request::Place;

use ask::LineKey;
use protection::{Protection, ProtectionKey};
use schedule::Statement;

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
    protections: BTreeMap<ProtectionKey, Protection>,
    groups: Vec<group::Version>,
    /// What was answered to a request, by its key.
    told: BTreeMap<Key, Value>,
    /// Positions whose reservations were told of as at risk.
    at_risk: BTreeSet<PositionKey>,
    /// Zone and bucket of each location when somebody looked last.
    days: BTreeMap<String, (String, i64)>,
    /// Positions with open lines or dated reservations when somebody looked last: another bucket may end some of them.
    scheduled: BTreeSet<PositionKey>,
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
                let said =
                    Statement { quantity: Some(quantity.quantity), due: Some(due), supplier, is_scheduled: true };
                self.state(turn, &line, said, sequence)
            }
            Ask::Reschedule { line, due, quantity } => {
                let quantity = quantity.map(|quantity| quantity.quantity);
                self.state(turn, &line, Statement { quantity, due, supplier: None, is_scheduled: false }, sequence)
            }
            Ask::Cancel(line) => self.cancel(turn, &line, sequence),
            Ask::Close { document, side } => self.close(turn, &document, side, sequence),
            Ask::Request(request) => return self.request(turn, &request, sequence),
            Ask::Settle { target, wish } => return self.settle(turn, &target, &wish, sequence),
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
        self.forget_claims();
        self.look_at_days(sequence);
        for (code, subject) in self.look_at_promises() {
            self.work.raise(&code, &subject);
        }
    }

    /// What there is to tell since somebody looked last.
    pub(super) fn look_at_promises(&mut self) -> Vec<(String, String)> {
        let mut raised = self.look_at_supply();
        self.look_at_risks();
        raised.extend(self.look_at_claims());
        raised
    }

    /// In another bucket, or another zone, positions with open lines or dated reservations reflect the message that
    /// brought it about.
    pub(super) fn look_at_days(&mut self, sequence: u64) {
        let locations: BTreeSet<_> = self.positions.keys().map(|at| at.location.clone()).collect();
        let now: BTreeMap<_, _> =
            locations.into_iter().map(|location| (location.clone(), self.day_at(&location))).collect();
        let before = std::mem::replace(&mut self.promise.days, now.clone());
        let dated = self.live_parts().filter(|(_, part, _)| part.due.is_some()).map(|(_, part, _)| part.at.clone());
        let scheduled: BTreeSet<PositionKey> = self.positions_with_lines().into_iter().chain(dated).collect();
        let affected: BTreeSet<PositionKey> = self.promise.scheduled.union(&scheduled).cloned().collect();
        self.promise.scheduled = scheduled;
        for at in affected {
            if before.get(&at.location).is_some_and(|day| *day != now[&at.location]) {
                self.reflect(&at, sequence);
            }
        }
    }

    /// What is promised of items may have another figure in some bucket: their positions reflect who said so.
    pub(super) fn reflect_promised(&mut self, is_meant: impl Fn(&str) -> bool, sequence: u64) {
        let live = self.live_parts().map(|(_, part, _)| part.at.clone());
        let all: BTreeSet<PositionKey> = self.positions_with_lines().into_iter().chain(live).collect();
        for at in all.into_iter().filter(|at| is_meant(&at.sku)) {
            self.reflect(&at, sequence);
        }
    }

    /// Positions of which something is to come, or is claimed by a line.
    fn positions_with_lines(&self) -> BTreeSet<PositionKey> {
        let mut positions = BTreeSet::new();
        for order in self.claims.supplies.orders() {
            let known = self.supply_of(order);
            let open = known.iter().filter(|(_, supply)| supply.is_open());
            positions.extend(open.map(|((_, at), _)| at.clone()));
        }
        for order in self.claims.orders.keys() {
            for line in self.lines_of(order).lines.values() {
                let curves = self.curves(line);
                let claims = |at: &PositionKey| curves[at].iter().any(|(_, claim)| claim.total() > 0);
                positions.extend(line.places.keys().filter(|at| claims(at)).cloned());
            }
        }
        positions
    }

    /// Positions with live reservations that cannot all be kept.
    fn look_at_risks(&mut self) {
        let positions: BTreeSet<_> = self.live_parts().map(|(_, part, _)| part.at.clone()).collect();
        let risky: BTreeSet<_> = positions.into_iter().filter(|at| self.is_at_risk(at)).collect();
        let before = std::mem::replace(&mut self.promise.at_risk, risky.clone());
        for at in before.difference(&risky) {
            self.work.resolve("reservation_at_risk", &work::of_position(at));
        }
        for at in risky.difference(&before) {
            self.work.raise("reservation_at_risk", &work::of_position(at));
        }
    }

    /// A position reflects a message.
    pub(super) fn reflect(&mut self, at: &PositionKey, sequence: u64) {
        if let Some(position) = self.positions.get_mut(at) {
            position.version = sequence;
        }
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

    /// Tells whoever asks for something of a reservation that nobody has requested it yet.
    pub(super) fn answer_waiting(&mut self, turn: &Turn, sequence: u64) {
        if KINDS_ANSWERED.iter().any(|kind| event::has_kind(&turn.text, kind)) {
            self.send(&turn.text, reservation::answer(&turn.key(), "waiting", Outcome::Held, 0, sequence));
        }
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
const KINDS_ANSWERED: [&str; 4] = [REQUEST, "reservation.posted", "reservation.voided", "reservation.changed"];

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
