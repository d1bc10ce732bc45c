//! Waiting: directives that came before the event that they are about, by that event and by age.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::heap_size::heap_size;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::image::{Form, Image};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::order::{HeldEvent, Unnumbered};
/// All that waits, by the key of what it waits for, and by its place in the log.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    by_target: BTreeMap<[u64; 2], Vec<HeldEvent>>,
    /// Elements before it, and what it waits for: the first has waited longest.
    by_age: BTreeSet<(u64, [u64; 2])>,
    bytes: usize,
}

heap_size!(Waiting { by_target, by_age, bytes });

impl Waiting {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    pub(crate) fn add(&mut self, target: Fingerprint, held: HeldEvent) {
        self.bytes += held.bytes.len();
        self.by_age.insert((held.ordinal, target.0));
        let waiting = self.by_target.entry(target.0).or_default();
        let place = waiting.partition_point(|other| other.ordinal < held.ordinal);
        waiting.insert(place, held);
    }

    /// Takes the first that waits for an event.
    pub(crate) fn take(&mut self, target: [u64; 2]) -> Option<HeldEvent> {
        let waiting = self.by_target.get_mut(&target)?;
        let held = waiting.remove(0);
        if waiting.is_empty() {
            self.by_target.remove(&target);
        }
        self.by_age.remove(&(held.ordinal, target));
        self.bytes -= held.bytes.len();
        Some(held)
    }

    /// Takes the one that has waited longest, if it came by a time.
    pub(crate) fn take_oldest(&mut self, came_ns: i64) -> Option<HeldEvent> {
        let (ordinal, target) = *self.by_age.first()?;
        let is_oldest = |held: &HeldEvent| held.ordinal == ordinal && held.came_ns <= came_ns;
        // Of those that wait for one event, the first has waited longest.
        self.by_target.get(&target)?.first().filter(|held| is_oldest(held))?;
        self.take(target)
    }

    /// When the one that has waited longest has waited so long, in nanoseconds since 1970.
    pub(crate) fn next_due_ns(&self, window_ns: i64) -> Option<i64> {
        let (_, target) = self.by_age.first()?;
        Some(self.by_target.get(target)?.first()?.came_ns.saturating_add(window_ns))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = &HeldEvent> + '_ {
        self.by_target.values().flatten()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.by_age.len() as u64);
        for (target, waiting) in &self.by_target {
            for held in waiting {
                target.save(writer);
                Unnumbered::save(held, writer);
            }
        }
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        const LEAST: usize = Fingerprint::LEAST + <Unnumbered as Form<HeldEvent>>::LEAST;
        for _ in 0..reader.count(LEAST)? {
            let (target, held) = (Image::load(reader)?, Unnumbered::load(reader)?);
            self.add(target, held);
        }
        Ok(())
    }
}
