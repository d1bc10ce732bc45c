//! Fork: a child of `os.fork()` has a copy of every lock and none of the threads that would open them. What was made
//! before the fork is refused there, in place of a call that never returns.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::ForkError;

/// Forks that led to this process.
static FORKS: AtomicU64 = AtomicU64::new(0);

const WHY: &str = "this engine was made before os.fork(): its locks and threads stayed with the parent; make it in the \
                   child (Celery: in worker_process_init), or let one process hold it and ask that one";

/// In which process something was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Birthplace(u64);

impl Birthplace {
    pub(crate) fn here() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is still the process.
    pub(crate) fn is_here(self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }

    /// Refuses to go on in another process.
    pub(crate) fn check(self) -> PyResult<()> {
        if self.is_here() { Ok(()) } else { Err(ForkError::new_err(WHY)) }
    }
}

#[pyfunction]
fn note_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Lets Python count forks, where the system has them.
pub(crate) fn watch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let os = module.py().import("os")?;
    if os.hasattr("register_at_fork")? {
        let calls = PyDict::new(module.py());
        calls.set_item("after_in_child", wrap_pyfunction!(note_fork, module)?)?;
        os.call_method("register_at_fork", (), Some(&calls))?;
    }
    Ok(())
}
