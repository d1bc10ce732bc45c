//! The state machine: messages in, outcomes and effects out. It knows no clock and no IO: time is an input.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::limits::DEDUP_GENERATIONS;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::dedup::{Dedup, Fingerprint};

use crate::approval::Pendings;
pub use crate::batch::Batch;
use crate::changes::ChangedPosition;
use crate::claims::Claims;
use crate::columns::{self, Rows};
use crate::correction::Amended;
use crate::decode::Malformed;
use crate::effect::{Covers, Message, encode_availability, encode_exceptions};
use crate::event::{Event, EventTime};
use crate::exception::ExceptionRecord;
use crate::explain::Findings;
use crate::keys::Keys;
use crate::master::Catalog;
use crate::nets::NetTurn;
use crate::promise::Promises;
use crate::receipts::Lines;
use crate::shadow::Shadow;
use crate::shape::Shapes;
use crate::shards::Shards;
use crate::shelf::Turn;
use crate::sources::{Noted, Sources};
use crate::split::{Framing, split, split_lines};
use crate::stock::{Spot, Stock};
use crate::tracks::Tracks;
use crate::transfers::Lanes;
use crate::waiting::Waiting;
use crate::wave::{Element, Seen, Wave};
use crate::work::Work;

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
    /// The key of the last element, if something may wait for it.
    pub(crate) posted: Option<Fingerprint>,
    /// Elements of the log that were judged.
    pub(crate) elements: u64,
    /// Events that were posted, in this process: what puts the parts of the stock in one order.
    pub(crate) posts: u64,
    /// Exceptions for the next flush.
    pub(crate) exceptions: Vec<Arc<ExceptionRecord>>,
    /// Exceptions as work.
    pub(crate) work: Work,
    pub(crate) sources: Sources,
    pub(crate) amended: Amended,
    pub(crate) waiting: Waiting,
    pub(crate) pendings: Pendings,
    pub(crate) lines: Lines,
    pub(crate) lanes: Lanes,
    pub(crate) items: Catalog,
    pub(crate) locations: Catalog,
    /// What can be promised, and to whom it was.
    pub(crate) promises: Promises,
    /// What orders claim.
    pub(crate) claims: Claims,
    /// At how many positions a source has shipped what it did not pick, by source and location.
    pub(crate) unpicked: BTreeMap<(Box<str>, Box<str>), u32>,
    /// What changed of shelves and claims without documents, until it is told.
    pub(crate) turns: Vec<Turn>,
    pub(crate) nets: Vec<NetTurn>,
    /// Whether a snapshot is put back, so that nothing changes that others see.
    pub(crate) is_quiet: bool,
    /// Positions that a request takes from while it is decided: they change only if it is granted.
    pub(crate) tried: Option<Vec<Spot>>,
    pub(crate) shadow: Option<Shadow>,
    /// Whether the configuration was changed since somebody looked.
    pub(crate) is_reconfigured: bool,
    /// Up to when what is kept for a window of log time need not be looked through.
    pub(crate) tidy_ns: i64,
    /// When a rule of safety stock begins or ends next, in nanoseconds.
    pub(crate) safety_ns: i64,
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
    /// An empty engine. The secret keys all hashes, so that nobody can craft collisions; it changes no result.
    pub fn new(config: Config, secret: [u8; 16]) -> Self {
        Self::with_shards(config, secret, Shards::default())
    }

    /// A new engine whose state is divided for a crew to work on together; it changes no result.
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
            posted: None,
            elements: 0,
            posts: 0,
            exceptions: Vec::new(),
            work: Work::new(seed, config.exceptions_max, config.escalate_after_ns),
            sources: Sources::new(seed),
            amended: Amended::default(),
            waiting: Waiting::default(),
            pendings: Pendings::default(),
            lines: Lines::default(),
            lanes: Lanes::default(),
            items: Catalog::new(seed),
            locations: Catalog::new(seed),
            promises: Promises::new(&config),
            claims: Claims::new(seed),
            unpicked: BTreeMap::new(),
            turns: Vec::new(),
            nets: Vec::new(),
            is_quiet: false,
            tried: None,
            safety_ns: i64::MIN,
            shadow: None,
            is_reconfigured: false,
            tidy_ns: i64::MIN,
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
                let config = Arc::clone(&self.config);
                self.on_time(&config, (sequence, 0), batch);
                self.review(&config, (sequence, 0), batch);
            }
            self.sequence = sequence;
        }
        self.run(&mut wave, batch);
        self.keys.settle_all();
        self.ranges = ranges;
        result
    }

    /// Applies NDJSON as `replay` does: each line that is not blank is an element with a sequence of its own. Without
    /// a log time, each event's own time is the log's.
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

    /// Applies the rows of record batches in their order, as [`Self::apply_ndjson`] does with lines.
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
        judged: (Outcome, &Seen<'_>, &mut Findings),
        batch: &mut Batch,
    ) {
        let (outcome, seen, findings) = judged;
        let (place, event) = (element.place, &seen.event);
        self.totals[usize::from(outcome.number())] += 1;
        self.elements += 1;
        batch.push(place.sequence, place.index, outcome, event);
        let log_time_ns = match place.clock {
            Clock::Message(ns) => self.log_time_ns.unwrap_or(ns).max(ns),
            Clock::Event => self.log_time_ns.unwrap_or(0),
        };
        if !(findings.turns.is_empty() && findings.nets.is_empty() && self.turns.is_empty() && self.nets.is_empty()) {
            self.tell_turns(findings);
        }
        if !outcome.is_silent() || findings.is_telling() || self.work.knows(seen.key) {
            self.raise(config, element, (outcome, seen, findings), log_time_ns, batch);
        }
        let location_hash = seen.hashes.location;
        self.note_source(config, (event, location_hash), (outcome, log_time_ns), (place.sequence, place.index), batch);
        if self.work.is_due(log_time_ns) {
            let now = self.now((place.sequence, place.index));
            self.work.escalate(now);
        }
    }

    /// Notes what came from a source.
    #[inline]
    fn note_source(
        &mut self,
        config: &Config,
        (event, location_hash): (&Event<'_>, u64),
        (outcome, log_time_ns): (Outcome, i64),
        place: (u64, u32),
        batch: &mut Batch,
    ) {
        let Some(source) = event.source else { return };
        let time_ns = if let EventTime::At(time_ns) = event.time { time_ns } else { log_time_ns };
        let sequence = event.sequence.unwrap_or_default();
        let noted = Noted { outcome, time_ns, sequence, place, log_time_ns, location_hash };
        if let Some(todo) = self.sources.note(source, noted) {
            if todo.is_news || self.locations.has_aliases() {
                self.hear_of(source, todo.number, (event, outcome), time_ns);
            }
            if todo.is_to_look_after {
                self.look_after(config, todo.number, place, batch);
            }
        }
        if self.sources.is_due(log_time_ns) {
            self.look_at_lags(config, place, batch);
        }
    }

    /// Notes that a source has spoken of a location.
    #[cold]
    fn hear_of(&mut self, source: &str, number: u32, (event, outcome): (&Event<'_>, Outcome), time_ns: i64) {
        let Some(location) = event.location.filter(|_| !outcome.is_refusal()) else { return };
        let known = self.locations.has_aliases().then(|| self.locations.resolve(source, location, time_ns));
        self.sources.speak_of(number, known.flatten().unwrap_or(location));
    }

    /// Whether what becomes of a stock event depends on nothing but its key, its order and its positions.
    #[inline]
    pub(crate) fn is_plain(&self, config: &Config) -> bool {
        !config.needs_state() && self.items.is_empty() && self.locations.is_empty() && self.shadow.is_none()
    }

    /// What the log's time brings about: gaps that are given up, directives whose target does not come, transfers that
    /// age, versions that begin.
    #[inline]
    pub(crate) fn on_time(&mut self, config: &Config, place: (u64, u32), batch: &mut Batch) {
        let log_time_ns = self.log_time_ns.unwrap_or(i64::MIN);
        let is_anything_due = self.promises.is_used
            || !self.tracks.is_idle()
            || !self.waiting.is_empty()
            || self.lanes.is_due(log_time_ns)
            || self.items.has_begun(log_time_ns)
            || config.has_timed_safety()
            || log_time_ns > self.tidy_ns;
        if is_anything_due {
            self.follow_time(config, place, batch);
        }
    }

    fn follow_time(&mut self, config: &Config, place: (u64, u32), batch: &mut Batch) {
        if self.is_promise_due() {
            self.promises_on_time(config, place, batch);
        }
        // What is held stays so when its source's order is changed.
        if !self.tracks.is_idle() {
            self.expire(config, place.0, batch);
        }
        if !self.waiting.is_empty() {
            self.expire_waiting(config, batch);
        }
        let log_time_ns = self.log_time_ns.unwrap_or(i64::MIN);
        if self.lanes.is_due(log_time_ns) {
            self.tell_overdue(config, place, batch);
        }
        // What was held may have been released only when its time was over.
        if self.promises.is_used && self.promises.reservations.expired(log_time_ns).is_some() {
            self.expire_reservations(place.0);
        }
        if self.items.has_begun(log_time_ns) {
            self.touch_begun(log_time_ns, place.0);
        }
        if config.has_timed_safety() {
            self.follow_safety(config, log_time_ns, place.0);
        }
        if log_time_ns > self.tidy_ns {
            self.tidy_ns = log_time_ns.saturating_add(config.dedup_window_ns / DEDUP_GENERATIONS);
            self.tidy(config, log_time_ns);
        }
    }

    /// Forgets what is kept for as long as keys are.
    #[cold]
    fn tidy(&mut self, config: &Config, log_time_ns: i64) {
        // A key is remembered for up to 25/24 of the window.
        let kept_ns = config.dedup_window_ns.saturating_add(2 * (config.dedup_window_ns / DEDUP_GENERATIONS));
        let before_ns = log_time_ns.saturating_sub(kept_ns);
        self.amended.0.retain(|_, amendment| amendment.at_ns >= before_ns);
        self.pendings.decided.retain(|_, at_ns| *at_ns >= before_ns);
        self.lines.forget(before_ns);
        self.lanes.forget(before_ns);
        self.tidy_promises(config, before_ns);
        self.tidy_claims(config, before_ns);
    }

    /// Keeps a batch's exceptions for the next flush.
    pub fn hold_exceptions(&mut self, batch: &mut Batch) {
        self.exceptions.append(&mut batch.exceptions);
    }

    /// Takes the positions that changed since they were last taken or flushed.
    pub fn take_changed(&mut self) -> Vec<ChangedPosition> {
        let (changed, _) = self.stock.take_changed();
        changed.into_iter().map(|spot| self.standing(spot)).collect()
    }

    /// Encodes everything that changed since the last flush, for the bus.
    pub fn flush(&mut self, stream: &str, positions_max: usize, bytes_max: usize) -> Flush {
        let (changed, tracings) = self.stock.take_changed();
        let records = std::mem::take(&mut self.exceptions);
        let (from, through) = (self.flushed, self.sequence);
        let covers = Covers { stream, from, through, log_time_ns: self.log_time_ns.unwrap_or(0) };
        let tracing = |spot: Spot| tracings[spot.part as usize].get(spot.place);
        let balances = self.views(&changed).map(|(spot, view)| (spot, view, tracing(spot)));
        let more = |spot, out: &mut Vec<u8>| self.write_promise(spot, out);
        let availability = encode_availability(covers, balances, (positions_max, bytes_max), more);
        let moved = std::mem::take(&mut self.work.changes);
        let exceptions = encode_exceptions(covers, &records, &moved, positions_max, bytes_max);
        self.flushed = through;
        Flush { from, through, positions: changed.len(), availability, exceptions }
    }
}
