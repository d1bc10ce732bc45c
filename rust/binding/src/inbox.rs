//! The inbox of the event stream: bytes of the connection in, messages in order out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tallystick_frames::delivery::Delivery;
use tallystick_frames::inbox as core;
use tallystick_frames::segment::Messages;
use tallystick_frames::tap::Tap;

use crate::delays::{Delays, Told};

/// What a chunk came to: messages, their bytes, and the runs of bytes that are somebody else's.
type Fed<'py> = (usize, usize, Vec<Bound<'py, PyBytes>>);

struct InboxState {
    inbox: core::Inbox,
    tap: Option<Tap>,
}

/// Messages of the event stream that arrived and wait, in order and each once. Safe to share between threads.
///
/// `expected` is the sequence of the first one. With `subjects=True` it keeps the subject of each message, which an
/// engine needs whose configuration binds sources to subjects. Nobody waits for the GIL under its lock.
///
///     >>> inbox = Inbox(7)
///     >>> inbox.push(7, 0, b"{}"), inbox.push(9, 0, b"{}")  # 8 is missing
///     (True, False)
///     >>> inbox
///     Inbox(expected=8, waiting_messages=1, waiting_bytes=2)
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
    /// Of what is taken from it.
    pub(crate) delays: Delays,
}

impl Inbox {
    /// The oldest messages up to and including a sequence.
    pub(crate) fn take_through(&self, last_sequence: u64) -> Option<Messages> {
        self.state().inbox.take_through(last_sequence)
    }

    pub(crate) fn keeps_subjects(&self) -> bool {
        self.state().inbox.keeps_subjects()
    }

    fn state(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Inbox {
    #[new]
    #[pyo3(signature = (expected, *, subjects = false))]
    fn new(expected: u64, subjects: bool) -> Self {
        let inbox = if subjects { core::Inbox::with_subjects(expected) } else { core::Inbox::new(expected) };
        Self { state: Mutex::new(InboxState { inbox, tap: None }), delays: Delays::default() }
    }

    /// Begins to count how old messages and their events are when they are applied: no part of the ledger.
    ///
    ///     >>> inbox = Inbox(1)
    ///     >>> inbox.measure()
    ///     >>> sorted(inbox.delays())
    ///     ['effective_to_log', 'log_to_applied']
    fn measure(&self) {
        self.delays.measure();
    }

    /// Histograms of delays: the bounds of their buckets in nanoseconds, of which the last has none, counts by bucket,
    /// and the sum in nanoseconds. `effective_to_log` is of applied events with a time, the log's time minus theirs;
    /// `log_to_applied` is of messages, this host's time minus the log's. Nothing unless `measure` was called.
    ///
    ///     >>> Inbox(1).delays()
    ///     {}
    fn delays(&self) -> BTreeMap<&'static str, Told> {
        self.delays.told()
    }

    /// Begins to split a connection's bytes, from a frame's boundary on: what comes for the subscription `sid` is
    /// taken.
    ///
    ///     >>> inbox = Inbox(1)
    ///     >>> inbox.tap(3)
    ///     >>> inbox.feed(b"PING\r\n")
    ///     (0, 0, [b'PING\r\n'])
    fn tap(&self, sid: u64) {
        self.state().tap = Some(Tap::new(sid));
    }

    /// Ends what `tap` began, and returns the bytes of a frame that was not whole.
    ///
    ///     >>> Inbox(1).untap()
    ///     b''
    fn untap<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let tap = self.state().tap.take();
        PyBytes::new(py, &tap.map(|mut tap| tap.reset()).unwrap_or_default())
    }

