//! An index from hashes to ids: open addressing in segments that grow one at a time, so that no insertion waits for a
//! whole table. It holds no keys; the caller compares. Slots lie in the order of their hashes, so that a segment grows
//! in one walk and never looks at a key.

use prefetch_index::prefetch_index;
use tallystick_contract::heap_size::heap_size;

/// The top bits of a hash choose the segment, the 32 bits below are its tag.
const SEGMENT_BITS: u32 = 8;
const TAG_SHIFT: u32 = 32 - SEGMENT_BITS;
/// Slots of a segment when its first id comes.
const SLOTS_MIN: usize = 8;

/// A slot: the tag above, one more than the id below; zero is empty.
type Slot = u64;

/// Ids by hash.
///
/// ```
/// use tallystick_tables::{hash::of_name, index::Index};
///
/// let skus = ["LAMP", "DESK"];
/// let mut index = Index::default();
/// for (id, sku) in (0..).zip(skus) {
///     index.insert(of_name(42, sku), id);
/// }
/// let find = |index: &Index, sku| index.find(of_name(42, sku), |id| skus[id as usize] == sku);
/// assert_eq!((find(&index, "DESK"), find(&index, "SOFA")), (Some(1), None));
/// assert!(index.remove(of_name(42, "DESK"), 1));
/// assert_eq!(find(&index, "DESK"), None);
/// ```
#[derive(Debug)]
pub struct Index {
    segments: Vec<IndexSegment>,
}

heap_size!(Index { segments });

#[derive(Debug, Clone, Default)]
struct IndexSegment {
    slots: Vec<Slot>,
    len: usize,
}

heap_size!(IndexSegment { slots, len });

impl Default for Index {
    fn default() -> Self {
        Self { segments: vec![IndexSegment::default(); 1 << SEGMENT_BITS] }
    }
}

impl Index {
    /// The id with a hash for which `is` holds. Ids with other hashes are hardly ever asked about.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let slots = self.segment(hash).slots.as_slice();
        let tag = tag(hash);
        let (before, behind) = slots.split_at(home(tag, slots.len()));
        for slot in behind.iter().chain(before) {
            if *slot == 0 {
                return None;
            }
            if *slot >> 32 == u64::from(tag) && is(id(*slot)) {
                return Some(id(*slot));
            }
        }
        None
    }

    /// Asks for the memory that [`Self::candidate`] and [`Self::find`] will need.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let slots = self.segment(hash).slots.as_slice();
        prefetch_index(slots, home(tag(hash), slots.len()));
    }

    /// The first id that may have a hash, for asking for memory early. It may be another's.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Adds an id that is not there yet.
    pub fn insert(&mut self, hash: u64, id: u32) {
        let segment = &mut self.segments[segment_of(hash)];
        if (segment.len + 1) * 4 > segment.slots.len() * 3 {
            segment.grow();
        }
        segment.put(u64::from(tag(hash)) << 32 | (u64::from(id) + 1));
        segment.len += 1;
    }

    /// Takes away an id with its hash. Returns whether it was there.
    pub fn remove(&mut self, hash: u64, id: u32) -> bool {
        self.segments[segment_of(hash)].remove(u64::from(tag(hash)) << 32 | (u64::from(id) + 1))
    }

    /// An index of ids that follow each other from a first one on, by their hashes. Nothing where two ids are the same
    /// to the caller. Each segment is filled while it is near, which is a multiple faster than one insertion after the
    /// other.
    pub fn build(first: u32, hashes: &[u64], mut is_same: impl FnMut(u32, u32) -> bool) -> Option<Self> {
        let mut ends = [0_usize; 1 << SEGMENT_BITS];
        for hash in hashes {
            ends[segment_of(*hash)] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            (*end, begin) = (begin, begin + *end);
        }
        let mut sorted = vec![0; hashes.len()];
        for (id, hash) in (u64::from(first)..).zip(hashes) {
            let end = &mut ends[segment_of(*hash)];
            sorted[*end] = u64::from(tag(*hash)) << 32 | (id + 1);
            *end += 1;
        }
        let mut segments = Vec::with_capacity(1 << SEGMENT_BITS);
        let mut begin = 0;
        for end in ends {
            segments.push(IndexSegment::build(&sorted[begin..end], &mut is_same)?);
            begin = end;
        }
        Some(Self { segments })
    }

    fn segment(&self, hash: u64) -> &IndexSegment {
        &self.segments[segment_of(hash)]
    }
}

impl IndexSegment {
    /// A segment of some slots, as full as segments are on the average. Nothing where two of them are the same.
    fn build(slots: &[Slot], mut is_same: impl FnMut(u32, u32) -> bool) -> Option<Self> {
        if slots.is_empty() {
            return Some(Self::default());
        }
        let mut built = Self { slots: vec![0; (slots.len() * 8 / 5).max(SLOTS_MIN)], len: slots.len() };
        for slot in slots {
            let mut place = home(tag_of(*slot), built.slots.len());
            while built.slots[place] != 0 {
                let other = built.slots[place];
                if tag_of(other) == tag_of(*slot) && is_same(id(other), id(*slot)) {
                    return None;
                }
                place = if place + 1 == built.slots.len() { 0 } else { place + 1 };
            }
            built.slots[place] = *slot;
        }
        Some(built)
    }

    /// Puts a slot into the first empty place from its home on, and on from the beginning. There always is one.
    fn put(&mut self, slot: Slot) {
        let mut place = home(tag_of(slot), self.slots.len());
        while self.slots[place] != 0 {
            place = if place + 1 == self.slots.len() { 0 } else { place + 1 };
        }
        self.slots[place] = slot;
    }

