//! Reservations: what was granted, what is left of it, and what becomes of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::account::Account;
use crate::balance::PositionKey;
use crate::outcome::Outcome;
use crate::reference::Reference;
use crate::reference::event::Key;
use crate::reference::turn::{Reply, Turn};
use crate::reference::work;

use super::amount;
use super::ask::Amounts;
use super::calendar::Due;
use super::line::{LineKey, Side};
use super::protection::Scope;

/// A reservation, live or closed.
#[derive(Debug, Clone)]
pub(crate) struct Reservation {
    pub(crate) key: Key,
    pub(crate) lines: Vec<Held>,
    pub(crate) document: Option<String>,
    /// The line of the document for lines that have none of their own.
    pub(crate) number: Option<i64>,
    /// Nothing for never.
    pub(crate) expires_ns: Option<i64>,
}

/// What was granted of a line.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) parts: Vec<Part>,
    pub(crate) number: Option<i64>,
}

/// What was granted of a position.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) at: PositionKey,
    pub(crate) channel: Option<String>,
    /// When it is wanted; nothing for a claim on what is on hand.
    pub(crate) due: Option<Due>,
    pub(crate) held: i64,
    /// What was posted of it.
    pub(crate) posted: i64,
    /// What had protections there when it was taken.
    pub(crate) scopes: Vec<Scope>,
    /// The document and its line that it is for.
    pub(crate) purpose: Option<(String, Option<i64>)>,
    /// Its place among all that was taken and protected.
    pub(crate) number: u64,
}

impl Reservation {
    pub(crate) fn is_live(&self) -> bool {
        self.lines.iter().any(|line| line.held() > 0)
    }
}

impl Held {
    fn held(&self) -> i64 {
        self.parts.iter().map(|part| part.held).sum()
    }

    /// Takes an amount out of what is held, part by part.
    fn take(&mut self, amount: i64) -> Vec<(usize, i64)> {
        let mut missing = amount;
        let mut taken = Vec::new();
        for (place, part) in self.parts.iter_mut().enumerate() {
            let here = missing.min(part.held);
            part.held -= here;
            missing -= here;
            taken.push((place, here));
        }
        taken
    }
}

