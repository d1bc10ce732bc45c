//! What directives about promises say: their members, from fields to meaning.

mod members;
mod request;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::limits::NAME_BYTES_MAX;
use tallystick_contract::outcome::Outcome;

use crate::body::{Key, target};
use crate::calendar::Due;
use crate::document::Side;
use crate::fields::{Fields, Malformed};
use crate::number::Number;

pub(crate) use members::{Amounts, Measured, Members, Scope, Ttl};
pub(crate) use request::{Place, Request, Wanted};

use members::{amounts, due, name, position, quantity, scope, ttl};

/// What a schedule line is known by.
#[derive(Debug, Clone)]
pub(crate) struct LineKey {
    pub(crate) side: Side,
    pub(crate) document: String,
    pub(crate) number: Number,
    pub(crate) at: PositionKey,
}

/// What is to become of a reservation.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Post {
        amounts: Amounts,
        keeps: bool,
    },
    Void {
        amounts: Amounts,
    },
    /// Amounts are what is live afterwards; nothing where only the end is another.
    Change {
        amounts: Option<Amounts>,
        ttl: Ttl,
    },
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Schedule {
        line: LineKey,
        due: Due,
        quantity: Measured,
        supplier: Option<String>,
    },
    Reschedule {
        line: LineKey,
        due: Option<Due>,
        quantity: Option<Measured>,
    },
    Cancel(LineKey),
    /// Of one side, or of both.
    Close {
        document: String,
        side: Option<Side>,
    },
    Request(Box<Request>),
    Settle {
        target: Key,
        wish: Wish,
    },
    Protect {
        channel: String,
        sku: String,
        scope: Scope,
        protected: Measured,
        cap: Option<Measured>,
    },
    Shift {
        sku: String,
        scope: Scope,
        from: String,
        to: String,
        quantity: Measured,
    },
    Group {
        name: String,
        members: Option<Members>,
    },
}

/// The types, each with the members that count for it.
pub(crate) const KINDS: [(&str, &[&str]); 16] = [
    ("supply.scheduled", LINE),
    ("demand.scheduled", LINE),
    ("supply.rescheduled", LINE),
    ("demand.rescheduled", LINE),
    ("supply.cancelled", LINE),
    ("demand.cancelled", LINE),
    ("document.closed", &["document", "side"]),
    ("document.cancelled", &["document", "side"]),
    ("reservation.requested", REQUEST),
    ("reservation.posted", &["target", "quantity", "quantities", "rest"]),
    ("reservation.voided", &["target", "quantity", "quantities"]),
    ("reservation.changed", &["target", "quantity", "quantities", "ttl"]),
    ("protection.set", &["channel", "sku", "location", "group", "protected", "capped", "unit"]),
    ("protection.moved", &["sku", "location", "group", "from", "to", "quantity", "unit"]),
    ("group.defined", &["group", "locations", "groups"]),
    ("group.retired", &["group", "locations", "groups"]),
];

const LINE: &[&str] =
    &["sku", "location", "lot", "owner", "document", "line", "due", "quantity", "unit", "supplier", "kind"];
const REQUEST: &[&str] = &[
    "sku", "location", "lot", "owner", "group", "quantity", "unit", "due", "channel", "version", "lines", "ttl",
    "policy", "mode", "document", "line",
];

/// Reads the members of a directive of one of the types.
pub(crate) fn decode(kind: &str, source: &str, fields: &Fields<'_>) -> Result<Result<Ask, Outcome>, Malformed> {
    match kind {
        "supply.scheduled" | "supply.rescheduled" | "supply.cancelled" => line(kind, Side::Supply, fields),
        "demand.scheduled" | "demand.rescheduled" | "demand.cancelled" => line(kind, Side::Demand, fields),
        "document.closed" | "document.cancelled" => close(fields),
        "reservation.requested" => Ok(request::decode(fields)?.map(|request| Ask::Request(Box::new(request)))),
        "reservation.posted" | "reservation.voided" | "reservation.changed" => settle(kind, source, fields),
        "protection.set" => protect(fields),
        "protection.moved" => shift(fields),
        "group.defined" | "group.retired" => group(kind == "group.defined", fields),
        _ => Err(Malformed),
    }
}

