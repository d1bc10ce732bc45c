//! Shelf: what was shipped and never picked, by position and source (`docs/claims.md` §6). `on_hand` does not know of
//! it yet.

use hashbrown::HashTable;
use smallvec::SmallVec;
use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_tables::hash::{GOLDEN, fold};
use tallystick_tables::intern::NameId;

/// What a source moved at a position, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moves {
    pub(crate) source: NameId,
    /// Picked less shipped, without a document: a batch that serves the lines that ship.
    pub(crate) batch: i64,
    /// Shipped for lines beyond what was picked for them.
    pub(crate) unpicked: i64,
    /// Picked for lines and not shipped.
    pub(crate) unshipped: i64,
    /// Both of lines that are forgotten.
    pub(crate) forgotten: [i64; 2],
}

flat!(Moves);

impl Moves {
    /// What is not on the shelf any more although nobody told of a pick.
    pub(crate) fn missing(&self) -> i64 {
        let [unpicked, unshipped] = self.forgotten;
        let unshipped = self.unshipped.saturating_add(unshipped);
        let batch = if self.batch < 0 { self.batch.saturating_add(unshipped).min(0) } else { self.batch };
        self.unpicked.saturating_add(unpicked).saturating_sub(batch).max(0)
    }

    fn is_none(&self) -> bool {
        (self.batch, self.unpicked, self.unshipped, self.forgotten) == (0, 0, 0, [0, 0])
    }
}

/// All moves of a part of the stock, by place.
#[derive(Debug, Default)]
pub(crate) struct Shelves(HashTable<(u32, SmallVec<[Moves; 1]>)>);

heap_size!(Shelves(shelves));

impl Shelves {
    /// What is not on the shelf of a place any more although nobody told of a pick.
    pub(crate) fn missing(&self, place: u32) -> i64 {
        self.at(place).iter().map(Moves::missing).fold(0, i64::saturating_add)
    }

    /// What sources moved at a place.
    pub(crate) fn at(&self, place: u32) -> &[Moves] {
        self.0.find(hash(place), |(known, _)| *known == place).map_or(&[], |(_, moves)| moves)
    }

    /// Changes what a source moved at a place. Tells what was missing of it before, and is now.
    pub(crate) fn change(&mut self, place: u32, source: NameId, change: impl FnOnce(&mut Moves)) -> (i64, i64) {
        let entry = self.0.entry(hash(place), |(known, _)| *known == place, |(known, _)| hash(*known));
        let mut found = entry.or_insert_with(|| (place, SmallVec::new()));
        let all = &mut found.get_mut().1;
        let at = all.iter().position(|moves| moves.source == source).unwrap_or_else(|| {
            all.push(Moves { source, ..Moves::default() });
            all.len() - 1
        });
        let before = all[at].missing();
        change(&mut all[at]);
        let now = all[at].missing();
        if all[at].is_none() {
            all.remove(at);
        }
        if all.is_empty() {
            found.remove();
        }
        (before, now)
    }

    /// All of them, by place.
    pub(crate) fn all(&self) -> Vec<(u32, &[Moves])> {
        let mut all: Vec<(u32, &[Moves])> = self.0.iter().map(|(place, moves)| (*place, &**moves)).collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        all
    }
}

/// Places are numbered by the engine, so nobody can craft numbers that pile up.
const fn hash(place: u32) -> u64 {
    fold(place as u64 ^ GOLDEN, GOLDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_serves_the_lines_that_ship_and_shipments_beyond_it_are_missing() {
        let mut shelves = Shelves::default();
        assert_eq!(shelves.change(7, 1, |moves| moves.unpicked += 5), (0, 5));
        assert_eq!(shelves.change(7, 1, |moves| moves.batch += 3), (5, 2));
        // Another source's batch serves its own lines alone.
        assert_eq!(shelves.change(7, 2, |moves| moves.batch += 9), (0, 0));
        assert_eq!(shelves.missing(7), 2);
        assert_eq!(shelves.change(7, 2, |moves| moves.batch -= 10), (0, 1));
        // What it picked for lines and has not shipped is what it ships first without a document.
        assert_eq!(shelves.change(7, 2, |moves| moves.unshipped += 4), (1, 0));
        assert_eq!((shelves.missing(7), shelves.missing(8)), (2, 0));
        // What a forgotten line left is served by a batch alone, not by what other lines have picked.
        assert_eq!(shelves.change(9, 1, |moves| moves.forgotten = [1, 0]), (0, 1));
        assert_eq!(shelves.change(9, 1, |moves| moves.unshipped += 1), (1, 1));
        shelves.change(9, 1, |moves| *moves = Moves { source: 1, ..Moves::default() });
        shelves.change(7, 1, |moves| *moves = Moves { source: 1, ..Moves::default() });
        shelves.change(7, 2, |moves| *moves = Moves { source: 2, ..Moves::default() });
        assert!(shelves.all().is_empty());
    }
}
