//! A position as others see it: names, visible accounts, ATP. The one form that replay, queries, the reference and the
//! state hash share.

use crate::account::{Account, STORED, VISIBLE};
use crate::json_text::write_string;
use crate::quantity;

/// The names of a position. The order is the order of every sorted output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PositionKey {
    /// Stock keeping unit.
    pub sku: String,
    /// Facility.
    pub location: String,
    /// Batch; empty for none.
    pub lot: String,
    /// Consignment owner; empty for none.
    pub owner: String,
}

/// One position's balances, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// Its names.
    pub key: PositionKey,
    /// Its stored accounts, by [`Account::slot`].
    pub accounts: [i64; STORED],
    /// What is claimed beside the accounts.
    pub claimed: Claimed,
    /// Safety stock by master data or configuration.
    pub safety_stock: i64,
    /// What events that wait for an approval would take away.
    pub pending: i64,
    /// What can be promised today (`docs/claims.md` §6). Signed: negative is a shortage.
    pub atp: i64,
    /// Whether it came into being by a correction, and was never posted to by an event as it was sent.
    pub is_hollow: bool,
    /// The log sequence that it reflects.
    pub version: u64,
}

/// What is claimed of a position beside its accounts, at once, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claimed {
    /// Live reservations without a document whose day has come, and what lines want softly.
    pub reserved: i64,
    /// What lines have for good.
    pub allocated: i64,
    /// What orders want beyond both.
    pub ordered: i64,
    /// What was shipped and never picked, and so is not on the shelf.
    pub unpicked: i64,
}

impl Balance {
    /// One account; `free` is derived.
    pub fn account(&self, account: Account) -> i64 {
        match account {
            Account::Free => -self.account(Account::Reserved) - self.account(Account::Allocated),
            Account::Reserved => self.accounts[RESERVED] + self.claimed.reserved,
            Account::Allocated => self.accounts[ALLOCATED] + self.claimed.allocated,
            stored => self.accounts[stored as usize],
        }
    }

    /// On-hand available-to-promise (`docs/claims.md` §6): what is on the shelf and unclaimed at once. An account of
    /// claims below zero counts as zero.
    /// Signed: negative is a shortage.
    pub fn on_hand_atp(&self) -> i64 {
        self.view().on_hand_atp()
    }

    /// The balance, borrowed.
    pub fn view(&self) -> BalanceView<'_> {
        let PositionKey { sku, location, lot, owner } = &self.key;
        BalanceView {
            names: [sku, location, lot, owner],
            accounts: &self.accounts,
            claimed: self.claimed,
            safety_stock: self.safety_stock,
            pending: self.pending,
            atp: self.atp,
            is_hollow: self.is_hollow,
            version: self.version,
        }
    }

    /// Appends the line of the balances file (`docs/events.md` §10), without its line end.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.view().write_json(out);
    }
}

/// One position's balances where they are: what is written a million times a second is not copied first.
///
/// ```
/// use tallystick_contract::account::{Account, STORED};
/// use tallystick_contract::balance::{BalanceView, Claimed};
///
/// let mut accounts = [0; STORED];
/// accounts[Account::OnHand as usize] = 10_000;
/// accounts[Account::Reserved as usize] = 2_000;
/// let claimed = Claimed { ordered: 3_000, ..Claimed::default() };
/// let (names, accounts) = (["LAMP", "DC1", "", ""], &accounts);
/// let (safety_stock, pending, atp, is_hollow, version) = (1_000, 0, 4_000, false, 7);
/// let view = BalanceView { names, accounts, claimed, safety_stock, pending, atp, is_hollow, version };
/// assert_eq!(view.on_hand_atp(), 4_000); // 10 less 2 reserved, 3 ordered and 1 for safety
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BalanceView<'a> {
    /// SKU, location, lot and owner; the last two empty for none.
    pub names: [&'a str; 4],
    /// Its stored accounts, by [`Account::slot`].
    pub accounts: &'a [i64; STORED],
    /// What is claimed beside the accounts.
    pub claimed: Claimed,
    /// Safety stock by master data or configuration.
    pub safety_stock: i64,
    /// What events that wait for an approval would take away.
    pub pending: i64,
    /// What can be promised today.
    pub atp: i64,
    /// Whether it came into being by a correction, and was never posted to by an event as it was sent.
    pub is_hollow: bool,
    /// The log sequence that it reflects.
    pub version: u64,
}

