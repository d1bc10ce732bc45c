//! What the engine is told: messages, columns, what the inbox holds; and what goes out of it.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use tallystick_engine as core;
use tallystick_engine::ChangedPosition;

use crate::applied::Applied;
use crate::batch::Batch;
use crate::door::State;
use crate::engine::Engine;
use crate::errors::of_sequence;
use crate::flush::Flush;
use crate::inbox::Inbox;
use crate::input::Messages;
use crate::log_time::{LogTimes, When};
use crate::subjects::{Subjects, check_trusted, missing};
use crate::table::{Table, of_columns};

#[pymethods]
impl Engine {
    /// Applies messages in their order and returns what became of each of their events: a `Batch`.
    ///
    /// `messages` is a list, each message an event or a list of events: bytes of JSON, a text, or a dict (or another
    /// mapping, or a dataclass). Or it is NDJSON, bytes or a text, each line one event.
    ///
    /// `first_sequence` is the log's sequence of the first message, the others follow it; None is the next one. The
    /// time of the log is `log_time_ns` (nanoseconds since 1970) or `log_time` (a `datetime` with a zone), one for all
    /// messages or one for each. None is now, and never before the last. With `event_times=True`, each event of NDJSON
    /// has its own, as in a replay. What None stands for is found out when no other call can come between: any number
    /// of threads may apply at once. To apply a log again to the same result, give what it had.
    ///
    /// In a dict, quantities are int, `Decimal` or text: a float is a `TypeError`, and so is a `datetime` without a
    /// zone. `hold_output=True` keeps changes and exceptions for `flush`. `keys=True` is needed for
    /// `Batch.outcome_lines`.
    ///
    /// Where `engine.source_subject` binds sources to subjects, `subjects` has the one that each message came on.
    ///
    /// An event that cannot be counted is an outcome and no error. Raises `SequenceError` where the sequence does not
    /// follow, `TypeError` and `ValueError` for arguments that cannot be understood; nothing was changed then.
    ///
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> engine.apply([came, came])
    ///     Batch(events=2, sequences=1..2, applied=1, duplicate=1)
    ///     >>> from datetime import UTC, datetime
    ///     >>> sold = b'{"id":"2","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}'
    ///     >>> batch = engine.apply([sold], first_sequence=3, log_time=datetime.now(UTC))
    ///     >>> batch.availability.atp_thousandths.tolist()
    ///     [3000]
    #[pyo3(signature = (messages, first_sequence = None, log_time_ns = None, *, log_time = None, event_times = false, hold_output = false, keys = false, subjects = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the call")]
    fn apply(
        &self,
        py: Python<'_>,
        messages: Messages,
        first_sequence: Option<u64>,
        log_time_ns: Option<&Bound<'_, PyAny>>,
        log_time: Option<&Bound<'_, PyAny>>,
        event_times: bool,
        hold_output: bool,
        keys: bool,
        subjects: Option<Vec<PyBackedStr>>,
    ) -> PyResult<Batch> {
        let times = LogTimes::read(When { ns: log_time_ns, moment: log_time, of_events: event_times })?;
        times.check(&messages)?;
        let subjects = Subjects::of(subjects, &messages)?;
        let applied: PyResult<_> = self.enter(py, |state| {
            let engine = &mut state.engine;
            let (first_sequence, times) = (next(first_sequence, engine), times.fixed(engine));
            let mut batch = if keys { core::Batch::with_keys() } else { core::Batch::new() };
            let subjects = subjects.for_engine(engine)?;
            let applied = match &messages {
                Messages::Lines(lines) => engine.apply_ndjson(lines, first_sequence, times.of_lines(), &mut batch),
                Messages::List(list) => {
                    let places = (first_sequence..).zip(list).enumerate();
                    let messages = places.map(|(place, (sequence, message))| (sequence, times.at(place), &**message));
                    match subjects {
                        None => engine.apply_messages(messages, &mut batch),
                        Some(subjects) => engine.apply_messages_on(
                            messages
                                .zip(subjects)
                                .map(|((sequence, ns, message), on)| (sequence, ns, message, on.as_bytes())),
                            &mut batch,
                        ),
                    }
                }
            };
            applied.map_err(of_sequence)?;
            Ok(output(engine, batch, hold_output))
        })?;
        let (batch, changed) = applied?;
        Batch::new(py, batch, changed.map(|rows| self.rows(rows)))
    }

    /// Applies events whose fields are columns, named as in the contract, each row with a sequence of its own.
    ///
    /// `columns` is an Arrow table or record batch of any library (without a copy), bytes of an Arrow IPC stream or
    /// file, or a mapping of NumPy columns: integers, `S` and `U` strings, `datetime64` (UTC), `(codes, categories)`,
    /// or one string for all rows. Quantities are whole or decimal numbers, or texts; floats are none.
    ///
    /// The other arguments are those of `apply`: the next sequence and now, unless they say otherwise. Raises
    /// `ValueError` for columns that cannot be understood, `SequenceError` as `apply` does; nothing was changed then.
    ///
    ///     >>> import numpy as np
    ///     >>> engine = Engine()
    ///     >>> columns = {"id": np.array(["1", "2"]), "source": "wms", "type": "stock.received", "location": "DC1"}
    ///     >>> columns |= {"sku": np.array(["LAMP", "DESK"]), "quantity": np.array([5, 2])}
    ///     >>> engine.apply_columns(columns)
    ///     Batch(events=2, sequences=1..2, applied=2)
    #[pyo3(signature = (columns, first_sequence = None, log_time_ns = None, *, log_time = None, event_times = false, hold_output = false, keys = false))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the call")]
    fn apply_columns(
        &self,
        py: Python<'_>,
        columns: Table,
        first_sequence: Option<u64>,
        log_time_ns: Option<&Bound<'_, PyAny>>,
        log_time: Option<&Bound<'_, PyAny>>,
        event_times: bool,
        hold_output: bool,
        keys: bool,
    ) -> PyResult<Batch> {
        let times = LogTimes::of_columns(When { ns: log_time_ns, moment: log_time, of_events: event_times })?;
        let applied: PyResult<_> = self.enter(py, |state| {
            let engine = &mut state.engine;
            let (first_sequence, times) = (next(first_sequence, engine), times.fixed(engine));
            check_trusted(engine)?;
            let mut batch = if keys { core::Batch::with_keys() } else { core::Batch::new() };
            let rows = columns.rows().map_err(of_columns)?;
            engine.apply_columns(&rows, first_sequence, times.of_lines(), &mut batch).map_err(of_sequence)?;
            Ok(output(engine, batch, hold_output))
        })?;
        let (batch, changed) = applied?;
        Batch::new(py, batch, changed.map(|rows| self.rows(rows)))
    }

