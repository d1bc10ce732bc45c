//! Packed: a record of a request with one line, granted at one position at most, in three lines of cache. Most are like
//! that, and there may be many millions of them, so they need neither an allocation of their own nor pages of 4 KiB.

use bytemuck::{Pod, Zeroable};
use smallvec::{SmallVec, smallvec};
use tallystick_tables::body::Known;
use tallystick_tables::dedup::Fingerprint;

use crate::calendar::Due;
use crate::promise::record::{End, Got, Record, RecordName, ReservationPart, Status};
use crate::read::line_number::LineNumber;
use crate::stock::Spot;
/// Bytes for source, id and document together.
const TEXT_BYTES: usize = 64;

/// What a line has, as bits.
const IS_GROUP: u8 = 1;
const HAS_LINE: u8 = 2;
const HAS_EARLIEST: u8 = 4;
const HAS_PART: u8 = 8;
/// It does not fit: the record stands elsewhere, and here only what all have.
const IS_ELSEWHERE: u8 = 16;

/// Kinds of [`Due`], with zero for none.
const DATE: u8 = 1;
const AT: u8 = 2;
const LONG_AGO: u8 = 3;
const FAR_OFF: u8 = 4;

/// A record, or what all records have.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Packed {
    pub(crate) key: [u64; 2],
    /// Zero where there is no record.
    pub(crate) serial: u64,
    pub(crate) expires_ns: i64,
    sequence: u64,
    posted: i64,
    digest: u32,
    unused_word: u32,
    bucket: i32,
    status: u8,
    end: u8,
    has: u8,
    due: u8,

    asked: i64,
    granted: i64,
    available: i64,
    held: i64,
    line: i64,
    due_at: i64,
    earliest: i32,
    part: u32,
    place: u32,
    source_bytes: u8,
    id_bytes: u8,
    document_bytes: u8,
    unused: u8,

    text: [u8; TEXT_BYTES],
}

