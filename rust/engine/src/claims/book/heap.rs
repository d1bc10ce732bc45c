//! Heap: packed lines one behind the other, so that none has an allocation of its own and none is rounded up to a size.
//! What is let go of leaves a hole; when holes are a twelfth of all, the segments that have most of them are moved
//! together.

use tallystick_contract::heap_size::heap_size;

/// Bytes of a segment.
const SEGMENT: usize = 1 << 16;
/// Lines begin at multiples of so many bytes.
const UNIT: usize = 2;
/// In front of a line: its length in units, and its number.
const HEAD: usize = 5;
/// What is longer has an allocation of its own; here stands only where.
const LONG: usize = u8::MAX as usize * UNIT - HEAD;
/// The length of what stands elsewhere.
const ELSEWHERE: u8 = 0;
/// Holes may be one of so many bytes.
const HOLES: usize = 12;

/// Where a line is, in units from the beginning; below 2^31, so that there may be 4 GiB of them.
pub(crate) type Unit = u32;

/// Packed lines.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    segments: Vec<Segment>,
    /// The segment that is filled.
    open: usize,
    /// Segments with nothing in them.
    spare: Vec<usize>,
    long: Vec<Box<[u8]>>,
    free_long: Vec<u32>,
    used: usize,
    holes: usize,
}

heap_size!(Heap { segments, open, spare, long, free_long, used, holes });

#[derive(Debug)]
struct Segment {
    bytes: Box<[u8]>,
    used: usize,
    holes: usize,
}

heap_size!(Segment { bytes, used, holes });

impl Heap {
    /// Stores the bytes of a line. What [`Self::get`] gives begins with them.
    pub(crate) fn put(&mut self, number: u32, bytes: &[u8]) -> Unit {
        if bytes.len() > LONG {
            let at = self.put_long(bytes);
            return self.put_here(number, ELSEWHERE, &at.to_le_bytes());
        }
        let units = (HEAD + bytes.len()).div_ceil(UNIT);
        self.put_here(number, u8::try_from(units).expect("what is long stands elsewhere"), bytes)
    }

    fn put_long(&mut self, bytes: &[u8]) -> u32 {
        if let Some(at) = self.free_long.pop() {
            self.long[at as usize] = bytes.into();
            return at;
        }
        self.long.push(bytes.into());
        u32::try_from(self.long.len() - 1).expect("fewer long lines than 2^32")
    }

    fn put_here(&mut self, number: u32, units: u8, bytes: &[u8]) -> Unit {
        let length = (HEAD + bytes.len()).next_multiple_of(UNIT);
        if self.segments.get(self.open).is_none_or(|segment| segment.used + length > SEGMENT) {
            self.open = self.spare.pop().unwrap_or_else(|| {
                self.segments.push(Segment { bytes: vec![0; SEGMENT].into(), used: 0, holes: 0 });
                self.segments.len() - 1
            });
        }
        let segment = &mut self.segments[self.open];
        let begin = segment.used;
        segment.bytes[begin] = units;
        segment.bytes[begin + 1..begin + HEAD].copy_from_slice(&number.to_le_bytes());
        segment.bytes[begin + HEAD..begin + HEAD + bytes.len()].copy_from_slice(bytes);
        segment.used += length;
        self.used += length;
        Unit::try_from((self.open * SEGMENT + begin) / UNIT).ok().filter(|unit| *unit < 1 << 31).expect("below 4 GiB")
    }

    const fn place(unit: Unit) -> (usize, usize) {
        let begin = unit as usize * UNIT;
        (begin / SEGMENT, begin % SEGMENT)
    }

    /// Where a line that stands elsewhere is, if it does.
    fn elsewhere(&self, unit: Unit) -> Option<usize> {
        let (at, begin) = Self::place(unit);
        let bytes = &self.segments[at].bytes[begin..];
        (bytes[0] == ELSEWHERE).then(|| word(&bytes[HEAD..]) as usize)
    }

