//! Reservations: what was asked for, what was granted of it and is still held, and for how long. A closed one is remembered for its answer.

use std::collections::VecDeque;
use std::hint::black_box;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::calendar::Due;
use super::expiry::Expiries;
use crate::body::Known;
use crate::dedup::Fingerprint;
use crate::held;
use crate::outcome::Outcome;
use crate::stock::Spot;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    Granted,
    Partly,
    Insufficient,
    /// The position reflects another place of the log than the one asked for.
    Changed,
    Refused,
}

impl Status {
    /// All of them, by number.
    pub(crate) const ALL: [Self; 5] = [Self::Granted, Self::Partly, Self::Insufficient, Self::Changed, Self::Refused];

    /// The name in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Partly => "partly",
            Self::Insufficient => "insufficient",
            Self::Changed => "changed",
            Self::Refused => "refused",
        }
    }
}

/// Why a reservation holds nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    /// It still holds something.
    Live,
    Refused,
    Posted,
    Voided,
    Expired,
}

impl End {
    /// All of them, by number.
    pub(crate) const ALL: [Self; 5] = [Self::Live, Self::Refused, Self::Posted, Self::Voided, Self::Expired];

    /// In words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Refused => "refused",
            Self::Posted => "posted",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }
}

/// What was granted at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The number of its line in the request, from 0.
    pub(crate) line: u16,
    pub(crate) spot: Spot,
    /// The slot of its entry; of use as long as it holds something.
    pub(crate) entry: u32,
    /// When it is due, and the bucket where it counts as demand; nothing for a claim on what is on hand.
    pub(crate) due: Option<(Due, i32)>,
    /// What was granted, and what is held of it, in thousandths.
    pub(crate) granted: i64,
    pub(crate) held: i64,
    /// The protections that it consumed.
    pub(crate) protections: Box<[u64]>,
}

/// What a line of a request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    /// Thousandths.
    pub(crate) asked: i64,
    pub(crate) granted: i64,
    /// What would have worked, where it was not granted in full.
    pub(crate) available: i64,
    /// The first bucket that has it all, in that case.
    pub(crate) earliest: Option<i32>,
    /// The number of the document's line.
    pub(crate) line: Option<i64>,
    pub(crate) is_group: bool,
}

/// A request that was decided.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Fingerprint,
    /// What it said, for repetitions after its key was forgotten.
    pub(crate) known: Known,
    /// What it was created before and after.
    pub(crate) serial: u64,
    /// The log sequence that it was decided at.
    pub(crate) sequence: u64,
    pub(crate) named: Named,
    /// When it ends, in nanoseconds; the greatest number for never.
    pub(crate) expires_ns: i64,
    pub(crate) status: Status,
    pub(crate) end: End,
    /// What was posted of it, in thousandths.
    pub(crate) posted: i64,
    pub(crate) got: SmallVec<[Got; 1]>,
    pub(crate) parts: SmallVec<[Part; 1]>,
    /// What few of them have.
    pub(crate) more: Option<Box<More>>,
}

/// What is remembered of few requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct More {
    /// The version that was asked for and not found.
    pub(crate) seen: Option<u64>,
    pub(crate) why: Option<Box<str>>,
    /// Channels by line, where there are any.
    pub(crate) channels: Box<[Box<str>]>,
}

impl More {
    /// In a record; nothing where it says nothing.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        if self == Self::default() { None } else { Some(Box::new(self)) }
    }

    fn memory_bytes(&self) -> usize {
        let channels = self.channels.iter().map(|channel| channel.len() + size_of::<Box<str>>());
        size_of::<Self>() + held::text(self.why.as_deref()) + channels.sum::<usize>()
    }
}

/// Source, id and document of a request. They are many, so all lie in one text.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    text: Box<str>,
    source_bytes: u8,
    id_bytes: u8,
}

