//! The table of all keys: a directory from the first bits of a fingerprint to its segment. A segment grows by a little
//! when it is full and is split when it is large, so that no more than one segment's keys ever move at a time and
//! nearly all of the memory is used.

use tallystick_contract::heap_size::{HeapSize, heap_size};
use tallystick_contract::limits::DEDUP_GENERATIONS;

use crate::body::Known;

use super::Fingerprint;
use super::blocks::{BLOCK_GROUPS, Blocks};
use super::group::{CODES, Key, PLACES, Probe};
use super::layout::Layout;
use super::segment::{FEW_GROUPS, GROUPS_MAX, Segment, index};

/// Bits of a fingerprint that a segment implies at least: keys leave their first byte away.
const DEPTH_MIN: u32 = 8;
/// Generations by which segments run out of codes one after the other: the codes that a window leaves.
#[expect(clippy::cast_possible_truncation, reason = "a few dozen")]
const STAGGERED: usize = CODES as usize - DEDUP_GENERATIONS as usize;
/// Where the directory has no segment yet.
const NONE: u32 = u32::MAX;
/// Keys of a segment from which on memory counts more than the time to move them.
const CLOSE_KEYS: usize = 2_000;
/// Entries of the directory per segment that splitting may lead to. Fingerprints that are spread evenly need two.
const SPREAD_MAX: usize = 16;

/// All keys that are remembered, and those that are outdated and not yet written over.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Segments by the first bits of the fingerprint; empty as long as there is no key.
    directory: Vec<u32>,
    segments: Vec<Segment>,
    blocks: Blocks,
    layout: Layout,
    /// How often a segment came, or moved its keys.
    layouts: u64,
}

heap_size!(Table { directory, segments, blocks, layout, layouts });

/// Where a key that is missing would have its place. Holds until keys move.
#[derive(Debug, Clone, Copy)]
pub struct Vacancy {
    id: u32,
    at: usize,
    layouts: u64,
}

impl Table {
    /// Bits that the directory is indexed by.
    const fn depth(&self) -> u32 {
        self.directory.len().trailing_zeros()
    }

    /// The directory's entry for a fingerprint's first half.
    #[inline]
    fn entry(&self, first: u64) -> usize {
        index(first >> (u64::BITS - self.depth()))
    }

    #[inline]
    fn id(&self, first: u64) -> Option<u32> {
        if self.directory.is_empty() {
            return None;
        }
        let id = self.directory[self.entry(first)];
        (id != NONE).then_some(id)
    }

    #[inline]
    fn segment(&self, first: u64) -> Option<&Segment> {
        self.id(first).map(|id| &self.segments[id as usize])
    }

    /// Asks for the heads that [`Self::find`] will read.
    #[inline]
    pub(super) fn prefetch(&self, fingerprint: Fingerprint) {
        let probe = Probe::new(fingerprint);
        if let Some(segment) = self.segment(probe.first) {
            let homes = segment.homes(probe);
            segment.prefetch(&self.blocks, homes.first);
            segment.prefetch(&self.blocks, homes.second);
        }
    }

    /// Asks for what the heads point to.
    #[inline]
    pub(super) fn prefetch_places(&self, fingerprint: Fingerprint, kept_from: i64) {
        let probe = Probe::new(fingerprint);
        if let Some(segment) = self.segment(probe.first) {
            segment.prefetch_places(&self.blocks, probe, kept_from);
        }
    }

    /// What is remembered of a key, or where it would be.
    #[inline]
    pub(super) fn look(&self, fingerprint: Fingerprint, kept_from: i64) -> Result<Known, Vacancy> {
        let probe = Probe::new(fingerprint);
        let Some(id) = self.id(probe.first) else {
            return Err(Vacancy { id: NONE, at: 0, layouts: self.layouts });
        };
        let segment = &self.segments[id as usize];
        match segment.look(&self.blocks, probe, kept_from) {
            Ok(found) => Ok(segment.key(&self.blocks, found).known()),
            Err(at) => Err(Vacancy { id, at, layouts: self.layouts }),
        }
    }

