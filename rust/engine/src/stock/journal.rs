//! The journal: what recent events posted, so that a correction can undo it. 32 bytes for each; a look-up by key is
//! built only when somebody asks.

use std::collections::VecDeque;

use bytemuck::{Pod, Zeroable};
use hashbrown::HashTable;
use tallystick_contract::account::STORED;
use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_contract::limits::{POSTINGS_MAX, QUANTITY_MAX};
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::stock::legs::Leg;
/// Records that are let go together. A record's number is that of its block and its place there.
const BLOCK_RECORDS: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 12;
/// Bits of a record's amount that say which shape it has.
const SHAPE_BITS: u32 = 12;
/// Bits of a leg in a shape: its account, whether it gives, whether it stands at `to_location`.
const LEG_BITS: u32 = 6;
/// The shape of a count.
const COUNT: u64 = u64::MAX;
/// Stands for the key of a record that was forgotten.
const GONE: u64 = 0;
/// Marks the record of a second position, which follows that of the first.
const SECOND: u64 = u64::MAX - 1;

/// What an event posted to a position.
#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C)]
struct JournalRecord {
    /// Half of the event's fingerprint; it is keyed, so nobody can craft two that are equal.
    key: u64,
    /// Quantity in thousandths, and the number of the shape.
    amount: i64,
    time_ns: i64,
    /// The position's place.
    place: u32,
    /// Elements of the log since the block's first.
    since: u32,
}

flat!(JournalRecord);

/// Records that follow each other.
#[derive(Debug)]
struct Block {
    /// Elements of the log before its first record's event.
    first: u64,
    /// Before its last one's.
    last: u64,
    records: Vec<JournalRecord>,
}

heap_size!(Block { first, last, records });

/// What an event posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Posted {
    /// Its legs, or that it was a count.
    pub(crate) legs: Option<PostedLegs>,
    /// In thousandths.
    pub(crate) quantity: i64,
    /// Effective time.
    pub(crate) time_ns: i64,
    /// The places of its position, and of the one at `to_location`.
    pub(crate) places: (u32, Option<u32>),
    /// Elements of the log before it.
    pub(crate) ordinal: u64,
}

/// The legs of an event, six bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PostedLegs(u64);

/// Marks legs of a pick or shipment without a document.
const BATCH: u64 = 1 << 61;

impl PostedLegs {
    #[inline]
    pub(crate) fn of(legs: &[Leg], is_batch: bool) -> Self {
        // A one in front tells how many there are.
        let code = |codes: u64, leg: &Leg| {
            codes << LEG_BITS | (leg.slot as u64) << 2 | u64::from(leg.gives) << 1 | u64::from(leg.remote)
        };
        Self(legs.iter().fold(1, code) | if is_batch { BATCH } else { 0 })
    }

    /// Whether it was a pick or a shipment without a document.
    pub(crate) const fn is_batch(self) -> bool {
        self.0 & BATCH != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Leg> + Clone {
        let codes = self.0 & !BATCH;
        let count = (u64::BITS - 1 - codes.leading_zeros()) / LEG_BITS;
        (0..count).rev().map(move |place| {
            let code = codes >> (place * LEG_BITS);
            Leg { slot: (code >> 2 & 15) as usize, gives: code & 2 != 0, remote: code & 1 != 0 }
        })
    }
}

const _: () = assert!(2 * POSTINGS_MAX * (LEG_BITS as usize) < 61, "all legs of an event fit into one word");

const fn number_of(block: u64, place: usize) -> u64 {
    block << BLOCK_BITS | place as u64
}

/// The journal of one part of the stock.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    blocks: VecDeque<Block>,
    /// Blocks that were let go.
    gone: u64,
    shapes: Vec<u64>,
    /// The shape that came last, and its number.
    latest: (u64, i64),
    /// Of the last block: elements of the log before it, and records that it has room for.
    first: u64,
    room: usize,
    /// The number of the latest record of each key, as far as it was built.
    index: HashTable<u64>,
    /// Up to which block, and up to which of its records.
    indexed: (u64, usize),
}

heap_size!(Journal { blocks, gone, shapes, latest, first, room, index, indexed });

impl Journal {
    /// Adds what an event posted, and lets go what lies more than `kept_max` elements back.
    #[inline]
    pub(crate) fn push(&mut self, key: Fingerprint, posted: Posted, kept_max: u64) {
        if kept_max == 0 {
            return;
        }
        let shape = posted.legs.map_or(COUNT, |legs| legs.0);
        self.append(key, shape, &posted, posted.places.0);
        if let Some(place) = posted.places.1 {
            self.append(key, SECOND, &posted, place);
        }
        if self.blocks.front().is_some_and(|block| block.last.saturating_add(kept_max) < posted.ordinal) {
            self.let_go();
        }
    }

