//! A row as the compact JSON event that it is: what an exception keeps of it, to be repaired and sent again.

use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::limits::EVENT_BYTES_MAX;

use crate::read::columns::column::Value;
use crate::read::columns::rows::{Rows, whole_number};
use crate::read::event::Field;

impl Value<'_> {
    /// Bytes of its text; zero for what is none.
    pub(crate) const fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text, _) => text.len(),
            Self::Damaged { bytes, .. } => bytes.len(),
            Self::Integer(_) | Self::Decimal { .. } | Self::Instant(_) | Self::Day(_) => 0,
        }
    }
}

impl Rows<'_> {
    /// A row as compact JSON, cut to what an exception keeps of it, with its full length in bytes; that of its texts
    /// alone where they exceed what an event may have.
    pub fn original(&self, row: usize) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        self.render(row, self.kept_bytes_max(), &mut out);
        out.truncate(self.kept_bytes_max());
        (out, self.bytes(row) as u64)
    }

    /// A row that is not too large, as the whole JSON event that it is.
    pub(crate) fn whole(&self, row: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.render(row, EVENT_BYTES_MAX, &mut out);
        out
    }

    /// Whether a row's rendering is larger than an event may be.
    pub(crate) fn is_too_large(&self, row: usize) -> bool {
        self.bytes(row) > EVENT_BYTES_MAX
    }

    /// Bytes of a row's rendering. Many rows may share one long text, so it is measured, not written out.
    fn bytes(&self, row: usize) -> usize {
        let values = || self.columns().iter().filter_map(|(field, column)| Some((*field, column.value(row)?)));
        let text_bytes: usize = values().map(|(_, value)| value.text_bytes()).sum();
        if text_bytes > EVENT_BYTES_MAX {
            return text_bytes;
        }
        // Each name has two quotes, a colon, and what stands before it.
        let members = values().map(|(field, value)| field.name().len() + 4 + value_bytes(field, value));
        let (count, bytes) = members.fold((0, 1), |(count, bytes), member| (count + 1, bytes + member));
        bytes + usize::from(count == 0)
    }

    /// Appends a row. Texts are cut where the whole has the given length.
    fn render(&self, row: usize, bytes_max: usize, out: &mut Vec<u8>) {
        let mut lead: &[u8] = b"{\"";
        for (field, column) in self.columns() {
            let Some(value) = column.value(row) else { continue };
            out.extend_from_slice(lead);
            lead = b",\"";
            out.extend_from_slice(field.name().as_bytes());
            out.extend_from_slice(b"\":");
            write_value(out, *field, value, bytes_max.saturating_sub(out.len()));
        }
        out.extend_from_slice(if lead == b"{\"" { b"{}" } else { b"}" });
    }
}

/// Bytes of a value as it is written.
fn value_bytes(field: Field, value: Value<'_>) -> usize {
    match value {
        Value::Text(text, _) if field == Field::Line && whole_number(text).is_some() => text.len(),
        // Quotes, backslashes and five controls are written with one byte more, the other controls with five.
        Value::Text(text, _) => text.bytes().fold(text.len() + 2, |bytes, byte| {
            let is_pair = matches!(byte, b'"' | b'\\' | 0x08..=0x0A | 0x0C | 0x0D);
            bytes + usize::from(is_pair) + 5 * usize::from(byte < 0x20 && !is_pair)
        }),
        Value::Damaged { bytes, .. } => bytes.len().max(1) + 2,
        Value::Integer(_) | Value::Decimal { .. } | Value::Instant(_) | Value::Day(_) => {
            let mut out = Vec::new();
            write_value(&mut out, field, value, usize::MAX);
            out.len()
        }
    }
}

fn write_value(out: &mut Vec<u8>, field: Field, value: Value<'_>, bytes_max: usize) {
    match value {
        Value::Text(text, _) if field == Field::Line && whole_number(text).is_some() => {
            out.extend_from_slice(text.as_bytes());
        }
        Value::Text(text, _) => write_string(out, cut(text, bytes_max)),
        Value::Integer(value) => write_display(out, value),
        Value::Decimal { unscaled, scale } => write_fixed_point(out, unscaled, scale),
        Value::Instant(ns) => write_string(out, &instant::format_any(ns)),
        Value::Day(days) => write_string(out, &instant::format_date(days)),
        Value::Damaged { bytes, .. } => {
            // As it is, so that nobody takes it for a text; a byte that UTF-8 does not have stands for what is out of
            // reach.
            out.push(b'"');
            out.extend_from_slice(if bytes.is_empty() { b"\xFF" } else { &bytes[..bytes.len().min(bytes_max)] });
            out.push(b'"');
        }
    }
}

/// As much of a text as fits, in whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn write_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// `unscaled` × 10^−`scale` as a JSON number.
fn write_fixed_point(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    let Some(fraction_digits) = usize::try_from(scale).ok().filter(|digits| *digits > 0) else {
        write_display(out, unscaled);
        if unscaled != 0 {
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        return;
    };
    if unscaled < 0 {
        out.push(b'-');
    }
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = fraction_digits + 1);
    let (whole, fraction) = digits.split_at(digits.len() - fraction_digits);
    out.extend_from_slice(whole.as_bytes());
    out.push(b'.');
    out.extend_from_slice(fraction.as_bytes());
}
