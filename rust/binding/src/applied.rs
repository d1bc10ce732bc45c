//! What came of the messages that were applied from an inbox, in sum: the daemon needs no more of them, so nothing is
//! made per message.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tallystick_engine::{Batch, Engine, Reply};
use tallystick_frames::segment::Messages;

use crate::batch::{Totals, replies};

/// What came of messages that were applied from an inbox by one call, in sum.
///
///     >>> from tallystick import Engine
///     >>> from tallystick._engine import Inbox
///     >>> Engine().apply_inbox(Inbox(1)).last_sequence is None
///     True
#[derive(Default)]
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Applied {
    pub(crate) events: usize,
    positions: usize,
    held_output_bytes: usize,
    log_time_ns: i64,
    totals: Totals,
    last: Option<Messages>,
    answers: Vec<Reply>,
}

impl Applied {
    /// Adds messages and what became of their elements.
    pub(crate) fn add(&mut self, batch: &mut Batch, messages: Messages) {
        self.events += batch.len();
        batch.outcomes.iter().for_each(|outcome| self.totals.count(outcome.number()));
        batch.released.iter().for_each(|(.., outcome)| self.totals.release(outcome.number()));
        self.last = Some(messages);
        self.answers.append(&mut batch.answers);
    }
}

impl Applied {
    /// Notes how the ledger is afterwards.
    pub(crate) fn note(&mut self, engine: &Engine) {
        self.positions = engine.len();
        self.held_output_bytes = engine.held_output_bytes();
        self.log_time_ns = engine.log_time_ns().unwrap_or_default();
    }
}

#[pymethods]
impl Applied {
    /// Elements with an outcome: `int`.
    #[getter]
    fn events(&self) -> usize {
        self.events
    }

    /// Positions of the ledger afterwards: `int`.
    #[getter]
    fn positions(&self) -> usize {
        self.positions
    }

    /// Bytes of exceptions that wait for the next flush, about: `int`.
    #[getter]
    fn held_output_bytes(&self) -> usize {
        self.held_output_bytes
    }

    /// The log's time afterwards, in nanoseconds since 1970: `int`.
    #[getter]
    fn log_time_ns(&self) -> i64 {
        self.log_time_ns
    }

    /// By how much the count of each outcome changed, by its name: what was released is no longer held.
    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.totals.by_name(py)
    }

    /// Answers to requests that asked for one, in log order: a list of subject (`str`) and JSON (`bytes`).
    #[getter]
    fn answers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        replies(py, &self.answers)
    }

    /// The sequence of the last message: `int`, or None if there was none.
    #[getter]
    fn last_sequence(&self) -> Option<u64> {
        self.last.as_ref().map(Messages::last_sequence)
    }

    /// The last message: `bytes`, or None if there was none.
    #[getter]
    fn last_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.last.as_ref().map(|messages| PyBytes::new(py, messages.last_payload()))
    }

    fn __repr__(&self) -> String {
        let last = self.last_sequence().map_or_else(|| "None".to_owned(), |last| last.to_string());
        let mut members = vec![format!("events={}", self.events), format!("last_sequence={last}")];
        members.append(&mut self.totals.words());
        format!("Applied({})", members.join(", "))
    }
}
