//! Waves: events are looked at many together before they are applied one by one. Each look touches what the event will
//! need (its key, its names, its position), so that the memory of all of them is fetched at once instead of one after
//! the other. Changes no answer.

use std::borrow::Cow;
use std::sync::Arc;

use bumpalo::Bump;
use tallystick_contract::limits::EVENT_BYTES_MAX;
use tallystick_tables::dedup::{Fingerprint, fingerprint};
use tallystick_tables::hash::of_name;
use tallystick_tables::intern::{Interner, NONE};

use crate::batch::Batch;
use crate::columns::Rows;
use crate::decode::{Malformed, decode};
use crate::engine::{Clock, Engine, Place};
use crate::event::{Event, EventTime};
use crate::explain::Findings;
use crate::ledger::Names;
use crate::shape::Shapes;
use crate::stock::Part;

/// Events in a wave: enough to hide the latency of memory, few enough to stay in the nearest cache.
pub(crate) const WAVE_EVENTS: usize = 32;

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

    /// Whether another one can be read together with it: texts, or rows that follow each other.
    fn is_before(&self, next: &Self) -> bool {
        match (self.form, next.form) {
            (Form::Row(rows, row), Form::Row(next_rows, next)) => std::ptr::eq(rows, next_rows) && row + 1 == next,
            (Form::Row(..), _) | (_, Form::Row(..)) => false,
            _ => true,
        }
    }

    /// All that it was written in, where it is not too large, so that it can be read once more.
    pub(crate) fn whole(&self) -> Vec<u8> {
        match self.form {
            Form::Text(bytes) | Form::Broken(bytes, _) => bytes.to_vec(),
            Form::Row(rows, row) => rows.whole(row),
        }
    }

    /// The original, where it lies if it is a text.
    pub(crate) fn text(&self) -> Cow<'a, [u8]> {
        match self.form {
            Form::Text(bytes) | Form::Broken(bytes, _) => Cow::Borrowed(bytes),
            Form::Row(rows, row) => Cow::Owned(rows.whole(row)),
        }
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
    fn of(seed: u64, event: &Event<'_>) -> Self {
        let hash = |name: Option<&str>| name.map_or(0, |name| of_name(seed, name));
        Self {
            sku: hash(event.sku),
            location: hash(event.location),
            lot: hash(event.lot),
            owner: hash(event.owner),
            to_location: hash(event.to_location),
        }
    }
}

/// What a first look found of an element.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) event: Event<'a>,
    pub(crate) is_too_large: bool,
    pub(crate) decoded: Result<(), Malformed>,
    pub(crate) key: Fingerprint,
    pub(crate) hashes: NameHashes,
}

impl Default for Seen<'_> {
    fn default() -> Self {
        Self {
            event: Event::default(),
            is_too_large: false,
            decoded: Ok(()),
            key: Fingerprint([0; 2]),
            hashes: NameHashes::default(),
        }
    }
}

/// The elements that are applied next.
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
    /// Adds an element, and applies what waits when there is enough of it.
    #[inline]
    pub(crate) fn enqueue<'a>(&mut self, wave: &mut Wave<'a>, element: Element<'a>, batch: &mut Batch) {
        wave.elements.push(element);
        if wave.elements.len() == self.elements_together() {
            self.run(wave, batch);
        }
    }

    const fn elements_together(&self) -> usize {
        if self.shards.count() == 1 { WAVE_EVENTS } else { self.shards.together() }
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
            for (row, place) in (0..rows.len()).zip(&mut places) {
                self.enqueue(&mut wave, Element { place, form: Form::Row(rows, row) }, batch);
            }
        }
        self.run(&mut wave, batch);
    }

    /// Applies what waits.
    pub(crate) fn run(&mut self, wave: &mut Wave<'_>, batch: &mut Batch) {
        let Wave { arena, elements, seen } = wave;
        if !self.is_for_crew(elements.len()) || !self.run_round(&Arc::clone(&self.config), elements, batch) {
            for elements in elements.chunks(WAVE_EVENTS) {
                self.run_wave(elements, seen, arena, batch);
            }
        }
        elements.clear();
    }

    fn run_wave<'a>(&mut self, elements: &[Element<'a>], seen: &mut Vec<Seen<'a>>, arena: &'a Bump, batch: &mut Batch) {
        let mut config = Arc::clone(&self.config);
        // The slots are used again and again: an event is too large to be moved about.
        if seen.len() < elements.len() {
            seen.resize_with(elements.len(), Seen::default);
        }
        let seen = &mut seen[..elements.len()];
        see(elements, seen, &mut self.shapes[0], arena);
        for seen in &mut *seen {
            seen.hash(&self.secret, self.seed);
            self.keys.of(seen.key).prefetch(seen.key);
        }
        for seen in &*seen {
            self.keys.of(seen.key).prefetch_places(seen.key);
        }
        let mut found = [Found::default(); WAVE_EVENTS];
        look_ahead(seen.iter(), |seen| self.stock.of(seen.hashes.sku), &mut found);
        if self.promises.is_used {
            let spots = seen.iter().zip(&found).map(|(seen, found)| (seen, self.promised_spot(seen, *found)));
            self.promises.look_ahead(spots);
        }
        let mut findings = Findings::default();
        for ((element, seen), found) in elements.iter().zip(&*seen).zip(&found) {
            if matches!(element.place.clock, Clock::Message(_)) {
                // The bus's time moves with every message, whatever becomes of its elements.
                self.tick(element.place.clock.offer(EventTime::Absent));
                self.on_time(&config, (element.place.sequence, element.place.index), batch);
            }
            findings.clear();
            let outcome = self.judge(&config, element, (seen, *found), &mut findings, batch);
            self.record(&config, element, (outcome, seen, &mut findings), batch);
            if let Some(key) = self.posted.take()
                && !self.waiting.is_empty()
            {
                self.follow_target(key, (element.place.sequence, element.place.index), batch);
            }
            if config.has_orders() {
                self.follow_up(&config, element.place.sequence, batch);
            }
            if std::mem::take(&mut self.is_reconfigured) {
                config = Arc::clone(&self.config);
            }
            self.review(&config, (element.place.sequence, element.place.index), batch);
        }
    }
}

