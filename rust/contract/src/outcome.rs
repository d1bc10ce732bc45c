//! Outcomes: the one final answer that every element gets. Numbers are stable and never reused; new ones are appended.

use crate::heap_size::flat;

/// Room for outcome numbers; the largest is 28.
pub const OUTCOME_NUMBERS: usize = 32;

/// What became of an element. The number is the contract (`docs/events.md` §8).
///
/// ```
/// use tallystick_contract::outcome::Outcome;
///
/// let again = Outcome::from_number(1).unwrap();
/// assert_eq!(again.name(), "duplicate");
/// assert!(!again.is_accepted() && again.is_silent()); // not counted twice, and nobody has to look at it
/// assert!(Outcome::Insufficient.is_refusal());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Counted.
    Applied = 0,
    /// Same key, same body: counted before.
    Duplicate = 1,
    /// Same key, other body: nothing changed.
    Conflict = 2,
    /// Waits for its predecessors (not final; for the orders that hold).
    Held = 3,
    /// Came after its place was given up (for the orders that hold).
    Late = 4,
    /// Its `on_hand` legs lie at or before the latest count.
    Absorbed = 5,
    /// Waits for an approval.
    PendingApproval = 6,
    /// Recorded; changed nothing, because its source only observes.
    Observed = 7,
    /// Not an event in the contract's form.
    Malformed = 16,
    /// The type stands in no rule table and is no alias.
    UnknownType = 17,
    /// The source may not say this.
    NotOwner = 18,
    /// A number that breaks the quantity's rule.
    QuantityInvalid = 19,
    /// Effective time outside the source's bounds around log time.
    TimeOutOfBounds = 20,
    /// The source's order asks for a `sequence`, and there is none.
    SequenceMissing = 21,
    /// Would take `on_hand` below zero under `negative_stock = "refuse"`.
    NegativeStock = 22,
    /// Not enough to promise.
    Insufficient = 23,
    /// Names something that does not exist.
    UnknownReference = 24,
    /// An account would leave its range.
    Overflow = 25,
    /// More than 64 KiB.
    TooLarge = 26,
    /// A count that reaches further back than the position's history.
    CountBeyondHistory = 27,
    /// Made more hops than a sync without a loop makes.
    Loop = 28,
}

flat!(Outcome);

/// All outcomes in the order of their numbers.
pub const ALL: [Outcome; 21] = [
    Outcome::Applied,
    Outcome::Duplicate,
    Outcome::Conflict,
    Outcome::Held,
    Outcome::Late,
    Outcome::Absorbed,
    Outcome::PendingApproval,
    Outcome::Observed,
    Outcome::Malformed,
    Outcome::UnknownType,
    Outcome::NotOwner,
    Outcome::QuantityInvalid,
    Outcome::TimeOutOfBounds,
    Outcome::SequenceMissing,
    Outcome::NegativeStock,
    Outcome::Insufficient,
    Outcome::UnknownReference,
    Outcome::Overflow,
    Outcome::TooLarge,
    Outcome::CountBeyondHistory,
    Outcome::Loop,
];

/// Outcomes at the places of their numbers.
const BY_NUMBER: [Option<Outcome>; 32] = {
    let mut places = [None; 32];
    let mut next = 0;
    while next < ALL.len() {
        places[ALL[next] as usize] = Some(ALL[next]);
        next += 1;
    }
    places
};

impl Outcome {
    /// The stable number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The outcome with a stable number, if there is one.
    #[inline]
    pub fn from_number(number: u8) -> Option<Self> {
        BY_NUMBER.get(usize::from(number)).copied().flatten()
    }

    /// The name in outputs and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Held => "held",
            Self::Late => "late",
            Self::Absorbed => "absorbed",
            Self::PendingApproval => "pending_approval",
            Self::Observed => "observed",
            Self::Malformed => "malformed",
            Self::UnknownType => "unknown_type",
            Self::NotOwner => "not_owner",
            Self::QuantityInvalid => "quantity_invalid",
            Self::TimeOutOfBounds => "time_out_of_bounds",
            Self::SequenceMissing => "sequence_missing",
            Self::NegativeStock => "negative_stock",
            Self::Insufficient => "insufficient",
            Self::UnknownReference => "unknown_reference",
            Self::Overflow => "overflow",
            Self::TooLarge => "too_large",
            Self::CountBeyondHistory => "count_beyond_history",
            Self::Loop => "loop",
        }
    }

    /// Whether the event was taken, and not for the second time.
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Applied | Self::Absorbed | Self::Late | Self::PendingApproval | Self::Observed)
    }

    /// Whether nobody has to look at it.
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::Applied | Self::Duplicate | Self::Held | Self::Absorbed | Self::Observed)
    }

    /// Whether it says that the element is no event in the contract's form.
    pub const fn is_unreadable(self) -> bool {
        matches!(self, Self::Malformed | Self::TooLarge)
    }

    /// Whether nothing was changed for a reason that a person may have to look at.
    pub const fn is_refusal(self) -> bool {
        self.number() >= 16
    }

    /// Whether the answer is remembered with the key: it changed the ledger, or it depended on the ledger's state.
    pub const fn is_remembered(self) -> bool {
        matches!(
            self,
            Self::Applied
                | Self::Absorbed
                | Self::Late
                | Self::PendingApproval
                | Self::Observed
                | Self::UnknownReference
                | Self::NegativeStock
                | Self::Insufficient
                | Self::Overflow
                | Self::CountBeyondHistory
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_invertible() {
        for (place, outcome) in ALL.into_iter().enumerate() {
            assert_eq!(Outcome::from_number(outcome.number()), Some(outcome));
            assert!(
                ALL[..place].iter().all(|other| other.name() != outcome.name() && other.number() < outcome.number())
            );
        }
        assert_eq!(Outcome::from_number(8), None);
        assert_eq!(Outcome::CountBeyondHistory.number(), 27);
    }
}
