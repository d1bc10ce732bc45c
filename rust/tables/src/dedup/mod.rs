//! Idempotency: every key within the window is remembered exactly, as a keyed 128-bit fingerprint beside a digest of
//! what it said, in 20 bytes of a table that is nearly full. Keys are forgotten by generations: what is outdated is not
//! found any more, and gives way when its place is needed.

mod blocks;
mod group;
pub mod image;
mod layout;
mod recent;
mod segment;
mod table;

use std::collections::VecDeque;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};
use tallystick_contract::heap_size::{HeapSize, flat, heap_size};
use tallystick_contract::limits::{DEDUP_GENERATIONS, ID_BYTES_MAX, SOURCE_BYTES_MAX};

use crate::body::Known;

pub use recent::Recent;
use table::Table;
pub use table::Vacancy;

/// The keyed hash of a key. Without the secret nobody can craft two keys that collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint(pub [u64; 2]);

flat!(Fingerprint);

/// Fingerprint of `(source, id)`.
///
/// ```
/// use tallystick_tables::dedup::fingerprint;
///
/// let secret = &[7; 16];
/// assert_eq!(fingerprint(secret, "wms", "1"), fingerprint(secret, "wms", "1"));
/// assert_ne!(fingerprint(secret, "wms", "1"), fingerprint(secret, "wms1", "")); // where the source ends counts
/// ```
pub fn fingerprint(secret: &[u8; 16], source: &str, id: &str) -> Fingerprint {
    let (source, id) = (source.as_bytes(), id.as_bytes());
    let mut hasher = SipHasher13::new_with_key(secret);
    // In one piece it costs half as much as in three.
    let mut whole = [0; SOURCE_BYTES_MAX + 1 + ID_BYTES_MAX];
    let hash = if let Some((begin, end)) = whole.split_at_mut_checked(source.len() + 1)
        && let Some(end) = end.get_mut(..id.len())
    {
        begin[..source.len()].copy_from_slice(source);
        begin[source.len()] = SEPARATOR;
        end.copy_from_slice(id);
        hasher.hash(&whole[..source.len() + 1 + id.len()])
    } else {
        hasher.write(source);
        hasher.write_u8(SEPARATOR);
        hasher.write(id);
        hasher.finish128()
    };
    Fingerprint([hash.h1, hash.h2])
}

/// A byte that UTF-8 never has.
const SEPARATOR: u8 = 0xFF;

/// Bytes held, by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DedupBytes {
    /// The places of the keys, used or not.
    pub table: usize,
    /// What leads from a fingerprint to its places.
    pub directory: usize,
    /// The generations' counts.
    pub generations: usize,
}

/// The keys of the window.
///
/// ```
/// use tallystick_contract::outcome::Outcome;
/// use tallystick_tables::{body::Known, dedup::Dedup, dedup::fingerprint};
///
/// let (window_ns, keys_max) = (24_000, 1_000);
/// let mut keys = Dedup::new(window_ns, keys_max);
/// let key = fingerprint(&[7; 16], "wms", "1");
/// keys.advance(0);
/// keys.remember(key, Known::of(Outcome::Applied));
/// keys.advance(24_000);
/// assert_eq!(keys.find(key).unwrap().answer_again(), Outcome::Duplicate); // counted once
/// keys.advance(25_000); // a whole window, and a part of 24 more
/// assert_eq!(keys.find(key), None);
/// ```
#[derive(Debug)]
pub struct Dedup {
    table: Table,
    /// Generations that have keys, oldest first, with how many.
    generations: VecDeque<(i64, u64)>,
    /// Keys in all of them.
    len: u64,
    span_ns: i64,
    keys_max: u64,
    /// Log time before which keys may have been forgotten for want of room.
    floor_ns: i64,
    /// The newest generation that the log has reached.
    current: i64,
    /// The oldest generation whose keys are not outdated.
    kept_from: i64,
}

heap_size!(Dedup { table, generations, len, span_ns, keys_max, floor_ns, current, kept_from });

impl Dedup {
    /// A window of log time and count.
    pub fn new(window_ns: i64, keys_max: u64) -> Self {
        Self {
            table: Table::default(),
            generations: VecDeque::new(),
            len: 0,
            span_ns: (window_ns / DEDUP_GENERATIONS).max(1),
            keys_max,
            floor_ns: i64::MIN,
            current: i64::MIN,
            kept_from: i64::MIN,
        }
    }