impl Named {
    /// With an empty document for none. Nothing if a name is longer than the contract allows.
    pub(crate) fn new(source: &str, id: &str, document: &str) -> Option<Self> {
        let [source_bytes, id_bytes] = [u8::try_from(source.len()).ok()?, u8::try_from(id.len()).ok()?];
        let mut text = String::with_capacity(source.len() + id.len() + document.len());
        [source, id, document].into_iter().for_each(|name| text.push_str(name));
        Some(Self { text: text.into_boxed_str(), source_bytes, id_bytes })
    }

    pub(crate) fn source(&self) -> &str {
        &self.text[..usize::from(self.source_bytes)]
    }

    pub(crate) fn id(&self) -> &str {
        let start = usize::from(self.source_bytes);
        &self.text[start..start + usize::from(self.id_bytes)]
    }

    pub(crate) fn document(&self) -> Option<&str> {
        let document = &self.text[usize::from(self.source_bytes) + usize::from(self.id_bytes)..];
        Some(document).filter(|document| !document.is_empty())
    }
}

impl Record {
    /// Why it was not granted, where there is something to say.
    pub(crate) fn why(&self) -> Option<&str> {
        self.more.as_ref()?.why.as_deref()
    }

    /// The channel of a line, if it named one.
    pub(crate) fn channel(&self, line: usize) -> Option<&str> {
        let channel = self.more.as_ref()?.channels.get(line)?;
        Some(&**channel).filter(|channel| !channel.is_empty())
    }

    /// What a line still holds, in thousandths.
    pub(crate) fn held_of(&self, line: usize) -> i64 {
        self.parts.iter().filter(|part| usize::from(part.line) == line).map(|part| part.held).sum()
    }

    /// What all lines still hold.
    pub(crate) fn held(&self) -> i64 {
        self.parts.iter().map(|part| part.held).sum()
    }

    /// What was granted in all.
    pub(crate) fn granted(&self) -> i64 {
        self.got.iter().map(|got| got.granted).fold(0, i64::saturating_add)
    }

    fn memory_bytes(&self) -> usize {
        let spilled = |parts: usize, bytes: usize| if parts > 1 { parts * bytes } else { 0 };
        self.named.text.len()
            + self.more.as_ref().map_or(0, |more| more.memory_bytes())
            + spilled(self.got.capacity(), size_of::<Got>())
            + spilled(self.parts.capacity(), size_of::<Part>())
            + self.parts.iter().map(|part| size_of_val(&*part.protections)).sum::<usize>()
    }
}

/// What became of taking or giving back, as it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) status: &'static str,
    pub(crate) outcome: Outcome,
    /// Thousandths in all.
    pub(crate) quantity: i64,
    pub(crate) sequence: u64,
    pub(crate) why: Option<Box<str>>,
}

/// All requests that were decided and are remembered.
#[derive(Debug)]
pub(crate) struct Reservations {
    /// By slot; slots of records that are gone are used again.
    slots: Vec<Option<Record>>,
    free: Vec<u32>,
    /// Slots by key, each with the hash of its key, so that looking for a key touches no record but its own.
    by_key: HashTable<(u64, u32)>,
    due: Expiries,
    /// Those that hold nothing any more: when they ended, serial, slot.
    ended: VecDeque<(i64, u64, u32)>,
    /// What became of taking and giving back, by the key of the directive, and in the order in which it is forgotten.
    settled: HashTable<(Fingerprint, Settled)>,
    settled_order: VecDeque<(i64, Fingerprint)>,
    /// How many hold something.
    pub(crate) live: usize,
}

