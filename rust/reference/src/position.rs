//! One position that keeps every movement and every count, and computes its accounts from the definitions of
//! `docs/events.md` §5.

use tallystick_contract::account::{Account, STORED};
use tallystick_contract::limits::COUNTS_KEPT;
use tallystick_contract::outcome::Outcome;

use super::document::Order;
use super::number::Number;

/// A line of an order.
type LineId = (Order, Number);

/// What goes back from `picked` to `on_hand`, and when.
pub(crate) type Steps = Vec<(i64, i128)>;

/// What decides between counts: the policy's numbers, then source and id.
type CountRank = ([i64; 3], String, String);

/// A count. The latest is the greatest: by rank, then by source and id.
#[derive(Debug, Clone)]
pub(super) struct Count {
    /// The posting that made it.
    pub(super) number: u64,
    pub(super) rank: CountRank,
    pub(super) time_ns: i64,
    pub(super) quantity: i128,
}

/// A change of `on_hand`.
#[derive(Debug, Clone, Copy)]
struct Movement {
    number: u64,
    time_ns: i64,
    amount: i128,
}

/// A leg on another account.
#[derive(Debug, Clone, Copy)]
struct Leg {
    number: u64,
    account: Account,
    amount: i128,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Position {
    /// The log sequence of the last event here.
    pub(super) version: u64,
    movements: Vec<Movement>,
    /// Those that the engine would still know.
    counts: Vec<Count>,
    /// The rank of the greatest of all others.
    dropped_rank: Option<CountRank>,
    legs: Vec<Leg>,
    /// What goes back from `picked` because a line moved it twice; of lines that are forgotten without a name.
    doubled: Vec<(Option<LineId>, Steps)>,
    /// Times of the movements that the engine would still know, all after `dropped_ns`.
    history: Vec<i64>,
    /// The greatest time of a movement that it would have dropped.
    dropped_ns: Option<i64>,
}

impl Position {
    /// The latest count plus all movements effective after it.
    pub(super) fn on_hand(&self) -> i128 {
        let latest = self.latest_count();
        let later = self.moves().filter(|(time_ns, _)| latest.is_none_or(|count| *time_ns > count.time_ns));
        latest.map_or(0, |count| count.quantity) + later.map(|(_, amount)| amount).sum::<i128>()
    }

    /// Times and amounts of all that moved `on_hand`.
    fn moves(&self) -> impl Iterator<Item = (i64, i128)> {
        let doubled = self.doubled.iter().flat_map(|(_, steps)| steps).copied();
        self.movements.iter().map(|movement| (movement.time_ns, movement.amount)).chain(doubled)
    }

    /// All stored accounts. What a count changes, or a barrier absorbs, has gone to the adjustment account.
    pub(super) fn accounts(&self) -> [i128; STORED] {
        let moved: i128 = self.moves().map(|(_, amount)| amount).sum();
        let doubled: i128 = self.doubled.iter().flat_map(|(_, steps)| steps).map(|(_, amount)| amount).sum();
        let mut accounts = [0; STORED];
        for leg in &self.legs {
            accounts[leg.account as usize] += leg.amount;
        }
        accounts[Account::Picked as usize] -= doubled;
        accounts[Account::OnHand as usize] = self.on_hand();
        accounts[Account::Adjustment as usize] += moved - self.on_hand();
        accounts
    }

    /// Whether a movement effective at a time lies at or before the latest count.
    pub(super) fn is_behind_count(&self, time_ns: i64) -> bool {
        self.latest_count().is_some_and(|count| time_ns <= count.time_ns)
    }

    /// Adds a movement of `on_hand`.
    pub(super) fn move_on_hand(&mut self, number: u64, time_ns: i64, amount: i128, history_max: usize) {
        self.movements.push(Movement { number, time_ns, amount });
        self.note_time(time_ns, history_max);
    }

    /// Lets a line have moved so much twice. Tells whether that is other than before.
    pub(super) fn double(&mut self, line: &LineId, steps: &Steps, history_max: usize) -> bool {
        let known = self.doubled.iter().position(|(known, _)| known.as_ref() == Some(line));
        let before = known.map(|at| self.doubled.remove(at).1).unwrap_or_default();
        for (time_ns, _) in before.iter().filter(|step| !steps.contains(step)) {
            self.forget_time(*time_ns);
        }
        for (time_ns, _) in steps.iter().filter(|step| !before.contains(step)) {
            self.note_time(*time_ns, history_max);
        }
        if !steps.is_empty() {
            self.doubled.push((Some(line.clone()), steps.clone()));
        }
        before != *steps
    }

