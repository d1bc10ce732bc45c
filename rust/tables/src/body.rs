//! What an event says, as far as it counts for idempotency: a digest of its decoded meaning, by which its key is
//! remembered, and a slice of each field's hash, by which the fields that differ are named.
//!
//! Two bodies that differ have the same digest with a chance of 2⁻³². A differing field goes unnamed as often as its
//! own slice collides, at most once in 256 (the members of a directive), 512 (the others), 16,384 (the quantity); a
//! status is always named.

use tallystick_contract::heap_size::flat;
use tallystick_contract::outcome::Outcome;

use crate::hash::{GOLDEN, fold, of_name};

/// The fields of the digest with the width of their slices, in the order in which differences are named.
const SLICES: [(&str, u32); FIELDS] = [
    ("type", 12),
    ("sku", 10),
    ("location", 9),
    ("lot", 9),
    ("owner", 9),
    ("to_location", 9),
    ("quantity", 14),
    ("time", 12),
    ("from_status", 4),
    ("to_status", 4),
    ("document", 10),
    ("line", 9),
    ("due", 9),
    ("data", 8),
];
/// Number of fields in the digest.
pub const FIELDS: usize = 14;

/// Where each slice begins, counted from the lowest bit.
const SHIFTS: [u32; FIELDS] = {
    let mut shifts = [0; FIELDS];
    let (mut place, mut shift) = (FIELDS, 0);
    while place > 0 {
        place -= 1;
        shifts[place] = shift;
        shift += SLICES[place].1;
    }
    shifts
};

/// The answers that are remembered; a key's place here is what is stored. Places are never used for another answer.
const ANSWERS: [Outcome; 7] = [
    Outcome::Applied,
    Outcome::NegativeStock,
    Outcome::Overflow,
    Outcome::CountBeyondHistory,
    Outcome::Insufficient,
    Outcome::UnknownReference,
    Outcome::Observed,
];
/// Stands for all that was taken and posted nothing: observed, waiting for an approval, no event of stock.
const UNPOSTED: u8 = 6;
/// Stands for the origin of an event that was counted: whatever comes under its key is a duplicate.
const ECHOED: u8 = 7;
/// How many answers there are.
pub const ANSWER_COUNT: u8 = 8;

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Body {
    digest: u32,
    slices: Slices,
}

/// A slice of the hash of each field: enough to say in which of them two bodies differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slices(u128);

/// What is remembered of a key: the digest of what it said first, and the answer that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// The digest of what the event says.
    pub digest: u32,
    /// What was answered, as [`Self::of`] numbers it.
    pub answer: u8,
}

flat!(Known);

/// Collects the fields of a body. An absent field adds nothing and costs nothing.
///
/// ```
/// use tallystick_contract::outcome::Outcome;
/// use tallystick_tables::body::{Body, BodyBuilder};
///
/// let body = |quantity| -> Body {
///     let mut builder = BodyBuilder::new(42);
///     builder.text(1, Some("LAMP")); // place 1 is the SKU,
///     builder.number(6, Some(quantity)); // place 6 the quantity
///     builder.finish()
/// };
/// let known = body(5_000).known(Outcome::Applied);
/// assert!(known.means(body(5_000)) && !known.means(body(6_000)));
/// assert_eq!(body(5_000).slices().differences(body(6_000).slices()), ["quantity"]);
/// ```
#[derive(Debug)]
pub struct BodyBuilder {
    seed: u64,
    sum: u64,
    slices: u128,
}

impl BodyBuilder {
    /// A body without any field yet.
    pub const fn new(seed: u64) -> Self {
        Self { seed, sum: 0, slices: 0 }
    }

    /// Sets a field that is a text; absence and emptiness are not the same, so an empty text must be left away.
    #[inline]
    pub fn text(&mut self, place: usize, value: Option<&str>) {
        if let Some(value) = value {
            self.hash(place, of_name(self.seed, value));
        }
    }

    /// Sets a field that is a text, by the [`of_name`] hash of it under the same seed, for texts that are hashed once
    /// and used often.
    #[inline]
    pub fn hash(&mut self, place: usize, hash: u64) {
        self.add(place, hash, hash >> (64 - SLICES[place].1));
    }

    /// Sets a field that is a text, if there is one, by its hash.
    #[inline]
    pub fn hash_of(&mut self, place: usize, value: Option<&str>, hash: u64) {
        if value.is_some() {
            self.hash(place, hash);
        }
    }

    /// Sets a field that is a number.
    #[inline]
    pub fn number(&mut self, place: usize, value: Option<i64>) {
        if let Some(value) = value {
            self.hash(place, fold(value.cast_unsigned() ^ self.seed, GOLDEN));
        }
    }

    /// Sets a field with few values, which its slice then holds exactly: fewer than 15 for a status.
    #[inline]
    pub fn choice(&mut self, place: usize, value: Option<u8>) {
        if let Some(value) = value {
            let number = u64::from(value) + 1;
            self.add(place, number, number);
        }
    }

    /// Adds a field. Each place has a number of its own, so that a value counts for its place alone and sums do not
    /// depend on order.
    #[inline]
    fn add(&mut self, place: usize, hash: u64, slice: u64) {
        let own = GOLDEN.wrapping_mul(2 * place as u64 + 3);
        self.sum = self.sum.wrapping_add(fold(hash ^ own, self.seed ^ own.rotate_left(32)));
        self.slices |= u128::from(slice) << SHIFTS[place];
    }

    /// The body.
    #[inline]
    pub fn finish(&self) -> Body {
        let digest = fold(self.sum ^ self.seed, GOLDEN);
        Body { digest: high_half(digest), slices: Slices(self.slices) }
    }
}

