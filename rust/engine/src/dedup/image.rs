//! The keys of a window as a part of a snapshot: in the order of their fingerprints and in records of one width, so that they can be laid out again
//! one after the other. The bytes depend on what is remembered and not on how it came about.

use std::collections::VecDeque;

use crate::body::{ANSWER_COUNT, Slices};
use crate::limits::{DEDUP_GENERATIONS, NAMED_ELEMENTS};
use crate::wire::{Reader, SnapshotError, Writer};

use super::group::Key;
use super::{Dedup, Fingerprint, Recent};

/// Codes of the generations in a window; in a snapshot the current generation has the last.
#[expect(clippy::cast_possible_truncation, reason = "a few dozen")]
const WINDOW_CODES: usize = DEDUP_GENERATIONS as usize + 1;

impl Dedup {
    /// Writes floor, current generation, keys by generation, keys by the first byte of their fingerprints.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.i64(self.floor_ns);
        writer.i64(self.current);
        writer.u64(self.generations.len() as u64);
        for (number, count) in &self.generations {
            writer.i64(*number);
            writer.u64(*count);
        }
        let mut records = Vec::new();
        for first_byte in 0..=u8::MAX {
            let keys = self.table.in_order(first_byte, self.kept_from, self.oldest());
            records.clear();
            for key in &keys {
                records.extend_from_slice(&key.to_bytes());
            }
            writer.u64(keys.len() as u64);
            writer.raw(&records);
        }
    }

    /// Puts back what [`Self::write`] wrote, into a window without keys.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        (self.floor_ns, self.current) = (reader.i64()?, reader.i64()?);
        let oldest = self.oldest();
        self.generations = read_generations(reader, oldest, self.current)?;
        self.kept_from = self.generations.front().map_or(oldest, |(number, _)| *number);
        let mut left = [0; WINDOW_CODES];
        for (number, count) in &self.generations {
            left[usize::try_from(number.wrapping_sub(oldest)).expect("it was checked")] = *count;
            self.len = self.len.checked_add(*count).ok_or(DO_NOT_ADD_UP)?;
        }
        // The table makes room by this number, so it is bounded before it is believed.
        let total = reader.bound(self.len, Key::BYTES)?;
        for first_byte in 0..=u8::MAX {
            let mut keys = vec![[0; Key::BYTES]; reader.count(Key::BYTES)?];
            reader.fill(keys.as_flattened_mut())?;
            check(&keys, &mut left)?;
            self.table.put_back(first_byte, &keys, oldest, total);
        }
        if left.iter().any(|count| *count > 0) { Err(DO_NOT_ADD_UP) } else { Ok(()) }
    }

    /// The oldest generation that a window has room for.
    const fn oldest(&self) -> i64 {
        self.current.saturating_sub(DEDUP_GENERATIONS)
    }
}

const DO_NOT_ADD_UP: SnapshotError = SnapshotError::Damaged("its generations do not add up to its keys");

fn read_generations(reader: &mut Reader<'_>, oldest: i64, current: i64) -> Result<VecDeque<(i64, u64)>, SnapshotError> {
    let mut generations = VecDeque::new();
    for _ in 0..reader.count(16)? {
        let (number, count) = (reader.i64()?, reader.u64()?);
        let follows = generations.back().is_none_or(|(before, _)| number > *before);
        if !follows || number < oldest || number > current {
            return Err(SnapshotError::Damaged("a generation is out of place"));
        }
        generations.push_back((number, count));
    }
    Ok(generations)
}

/// Checks that keys are what a table holds, each once, and takes them off what is left of their generations.
fn check(keys: &[[u8; Key::BYTES]], left: &mut [u64; WINDOW_CODES]) -> Result<(), SnapshotError> {
    let mut before = None;
    for key in keys.iter().map(Key::from_bytes) {
        let order = key.order();
        if before.is_some_and(|before| before >= order) {
            return Err(SnapshotError::Damaged("a key is out of place"));
        }
        before = Some(order);
        let left = usize::from(key.code()).checked_sub(1).and_then(|age| left.get_mut(age)).ok_or(DO_NOT_ADD_UP)?;
        *left = left.checked_sub(1).ok_or(DO_NOT_ADD_UP)?;
        if key.answer() >= ANSWER_COUNT {
            return Err(SnapshotError::Damaged("a key has an answer that is none"));
        }
    }
    Ok(())
}

impl Recent {
    /// Writes what elements after a given number of them may still ask for.
    pub(crate) fn write(&self, elements: u64, writer: &mut Writer) {
        let parts = self.parts(elements);
        writer.u64(parts.len() as u64);
        for (ordinal, fingerprint, slices) in parts {
            writer.u64(ordinal);
            fingerprint.0.iter().for_each(|half| writer.u64(*half));
            writer.raw(&slices.to_bytes());
        }
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, elements: u64, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let mut next = elements.saturating_sub(NAMED_ELEMENTS);
        for _ in 0..reader.count(40)? {
            let (ordinal, fingerprint) = (reader.u64()?, Fingerprint([reader.u64()?, reader.u64()?]));
            let mut slices = [0; 16];
            reader.fill(&mut slices)?;
            if ordinal < next || ordinal >= elements {
                return Err(SnapshotError::Damaged("what an element said is out of place"));
            }
            next = ordinal + 1;
            self.push(ordinal, fingerprint, Slices::from_bytes(slices));
        }
        Ok(())
    }
}
