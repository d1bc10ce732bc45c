//! Errors of the engine as Python exceptions, one class each.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

pyo3::create_exception!(
    tallystick._engine,
    TallystickError,
    PyException,
    r#"The base of every error of the engine.

    >>> from tallystick import Engine
    >>> try:
    ...     Engine.restore(b"")
    ... except TallystickError as error:
    ...     print(type(error).__name__)
    SnapshotError"#
);
pyo3::create_exception!(
    tallystick._engine,
    ConfigError,
    TallystickError,
    r#"The configuration is not valid; the message names the key and the cure.

    >>> from tallystick import Engine
    >>> Engine("[engine]\nhistory_max = 0")
    Traceback (most recent call last):
    tallystick._engine.ConfigError: engine.history_max: 0 does not do; give a whole number from 1 to 4096"#
);
pyo3::create_exception!(
    tallystick._engine,
    SequenceError,
    TallystickError,
    r#"The log sequence does not follow the last one. Nothing was changed.

    >>> from tallystick import Engine
    >>> Engine().apply(b"", first_sequence=0)
    Traceback (most recent call last):
    tallystick._engine.SequenceError: there is no sequence 0: the first one of a log is 1"#
);
pyo3::create_exception!(
    tallystick._engine,
    SnapshotError,
    TallystickError,
    r#"The bytes are no snapshot that can be loaded here.

    >>> from tallystick import Engine
    >>> Engine.restore(b"PK")
    Traceback (most recent call last):
    tallystick._engine.SnapshotError: this is no Tallystick snapshot"#
);
pyo3::create_exception!(
    tallystick._engine,
    EngineFault,
    TallystickError,
    "The engine broke one of its own rules and cannot be used further. Restore a new one from the last snapshot."
);
pyo3::create_exception!(
    tallystick._engine,
    ForkError,
    TallystickError,
    "The engine was made before `os.fork()`, and this is the child. Make it in the child."
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