    #[inline]
    fn append(&mut self, key: Fingerprint, shape: u64, posted: &Posted, place: u32) {
        let number = if self.latest.0 == shape { self.latest.1 } else { self.number_of_shape(shape) };
        // A correction is kept under the ordinal of what it corrects, which may lie before the block's first.
        let since = posted.ordinal.wrapping_sub(self.first);
        // Both records of an event stand in one block.
        if self.room < 2 && shape != SECOND || since > u64::from(u32::MAX) {
            self.begin_block(posted.ordinal);
        }
        let block = self.blocks.back_mut().expect("there is one now");
        self.room = self.room.saturating_sub(1);
        block.last = block.last.max(posted.ordinal);
        let since = u32::try_from(posted.ordinal - block.first).expect("a block that is open has room for the ordinal");
        let amount = posted.quantity << SHAPE_BITS | number;
        block.records.push(JournalRecord { key: key.0[1], amount, time_ns: posted.time_ns, place, since });
    }

    #[cold]
    fn begin_block(&mut self, first: u64) {
        self.blocks.push_back(Block { first, last: first, records: Vec::with_capacity(BLOCK_RECORDS) });
        (self.first, self.room) = (first, BLOCK_RECORDS);
    }

    fn number_of_shape(&mut self, shape: u64) -> i64 {
        let known = self.shapes.iter().position(|known| *known == shape);
        let number = known.unwrap_or_else(|| {
            self.shapes.push(shape);
            self.shapes.len() - 1
        });
        let number = i64::try_from(number).expect("there are few shapes");
        debug_assert!(number < 1 << SHAPE_BITS, "there are fewer types than that");
        self.latest = (shape, number);
        number
    }

    #[cold]
    fn let_go(&mut self) {
        let Some(block) = self.blocks.pop_front() else { return };
        for (place, record) in block.records.iter().enumerate() {
            let number = number_of(self.gone, place);
            if let Ok(entry) = self.index.find_entry(record.key, |known| *known == number) {
                entry.remove();
            }
        }
        self.gone += 1;
        self.indexed = self.indexed.max((self.gone, 0));
    }

    /// The block of a record, and its place there.
    fn record(&self, number: u64) -> Option<(&Block, usize)> {
        let block = usize::try_from((number >> BLOCK_BITS).checked_sub(self.gone)?).ok()?;
        let place = usize::try_from(number & (BLOCK_RECORDS as u64 - 1)).ok()?;
        self.blocks.get(block).map(|block| (block, place))
    }

    /// What the event with a key posted last, if it is remembered.
    pub(crate) fn find(&mut self, key: Fingerprint) -> Option<Posted> {
        self.build_index();
        let code = key.0[1];
        let number = *self.index.find(code, |number| self.key_of(*number) == code)?;
        let (block, place) = self.record(number)?;
        let record = block.records[place];
        let shape = self.shape_of(&record);
        let second =
            block.records.get(place + 1).filter(|second| second.key == record.key && self.shape_of(second) == SECOND);
        Some(Posted {
            legs: (shape != COUNT).then_some(PostedLegs(shape)),
            quantity: record.amount >> SHAPE_BITS,
            time_ns: record.time_ns,
            places: (record.place, second.map(|second| second.place)),
            ordinal: block.first + u64::from(record.since),
        })
    }

    /// Forgets what the event with a key posted.
    pub(crate) fn forget(&mut self, key: Fingerprint) {
        self.build_index();
        let code = key.0[1];
        let Some(number) = self.index.find(code, |number| self.key_of(*number) == code).copied() else { return };
        if let Ok(entry) = self.index.find_entry(code, |known| *known == number) {
            entry.remove();
        }
        let at = (number >> BLOCK_BITS).checked_sub(self.gone).and_then(|at| usize::try_from(at).ok());
        let place = usize::try_from(number & (BLOCK_RECORDS as u64 - 1)).unwrap_or(0);
        if let Some(record) = at.and_then(|at| self.blocks.get_mut(at)?.records.get_mut(place)) {
            record.key = GONE;
        }
    }

    fn shape_of(&self, record: &JournalRecord) -> u64 {
        let number = record.amount & ((1 << SHAPE_BITS) - 1);
        usize::try_from(number).ok().and_then(|number| self.shapes.get(number)).copied().unwrap_or(SECOND)
    }

    fn key_of(&self, number: u64) -> u64 {
        self.record(number).map_or(0, |(block, place)| block.records[place].key)
    }

