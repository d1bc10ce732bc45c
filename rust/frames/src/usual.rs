//! The usual message: its control line is that of the message before, with other digits. It is read by comparing what
//! stays the same, in one pass over its bytes. Whatever differs is left to [`crate::frame`], which has the say on every
//! frame; this only agrees with it, sooner.

use memchr::{memchr, memchr_iter, memrchr_iter};

use crate::delivery::Delivery;
use crate::digits;
use crate::frame::Message;
use crate::limits::{CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX};

const OPERATION: &[u8] = b"MSG ";

/// What stays the same from message to message of one subscription to one consumer.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    /// The subject of the last message.
    subject: Vec<u8>,
    /// From the space behind the subject to the dot before the stream sequence. Empty: nothing is known yet.
    middle: Vec<u8>,
    /// Where in `middle` the consumer's name stands.
    consumer: (usize, usize),
}

/// A message that came with the usual control line.
pub(crate) struct UsualMessage<'a> {
    pub(crate) delivery: Delivery<'a>,
    pub(crate) subject: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// Of the whole frame.
    pub(crate) bytes: usize,
}

impl Usual {
    /// Remembers a message without headers that JetStream delivered.
    pub(crate) fn remember(&mut self, message: &Message<'_>, delivery: &Delivery<'_>) {
        self.middle.clear();
        if !message.headers.is_empty() {
            return;
        }
        let reply = message.reply;
        // With one token more at its end, a reply says something new each time.
        if !matches!(memchr_iter(b'.', reply).count(), 8 | 10) {
            return;
        }
        // Behind the consumer's name stand: delivered, stream sequence, consumer sequence, time, pending.
        let mut dots = memrchr_iter(b'.', reply);
        let (Some(before_sequence), Some(before_delivered)) = (dots.nth(3), dots.next()) else { return };
        let Some(start) = reply[..before_delivered].strip_suffix(delivery.consumer).map(<[u8]>::len) else { return };
        self.subject.clear();
        self.subject.extend_from_slice(message.subject);
        self.middle.push(b' ');
        self.middle.extend_from_slice(message.sid.to_string().as_bytes());
        self.middle.push(b' ');
        let reply_start = self.middle.len();
        self.middle.extend_from_slice(&reply[..=before_sequence]);
        self.consumer = (reply_start + start, reply_start + before_delivered);
    }

    /// The message that the bytes begin with, if it is whole and its control line the usual one.
    pub(crate) fn first<'a>(&'a self, bytes: &'a [u8]) -> Option<UsualMessage<'a>> {
        let after = bytes.strip_prefix(OPERATION)?;
        let subject_bytes = match after.strip_prefix(&self.subject[..]) {
            Some(rest) if rest.starts_with(&self.middle) => self.subject.len(),
            _ => self.other_subject(after)?,
        };
        if self.middle.is_empty() {
            return None;
        }
        let mut at = OPERATION.len() + subject_bytes + self.middle.len();
        let mut number = |end: u8| {
            let (number, digits) = digits::leading(bytes.get(at..)?)?;
            at += digits + 1;
            (bytes[at - 1] == end).then_some(number)
        };
        let sequence = number(b'.')?;
        let _consumer_sequence = number(b'.')?;
        let time_ns = i64::try_from(number(b'.')?).ok()?;
        let pending = number(b' ')?;
        let payload_bytes = usize::try_from(number(b'\r')?).ok().filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX)?;
        let start = at + 1;
        let end = start + payload_bytes;
        let is_whole =
            *bytes.get(at)? == b'\n' && start <= CONTROL_LINE_BYTES_MAX && bytes.get(end..end + 2)? == b"\r\n";
        let consumer = &self.middle[self.consumer.0..self.consumer.1];
        is_whole.then(|| UsualMessage {
            delivery: Delivery { consumer, sequence, time_ns, pending },
            subject: &bytes[OPERATION.len()..OPERATION.len() + subject_bytes],
            payload: &bytes[start..end],
            bytes: end + 2,
        })
    }

    /// The length of another subject before the same rest.
    fn other_subject(&self, after: &[u8]) -> Option<usize> {
        let end = memchr(b' ', &after[..after.len().min(CONTROL_LINE_BYTES_MAX)])?;
        let is_plain = end > 0 && after[..end].iter().all(|byte| *byte >= b' ');
        (is_plain && after[end..].starts_with(&self.middle)).then_some(end)
    }
}
