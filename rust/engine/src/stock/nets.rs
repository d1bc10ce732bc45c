//! Nets: what was reserved and allocated without a document less what was given back, by position. More given back than
//! was claimed is told.

use hashbrown::HashTable;
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::{GOLDEN, fold};

/// By place: reserved less unreserved; allocated and posted less deallocated; in thousandths.
#[derive(Debug, Default)]
pub(crate) struct Nets(HashTable<(u32, [i64; 2])>);

heap_size!(Nets(nets));

impl Nets {
    /// Adds to a side. Returns, for before and now, whether either side is below zero.
    pub(crate) fn change(&mut self, place: u32, side: usize, amount: i64) -> (bool, bool) {
        let entry = self.0.entry(hash(place), |(known, _)| *known == place, |(known, _)| hash(*known));
        let mut found = entry.or_insert((place, [0; 2]));
        let sums = &mut found.get_mut().1;
        let is_below = |sums: &[i64; 2]| sums.iter().any(|sum| *sum < 0);
        let before = is_below(sums);
        sums[side] = sums[side].saturating_add(amount);
        let now = is_below(sums);
        if *sums == [0; 2] {
            found.remove();
        }
        (before, now)
    }

    /// Puts back what was kept of a place.
    pub(crate) fn put_back(&mut self, place: u32, sums: [i64; 2]) {
        self.0.insert_unique(hash(place), (place, sums), |(known, _)| hash(*known));
    }

    /// All of them, by place.
    pub(crate) fn all(&self) -> Vec<(u32, [i64; 2])> {
        let mut all: Vec<_> = self.0.iter().copied().collect();
        all.sort_unstable();
        all
    }
}

/// Places are numbered by the engine, so nobody can craft numbers that pile up.
const fn hash(place: u32) -> u64 {
    fold(place as u64 ^ GOLDEN, GOLDEN)
}
