//! What an idempotency key said: a digest of the decoded meaning, fine enough to tell which fields differ, with the answer that was given.
//!
//! 192 bits: a slice of each field's own hash (128), a digest of all of them (55), the answer (3) and the generation (6). Two bodies
//! that differ are told apart with a chance of error below 2⁻⁶⁴. A differing field goes unnamed as often as its own slice
//! collides, at most once in 512 (the quantity: once in 16,384); a status is always named.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::outcome::Outcome;

/// The fields of the digest with the width of their slices, in the order in which differences are named.
const SLICES: [(&str, u32); FIELDS] = [
    ("type", 12),
    ("sku", 12),
    ("location", 12),
    ("lot", 10),
    ("owner", 10),
    ("to_location", 10),
    ("quantity", 14),
    ("time", 12),
    ("from_status", 4),
    ("to_status", 4),
    ("document", 10),
    ("line", 9),
    ("due", 9),
];
/// Number of fields in the digest.
pub const FIELDS: usize = 13;

const ANSWER_BITS: u32 = 3;
const GENERATION_BITS: u32 = 6;
/// Where the digest of all fields begins in the last word; below it stand generation and answer.
const DIGEST_AT: u32 = ANSWER_BITS + GENERATION_BITS;

/// The answers that are remembered; a key's place here is what is stored.
const ANSWERS: [Outcome; 5] =
    [Outcome::Applied, Outcome::NegativeStock, Outcome::Overflow, Outcome::CountBeyondHistory, Outcome::Insufficient];

/// A remembered body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Body {
    /// The slices of the fields, high word first.
    slices: [u64; 2],
    /// Digest, generation and answer.
    rest: u64,
}

/// Collects the fields of a body.
#[derive(Debug)]
pub struct BodyBuilder {
    seed: u64,
    hashes: [u64; FIELDS],
}

impl BodyBuilder {
    /// A body without any field yet; an absent field keeps the hash zero.
    pub const fn new(seed: u64) -> Self {
        Self { seed, hashes: [0; FIELDS] }
    }

    /// Sets a field that is a text; absence and emptiness are the same.
    pub fn text(&mut self, place: usize, value: Option<&str>) {
        if let Some(value) = value {
            self.hashes[place] = xxh3_64_with_seed(value.as_bytes(), self.seed.wrapping_add(place as u64)) | 1;
        }
    }

    /// Sets a field that is a text, by its hash.
    #[inline]
    pub fn hash(&mut self, place: usize, hash: u64) {
        self.hashes[place] = hash;
    }

    /// Sets a field that is a number.
    pub fn number(&mut self, place: usize, value: Option<i64>) {
        if let Some(value) = value {
            self.hashes[place] = xxh3_64_with_seed(&value.to_le_bytes(), self.seed.wrapping_add(place as u64)) | 1;
        }
    }

    /// Sets a field with few values, which its slice then holds exactly: fewer than 15 for a status.
    pub fn choice(&mut self, place: usize, value: Option<u8>) {
        let (_, width) = SLICES[place];
        // The slice is the top of the hash; the digest reads its bottom.
        self.hashes[place] = value.map_or(0, |value| {
            let number = u64::from(value) + 1;
            number << (64 - width) | number
        });
    }

