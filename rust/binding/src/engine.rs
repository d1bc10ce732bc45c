//! The engine's calls as Python sees them: arguments in, one question behind the door, results out.

use std::collections::BTreeMap;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;
use tallystick_contract::account::{ALL, Account};
use tallystick_contract::balance::{Balance, PositionKey};
use tallystick_contract::config::Config;
use tallystick_contract::exception_state::ExceptionState;
use tallystick_contract::limits::SHARDS_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_engine as core;
use tallystick_engine::ChangedPosition;
use tallystick_engine::Filter;
use tallystick_engine::shards::Shards;

use crate::applied::Applied;
use crate::batch::{Batch, Flush};
use crate::columns::{Position, Positions};
use crate::door::{Door, State};
use crate::errors::{ConfigError, EngineFault, of_sequence, of_snapshot};
use crate::inbox::Inbox;
use crate::input::{Bytes, LogTimes, Messages};
use crate::table::{Table, of_columns};
use crate::threads::Threads;

/// The ledger of one log. Safe to share between threads.
///
/// `config` is TOML or JSON. `key` is the 16 bytes that all hashes are keyed with, random ones if it is not given.
/// `shards` is the number of parts that the state has.
///
///     >>> from tallystick import to_decimal
///     >>> engine = Engine()
///     >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}'
///     >>> sold = b'{"id":"2","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}'
///     >>> engine.apply([came, sold, sold], first_sequence=1, log_time_ns=0).counts
///     {'applied': 2, 'duplicate': 1}
///     >>> to_decimal(engine.position("LAMP", "DC1").atp)
///     Decimal('10.5')
///     >>> Engine.restore(engine.snapshot()).state_hash() == engine.state_hash()
///     True
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Engine {
    door: Arc<Door>,
}

impl Engine {
    fn around(engine: core::Engine) -> Self {
        Self { door: Arc::new(Door::before(engine)) }
    }

