//! The members of directives about what can be promised: schedule lines, what is held, protection, groups
//! (`docs/promise.md`).

use serde_json::Value;
use tallystick_contract::config_text::duration;
use tallystick_contract::directive_kind::{DirectiveKind, REPLY};
use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_contract::limits::{NAME_BYTES_MAX, REPLY_BYTES_MAX, RESERVATION_LINES_MAX};
use tallystick_contract::outcome::Outcome;

use crate::calendar::Due;
use crate::master::group::Grouping;
use crate::read::directive::master::amount;
use crate::read::directive::members::{Members, text};
use crate::read::directive::{Refused, Request, Target, malformed, required, target};
use crate::read::event::{Event, EventQuantity, given};
use crate::read::line_number::{LineNumber, OwnLineNumber};
/// Whether a line comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Supply,
    Demand,
}

flat!(Side);

/// What a line is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineName {
    pub(crate) side: Side,
    pub(crate) document: Box<str>,
    pub(crate) line: Option<OwnLineNumber>,
    /// SKU, location, lot and owner.
    pub(crate) names: [Box<str>; 4],
}

/// What is said of a line; nothing where it stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineSaid {
    /// Thousandths.
    pub(crate) quantity: Option<i64>,
    pub(crate) due: Option<Due>,
    pub(crate) supplier: Option<Box<str>>,
    pub(crate) kind: Option<Box<str>>,
}

/// Taking, or giving back, what a reservation holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settle {
    pub(crate) target: Target,
    pub(crate) deed: Settling,
    pub(crate) quantities: Quantities,
    /// Of a change: how long it is to live from here on, in nanoseconds, if it says so; the greatest number for ever.
    pub(crate) ttl_ns: Option<i64>,
    pub(crate) reply: Option<Box<str>>,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    Post,
    /// The rest stays held.
    PostAndKeep,
    Void,
    /// So much is live from here on.
    Change,
}

/// How much of it, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quantities {
    All,
    /// Of its one line.
    One(i64),
    /// Of each line.
    Each(Vec<i64>),
}

/// Where a protection holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Location(Box<str>),
    Group(Box<str>),
    Everywhere,
}

heap_size!(Scope = Location(name) | Group(name) | Everywhere);

/// What is kept for a channel, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protecting {
    pub(crate) sku: Box<str>,
    pub(crate) scope: Scope,
    pub(crate) channel: Box<str>,
    pub(crate) protected: i64,
    pub(crate) capped: Option<i64>,
}

/// What another channel gets of it, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moving {
    pub(crate) sku: Box<str>,
    pub(crate) scope: Scope,
    pub(crate) from: Box<str>,
    pub(crate) to: Box<str>,
    pub(crate) quantity: i64,
}

