//! A cursor over the text of one JSON value: checks the grammar (RFC 8259), gives strings and numbers, skips the rest.
//! Builds no tree.

use std::borrow::Cow;

use tallystick_contract::limits::NESTING_MAX;
use wide::i8x16;

/// Where and why a text is not JSON, or not JSON that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong there.
    pub what: &'static str,
    /// Bytes before the place.
    pub offset: usize,
}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A digit or `-`.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

/// The text of a string.
#[derive(Debug)]
pub struct Text<'a> {
    /// Borrowed, or unescaped; nothing if it has an unpaired surrogate and so is no text.
    pub value: Option<Cow<'a, str>>,
    /// Whether it is printable ASCII throughout, written without escapes; then it needs no further look.
    pub is_plain: bool,
}

/// What a string was found to have on the way to its closing quote.
#[derive(Debug, Clone, Copy, Default)]
struct StringScan {
    escapes: bool,
    /// DEL or anything beyond ASCII.
    extras: bool,
}

/// A cursor.
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of a text.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// A cursor before a member at some depth.
    pub const fn inside(text: &'a str, depth: usize) -> Self {
        Self { text, at: 0, depth }
    }

    /// All that it is a cursor over.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Bytes before the cursor.
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// A fault here.
    pub const fn fault(&self, what: &'static str) -> Fault {
        Fault { what, offset: self.at }
    }

    /// What comes next, past white space.
    ///
    /// # Errors
    /// When no value begins there.
    pub fn kind(&mut self) -> Result<JsonKind, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => Ok(JsonKind::Object),
            Some(b'[') => Ok(JsonKind::Array),
            Some(b'"') => Ok(JsonKind::String),
            Some(b'-' | b'0'..=b'9') => Ok(JsonKind::Number),
            Some(b't' | b'f') => Ok(JsonKind::Bool),
            Some(b'n') => Ok(JsonKind::Null),
            Some(_) => Err(self.fault("no JSON value begins here")),
            None => Err(self.fault("the JSON ends where a value is expected")),
        }
    }

    /// Enters an object or array, whose bracket comes next.
    ///
    /// # Errors
    /// When it is nested too deeply.
    pub fn enter(&mut self) -> Result<(), Fault> {
        self.at += 1;
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.fault("nested more than 16 levels deep"));
        }
        Ok(())
    }

    /// Steps to the next member's name, or leaves the object. `first` tells whether a comma must stand before it.
    ///
    /// # Errors
    /// When the object goes on in another way than JSON does.
    pub fn next_member(&mut self, first: bool) -> Result<Option<Text<'a>>, Fault> {
        if !self.next_slot(first, b'}', "expected `,` or `}` in an object")? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(self.fault("a member's name must be a string"));
        }
        let name = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.fault("expected `:` behind a member's name"));
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Steps to the next value of an array, or leaves it. `first` tells whether a comma must stand before it.
    ///
    /// # Errors
    /// When the array goes on in another way than JSON does.
    pub fn next_item(&mut self, first: bool) -> Result<bool, Fault> {
        self.next_slot(first, b']', "expected `,` or `]` in an array")
    }

    /// Steps to the next value's place behind a bracket or comma, or leaves through the closing bracket.
    fn next_slot(&mut self, first: bool, close: u8, otherwise: &'static str) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                return Ok(false);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(close) {
                    return Err(self.fault("a comma with nothing behind it"));
                }
            }
            _ if first => {}
            _ => return Err(self.fault(otherwise)),
        }
        Ok(true)
    }

    /// Reads a string, whose quote comes next.
    ///
    /// # Errors
    /// When it is not terminated, has a raw control character or an escape that JSON does not know.
    pub fn string(&mut self) -> Result<Text<'a>, Fault> {
        self.at += 1;
        self.string_behind_quote()
    }

    /// Reads a string whose quote was just passed.
    ///
    /// # Errors
    /// As [`Self::string`].
    pub fn string_behind_quote(&mut self) -> Result<Text<'a>, Fault> {
        let start = self.at;
        let scan = self.scan_string()?;
        let inner = &self.text[start..self.at - 1];
        let value = if scan.escapes { unescape(inner).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) };
        Ok(Text { value, is_plain: !scan.escapes && !scan.extras })
    }

    /// Moves behind the closing quote.
    fn scan_string(&mut self) -> Result<StringScan, Fault> {
        let bytes = self.text.as_bytes();
        let mut scan = StringScan::default();
        loop {
            self.at += plain_bytes(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(scan);
                }
                Some(b'\\') => {
                    scan.escapes = true;
                    self.at += escape_length(&bytes[self.at + 1..])
                        .ok_or_else(|| self.fault("an escape that JSON does not know"))?;
                }
                Some(0..=0x1F) => return Err(self.fault("a raw control character in a string")),
                Some(byte) => {
                    scan.extras |= *byte >= 0x7F;
                    self.at += 1;
                }
                None => return Err(self.fault("a string that is not terminated")),
            }
        }
    }

    /// Reads a number's text, which comes next.
    ///
    /// # Errors
    /// When it is not in JSON's grammar.
    pub fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => return Err(self.fault("a digit is missing")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.expect_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.expect_digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Skips a value of any kind, checking its grammar.
    ///
    /// # Errors
    /// When it is not JSON or nested too deeply.
    pub fn skip_value(&mut self) -> Result<(), Fault> {
        match self.kind()? {
            JsonKind::Object => {
                self.enter()?;
                let mut first = true;
                while self.next_member(first)?.is_some() {
                    first = false;
                    self.skip_value()?;
                }
                Ok(())
            }
            JsonKind::Array => {
                self.enter()?;
                let mut first = true;
                while self.next_item(first)? {
                    first = false;
                    self.skip_value()?;
                }
                Ok(())
            }
            JsonKind::String => {
                self.at += 1;
                self.scan_string().map(|_| ())
            }
            JsonKind::Number => self.number().map(|_| ()),
            JsonKind::Bool if self.peek() == Some(b't') => self.literal("true"),
            JsonKind::Bool => self.literal("false"),
            JsonKind::Null => self.literal("null"),
        }
    }

    /// Checks that nothing but white space follows.
    ///
    /// # Errors
    /// When something does.
    pub fn finish(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault("something follows the JSON value")) }
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.fault("no JSON value begins here"));
        }
        self.at += word.len();
        Ok(())
    }

    fn expect_digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.fault("a digit is missing"));
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// How many bytes at the beginning are printable ASCII that needs no attention: neither quote, backslash, control nor
/// anything from DEL on.
#[inline]
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    let mut plain = 0;
    while let Some(chunk) = bytes[plain..].first_chunk::<16>() {
        let chunk = i8x16::new(chunk.map(u8::cast_signed));
        // As signed numbers, what lies beyond ASCII is less than the controls.
        let special = chunk.simd_lt(i8x16::splat(0x20))
            | chunk.simd_eq(i8x16::splat(0x7F))
            | chunk.simd_eq(i8x16::splat(0x22))
            | chunk.simd_eq(i8x16::splat(0x5C));
        let marks = special.to_bitmask();
        if marks != 0 {
            return plain + marks.trailing_zeros() as usize;
        }
        plain += 16;
    }
    plain + bytes[plain..].iter().take_while(|byte| is_plain(**byte)).count()
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\'
}

/// How long an escape is, from what follows its backslash; nothing if JSON does not know it.
fn escape_length(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}

/// The text behind escapes whose form was checked; nothing if a surrogate is unpaired.
fn unescape(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(place) = rest.find('\\') {
        out.push_str(&rest[..place]);
        let escape = rest.as_bytes()[place + 1];
        rest = &rest[place + 2..];
        match escape {
            b'u' => {
                let (unit, after) = code_unit(rest)?;
                rest = after;
                let code = match unit {
                    0xD800..=0xDBFF => {
                        let (low, after) = rest.strip_prefix("\\u").and_then(code_unit)?;
                        if !(0xDC00..=0xDFFF).contains(&low) {
                            return None;
                        }
                        rest = after;
                        0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                    }
                    other => other,
                };
                out.push(char::from_u32(code)?);
            }
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    Some(out)
}

fn code_unit(text: &str) -> Option<(u32, &str)> {
    let unit = u32::from_str_radix(text.get(..4)?, 16).ok()?;
    Some((unit, &text[4..]))
}
