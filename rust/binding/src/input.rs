//! What callers hand in: messages and their log times, borrowed where Python allows it.

use std::ops::Deref;

use numpy::PyReadonlyArray1;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

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
        object
            .extract()
            .map(Self::List)
            .map_err(|_| PyTypeError::new_err("messages must be bytes (NDJSON) or a sequence of bytes (bus messages)"))
    }
}

/// Log times in nanoseconds: none (each event's own), one for all, or one per message.
pub(crate) enum LogTimes {
    OfEvents,
    One(i64),
    Each(Vec<i64>),
}

impl LogTimes {
    /// Reads the argument and checks that it fits the messages.
    pub(crate) fn read(object: Option<&Bound<'_, PyAny>>, messages: &Messages) -> PyResult<Self> {
        let times = match object {
            None => Self::OfEvents,
            Some(object) => {
                if let Ok(time) = object.extract::<i64>() {
                    Self::One(time)
                } else if let Ok(array) = object.extract::<PyReadonlyArray1<'_, i64>>() {
                    Self::Each(array.as_array().to_vec())
                } else {
                    Self::Each(
                        object
                            .extract()
                            .map_err(|_| PyTypeError::new_err("log_time_ns must be an int, int64 times or None"))?,
                    )
                }
            }
        };
        match (messages, &times) {
            (Messages::List(_), Self::OfEvents) => {
                Err(PyValueError::new_err("a list of messages needs log_time_ns: the bus's time of the messages"))
            }
            (Messages::Lines(_), Self::Each(_)) => {
                Err(PyValueError::new_err("an NDJSON buffer takes one log_time_ns, or None for each event's own time"))
            }
            (Messages::List(list), Self::Each(each)) if list.len() != each.len() => {
                Err(PyValueError::new_err(format!("{} messages have {} log times", list.len(), each.len())))
            }
            _ => Ok(times),
        }
    }

    /// The time of the message at a place.
    pub(crate) fn at(&self, place: usize) -> i64 {
        match self {
            Self::OfEvents => 0,
            Self::One(time) => *time,
            Self::Each(times) => times[place],
        }
    }

    /// The one time of an NDJSON buffer.
    pub(crate) const fn of_lines(&self) -> Option<i64> {
        match self {
            Self::One(time) => Some(*time),
            Self::OfEvents | Self::Each(_) => None,
        }
    }
}
