//! Team: who works on an exception (`docs/truth.md`).

use serde::{Deserialize, Serialize};

use crate::heap_size::flat;

/// Who works on an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Team {
    /// The people who move the goods.
    Operations,
    /// The people who own the books.
    Finance,
    /// The people who run the integrations.
    It,
}

flat!(Team);

impl Team {
    /// The name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Finance => "finance",
            Self::It => "it",
        }
    }
}
