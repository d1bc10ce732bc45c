//! Events judged before they are sent: what of a file would be refused, and which types there are.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tallystick_contract::account::Account;
use tallystick_contract::config::{Config, MODES};
use tallystick_contract::directive_kind::DirectiveKind;
use tallystick_contract::limits;
use tallystick_contract::rules::{QuantityRule, StatusRule};
use tallystick_engine as core;

use crate::errors::ConfigError;
use crate::input::Bytes;

/// Judges events by form and rules alone, in the words of the exceptions that they would become.
///
///     >>> sold = b'{"id":"1","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":0}'
///     >>> [refusal] = Checker().check(sold).refused
///     >>> refusal["outcome"], refusal["line"]
///     ('quantity_invalid', 0)
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Checker {
    /// Empty for ever: it is asked for its decoder and its configuration.
    engine: core::Engine,
}

/// What a look at lines found.
///
///     >>> checked = Checker().check(b"[1]")
///     >>> checked
///     Checked(events=1, refused=1)
///     >>> checked.events, checked.fit, [refusal["outcome"] for refusal in checked.refused]
///     (1, [], ['malformed'])
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Checked(core::LineChecks);

#[pymethods]
impl Checker {
    #[new]
    #[pyo3(signature = (config = ""))]
    fn new(config: &str) -> PyResult<Self> {
        let config = Config::parse(config).map_err(ConfigError::new_err)?;
        Ok(Self { engine: core::Engine::new(config, [0; 16]) })
    }

    /// Judges lines of NDJSON, `bytes` or whatever has a buffer of them.
    ///
    ///     >>> Checker().check(b"").events
    ///     0
    fn check(&self, py: Python<'_>, lines: Bytes) -> Checked {
        Checked(py.detach(|| self.engine.check_lines(&lines)))
    }
}

#[pymethods]
impl Checked {
    fn __repr__(&self) -> String {
        format!("Checked(events={}, refused={})", self.0.events, self.0.refused.len())
    }

    /// Lines that are not blank: `int`.
    #[getter]
    fn events(&self) -> u64 {
        self.0.events
    }

    /// How many are fit to be applied, as tuples of type, source and count.
    #[getter]
    fn fit(&self) -> Vec<(&str, &str, u64)> {
        let rows = self.0.fit.iter().flat_map(|(kind, sources)| sources.iter().map(move |row| (kind, row)));
        rows.map(|(kind, (source, count))| (&**kind, &**source, *count)).collect()
    }

    /// The others: `line` (from 0), `outcome`, `cause`, `cure`, `source`, `id` and `type`.
    #[getter]
    fn refused<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut records = Vec::new();
        for refusal in &self.0.refused {
            let record = PyDict::new(py);
            record.set_item("line", refusal.line)?;
            record.set_item("outcome", refusal.outcome.name())?;
            record.set_item("cause", &refusal.cause)?;
            record.set_item("cure", refusal.cure)?;
            record.set_item("source", refusal.source.as_deref())?;
            record.set_item("id", refusal.id.as_deref())?;
            record.set_item("type", refusal.kind.as_deref())?;
            records.push(record);
        }
        Ok(records)
    }
}

/// What a producer may say: the types of the rule table in force, the directives, and the limits of the contract.
pub(crate) fn event_types<'py>(py: Python<'py>, config: &str) -> PyResult<Bound<'py, PyDict>> {
    let config = Config::parse(config).map_err(ConfigError::new_err)?;
    let types = PyDict::new(py);
    for (name, rule) in config.rules.by_name() {
        let row = PyDict::new(py);
        row.set_item("name", &*rule.name)?;
        row.set_item("quantity", name_of(rule.quantity))?;
        row.set_item("from_status", statuses(py, rule.from_status.as_ref())?)?;
        row.set_item("to_status", statuses(py, rule.to_status.as_ref())?)?;
        row.set_item("needs_to_location", rule.needs_to_location)?;
        types.set_item(name, row)?;
    }
    let directives = PyDict::new(py);
    for name in DirectiveKind::names() {
        let kind = DirectiveKind::of(name).into_iter();
        directives.set_item(name, PyList::new(py, kind.flat_map(DirectiveKind::members))?)?;
    }
    let bounds = PyDict::new(py);
    for (name, value) in [
        ("id", limits::ID_BYTES_MAX),
        ("source", limits::SOURCE_BYTES_MAX),
        ("type", limits::TYPE_BYTES_MAX),
        ("correlation", limits::CORRELATION_BYTES_MAX),
        ("name", limits::NAME_BYTES_MAX),
        ("unit", limits::UNIT_BYTES_MAX),
        ("line", limits::LINE_BYTES_MAX),
        ("reply", limits::REPLY_BYTES_MAX),
        ("event", limits::EVENT_BYTES_MAX),
        ("lines", limits::RESERVATION_LINES_MAX),
        ("nesting", limits::NESTING_MAX),
    ] {
        bounds.set_item(name, value)?;
    }
    let known = PyDict::new(py);
    known.set_item("types", types)?;
    known.set_item("directives", directives)?;
    known.set_item("limits", bounds)?;
    known.set_item("quantity_max", limits::QUANTITY_MAX / limits::SCALE)?;
    known.set_item("fraction_digits", limits::FRACTION_DIGITS_MAX)?;
    known.set_item("modes", MODES.map(|(_, name)| name))?;
    Ok(known)
}

const fn name_of(rule: QuantityRule) -> &'static str {
    match rule {
        QuantityRule::Positive => "positive",
        QuantityRule::Signed => "signed",
        QuantityRule::Count => "count",
    }
}

fn statuses<'py>(py: Python<'py>, rule: Option<&StatusRule>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let Some(rule) = rule else { return Ok(None) };
    let row = PyDict::new(py);
    let allowed: Vec<_> = rule.allowed.iter().copied().map(Account::name).collect();
    row.set_item("allowed", allowed)?;
    row.set_item("default", rule.default.map(Account::name))?;
    Ok(Some(row))
}
