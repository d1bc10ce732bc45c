//! The slow, obvious twin, for proofs from Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;
use tallystick_contract::config::Config;
use tallystick_reference as core;

use crate::errors::ConfigError;
use crate::input::Messages;
use crate::log_time::{LogTimes, When};
use crate::questions::parsed;
use crate::subjects::Subjects;

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

    /// Applies messages as the engine does, and returns the names of their outcomes. It has no clock: give it the
    /// times that the engine had, or `event_times=True`. Raises `ValueError` for neither. `subjects` are as for the
    /// engine; what has none is trusted.
    ///
    ///     >>> Reference().apply([b"{}"], 1, 0)
    ///     ['malformed']
    #[pyo3(signature = (messages, first_sequence, log_time_ns = None, *, event_times = false, subjects = None))]
    fn apply(
        &self,
        py: Python<'_>,
        messages: Messages,
        first_sequence: u64,
        log_time_ns: Option<&Bound<'_, PyAny>>,
        event_times: bool,
        subjects: Option<Vec<PyBackedStr>>,
    ) -> PyResult<Vec<&'static str>> {
        let times = LogTimes::read(When { ns: log_time_ns, moment: None, of_events: event_times })?;
        if matches!(times, LogTimes::Now) {
            return Err(PyValueError::new_err("the twin has no clock: give log_time_ns, or event_times=True"));
        }
        times.check(&messages)?;
        let subjects = Subjects::of(subjects, &messages)?;
        Ok(py.detach(|| {
            let mut state = self.state();
            let answers = match &messages {
                Messages::Lines(lines) => state.apply_ndjson(lines, first_sequence, times.of_lines()),
                Messages::List(list) => {
                    let places = (first_sequence..).zip(list).enumerate();
                    places
                        .flat_map(|(place, (sequence, message))| {
                            state.apply_message_on(subjects.at(place), message, sequence, times.at(place))
                        })
                        .collect()
                }
            };
            answers.iter().map(|answer| answer.outcome.name()).collect()
        }))
    }

    /// Releases what is held, as at the end of a replay: as of a log sequence.
    ///
    ///     >>> Reference().release_held(1)
    fn release_held(&self, py: Python<'_>, sequence: u64) {
        py.detach(|| self.state().release_held(sequence));
    }

    /// Returns the balances file (`docs/events.md` §10): NDJSON in units.
    ///
    ///     >>> Reference().balances()
    ///     b''
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

    /// Returns code and subject of all exceptions that are open or acknowledged, as `Engine.open_exceptions`.
    ///
    ///     >>> Reference().open_exceptions()
    ///     []
    fn open_exceptions(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.state().open_exceptions().into_iter().collect())
    }

    /// Returns replenishment signals that stand, as `Engine.replenishment`.
    ///
    ///     >>> Reference().replenishment()
    ///     []
    fn replenishment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let signals = py.detach(|| self.state().replenishment().to_string());
        parsed(py, signals.as_bytes())
    }

    /// Returns a hash over all balances, as `Engine.state_hash`: equal for equal ledgers.
    ///
    ///     >>> from tallystick import Engine
    ///     >>> Reference().state_hash() == Engine().state_hash()
    ///     True
    fn state_hash(&self, py: Python<'_>) -> String {
        py.detach(|| self.state().state_hash().to_string())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.state().balances().len())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Reference(positions={})", self.__len__(py))
    }
}