fn line(kind: &str, side: Side, fields: &Fields<'_>) -> Result<Result<Ask, Outcome>, Malformed> {
    let line = LineKey {
        side,
        document: name(fields, "document")?,
        number: fields.line("line")?,
        at: position(fields)?.ok_or(Malformed)?,
    };
    let supplier = fields.text("supplier", NAME_BYTES_MAX)?;
    fields.text("kind", NAME_BYTES_MAX)?;
    let due = due(fields)?;
    // A demand of nothing is one that was cancelled.
    let least = i64::from(kind != "demand.rescheduled");
    let quantity = quantity(fields, "quantity", least)?;
    if kind.ends_with(".cancelled") {
        return Ok(Ok(Ask::Cancel(line)));
    }
    if kind.ends_with(".rescheduled") {
        if due.is_none() && quantity.is_none() {
            return Err(Malformed);
        }
        return Ok(quantity.transpose().map(|quantity| match quantity {
            Some(Measured { quantity: 0, .. }) => Ask::Cancel(line),
            quantity => Ask::Reschedule { line, due, quantity },
        }));
    }
    let (due, quantity) = (due.ok_or(Malformed)?, quantity.ok_or(Malformed)?);
    Ok(quantity.map(|quantity| Ask::Schedule { line, due, quantity, supplier }))
}

fn close(fields: &Fields<'_>) -> Result<Result<Ask, Outcome>, Malformed> {
    let side = match fields.name("side", NAME_BYTES_MAX)?.as_deref() {
        None => None,
        Some("supply") => Some(Side::Supply),
        Some("demand") => Some(Side::Demand),
        Some(_) => return Err(Malformed),
    };
    Ok(Ok(Ask::Close { document: name(fields, "document")?, side }))
}

fn settle(kind: &str, source: &str, fields: &Fields<'_>) -> Result<Result<Ask, Outcome>, Malformed> {
    let target = target(fields, source)?.ok_or(Malformed)?;
    let amounts = amounts(fields)?;
    let wish = match kind {
        "reservation.posted" => {
            let keeps = match fields.name("rest", NAME_BYTES_MAX)?.as_deref() {
                None | Some("release") => false,
                Some("keep") => true,
                Some(_) => return Err(Malformed),
            };
            amounts.map(|amounts| Wish::Post { amounts, keeps })
        }
        "reservation.voided" => amounts.map(|amounts| Wish::Void { amounts }),
        _ => {
            let ttl = ttl(fields)?;
            let amounts = amounts.map(|amounts| Some(amounts).filter(|amounts| !matches!(amounts, Amounts::All)));
            if matches!((&amounts, ttl), (Ok(None), Ttl::AsConfigured)) {
                return Err(Malformed);
            }
            amounts.map(|amounts| Wish::Change { amounts, ttl })
        }
    };
    Ok(wish.map(|wish| Ask::Settle { target, wish }))
}

fn protect(fields: &Fields<'_>) -> Result<Result<Ask, Outcome>, Malformed> {
    let (channel, sku, scope) = (name(fields, "channel")?, name(fields, "sku")?, scope(fields)?);
    let protected = quantity(fields, "protected", 0)?.ok_or(Malformed)?;
    let cap = quantity(fields, "capped", 0)?.transpose();
    Ok(protected.and_then(|protected| Ok(Ask::Protect { channel, sku, scope, protected, cap: cap? })))
}

fn shift(fields: &Fields<'_>) -> Result<Result<Ask, Outcome>, Malformed> {
    let (sku, scope) = (name(fields, "sku")?, scope(fields)?);
    let (from, to) = (name(fields, "from")?, name(fields, "to")?);
    if from == to {
        return Err(Malformed);
    }
    let quantity = quantity(fields, "quantity", 1)?.ok_or(Malformed)?;
    Ok(quantity.map(|quantity| Ask::Shift { sku, scope, from, to, quantity }))
}

fn group(is_defined: bool, fields: &Fields<'_>) -> Result<Result<Ask, Outcome>, Malformed> {
    let name = name(fields, "group")?;
    let members = Members { locations: fields.names("locations")?, groups: fields.names("groups")? };
    if members.groups.contains(&name) {
        return Err(Malformed);
    }
    Ok(Ok(Ask::Group { name, members: is_defined.then_some(members) }))
}

impl Ask {
    /// The location that ownership of it is judged by; empty for several or none.
    pub(crate) fn location(&self) -> String {
        match self {
            Ask::Schedule { line, .. } | Ask::Reschedule { line, .. } | Ask::Cancel(line) => line.at.location.clone(),
            Ask::Protect { scope: Scope::Location(location), .. }
            | Ask::Shift { scope: Scope::Location(location), .. } => location.clone(),
            Ask::Request(request) => match &*request.lines {
                [Wanted { place: Place::Position(at), .. }] => at.location.clone(),
                _ => String::new(),
            },
            _ => String::new(),
        }
    }
}
