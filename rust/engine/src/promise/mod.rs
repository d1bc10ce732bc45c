//! Promise: what can be sold, when and to whom (`docs/promise.md`). Here is what the log has said of it: the schedule,
//! what is reserved, what is kept for channels, groups of locations. Everything that counts for a figure is derived
//! from it and from the ledger.

#![expect(clippy::similar_names, reason = "a spot is the place of a position, a slot that of its entry")]

mod answer;
mod ask;
mod calendar;
mod decide;
mod entry;
mod expiry;
mod explain;
mod feeds;
mod figure;
mod fold;
mod group;
mod growth;
mod guard;
mod holders;
mod image;
mod line;
mod list;
mod need;
mod offer;
mod packed;
mod protection;
mod record;
mod reservation;
mod review;
mod schedule;
mod settle;

use std::hint::black_box;

use hashbrown::HashTable;
use tallystick_contract::config::Config;
use tallystick_contract::heap_size;
use tallystick_tables::hash::fold;

use crate::event::REQUEST;
use crate::stock::Spot;
use crate::wave::{Seen, WAVE_EVENTS};

use crate::timeline;
pub(crate) use crate::timeline::Span;
pub use answer::Reply;
pub(crate) use answer::{Told, answer_waiting};
pub(crate) use calendar::{Calendar, Due, is_zone};
pub(crate) use entry::Entry;
pub(crate) use fold::PartNow;
pub(crate) use group::Groups;
use holders::Holders;
pub(crate) use image::{read_due, write_due};
pub(crate) use line::{Line, State};
pub(crate) use protection::Protections;
pub(crate) use record::Part;
use record::Record;
pub(crate) use reservation::Reservations;

/// All of it.
#[derive(Debug)]
pub(crate) struct Promises {
    pub(crate) calendar: Calendar,
    /// By slot; slots of entries that are gone are used again.
    pub(crate) entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_spot: HashTable<(Spot, u32)>,
    /// Lines of supply, by serial.
    pub(crate) lines: std::collections::BTreeMap<u64, Line>,
    pub(crate) reservations: Reservations,
    holders: Holders,
    pub(crate) protections: Protections,
    pub(crate) groups: Groups,
    /// Entries that changed since they were last looked at.
    pub(crate) touched: Vec<u32>,
    /// Lines whose day may have passed, or that may be in order again.
    pub(crate) overdue: Vec<u64>,
    /// The number of the next line, reservation or protection.
    pub(crate) serial: u64,
    /// When the next bucket begins anywhere, in nanoseconds.
    pub(crate) next_bucket_ns: i64,
    /// Whether any directive about promises was carried out.
    pub(crate) is_used: bool,
}

impl Promises {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            calendar: Calendar::new(config.promise.bucket, &config.promise.time_zone),
            entries: Vec::new(),
            free: Vec::new(),
            by_spot: HashTable::new(),
            lines: std::collections::BTreeMap::new(),
            reservations: Reservations::new(),
            holders: Holders::default(),
            protections: Protections::default(),
            groups: Groups::default(),
            touched: Vec::new(),
            overdue: Vec::new(),
            serial: 1,
            next_bucket_ns: i64::MIN,
            is_used: false,
        }
    }

    /// A number that nothing before has.
    pub(crate) const fn next_serial(&mut self) -> u64 {
        let serial = self.serial;
        self.serial += 1;
        serial
    }

    /// The slot of a position's entry.
    pub(crate) fn find(&self, spot: Spot) -> Option<u32> {
        self.by_spot.find(hash_of(spot), |(known, _)| *known == spot).map(|(_, slot)| *slot)
    }

    /// Touches the memory that events will need: where their keys are looked for among reservations, and the entries of
    /// their positions. Those of many events are fetched at once, because no fetch waits for another.
    pub(crate) fn look_ahead<'s, 'a: 's>(&self, events: impl Iterator<Item = (&'s Seen<'a>, Option<Spot>)>) {
        let mut slots = [None; WAVE_EVENTS];
        for ((seen, spot), slot) in events.zip(&mut slots) {
            if seen.event.kind == Some(REQUEST) {
                self.reservations.prefetch(seen.key);
            }
            *slot = spot.and_then(|spot| self.find(spot));
        }
        for slot in slots.into_iter().flatten() {
            let entry = self.entry(slot);
            black_box((entry.claimed, entry.is_touched, entry.lines.len()));
        }
    }

    /// An entry by its slot.
    pub(crate) fn entry(&self, slot: u32) -> &Entry {
        self.entries[slot as usize].as_ref().expect("lines and live reservations keep their entry")
    }

    /// An entry, to be changed.
    pub(crate) fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        self.entries[slot as usize].as_mut().expect("lines and live reservations keep their entry")
    }

    /// A new entry.
    pub(crate) fn add(&mut self, spot: Spot, zone: u32) -> u32 {
        let entry = Entry::new(spot, zone);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer entries than positions")
        });
        self.entries[slot as usize] = Some(entry);
        self.by_spot.insert_unique(hash_of(spot), (spot, slot), |(spot, _)| hash_of(*spot));
        slot
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

    /// Takes away an entry of which nothing is promised any more.
    pub(crate) fn remove(&mut self, slot: u32) {
        let spot = self.entry(slot).spot;
        if let Ok(found) = self.by_spot.find_entry(hash_of(spot), |(known, _)| *known == spot) {
            found.remove();
        }
        self.entries[slot as usize] = None;
        self.free.push(slot);
    }

    /// Adds a request that was decided. Returns its slot.
    pub(crate) fn remember(&mut self, record: Record<'_>, now_ns: i64) -> u32 {
        let slot = self.reservations.add(record, now_ns);
        self.holders.add(slot);
        slot
    }

    /// Notes that an entry is to be looked at once the element is done.
    pub(crate) fn touch(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.entry_mut(slot).is_touched, true) {
            self.touched.push(slot);
        }
    }

    /// All entries, by slot.
    pub(crate) fn slots(&self) -> Vec<u32> {
        let is_there = |(slot, entry): (u32, &Option<Entry>)| entry.is_some().then_some(slot);
        (0..).zip(&self.entries).filter_map(is_there).collect()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.calendar.memory_bytes()
            + heap_size::list(&self.entries)
            + self.entries.iter().flatten().map(Entry::memory_bytes).sum::<usize>()
            + heap_size::list(&self.free)
            + heap_size::list(&self.touched)
            + self.by_spot.allocation_size()
            + heap_size::tree::<u64, Line>(self.lines.len())
            + self.lines.values().map(Line::memory_bytes).sum::<usize>()
            + self.reservations.memory_bytes()
            + self.holders.memory_bytes()
            + self.protections.memory_bytes()
            + self.groups.memory_bytes()
    }
}

/// Spots are numbered by the engine, so nobody can craft numbers that pile up.
fn hash_of(spot: Spot) -> u64 {
    fold(
        (u64::from(spot.part) << 32 | u64::from(spot.place)) ^ tallystick_tables::hash::GOLDEN,
        tallystick_tables::hash::GOLDEN,
    )
}
