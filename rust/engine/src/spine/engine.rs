//! The state machine: messages in, outcomes and effects out. It knows no clock and no IO: time is an input.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_tables::dedup::{Dedup, Fingerprint};

use crate::approval::Pendings;
use crate::claims::Claims;
use crate::core::Core;
use crate::correction::Amended;
use crate::diagnostics::exception::ExceptionRecord;
use crate::diagnostics::flood::Flood;
use crate::order::SequenceTracker;
pub(crate) use crate::output::batch::Batch;
use crate::output::effect::{Covers, Message, encode_availability, encode_exceptions};
use crate::promise::Promises;
use crate::read::columns;
use crate::read::columns::Rows;
use crate::read::element::{Clock, Element, Place};
use crate::read::event::EventTime;
use crate::read::malformed::Malformed;
use crate::read::split::{Framing, split, split_lines};
use crate::receipts::ExpectedReceipts;
use crate::replenish::Replenishing;
use crate::schedule::Schedule;
use crate::shadow::Shadow;
use crate::shards::Shards;
use crate::sources::Sources;
use crate::spine::wave::Wave;
use crate::stock::Spot;
use crate::stock::changes::ChangedPosition;
use crate::suspects::Suspects;
use crate::transfers::InTransit;
use crate::waiting::Waiting;
use crate::work::Work;
use tallystick_contract::limits::CHECKED;
use tallystick_contract::outcome::OUTCOME_NUMBERS;

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
        let Self { offered, last } = self;
        match offered {
            0 => f.write_str("there is no sequence 0: the first one of a log is 1"),
            _ => write!(f, "sequence {offered} does not follow {last}, the last one that the ledger reflects"),
        }
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

/// The engine: the core, the capabilities, and what waits to go out. It alone knows all of them.
///
/// ```
/// use tallystick_contract::{balance::PositionKey, config::Config};
/// use tallystick_engine::{Batch, Engine};
///
/// let mut engine = Engine::new(Config::default(), [0; 16]);
/// let lines = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}
/// {"id":"2","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}"#;
/// engine.apply_ndjson(lines, 1, None, &mut Batch::new()).unwrap();
/// let [sku, location, lot, owner] = ["LAMP", "DC1", "", ""].map(String::from);
/// let balance = engine.find(&PositionKey { sku, location, lot, owner }).unwrap();
/// assert_eq!((balance.atp, balance.version), (10_500, 2)); // 10.5 can be promised, after the second line
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(crate) core: Core,
    pub(crate) shards: Shards,
    /// What sources promised an order of.
    pub(crate) tracker: SequenceTracker,
    /// What is known of positions beyond their accounts.
    pub(crate) schedule: Schedule,
    /// What orders claim, and what purchases bring.
    pub(crate) claims: Claims,
    /// What was promised, and to whom.
    pub(crate) promises: Promises,
    /// Events that wait for an approval.
    pub(crate) pendings: Pendings,
    /// What was corrected.
    pub(crate) amended: Amended,
    /// Directives that wait for the event that they are about.
    pub(crate) waiting: Waiting,
    /// Receipts that were announced.
    pub(crate) receipts: ExpectedReceipts,
    /// Transfers on their way.
    pub(crate) in_transit: InTransit,
    /// What is to be filled up.
    pub(crate) replenish: Replenishing,
    pub(crate) sources: Sources,
    pub(crate) suspects: Suspects,
    pub(crate) shadow: Option<Shadow>,
    /// Exceptions as work.
    pub(crate) work: Work,
    /// What the message in hand has raised.
    pub(crate) flood: Flood,
    /// Exceptions for the next flush.
    pub(crate) exceptions: Vec<Arc<ExceptionRecord>>,
    /// Their bytes, about.
    pub(crate) held_output_bytes: usize,
    /// The key of the last element, if something may wait for it.
    pub(crate) posted: Option<Fingerprint>,
    /// Whether the configuration was changed since somebody looked.
    pub(crate) is_reconfigured: bool,
    /// Up to when what is kept for a window of log time need not be looked through.
    pub(crate) tidy_ns: i64,
    pub(crate) flushed: u64,
    /// By outcome number.
    pub(crate) totals: [u64; OUTCOME_NUMBERS],
    /// What the caller wants to find again in a snapshot.
    pub notes: BTreeMap<String, String>,
    pub(crate) ranges: Vec<Range<usize>>,
}

