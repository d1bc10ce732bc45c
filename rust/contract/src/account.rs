//! The accounts of a position. Physical accounts and claims are two separate double-entry books: a posting never
//! crosses them.

use crate::heap_size::flat;

/// An account that a posting can name.
///
/// ```
/// use tallystick_contract::account::Account;
///
/// assert_eq!(Account::from_name("on_hand"), Some(Account::OnHand));
/// assert!(Account::Reserved.is_claim() && !Account::OnHand.is_claim());
/// assert_eq!(Account::Free.slot(), None); // derived from the other claims
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Account {
    /// Sellable stock.
    OnHand = 0,
    /// Soft claims on `on_hand`.
    Reserved = 1,
    /// Hard claims on `on_hand`.
    Allocated = 2,
    /// Left the shelf, not yet shipped.
    Picked = 3,
    /// A transfer on its way to this location.
    InTransit = 4,
    /// Held for inspection.
    Quarantine = 5,
    /// Not sellable.
    Damaged = 6,
    /// Outside: where receipts come from.
    Supplier = 7,
    /// Outside: where sales go.
    Customer = 8,
    /// Outside: counts and corrections.
    Adjustment = 9,
    /// Outside of the claims: what nobody claims. Always `−reserved − allocated`, so it is derived and never stored.
    Free = 10,
}

flat!(Account);

/// Accounts that a position stores.
pub const STORED: usize = 10;
/// The first of them are what a position shows; the rest are the outside accounts.
pub const VISIBLE: usize = 7;

/// What the physical book of a position sums to: its stored accounts but for the claims. Every posting leaves it as it
/// was, over all positions that it touches, because each amount that one account gives another one takes.
///
/// ```
/// use tallystick_contract::account::{Account, STORED, physical_sum};
///
/// let mut accounts = [0; STORED];
/// accounts[Account::OnHand as usize] = 5_000; // 5 have come …
/// accounts[Account::Supplier as usize] = -5_000; // … from outside,
/// accounts[Account::Reserved as usize] = 2_000; // and 2 of them are claimed, which moves nothing.
/// assert_eq!(physical_sum(&accounts), 0);
/// ```
#[inline]
pub fn physical_sum(accounts: &[i64; STORED]) -> i64 {
    let [on_hand, _, _, rest @ ..] = accounts;
    rest.iter().fold(*on_hand, |sum, amount| sum.wrapping_add(*amount))
}

/// All accounts in the order of their numbers.
pub const ALL: [Account; 11] = [
    Account::OnHand,
    Account::Reserved,
    Account::Allocated,
    Account::Picked,
    Account::InTransit,
    Account::Quarantine,
    Account::Damaged,
    Account::Supplier,
    Account::Customer,
    Account::Adjustment,
    Account::Free,
];

impl Account {
    /// The name in rule tables and outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnHand => "on_hand",
            Self::Reserved => "reserved",
            Self::Allocated => "allocated",
            Self::Picked => "picked",
            Self::InTransit => "in_transit",
            Self::Quarantine => "quarantine",
            Self::Damaged => "damaged",
            Self::Supplier => "supplier",
            Self::Customer => "customer",
            Self::Adjustment => "adjustment",
            Self::Free => "free",
        }
    }

    /// The account with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|account| account.name() == name)
    }

    /// Where a position stores it; nothing for `free`, which is derived.
    pub const fn slot(self) -> Option<usize> {
        match self {
            Self::Free => None,
            stored => Some(stored as usize),
        }
    }

    /// Whether the account belongs to the book of claims rather than to the physical one.
    pub const fn is_claim(self) -> bool {
        matches!(self, Self::Reserved | Self::Allocated | Self::Free)
    }
}
