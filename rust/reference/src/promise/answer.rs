//! Answers to those who ask for a promise: what they say, and where they go.

use serde_json::{Value, json};
use tallystick_contract::limits::REPLY_BYTES_MAX;
use tallystick_contract::outcome::Outcome;

use crate::body::Key;
use crate::decimal;
use crate::event::{self, Event};
use crate::fields::Fields;
use crate::turn::Turn;
use crate::twin::{Promised, Reference};

impl Reference {
    /// Answers a request that has its outcome, at once or after it was held.
    pub(crate) fn answer_request(&mut self, event: &Event, text: &[u8], outcome: Outcome, sequence: u64) {
        if outcome == Outcome::Held || !KINDS_ANSWERED.iter().any(|kind| event::has_kind(text, kind)) {
            return;
        }
        let key = event.key();
        let is_judged_alone =
            outcome == Outcome::Conflict || event.content.is_err() || self.memory.find(&key).is_none();
        let known = self.promise.told.get(&key).filter(|_| !is_judged_alone).cloned();
        self.send(text, known.unwrap_or_else(|| refusal(&key, text, outcome, sequence)));
    }

    /// Tells whoever asks for something of a reservation that nobody has requested it yet.
    pub(crate) fn answer_waiting(&mut self, turn: &Turn, sequence: u64) {
        if KINDS_ANSWERED.iter().any(|kind| event::has_kind(&turn.text, kind)) {
            self.send(&turn.text, to_settlement(&turn.key(), "waiting", Outcome::Held, 0, sequence));
        }
    }

    /// Answers a request that is none, if it says who asks.
    pub(crate) fn answer_malformed(&mut self, key: &Key, text: &[u8], sequence: u64) {
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
pub(crate) fn is_answered(text: &[u8], outcome: Outcome) -> bool {
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
        return to_request(key, "refused", outcome, sequence);
    }
    to_settlement(key, "refused", outcome, 0, sequence)
}

/// The answer to a request.
pub(super) fn to_request((source, id): &Key, status: &str, outcome: Outcome, sequence: u64) -> Value {
    json!({"source": source, "id": id, "status": status, "outcome": outcome.name(), "quantity": 0, "lines": [],
        "expires": null, "sequence": sequence})
}

/// The answer to what settles a reservation.
pub(super) fn to_settlement((source, id): &Key, status: &str, outcome: Outcome, quantity: i64, sequence: u64) -> Value {
    json!({"source": source, "id": id, "status": status, "outcome": outcome.name(), "quantity": amount(quantity.into()),
        "sequence": sequence})
}

/// An amount as it is written.
pub(super) fn amount(thousandths: i128) -> Value {
    serde_json::from_str(&decimal::written(thousandths)).expect("an amount is written as a number")
}
