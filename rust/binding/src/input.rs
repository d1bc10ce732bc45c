//! What callers hand in: messages, borrowed where Python allows it, encoded where they are Python objects.

use std::ops::Deref;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyMapping, PyString, PyTuple};

/// Bytes of any kind: borrowed from `bytes`, copied from what could change under our hands.
pub(crate) enum Bytes {
    Borrowed(PyBackedBytes),
    Copied(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Bytes {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.extract::<PyBackedBytes>() {
            return Ok(Self::Borrowed(bytes));
        }
        let buffer = PyBuffer::<u8>::get(&object)?;
        Ok(Self::Copied(buffer.to_vec(object.py())?))
    }
}

/// Messages: one NDJSON buffer, each line an element with a sequence of its own, or a list of bus messages.
pub(crate) enum Messages {
    Lines(Bytes),
    List(Vec<PyBackedBytes>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Messages {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(lines) = object.extract::<Bytes>() {
            return Ok(Self::Lines(lines));
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self::Lines(Bytes::Borrowed(text.encode_utf8()?.into())));
        }
        list(&object).map(Self::List)
    }
}

/// Bus messages, each bytes, a text, or an event as a Python object.
pub(crate) struct List(pub(crate) Vec<PyBackedBytes>);

impl<'a, 'py> FromPyObject<'a, 'py> for List {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        list(&object).map(Self)
    }
}

fn list(object: &Bound<'_, PyAny>) -> PyResult<Vec<PyBackedBytes>> {
    let is_list = object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>();
    if !is_list && (object.is_instance_of::<PyString>() || object.cast::<PyMapping>().is_ok()) {
        return Err(PyTypeError::new_err("messages are a list: [event], not the event alone"));
    }
    let items = object.try_iter().map_err(|_| {
        PyTypeError::new_err("messages must be NDJSON (bytes or a text), or a list of bytes, texts or events as dicts")
    })?;
    let mut messages = Vec::with_capacity(object.len().unwrap_or_default());
    for item in items {
        messages.push(message(item?, messages.len())?);
    }
    Ok(messages)
}

/// One message. Of bytes, nothing is looked at but their type.
fn message(item: Bound<'_, PyAny>, place: usize) -> PyResult<PyBackedBytes> {
    let item = match item.cast_into::<PyBytes>() {
        Ok(bytes) => return Ok(bytes.into()),
        Err(other) => other.into_inner(),
    };
    if let Ok(text) = item.cast::<PyString>() {
        return Ok(text.encode_utf8()?.into());
    }
    if let Ok(bytes) = item.extract::<PyBackedBytes>() {
        return Ok(bytes);
    }
    let encode = item.py().import(intern!(item.py(), "tallystick.message"))?.getattr(intern!(item.py(), "encode"))?;
    Ok(encode.call1((item, place))?.cast_into::<PyBytes>()?.into())
}
