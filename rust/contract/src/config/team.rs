//! Team: who works on an exception (`docs/truth.md`).

use serde::{Deserialize, Serialize};

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

impl Team {
    /// The name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Finance => "finance",
            Self::It => "it",
        }
    }

    /// Whose an exception with this code is unless the configuration says otherwise.
    pub(super) fn by_default(code: &str) -> Self {
        match code {
            "negative_stock"
            | "short_pick"
            | "count_beyond_history"
            | "quantity_invalid"
            | "duplicate_suspect"
            | "insufficient"
            | "pending_approval"
            | "mass_change"
            | "receipt_variance"
            | "transfer_overdue"
            | "supply_overdue"
            | "closed_line"
            | "claim_below_zero"
            | "ship_without_pick"
            | "unallocated_pick"
            | "over_release"
            | "over_protected"
            | "reservation_at_risk" => Self::Operations,
            _ => Self::It,
        }
    }
}
