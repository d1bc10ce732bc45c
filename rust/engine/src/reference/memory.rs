//! Keys and bodies that were seen, for a window of log time and a count. Nothing is hashed: the bodies themselves are kept.

use std::collections::BTreeMap;

use crate::limits::DEDUP_GENERATIONS;
use crate::outcome::Outcome;

use super::event::{Body, Event};

/// One remembered key.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    generation: i64,
    /// Elements before the one that was first sent under it.
    pub(super) ordinal: u64,
    pub(super) body: Body,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone)]
pub(super) struct Memory {
    generation_ns: i64,
    keys_max: u64,
    generation: i64,
    floor_ns: i64,
    keys: BTreeMap<(String, String), Remembered>,
}

impl Memory {
    pub(super) fn new(window_ns: i64, keys_max: u64) -> Self {
        let generation_ns = (window_ns / DEDUP_GENERATIONS).max(1);
        Self { generation_ns, keys_max, generation: i64::MIN, floor_ns: i64::MIN, keys: BTreeMap::new() }
    }

    pub(super) fn find(&self, source: &str, id: &str) -> Option<&Remembered> {
        self.keys.get(&(source.to_owned(), id.to_owned()))
    }

    /// The own time of an event below which its key may have been forgotten for lack of room.
    pub(super) fn floor_ns(&self) -> i64 {
        self.floor_ns
    }

    /// Forgets what lies more than the window behind the log.
    pub(super) fn forget_by_time(&mut self, log_time_ns: i64) {
        let generation = log_time_ns.div_euclid(self.generation_ns);
        if generation > self.generation {
            self.generation = generation;
            self.keys.retain(|_, known| known.generation >= generation.saturating_sub(DEDUP_GENERATIONS));
        }
    }

    /// Keeps a key with its answer, and makes room for it.
    pub(super) fn remember(&mut self, event: &Event, body: Body, outcome: Outcome, ordinal: u64, log_time_ns: i64) {
        let generation = log_time_ns.div_euclid(self.generation_ns);
        self.keys.insert((event.source.clone(), event.id.clone()), Remembered { generation, ordinal, body, outcome });
        while self.keys.len() as u64 > self.keys_max {
            let oldest =
                self.keys.values().map(|known| known.generation).min().expect("more keys than the limit are some");
            if oldest == generation {
                break;
            }
            self.keys.retain(|_, known| known.generation != oldest);
            self.floor_ns = self.floor_ns.max((oldest + 1).saturating_mul(self.generation_ns));
        }
    }

    /// Gives a key another answer, if it is still known.
    pub(super) fn answer_instead(&mut self, event: &Event, outcome: Outcome) {
        if let Some(known) = self.keys.get_mut(&(event.source.clone(), event.id.clone())) {
            known.outcome = outcome;
        }
    }

    /// Whether another key said the same about the same line of the same document, and was believed.
    pub(super) fn has_same_meaning(&self, event: &Event, body: &Body) -> bool {
        let meaning = |body: &Body| (body.rule, body.key(), body.document.clone(), body.line, body.quantity);
        let is_other = |(source, id): &(String, String)| *source != event.source || *id != event.id;
        let was_believed =
            |known: &Remembered| matches!(known.outcome, Outcome::Applied | Outcome::Absorbed | Outcome::Late);
        let is_suspect = |(key, known): (&(String, String), &Remembered)| {
            was_believed(known) && is_other(key) && meaning(&known.body) == meaning(body)
        };
        !body.document.is_empty() && self.keys.iter().any(is_suspect)
    }
}
