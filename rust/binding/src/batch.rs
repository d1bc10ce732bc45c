//! What an application returns.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tallystick_contract::json_text::write_string;
use tallystick_contract::outcome;
use tallystick_contract::quantity::write_digits;
use tallystick_engine as engine;

use crate::columns::Positions;
use crate::record::ExceptionRecord;

/// What became of the elements of one call, in log order, and what followed from it. `len` is their number.
///
/// `sequences`, `indices` and `outcomes` are columns of that length; `outcome_names` says the same in words.
///
///     >>> from tallystick import Engine, Outcome
///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
///     >>> came |= {"location": "DC1", "quantity": "12.5"}
///     >>> batch = Engine().apply([came, came])
///     >>> batch
///     Batch(events=2, sequences=1..2, applied=1, duplicate=1)
///     >>> batch.outcome_names, (batch.outcomes == Outcome.APPLIED).tolist()
///     (['applied', 'duplicate'], [True, False])
///     >>> batch.availability.sku, batch.availability.atp_thousandths.tolist()
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

/// An outcome's name by its number.
fn name_of(number: u8) -> &'static str {
    outcome::Outcome::from_number(number).map_or("", outcome::Outcome::name)
}

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

    /// Those other than zero, as members of a `repr`.
    pub(crate) fn words(&self) -> Vec<String> {
        let counted = outcome::ALL.iter().map(|outcome| (outcome.name(), self.0[usize::from(outcome.number())]));
        counted.filter(|(_, total)| *total != 0).map(|(name, total)| format!("{name}={total}")).collect()
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
    /// The log sequence of each element's message: uint64, shape (elements,).
    #[getter]
    fn sequences(&self, py: Python<'_>) -> Py<PyArray1<u64>> {
        self.sequences.clone_ref(py)
    }

    /// The place of each element within its message: uint32, shape (elements,).
    #[getter]
    fn indices(&self, py: Python<'_>) -> Py<PyArray1<u32>> {
        self.indices.clone_ref(py)
    }

    /// What became of each element, as the numbers of `Outcome`: uint8, shape (elements,).
    #[getter]
    fn outcomes(&self, py: Python<'_>) -> Py<PyArray1<u8>> {
        self.outcomes.clone_ref(py)
    }

    /// What became of each element, by name: a list of `str`. What was held and has been released says what it became.
    #[getter]
    fn outcome_names(&self) -> Vec<&'static str> {
        self.numbers().iter().map(|number| name_of(*number)).collect()
    }

    /// How many elements got each outcome, by name; none that nobody got.
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

    /// Elements of this batch that are held, as far as `settle` knows: `int`.
    #[getter]
    fn held(&self) -> usize {
        held_among(&self.numbers())
    }

    /// Takes over the final outcomes of this batch's elements that a batch released, this one or a later one. Returns
    /// how many elements are still held.
    ///
    /// `counts`, `outcome_names` and `outcome_lines` have them then; `outcomes` stays.
    ///
    ///     >>> from tallystick import Engine
    ///     >>> engine = Engine()
    ///     >>> batch = engine.apply([{"id": "1", "source": "wms"}])
    ///     >>> batch.settle(engine.release_held())
    ///     0
    fn settle(&self, later: &Self) -> usize {
        let mut numbers = self.numbers();
        for (sequence, index, number) in &later.released {
            if let Some(place) = self.places.get(&(*sequence, *index)) {
                numbers[*place] = *number;
            }
        }
        held_among(&numbers)
    }

    /// The positions that changed, as they are after it; None where the output is held for `flush`.
    #[getter]
    fn availability(&self, py: Python<'_>) -> Option<Py<Positions>> {
        self.availability.as_ref().map(|positions| positions.clone_ref(py))
    }

    /// What a person has to look at, in log order: a list of `ExceptionRecord`. Empty where the output is held.
    #[getter]
    fn exceptions(&self, py: Python<'_>) -> Py<PyList> {
        self.exceptions.clone_ref(py)
    }

    /// Answers to requests that asked for one, in log order: a list of subject (`str`) and JSON (`bytes`).
    #[getter]
    fn answers(&self, py: Python<'_>) -> Py<PyList> {
        self.answers.clone_ref(py)
    }

    /// Returns the lines of the outcomes file (`docs/events.md` §10), numbered from `first_n`: NDJSON.
    ///
    /// Raises `ValueError` unless the call that made the batch was given `keys=True`.
    ///
    ///     >>> from tallystick import Engine
    ///     >>> Engine().apply([{"id": "1", "source": "wms"}], keys=True).outcome_lines(1)
    ///     b'{"n":1,"source":"wms","id":"1","outcome":"malformed"}\n'
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
                out.extend_from_slice(name_of(*number).as_bytes());
                out.extend_from_slice(b"\"}\n");
            }
            out
        });
        Ok(PyBytes::new(py, &lines))
    }

    fn __len__(&self) -> usize {
        self.numbers().len()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut members = vec![format!("events={}", self.numbers().len())];
        let sequences = self.sequences.bind(py).try_readonly()?;
        let sequences = sequences.as_array();
        if let (Some(first), Some(last)) = (sequences.first(), sequences.last()) {
            members.push(format!("sequences={first}..{last}"));
        }
        let mut totals = Totals::default();
        self.numbers().iter().for_each(|number| totals.count(*number));
        members.append(&mut totals.words());
        Ok(format!("Batch({})", members.join(", ")))
    }
}

/// Answers as pairs of subject and bytes.
pub(crate) fn replies<'py>(py: Python<'py>, replies: &[engine::Reply]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, replies.iter().map(|reply| (&*reply.reply, PyBytes::new(py, &reply.body))))
}
