//! Positions as Python sees them: one by one, or as NumPy columns.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tallystick_contract::account::{ALL, Account, VISIBLE};
use tallystick_contract::balance::{Balance, BalanceView};
use tallystick_engine::ChangedPosition;

use crate::door::Door;

fn optional(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

/// One position. Quantities are integers in thousandths of a unit.
///
///     >>> from tallystick import Engine
///     >>> engine = Engine()
///     >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}'
///     >>> batch = engine.apply([came], first_sequence=1, log_time_ns=0)
///     >>> engine.position("LAMP", "DC1")
///     Position(sku="LAMP", location="DC1", atp=12500, on_hand=12500)
///     >>> engine.position("LAMP", "DC2") is None
///     True
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Position(pub(crate) Balance);

#[pymethods]
impl Position {
    #[getter]
    fn sku(&self) -> &str {
        &self.0.key.sku
    }

    #[getter]
    fn location(&self) -> &str {
        &self.0.key.location
    }

    #[getter]
    fn lot(&self) -> Option<&str> {
        optional(&self.0.key.lot)
    }

    #[getter]
    fn owner(&self) -> Option<&str> {
        optional(&self.0.key.owner)
    }

    #[getter]
    fn on_hand(&self) -> i64 {
        self.0.account(Account::OnHand)
    }

    #[getter]
    fn reserved(&self) -> i64 {
        self.0.account(Account::Reserved)
    }

    #[getter]
    fn allocated(&self) -> i64 {
        self.0.account(Account::Allocated)
    }

    #[getter]
    fn picked(&self) -> i64 {
        self.0.account(Account::Picked)
    }

    #[getter]
    fn in_transit(&self) -> i64 {
        self.0.account(Account::InTransit)
    }

    #[getter]
    fn quarantine(&self) -> i64 {
        self.0.account(Account::Quarantine)
    }

    #[getter]
    fn damaged(&self) -> i64 {
        self.0.account(Account::Damaged)
    }

    #[getter]
    fn safety_stock(&self) -> i64 {
        self.0.safety_stock
    }

    #[getter]
    fn ordered(&self) -> i64 {
        self.0.claimed.ordered
    }

    #[getter]
    fn unpicked(&self) -> i64 {
        self.0.claimed.unpicked
    }

    #[getter]
    fn pending(&self) -> i64 {
        self.0.pending
    }

    #[getter]
    fn on_hand_atp(&self) -> i64 {
        self.0.on_hand_atp()
    }

    #[getter]
    fn atp(&self) -> i64 {
        self.0.atp
    }

    #[getter]
    fn version(&self) -> u64 {
        self.0.version
    }

    /// All fields by name; lot and owner only where there are some.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item("sku", self.sku())?;
        fields.set_item("location", self.location())?;
        for (name, value) in [("lot", self.lot()), ("owner", self.owner())] {
            if let Some(value) = value {
                fields.set_item(name, value)?;
            }
        }
        for account in &ALL[..VISIBLE] {
            fields.set_item(account.name(), self.0.account(*account))?;
        }
        fields.set_item("ordered", self.0.claimed.ordered)?;
        fields.set_item("unpicked", self.0.claimed.unpicked)?;
        fields.set_item("safety_stock", self.0.safety_stock)?;
        fields.set_item("pending", self.0.pending)?;
        fields.set_item("on_hand_atp", self.0.on_hand_atp())?;
        fields.set_item("atp", self.0.atp)?;
        fields.set_item("version", self.0.version)?;
        Ok(fields)
    }

    fn __repr__(&self) -> String {
        let key = &self.0.key;
        format!(
            "Position(sku={:?}, location={:?}, atp={}, on_hand={})",
            key.sku,
            key.location,
            self.atp(),
            self.on_hand()
        )
    }
}

