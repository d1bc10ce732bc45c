//! Promise: requests for reservations are decided, held, taken and given back, and what is kept for channels
//! (`docs/promise.md` §4, §5).

#![expect(clippy::similar_names, reason = "a spot is the place of a position, a slot that of its entry")]

mod answer;
mod ask;
mod check;
mod decide;
mod expiry;
mod explain;
mod feeds;
mod fold;
mod guard;
mod holders;
mod image;
mod lines;
mod list;
mod offer;
mod packed;
mod protection;
mod record;
mod reservation;
mod review;
mod settle;

use std::hint::black_box;

use tallystick_contract::heap_size::heap_size;

pub(crate) use answer::{Told, answer_late, answer_unread, answer_waiting};
pub(crate) use feeds::Feeds;
use holders::Holders;
pub(crate) use lines::OrderLines;
pub(crate) use protection::Protections;
use record::Record;

use crate::read::element::Decoded;
use crate::read::event::REQUEST;
use crate::schedule::View;
use crate::stock::Spot;
use crate::stock::lookup::WAVE_EVENTS;
pub(crate) use reservation::Reservations;

/// All of it.
#[derive(Debug)]
pub(crate) struct Promises {
    pub(crate) reservations: Reservations,
    holders: Holders,
    pub(crate) protections: Protections,
}

heap_size!(Promises { reservations, holders, protections });

impl Promises {
    pub(crate) fn new() -> Self {
        Self { reservations: Reservations::new(), holders: Holders::default(), protections: Protections::default() }
    }

    /// Touches the memory that events will need: where their keys are looked for among reservations, and the entries of
    /// their positions. Those of many events are fetched at once, because no fetch waits for another.
    pub(crate) fn look_ahead<'s, 'a: 's>(
        &self,
        view: View<'_>,
        events: impl Iterator<Item = (&'s Decoded<'a>, Option<Spot>)>,
    ) {
        let mut slots = [None; WAVE_EVENTS];
        for ((decoded, spot), slot) in events.zip(&mut slots) {
            if decoded.event.kind == REQUEST {
                self.reservations.prefetch(decoded.key);
            }
            *slot = spot.and_then(|spot| view.schedule.find(spot));
        }
        for slot in slots.into_iter().flatten() {
            let entry = view.schedule.entry(slot);
            black_box((entry.claimed, entry.is_touched, entry.lines.len()));
        }
    }

    /// The parts of live reservations at a position: the slot of the reservation, and the number of the part.
    pub(crate) fn parts_of(&self, spot: Spot) -> Vec<(u32, usize)> {
        let slots = self.holders.of(spot).unwrap_or_else(|| self.reservations.live_slots().collect());
        let parts = |slot: u32| self.reservations.parts_at(slot, spot).into_iter().map(move |part| (slot, part));
        slots.into_iter().flat_map(parts).collect()
    }

    /// Lets [`Self::parts_of`] find what it gives without a look at all reservations.
    pub(crate) fn look_for_holders(&mut self) {
        self.holders.look(&self.reservations);
    }

    /// Adds a request that was decided. Returns its slot.
    pub(crate) fn remember(&mut self, record: Record<'_>, now_ns: i64) -> u32 {
        let slot = self.reservations.add(record, now_ns);
        self.holders.add(slot);
        slot
    }
}
