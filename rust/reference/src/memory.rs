//! Keys and bodies that were seen, for a window of log time and a count. Nothing is hashed: the bodies themselves are
//! kept.

use std::collections::BTreeMap;

use tallystick_contract::limits::DEDUP_GENERATIONS;
use tallystick_contract::outcome::Outcome;

use super::ask::Ask;
use super::body::{Body, Key};
use super::directive::{Directive, What};
use super::event::Content;
use super::time::Time;

/// What was said under a key.
#[derive(Debug, Clone)]
pub(super) enum KeyContent {
    Content(Box<Content>, Option<Time>),
    /// Nothing yet: an event that was made from this one came before it.
    Echo,
}

impl KeyContent {
    /// The names of the fields in which what is said now differs. An echo is never contradicted.
    pub(super) fn differences(&self, content: &Content, time: Option<Time>) -> Vec<&'static str> {
        let Self::Content(known, known_time) = self else { return Vec::new() };
        match (&**known, content) {
            (Content::Stock(known), Content::Stock(body)) => known.differences(body),
            (Content::Directive(known), Content::Directive(directive)) => {
                let fields = [
                    ("type", known.kind != directive.kind),
                    ("time", *known_time != time),
                    ("data", known.members != directive.members),
                ];
                fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
            }
            (Content::Stock(body), Content::Directive(_)) | (Content::Directive(_), Content::Stock(body)) => {
                across(body, *known_time != time)
            }
        }
    }
}

/// In what an event and a directive differ: in all that only one of them says.
fn across(body: &Body, is_other_time: bool) -> Vec<&'static str> {
    let fields = [
        ("type", true),
        ("sku", true),
        ("location", true),
        ("lot", !body.lot.is_empty()),
        ("owner", !body.owner.is_empty()),
        ("to_location", !body.to_location.is_empty()),
        ("quantity", true),
        ("time", is_other_time),
        ("from_status", body.from_status.is_some()),
        ("to_status", body.to_status.is_some()),
        ("document", !body.document.is_empty()),
        ("line", !body.line.is_none()),
        ("due", body.due.is_some()),
        ("data", true),
    ];
    fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

/// One remembered key.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    generation: i64,
    /// Elements before the one that was first sent under it.
    pub(super) ordinal: u64,
    pub(super) said: KeyContent,
    pub(super) outcome: Outcome,
}

impl Remembered {
    pub(super) fn is_request(&self) -> bool {
        let is_it = |content: &Content| {
            matches!(content, Content::Directive(Directive { what: What::Promise(Ask::Request(_)), .. }))
        };
        matches!(&self.said, KeyContent::Content(content, _) if is_it(content))
    }

    pub(super) fn is_directive(&self) -> bool {
        matches!(&self.said, KeyContent::Content(content, _) if matches!(**content, Content::Directive(_)))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Memory {
    generation_ns: i64,
    keys_max: u64,
    generation: i64,
    floor_ns: i64,
    /// Whether keys that are older than the window may be there.
    has_old: bool,
    keys: BTreeMap<Key, Remembered>,
}

impl Memory {
    pub(super) fn new(window_ns: i64, keys_max: u64) -> Self {
        let generation_ns = (window_ns / DEDUP_GENERATIONS).max(1);
        Self {
            generation_ns,
            keys_max,
            generation: i64::MIN,
            floor_ns: i64::MIN,
            has_old: false,
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn find(&self, key: &Key) -> Option<&Remembered> {
        self.keys.get(key)
    }

    /// The own time of an event below which its key may have been forgotten for lack of room.
    pub(super) fn floor_ns(&self) -> i64 {
        self.floor_ns
    }

    /// Forgets what lies more than the window behind the log, but for what lives on.
    pub(super) fn forget_by_time(&mut self, log_time_ns: i64, lives: impl Fn(&Key) -> bool) {
        let generation = log_time_ns.div_euclid(self.generation_ns);
        self.generation = self.generation.max(generation);
        let oldest = self.generation.saturating_sub(DEDUP_GENERATIONS);
        self.keys.retain(|key, known| known.generation >= oldest || lives(key));
        self.has_old = self.keys.values().any(|known| known.generation < oldest);
    }

    /// Whether there may be something to forget: time has passed, or something old lived on.
    pub(super) fn may_forget(&self, log_time_ns: i64) -> bool {
        self.has_old || log_time_ns.div_euclid(self.generation_ns) > self.generation
    }

    /// Keeps a key with its answer, and makes room for it.
    pub(super) fn remember(&mut self, key: Key, said: KeyContent, outcome: Outcome, ordinal: u64, log_time_ns: i64) {
        let generation = log_time_ns.div_euclid(self.generation_ns);
        self.has_old |= generation < self.generation.saturating_sub(DEDUP_GENERATIONS);
        self.keys.insert(key, Remembered { generation, ordinal, said, outcome });
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

    /// Returns a key another answer, if it is still known.
    pub(super) fn answer_instead(&mut self, key: &Key, outcome: Outcome) {
        if let Some(known) = self.keys.get_mut(key) {
            known.outcome = outcome;
        }
    }

    /// Whether another key said the same about the same line of the same document, and was believed.
    pub(super) fn has_same_meaning(&self, key: &Key, body: &Body) -> bool {
        let meaning =
            |body: &Body| (body.rule.name.clone(), body.key(), body.document.clone(), body.line.clone(), body.quantity);
        let was_believed =
            |known: &Remembered| matches!(known.outcome, Outcome::Applied | Outcome::Absorbed | Outcome::Late);
        let is_suspect = |(other, known): (&Key, &Remembered)| match &known.said {
            KeyContent::Content(said, _) => match &**said {
                Content::Stock(said) => was_believed(known) && other != key && meaning(said) == meaning(body),
                Content::Directive(_) => false,
            },
            KeyContent::Echo => false,
        };
        !body.document.is_empty() && self.keys.iter().any(is_suspect)
    }
}
