//! A hash table whose parts double one after the other, so that it is never half empty as a whole and never moves all
//! of its entries at once.
//!
//! Hashes are given to parts as linear hashing gives pages to a file (W. Litwin, 1980): of a hash as a fraction x in
//! [0, 1), the part is ⌊n·log₂(1 + x)⌋. So a part has 2^(1/n) times the entries of the one before it, and the last has
//! nearly twice those of the first: while the number of entries doubles, each part doubles once.

use hashbrown::HashTable;
use tallystick_contract::heap_size::HeapSize;

/// How many parts.
const PARTS: usize = 32;
/// Bits of a hash that say which part; they are others than those that a part looks at.
const SHIFT: u32 = 40;
const BITS: u32 = 8;
/// The part of each value of those bits.
const PART_OF: [u8; 1 << BITS] = parts();

/// A table of values that are found by a hash and by what they are.
///
/// ```
/// use tallystick_tables::{hash::of_name, staggered::Staggered};
///
/// let hash = |name: &str| of_name(42, name);
/// let mut table = Staggered::default();
/// table.insert_unique(hash("LAMP"), ("LAMP", 5), |(name, _)| hash(name));
/// assert_eq!(table.find(hash("LAMP"), |(name, _)| *name == "LAMP"), Some(&("LAMP", 5)));
/// table.remove(hash("LAMP"), |(name, _)| *name == "LAMP");
/// assert_eq!(table.with_hash(hash("LAMP")).count(), 0);
/// ```
#[derive(Debug)]
pub struct Staggered<T> {
    /// None before there is anything.
    parts: Vec<HashTable<T>>,
}

/// By hand, for what it has in it is a parameter.
impl<T: HeapSize> HeapSize for Staggered<T> {
    fn heap_bytes(&self) -> usize {
        let Self { parts } = self;
        parts.heap_bytes()
    }
}

impl<T> Default for Staggered<T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<T> Staggered<T> {
    fn part(&self, hash: u64) -> Option<&HashTable<T>> {
        self.parts.get(part_of(hash))
    }

    /// A value with a hash.
    pub fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.part(hash)?.find(hash, is_it)
    }

    /// Values that may have a hash.
    pub fn with_hash(&self, hash: u64) -> impl Iterator<Item = &T> {
        self.part(hash).into_iter().flat_map(move |part| part.iter_hash(hash))
    }

    /// Adds a value that is not there. `hash_of` gives the hash of any that is.
    pub fn insert_unique(&mut self, hash: u64, value: T, hash_of: impl Fn(&T) -> u64) {
        if self.parts.is_empty() {
            self.parts = (0..PARTS).map(|_| HashTable::new()).collect();
        }
        self.parts[part_of(hash)].insert_unique(hash, value, hash_of);
    }

    /// Takes a value out, if it is there.
    pub fn remove(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) {
        let Some(part) = self.parts.get_mut(part_of(hash)) else { return };
        if let Ok(found) = part.find_entry(hash, is_it) {
            found.remove();
        }
    }
}

const fn part_of(hash: u64) -> usize {
    PART_OF[(hash >> SHIFT) as usize & ((1 << BITS) - 1)] as usize
}

/// ⌊n·log₂(1 + x)⌋ for each x: the digits of the logarithm, by squaring, with 62 bits behind the point.
const fn parts() -> [u8; 1 << BITS] {
    let mut parts = [0; 1 << BITS];
    let mut at = 0;
    while at < parts.len() {
        // (1 + x)^power = 2^whole · rest, and rest is in [1, 2).
        let (mut rest, mut whole) = ((1_u128 << 62) + ((at as u128) << (62 - BITS)), 0_u8);
        let mut power = 1;
        while power < PARTS {
            rest = (rest * rest) >> 62;
            whole *= 2;
            if rest >> 63 > 0 {
                rest >>= 1;
                whole += 1;
            }
            power *= 2;
        }
        parts[at] = whole;
        at += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{GOLDEN, fold};

    fn hash(value: u64) -> u64 {
        fold(value ^ GOLDEN, GOLDEN)
    }

    #[test]
    fn parts_are_those_of_the_formula() {
        // Where each begins: the least x of which (256 + x)^32 is at least 2^(256 + part), in whole numbers.
        let begins = [
            0, 6, 12, 18, 24, 30, 36, 42, 49, 56, 62, 69, 76, 84, 91, 99, 107, 114, 123, 131, 139, 148, 157, 166, 175,
            184, 194, 204, 214, 224, 235, 246,
        ];
        for (x, part) in PART_OF.iter().enumerate() {
            assert_eq!(usize::from(*part) + 1, begins.iter().take_while(|begin| **begin <= x).count(), "{x}");
        }
    }

    #[test]
    fn it_holds_what_was_put_in_and_not_taken_out() {
        let mut table = Staggered::<u64>::default();
        assert_eq!((table.heap_bytes(), table.find(hash(1), |_| true)), (0, None));
        for value in 0..50_000 {
            table.insert_unique(hash(value), value, |value| hash(*value));
        }
        for value in (0..50_000).step_by(3) {
            table.remove(hash(value), |known| *known == value);
        }
        table.remove(hash(70_000), |known| *known == 70_000);
        for value in 0..60_000 {
            let is_there = value < 50_000 && value % 3 > 0;
            assert_eq!(table.find(hash(value), |known| *known == value).is_some(), is_there, "{value}");
            assert_eq!(table.with_hash(hash(value)).any(|known| *known == value), is_there, "{value}");
        }
    }

    #[test]
    fn it_is_never_half_empty() {
        let mut table = Staggered::<u64>::default();
        for value in 0..1_000_000_u64 {
            table.insert_unique(hash(value), value, |value| hash(*value));
            let entries = usize::try_from(value).unwrap() + 1;
            // Nine bytes each, with their tags.
            if entries >= 100_000 && entries % 1_000 == 0 {
                assert!(table.heap_bytes() * 10 < entries * 9 * 19, "{} for {entries}", table.heap_bytes());
            }
        }
    }
}
