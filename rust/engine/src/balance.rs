//! A position as others see it: names, visible accounts, ATP. The one form that replay, queries, the reference and the state hash share.

use crate::account::{Account, STORED};
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
    /// Safety stock by configuration.
    pub safety_stock: i64,
    /// The log sequence that it reflects.
    pub version: u64,
}

impl Balance {
    /// One account; `free` is derived.
    pub fn account(&self, account: Account) -> i64 {
        account.slot().map_or_else(
            || -self.account(Account::Reserved) - self.account(Account::Allocated),
            |slot| self.accounts[slot],
        )
    }

    /// On-hand available-to-promise: `on_hand − reserved − allocated − safety_stock` (`docs/events.md` §3). Signed: negative is a shortage.
    pub fn atp(&self) -> i64 {
        self.account(Account::OnHand)
            - self.account(Account::Reserved)
            - self.account(Account::Allocated)
            - self.safety_stock
    }

    /// Appends the line of the balances file (`docs/events.md` §10), without its line end.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_names(out);
        self.write_quantities(out);
        out.push(b'}');
    }

    /// Appends an availability entry: the line of the balances file, with version and optional tracing ids.
    pub fn write_availability(&self, out: &mut Vec<u8>, correlation: Option<&str>, causation: Option<&str>) {
        self.write_names(out);
        self.write_quantities(out);
        out.extend_from_slice(b",\"version\":");
        quantity::write_digits(out, self.version);
        for (name, value) in [("correlationid", correlation), ("causationid", causation)] {
            if let Some(value) = value {
                write_member(out, name, value);
            }
        }
        out.push(b'}');
    }

    fn write_names(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"sku\":");
        write_string(out, &self.key.sku);
        write_member(out, "location", &self.key.location);
        for (name, value) in [("lot", &self.key.lot), ("owner", &self.key.owner)] {
            if !value.is_empty() {
                write_member(out, name, value);
            }
        }
    }

    fn write_quantities(&self, out: &mut Vec<u8>) {
        for account in &crate::account::ALL[..crate::account::VISIBLE] {
            write_quantity(out, account.name(), self.account(*account));
        }
        write_quantity(out, "atp", self.atp());
    }
}

fn write_quantity(out: &mut Vec<u8>, name: &str, thousandths: i64) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    quantity::write(out, thousandths);
}

fn write_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(out, value);
}

/// Appends a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing JSON into memory cannot fail.
    serde_json::to_writer(out, text).expect("a string is always JSON");
}
