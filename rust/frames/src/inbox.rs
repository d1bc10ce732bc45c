//! The messages of the stream in order, every one once: what has arrived and was not taken yet.
//!
//! It decides by the stream's sequence alone: the expected one is kept, a lower one was seen before, a higher one says
//! that messages are missing. What is done about missing ones is the caller's business.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::delivery::Delivery;
use crate::limits::SEGMENTS_REUSED_MAX;
use crate::segment::{Messages, Segment};

/// What arrived from the stream and waits.
///
/// ```
/// use tallystick_frames::inbox::Inbox;
///
/// let mut inbox = Inbox::new(7);
/// assert!(inbox.push(7, 0, b"events", b"seven"));
/// assert!(!inbox.push(7, 0, b"events", b"seven")); // seen before
/// assert!(!inbox.push(9, 0, b"events", b"nine")); // 8 is missing
/// let messages = inbox.take().unwrap();
/// assert_eq!(messages.iter().collect::<Vec<_>>(), [(7, 0, &b"seven"[..])]);
/// assert_eq!(inbox.expected(), 8);
/// ```
#[derive(Debug)]
pub struct Inbox {
    expected: u64,
    stream_end: u64,
    consumer: Vec<u8>,
    delivered: u64,
    began_well: bool,
    missing_until: u64,
    open: Segment,
    full: VecDeque<Segment>,
    /// What is left of a segment of which a part was taken.
    begun: Option<Messages>,
    /// Kept to reuse their memory: page faults on fresh memory would cost more than splitting.
    handed_out: VecDeque<Arc<Segment>>,
    waiting_messages: usize,
    waiting_bytes: usize,
    last_payload: Option<Vec<u8>>,
    keeps_subjects: bool,
}

impl Inbox {
    /// An empty inbox that waits for the message with this sequence, and keeps subjects as well.
    ///
    /// ```
    /// use tallystick_frames::inbox::Inbox;
    ///
    /// let mut inbox = Inbox::with_subjects(7);
    /// assert!(inbox.push(7, 0, b"events.wms", b"{}"));
    /// assert_eq!(inbox.take().unwrap().subjects().unwrap().collect::<Vec<_>>(), [b"events.wms"]);
    /// ```
    pub fn with_subjects(expected: u64) -> Self {
        Self { keeps_subjects: true, ..Self::new(expected) }
    }

    /// An empty inbox that waits for the message with this sequence.
    pub fn new(expected: u64) -> Self {
        let mut open = Segment::default();
        open.clear(expected);
        Self {
            expected,
            stream_end: 0,
            consumer: Vec::new(),
            delivered: 0,
            began_well: false,
            missing_until: 0,
            open,
            full: VecDeque::new(),
            begun: None,
            handed_out: VecDeque::new(),
            waiting_messages: 0,
            waiting_bytes: 0,
            last_payload: None,
            keeps_subjects: false,
        }
    }

    /// Names the consumer whose deliveries are counted and watched for holes; empty: none. Messages that follow are
    /// kept from whomever.
    pub fn follow(&mut self, consumer: &[u8]) {
        self.consumer = consumer.to_vec();
        self.delivered = 0;
        self.began_well = false;
        self.missing_until = 0;
    }

    /// Takes a message that came from the stream.
    pub fn deliver(&mut self, delivery: &Delivery<'_>, subject: &[u8], payload: &[u8]) {
        let missing = delivery.sequence > self.expected;
        if self.push(delivery.sequence, delivery.time_ns, subject, payload) {
            self.stream_end = self.stream_end.max(delivery.sequence.saturating_add(delivery.pending));
        }
        if delivery.consumer != self.consumer {
            return;
        }
        self.delivered += 1;
        if !missing {
            self.began_well = true;
        } else if self.missing_until == 0 {
            self.missing_until = delivery.sequence - 1;
        }
    }

    /// Takes the message if it is the expected one, and says whether it was.
    pub fn push(&mut self, sequence: u64, time_ns: i64, subject: &[u8], payload: &[u8]) -> bool {
        if sequence != self.expected {
            return false;
        }
        if self.open.is_full() {
            let next = self.fresh();
            self.full.push_back(std::mem::replace(&mut self.open, next));
        }
        self.open.push(time_ns, payload);
        if self.keeps_subjects {
            self.open.push_subject(subject);
        }
        self.expected += 1;
        self.waiting_messages += 1;
        self.waiting_bytes += payload.len();
        true
    }

    /// The oldest messages, as many as are in one segment; nothing if none wait.
    pub fn take(&mut self) -> Option<Messages> {
        self.take_through(u64::MAX)
    }

    /// Takes the messages up to and including a sequence.
    pub fn take_through(&mut self, last_sequence: u64) -> Option<Messages> {
        let messages = self.begun.take().or_else(|| self.take_segment())?;
        let Some((first, rest)) = messages.split(last_sequence) else {
            self.begun = Some(messages);
            return None;
        };
        self.begun = rest;
        self.waiting_messages -= first.len();
        self.waiting_bytes -= first.bytes_total();
        Some(first)
    }

    fn take_segment(&mut self) -> Option<Messages> {
        let segment = if let Some(segment) = self.full.pop_front() {
            segment
        } else if self.open.is_empty() {
            return None;
        } else {
            let last = self.last_payload.get_or_insert_default();
            last.clear();
            last.extend_from_slice(self.open.last_payload().unwrap_or_default());
            let next = self.fresh();
            std::mem::replace(&mut self.open, next)
        };
        let segment = Arc::new(segment);
        if segment.is_usual() {
            self.handed_out.push_back(Arc::clone(&segment));
        }
        if self.handed_out.len() > SEGMENTS_REUSED_MAX {
            self.handed_out.pop_front();
        }
        Some(Messages::all(segment))
    }

    /// Whether it keeps subjects.
    pub fn keeps_subjects(&self) -> bool {
        self.keeps_subjects
    }

    /// Sequence of the message that comes next.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// The stream's last sequence, as far as messages told.
    pub fn stream_end(&self) -> u64 {
        self.stream_end
    }

    /// Messages that the followed consumer delivered, whatever their sequence.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether the followed consumer delivered a message that was not beyond the expected one.
    pub fn began_well(&self) -> bool {
        self.began_well
    }

    /// The last message of the first hole that the followed consumer left; 0: none.
    pub fn missing_until(&self) -> u64 {
        self.missing_until
    }

    /// Messages that wait.
    pub fn waiting_messages(&self) -> usize {
        self.waiting_messages
    }

    /// Bytes of the messages that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// What the message before the expected one holds; nothing if it did not come through here.
    pub fn last_payload(&self) -> Option<&[u8]> {
        self.open.last_payload().or(self.last_payload.as_deref())
    }

    /// An empty segment for the messages from the expected one on, in used memory if nobody holds it any more.
    fn fresh(&mut self) -> Segment {
        let free = self.handed_out.iter_mut().position(|segment| Arc::get_mut(segment).is_some());
        let used = free.and_then(|place| self.handed_out.remove(place)).and_then(Arc::into_inner);
        let mut segment = used.unwrap_or_else(Segment::with_room);
        segment.clear(self.expected);
        segment
    }
}