    /// The digest.
    pub fn finish(&self) -> Body {
        let mut slices = 0_u128;
        let mut digest = self.seed;
        for ((_, width), hash) in SLICES.iter().zip(self.hashes) {
            slices = slices << width | u128::from(hash >> (64 - width));
            digest = (digest.rotate_left(17) ^ hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        Body { slices: halves(slices), rest: digest << DIGEST_AT }
    }
}

impl Body {
    /// Whether two bodies mean the same.
    pub fn means(self, other: Self) -> bool {
        self.slices == other.slices && self.rest >> DIGEST_AT == other.rest >> DIGEST_AT
    }

    /// The names of the fields in which two bodies differ.
    pub fn differences(self, other: Self) -> Vec<&'static str> {
        let mut differing = whole(self.slices) ^ whole(other.slices);
        let mut names = Vec::new();
        for (name, width) in SLICES.iter().rev() {
            if differing & ((1 << width) - 1) != 0 {
                names.push(*name);
            }
            differing >>= width;
        }
        names.reverse();
        names
    }

    /// The same body with the answer that was given. `Applied` stands for all answers that make a repetition a duplicate.
    #[must_use]
    pub fn with_answer(self, outcome: Outcome) -> Self {
        let place = ANSWERS.iter().position(|answer| *answer == outcome).unwrap_or(0) as u64;
        Self { rest: self.rest & !ANSWER_MASK | place, ..self }
    }

    /// What a repetition of this body gets.
    pub fn answer_again(self) -> Outcome {
        let place = (self.rest & ANSWER_MASK) as usize;
        match ANSWERS.get(place) {
            Some(Outcome::Applied) | None => Outcome::Duplicate,
            Some(refusal) => *refusal,
        }
    }

    /// The same body, remembered in a generation. A window spans fewer than 64 of them, so six bits tell them apart.
    #[must_use]
    pub fn with_generation(self, generation: i64) -> Self {
        let bits = generation.cast_unsigned() << ANSWER_BITS & GENERATION_MASK;
        Self { rest: self.rest & !GENERATION_MASK | bits, ..self }
    }

    /// The generation in which it was remembered, seen from one fewer than 64 generations later.
    pub const fn generation(self, current: i64) -> i64 {
        let own = ((self.rest & GENERATION_MASK) >> ANSWER_BITS).cast_signed();
        current - current.wrapping_sub(own).rem_euclid(1 << GENERATION_BITS)
    }

    /// As stored in a snapshot.
    pub const fn to_words(self) -> [u64; 3] {
        [self.slices[0], self.slices[1], self.rest]
    }

    /// From a snapshot.
    pub const fn from_words([high, low, rest]: [u64; 3]) -> Self {
        Self { slices: [high, low], rest }
    }
}

const ANSWER_MASK: u64 = (1 << ANSWER_BITS) - 1;
const GENERATION_MASK: u64 = ((1 << GENERATION_BITS) - 1) << ANSWER_BITS;

const fn whole(halves: [u64; 2]) -> u128 {
    (halves[0] as u128) << 64 | halves[1] as u128
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn halves(whole: u128) -> [u64; 2] {
    [(whole >> 64) as u64, whole as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_fill_their_place() {
        assert_eq!(SLICES.iter().map(|(_, width)| width).sum::<u32>(), 128);
    }

    #[test]
    fn differences_are_named_and_answers_kept() {
        let build = |quantity: i64, status: Option<u8>, lot: Option<&str>| {
            let mut builder = BodyBuilder::new(42);
            builder.text(1, Some("A"));
            builder.text(3, lot);
            builder.number(6, Some(quantity));
            builder.choice(9, status);
            builder.finish()
        };
        let body = build(5, Some(2), None);
        assert!(body.means(build(5, Some(2), None).with_answer(Outcome::Overflow).with_generation(-3)));
        assert_eq!(body.differences(build(6, Some(2), None)), ["quantity"]);
        assert_eq!(body.differences(build(6, None, Some("L"))), ["lot", "quantity", "to_status"]);
        assert_eq!(body.answer_again(), Outcome::Duplicate);
        assert_eq!(body.with_answer(Outcome::NegativeStock).answer_again(), Outcome::NegativeStock);
        assert_eq!(body.with_answer(Outcome::Absorbed).answer_again(), Outcome::Duplicate);
    }

    #[test]
    fn generations_are_told_apart_across_the_wrap() {
        for oldest in [-70_i64, -1, 0, 40, 63, 1_000_003] {
            for age in 0..25 {
                let body = Body::default().with_answer(Outcome::Overflow).with_generation(oldest + age);
                assert_eq!(body.generation(oldest + 24), oldest + age);
                assert_eq!(body.answer_again(), Outcome::Overflow);
            }
        }
    }
}
