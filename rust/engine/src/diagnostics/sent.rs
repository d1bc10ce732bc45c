//! What was sent: a field as the event had it, for people to see. It judges nothing, and no posting comes of it.

use serde_json::Value;
use tallystick_contract::quantity::{self, ParsedQuantity};

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 60;

/// A field's value, at the top or in `data`; nothing where the event cannot be read, or has no such field.
fn value(original: &[u8], field: &str) -> Option<Value> {
    let event: Value = serde_json::from_slice(original).ok()?;
    [event.get(field), event.get("data").and_then(|data| data.get(field))].into_iter().flatten().next().cloned()
}

/// A field's text or number as it was sent, in quotes if it is a text. Nothing where it is too long to be shown.
pub(crate) fn shown(original: &[u8], field: &str) -> Option<String> {
    let shown = match value(original, field)? {
        Value::String(text) => format!("{text:?}"),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (shown.chars().count() <= SHOWN_MAX).then_some(shown)
}

/// What a quantity amounts to which is no decimal number, as `"5,000"` or `"12 pcs"`, in thousandths. It says how much
/// may be at stake, and is never posted: of two readings it is the greater one.
pub(crate) fn amount(original: &[u8]) -> Option<i64> {
    let Value::String(text) = value(original, "quantity")? else { return None };
    reading(&text)
}

fn reading(text: &str) -> Option<i64> {
    let text = &text[text.find(|sign: char| sign.is_ascii_digit())?..];
    let is_between = |sign: char| matches!(sign, ',' | '.' | '\'' | '_' | ' ' | '\u{a0}' | '\u{202f}');
    let end = text.find(|sign: char| !sign.is_ascii_digit() && !is_between(sign)).unwrap_or(text.len());
    let mut groups: Vec<&str> = text[..end].split(is_between).take_while(|group| !group.is_empty()).collect();
    let is_grouped = groups[1..].iter().all(|group| group.len() == 3);
    let fraction = if is_grouped { None } else { groups.pop() };
    let mut number = groups.concat();
    if let Some(fraction) = fraction {
        number = format!("{number}.{}", &fraction[..fraction.len().min(3)]);
    }
    // JSON's grammar has no zeros in front.
    let number = number.trim_start_matches('0');
    let zero = if number.starts_with('.') { "0" } else { "" };
    match quantity::parse(format!("{zero}{number}").as_bytes()) {
        ParsedQuantity::Exact(thousandths) => Some(thousandths),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_that_is_no_number_is_read_as_the_greater_of_what_it_may_mean() {
        for (text, thousandths) in [
            ("5,000", Some(5_000_000)),
            ("5.000", Some(5_000_000)),
            ("5000 pcs", Some(5_000_000)),
            ("ca. 12", Some(12_000)),
            ("1.5 pallets", Some(1_500)),
            ("1,5", Some(1_500)),
            ("1.234.567,89 kg", Some(1_234_567_890)),
            ("1'234", Some(1_234_000)),
            ("12 345", Some(12_345_000)),
            ("0,5", Some(500)),
            ("007", Some(7_000)),
            ("5, 6", Some(5_000)),
            ("five", None),
            ("", None),
            ("0", None),
            ("99999999999999999999", None),
        ] {
            let event = serde_json::json!({ "data": { "quantity": text } }).to_string();
            assert_eq!(amount(event.as_bytes()), thousandths, "{text}");
        }
        assert_eq!(amount(br#"{"quantity":true}"#), None);
        assert_eq!(amount(b"no event"), None);
    }

    #[test]
    fn what_was_sent_is_shown_as_it_was() {
        let event = br#"{"quantity":"5,\u0000","data":{"time":12.50,"lot":true}}"#;
        assert_eq!(shown(event, "quantity").as_deref(), Some(r#""5,\0""#));
        assert_eq!(shown(event, "time").as_deref(), Some("12.50"));
        assert_eq!(shown(event, "lot"), None);
        let long = format!(r#"{{"time":"{}"}}"#, "x".repeat(SHOWN_MAX));
        assert_eq!(shown(long.as_bytes(), "time"), None);
    }
}
