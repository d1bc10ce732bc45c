//! What an application and a flush give back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tallystick_contract::json_text::write_string;
use tallystick_contract::outcome;
use tallystick_contract::quantity::write_digits;
use tallystick_engine as engine;
use tallystick_engine::Message;

use crate::columns::Positions;
use crate::record::ExceptionRecord;

/// Outcomes in log order, and what followed from them.
///
///     >>> from tallystick import OUTCOMES, Engine
///     >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}'
///     >>> batch = Engine().apply([came, came], first_sequence=7, log_time_ns=0)
///     >>> batch.sequences.tolist(), batch.outcomes.tolist() == [OUTCOMES["applied"], OUTCOMES["duplicate"]]
///     ([7, 8], True)
///     >>> batch.availability.sku, batch.availability.atp.tolist()
///     (['LAMP'], [12500])
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Batch {
    sequences: Py<PyArray1<u64>>,
    indices: Py<PyArray1<u32>>,
    outcomes: Py<PyArray1<u8>>,
    /// The outcomes as they are known by now: final where an element was held and has been released since.
    numbers: Mutex<Vec<u8>>,
    places: HashMap<(u64, u32), usize>,
    released: Vec<(u64, u32, u8)>,
    keys: Option<Vec<engine::Key>>,
    availability: Option<Py<Positions>>,
    exceptions: Py<PyList>,
    answers: Py<PyList>,
}

impl Batch {
    /// Moves the columns into NumPy. Without changed positions the output was held.
    pub(crate) fn new(py: Python<'_>, batch: engine::Batch, changed: Option<Positions>) -> PyResult<Self> {
        let numbers: Vec<u8> = batch.outcomes.iter().map(|outcome| outcome.number()).collect();
        let records = batch
            .exceptions
            .into_iter()
            .map(|record| Py::new(py, ExceptionRecord(record)))
            .collect::<PyResult<Vec<_>>>()?;
        let held = numbers.iter().enumerate().filter(|(_, number)| **number == HELD);
        let places = held.map(|(place, _)| ((batch.sequences[place], batch.indices[place]), place)).collect();
        let released = batch.released.iter().map(|(sequence, index, outcome)| (*sequence, *index, outcome.number()));
        Ok(Self {
            places,
            released: released.collect(),
            sequences: batch.sequences.into_pyarray(py).unbind(),
            indices: batch.indices.into_pyarray(py).unbind(),
            outcomes: numbers.clone().into_pyarray(py).unbind(),
            numbers: Mutex::new(numbers),
            keys: batch.keys,
            availability: changed.map(|positions| Py::new(py, positions)).transpose()?,
            exceptions: PyList::new(py, records)?.unbind(),
            answers: replies(py, &batch.answers)?.unbind(),
        })
    }
}

impl Batch {
    fn numbers(&self) -> MutexGuard<'_, Vec<u8>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const HELD: u8 = outcome::Outcome::Held.number();

/// How many outcomes are not final.
fn held_among(numbers: &[u8]) -> usize {
    numbers.iter().map(|number| usize::from(*number == HELD)).sum()
}

/// By how much the count of each outcome changed, by its number. Fewer are held when some were released.
pub(crate) struct Totals([i64; 256]);

impl Default for Totals {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Totals {
    pub(crate) fn count(&mut self, number: u8) {
        self.0[usize::from(number)] += 1;
    }

    /// Counts the final outcome of an element that was counted as held.
    pub(crate) fn release(&mut self, number: u8) {
        self.0[usize::from(HELD)] -= 1;
        self.count(number);
    }

    /// Those other than zero, by the outcome's name.
    pub(crate) fn by_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for outcome in outcome::ALL {
            let total = self.0[usize::from(outcome.number())];
            if total != 0 {
                counts.set_item(outcome.name(), total)?;
            }
        }
        Ok(counts)
    }
}

#[pymethods]
impl Batch {
    #[getter]
    fn sequences(&self, py: Python<'_>) -> Py<PyArray1<u64>> {
        self.sequences.clone_ref(py)
    }

    #[getter]
    fn indices(&self, py: Python<'_>) -> Py<PyArray1<u32>> {
        self.indices.clone_ref(py)
    }

    #[getter]
    fn outcomes(&self, py: Python<'_>) -> Py<PyArray1<u8>> {
        self.outcomes.clone_ref(py)
    }

