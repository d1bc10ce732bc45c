//! Line: one line of a purchase at a position, what has come of it, and where the rest of it counts.

use tallystick_contract::config::PastDue;
use tallystick_contract::heap_size::{flat, heap_size};

use crate::calendar::Due;
/// Whether a line is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SupplyState {
    Open,
    /// Everything has come; what is taken back opens it again.
    Full,
    /// What is missing will not come.
    Final,
    /// Nothing more comes of it.
    Cancelled,
}

flat!(SupplyState);

/// A line of supply.
#[derive(Debug, Clone)]
pub(crate) struct SupplyLine {
    /// The line among the claims that says what came, by its number there.
    pub(crate) claim: u32,
    /// The slot of its position's entry; kept while it is open.
    pub(crate) entry: u32,
    pub(crate) spot: crate::stock::Spot,
    /// Thousandths.
    pub(crate) quantity: i64,
    pub(crate) received: i64,
    /// What is still to come.
    pub(crate) rest: i64,
    pub(crate) due: Due,
    pub(crate) bucket: i32,
    pub(crate) supplier: Option<Box<str>>,
    pub(crate) kind: Option<Box<str>>,
    /// Who scheduled it last.
    pub(crate) source: Box<str>,
    pub(crate) state: SupplyState,
    /// Where its rest counts, and how much of it.
    pub(crate) counted: Option<(i32, i64)>,
    /// Whether somebody was told that it is overdue, and that what came does not fit.
    pub(crate) is_overdue: bool,
    pub(crate) is_told: bool,
    /// Whether it was dropped because its day had passed.
    pub(crate) is_dropped: bool,
    /// The log's time when it was closed.
    pub(crate) closed_ns: i64,
}

heap_size! {
    SupplyLine {
        claim, entry, spot, quantity, received, rest, due, bucket, supplier, kind, source, state, counted, is_overdue,
        is_told, is_dropped, closed_ns,
    }
}

impl SupplyLine {
    /// Whether it is not remembered any more.
    pub(crate) fn is_forgotten(&self, now_ns: i64, window_ns: i64) -> bool {
        self.state != SupplyState::Open && self.closed_ns.saturating_add(window_ns) <= now_ns
    }

    /// What is still to come and counts.
    pub(crate) fn open_rest(&self) -> i64 {
        if self.state == SupplyState::Open { self.rest } else { 0 }
    }

    /// The bucket in which its rest counts, if it does.
    pub(crate) fn place(&self, today: i32, policy: PastDue) -> Option<i32> {
        if self.bucket >= today {
            return Some(self.bucket);
        }
        match policy {
            PastDue::Exception | PastDue::Drop => None,
            PastDue::Slide(buckets) => Some(today.saturating_add_unsigned(buckets)),
            PastDue::Keep(buckets) => {
                let last = self.bucket.saturating_add_unsigned(buckets);
                (today <= last).then_some(self.bucket)
            }
        }
    }
}
