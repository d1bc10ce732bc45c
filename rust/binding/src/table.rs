//! Columns that callers hand in: an Arrow IPC stream, the arrays of another library, or a mapping of NumPy columns.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyMapping;
use tallystick_engine::read::columns::{self, Rows};
use tallystick_engine::read::malformed::Malformed;

use crate::arrow_ffi;
use crate::arrow_table::ArrowTable;
use crate::input::Bytes;
use crate::numpy_table::NumpyTable;

/// Columns of any kind.
pub(crate) enum Table {
    Stream(Bytes),
    Arrow(Vec<ArrowTable>),
    Numpy(NumpyTable),
}

impl Table {
    /// The rows, where they lie.
    pub(crate) fn rows(&self) -> Result<Vec<Rows<'_>>, Malformed> {
        match self {
            Self::Stream(bytes) => columns::read(bytes),
            Self::Arrow(batches) => batches.iter().map(ArrowTable::rows).collect(),
            Self::Numpy(table) => Ok(vec![table.rows()?]),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Table {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Some(batches) = arrow_ffi::batches(&object)? {
            return Ok(Self::Arrow(batches.iter().map(ArrowTable::new).collect()));
        }
        if let Ok(mapping) = object.cast::<PyMapping>() {
            return NumpyTable::read(&mapping).map(Self::Numpy);
        }
        object.extract().map(Self::Stream).map_err(|_| {
            PyTypeError::new_err(
                "columns must be an Arrow table or record batch of any library, bytes of an Arrow IPC stream, or a mapping of NumPy columns",
            )
        })
    }
}

/// Columns that cannot be understood.
pub(crate) fn of_columns(malformed: Malformed) -> PyErr {
    PyValueError::new_err(format!("columns: {malformed}"))
}
