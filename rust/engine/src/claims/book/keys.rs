//! Keys: which line an event is a fact of, so that it can be taken back. An entry is half of what the line itself knows
//! of the event; whoever finds lines asks them. There are none before an event is taken back.

use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::{GOLDEN, fold};
use tallystick_tables::staggered::Staggered;

/// Lines by half of what is known of an event.
#[derive(Debug, Default)]
pub(crate) struct FactKeys {
    /// Half of an event's key, and the number of the line.
    lines: Staggered<(u32, u32)>,
}

heap_size!(FactKeys { lines });

impl FactKeys {
    pub(crate) fn add(&mut self, key: u64, line: u32) {
        self.lines.insert_unique(hash(half(key)), (half(key), line), |(half, _)| hash(*half));
    }

    /// Lines that may have an event as a fact.
    pub(crate) fn lines(&self, key: u64) -> impl Iterator<Item = u32> + '_ {
        let half = half(key);
        self.lines.with_hash(hash(half)).filter(move |(known, _)| *known == half).map(|(_, line)| *line)
    }

    pub(crate) fn remove(&mut self, key: u64, line: u32) {
        self.lines.remove(hash(half(key)), |known| *known == (half(key), line));
    }
}

const fn half(key: u64) -> u32 {
    (key >> 32) as u32
}

/// An event's key is a keyed hash already; its half is spread over the table.
const fn hash(half: u32) -> u64 {
    fold(half as u64 ^ GOLDEN, GOLDEN)
}
