//! How many ways the state is divided, and who works on the parts. Positions are divided by SKU and keys by
//! fingerprint, each part with its own tables, so that several threads can work at once. The number changes no answer.
//! The engine has no threads: it gets a crew.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tallystick_contract::limits::SHARDS_MAX;

/// Works off tasks that do not depend on each other.
pub trait Crew: Debug + Send + Sync {
    /// Calls `work` once with each number below `tasks`, in any order and from any thread, and comes back when all
    /// calls have.
    fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync));
}

/// The caller's own thread, one task after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Crew for Alone {
    fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(work);
    }
}

/// The parts of an engine and its crew.
///
/// ```
/// use tallystick_contract::config::Config;
/// use tallystick_engine::shards::{Alone, Shards};
/// use tallystick_engine::{Batch, Engine};
///
/// let event = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}"#;
/// let state_hash = |count| {
///     let mut engine = Engine::with_shards(Config::default(), [0; 16], Shards::new(count, Alone).unwrap());
///     engine.apply_message(event, 1, 0, &mut Batch::new()).unwrap();
///     engine.state_hash()
/// };
/// assert_eq!(state_hash(4), state_hash(1)); // the number changes no answer
/// ```
#[derive(Debug, Clone)]
pub struct Shards {
    count: usize,
    crew: Arc<dyn Crew>,
    /// Elements that the crew works off together at most.
    together: usize,
    /// Elements from which on it is worth the crew's coming together.
    worth: usize,
}

/// Enough that the crew's coming together costs little, few enough that what one step has read is still near when the
/// next one needs it.
const TOGETHER: usize = 16_384;
/// Below it the caller's thread is done before the crew is there.
const WORTH: usize = 1_024;

impl Default for Shards {
    /// The whole state in one part.
    fn default() -> Self {
        Self { count: 1, crew: Arc::new(Alone), together: TOGETHER, worth: WORTH }
    }
}

impl Shards {
    /// So many parts; nothing unless there is one at least and [`SHARDS_MAX`] at most.
    pub fn new(count: usize, crew: impl Crew + 'static) -> Option<Self> {
        (1..=SHARDS_MAX).contains(&count).then(|| Self { count, crew: Arc::new(crew), ..Self::default() })
    }

    /// How many parts.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// As many parts, worked on with so many elements of the log at a time, however few they are.
    #[must_use]
    pub fn in_rounds_of(self, elements: usize) -> Self {
        Self { together: elements.max(1), worth: 1, ..self }
    }

    /// How many elements are worked off together.
    pub(crate) const fn together(&self) -> usize {
        self.together
    }

    /// Whether so many elements are for the crew.
    pub(crate) const fn is_worth(&self, elements: usize) -> bool {
        self.count > 1 && elements >= self.worth
    }

    /// Works on each item once, with its number.
    pub(crate) fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        // Nobody ever waits for these locks: a task has its item for itself.
        let items: Vec<_> = items.iter_mut().map(Mutex::new).collect();
        self.crew.each(items.len(), &|task| {
            let mut item = items[task].lock().unwrap_or_else(PoisonError::into_inner);
            work(task, &mut item);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes from the last task to the first.
    #[derive(Debug)]
    struct Backwards;

    impl Crew for Backwards {
        fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
            (0..tasks).rev().for_each(work);
        }
    }

    #[test]
    fn every_item_meets_its_own_task() {
        for tasks in 0..5 {
            for shards in [Shards::default(), Shards::new(3, Backwards).unwrap()] {
                let mut done = vec![0; tasks];
                shards.each(&mut done, |task, item| *item += task + 1);
                assert_eq!(done, (1..=tasks).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn there_is_a_least_and_a_greatest_number() {
        let is_possible = |count| Shards::new(count, Alone).is_some();
        assert!(!is_possible(0) && is_possible(1) && is_possible(SHARDS_MAX) && !is_possible(SHARDS_MAX + 1));
    }
}