/// Positions as columns of one length, as they were when they were asked for. Quantities are int64 in thousandths of a
/// unit, versions uint64. Names are looked up when they are: most callers of an application never ask.
///
///     >>> from tallystick import Engine
///     >>> engine = Engine()
///     >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}'
///     >>> sold = b'{"id":"2","source":"shop","type":"stock.sold","sku":"DESK","location":"DC1","quantity":2}'
///     >>> batch = engine.apply([came, sold], first_sequence=1, log_time_ns=0)
///     >>> positions = engine.columns()
///     >>> positions.sku, positions.atp.tolist(), positions.lot
///     (['LAMP', 'DESK'], [12500, -2000], [None, None])
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Positions {
    door: Arc<Door>,
    rows: Vec<ChangedPosition>,
}

impl Positions {
    pub(crate) const fn new(door: Arc<Door>, rows: Vec<ChangedPosition>) -> Self {
        Self { door, rows }
    }

    fn quantities<'py>(&self, py: Python<'py>, of: impl Fn(&ChangedPosition) -> i64) -> Bound<'py, PyArray1<i64>> {
        self.rows.iter().map(of).collect::<Vec<_>>().into_pyarray(py)
    }

    fn account<'py>(&self, py: Python<'py>, account: Account) -> Bound<'py, PyArray1<i64>> {
        let slot = account.slot().expect("the columns are stored accounts");
        self.quantities(py, |row| row.accounts[slot])
    }

    /// One value for each row, which needs the engine.
    fn ask<R: Send>(&self, py: Python<'_>, of: impl Fn(BalanceView<'_>) -> R + Send + Sync) -> PyResult<Vec<R>> {
        self.door.ask(py, |engine| self.rows.iter().map(|row| of(engine.view(row.spot))).collect())
    }

    fn names<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.ask(py, |view| view.names[place].to_owned())?)
    }

    fn optional_names<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.ask(py, |view| optional(view.names[place]).map(ToOwned::to_owned))?)
    }
}

#[pymethods]
impl Positions {
    #[getter]
    fn sku<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.names(py, 0)
    }

    #[getter]
    fn location<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.names(py, 1)
    }

    #[getter]
    fn lot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.optional_names(py, 2)
    }

    #[getter]
    fn owner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.optional_names(py, 3)
    }

    #[getter]
    fn on_hand<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.account(py, Account::OnHand)
    }

    #[getter]
    fn reserved<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.account(py, Account::Reserved)
    }

    #[getter]
    fn allocated<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.account(py, Account::Allocated)
    }

    #[getter]
    fn picked<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.account(py, Account::Picked)
    }

    #[getter]
    fn in_transit<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.account(py, Account::InTransit)
    }

    #[getter]
    fn quarantine<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.account(py, Account::Quarantine)
    }

    #[getter]
    fn damaged<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.account(py, Account::Damaged)
    }

    #[getter]
    fn safety_stock<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(self.ask(py, |view| view.safety_stock)?.into_pyarray(py))
    }

    #[getter]
    fn ordered<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.quantities(py, |row| row.claimed.ordered)
    }

    #[getter]
    fn unpicked<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.quantities(py, |row| row.claimed.unpicked)
    }

    #[getter]
    fn on_hand_atp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let withheld = self.ask(py, |view| view.safety_stock + view.pending)?;
        let atp = |(row, withheld): (&ChangedPosition, i64)| row.unclaimed() - withheld;
        Ok(self.rows.iter().zip(withheld).map(atp).collect::<Vec<_>>().into_pyarray(py))
    }

    #[getter]
    fn atp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let withheld = self.ask(py, |view| view.safety_stock + view.pending)?;
        let atp = |(row, withheld): (&ChangedPosition, i64)| row.unclaimed() - withheld + row.ahead;
        Ok(self.rows.iter().zip(withheld).map(atp).collect::<Vec<_>>().into_pyarray(py))
    }

    #[getter]
    fn version<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        self.rows.iter().map(|row| row.version).collect::<Vec<_>>().into_pyarray(py)
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }
}