    /// Takes the records into the index that came since it was asked for last.
    fn build_index(&mut self) {
        let mut index = std::mem::take(&mut self.index);
        let (begin, place) = self.indexed;
        let skipped = usize::try_from(begin.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        for (at, block) in (self.gone..).zip(&self.blocks).skip(skipped) {
            let done = if at == begin { place } else { 0 };
            for (place, record) in block.records.iter().enumerate().skip(done) {
                if self.shape_of(record) == SECOND || record.key == GONE {
                    continue;
                }
                let number = number_of(at, place);
                let is_same = |known: &u64| self.key_of(*known) == record.key;
                match index.find_mut(record.key, is_same) {
                    Some(known) => *known = number,
                    None => {
                        index.insert_unique(record.key, number, |known| self.key_of(*known));
                    }
                }
            }
        }
        self.index = index;
        let last = self.blocks.back().map_or(0, |block| block.records.len());
        self.indexed = ((self.gone + self.blocks.len() as u64).saturating_sub(1).max(self.gone), last);
    }

    /// All that is remembered, oldest first, with the halves of the keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, Posted)> + '_ {
        self.blocks.iter().flat_map(move |block| {
            let behind = block.records.iter().skip(1).map(Some).chain([None]);
            block.records.iter().zip(behind).filter_map(move |(record, behind)| {
                let shape = self.shape_of(record);
                if shape == SECOND || record.key == GONE {
                    return None;
                }
                let second = behind.filter(|second| self.shape_of(second) == SECOND);
                let posted = Posted {
                    legs: (shape != COUNT).then_some(PostedLegs(shape)),
                    quantity: record.amount >> SHAPE_BITS,
                    time_ns: record.time_ns,
                    places: (record.place, second.map(|second| second.place)),
                    ordinal: block.first + u64::from(record.since),
                };
                Some((record.key, posted))
            })
        })
    }
}

/// Bytes of a record in a snapshot: key, quantity, time, ordinal, two places, shape.
const IMAGE_BYTES: usize = 4 * 8 + 2 * 4 + 2;

/// Writes what all parts remember, in the order of the log, with places as the snapshot numbers them.
pub(crate) fn write(all: &[(u64, Posted)], writer: &mut Writer) {
    let mut shapes: Vec<u64> = Vec::new();
    let mut codes = Vec::with_capacity(all.len());
    for (_, posted) in all {
        let shape = posted.legs.map_or(COUNT, |legs| legs.0);
        let known = shapes.iter().position(|known| *known == shape);
        codes.push(known.unwrap_or_else(|| {
            shapes.push(shape);
            shapes.len() - 1
        }));
    }
    shapes.save(writer);
    writer.u64(all.len() as u64);
    for ((key, posted), code) in all.iter().zip(codes) {
        let mut record = [0; IMAGE_BYTES];
        let words = [*key, posted.quantity.cast_unsigned(), posted.time_ns.cast_unsigned(), posted.ordinal];
        for (place, word) in record.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        record[32..36].copy_from_slice(&posted.places.0.to_le_bytes());
        record[36..40].copy_from_slice(&posted.places.1.unwrap_or(u32::MAX).to_le_bytes());
        record[40..42].copy_from_slice(&u16::try_from(code).unwrap_or(u16::MAX).to_le_bytes());
        writer.raw(&record);
    }
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// When it could not have been written.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    positions: usize,
    mut add: impl FnMut(Fingerprint, Posted),
) -> Result<(), SnapshotError> {
    const DAMAGED: SnapshotError = SnapshotError::Damaged("the journal is out of place");
    let shapes = Vec::<u64>::load(reader)?;
    for shape in shapes.iter().copied() {
        let has_legs = || PostedLegs(shape).iter().all(|leg| leg.slot < STORED);
        if shape != COUNT && !((1..1 << 62).contains(&shape) && has_legs()) {
            return Err(DAMAGED);
        }
    }
    for _ in 0..reader.count(IMAGE_BYTES)? {
        let key = Fingerprint([0, reader.u64()?]);
        let (quantity, time_ns, ordinal) = (reader.i64()?, reader.i64()?, reader.u64()?);
        let (near, far) = (reader.u32()?, Some(reader.u32()?).filter(|far| *far != u32::MAX));
        let code: [u8; 2] = reader.array()?;
        let shape = *shapes.get(usize::from(u16::from_le_bytes(code))).ok_or(DAMAGED)?;
        let is_there = |place: u32| (place as usize) < positions;
        if !is_there(near) || !far.is_none_or(is_there) || quantity.unsigned_abs() > QUANTITY_MAX.unsigned_abs() {
            return Err(DAMAGED);
        }
        let legs = (shape != COUNT).then_some(PostedLegs(shape));
        add(key, Posted { legs, quantity, time_ns, places: (near, far), ordinal });
    }
    Ok(())
}
