//! The engine as Python sees it: how it comes into being, what it is, and how it is kept. What it is told is
//! `apply`'s, what it is asked is `look` and `questions`.

use std::collections::BTreeMap;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tallystick_contract::account::{ALL, Account};
use tallystick_contract::config::Config;
use tallystick_contract::limits::SHARDS_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_engine as core;
use tallystick_engine::ChangedPosition;
use tallystick_engine::shards::Shards;

use crate::columns::Positions;
use crate::door::{Door, State};
use crate::errors::{ConfigError, EngineFault, of_snapshot};
use crate::input::Bytes;
use crate::threads::Threads;

/// The ledger of one log. Safe to share between threads: each call has it to itself, without the GIL.
///
/// `config` is TOML or JSON (`docs/daemon.md`). `key` is the 16 bytes that all hashes are keyed with, random ones
/// if it is not given. `shards` is the number of parts that the state has, for more cores. Raises `ConfigError` for a
/// configuration that is not valid, `ValueError` for a key of another length. After `os.fork()` each call in the child
/// raises `ForkError`; after a fault of the engine itself each raises `EngineFault`.
///
///     >>> from decimal import Decimal
///     >>> engine = Engine()
///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
///     >>> came |= {"location": "DC1", "quantity": Decimal("12.5")}
///     >>> sold = b'{"id":"2","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}'
///     >>> engine.apply([came, sold, sold]).counts
///     {'applied': 2, 'duplicate': 1}
///     >>> engine.position("LAMP", "DC1").atp
///     Decimal('10.5')
///     >>> engine
///     Engine(positions=1, sequence=3)
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

    pub(crate) fn enter<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut State) -> R + Send) -> PyResult<R> {
        self.door.enter(py, f)
    }

    pub(crate) fn ask<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&core::Engine) -> R + Send) -> PyResult<R> {
        self.door.ask(py, f)
    }

    /// Rows that look up what they leave out when they are asked for it.
    pub(crate) fn rows(&self, rows: Vec<ChangedPosition>) -> Positions {
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

    /// Returns the engine of a snapshot (`bytes`, or any buffer), which must have been made under the same
    /// configuration.
    ///
    /// Raises `SnapshotError` for bytes that are none or damaged, `ConfigError` for another configuration.
    ///
    ///     >>> engine = Engine.restore(Engine().snapshot())
    ///     >>> len(engine), engine.sequence
    ///     (0, 0)
    #[staticmethod]
    #[pyo3(signature = (snapshot, config = "", *, shards = 1))]
    fn restore(py: Python<'_>, snapshot: Bytes, config: &str, shards: usize) -> PyResult<Self> {
        let config = Config::parse(config).map_err(ConfigError::new_err)?;
        let shards = shards_of(shards)?;
        let restored = py.detach(|| core::Engine::restore_with_shards(&snapshot, config, shards));
        Ok(Self::around(restored.map_err(of_snapshot)?))
    }

    /// In how many parts the state is divided: `int`.
    #[getter]
    fn shards(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, core::Engine::shards)
    }

    /// The last log sequence that was applied: `int`, 0 before the first. `apply` goes on after it by itself.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, core::Engine::sequence)
    }

    /// The log's time, in nanoseconds since 1970: `int`, or None before the first message. It never goes back.
    #[getter]
    fn log_time_ns(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.ask(py, core::Engine::log_time_ns)
    }

    /// The log time at which something happens of itself, in nanoseconds since 1970: `int`, or None if nothing will.
    ///
    /// Once it has come, apply something, or a tick (`{"id": …, "source": …, "type": "tick"}`).
    #[getter]
    fn next_due_ns(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.ask(py, core::Engine::next_due_ns)
    }

    /// What the results depend on, as 64 hexadecimal digits: equal for configurations that mean the same.
    #[getter]
    fn config_fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| hex(engine.config().fingerprint()))
    }

    /// Texts by name that go into snapshots and change nothing: a copy, `dict` of `str`.
    #[getter]
    fn notes(&self, py: Python<'_>) -> PyResult<BTreeMap<String, String>> {
        self.ask(py, |engine| engine.notes.clone())
    }

    /// Keeps a text under a name, in place of the one that was there.
    ///
    ///     >>> engine = Engine()
    ///     >>> engine.set_note("place", "DC1")
    ///     >>> Engine.restore(engine.snapshot()).notes
    ///     {'place': 'DC1'}
    fn set_note(&self, py: Python<'_>, name: String, value: String) -> PyResult<()> {
        self.enter(py, |state| {
            state.engine.notes.insert(name, value);
        })
    }

    /// Returns a hash over all balances, as text: equal for equal ledgers, whatever their shards, batches and keys.
    ///
    ///     >>> Engine().state_hash() == Engine(shards=2).state_hash()
    ///     True
    fn state_hash(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| engine.state_hash().to_string())
    }

    /// Returns how many elements got each outcome since the beginning of the log, by its name; none that nobody got.
    ///
    ///     >>> engine = Engine()
    ///     >>> batch = engine.apply([{"id": "1", "source": "wms"}])
    ///     >>> engine.outcome_totals()
    ///     {'malformed': 1}
    fn outcome_totals(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, u64>> {
        self.ask(py, |engine| engine.totals().map(|(outcome, count): (Outcome, u64)| (outcome.name(), count)).collect())
    }

    /// Returns the sum of each account over all positions, in thousandths of a unit, by its name. All of them together
    /// are zero: what is in one account was taken from another.
    ///
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> batch = engine.apply([came])
    ///     >>> sums = engine.trial_balance_thousandths()
    ///     >>> sums["on_hand"], sums["supplier"], sum(sums.values())
    ///     (5000, -5000, 0)
    fn trial_balance_thousandths(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, i128>> {
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

    /// Returns what the engine holds in memory, in bytes by part, with their `total`; and `keys_count`,
    /// `positions_count`.
    ///
    ///     >>> Engine().memory()["positions_count"]
    ///     0
    fn memory(&self, py: Python<'_>) -> PyResult<BTreeMap<&'static str, usize>> {
        self.ask(py, |engine| {
            let parts = engine.memory_bytes();
            let total = parts.iter().map(|(_, bytes)| bytes).sum();
            let counts = [("total", total), ("keys_count", engine.keys()), ("positions_count", engine.len())];
            parts.into_iter().chain(counts).collect()
        })
    }

    /// Returns everything in one value, for `restore`. Raises `ValueError` while output is held that it would lose.
    ///
    ///     >>> from tallystick import Engine
    ///     >>> type(Engine().snapshot())
    ///     <class 'bytes'>
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.image(py)?))
    }

    /// Returns what `snapshot` does, without a copy: uint8, shape (bytes,).
    ///
    ///     >>> Engine().snapshot_array().dtype
    ///     dtype('uint8')
    fn snapshot_array<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u8>>> {
        Ok(self.image(py)?.into_pyarray(py))
    }

    /// How many positions there are.
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, core::Engine::len)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |engine| format!("Engine(positions={}, sequence={})", engine.len(), engine.sequence()))
    }
}

/// As many parts as were asked for, and as many threads as there are parts and cores for them.
fn shards_of(count: usize) -> PyResult<Shards> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Shards::new(count, Threads(count.min(cores)))
        .ok_or_else(|| PyValueError::new_err(format!("shards must be from 1 to {SHARDS_MAX}, not {count}")))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    })
}
