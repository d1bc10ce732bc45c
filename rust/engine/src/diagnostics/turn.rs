//! Turns: what began, or ceased, beside the lines of orders: shipped without a pick, given back without a claim.

/// That a source begins, or ceases, to ship without a pick at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShelfTurn {
    pub(crate) source: Box<str>,
    pub(crate) location: Box<str>,
    pub(crate) is_missing: bool,
}

/// That more is given back of a position than was claimed, or that this is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetTurn {
    /// The position's names.
    pub(crate) subject: Box<str>,
    pub(crate) is_below_zero: bool,
}
