//! One position as Python sees it: in units for people, in thousandths for arithmetic.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use tallystick_contract::account::Account;
use tallystick_contract::balance::Balance;
use tallystick_contract::quantity;

static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// A name that may be absent.
pub(crate) fn optional(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

/// A quantity in units, exact and without trailing zeros.
pub(crate) fn units(py: Python<'_>, thousandths: i64) -> PyResult<Bound<'_, PyAny>> {
    DECIMAL.import(py, "decimal", "Decimal")?.call1((quantity::text(thousandths),))
}

/// One position: a SKU at a location, and of a lot or an owner where it has one, as it was when it was asked for.
///
/// Quantities are in units, as `decimal.Decimal`: exact, and what `Decimal("12.5")` compares equal to. Under the same
/// name with `_thousandths` stands the integer that the engine counts in.
///
///     >>> from tallystick import Engine
///     >>> engine = Engine()
///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
///     >>> came |= {"location": "DC1", "quantity": "12.5"}
///     >>> batch = engine.apply([came])
///     >>> position = engine.position("LAMP", "DC1")
///     >>> position
///     Position(sku='LAMP', location='DC1', atp=12.5, on_hand=12.5, version=1)
///     >>> position.atp, position.atp_thousandths
///     (Decimal('12.5'), 12500)
///     >>> engine.position("LAMP", "DC2") is None
///     True
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Position(pub(crate) Balance);

/// What is known of a position in numbers: a property in units, one in thousandths, and its place in `as_dict`.
macro_rules! quantities {
    ($($name:ident, $raw:ident, $doc:literal, $of:expr;)*) => {
        #[pymethods]
        impl Position {
            $(
                #[doc = $doc]
                ///
                /// In units, exact: `decimal.Decimal`.
                #[getter]
                fn $name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    units(py, self.$raw())
                }

                #[doc = $doc]
                ///
                /// In thousandths of a unit: `int`.
                #[getter]
                fn $raw(&self) -> i64 {
                    let of: fn(&Balance) -> i64 = $of;
                    of(&self.0)
                }
            )*
        }

        const QUANTITIES: &[(&str, fn(&Position) -> i64)] = &[$((stringify!($name), Position::$raw)),*];
    };
}

quantities! {
    on_hand, on_hand_thousandths, "What is on the shelf, whoever it is promised to.",
        |balance| balance.account(Account::OnHand);
    reserved, reserved_thousandths, "What is promised and not yet assigned to a pick.",
        |balance| balance.account(Account::Reserved);
    allocated, allocated_thousandths, "What is assigned to a pick.",
        |balance| balance.account(Account::Allocated);
    picked, picked_thousandths, "What was picked and has not left the house.",
        |balance| balance.account(Account::Picked);
    in_transit, in_transit_thousandths, "What is on its way to this location.",
        |balance| balance.account(Account::InTransit);
    quarantine, quarantine_thousandths, "What is blocked until somebody releases it.",
        |balance| balance.account(Account::Quarantine);
    damaged, damaged_thousandths, "What is there and cannot be sold.",
        |balance| balance.account(Account::Damaged);
    ordered, ordered_thousandths, "What order lines claim beyond what is reserved and allocated for them.",
        |balance| balance.claimed.ordered;
    unpicked, unpicked_thousandths, "What was shipped and nobody said to have picked.",
        |balance| balance.claimed.unpicked;
    safety_stock, safety_stock_thousandths, "What is kept back, by configuration or master data.",
        |balance| balance.safety_stock;
    pending, pending_thousandths, "What events that wait for an approval would take away.",
        |balance| balance.pending;
    on_hand_atp, on_hand_atp_thousandths,
        "What of the shelf can be promised: on hand less all that is claimed of it, safety stock and what is pending.",
        |balance| balance.on_hand_atp();
    atp, atp_thousandths, "What can be promised today, in the configured mode: what is to come and to go counts.",
        |balance| balance.atp;
}

#[pymethods]
impl Position {
    /// The SKU: `str`.
    #[getter]
    fn sku(&self) -> &str {
        &self.0.key.sku
    }

    /// The location: `str`.
    #[getter]
    fn location(&self) -> &str {
        &self.0.key.location
    }

    /// The lot: `str`, or None for stock without one.
    #[getter]
    fn lot(&self) -> Option<&str> {
        optional(&self.0.key.lot)
    }

    /// Whose stock it is: `str`, or None for one's own.
    #[getter]
    fn owner(&self) -> Option<&str> {
        optional(&self.0.key.owner)
    }

    /// The log sequence of the last event that changed it: `int`.
    #[getter]
    fn version(&self) -> u64 {
        self.0.version
    }

    /// All fields by name, for an answer of a web service: quantities in units, as `Decimal`; lot and owner only where
    /// there are some. `FastAPI` and pydantic write such a dict; `json.dumps` does with `default=str`.
    ///
    ///     >>> from tallystick import Engine
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> batch = engine.apply([came])
    ///     >>> engine.position("LAMP", "DC1").as_dict()["on_hand"]
    ///     Decimal('5')
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item("sku", self.sku())?;
        fields.set_item("location", self.location())?;
        for (name, value) in [("lot", self.lot()), ("owner", self.owner())] {
            if let Some(value) = value {
                fields.set_item(name, value)?;
            }
        }
        for (name, of) in QUANTITIES {
            fields.set_item(name, units(py, of(self))?)?;
        }
        fields.set_item("version", self.0.version)?;
        Ok(fields)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let key = &self.0.key;
        let mut members = Vec::new();
        for (name, value) in [("sku", &key.sku), ("location", &key.location), ("lot", &key.lot), ("owner", &key.owner)]
        {
            if !value.is_empty() {
                members.push(format!("{name}={}", quoted(py, value)?));
            }
        }
        let [atp, on_hand] = [self.0.atp, self.0.account(Account::OnHand)].map(quantity::text);
        members.push(format!("atp={atp}, on_hand={on_hand}, version={}", self.0.version));
        Ok(format!("Position({})", members.join(", ")))
    }
}

/// A text as Python shows it.
pub(crate) fn quoted(py: Python<'_>, text: &str) -> PyResult<String> {
    Ok(text.into_pyobject(py)?.repr()?.to_string())
}
