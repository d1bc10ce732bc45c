//! Reservations: requests that were decided and are remembered, by key, by when they expire, and by when they are
//! forgotten. A closed one is remembered for its answer.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytemuck::Zeroable;
use hashbrown::HashTable;
use smallvec::{SmallVec, smallvec};
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::hash::{GOLDEN, fold};
use tallystick_tables::index::Index;
use tallystick_tables::pages::Pages;

use crate::promise::expiry::Expiries;
use crate::promise::fold::Ops;
use crate::promise::packed::Packed;
use crate::promise::record::{End, Record, Settled};
use crate::stock::Spot;
/// All requests that were decided and are remembered.
#[derive(Debug)]
pub(crate) struct Reservations {
    /// By slot; slots of records that are gone are used again.
    slots: Pages<Packed>,
    free: Vec<u32>,
    /// Records that do not fit into their slot, by slot.
    elsewhere: HashTable<(u32, Box<Record<'static>>)>,
    /// What was said of those of which something was, by slot.
    ops: HashTable<(u32, Ops)>,
    by_key: Index,
    /// When live ones expire.
    due: Expiries,
    /// Those that hold nothing any more: when they ended, serial, slot.
    ended: VecDeque<(i64, u64, u32)>,
    /// What became of taking and giving back, by the key of the directive, and in the order in which it is forgotten.
    settled: HashTable<(Fingerprint, Settled)>,
    settled_order: VecDeque<(i64, Fingerprint)>,
    /// How many hold something.
    pub(crate) live: usize,
}

heap_size!(Reservations { slots, free, elsewhere, ops, by_key, due, ended, settled, settled_order, live });

impl Reservations {
    pub(crate) fn new() -> Self {
        Self {
            slots: Pages::new(),
            free: Vec::new(),
            elsewhere: HashTable::new(),
            ops: HashTable::new(),
            by_key: Index::default(),
            due: Expiries::default(),
            ended: VecDeque::new(),
            settled: HashTable::new(),
            settled_order: VecDeque::new(),
            live: 0,
        }
    }

    /// The slot of a request.
    pub(crate) fn find(&self, key: Fingerprint) -> Option<u32> {
        self.by_key.find(hash_of(key), |slot| self.packed(slot).key == key.0)
    }

    /// Asks for the memory that looking for a key will need.
    pub(crate) fn prefetch(&self, key: Fingerprint) {
        self.by_key.prefetch(hash_of(key));
    }

    fn packed(&self, slot: u32) -> &Packed {
        self.slots.get(slot as usize)
    }

    /// A record by its slot.
    pub(crate) fn get(&self, slot: u32) -> Cow<'_, Record<'_>> {
        let Some(record) = self.packed(slot).record() else {
            let found = self.elsewhere.find(hash_of_slot(slot), |(known, _)| *known == slot);
            return Cow::Borrowed(&found.expect("a record that does not fit is elsewhere").1);
        };
        Cow::Owned(record)
    }

