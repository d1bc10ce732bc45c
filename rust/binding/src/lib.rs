//! `tallystick._engine`: the engine as a Python extension. The only crate that knows PyO3 and NumPy; it converts and
//! releases the GIL, nothing else.
//!
//! Bottom to top: errors, fork, input; tables, inbox; door; record, columns; batch; applied; engine, and its twin.
#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod applied;
mod arrow_ffi;
mod arrow_table;
mod batch;
mod columns;
mod door;
mod engine;
mod errors;
mod fork;
mod inbox;
mod input;
mod numpy_array;
mod numpy_table;
mod record;
mod reference;
mod table;
mod threads;

use pyo3::prelude::*;

/// The compiled engine of Tallystick.
#[pymodule]
mod _engine {
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;
    use pyo3::types::PyDict;
    use tallystick_contract::{config::Config, limits, outcome, rules};
    use tallystick_engine::atp::{self, Mode, Problem};
    use tallystick_engine::snapshot;

    #[pymodule_export]
    use crate::applied::Applied;
    #[pymodule_export]
    use crate::batch::{Batch, Flush};
    #[pymodule_export]
    use crate::columns::{Position, Positions};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::errors::{ConfigError, EngineFault, ForkError, SequenceError, SnapshotError, TallystickError};
    #[pymodule_export]
    use crate::inbox::{Inbox, InboxBatch};
    use crate::input::Bytes;
    #[pymodule_export]
    use crate::record::ExceptionRecord;
    #[pymodule_export]
    use crate::reference::Reference;

    /// Checks the tables that change results and gives their fingerprint.
    #[pyfunction]
    fn check_config(config: &str) -> PyResult<String> {
        let config = Config::parse(config).map_err(ConfigError::new_err)?;
        Ok(crate::engine::hex(config.fingerprint()))
    }

    /// Every table and key of the configuration that changes results, as a JSON array.
    #[pyfunction]
    fn config_schema() -> String {
        Config::schema()
    }

    /// The built-in rule table, as TOML.
    #[pyfunction]
    fn default_rules() -> &'static str {
        rules::DEFAULT_RULES
    }

    /// What can be promised by bucket, in thousandths; nothing where supply is unlimited.
    #[pyfunction]
    #[expect(clippy::too_many_arguments, reason = "they are the kernel's")]
    fn atp_figures(
        on_hand: i64,
        supply: Vec<i64>,
        demand: Vec<i64>,
        safety: Vec<i64>,
        mode: &str,
        window: Option<usize>,
        fence: Option<usize>,
        carry_shortage: bool,
    ) -> PyResult<Vec<Option<i64>>> {
        let mode = Mode::from_name(mode).ok_or_else(|| PyValueError::new_err(format!("there is no mode {mode:?}")))?;
        if supply.len() != demand.len() || supply.len() != safety.len() {
            return Err(PyValueError::new_err("supply, demand and safety stock have one amount for each bucket"));
        }
        if supply.len() > limits::HORIZON_MAX as usize {
            return Err(PyValueError::new_err("a horizon has at most 400 buckets"));
        }
        let amounts = supply.iter().chain(&demand).chain(&safety).chain([&on_hand]);
        if amounts.into_iter().any(|amount| amount.unsigned_abs() > limits::ACCOUNT_MAX.unsigned_abs() / 1_000) {
            return Err(PyValueError::new_err("an amount is beyond 10^12 units"));
        }
        let (supply, demand, safety) = (&*supply, &*demand, &*safety);
        let problem = Problem { on_hand, supply, demand, safety, window, fence, carry_shortage };
        let figures = atp::figures(&problem, mode);
        Ok(figures.into_iter().map(|figure| (figure != atp::UNLIMITED).then_some(figure)).collect())
    }

    /// Verifies a snapshot whole, without loading it.
    #[pyfunction]
    fn verify_snapshot(py: Python<'_>, snapshot: Bytes) -> PyResult<Bound<'_, PyDict>> {
        let head = py.detach(|| snapshot::verify(&snapshot)).map_err(crate::errors::of_snapshot)?;
        let fields = PyDict::new(py);
        fields.set_item("sequence", head.sequence)?;
        fields.set_item("log_time_ns", head.log_time_ns)?;
        fields.set_item("config_fingerprint", crate::engine::hex(&head.fingerprint))?;
        fields.set_item("notes", head.notes)?;
        Ok(fields)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("SCALE", limits::SCALE)?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
        module.add("SNAPSHOT_FORMAT", snapshot::FORMAT)?;
        module.add("BUILD_PROFILE", if cfg!(debug_assertions) { "debug" } else { "release" })?;
        let outcomes = PyDict::new(module.py());
        for outcome in outcome::ALL {
            outcomes.set_item(outcome.name(), outcome.number())?;
        }
        module.add("OUTCOMES", outcomes)?;
        crate::fork::watch(module)
    }
}
