//! Waves: events are looked at many together before they are applied one by one. Each look touches what the event will need (its key, its names, its
//! position), so that the memory of all of them is fetched at once instead of one after the other. Changes no answer.

use std::borrow::Cow;
use std::sync::Arc;

use bumpalo::Bump;

use crate::batch::Batch;
use crate::columns::Rows;
use crate::decode::{Malformed, decode};
use crate::dedup::{Fingerprint, fingerprint};
use crate::engine::{Clock, Engine, Place};
use crate::event::{Event, EventTime};
use crate::explain::Findings;
use crate::intern::{Interner, NONE};
use crate::ledger::Names;
use crate::limits::EVENT_BYTES_MAX;

/// Events in a wave: enough to hide the latency of memory, few enough to stay in the nearest cache.
const WAVE_EVENTS: usize = 32;

/// An element of the log that waits to be applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) place: Place,
    form: Form<'a>,
}

/// What an element is written in.
#[derive(Debug, Clone, Copy)]
enum Form<'a> {
    /// JSON.
    Text(&'a [u8]),
    /// A row of columns.
    Row(&'a Rows<'a>, usize),
    /// A message that cannot be split, and why.
    Broken(&'a [u8], Malformed),
}

impl<'a> Element<'a> {
    pub(crate) const fn new(bytes: &'a [u8], place: Place) -> Self {
        Self { place, form: Form::Text(bytes) }
    }

    pub(crate) const fn broken(bytes: &'a [u8], place: Place, why: Malformed) -> Self {
        Self { place, form: Form::Broken(bytes, why) }
    }

    /// What an exception keeps of it, with its full length in bytes. A row is given as the JSON event that it is.
    pub(crate) fn original(&self) -> (Cow<'a, [u8]>, u64) {
        match self.form {
            Form::Text(bytes) | Form::Broken(bytes, _) => {
                (Cow::Borrowed(&bytes[..bytes.len().min(EVENT_BYTES_MAX)]), bytes.len() as u64)
            }
            Form::Row(rows, row) => {
                let (bytes, total) = rows.original(row);
                (Cow::Owned(bytes), total)
            }
        }
    }
}

/// The hashes of the names in an event. What is absent has the hash zero and is never looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NameHashes {
    pub(crate) sku: u64,
    pub(crate) location: u64,
    pub(crate) lot: u64,
    pub(crate) owner: u64,
    pub(crate) to_location: u64,
}

impl NameHashes {
    fn of(names: &Interner, event: &Event<'_>) -> Self {
        let hash = |name: Option<&str>| name.map_or(0, |name| names.hash(name));
        Self {
            sku: hash(event.sku),
            location: hash(event.location),
            lot: hash(event.lot),
            owner: hash(event.owner),
            to_location: hash(event.to_location),
        }
    }
}

/// What a first look found of an event's position. Names and places are never taken back, so it stays true.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) names: Option<Names>,
    pub(crate) place: Option<u32>,
}

/// What a first look found of an element.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) event: Event<'a>,
    pub(crate) is_too_large: bool,
    pub(crate) decoded: Result<(), Malformed>,
    pub(crate) key: Fingerprint,
    pub(crate) hashes: NameHashes,
    place_hash: u64,
    pub(crate) found: Found,
}

impl Default for Seen<'_> {
    fn default() -> Self {
        Self {
            event: Event::default(),
            is_too_large: false,
            decoded: Ok(()),
            key: Fingerprint([0; 2]),
            hashes: NameHashes::default(),
            place_hash: 0,
            found: Found::default(),
        }
    }
}

/// The elements of the next wave.
#[derive(Debug)]
pub(crate) struct Wave<'a> {
    /// Holds the strings that were written with escapes.
    arena: &'a Bump,
    elements: Vec<Element<'a>>,
    seen: Vec<Seen<'a>>,
}

impl<'a> Wave<'a> {
    pub(crate) const fn new(arena: &'a Bump) -> Self {
        Self { arena, elements: Vec::new(), seen: Vec::new() }
    }
}

