//! Fifteen places for keys. A group's head tells nearly always whether a key is there and where there is room: it holds
//! one byte of each fingerprint, each place's state, and a note of the keys that found no room in either of their
//! groups. What else belongs to the keys stands apart, so that two heads share a cache line.

use bytemuck::{Pod, Zeroable};
use prefetch_index::prefetch_index;
use tallystick_contract::heap_size::flat;
use wide::{i8x16, u8x16};

use crate::body::Known;

use super::Fingerprint;

/// Places in a group.
pub(super) const PLACES: usize = 15;
/// Codes that a place's generation can have; zero says that the place is empty.
pub(super) const CODES: u8 = 31;

const ANSWER_BITS: u32 = 3;
/// One bit for each place.
const ALL_PLACES: u32 = (1 << PLACES) - 1;

/// What is looked at first of a group.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Head {
    /// The last byte of each fingerprint; then the lower half of the classes of keys that found no room.
    tags: [u8; PLACES + 1],
    /// The code of each key's generation above the answer that it was given; then the upper half of those classes.
    states: [u8; PLACES + 1],
}

flat!(Head);

/// What else belongs to a group: the rest of each fingerprint but for its first byte, which the segment implies, and
/// the digest of the body.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Rests([[u8; 18]; PLACES]);

flat!(Rests);

/// A key as the table looks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    /// The fingerprint's first half; its highest bits choose the segment, those behind them the first group.
    pub(super) first: u64,
    /// The second half; its highest bits choose the second group.
    pub(super) second: u64,
}

/// A remembered key on its way between places: the same bytes that it has in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The fingerprint's first half, but for its first byte, above a byte of the digest.
    first: u64,
    /// The second half with a byte of the digest in the place of its last.
    second: u64,
    /// Two bytes of the digest.
    digest: u16,
    /// The last byte of the fingerprint.
    tag: u8,
    state: u8,
}

impl Probe {
    pub(super) const fn new(fingerprint: Fingerprint) -> Self {
        Self { first: fingerprint.0[0], second: fingerprint.0[1] }
    }

    const fn tag(self) -> u8 {
        self.second.to_le_bytes()[0]
    }

    /// One of sixteen classes, by bits that choose no group and are no tag.
    pub(super) const fn class(self) -> u8 {
        self.second.to_le_bytes()[1] & 15
    }
}

impl Key {
    /// Bytes of a key.
    pub(super) const BYTES: usize = 20;

    #[inline]
    pub(super) fn new(probe: Probe, known: Known, code: u8) -> Self {
        let [one, two, three, four] = known.digest.to_le_bytes();
        Self {
            first: probe.first << 8 | u64::from(one),
            second: probe.second & !0xFF | u64::from(two),
            digest: u16::from_le_bytes([three, four]),
            tag: probe.tag(),
            state: code << ANSWER_BITS | known.answer,
        }
    }

    #[inline]
    pub(super) const fn known(&self) -> Known {
        let [three, four] = self.digest.to_le_bytes();
        let (one, two) = (self.first.to_le_bytes()[0], self.second.to_le_bytes()[0]);
        Known { digest: u32::from_le_bytes([one, two, three, four]), answer: self.answer() }
    }

    pub(super) const fn code(&self) -> u8 {
        self.state >> ANSWER_BITS
    }

    #[must_use]
    #[inline]
    pub(super) const fn with_code(self, code: u8) -> Self {
        Self { state: code << ANSWER_BITS | self.answer(), ..self }
    }

    #[must_use]
    pub(super) const fn with_answer(self, answer: u8) -> Self {
        Self { state: self.code() << ANSWER_BITS | answer, ..self }
    }

    /// The key with a code that is lower by a number.
    #[must_use]
    #[inline]
    pub(super) const fn with_code_less(self, number: u8) -> Self {
        Self { state: self.state.wrapping_sub(number << ANSWER_BITS), ..self }
    }