    fn enter<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut State) -> R + Send) -> PyResult<R> {
        self.door.enter(py, f)
    }

    fn ask<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&core::Engine) -> R + Send) -> PyResult<R> {
        self.door.ask(py, f)
    }

    /// Rows that look up what they leave out when they are asked for it.
    fn rows(&self, rows: Vec<ChangedPosition>) -> Positions {
        Positions::new(Arc::clone(&self.door), rows)
    }

    fn image(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        let image = self.ask(py, |engine| if engine.has_effects() { None } else { Some(engine.snapshot()) })?;
        image.ok_or_else(|| PyValueError::new_err("output is held that a snapshot would lose; flush() first"))
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (config = "", *, key = None, shards = 1))]
    fn new(config: &str, key: Option<&[u8]>, shards: usize) -> PyResult<Self> {
        let config = Config::parse(config).map_err(ConfigError::new_err)?;
        let shards = shards_of(shards)?;
        let mut secret = [0; 16];
        match key {
            Some(key) => secret = key.try_into().map_err(|_| PyValueError::new_err("key must be 16 bytes"))?,
            None => {
                getrandom::fill(&mut secret)
                    .map_err(|error| EngineFault::new_err(format!("no randomness: {error}")))?;
            }
        }
        Ok(Self::around(core::Engine::with_shards(config, secret, shards)))
    }

    /// The engine of a snapshot, which must have been made under the same configuration.
    #[staticmethod]
    #[pyo3(signature = (snapshot, config = "", *, shards = 1))]
    fn restore(py: Python<'_>, snapshot: Bytes, config: &str, shards: usize) -> PyResult<Self> {
        let config = Config::parse(config).map_err(ConfigError::new_err)?;
        let shards = shards_of(shards)?;
        let restored = py.detach(|| core::Engine::restore_with_shards(&snapshot, config, shards));
        Ok(Self::around(restored.map_err(of_snapshot)?))
    }

    #[getter]
    fn shards(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, core::Engine::shards)
    }

    #[getter]
    fn sequence(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, core::Engine::sequence)
    }

    #[getter]
    fn log_time_ns(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.ask(py, core::Engine::log_time_ns)
    }

    #[getter]
    fn config_fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| hex(engine.config().fingerprint()))
    }

    #[getter]
    fn notes(&self, py: Python<'_>) -> PyResult<BTreeMap<String, String>> {
        self.ask(py, |engine| engine.notes.clone())
    }

    fn set_note(&self, py: Python<'_>, name: String, value: String) -> PyResult<()> {
        self.enter(py, |state| {
            state.engine.notes.insert(name, value);
        })
    }

    /// Applies a list of messages of the bus, which needs `log_time_ns`, or the lines of an NDJSON buffer. Each has a
    /// sequence of its own. Raises `SequenceError` where the first does not follow the last one.
    #[pyo3(signature = (messages, first_sequence, log_time_ns = None, *, hold_output = false, keys = false))]
    fn apply(
        &self,
        py: Python<'_>,
        messages: Messages,
        first_sequence: u64,
        log_time_ns: Option<&Bound<'_, PyAny>>,
        hold_output: bool,
        keys: bool,
    ) -> PyResult<Batch> {
        let times = LogTimes::read(log_time_ns, &messages)?;
        let applied = self.enter(py, |state| {
            let engine = &mut state.engine;
            let mut batch = if keys { core::Batch::with_keys() } else { core::Batch::new() };
            match &messages {
                Messages::Lines(lines) => engine.apply_ndjson(lines, first_sequence, times.of_lines(), &mut batch)?,
                Messages::List(list) => {
                    let places = (first_sequence..).zip(list).enumerate();
                    let messages = places.map(|(place, (sequence, message))| (sequence, times.at(place), &**message));
                    engine.apply_messages(messages, &mut batch)?;
                }
            }
            Ok(output(engine, batch, hold_output))
        })?;
        let (batch, changed) = applied.map_err(of_sequence)?;
        Batch::new(py, batch, changed.map(|rows| self.rows(rows)))
    }

    #[pyo3(signature = (columns, first_sequence, log_time_ns = None, *, hold_output = false, keys = false))]
    fn apply_columns(
        &self,
        py: Python<'_>,
        columns: Table,
        first_sequence: u64,
        log_time_ns: Option<i64>,
        hold_output: bool,
        keys: bool,
    ) -> PyResult<Batch> {
        let applied: PyResult<_> = self.enter(py, |state| {
            let engine = &mut state.engine;
            let mut batch = if keys { core::Batch::with_keys() } else { core::Batch::new() };
            let rows = columns.rows().map_err(of_columns)?;
            engine.apply_columns(&rows, first_sequence, log_time_ns, &mut batch).map_err(of_sequence)?;
            Ok(output(engine, batch, hold_output))
        })?;
        let (batch, changed) = applied?;
        Batch::new(py, batch, changed.map(|rows| self.rows(rows)))
    }

    #[pyo3(signature = (*, hold_output = false))]
    fn release_held(&self, py: Python<'_>, hold_output: bool) -> PyResult<Batch> {
        let (batch, changed) = self.enter(py, |state| {
            let mut batch = core::Batch::new();
            state.engine.release_held(&mut batch);
            output(&mut state.engine, batch, hold_output)
        })?;
        Batch::new(py, batch, changed.map(|rows| self.rows(rows)))
    }

    #[pyo3(signature = (inbox, last_sequence = None, *, events_max = 65_536))]
    fn apply_inbox(
        &self,
        py: Python<'_>,
        inbox: &Inbox,
        last_sequence: Option<u64>,
        events_max: usize,
    ) -> PyResult<Applied> {
        let last_sequence = last_sequence.unwrap_or(u64::MAX);
        let applied = self.enter(py, |state| {
            let State { engine, batch, .. } = state;
            let mut applied = Applied::default();
            while applied.events < events_max
                && let Some(messages) = inbox.take_through(last_sequence)
            {
                batch.clear();
                engine.apply_messages(messages.iter(), batch)?;
                engine.hold_exceptions(batch);
                applied.add(&mut *batch, messages);
            }
            applied.positions = engine.len();
            Ok(applied)
        })?;
        applied.map_err(of_sequence)
    }

    /// Takes everything that changed since the last flush, encoded for the bus.
    #[pyo3(signature = (stream, *, positions_per_message = 500, bytes_per_message = 524_288))]
    fn flush(
        &self,
        py: Python<'_>,
        stream: &str,
        positions_per_message: usize,
        bytes_per_message: usize,
    ) -> PyResult<Flush> {
        self.enter(py, |state| state.engine.flush(stream, positions_per_message, bytes_per_message)).map(Flush)
    }

    /// One position by its names; None if nothing was ever said of it.
    #[pyo3(signature = (sku, location, lot = None, owner = None))]
    fn position(
        &self,
        py: Python<'_>,
        sku: String,
        location: String,
        lot: Option<String>,
        owner: Option<String>,
    ) -> PyResult<Option<Position>> {
        let key = PositionKey { sku, location, lot: lot.unwrap_or_default(), owner: owner.unwrap_or_default() };
        Ok(self.ask(py, |engine| engine.find(&key))?.map(Position))
    }

    fn positions(&self, py: Python<'_>, keys: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Option<Position>>> {
        let keys = keys.iter().map(position_key).collect::<PyResult<Vec<_>>>()?;
        let found: Vec<_> = self.ask(py, |engine| keys.iter().map(|key| engine.find(key)).collect())?;
        Ok(found.into_iter().map(|balance: Option<Balance>| balance.map(Position)).collect())
    }

    fn positions_of(&self, py: Python<'_>, sku: &str) -> PyResult<Vec<Position>> {
        Ok(self.ask(py, |engine| engine.balances_of(sku))?.into_iter().map(Position).collect())
    }

    #[pyo3(signature = (start = 0, stop = None))]
    fn columns(&self, py: Python<'_>, start: usize, stop: Option<usize>) -> PyResult<Positions> {
        let rows = self.enter(py, |state| {
            let State { engine, by_birth, .. } = state;
            if by_birth.len() != engine.len() {
                *by_birth = engine.spots();
            }
            let stop = stop.unwrap_or(by_birth.len());
            by_birth.iter().take(stop).skip(start).map(|spot| engine.standing(*spot)).collect()
        })?;
        Ok(self.rows(rows))
    }

    #[pyo3(signature = (start = 0, count = 65_536))]
    fn balance_lines<'py>(&self, py: Python<'py>, start: usize, count: usize) -> PyResult<Bound<'py, PyBytes>> {
        let lines = self.enter(py, |state| {
            let engine = &state.engine;
            if state.sorted_at != engine.sequence() || state.sorted.len() != engine.len() {
                state.sorted = engine.sorted_spots();
                state.sorted_at = engine.sequence();
            }
            let mut out = Vec::new();
            for spot in state.sorted.iter().skip(start).take(count) {
                engine.view(*spot).write_json(&mut out);
                out.push(b'\n');
            }
            out
        })?;
        Ok(PyBytes::new(py, &lines))
    }

    #[pyo3(signature = (*, state = None, code = None, source = None, owner = None, correlation = None, sku = None, location = None, document = None, severity = None, since_ns = None, after = 0, limit = 100))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the question")]
    fn exceptions(
        &self,
        py: Python<'_>,
        state: Option<&str>,
        code: Option<&str>,
        source: Option<&str>,
        owner: Option<&str>,
        correlation: Option<&str>,
        sku: Option<&str>,
        location: Option<&str>,
        document: Option<&str>,
        severity: Option<&str>,
        since_ns: Option<i64>,
        after: u64,
        limit: usize,
    ) -> PyResult<String> {
        let is_unresolved = state == Some("unresolved");
        let state = match state.filter(|_| !is_unresolved) {
            None => None,
            Some(name) => Some(ExceptionState::from_name(name).ok_or_else(|| {
                PyValueError::new_err(format!(
                    "state {name:?} is none; give open, acknowledged, resolved, discarded or unresolved"
                ))
            })?),
        };
        let of = Filter { code, source, owner, correlation, sku, location, document, severity, ..Filter::default() };
        let filter = Filter { is_unresolved, state, since_ns, after, limit, ..of };
        self.ask(py, |engine| text(engine.exceptions_json(&filter)))
    }

    fn exception(&self, py: Python<'_>, number: u64) -> PyResult<Option<String>> {
        self.ask(py, |engine| engine.exception_json(number).map(text))
    }

    fn exception_stats(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| text(engine.exception_stats_json()))
    }

    fn open_exceptions(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, |engine| engine.open_exceptions().into_iter().collect())
    }

    fn promise<'py>(&self, py: Python<'py>, question: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.ask(py, |engine| engine.promise(&String::from_utf8_lossy(&question)))?;
        Ok(PyBytes::new(py, answer.as_bytes()))
    }

    fn reservations<'py>(&self, py: Python<'py>, filter: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.ask(py, |engine| engine.reservations(&String::from_utf8_lossy(&filter)))?;
        Ok(PyBytes::new(py, answer.as_bytes()))
    }

    /// Order lines with what each voice says of them and what they claim, JSON for JSON.
    fn claims<'py>(&self, py: Python<'py>, filter: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.ask(py, |engine| engine.claims(&String::from_utf8_lossy(&filter)))?;
        Ok(PyBytes::new(py, answer.as_bytes()))
    }

    #[getter]
    fn next_due_ns(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.ask(py, tallystick_engine::Engine::next_due_ns)
    }

    fn sources(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| text(engine.sources_json()))
    }

    /// Replenishment signals that stand, as a JSON array.
    #[pyo3(signature = (sku = None, location = None, limit = None))]
    fn replenishment(
        &self,
        py: Python<'_>,
        sku: Option<&str>,
        location: Option<&str>,
        limit: Option<usize>,
    ) -> PyResult<String> {
        self.ask(py, |engine| engine.replenishment(sku, location, limit).1)
    }

    /// How many of them there are.
    #[pyo3(signature = (sku = None, location = None))]
    fn replenishment_total(&self, py: Python<'_>, sku: Option<&str>, location: Option<&str>) -> PyResult<usize> {
        self.ask(py, |engine| engine.replenishment(sku, location, Some(0)).0)
    }

    fn shadow_report(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| text(engine.shadow_json()))
    }

    #[pyo3(signature = (sku, location, lot = None, owner = None))]
    fn trail(
        &self,
        py: Python<'_>,
        sku: &str,
        location: &str,
        lot: Option<&str>,
        owner: Option<&str>,
    ) -> PyResult<Option<String>> {
        let names = [sku, location, lot.unwrap_or_default(), owner.unwrap_or_default()];
        self.ask(py, |engine| engine.trail_json(names).map(text))
    }

    fn what_if(&self, py: Python<'_>, messages: Vec<PyBackedBytes>) -> PyResult<String> {
        let messages: Vec<&[u8]> = messages.iter().map(|message| &**message).collect();
        self.ask(py, |engine| text(engine.what_if_json(&messages)))
    }

    fn answers(&self, py: Python<'_>, keys: Vec<(String, String)>) -> PyResult<Vec<Option<&'static str>>> {
        self.enter(py, |state| state.engine.answers(&keys))
    }

    fn state_hash(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| engine.state_hash().to_string())
    }

    fn outcome_totals(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, u64>> {
        self.ask(py, |engine| engine.totals().map(|(outcome, count): (Outcome, u64)| (outcome.name(), count)).collect())
    }

    fn trial_balance(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, i128>> {
        self.ask(py, |engine| {
            let mut sums: BTreeMap<_, _> = ALL.iter().map(|account| (account.name(), 0_i128)).collect();
            for accounts in engine.accounts() {
                for account in ALL {
                    let amount = |account: Account| account.slot().map(|slot| i128::from(accounts[slot]));
                    let claims =
                        || -> i128 { [Account::Reserved, Account::Allocated].into_iter().filter_map(amount).sum() };
                    *sums.entry(account.name()).or_default() += amount(account).unwrap_or_else(|| -claims());
                }
            }
            sums
        })
    }

    fn memory(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, usize>> {
        self.ask(py, |engine| {
            let parts = engine.memory_bytes();
            let total = parts.iter().map(|(_, bytes)| bytes).sum();
            let counts = [("total", total), ("keys_count", engine.keys()), ("positions_count", engine.len())];
            parts.into_iter().chain(counts).collect()
        })
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.image(py)?))
    }

    fn snapshot_array<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u8>>> {
        Ok(self.image(py)?.into_pyarray(py))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, core::Engine::len)
    }
}

