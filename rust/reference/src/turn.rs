//! An element that is acted on, at once or later: what it says, what it was admitted with, and where it came
//! from.

use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Verdict;

use super::body::{Body, Key};
use super::event::Event;

/// An element that was accepted for its form, its time and its owner.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) event: Event,
    pub(super) admitted: Admitted,
    /// Elements before it in the log.
    pub(super) ordinal: u64,
    /// Its place in the log.
    pub(super) place: (u64, u32),
    /// The log's time when it came.
    pub(super) came_ns: i64,
    /// The time from which on it asks for something.
    pub(super) asked_ns: i64,
    /// Its own bytes, which are read again when its turn comes.
    pub(super) text: Vec<u8>,
    /// Whether its number had been given up, taken or passed.
    pub(super) is_late: bool,
}

/// An element that its source may send, in our names and units.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    /// A stock event's content in our names and units.
    pub(super) body: Option<Body>,
    pub(super) time_ns: i64,
    pub(super) verdict: Verdict,
}

impl Turn {
    pub(super) fn key(&self) -> Key {
        self.event.key()
    }

    /// Its effective time and key, by which corrections and definitions are ordered.
    pub(super) fn rank(&self) -> (i64, String, String) {
        (self.admitted.time_ns, self.event.source.clone(), self.event.id.clone())
    }
}

/// What becomes of an element, with code and subject of each exception beside its own.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) outcome: Outcome,
    pub(super) fields: Vec<&'static str>,
    pub(super) raised: Vec<(String, String)>,
    /// The code of its own exception, where that is not its outcome's name.
    pub(super) code: Option<&'static str>,
    /// Whether its outcome is told of by one of those, and has no exception of its own.
    pub(super) is_told: bool,
}

impl Reply {
    pub(super) fn new(outcome: Outcome) -> Self {
        Self { outcome, fields: Vec::new(), raised: Vec::new(), code: None, is_told: false }
    }

    /// What was applied too late is called late.
    pub(super) fn late_if(mut self, is_late: bool) -> Self {
        if is_late && matches!(self.outcome, Outcome::Applied | Outcome::Absorbed) {
            self.outcome = Outcome::Late;
        }
        self
    }
}
