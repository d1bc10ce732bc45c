//! Delays of what is applied from an inbox, counted beside the work: how old events were when the log took them, and
//! messages when they were applied. No part of the ledger.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use tallystick_engine::Batch;
use tallystick_frames::segment::Messages;
use tallystick_tables::histogram::{BUCKETS, Histogram};

/// Counts by bucket, and the sum of all in nanoseconds.
type Counted = ([u64; BUCKETS], u64);

#[derive(Default)]
struct Counts {
    effective_to_log: Histogram,
    log_to_applied: Histogram,
}

/// Histograms of delays, filled by `Engine.apply_inbox`. Safe to share between threads.
///
///     >>> delays = Delays()
///     >>> len(delays.effective_to_log[0]) == len(Delays.BOUNDS_NS) + 1
///     True
#[derive(Default)]
#[pyclass(frozen, module = "tallystick._engine")]
pub(crate) struct Delays {
    counts: Mutex<Counts>,
}

impl Delays {
    /// Takes over what a batch counted of its events, and counts its messages, which are applied now.
    pub(crate) fn add(&self, batch: &mut Batch, messages: &Messages) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now_ns = i64::try_from(now).unwrap_or(i64::MAX);
        let mut counts = self.counts();
        if let Some(counted) = &mut batch.delays {
            counts.effective_to_log.add(&std::mem::take(counted));
        }
        messages.times_ns().iter().for_each(|time_ns| counts.log_to_applied.count(now_ns.saturating_sub(*time_ns)));
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Delays {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// The delays below which the buckets end, in nanoseconds; the last bucket has no such bound.
    #[classattr]
    #[pyo3(name = "BOUNDS_NS")]
    fn bounds_ns() -> Vec<i64> {
        (0..).take(BUCKETS - 1).map(Histogram::bound_ns).collect()
    }

    /// Of applied events with a time: the log's time minus theirs. Counts by bucket, and their sum in nanoseconds.
    #[getter]
    fn effective_to_log(&self) -> Counted {
        let counts = self.counts();
        (counts.effective_to_log.counts, counts.effective_to_log.sum_ns())
    }

    /// Of messages: this host's time when they were applied minus the time at which the log took them.
    #[getter]
    fn log_to_applied(&self) -> Counted {
        let counts = self.counts();
        (counts.log_to_applied.counts, counts.log_to_applied.sum_ns())
    }
}
