//! Corrections: what was posted is taken out and put in again.

use tallystick_contract::outcome::Outcome;

use super::body::{Body, Key};
use super::memory::{KeyContent, Remembered};
use super::turn::{Reply, Turn};
use super::twin::{Record, Reference, Standing};
use super::{ownership, work};

/// What is known of a target.
pub(super) enum Target {
    /// It may still come.
    Unknown,
    /// It was no stock event, or its content is not remembered.
    OutOfReach,
    Known(Box<Record>),
}

impl Reference {
    /// What is known of a target. A key that only an echo named may still come, as far as anybody knows.
    pub(super) fn target(&self, key: &Key, ordinal: u64, elements_max: u64) -> Target {
        match self.memory.find(key) {
            Some(known) if known.is_directive() => Target::OutOfReach,
            None | Some(Remembered { said: KeyContent::Echo, .. } | Remembered { outcome: Outcome::Held, .. }) => {
                Target::Unknown
            }
            Some(known) if ordinal.saturating_sub(known.ordinal) > elements_max => Target::OutOfReach,
            Some(_) => {
                self.records.get(key).cloned().map_or(Target::OutOfReach, |record| Target::Known(Box::new(record)))
            }
        }
    }

    pub(super) fn void(&mut self, turn: &Turn, key: &Key, sequence: u64) -> Reply {
        let record = match self.target(key, turn.ordinal, self.config.corrections_max) {
            Target::Unknown => return Reply::new(Outcome::Held),
            Target::OutOfReach => return Reply::new(Outcome::UnknownReference),
            Target::Known(record) => record,
        };
        let reply = match &record.standing {
            Standing::Posted(posting) => match self.plan(Some(posting), None) {
                Err(outcome) => return Reply::new(outcome),
                Ok(plan) => self.book(plan, Some(posting), None, sequence),
            },
            Standing::Pending => {
                self.drop_pending(key, sequence);
                Reply::new(Outcome::Applied)
            }
            _ => return Reply::new(Outcome::UnknownReference),
        };
        self.work.resolve_all(&work::of_key(key));
        self.records.insert(key.clone(), Record { standing: Standing::Voided, ..*record });
        reply
    }

    pub(super) fn correct(&mut self, turn: &Turn, key: &Key, event: &Body, sequence: u64) -> Reply {
        let record = match self.target(key, turn.ordinal, self.config.corrections_max) {
            Target::Unknown => return Reply::new(Outcome::Held),
            Target::OutOfReach => return Reply::new(Outcome::UnknownReference),
            Target::Known(record) => record,
        };
        let undo = match &record.standing {
            Standing::Posted(posting) => Some(&**posting),
            Standing::Pending => None,
            _ => return Reply::new(Outcome::UnknownReference),
        };
        if record.corrected.as_ref().is_some_and(|holding| *holding > turn.rank()) {
            return Reply::new(Outcome::Absorbed);
        }
        let time_ns = event.exact_time_ns().unwrap_or(record.time_ns);
        // Its names and units are those of the event's source, under whose key it is posted.
        let named = self.master.named(&key.0, event, time_ns);
        let body = match self.master.measured(named, time_ns, self.config.master) {
            Err(outcome) => return Reply::new(outcome),
            Ok(body) => body,
        };
        let verdict = ownership::of_stock(&self.config, &key.0, &body, time_ns);
        let posting = self.posting(key.clone(), body, time_ns, verdict);
        let plan = match self.plan(undo, Some(&posting)) {
            Err(outcome) => return Reply::new(outcome),
            Ok(plan) => plan,
        };
        let outcome = plan.outcome;
        let was_pending = undo.is_none();
        let reply = self.book(plan, undo, Some(&posting), sequence);
        if was_pending {
            self.drop_pending(key, sequence);
            self.memory.answer_instead(key, outcome);
        }
        let corrected = Some(turn.rank());
        let standing = Standing::Posted(Box::new(posting));
        self.records.insert(key.clone(), Record { standing, corrected, ..*record });
        reply
    }
}