/// What a directive about promises asks for.
pub(crate) fn request(kind: DirectiveKind, members: &Members, event: &Event<'_>) -> Result<Request<'static>, Refused> {
    let document = || required(event.document, "document").map(Box::<str>::from);
    Ok(match kind {
        DirectiveKind::SupplyScheduled | DirectiveKind::DemandScheduled => {
            let said = line_said(members, event, false)?;
            required(event.due, "due")?;
            if said.quantity.is_none() {
                return Err(malformed("quantity", "is required by this type"));
            }
            Request::Schedule(line_name(kind, event)?, Box::new(said))
        }
        DirectiveKind::SupplyRescheduled | DirectiveKind::DemandRescheduled => {
            let said = line_said(members, event, kind == DirectiveKind::DemandRescheduled)?;
            if said.quantity.is_none() && said.due.is_none() {
                return Err(malformed("due", "or `quantity` is required by this type"));
            }
            Request::Reschedule(line_name(kind, event)?, Box::new(said))
        }
        DirectiveKind::SupplyCancelled | DirectiveKind::DemandCancelled => Request::Cancel(line_name(kind, event)?),
        DirectiveKind::DocumentClosed | DirectiveKind::DocumentCancelled => {
            Request::CloseDocument(document()?, side(members)?)
        }
        DirectiveKind::ReservationPosted | DirectiveKind::ReservationVoided | DirectiveKind::ReservationChanged => {
            Request::Settle(Box::new(settle(kind, members, event)?))
        }
        DirectiveKind::ProtectionSet => Request::Protect(Box::new(protecting(members, event)?)),
        DirectiveKind::ProtectionMoved => Request::MoveProtection(Box::new(moving(members, event)?)),
        DirectiveKind::GroupDefined | DirectiveKind::GroupRetired => {
            let group = named(members, "group")?.ok_or_else(|| malformed("group", "is required by this type"))?;
            let grouping = grouping(members, &group, kind == DirectiveKind::GroupRetired)?;
            Request::DefineGroup(group, Box::new(grouping))
        }
        _ => unreachable!("the kinds before are read elsewhere"),
    })
}

fn line_name(kind: DirectiveKind, event: &Event<'_>) -> Result<LineName, Refused> {
    let is_supply = matches!(
        kind,
        DirectiveKind::SupplyScheduled | DirectiveKind::SupplyRescheduled | DirectiveKind::SupplyCancelled
    );
    Ok(LineName {
        side: if is_supply { Side::Supply } else { Side::Demand },
        document: required(event.document, "document")?.into(),
        line: event.line.map(LineNumber::to_own),
        names: [
            required(given(event.sku), "sku")?.into(),
            required(given(event.location), "location")?.into(),
            event.lot.into(),
            event.owner.into(),
        ],
    })
}

fn line_said(members: &Members, event: &Event<'_>, may_be_zero: bool) -> Result<LineSaid, Refused> {
    let due = event.due.map(|due| Due::of(due).ok_or_else(|| malformed("due", "is neither a date nor a time")));
    Ok(LineSaid {
        quantity: match event.quantity {
            None => None,
            Some(EventQuantity::Exact(0)) if may_be_zero => Some(0),
            Some(_) => Some(above_zero(event)?),
        },
        due: due.transpose()?,
        supplier: named(members, "supplier")?,
        kind: named(members, "kind")?,
    })
}

/// The event's quantity, which must be more than zero.
pub(crate) fn above_zero(event: &Event<'_>) -> Result<i64, Refused> {
    match event.quantity {
        Some(EventQuantity::Exact(thousandths)) if thousandths > 0 => Ok(thousandths),
        None => Err(malformed("quantity", "is required by this type")),
        Some(_) => Err(not_above_zero()),
    }
}

pub(crate) fn not_above_zero() -> Refused {
    Refused {
        outcome: Outcome::QuantityInvalid,
        why: "`quantity` must be greater than zero, with at most 3 fraction digits and a magnitude of at most 10^12"
            .to_owned(),
    }
}

/// A member that is a name, if it is there.
fn named(members: &Members, name: &str) -> Result<Option<Box<str>>, Refused> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let text = text(value, NAME_BYTES_MAX).ok_or_else(|| malformed(name, "is a text of at most 64 bytes"))?;
    Ok(Some(text.into()))
}

fn settle(kind: DirectiveKind, members: &Members, event: &Event<'_>) -> Result<Settle, Refused> {
    let quantities = match members.get("quantities") {
        None if members.get("quantity").is_none() => Quantities::All,
        None => Quantities::One(above_zero(event)?),
        Some(_) if members.get("quantity").is_some() => {
            return Err(malformed("quantities", "stands beside `quantity`; give one of them"));
        }
        Some(Value::Array(list)) if (1..=RESERVATION_LINES_MAX).contains(&list.len()) => {
            let each =
                list.iter().map(|value| amount(value).ok_or_else(not_above_zero)).collect::<Result<Vec<_>, _>>()?;
            if each.iter().all(|quantity| *quantity == 0) {
                return Err(not_above_zero());
            }
            Quantities::Each(each)
        }
        Some(_) => return Err(malformed("quantities", "is a list with a quantity of zero or more for each line")),
    };
    let reply = match members.get(REPLY) {
        None => None,
        Some(value) => Some(text(value, REPLY_BYTES_MAX).ok_or_else(|| malformed(REPLY, "is a subject"))?.into()),
    };
    let rest = members.get("rest").map(|rest| rest.as_str().unwrap_or_default());
    let deed = match (kind, rest) {
        (DirectiveKind::ReservationVoided, None) => Settling::Void,
        (DirectiveKind::ReservationChanged, None) => Settling::Change,
        (DirectiveKind::ReservationPosted, None | Some("release")) => Settling::Post,
        (DirectiveKind::ReservationPosted, Some("keep")) => Settling::PostAndKeep,
        _ => return Err(malformed("rest", "is \"release\" or \"keep\", and goes with a post")),
    };
    let ttl_ns = ttl(members)?;
    if deed == Settling::Change && ttl_ns.is_none() && quantities == Quantities::All {
        return Err(malformed("quantity", "or `quantities` or `ttl` is required by this type"));
    }
    Ok(Settle { target: target(members, event)?, deed, quantities, ttl_ns, reply })
}