    /// Takes messages from a chunk of the connection's bytes. Returns how many, the bytes of their payloads, and all
    /// other bytes in runs. Raises `ValueError` unless a subscription is tapped.
    ///
    ///     >>> inbox = Inbox(1)
    ///     >>> inbox.tap(3)
    ///     >>> inbox.feed(b"+OK\r\n")
    ///     (0, 0, [b'+OK\r\n'])
    fn feed<'py>(&self, py: Python<'py>, chunk: &[u8]) -> PyResult<Fed<'py>> {
        let fed = py.detach(|| {
            let mut state = self.state();
            let InboxState { inbox, tap } = &mut *state;
            tap.as_mut().map(|tap| tap.feed(chunk, inbox))
        });
        let fed = fed.ok_or_else(|| PyValueError::new_err("no subscription is tapped; call tap() first"))?;
        Ok((fed.messages, fed.bytes, fed.foreign.iter().map(|run| PyBytes::new(py, run)).collect()))
    }

    /// Does what `feed` does for a chunk at the beginning of a buffer (uint8), without a copy; nobody may write to it
    /// meanwhile. Raises `ValueError` for a chunk that is longer than its buffer.
    ///
    ///     >>> import numpy as np
    ///     >>> inbox = Inbox(1)
    ///     >>> inbox.tap(3)
    ///     >>> inbox.feed_buffer(np.frombuffer(b"+OK\r\nrest", np.uint8), 5)
    ///     (0, 0, [b'+OK\r\n'])
    fn feed_buffer<'py>(
        &self,
        py: Python<'py>,
        buffer: PyReadonlyArray1<'py, u8>,
        chunk_bytes: usize,
    ) -> PyResult<Fed<'py>> {
        let chunk = buffer.as_slice()?.get(..chunk_bytes);
        self.feed(py, chunk.ok_or_else(|| PyValueError::new_err("the chunk is longer than its buffer"))?)
    }

    /// Whether bytes came that are no frame, so that all others are somebody else's since: `bool`.
    #[getter]
    fn malformed(&self) -> bool {
        self.state().tap.as_ref().is_some_and(|tap| tap.malformed().is_some())
    }

    /// Counts deliveries of another consumer from now on: it is named in the subjects of acknowledgement.
    ///
    ///     >>> Inbox(1).follow("tallystick-1")
    fn follow(&self, consumer: &str) {
        self.state().inbox.follow(consumer.as_bytes());
    }

    /// Takes a message by the subject on which it would be acknowledged. Returns False if that is none of JetStream's.
    /// `subject` is the one that it was published on; an inbox that keeps none needs none.
    ///
    ///     >>> Inbox(1).deliver("reply.to.me", b"{}")
    ///     False
    #[pyo3(signature = (reply, payload, subject = ""))]
    fn deliver(&self, reply: &str, payload: &[u8], subject: &str) -> bool {
        let Some(delivery) = Delivery::parse(reply.as_bytes()) else { return false };
        self.state().inbox.deliver(&delivery, subject.as_bytes(), payload);
        true
    }

    /// Takes a message by its sequence and time in nanoseconds since 1970. Returns False, and keeps nothing, unless it
    /// is the one that is expected. `subject` is as for `deliver`.
    ///
    ///     >>> inbox = Inbox(1)
    ///     >>> inbox.push(1, 0, b"{}"), inbox.push(1, 0, b"{}")
    ///     (True, False)
    #[pyo3(signature = (sequence, time_ns, payload, subject = ""))]
    fn push(&self, sequence: u64, time_ns: i64, payload: &[u8], subject: &str) -> bool {
        self.state().inbox.push(sequence, time_ns, subject.as_bytes(), payload)
    }

    /// Takes the oldest messages, at most those up to and including `last_sequence`: an `InboxBatch`, or None.
    ///
    ///     >>> Inbox(1).take() is None
    ///     True
    #[pyo3(signature = (last_sequence = None))]
    fn take(&self, last_sequence: Option<u64>) -> Option<InboxBatch> {
        self.take_through(last_sequence.unwrap_or(u64::MAX)).map(InboxBatch)
    }

    /// The sequence of the message that comes next: `int`.
    #[getter]
    fn expected(&self) -> u64 {
        self.state().inbox.expected()
    }

    /// The last sequence that the stream was known to have: `int`.
    #[getter]
    fn stream_end(&self) -> u64 {
        self.state().inbox.stream_end()
    }

    /// How many messages the consumer has delivered: `int`.
    #[getter]
    fn delivered(&self) -> u64 {
        self.state().inbox.delivered()
    }

    /// Whether the consumer's first delivery was the message that was expected: `bool`.
    #[getter]
    fn began_well(&self) -> bool {
        self.state().inbox.began_well()
    }

    /// The sequence up to which messages are missing, 0 if none is: `int`.
    #[getter]
    fn missing_until(&self) -> u64 {
        self.state().inbox.missing_until()
    }

    /// How many messages wait: `int`.
    #[getter]
    fn waiting_messages(&self) -> usize {
        self.state().inbox.waiting_messages()
    }

    /// How many bytes the messages that wait have: `int`.
    #[getter]
    fn waiting_bytes(&self) -> usize {
        self.state().inbox.waiting_bytes()
    }

    /// The last message that arrived in its order: `bytes`, or None.
    #[getter]
    fn last_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.state().inbox.last_payload().map(|payload| PyBytes::new(py, payload))
    }

    fn __repr__(&self) -> String {
        let inbox = &self.state().inbox;
        format!(
            "Inbox(expected={}, waiting_messages={}, waiting_bytes={})",
            inbox.expected(),
            inbox.waiting_messages(),
            inbox.waiting_bytes()
        )
    }
}

/// Messages that follow each other in the stream, at least one. `len` is their number.
///
///     >>> inbox = Inbox(7)
///     >>> inbox.push(7, 1_000, b"{}")
///     True
///     >>> taken = inbox.take()
///     >>> taken, taken.messages(), taken.times_ns.tolist()
///     (InboxBatch(first_sequence=7, last_sequence=7), [b'{}'], [1000])
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct InboxBatch(Messages);

#[pymethods]
impl InboxBatch {
    /// The sequence of the first: `int`.
    #[getter]
    fn first_sequence(&self) -> u64 {
        self.0.first_sequence()
    }

    /// The sequence of the last: `int`.
    #[getter]
    fn last_sequence(&self) -> u64 {
        self.0.last_sequence()
    }

    /// When the stream took each, in nanoseconds since 1970: int64, shape (messages,).
    #[getter]
    fn times_ns<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.0.times_ns().to_pyarray(py)
    }

    /// Returns a copy of every message: a list of `bytes`.
    ///
    ///     >>> inbox = Inbox(1)
    ///     >>> inbox.push(1, 0, b"{}")
    ///     True
    ///     >>> inbox.take().messages()
    ///     [b'{}']
    fn messages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.payloads().map(|payload| PyBytes::new(py, payload)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("InboxBatch(first_sequence={}, last_sequence={})", self.0.first_sequence(), self.0.last_sequence())
    }
}
