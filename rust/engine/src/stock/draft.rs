//! A draft: what an event would do to one position, before anything is written.

use tallystick_contract::account::{Account, STORED};
use tallystick_contract::limits::ACCOUNT_MAX;

use crate::stock::ledger::Names;
const ON_HAND: usize = Account::OnHand as usize;

/// What an event would do to one position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft {
    pub(crate) names: Names,
    /// The position, if it exists.
    pub(crate) place: Option<u32>,
    /// `on_hand` before.
    pub(crate) before: i64,
    pub(crate) accounts: [i64; STORED],
    /// The movement of `on_hand`, whether a count absorbs it or not.
    pub(crate) moved: i64,
}

impl Draft {
    /// Where the position is, if it exists.
    pub(crate) const fn place(&self) -> Option<u32> {
        self.place
    }

    /// What an account would hold.
    pub(crate) const fn account(&self, slot: usize) -> i64 {
        self.accounts[slot]
    }

    /// What `on_hand` holds, and what it would.
    pub(crate) const fn on_hand(&self) -> (i64, i64) {
        (self.before, self.accounts[ON_HAND])
    }

    pub(crate) const fn add(&mut self, slot: usize, amount: i64) {
        self.accounts[slot] = self.accounts[slot].saturating_add(amount);
    }

    pub(crate) const fn set_on_hand(&mut self, on_hand: i64) {
        self.accounts[ON_HAND] = on_hand;
    }

    /// The draft with more on hand.
    pub(crate) const fn relieved(mut self, relief: i64) -> Self {
        self.accounts[ON_HAND] = self.accounts[ON_HAND].saturating_add(relief);
        self
    }

    /// Whether `on_hand` goes from below zero to zero or more.
    pub(crate) const fn recovers(&self) -> bool {
        self.before < 0 && self.accounts[ON_HAND] >= 0
    }

    /// Whether `on_hand` goes from zero or more to less.
    pub(crate) const fn crosses_below_zero(&self) -> bool {
        self.before >= 0 && self.accounts[ON_HAND] < 0
    }

    /// Whether `on_hand` is lowered and ends below zero.
    pub(crate) const fn lowers_below_zero(&self) -> bool {
        self.accounts[ON_HAND] < self.before && self.accounts[ON_HAND] < 0
    }

    pub(crate) fn overflows(&self) -> bool {
        self.accounts.iter().any(|amount| amount.unsigned_abs() > ACCOUNT_MAX.unsigned_abs())
    }
}
