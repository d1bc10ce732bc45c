//! What the latest elements of the log said, field by field, so that a conflict can name the fields that differ. Of
//! what lies further back only the digest is kept.

use std::collections::VecDeque;

use hashbrown::HashTable;
use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_contract::limits::NAMED_ELEMENTS;

use crate::body::Slices;

use super::Fingerprint;

/// What one element said.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// Elements before it in the log.
    ordinal: u64,
    fingerprint: Fingerprint,
    slices: Slices,
}

flat!(Said);

/// What the latest elements said under keys that were new.
#[derive(Debug, Default)]
pub struct Recent {
    /// By ordinal.
    said: VecDeque<Said>,
    /// Key and ordinal of each, up to where the last question needed it. Conflicts are rare, so nothing is written here
    /// until there is one.
    index: HashTable<(Fingerprint, u64)>,
    /// The ordinal from which on elements are not in the index.
    indexed_to: u64,
}

heap_size!(Recent { said, index, indexed_to });

impl Recent {
    /// Remembers what an element said under a key that was new, and forgets what lies too far back to be asked for.
    /// Ordinals grow.
    pub fn push(&mut self, ordinal: u64, fingerprint: Fingerprint, slices: Slices) {
        while self.said.front().is_some_and(|said| ordinal - said.ordinal >= NAMED_ELEMENTS) {
            self.said.pop_front();
        }
        self.said.push_back(Said { ordinal, fingerprint, slices });
    }

    /// What was said under a key when it was new, if that was by one of the latest elements before a given one.
    pub fn find(&mut self, ordinal: u64, fingerprint: Fingerprint) -> Option<Slices> {
        self.catch_up();
        let (_, first) = self.index.find(fingerprint.0[0], |(key, _)| *key == fingerprint)?;
        if ordinal - first > NAMED_ELEMENTS {
            return None;
        }
        self.said.binary_search_by_key(first, |said| said.ordinal).ok().map(|at| self.said[at].slices)
    }

    /// Brings the index up to the latest element.
    fn catch_up(&mut self) {
        if self.index.len() as u64 > 2 * NAMED_ELEMENTS {
            // Most of it lies too far back.
            self.index.clear();
            self.indexed_to = 0;
        }
        let from = self.said.partition_point(|said| said.ordinal < self.indexed_to);
        for said in self.said.range(from..) {
            let hash = |(key, _): &(Fingerprint, u64)| key.0[0];
            let entry = self.index.entry(said.fingerprint.0[0], |(key, _)| *key == said.fingerprint, hash);
            entry.insert((said.fingerprint, said.ordinal));
        }
        self.indexed_to = self.said.back().map_or(0, |said| said.ordinal + 1);
    }

    /// What elements after a given number of them may still ask for, oldest first: ordinal, key, slices.
    pub fn parts(&self, elements: u64) -> impl ExactSizeIterator<Item = (u64, Fingerprint, Slices)> + '_ {
        let from = self.said.partition_point(|said| elements - said.ordinal > NAMED_ELEMENTS);
        self.said.range(from..).map(|said| (said.ordinal, said.fingerprint, said.slices))
    }
}
