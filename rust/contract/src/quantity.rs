//! Exact fixed-point quantities: parsed from decimal text, kept in thousandths, printed without loss. Never a float.

use crate::limits::{FRACTION_DIGITS_MAX, QUANTITY_MAX, SCALE};

/// What a decimal number turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParsedQuantity {
    /// Within the limits: thousandths of a unit.
    Exact(i64),
    /// A number, but one with more than three fraction digits or a magnitude above 10¹².
    Unrepresentable,
    /// Not a decimal number in JSON's grammar.
    NotANumber,
}

/// Reads a number in JSON's grammar (`-? int frac? exp?`) by its value: `12`, `12.0`, `1.2e1` and `1200e-2` are the
/// same.
///
/// ```
/// use tallystick_contract::quantity::{ParsedQuantity, parse};
///
/// assert_eq!(parse(b"12.5"), ParsedQuantity::Exact(12_500));
/// assert_eq!(parse(b"125e-1"), ParsedQuantity::Exact(12_500));
/// assert_eq!(parse(b"0.0001"), ParsedQuantity::Unrepresentable); // finer than a thousandth, and nothing is rounded
/// assert_eq!(parse(b"1,5"), ParsedQuantity::NotANumber);
/// ```
#[inline]
pub fn parse(text: &[u8]) -> ParsedQuantity {
    whole(text).map_or_else(|| parse_any(text), |units| ParsedQuantity::Exact(units * SCALE))
}

/// A whole number of few digits, as most quantities are.
#[inline]
fn whole(text: &[u8]) -> Option<i64> {
    if text.len() > 9 || text.is_empty() || (text[0] == b'0' && text.len() > 1) {
        return None;
    }
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn parse_any(text: &[u8]) -> ParsedQuantity {
    let Some(number) = Decimal::scan(text) else {
        return ParsedQuantity::NotANumber;
    };
    number.to_thousandths().map_or(ParsedQuantity::Unrepresentable, ParsedQuantity::Exact)
}

/// A fixed-point number `unscaled` × 10^−`scale` in thousandths; nothing if it would have to be rounded or exceeds
/// 10¹².
///
/// ```
/// use tallystick_contract::quantity::of_fixed_point;
///
/// assert_eq!(of_fixed_point(1_250, 2), Some(12_500)); // 12.50
/// assert_eq!(of_fixed_point(12_345, 4), None); // 1.2345
/// ```
pub fn of_fixed_point(unscaled: i128, scale: i32) -> Option<i64> {
    if unscaled == 0 {
        return Some(0);
    }
    let shift = i128::from(FRACTION_DIGITS_MAX) - i128::from(scale);
    let factor = 10_i128.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    let thousandths = if shift >= 0 {
        unscaled.checked_mul(factor)?
    } else if unscaled % factor == 0 {
        unscaled / factor
    } else {
        return None;
    };
    i64::try_from(thousandths).ok().filter(|thousandths| thousandths.unsigned_abs() <= QUANTITY_MAX.unsigned_abs())
}

/// The parts of a decimal number, before its value is judged.
struct Decimal<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn scan(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            _ => (false, text),
        };
        let (integer, rest) = digits(rest);
        if integer.is_empty() || (integer[0] == b'0' && integer.len() > 1) {
            return None;
        }
        let (fraction, rest) = match rest.split_first() {
            Some((b'.', after)) => {
                let (fraction, rest) = digits(after);
                if fraction.is_empty() {
                    return None;
                }
                (fraction, rest)
            }
            _ => (&rest[..0], rest),
        };
        let exponent = scan_exponent(rest)?;
        Some(Self { negative, integer, fraction, exponent })
    }

    /// The value in thousandths, or nothing where it would have to be rounded or exceeds the limit.
    fn to_thousandths(&self) -> Option<i64> {
        let mut significand: i64 = 0;
        let mut trailing_zeros: i64 = 0;
        for digit in self.integer.iter().chain(self.fraction) {
            // Zeros are kept back until another digit follows, so that `1.000…0` of any length stays small.
            if *digit == b'0' {
                trailing_zeros += i64::from(significand != 0);
                continue;
            }
            for _ in 0..=trailing_zeros {
                significand = significand.checked_mul(10)?;
            }
            trailing_zeros = 0;
            significand = significand.checked_add(i64::from(digit - b'0'))?;
        }
        if significand == 0 {
            return Some(0);
        }
        let fraction_digits = i64::try_from(self.fraction.len()).ok()?;
        let shift = self
            .exponent
            .checked_sub(fraction_digits)?
            .checked_add(trailing_zeros)?
            .checked_add(FRACTION_DIGITS_MAX)?;
        // A significand without trailing zeros cannot be shifted right without losing a digit.
        let power = u32::try_from(shift).ok().filter(|power| *power <= 18)?;
        let magnitude = significand.checked_mul(10_i64.pow(power))?;
        (magnitude <= QUANTITY_MAX).then_some(if self.negative { -magnitude } else { magnitude })
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// The exponent, zero where there is none; an absurdly long one saturates, since its value no longer matters.
fn scan_exponent(rest: &[u8]) -> Option<i64> {
    let Some((marker, rest)) = rest.split_first() else {
        return Some(0);
    };
    if !matches!(marker, b'e' | b'E') {
        return None;
    }
    let (negative, rest) = match rest.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, rest),
    };
    let (exponent, rest) = digits(rest);
    if exponent.is_empty() || !rest.is_empty() {
        return None;
    }
    let magnitude = exponent
        .iter()
        .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(1 << 40));
    Some(if negative { -magnitude } else { magnitude })
}

