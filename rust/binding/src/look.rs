//! Positions that somebody looks for: one, many, those of a SKU, all.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;
use tallystick_contract::balance::{Balance, PositionKey};

use crate::columns::Positions;
use crate::door::State;
use crate::engine::Engine;
use crate::position::Position;

#[pymethods]
impl Engine {
    /// Returns one position by its names, or None if nothing was ever said of it.
    ///
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> batch = engine.apply([came])
    ///     >>> engine.position("LAMP", "DC1").on_hand
    ///     Decimal('5')
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

    /// Returns many positions, as they were at one moment, in the order asked: None where nothing was ever said.
    ///
    /// Each key is `(sku, location)` or `(sku, location, lot, owner)`.
    ///
    ///     >>> Engine().positions([("LAMP", "DC1"), ("LAMP", "DC1", "L-7", None)])
    ///     [None, None]
    fn positions(&self, py: Python<'_>, keys: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Option<Position>>> {
        let keys = keys.iter().map(position_key).collect::<PyResult<Vec<_>>>()?;
        let found: Vec<_> = self.ask(py, |engine| keys.iter().map(|key| engine.find(key)).collect())?;
        Ok(found.into_iter().map(|balance: Option<Balance>| balance.map(Position)).collect())
    }

    /// Returns all positions of a SKU, sorted by location, lot and owner.
    ///
    ///     >>> Engine().positions_of("LAMP")
    ///     []
    fn positions_of(&self, py: Python<'_>, sku: &str) -> PyResult<Vec<Position>> {
        Ok(self.ask(py, |engine| engine.balances_of(sku))?.into_iter().map(Position).collect())
    }

    /// Returns all positions as columns, or those from `start` to before `stop`, in the order in which they came into
    /// being.
    ///
    ///     >>> len(Engine().columns())
    ///     0
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

    /// Returns lines of the balances file (`docs/events.md` §10), sorted by the positions' names: NDJSON in units.
    ///
    ///     >>> Engine().balance_lines()
    ///     b''
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
