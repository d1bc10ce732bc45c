//! Given: what a line has of a position, as far as the schedule counts it.

use smallvec::SmallVec;
use tallystick_contract::heap_size::{flat, heap_size};

use crate::stock::Spot;
/// Before every bucket: what is claimed at once.
pub(crate) const AT_ONCE: i32 = i32::MIN;

/// What is claimed, in thousandths: for good, softly, and by orders alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(crate) allocated: i64,
    pub(crate) reserved: i64,
    pub(crate) ordered: i64,
}

flat!(Shown);

impl Shown {
    pub(crate) const fn total(self) -> i64 {
        self.allocated.wrapping_add(self.reserved).wrapping_add(self.ordered)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            allocated: self.allocated.wrapping_add(other.allocated),
            reserved: self.reserved.wrapping_add(other.reserved),
            ordered: self.ordered.wrapping_add(other.ordered),
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            allocated: self.allocated.wrapping_sub(other.allocated),
            reserved: self.reserved.wrapping_sub(other.reserved),
            ordered: self.ordered.wrapping_sub(other.ordered),
        }
    }
}

/// What a source shipped of a line beyond what was picked, or picked beyond what was shipped, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) source: u16,
    pub(crate) unpicked: i64,
    pub(crate) unshipped: i64,
}

flat!(Moved);

/// What a line has of a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) spot: Spot,
    /// What it claims up to each bucket at which that changes.
    pub(crate) steps: SmallVec<[(i32, Shown); 1]>,
    /// Live holds that count: how many at once, and by bucket.
    pub(crate) live_now: u32,
    pub(crate) live_dated: Vec<(i32, u32)>,
    /// What left the shelf and what did not, by source.
    pub(crate) moved: Vec<Moved>,
}

heap_size!(Given { spot, steps, live_now, live_dated, moved });

impl Given {
    pub(crate) fn none(spot: Spot) -> Self {
        Self { spot, steps: SmallVec::new(), live_now: 0, live_dated: Vec::new(), moved: Vec::new() }
    }

    /// Whether it has nothing there.
    pub(crate) fn is_none(&self) -> bool {
        self.steps.is_empty() && self.live_now == 0 && self.live_dated.is_empty() && self.moved.is_empty()
    }

    /// How many live holds count, at once and later.
    pub(crate) fn live(&self) -> u32 {
        self.live_now + self.live_dated.iter().map(|(_, count)| *count).sum::<u32>()
    }

    /// What it claims at each bucket beyond the bucket before.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (i32, Shown)> + '_ {
        let before = std::iter::once(Shown::default()).chain(self.steps.iter().map(|(_, shown)| *shown));
        self.steps.iter().zip(before).map(|((bucket, shown), before)| (*bucket, shown.minus(before)))
    }
}