    /// Takes away a slot, and moves those behind it up as far as their search would miss them otherwise.
    fn remove(&mut self, slot: Slot) -> bool {
        let slots = &mut self.slots;
        if slots.is_empty() {
            return false;
        }
        let next = |place: usize| if place + 1 == slots.len() { 0 } else { place + 1 };
        let mut hole = home(tag_of(slot), slots.len());
        while slots[hole] != slot {
            if slots[hole] == 0 {
                return false;
            }
            hole = next(hole);
        }
        let mut place = next(hole);
        while slots[place] != 0 {
            // How far it lies behind where its search begins, and behind the hole, around the end.
            let behind = |from: usize| if place >= from { place - from } else { place + slots.len() - from };
            if behind(home(tag_of(slots[place]), slots.len())) >= behind(hole) {
                slots[hole] = slots[place];
                hole = place;
            }
            place = if place + 1 == slots.len() { 0 } else { place + 1 };
        }
        slots[hole] = 0;
        self.len -= 1;
        true
    }

    /// Moves to half as many slots again.
    fn grow(&mut self) {
        let slots = (self.slots.len() + self.slots.len() / 2).max(SLOTS_MIN);
        for slot in std::mem::replace(&mut self.slots, vec![0; slots]) {
            if slot != 0 {
                self.put(slot);
            }
        }
    }
}

const fn segment_of(hash: u64) -> usize {
    (hash >> (64 - SEGMENT_BITS)) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "a tag is a part of the hash")]
const fn tag(hash: u64) -> u32 {
    (hash >> TAG_SHIFT) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn id(slot: Slot) -> u32 {
    slot as u32 - 1
}

const fn tag_of(slot: Slot) -> u32 {
    (slot >> 32) as u32
}

/// Where a tag's search begins among so many slots. Grows with the tag.
const fn home(tag: u32, slots: usize) -> usize {
    scale((tag as u64) << 32, slots)
}

/// One of so many things, fewer than 2³², by the upper half of some bits. Grows with the bits.
pub const fn scale(bits: u64, count: usize) -> usize {
    (((bits >> 32) * count as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every bit of the hash depends on the number, except that `clustered` numbers share the upper half.
    fn hash(n: u32, clustered: bool) -> u64 {
        let mixed = (u64::from(n) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        if clustered { 0xABCD_EF01_0000_0000 | mixed >> 40 } else { mixed ^ mixed >> 29 }
    }

    #[test]
    fn what_went_in_is_found_and_nothing_else() {
        for clustered in [false, true] {
            let count = if clustered { 3_000 } else { 100_000 };
            let mut index = Index::default();
            for n in 0..count {
                index.insert(hash(n, clustered), n);
                let probe = n / 2;
                assert_eq!(index.find(hash(probe, clustered), |id| id == probe), Some(probe), "{n} {clustered}");
            }
            for n in 0..count {
                assert_eq!(index.find(hash(n, clustered), |id| id == n), Some(n));
                assert_eq!(index.find(hash(n + count, clustered), |id| id == n + count), None);
            }
        }
    }

    #[test]
    fn what_was_built_is_what_was_inserted() {
        for (clustered, count) in [(true, 3_000), (false, 0), (false, 1), (false, 100_000)] {
            let hashes: Vec<_> = (0..count).map(|n| hash(n, clustered)).collect();
            let mut index = Index::build(7, &hashes, |_, _| false).unwrap();
            index.insert(hash(count, clustered), count + 7);
            for n in 0..=count {
                assert_eq!(index.find(hash(n, clustered), |id| id == n + 7), Some(n + 7), "{n} {clustered}");
                assert_eq!(index.find(hash(n + count + 1, clustered), |id| id == n + count + 8), None);
            }
        }
        let mut hashes: Vec<_> = (0..1_000).map(|n| hash(n, false)).collect();
        hashes.push(hash(500, false));
        assert!(Index::build(0, &hashes, |_, _| false).is_some());
        assert!(Index::build(0, &hashes, |one, other| (one, other) == (500, 1_000)).is_none());
    }

    #[test]
    fn what_was_taken_away_is_gone_and_the_rest_stays() {
        for clustered in [false, true] {
            // Segments are small and full, so that searches go around their ends.
            let hash = |n: u32| if clustered { hash(n, true) } else { hash(n, false) >> SEGMENT_BITS };
            let (mut index, mut there) = (Index::default(), std::collections::BTreeSet::new());
            let mut random = crate::random::Random::new(1);
            for step in 0..60_000 {
                let n = u32::try_from(random.below(600)).unwrap();
                if there.remove(&n) {
                    assert!(index.remove(hash(n), n), "{step}");
                    assert!(!index.remove(hash(n), n), "{step}");
                } else {
                    index.insert(hash(n), n);
                    there.insert(n);
                }
                for probe in [n, (n + 1) % 600, (n + 299) % 600] {
                    let expected = there.contains(&probe).then_some(probe);
                    assert_eq!(index.find(hash(probe), |id| id == probe), expected, "{step} {probe}");
                }
            }
        }
    }

    #[test]
    fn ids_of_one_hash_are_told_apart_by_the_caller() {
        let mut index = Index::default();
        (0..200).for_each(|n| index.insert(u64::MAX, n));
        assert_eq!(index.find(u64::MAX, |id| id == 150), Some(150));
        assert_eq!((index.find(u64::MAX, |id| id == 200), index.candidate(0)), (None, None));
        assert!(index.candidate(u64::MAX).is_some());
    }
}
