//! The state machine: messages in, outcomes and effects out. Each event runs down a column of early returns in the documented precedence to a
//! point of no return, and only then changes anything. Time, sequence and configuration are inputs; there is no clock and no IO here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bumpalo::Bump;

use crate::balance::Balance;
pub use crate::batch::Batch;
use crate::body::{Body, BodyBuilder};
use crate::columns::{self, Rows};
use crate::config::Config;
use crate::decode::Malformed;
use crate::dedup::{Dedup, Recent};
use crate::effect::{Covers, Effects, Message, encode_availability, encode_exceptions};
use crate::event::{Event, EventTime};
use crate::exception::ExceptionRecord;
use crate::explain::{Findings, cause_of_code, cause_of_outcome, cure};
use crate::intern::Interner;
use crate::ledger::Ledger;
use crate::legs::{Statuses, check_form, check_quantity};
use crate::outcome::Outcome;
use crate::post::Checked;
use crate::rules::Rule;
use crate::shape::Shapes;
use crate::split::{Framing, split, split_lines};
use crate::wave::{Element, Seen, Wave};

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
    pub(crate) names: Interner,
    pub(crate) ledger: Ledger,
    pub(crate) dedup: Dedup,
    pub(crate) meanings: Dedup,
    pub(crate) recent: Recent,
    /// Elements of the log that were judged.
    pub(crate) elements: u64,
    pub(crate) effects: Effects,
    pub(crate) log_time_ns: Option<i64>,
    pub(crate) sequence: u64,
    pub(crate) flushed: u64,
    /// By outcome number.
    pub(crate) totals: [u64; OUTCOME_NUMBERS],
    /// What the caller wants to find again in a snapshot.
    pub notes: BTreeMap<String, String>,
    pub(crate) ranges: Vec<Range<usize>>,
    pub(crate) shapes: Shapes,
}

