//! Exceptions as work: each exception opens an item, or adds to one that is open; items are acknowledged, resolved or
//! discarded, escalate with the log's time, and are bounded (`docs/truth.md` §7).

mod image;
mod json;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashTable;
use tallystick_contract::codes::{self, Settled};
use tallystick_contract::exception_state::ExceptionState;
use tallystick_contract::heap_size::{HeapSize, heap_size, shared};
use tallystick_contract::limits::EXCEPTIONS_BYTES_MAX;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::hash::{fold, of_name};

use crate::diagnostics::Now;
use crate::diagnostics::exception::{ExceptionRecord, StateChange};
pub use json::Filter;
pub(crate) use json::{Known, Undecided, value_of, write_item};

/// An exception that somebody works on.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) subject: Box<str>,
    /// As it was raised first.
    pub(crate) record: Arc<ExceptionRecord>,
    /// The key of the event that it is about.
    pub(crate) key: Option<Fingerprint>,
    pub(crate) count: u64,
    pub(crate) last_seen_ns: i64,
    pub(crate) state: ExceptionState,
    pub(crate) is_escalated: bool,
    /// Who or what moved it last, and what was said about it.
    pub(crate) moved_by: Option<Box<str>>,
    pub(crate) note: Option<Box<str>>,
    /// The person behind the operator who moved it last, and when that was, by the log's time.
    pub(crate) person: Option<Box<str>>,
    pub(crate) moved_ns: Option<i64>,
    /// Who works on it, if it was passed on.
    pub(crate) team: Option<Box<str>>,
}

impl Item {
    /// Who works on it.
    pub(crate) fn team(&self) -> &str {
        self.team.as_deref().unwrap_or(&self.record.team)
    }

    /// Takes over who moved it.
    fn note_mover(&mut self, mover: Mover<'_>, now: Now) {
        (self.moved_by, self.person) = (Some(mover.by.into()), mover.person.map(Into::into));
        (self.note, self.moved_ns) = (mover.note.map(Into::into), Some(now.log_time_ns));
    }
}

/// Who or what moves an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mover<'a> {
    /// The operator, or what brought it about.
    pub(crate) by: &'a str,
    /// The person behind the operator.
    pub(crate) person: Option<&'a str>,
    pub(crate) note: Option<&'a str>,
}

impl<'a> Mover<'a> {
    /// Nobody: it came about.
    pub(crate) const fn itself(why: &'a str) -> Self {
        Self { by: why, person: None, note: None }
    }
}

impl Item {
    /// How it is now, because of what stands at a place of the log.
    pub(crate) fn change(&self, now: Now) -> StateChange {
        StateChange {
            number: self.record.number,
            code: self.record.code.clone(),
            state: self.state,
            is_escalated: self.is_escalated,
            team: self.team().into(),
            moved_by: self.moved_by.clone(),
            person: self.person.clone(),
            note: self.note.clone(),
            place: now.place,
            log_time_ns: now.log_time_ns,
        }
    }
}

/// The record is counted here, whoever else has it.
impl HeapSize for Item {
    fn heap_bytes(&self) -> usize {
        let Self {
            subject, record, key: _, count: _, last_seen_ns: _, state: _, is_escalated: _, moved_by, note, ..
        } = self;
        let Self { person, moved_ns: _, team, .. } = self;
        shared(record)
            + subject.heap_bytes()
            + [moved_by, note, person, team].into_iter().map(HeapSize::heap_bytes).sum::<usize>()
    }
}

/// All items.
#[derive(Debug)]
pub(crate) struct Work {
    items: BTreeMap<u64, Item>,
    /// Items that are not done, by code and subject.
    open: HashTable<u64>,
    /// Items that are not done, by the key of their event.
    by_key: HashTable<(Fingerprint, Vec<u64>)>,
    /// Items that are done: they go first.
    done: BTreeSet<u64>,
    /// When an open item is escalated.
    due: BTreeSet<(i64, u64)>,
    /// The number of the next item.
    next: u64,
    bytes: usize,
    pub(crate) spilled: u64,
    seed: u64,
    items_max: usize,
    escalate_after_ns: Option<i64>,
    /// What was not told yet.
    pub(crate) changes: Vec<StateChange>,
}

heap_size!(Work { items, open, by_key, done, due, next, bytes, spilled, seed, items_max, escalate_after_ns, changes });

