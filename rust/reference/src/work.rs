//! Exceptions as work: what was raised, by number, and what becomes of it.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::limits::FLOOD_ELEMENTS;

use super::body::Key;

/// What has been done about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Acknowledged,
    Resolved,
    Discarded,
}

/// One item. Its number is its place in the list, counted from one.
#[derive(Debug, Clone)]
struct Item {
    code: String,
    subject: String,
    state: State,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    items: Vec<Item>,
    flood: Flood,
}

/// What the message in hand has raised.
#[derive(Debug, Clone, Default)]
struct Flood {
    /// The element in hand.
    place: (u64, u32),
    /// Elements whose exceptions stand by themselves.
    told: BTreeSet<(u64, u32)>,
    rest: u64,
}

/// Refusals by content or configuration: the same key may come again and be accepted.
const CURABLE: [&str; 9] = [
    "too_large",
    "malformed",
    "unknown_type",
    "quantity_invalid",
    "sequence_missing",
    "time_out_of_bounds",
    "not_owner",
    "unknown_reference",
    "loop",
];

/// Codes whose subject is no event.
const OF_OTHERS: [&str; 16] = [
    "negative_stock",
    "sequence_gap",
    "receipt_variance",
    "transfer_overdue",
    "mass_change",
    "unknown_item",
    "unknown_location",
    "unregistered_source",
    "supply_overdue",
    "reservation_at_risk",
    "over_protected",
    "claim_below_zero",
    "closed_line",
    "document_clash",
    "unallocated_pick",
    "ship_without_pick",
];

impl Work {
    /// An element is in hand, or what time brings about before it.
    pub(super) fn begin(&mut self, place: (u64, u32)) {
        self.flood.place = place;
    }

    /// The message in hand is over: what it raised beyond what stands by itself is one item.
    pub(super) fn end(&mut self) {
        let place = self.flood.place;
        if std::mem::take(&mut self.flood).rest > 0 {
            self.open_item("exception_flood", &of_message(place.0));
        }
        self.flood.place = place;
    }

    /// Whether an element's exceptions stand by themselves.
    pub(super) fn is_told(&mut self, place: (u64, u32)) -> bool {
        let Flood { told, rest, .. } = &mut self.flood;
        let is_told = told.contains(&place) || told.len() < FLOOD_ELEMENTS;
        if is_told {
            told.insert(place);
        } else {
            *rest += 1;
        }
        is_told
    }

    /// Opens an item that is about the element in hand, unless one is open for the same.
    pub(super) fn raise(&mut self, code: &str, subject: &str) {
        let place = self.flood.place;
        if self.is_told(place) {
            self.open_item(code, subject);
        }
    }

    /// Opens an item, unless one is open for the same.
    pub(super) fn open_item(&mut self, code: &str, subject: &str) {
        if self.live(code, subject).is_none() {
            self.items.push(Item { code: code.to_owned(), subject: subject.to_owned(), state: State::Open });
        }
    }

    /// Resolves what is open for a code and subject.
    pub(super) fn resolve(&mut self, code: &str, subject: &str) {
        if let Some(at) = self.live(code, subject) {
            self.items[at].state = State::Resolved;
        }
    }

    /// Resolves all items of an event that was taken back.
    pub(super) fn resolve_all(&mut self, subject: &str) {
        let is_its = |item: &&mut Item| item.is_live() && item.subject == subject && !OF_OTHERS.contains(&&*item.code);
        for item in self.items.iter_mut().filter(is_its) {
            item.state = State::Resolved;
        }
    }

    /// Resolves the refusals of a key that is accepted now.
    pub(super) fn cure(&mut self, subject: &str) {
        for code in CURABLE {
            self.resolve(code, subject);
        }
    }

    /// Moves an item that is open or acknowledged; says whether there is one.
    pub(super) fn move_to(&mut self, number: u64, state: State) -> bool {
        let item = self.item_mut(number).filter(|item| item.is_live());
        item.map(|item| item.state = state).is_some()
    }

    /// Whether an item is open or acknowledged.
    pub(super) fn is_live(&mut self, number: u64) -> bool {
        self.item_mut(number).is_some_and(|item| item.is_live())
    }

    /// Code and subject of an item, whatever was done about it.
    pub(super) fn find(&self, number: u64) -> Option<(&str, &str)> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.items.get(at).map(|item| (&*item.code, &*item.subject))
    }

    /// "code subject" of all that is open or acknowledged.
    pub(super) fn open(&self) -> BTreeSet<String> {
        let live = self.items.iter().filter(|item| item.is_live());
        live.map(|item| format!("{} {}", item.code, item.subject)).collect()
    }

    fn live(&self, code: &str, subject: &str) -> Option<usize> {
        self.items.iter().position(|item| item.is_live() && item.code == code && item.subject == subject)
    }

    fn item_mut(&mut self, number: u64) -> Option<&mut Item> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.items.get_mut(at)
    }
}

impl Item {
    fn is_live(&self) -> bool {
        matches!(self.state, State::Open | State::Acknowledged)
    }
}

/// The subject of what concerns an event.
pub(super) fn of_key((source, id): &Key) -> String {
    format!("{source}/{id}")
}

/// The subject of what concerns a message.
pub(super) fn of_message(sequence: u64) -> String {
    sequence.to_string()
}

/// The subject of what concerns a position.
pub(super) fn of_position(PositionKey { sku, location, lot, owner }: &PositionKey) -> String {
    format!("{sku}/{location}/{lot}/{owner}")
}
