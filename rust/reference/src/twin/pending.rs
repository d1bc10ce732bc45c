//! Events that wait for a decision, and what sources changed of locations.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;

use crate::posting::Posting;
use crate::turn::Turn;

/// An event that waits for a decision.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) turn: Turn,
    pub(crate) posting: Posting,
    /// What it would take away, measured when it came.
    pub(crate) lowers: Vec<(PositionKey, i128)>,
    /// Whether it waits with others for one decision.
    pub(crate) is_mass: bool,
}

/// What a source changed of a location.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) source: String,
    pub(crate) location: String,
    pub(crate) window: i64,
    pub(crate) changed: BTreeSet<PositionKey>,
    /// Whether events wait for the decision.
    pub(crate) is_active: bool,
    /// Whether a decision allowed for all changes of this window.
    pub(crate) is_resting: bool,
}

impl Guard {
    pub(crate) fn subject(&self) -> String {
        format!("{}/{}", self.source, self.location)
    }

    pub(crate) fn is_of(&self, posting: &Posting) -> bool {
        self.source == posting.key.0 && self.location == posting.body.location
    }

    /// Begins another window, if it is another one.
    pub(crate) fn roll(&mut self, window: i64, is_resting: bool) {
        if self.window != window {
            self.window = window;
            self.changed.clear();
            self.is_resting = is_resting;
        }
    }
}