impl Reference {
    /// All that reservations took.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.promise.reservations.iter().flat_map(|reservation| &reservation.lines).flat_map(|line| &line.parts)
    }

    /// What live reservations claim of what is on hand.
    pub(crate) fn claimed_at(&self, at: &PositionKey) -> i128 {
        self.parts().filter(|part| part.at == *at && part.due.is_none()).map(|part| i128::from(part.held)).sum()
    }

    /// What live reservations of a document, line and position hold.
    pub(super) fn reserved_for(&self, key: &LineKey, beside: &[Part]) -> i128 {
        let is_for = |part: &&Part| {
            part.at == key.at
                && part.purpose.as_ref().is_some_and(|purpose| (&purpose.0, purpose.1) == (&key.document, key.number))
        };
        self.parts().chain(beside).filter(is_for).map(|part| i128::from(part.held)).sum()
    }

    /// Keys that are remembered for as long as their reservations live.
    pub(crate) fn live_keys(&self) -> BTreeSet<Key> {
        let live = self.promise.reservations.iter().filter(|reservation| reservation.is_live());
        live.map(|reservation| reservation.key.clone()).collect()
    }

    /// Posts a reservation or gives it back, and keeps the answer for repetitions.
    pub(super) fn settle(
        &mut self,
        turn: &Turn,
        target: &Key,
        is_post: bool,
        amounts: &Amounts,
        sequence: u64,
    ) -> Reply {
        let (reply, quantity) = self.settle_what_is_held(turn, target, is_post, amounts, sequence);
        let status = match reply.outcome {
            Outcome::Applied if is_post => "posted",
            Outcome::Applied => "voided",
            Outcome::Insufficient => "insufficient",
            _ => "refused",
        };
        let key = turn.key();
        let body = answer(&key, status, reply.outcome, quantity, sequence);
        self.promise.told.insert(key, body);
        reply
    }

    fn settle_what_is_held(
        &mut self,
        turn: &Turn,
        target: &Key,
        is_post: bool,
        amounts: &Amounts,
        sequence: u64,
    ) -> (Reply, i64) {
        let Some(at) = self.promise.reservations.iter().rposition(|reservation| reservation.key == *target) else {
            return (Reply::new(Outcome::UnknownReference), 0);
        };
        let reservation = &self.promise.reservations[at];
        if !reservation.is_live() && self.memory.find(target).is_none() {
            return (Reply::new(Outcome::UnknownReference), 0);
        }
        let held: Vec<i64> = reservation.lines.iter().map(Held::held).collect();
        let wanted = match amounts {
            Amounts::All => held.clone(),
            Amounts::One(amount) => vec![*amount],
            Amounts::Each(amounts) => amounts.clone(),
        };
        if wanted.len() != held.len() {
            return (Reply::new(Outcome::UnknownReference), 0);
        }
        let is_over = wanted.iter().zip(&held).any(|(wanted, held)| wanted > held);
        if is_post {
            if is_over || !reservation.is_live() {
                return (Reply::new(Outcome::Insufficient), 0);
            }
            self.post_reservation(at, &wanted, &turn.event.source, sequence);
            return (Reply::new(Outcome::Applied), wanted.iter().sum());
        }
        let mut reply = Reply::new(Outcome::Applied);
        if is_over {
            reply.raised.push(("over_release".to_owned(), work::of_key(target)));
        }
        self.give_back(at, &wanted, sequence);
        (reply, wanted.iter().zip(&held).map(|(wanted, held)| wanted.min(held)).sum())
    }

    /// Gives back what reservations for a document still hold.
    pub(super) fn void_document(&mut self, document: &str, sequence: u64) {
        for at in 0..self.promise.reservations.len() {
            if self.promise.reservations[at].document.as_deref() == Some(document) {
                self.release(at, sequence);
            }
        }
    }

    /// Gives back what has been held for long enough.
    pub(super) fn expire(&mut self, sequence: u64) {
        let now_ns = self.now_ns();
        let is_over = |reservation: &Reservation| reservation.expires_ns.is_some_and(|expires_ns| expires_ns <= now_ns);
        let all = 0..self.promise.reservations.len();
        let mut over: Vec<usize> = all.filter(|at| is_over(&self.promise.reservations[*at])).collect();
        over.sort_by_key(|at| self.promise.reservations[*at].expires_ns);
        for at in over {
            self.release(at, sequence);
        }
    }

    fn release(&mut self, at: usize, sequence: u64) {
        let all: Vec<i64> = self.promise.reservations[at].lines.iter().map(Held::held).collect();
        self.give_back(at, &all, sequence);
    }

    fn give_back(&mut self, at: usize, amounts: &[i64], sequence: u64) {
        for (line, amount) in amounts.iter().enumerate() {
            let line = &mut self.promise.reservations[at].lines[line];
            let taken = line.take(*amount).into_iter().filter(|(_, amount)| *amount > 0);
            let touched: Vec<PositionKey> = taken.map(|(place, _)| line.parts[place].at.clone()).collect();
            for key in &touched {
                self.reflect(key, sequence);
            }
        }
    }

    /// Takes what is held, and releases the rest.
    fn post_reservation(&mut self, at: usize, amounts: &[i64], source: &str, sequence: u64) {
        for (place, amount) in amounts.iter().enumerate() {
            let line = &mut self.promise.reservations[at].lines[place];
            for (part, amount) in line.take(*amount) {
                line.parts[part].posted += amount;
            }
        }
        let reservation = self.promise.reservations[at].clone();
        self.release(at, sequence);
        for (place, line) in (1..).zip(&reservation.lines) {
            for part in line.parts.iter().filter(|part| part.posted > 0) {
                let number = line.number.or(reservation.number);
                self.post_part(&reservation, part, (number, place), source, sequence);
            }
        }
    }

    /// What is posted of a position is allocated, or becomes demand of its day.
    fn post_part(
        &mut self,
        reservation: &Reservation,
        part: &Part,
        (number, place): (Option<i64>, i64),
        source: &str,
        sequence: u64,
    ) {
        self.reflect(&part.at, sequence);
        let own = || (format!("{}/{}", reservation.key.0, reservation.key.1), Some(place));
        let (document, number) = reservation.document.clone().map_or_else(own, |document| (document, number));
        let key = LineKey { side: Side::Demand, document, number, at: part.at.clone() };
        match part.due.filter(|due| self.buckets_away(&part.at.location, *due) > 0) {
            None => {
                self.postings += 1;
                let position = self.positions.get_mut(&part.at).expect("nothing is granted of what does not exist");
                position.post(self.postings, Account::Allocated, part.posted.into());
                if reservation.document.is_some() {
                    self.allocate(&key, self.postings, part.posted);
                }
            }
            Some(due) => {
                let open = self.promise.lines.get(&key).filter(|line| line.is_open()).map(|line| line.quantity);
                match open {
                    Some(quantity) => {
                        self.reschedule(&key, None, Some(quantity.max(part.posted)), sequence);
                    }
                    None => {
                        self.schedule(&key, (due, part.posted), (None, source), sequence);
                    }
                }
            }
        }
    }
}

/// The answer to a posting or a release.
pub(super) fn answer((source, id): &Key, status: &str, outcome: Outcome, quantity: i64, sequence: u64) -> Value {
    json!({"source": source, "id": id, "status": status, "outcome": outcome.name(), "quantity": amount(quantity.into()),
        "sequence": sequence})
}
