//! Hold: what a part of a reservation has come to, and for which line; what promises tell the lines of orders.

use smallvec::SmallVec;

use crate::calendar::Due;
use crate::read::line_number::{LineNumber, OwnLineNumber};
use crate::stock::Spot;
/// How a message names a line: who speaks, of which document, and of which line of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineNamed<'a> {
    pub(crate) source: &'a str,
    pub(crate) document: &'a str,
    pub(crate) number: Option<LineNumber<&'a str>>,
}

/// Which part of which reservation holds something, and when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldKey {
    pub(crate) serial: u64,
    pub(crate) part: u16,
    /// Effective, in nanoseconds.
    pub(crate) asked_ns: i64,
}

/// Where a part of a reservation holds something: of which of its lines, at which position, for which day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldPlace {
    /// The line of the request, from zero.
    pub(crate) line: u16,
    pub(crate) spot: Spot,
    /// The day, and the bucket that it falls into; nothing for at once.
    pub(crate) due: Option<(Due, i32)>,
}

/// Whom a reservation is for: its source and id, its document, and the line of that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct For<'a> {
    pub(crate) source: &'a str,
    pub(crate) id: &'a str,
    pub(crate) document: Option<&'a str>,
    pub(crate) number: Option<&'a OwnLineNumber>,
}

impl For<'_> {
    pub(crate) fn named(&self) -> Option<LineNamed<'_>> {
        let number = self.number.map(OwnLineNumber::borrow);
        Some(LineNamed { source: self.source, document: self.document?, number })
    }
}

/// What a part of a reservation has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartNow {
    pub(crate) live: i64,
    /// When, and how much.
    pub(crate) posts: SmallVec<[(i64, i64); 1]>,
    /// When it was given back in part, and how much; below zero when more was taken.
    pub(crate) given: Vec<(i64, i64)>,
    /// What was live when it ended.
    pub(crate) lapsed: Option<(i64, i64)>,
    /// When more was taken for it last, after it was granted; the least number for never.
    pub(crate) raised_ns: i64,
}

impl PartNow {
    /// As it was granted.
    pub(crate) fn granted(live: i64) -> Self {
        Self { live, raised_ns: i64::MIN, ..Self::default() }
    }
}

impl PartNow {
    pub(crate) fn posted(&self) -> i64 {
        self.posts.iter().map(|(_, quantity)| *quantity).sum()
    }
}

/// A line that stock is asked for, with its claims lifted off the positions that it may be taken from.
#[derive(Debug)]
pub(crate) struct Lifted {
    /// The line's number among the claims.
    pub(crate) line: u32,
    /// When it is asked for, effectively.
    pub(crate) asked_ns: i64,
    pub(crate) spots: SmallVec<[Spot; 4]>,
    /// The lines whose claims are lifted.
    pub(crate) family: SmallVec<[u32; 2]>,
}

/// What a line is to have of a position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) spot: Spot,
    pub(crate) quantity: i64,
    /// From which bucket on.
    pub(crate) bucket: i32,
}
