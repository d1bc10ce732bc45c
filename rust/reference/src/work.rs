//! Exceptions as work: what was raised, by number, and what becomes of it.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;

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
pub(super) struct Work(Vec<Item>);

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
    /// Opens an item, unless one is open for the same.
    pub(super) fn raise(&mut self, code: &str, subject: &str) {
        if self.live(code, subject).is_none() {
            self.0.push(Item { code: code.to_owned(), subject: subject.to_owned(), state: State::Open });
        }
    }

    /// Resolves what is open for a code and subject.
    pub(super) fn resolve(&mut self, code: &str, subject: &str) {
        if let Some(at) = self.live(code, subject) {
            self.0[at].state = State::Resolved;
        }
    }

    /// Resolves all items of an event that was taken back.
    pub(super) fn resolve_all(&mut self, subject: &str) {
        let is_its = |item: &&mut Item| item.is_live() && item.subject == subject && !OF_OTHERS.contains(&&*item.code);
        for item in self.0.iter_mut().filter(is_its) {
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

    /// Code and subject of an item, whatever was done about it.
    pub(super) fn find(&self, number: u64) -> Option<(&str, &str)> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.0.get(at).map(|item| (&*item.code, &*item.subject))
    }

    /// "code subject" of all that is open or acknowledged.
    pub(super) fn open(&self) -> BTreeSet<String> {
        let live = self.0.iter().filter(|item| item.is_live());
        live.map(|item| format!("{} {}", item.code, item.subject)).collect()
    }

    fn live(&self, code: &str, subject: &str) -> Option<usize> {
        self.0.iter().position(|item| item.is_live() && item.code == code && item.subject == subject)
    }

    fn item_mut(&mut self, number: u64) -> Option<&mut Item> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.0.get_mut(at)
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