    /// What was stored, and what lies behind it.
    pub(crate) fn get(&self, unit: Unit) -> &[u8] {
        if let Some(long) = self.elsewhere(unit) {
            return &self.long[long];
        }
        let (at, begin) = Self::place(unit);
        &self.segments[at].bytes[begin + HEAD..]
    }

    /// Lets go of a line.
    pub(crate) fn free(&mut self, unit: Unit) {
        if let Some(long) = self.elsewhere(unit) {
            self.long[long] = Box::default();
            self.free_long.push(u32::try_from(long).expect("it came out of as many bits"));
        }
        let (at, begin) = Self::place(unit);
        let segment = &mut self.segments[at];
        let length = length_at(&segment.bytes[begin..]);
        segment.holes += length;
        self.holes += length;
    }

    /// Moves lines together, as long as there are many holes. `slots` tells by number where each line is, in the upper
    /// bits, and is told where it is now.
    pub(crate) fn tidy(&mut self, slots: &mut [u32]) {
        while self.holes > (self.used / HOLES).max(2 * SEGMENT) {
            let others = (0..self.segments.len()).filter(|at| *at != self.open);
            let Some(at) = others.max_by_key(|at| self.segments[*at].holes) else { return };
            self.empty(at, slots);
        }
    }

    /// Moves all that is in a segment behind the rest.
    fn empty(&mut self, at: usize, slots: &mut [u32]) {
        let nothing = Segment { bytes: Box::default(), used: 0, holes: 0 };
        let Segment { bytes, used, holes } = std::mem::replace(&mut self.segments[at], nothing);
        let mut begin = 0;
        while begin < used {
            let (length, number) = (length_at(&bytes[begin..]), word(&bytes[begin + 1..]));
            let unit = u32::try_from((at * SEGMENT + begin) / UNIT).expect("it was put there");
            if slots.get(number as usize) == Some(&(unit << 1)) {
                slots[number as usize] = self.put_here(number, bytes[begin], &bytes[begin + HEAD..begin + length]) << 1;
            }
            begin += length;
        }
        self.used -= used;
        self.holes -= holes;
        self.segments[at] = Segment { bytes, used: 0, holes: 0 };
        self.spare.push(at);
    }
}

/// The length of the line that bytes begin with, in bytes.
fn length_at(bytes: &[u8]) -> usize {
    match bytes[0] {
        ELSEWHERE => (HEAD + size_of::<u32>()).next_multiple_of(UNIT),
        units => usize::from(units) * UNIT,
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use tallystick_contract::heap_size::HeapSize;

    use super::*;
    use crate::random::Random;

    #[test]
    fn what_is_stored_stays_as_it_is_until_it_is_let_go_of() {
        let (mut heap, mut random) = (Heap::default(), Random::new(7));
        let mut below = |end: usize| usize::try_from(random.below(end as u64)).unwrap();
        let mut slots: Vec<u32> = Vec::new();
        let mut known: Vec<Vec<u8>> = Vec::new();
        for turn in 0..200_000_usize {
            let length = if below(5_000) == 0 { below(100_000) } else { below(120) };
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from((at * 7 + turn) % 251).unwrap()).collect();
            // Most are told of again and again.
            let at = if known.len() < 3_000 { known.len() } else { below(known.len()) };
            if at < known.len() {
                assert!(heap.get(slots[at] >> 1).starts_with(&known[at]), "{turn}");
                heap.free(slots[at] >> 1);
                slots[at] = u32::MAX;
                heap.tidy(&mut slots);
            } else {
                slots.push(u32::MAX);
                known.push(Vec::new());
            }
            slots[at] = heap.put(u32::try_from(at).unwrap(), &bytes) << 1;
            known[at] = bytes;
        }
        for (slot, bytes) in slots.iter().zip(&known) {
            assert!(heap.get(*slot >> 1).starts_with(bytes));
        }
        let stored: usize = known.iter().map(|bytes| HEAD + bytes.len() + UNIT).sum();
        assert!(heap.heap_bytes() < stored * 12 / 11 + 8 * SEGMENT, "{} for {stored}", heap.heap_bytes());
    }
}