/// The quantity as text: `12`, `-0.5`, `3.125`.
///
/// ```
/// use tallystick_contract::quantity::text;
///
/// assert_eq!([12_000, 12_500, -1].map(text), ["12", "12.5", "-0.001"]);
/// ```
pub fn text(thousandths: i64) -> String {
    let mut out = Vec::new();
    write(&mut out, thousandths);
    String::from_utf8(out).expect("digits are text")
}

/// Appends the quantity as an exact JSON number: `12`, `-0.5`, `3.125`.
pub fn write(out: &mut Vec<u8>, thousandths: i64) {
    if thousandths < 0 {
        out.push(b'-');
    }
    let magnitude = thousandths.unsigned_abs();
    let scale = SCALE.unsigned_abs();
    write_digits(out, magnitude / scale);
    let fraction = magnitude % scale;
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    let mut place = scale / 10;
    let mut rest = fraction;
    while rest > 0 {
        write_digits(out, rest / place);
        rest %= place;
        place /= 10;
    }
}

/// Appends an unsigned integer in decimal.
pub fn write_digits(out: &mut Vec<u8>, mut value: u64) {
    // Most numbers in a ledger are small, and many are zero.
    if value < 10 {
        out.push(b'0' + (value % 10) as u8);
        return;
    }
    let mut buffer = [0_u8; 20];
    let mut start = buffer.len();
    while value >= 10 {
        start -= 2;
        let pair = (value % 100) as usize * 2;
        buffer[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        value /= 100;
    }
    if value > 0 {
        start -= 1;
        buffer[start] = b'0' + (value % 10) as u8;
    }
    out.extend_from_slice(&buffer[start..]);
}

/// `00` to `99`, one after the other.
const PAIRS: [u8; 200] = {
    let mut pairs = [b'0'; 200];
    let mut place = 2;
    // Each pair is the one before it, counted up.
    while place < 200 {
        let carries = pairs[place - 1] == b'9';
        pairs[place] = pairs[place - 2] + carries as u8;
        pairs[place + 1] = if carries { b'0' } else { pairs[place - 1] + 1 };
        place += 2;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_not_spellings() {
        for (text, expected) in [
            ("12", ParsedQuantity::Exact(12_000)),
            ("12.0", ParsedQuantity::Exact(12_000)),
            ("1.2e1", ParsedQuantity::Exact(12_000)),
            ("1200e-2", ParsedQuantity::Exact(12_000)),
            ("1.2340", ParsedQuantity::Exact(1_234)),
            ("-0", ParsedQuantity::Exact(0)),
            ("0e999999999999999999999", ParsedQuantity::Exact(0)),
            ("0.001", ParsedQuantity::Exact(1)),
            ("1E-3", ParsedQuantity::Exact(1)),
            ("1000000000000", ParsedQuantity::Exact(QUANTITY_MAX)),
            ("1e12", ParsedQuantity::Exact(QUANTITY_MAX)),
            ("-1e+12", ParsedQuantity::Exact(-QUANTITY_MAX)),
            ("0.0001", ParsedQuantity::Unrepresentable),
            ("1.0005", ParsedQuantity::Unrepresentable),
            ("1000000000000.001", ParsedQuantity::Unrepresentable),
            ("1e13", ParsedQuantity::Unrepresentable),
            ("1e400", ParsedQuantity::Unrepresentable),
            ("1e-400", ParsedQuantity::Unrepresentable),
            ("99999999999999999999999999", ParsedQuantity::Unrepresentable),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "-", "+1", "01", ".5", "5.", "1e", "1e+", "0x10", "NaN", "Infinity", "1 ", " 1", "1_0", "1,5"]
        {
            assert_eq!(parse(text.as_bytes()), ParsedQuantity::NotANumber, "{text}");
        }
    }

    #[test]
    fn fixed_point_is_exact_or_nothing() {
        for (unscaled, scale, expected) in [
            (12, 0, Some(12_000)),
            (12_500, 3, Some(12_500)),
            (-5, 1, Some(-500)),
            (12, -2, Some(1_200_000)),
            (1_230_000, 6, Some(1_230)),
            (1_230_001, 6, None),
            (1, 4, None),
            (0, 127, Some(0)),
            (0, -128, Some(0)),
            (1, 127, None),
            (1, -128, None),
            (10_i128.pow(12), 0, Some(QUANTITY_MAX)),
            (10_i128.pow(12) + 1, 0, None),
            (-(10_i128.pow(15)), 3, Some(-QUANTITY_MAX)),
            (10_i128.pow(38), 26, Some(QUANTITY_MAX)),
            (i128::MAX, 0, None),
            (i128::MIN, 3, None),
            (i128::from(i64::MIN), 3, None),
        ] {
            assert_eq!(of_fixed_point(unscaled, scale), expected, "{unscaled}e-{scale}");
        }
    }

    #[test]
    fn long_runs_of_zeros_lose_nothing() {
        let text = format!("1.{}", "0".repeat(5_000));
        assert_eq!(parse(text.as_bytes()), ParsedQuantity::Exact(1_000));
        let text = format!("1{}e-5000", "0".repeat(5_000));
        assert_eq!(parse(text.as_bytes()), ParsedQuantity::Exact(1_000));
    }

    #[test]
    fn digits_are_written_as_the_standard_library_does() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        for value in powers.flat_map(|power| [power - 1, power, power + 1, power.saturating_mul(7)]).chain([u64::MAX]) {
            let mut text = Vec::new();
            write_digits(&mut text, value);
            assert_eq!(text, value.to_string().into_bytes());
        }
    }

    #[test]
    fn writing_is_the_inverse_of_parsing() {
        for thousandths in [0, 1, -1, 10, 100, 1_000, -1_500, 12_345, QUANTITY_MAX, -QUANTITY_MAX, 999, -999_999] {
            let mut text = Vec::new();
            write(&mut text, thousandths);
            assert_eq!(parse(&text), ParsedQuantity::Exact(thousandths));
        }
        let mut text = Vec::new();
        write(&mut text, -500);
        assert_eq!(text, b"-0.5");
    }
}
