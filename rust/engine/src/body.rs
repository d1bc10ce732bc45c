//! What an idempotency key said: a digest of the decoded meaning, fine enough to tell which fields differ, with the answer that was given.
//!
//! 128 bits: a slice of each field's own hash, 23 bits of them all together, the answer and the generation. Two bodies that differ
//! in any field are told apart with a chance of error below 2⁻²⁶ (2⁻³⁶ where the quantity differs); a differing field goes unnamed as often as its own slice collides.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::outcome::Outcome;

/// The fields of the digest with the width of their slices, in the order in which differences are named.
const SLICES: [(&str, u32); FIELDS] = [
    ("type", 8),
    ("sku", 10),
    ("location", 8),
    ("lot", 6),
    ("owner", 5),
    ("to_location", 6),
    ("quantity", 14),
    ("time", 12),
    ("from_status", 4),
    ("to_status", 4),
    ("document", 8),
    ("line", 6),
    ("due", 5),
];
/// Number of fields in the digest.
pub const FIELDS: usize = 13;

const ANSWER_BITS: u32 = 3;
const GENERATION_BITS: u32 = 6;
/// Where the field slices begin.
const SLICES_AT: u32 = ANSWER_BITS + GENERATION_BITS;
/// Where the digest of all fields begins; it takes the rest.
const DIGEST_AT: u32 = SLICES_AT + 96;

/// The answers that are remembered; a key's place here is what is stored.
const ANSWERS: [Outcome; 5] =
    [Outcome::Applied, Outcome::NegativeStock, Outcome::Overflow, Outcome::CountBeyondHistory, Outcome::Insufficient];

/// A remembered body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Body(u128);

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

    /// Sets a field that is a number.
    pub fn number(&mut self, place: usize, value: Option<i64>) {
        if let Some(value) = value {
            self.hashes[place] = xxh3_64_with_seed(&value.to_le_bytes(), self.seed.wrapping_add(place as u64)) | 1;
        }
    }

    /// Sets a field with fewer than 16 values, which its slice then holds exactly.
    pub fn choice(&mut self, place: usize, value: Option<u8>) {
        // The slice is the top of the hash; the digest wants its bottom to differ too.
        self.hashes[place] = value.map_or(0, |value| (u64::from(value) + 1) * (1 << 60 | 1));
    }

    /// The digest.
    pub fn finish(&self) -> Body {
        let mut bits = 0_u128;
        let mut digest = self.seed;
        for ((_, width), hash) in SLICES.iter().zip(self.hashes) {
            bits = bits << width | u128::from(hash >> (64 - width));
            digest = (digest.rotate_left(17) ^ hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        Body(bits << SLICES_AT | u128::from(digest) << DIGEST_AT)
    }
}

impl Body {
    /// Whether two bodies mean the same.
    pub const fn means(self, other: Self) -> bool {
        self.0 >> SLICES_AT == other.0 >> SLICES_AT
    }

    /// The names of the fields in which two bodies differ.
    pub fn differences(self, other: Self) -> Vec<&'static str> {
        let mut differing = (self.0 ^ other.0) >> SLICES_AT;
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
        let place = ANSWERS.iter().position(|answer| *answer == outcome).unwrap_or(0);
        Self(self.0 & !((1 << ANSWER_BITS) - 1) | place as u128)
    }

    /// What a repetition of this body gets.
    pub fn answer_again(self) -> Outcome {
        match ANSWERS.get((self.0 & ((1 << ANSWER_BITS) - 1)) as usize) {
            Some(Outcome::Applied) | None => Outcome::Duplicate,
            Some(refusal) => *refusal,
        }
    }

    /// The same body, remembered in a generation. A window spans fewer than 64 of them, so six bits tell them apart.
    #[must_use]
    pub fn with_generation(self, generation: i64) -> Self {
        let bits = generation.rem_euclid(1 << GENERATION_BITS) as u128;
        Self(self.0 & !(((1 << GENERATION_BITS) - 1) << ANSWER_BITS) | bits << ANSWER_BITS)
    }

    /// The generation in which it was remembered, seen from a later one fewer than 64 generations on.
    pub fn generation(self, current: i64) -> i64 {
        let own = i64::try_from((self.0 >> ANSWER_BITS) & ((1 << GENERATION_BITS) - 1)).expect("six bits fit");
        current - current.wrapping_sub(own).rem_euclid(1 << GENERATION_BITS)
    }

    /// Whether its generation is this one or one of the 31 after it.
    pub fn is_of_generation_since(self, oldest: i64) -> bool {
        let own = i64::try_from((self.0 >> ANSWER_BITS) & ((1 << GENERATION_BITS) - 1)).expect("six bits fit");
        own.wrapping_sub(oldest).rem_euclid(1 << GENERATION_BITS) < 1 << (GENERATION_BITS - 1)
    }

    /// As stored in a snapshot.
    pub const fn to_bits(self) -> u128 {
        self.0
    }

    /// From a snapshot.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_fill_their_place() {
        assert_eq!(SLICES.iter().map(|(_, width)| width).sum::<u32>(), DIGEST_AT - SLICES_AT);
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
                let body = Body::default().with_generation(oldest + age);
                assert!(body.is_of_generation_since(oldest));
                assert!(!body.is_of_generation_since(oldest + age + 1));
            }
        }
    }
}
