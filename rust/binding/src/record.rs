//! Exceptions as Python records.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use tallystick_contract::codes;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::ExceptionRecord as Record;

/// What a person has to look at.
///
///     >>> from tallystick import Engine
///     >>> sold = b'{"id":"1","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}'
///     >>> [exception] = Engine().apply([sold], first_sequence=1, log_time_ns=0).exceptions
///     >>> exception.code, exception.outcome, exception.team, exception.event == sold
///     ('negative_stock', 'applied', 'operations', True)
///     >>> exception.cause
///     'stock fell to -2 (sold 2, had 0)'
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct ExceptionRecord(pub(crate) Arc<Record>);

#[pymethods]
impl ExceptionRecord {
    /// The number of the item of work.
    #[getter]
    fn number(&self) -> u64 {
        self.0.number
    }

    #[getter]
    fn severity(&self) -> &'static str {
        codes::find(&self.0.code).severity.name()
    }

    #[getter]
    fn code(&self) -> &str {
        &self.0.code
    }

    #[getter]
    fn outcome(&self) -> Option<&'static str> {
        self.0.outcome.map(Outcome::name)
    }

    #[getter]
    fn team(&self) -> &str {
        &self.0.team
    }

    #[getter]
    fn sequence(&self) -> u64 {
        self.0.sequence
    }

    #[getter]
    fn index(&self) -> u32 {
        self.0.index
    }

    #[getter]
    fn log_time_ns(&self) -> i64 {
        self.0.log_time_ns
    }

    #[getter]
    fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    #[getter]
    fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    #[getter]
    fn correlation_id(&self) -> Option<&str> {
        self.0.correlation_id.as_deref()
    }

    #[getter]
    fn causation_id(&self) -> Option<&str> {
        self.0.causation_id.as_deref()
    }

    #[getter]
    fn sku(&self) -> Option<&str> {
        self.0.sku.as_deref()
    }

    #[getter]
    fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }

    #[getter]
    fn cause(&self) -> &str {
        &self.0.cause
    }

    #[getter]
    fn cure(&self) -> &'static str {
        self.0.cure
    }

    #[getter]
    fn fields(&self) -> Vec<&'static str> {
        self.0.fields.clone()
    }

    /// For a gap: the first and the last number that are missing.
    #[getter]
    fn missing(&self) -> Option<(u64, u64)> {
        self.0.missing
    }

    #[getter]
    fn event<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.event)
    }

    #[getter]
    fn event_bytes_total(&self) -> u64 {
        self.0.event_bytes_total
    }

    /// All fields by name.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item("number", self.number())?;
        fields.set_item("code", self.code())?;
        fields.set_item("severity", self.severity())?;
        fields.set_item("outcome", self.outcome())?;
        fields.set_item("team", self.team())?;
        fields.set_item("sequence", self.sequence())?;
        fields.set_item("index", self.index())?;
        fields.set_item("log_time_ns", self.log_time_ns())?;
        fields.set_item("source", self.source())?;
        fields.set_item("id", self.id())?;
        fields.set_item("correlation_id", self.correlation_id())?;
        fields.set_item("causation_id", self.causation_id())?;
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

    fn __repr__(&self) -> String {
        let record = &self.0;
        format!(
            "ExceptionRecord(code={:?}, sequence={}, index={}, cause={:?})",
            record.code, record.sequence, record.index, record.cause
        )
    }
}
