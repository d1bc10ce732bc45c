//! A row as the compact JSON event that it is: what an exception keeps of it, to be repaired and sent again.

use super::column::Value;
use super::rows::{Rows, whole_number};
use crate::balance::write_string;
use crate::event::Field;
use crate::instant;
use crate::limits::{EVENT_BYTES_MAX, ROW_BYTES_MAX};

impl Value<'_> {
    /// Bytes of its text; zero for what is none.
    pub(super) const fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text, _) => text.len(),
            Self::Damaged { bytes, .. } => bytes.len(),
            Self::Integer(_) | Self::Decimal { .. } | Self::Instant(_) | Self::Day(_) => 0,
        }
    }
}

impl Rows<'_> {
    /// A row as compact JSON, cut to what an exception keeps of it, with its full length in bytes.
    pub fn original(&self, row: usize) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let text_bytes = self.text_bytes(row);
        if text_bytes > EVENT_BYTES_MAX {
            // Many rows may share one long text: it is not written out for each of them.
            self.render(row, ROW_BYTES_MAX, &mut out);
            out.truncate(ROW_BYTES_MAX);
            return (out, text_bytes as u64);
        }
        self.render(row, usize::MAX, &mut out);
        let total = out.len() as u64;
        out.truncate(ROW_BYTES_MAX);
        (out, total)
    }

    /// Whether a row's rendering is larger than an event may be.
    pub(super) fn is_too_large(&self, row: usize) -> bool {
        if self.text_bytes(row) > EVENT_BYTES_MAX {
            return true;
        }
        let mut out = Vec::new();
        self.render(row, usize::MAX, &mut out);
        out.len() > EVENT_BYTES_MAX
    }

    fn text_bytes(&self, row: usize) -> usize {
        self.columns().iter().filter_map(|(_, column)| column.value(row)).map(|value| value.text_bytes()).sum()
    }

    /// Appends a row. A text is cut at the given length of the whole.
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
            // As it is, so that nobody takes it for a text; a byte that UTF-8 does not have stands for what is out of reach.
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
