//! One frame of the NATS protocol, from server to client, borrowed from the bytes. It keeps nothing between calls; see
//! [`crate::splitter`].
//!
//! Accepted is what nats-server sends: operations in capitals, single spaces, `\r\n`. Whatever else a lenient client
//! might accept is [`Malformed`] here, and is left to that client.

use memchr::memchr;

use crate::digits;
use crate::limits::{CONTROL_LINE_BYTES_MAX, INFO_BYTES_MAX, PAYLOAD_BYTES_MAX};

const HEADER_VERSION: &[u8] = b"NATS/1.0";

/// What a server can say.
///
/// ```
/// use tallystick_frames::frame::{Beginning, Frame};
///
/// let bytes = b"MSG events 3 5\r\nhello\r\nPING\r\n";
/// let Ok(Beginning::Whole(Frame::Message(message), length)) = Frame::first(bytes) else { panic!("it is whole") };
/// assert_eq!((message.sid, message.payload), (3, &b"hello"[..]));
/// assert!(matches!(Frame::first(&bytes[length..]), Ok(Beginning::Whole(Frame::Ping, 6))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `MSG` or `HMSG`.
    Message(Message<'a>),
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Ok,
    /// `INFO` with its JSON.
    Info(&'a [u8]),
    /// `-ERR` with its text, quotes included.
    Err(&'a [u8]),
}

/// A message for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it was published.
    pub subject: &'a [u8],
    /// The subscription.
    pub sid: u64,
    /// Where an answer is expected; empty: nowhere.
    pub reply: &'a [u8],
    /// The header block, from `NATS/1.0` to its empty line; empty: none.
    pub headers: &'a [u8],
    /// What was published.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// The status that the server put into the header line, as 408 for a request that expired.
    pub fn status(&self) -> Option<u16> {
        let digits = self.headers.strip_prefix(HEADER_VERSION)?.strip_prefix(b" ")?.get(..3)?;
        u16::try_from(digits::parse(digits)?).ok()
    }
}

/// Why bytes are not split further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// They begin with no operation that is known.
    Operation,
    /// The control line is longer than its limit.
    ControlLineTooLong,
    /// The control line is not what its operation needs.
    ControlLine,
    /// The payload would be larger than its limit.
    PayloadTooLong,
    /// No `\r\n` stands behind the payload.
    PayloadEnd,
}

/// What the beginning of some bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning<'a> {
    /// A whole frame of so many bytes.
    Whole(Frame<'a>, usize),
    /// A part of a frame. Its length in bytes, once its control line is there; 0 before.
    Part(usize),
}

#[derive(Clone, Copy)]
enum Operation {
    Msg,
    Hmsg,
    Ping,
    Pong,
    Ok,
    Info,
    Err,
}

/// By frequency.
const OPERATIONS: [(&[u8], Operation); 7] = [
    (b"MSG ", Operation::Msg),
    (b"HMSG ", Operation::Hmsg),
    (b"PING", Operation::Ping),
    (b"PONG", Operation::Pong),
    (b"+OK", Operation::Ok),
    (b"INFO ", Operation::Info),
    (b"-ERR ", Operation::Err),
];

impl<'a> Frame<'a> {
    /// The frame that the bytes begin with.
    ///
    /// # Errors
    /// [`Malformed`] if no frame can begin so, whatever follows.
    pub fn first(bytes: &'a [u8]) -> Result<Beginning<'a>, Malformed> {
        let Some((name, operation)) = OPERATIONS.iter().find(|(name, _)| bytes.starts_with(name)) else {
            let may_become_one = OPERATIONS.iter().any(|(name, _)| name.starts_with(bytes));
            return if may_become_one { Ok(Beginning::Part(0)) } else { Err(Malformed::Operation) };
        };
        let line_bytes_max = if let Operation::Info = operation { INFO_BYTES_MAX } else { CONTROL_LINE_BYTES_MAX };
        let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(line_bytes_max)]) else {
            return if bytes.len() < line_bytes_max {
                Ok(Beginning::Part(0))
            } else {
                Err(Malformed::ControlLineTooLong)
            };
        };
        let line = bytes[name.len()..end].strip_suffix(b"\r").ok_or(Malformed::ControlLine)?;
        let whole = end + 1;
        let frame = match operation {
            Operation::Msg => return message(bytes, whole, line, false),
            Operation::Hmsg => return message(bytes, whole, line, true),
            Operation::Ping if line.is_empty() => Self::Ping,
            Operation::Pong if line.is_empty() => Self::Pong,
            Operation::Ok if line.is_empty() => Self::Ok,
            Operation::Info if !line.trim_ascii().is_empty() && !line.contains(&b'\r') => Self::Info(line),
            Operation::Err if line.len() > 2 && line.starts_with(b"'") && line.ends_with(b"'") => Self::Err(line),
            _ => return Err(Malformed::ControlLine),
        };
        Ok(Beginning::Whole(frame, whole))
    }
}

/// A message whose control line ends before `start`. `<subject> <sid> [reply] [header bytes] <total bytes>`
fn message<'a>(bytes: &'a [u8], start: usize, line: &'a [u8], has_headers: bool) -> Result<Beginning<'a>, Malformed> {
    // Other white space would separate words for some clients and not for others.
    if line.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < b' ' {
        return Err(Malformed::ControlLine);
    }
    let (subject, rest) = word(line)?;
    let (sid, rest) = word(rest)?;
    let (first, after) = word(rest).unwrap_or((&[], rest));
    let (reply, header_bytes, rest) = match (has_headers, memchr(b' ', after)) {
        (false, _) => (first, &b"0"[..], after),
        (true, None) => (&[][..], first, after),
        (true, Some(end)) => (first, &after[..end], &after[end + 1..]),
    };
    let sid = digits::parse(sid).ok_or(Malformed::ControlLine)?;
    let header_bytes = size(header_bytes)?;
    let total_bytes = size(rest)?;
    // A block of headers is never empty, and is part of the total.
    if subject.is_empty() || header_bytes > total_bytes || has_headers != (header_bytes > 0) {
        return Err(Malformed::ControlLine);
    }
    let end = start + total_bytes;
    let whole = end + 2;
    if bytes.len() < whole {
        return Ok(Beginning::Part(whole));
    }
    if &bytes[end..whole] != b"\r\n" {
        return Err(Malformed::PayloadEnd);
    }
    let (headers, payload) = bytes[start..end].split_at(header_bytes);
    Ok(Beginning::Whole(Frame::Message(Message { subject, sid, reply, headers, payload }), whole))
}

/// The first word of a line that has another one behind it, and the rest.
fn word(line: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    match memchr(b' ', line) {
        Some(end) if end > 0 => Ok((&line[..end], &line[end + 1..])),
        _ => Err(Malformed::ControlLine),
    }
}

fn size(digits: &[u8]) -> Result<usize, Malformed> {
    let bytes = digits::parse(digits).ok_or(Malformed::ControlLine)?;
    usize::try_from(bytes).ok().filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX).ok_or(Malformed::PayloadTooLong)
}
