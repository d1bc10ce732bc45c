//! Delays of what is applied from an inbox, counted beside the work: how old events were when the log took them, and
//! messages when they were applied. No part of the ledger.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tallystick_engine::Batch;
use tallystick_frames::segment::Messages;
use tallystick_tables::histogram::{BUCKETS, Histogram};

/// The bounds of the buckets in nanoseconds, the last of which has none; counts by bucket; the sum in nanoseconds.
pub(crate) type Told = (Vec<i64>, Vec<u64>, u64);

#[derive(Default)]
struct Counts {
    effective_to_log: Histogram,
    log_to_applied: Histogram,
}

/// Histograms of delays, once somebody asked for them.
#[derive(Default)]
pub(crate) struct Delays(Mutex<Option<Counts>>);

impl Delays {
    /// Begins to count.
    pub(crate) fn measure(&self) {
        self.counts().get_or_insert_default();
    }

    /// What a batch needs to count its events; nothing where nobody asked.
    pub(crate) fn of_batch(&self) -> Option<Histogram> {
        self.counts().as_ref().map(|_| Histogram::default())
    }

    /// Takes over what a batch counted of its events, and counts its messages, which are applied now.
    pub(crate) fn add(&self, batch: &mut Batch, messages: &Messages) {
        let (Some(counts), Some(counted)) = (&mut *self.counts(), &mut batch.delays) else { return };
        counts.effective_to_log.add(&std::mem::take(counted));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now_ns = i64::try_from(now).unwrap_or(i64::MAX);
        messages.times_ns().iter().for_each(|time_ns| counts.log_to_applied.count(now_ns.saturating_sub(*time_ns)));
    }

    /// All that was counted, by what lies between.
    pub(crate) fn told(&self) -> BTreeMap<&'static str, Told> {
        let counts = self.counts();
        let both = counts.as_ref().map(|counts| {
            [("effective_to_log", told(&counts.effective_to_log)), ("log_to_applied", told(&counts.log_to_applied))]
        });
        both.into_iter().flatten().collect()
    }

    fn counts(&self) -> MutexGuard<'_, Option<Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(histogram: &Histogram) -> Told {
    let bounds = (0..).take(BUCKETS - 1).map(Histogram::bound_ns).collect();
    (bounds, histogram.counts.to_vec(), histogram.sum_ns())
}
