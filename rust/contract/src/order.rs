//! The order that a source promises, and what the engine does about it (`docs/events.md` §6).

use serde::{Deserialize, Serialize};

use crate::heap_size::flat;

/// The promise of a source about its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// No promise: applied in log order, no sequence asked for.
    #[default]
    Arrival,
    /// `sequence` counts 1, 2, 3 … over the whole source: what is ahead is held.
    Source,
    /// `sequence` counts 1, 2, 3 … per SKU and location of the source: what is ahead is held.
    Position,
    /// `sequence` grows, with holes: nothing is held, and what does not grow is late.
    Increasing,
}

impl Order {
    /// The name in configurations and outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::Source => "source",
            Self::Position => "position",
            Self::Increasing => "increasing",
        }
    }
}

/// A source's order with the bounds of holding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordering {
    /// What it promises.
    pub order: Order,
    /// How long an event is held at most, in nanoseconds of log time.
    pub gap_wait_ns: i64,
    /// How many events are held at most, of the source or of each of its positions.
    pub held_max: usize,
}

flat!(Ordering);