impl Reservations {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashTable::new(),
            due: Expiries::default(),
            ended: VecDeque::new(),
            settled: HashTable::new(),
            settled_order: VecDeque::new(),
            live: 0,
        }
    }

    /// The slot of a request.
    pub(crate) fn find(&self, key: Fingerprint) -> Option<u32> {
        let hash = hash_of(key);
        let found = self.by_key.find(hash, |(known, slot)| *known == hash && self.get(*slot).key == key);
        found.map(|(_, slot)| *slot)
    }

    /// Touches the memory that looking for a key will need.
    pub(super) fn touch(&self, key: Fingerprint) {
        black_box(self.by_key.find(hash_of(key), |(known, _)| *known == hash_of(key)));
    }

    /// A record by its slot.
    pub(crate) fn get(&self, slot: u32) -> &Record {
        self.slots[slot as usize].as_ref().expect("a slot that is known has a record")
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Record {
        self.slots[slot as usize].as_mut().expect("a slot that is known has a record")
    }

    /// Adds a record; one that is live expires in its time.
    pub(crate) fn add(&mut self, record: Record, now_ns: i64) -> u32 {
        if let Some(old) = self.find(record.key) {
            self.forget(old);
        }
        let (key, serial, expires_ns) = (record.key, record.serial, record.expires_ns);
        let is_live = record.end == End::Live;
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(record);
            slot
        } else {
            self.slots.push(Some(record));
            u32::try_from(self.slots.len() - 1).expect("fewer reservations than 2^32")
        };
        self.by_key.insert_unique(hash_of(key), (hash_of(key), slot), |(hash, _)| *hash);
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
    pub(super) fn put_back(&mut self, record: Record) -> Option<u32> {
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
    pub(super) fn put_back_end(&mut self, ended_ns: i64, serial: u64, slot: u32) {
        self.ended.push_back((ended_ns, serial, slot));
    }

    /// Notes that a record holds nothing any more.
    pub(crate) fn end(&mut self, slot: u32, end: End, now_ns: i64) {
        let record = self.get_mut(slot);
        record.end = end;
        let (expires_ns, serial) = (record.expires_ns, record.serial);
        if expires_ns < i64::MAX {
            let slots = &self.slots;
            self.due.end(|(_, serial, slot)| {
                let record = slots[slot as usize].as_ref();
                record.is_some_and(|record| record.serial == serial && record.end == End::Live)
            });
        }
        self.live -= 1;
        self.ended.push_back((now_ns, serial, slot));
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
            let record = self.slots.get(slot as usize).and_then(Option::as_ref);
            if record.is_some_and(|record| record.serial == serial) {
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
    pub(super) fn all_settled(&self) -> impl Iterator<Item = (i64, Fingerprint, &Settled)> {
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
        let key = self.get(slot).key;
        if let Ok(found) = self.by_key.find_entry(hash_of(key), |(_, known)| *known == slot) {
            found.remove();
        }
        self.slots[slot as usize] = None;
        self.free.push(slot);
    }

    /// All records, with their slots, in no order that would say anything.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Record)> {
        (0..).zip(&self.slots).filter_map(|(slot, record)| record.as_ref().map(|record| (slot, record)))
    }

    /// The parts of live reservations at an entry: the slot of the reservation, and the number of the part.
    pub(crate) fn parts_of(&self, entry: u32) -> Vec<(u32, usize)> {
        let live = self.all().filter(|(_, record)| record.end == End::Live);
        let parts = live.flat_map(|(slot, record)| {
            let here = record.parts.iter().enumerate().filter(move |(_, part)| part.entry == entry && part.held > 0);
            here.map(move |(number, _)| (slot, number))
        });
        parts.collect()
    }

    /// When those that ended did so, by serial, in the order in which they are forgotten.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (i64, u64)> {
        self.ended.iter().map(|(ended_ns, serial, _)| (*ended_ns, *serial))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        held::list(&self.slots)
            + self.slots.iter().flatten().map(Record::memory_bytes).sum::<usize>()
            + held::list(&self.free)
            + self.by_key.allocation_size()
            + self.due.memory_bytes()
            + self.ended.capacity() * size_of::<(i64, u64, u32)>()
            + self.settled.allocation_size()
            + self.settled.iter().map(|(_, settled)| held::text(settled.why.as_deref())).sum::<usize>()
            + self.settled_order.capacity() * size_of::<(i64, Fingerprint)>()
    }
}

/// A fingerprint is a keyed hash already.
const fn hash_of(key: Fingerprint) -> u64 {
    key.0[0]
}
