//! Values as a configuration writes them: durations, times and quantities. A quantity may be a number: the shortest
//! text that means a float is the one that was written.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::instant::{self, ParsedInstant};
use crate::limits::{DAY_NS, SECOND_NS};
use crate::quantity::{self, ParsedQuantity};

/// A quantity as a number, or as a decimal string. It is read by way of a JSON value: numbers that stay exact are no
/// numbers to serde's choice between several kinds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", untagged)]
pub enum RawQuantity {
    /// Units, as they were written.
    Number(Number),
    /// A decimal number.
    Text(String),
}

impl TryFrom<Value> for RawQuantity {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Number(number) => Ok(Self::Number(number)),
            Value::String(text) => Ok(Self::Text(text)),
            other => Err(format!("{other} is no quantity; give a number such as 12.5")),
        }
    }
}

impl RawQuantity {
    /// Thousandths, zero or more.
    ///
    /// # Errors
    /// What is wrong with it, where, and what would be right.
    pub fn thousandths(&self, place: &str) -> Result<i64, String> {
        let text = match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        };
        match quantity::parse(text.as_bytes()) {
            ParsedQuantity::Exact(value) if value >= 0 => Ok(value),
            _ => Err(format!(
                "{place}: {text:?} is no quantity; give one ≥ 0 with at most 3 fraction digits, such as 12.5"
            )),
        }
    }
}

/// Nanoseconds of a duration such as `"90s"`; nothing for `"none"`.
///
/// ```
/// use tallystick_contract::config_text::duration;
///
/// assert_eq!(duration("engine.max_age", "90s"), Ok(Some(90_000_000_000)));
/// assert_eq!(duration("engine.max_age", "none"), Ok(None));
/// assert!(duration("engine.max_age", "soon").unwrap_err().starts_with("engine.max_age: "));
/// ```
///
/// # Errors
/// What is wrong with it, where, and what would be right.
pub fn duration(place: &str, text: &str) -> Result<Option<i64>, String> {
    if text == "none" {
        return Ok(None);
    }
    let split = text.len() - text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    let unit_ns = match &text[split..] {
        "ms" => Some(SECOND_NS / 1_000),
        "s" => Some(SECOND_NS),
        "m" => Some(60 * SECOND_NS),
        "h" => Some(3_600 * SECOND_NS),
        "d" => Some(DAY_NS),
        _ => None,
    };
    let count = text[..split].parse::<i64>().ok().filter(|count| *count >= 0);
    unit_ns.zip(count).and_then(|(unit, count)| unit.checked_mul(count)).map(Some).ok_or_else(|| {
        format!(
            "{place}: {text:?} is no duration; give a whole number with ms, s, m, h or d, such as \"24h\", or \"none\""
        )
    })
}

/// Nanoseconds of a duration that must have an end.
///
/// # Errors
/// What is wrong with it, where, and what would be right.
pub fn finite(place: &str, text: &str, example: &str) -> Result<i64, String> {
    duration(place, text)?.filter(|ns| *ns > 0).ok_or_else(|| format!("{place}: give a duration such as {example:?}"))
}

/// Nanoseconds since 1970 of an RFC 3339 time.
///
/// # Errors
/// What is wrong with it, where, and what would be right.
pub fn time(place: &str, text: &str) -> Result<i64, String> {
    match instant::parse(text.as_bytes()) {
        ParsedInstant::Exact(ns) => Ok(ns),
        _ => Err(format!("{place}: {text:?} is no time; give RFC 3339 with a zone, such as \"2026-01-01T00:00:00Z\"")),
    }
}

/// Nanoseconds since 1970 of an RFC 3339 time, or of the beginning of a date in UTC.
///
/// # Errors
/// What is wrong with it, where, and what would be right.
pub fn moment(place: &str, text: &str) -> Result<i64, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    match instant::parse(whole.as_bytes()) {
        ParsedInstant::Exact(ns) => Ok(ns),
        _ => Err(format!("{place}: {text:?} is no time; give a date such as \"2026-12-01\", or RFC 3339 with a zone")),
    }
}
