//! Many positions as Python sees them: NumPy columns, or an Arrow table.

use std::sync::{Arc, OnceLock};

use arrow_array::RecordBatch;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};
use tallystick_contract::account::Account;
use tallystick_contract::balance::BalanceView;
use tallystick_engine::ChangedPosition;

use crate::arrow_out;
use crate::door::Door;
use crate::position::optional;

/// Positions as columns of one length, as they were when they were asked for: shape (positions,).
///
/// Quantities are int64 in thousandths of a unit, and their names say so; versions are uint64. Each is gathered when
/// it is asked for, into memory that NumPy takes over. The whole is an Arrow table for polars, pandas, pyarrow and
/// `DuckDB`: `pl.DataFrame(positions)`, `pa.table(positions)`.
///
///     >>> from tallystick import Engine
///     >>> engine = Engine()
///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
///     >>> came |= {"location": "DC1", "quantity": "12.5"}
///     >>> sold = {"id": "2", "source": "shop", "type": "stock.sold", "sku": "DESK"}
///     >>> sold |= {"location": "DC1", "quantity": 2}
///     >>> batch = engine.apply([came, sold])
///     >>> positions = engine.columns()
///     >>> positions
///     Positions(rows=2)
///     >>> positions.sku, positions.atp_thousandths.tolist(), positions.lot
///     (['LAMP', 'DESK'], [12500, -2000], [None, None])
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Positions {
    door: Arc<Door>,
    rows: Vec<ChangedPosition>,
    /// As Arrow's arrays, once somebody asked for them: who asks again gets the same memory.
    table: OnceLock<RecordBatch>,
}

/// One row's number, of its amounts and of what the engine knows of it.
type Amount = fn(&ChangedPosition, &Kept) -> i64;

/// Where a column comes from.
#[derive(Clone, Copy)]
enum Origin {
    Rows,
    Engine,
}

/// What of a position does not stand in its row.
#[derive(Default)]
struct Kept {
    safety_stock: i64,
    pending: i64,
}

impl Positions {
    pub(crate) const fn new(door: Arc<Door>, rows: Vec<ChangedPosition>) -> Self {
        Self { door, rows, table: OnceLock::new() }
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

    fn kept(&self, py: Python<'_>) -> PyResult<Vec<Kept>> {
        self.ask(py, |view| Kept { safety_stock: view.safety_stock, pending: view.pending })
    }

    /// A column of numbers. Most stand in the rows; the engine is asked where one does not.
    fn column<'py>(&self, py: Python<'py>, source: Origin, of: Amount) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let column: Vec<_> = match source {
            Origin::Rows => self.rows.iter().map(|row| of(row, &Kept::default())).collect(),
            Origin::Engine => self.rows.iter().zip(&self.kept(py)?).map(|(row, kept)| of(row, kept)).collect(),
        };
        Ok(column.into_pyarray(py))
    }

    /// All columns as Arrow's arrays.
    fn table(&self, py: Python<'_>) -> PyResult<RecordBatch> {
        if let Some(table) = self.table.get() {
            return Ok(table.clone());
        }
        let names = self.ask(py, |view| view.names.map(ToOwned::to_owned))?;
        let kept = self.kept(py)?;
        let made = py.detach(|| {
            let gathered = |of: &Amount| self.rows.iter().zip(&kept).map(|(row, kept)| of(row, kept)).collect();
            let amounts = COLUMNS.iter().map(|(name, of)| (*name, gathered(of)));
            arrow_out::table(&names, amounts, self.rows.iter().map(|row| row.version).collect())
        });
        Ok(self.table.get_or_init(|| made).clone())
    }
}

/// The columns of numbers: where each comes from, its name, its words, and how it is found.
macro_rules! quantities {
    ($($source:ident, $name:ident, $doc:literal, $of:expr;)*) => {
        const COLUMNS: &[(&str, Amount)] = &[$((stringify!($name), $of)),*];

        #[pymethods]
        impl Positions {
            $(
                #[doc = $doc]
                ///
                /// In thousandths of a unit: int64, shape (positions,).
                #[getter]
                fn $name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
                    self.column(py, Origin::$source, $of)
                }
            )*
        }
    };
}

quantities! {
    Rows, on_hand_thousandths, "What is on the shelf, whoever it is promised to.",
        |row, _| slot(row, Account::OnHand);
    Rows, reserved_thousandths, "What is promised and not yet assigned to a pick.",
        |row, _| slot(row, Account::Reserved);
    Rows, allocated_thousandths, "What is assigned to a pick.",
        |row, _| slot(row, Account::Allocated);
    Rows, picked_thousandths, "What was picked and has not left the house.",
        |row, _| slot(row, Account::Picked);
    Rows, in_transit_thousandths, "What is on its way to this location.",
        |row, _| slot(row, Account::InTransit);
    Rows, quarantine_thousandths, "What is blocked until somebody releases it.",
        |row, _| slot(row, Account::Quarantine);
    Rows, damaged_thousandths, "What is there and cannot be sold.",
        |row, _| slot(row, Account::Damaged);
    Rows, ordered_thousandths, "What order lines claim beyond what is reserved and allocated for them.",
        |row, _| row.claimed.ordered;
    Rows, unpicked_thousandths, "What was shipped and nobody said to have picked.",
        |row, _| row.claimed.unpicked;
    Engine, safety_stock_thousandths, "What is kept back, by configuration or master data.",
        |_, kept| kept.safety_stock;
    Engine, pending_thousandths, "What events that wait for an approval would take away.",
        |_, kept| kept.pending;
    Engine, on_hand_atp_thousandths, "What of the shelf can be promised: on hand less all that is claimed or kept back.",
        |row, kept| row.unclaimed() - kept.safety_stock - kept.pending;
    Engine, atp_thousandths, "What can be promised today, in the configured mode: what is to come and to go counts.",
        |row, kept| row.unclaimed() - kept.safety_stock - kept.pending + row.ahead;
}

#[pymethods]
impl Positions {
    /// SKUs: a list of `str`.
    #[getter]
    fn sku<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.names(py, 0)
    }

    /// Locations: a list of `str`.
    #[getter]
    fn location<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.names(py, 1)
    }

    /// Lots: a list of `str`, None for stock without one.
    #[getter]
    fn lot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.optional_names(py, 2)
    }

    /// Owners: a list of `str`, None for one's own stock.
    #[getter]
    fn owner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.optional_names(py, 3)
    }

    /// The log sequence of the last event that changed each: uint64, shape (positions,).
    #[getter]
    fn version<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        self.rows.iter().map(|row| row.version).collect::<Vec<_>>().into_pyarray(py)
    }

    /// The positions as a stream of one Arrow record batch, for libraries that speak the `PyCapsule` protocol.
    ///
    /// Columns are named as the properties: four of text (lot and owner null where there is none), then int64, then
    /// uint64. Nobody copies the numbers: asked twice, it hands out the same memory, which lives as long as anybody
    /// uses it. `requested_schema` is passed over, as the protocol allows.
    ///
    ///     >>> import pyarrow as pa
    ///     >>> from tallystick import Engine
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> batch = engine.apply([came])
    ///     >>> pa.table(engine.columns()).select(["sku", "atp_thousandths", "lot"]).to_pylist()
    ///     [{'sku': 'LAMP', 'atp_thousandths': 5000, 'lot': None}]
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        arrow_out::stream(py, self.table(py)?)
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    fn __repr__(&self) -> String {
        format!("Positions(rows={})", self.rows.len())
    }
}

fn slot(row: &ChangedPosition, account: Account) -> i64 {
    row.accounts[account.slot().expect("the columns are stored accounts")]
}