impl Seen<'_> {
    /// The hashes of its key and its names.
    #[inline]
    pub(crate) fn hash(&mut self, secret: &[u8; 16], seed: u64) {
        let (source, id) = (self.event.source, self.event.id);
        self.key = fingerprint(secret, source.unwrap_or_default(), id.unwrap_or_default());
        self.hashes = NameHashes::of(seed, &self.event);
    }
}

/// Looks at elements: reads each into its slot.
pub(crate) fn see<'a>(elements: &[Element<'a>], seen: &mut [Seen<'a>], shapes: &mut Shapes, arena: &'a Bump) {
    let mut rest = seen;
    for run in elements.chunk_by(Element::is_before) {
        let (here, behind) = rest.split_at_mut(run.len());
        match run[0].form {
            Form::Row(rows, first) => rows.see(first, here, arena),
            _ => run.iter().zip(here).for_each(|(element, seen)| see_text(element, seen, shapes, arena)),
        }
        rest = behind;
    }
}

fn see_text<'a>(element: &Element<'a>, seen: &mut Seen<'a>, shapes: &mut Shapes, arena: &'a Bump) {
    seen.is_too_large = false;
    seen.decoded = match element.form {
        Form::Text(bytes) if bytes.len() <= EVENT_BYTES_MAX => decode(bytes, &mut seen.event, shapes, arena),
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

/// What a look at an event's position found. Names and places are never taken back, so it stays true.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) names: Option<Names>,
    pub(crate) place: Option<u32>,
    place_hash: u64,
}

/// Looks at the positions of events, each in its part of the stock. Each pass asks for memory that the pass before it
/// has found out about.
#[inline]
pub(crate) fn look_ahead<'s, 'a: 's, 'p>(
    seen: impl Iterator<Item = &'s Seen<'a>> + Clone,
    part_of: impl Fn(&Seen<'_>) -> &'p Part,
    found: &mut [Found; WAVE_EVENTS],
) {
    for seen in seen.clone() {
        part_of(seen).names.prefetch(seen.hashes.sku);
    }
    for seen in seen.clone() {
        part_of(seen).names.prefetch_name(seen.hashes.sku);
    }
    for (seen, found) in seen.clone().zip(&mut *found) {
        let part = part_of(seen);
        found.names = find_names(&part.names, &seen.event, &seen.hashes);
        found.place_hash = found.names.map_or(0, |names| part.ledger.prefetch(names));
    }
    for (seen, found) in seen.clone().zip(&*found) {
        part_of(seen).ledger.prefetch_position(found.place_hash);
    }
    for (seen, found) in seen.clone().zip(&mut *found) {
        let place_hash = found.place_hash;
        found.place = found.names.and_then(|names| part_of(seen).ledger.find_hashed(names, place_hash));
    }
    for (seen, found) in seen.zip(&*found) {
        if let Some(place) = found.place {
            part_of(seen).ledger.prefetch_movements(place);
        }
    }
}

/// The names of an event's position, where all of them are known.
fn find_names(names: &Interner, event: &Event<'_>, hashes: &NameHashes) -> Option<Names> {
    let optional = |name: Option<&str>, hash| match name {
        Some(name) => names.find_hashed(name, hash),
        None => Some(NONE),
    };
    Some([
        names.find_hashed(event.sku?, hashes.sku)?,
        names.find_hashed(event.location?, hashes.location)?,
        optional(event.lot, hashes.lot)?,
        optional(event.owner, hashes.owner)?,
    ])
}