/// How long a reservation lives from a change on.
fn ttl(members: &Members) -> Result<Option<i64>, Refused> {
    let Some(value) = members.get("ttl") else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| malformed("ttl", "is a text"))?;
    let ttl_ns = duration("`ttl`", text).map_err(|why| Refused { outcome: Outcome::Malformed, why })?;
    if ttl_ns == Some(0) {
        return Err(malformed("ttl", "is more than zero"));
    }
    Ok(Some(ttl_ns.unwrap_or(i64::MAX)))
}

/// The side of a document that ends; nothing for both.
fn side(members: &Members) -> Result<Option<Side>, Refused> {
    match members.get("side").map(|side| side.as_str().unwrap_or_default()) {
        None => Ok(None),
        Some("supply") => Ok(Some(Side::Supply)),
        Some("demand") => Ok(Some(Side::Demand)),
        Some(_) => Err(malformed("side", "is \"supply\" or \"demand\"")),
    }
}

fn scope(members: &Members, event: &Event<'_>) -> Result<Scope, Refused> {
    match (given(event.location), named(members, "group")?) {
        (Some(_), Some(_)) => {
            Err(malformed("group", "stands beside `location`; name one of them, or none for everywhere"))
        }
        (Some(location), None) => Ok(Scope::Location(location.into())),
        (None, Some(group)) => Ok(Scope::Group(group)),
        (None, None) => Ok(Scope::Everywhere),
    }
}

fn protecting(members: &Members, event: &Event<'_>) -> Result<Protecting, Refused> {
    let quantity = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(value) => amount(value).map(Some).ok_or_else(|| Refused {
            outcome: Outcome::QuantityInvalid,
            why: format!(
                "`{name}` must be zero or more, with at most 3 fraction digits and a magnitude of at most 10^12"
            ),
        }),
    };
    Ok(Protecting {
        sku: required(given(event.sku), "sku")?.into(),
        scope: scope(members, event)?,
        channel: named(members, "channel")?.ok_or_else(|| malformed("channel", "is required by this type"))?,
        protected: quantity("protected")?.ok_or_else(|| malformed("protected", "is required by this type"))?,
        capped: quantity("capped")?,
    })
}

fn moving(members: &Members, event: &Event<'_>) -> Result<Moving, Refused> {
    let channel = |name: &str| named(members, name)?.ok_or_else(|| malformed(name, "is required by this type"));
    let (from, to) = (channel("from")?, channel("to")?);
    if from == to {
        return Err(malformed("to", "is the same channel as `from`"));
    }
    let (sku, scope) = (required(given(event.sku), "sku")?.into(), scope(members, event)?);
    Ok(Moving { sku, scope, from, to, quantity: above_zero(event)? })
}

fn grouping(members: &Members, group: &str, is_retired: bool) -> Result<Grouping, Refused> {
    let list = |name: &str| {
        let wrong = || malformed(name, "is a list of names of at most 64 bytes");
        let names = match members.get(name) {
            None => return Ok(Vec::new()),
            Some(value) => value.as_array().ok_or_else(wrong)?,
        };
        names.iter().map(|value| text(value, NAME_BYTES_MAX).map(Into::into).ok_or_else(wrong)).collect()
    };
    let (locations, groups): (Vec<Box<str>>, Vec<Box<str>>) = (list("locations")?, list("groups")?);
    if groups.iter().any(|name| **name == *group) {
        return Err(malformed("groups", "a group cannot contain itself"));
    }
    if is_retired {
        return Ok(Grouping { is_retired, locations: Vec::new(), groups: Vec::new() });
    }
    Ok(Grouping { is_retired, locations, groups })
}
