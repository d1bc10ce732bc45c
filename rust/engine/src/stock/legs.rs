//! Legs: the postings of an event's rule, laid out on accounts with their signs. Knows no ledger.

use tallystick_contract::account::Account;
use tallystick_contract::config::Config;
use tallystick_contract::limits::POSTINGS_MAX;
use tallystick_contract::rules::{End, Flow, Rule, Step};

use crate::read::event::Event;
use crate::read::form::Statuses;
/// One end of a posting, on a stored account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leg {
    /// Whether it falls on the position at `to_location`.
    pub remote: bool,
    /// The account's place in a position.
    pub slot: usize,
    /// Whether the account gives (else it takes).
    pub gives: bool,
}

/// What becomes of an event's legs beside its rule (`docs/claims.md` §1, §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Terms {
    /// Whether its order line claims, so that it has no legs on claims.
    pub is_claimed_by_line: bool,
    /// Whether what it takes from `picked` comes off the shelf.
    pub is_from_on_hand: bool,
    /// Whether it takes nothing from `allocated`.
    pub is_unallocated: bool,
}

impl Terms {
    /// Of an event.
    #[inline]
    pub(crate) fn of(config: &Config, event: &Event<'_>, rule: &Rule) -> Self {
        rule.step.map_or_else(Self::default, |step| Self::of_step(config, event, step))
    }

    fn of_step(config: &Config, event: &Event<'_>, step: Step) -> Self {
        let leaving = config.claims.leaving(event.location, event.source);
        let is_documented = event.document.is_some();
        Self {
            is_claimed_by_line: is_documented && step.is_demand(),
            is_from_on_hand: step.flow == Flow::Ship && leaving.is_from_on_hand,
            is_unallocated: step.flow == Flow::Pick && !is_documented && !leaving.allocates,
        }
    }

    /// The account that is meant by one that a rule names; nothing where it is left out.
    fn of_account(self, account: Account) -> Option<Account> {
        match account {
            Account::Reserved | Account::Allocated if self.is_claimed_by_line => None,
            Account::Allocated if self.is_unallocated => None,
            Account::Picked if self.is_from_on_hand => Some(Account::OnHand),
            other => Some(other),
        }
    }
}

/// The legs of one event; `free` has none, since it is derived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Legs {
    legs: [Leg; 2 * POSTINGS_MAX],
    count: usize,
}

impl Legs {
    /// The legs as a slice.
    pub(crate) fn as_slice(&self) -> &[Leg] {
        &self.legs[..self.count]
    }

    /// Lays out the postings of a rule, under the terms of an event.
    #[inline]
    pub(crate) fn lay_out(rule: &Rule, statuses: Statuses, terms: Terms) -> Self {
        let mut legs = Self { legs: [Leg { remote: false, slot: 0, gives: false }; 2 * POSTINGS_MAX], count: 0 };
        for posting in &rule.postings {
            for (end, remote, gives) in
                [(posting.from, posting.from_remote, true), (posting.to, posting.to_remote, false)]
            {
                let account = match end {
                    End::Fixed(account) => Some(account),
                    End::FromStatus => statuses.from,
                    End::ToStatus => statuses.to,
                };
                let account = account.and_then(|account| terms.of_account(account));
                if let Some(slot) = account.and_then(Account::slot) {
                    legs.legs[legs.count] = Leg { remote, slot, gives };
                    legs.count += 1;
                }
            }
        }
        legs
    }
}
