//! The slow, obvious twin, for proofs from Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tallystick_contract::config::Config;
use tallystick_reference as core;

use crate::errors::ConfigError;
use crate::input::{LogTimes, Messages};

/// The slow, obvious twin of the engine, for proofs: same contract, no speed.
///
///     >>> from tallystick import Engine
///     >>> engine, twin = Engine(), Reference()
///     >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}'
///     >>> batch = engine.apply([came, came], first_sequence=1, log_time_ns=0)
///     >>> twin.apply([came, came], first_sequence=1, log_time_ns=0)
///     ['applied', 'duplicate']
///     >>> twin.state_hash() == engine.state_hash()
///     True
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Reference {
    state: Mutex<core::Reference>,
}

impl Reference {
    fn state(&self) -> MutexGuard<'_, core::Reference> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Reference {
    #[new]
    #[pyo3(signature = (config = ""))]
    fn new(config: &str) -> PyResult<Self> {
        let config = Config::parse(config).map_err(ConfigError::new_err)?;
        Ok(Self { state: Mutex::new(core::Reference::new(config)) })
    }

    /// Applies messages as the engine does, and gives the names of their outcomes.
    #[pyo3(signature = (messages, first_sequence, log_time_ns = None))]
    fn apply(
        &self,
        py: Python<'_>,
        messages: Messages,
        first_sequence: u64,
        log_time_ns: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<&'static str>> {
        let times = LogTimes::read(log_time_ns, &messages)?;
        Ok(py.detach(|| {
            let mut state = self.state();
            let answers = match &messages {
                Messages::Lines(lines) => state.apply_ndjson(lines, first_sequence, times.of_lines()),
                Messages::List(list) => {
                    let places = (first_sequence..).zip(list).enumerate();
                    places
                        .flat_map(|(place, (sequence, message))| {
                            state.apply_message(message, sequence, times.at(place))
                        })
                        .collect()
                }
            };
            answers.iter().map(|answer| answer.outcome.name()).collect()
        }))
    }

    /// Releases what is held, as at the end of a replay.
    fn release_held(&self, py: Python<'_>, sequence: u64) {
        py.detach(|| self.state().release_held(sequence));
    }

    /// The balances file.
    fn balances<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let lines = py.detach(|| {
            let mut out = Vec::new();
            for balance in self.state().balances() {
                balance.write_json(&mut out);
                out.push(b'\n');
            }
            out
        });
        PyBytes::new(py, &lines)
    }

    /// Code and subject of all exceptions that are open or acknowledged.
    fn open_exceptions(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.state().open_exceptions().into_iter().collect())
    }

    /// Replenishment signals that stand, as a JSON array.
    fn replenishment(&self, py: Python<'_>) -> String {
        py.detach(|| self.state().replenishment().to_string())
    }

    fn state_hash(&self, py: Python<'_>) -> String {
        py.detach(|| self.state().state_hash().to_string())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.state().balances().len())
    }
}