    /// Takes messages out of an inbox and applies them, what arrives meanwhile too: up to and including
    /// `last_sequence`, or until `events_max` elements or more are applied. Returns their sums. Output is held until
    /// the next flush.
    ///
    /// Raises `SequenceError` where the inbox does not follow the engine.
    ///
    ///     >>> from tallystick._engine import Inbox
    ///     >>> inbox = Inbox(1)
    ///     >>> inbox.push(1, 0, b'{"id":"1","source":"wms"}')
    ///     True
    ///     >>> Engine().apply_inbox(inbox)
    ///     Applied(events=1, last_sequence=1, malformed=1)
    #[pyo3(signature = (inbox, last_sequence = None, *, events_max = 65_536))]
    fn apply_inbox(
        &self,
        py: Python<'_>,
        inbox: &Inbox,
        last_sequence: Option<u64>,
        events_max: usize,
    ) -> PyResult<Applied> {
        let last_sequence = last_sequence.unwrap_or(u64::MAX);
        self.enter(py, |state| {
            let State { engine, batch, .. } = state;
            let needs_subjects = engine.needs_subjects();
            if needs_subjects && !inbox.keeps_subjects() {
                return Err(missing("give an Inbox(..., subjects=True)"));
            }
            batch.delays = inbox.delays.of_batch();
            let mut applied = Applied::default();
            while applied.events < events_max
                && let Some(messages) = inbox.take_through(last_sequence)
            {
                batch.clear();
                match messages.subjects().filter(|_| needs_subjects) {
                    None => engine.apply_messages(messages.iter(), batch),
                    Some(subjects) => engine.apply_messages_on(
                        messages.iter().zip(subjects).map(|((sequence, ns, message), on)| (sequence, ns, message, on)),
                        batch,
                    ),
                }
                .map_err(of_sequence)?;
                engine.hold_exceptions(batch);
                inbox.delays.add(batch, &messages);
                applied.add(&mut *batch, messages);
            }
            applied.note(engine);
            Ok(applied)
        })?
    }

    /// Applies what is held as after its wait, as at the end of a replay. The batch has no elements of its own:
    /// `Batch.released` says what became of those that were held.
    ///
    ///     >>> len(Engine().release_held())
    ///     0
    #[pyo3(signature = (*, hold_output = false))]
    fn release_held(&self, py: Python<'_>, hold_output: bool) -> PyResult<Batch> {
        let (batch, changed) = self.enter(py, |state| {
            let mut batch = core::Batch::new();
            state.engine.release_held(&mut batch);
            output(&mut state.engine, batch, hold_output)
        })?;
        Batch::new(py, batch, changed.map(|rows| self.rows(rows)))
    }

    /// Takes everything that changed since the last flush, encoded for the bus, in messages of at most so many
    /// positions and bytes. `stream` is the name of the log, which their ids begin with.
    ///
    ///     >>> Engine().flush("EVENTS")
    ///     Flush(from_sequence=0, through=0, positions=0, messages=0)
    #[pyo3(signature = (stream, *, positions_per_message = 500, bytes_per_message = 524_288))]
    fn flush(
        &self,
        py: Python<'_>,
        stream: &str,
        positions_per_message: usize,
        bytes_per_message: usize,
    ) -> PyResult<Flush> {
        self.enter(py, |state| state.engine.flush(stream, positions_per_message, bytes_per_message)).map(Flush)
    }

    /// All positions and all unsettled exceptions as they stand, encoded for an output stream that lost them. Nothing
    /// is taken from what waits for the next flush.
    ///
    ///     >>> Engine().retell("EVENTS")
    ///     Flush(from_sequence=0, through=0, positions=0, messages=0)
    #[pyo3(signature = (stream, *, positions_per_message = 500, bytes_per_message = 524_288))]
    fn retell(
        &self,
        py: Python<'_>,
        stream: &str,
        positions_per_message: usize,
        bytes_per_message: usize,
    ) -> PyResult<Flush> {
        self.enter(py, |state| state.engine.retell(stream, positions_per_message, bytes_per_message)).map(Flush)
    }
}

/// The sequence that was given, or the one after the last.
fn next(first_sequence: Option<u64>, engine: &core::Engine) -> u64 {
    first_sequence.unwrap_or_else(|| engine.sequence().saturating_add(1))
}

/// The batch and the positions that it changed, or the batch alone when both stay in the engine until the next flush.
fn output(
    engine: &mut core::Engine,
    mut batch: core::Batch,
    hold: bool,
) -> (core::Batch, Option<Vec<ChangedPosition>>) {
    if hold {
        engine.hold_exceptions(&mut batch);
        return (batch, None);
    }
    let changed = engine.take_changed();
    (batch, Some(changed))
}