    /// How many elements got each outcome, by name.
    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let mut totals = Totals::default();
        self.numbers().iter().for_each(|number| totals.count(*number));
        totals.by_name(py)
    }

    /// Final outcomes of elements that were held: sequence, index and the outcome's number, in the order in which they
    /// were applied.
    #[getter]
    fn released(&self) -> Vec<(u64, u32, u8)> {
        self.released.clone()
    }

    /// Elements of this batch that are held.
    #[getter]
    fn held(&self) -> usize {
        held_among(&self.numbers())
    }

    /// Writes what a batch, this one or a later one, released into `counts` and the outcome lines of this one. Returns
    /// how many are still held.
    fn settle(&self, later: &Self) -> usize {
        let mut numbers = self.numbers();
        for (sequence, index, number) in &later.released {
            if let Some(place) = self.places.get(&(*sequence, *index)) {
                numbers[*place] = *number;
            }
        }
        held_among(&numbers)
    }

    #[getter]
    fn availability(&self, py: Python<'_>) -> Option<Py<Positions>> {
        self.availability.as_ref().map(|positions| positions.clone_ref(py))
    }

    #[getter]
    fn exceptions(&self, py: Python<'_>) -> Py<PyList> {
        self.exceptions.clone_ref(py)
    }

    /// Answers to requests that asked for one: subject and JSON, in log order.
    #[getter]
    fn answers(&self, py: Python<'_>) -> Py<PyList> {
        self.answers.clone_ref(py)
    }

    /// The lines of the outcomes file (`docs/events.md` §10), numbered from `first_n`.
    fn outcome_lines<'py>(&self, py: Python<'py>, first_n: u64) -> PyResult<Bound<'py, PyBytes>> {
        let keys =
            self.keys.as_ref().ok_or_else(|| PyValueError::new_err("apply with keys=True to get outcome lines"))?;
        let lines = py.detach(|| {
            let mut out = Vec::with_capacity(keys.len() * 80);
            for (n, (number, (source, id))) in (first_n..).zip(self.numbers().iter().zip(keys)) {
                out.extend_from_slice(b"{\"n\":");
                write_digits(&mut out, n);
                for (name, value) in [(&b",\"source\":"[..], source), (b",\"id\":", id)] {
                    out.extend_from_slice(name);
                    match value {
                        Some(value) => write_string(&mut out, value),
                        None => out.extend_from_slice(b"null"),
                    }
                }
                out.extend_from_slice(b",\"outcome\":\"");
                let name = outcome::Outcome::from_number(*number).map_or("", outcome::Outcome::name);
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\"}\n");
            }
            out
        });
        Ok(PyBytes::new(py, &lines))
    }

    fn __len__(&self) -> usize {
        self.numbers().len()
    }
}

/// Everything that changed in the log sequences (`from_sequence`, `through`], encoded for the bus.
///
///     >>> import json
///     >>> from tallystick import Engine
///     >>> engine = Engine()
///     >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}'
///     >>> batch = engine.apply([came], first_sequence=1, log_time_ns=0, hold_output=True)
///     >>> flush = engine.flush("EVENTS")
///     >>> [(message_id, body)] = flush.availability
///     >>> message_id, json.loads(body)["data"]["positions"][0]["atp"]
///     ('EVENTS:1:availability:0', 12.5)
///     >>> flush.from_sequence, flush.through, flush.exceptions
///     (0, 1, [])
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Flush(pub(crate) tallystick_engine::Flush);

#[pymethods]
impl Flush {
    #[getter]
    #[expect(clippy::wrong_self_convention, reason = "the name is a range's beginning, not a conversion")]
    fn from_sequence(&self) -> u64 {
        self.0.from
    }

    #[getter]
    fn through(&self) -> u64 {
        self.0.through
    }

    #[getter]
    fn positions(&self) -> usize {
        self.0.positions
    }

    #[getter]
    fn availability<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        messages(py, &self.0.availability)
    }

    #[getter]
    fn exceptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        messages(py, &self.0.exceptions)
    }
}

/// Answers as pairs of subject and bytes.
pub(crate) fn replies<'py>(py: Python<'py>, replies: &[engine::Reply]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, replies.iter().map(|reply| (&*reply.reply, PyBytes::new(py, &reply.body))))
}

fn messages<'py>(py: Python<'py>, messages: &[Message]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, messages.iter().map(|(id, bytes)| (id.as_str(), PyBytes::new(py, bytes))))
}
