//! The states of an exception: where it is on its way from open to done.

use crate::heap_size::flat;

/// Where an item is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExceptionState {
    /// Nobody has looked at it.
    Open,
    /// Somebody has.
    Acknowledged,
    /// What it was about is in order.
    Resolved,
    /// Nothing will be done about it.
    Discarded,
}

flat!(ExceptionState);

impl ExceptionState {
    /// The name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Discarded => "discarded",
        }
    }

    /// The state with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing is to be done about it any more.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Resolved | Self::Discarded)
    }
}

/// All states.
pub const ALL: [ExceptionState; 4] =
    [ExceptionState::Open, ExceptionState::Acknowledged, ExceptionState::Resolved, ExceptionState::Discarded];
