//! Exceptions: what a person has to look at, with the original bytes, the place in the log, the cause and the cure.

use crate::read::element::Place;
use tallystick_contract::exception_state::ExceptionState;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::outcome::Outcome;

/// A change of an item's state, as it is told to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateChange {
    /// The item.
    pub number: u64,
    /// Its code.
    pub code: Box<str>,
    /// What it is now.
    pub state: ExceptionState,
    /// Whether it is escalated.
    pub is_escalated: bool,
    /// The team that works on it.
    pub team: Box<str>,
    /// Who or what moved it, the person behind an operator, and what was said about it.
    pub moved_by: Option<Box<str>>,
    pub person: Option<Box<str>>,
    pub note: Option<Box<str>>,
    /// The place in the log of what moved it: sequence of the message, and index within it.
    pub place: Place,
    /// The log's time there, in nanoseconds since 1970.
    pub log_time_ns: i64,
}

heap_size!(StateChange { number, code, state, is_escalated, team, moved_by, person, note, place, log_time_ns });

/// How an event differs from the one that was posted under its key: a field, what it was, and what it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: Box<str>,
    /// What was posted.
    pub was: Box<str>,
    /// What was sent under the same key.
    pub is: Box<str>,
}

heap_size!(Difference { field, was, is });
tallystick_tables::image::image!(Difference { field, was, is });

/// One exception.
///
/// ```
/// use tallystick_contract::config::Config;
/// use tallystick_engine::{Batch, Engine};
///
/// let (mut engine, mut batch) = (Engine::new(Config::default(), [0; 16]), Batch::new());
/// let event = br#"{"id":"1","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}"#;
/// engine.apply_message(event, 7, 0, &mut batch).unwrap();
/// let record = &batch.exceptions[0];
/// assert_eq!((&*record.code, record.sequence), ("negative_stock", 7));
/// assert_eq!(record.cause, "stock fell to -2 (sold 2, had 0)");
/// assert_eq!(&*record.event, event);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionRecord {
    /// The number of the item of work that it opened, or adds to.
    pub number: u64,
    /// Why: an outcome's name, or `negative_stock`, `short_pick`, `duplicate_suspect` beside an applied event.
    pub code: Box<str>,
    /// What became of the event; nothing where it is about no event (`sequence_gap`).
    pub outcome: Option<Outcome>,
    /// Who works on it.
    pub team: Box<str>,
    /// Place in the log: sequence of the message.
    pub sequence: u64,
    /// Place in the log: index within the message.
    pub index: u32,
    /// The log's time there, in nanoseconds since 1970.
    pub log_time_ns: i64,
    /// Who spoke, if that could be read.
    pub source: Option<Box<str>>,
    /// Its idempotency key, if that could be read.
    pub id: Option<Box<str>>,
    /// Carried through from the event.
    pub correlation_id: Option<Box<str>>,
    /// Carried through from the event.
    pub causation_id: Option<Box<str>>,
    /// The position, if that could be read.
    pub sku: Option<Box<str>>,
    /// The position, if that could be read.
    pub location: Option<Box<str>>,
    /// What happened, in words.
    pub cause: String,
    /// What to do about it, in words.
    pub cure: &'static str,
    /// For a conflict: the fields that differ from what was first sent under the key.
    pub fields: Vec<&'static str>,
    /// For a gap: the first and the last number that are missing.
    pub missing: Option<(u64, u64)>,
    /// The document, if that could be read.
    pub document: Option<Box<str>>,
    /// The quantity as it was sent, in thousandths, if that could be read.
    pub quantity: Option<i64>,
    /// What was on hand, and what is or would be, in thousandths, where it is about that.
    pub stock: Option<(i64, i64)>,
    /// For a conflict: what was posted and what was sent, as far as that is still known.
    pub versions: Vec<Difference>,
    /// The original bytes, at most 64 KiB of them.
    pub event: Box<[u8]>,
    /// How many bytes the original has.
    pub event_bytes_total: u64,
}

heap_size! {
    ExceptionRecord {
        number, code, outcome, team, sequence, index, log_time_ns, source, id, correlation_id, causation_id, sku,
        location, cause, cure, fields, missing, document, quantity, stock, versions, event, event_bytes_total,
    }
}