    /// The key with a code that is higher by a number.
    #[must_use]
    #[inline]
    pub(super) const fn with_code_more(self, number: u8) -> Self {
        Self { state: self.state.wrapping_add(number << ANSWER_BITS), ..self }
    }

    /// The key as the table looks for it, but for its first byte.
    #[inline]
    pub(super) fn probe(&self) -> Probe {
        Probe { first: self.first >> 8, second: self.second & !0xFF | u64::from(self.tag) }
    }

    /// The fingerprint without its first byte: what keys are sorted by.
    pub(super) fn order(&self) -> [u64; 2] {
        let probe = self.probe();
        [probe.first, probe.second]
    }

    /// The answer's number.
    pub(super) const fn answer(&self) -> u8 {
        self.state & ((1 << ANSWER_BITS) - 1)
    }

    fn rest(&self) -> [u8; 18] {
        let mut rest = [0; 18];
        rest[..8].copy_from_slice(&self.first.to_le_bytes());
        rest[8..16].copy_from_slice(&self.second.to_le_bytes());
        rest[16..].copy_from_slice(&self.digest.to_le_bytes());
        rest
    }

    fn from_parts(rest: &[u8; 18], tag: u8, state: u8) -> Self {
        Self {
            first: word(rest, 0),
            second: word(rest, 8),
            digest: u16::from_le_bytes([rest[16], rest[17]]),
            tag,
            state,
        }
    }

    /// As stored in a snapshot.
    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..18].copy_from_slice(&self.rest());
        [bytes[18], bytes[19]] = [self.tag, self.state];
        bytes
    }

    /// From a snapshot.
    pub(super) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (rest, ends) = bytes.split_first_chunk().expect("a key has twenty bytes");
        Self::from_parts(rest, ends[0], ends[1])
    }
}

impl Head {
    /// The places where a key may stand, as bits. One in 18 groups without the key has such a place.
    #[inline]
    pub(super) fn candidates(&self, probe: Probe) -> u32 {
        equal(self.tags, probe.tag()) & ALL_PLACES
    }

    /// The places of the keys that are not outdated, as bits.
    #[inline]
    pub(super) fn live(&self, code_min: u8) -> u32 {
        ALL_PLACES & !self.below(code_min)
    }

    /// The places where there is room, as bits: those of no key and those of keys that are outdated.
    #[inline]
    pub(super) fn room(&self, code_min: u8) -> u32 {
        self.below(code_min)
    }

    /// Whether a key of a class, of which this is the first group, may stand in neither of its two for want of room.
    #[inline]
    pub(super) const fn has_strays(&self, class: u8) -> bool {
        u16::from_le_bytes([self.tags[PLACES], self.states[PLACES]]) >> class & 1 == 1
    }

    /// Notes that a key of a class, of which this is the first group, found no room in its two.
    #[inline]
    pub(super) fn note_stray(&mut self, class: u8) {
        let strays = u16::from_le_bytes([self.tags[PLACES], self.states[PLACES]]) | 1 << class;
        [self.tags[PLACES], self.states[PLACES]] = strays.to_le_bytes();
    }

    /// Makes room for a key: forgets what is outdated, and gives a place and by how much the number of places in use
    /// changes. Nothing where all keys are needed.
    #[inline]
    pub(super) fn make_room(&mut self, code_min: u8) -> Option<(usize, i32)> {
        let free = self.below(code_min);
        if free == 0 {
            return None;
        }
        let outdated = free & !self.below(1);
        places(outdated).for_each(|place| self.states[place] = 0);
        Some((free.trailing_zeros() as usize, 1 - outdated.count_ones().cast_signed()))
    }

    /// Counts codes from a given one on, which becomes the lowest, and forgets what is outdated. Returns how many keys
    /// are left.
    #[inline]
    pub(super) fn recode(&mut self, code_min: u8) -> u32 {
        let live = self.live(code_min);
        for place in 0..PLACES {
            let is_live = live >> place & 1 == 1;
            let state = self.states[place].wrapping_sub((code_min - 1) << ANSWER_BITS);
            self.states[place] = if is_live { state } else { 0 };
        }
        live.count_ones()
    }