/// As many parts as were asked for, and as many threads as there are parts and cores for them.
fn shards_of(count: usize) -> PyResult<Shards> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Shards::new(count, Threads(count.min(cores)))
        .ok_or_else(|| PyValueError::new_err(format!("shards must be from 1 to {SHARDS_MAX}, not {count}")))
}

/// The batch and the positions that it changed, or the batch alone when both stay in the engine until the next flush.
fn output(
    engine: &mut core::Engine,
    mut batch: core::Batch,
    hold: bool,
) -> (core::Batch, Option<Vec<ChangedPosition>>) {
    if hold {
        engine.hold_exceptions(&mut batch);
        return (batch, None);
    }
    let changed = engine.take_changed();
    (batch, Some(changed))
}

/// A position's key from `(sku, location)` or `(sku, location, lot, owner)`.
fn position_key(key: &Bound<'_, PyAny>) -> PyResult<PositionKey> {
    type Names = (PyBackedStr, PyBackedStr, Option<PyBackedStr>, Option<PyBackedStr>);
    let (sku, location, lot, owner): Names = match key.extract::<(PyBackedStr, PyBackedStr)>() {
        Ok((sku, location)) => (sku, location, None, None),
        Err(_) => key.extract()?,
    };
    let text = |name: Option<PyBackedStr>| name.map(|name| name.to_string()).unwrap_or_default();
    Ok(PositionKey { sku: sku.to_string(), location: location.to_string(), lot: text(lot), owner: text(owner) })
}

/// JSON that the engine wrote.
fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON is text")
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    })
}
