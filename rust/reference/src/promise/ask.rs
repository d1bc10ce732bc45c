//! What directives about promises say: their members, from fields to meaning, and in our names and units.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;
use tallystick_contract::config_text::duration;
use tallystick_contract::limits::{NAME_BYTES_MAX, SOURCE_BYTES_MAX, UNIT_BYTES_MAX};
use tallystick_contract::outcome::Outcome;

use crate::Reference;
use crate::claims::Side;
use crate::decimal;
use crate::directive::target;
use crate::event::Key;
use crate::fields::{Fields, Malformed, number};
use crate::number::Number;

use super::calendar::Due;
use super::group::Members;
use super::protection::Scope;
use super::request::{self, Place, Request, Ttl, Wanted};

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
        at: request::position(fields)?.ok_or(Malformed)?,
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

fn amounts(fields: &Fields<'_>) -> Result<Result<Amounts, Outcome>, Malformed> {
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

fn scope(fields: &Fields<'_>) -> Result<Scope, Malformed> {
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

impl Reference {
    /// A request in our names and in base units, or why master data refuses it.
    pub(crate) fn in_our_names(&self, source: &str, said: &Ask, time_ns: i64) -> Result<Ask, Outcome> {
        let line = |line: &LineKey| LineKey { at: self.our_position(source, &line.at, time_ns), ..line.clone() };
        let sku = |code: &str| self.master.item_name(source, code, time_ns);
        let base = |sku: &str, measured: &Measured| self.in_base_units(sku, measured, time_ns);
        let scope = |scope: &Scope| match scope {
            Scope::Location(code) => Scope::Location(self.master.location_name(source, code, time_ns)),
            other => other.clone(),
        };
        Ok(match said.clone() {
            Ask::Schedule { line: said, due, quantity, supplier } => {
                let line = line(&said);
                Ask::Schedule { due, quantity: base(&line.at.sku, &quantity)?, supplier, line }
            }
            Ask::Reschedule { line: said, due, quantity } => {
                let line = line(&said);
                let quantity = quantity.map(|quantity| base(&line.at.sku, &quantity)).transpose()?;
                Ask::Reschedule { line, due, quantity }
            }
            Ask::Cancel(said) => Ask::Cancel(line(&said)),
            Ask::Request(request) => Ask::Request(Box::new(self.request_in_our_names(source, *request, time_ns)?)),
            Ask::Protect { channel, sku: code, scope: said, protected, cap } => {
                let sku = sku(&code);
                let (protected, cap) = (base(&sku, &protected)?, cap.map(|cap| base(&sku, &cap)).transpose()?);
                Ask::Protect { channel, scope: scope(&said), protected, cap, sku }
            }
            Ask::Shift { sku: code, scope: said, from, to, quantity } => {
                let sku = sku(&code);
                Ask::Shift { scope: scope(&said), from, to, quantity: base(&sku, &quantity)?, sku }
            }
            Ask::Group { name, members: Some(members) } => {
                let locations = members.locations.iter();
                let locations = locations.map(|code| self.master.location_name(source, code, time_ns)).collect();
                Ask::Group { name, members: Some(Members { locations, ..members }) }
            }
            other => other,
        })
    }

    /// A request as it is admitted: within the horizon, too.
    pub(crate) fn admitted(&self, source: &str, said: &Ask, time_ns: i64) -> Result<Ask, Outcome> {
        let said = self.in_our_names(source, said, time_ns)?;
        match &said {
            Ask::Request(request) if self.is_out_of_bounds(request) => Err(Outcome::TimeOutOfBounds),
            _ => Ok(said),
        }
    }

    pub(super) fn in_base_units(&self, sku: &str, said: &Measured, time_ns: i64) -> Result<Measured, Outcome> {
        let quantity = self.master.in_base_units(sku, said.quantity, &said.unit, time_ns)?;
        Ok(Measured { quantity, unit: String::new() })
    }
}
