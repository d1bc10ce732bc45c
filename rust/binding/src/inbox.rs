//! The inbox of the event stream: bytes of the connection in, messages in order out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tallystick_frames::delivery::Delivery;
use tallystick_frames::inbox as core;
use tallystick_frames::segment::Messages;
use tallystick_frames::tap::Tap;

/// What a chunk came to: messages, their bytes, and the runs of bytes that are somebody else's.
type Fed<'py> = (usize, usize, Vec<Bound<'py, PyBytes>>);

struct InboxState {
    inbox: core::Inbox,
    tap: Option<Tap>,
}

/// Messages of the event stream that arrived and wait. Safe to share between threads. Nobody waits for the GIL under
/// its lock.
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
}

impl Inbox {
    /// The oldest messages up to and including a sequence.
    pub(crate) fn take_through(&self, last_sequence: u64) -> Option<Messages> {
        self.state().inbox.take_through(last_sequence)
    }

    fn state(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Inbox {
    #[new]
    fn new(expected: u64) -> Self {
        Self { state: Mutex::new(InboxState { inbox: core::Inbox::new(expected), tap: None }) }
    }

    /// Begins to split a connection's bytes, from a frame's boundary on.
    fn tap(&self, sid: u64) {
        self.state().tap = Some(Tap::new(sid));
    }

    /// Ends it, and gives back the bytes of a frame that was not whole.
    fn untap<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let tap = self.state().tap.take();
        PyBytes::new(py, &tap.map(|mut tap| tap.reset()).unwrap_or_default())
    }

    /// Splits a chunk of the connection's bytes.
    fn feed<'py>(&self, py: Python<'py>, chunk: &[u8]) -> PyResult<Fed<'py>> {
        let fed = py.detach(|| {
            let mut state = self.state();
            let InboxState { inbox, tap } = &mut *state;
            tap.as_mut().map(|tap| tap.feed(chunk, inbox))
        });
        let fed = fed.ok_or_else(|| PyValueError::new_err("no subscription is tapped; call tap() first"))?;
        Ok((fed.messages, fed.bytes, fed.foreign.iter().map(|run| PyBytes::new(py, run)).collect()))
    }

    /// Splits a chunk that stands at the beginning of a buffer, without a copy.
    fn feed_buffer<'py>(
        &self,
        py: Python<'py>,
        buffer: PyReadonlyArray1<'py, u8>,
        chunk_bytes: usize,
    ) -> PyResult<Fed<'py>> {
        let chunk = buffer.as_slice()?.get(..chunk_bytes);
        self.feed(py, chunk.ok_or_else(|| PyValueError::new_err("the chunk is longer than its buffer"))?)
    }

    /// Whether bytes came that are no frame, so that all others are somebody else's since.
    #[getter]
    fn malformed(&self) -> bool {
        self.state().tap.as_ref().is_some_and(|tap| tap.malformed().is_some())
    }

    fn follow(&self, consumer: &str) {
        self.state().inbox.follow(consumer.as_bytes());
    }

    /// Takes a message by the subject on which it would be acknowledged; false if that is none of JetStream's.
    fn deliver(&self, reply: &str, payload: &[u8]) -> bool {
        let Some(delivery) = Delivery::parse(reply.as_bytes()) else { return false };
        self.state().inbox.deliver(&delivery, payload);
        true
    }

    fn push(&self, sequence: u64, time_ns: i64, payload: &[u8]) -> bool {
        self.state().inbox.push(sequence, time_ns, payload)
    }

    #[pyo3(signature = (last_sequence = None))]
    fn take(&self, last_sequence: Option<u64>) -> Option<InboxBatch> {
        self.take_through(last_sequence.unwrap_or(u64::MAX)).map(InboxBatch)
    }

    #[getter]
    fn expected(&self) -> u64 {
        self.state().inbox.expected()
    }

    #[getter]
    fn stream_end(&self) -> u64 {
        self.state().inbox.stream_end()
    }

    #[getter]
    fn delivered(&self) -> u64 {
        self.state().inbox.delivered()
    }

    #[getter]
    fn began_well(&self) -> bool {
        self.state().inbox.began_well()
    }

    #[getter]
    fn missing_until(&self) -> u64 {
        self.state().inbox.missing_until()
    }

    #[getter]
    fn waiting_messages(&self) -> usize {
        self.state().inbox.waiting_messages()
    }

    #[getter]
    fn waiting_bytes(&self) -> usize {
        self.state().inbox.waiting_bytes()
    }

    #[getter]
    fn last_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.state().inbox.last_payload().map(|payload| PyBytes::new(py, payload))
    }
}

/// Messages that follow each other in the stream.
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct InboxBatch(Messages);

#[pymethods]
impl InboxBatch {
    #[getter]
    fn first_sequence(&self) -> u64 {
        self.0.first_sequence()
    }

    #[getter]
    fn last_sequence(&self) -> u64 {
        self.0.last_sequence()
    }

    #[getter]
    fn times_ns<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.0.times_ns().to_pyarray(py)
    }

    /// A copy of every message.
    fn messages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.payloads().map(|payload| PyBytes::new(py, payload)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}
