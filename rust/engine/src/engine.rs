//! The state machine: messages in, outcomes and effects out. Time, sequence and configuration are inputs; there is no clock and no IO here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bumpalo::Bump;

use crate::balance::Standing;
pub use crate::batch::Batch;
use crate::columns::{self, Rows};
use crate::config::Config;
use crate::decode::Malformed;
use crate::dedup::Dedup;
use crate::effect::{Covers, Message, encode_availability, encode_exceptions};
use crate::event::{Event, EventTime};
use crate::exception::ExceptionRecord;
use crate::explain::{Findings, cause_of_code, cause_of_outcome, cure};
use crate::keys::Keys;
use crate::outcome::Outcome;
use crate::shape::Shapes;
use crate::shards::Shards;
use crate::split::{Framing, split, split_lines};
use crate::stock::Stock;
use crate::tracks::Tracks;
use crate::wave::{Element, Wave};

/// Room for outcome numbers; the largest is 27.
pub(crate) const OUTCOME_NUMBERS: usize = 32;

/// A log sequence that does not follow the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceError {
    /// The sequence that was offered.
    pub offered: u64,
    /// The last sequence that the state reflects.
    pub last: u64,
}

impl std::fmt::Display for SequenceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sequence {} does not follow {}, the last one that the ledger reflects", self.offered, self.last)
    }
}

impl std::error::Error for SequenceError {}

/// Everything that changed since the last flush, encoded.
#[derive(Debug)]
pub struct Flush {
    /// The sequence through which all was flushed before.
    pub from: u64,
    /// The last sequence that this flush reflects.
    pub through: u64,
    /// Changed positions.
    pub positions: usize,
    /// Availability messages.
    pub availability: Vec<Message>,
    /// Exception messages.
    pub exceptions: Vec<Message>,
}

/// Where the log's time comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The message's timestamp.
    Message(i64),
    /// Each event's own time, as in a replay from a file.
    Event,
}

/// An element's place in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) sequence: u64,
    pub(crate) index: u32,
    pub(crate) clock: Clock,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Arc<Config>,
    pub(crate) secret: [u8; 16],
    pub(crate) seed: u64,
    pub(crate) shards: Shards,
    pub(crate) stock: Stock,
    pub(crate) keys: Keys,
    pub(crate) meanings: Dedup,
    pub(crate) tracks: Tracks,
    /// The track that the last element moved.
    pub(crate) moved: Option<u32>,
    /// Elements of the log that were judged.
    pub(crate) elements: u64,
    /// Events that were posted, in this process: what puts the parts of the stock in one order.
    pub(crate) posts: u64,
    /// Exceptions for the next flush.
    pub(crate) exceptions: Vec<ExceptionRecord>,
    pub(crate) log_time_ns: Option<i64>,
    pub(crate) sequence: u64,
    pub(crate) flushed: u64,
    /// By outcome number.
    pub(crate) totals: [u64; OUTCOME_NUMBERS],
    /// What the caller wants to find again in a snapshot.
    pub notes: BTreeMap<String, String>,
    pub(crate) ranges: Vec<Range<usize>>,
    /// For each shard's reader.
    pub(crate) shapes: Vec<Shapes>,
}

impl Engine {
    /// An empty engine. The secret keys the hashes of names and idempotency keys, so that nobody can craft collisions; it changes no result.
    pub fn new(config: Config, secret: [u8; 16]) -> Self {
        Self::with_shards(config, secret, Shards::default())
    }

    /// The same, with its state divided for a crew to work on together; it changes no result.
    pub fn with_shards(config: Config, secret: [u8; 16], shards: Shards) -> Self {
        let (half, _) = secret.split_first_chunk::<8>().expect("16 bytes have a first half");
        let seed = u64::from_le_bytes(*half);
        let (parts, window_ns, keys_max) = (shards.count(), config.dedup_window_ns, config.dedup_keys_max);
        Self {
            stock: Stock::new(parts, config.history_max, seed),
            keys: Keys::new(parts, window_ns, keys_max),
            meanings: Dedup::new(window_ns, keys_max),
            tracks: Tracks::default(),
            moved: None,
            elements: 0,
            posts: 0,
            exceptions: Vec::new(),
            log_time_ns: None,
            sequence: 0,
            flushed: 0,
            totals: [0; OUTCOME_NUMBERS],
            notes: BTreeMap::new(),
            ranges: Vec::new(),
            shapes: std::iter::repeat_with(Shapes::default).take(parts).collect(),
            shards,
            config: Arc::new(config),
            secret,
            seed,
        }
    }

