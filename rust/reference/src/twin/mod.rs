//! The twin: all that it keeps. What it does stands in the modules above.

mod expected;
mod leap;
mod pending;
mod promises;
mod record;
mod replenish;

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;

use crate::body::Key;
use crate::claims::Claims;
use crate::directive::ReceiptLine;
use crate::master::Master;
use crate::memory::Memory;
use crate::order::Orders;
use crate::position::Position;
use crate::turn::Turn;
use crate::work::Work;

pub use promises::Promised;

pub(crate) use expected::{Dispatch, Expected, Taken};
pub(crate) use leap::Leap;
pub(crate) use pending::{Guard, Pending};
pub(crate) use promises::{GroupVersion, Promise, Protection, ProtectionKey};
pub(crate) use record::{Record, Standing};
pub(crate) use replenish::{Replenishing, Signal, Site};

/// What became of one element.
///
/// ```
/// use tallystick_contract::config::Config;
/// use tallystick_reference::Reference;
///
/// let mut twin = Reference::new(Config::default());
/// let lines = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}
/// {"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":6}"#;
/// let answers = twin.apply_ndjson(lines, 7, None);
/// assert_eq!((answers[1].sequence, answers[1].outcome.name()), (8, "conflict"));
/// assert_eq!(answers[1].fields, ["quantity"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Place in the log: sequence of the message.
    pub sequence: u64,
    /// Place in the log: index within the message.
    pub index: u32,
    /// Who spoke, where the element could be decoded.
    pub source: Option<String>,
    /// Its idempotency key, where the element could be decoded.
    pub id: Option<String>,
    /// The one final answer.
    pub outcome: Outcome,
    /// The codes of the exceptions that it raised.
    pub codes: Vec<String>,
    /// For a conflict: the fields that differ from what was first sent under the key.
    pub fields: Vec<&'static str>,
}

/// The twin.
///
/// ```
/// use tallystick_contract::{config::Config, outcome::Outcome};
/// use tallystick_reference::Reference;
///
/// let mut twin = Reference::new(Config::default());
/// let event = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}"#;
/// assert_eq!(twin.apply_message(event, 1, 0)[0].outcome, Outcome::Applied);
/// assert_eq!(twin.apply_message(event, 2, 0)[0].outcome, Outcome::Duplicate);
/// assert_eq!(twin.balances()[0].atp, 5_000); // 5, and not 10
/// ```
#[derive(Debug, Clone)]
pub struct Reference {
    pub(crate) config: Config,
    pub(crate) log_time_ns: Option<i64>,
    /// What is believed of it, if it went further.
    pub(crate) believed_ns: Option<i64>,
    pub(crate) leap: Option<Leap>,
    pub(crate) memory: Memory,
    /// Elements that were answered.
    pub(crate) elements: u64,
    pub(crate) positions: BTreeMap<PositionKey, Position>,
    pub(crate) orders: Orders,
    /// What became of each stock event that was remembered.
    pub(crate) records: BTreeMap<Key, Record>,
    /// Postings that were made.
    pub(crate) postings: u64,
    /// Directives that wait for the event that they are about.
    pub(crate) waiting: Vec<Turn>,
    /// Events that wait for a decision.
    pub(crate) pending: Vec<Pending>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) master: Master,
    pub(crate) lines: BTreeMap<ReceiptLine, Expected>,
    pub(crate) dispatches: Vec<Dispatch>,
    pub(crate) taken: Vec<Taken>,
    pub(crate) work: Work,
    /// Positions that events were posted to as they were sent.
    pub(crate) direct: BTreeSet<PositionKey>,
    /// Whether there was any directive yet.
    pub(crate) had_directives: bool,
    /// What the safety stock of each position was when somebody looked last.
    pub(crate) safety_stocks: BTreeMap<PositionKey, i64>,
    /// Sources that were told of as unregistered.
    pub(crate) strangers: BTreeSet<String>,
    pub(crate) promise: Promise,
    pub(crate) claims: Claims,
    pub(crate) replenish: Replenishing,
    /// Answers to requests for promises, in the order in which they were judged.
    pub answers: Vec<Promised>,
    /// Final answers of elements that were held, and gaps: an answer `held` with the code `sequence_gap FIRST-LAST`, at
    /// the place of the first event that waited behind it. In the order in which they came about.
    pub followed: Vec<Answer>,
}

impl Reference {
    /// An empty ledger.
    pub fn new(config: Config) -> Self {
        let memory = Memory::new(config.dedup_window_ns, config.dedup_keys_max);
        Self {
            config,
            log_time_ns: None,
            believed_ns: None,
            leap: None,
            memory,
            elements: 0,
            positions: BTreeMap::new(),
            orders: Orders::default(),
            records: BTreeMap::new(),
            postings: 0,
            waiting: Vec::new(),
            pending: Vec::new(),
            guards: Vec::new(),
            master: Master::default(),
            lines: BTreeMap::new(),
            dispatches: Vec::new(),
            taken: Vec::new(),
            work: Work::default(),
            direct: BTreeSet::new(),
            had_directives: false,
            safety_stocks: BTreeMap::new(),
            strangers: BTreeSet::new(),
            promise: Promise::default(),
            claims: Claims::default(),
            replenish: Replenishing::default(),
            answers: Vec::new(),
            followed: Vec::new(),
        }
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.log_time_ns.unwrap_or(0)
    }

    /// A position reflects a message.
    pub(crate) fn reflect(&mut self, at: &PositionKey, sequence: u64) {
        if let Some(position) = self.positions.get_mut(at) {
            position.version = sequence;
        }
    }

    pub(crate) fn on_hand(&self, key: &PositionKey) -> i128 {
        self.positions.get(key).map_or(0, Position::on_hand)
    }
}
