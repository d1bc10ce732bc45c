//! Line number: what a line of a document is called. Numbers come before texts, as people list them.

use tallystick_contract::heap_size::heap_size;
use tallystick_contract::json_text::write_string;
use tallystick_contract::limits::LINE_BYTES_MAX;
use tallystick_tables::image::{Absent, Image};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::read::decode::has_control;

/// A line of a document: a number, or a text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineNumber<T> {
    /// A number, however it was written: `10`, `"10"` and `"000010"` are one line.
    Number(i64),
    /// Any other text.
    Text(T),
}

/// A line number with a text of its own.
pub type OwnLineNumber = LineNumber<Box<str>>;

heap_size!(OwnLineNumber = Number(number) | Text(text));

impl<'a> LineNumber<&'a str> {
    /// Of a JSON string; nothing for an empty one, which is absence.
    ///
    /// # Errors
    /// When the text is too long or has a control character.
    pub fn of(text: &'a str) -> Result<Option<Self>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > LINE_BYTES_MAX {
            return Err("is longer than the contract allows");
        }
        if has_control(text) {
            return Err("has a control character");
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Some(text.parse().ok().filter(|_| is_number).map_or(Self::Text(text), Self::Number)))
    }

    /// With a text of its own.
    pub fn to_own(self) -> OwnLineNumber {
        match self {
            Self::Number(number) => LineNumber::Number(number),
            Self::Text(text) => LineNumber::Text(text.into()),
        }
    }
}

impl OwnLineNumber {
    /// The number, borrowed.
    pub fn borrow(&self) -> LineNumber<&str> {
        match self {
            Self::Number(number) => LineNumber::Number(*number),
            Self::Text(text) => LineNumber::Text(text),
        }
    }

    /// Appends it as JSON: a number, or a string.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => write_string(out, text),
        }
    }
}

impl<T: std::fmt::Display> std::fmt::Display for LineNumber<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Absent for OwnLineNumber {
    const LEAST_OR_NONE: usize = u8::LEAST;

    fn save_or_none(line: Option<&Self>, writer: &mut Writer) {
        match line {
            None => writer.u8(0),
            Some(Self::Number(number)) => {
                writer.u8(1);
                number.save(writer);
            }
            Some(Self::Text(text)) => {
                writer.u8(2);
                text.save(writer);
            }
        }
    }

    fn load_or_none(reader: &mut Reader<'_>) -> Result<Option<Self>, SnapshotError> {
        Ok(match reader.u8()? {
            0 => None,
            1 => Some(Self::Number(Image::load(reader)?)),
            2 => Some(Self::Text(Image::load(reader)?)),
            _ => return Err(SnapshotError::Damaged("a line number cannot be read")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_number_and_all_else_a_text() {
        for (text, line) in [
            ("10", Some(LineNumber::Number(10))),
            ("000010", Some(LineNumber::Number(10))),
            ("0", Some(LineNumber::Number(0))),
            ("-1", Some(LineNumber::Number(-1))),
            ("", None),
            ("-", Some(LineNumber::Text("-"))),
            ("+1", Some(LineNumber::Text("+1"))),
            ("1.0", Some(LineNumber::Text("1.0"))),
            ("10-A", Some(LineNumber::Text("10-A"))),
            ("99999999999999999999", Some(LineNumber::Text("99999999999999999999"))),
        ] {
            assert_eq!(LineNumber::of(text), Ok(line), "{text}");
        }
        assert!(LineNumber::of(&"x".repeat(33)).is_err());
        assert!(LineNumber::of("a\u{7f}").is_err());
        assert!(LineNumber::Number(9) < LineNumber::Text("1"));
    }
}