    /// Moves the window to a log time, which never goes backwards.
    #[inline]
    pub fn advance(&mut self, log_time_ns: i64) {
        let generation = log_time_ns.div_euclid(self.span_ns);
        if generation > self.current {
            self.current = generation;
            self.keep_from(generation.saturating_sub(DEDUP_GENERATIONS));
        }
    }

    /// Asks for the memory that tells whether a key is known. Done for many keys before they are looked for one by one,
    /// this and [`Self::prefetch_places`] spare each of them the wait.
    #[inline]
    pub fn prefetch(&self, fingerprint: Fingerprint) {
        self.table.prefetch(fingerprint);
    }

    /// Asks for the memory in which a key stands, once the first has come.
    #[inline]
    pub fn prefetch_places(&self, fingerprint: Fingerprint) {
        self.table.prefetch_places(fingerprint, self.kept_from);
    }

    /// What a key said when it was first sent.
    #[inline]
    pub fn find(&self, fingerprint: Fingerprint) -> Option<Known> {
        self.look(fingerprint).ok()
    }

    /// What a key said when it was first sent.
    ///
    /// # Errors
    /// Where it would be remembered, for [`Self::remember_at`].
    #[inline]
    pub fn look(&self, fingerprint: Fingerprint) -> Result<Known, Vacancy> {
        self.table.look(fingerprint, self.kept_from)
    }

    /// Remembers a key that is not known yet.
    pub fn remember(&mut self, fingerprint: Fingerprint, known: Known) {
        self.table.insert(fingerprint, known, self.current, self.kept_from);
        self.count_remembered();
    }

    /// Remembers a key sooner than [`Self::remember`]: the place was found when the key was looked for. Where keys have
    /// moved since, it is found again.
    #[inline]
    pub fn remember_at(&mut self, vacancy: Vacancy, fingerprint: Fingerprint, known: Known) {
        self.table.insert_at(vacancy, fingerprint, known, self.current, self.kept_from);
        self.count_remembered();
    }

    /// Counts a key that was remembered, and forgets the oldest while there are too many.
    #[inline]
    fn count_remembered(&mut self) {
        self.len += 1;
        self.count_key();
        while self.len > self.keys_max && self.generations.len() > 1 {
            self.forget(self.generations[0].0, self.generations[1].0);
        }
    }

    /// Remembers a known key from now on, as if it had just been sent. Returns whether it was known.
    pub fn renew(&mut self, fingerprint: Fingerprint) -> bool {
        let Some(before) = self.table.renew(fingerprint, self.current, self.kept_from) else {
            return false;
        };
        if let Some((_, count)) = self.generations.iter_mut().find(|(number, _)| *number == before) {
            *count -= 1;
        }
        self.count_key();
        true
    }

    /// Counts one more key in the current generation.
    #[inline]
    fn count_key(&mut self) {
        match self.generations.back_mut() {
            Some((number, count)) if *number == self.current => *count += 1,
            _ => self.generations.push_back((self.current, 1)),
        }
    }

    /// Forgets the generations before a given one. What they leave behind is written over when its place is needed.
    fn keep_from(&mut self, generation: i64) {
        self.kept_from = self.kept_from.max(generation);
        while self.generations.front().is_some_and(|(number, _)| *number < generation) {
            self.len -= self.generations.pop_front().map_or(0, |(_, count)| count);
            if self.generations.is_empty() {
                self.table.clear();
            }
        }
    }

    /// The numbers of the generations that have keys, oldest first.
    pub fn generations(&self) -> impl Iterator<Item = i64> + '_ {
        self.generations.iter().map(|(number, _)| *number)
    }

    /// Forgets the oldest generation for want of room; the one behind it is kept.
    pub fn forget(&mut self, oldest: i64, next: i64) {
        self.floor_ns = oldest.saturating_add(1).saturating_mul(self.span_ns);
        self.keep_from(next);
    }

    /// Writes another answer to a key, if it is still known.
    pub fn set_answer(&mut self, fingerprint: Fingerprint, known: Known) {
        self.table.set_answer(fingerprint, known.answer, self.kept_from);
    }

    /// Log time before which keys may have been forgotten for want of room.
    pub const fn floor_ns(&self) -> i64 {
        self.floor_ns
    }

    /// Keys remembered.
    pub fn len(&self) -> usize {
        usize::try_from(self.len).expect("keys are in memory")
    }

    /// Whether no key is remembered.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes held, by part.
    pub fn bytes(&self) -> DedupBytes {
        let directory = self.table.directory_bytes();
        DedupBytes { table: self.table.heap_bytes() - directory, directory, generations: self.generations.heap_bytes() }
    }
}

#[cfg(test)]
mod tests;
