//! Threads for the engine's shards. They begin and end with each piece of work, so that none is left behind when a
//! process forks or ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use tallystick_engine::shards::Crew;

/// The caller's thread and others beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threads(
    /// In all, the caller's among them; one at least.
    pub(crate) usize,
);

impl Crew for Threads {
    fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work_off = || {
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    return;
                }
                work(task);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.0.min(tasks) {
                scope.spawn(work_off);
            }
            work_off();
        });
    }
}
