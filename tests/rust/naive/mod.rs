//! A slow, obvious splitter of NATS frames: looks at everything anew for each frame, copies everything, remembers
//! nothing.

use tallystick_frames::delivery::Delivery;
use tallystick_frames::inbox::Inbox;
use tallystick_frames::limits::{CONTROL_LINE_BYTES_MAX, INFO_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// What a connection's bytes are, as far as they are there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// Payloads that go to the inbox.
    pub(crate) messages: usize,
    /// All other whole frames, and everything from malformed bytes on.
    pub(crate) foreign: Vec<u8>,
    /// The beginning of a frame.
    pub(crate) rest: Vec<u8>,
    pub(crate) malformed: bool,
}

enum First<'a> {
    Message { sid: u64, subject: Vec<u8>, reply: Vec<u8>, payload: &'a [u8], bytes: usize },
    Other { bytes: usize },
    Part,
    Malformed,
}

/// Splits all bytes at once and delivers what belongs to the subscription.
pub(crate) fn sort(bytes: &[u8], sid: u64, inbox: &mut Inbox) -> Sorted {
    let mut sorted = Sorted::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = match first(rest) {
            First::Message { sid: of, subject, reply, payload, bytes } if of == sid => {
                if let Some(delivery) = delivery(&reply) {
                    inbox.deliver(&delivery, &subject, payload);
                    sorted.messages += 1;
                } else {
                    sorted.foreign.extend(&rest[..bytes]);
                }
                bytes
            }
            First::Message { bytes, .. } | First::Other { bytes } => {
                sorted.foreign.extend(&rest[..bytes]);
                bytes
            }
            First::Part => {
                sorted.rest = rest.to_vec();
                return sorted;
            }
            First::Malformed => {
                sorted.foreign.extend(rest);
                sorted.malformed = true;
                return sorted;
            }
        };
        rest = &rest[length..];
    }
    sorted
}

fn first(bytes: &[u8]) -> First<'_> {
    let names: [&[u8]; 7] = [b"MSG ", b"HMSG ", b"PING", b"PONG", b"+OK", b"INFO ", b"-ERR "];
    let Some(name) = names.into_iter().find(|name| bytes.starts_with(name)) else {
        return if names.iter().any(|name| name.starts_with(bytes)) { First::Part } else { First::Malformed };
    };
    let line_max = if name == b"INFO " { INFO_BYTES_MAX } else { CONTROL_LINE_BYTES_MAX };
    let Some(end) = (0..line_max.min(bytes.len())).find(|place| bytes[*place] == b'\n') else {
        return if bytes.len() < line_max { First::Part } else { First::Malformed };
    };
    let mut line = bytes[name.len()..end].to_vec();
    if line.pop() != Some(b'\r') {
        return First::Malformed;
    }
    let is_good = match name {
        b"MSG " | b"HMSG " => return message(bytes, &line, end + 1, name == b"HMSG "),
        b"INFO " => line.iter().any(|byte| !byte.is_ascii_whitespace()) && !line.contains(&b'\r'),
        b"-ERR " => line.len() > 2 && line[0] == b'\'' && line[line.len() - 1] == b'\'',
        _ => line.is_empty(),
    };
    if is_good { First::Other { bytes: end + 1 } } else { First::Malformed }
}

fn message<'a>(bytes: &'a [u8], line: &[u8], start: usize, has_headers: bool) -> First<'a> {
    let words: Vec<Vec<u8>> = line.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
    let sizes = if has_headers { 2 } else { 1 };
    let has_reply = match words.len() - 1 {
        count if count == sizes + 1 => false,
        count if count == sizes + 2 => true,
        _ => return First::Malformed,
    };
    if words.iter().any(Vec::is_empty) || line.iter().any(|byte| *byte < 0x20) {
        return First::Malformed;
    }
    let (sid, total) = (number(&words[1]), number(&words[words.len() - 1]));
    let headers = if has_headers { number(&words[words.len() - 2]) } else { Some(0) };
    let (Some(sid), Some(total), Some(headers)) = (sid, total, headers) else { return First::Malformed };
    if total > PAYLOAD_BYTES_MAX as u64 || headers > total || (headers > 0) != has_headers {
        return First::Malformed;
    }
    let (total, headers) = (usize::try_from(total).unwrap(), usize::try_from(headers).unwrap());
    if bytes.len() < start + total + 2 {
        return First::Part;
    }
    if &bytes[start + total..start + total + 2] != b"\r\n" {
        return First::Malformed;
    }
    let reply = if has_reply { words[2].clone() } else { Vec::new() };
    let subject = words[0].clone();
    First::Message { sid, subject, reply, payload: &bytes[start + headers..start + total], bytes: start + total + 2 }
}

/// Decimal digits, 1 to 19 of them.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = (1..20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).unwrap().parse().unwrap())
}

fn delivery(reply: &[u8]) -> Option<Delivery<'_>> {
    let tokens: Vec<_> = reply.split(|byte| *byte == b'.').collect();
    if tokens[0] != b"$JS" || tokens.get(1) != Some(&&b"ACK"[..]) {
        return None;
    }
    let first = match tokens.len() {
        9 => 2,
        11 | 12 => 4,
        _ => return None,
    };
    Some(Delivery {
        consumer: tokens[first + 1],
        sequence: number(tokens[first + 3])?,
        time_ns: i64::try_from(number(tokens[first + 5])?).ok()?,
        pending: number(tokens[first + 6])?,
    })
}