    /// Adds a key that is not there where [`Self::look`] found it missing.
    #[inline]
    pub(super) fn insert_at(
        &mut self,
        vacancy: Vacancy,
        fingerprint: Fingerprint,
        known: Known,
        generation: i64,
        kept_from: i64,
    ) {
        if vacancy.layouts == self.layouts
            && vacancy.id != NONE
            && let segment = &mut self.segments[vacancy.id as usize]
            && let Some(code) = segment.code(generation)
        {
            let key = Key::new(Probe::new(fingerprint), known, code);
            if segment.insert_at(&mut self.blocks, vacancy.at, &key, kept_from) {
                return;
            }
        }
        self.insert(fingerprint, known, generation, kept_from);
    }

    /// Forgets all keys.
    pub(super) fn clear(&mut self) {
        *self = Self { layouts: self.layouts + 1, ..Self::default() };
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, fingerprint: Fingerprint, known: Known, generation: i64, kept_from: i64) {
        let probe = Probe::new(fingerprint);
        loop {
            let id = self.id(probe.first).unwrap_or_else(|| self.begin_segment(probe.first, generation));
            let segment = &mut self.segments[id as usize];
            let Some(code) = segment.code(generation) else {
                segment.recode(&mut self.blocks, kept_from);
                continue;
            };
            if segment.insert(&mut self.blocks, &Key::new(probe, known, code), kept_from) {
                return;
            }
            self.lay_out(id, probe.first, kept_from);
        }
    }

    /// Moves a key to a generation, and gives the one in which it was.
    pub(super) fn renew(&mut self, fingerprint: Fingerprint, generation: i64, kept_from: i64) -> Option<i64> {
        let probe = Probe::new(fingerprint);
        loop {
            let id = self.id(probe.first)?;
            let segment = &mut self.segments[id as usize];
            let found = segment.find(&self.blocks, probe, kept_from)?;
            if let Some(code) = segment.code(generation) {
                let before = segment.generation(segment.key(&self.blocks, found).code());
                segment.set_code(&mut self.blocks, found, code);
                return Some(before);
            }
            segment.recode(&mut self.blocks, kept_from);
        }
    }

    /// Writes another answer to a key, if it is there.
    pub(super) fn set_answer(&mut self, fingerprint: Fingerprint, answer: u8, kept_from: i64) {
        let probe = Probe::new(fingerprint);
        let Some(id) = self.id(probe.first) else { return };
        let segment = &mut self.segments[id as usize];
        if let Some(found) = segment.find(&self.blocks, probe, kept_from) {
            segment.set_answer(&mut self.blocks, found, answer);
        }
    }

    /// A first segment for a prefix that has none.
    fn begin_segment(&mut self, first: u64, generation: i64) -> u32 {
        if self.directory.is_empty() {
            self.directory = vec![NONE; 1 << DEPTH_MIN];
        }
        self.layout.begin(DEPTH_MIN, 1);
        let segment = self.layout.finish(generation.saturating_sub(self.stagger().into()), &mut self.blocks);
        self.add(segment, first)
    }

    /// By how many generations the next segment to be is older than it need be. Otherwise all segments would run out of
    /// codes in the same generation.
    fn stagger(&self) -> u8 {
        (self.segments.len() % STAGGERED).try_into().expect("a few")
    }

    /// Adds a segment for the prefix of a fingerprint's first half.
    fn add(&mut self, segment: Segment, first: u64) -> u32 {
        let id = u32::try_from(self.segments.len()).expect("memory ends before the numbers of segments do");
        let width = 1 << (self.depth() - segment.depth);
        let begin = self.entry(first) & !(width - 1);
        self.directory[begin..begin + width].fill(id);
        self.segments.push(segment);
        self.layouts += 1;
        id
    }

