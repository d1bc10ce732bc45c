//! How much a figure is worth, as answers tell it (`docs/promise.md` §7).

/// How much a figure is worth, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Freshness {
    /// All that is known is there.
    #[default]
    Firm,
    /// Something is known to be missing, or late.
    Provisional,
    /// Nothing was heard for too long.
    Stale,
}

impl Freshness {
    /// The word in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firm => "firm",
            Self::Provisional => "provisional",
            Self::Stale => "stale",
        }
    }
}
