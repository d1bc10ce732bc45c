//! One position that keeps every movement and every count, and computes its accounts from the definitions of `docs/events.md` §5.

use crate::account::{Account, STORED};
use crate::outcome::Outcome;

use super::event::Event;

/// A count. The latest is the greatest: by time, then by source and id.
#[derive(Debug, Clone)]
pub(super) struct Count {
    time_ns: i64,
    source: String,
    id: String,
    quantity: i128,
}

impl Count {
    pub(super) fn new(time_ns: i64, event: &Event, quantity: i64) -> Self {
        Self { time_ns, source: event.source.clone(), id: event.id.clone(), quantity: quantity.into() }
    }

    fn rank(&self) -> (i64, &str, &str) {
        (self.time_ns, &self.source, &self.id)
    }
}

/// A change of `on_hand`.
#[derive(Debug, Clone, Copy)]
struct Movement {
    time_ns: i64,
    amount: i128,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Position {
    /// The log sequence of the last event here.
    pub(super) version: u64,
    movements: Vec<Movement>,
    counts: Vec<Count>,
    /// Sums of all legs on accounts other than `on_hand`.
    posted: [i128; STORED],
    /// Times of the movements that the engine would still know.
    history: Vec<i64>,
    /// The greatest time of a movement that it would have dropped.
    dropped_ns: Option<i64>,
}

impl Position {
    /// The latest count plus all movements effective after it.
    pub(super) fn on_hand(&self) -> i128 {
        let latest = self.latest_count();
        let later =
            self.movements.iter().filter(|movement| latest.is_none_or(|count| movement.time_ns > count.time_ns));
        latest.map_or(0, |count| count.quantity) + later.map(|movement| movement.amount).sum::<i128>()
    }

    /// All stored accounts. What a count changes, or a barrier absorbs, has gone to the adjustment account.
    pub(super) fn accounts(&self) -> [i128; STORED] {
        let moved: i128 = self.movements.iter().map(|movement| movement.amount).sum();
        let mut accounts = self.posted;
        accounts[Account::OnHand as usize] = self.on_hand();
        accounts[Account::Adjustment as usize] += moved - self.on_hand();
        accounts
    }

    /// Whether a movement effective at a time lies at or before the latest count.
    pub(super) fn is_behind_count(&self, time_ns: i64) -> bool {
        self.latest_count().is_some_and(|count| time_ns <= count.time_ns)
    }

    /// Adds a movement of `on_hand`.
    pub(super) fn move_on_hand(&mut self, time_ns: i64, amount: i128, history_max: usize) {
        self.movements.push(Movement { time_ns, amount });
        if self.is_behind_count(time_ns) {
            return;
        }
        self.history.push(time_ns);
        self.history.sort_unstable();
        if self.history.len() > history_max {
            let dropped = self.history.remove(0);
            self.dropped_ns = self.dropped_ns.max(Some(dropped));
        }
    }

    /// Adds a leg on an account other than `on_hand`.
    pub(super) fn post(&mut self, account: Account, amount: i128) {
        self.posted[account as usize] += amount;
    }

    /// Adds a count: absorbed unless it is later than the latest, refused where movements after it were dropped.
    pub(super) fn count(&mut self, count: Count) -> Result<Outcome, Outcome> {
        let latest = self.latest_count();
        if latest.is_some_and(|latest| count.rank() <= latest.rank()) {
            return Ok(Outcome::Absorbed);
        }
        // At the very time of the latest, the movements after it are those that the latest had.
        let is_known = latest.is_some_and(|latest| latest.time_ns == count.time_ns);
        if !is_known && self.dropped_ns.is_some_and(|dropped| dropped > count.time_ns) {
            return Err(Outcome::CountBeyondHistory);
        }
        self.history.retain(|time_ns| *time_ns > count.time_ns);
        self.counts.push(count);
        Ok(Outcome::Applied)
    }

    fn latest_count(&self) -> Option<&Count> {
        self.counts.iter().max_by_key(|count| count.rank())
    }
}