impl Body {
    /// What its key is remembered by, with the answer that was given.
    pub fn known(self, outcome: Outcome) -> Known {
        Known { digest: self.digest, ..Known::of(outcome) }
    }

    /// The slices of its fields.
    pub const fn slices(self) -> Slices {
        self.slices
    }
}

impl Known {
    /// An answer alone, as it is remembered. `Applied` stands for all answers that make a repetition a duplicate.
    #[inline]
    pub fn of(outcome: Outcome) -> Self {
        let outcome = if outcome == Outcome::PendingApproval { Outcome::Observed } else { outcome };
        let place = (0..).zip(ANSWERS).find(|(_, answer)| *answer == outcome).map_or(0, |(place, _)| place);
        Self { digest: 0, answer: place }
    }

    /// What is remembered of the origin of an event that was counted.
    pub const fn echoed() -> Self {
        Self { digest: 0, answer: ECHOED }
    }

    /// Whether the key is known only as the origin of another event.
    pub const fn is_echoed(self) -> bool {
        self.answer == ECHOED
    }

    /// Whether a body means the same as the one that is remembered.
    #[inline]
    pub const fn means(self, body: Body) -> bool {
        self.digest == body.digest || self.answer == ECHOED
    }

    /// Whether the answer is a refusal, which a repetition gets again.
    pub const fn is_refusal(self) -> bool {
        !matches!(self.answer, 0 | UNPOSTED | ECHOED)
    }

    /// Whether the event was taken, and posted nothing.
    pub const fn is_unposted(self) -> bool {
        self.answer == UNPOSTED
    }

    /// What a repetition of the same body gets.
    pub fn answer_again(self) -> Outcome {
        match ANSWERS.get(usize::from(self.answer)) {
            Some(Outcome::Applied | Outcome::Observed) | None => Outcome::Duplicate,
            Some(refusal) => *refusal,
        }
    }
}

impl Slices {
    /// The names of the fields in which two bodies differ, as far as the slices tell.
    pub fn differences(self, other: Self) -> Vec<&'static str> {
        let differing = self.0 ^ other.0;
        let differs = |((_, width), shift): (&(&str, u32), u32)| differing >> shift & ((1 << width) - 1) != 0;
        SLICES.iter().zip(SHIFTS).filter(|place| differs(*place)).map(|((name, _), _)| *name).collect()
    }

    /// As stored in a snapshot.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// From a snapshot.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}

/// A field's name as it is known here.
pub fn field_name(name: &str) -> Option<&'static str> {
    SLICES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

const fn high_half(whole: u64) -> u32 {
    (whole >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(quantity: i64, status: Option<u8>, lot: Option<&str>) -> Body {
        let mut builder = BodyBuilder::new(42);
        builder.text(1, Some("A"));
        builder.text(3, lot);
        builder.number(6, Some(quantity));
        builder.choice(9, status);
        builder.finish()
    }

    #[test]
    fn slices_fill_their_place() {
        assert_eq!(SLICES.iter().map(|(_, width)| width).sum::<u32>(), 128);
        assert_eq!((SHIFTS[FIELDS - 1], SHIFTS[0]), (0, 116));
        assert_eq!((ANSWERS.len(), ECHOED + 1), (usize::from(ECHOED), ANSWER_COUNT));
        assert_eq!(ANSWERS[usize::from(UNPOSTED)], Outcome::Observed);
    }

    #[test]
    fn differences_are_named_and_answers_kept() {
        let body = build(5, Some(2), None);
        let names = |other: Body| body.slices().differences(other.slices());
        assert!(body.known(Outcome::Overflow).means(build(5, Some(2), None)));
        assert_eq!(names(build(5, Some(2), None)), [""; 0]);
        assert_eq!(names(build(6, Some(2), None)), ["quantity"]);
        assert_eq!(names(build(6, None, Some("L"))), ["lot", "quantity", "to_status"]);
        assert_eq!(body.known(Outcome::Applied).answer_again(), Outcome::Duplicate);
        assert_eq!(body.known(Outcome::NegativeStock).answer_again(), Outcome::NegativeStock);
        assert_eq!(body.known(Outcome::Absorbed).answer_again(), Outcome::Duplicate);
        assert_eq!(Slices::from_bytes(body.slices().to_bytes()), body.slices());
    }

    #[test]
    fn a_value_counts_for_its_place_alone() {
        let mut seen = std::collections::BTreeSet::new();
        let mut different = |body: Body| assert!(seen.insert(body.digest), "two bodies with one digest");
        let with = |add: &dyn Fn(&mut BodyBuilder)| {
            let mut builder = BodyBuilder::new(7);
            add(&mut builder);
            builder.finish()
        };
        different(with(&|_| ()));
        for place in 0..FIELDS {
            let numbers = [-1, 0, 1, 2, 1_000, i64::MAX];
            for value in numbers {
                different(with(&|body| body.number(place, Some(value))));
            }
            (0..14).for_each(|value| different(with(&|body| body.choice(place, Some(value)))));
            for text in ["A", "B", "AB"] {
                let body = with(&|body| body.text(place, Some(text)));
                assert_eq!(with(&|body| body.hash(place, of_name(7, text))), body);
                different(body);
            }
        }
        for status in 0..12 {
            different(build(5, Some(status), None));
            different(build(5, Some(status), Some("L")));
        }
    }

    #[test]
    fn the_digest_depends_on_the_seed() {
        let digest = |seed| {
            let mut builder = BodyBuilder::new(seed);
            builder.text(1, Some("A"));
            builder.number(6, Some(5));
            builder.finish().digest
        };
        assert_ne!(digest(1), digest(2));
    }
}
