//! Positions as an Arrow table that other libraries take over, without a copy of its numbers. Reading theirs is
//! `arrow_ffi`'s.

use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, Int64Array, LargeStringArray, RecordBatch, RecordBatchIterator, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::position::optional;

/// The columns of names, and whether one may be absent.
const NAMES: [(&str, bool); 4] = [("sku", false), ("location", false), ("lot", true), ("owner", true)];

/// A table of names, amounts and versions.
pub(crate) fn table(
    names: &[[String; 4]],
    amounts: impl Iterator<Item = (&'static str, Vec<i64>)>,
    versions: Vec<u64>,
) -> RecordBatch {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (place, (name, is_nullable)) in NAMES.into_iter().enumerate() {
        fields.push(Field::new(name, DataType::LargeUtf8, is_nullable));
        let texts = names.iter().map(|row| if is_nullable { optional(&row[place]) } else { Some(&*row[place]) });
        columns.push(Arc::new(texts.collect::<LargeStringArray>()));
    }
    for (name, column) in amounts {
        fields.push(Field::new(name, DataType::Int64, false));
        columns.push(Arc::new(Int64Array::from(column)));
    }
    fields.push(Field::new("version", DataType::UInt64, false));
    columns.push(Arc::new(UInt64Array::from(versions)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("each column has its field and all rows")
}

/// A table as a stream of one record batch. Whoever takes it over has a share in its memory.
pub(crate) fn stream(py: Python<'_>, table: RecordBatch) -> PyResult<Bound<'_, PyCapsule>> {
    let schema = table.schema();
    let batches = RecordBatchIterator::new(std::iter::once(Ok(table)), schema);
    // One that nobody takes over is released with its capsule.
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
}
