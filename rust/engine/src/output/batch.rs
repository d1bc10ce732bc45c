//! What an application of messages gives back, in buffers that the caller owns and reuses.

use std::sync::Arc;

use tallystick_contract::outcome::Outcome;
use tallystick_tables::histogram::Histogram;

use crate::diagnostics::exception::ExceptionRecord;
use crate::read::event::{Event, given};
/// An answer, and where it goes.
///
/// ```
/// use tallystick_contract::config::Config;
/// use tallystick_engine::{Batch, Engine};
///
/// let (mut engine, mut batch) = (Engine::new(Config::default(), [0; 16]), Batch::new());
/// let request = br#"{"id":"1","source":"shop","type":"reservation.requested","reply":"shop.answers",
///     "sku":"LAMP","location":"DC1","quantity":2}"#;
/// engine.apply_message(request, 1, 0, &mut batch).unwrap();
/// assert_eq!(&*batch.answers[0].reply, "shop.answers");
/// let body = String::from_utf8_lossy(&batch.answers[0].body);
/// assert!(body.contains(r#""status":"insufficient""#), "{body}"); // nothing is there
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The subject.
    pub reply: Box<str>,
    /// JSON.
    pub body: Vec<u8>,
}

/// Source and id of an element, as far as they could be read.
pub type Key = (Option<Box<str>>, Option<Box<str>>);

/// Outcomes in log order, as columns, and the exceptions among them.
///
/// ```
/// use tallystick_contract::config::Config;
/// use tallystick_engine::{Batch, Engine};
///
/// let (mut engine, mut batch) = (Engine::new(Config::default(), [0; 16]), Batch::with_keys());
/// engine.apply_message(br#"{"id":"1","source":"wms"}"#, 7, 0, &mut batch).unwrap();
/// assert_eq!((batch.sequences[0], batch.indices[0], batch.outcomes[0].name()), (7, 0, "malformed"));
/// assert_eq!(batch.keys.as_ref().unwrap()[0], (Some("wms".into()), Some("1".into())));
/// assert_eq!(&*batch.exceptions[0].code, "malformed");
/// batch.clear(); // for the next messages
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    /// Log sequence of each element's message.
    pub sequences: Vec<u64>,
    /// Index of each element within its message.
    pub indices: Vec<u32>,
    /// What became of each element.
    pub outcomes: Vec<Outcome>,
    /// Final outcomes of elements that were held: the place in the log (sequence of the message, index within it) and
    /// the outcome, in the order in which they were applied.
    pub released: Vec<(u64, u32, Outcome)>,
    /// What a person has to look at, in log order; what follows from an element that was held stands where it was
    /// applied.
    pub exceptions: Vec<Arc<ExceptionRecord>>,
    /// Answers to requests that asked for one, in log order.
    pub answers: Vec<Reply>,
    /// Source and id of each element, if asked for.
    pub keys: Option<Vec<Key>>,
    /// How old applied events were when the log took them, if asked for. Emptied by whoever takes it.
    pub delays: Option<Histogram>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch that will also hold the keys.
    pub fn with_keys() -> Self {
        Self { keys: Some(Vec::new()), ..Self::default() }
    }

    /// Elements in the batch.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// Empties the buffers and keeps their room.
    pub fn clear(&mut self) {
        self.sequences.clear();
        self.indices.clear();
        self.outcomes.clear();
        self.released.clear();
        self.exceptions.clear();
        self.answers.clear();
        if let Some(keys) = &mut self.keys {
            keys.clear();
        }
    }

    /// Adds an element.
    pub(crate) fn push(&mut self, sequence: u64, index: u32, outcome: Outcome, event: &Event<'_>) {
        self.sequences.push(sequence);
        self.indices.push(index);
        self.outcomes.push(outcome);
        if let Some(keys) = &mut self.keys {
            keys.push((given(event.source).map(Into::into), given(event.id).map(Into::into)));
        }
    }
}