impl Engine {
    /// An empty engine. The secret keys all hashes, so that nobody can craft collisions; it changes no result.
    pub fn new(config: Config, secret: [u8; 16]) -> Self {
        Self::with_shards(config, secret, Shards::default())
    }

    /// A new engine whose state is divided for a crew to work on together; it changes no result.
    pub fn with_shards(config: Config, secret: [u8; 16], shards: Shards) -> Self {
        let (window_ns, keys_max) = (config.dedup_window_ns, config.dedup_keys_max);
        let (exceptions_max, escalate_after_ns) = (config.exceptions_max, config.escalate_after_ns);
        let core = Core::new(config, secret, shards.count());
        let seed = core.seed;
        Self {
            core,
            shards,
            tracker: SequenceTracker::default(),
            schedule: Schedule::default(),
            claims: Claims::new(seed),
            promises: Promises::new(),
            pendings: Pendings::default(),
            amended: Amended::default(),
            waiting: Waiting::default(),
            receipts: ExpectedReceipts::default(),
            in_transit: InTransit::default(),
            replenish: Replenishing::default(),
            sources: Sources::new(seed),
            suspects: Suspects { meanings: Dedup::new(window_ns, keys_max) },
            shadow: None,
            work: Work::new(seed, exceptions_max, escalate_after_ns),
            flood: Flood::default(),
            exceptions: Vec::new(),
            held_output_bytes: 0,
            posted: None,
            is_reconfigured: false,
            tidy_ns: i64::MIN,
            flushed: 0,
            totals: [0; OUTCOME_NUMBERS],
            notes: BTreeMap::new(),
            ranges: Vec::new(),
        }
    }

