//! What a flush returns: messages for the bus.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tallystick_engine::Message;

/// Everything that changed in the log sequences (`from_sequence`, `through`], encoded for the bus.
///
///     >>> import json
///     >>> from tallystick import Engine
///     >>> engine = Engine()
///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
///     >>> came |= {"location": "DC1", "quantity": "12.5"}
///     >>> batch = engine.apply([came], hold_output=True)
///     >>> flush = engine.flush("EVENTS")
///     >>> flush
///     Flush(from_sequence=0, through=1, positions=1, messages=1)
///     >>> [(message_id, body)] = flush.availability
///     >>> message_id, json.loads(body)["data"]["positions"][0]["atp"]
///     ('EVENTS:1:availability:0', 12.5)
///     >>> flush.from_sequence, flush.through, flush.exceptions
///     (0, 1, [])
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Flush(pub(crate) tallystick_engine::Flush);

#[pymethods]
impl Flush {
    /// The log sequence that the flush before this one reached: `int`.
    #[getter]
    #[expect(clippy::wrong_self_convention, reason = "the name is a range's beginning, not a conversion")]
    fn from_sequence(&self) -> u64 {
        self.0.from
    }

    /// The last log sequence that it covers: `int`.
    #[getter]
    fn through(&self) -> u64 {
        self.0.through
    }

    /// How many positions changed: `int`.
    #[getter]
    fn positions(&self) -> usize {
        self.0.positions
    }

    /// Messages of what changed: a list of id (`str`) and JSON (`bytes`), each a `CloudEvent` with many positions.
    #[getter]
    fn availability<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        messages(py, &self.0.availability)
    }

    /// Messages of what a person has to look at, in the same form, each a batch of `CloudEvents`.
    #[getter]
    fn exceptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        messages(py, &self.0.exceptions)
    }

    fn __repr__(&self) -> String {
        let flush = &self.0;
        let messages = flush.availability.len() + flush.exceptions.len();
        format!(
            "Flush(from_sequence={}, through={}, positions={}, messages={messages})",
            flush.from, flush.through, flush.positions
        )
    }
}

fn messages<'py>(py: Python<'py>, messages: &[Message]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, messages.iter().map(|(id, bytes)| (id.as_str(), PyBytes::new(py, bytes))))
}
