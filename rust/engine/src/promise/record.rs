//! A request that was decided, as it is looked at: what was asked for, what was granted of it and is still held, and
//! for how long.

use std::borrow::Cow;

use smallvec::SmallVec;
use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_contract::outcome::Outcome;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::Fingerprint;

use crate::calendar::Due;
use crate::read::line_number::OwnLineNumber;
use crate::schedule::hold::HoldPlace;
use crate::stock::Spot;
/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    Granted,
    Partly,
    Insufficient,
    /// The position reflects another place of the log than the one asked for.
    Changed,
    Refused,
    /// Its line was closed when it was asked for, or after that.
    Closed,
}

impl Status {
    /// All of them, by number.
    pub(crate) const ALL: [Self; 6] =
        [Self::Granted, Self::Partly, Self::Insufficient, Self::Changed, Self::Refused, Self::Closed];

    /// The name in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Partly => "partly",
            Self::Insufficient => "insufficient",
            Self::Changed => "changed",
            Self::Refused | Self::Closed => "refused",
        }
    }
}

/// Why a reservation holds nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    /// It still holds something.
    Live,
    Refused,
    Posted,
    Voided,
    Expired,
}

flat!(Status, End);

impl End {
    /// All of them, by number.
    pub(crate) const ALL: [Self; 5] = [Self::Live, Self::Refused, Self::Posted, Self::Voided, Self::Expired];

    /// In words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Refused => "refused",
            Self::Posted => "posted",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }
}

/// What was granted at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReservationPart {
    /// The number of its line in the request, from 0.
    pub(crate) line: u16,
    pub(crate) spot: Spot,
    /// When it is due, and the bucket where it counts as demand; nothing for a claim on what is on hand.
    pub(crate) due: Option<(Due, i32)>,
    /// What was granted, and what is held of it, in thousandths.
    pub(crate) granted: i64,
    pub(crate) held: i64,
    /// The protections that it consumed.
    pub(crate) protections: Box<[u64]>,
}

heap_size!(ReservationPart { line, spot, due, granted, held, protections });

impl ReservationPart {
    /// Where it holds something.
    pub(crate) const fn place(&self) -> HoldPlace {
        HoldPlace { line: self.line, spot: self.spot, due: self.due }
    }
}

/// What a line of a request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    /// Thousandths.
    pub(crate) asked: i64,
    pub(crate) granted: i64,
    /// What would have worked, where it was not granted in full.
    pub(crate) available: i64,
    /// The first bucket that has it all, in that case.
    pub(crate) earliest: Option<i32>,
    /// The number of the document's line.
    pub(crate) line: Option<OwnLineNumber>,
    pub(crate) is_group: bool,
}

heap_size!(Got { asked, granted, available, earliest, line, is_group });

/// A request that was decided.
#[derive(Debug, Clone)]
pub(crate) struct Record<'a> {
    pub(crate) key: Fingerprint,
    /// What it said, for repetitions after its key was forgotten.
    pub(crate) known: Known,
    /// What it was created before and after.
    pub(crate) serial: u64,
    /// The log sequence that it was decided at.
    pub(crate) sequence: u64,
    pub(crate) named: RecordName<'a>,
    /// When it ends, in nanoseconds; the greatest number for never.
    pub(crate) expires_ns: i64,
    pub(crate) status: Status,
    pub(crate) end: End,
    /// What was posted of it, in thousandths.
    pub(crate) posted: i64,
    pub(crate) got: SmallVec<[Got; 1]>,
    pub(crate) parts: SmallVec<[ReservationPart; 1]>,
    /// What few of them have.
    pub(crate) more: Option<Box<More>>,
}

heap_size!(Record<'_> { key, known, serial, sequence, named, expires_ns, status, end, posted, got, parts, more });

/// What is remembered of few requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct More {
    /// The version that was asked for and not found.
    pub(crate) seen: Option<u64>,
    pub(crate) why: Option<Box<str>>,
    /// When it was to end as it was answered, where a change lets it end at another time.
    pub(crate) answered_end_ns: Option<i64>,
    /// Channels by line, where there are any.
    pub(crate) channels: Box<[Box<str>]>,
}

heap_size!(More { seen, why, answered_end_ns, channels });

impl More {
    /// In a record; nothing where it says nothing.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        if self == Self::default() { None } else { Some(Box::new(self)) }
    }
}

/// Source, id and document of a request, where they stand: in the request, or where it is remembered.
#[derive(Debug, Clone)]
pub(crate) struct RecordName<'a> {
    pub(crate) source: Cow<'a, str>,
    pub(crate) id: Cow<'a, str>,
    /// Empty for none.
    document: Cow<'a, str>,
}

heap_size!(RecordName<'_> { source, id, document });

impl<'a> RecordName<'a> {
    /// With an empty document for none.
    pub(crate) fn new(
        source: impl Into<Cow<'a, str>>,
        id: impl Into<Cow<'a, str>>,
        document: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self { source: source.into(), id: id.into(), document: document.into() }
    }

    pub(crate) fn document(&self) -> Option<&str> {
        Some(&*self.document).filter(|document| !document.is_empty())
    }
}

impl std::fmt::Display for RecordName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.source, self.id)
    }
}

impl Record<'_> {
    /// A copy of its own, apart from the text that its names are in.
    pub(crate) fn into_owned(self) -> Record<'static> {
        let own = |name: Cow<'_, str>| name.into_owned();
        let RecordName { source, id, document } = self.named;
        Record { named: RecordName::new(own(source), own(id), own(document)), ..self }
    }

    /// Why it was not granted, where there is something to say.
    pub(crate) fn why(&self) -> Option<&str> {
        self.more.as_ref()?.why.as_deref()
    }

    /// The channel of a line, if it named one.
    pub(crate) fn channel(&self, line: usize) -> Option<&str> {
        let channel = self.more.as_ref()?.channels.get(line)?;
        Some(&**channel).filter(|channel| !channel.is_empty())
    }

    /// What was granted in all.
    pub(crate) fn granted(&self) -> i64 {
        self.got.iter().map(|got| got.granted).fold(0, i64::saturating_add)
    }
}

/// What became of taking or giving back, as it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) status: &'static str,
    pub(crate) outcome: Outcome,
    /// Thousandths in all.
    pub(crate) quantity: i64,
    pub(crate) sequence: u64,
    pub(crate) why: Option<Box<str>>,
}

heap_size!(Settled { status, outcome, quantity, sequence, why });
