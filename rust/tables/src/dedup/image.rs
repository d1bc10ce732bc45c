//! The keys of a window as a part of a snapshot: in the order of their fingerprints and in records of one width, so
//! that they can be laid out again one after the other. The bytes depend on what is remembered and not on how it came
//! about.

use std::collections::{BTreeMap, VecDeque};

use tallystick_contract::limits::{DEDUP_GENERATIONS, NAMED_ELEMENTS};

use crate::body::{ANSWER_COUNT, Slices};
use crate::image::Image;
use crate::index::scale;
use crate::wire::{Reader, SnapshotError, Writer};

use super::group::Key;
use super::{Dedup, Fingerprint};

/// Codes of the generations in a window; in a snapshot the current generation has the last.
#[expect(clippy::cast_possible_truncation, reason = "a few dozen")]
const WINDOW_CODES: usize = DEDUP_GENERATIONS as usize + 1;

impl Dedup {
    /// Writes floor, current generation, keys by generation, keys by the first byte of their fingerprints.
    pub fn write(&self, writer: &mut Writer) {
        write(&[self], writer);
    }

    /// Puts back what [`Self::write`] wrote, into a window without keys.
    ///
    /// # Errors
    /// When it could not have been written.
    pub fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        read(&mut [self], reader)
    }

    /// The oldest generation that a window has room for.
    const fn oldest(&self) -> i64 {
        self.current.saturating_sub(DEDUP_GENERATIONS)
    }
}

/// The part of fingerprints with a first byte, among so many parts that follow each other.
pub const fn part_of(first_byte: u8, parts: usize) -> usize {
    scale((first_byte as u64) << 56, parts)
}

/// Writes windows that were moved to one time, each with its part of the fingerprints, as one.
pub fn write(parts: &[&Dedup], writer: &mut Writer) {
    let oldest = parts[0].oldest();
    writer.i64(parts[0].floor_ns);
    writer.i64(parts[0].current);
    let mut generations = BTreeMap::<i64, u64>::new();
    for (number, count) in parts.iter().flat_map(|part| &part.generations) {
        *generations.entry(*number).or_insert(0) += count;
    }
    generations.save(writer);
    let mut records = Vec::new();
    for first_byte in 0..=u8::MAX {
        let part = parts[part_of(first_byte, parts.len())];
        let keys = part.table.in_order(first_byte, part.kept_from, oldest);
        records.clear();
        for key in &keys {
            records.extend_from_slice(&key.to_bytes());
        }
        writer.u64(keys.len() as u64);
        writer.raw(&records);
    }
}

/// Reads them back, into windows without keys.
///
/// # Errors
/// When they could not have been written.
pub fn read(parts: &mut [&mut Dedup], reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
    let (floor_ns, current) = (reader.i64()?, reader.i64()?);
    for part in &mut *parts {
        (part.floor_ns, part.current) = (floor_ns, current);
    }
    let oldest = parts[0].oldest();
    let generations = read_generations(reader, oldest, current)?;
    let kept_from = generations.front().map_or(oldest, |(number, _)| *number);
    let mut left = [0; WINDOW_CODES];
    let mut total = 0_u64;
    for (number, count) in &generations {
        left[usize::try_from(number.wrapping_sub(oldest)).expect("it was checked")] = *count;
        total = total.checked_add(*count).ok_or(DO_NOT_ADD_UP)?;
    }
    let count = parts.len();
    // A table makes room by this number, so it is bounded before it is believed.
    let total = reader.bound(total, Key::BYTES)? / count;
    for first_byte in 0..=u8::MAX {
        let part = &mut *parts[part_of(first_byte, count)];
        part.kept_from = kept_from;
        let mut keys = vec![[0; Key::BYTES]; reader.count(Key::BYTES)?];
        reader.fill(keys.as_flattened_mut())?;
        let before = left;
        check(&keys, &mut left)?;
        for ((number, before), after) in (oldest..).zip(before).zip(left) {
            part.count_keys(number, before - after);
        }
        part.table.put_back(first_byte, &keys, oldest, total);
    }
    if let [part] = parts {
        // A generation whose keys were all renewed since has none, and counts as one all the same.
        part.generations = generations;
    }
    if left.iter().any(|count| *count > 0) { Err(DO_NOT_ADD_UP) } else { Ok(()) }
}

impl Dedup {
    /// Counts keys that were put back.
    fn count_keys(&mut self, generation: i64, count: u64) {
        if count > 0 {
            self.len += count;
            let place = self.generations.partition_point(|(number, _)| *number < generation);
            match self.generations.get_mut(place) {
                Some((number, known)) if *number == generation => *known += count,
                _ => self.generations.insert(place, (generation, count)),
            }
        }
    }
}

const DO_NOT_ADD_UP: SnapshotError = SnapshotError::Damaged("its generations do not add up to its keys");

fn read_generations(reader: &mut Reader<'_>, oldest: i64, current: i64) -> Result<VecDeque<(i64, u64)>, SnapshotError> {
    let mut generations = VecDeque::new();
    for generation in reader.each::<(i64, u64)>()? {
        let (number, count) = generation?;
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
            return Err(SnapshotError::Damaged("a key has an answer that cannot be read"));
        }
    }
    Ok(())
}

/// What an element said, as it is stored.
const SLICES_BYTES: usize = 16;

/// Writes what the latest elements said: ordinal, key, slices.
pub fn write_recent(said: &[(u64, Fingerprint, Slices)], writer: &mut Writer) {
    writer.u64(said.len() as u64);
    for (ordinal, fingerprint, slices) in said {
        (*ordinal, *fingerprint).save(writer);
        writer.raw(&slices.to_bytes());
    }
}

/// Reads it back, one after the other.
///
/// # Errors
/// When it could not have been written.
pub fn read_recent(
    elements: u64,
    reader: &mut Reader<'_>,
    mut put_back: impl FnMut(u64, Fingerprint, Slices),
) -> Result<(), SnapshotError> {
    let mut next = elements.saturating_sub(NAMED_ELEMENTS);
    for _ in 0..reader.count(<(u64, Fingerprint)>::LEAST + SLICES_BYTES)? {
        let (ordinal, fingerprint) = <(u64, Fingerprint)>::load(reader)?;
        let slices = reader.array::<SLICES_BYTES>()?;
        if ordinal < next || ordinal >= elements {
            return Err(SnapshotError::Damaged("what an element said is out of place"));
        }
        next = ordinal + 1;
        put_back(ordinal, fingerprint, Slices::from_bytes(slices));
    }
    Ok(())
}

impl Image for Fingerprint {
    const LEAST: usize = <[u64; 2]>::LEAST;

    fn save(&self, writer: &mut Writer) {
        self.0.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Image::load(reader).map(Self)
    }
}

crate::image::flagged!(Fingerprint);