impl Engine {
    /// Adds an element, and applies the wave when it is full.
    pub(crate) fn enqueue<'a>(&mut self, wave: &mut Wave<'a>, element: Element<'a>, batch: &mut Batch) {
        wave.elements.push(element);
        if wave.elements.len() == WAVE_EVENTS {
            self.run(wave, batch);
        }
    }

    /// Applies the rows of record batches in their order.
    pub(crate) fn apply_rows(
        &mut self,
        batches: &[Rows<'_>],
        mut places: impl Iterator<Item = Place>,
        batch: &mut Batch,
    ) {
        let arena = Bump::new();
        let mut wave = Wave::new(&arena);
        for rows in batches {
            for first in (0..rows.len()).step_by(WAVE_EVENTS) {
                let wanted = first..rows.len().min(first + WAVE_EVENTS);
                let elements =
                    wanted.zip(&mut places).map(|(row, place)| Element { place, form: Form::Row(rows, row) });
                wave.elements.extend(elements);
                self.run(&mut wave, batch);
            }
        }
    }

    /// Applies what waits.
    pub(crate) fn run(&mut self, wave: &mut Wave<'_>, batch: &mut Batch) {
        let Wave { arena, elements, seen } = wave;
        // The slots are used again and again: an event is too large to be moved about.
        if seen.len() < elements.len() {
            seen.resize_with(elements.len(), Seen::default);
        }
        let seen = &mut seen[..elements.len()];
        match elements.first().map(|element| element.form) {
            // Rows come in waves of their own and follow each other.
            Some(Form::Row(rows, first)) => rows.see(first, seen, arena),
            _ => elements.iter().zip(&mut *seen).for_each(|(element, seen)| self.see(element, seen, arena)),
        }
        self.look_ahead(seen);
        let config = Arc::clone(&self.config);
        for (element, seen) in elements.drain(..).zip(&*seen) {
            if matches!(element.place.clock, Clock::Message(_)) {
                // The bus's time moves with every message, whatever becomes of its elements.
                self.tick(element.place.clock, EventTime::Absent);
            }
            let mut findings = Findings::default();
            let outcome = self.judge(&config, &element, seen, &mut findings);
            self.record(&config, &element, (outcome, &seen.event, findings), batch);
        }
    }

    /// Each pass asks for memory that the pass before it has found out about.
    fn look_ahead(&self, seen: &mut [Seen<'_>]) {
        for seen in &mut *seen {
            let (source, id) = (seen.event.source, seen.event.id);
            seen.key = fingerprint(&self.secret, source.unwrap_or_default(), id.unwrap_or_default());
            self.dedup.prefetch(seen.key);
            seen.hashes = NameHashes::of(&self.names, &seen.event);
            self.names.prefetch(seen.hashes.sku);
        }
        for seen in &*seen {
            self.names.prefetch_name(seen.hashes.sku);
            self.dedup.prefetch_places(seen.key);
        }
        for seen in &mut *seen {
            seen.found.names = self.find_names(&seen.event, &seen.hashes);
            seen.place_hash = seen.found.names.map_or(0, |names| self.ledger.prefetch(names));
        }
        for seen in &*seen {
            self.ledger.prefetch_position(seen.place_hash);
        }
        for seen in &mut *seen {
            let place_hash = seen.place_hash;
            seen.found.place = seen.found.names.and_then(|names| self.ledger.find_hashed(names, place_hash));
        }
        for seen in &*seen {
            if let Some(place) = seen.found.place {
                self.ledger.prefetch_movements(place);
            }
        }
    }

    fn see<'a>(&mut self, element: &Element<'a>, seen: &mut Seen<'a>, arena: &'a Bump) {
        seen.is_too_large = false;
        seen.decoded = match element.form {
            Form::Text(bytes) if bytes.len() <= EVENT_BYTES_MAX => {
                decode(bytes, &mut seen.event, &mut self.shapes, arena)
            }
            Form::Text(_) | Form::Row(..) => {
                (seen.event, seen.is_too_large) = (Event::default(), true);
                Ok(())
            }
            Form::Broken(_, why) => {
                seen.event = Event::default();
                Err(why)
            }
        };
    }

    /// The names of an event's position, where all of them are known.
    fn find_names(&self, event: &Event<'_>, hashes: &NameHashes) -> Option<Names> {
        let optional = |name: Option<&str>, hash| match name {
            Some(name) => self.names.find_hashed(name, hash),
            None => Some(NONE),
        };
        Some([
            self.names.find_hashed(event.sku?, hashes.sku)?,
            self.names.find_hashed(event.location?, hashes.location)?,
            optional(event.lot, hashes.lot)?,
            optional(event.owner, hashes.owner)?,
        ])
    }
}
