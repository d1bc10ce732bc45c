//! The keys: all that is remembered for idempotency, divided by fingerprint into parts with tables of their own.
//! Independent of how the stock is divided, because a key that is sent again for another SKU must still be found.

use tallystick_contract::heap_size::{HeapSize, heap_size};
use tallystick_contract::outcome::Outcome;
use tallystick_tables::body::{Body, Known};
use tallystick_tables::dedup::{Dedup, Fingerprint, Recent, Vacancy, image};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::diagnostics::Diagnostics;
/// A key that is not known, with what its event says and where it would be remembered. It is used up by that: a key is
/// remembered once.
#[derive(Debug)]
pub(crate) struct NewKey {
    /// Elements before its event in the log.
    ordinal: u64,
    key: Fingerprint,
    body: Body,
    vacancy: Vacancy,
}

/// The keys of some fingerprints.
#[derive(Debug)]
pub(crate) struct KeyPart {
    pub(crate) dedup: Dedup,
    pub(crate) recent: Recent,
}

heap_size!(KeyPart { dedup, recent });

impl KeyPart {
    /// A key that is new. `ordinal` is the number of elements before its event in the log.
    ///
    /// # Errors
    /// What the event gets because its key is known.
    #[inline]
    pub(crate) fn recall(
        &mut self,
        (ordinal, log_time_ns): (u64, i64),
        key: Fingerprint,
        body: Body,
        diagnostics: &mut Diagnostics,
    ) -> Result<NewKey, Outcome> {
        self.dedup.advance(log_time_ns);
        match self.dedup.look(key) {
            Err(vacancy) => Ok(NewKey { ordinal, key, body, vacancy }),
            Ok(known) if known.means(body) => Err(known.answer_again()),
            Ok(_) => {
                let first = self.recent.find(ordinal, key);
                diagnostics.fields = first.map(|slices| slices.differences(body.slices()));
                Err(Outcome::Conflict)
            }
        }
    }

    /// Remembers a new key with the answer that it got.
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "a key is remembered once")]
    pub(crate) fn remember(&mut self, new: NewKey, outcome: Outcome) {
        self.dedup.remember_at(new.vacancy, new.key, new.body.known(outcome));
        self.recent.push(new.ordinal, new.key, new.body.slices());
    }
}

/// All keys.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) parts: Vec<KeyPart>,
    /// Keys that there is room for. With one part, its table sees to it.
    count_max: u64,
    /// The log time to which the window was moved last.
    reached_ns: i64,
}

heap_size!(Keys { parts, count_max, reached_ns });

impl Keys {
    /// No key yet.
    pub(crate) fn new(parts: usize, window_ns: i64, keys_max: u64) -> Self {
        let own_max = if parts == 1 { keys_max } else { u64::MAX };
        let part = || KeyPart { dedup: Dedup::new(window_ns, own_max), recent: Recent::default() };
        Self { parts: std::iter::repeat_with(part).take(parts).collect(), count_max: keys_max, reached_ns: i64::MIN }
    }

    /// The part of a fingerprint. Parts follow each other in the order of fingerprints.
    #[inline]
    pub(crate) fn part_of(&self, key: Fingerprint) -> usize {
        // Whole first bytes, because a snapshot and a table are divided by them.
        if self.parts.len() == 1 { 0 } else { image::part_of(key.0[0].to_be_bytes()[0], self.parts.len()) }
    }

    /// The table of a key.
    #[inline]
    pub(crate) fn of(&self, key: Fingerprint) -> &Dedup {
        &self.parts[self.part_of(key)].dedup
    }

    /// The part of a key, with the window moved to a log time.
    #[inline]
    pub(crate) fn reach(&mut self, key: Fingerprint, log_time_ns: i64) -> &mut KeyPart {
        self.reached_ns = self.reached_ns.max(log_time_ns);
        let part = self.part_of(key);
        &mut self.parts[part]
    }