    /// Changes a record, but for its key, its serial and when it expires.
    pub(crate) fn change(&mut self, slot: u32, change: impl FnOnce(&mut Record<'_>)) {
        if let Ok(found) = self.elsewhere.find_entry(hash_of_slot(slot), |(known, _)| *known == slot) {
            change(&mut found.into_mut().1);
            return;
        }
        let mut record = self.get(slot).into_owned().into_owned();
        change(&mut record);
        self.write(slot, record);
    }

    /// Puts a record into its slot, or elsewhere where it does not fit.
    fn write(&mut self, slot: u32, record: Record<'_>) {
        let packed = Packed::of(&record);
        if packed.is_elsewhere() {
            let entry = (slot, Box::new(record.into_owned()));
            self.elsewhere.insert_unique(hash_of_slot(slot), entry, |(slot, _)| hash_of_slot(*slot));
        }
        *self.slots.get_mut(slot as usize) = packed;
    }

    /// Whether a reservation still holds something.
    pub(crate) fn is_live(&self, slot: u32) -> bool {
        self.packed(slot).end() == End::Live
    }

    /// Adds a record; one that is live expires in its time.
    pub(crate) fn add(&mut self, record: Record<'_>, now_ns: i64) -> u32 {
        if let Some(old) = self.find(record.key) {
            self.forget(old);
        }
        let (key, serial, expires_ns) = (record.key, record.serial, record.expires_ns);
        let is_live = record.end == End::Live;
        let slot = self.free.pop().unwrap_or_else(|| narrow(self.slots.grow()));
        self.write(slot, record);
        self.by_key.insert(hash_of(key), slot);
        if is_live {
            self.live += 1;
            if expires_ns < i64::MAX {
                self.due.push((expires_ns, serial, slot));
            }
        } else {
            self.ended.push_back((now_ns, serial, slot));
        }
        slot
    }

    /// Puts back a record of a snapshot, unless its key is there already.
    pub(crate) fn put_back(&mut self, record: Record<'_>) -> Option<u32> {
        if self.find(record.key).is_some() {
            return None;
        }
        let is_ended = record.end != End::Live;
        let slot = self.add(record, 0);
        if is_ended {
            // When it ended is put back behind all of them.
            self.ended.pop_back();
        }
        Some(slot)
    }

    /// Puts back when a record ended.
    pub(crate) fn put_back_end(&mut self, ended_ns: i64, serial: u64, slot: u32) {
        self.ended.push_back((ended_ns, serial, slot));
    }

    /// Notes that a record holds nothing any more.
    pub(crate) fn end(&mut self, slot: u32, end: End, now_ns: i64) {
        if let Some((_, record)) = self.elsewhere.find_mut(hash_of_slot(slot), |(known, _)| *known == slot) {
            record.end = end;
        }
        let packed = self.slots.get_mut(slot as usize);
        packed.set_end(end);
        let (expires_ns, serial) = (packed.expires_ns, packed.serial);
        if expires_ns < i64::MAX {
            self.prune_expiries();
        }
        self.live -= 1;
        self.ended.push_back((now_ns, serial, slot));
    }

    /// Drops from the front of the queue what does not expire then any more.
    fn prune_expiries(&mut self) {
        let slots = &self.slots;
        self.due.end(|(expires_ns, serial, slot)| {
            let packed = slots.get(slot as usize);
            packed.serial == serial && packed.end() == End::Live && packed.expires_ns == expires_ns
        });
    }

    /// Lets a live record expire at another time.
    pub(crate) fn expire_at(&mut self, slot: u32, expires_ns: i64) {
        if let Some((_, record)) = self.elsewhere.find_mut(hash_of_slot(slot), |(known, _)| *known == slot) {
            record.expires_ns = expires_ns;
        }
        let packed = self.slots.get_mut(slot as usize);
        packed.expires_ns = expires_ns;
        let serial = packed.serial;
        if expires_ns < i64::MAX {
            self.due.push((expires_ns, serial, slot));
        }
        self.prune_expiries();
    }

    /// Notes that a record that had ended holds something again.
    pub(crate) fn revive(&mut self, slot: u32) {
        if let Some((_, record)) = self.elsewhere.find_mut(hash_of_slot(slot), |(known, _)| *known == slot) {
            record.end = End::Live;
        }
        let packed = self.slots.get_mut(slot as usize);
        packed.set_end(End::Live);
        let (expires_ns, serial) = (packed.expires_ns, packed.serial);
        self.live += 1;
        if expires_ns < i64::MAX {
            self.due.push((expires_ns, serial, slot));
        }
    }

    /// What was said of a reservation.
    pub(crate) fn ops(&self, slot: u32) -> Option<&Ops> {
        self.ops.find(hash_of_slot(slot), |(known, _)| *known == slot).map(|(_, ops)| ops)
    }

    /// Puts down what was said of a reservation.
    pub(crate) fn set_ops(&mut self, slot: u32, ops: Ops) {
        let entry = self.ops.entry(hash_of_slot(slot), |(known, _)| *known == slot, |(known, _)| hash_of_slot(*known));
        entry.insert((slot, ops));
    }

    /// The next one that has expired by a time.
    pub(crate) fn expired(&self, now_ns: i64) -> Option<u32> {
        self.due.first().filter(|(expires_ns, ..)| *expires_ns <= now_ns).map(|(.., slot)| slot)
    }

    /// When the next one expires.
    pub(crate) fn next_expiry_ns(&self) -> Option<i64> {
        self.due.first().map(|(expires_ns, ..)| expires_ns)
    }

    /// Forgets those that ended before a time, and the oldest of them beyond so many.
    pub(crate) fn tidy(&mut self, before_ns: i64, count_max: usize) {
        self.forget_settled(before_ns, count_max);
        while let Some((ended_ns, serial, slot)) = self.ended.front().copied()
            && (ended_ns < before_ns || self.ended.len() > count_max)
        {
            self.ended.pop_front();
            // What was forgotten before a snapshot has no slot any more, and what holds something again is not
            // forgotten.
            if (slot as usize) < self.slots.len()
                && self.packed(slot).serial == serial
                && self.packed(slot).end() != End::Live
            {
                self.forget(slot);
            }
        }
    }

    /// Remembers what became of taking or giving back.
    pub(crate) fn remember_settled(&mut self, key: Fingerprint, settled: Settled, now_ns: i64) {
        let entry = self.settled.entry(hash_of(key), |(known, _)| *known == key, |(known, _)| hash_of(*known));
        entry.insert((key, settled));
        self.settled_order.push_back((now_ns, key));
    }

    /// What became of taking or giving back.
    pub(crate) fn settled(&self, key: Fingerprint) -> Option<&Settled> {
        self.settled.find(hash_of(key), |(known, _)| *known == key).map(|(_, settled)| settled)
    }

    /// All that is remembered of taking and giving back, in the order in which it is forgotten.
    pub(crate) fn all_settled(&self) -> impl Iterator<Item = (i64, Fingerprint, &Settled)> {
        self.settled_order.iter().filter_map(|(ns, key)| Some((*ns, *key, self.settled(*key)?)))
    }

    fn forget_settled(&mut self, before_ns: i64, count_max: usize) {
        while let Some((told_ns, key)) = self.settled_order.front().copied()
            && (told_ns < before_ns || self.settled_order.len() > count_max)
        {
            self.settled_order.pop_front();
            if let Ok(found) = self.settled.find_entry(hash_of(key), |(known, _)| *known == key) {
                found.remove();
            }
        }
    }

    fn forget(&mut self, slot: u32) {
        let key = Fingerprint(self.packed(slot).key);
        self.by_key.remove(hash_of(key), slot);
        if let Ok(found) = self.elsewhere.find_entry(hash_of_slot(slot), |(known, _)| *known == slot) {
            found.remove();
        }
        if let Ok(found) = self.ops.find_entry(hash_of_slot(slot), |(known, _)| *known == slot) {
            found.remove();
        }
        *self.slots.get_mut(slot as usize) = Packed::zeroed();
        self.free.push(slot);
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// All records, by serial.
    pub(crate) fn all(&self) -> impl Iterator<Item = Cow<'_, Record<'_>>> {
        self.by_serial(|_| true)
    }

    /// Those that hold something, by serial.
    pub(crate) fn all_live(&self) -> impl Iterator<Item = Cow<'_, Record<'_>>> {
        self.by_serial(|packed| packed.end() == End::Live)
    }

    fn by_serial(&self, is_meant: impl Fn(&Packed) -> bool) -> impl Iterator<Item = Cow<'_, Record<'_>>> {
        let slots = (0..self.slots.len()).map(|slot| (slot, self.slots.get(slot)));
        let meant = slots.filter(|(_, packed)| packed.is_there() && is_meant(packed));
        let mut serials: Vec<(u64, u32)> = meant.map(|(slot, packed)| (packed.serial, narrow(slot))).collect();
        serials.sort_unstable();
        serials.into_iter().map(|(_, slot)| self.get(slot))
    }

    /// Those that hold something, by slot.
    pub(crate) fn live_slots(&self) -> impl Iterator<Item = u32> {
        let is_live = |slot: &u32| self.packed(*slot).is_there() && self.is_live(*slot);
        (0..self.slots.len()).map(narrow).filter(is_live)
    }

    /// Positions with the slots of those that hold something of them.
    pub(crate) fn live_parts(&self) -> Vec<(Spot, u32)> {
        let mut parts = Vec::new();
        for slot in self.live_slots() {
            match self.packed(slot).held_spot() {
                Some(spot) => parts.push((spot, slot)),
                None => parts.extend(self.get(slot).parts.iter().map(|part| (part.spot, slot))),
            }
        }
        parts
    }

    /// The numbers of the parts of a reservation that hold something of a position; none where the slot is another's by
    /// now.
    pub(crate) fn parts_at(&self, slot: u32, spot: Spot) -> SmallVec<[usize; 4]> {
        let packed = self.packed(slot);
        if !packed.is_there() || packed.end() != End::Live {
            return SmallVec::new();
        }
        packed.holds(spot).map_or_else(
            || {
                let record = self.get(slot);
                let parts = record.parts.iter().enumerate();
                parts.filter(|(_, part)| part.spot == spot && part.held > 0).map(|(number, _)| number).collect()
            },
            |holds| if holds { smallvec![0] } else { SmallVec::new() },
        )
    }

    /// When those that ended did so, by serial, in the order in which they are forgotten.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (i64, u64)> {
        self.ended.iter().map(|(ended_ns, serial, _)| (*ended_ns, *serial))
    }
}

/// Slots are numbered by the engine, so nobody can craft numbers that pile up.
const fn hash_of_slot(slot: u32) -> u64 {
    fold(slot as u64 ^ GOLDEN, GOLDEN)
}

fn narrow(slot: usize) -> u32 {
    u32::try_from(slot).expect("fewer reservations than 2^32")
}

/// A fingerprint is a keyed hash already.
const fn hash_of(key: Fingerprint) -> u64 {
    key.0[0]
}