impl BalanceView<'_> {
    /// On-hand available-to-promise, as [`Balance::on_hand_atp`].
    pub fn on_hand_atp(&self) -> i64 {
        let [on_hand, reserved, allocated, ..] = *self.accounts;
        let claimed = self.claimed.reserved + self.claimed.allocated + self.claimed.ordered;
        on_hand
            - self.claimed.unpicked
            - reserved.max(0)
            - allocated.max(0)
            - claimed
            - self.safety_stock
            - self.pending
    }

    /// A copy.
    pub fn to_balance(self) -> Balance {
        let [sku, location, lot, owner] = self.names.map(ToOwned::to_owned);
        Balance {
            key: PositionKey { sku, location, lot, owner },
            accounts: *self.accounts,
            claimed: self.claimed,
            safety_stock: self.safety_stock,
            pending: self.pending,
            atp: self.atp,
            is_hollow: self.is_hollow,
            version: self.version,
        }
    }

    /// As [`Balance::write_json`].
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_members(out);
        out.push(b'}');
    }

    /// Its stored accounts, with what is claimed beside them.
    pub fn amounts(&self) -> [i64; STORED] {
        let mut amounts = *self.accounts;
        amounts[RESERVED] += self.claimed.reserved;
        amounts[ALLOCATED] += self.claimed.allocated;
        amounts
    }

    /// Appends an availability entry: the line of the balances file, with what can be promised, version and optional
    /// tracing ids.
    pub fn write_availability(
        &self,
        out: &mut Vec<u8>,
        more: impl FnOnce(&mut Vec<u8>),
        (correlation, causation): (Option<&str>, Option<&str>),
    ) {
        self.write_members(out);
        more(out);
        out.extend_from_slice(b",\"version\":");
        quantity::write_digits(out, self.version);
        for (name, value) in [("correlationid", correlation), ("causationid", causation)] {
            if let Some(value) = value {
                write_member(out, name, value);
            }
        }
        out.push(b'}');
    }

    fn write_members(&self, out: &mut Vec<u8>) {
        let [sku, location, lot, owner] = self.names;
        out.extend_from_slice(b"{\"sku\":");
        write_string(out, sku);
        out.extend_from_slice(b",\"location\":");
        write_string(out, location);
        for (name, value) in [("lot", lot), ("owner", owner)] {
            if !value.is_empty() {
                write_member(out, name, value);
            }
        }
        for (label, amount) in LABELS.into_iter().zip(self.amounts()) {
            out.extend_from_slice(label);
            quantity::write(out, amount);
        }
        // What most positions have none of is left away.
        let rest: [(&[u8], i64); 4] = [
            (b",\"ordered\":", self.claimed.ordered),
            (b",\"unpicked\":", self.claimed.unpicked),
            (b",\"safety_stock\":", self.safety_stock),
            (b",\"pending\":", self.pending),
        ];
        for (label, amount) in rest {
            if amount != 0 {
                out.extend_from_slice(label);
                quantity::write(out, amount);
            }
        }
        out.extend_from_slice(b",\"on_hand_atp\":");
        quantity::write(out, self.on_hand_atp());
        out.extend_from_slice(b",\"atp\":");
        quantity::write(out, self.atp);
    }
}

const RESERVED: usize = Account::Reserved as usize;
const ALLOCATED: usize = Account::Allocated as usize;

/// The names of the visible accounts, as they stand before their amounts.
const LABELS: [&[u8]; VISIBLE] = [
    b",\"on_hand\":",
    b",\"reserved\":",
    b",\"allocated\":",
    b",\"picked\":",
    b",\"in_transit\":",
    b",\"quarantine\":",
    b",\"damaged\":",
];

fn write_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_names_of_the_visible_accounts() {
        for (label, account) in LABELS.iter().zip(crate::account::ALL) {
            assert_eq!(*label, format!(",\"{}\":", account.name()).as_bytes());
        }
    }
}
