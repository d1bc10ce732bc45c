//! Whose lines: a document for one SKU, and whether its lines come or go.

use super::number::Number;

/// Whether a line comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Supply,
    Demand,
}

/// All lines of a document for one SKU: those that facts without a line are shared out to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    /// Under which name the document's number is kept.
    pub(crate) names: String,
    pub(crate) document: String,
    pub(crate) sku: String,
}

impl Order {
    /// What exceptions about one of its lines are about.
    pub(crate) fn subject(&self, number: &Number) -> String {
        format!("{}/{number}/{}", self.document(), self.sku)
    }

    pub(crate) fn document(&self) -> String {
        if self.names.is_empty() { self.document.clone() } else { format!("{}:{}", self.names, self.document) }
    }
}