    #[inline]
    pub(super) const fn set(&mut self, place: usize, key: &Key) {
        self.tags[place] = key.tag;
        self.states[place] = key.state;
    }

    /// The places whose code is lower than a given one, from 1 to 32, as bits.
    #[inline]
    fn below(&self, code: u8) -> u32 {
        // The highest state of the highest lower code; 32 comes round to the highest of all.
        let state_max = (code << ANSWER_BITS).wrapping_sub(1);
        let states = u8x16::new(self.states);
        equal((states.min(u8x16::splat(state_max)) ^ states).to_array(), 0) & ALL_PLACES
    }
}

impl Rests {
    /// Whether a place whose tag is the fingerprint's has the rest of it too.
    #[inline]
    pub(super) fn is(&self, place: usize, probe: Probe) -> bool {
        let rest = &self.0[place];
        let differing = (word(rest, 0) ^ probe.first << 8) | (word(rest, 8) ^ probe.second);
        differing & !0xFF == 0
    }

    #[inline]
    pub(super) fn key(&self, head: &Head, place: usize) -> Key {
        Key::from_parts(&self.0[place], head.tags[place], head.states[place])
    }

    #[inline]
    pub(super) fn set(&mut self, place: usize, key: &Key) {
        self.0[place] = key.rest();
    }

    /// Asks for a place.
    #[inline]
    pub(super) fn prefetch(&self, place: usize) {
        prefetch_index(self.0.as_slice(), place);
    }
}

/// The places of bits, in order.
#[inline]
pub(super) fn places(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(place)
    })
}

/// Whether the second of two groups' bits are more than the first's. Both are counted in one word: the oldest
/// processors have no instruction for it.
#[inline]
pub(super) const fn are_more(first: u32, second: u32) -> bool {
    let pairs = first | second << 16;
    let pairs = pairs - (pairs >> 1 & 0x5555_5555);
    let fours = (pairs & 0x3333_3333) + (pairs >> 2 & 0x3333_3333);
    let eights = (fours + (fours >> 4)) & 0x0F0F_0F0F;
    let counts = eights + (eights >> 8);
    counts >> 16 & 0x1F > counts & 0x1F
}

/// The bytes that are equal to one, as bits.
#[inline]
fn equal(bytes: [u8; PLACES + 1], byte: u8) -> u32 {
    let [bytes, byte]: [i8x16; 2] = [bytemuck::cast(bytes), i8x16::splat(byte.cast_signed())];
    bytes.simd_eq(byte).to_bitmask()
}