    /// Applies one message of the bus: an object, an array, NDJSON, or an Arrow IPC stream.
    ///
    /// # Errors
    /// When the sequence does not follow the last one. Nothing was changed.
    pub fn apply_message(
        &mut self,
        message: &[u8],
        sequence: u64,
        log_time_ns: i64,
        batch: &mut Batch,
    ) -> Result<(), SequenceError> {
        self.apply_messages(std::iter::once((sequence, log_time_ns, message)), batch)
    }

    /// Applies messages of the bus: sequence, the log's time in nanoseconds since 1970, and bytes of each.
    ///
    /// # Errors
    /// When a sequence does not follow the one before. What stands before it was applied.
    pub fn apply_messages<'a>(
        &mut self,
        messages: impl Iterator<Item = (u64, i64, &'a [u8])>,
        batch: &mut Batch,
    ) -> Result<(), SequenceError> {
        let arena = Bump::new();
        let mut wave = Wave::new(&arena);
        let mut ranges = std::mem::take(&mut self.ranges);
        let mut result = Ok(());
        for (sequence, log_time_ns, message) in messages {
            result = self.check_sequence(sequence);
            if result.is_err() {
                break;
            }
            let place = Place { sequence, index: 0, clock: Clock::Message(log_time_ns) };
            ranges.clear();
            let mut is_empty = false;
            match split(message, &mut ranges) {
                Framing::Elements => {
                    is_empty = ranges.is_empty();
                    for (index, range) in (0..).zip(&ranges) {
                        self.enqueue(&mut wave, Element::new(&message[range.clone()], Place { index, ..place }), batch);
                    }
                }
                Framing::Columns => match columns::read(message) {
                    Ok(batches) => {
                        is_empty = batches.iter().all(Rows::is_empty);
                        // The rows live as long as this message is looked at; what came before it is applied before it.
                        self.run(&mut wave, batch);
                        let indices = (0..).map(|index| Place { index, ..place });
                        self.apply_rows(&batches, indices, batch);
                    }
                    Err(why) => self.enqueue(&mut wave, Element::broken(message, place, why), batch),
                },
                Framing::Broken(what) => {
                    self.enqueue(&mut wave, Element::broken(message, place, Malformed::of_element(what)), batch);
                }
            }
            if is_empty {
                // A message without elements moves the log's time all the same, after what came before it.
                self.run(&mut wave, batch);
                self.tick(place.clock.offer(EventTime::Absent));
                if self.config.has_orders() {
                    let config = Arc::clone(&self.config);
                    self.expire(&config, sequence, batch);
                }
            }
            self.sequence = sequence;
        }
        self.run(&mut wave, batch);
        self.keys.settle_all();
        self.ranges = ranges;
        result
    }

    /// Applies NDJSON as `replay` does: each line that is not blank is an element with a sequence of its own. Without a log time, each event's
    /// own time is the log's.
    ///
    /// # Errors
    /// When the first sequence does not follow the last one. Nothing was changed.
    pub fn apply_ndjson(
        &mut self,
        buffer: &[u8],
        first_sequence: u64,
        log_time_ns: Option<i64>,
        batch: &mut Batch,
    ) -> Result<(), SequenceError> {
        self.check_sequence(first_sequence)?;
        let clock = log_time_ns.map_or(Clock::Event, Clock::Message);
        let arena = Bump::new();
        let mut wave = Wave::new(&arena);
        let mut ranges = std::mem::take(&mut self.ranges);
        ranges.clear();
        split_lines(buffer, &mut ranges);
        for (sequence, range) in (first_sequence..).zip(&ranges) {
            let element = Element::new(&buffer[range.clone()], Place { sequence, index: 0, clock });
            self.enqueue(&mut wave, element, batch);
            self.sequence = sequence;
        }
        self.run(&mut wave, batch);
        self.keys.settle_all();
        self.ranges = ranges;
        Ok(())
    }

