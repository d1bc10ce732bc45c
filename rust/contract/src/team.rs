//! Team: who works on an exception (`docs/truth.md`): those that codes begin with. A configuration may name others.

use crate::heap_size::flat;

/// Who works on an exception, unless the configuration says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// All of them.
pub const ALL: [Team; 3] = [Team::Operations, Team::Finance, Team::It];
