//! The one door to an engine: every call releases the GIL once, takes the lock, and turns a panic into one exception.
//! Who looks something up later holds the door, not the Python object in front of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use pyo3::prelude::*;
use tallystick_engine::{Batch, Engine, Spot};

use crate::errors::EngineFault;
use crate::fork::Birthplace;

/// The engine, with the order of its positions once somebody asked for sorted lines.
pub(crate) struct State {
    pub(crate) engine: Engine,
    /// The sequence at which `sorted` was made.
    pub(crate) sorted_at: u64,
    pub(crate) sorted: Vec<Spot>,
    /// Positions in the order in which they came into being. It only ever grows.
    pub(crate) by_birth: Vec<Spot>,
    /// Room for what is applied from an inbox, used again and again.
    pub(crate) batch: Batch,
}

/// One state behind one lock.
pub(crate) struct Door {
    /// Always there until it is dropped.
    state: Option<Mutex<State>>,
    birthplace: Birthplace,
}

impl Drop for Door {
    fn drop(&mut self) {
        // A child of a fork does not wait for threads that it does not have. Its copy goes with the process.
        if !self.birthplace.is_here() {
            std::mem::forget(self.state.take());
        }
    }
}

impl Door {
    pub(crate) fn before(engine: Engine) -> Self {
        let (sorted, by_birth, batch) = (Vec::new(), Vec::new(), Batch::new());
        let state = Mutex::new(State { engine, sorted_at: 0, sorted, by_birth, batch });
        Self { state: Some(state), birthplace: Birthplace::here() }
    }

    /// The only way in: without the GIL, under the lock. A panic poisons the lock, so that a broken engine gives no
    /// further answers.
    pub(crate) fn enter<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut State) -> R + Send) -> PyResult<R> {
        self.birthplace.check()?;
        let state = self.state.as_ref().expect("it is there until it is dropped");
        let entered = py
            .detach(|| catch_unwind(AssertUnwindSafe(|| state.lock().map(|mut state| f(&mut state)).map_err(|_| ()))));
        match entered {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(())) => {
                Err(EngineFault::new_err("the engine failed before; restore a new one from the last snapshot"))
            }
            Err(panic) => {
                let what = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied());
                let what = what.unwrap_or("unknown");
                Err(EngineFault::new_err(format!(
                    "the engine failed: {what}; restore a new one from the last snapshot"
                )))
            }
        }
    }

    /// What the engine says, for questions that change nothing.
    pub(crate) fn ask<R: Send>(&self, py: Python<'_>, f: impl FnOnce(&Engine) -> R + Send) -> PyResult<R> {
        self.enter(py, |state| f(&state.engine))
    }
}
