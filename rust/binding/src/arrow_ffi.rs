//! Arrow's C data interface: record batches of another library, taken over without a copy through the `PyCapsule`
//! protocol. The one module of this crate with unsafe code: the interface hands over pointers whose meaning only their
//! capsule's name vouches for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{ArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::{Array, ArrayRef, StructArray, make_array};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

const STREAM: &std::ffi::CStr = c"arrow_array_stream";
const SCHEMA: &std::ffi::CStr = c"arrow_schema";
const ARRAY: &std::ffi::CStr = c"arrow_array";

/// The record batches that an object offers; nothing if it offers none.
pub(crate) fn batches(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<StructArray>>> {
    let arrays = if object.hasattr("__arrow_c_stream__")? {
        let capsule = object.call_method0("__arrow_c_stream__")?.cast_into::<PyCapsule>()?;
        let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
        // SAFETY: a capsule of this name holds a valid stream, which stays where it is as long as the capsule lives.
        // The stream is moved out and leaves a released one, so that the capsule's destructor finds nothing to release.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
        // Without the GIL: who fills the stream may need it in another thread.
        object.py().detach(|| caught(|| ArrayStreamReader::try_new(stream)?.collect::<Result<Vec<_>, _>>()))?
    } else if object.hasattr("__arrow_c_array__")? {
        let pair = object.call_method0("__arrow_c_array__")?.cast_into::<PyTuple>()?;
        let (schema, array) = pair.extract::<(Bound<'_, PyCapsule>, Bound<'_, PyCapsule>)>()?;
        let schema = schema.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
        let array = array.pointer_checked(Some(ARRAY))?.cast::<FFI_ArrowArray>();
        // SAFETY: a capsule of this name holds a valid schema; it is borrowed, and `pair` keeps the capsule alive
        // meanwhile.
        let schema = unsafe { schema.as_ref() };
        // SAFETY: a capsule of this name holds a valid array; it is moved out and leaves a released one behind.
        let array = unsafe { FFI_ArrowArray::from_raw(array.as_ptr()) };
        // SAFETY: the protocol has the two capsules describe each other.
        caught(|| unsafe { from_ffi(array, schema) }.map(|data| vec![make_array(data)]))?
    } else {
        return Ok(None);
    };
    arrays.iter().map(record_batch).collect::<PyResult<Vec<_>>>().map(Some)
}

/// Turns whatever goes wrong in taking the arrays over into one exception. The format's crate asserts what a library
/// that keeps to the interface never breaks.
fn caught<R>(take: impl FnOnce() -> Result<R, arrow_schema::ArrowError>) -> PyResult<R> {
    match catch_unwind(AssertUnwindSafe(take)) {
        Ok(taken) => taken.map_err(|error| PyValueError::new_err(error.to_string())),
        Err(_) => Err(PyValueError::new_err("the Arrow arrays break the C data interface")),
    }
}

fn record_batch(array: &ArrayRef) -> PyResult<StructArray> {
    let Some(rows) = array.as_struct_opt() else {
        return Err(PyValueError::new_err(format!("columns are needed, not one array of {}", array.data_type())));
    };
    if rows.nulls().is_some_and(|nulls| nulls.null_count() > 0) {
        return Err(PyValueError::new_err("rows are null as a whole: drop them, they are no events"));
    }
    Ok(rows.clone())
}