impl Engine {
    /// An empty engine. The secret keys the hashes of names and idempotency keys, so that nobody can craft collisions; it changes no result.
    pub fn new(config: Config, secret: [u8; 16]) -> Self {
        let (half, _) = secret.split_first_chunk::<8>().expect("16 bytes have a first half");
        let seed = u64::from_le_bytes(*half);
        Self {
            names: Interner::new(seed),
            ledger: Ledger::new(config.history_max, seed),
            dedup: Dedup::new(config.dedup_window_ns, config.dedup_keys_max),
            meanings: Dedup::new(config.dedup_window_ns, config.dedup_keys_max),
            recent: Recent::default(),
            elements: 0,
            effects: Effects::default(),
            log_time_ns: None,
            sequence: 0,
            flushed: 0,
            totals: [0; OUTCOME_NUMBERS],
            notes: BTreeMap::new(),
            ranges: Vec::new(),
            shapes: Shapes::default(),
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
                self.tick(place.clock, EventTime::Absent);
            }
            self.sequence = sequence;
        }
        self.run(&mut wave, batch);
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
        let rows: usize = batches.iter().map(Rows::len).sum();
        if rows > 0 {
            self.sequence = first_sequence + rows as u64 - 1;
        }
        Ok(())
    }

    fn check_sequence(&self, offered: u64) -> Result<(), SequenceError> {
        if offered > self.sequence { Ok(()) } else { Err(SequenceError { offered, last: self.sequence }) }
    }

    /// The column of early returns, in the precedence of `docs/events.md` §8.
    pub(crate) fn judge(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        seen: &Seen<'_>,
        findings: &mut Findings,
    ) -> Outcome {
        let (event, place) = (&seen.event, element.place);
        if seen.is_too_large {
            return Outcome::TooLarge;
        }
        if let Err(malformed) = seen.decoded {
            findings.malformed = Some(malformed);
            return Outcome::Malformed;
        }
        let Some(number) = config.rules.find(event.kind.unwrap_or_default()) else {
            self.tick(place.clock, event.time);
            return Outcome::UnknownType;
        };
        let rule = config.rules.rule(number);
        let statuses = match check_form(event, rule) {
            Ok(statuses) => statuses,
            Err(malformed) => {
                findings.malformed = Some(malformed);
                return Outcome::Malformed;
            }
        };
        let log_time_ns = self.tick(place.clock, event.time);
        let quantity = match check_quantity(event, rule) {
            Ok(quantity) => quantity,
            Err(outcome) => return outcome,
        };
        // Order `arrival` asks for no sequence; the orders that do refuse here.
        self.dedup.advance(log_time_ns);
        let body = body_of(self.seed, seen, rule, statuses, quantity);
        let vacancy = match self.dedup.look(seen.key) {
            Err(vacancy) => vacancy,
            Ok(known) if known.means(body) => return known.answer_again(),
            Ok(_) => {
                let first = self.recent.find(self.elements, seen.key);
                findings.fields = first.map(|slices| slices.differences(body.slices()));
                return Outcome::Conflict;
            }
        };
        let Some(time_ns) = self.effective_time(config, event, log_time_ns) else {
            return Outcome::TimeOutOfBounds;
        };
        // Ownership, and the orders that hold, take their places here.
        let checked = Checked { event, rule, statuses, quantity, time_ns, sequence: place.sequence, found: seen.found };
        let outcome = self.post(config, &checked, findings).unwrap_or_else(|refusal| refusal);
        if outcome.is_remembered() {
            self.dedup.remember_at(vacancy, seen.key, body.known(outcome));
            self.recent.push(self.elements, seen.key, body.slices());
        }
        if config.duplicate_suspect && matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            self.suspect_duplicate(&checked, log_time_ns, findings);
        }
        outcome
    }

    /// Moves the log's time, which never goes backwards, and gives it.
    pub(crate) fn tick(&mut self, clock: Clock, time: EventTime) -> i64 {
        let offered = match (clock, time) {
            (Clock::Message(ns), _) | (Clock::Event, EventTime::At(ns)) => Some(ns),
            (Clock::Event, EventTime::Absent | EventTime::BeyondRange) => None,
        };
        self.log_time_ns = self.log_time_ns.max(offered);
        self.log_time_ns.unwrap_or(0)
    }

    /// The event's effective time, unless it lies outside the source's bounds.
    fn effective_time(&self, config: &Config, event: &Event<'_>, log_time_ns: i64) -> Option<i64> {
        let time_ns = match event.time {
            EventTime::Absent => return Some(log_time_ns),
            EventTime::BeyondRange => return None,
            EventTime::At(ns) => ns,
        };
        let bounds = config.bounds(event.source.unwrap_or_default());
        if time_ns > log_time_ns.saturating_add(bounds.max_ahead_ns) {
            return None;
        }
        let Some(max_age_ns) = bounds.max_age_ns else {
            return Some(time_ns);
        };
        let oldest_ns = log_time_ns.saturating_sub(max_age_ns).max(self.dedup.floor_ns());
        (time_ns >= oldest_ns).then_some(time_ns)
    }

    /// Writes down what became of an element, with the exceptions that follow from it.
    pub(crate) fn record(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        judged: (Outcome, &Event<'_>, Findings),
        batch: &mut Batch,
    ) {
        let (outcome, event, mut findings) = judged;
        let place = element.place;
        self.totals[usize::from(outcome.number())] += 1;
        self.elements += 1;
        batch.push(place.sequence, place.index, outcome, event);
        let log_time_ns = match place.clock {
            Clock::Message(ns) => self.log_time_ns.unwrap_or(ns).max(ns),
            Clock::Event => self.log_time_ns.unwrap_or(0),
        };
        let is_silent = matches!(outcome, Outcome::Applied | Outcome::Duplicate | Outcome::Absorbed);
        if is_silent && findings.raised.is_empty() {
            return;
        }
        let (original, event_bytes_total) = element.original();
        let exception =
            |code: &str, location: Option<Box<str>>, cause: String, fields: Vec<&'static str>| ExceptionRecord {
                code: code.into(),
                outcome,
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
                event: (*original).into(),
                event_bytes_total,
            };
        if !is_silent {
            let cause = cause_of_outcome(outcome, event, &findings, config, log_time_ns, event_bytes_total);
            let fields = findings.fields.take().unwrap_or_default();
            batch.exceptions.push(exception(outcome.name(), None, cause, fields));
        }
        for (code, location) in findings.raised {
            let cause = cause_of_code(&code).to_owned();
            batch.exceptions.push(exception(&code, location, cause, Vec::new()));
        }
    }

    /// Keeps a batch's exceptions for the next flush.
    pub fn hold_exceptions(&mut self, batch: &mut Batch) {
        self.effects.exceptions.append(&mut batch.exceptions);
    }

    /// Takes the positions that changed since they were last taken or flushed.
    pub fn take_changed(&mut self) -> Vec<Balance> {
        let (changed, _) = self.effects.take_changed();
        self.views(&changed).map(|(_, view)| view.to_balance()).collect()
    }

    /// Encodes everything that changed since the last flush, for the bus.
    pub fn flush(&mut self, stream: &str, positions_max: usize, bytes_max: usize) -> Flush {
        let (changed, tracings) = self.effects.take_changed();
        let records = std::mem::take(&mut self.effects.exceptions);
        let (from, through) = (self.flushed, self.sequence);
        let covers = Covers { stream, from, through, log_time_ns: self.log_time_ns.unwrap_or(0) };
        let balances = self.views(&changed).map(|(place, view)| (view, tracings.get(&place)));
        let availability = encode_availability(covers, balances, positions_max, bytes_max);
        let exceptions = encode_exceptions(covers, &records, positions_max, bytes_max);
        self.flushed = through;
        Flush { from, through, positions: changed.len(), availability, exceptions }
    }
}

/// The digest of what an event says (`docs/events.md` §7).
fn body_of(keyed: u64, seen: &Seen<'_>, rule: &Rule, statuses: Statuses, quantity: i64) -> Body {
    let mut body = BodyBuilder::new(keyed);
    let (event, hashes) = (&seen.event, &seen.hashes);
    // The name's hash, not the number: a newer version may number its types otherwise.
    body.hash(0, rule.name_hash);
    let names = [
        (event.sku, hashes.sku),
        (event.location, hashes.location),
        (event.lot, hashes.lot),
        (event.owner, hashes.owner),
        (event.to_location, hashes.to_location),
    ];
    for (place, (_, hash)) in (1..).zip(names).filter(|(_, (name, _))| name.is_some()) {
        body.hash(place, hash);
    }
    body.number(6, Some(quantity));
    body.number(
        7,
        match event.time {
            EventTime::Absent => None,
            EventTime::At(ns) => Some(ns),
            EventTime::BeyondRange => Some(i64::MAX),
        },
    );
    body.choice(8, statuses.from.map(|account| account as u8));
    body.choice(9, statuses.to.map(|account| account as u8));
    body.text(10, event.document);
    body.number(11, event.line);
    body.text(12, event.due);
    body.finish()
}
