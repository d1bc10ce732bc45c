//! Errors of the engine as Python exceptions, one class each.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

pyo3::create_exception!(tallystick._engine, TallystickError, PyException, "The base of every error of the engine.");
pyo3::create_exception!(
    tallystick._engine,
    ConfigError,
    TallystickError,
    "The configuration is not valid; the message names the key and the cure."
);
pyo3::create_exception!(
    tallystick._engine,
    SequenceError,
    TallystickError,
    "The log sequence does not follow the last one. Nothing was changed."
);
pyo3::create_exception!(
    tallystick._engine,
    SnapshotError,
    TallystickError,
    "The bytes are no snapshot that can be loaded here."
);
pyo3::create_exception!(
    tallystick._engine,
    EngineFault,
    TallystickError,
    "The engine broke one of its own rules and cannot be used further. Restore a new one from the last snapshot."
);

/// A snapshot's error.
pub(crate) fn of_snapshot(error: tallystick_engine::snapshot::SnapshotError) -> PyErr {
    use tallystick_engine::snapshot::SnapshotError as Cause;
    match error {
        Cause::OtherConfiguration => ConfigError::new_err(error.to_string()),
        Cause::Foreign | Cause::NewerFormat(_) | Cause::OlderFormat(_) | Cause::Damaged(_) => {
            SnapshotError::new_err(error.to_string())
        }
    }
}

/// A sequence's error.
pub(crate) fn of_sequence(error: tallystick_engine::SequenceError) -> PyErr {
    SequenceError::new_err(error.to_string())
}
