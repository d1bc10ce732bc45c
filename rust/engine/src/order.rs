//! The order that a source promises, and what the engine does about it. In this version every source is in order `arrival`: events are
//! applied in log order. The orders that hold events (`source`, `position`, `increasing`) take this step of the pipeline.

use serde::{Deserialize, Serialize};

/// The promise of a source about its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// No promise: applied in log order, no sequence asked for.
    #[default]
    Arrival,
}
