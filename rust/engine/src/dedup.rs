//! Idempotency: every key within the window is remembered exactly, as a keyed 128-bit fingerprint beside a digest of what it said.

use std::collections::VecDeque;
use std::hash::Hasher;

use hashbrown::HashTable;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::body::Body;
use crate::limits::DEDUP_GENERATIONS;

/// The keyed hash of a key. Without the secret nobody can craft two keys that collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u64; 2]);

/// Fingerprint of `(source, id)`. The separator is a byte that UTF-8 never has.
pub fn fingerprint(secret: &[u8; 16], source: &str, id: &str) -> Fingerprint {
    let mut hasher = SipHasher13::new_with_key(secret);
    hasher.write(source.as_bytes());
    hasher.write_u8(0xFF);
    hasher.write(id.as_bytes());
    let hash = hasher.finish128();
    Fingerprint([hash.h1, hash.h2])
}

/// One remembered key.
#[derive(Debug, Clone, Copy)]
struct Entry {
    fingerprint: Fingerprint,
    body: Body,
}

/// The keys of the window.
#[derive(Debug)]
pub struct Dedup {
    entries: HashTable<Entry>,
    /// Generations that have keys, oldest first, with how many.
    generations: VecDeque<(i64, u64)>,
    span_ns: i64,
    keys_max: u64,
    /// Log time before which keys may have been forgotten for want of room.
    floor_ns: i64,
    /// The newest generation that the log has reached.
    current: i64,
}

impl Dedup {
    /// A window of log time and count.
    pub fn new(window_ns: i64, keys_max: u64) -> Self {
        Self {
            entries: HashTable::new(),
            generations: VecDeque::new(),
            span_ns: (window_ns / DEDUP_GENERATIONS).max(1),
            keys_max,
            floor_ns: i64::MIN,
            current: i64::MIN,
        }
    }

    /// Moves the window to a log time, which never goes backwards.
    pub fn advance(&mut self, log_time_ns: i64) {
        let generation = log_time_ns.div_euclid(self.span_ns);
        if generation <= self.current {
            return;
        }
        self.current = generation;
        let oldest_kept = generation.saturating_sub(DEDUP_GENERATIONS);
        let outdated = self.generations.iter().take_while(|(number, _)| *number < oldest_kept).count();
        self.forget(outdated);
    }

    /// What a key said when it was first sent.
    pub fn find(&self, fingerprint: Fingerprint) -> Option<Body> {
        self.entries.find(fingerprint.0[0], |entry| entry.fingerprint == fingerprint).map(|entry| entry.body)
    }

    /// Remembers a key that is not known yet.
    pub fn remember(&mut self, fingerprint: Fingerprint, body: Body) {
        let body = body.with_generation(self.current);
        self.entries.insert_unique(fingerprint.0[0], Entry { fingerprint, body }, |entry| entry.fingerprint.0[0]);
        self.count_key();
        while self.entries.len() as u64 > self.keys_max && self.generations.len() > 1 {
            let (number, _) = self.generations[0];
            self.floor_ns = number.saturating_add(1).saturating_mul(self.span_ns);
            self.forget(1);
        }
    }

    /// Remembers a known key from now on, as if it had just been sent. Gives whether it was known.
    pub fn renew(&mut self, fingerprint: Fingerprint) -> bool {
        let current = self.current;
        let Some(entry) = self.entries.find_mut(fingerprint.0[0], |entry| entry.fingerprint == fingerprint) else {
            return false;
        };
        let before = entry.body.generation(current);
        entry.body = entry.body.with_generation(current);
        if let Some((_, count)) = self.generations.iter_mut().find(|(number, _)| *number == before) {
            *count -= 1;
        }
        self.count_key();
        true
    }

    /// Counts one more key in the current generation.
    fn count_key(&mut self) {
        match self.generations.back_mut() {
            Some((number, count)) if *number == self.current => *count += 1,
            _ => self.generations.push_back((self.current, 1)),
        }
    }

    /// Log time before which keys may have been forgotten for want of room.
    pub const fn floor_ns(&self) -> i64 {
        self.floor_ns
    }

    /// Keys remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.entries.allocation_size() + self.generations.capacity() * size_of::<(i64, u64)>()
    }

    /// Drops the oldest generations.
    fn forget(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        if count == self.generations.len() {
            self.entries.clear();
        } else {
            let (kept_from, current) = (self.generations[count].0, self.generations[self.generations.len() - 1].0);
            self.entries.retain(|entry| entry.body.generation(current) >= kept_from);
        }
        self.generations.drain(..count);
    }

    /// The state as numbers, for a snapshot: floor, current generation, generations with their counts.
    pub fn parts(&self) -> (i64, i64, impl ExactSizeIterator<Item = (i64, u64)> + '_) {
        (self.floor_ns, self.current, self.generations.iter().copied())
    }

    /// All keys, sorted, for a snapshot.
    pub fn sorted(&self) -> Vec<(Fingerprint, Body)> {
        let mut all: Vec<_> = self.entries.iter().map(|entry| (entry.fingerprint, entry.body)).collect();
        all.sort_unstable_by_key(|(fingerprint, _)| fingerprint.0);
        all
    }

    /// Puts back what [`Self::parts`] gave, with room for the keys that follow.
    pub fn put_back(&mut self, floor_ns: i64, current: i64, generations: VecDeque<(i64, u64)>, keys: usize) {
        self.floor_ns = floor_ns;
        self.current = current;
        self.generations = generations;
        self.entries.reserve(keys, |entry| entry.fingerprint.0[0]);
    }

    /// Puts back one key that [`Self::sorted`] gave.
    pub fn put_back_key(&mut self, fingerprint: Fingerprint, body: Body) {
        self.entries.insert_unique(fingerprint.0[0], Entry { fingerprint, body }, |entry| entry.fingerprint.0[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Fingerprint {
        fingerprint(&[7; 16], "wms", &n.to_string())
    }

    #[test]
    fn a_key_is_remembered_for_its_window_and_not_much_longer() {
        let mut dedup = Dedup::new(2_400, 1_000);
        for n in 0..100 {
            dedup.advance(i64::try_from(n).unwrap() * 100);
            dedup.remember(key(n), Body::default());
            for back in 0..=n {
                assert_eq!(dedup.find(key(n - back)).is_some(), back <= 24, "{n} {back}");
            }
        }
        assert_eq!(dedup.len(), 25);
        assert!(dedup.renew(key(75)) && !dedup.renew(key(1_000)));
        dedup.advance(100 * 99 + 2_300);
        assert!(dedup.find(key(75)).is_some() && dedup.find(key(76)).is_none() && dedup.find(key(98)).is_some());
        dedup.advance(1_000_000);
        assert!(dedup.is_empty());
        assert_eq!(dedup.floor_ns(), i64::MIN);
    }

    #[test]
    fn a_full_window_forgets_its_oldest_generation_and_says_from_when() {
        let mut dedup = Dedup::new(2_400, 10);
        for n in 0..30 {
            dedup.advance(i64::try_from(n / 4).unwrap() * 100);
            dedup.remember(key(n), Body::default());
            assert!(dedup.len() <= 10);
        }
        assert!(dedup.find(key(29)).is_some() && dedup.find(key(0)).is_none());
        assert!(dedup.floor_ns() > 0);
        let mut one = Dedup::new(2_400, 2);
        one.advance(0);
        (0..5).for_each(|n| one.remember(key(n), Body::default()));
        assert_eq!((one.len(), one.floor_ns()), (5, i64::MIN));
    }
}
