//! Exceptions as Python records.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use tallystick_contract::codes;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::ExceptionRecord as Record;

use crate::position::quoted;

/// What a person has to look at: why an event was refused, or what it brought out of order. Its fields have the names
/// of the items that `Engine.exceptions` lists.
///
///     >>> from tallystick import Engine
///     >>> sold = b'{"id":"1","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}'
///     >>> [exception] = Engine().apply([sold]).exceptions
///     >>> exception.code, exception.outcome, exception.owner, exception.event == sold
///     ('negative_stock', 'applied', 'operations', True)
///     >>> exception.cause
///     'stock fell to -2 (sold 2, had 0)'
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct ExceptionRecord(pub(crate) Arc<Record>);

#[pymethods]
impl ExceptionRecord {
    /// The number of the item of work that it opened, or adds to: `int`.
    #[getter]
    fn number(&self) -> u64 {
        self.0.number
    }

    /// How bad it is: `info`, `warning`, `error` or `critical`.
    #[getter]
    fn severity(&self) -> &'static str {
        codes::find(&self.0.code).severity.name()
    }

    /// What is out of order, as `negative_stock` (`docs/truth.md` §7): `str`.
    #[getter]
    fn code(&self) -> &str {
        &self.0.code
    }

    /// What became of the event, by name; None where the exception is about none.
    #[getter]
    fn outcome(&self) -> Option<&'static str> {
        self.0.outcome.map(Outcome::name)
    }

    /// The team that works on it, as `operations`: `str`.
    #[getter]
    fn owner(&self) -> &str {
        &self.0.team
    }

    /// The log sequence of the event's message: `int`.
    #[getter]
    fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// The place of the event within its message: `int`.
    #[getter]
    fn index(&self) -> u32 {
        self.0.index
    }

    /// The log's time then, in nanoseconds since 1970: `int`.
    #[getter]
    fn log_time_ns(&self) -> i64 {
        self.0.log_time_ns
    }

    /// Who sent the event: `str`, or None if that could not be read.
    #[getter]
    fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// The event's id: `str`, or None if that could not be read.
    #[getter]
    fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// What the event belongs to: `str` or None.
    #[getter]
    fn correlationid(&self) -> Option<&str> {
        self.0.correlation_id.as_deref()
    }

    /// What brought the event about: `str` or None.
    #[getter]
    fn causationid(&self) -> Option<&str> {
        self.0.causation_id.as_deref()
    }

    /// The SKU that it is about: `str` or None.
    #[getter]
    fn sku(&self) -> Option<&str> {
        self.0.sku.as_deref()
    }

    /// The location that it is about: `str` or None.
    #[getter]
    fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }

    /// What happened, as a sentence with its numbers: `str`.
    #[getter]
    fn cause(&self) -> &str {
        &self.0.cause
    }

    /// What to do about it: `str`.
    #[getter]
    fn cure(&self) -> &'static str {
        self.0.cure
    }

    /// Of a conflict: what differs from what was first said under the key, a list of `str`.
    #[getter]
    fn fields(&self) -> Vec<&'static str> {
        self.0.fields.clone()
    }

    /// Of a gap: the first and the last number that are missing, or None.
    #[getter]
    fn missing(&self) -> Option<(u64, u64)> {
        self.0.missing
    }

    /// The original: `bytes`, at most the first 64 KiB of it.
    #[getter]
    fn event<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.event)
    }

    /// How many bytes the original has: `int`.
    #[getter]
    fn event_bytes_total(&self) -> u64 {
        self.0.event_bytes_total
    }

    /// All fields by name.
    ///
    ///     >>> from tallystick import Engine
    ///     >>> [exception] = Engine().apply([{"id": "1", "source": "wms"}]).exceptions
    ///     >>> exception.as_dict()["cause"]
    ///     '`type`: is required'
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item("number", self.number())?;
        fields.set_item("code", self.code())?;
        fields.set_item("severity", self.severity())?;
        fields.set_item("outcome", self.outcome())?;
        fields.set_item("owner", self.owner())?;
        fields.set_item("sequence", self.sequence())?;
        fields.set_item("index", self.index())?;
        fields.set_item("log_time_ns", self.log_time_ns())?;
        fields.set_item("source", self.source())?;
        fields.set_item("id", self.id())?;
        fields.set_item("correlationid", self.correlationid())?;
        fields.set_item("causationid", self.causationid())?;
        fields.set_item("sku", self.sku())?;
        fields.set_item("location", self.location())?;
        fields.set_item("cause", self.cause())?;
        fields.set_item("cure", self.cure())?;
        fields.set_item("fields", self.fields())?;
        fields.set_item("missing", self.missing())?;
        fields.set_item("event", self.event(py))?;
        fields.set_item("event_bytes_total", self.event_bytes_total())?;
        Ok(fields)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let record = &self.0;
        Ok(format!(
            "ExceptionRecord(number={}, code={}, sequence={}, index={}, cause={})",
            record.number,
            quoted(py, &record.code)?,
            record.sequence,
            record.index,
            quoted(py, &record.cause)?
        ))
    }
}
