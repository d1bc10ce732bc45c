//! Line: one line of a document that is to come or to go, what has come or gone for it, and where the rest of it counts.

use std::collections::BTreeMap;

use super::calendar::Due;
use crate::config::PastDue;
use crate::directive::Side;
use crate::held;
use crate::rules::Flow;

/// Whether a line is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// Everything has come or gone; what is given back opens it again.
    Full,
    /// What is missing will not come.
    Final,
    /// Nothing more comes of it.
    Cancelled,
}

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) side: Side,
    pub(crate) document: Box<str>,
    pub(crate) number: Option<i64>,
    /// The slot of its position's entry; kept while it is open.
    pub(crate) entry: u32,
    pub(crate) spot: crate::stock::Spot,
    /// Thousandths.
    pub(crate) quantity: i64,
    pub(crate) due: Due,
    pub(crate) bucket: i32,
    pub(crate) supplier: Option<Box<str>>,
    pub(crate) kind: Option<Box<str>>,
    /// Who scheduled it last.
    pub(crate) source: Box<str>,
    pub(crate) state: State,
    /// What moved for it, by the key of the event, in thousandths.
    pub(crate) moved: BTreeMap<[u64; 2], (Flow, i64)>,
    /// What live reservations of its document, line and position hold, in thousandths.
    pub(crate) reserved: i64,
    /// Where its rest counts, and how much of it.
    pub(crate) counted: Option<(i32, i64)>,
    /// Whether somebody was told that it is overdue, and that what came does not fit.
    pub(crate) is_overdue: bool,
    pub(crate) is_told: bool,
    /// The log's time when it was closed.
    pub(crate) closed_ns: i64,
}

impl Line {
    /// What has come, or gone, of it: a unit that goes through several steps counts once.
    pub(crate) fn done(&self) -> i64 {
        match self.side {
            Side::Supply => self.sum(Flow::Received),
            Side::Demand => {
                let allocated = self.sum(Flow::Allocated).saturating_add(self.reserved);
                allocated.max(self.sum(Flow::Picked)).max(self.sum(Flow::Shipped))
            }
        }
    }

    /// What has come to its end: received, or shipped.
    pub(crate) fn finished(&self) -> i64 {
        self.sum(if self.side == Side::Supply { Flow::Received } else { Flow::Shipped })
    }

    /// What moved in one step, in all.
    pub(crate) fn sum(&self, flow: Flow) -> i64 {
        let of = |(known, quantity): &(Flow, i64)| if *known == flow { i128::from(*quantity) } else { 0 };
        let sum: i128 = self.moved.values().map(of).sum();
        i64::try_from(sum.max(0)).unwrap_or(i64::MAX)
    }

    /// Whether it is not remembered any more.
    pub(crate) fn is_forgotten(&self, now_ns: i64, window_ns: i64) -> bool {
        self.state != State::Open && self.closed_ns.saturating_add(window_ns) <= now_ns
    }

    /// What is still to come, or to go.
    pub(crate) fn rest(&self) -> i64 {
        if self.state == State::Open { self.quantity.saturating_sub(self.done()).max(0) } else { 0 }
    }

    /// The bucket in which its rest counts, if it does.
    pub(crate) fn place(&self, today: i32, policy: PastDue, keeps_demand: bool) -> Option<i32> {
        if self.bucket >= today {
            return Some(self.bucket);
        }
        match (self.side, policy) {
            (Side::Demand, _) => keeps_demand.then_some(self.bucket),
            (Side::Supply, PastDue::Exception | PastDue::Drop) => None,
            (Side::Supply, PastDue::Slide(buckets)) => Some(today.saturating_add_unsigned(buckets)),
            (Side::Supply, PastDue::Keep(buckets)) => {
                let last = self.bucket.saturating_add_unsigned(buckets);
                (today <= last).then_some(self.bucket)
            }
        }
    }

    /// What an exception about it is about.
    pub(crate) fn subject(&self, [sku, location, ..]: [&str; 4]) -> String {
        let number = self.number.map(|number| number.to_string()).unwrap_or_default();
        format!("{}/{number}/{sku}/{location}", self.document)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.document.len()
            + held::text(self.supplier.as_deref())
            + held::text(self.kind.as_deref())
            + self.source.len()
            + held::tree::<[u64; 2], (Flow, i64)>(self.moved.len())
    }
}
