//! Losses: what events that wait for an approval would take away, by position.

use std::collections::BTreeMap;

use tallystick_contract::heap_size::heap_size;

use crate::stock::PositionNames;
/// What would be taken away, in thousandths.
#[derive(Debug, Default)]
pub(crate) struct Losses(BTreeMap<PositionNames, i64>);

heap_size!(Losses(losses));

impl Losses {
    /// Whether nothing would be taken away anywhere.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What would be taken away at a position.
    #[inline]
    pub(crate) fn of(&self, names: [&str; 4]) -> i64 {
        if self.0.is_empty() {
            return 0;
        }
        self.0.get(&names.map(Into::into)).copied().unwrap_or(0)
    }

    /// Adds what an event would take away.
    pub(crate) fn add(&mut self, position: &PositionNames, loss: i64) {
        if loss > 0 {
            *self.0.entry(position.clone()).or_default() += loss;
        }
    }

    /// Forgets what an event would have taken away.
    pub(crate) fn take(&mut self, position: &PositionNames, loss: i64) {
        if loss > 0
            && let Some(sum) = self.0.get_mut(position)
        {
            *sum -= loss;
            if *sum == 0 {
                self.0.remove(position);
            }
        }
    }
}