    /// Applies one message of the bus: an object, an array, NDJSON, or an Arrow IPC stream.
    ///
    /// ```
    /// use tallystick_contract::{config::Config, outcome::Outcome};
    /// use tallystick_engine::{Batch, Engine, SequenceError};
    ///
    /// let (mut engine, mut batch) = (Engine::new(Config::default(), [0; 16]), Batch::new());
    /// let message = br#"[{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5},
    ///     {"id":"2","source":"wms","type":"stock.stolen","sku":"LAMP","location":"DC1","quantity":1}]"#;
    /// engine.apply_message(message, 7, 0, &mut batch).unwrap();
    /// assert_eq!(batch.outcomes, [Outcome::Applied, Outcome::UnknownType]);
    /// let again = engine.apply_message(message, 7, 0, &mut batch);
    /// assert_eq!(again, Err(SequenceError { offered: 7, last: 7 })); // counted already, and nothing was changed
    /// ```
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
        self.apply_all(messages.map(|(sequence, stamp_ns, message)| (sequence, stamp_ns, message, None)), batch)
    }

    /// Applies messages of the bus, each with the subject that it came on: where `engine.source_subject` binds sources
    /// to subjects, an event on another source's subject is refused. Messages without a subject are trusted.
    ///
    /// ```
    /// use tallystick_contract::{config::Config, outcome::Outcome};
    /// use tallystick_engine::{Batch, Engine};
    ///
    /// let config = Config::parse("[engine]\nsource_subject = \"events.{source}\"").unwrap();
    /// let (mut engine, mut batch) = (Engine::new(config, [0; 16]), Batch::new());
    /// let event: &[u8] = br#"{"id":"1","source":"erp","type":"stock.sold","sku":"A","location":"L","quantity":5}"#;
    /// let messages = [(1, 0, event, &b"events.wms"[..]), (2, 0, event, b"events.erp")];
    /// engine.apply_messages_on(messages.into_iter(), &mut batch).unwrap();
    /// assert_eq!(batch.outcomes, [Outcome::NotOwner, Outcome::Applied]); // the forged one did not use up the key
    /// assert_eq!(batch.exceptions[0].cause, "Source \"erp\" was sent on the subject of \"wms\".");
    /// ```
    ///
    /// # Errors
    /// When a sequence does not follow the one before. What stands before it was applied.
    pub fn apply_messages_on<'a>(
        &mut self,
        messages: impl Iterator<Item = (u64, i64, &'a [u8], &'a [u8])>,
        batch: &mut Batch,
    ) -> Result<(), SequenceError> {
        self.apply_all(messages.map(|(sequence, ns, message, subject)| (sequence, ns, message, Some(subject))), batch)
    }

    /// Whether sources are bound to subjects, so that messages need theirs.
    pub fn needs_subjects(&self) -> bool {
        self.core.config.source_subject.is_some()
    }

    fn apply_all<'a>(
        &mut self,
        messages: impl Iterator<Item = (u64, i64, &'a [u8], Option<&'a [u8]>)>,
        batch: &mut Batch,
    ) -> Result<(), SequenceError> {
        let arena = Bump::new();
        let mut wave = Wave::new(&arena);
        let mut ranges = std::mem::take(&mut self.ranges);
        let mut result = Ok(());
        let mut front_ns = self.core.reached_ns();
        for (sequence, stamp_ns, message, subject) in messages {
            result = self.check_sequence(sequence);
            if result.is_err() {
                break;
            }
            let (place, mut clock) = (Place { sequence, index: 0 }, Clock::Message(stamp_ns));
            if self.core.is_leap(front_ns, stamp_ns) {
                self.run(&mut wave, batch);
                clock = self.leap(stamp_ns, place, (message, subject), batch);
                front_ns = self.core.reached_ns();
            }
            if let Clock::Message(moved_ns) = clock {
                front_ns = front_ns.max(moved_ns);
            }
            ranges.clear();
            let mut is_empty = false;
            match split(message, &mut ranges) {
                Framing::Elements => {
                    is_empty = ranges.is_empty();
                    for (index, range) in (0..).zip(&ranges) {
                        let place = Place { sequence, index };
                        self.enqueue(&mut wave, Element::new(&message[range.clone()], place, clock).on(subject), batch);
                    }
                }
                Framing::Columns => match columns::read(message) {
                    Ok(batches) => {
                        is_empty = batches.iter().all(Rows::is_empty);
                        // The rows live as long as this message is looked at; what came before it is applied before it.
                        self.run(&mut wave, batch);
                        let places = (0..).map(|index| Place { sequence, index });
                        self.apply_rows(&batches, places, (clock, subject), batch);
                    }
                    Err(why) => self.enqueue(&mut wave, Element::broken(message, place, clock, why), batch),
                },
                Framing::Broken(what) => {
                    self.enqueue(&mut wave, Element::broken(message, place, clock, Malformed::of_element(what)), batch);
                }
            }
            if is_empty {
                // A message without elements moves the log's time all the same, after what came before it.
                self.run(&mut wave, batch);
                self.begin_message(sequence, batch);
                self.core.tick(clock.offer(EventTime::Absent));
                let config = Arc::clone(&self.core.config);
                self.on_time(&config, place, batch);
                self.review(&config, place, batch);
            }
            self.core.sequence = sequence;
        }
        self.run(&mut wave, batch);
        self.core.keys.settle_all();
        self.check_books(batch);
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
            let mut element = Element::new(&buffer[range.clone()], Place { sequence, index: 0 }, clock);
            if let Clock::Message(stamp_ns) = clock
                && self.core.is_leap(self.core.reached_ns(), stamp_ns)
            {
                self.run(&mut wave, batch);
                element.clock = self.leap_of(stamp_ns, element, batch);
            }
            self.enqueue(&mut wave, element, batch);
            self.core.sequence = sequence;
        }
        self.run(&mut wave, batch);
        self.core.keys.settle_all();
        self.check_books(batch);
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
        let places = (first_sequence..).map(|sequence| Place { sequence, index: 0 });
        match log_time_ns {
            Some(stamp_ns) if self.core.is_leap(self.core.reached_ns(), stamp_ns) => {
                self.apply_rows_apart(batches, places, stamp_ns, batch);
            }
            _ => self.apply_rows(batches, places, (clock, None), batch),
        }
        self.core.keys.settle_all();
        self.check_books(batch);
        let rows: usize = batches.iter().map(Rows::len).sum();
        if rows > 0 {
            self.core.sequence = first_sequence + rows as u64 - 1;
        }
        Ok(())
    }

    /// Ends a batch. Checks what holds between two of them: each element has one outcome, and nothing waits to be told.
    pub(crate) fn check_books(&mut self, batch: &mut Batch) {
        self.end_message(batch);
        if CHECKED {
            let outcomes = self.totals.iter().sum::<u64>();
            assert_eq!(outcomes, self.core.elements, "each element has one outcome");
            assert_eq!(batch.sequences.len(), batch.outcomes.len(), "each outcome has its place");
            assert!(self.core.notices.is_empty(), "what capabilities tell is passed on");
            assert!(self.core.tried.is_none(), "what a request tries is over when it is decided");
        }
    }

    fn check_sequence(&self, offered: u64) -> Result<(), SequenceError> {
        if offered > self.core.sequence { Ok(()) } else { Err(SequenceError { offered, last: self.core.sequence }) }
    }

    /// Whether what becomes of a stock event depends on nothing but its key, its order and its positions.
    #[inline]
    pub(crate) fn is_plain(&self, config: &Config) -> bool {
        !config.needs_state() && self.core.items.is_empty() && self.core.locations.is_empty() && self.shadow.is_none()
    }

    /// Keeps a batch's exceptions for the next flush.
    pub fn hold_exceptions(&mut self, batch: &mut Batch) {
        let bytes = batch.exceptions.iter().map(|record| size_of::<ExceptionRecord>() + record.event.len());
        self.held_output_bytes += bytes.sum::<usize>();
        self.exceptions.append(&mut batch.exceptions);
    }

    /// Takes the positions that changed since they were last taken or flushed.
    pub fn take_changed(&mut self) -> Vec<ChangedPosition> {
        let (changed, _) = self.core.stock.take_changed();
        changed.into_iter().map(|spot| self.standing(spot)).collect()
    }

    /// Encodes everything that changed since the last flush, for the bus.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    /// use tallystick_engine::{Batch, Engine};
    ///
    /// let mut engine = Engine::new(Config::default(), [0; 16]);
    /// let event = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}"#;
    /// engine.apply_message(event, 1, 0, &mut Batch::new()).unwrap();
    /// let flush = engine.flush("EVENTS", 500, 524_288);
    /// assert_eq!((flush.from, flush.through, flush.positions), (0, 1, 1));
    /// let (id, body) = &flush.availability[0];
    /// assert_eq!(id, "EVENTS:1:availability:0"); // the same, whenever the same flush is made again
    /// assert!(body.ends_with(br#""atp":5,"version":1}]}}"#));
    /// ```
    pub fn flush(&mut self, stream: &str, positions_max: usize, bytes_max: usize) -> Flush {
        let (changed, tracings) = self.core.stock.take_changed();
        let records = std::mem::take(&mut self.exceptions);
        self.held_output_bytes = 0;
        let (from, through) = (self.flushed, self.core.sequence);
        let covers = Covers { stream, from, through, log_time_ns: self.core.now_ns() };
        let tracing = |spot: Spot| tracings[spot.part as usize].get(spot.place);
        let balances = self.views(&changed).map(|(spot, view)| (spot, view, tracing(spot)));
        let more = |spot, out: &mut Vec<u8>| self.schedule.write_promise(&self.core, spot, out);
        let availability = encode_availability(covers, balances, (positions_max, bytes_max), more);
        let moved = std::mem::take(&mut self.work.changes);
        let signals = self.replenish.untold(&self.core);
        let exceptions = encode_exceptions(covers, &records, (&moved, &signals), positions_max, bytes_max);
        self.replenish.note_told(&self.core.config);
        self.flushed = through;
        Flush { from, through, positions: changed.len(), availability, exceptions }
    }
}
