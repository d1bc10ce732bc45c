//! NumPy columns, codes with their categories, and plain strings as the engine's columns. Each array is copied once,
//! by NumPy: its memory could change while the engine reads it without the GIL.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyMapping, PyString, PyTuple};
use tallystick_engine::read::columns::{Column, ColumnKind, Dictionary, Memory, Rows};
use tallystick_engine::read::event::Field;
use tallystick_engine::read::malformed::Malformed;

use crate::numpy_array::Array;

/// Columns by the contract's names.
pub(crate) struct NumpyTable {
    rows: usize,
    columns: Vec<(Field, Source)>,
    /// The keys of the columns that have one text in every row.
    zeros: Vec<u8>,
}

/// What a column lies in.
enum Source {
    Plain(Array),
    /// Codes and their categories.
    Encoded(Array, Array),
    /// One text for every row.
    Same(Array),
}

impl NumpyTable {
    /// Reads a mapping of columns. Names that the contract does not know are skipped.
    pub(crate) fn read(mapping: &Bound<'_, PyMapping>) -> PyResult<Self> {
        let numpy = mapping.py().import("numpy")?;
        let mut columns = Vec::new();
        let mut rows = None;
        for item in mapping.items()?.iter() {
            let (name, value) = item.extract::<(PyBackedStr, Bound<'_, PyAny>)>()?;
            let Some(field) = Field::in_envelope(&name) else { continue };
            let source = Source::read(&numpy, &name, &value)?;
            if let Source::Plain(array) | Source::Encoded(array, _) = &source
                && *rows.get_or_insert(array.length) != array.length
            {
                return Err(PyValueError::new_err(format!("column {:?} is not as long as those before it", &*name)));
            }
            columns.push((field, source));
        }
        let rows = rows.ok_or_else(|| PyValueError::new_err("no column says how many rows there are"))?;
        Ok(Self { rows, columns, zeros: vec![0; rows] })
    }

    /// The columns as rows.
    pub(crate) fn rows(&self) -> Result<Rows<'_>, Malformed> {
        let columns = self.columns.iter().map(|(field, source)| Ok((*field, self.column(*field, source)?)));
        Rows::new(self.rows, columns.collect::<Result<_, Malformed>>()?)
    }

    fn column<'a>(&'a self, field: Field, source: &'a Source) -> Result<Column<'a>, Malformed> {
        match source {
            Source::Plain(array) => Column::new(field, array.kind, &array.memory()),
            Source::Encoded(codes, categories) => {
                let ColumnKind::Integer { width, is_signed } = codes.kind else {
                    return Err(Malformed::of_field(field, "has codes that are no integers"));
                };
                Column::encoded(field, (width, is_signed), &codes.memory(), dictionary(field, categories)?)
            }
            Source::Same(text) => {
                let keys = Memory { rows: self.rows, offset: 0, validity: None, buffers: vec![&self.zeros] };
                Column::encoded(field, (1, false), &keys, dictionary(field, text)?)
            }
        }
    }
}

fn dictionary(field: Field, texts: &Array) -> Result<Arc<Dictionary<'_>>, Malformed> {
    let ColumnKind::Text(form) = texts.kind else {
        return Err(Malformed::of_field(field, "has categories that are no strings"));
    };
    Dictionary::new(form, &texts.memory(), true).map(Arc::new)
}

impl Source {
    fn read(numpy: &Bound<'_, PyModule>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Self::Same(Array::of_text(&text.extract::<PyBackedStr>()?)));
        }
        let Ok(pair) = value.cast::<PyTuple>() else {
            return Array::read(numpy, name, value).map(Self::Plain);
        };
        let (codes, categories) = pair
            .extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()
            .map_err(|_| PyTypeError::new_err(format!("column {name:?}: a tuple is (codes, categories)")))?;
        Ok(Self::Encoded(Array::read_codes(numpy, name, &codes)?, Array::read(numpy, name, &categories)?))
    }
}
