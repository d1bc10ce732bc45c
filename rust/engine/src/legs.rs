//! An event under its rule: statuses resolved, postings laid out as signed legs on accounts. Checks form and quantity;
//! knows no ledger.

use tallystick_contract::account::Account;
use tallystick_contract::config::Config;
use tallystick_contract::limits::POSTINGS_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::{End, Flow, Rule, StatusRule, Step};

use crate::decode::Malformed;
use crate::event::{Event, EventQuantity, Field};

/// One end of a posting, on a stored account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// Whether it falls on the position at `to_location`.
    pub remote: bool,
    /// The account's place in a position.
    pub slot: usize,
    /// Whether the account gives (else it takes).
    pub gives: bool,
}

/// Statuses after defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses {
    /// Where the quantity comes from.
    pub from: Option<Account>,
    /// Where it goes.
    pub to: Option<Account>,
}

/// What becomes of an event's legs beside its rule (`docs/claims.md` §1, §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
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
    pub fn of(config: &Config, event: &Event<'_>, rule: &Rule) -> Self {
        rule.step.map_or_else(Self::default, |step| Self::of_step(config, event, step))
    }

    fn of_step(config: &Config, event: &Event<'_>, step: Step) -> Self {
        let leaving = config.claims.leaving(event.location.unwrap_or_default(), event.source.unwrap_or_default());
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
pub struct Legs {
    legs: [Leg; 2 * POSTINGS_MAX],
    count: usize,
}

impl Legs {
    /// The legs as a slice.
    pub fn as_slice(&self) -> &[Leg] {
        &self.legs[..self.count]
    }

    /// Lays out the postings of a rule, under the terms of an event.
    #[inline]
    pub fn lay_out(rule: &Rule, statuses: Statuses, terms: Terms) -> Self {
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

/// Checks what only shows with the type: required fields and statuses.
///
/// # Errors
/// The first field that breaks the type's form.
pub fn check_form(event: &Event<'_>, rule: &Rule) -> Result<Statuses, Malformed> {
    let required = [
        (Field::Sku, event.sku.is_some()),
        (Field::Location, event.location.is_some()),
        (Field::Quantity, event.quantity.is_some()),
        (Field::ToLocation, event.to_location.is_some() || !rule.needs_to_location),
    ];
    if let Some((field, _)) = required.into_iter().find(|(_, given)| !given) {
        return Err(Malformed::of_field(field, "is required by this type"));
    }
    Ok(Statuses {
        from: resolve(Field::FromStatus, event.from_status, rule.from_status.as_ref())?,
        to: resolve(Field::ToStatus, event.to_status, rule.to_status.as_ref())?,
    })
}

fn resolve(field: Field, said: Option<&str>, rule: Option<&StatusRule>) -> Result<Option<Account>, Malformed> {
    match (said, rule) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(Malformed::of_field(field, "is not used by this type")),
        (None, Some(rule)) => rule.default.map(Some).ok_or(Malformed::of_field(field, "is required by this type")),
        (Some(said), Some(rule)) => Account::from_name(said)
            .filter(|account| rule.allowed.contains(account))
            .map(Some)
            .ok_or(Malformed::of_field(field, "is no status that this type lists")),
    }
}

/// The quantity in thousandths, if it keeps its rule.
///
/// # Errors
/// `quantity_invalid`.
pub fn check_quantity(event: &Event<'_>, rule: &Rule) -> Result<i64, Outcome> {
    match event.quantity {
        Some(EventQuantity::Exact(thousandths)) if rule.quantity.admits(thousandths) => Ok(thousandths),
        _ => Err(Outcome::QuantityInvalid),
    }
}