impl Work {
    pub(crate) const fn new(seed: u64, items_max: usize, escalate_after_ns: Option<i64>) -> Self {
        Self {
            items: BTreeMap::new(),
            open: HashTable::new(),
            by_key: HashTable::new(),
            done: BTreeSet::new(),
            due: BTreeSet::new(),
            next: 1,
            bytes: 0,
            spilled: 0,
            seed,
            items_max,
            escalate_after_ns,
            changes: Vec::new(),
        }
    }

    /// Takes over what a changed configuration says, for items that are open, too.
    pub(crate) fn configure(&mut self, items_max: usize, escalate_after_ns: Option<i64>) {
        self.items_max = items_max;
        if self.escalate_after_ns != escalate_after_ns {
            self.escalate_after_ns = escalate_after_ns;
            let due =
                self.items.iter().filter_map(|(number, item)| Some((escalates_ns(item, escalate_after_ns)?, *number)));
            self.due = due.collect();
        }
    }

    /// Opens an item, or adds to the one that is open about the same. Returns the record with its number.
    pub(crate) fn raise(
        &mut self,
        mut record: ExceptionRecord,
        subject: &str,
        key: Option<Fingerprint>,
    ) -> Arc<ExceptionRecord> {
        let hash = hash(self.seed, &record.code, subject);
        let items = &mut self.items;
        let is_same = |number: &u64| items[number].record.code == record.code && *items[number].subject == *subject;
        if let Some(number) = self.open.find(hash, is_same).copied() {
            let item = items.get_mut(&number).expect("what is open is kept");
            item.count += 1;
            item.last_seen_ns = record.log_time_ns;
            record.number = number;
            return Arc::new(record);
        }
        record.number = self.next;
        self.next += 1;
        let record = Arc::new(record);
        self.put(Item {
            subject: subject.into(),
            key,
            count: 1,
            last_seen_ns: record.log_time_ns,
            state: ExceptionState::Open,
            is_escalated: false,
            moved_by: None,
            note: None,
            person: None,
            moved_ns: None,
            team: None,
            record: Arc::clone(&record),
        });
        self.spill();
        record
    }

    fn put(&mut self, item: Item) {
        let number = item.record.number;
        self.bytes += item.heap_bytes();
        if item.state.is_done() {
            self.done.insert(number);
        } else {
            let (items, seed) = (&self.items, self.seed);
            let rehash = |number: &u64| {
                let item = &items[number];
                hash(seed, &item.record.code, &item.subject)
            };
            self.open.insert_unique(hash(seed, &item.record.code, &item.subject), number, rehash);
            if let Some(key) = item.key {
                let entry = self.by_key.entry(key.0[0], |(known, _)| *known == key, |(known, _)| known.0[0]);
                entry.or_insert_with(|| (key, Vec::new())).into_mut().1.push(number);
            }
            self.due.extend(escalates_ns(&item, self.escalate_after_ns).map(|due_ns| (due_ns, number)));
        }
        self.items.insert(number, item);
    }

    /// Takes an item that is done out of what is looked through for open ones.
    fn close(&mut self, number: u64) {
        let Some(item) = self.items.get(&number) else { return };
        let hash = hash(self.seed, &item.record.code, &item.subject);
        if let Ok(entry) = self.open.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        let Some(key) = item.key else { return };
        if let Ok(mut entry) = self.by_key.find_entry(key.0[0], |(known, _)| *known == key) {
            let numbers = &mut entry.get_mut().1;
            numbers.retain(|known| *known != number);
            if numbers.is_empty() {
                entry.remove();
            }
        }
    }

    /// Lets the oldest items go that are done, or else the oldest, while there are too many.
    fn spill(&mut self) {
        while self.items.len() > self.items_max || self.bytes > EXCEPTIONS_BYTES_MAX && self.items.len() > 1 {
            let oldest = self.done.first().or_else(|| self.items.keys().next()).copied();
            let Some(number) = oldest else { return };
            self.done.remove(&number);
            self.close(number);
            if let Some(item) = self.items.remove(&number) {
                self.bytes -= item.heap_bytes();
                self.spilled += 1;
            }
        }
    }

    /// Moves an item on. Returns whether it was there and not done yet.
    pub(crate) fn move_to(&mut self, number: u64, state: ExceptionState, mover: Mover<'_>, now: Now) -> bool {
        let Some(item) = self.items.get_mut(&number).filter(|item| !item.state.is_done()) else { return false };
        self.bytes -= item.heap_bytes();
        item.state = state;
        item.note_mover(mover, now);
        self.bytes += item.heap_bytes();
        self.tell(number, now);
        if state.is_done() {
            self.close(number);
            self.done.insert(number);
        }
        true
    }

