//! What waits for a decision: what it would take away, and taking it out of the list.

use tallystick_contract::balance::PositionKey;

use super::body::Key;
use super::twin::{Pending, Reference};
use super::work;

impl Reference {
    /// What all that waits would take away from a position.
    pub(super) fn pending_at(&self, key: &PositionKey) -> i128 {
        let lowers = self.pending.iter().flat_map(|pending| &pending.lowers);
        lowers.filter(|(lowered, _)| lowered == key).map(|(_, amount)| amount).sum()
    }

    /// Takes an event that waits out of the list, undecided.
    pub(super) fn drop_pending(&mut self, key: &Key, sequence: u64) {
        if let Some(at) = self.pending.iter().position(|pending| pending.posting.key == *key) {
            self.take_pending(at, sequence);
        }
    }

    pub(super) fn take_pending(&mut self, at: usize, sequence: u64) -> Pending {
        let pending = self.pending.remove(at);
        self.touch(&pending.lowers, sequence);
        self.work.resolve("pending_approval", &work::of_key(&pending.posting.key));
        pending
    }

    /// What is available changes with what waits, and leaves its place.
    pub(super) fn touch(&mut self, lowers: &[(PositionKey, i128)], sequence: u64) {
        for (key, _) in lowers.iter().filter(|(_, amount)| *amount > 0) {
            if let Some(position) = self.positions.get_mut(key) {
                position.version = sequence;
            }
        }
    }
}
