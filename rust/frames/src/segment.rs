//! Messages that follow each other in the stream, in one piece of memory, to be borrowed from and split without a copy.

use std::sync::Arc;

use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_MESSAGES_MAX};

/// Messages side by side: one growing piece of memory, with the end and the time of each message.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    first_sequence: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    times_ns: Vec<i64>,
    /// Subjects side by side, with the end of each; empty where nobody asks for them.
    subjects: Vec<u8>,
    subject_ends: Vec<usize>,
}

impl Segment {
    /// An empty one with the room of a usual one, so that it never moves while it grows.
    pub(crate) fn with_room() -> Self {
        // The last message may reach beyond the end.
        let bytes = Vec::with_capacity(SEGMENT_BYTES_MAX + SEGMENT_BYTES_MAX / 4);
        Self { bytes, ..Self::default() }
    }

    /// Empties it and keeps its room.
    pub(crate) fn clear(&mut self, first_sequence: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.times_ns.clear();
        self.subjects.clear();
        self.subject_ends.clear();
        self.first_sequence = first_sequence;
    }

    pub(crate) fn push(&mut self, time_ns: i64, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
        self.times_ns.push(time_ns);
    }

    /// Keeps the subject of the message that was pushed last.
    pub(crate) fn push_subject(&mut self, subject: &[u8]) {
        self.subjects.extend_from_slice(subject);
        self.subject_ends.push(self.subjects.len());
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= SEGMENT_BYTES_MAX || self.ends.len() >= SEGMENT_MESSAGES_MAX
    }

    /// Whether its room is worth keeping: not that of a few huge messages.
    pub(crate) fn is_usual(&self) -> bool {
        self.bytes.capacity() <= 2 * SEGMENT_BYTES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn last_payload(&self) -> Option<&[u8]> {
        Some(self.payload(self.ends.len().checked_sub(1)?))
    }

    fn start(&self, place: usize) -> usize {
        if place == 0 { 0 } else { self.ends[place - 1] }
    }

    fn payload(&self, place: usize) -> &[u8] {
        &self.bytes[self.start(place)..self.ends[place]]
    }

    fn subject(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.subject_ends[place - 1] };
        &self.subjects[start..self.subject_ends[place]]
    }
}

/// A range of a segment, at least one message. Cheap to clone and to split.
///
/// ```
/// use tallystick_frames::inbox::Inbox;
///
/// let mut inbox = Inbox::new(7);
/// (7..10).for_each(|sequence| assert!(inbox.push(sequence, 0, b"events", b"{}")));
/// let (first, rest) = inbox.take().unwrap().split(8).unwrap();
/// assert_eq!((first.first_sequence(), first.last_sequence()), (7, 8));
/// assert_eq!(rest.unwrap().first_sequence(), 9);
/// ```
#[derive(Debug, Clone)]
pub struct Messages {
    segment: Arc<Segment>,
    start: usize,
    stop: usize,
}

#[expect(clippy::len_without_is_empty, reason = "it is never empty")]
impl Messages {
    /// All of a segment that is not empty.
    pub(crate) fn all(segment: Arc<Segment>) -> Self {
        let stop = segment.ends.len();
        Self { segment, start: 0, stop }
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        self.stop - self.start
    }

    /// Bytes of all payloads.
    pub fn bytes_total(&self) -> usize {
        self.segment.start(self.stop) - self.segment.start(self.start)
    }

    /// Stream sequence of the first message.
    pub fn first_sequence(&self) -> u64 {
        self.segment.first_sequence + self.start as u64
    }

    /// Stream sequence of the last message.
    pub fn last_sequence(&self) -> u64 {
        self.segment.first_sequence + self.stop as u64 - 1
    }

    /// When the stream stored each message, in nanoseconds since 1970.
    pub fn times_ns(&self) -> &[i64] {
        &self.segment.times_ns[self.start..self.stop]
    }

    /// What each message holds, in the order of the stream.
    pub fn payloads(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (self.start..self.stop).map(|place| self.segment.payload(place))
    }

    /// Sequence, time and payload of each message, in the order of the stream.
    pub fn iter(&self) -> impl Iterator<Item = (u64, i64, &[u8])> {
        let places = (self.first_sequence()..).zip(self.times_ns());
        places.zip(self.payloads()).map(|((sequence, time_ns), payload)| (sequence, *time_ns, payload))
    }

    /// The subject of each message, in the order of the stream; nothing where the inbox keeps none.
    pub fn subjects(&self) -> Option<impl ExactSizeIterator<Item = &[u8]>> {
        let is_kept = self.segment.subject_ends.len() == self.segment.ends.len();
        is_kept.then(|| (self.start..self.stop).map(|place| self.segment.subject(place)))
    }

    /// What the last message holds.
    pub fn last_payload(&self) -> &[u8] {
        self.segment.payload(self.stop - 1)
    }

    /// The part up to and including `last_sequence`, and the rest if there is one; nothing if the first part would be
    /// empty.
    pub fn split(&self, last_sequence: u64) -> Option<(Self, Option<Self>)> {
        let beyond_first = last_sequence.checked_sub(self.first_sequence())?;
        let middle = self.start
            + usize::try_from(beyond_first).map_or(self.len(), |beyond| self.len().min(beyond.saturating_add(1)));
        let part = |start, stop| Self { segment: Arc::clone(&self.segment), start, stop };
        Some((part(self.start, middle), (middle < self.stop).then(|| part(middle, self.stop))))
    }
}