    /// Lets what some lines moved twice stay as it is.
    pub(super) fn forget_doubled(&mut self, is_forgotten: impl Fn(&LineId) -> bool) {
        for (line, _) in &mut self.doubled {
            line.take_if(|line| is_forgotten(line));
        }
    }

    fn note_time(&mut self, time_ns: i64, history_max: usize) {
        // What is not after the dropped ones can tell no count more than they leave open.
        if self.dropped_ns.is_some_and(|dropped_ns| time_ns <= dropped_ns) {
            return;
        }
        self.history.push(time_ns);
        self.history.sort_unstable();
        if self.history.len() > history_max {
            let dropped_ns = self.history[0];
            self.dropped_ns = Some(dropped_ns);
            self.history.retain(|time_ns| *time_ns > dropped_ns);
        }
    }

    /// Adds a leg on an account other than `on_hand`.
    pub(super) fn post(&mut self, number: u64, account: Account, amount: i128) {
        self.legs.push(Leg { number, account, amount });
    }

    /// Adds a count: absorbed unless it is greater than the latest, refused where movements after it were dropped.
    /// `known_ns` is the time of a count that it replaces, of which the movements after it are known.
    pub(super) fn count(&mut self, count: Count, known_ns: Option<i64>) -> Result<Outcome, Outcome> {
        if self.counts.iter().any(|known| known.rank == count.rank) {
            return Ok(Outcome::Absorbed);
        }
        // At the very time of a count that is known, the movements after both are the same.
        let is_known =
            known_ns == Some(count.time_ns) || self.counts.iter().any(|known| known.time_ns == count.time_ns);
        let is_in_reach = is_known || self.dropped_ns.is_none_or(|dropped_ns| dropped_ns <= count.time_ns);
        let is_latest = self.latest_count().is_none_or(|latest| count.rank > latest.rank);
        match (is_latest, is_in_reach) {
            (true, false) => return Err(Outcome::CountBeyondHistory),
            (false, false) => self.drop_count(count.rank),
            (_, true) => self.keep(count),
        }
        Ok(if is_latest { Outcome::Applied } else { Outcome::Absorbed })
    }

    /// The time of a count that is kept, by its posting.
    pub(super) fn count_time_ns(&self, number: u64) -> Option<i64> {
        self.counts.iter().find(|count| count.number == number).map(|count| count.time_ns)
    }

    /// Whether a posting made the latest count.
    pub(super) fn is_latest(&self, number: u64) -> bool {
        self.latest_count().is_some_and(|latest| latest.number == number)
    }

    /// Takes out all that a posting brought. Refused where the latest of the counts that are left would be one that is
    /// not known.
    pub(super) fn undo(&mut self, number: u64) -> Result<(), Outcome> {
        let times = self.movements.iter().filter(|movement| movement.number == number);
        for time_ns in times.map(|movement| movement.time_ns).collect::<Vec<_>>() {
            self.forget_time(time_ns);
        }
        self.movements.retain(|movement| movement.number != number);
        self.legs.retain(|leg| leg.number != number);
        let counts = self.counts.len();
        self.counts.retain(|count| count.number != number);
        // None ranks below all.
        let is_unknown = self.latest_count().map(|count| &count.rank) < self.dropped_rank.as_ref();
        if self.counts.len() < counts && is_unknown { Err(Outcome::CountBeyondHistory) } else { Ok(()) }
    }

    fn forget_time(&mut self, time_ns: i64) {
        if let Some(at) = self.history.iter().position(|known| *known == time_ns) {
            self.history.remove(at);
        }
    }

    fn keep(&mut self, count: Count) {
        self.counts.push(count);
        self.counts.sort_by(|one, other| one.rank.cmp(&other.rank));
        if self.counts.len() > COUNTS_KEPT {
            let first = self.counts.remove(0);
            self.drop_count(first.rank);
        }
    }

    fn drop_count(&mut self, rank: CountRank) {
        self.dropped_rank = self.dropped_rank.take().max(Some(rank));
    }

    fn latest_count(&self) -> Option<&Count> {
        self.counts.iter().max_by(|one, other| one.rank.cmp(&other.rank))
    }
}
