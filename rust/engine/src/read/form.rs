//! Form: what an event's type asks of its fields and its quantity. Knows no state.

use tallystick_contract::account::Account;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::{Rule, StatusRule};

use crate::read::event::{Event, EventQuantity, Field};
use crate::read::malformed::Malformed;
/// Statuses after defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses {
    /// Where the quantity comes from.
    pub from: Option<Account>,
    /// Where it goes.
    pub to: Option<Account>,
}

/// Checks what only shows with the type: required fields and statuses.
///
/// # Errors
/// The first field that breaks the type's form.
pub fn check_form(event: &Event<'_>, rule: &Rule) -> Result<Statuses, Malformed> {
    let required = [
        (Field::Sku, !event.sku.is_empty()),
        (Field::Location, !event.location.is_empty()),
        (Field::Quantity, event.quantity.is_some()),
        (Field::ToLocation, !event.to_location.is_empty() || !rule.needs_to_location),
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