    /// Applies the rows of record batches in their order, each an element with a sequence of its own, as [`Self::apply_ndjson`] does with lines.
    ///
    /// # Errors
    /// When the first sequence does not follow the last one. Nothing was changed.
    pub fn apply_columns(
        &mut self,
        batches: &[Rows<'_>],
        first_sequence: u64,
        log_time_ns: Option<i64>,
        batch: &mut Batch,
    ) -> Result<(), SequenceError> {
        self.check_sequence(first_sequence)?;
        let clock = log_time_ns.map_or(Clock::Event, Clock::Message);
        self.apply_rows(batches, (first_sequence..).map(|sequence| Place { sequence, index: 0, clock }), batch);
        self.keys.settle_all();
        let rows: usize = batches.iter().map(Rows::len).sum();
        if rows > 0 {
            self.sequence = first_sequence + rows as u64 - 1;
        }
        Ok(())
    }

    fn check_sequence(&self, offered: u64) -> Result<(), SequenceError> {
        if offered > self.sequence { Ok(()) } else { Err(SequenceError { offered, last: self.sequence }) }
    }

    /// Writes down what became of an element, with the exceptions that follow from it.
    pub(crate) fn record(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        judged: (Outcome, &Event<'_>, Findings),
        batch: &mut Batch,
    ) {
        let (outcome, event, findings) = judged;
        let place = element.place;
        self.totals[usize::from(outcome.number())] += 1;
        self.elements += 1;
        batch.push(place.sequence, place.index, outcome, event);
        let log_time_ns = match place.clock {
            Clock::Message(ns) => self.log_time_ns.unwrap_or(ns).max(ns),
            Clock::Event => self.log_time_ns.unwrap_or(0),
        };
        raise(config, element, (outcome, event, findings), log_time_ns, batch);
    }

    /// Keeps a batch's exceptions for the next flush.
    pub fn hold_exceptions(&mut self, batch: &mut Batch) {
        self.exceptions.append(&mut batch.exceptions);
    }

    /// Takes the positions that changed since they were last taken or flushed.
    pub fn take_changed(&mut self) -> Vec<Standing> {
        let (changed, _) = self.stock.take_changed();
        changed.into_iter().map(|spot| self.standing(spot)).collect()
    }

    /// Encodes everything that changed since the last flush, for the bus.
    pub fn flush(&mut self, stream: &str, positions_max: usize, bytes_max: usize) -> Flush {
        let (changed, tracings) = self.stock.take_changed();
        let records = std::mem::take(&mut self.exceptions);
        let (from, through) = (self.flushed, self.sequence);
        let covers = Covers { stream, from, through, log_time_ns: self.log_time_ns.unwrap_or(0) };
        let balances = self.views(&changed).map(|(spot, view)| (view, tracings[spot.part as usize].get(spot.place)));
        let availability = encode_availability(covers, balances, positions_max, bytes_max);
        let exceptions = encode_exceptions(covers, &records, positions_max, bytes_max);
        self.flushed = through;
        Flush { from, through, positions: changed.len(), availability, exceptions }
    }
}

/// Writes down the exceptions that follow from an outcome.
pub(crate) fn raise(
    config: &Config,
    element: &Element<'_>,
    (outcome, event, mut findings): (Outcome, &Event<'_>, Findings),
    log_time_ns: i64,
    batch: &mut Batch,
) {
    let place = element.place;
    if outcome.is_silent() && findings.raised.is_empty() {
        return;
    }
    let (original, event_bytes_total) = element.original();
    let exception =
        |code: &str, location: Option<Box<str>>, cause: String, fields: Vec<&'static str>| ExceptionRecord {
            code: code.into(),
            outcome: Some(outcome),
            team: config.team(code),
            sequence: place.sequence,
            index: place.index,
            log_time_ns,
            source: event.source.map(Into::into),
            id: event.id.map(Into::into),
            correlation_id: event.correlation_id.map(Into::into),
            causation_id: event.causation_id.map(Into::into),
            sku: event.sku.map(Into::into),
            location: location.or_else(|| event.location.map(Into::into)),
            cause,
            cure: cure(code),
            fields,
            missing: None,
            event: (*original).into(),
            event_bytes_total,
        };
    if !outcome.is_silent() {
        let cause = cause_of_outcome(outcome, event, &findings, config, log_time_ns, event_bytes_total);
        let fields = findings.fields.take().unwrap_or_default();
        batch.exceptions.push(exception(outcome.name(), None, cause, fields));
    }
    for (code, location) in findings.raised {
        let cause = cause_of_code(&code).to_owned();
        batch.exceptions.push(exception(&code, location, cause, Vec::new()));
    }
}
