//! Members that several directives about promises have.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;
use tallystick_contract::config_text::duration;
use tallystick_contract::limits::{NAME_BYTES_MAX, SOURCE_BYTES_MAX, UNIT_BYTES_MAX};
use tallystick_contract::outcome::Outcome;

use crate::calendar::Due;
use crate::decimal;
use crate::fields::{Fields, Malformed, number};

/// A quantity in some unit of measure; the base unit has no name.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) quantity: i64,
    pub(crate) unit: String,
}

/// How much of a reservation a directive is about.
#[derive(Debug, Clone)]
pub(crate) enum Amounts {
    All,
    One(i64),
    Each(Vec<i64>),
}

/// How long what is granted lives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ttl {
    AsConfigured,
    Endless,
    Ns(i64),
}

/// What a protection is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Everywhere,
    Group(String),
    Location(String),
}

/// What a group is made of, in the order in which it is picked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    pub(crate) locations: Vec<String>,
    pub(crate) groups: Vec<String>,
}

pub(super) fn amounts(fields: &Fields<'_>) -> Result<Result<Amounts, Outcome>, Malformed> {
    match (quantity(fields, "quantity", 1)?, fields.list("quantities")?) {
        (None, None) => Ok(Ok(Amounts::All)),
        (Some(one), None) => Ok(one.map(|one| Amounts::One(one.quantity))),
        (None, Some(each)) => {
            let each = each.into_iter().map(|json| thousandths(json, 0)).collect::<Result<Vec<_>, Malformed>>()?;
            let each = each.into_iter().collect::<Result<Vec<_>, Outcome>>();
            // Lines may be left alone, but not all of them.
            let is_some = |each: Vec<i64>| {
                if each.iter().all(|one| *one == 0) { Err(Outcome::QuantityInvalid) } else { Ok(each) }
            };
            Ok(each.and_then(is_some).map(Amounts::Each))
        }
        _ => Err(Malformed),
    }
}

pub(super) fn scope(fields: &Fields<'_>) -> Result<Scope, Malformed> {
    match (fields.name("location", NAME_BYTES_MAX)?, fields.name("group", NAME_BYTES_MAX)?) {
        (None, None) => Ok(Scope::Everywhere),
        (Some(location), None) => Ok(Scope::Location(location)),
        (None, Some(group)) => Ok(Scope::Group(group)),
        _ => Err(Malformed),
    }
}

/// A name that must be there.
pub(super) fn name(fields: &Fields<'_>, member: &str) -> Result<String, Malformed> {
    fields.name(member, NAME_BYTES_MAX)?.ok_or(Malformed)
}

/// The position that is named; nothing where no location is.
pub(super) fn position(fields: &Fields<'_>) -> Result<Option<PositionKey>, Malformed> {
    let text = |name: &str| Ok(fields.text(name, NAME_BYTES_MAX)?.unwrap_or_default());
    let sku = fields.name("sku", NAME_BYTES_MAX)?.ok_or(Malformed)?;
    let (lot, owner) = (text("lot")?, text("owner")?);
    Ok(fields.name("location", NAME_BYTES_MAX)?.map(|location| PositionKey { sku, location, lot, owner }))
}

pub(super) fn due(fields: &Fields<'_>) -> Result<Option<Due>, Malformed> {
    fields.name("due", SOURCE_BYTES_MAX)?.map(|text| Due::read(&text).ok_or(Malformed)).transpose()
}

/// A quantity of at least so many thousandths, if there is one.
pub(super) fn quantity(
    fields: &Fields<'_>,
    member: &str,
    least: i64,
) -> Result<Option<Result<Measured, Outcome>>, Malformed> {
    let unit = fields.text("unit", UNIT_BYTES_MAX)?.unwrap_or_default();
    let Some(json) = fields.json(member) else { return Ok(None) };
    let quantity = thousandths(json, least)?;
    Ok(Some(quantity.map(|quantity| Measured { quantity, unit })))
}

fn thousandths(json: &str, least: i64) -> Result<Result<i64, Outcome>, Malformed> {
    let quantity = decimal::thousandths(&number(json)?).ok().filter(|quantity| *quantity >= least);
    Ok(quantity.ok_or(Outcome::QuantityInvalid))
}

pub(super) fn ttl(fields: &Fields<'_>) -> Result<Ttl, Malformed> {
    let Some(text) = fields.name("ttl", NAME_BYTES_MAX)? else { return Ok(Ttl::AsConfigured) };
    Ok(duration("ttl", &text).map_err(|_| Malformed)?.map_or(Ttl::Endless, Ttl::Ns))
}

pub(super) fn mode(fields: &Fields<'_>) -> Result<Option<Mode>, Malformed> {
    let name = fields.name("mode", NAME_BYTES_MAX)?;
    name.map(|name| Mode::from_name(&name).ok_or(Malformed)).transpose()
}
