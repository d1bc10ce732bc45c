//! Positions and their double-entry accounts. A change is drafted first and written only when nothing can refuse it any
//! more.

use bytemuck::{Pod, Zeroable};
use tallystick_contract::account::{Account, STORED, physical_sum};
use tallystick_contract::heap_size::HeapSize;
use tallystick_contract::limits::CHECKED;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::hash;
use tallystick_tables::index::Index;
use tallystick_tables::intern::NameId;
use tallystick_tables::pages::Pages;

use crate::stock::counts::{Count, Counts};
pub(crate) use crate::stock::draft::Draft;
use crate::stock::history::{History, HistoryHandle, Movement};
use crate::stock::legs::Leg;

const ON_HAND: usize = Account::OnHand as usize;
const ADJUSTMENT: usize = Account::Adjustment as usize;

/// Stands for a sum of movements that are not known any more.
const UNKNOWN: i128 = i128::MAX;

/// Marks a position that came into being by a correction and was never posted to by an event as it was sent. Whether
/// there is such a position can depend on the order of corrections, so as long as nothing is on it, it does not count
/// for the state hash.
pub(crate) const HOLLOW: u32 = 1 << 31;
/// Marks a position with a schedule or with live reservations.
pub(crate) const PROMISED: u32 = 1 << 30;
/// Marks a position of which something is missing on the shelf: it was shipped and never picked.
pub(crate) const MISSING: u32 = 1 << 29;
const FLAGS: u32 = HOLLOW | PROMISED | MISSING;

/// The names of a position: sku, location, lot, owner.
pub(crate) type Names = [NameId; 4];

/// One position: two lines of cache that are fetched as a pair.
#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C, align(128))]
pub(crate) struct Position {
    /// Its names.
    pub names: Names,
    /// Its accounts, by [`Account::slot`], in thousandths.
    pub accounts: [i64; STORED],
    /// The log sequence that it reflects.
    pub version: u64,
    /// Movements at or before this time were dropped from the history for want of room.
    pub dropped_ns: i64,
    /// Its recent movements.
    pub history: HistoryHandle,
    /// Its counts: a place in the ledger's counts plus one, zero for none; and [`HOLLOW`] and [`PROMISED`].
    pub counts: u32,
}

/// All positions.
#[derive(Debug)]
pub(crate) struct Ledger {
    positions: Pages<Position>,
    /// Positions with a schedule or with live reservations.
    promised: usize,
    places: Index,
    history: History,
    counts: Vec<Counts>,
    /// The positions of each SKU as a chain: its newest position by SKU, and behind each position the one before it;
    /// one more than the place, zero ends.
    sku_newest: Vec<u32>,
    sku_before: Vec<u32>,
    seed: u64,
}

impl Ledger {
    /// An empty ledger.
    pub(crate) fn new(history_max: u16, seed: u64) -> Self {
        Self {
            positions: Pages::new(),
            promised: 0,
            places: Index::default(),
            history: History::new(history_max),
            counts: Vec::new(),
            sku_newest: Vec::new(),
            sku_before: Vec::new(),
            seed,
        }
    }

    /// The place of a position.
    pub(crate) fn find(&self, names: Names) -> Option<u32> {
        self.find_hashed(names, self.hash(names))
    }

    /// The place of a position whose hash is known.
    #[inline]
    pub(crate) fn find_hashed(&self, names: Names, hash: u64) -> Option<u32> {
        self.places.find(hash, |place| self.position(place).names == names)
    }

    /// The hash of a position, with the memory asked for that [`Self::find_hashed`] will need first.
    #[inline]
    pub(crate) fn prefetch(&self, names: Names) -> u64 {
        let hash = self.hash(names);
        self.places.prefetch(hash);
        hash
    }

    /// Asks for the memory that [`Self::find_hashed`] will need then.
    #[inline]
    pub(crate) fn prefetch_position(&self, hash: u64) {
        if let Some(place) = self.places.candidate(hash) {
            self.positions.prefetch(place as usize);
        }
    }

    /// Asks for the memory of a position that a movement will need.
    #[inline]
    pub(crate) fn prefetch_movements(&self, place: u32) {
        self.history.prefetch(self.position(place).history);
    }

    /// The position at a place.
    pub(crate) fn position(&self, place: u32) -> &Position {
        self.positions.get(place as usize)
    }

    /// How many positions there are.
    pub(crate) const fn len(&self) -> usize {
        self.positions.len()
    }