    /// Remembers a new key with the answer that it got, and forgets the oldest generation if there is no room.
    #[inline]
    pub(crate) fn remember(&mut self, new: NewKey, outcome: Outcome) {
        let part = self.part_of(new.key);
        self.parts[part].remember(new, outcome);
        if self.parts.len() > 1 && !self.has_room(0) {
            self.make_room();
        }
    }

    /// What is remembered of a key.
    pub(crate) fn find(&mut self, key: Fingerprint, log_time_ns: i64) -> Option<Known> {
        let dedup = &mut self.reach(key, log_time_ns).dedup;
        dedup.advance(log_time_ns);
        dedup.find(key)
    }

    /// Remembers the key of an event that another one was made from, unless it is known.
    pub(crate) fn remember_echoed(&mut self, key: Fingerprint) {
        let part = self.part_of(key);
        let dedup = &mut self.parts[part].dedup;
        if dedup.find(key).is_none() {
            dedup.remember(key, Known::echoed());
        }
        if self.parts.len() > 1 && !self.has_room(0) {
            self.make_room();
        }
    }

    /// Writes another answer to a key, if it is still known.
    pub(crate) fn set_answer(&mut self, key: Fingerprint, outcome: Outcome) {
        let part = self.part_of(key);
        self.parts[part].dedup.set_answer(key, Known::of(outcome));
    }

    /// Whether so many more keys leave nothing to forget. What is outdated may still be counted.
    pub(crate) fn has_room(&self, keys: usize) -> bool {
        self.parts.len() == 1 || self.len() as u64 + keys as u64 <= self.count_max
    }

    #[cold]
    fn make_room(&mut self) {
        self.settle(self.reached_ns);
        while !self.has_room(0) {
            let mut generations: Vec<_> = self.parts.iter().flat_map(|part| part.dedup.generations()).collect();
            generations.sort_unstable();
            generations.dedup();
            let [oldest, next, ..] = *generations else { return };
            self.parts.iter_mut().for_each(|part| part.dedup.forget(oldest, next));
        }
    }

    /// Moves all parts to a log time, so that they count the same window.
    pub(crate) fn settle(&mut self, log_time_ns: i64) {
        self.reached_ns = self.reached_ns.max(log_time_ns);
        if self.reached_ns > i64::MIN {
            self.parts.iter_mut().for_each(|part| part.dedup.advance(self.reached_ns));
        }
    }

    /// Settles all keys where they were moved last.
    pub(crate) fn settle_all(&mut self) {
        if self.parts.len() > 1 {
            self.settle(self.reached_ns);
        }
    }

    /// Writes the keys, however they are divided.
    pub(crate) fn write(&self, writer: &mut Writer) {
        image::write(&self.parts.iter().map(|part| &part.dedup).collect::<Vec<_>>(), writer);
    }

    /// Writes what elements after a given number of them may still ask for of what was said.
    pub(crate) fn write_recent(&self, elements: u64, writer: &mut Writer) {
        let mut said: Vec<_> = self.parts.iter().flat_map(|part| part.recent.parts(elements)).collect();
        said.sort_by_key(|(ordinal, ..)| *ordinal);
        image::write_recent(&said, writer);
    }

    /// Puts back the keys, into windows without keys.
    ///
    /// # Errors
    /// When they could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        image::read(&mut self.parts.iter_mut().map(|part| &mut part.dedup).collect::<Vec<_>>(), reader)
    }

    /// Puts back what was said.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_recent(&mut self, elements: u64, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        image::read_recent(elements, reader, |ordinal, fingerprint, slices| {
            let part = self.part_of(fingerprint);
            self.parts[part].recent.push(ordinal, fingerprint, slices);
        })
    }

    /// Log time before which keys may have been forgotten for want of room.
    #[inline]
    pub(crate) fn floor_ns(&self) -> i64 {
        self.parts[0].dedup.floor_ns()
    }

    /// Keys remembered.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.dedup.len()).sum()
    }

    /// Bytes among those held that are of what the latest elements said.
    pub(crate) fn bodies_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.recent.heap_bytes()).sum()
    }
}
