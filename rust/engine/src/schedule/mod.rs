//! Schedule: what is known of positions beyond their accounts: what comes and when, what is claimed of it, and what can
//! be promised of that (`docs/promise.md` §1 to §3). Claims and promises stand on it; it knows neither.

#![expect(clippy::similar_names, reason = "a spot is the place of a position, a slot that of its entry")]

use std::collections::BTreeMap;

use hashbrown::HashTable;
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::{GOLDEN, fold};

use crate::stock::Spot;
pub(crate) mod books;
mod entries;
mod entry;
mod figure;
pub(crate) mod given;
pub(crate) mod hold;
mod image;
mod line;
pub(crate) mod measure;

pub(crate) use books::{Books, View};
pub(crate) use entry::Entry;
pub(crate) use figure::{Site, dated};
pub(crate) use given::{AT_ONCE, Given, Moved, Shown};
pub(crate) use image::Few;
pub(crate) use line::{SupplyLine, SupplyState};

/// All of it.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// By slot; slots of entries that are gone are used again.
    pub(crate) entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_spot: HashTable<(Spot, u32)>,
    /// Lines of supply, by serial.
    pub(crate) lines: BTreeMap<u64, SupplyLine>,
    /// Entries that changed since they were last looked at.
    pub(crate) touched: Vec<u32>,
    /// Lines whose day may have passed, or that may be in order again.
    pub(crate) overdue: Vec<u64>,
    /// The number of the next line, reservation or protection.
    pub(crate) serial: u64,
    /// When the next bucket begins anywhere, in nanoseconds.
    pub(crate) next_bucket_ns: i64,
    /// Whether anything was said of lines or promises.
    pub(crate) is_used: bool,
}

heap_size!(Schedule { entries, free, by_spot, lines, touched, overdue, serial, next_bucket_ns, is_used });

impl Default for Schedule {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            by_spot: HashTable::new(),
            lines: BTreeMap::new(),
            touched: Vec::new(),
            overdue: Vec::new(),
            serial: 1,
            next_bucket_ns: i64::MIN,
            is_used: false,
        }
    }
}

impl Schedule {
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

    /// Takes away an entry of which nothing is promised any more.
    pub(crate) fn remove(&mut self, slot: u32) {
        let entry = self.entry(slot);
        assert!(entry.is_idle() && entry.claimed == 0, "an entry goes when nothing is claimed");
        let spot = entry.spot;
        if let Ok(found) = self.by_spot.find_entry(hash_of(spot), |(known, _)| *known == spot) {
            found.remove();
        }
        self.entries[slot as usize] = None;
        self.free.push(slot);
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
}

/// Spots are numbered by the engine, so nobody can craft numbers that pile up.
fn hash_of(spot: Spot) -> u64 {
    fold((u64::from(spot.part) << 32 | u64::from(spot.place)) ^ GOLDEN, GOLDEN)
}