    /// The positions of a SKU, newest first.
    pub(crate) fn places_of(&self, sku: NameId) -> impl Iterator<Item = u32> + '_ {
        let link = |place: Option<&u32>| place.and_then(|place| place.checked_sub(1));
        std::iter::successors(link(self.sku_newest.get(sku as usize)), move |place| {
            link(self.sku_before.get(*place as usize))
        })
    }

    /// The counts of a position, if it was ever counted.
    pub(crate) fn counts(&self, position: &Position) -> Option<&Counts> {
        self.counts.get(counts_of(position)?)
    }

    /// The latest count of a position.
    pub(crate) fn barrier(&self, position: &Position) -> Option<&Count> {
        self.counts(position).and_then(Counts::latest)
    }

    /// The movements that a position remembers, oldest first.
    pub(crate) fn movements(&self, position: &Position) -> impl Iterator<Item = Movement> + '_ {
        self.history.movements(position.history)
    }

    /// A draft that changes nothing yet.
    pub(crate) fn draft(&self, names: Names) -> Draft {
        self.draft_at(names, None)
    }

    /// A draft of a position whose place may be known already.
    pub(crate) fn draft_at(&self, names: Names, place: Option<u32>) -> Draft {
        let place = place.or_else(|| self.find(names));
        let accounts = place.map_or([0; STORED], |place| self.position(place).accounts);
        Draft { names, place, before: accounts[ON_HAND], accounts, moved: 0 }
    }

    /// Drafts the legs of a movement that fall on a position. Returns whether they move its `on_hand`, and whether
    /// after the latest count.
    pub(crate) fn draft_legs<'a>(
        &self,
        draft: &mut Draft,
        legs: impl Iterator<Item = &'a Leg>,
        quantity: i64,
        time_ns: i64,
    ) -> Touch {
        let mut moved = 0;
        for leg in legs {
            let amount = if leg.gives { -quantity } else { quantity };
            let account = if leg.slot == ON_HAND { &mut moved } else { &mut draft.accounts[leg.slot] };
            *account += amount;
        }
        if moved == 0 {
            return Touch::Nothing;
        }
        draft.moved = moved;
        if self.is_absorbed(draft, time_ns) {
            // The count has the last word on `on_hand`; what the movement brings changes the count's variance instead.
            draft.accounts[ADJUSTMENT] += moved;
            return Touch::Absorbed;
        }
        draft.accounts[ON_HAND] += moved;
        Touch::Live
    }

    /// Drafts a count: `on_hand` = what was counted + the movements effective after it, which is found out here.
    ///
    /// # Errors
    /// `absorbed` for a count that is not the latest, `count_beyond_history` for one that needs movements that were
    /// dropped.
    pub(crate) fn draft_count(&self, draft: &mut Draft, count: &mut Count) -> Result<(), Outcome> {
        count.after = match draft.place.map(|place| self.position(place)) {
            None => 0,
            Some(position) => {
                let is_latest = self.barrier(position).is_none_or(|latest| latest.compare(count).is_lt());
                let after = self.after(position, count.time_ns);
                if !is_latest {
                    count.after = after.unwrap_or(UNKNOWN);
                    return Err(Outcome::Absorbed);
                }
                after.ok_or(Outcome::CountBeyondHistory)?
            }
        };
        let on_hand = i64::try_from(i128::from(count.quantity) + count.after).map_err(|_| Outcome::Overflow)?;
        let change = on_hand.saturating_sub(draft.before);
        draft.accounts[ADJUSTMENT] = draft.accounts[ADJUSTMENT].saturating_sub(change);
        draft.accounts[ON_HAND] = on_hand;
        Ok(())
    }

    /// The sum of the movements of a position effective after a time, if they are known.
    pub(crate) fn after(&self, position: &Position, time_ns: i64) -> Option<i128> {
        let by_count = self.counts(position).and_then(|counts| counts.after(time_ns));
        by_count.or_else(|| self.sum_after(position, time_ns).map(i128::from))
    }

    /// What the history alone says was moved after a time.
    pub(crate) fn sum_after(&self, position: &Position, time_ns: i64) -> Option<i64> {
        (time_ns >= position.dropped_ns).then(|| self.history.sum_after(position.history, time_ns))
    }

    /// Whether a draft leaves the range of an account.
    ///
    /// # Errors
    /// `overflow`.
    pub(crate) fn check_range(draft: &Draft) -> Result<(), Outcome> {
        if draft.overflows() { Err(Outcome::Overflow) } else { Ok(()) }
    }

    /// By how much a draft would change what the physical book of its position sums to.
    #[inline]
    pub(crate) fn physical_change(&self, draft: &Draft) -> i64 {
        let before = draft.place.map_or(0, |place| physical_sum(&self.position(place).accounts));
        physical_sum(&draft.accounts).wrapping_sub(before)
    }

    /// Writes a draft of a movement. Returns the position's place.
    pub(crate) fn write(&mut self, draft: &Draft, time_ns: i64, version: u64) -> u32 {
        let place = self.write_accounts(draft, version);
        self.positions.get_mut(place as usize).counts &= !HOLLOW;
        if draft.moved != 0 {
            if let Some(counts) = counts_of(self.positions.get(place as usize)) {
                self.counts[counts].move_on_hand(time_ns, draft.moved);
            }
            self.keep_movement(place, Movement { time_ns, quantity: draft.moved });
        }
        place
    }

    /// Writes the accounts of a draft. Returns the position's place.
    #[inline]
    pub(crate) fn write_accounts(&mut self, draft: &Draft, version: u64) -> u32 {
        let place = self.place_of(draft);
        let position = self.positions.get_mut(place as usize);
        if CHECKED {
            assert_eq!(position.names, draft.names, "index and position agree");
        }
        position.accounts = draft.accounts;
        position.version = version;
        place
    }

    /// Takes a movement into the history.
    #[inline]
    pub(crate) fn keep_movement(&mut self, place: u32, movement: Movement) {
        let position = self.positions.get_mut(place as usize);
        if let Some(dropped_ns) = self.history.insert(&mut position.history, movement) {
            position.dropped_ns = position.dropped_ns.max(dropped_ns);
        }
    }

    /// Takes a movement out of the history.
    pub(crate) fn forget_movement(&mut self, place: u32, movement: Movement) {
        self.history.remove(&mut self.positions.get_mut(place as usize).history, movement);
    }

    /// Returns a position other counts.
    pub(crate) fn set_counts(&mut self, place: u32, counts: Counts) {
        let position = self.positions.get_mut(place as usize);
        if let Some(known) = counts_of(position) {
            self.counts[known] = counts;
        } else {
            self.counts.push(counts);
            let place = u32::try_from(self.counts.len()).expect("no more counted positions than positions");
            position.counts = place | position.counts & FLAGS;
        }
    }

    /// Notes that a position came into being by a correction.
    pub(crate) fn set_hollow(&mut self, place: u32) {
        self.positions.get_mut(place as usize).counts |= HOLLOW;
    }

    /// Notes whether a position has a schedule or live reservations.
    pub(crate) fn set_promised(&mut self, place: u32, is_promised: bool) {
        let counts = &mut self.positions.get_mut(place as usize).counts;
        let was_promised = *counts & PROMISED != 0;
        self.promised = self.promised + usize::from(is_promised) - usize::from(was_promised);
        *counts = if is_promised { *counts | PROMISED } else { *counts & !PROMISED };
    }

    /// Notes whether something is missing on the shelf of a position.
    pub(crate) fn set_missing(&mut self, place: u32, is_missing: bool) {
        let counts = &mut self.positions.get_mut(place as usize).counts;
        *counts = if is_missing { *counts | MISSING } else { *counts & !MISSING };
    }

    /// Whether a position has a schedule or live reservations.
    #[inline]
    pub(crate) fn is_promised(&self, place: u32) -> bool {
        self.promised > 0 && self.position(place).counts & PROMISED != 0
    }

    /// Brings about a position that nothing was posted to. Returns its place.
    pub(crate) fn bring_about(&mut self, names: Names, version: u64) -> u32 {
        let draft = self.draft_at(names, None);
        let is_new = draft.place().is_none();
        let place = self.write_accounts(&draft, version);
        if is_new {
            self.set_hollow(place);
        }
        place
    }

    /// The accounts of a position, to be changed.
    pub(crate) fn accounts_mut(&mut self, place: u32) -> &mut [i64; STORED] {
        &mut self.positions.get_mut(place as usize).accounts
    }

    /// Notes that a position reflects a place in the log without a change of its accounts.
    pub(crate) fn set_version(&mut self, place: u32, version: u64) {
        self.positions.get_mut(place as usize).version = version;
    }

    /// Writes a draft of a count, which becomes the latest. Returns the position's place.
    pub(crate) fn write_count(&mut self, draft: &Draft, count: Count, version: u64) -> u32 {
        let place = self.write_accounts(draft, version);
        self.positions.get_mut(place as usize).counts &= !HOLLOW;
        if let Some(known) = counts_of(self.position(place)) {
            self.counts[known].add(count);
        } else {
            let mut counts = Counts { uncounted: draft.before.into(), ..Counts::default() };
            counts.add(count);
            self.set_counts(place, counts);
        }
        place
    }

    /// Keeps a count that is not the latest, in case the latest is voided.
    pub(crate) fn keep_count(&mut self, place: u32, count: Count) {
        self.positions.get_mut(place as usize).counts &= !HOLLOW;
        let Some(known) = counts_of(self.position(place)) else { return };
        if count.after == UNKNOWN {
            self.counts[known].leave_out(&count);
        } else {
            self.counts[known].add(count);
        }
    }

    /// Puts back one of many positions that follow each other: it is found when all are back and [`Self::find_again`]
    /// was called.
    pub(crate) fn put_back_unfound(
        &mut self,
        mut position: Position,
        counts: Option<Counts>,
        movements: &[Movement],
    ) -> u32 {
        position.history = self.history.put_back(movements);
        position.counts &= HOLLOW;
        let place = self.push(position);
        if let Some(counts) = counts {
            self.set_counts(place, counts);
        }
        place
    }

    /// Lets all positions be found that were put back. Returns whether each is there once.
    pub(crate) fn find_again(&mut self) -> bool {
        let hashes: Vec<_> =
            (0..self.positions.len()).map(|place| self.hash(self.positions.get(place).names)).collect();
        let is_same = |one, other| self.position(one).names == self.position(other).names;
        let places = Index::build(0, &hashes, is_same);
        places.map(|places| self.places = places).is_some()
    }

    /// Bytes held, by part.
    pub(crate) fn memory_bytes(&self) -> [(&'static str, usize); 5] {
        let Self { positions, promised: _, places, history, counts, sku_newest, sku_before, seed: _ } = self;
        [
            ("positions", positions.heap_bytes()),
            ("position_index", places.heap_bytes()),
            ("sku_chains", sku_newest.heap_bytes() + sku_before.heap_bytes()),
            ("history", history.heap_bytes()),
            ("counts", counts.heap_bytes()),
        ]
    }

    fn is_absorbed(&self, draft: &Draft, time_ns: i64) -> bool {
        draft.place.and_then(|place| self.barrier(self.position(place))).is_some_and(|latest| time_ns <= latest.time_ns)
    }

    fn place_of(&mut self, draft: &Draft) -> u32 {
        draft.place.unwrap_or_else(|| {
            self.insert(Position {
                names: draft.names,
                accounts: [0; STORED],
                version: 0,
                dropped_ns: i64::MIN,
                history: HistoryHandle::default(),
                counts: 0,
            })
        })
    }

    fn insert(&mut self, position: Position) -> u32 {
        let hash = self.hash(position.names);
        let place = self.push(position);
        self.places.insert(hash, place);
        place
    }

    /// Adds a position without its place in the index.
    fn push(&mut self, position: Position) -> u32 {
        let place = u32::try_from(self.positions.len()).expect("fewer positions than their limit");
        let sku = position.names[0] as usize;
        if sku >= self.sku_newest.len() {
            self.sku_newest.resize(sku + 1, 0);
        }
        self.sku_before.push(std::mem::replace(&mut self.sku_newest[sku], place + 1));
        let index = self.positions.grow();
        *self.positions.get_mut(index) = position;
        place
    }

    fn hash(&self, [sku, location, lot, owner]: Names) -> u64 {
        let word = |high: NameId, low: NameId| u64::from(high) << 32 | u64::from(low);
        hash::of_words(self.seed, word(sku, location), word(lot, owner))
    }
}

/// Where the counts of a position are.
#[inline]
fn counts_of(position: &Position) -> Option<usize> {
    ((position.counts & !FLAGS) as usize).checked_sub(1)
}

/// What a movement does to a position's `on_hand`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// It has no leg there.
    Nothing,
    /// Its legs lie at or before the latest count.
    Absorbed,
    /// Its legs lie after the latest count.
    Live,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_back_is_found_once_all_is_back() {
        let position = |n: NameId| Position { names: [n % 1_000, n / 1_000, 0, n % 3], ..Position::zeroed() };
        let mut ledger = Ledger::new(4, 7);
        for n in 0..5_000 {
            assert_eq!(ledger.put_back_unfound(position(n), None, &[]), n);
        }
        assert!(ledger.find_again());
        assert_eq!(ledger.bring_about(position(5_000).names, 1), 5_000);
        for n in 0..=5_000 {
            assert_eq!(ledger.find(position(n).names), Some(n));
        }
        assert_eq!((ledger.find(position(5_001).names), ledger.places_of(7).count()), (None, 5));
        ledger.put_back_unfound(position(77), None, &[]);
        assert!(!ledger.find_again(), "a position stands there twice");
    }
}
