//! Waves: events are looked at many together before they are applied one by one. Each look touches what the event will need (its key, its names, its
//! position), so that the memory of all of them is fetched at once instead of one after the other. Changes no answer.

use std::hint::black_box;
use std::sync::Arc;

use crate::batch::Batch;
use crate::decode::{Malformed, decode};
use crate::dedup::{Fingerprint, fingerprint};
use crate::engine::{Clock, Engine, Place};
use crate::event::{Event, EventTime};
use crate::explain::Findings;
use crate::ledger::Names;
use crate::limits::EVENT_BYTES_MAX;

/// Events in a wave: enough to hide the latency of memory, few enough to stay in the nearest cache.
const WAVE_EVENTS: usize = 32;

/// An element of the log that waits to be applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) place: Place,
    /// Why it is a message that cannot be split, if it is one.
    broken: Option<&'static str>,
}

impl<'a> Element<'a> {
    pub(crate) const fn new(bytes: &'a [u8], place: Place) -> Self {
        Self { bytes, place, broken: None }
    }

    pub(crate) const fn broken(bytes: &'a [u8], place: Place, what: &'static str) -> Self {
        Self { bytes, place, broken: Some(what) }
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
    pub(crate) found: Found,
}

impl Default for Seen<'_> {
    fn default() -> Self {
        let (event, found) = (Event::default(), Found::default());
        Self { event, is_too_large: false, decoded: Ok(()), key: Fingerprint([0; 2]), found }
    }
}

/// The elements of the next wave.
#[derive(Debug, Default)]
pub(crate) struct Wave<'a> {
    elements: Vec<Element<'a>>,
    seen: Vec<Seen<'a>>,
}

impl Engine {
    /// Adds an element, and applies the wave when it is full.
    pub(crate) fn enqueue<'a>(&mut self, wave: &mut Wave<'a>, element: Element<'a>, batch: &mut Batch) {
        wave.elements.push(element);
        if wave.elements.len() == WAVE_EVENTS {
            self.run(wave, batch);
        }
    }

    /// Applies what waits.
    pub(crate) fn run(&mut self, wave: &mut Wave<'_>, batch: &mut Batch) {
        let Wave { elements, seen } = wave;
        // The slots are used again and again: an event is too large to be moved about.
        if seen.len() < elements.len() {
            seen.resize_with(elements.len(), Seen::default);
        }
        let seen = &mut seen[..elements.len()];
        for (element, seen) in elements.iter().zip(&mut *seen) {
            self.see(element, seen);
        }
        self.dedup.touch(seen.iter().map(|seen| seen.key));
        for seen in &mut *seen {
            seen.found.names = self.find_names(&seen.event);
        }
        for seen in &mut *seen {
            seen.found.place = seen.found.names.and_then(|names| self.ledger.find(names));
        }
        for seen in &*seen {
            black_box(seen.found.place.map(|place| self.ledger.position(place).version));
        }
        let config = Arc::clone(&self.config);
        for (element, seen) in elements.drain(..).zip(&*seen) {
            if matches!(element.place.clock, Clock::Message(_)) {
                // The bus's time moves with every message, whatever becomes of its elements.
                self.tick(element.place.clock, EventTime::Absent);
            }
            let mut findings = Findings::default();
            let outcome = self.judge(&config, &element, seen, &mut findings);
            self.record(&config, element.bytes, element.place, (outcome, &seen.event, findings), batch);
        }
    }

    fn see<'a>(&mut self, element: &Element<'a>, seen: &mut Seen<'a>) {
        seen.is_too_large = element.broken.is_none() && element.bytes.len() > EVENT_BYTES_MAX;
        seen.decoded = match element.broken {
            Some(what) => Err(Malformed::of_element(what)),
            None if seen.is_too_large => Ok(()),
            None => decode(element.bytes, &mut seen.event, &mut self.shapes),
        };
        if element.broken.is_some() || seen.is_too_large {
            seen.event = Event::default();
        }
        let (source, id) = (seen.event.source.as_deref(), seen.event.id.as_deref());
        seen.key = fingerprint(&self.secret, source.unwrap_or_default(), id.unwrap_or_default());
    }

    /// The names of an event's position, where all of them are known.
    fn find_names(&self, event: &Event<'_>) -> Option<Names> {
        let find = |name: Option<&str>| self.names.find(name.unwrap_or_default());
        Some([
            find(event.sku.as_deref())?,
            find(event.location.as_deref())?,
            find(event.lot.as_deref())?,
            find(event.owner.as_deref())?,
        ])
    }
}
