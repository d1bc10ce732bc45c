//! Message → elements: one object, a JSON array, or NDJSON (`docs/events.md` §1); columns are told from JSON and come
//! apart elsewhere. Finds boundaries only; whether an element is JSON is the decoder's business.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use crate::read::columns::is_stream;
/// How a message comes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The elements are where the ranges say.
    Elements,
    /// The message is an Arrow IPC stream, whose rows are the elements.
    Columns,
    /// The message cannot be split: it is one rejection, for this reason.
    Broken(&'static str),
}

/// Appends the byte ranges of a message's elements, without surrounding white space.
///
/// ```
/// use tallystick_engine::read::split::{Framing, split};
///
/// let (message, mut ranges) = (br#"[{"id":"1"},{"id":"2"}]"#, Vec::new());
/// assert!(matches!(split(message, &mut ranges), Framing::Elements));
/// assert_eq!(ranges, [1..11, 12..22]);
/// ```
pub fn split(message: &[u8], ranges: &mut Vec<Range<usize>>) -> Framing {
    if is_stream(message) {
        return Framing::Columns;
    }
    let whole = trim(message, 0..message.len());
    match message.get(whole.start) {
        Some(b'{') => split_objects(message, whole, ranges),
        Some(b'[') => {
            let before = ranges.len();
            let framing = split_array(message, &whole, ranges);
            if framing != Framing::Elements {
                ranges.truncate(before);
            }
            framing
        }
        Some(_) => Framing::Broken("the message begins with neither `{` nor `[`"),
        None => Framing::Broken("the message is empty"),
    }
}

/// Appends the ranges of the lines that are not blank.
pub fn split_lines(buffer: &[u8], ranges: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for end in memchr_iter(b'\n', buffer).chain(std::iter::once(buffer.len())) {
        let line = trim(buffer, start..end);
        if !line.is_empty() {
            ranges.push(line);
        }
        start = end + 1;
    }
}

fn split_objects(message: &[u8], whole: Range<usize>, ranges: &mut Vec<Range<usize>>) -> Framing {
    let Some(line_length) = memchr(b'\n', &message[whole.clone()]) else {
        ranges.push(whole);
        return Framing::Elements;
    };
    let first_line = trim(message, whole.start..whole.start + line_length);
    if is_ndjson(message, &whole, &first_line) {
        split_lines(&message[..whole.end], ranges);
    } else {
        ranges.push(whole);
    }
    Framing::Elements
}

/// A pretty-printed object spans lines too; NDJSON is what has an object per line, even if its first line is broken.
fn is_ndjson(message: &[u8], whole: &Range<usize>, first_line: &Range<usize>) -> bool {
    if value_end(message, first_line) == Some(first_line.end) {
        return true;
    }
    if value_end(message, whole) == Some(whole.end) {
        return false;
    }
    // Without indentation: a nested object of a pretty-printed one is indented.
    memchr_iter(b'\n', &message[whole.clone()]).any(|offset| message.get(whole.start + offset + 1) == Some(&b'{'))
}

fn split_array(message: &[u8], whole: &Range<usize>, ranges: &mut Vec<Range<usize>>) -> Framing {
    const UNBALANCED: Framing = Framing::Broken("the array's brackets and quotes do not balance at the message's end");
    let mut depth = 0_usize;
    let mut start = whole.start + 1;
    let mut at = whole.start;
    while at < whole.end {
        match message[at] {
            b'"' => match string_end(message, at, whole.end) {
                Some(end) => at = end - 1,
                None => return UNBALANCED,
            },
            b'{' | b'[' => depth += 1,
            b',' if depth == 1 => {
                ranges.push(trim(message, start..at));
                start = at + 1;
            }
            closing @ (b'}' | b']') => {
                depth -= 1;
                if depth == 0 {
                    if closing != b']' || at + 1 != whole.end {
                        return UNBALANCED;
                    }
                    let last = trim(message, start..at);
                    // `[]` holds no element; an empty slot beside a comma is one, and is refused by the decoder.
                    if !last.is_empty() || start > whole.start + 1 {
                        ranges.push(last);
                    }
                    return Framing::Elements;
                }
            }
            _ => {}
        }
        at += 1;
    }
    UNBALANCED
}

/// Where the value that begins the range ends, by counting brackets outside strings.
fn value_end(message: &[u8], range: &Range<usize>) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = range.start;
    while at < range.end {
        match message[at] {
            b'"' => at = string_end(message, at, range.end)? - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The place behind the quote that closes the string opened at `open`.
fn string_end(message: &[u8], open: usize, end: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr2(b'"', b'\\', message.get(at..end)?)?;
        if message[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The range without JSON white space at its ends.
fn trim(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let slice = &bytes[range.clone()];
    let leading = slice.iter().take_while(|byte| is_space(byte)).count();
    let trailing = slice[leading..].iter().rev().take_while(|byte| is_space(byte)).count();
    range.start + leading..range.end - trailing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(message: &str) -> Result<Vec<&str>, ()> {
        let mut ranges = Vec::new();
        match split(message.as_bytes(), &mut ranges) {
            Framing::Elements => Ok(ranges.into_iter().map(|range| &message[range]).collect()),
            Framing::Columns | Framing::Broken(_) => Err(()),
        }
    }

    #[test]
    fn messages_come_apart_as_documented() {
        for (message, expected) in [
            (r#"{"a":1}"#, Ok(vec![r#"{"a":1}"#])),
            ("{\n \"a\": \"}\"\n}\n", Ok(vec!["{\n \"a\": \"}\"\n}"])),
            ("{\"a\":1}\n\r\n {\"b\":2} \n", Ok(vec!["{\"a\":1}", "{\"b\":2}"])),
            ("{\"a\":\n{\"b\":2}", Ok(vec!["{\"a\":", "{\"b\":2}"])),
            ("{\"a\":1}\ngarbage", Ok(vec!["{\"a\":1}", "garbage"])),
            ("{\n \"a\":\n {\n \"b\"", Ok(vec!["{\n \"a\":\n {\n \"b\""])),
            ("{\n\"a\":1,\n\"b\"", Ok(vec!["{\n\"a\":1,\n\"b\""])),
            ("[]", Ok(vec![])),
            ("[ ]", Ok(vec![])),
            ("[{},]", Ok(vec!["{}", ""])),
            ("[,{}]", Ok(vec!["", "{}"])),
            (r#"[{"a":"],["}, {bad} ,1]"#, Ok(vec![r#"{"a":"],["}"#, "{bad}", "1"])),
            (r#"[{"a":"\""},{}]"#, Ok(vec![r#"{"a":"\""}"#, "{}"])),
            ("[{]},{}]", Err(())),
            ("[", Err(())),
            ("[{}", Err(())),
            ("[{}] x", Err(())),
            ("[{}}", Err(())),
            (r#"["a]"#, Err(())),
            ("", Err(())),
            (" \n", Err(())),
            ("null", Err(())),
        ] {
            assert_eq!(elements(message), expected, "{message:?}");
        }
    }
}
