//! Facts: what messages say of a line at a position. A line's claim is a function of the set of them (`docs/claims.md`
//! §1).

use smallvec::SmallVec;
use tallystick_contract::heap_size::{flat, heap_size};

use crate::calendar::Due;
/// What an event of stock, or a word, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum FactKind {
    Reserved,
    Unreserved,
    Allocated,
    /// Allocated out of what was reserved.
    Converted,
    Deallocated,
    Picked,
    Unpicked,
    /// Gone from `picked`.
    Shipped,
    /// Gone from `on_hand`, without a pick.
    Sold,
    Received,
    /// Gone back to the supplier.
    Returned,
    /// Nothing more will come or go of it at its location.
    Final,
    /// It is called off at its location.
    Cancelled,
}

impl FactKind {
    /// All of them, by number.
    pub(crate) const ALL: [Self; 13] = [
        Self::Reserved,
        Self::Unreserved,
        Self::Allocated,
        Self::Converted,
        Self::Deallocated,
        Self::Picked,
        Self::Unpicked,
        Self::Shipped,
        Self::Sold,
        Self::Received,
        Self::Returned,
        Self::Final,
        Self::Cancelled,
    ];

    /// Whether it ends the line at its location.
    pub(crate) const fn is_closing(self) -> bool {
        matches!(self, Self::Final | Self::Cancelled)
    }

    /// Whether it takes something for the line, or brings something, so that it should not come after the line was
    /// closed.
    pub(crate) const fn is_taking(self) -> bool {
        matches!(
            self,
            Self::Reserved
                | Self::Allocated
                | Self::Converted
                | Self::Picked
                | Self::Shipped
                | Self::Sold
                | Self::Received
        )
    }

    /// Whether it opens a closed line again.
    pub(crate) const fn is_opening(self) -> bool {
        matches!(self, Self::Reserved | Self::Allocated | Self::Converted)
    }
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fact {
    /// Half of the event's fingerprint, by which it is taken back; zero of a word.
    pub(crate) key: u64,
    /// Effective time, in nanoseconds.
    pub(crate) time_ns: i64,
    /// Thousandths, above zero; nothing for a word.
    pub(crate) amount: i64,
    pub(crate) kind: FactKind,
    /// The place among the line's positions.
    pub(crate) place: u32,
    /// Who said it, by number.
    pub(crate) source: u16,
}

flat!(Fact);

/// What an order, or a purchase, says: quantity, day, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) time_ns: i64,
    /// Thousandths.
    pub(crate) quantity: Option<i64>,
    pub(crate) due: Option<Due>,
    /// The bucket of that day at the position.
    pub(crate) bucket: i32,
    pub(crate) place: u32,
    pub(crate) source: u16,
    /// Of a purchase that was scheduled: supplier and kind.
    pub(crate) terms: Option<Box<SupplyTerms>>,
}

heap_size!(Statement { time_ns, quantity, due, bucket, place, source, terms });

/// Who supplies a purchase, and how it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SupplyTerms {
    pub(crate) supplier: Option<Box<str>>,
    pub(crate) kind: Option<Box<str>>,
}

heap_size!(SupplyTerms { supplier, kind });

/// What a reservation has of a position for a line, as the fold of all that became of it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The reservation's serial, and the number of its part.
    pub(crate) serial: u64,
    pub(crate) part: u16,
    pub(crate) place: u32,
    /// When it was asked for, effectively, in nanoseconds.
    pub(crate) asked_ns: i64,
    /// When it was asked for or raised last.
    pub(crate) raised_ns: i64,
    /// Its day, and the bucket of it; at once without one.
    pub(crate) due: Option<Due>,
    pub(crate) bucket: i32,
    /// What is live of it, in thousandths.
    pub(crate) live: i64,
    /// What was posted: when, and how much.
    pub(crate) posts: SmallVec<[(i64, i64); 1]>,
    /// What was given back in part, and when; below zero what was taken beyond it.
    pub(crate) given: Vec<(i64, i64)>,
    /// What lapsed when its time was over, or when it was voided as a whole.
    pub(crate) lapsed: Option<(i64, i64)>,
}

heap_size!(Hold { serial, part, place, asked_ns, raised_ns, due, bucket, live, posts, given, lapsed });

impl Hold {
    pub(crate) fn posted(&self) -> i64 {
        self.posts.iter().map(|(_, quantity)| *quantity).sum()
    }

    /// When it was asked for or raised last, at or before a time.
    pub(crate) fn raised_by(&self, until_ns: i64) -> i64 {
        if self.raised_ns <= until_ns {
            return self.raised_ns;
        }
        let raises = self.given.iter().filter(|(time_ns, given)| *given < 0 && *time_ns <= until_ns);
        raises.map(|(time_ns, _)| *time_ns).fold(self.asked_ns, i64::max)
    }

    /// What was live of it at a time, and what had been posted.
    pub(crate) fn as_of(&self, until_ns: i64) -> (i128, i128) {
        let after = |steps: &[(i64, i64)]| {
            steps.iter().filter(|(time_ns, _)| *time_ns > until_ns).map(|(_, amount)| i128::from(*amount)).sum::<i128>()
        };
        let posted_later = after(&self.posts);
        let lapsed_later =
            self.lapsed.filter(|(time_ns, _)| *time_ns > until_ns).map_or(0, |(_, amount)| amount.into());
        let live = i128::from(self.live) + posted_later + after(&self.given) + lapsed_later;
        (live, i128::from(self.posted()) - posted_later)
    }

    /// Whether there is nothing to say of it.
    pub(crate) fn is_blank(&self) -> bool {
        self.live == 0 && self.posts.is_empty() && self.lapsed.is_none()
    }
}
