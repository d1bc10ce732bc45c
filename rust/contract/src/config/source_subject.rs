//! Source and subject: which subject of the bus a source speaks on, where the configuration binds the two
//! (`docs/events.md` §1). Knows no bus, and no event.

use crate::heap_size::heap_size;

/// The place of the source in a pattern.
const PLACE: &str = "{source}";

/// The pattern of the subjects that sources speak on.
///
/// ```
/// use tallystick_contract::config::SourceSubject;
///
/// let bound = SourceSubject::parse("tallystick.events.{source}").unwrap();
/// assert_eq!(bound.subject_of("urn:shop.de"), "tallystick.events.urn:shop%2Ede");
/// assert!(bound.is_of(b"tallystick.events.wms", "wms"));
/// assert!(!bound.is_of(b"tallystick.events.wms", "erp"));
/// assert_eq!(bound.source_of(b"tallystick.events.urn:shop%2Ede").unwrap(), "urn:shop.de");
/// assert_eq!(bound.source_of(b"tallystick.events"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSubject {
    /// What comes before the source, and after it.
    before: String,
    after: String,
}

heap_size! { SourceSubject { before, after } }

impl SourceSubject {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let is_token = |token: &str| {
            token == PLACE || !token.is_empty() && token.bytes().all(is_plain) && !token.contains(['{', '}'])
        };
        let places = pattern.split('.').filter(|token| *token == PLACE).count();
        if places != 1 || pattern.len() > PATTERN_BYTES_MAX || !pattern.split('.').all(is_token) {
            return Err(format!(
                "engine.source_subject: {pattern:?} names no source; give a subject in which one token is {PLACE}, \
                 such as \"tallystick.events.{PLACE}\""
            ));
        }
        let (before, after) = pattern.split_once(PLACE).unwrap_or((pattern, ""));
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// Whether a subject is the one that a source speaks on.
    pub fn is_of(&self, subject: &[u8], source: &str) -> bool {
        let Some(mut token) = self.token(subject) else { return false };
        for byte in source.bytes() {
            let written = written(byte);
            let Some(rest) = token.strip_prefix(written.as_slice()) else { return false };
            token = rest;
        }
        token.is_empty()
    }

    /// The subject that a source speaks on.
    pub fn subject_of(&self, source: &str) -> String {
        let mut subject = self.before.clone();
        for byte in source.bytes() {
            subject.extend(written(byte).as_slice().iter().map(|byte| char::from(*byte)));
        }
        subject + &self.after
    }

    /// The source whose subject it is; nothing if it is none's.
    pub fn source_of(&self, subject: &[u8]) -> Option<String> {
        let mut token = self.token(subject)?;
        let mut source = Vec::with_capacity(token.len());
        while let [first, rest @ ..] = token {
            let (byte, rest) = match (first, rest) {
                (b'%', [high, low, rest @ ..]) => (hex(*high)? << 4 | hex(*low)?, rest),
                _ => (*first, rest),
            };
            source.push(byte);
            token = rest;
        }
        let source = String::from_utf8(source).ok()?;
        // A source has one subject: another spelling of it is nobody's.
        (!source.is_empty() && self.is_of(subject, &source)).then_some(source)
    }

    /// Why an event of a source does not count that came on another one's subject.
    pub fn cause(&self, subject: &[u8], source: &str) -> String {
        if let Some(owner) = self.source_of(subject) {
            return format!("Source {source:?} was sent on the subject of {owner:?}.");
        }
        let shown = String::from_utf8_lossy(&subject[..subject.len().min(SHOWN_BYTES_MAX)]);
        format!("Source {source:?} was sent on {shown:?}, which is no source's subject.")
    }

    fn token<'s>(&self, subject: &'s [u8]) -> Option<&'s [u8]> {
        let token = subject.strip_prefix(self.before.as_bytes())?.strip_suffix(self.after.as_bytes())?;
        (!token.is_empty()).then_some(token)
    }
}

/// Bytes of a pattern at most.
const PATTERN_BYTES_MAX: usize = 256;
/// Bytes of a subject that a cause repeats.
const SHOWN_BYTES_MAX: usize = 256;

/// How a byte of a source is written in a subject.
struct Written([u8; 3], usize);

impl Written {
    fn as_slice(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

fn written(byte: u8) -> Written {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_plain(byte) {
        Written([byte, 0, 0], 1)
    } else {
        Written([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]], 3)
    }
}

/// Whether a byte is written as it is in a token of a subject.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'.' | b'*' | b'>' | b'%')
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_place_for_the_source() {
        for pattern in ["{source}", "a.{source}", "a.{source}.b"] {
            assert!(SourceSubject::parse(pattern).is_ok(), "{pattern}");
        }
        let doubled = "a.{source}.{source}";
        for pattern in [
            "",
            "a",
            "a.x{source}",
            doubled,
            "a..{source}",
            "a.*.{source}",
            "a.{source}.>",
            "a b.{source}",
            "{x}.{source}",
        ] {
            let refused = SourceSubject::parse(pattern).unwrap_err();
            assert!(refused.contains("engine.source_subject") && refused.contains("such as"), "{refused}");
        }
    }

    #[test]
    fn a_source_has_one_subject_and_a_subject_one_source() {
        let bound = SourceSubject::parse("e.{source}.v1").unwrap();
        for (source, token) in [
            ("wms", "wms"),
            ("urn:a:b/c", "urn:a:b/c"),
            ("a.b", "a%2Eb"),
            ("*", "%2A"),
            (">", "%3E"),
            ("a b", "a%20b"),
            ("50%", "50%25"),
            ("Käse", "K%C3%A4se"),
            ("\u{7f}", "%7F"),
            ("a%2Eb", "a%252Eb"),
        ] {
            let subject = bound.subject_of(source);
            assert_eq!(subject, format!("e.{token}.v1"));
            assert!(bound.is_of(subject.as_bytes(), source));
            assert_eq!(bound.source_of(subject.as_bytes()).as_deref(), Some(source));
        }
        for subject in
            ["e.v1", "e..v1", "e.wms", "e.a%2eb.v1", "e.%77ms.v1", "e.a.b.v1", "e.%FF.v1", "e.%2.v1", "x.wms.v1"]
        {
            assert_eq!(bound.source_of(subject.as_bytes()), None, "{subject}");
            assert!(!bound.is_of(subject.as_bytes(), "wms"), "{subject}");
        }
    }

    #[test]
    fn a_cause_names_both() {
        let bound = SourceSubject::parse("e.{source}").unwrap();
        assert_eq!(bound.cause(b"e.wms", "erp"), "Source \"erp\" was sent on the subject of \"wms\".");
        assert_eq!(bound.cause(b"e", "erp"), "Source \"erp\" was sent on \"e\", which is no source's subject.");
    }
}
