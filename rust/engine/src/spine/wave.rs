//! Waves: events are looked at many together before they are applied one by one. Each look touches what the event will
//! need (its key, its names, its position), so that the memory of all of them is fetched at once instead of one after
//! the other. Changes no answer.

use std::sync::Arc;

use bumpalo::Bump;

use crate::diagnostics::Diagnostics;
use crate::output::batch::Batch;
use crate::read::columns::Rows;
use crate::read::element::{Clock, Decoded, Element, Place, bar_foreign, see};
use crate::read::event::EventTime;
use crate::schedule::Schedule;
use crate::schedule::View;
use crate::spine::engine::Engine;
use crate::stock::lookup::{Found, WAVE_EVENTS, look_ahead};
/// The elements that are applied next.
#[derive(Debug)]
pub(crate) struct Wave<'a> {
    /// Holds the strings that were written with escapes.
    arena: &'a Bump,
    elements: Vec<Element<'a>>,
    decoded: Vec<Decoded<'a>>,
}

impl<'a> Wave<'a> {
    pub(crate) const fn new(arena: &'a Bump) -> Self {
        Self { arena, elements: Vec::new(), decoded: Vec::new() }
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
        (clock, subject): (Clock, Option<&[u8]>),
        batch: &mut Batch,
    ) {
        let arena = Bump::new();
        let mut wave = Wave::new(&arena);
        for rows in batches {
            for (row, place) in (0..rows.len()).zip(&mut places) {
                self.enqueue(&mut wave, Element::row(rows, row, place, clock).on(subject), batch);
            }
        }
        self.run(&mut wave, batch);
    }

    /// Applies rows of which each is a message of its own, as long as their stamp is looked at.
    #[cold]
    pub(crate) fn apply_rows_apart(
        &mut self,
        batches: &[Rows<'_>],
        mut places: impl Iterator<Item = Place>,
        stamp_ns: i64,
        batch: &mut Batch,
    ) {
        let arena = Bump::new();
        let mut wave = Wave::new(&arena);
        for rows in batches {
            for (row, place) in (0..rows.len()).zip(&mut places) {
                let mut element = Element::row(rows, row, place, Clock::Message(stamp_ns));
                if self.core.is_leap(self.core.reached_ns(), stamp_ns) {
                    self.run(&mut wave, batch);
                    element.clock = self.leap_of(stamp_ns, element, batch);
                }
                self.enqueue(&mut wave, element, batch);
            }
        }
        self.run(&mut wave, batch);
    }

    /// Applies what waits.
    pub(crate) fn run(&mut self, wave: &mut Wave<'_>, batch: &mut Batch) {
        let Wave { arena, elements, decoded } = wave;
        if !self.is_for_crew(elements.len()) || !self.run_round(&Arc::clone(&self.core.config), elements, batch) {
            for elements in elements.chunks(WAVE_EVENTS) {
                self.run_wave(elements, decoded, arena, batch);
            }
        }
        elements.clear();
    }

    fn run_wave<'a>(
        &mut self,
        elements: &[Element<'a>],
        decoded: &mut Vec<Decoded<'a>>,
        arena: &'a Bump,
        batch: &mut Batch,
    ) {
        let mut config = Arc::clone(&self.core.config);
        // The slots are used again and again: an event is too large to be moved about.
        if decoded.len() < elements.len() {
            decoded.resize_with(elements.len(), Decoded::default);
        }
        let decoded = &mut decoded[..elements.len()];
        see(elements, decoded, &mut self.core.shapes[0], arena);
        if let Some(bound) = &config.source_subject {
            bar_foreign(bound, elements, decoded);
        }
        for decoded in &mut *decoded {
            decoded.hash(&self.core.secret, self.core.seed);
            self.core.keys.of(decoded.key).prefetch(decoded.key);
        }
        for decoded in &*decoded {
            self.core.keys.of(decoded.key).prefetch_places(decoded.key);
        }
        let mut found = [Found::default(); WAVE_EVENTS];
        look_ahead(decoded.iter(), |decoded| self.core.stock.of(decoded.hashes.sku), &mut found);
        if self.schedule.is_used {
            let spots = decoded
                .iter()
                .zip(&found)
                .map(|(decoded, found)| (decoded, Schedule::promised_spot(&self.core, decoded, *found)));
            self.promises.look_ahead(View::new(&self.core, &self.schedule, &config), spots);
        }
        let mut diagnostics = Diagnostics::default();
        for ((element, decoded), found) in elements.iter().zip(&*decoded).zip(&found) {
            self.begin_message(element.place.sequence, batch);
            if matches!(element.clock, Clock::Message(_)) {
                // The bus's time moves with every message, whatever becomes of its elements.
                self.core.tick(element.clock.offer(EventTime::Absent));
                self.on_time(&config, element.place, batch);
            }
            diagnostics.clear();
            let outcome = self.judge(&config, element, (decoded, *found), &mut diagnostics, batch);
            self.record(&config, element, (outcome, decoded, &mut diagnostics), batch);
            if let Some(key) = self.posted.take()
                && !self.waiting.is_empty()
            {
                self.follow_target(key, element.place, batch);
            }
            if config.has_orders() {
                self.follow_up(&config, element.place.sequence, batch);
            }
            if std::mem::take(&mut self.is_reconfigured) {
                config = Arc::clone(&self.core.config);
            }
            self.review(&config, element.place, batch);
        }
    }
}
