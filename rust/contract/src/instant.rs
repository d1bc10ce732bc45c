//! Instants on the effective-time axis: RFC 3339 text to nanoseconds since 1970-01-01T00:00:00Z and back. Knows no
//! clock.

use crate::heap_size::flat;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::fmt::temporal::DateTimePrinter;

use crate::limits::SECOND_NS;

const EPOCH: Date = date(1970, 1, 1);
const PRINTER: DateTimePrinter = DateTimePrinter::new();

/// What a text in the place of a time turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParsedInstant {
    /// Nanoseconds since the epoch.
    Exact(i64),
    /// A valid time that 64-bit nanoseconds cannot hold (before 1677 or after 2262).
    BeyondRange,
    /// Not RFC 3339 with a zone.
    NotATime,
}

/// Reads an RFC 3339 date-time with a zone (RFC 3339 §5.6). Fractions beyond nanoseconds must be zeros: nothing is
/// rounded.
///
/// ```
/// use tallystick_contract::instant::{ParsedInstant, format, parse};
///
/// // The first of March 2026 came 20,513 days after 1970 began; noon in a zone two hours ahead is ten o'clock UTC.
/// let ten_ns = (20_513 * 24 + 10) * 3_600 * 1_000_000_000;
/// assert_eq!(parse(b"2026-03-01T12:00:00+02:00"), ParsedInstant::Exact(ten_ns));
/// assert_eq!(format(ten_ns), "2026-03-01T10:00:00Z");
/// assert_eq!(parse(b"2026-03-01T12:00:00"), ParsedInstant::NotATime); // no zone: nobody knows when that was
/// ```
pub fn parse(text: &[u8]) -> ParsedInstant {
    parse_parts(text).map_or(ParsedInstant::NotATime, |ns| {
        i64::try_from(ns).map_or(ParsedInstant::BeyondRange, ParsedInstant::Exact)
    })
}

/// The minute that was read last. The times of a log lie close together, so most are read as seconds of a known minute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Minute {
    /// `2026-03-01T10:00`
    text: [u8; 16],
    start_ns: i64,
}

flat!(Minute);

impl Minute {
    /// As [`parse`], with less work for a time in UTC within the minute that was read last.
    #[inline]
    pub fn parse(&mut self, text: &[u8]) -> ParsedInstant {
        if text.first_chunk() == Some(&self.text)
            && let Some(ns) = seconds_ns(&text[16..]).and_then(|ns| self.start_ns.checked_add(ns))
        {
            return ParsedInstant::Exact(ns);
        }
        let parsed = parse(text);
        if let (ParsedInstant::Exact(ns), Some(minute)) = (parsed, text.first_chunk())
            && let Some(start_ns) = seconds_ns(&text[16..]).and_then(|seconds| ns.checked_sub(seconds))
        {
            *self = Self { text: *minute, start_ns };
        }
        parsed
    }
}

/// The nanoseconds of `:05Z` or `:05.123Z`; nothing for any other form, and none for a leap second, whose minute is
/// another.
#[inline]
fn seconds_ns(text: &[u8]) -> Option<i64> {
    let [b':', tens @ b'0'..=b'5', ones @ b'0'..=b'9', rest @ ..] = text else { return None };
    let seconds = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let fraction_ns = match rest {
        [b'Z'] => 0,
        [b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'Z'] => {
            (i64::from(a - b'0') * 100 + i64::from(b - b'0') * 10 + i64::from(c - b'0')) * 1_000_000
        }
        _ => match parse_fraction(rest)? {
            (ns, [b'Z']) => ns,
            _ => return None,
        },
    };
    Some(seconds * SECOND_NS + fraction_ns)
}

/// Whether the text is a full date (`2026-03-01`) or an RFC 3339 time, the two forms of `due`.
pub fn is_date_or_time(text: &[u8]) -> bool {
    (text.len() == 10 && parse_date(text).is_some()) || parse_parts(text).is_some()
}

fn parse_parts(text: &[u8]) -> Option<i128> {
    if text.len() < 20 {
        return None;
    }
    let days = parse_date(&text[..10])?;
    if !matches!(text[10], b'T' | b't' | b' ') || text[13] != b':' || text[16] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ns, zone) = parse_fraction(&text[19..])?;
    let offset_s = parse_zone(zone)?;
    let local_s = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let utc_s = local_s - offset_s;
    // A leap second exists only at the end of a UTC day; it is read as the next second, as POSIX time does.
    if second == 60 && utc_s.rem_euclid(86_400) != 0 {
        return None;
    }
    Some(i128::from(utc_s) * i128::from(SECOND_NS) + i128::from(fraction_ns))
}

/// Days since the epoch.
fn parse_date(text: &[u8]) -> Option<i64> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let [year, month, day] = [&text[..4], &text[5..7], &text[8..10]].map(number);
    let (month, day) = (i8::try_from(month?).ok()?, i8::try_from(day?).ok()?);
    let date = Date::new(i16::try_from(year?).ok()?, month, day).ok()?;
    Some(date.duration_since(EPOCH).as_hours() / 24)
}

