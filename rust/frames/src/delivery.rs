//! What JetStream says of a message in the subject on which it would be acknowledged.

use crate::digits;

const TOKENS_MAX: usize = 12;

/// A message's place in the stream, and who delivered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// Name of the consumer.
    pub consumer: &'a [u8],
    /// In the stream.
    pub sequence: u64,
    /// When the stream stored it, in nanoseconds since 1970.
    pub time_ns: i64,
    /// Messages that the consumer has not delivered yet.
    pub pending: u64,
}

impl<'a> Delivery<'a> {
    /// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, or the
    /// same with domain and account behind `$JS.ACK` and possibly one token more at the end. Nothing if it is neither.
    ///
    /// ```
    /// use tallystick_frames::delivery::Delivery;
    ///
    /// let delivery = Delivery::parse(b"$JS.ACK.EVENTS.reader.1.7.7.1772359200000000000.3").unwrap();
    /// assert_eq!((delivery.consumer, delivery.sequence, delivery.pending), (&b"reader"[..], 7, 3));
    /// assert_eq!(Delivery::parse(b"_INBOX.answers.1"), None);
    /// ```
    pub fn parse(reply: &'a [u8]) -> Option<Self> {
        let rest = reply.strip_prefix(b"$JS.ACK.")?;
        let mut tokens = [&b""[..]; TOKENS_MAX];
        let mut count = 0;
        let mut start = 0;
        for end in memchr::memchr_iter(b'.', rest).chain([rest.len()]) {
            *tokens.get_mut(count)? = &rest[start..end];
            count += 1;
            start = end + 1;
        }
        // Without the two tokens `$JS.ACK`.
        let first = match count {
            7 => 0,
            9 | 10 => 2,
            _ => return None,
        };
        Some(Self {
            consumer: tokens[first + 1],
            sequence: digits::parse(tokens[first + 3])?,
            time_ns: i64::try_from(digits::parse(tokens[first + 5])?).ok()?,
            pending: digits::parse(tokens[first + 6])?,
        })
    }
}
