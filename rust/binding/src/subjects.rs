//! Subjects of messages, which an engine needs whose configuration binds sources to subjects.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use tallystick_engine::Engine;

use crate::input::Messages;

/// One subject for each message of a list; nothing where the caller says none.
pub(crate) struct Subjects(Option<Vec<PyBackedStr>>);

impl Subjects {
    /// Reads the argument.
    pub(crate) fn of(subjects: Option<Vec<PyBackedStr>>, messages: &Messages) -> PyResult<Self> {
        match (&subjects, messages) {
            (Some(_), Messages::Lines(_)) => Err(PyValueError::new_err(
                "an NDJSON buffer has no subjects: give a list of messages, and subjects=[...] with one for each",
            )),
            (Some(subjects), Messages::List(list)) if subjects.len() != list.len() => {
                Err(PyValueError::new_err(format!("{} messages have {} subjects", list.len(), subjects.len())))
            }
            _ => Ok(Self(subjects)),
        }
    }

    /// The subject of one message.
    pub(crate) fn at(&self, place: usize) -> Option<&str> {
        self.0.as_ref().map(|subjects| &*subjects[place])
    }

    /// The subjects, if the engine looks at them.
    ///
    /// # Errors
    /// `ValueError` where it does and there are none.
    pub(crate) fn for_engine(&self, engine: &Engine) -> PyResult<Option<&[PyBackedStr]>> {
        match &self.0 {
            _ if !engine.needs_subjects() => Ok(None),
            Some(subjects) => Ok(Some(subjects)),
            None => Err(missing("give subjects=[...], one for each message")),
        }
    }
}

/// Refuses what has no subjects, where the engine needs them.
pub(crate) fn check_trusted(engine: &Engine) -> PyResult<()> {
    if engine.needs_subjects() { Err(missing("columns have none: give messages, with subjects=[...]")) } else { Ok(()) }
}

pub(crate) fn missing(cure: &str) -> PyErr {
    PyValueError::new_err(format!(
        "engine.source_subject binds sources to subjects: {cure}; or leave it out for input that you trust"
    ))
}