#[inline]
fn word(rest: &[u8; 18], at: usize) -> u64 {
    let (bytes, _) = rest[at..].split_first_chunk().expect("two words and a half");
    u64::from_le_bytes(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_compared_exactly() {
        let mut head = Head::zeroed();
        let expected = |is_one: &dyn Fn(usize) -> bool| {
            (0..PLACES).filter(|place| is_one(*place)).fold(0, |all, place| all | 1 << place)
        };
        for tag in 0..=255 {
            for other in 0..=255_u8 {
                head.tags = std::array::from_fn(|place| if place % 3 == 0 { tag } else { other });
                assert_eq!(
                    equal(head.tags, tag) & ALL_PLACES,
                    expected(&|place| head.tags[place] == tag),
                    "{tag} {other}"
                );
            }
        }
        for code in 1..=32 {
            for state in 0..=255_u8 {
                head.states = std::array::from_fn(|place| if place % 2 == 0 { state } else { !state });
                assert_eq!(
                    head.below(code),
                    expected(&|place| head.states[place] >> ANSWER_BITS < code),
                    "{code} {state}"
                );
                assert_eq!(
                    head.live(code),
                    expected(&|place| head.states[place] >> ANSWER_BITS >= code),
                    "{code} {state}"
                );
            }
        }
    }

    #[test]
    fn a_key_keeps_every_bit() {
        assert_eq!((size_of::<Head>(), size_of::<Rests>()), (32, 18 * PLACES));
        for shift in 0..128 {
            let bit = 1_u128 << shift;
            let probe = Probe::new(Fingerprint([high(bit), low(bit)]));
            let known = Known { digest: 1 << (shift % 32), answer: 4 };
            let key = Key::new(probe, known, 31);
            assert_eq!(key.probe().class(), probe.class());
            assert_eq!(key.order(), [probe.first & u64::MAX >> 8, probe.second]);
            assert_eq!((key.known(), key.code(), key.with_code(7).code()), (known, 31, 7));
            assert_eq!(key.with_code(7).known(), known);
            let (mut head, mut rests) = (Head::zeroed(), Rests::zeroed());
            let place = shift % PLACES;
            let same = Key::from_bytes(&key.to_bytes());
            head.set(place, &same);
            rests.set(place, &same);
            assert_eq!(rests.key(&head, place).to_bytes(), key.to_bytes());
            let holds = |probe| places(head.candidates(probe) & head.live(31)).any(|place| rests.is(place, probe));
            assert!(holds(probe));
            // Any other bit but those that choose the segment is another key.
            for other in (0..120).filter(|other| *other != shift) {
                let near = bit | 1 << other;
                assert!(!holds(Probe::new(Fingerprint([high(near), low(near)]))), "{shift} {other}");
            }
        }
    }

    #[test]
    fn outdated_keys_give_way() {
        let key = |code| Key::new(Probe::new(Fingerprint([1, 2])), Known::default(), code);
        let mut head = Head::zeroed();
        for n in 0..PLACES {
            assert_eq!(head.make_room(1), Some((n, 1)));
            head.set(n, &key(if n % 2 == 0 { 1 } else { 2 }));
        }
        assert_eq!(head.make_room(1), None);
        // One goes for all that are outdated.
        assert_eq!(head.make_room(2), Some((0, 1 - 8)));
        assert_eq!(places(head.live(1)).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 11, 13]);
        assert_eq!((head.live(2), head.live(3)), (head.live(1), 0));
    }

    #[test]
    fn more_is_told_by_counting() {
        let masks = || (0..1 << 15).step_by(37).chain([0, ALL_PLACES, 1, 1 << 14]);
        for first in masks() {
            for second in masks().step_by(7) {
                assert_eq!(are_more(first, second), second.count_ones() > first.count_ones(), "{first} {second}");
            }
        }
    }

    #[test]
    fn codes_are_counted_anew() {
        for code_min in 1..=32_u8 {
            let mut head = Head::zeroed();
            head.note_stray(7);
            let codes = [0, 1, 5, 24, 25, 30, 31, code_min.min(31), code_min.saturating_sub(1)];
            for (place, code) in codes.into_iter().enumerate() {
                head.states[place] = if code == 0 { 0 } else { code << ANSWER_BITS | 3 };
            }
            let expected =
                codes.map(|code| if code >= code_min { (code - (code_min - 1)) << ANSWER_BITS | 3 } else { 0 });
            assert_eq!(head.recode(code_min) as usize, expected.iter().filter(|state| **state > 0).count());
            assert_eq!(head.states[..codes.len()], expected, "{code_min}");
            assert!(head.has_strays(7));
        }
    }

    #[test]
    fn a_stray_leaves_a_note_for_its_class_alone() {
        let mut head = Head::zeroed();
        for class in [3, 8, 15] {
            head.note_stray(class);
        }
        assert!((0..16).all(|class| head.has_strays(class) == [3, 8, 15].contains(&class)));
        // The notes are no keys.
        assert_eq!((head.live(1), head.make_room(32), equal(head.tags, 0x08) & ALL_PLACES), (0, Some((0, 1)), 0));
        assert!((0..16).all(|class| head.has_strays(class) == [3, 8, 15].contains(&class)));
    }

    fn high(whole: u128) -> u64 {
        (whole >> 64) as u64
    }

    fn low(whole: u128) -> u64 {
        (whole & u128::from(u64::MAX)).try_into().expect("the low half")
    }
}