impl Packed {
    /// A record, whole if it fits.
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let mut packed = Self {
            key: record.key.0,
            serial: record.serial,
            expires_ns: record.expires_ns,
            end: record.end as u8,
            has: IS_ELSEWHERE,
            ..Self::zeroed()
        };
        if let ([got], [] | [_]) = (&*record.got, &*record.parts)
            && record.more.is_none()
            && !matches!(got.line, Some(LineNumber::Text(_)))
            && record
                .parts
                .first()
                .is_none_or(|part| part.protections.is_empty() && (part.line, part.granted) == (0, got.granted))
            && packed.put_names(&record.named)
        {
            packed.put_line(record, got);
        }
        packed
    }

    /// Takes names, if there is room for them.
    fn put_names(&mut self, named: &RecordName<'_>) -> bool {
        let mut end = 0;
        let names = [&*named.source, &*named.id, named.document().unwrap_or_default()];
        let lengths = [&mut self.source_bytes, &mut self.id_bytes, &mut self.document_bytes];
        for (name, bytes) in names.into_iter().zip(lengths) {
            let Some(room) = self.text.get_mut(end..end + name.len()) else { return false };
            room.copy_from_slice(name.as_bytes());
            *bytes = u8::try_from(name.len()).expect("there is no room for more");
            end += name.len();
        }
        true
    }

    fn put_line(&mut self, record: &Record<'_>, got: &Got) {
        self.sequence = record.sequence;
        self.posted = record.posted;
        self.digest = record.known.digest;
        self.status = record.status as u8;
        (self.asked, self.granted, self.available) = (got.asked, got.granted, got.available);
        self.line = if let Some(LineNumber::Number(number)) = got.line { number } else { 0 };
        self.earliest = got.earliest.unwrap_or_default();
        let bit = |has: bool, bit: u8| if has { bit } else { 0 };
        self.has = bit(got.is_group, IS_GROUP)
            | bit(got.line.is_some(), HAS_LINE)
            | bit(got.earliest.is_some(), HAS_EARLIEST)
            | bit(!record.parts.is_empty(), HAS_PART);
        let Some(part) = record.parts.first() else { return };
        (self.part, self.place) = (part.spot.part, part.spot.place);
        self.held = part.held;
        let Some((due, bucket)) = part.due else { return };
        self.bucket = bucket;
        (self.due, self.due_at) = match due {
            Due::Date(days) => (DATE, days.into()),
            Due::At(ns) => (AT, ns),
            Due::LongAgo => (LONG_AGO, 0),
            Due::FarOff => (FAR_OFF, 0),
        };
    }

    /// The record, unless it stands elsewhere.
    pub(crate) fn record(&self) -> Option<Record<'_>> {
        if self.is_elsewhere() {
            return None;
        }
        let has = |bit: u8| self.has & bit != 0;
        let got = Got {
            asked: self.asked,
            granted: self.granted,
            available: self.available,
            earliest: has(HAS_EARLIEST).then_some(self.earliest),
            line: has(HAS_LINE).then_some(LineNumber::Number(self.line)),
            is_group: has(IS_GROUP),
        };
        let part = has(HAS_PART).then(|| ReservationPart {
            line: 0,
            spot: Spot { part: self.part, place: self.place },
            due: self.due(),
            granted: self.granted,
            held: self.held,
            protections: Box::default(),
        });
        let [source, id, document] = self.names();
        Some(Record {
            key: Fingerprint(self.key),
            known: Known { digest: self.digest, ..Known::default() },
            serial: self.serial,
            sequence: self.sequence,
            named: RecordName::new(source, id, document),
            expires_ns: self.expires_ns,
            status: *Status::ALL.get(usize::from(self.status))?,
            end: self.end(),
            posted: self.posted,
            got: smallvec![got],
            parts: part.into_iter().collect::<SmallVec<_>>(),
            more: None,
        })
    }

    fn due(&self) -> Option<(Due, i32)> {
        let due = match self.due {
            DATE => Due::Date(i32::try_from(self.due_at).ok()?),
            AT => Due::At(self.due_at),
            LONG_AGO => Due::LongAgo,
            FAR_OFF => Due::FarOff,
            _ => return None,
        };
        Some((due, self.bucket))
    }

    fn names(&self) -> [&str; 3] {
        let mut rest = &self.text[..];
        [self.source_bytes, self.id_bytes, self.document_bytes].map(|bytes| {
            let (name, behind) = rest.split_at(usize::from(bytes));
            rest = behind;
            std::str::from_utf8(name).expect("names were texts")
        })
    }

    /// Whether the record stands elsewhere, because it does not fit.
    pub(crate) const fn is_elsewhere(&self) -> bool {
        self.has & IS_ELSEWHERE != 0
    }

    /// Whether there is a record.
    pub(crate) const fn is_there(&self) -> bool {
        self.serial != 0
    }

    pub(crate) fn end(&self) -> End {
        End::ALL[usize::from(self.end)]
    }

    pub(crate) const fn set_end(&mut self, end: End) {
        self.end = end as u8;
    }

    /// Whether it holds something of a position; nothing where the record stands elsewhere.
    pub(crate) fn holds(&self, spot: Spot) -> Option<bool> {
        if self.is_elsewhere() { None } else { Some(self.held_spot() == Some(spot)) }
    }

    /// The position that it holds something of, if there is one and the record stands here.
    pub(crate) fn held_spot(&self) -> Option<Spot> {
        (self.has & HAS_PART != 0 && self.held > 0).then_some(Spot { part: self.part, place: self.place })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::promise::record::More;

    fn due() -> impl Strategy<Value = Option<(Due, i32)>> {
        let kind = prop_oneof![
            any::<i32>().prop_map(Due::Date),
            any::<i64>().prop_map(Due::At),
            Just(Due::LongAgo),
            Just(Due::FarOff)
        ];
        proptest::option::of((kind, any::<i32>()))
    }

    prop_compose! {
        fn part(granted: i64)(line in 0..2_u16, place in any::<[u32; 2]>(), due in due(), held in any::<i64>(), is_kept in 0..5_u8) -> ReservationPart {
            let [part, place] = place;
            let protections = if is_kept == 0 { [7].into() } else { Box::default() };
            ReservationPart { line, spot: Spot { part, place }, due, granted, held, protections }
        }
    }

    fn got() -> impl Strategy<Value = Got> {
        let numbers = (
            any::<[i64; 3]>(),
            any::<Option<i32>>(),
            proptest::option::of(any::<i64>().prop_map(LineNumber::Number)),
            any::<bool>(),
        );
        numbers.prop_map(|([asked, granted, available], earliest, line, is_group)| Got {
            asked,
            granted,
            available,
            earliest,
            line,
            is_group,
        })
    }

    prop_compose! {
        fn record()(
            got in proptest::collection::vec(got(), 0..3),
            names in ["[a-zé]{1,20}", "[a-z]{1,40}", "[A-Z]{0,20}"],
            numbers in any::<([u64; 2], u64, i64, i64, u32)>(),
            serial in 1..u64::MAX,
            kinds in (0..Status::ALL.len(), 0..End::ALL.len()),
            why in proptest::option::weighted(0.1, Just("short")),
        )(
            parts in proptest::collection::vec(part(got.first().map_or(0, |got| got.granted)), 0..3),
            got in Just(got), names in Just(names), numbers in Just(numbers), serial in Just(serial), kinds in Just(kinds), why in Just(why),
        ) -> Record<'static> {
            let (key, sequence, expires_ns, posted, digest) = numbers;
            Record {
                key: Fingerprint(key),
                known: Known { digest, ..Known::default() },
                serial,
                sequence,
                named: RecordName::new(names[0].clone(), names[1].clone(), names[2].clone()),
                expires_ns,
                status: Status::ALL[kinds.0],
                end: End::ALL[kinds.1],
                posted,
                got: got.into(),
                parts: parts.into(),
                more: More { why: why.map(Into::into), ..More::default() }.boxed(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_that_fits_comes_back_as_it_was(record in record()) {
            let packed = Packed::of(&record);
            prop_assert!(packed.is_there());
            prop_assert_eq!((packed.key, packed.serial, packed.expires_ns, packed.end()), (record.key.0, record.serial, record.expires_ns, record.end));
            if let Some(found) = packed.record() {
                prop_assert_eq!(format!("{found:?}"), format!("{record:?}"));
                for spot in record.parts.iter().map(|part| part.spot).chain([Spot { part: 0, place: 3 }]) {
                    let holds = record.parts.iter().any(|part| part.spot == spot && part.held > 0);
                    prop_assert_eq!(packed.holds(spot), Some(holds));
                }
            } else {
                let named = &record.named;
                let names = named.source.len() + named.id.len() + named.document().map_or(0, str::len);
                let is_plain = |part: &ReservationPart| part.protections.is_empty() && part.line == 0;
                let fits = record.got.len() == 1 && record.parts.len() <= 1 && record.more.is_none() && names <= TEXT_BYTES;
                prop_assert!(!(fits && record.parts.iter().all(is_plain)), "it would fit");
            }
        }
    }
}