    /// Lays a segment out anew: without what is outdated, and with room for more keys, in two if need be.
    fn lay_out(&mut self, id: u32, first: u64, kept_from: i64) {
        let old = &self.segments[id as usize];
        let depth = old.depth;
        let keys = old.count(&self.blocks, kept_from);
        let groups = groups_after(keys, old.groups(), old.used(), id);
        if groups > GROUPS_MAX && self.make_splittable(depth, self.segments.len()) {
            let old = &self.segments[id as usize];
            let mut upper = 0;
            old.each(&self.blocks, kept_from, |key| upper += usize::from(is_upper(&key, depth)));
            let lower =
                self.lay_out_part(id, depth + 1, groups_for(keys - upper, 72 + spread(id, 0) % 13), kept_from, |key| {
                    !is_upper(key, depth)
                });
            let upper =
                self.lay_out_part(id, depth + 1, groups_for(upper, 72 + spread(id, 0) % 13), kept_from, |key| {
                    is_upper(key, depth)
                });
            self.replace(id, lower);
            self.add(upper, first | 1 << (u64::BITS - 1 - depth));
        } else {
            let segment = self.lay_out_part(id, depth, groups, kept_from, |_| true);
            self.replace(id, segment);
        }
    }

    /// A segment with those keys of another that are not outdated and belong to it.
    fn lay_out_part(
        &mut self,
        id: u32,
        depth: u32,
        groups: usize,
        kept_from: i64,
        belongs: impl Fn(&Key) -> bool,
    ) -> Segment {
        let old = &self.segments[id as usize];
        let shift = old.code_min(kept_from) - 1;
        self.layout.begin(depth, groups);
        old.each(&self.blocks, kept_from, |key| {
            if belongs(&key) {
                self.layout.push(&key.with_code_less(shift));
            }
        });
        // A window spans fewer generations than there are codes, so from here on the current one has a code.
        self.layout.finish(old.base().max(kept_from), &mut self.blocks)
    }

    fn replace(&mut self, id: u32, segment: Segment) {
        self.layouts += 1;
        std::mem::replace(&mut self.segments[id as usize], segment).release(&mut self.blocks);
    }

    /// Makes the directory deep enough to tell the halves of a segment apart. Returns whether it is; a directory far
    /// larger than there are segments would be the sign of fingerprints that no bits part.
    fn make_splittable(&mut self, depth: u32, segments: usize) -> bool {
        if depth < self.depth() {
            return true;
        }
        if self.directory.len() > segments.max(1 << DEPTH_MIN) * SPREAD_MAX {
            return false;
        }
        self.directory = self.directory.iter().flat_map(|id| [*id, *id]).collect();
        true
    }

    /// The keys with one first byte, in order, with codes that count from a given generation.
    pub(super) fn in_order(&self, first_byte: u8, kept_from: i64, base: i64) -> Vec<Key> {
        let (mut keys, mut unsorted) = (Vec::new(), Vec::new());
        let width = self.directory.len() >> DEPTH_MIN;
        let entries = usize::from(first_byte) * width..(usize::from(first_byte) + 1) * width;
        for ids in self.directory[entries].chunk_by(|id, next| id == next).filter(|ids| ids[0] != NONE) {
            let segment = &self.segments[ids[0] as usize];
            let code = |key: &Key| segment.generation(key.code()).wrapping_sub(base) + 1;
            let recoded = |key: Key| key.with_code(u8::try_from(code(&key)).expect("a window has few generations"));
            unsorted.clear();
            segment.each(&self.blocks, kept_from, |key| unsorted.push(recoded(key)));
            append_sorted(&mut keys, &unsorted, segment.depth);
        }
        keys
    }

    /// Puts back all keys with one first byte, sorted, with codes that count from a given generation. The table must
    /// have none with that byte. `total` is how many keys there will be in all.
    pub(super) fn put_back(&mut self, first_byte: u8, keys: &[[u8; Key::BYTES]], base: i64, total: usize) {
        if self.directory.is_empty() {
            self.directory = vec![NONE; 1 << DEPTH_MIN];
        }
        self.put_back_part(u64::from(first_byte) << (u64::BITS - DEPTH_MIN), keys, DEPTH_MIN, base, total);
    }

    fn put_back_part(&mut self, first: u64, keys: &[[u8; Key::BYTES]], depth: u32, base: i64, total: usize) {
        if keys.is_empty() && depth == DEPTH_MIN {
            return;
        }
        let groups = groups_at_any_time(keys.len(), number(self.segments.len()));
        if groups > GROUPS_MAX
            && self.make_splittable(depth, self.segments.len().max(total / (GROUPS_MAX * PLACES / 4)))
        {
            let (lower, upper) = keys.split_at(keys.partition_point(|key| !is_upper(&Key::from_bytes(key), depth)));
            self.put_back_part(first, lower, depth + 1, base, total);
            self.put_back_part(first | 1 << (u64::BITS - 1 - depth), upper, depth + 1, base, total);
            return;
        }
        self.layout.begin(depth, groups);
        // Codes count from `base`, which must not be cut short before the first generation of all.
        let stagger = if base > i64::MIN + 100 { self.stagger() } else { 0 };
        for key in keys {
            self.layout.push(&Key::from_bytes(key).with_code_more(stagger));
        }
        let segment = self.layout.finish(base - i64::from(stagger), &mut self.blocks);
        self.add(segment, first);
    }

