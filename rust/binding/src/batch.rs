//! What an application and a flush give back.

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tallystick_engine::balance::write_string;
use tallystick_engine::batch as engine;
use tallystick_engine::effect::Message;
use tallystick_engine::outcome;
use tallystick_engine::quantity::write_digits;

use crate::columns::Positions;
use crate::record::ExceptionRecord;

/// Outcomes in log order, and what followed from them.
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Batch {
    sequences: Py<PyArray1<u64>>,
    indices: Py<PyArray1<u32>>,
    outcomes: Py<PyArray1<u8>>,
    numbers: Vec<u8>,
    keys: Option<Vec<engine::Key>>,
    availability: Option<Py<Positions>>,
    exceptions: Py<PyList>,
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
        Ok(Self {
            sequences: batch.sequences.into_pyarray(py).unbind(),
            indices: batch.indices.into_pyarray(py).unbind(),
            outcomes: numbers.clone().into_pyarray(py).unbind(),
            numbers,
            keys: batch.keys,
            availability: changed.map(|positions| Py::new(py, positions)).transpose()?,
            exceptions: PyList::new(py, records)?.unbind(),
        })
    }
}

/// How many elements got each outcome, by its number.
pub(crate) struct Totals([u64; 256]);

impl Default for Totals {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Totals {
    pub(crate) fn count(&mut self, number: u8) {
        self.0[usize::from(number)] += 1;
    }

    /// Those above zero, by the outcome's name.
    pub(crate) fn by_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for outcome in outcome::ALL {
            let total = self.0[usize::from(outcome.number())];
            if total > 0 {
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
        self.numbers.iter().for_each(|number| totals.count(*number));
        totals.by_name(py)
    }

    #[getter]
    fn availability(&self, py: Python<'_>) -> Option<Py<Positions>> {
        self.availability.as_ref().map(|positions| positions.clone_ref(py))
    }

    #[getter]
    fn exceptions(&self, py: Python<'_>) -> Py<PyList> {
        self.exceptions.clone_ref(py)
    }

    /// The lines of the outcomes file (`docs/events.md` §10), numbered from `first_n`.
    fn outcome_lines<'py>(&self, py: Python<'py>, first_n: u64) -> PyResult<Bound<'py, PyBytes>> {
        let keys =
            self.keys.as_ref().ok_or_else(|| PyValueError::new_err("apply with keys=True to get outcome lines"))?;
        let lines = py.detach(|| {
            let mut out = Vec::with_capacity(keys.len() * 80);
            for (n, (number, (source, id))) in (first_n..).zip(self.numbers.iter().zip(keys)) {
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
        self.numbers.len()
    }
}

/// Everything that changed in the log sequences (`from_sequence`, `through`], encoded for the bus.
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Flush(pub(crate) tallystick_engine::engine::Flush);

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

fn messages<'py>(py: Python<'py>, messages: &[Message]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, messages.iter().map(|(id, bytes)| (id.as_str(), PyBytes::new(py, bytes))))
}