fn number(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else {
        return Some((0, text));
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || rest[..count].iter().skip(9).any(|byte| *byte != b'0') {
        return None;
    }
    let ns = (0..9).fold(0, |value, place| value * 10 + if place < count { i64::from(rest[place] - b'0') } else { 0 });
    Some((ns, &rest[count..]))
}

/// Seconds east of UTC.
fn parse_zone(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if hour > 23 || minute > 59 {
                return None;
            }
            let seconds = hour * 3_600 + minute * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// The instant as RFC 3339 in UTC, with as many fraction digits as it needs.
pub fn format(ns: i64) -> String {
    Timestamp::from_nanosecond(ns.into()).expect("64 bits of nanoseconds reach from 1677 to 2262").to_string()
}

/// Appends what [`format`] returns: answers carry times by the hundred thousand.
pub fn write(out: &mut Vec<u8>, ns: i64) {
    let instant = Timestamp::from_nanosecond(ns.into()).expect("64 bits of nanoseconds reach from 1677 to 2262");
    PRINTER.print_timestamp(&instant, out).expect("a vector takes all");
}

/// The instant of any number of nanoseconds that 64-bit seconds can hold. Outside the years 0 to 9999, which RFC 3339
/// has, the text is no RFC 3339.
pub fn format_any(ns: i128) -> String {
    let (seconds, fraction) = (ns.div_euclid(SECOND_NS.into()), ns.rem_euclid(SECOND_NS.into()));
    let seconds = i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX });
    let second_of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    let mut text = format!("{}T{hour:02}:{minute:02}:{second:02}", format_date(seconds.div_euclid(86_400)));
    if fraction != 0 {
        let digits = format!(".{fraction:09}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// The date of a number of days since the epoch, as `2026-03-01`. Outside the years 0 to 9999 the text is no RFC 3339.
///
/// ```
/// assert_eq!(tallystick_contract::instant::format_date(59), "1970-03-01"); // after 31 days and 28
/// ```
pub fn format_date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days since the epoch. Columns have days that no crate's calendar reaches. Counted
/// in 400-year eras that begin on 1 March, so that the leap day ends a year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_fast_is_what_is_formatted() {
        // Knuth's MMIX, as tests of the engine use it.
        let next =
            |bits: &u64| Some(bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let odd = [0, 1, -1, i64::MIN, i64::MAX, SECOND_NS, -SECOND_NS, 951_782_400 * SECOND_NS, 100, 1_200_000_000];
        let many = std::iter::successors(Some(7), next).map(|bits| {
            let ns = bits.cast_signed();
            // Whole seconds, milliseconds, microseconds, and all digits.
            let unit = [SECOND_NS, 1_000_000, 1_000, 1][(bits >> 7) as usize % 4];
            ns / unit * unit
        });
        for ns in odd.into_iter().chain(many.take(100_000)) {
            assert_eq!(format(ns), format_any(ns.into()), "{ns}");
        }
    }

    #[test]
    fn instants_and_refusals() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", ParsedInstant::Exact(0)),
            ("1969-12-31T23:59:59.999999999Z", ParsedInstant::Exact(-1)),
            ("2026-03-01T12:00:00+02:00", ParsedInstant::Exact(1_772_359_200 * SECOND_NS)),
            ("2026-03-01 10:00:00z", ParsedInstant::Exact(1_772_359_200 * SECOND_NS)),
            ("2000-02-29T00:00:00Z", ParsedInstant::Exact(951_782_400 * SECOND_NS)),
            ("1970-01-01T00:00:00.1234567890000Z", ParsedInstant::Exact(123_456_789)),
            ("2016-12-31T23:59:60Z", ParsedInstant::Exact(1_483_228_800 * SECOND_NS)),
            ("2017-01-01T00:59:60+01:00", ParsedInstant::Exact(1_483_228_800 * SECOND_NS)),
            ("9999-12-31T23:59:59Z", ParsedInstant::BeyondRange),
            ("0000-01-01T00:00:00Z", ParsedInstant::BeyondRange),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T12:00:00",
            "2026-13-01T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:60:00Z",
            "2026-03-01T12:00:61Z",
            "2026-03-01T12:00:60Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00.1234567891Z",
            "2026-03-01T12:00:00+0200",
            "2026-03-01T12:00:00+02",
            "2026-03-01T12:00:00 Z",
            "2026-3-01T12:00:00Z",
            "20260301T120000Z",
            "2026-03-01T12:00Z",
            "2026-03-01T12:00:00Zx",
            "+026-03-01T12:00:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), ParsedInstant::NotATime, "{text}");
        }
        assert!(is_date_or_time(b"2026-03-01") && is_date_or_time(b"2026-03-01T00:00:00Z"));
        assert!(!is_date_or_time(b"2026-03-32") && !is_date_or_time(b"tomorrow..") && !is_date_or_time(b""));
    }

    #[test]
    fn formatting_is_the_inverse_of_parsing() {
        let mut ns = i64::MIN;
        for step in 0..20_000_i64 {
            assert_eq!(parse(format(ns).as_bytes()), ParsedInstant::Exact(ns));
            ns = ns.wrapping_add(922_337_203_685_477 * 2 + step * 7);
        }
    }
}
