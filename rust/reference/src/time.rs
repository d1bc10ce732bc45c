//! Times as text (RFC 3339 §5.6), read and written by another calendar than the engine's: jiff's.

use jiff::civil::{Date, DateTime, Time as Clock};
use jiff::{SignedDuration, Timestamp};
use tallystick_contract::limits::SECOND_NS;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// Digits of a fraction down to nanoseconds.
const FRACTION_DIGITS: usize = 9;

/// What a date-time with a zone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// Nanoseconds since 1970.
    Exact(i64),
    /// A time that 64 bits of nanoseconds cannot hold.
    BeyondRange,
}

/// Reads a date-time with a zone; nothing for a text that is none.
pub(crate) fn read(text: &str) -> Option<Time> {
    nanoseconds(text).map(|ns| i64::try_from(ns).map_or(Time::BeyondRange, Time::Exact))
}

/// Whether a text is one of the two forms of `due`.
pub(crate) fn is_date_or_time(text: &str) -> bool {
    date(text).is_some() || read(text).is_some()
}

/// Reads a date such as `2026-03-01`.
pub(crate) fn date(text: &str) -> Option<Date> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    Date::new(digits(year, 4)?, digits(month, 2)?, digits(day, 2)?).ok()
}

/// A time as it is written.
pub(crate) fn format(ns: i64) -> String {
    Timestamp::from_nanosecond(ns.into()).expect("64 bits of nanoseconds are some centuries").to_string()
}

/// The date so many days after 1970 began, as it is written.
pub(crate) fn format_date(days: i64) -> String {
    let date = EPOCH.date().checked_add(SignedDuration::from_hours(days * 24));
    date.expect("buckets are near the log").to_string()
}

fn nanoseconds(text: &str) -> Option<i128> {
    let (day, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let (fraction, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
    let clock: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = clock[..] else { return None };
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    // A leap second ends a day of UTC. It is the second after it, as POSIX counts.
    let is_leap = second == 60;
    let local = date(day)?.to_datetime(Clock::new(hour, minute, if is_leap { 59 } else { second }, 0).ok()?);
    let seconds = local.duration_since(EPOCH).as_secs() + i64::from(is_leap) - offset_s(zone)?;
    if is_leap && seconds.rem_euclid(86_400) != 0 {
        return None;
    }
    Some(i128::from(seconds) * i128::from(SECOND_NS) + i128::from(fraction_ns(fraction)?))
}

/// Digits beyond nanoseconds have to be zeros: nothing is rounded.
fn fraction_ns(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let figures = text.strip_prefix('.').filter(|figures| !figures.is_empty())?;
    let (kept, beyond) = figures.split_at_checked(FRACTION_DIGITS).unwrap_or((figures, ""));
    let is_exact = kept.bytes().all(|digit| digit.is_ascii_digit()) && beyond.bytes().all(|digit| digit == b'0');
    if is_exact { format!("{kept:0<FRACTION_DIGITS$}").parse().ok() } else { None }
}

/// Seconds east of UTC.
fn offset_s(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, clock) = zone.split_at_checked(1)?;
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute) = (digits::<i64>(hour, 2)?, digits::<i64>(minute, 2)?);
    let seconds = hour * 3_600 + minute * 60;
    (hour < 24 && minute < 60).then_some(if sign == "-" { -seconds } else { seconds })
}

/// So many digits, and nothing else.
fn digits<N: std::str::FromStr>(text: &str, count: usize) -> Option<N> {
    let is_number = text.len() == count && text.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tallystick_contract::instant::{self, ParsedInstant};

    use super::*;

    fn other(text: &str) -> Option<Time> {
        match instant::parse(text.as_bytes()) {
            ParsedInstant::Exact(ns) => Some(Time::Exact(ns)),
            ParsedInstant::BeyondRange => Some(Time::BeyondRange),
            ParsedInstant::NotATime => None,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_alike(ns in any::<i64>(), unit in 0..4_usize) {
            let unit = [1, 1_000, 1_000_000, SECOND_NS][unit];
            let ns = ns / unit * unit;
            let text = format(ns);
            prop_assert_eq!(&text, &instant::format(ns));
            prop_assert_eq!(read(&text), Some(Time::Exact(ns)));
        }

        #[test]
        fn whatever_is_sent_is_read_alike(
            text in r"[0-9]{3,4}-[0-9]{1,2}-[0-3][0-9][Tt ]?[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,11})?(Z|z|[+-][0-9]{2}:?[0-9]{2}|)",
        ) {
            prop_assert_eq!(read(&text), other(&text), "{}", text);
            prop_assert_eq!(is_date_or_time(&text), instant::is_date_or_time(text.as_bytes()), "{}", text);
        }

        #[test]
        fn days_are_written_alike(days in -700_000..2_900_000_i64) {
            let text = format_date(days);
            prop_assert_eq!(&text, &instant::format_date(days));
            prop_assert!(is_date_or_time(&text));
        }
    }

    #[test]
    fn leap_seconds_end_days() {
        for text in
            ["2016-12-31T23:59:60Z", "2017-01-01T00:59:60+01:00", "2016-12-31T22:59:60Z", "2016-12-31T23:59:61Z"]
        {
            assert_eq!(read(text), other(text), "{text}");
        }
    }
}
