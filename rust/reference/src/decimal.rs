//! A decimal number's exact value, written for the twin so that the engine's own parser is checked and not trusted.

use tallystick_contract::limits::{FRACTION_DIGITS_MAX, QUANTITY_MAX};

/// Thousandths of a unit; an error for a number that would have to be rounded or is too large. The text must be a JSON
/// number.
pub(super) fn thousandths(number: &str) -> Result<i64, OutOfRange> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, integer) = integer.strip_prefix('-').map_or((1, integer), |rest| (-1, rest));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_end_matches('0');
    let value = significant.trim_start_matches('0');
    if value.is_empty() {
        return Ok(0);
    }
    // The number is value × 10^power units. An exponent that no 64 bits hold is out of range whatever the digits are.
    let exponent: i64 = exponent.parse().map_err(|_| OutOfRange)?;
    let zeros = i64::try_from(digits.len() - significant.len()).map_err(|_| OutOfRange)?;
    let fraction_digits = i64::try_from(fraction.len()).map_err(|_| OutOfRange)?;
    let power = exponent.checked_add(zeros - fraction_digits).ok_or(OutOfRange)?;
    let shift = u32::try_from(power.checked_add(FRACTION_DIGITS_MAX).ok_or(OutOfRange)?).map_err(|_| OutOfRange)?;
    let magnitude =
        value.parse::<i128>().ok().zip(10_i128.checked_pow(shift)).and_then(|(value, scale)| value.checked_mul(scale));
    let magnitude = magnitude.filter(|magnitude| *magnitude <= i128::from(QUANTITY_MAX)).ok_or(OutOfRange)?;
    i64::try_from(sign * magnitude).map_err(|_| OutOfRange)
}

/// An amount in the shortest form that JSON has for it.
pub(super) fn written(thousandths: i128) -> String {
    let magnitude = thousandths.unsigned_abs();
    let sign = if thousandths < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:03}", magnitude / 1_000, magnitude % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number that no quantity can be.
#[derive(Debug)]
pub(super) struct OutOfRange;