    /// Passes an item on to a team; says whether there is one that is not done.
    pub(crate) fn assign(&mut self, number: u64, team: &str, mover: Mover<'_>, now: Now) -> bool {
        let Some(item) = self.items.get_mut(&number).filter(|item| !item.state.is_done()) else { return false };
        self.bytes -= item.heap_bytes();
        item.team = Some(team.into());
        item.note_mover(mover, now);
        self.bytes += item.heap_bytes();
        self.tell(number, now);
        true
    }

    fn tell(&mut self, number: u64, now: Now) {
        let change = self.items[&number].change(now);
        self.changes.push(change);
    }

    /// Resolves what is open about a subject, because it is in order again.
    pub(crate) fn resolve(&mut self, code: &str, subject: &str, why: &str, now: Now) {
        self.resolve_by(code, subject, Mover::itself(why), now);
    }

    /// Resolves what is open about a subject, because somebody decided it.
    pub(crate) fn resolve_by(&mut self, code: &str, subject: &str, mover: Mover<'_>, now: Now) {
        let items = &self.items;
        let is_it = |number: &u64| *items[number].record.code == *code && *items[number].subject == *subject;
        if let Some(number) = self.open.find(hash(self.seed, code, subject), is_it).copied() {
            self.move_to(number, ExceptionState::Resolved, mover, now);
        }
    }

    /// Whether anything is open about an event.
    #[inline]
    pub(crate) fn knows(&self, key: Fingerprint) -> bool {
        !self.by_key.is_empty() && self.by_key.find(key.0[0], |(known, _)| *known == key).is_some()
    }

    /// Resolves what was wrong with an event's content, since one under its key was accepted.
    pub(crate) fn accept(&mut self, key: Fingerprint, now: Now) {
        self.resolve_of(key, Mover::itself("accepted"), now, |code| codes::find(code).settled == Settled::Accepted);
    }

    /// Resolves what is open about an event with a code, or all of it.
    pub(crate) fn resolve_of(&mut self, key: Fingerprint, mover: Mover<'_>, now: Now, is_meant: impl Fn(&str) -> bool) {
        let Some((_, numbers)) = self.by_key.find(key.0[0], |(known, _)| *known == key) else { return };
        let meant: Vec<_> =
            numbers.iter().copied().filter(|number| is_meant(&self.items[number].record.code)).collect();
        for number in meant {
            self.move_to(number, ExceptionState::Resolved, mover, now);
        }
    }

    /// Whether an item waits for its escalation until a time.
    #[inline]
    pub(crate) fn is_due(&self, log_time_ns: i64) -> bool {
        self.due.first().is_some_and(|(due_ns, _)| *due_ns <= log_time_ns)
    }

    /// When the next item has been open for too long, in nanoseconds since 1970.
    pub(crate) fn next_due_ns(&self) -> Option<i64> {
        self.due.first().map(|(due_ns, _)| *due_ns)
    }

    /// Escalates what has been open for too long.
    pub(crate) fn escalate(&mut self, now: Now) {
        while let Some((due_ns, number)) = self.due.first().copied().filter(|(due_ns, _)| *due_ns <= now.log_time_ns) {
            self.due.remove(&(due_ns, number));
            if let Some(item) = self.items.get_mut(&number)
                && item.state == ExceptionState::Open
            {
                item.is_escalated = true;
                self.tell(number, now);
            }
        }
    }

    /// The number of the last item.
    pub(crate) const fn last(&self) -> u64 {
        self.next - 1
    }

    /// All items, by their numbers.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// An item by its number.
    pub(crate) fn get(&self, number: u64) -> Option<&Item> {
        self.items.get(&number)
    }

    /// Code and subject of all that is not done.
    pub(crate) fn unresolved(&self) -> BTreeSet<String> {
        let open = self.items.values().filter(|item| !item.state.is_done());
        open.map(|item| format!("{} {}", item.record.code, item.subject)).collect()
    }
}

/// When an item is escalated that is open until then.
fn escalates_ns(item: &Item, after_ns: Option<i64>) -> Option<i64> {
    let is_waiting = item.state == ExceptionState::Open && !item.is_escalated;
    after_ns.filter(|_| is_waiting).map(|after_ns| item.record.log_time_ns.saturating_add(after_ns))
}

fn hash(seed: u64, code: &str, subject: &str) -> u64 {
    fold(of_name(seed, code) ^ seed, of_name(seed, subject).rotate_left(32))
}
