//! `tallystick._engine`: the engine as a Python extension. The only crate that knows PyO3 and NumPy; it converts and
//! releases the GIL, nothing else.
//!
//! Bottom to top: errors, fork, input, log times; tables, delays, inbox; door; position, record; Arrow out, columns;
//! batch, flush; applied; checker; engine; what it is told (apply) and asked (look, questions); its twin.
#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod applied;
mod apply;
mod arrow_ffi;
mod arrow_out;
mod arrow_table;
mod batch;
mod checker;
mod columns;
mod delays;
mod door;
mod engine;
mod errors;
mod flush;
mod fork;
mod inbox;
mod input;
mod log_time;
mod look;
mod numpy_array;
mod numpy_table;
mod position;
mod questions;
mod record;
mod reference;
mod subjects;
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
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::checker::{Checked, Checker};
    #[pymodule_export]
    use crate::columns::Positions;
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::errors::{ConfigError, EngineFault, ForkError, SequenceError, SnapshotError, TallystickError};
    #[pymodule_export]
    use crate::flush::Flush;
    #[pymodule_export]
    use crate::inbox::{Inbox, InboxBatch};
    use crate::input::Bytes;
    #[pymodule_export]
    use crate::position::Position;
    #[pymodule_export]
    use crate::record::ExceptionRecord;
    #[pymodule_export]
    use crate::reference::Reference;

    /// Checks a configuration, TOML or JSON, and returns its fingerprint: 64 hexadecimal digits.
    ///
    /// Raises `ConfigError`, which names the key and the cure.
    ///
    ///     >>> check_config("") == check_config("[engine]")
    ///     True
    #[pyfunction]
    fn check_config(config: &str) -> PyResult<String> {
        let config = Config::parse(config).map_err(ConfigError::new_err)?;
        Ok(crate::engine::hex(config.fingerprint()))
    }

    /// Returns every table and key of the configuration that changes results, as a JSON array.
    ///
    ///     >>> import json
    ///     >>> {"engine", "promise"} <= {table["name"] for table in json.loads(config_schema())}
    ///     True
    #[pyfunction]
    fn config_schema() -> String {
        Config::schema()
    }

    /// Returns the built-in rule table, as TOML.
    ///
    ///     >>> "stock.received" in default_rules()
    ///     True
    #[pyfunction]
    fn default_rules() -> &'static str {
        rules::DEFAULT_RULES
    }

    /// What a producer may say: types of the rule table in force, directives with their members, limits.
    ///
    ///     >>> from tallystick._engine import event_types
    ///     >>> "stock.sold" in event_types()["types"]
    ///     True
    #[pyfunction]
    #[pyo3(signature = (config = ""))]
    fn event_types<'py>(py: Python<'py>, config: &str) -> PyResult<Bound<'py, PyDict>> {
        crate::checker::event_types(py, config)
    }

    /// Returns what can be promised by bucket, None where supply is unlimited. All quantities are thousandths of a
    /// unit; `tallystick.atp_figures` says the same in units.
    ///
    /// Raises `ValueError` for lengths that differ, a mode that is none, and what is beyond the limits.
    ///
    ///     >>> atp_figures_thousandths(10_000, [0, 5_000], [0, 12_500], [0, 0], "look_ahead", None, None, True)
    ///     [2500, 2500]
    #[pyfunction]
    #[expect(clippy::too_many_arguments, reason = "they are the kernel's")]
    fn atp_figures_thousandths(
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

    /// Verifies a snapshot whole, without loading it, and returns what its head says: `sequence`, `log_time_ns`,
    /// `config_fingerprint` and `notes`.
    ///
    /// Raises `SnapshotError` for bytes that are none, or damaged.
    ///
    ///     >>> verify_snapshot(Engine().snapshot())["sequence"]
    ///     0
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