    /// Bytes of the directory and of what it leads to.
    pub(super) fn directory_bytes(&self) -> usize {
        self.directory.heap_bytes() + self.segments.capacity() * size_of::<Segment>() + self.layout.heap_bytes()
    }
}

/// Whether a key belongs to the upper half of a segment.
#[inline]
fn is_upper(key: &Key, depth: u32) -> bool {
    key.probe().first >> (u64::BITS - 1 - depth) & 1 == 1
}

/// Appends keys that have their first bits in common, in order. Each goes to a heap of its own by the bits that follow,
/// a dozen to a heap, which is faster than comparing all with all.
fn append_sorted(sorted: &mut Vec<Key>, keys: &[Key], depth: u32) {
    let heaps = (keys.len() / 12).next_power_of_two();
    let heap = |key: &Key| index(((key.probe().first << depth >> 32) * heaps as u64) >> 32);
    let mut ends = vec![0; heaps];
    for key in keys {
        ends[heap(key)] += 1;
    }
    let mut begin = sorted.len();
    for end in &mut ends {
        (*end, begin) = (begin, begin + *end);
    }
    sorted.extend_from_slice(keys);
    for key in keys {
        let end = &mut ends[heap(key)];
        sorted[*end] = *key;
        *end += 1;
    }
    let mut begin = begin - keys.len();
    for end in ends {
        sorted[begin..end].sort_unstable_by_key(Key::order);
        begin = end;
    }
}

/// Whether so many keys leave a segment of so many groups some way to go until it is full.
fn has_room(keys: usize, groups: usize) -> bool {
    keys * 100 <= groups * PLACES * 92
}

/// Groups for a segment with so many groups and places in use, of which so many keys are needed.
fn groups_after(keys: usize, groups: usize, used: usize, id: u32) -> usize {
    if has_room(keys, groups) && keys * 5 >= groups * PLACES * 2 {
        return groups;
    }
    // Few keys are not worth the work of filling up more closely.
    let is_loose = groups * PLACES < CLOSE_KEYS;
    match keys {
        ..CLOSE_KEYS => groups_for(keys, 60 + spread(id, groups) % 13),
        _ if is_loose => groups_at_any_time(keys, id),
        // Where keys are outdated, about as many go as come, and there is little to make room for.
        _ if keys * 50 < used * 49 => groups_for(keys, 84 + spread(id, groups) % 7),
        _ => groups_for(keys, 72 + spread(id, groups) % 13),
    }
}

/// Groups for a segment as it may be at any time between being laid out and being full. If that were the same for all,
/// all segments would be emptiest at the same time.
fn groups_at_any_time(keys: usize, id: u32) -> usize {
    groups_for(keys, 74 + spread(id, 0) % 18)
}

/// Groups that so many keys fill to a percentage.
fn groups_for(keys: usize, percent: usize) -> usize {
    let groups = (keys * 100).div_ceil(PLACES * percent).max(1);
    if !(FEW_GROUPS + 1..=GROUPS_MAX).contains(&groups) {
        return groups;
    }
    let nearest = (groups + BLOCK_GROUPS / 2) / BLOCK_GROUPS * BLOCK_GROUPS;
    if has_room(keys, nearest) { nearest } else { nearest + BLOCK_GROUPS }
}

/// A number without a pattern.
fn spread(id: u32, groups: usize) -> usize {
    (id.wrapping_mul(0x9E37_79B9).wrapping_add(number(groups).wrapping_mul(0x85EB_CA6B)) >> 16) as usize
}

fn number(groups: usize) -> u32 {
    u32::try_from(groups).unwrap_or(u32::MAX)
}
