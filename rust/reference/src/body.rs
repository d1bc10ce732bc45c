//! What a stock event says: from its fields to its decoded meaning, and the key under which it is said.

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::limits::{EVENT_BYTES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, SOURCE_BYTES_MAX, UNIT_BYTES_MAX};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::{Rule, RuleTable, StatusRule};

use super::decimal;
use super::fields::{Fields, Malformed};
use super::number::Number;
use super::time::{self, Time};

/// Source and id.
pub(super) type Key = (String, String);

/// What an event of a known type says: the decoded meaning. Two events under one key are the same if this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    /// Its type's rule; an alias has its type's. A copy, because the table may change while the event is remembered.
    pub(super) rule: Rule,
    pub(super) sku: String,
    pub(super) location: String,
    pub(super) lot: String,
    pub(super) owner: String,
    /// Empty where it says none.
    pub(super) to_location: String,
    pub(super) quantity: i64,
    /// The unit of measure; empty for the item's base unit.
    pub(super) unit: String,
    pub(super) time: Option<Time>,
    pub(super) from_status: Option<Account>,
    pub(super) to_status: Option<Account>,
    pub(super) document: String,
    pub(super) line: Number,
    pub(super) due: Option<String>,
    /// Why; no part of what must be the same under one key.
    pub(super) reason: String,
}

impl Body {
    /// The position that the event is about.
    pub(super) fn key(&self) -> PositionKey {
        self.key_at(&self.location)
    }

    /// The time that it says, in nanoseconds since 1970.
    pub(super) fn exact_time_ns(&self) -> Option<i64> {
        match self.time {
            Some(Time::Exact(time_ns)) => Some(time_ns),
            _ => None,
        }
    }

    /// The position of the item at `to_location`.
    pub(super) fn remote_key(&self) -> PositionKey {
        self.key_at(&self.to_location)
    }

    /// The names of the fields in which two meanings differ.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let fields = [
            ("type", self.rule.name != other.rule.name),
            ("sku", self.sku != other.sku),
            ("location", self.location != other.location),
            ("lot", self.lot != other.lot),
            ("owner", self.owner != other.owner),
            ("to_location", self.to_location != other.to_location),
            // A number says nothing without its unit.
            ("quantity", self.quantity != other.quantity || self.unit != other.unit),
            ("time", self.time != other.time),
            ("from_status", self.from_status != other.from_status),
            ("to_status", self.to_status != other.to_status),
            ("document", self.document != other.document),
            ("line", self.line != other.line),
            ("due", self.due != other.due),
        ];
        fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    fn key_at(&self, location: &str) -> PositionKey {
        PositionKey {
            sku: self.sku.clone(),
            location: location.to_owned(),
            lot: self.lot.clone(),
            owner: self.owner.clone(),
        }
    }
}

pub(super) fn check_forms(fields: &Fields<'_>) -> Result<(), Malformed> {
    for name in ["sku", "location", "to_location"] {
        fields.name(name, NAME_BYTES_MAX)?;
    }
    for name in ["lot", "owner", "document"] {
        fields.text(name, NAME_BYTES_MAX)?;
    }
    fields.text("unit", UNIT_BYTES_MAX)?;
    fields.line("line")?;
    fields.quantity()?;
    fields.status("from_status")?;
    fields.status("to_status")?;
    let due = fields.name("due", EVENT_BYTES_MAX)?;
    if due.is_some_and(|due| !time::is_date_or_time(&due)) { Err(Malformed) } else { Ok(()) }
}

/// What the fields of a stock event say.
pub(super) fn content(
    fields: &Fields<'_>,
    kind: &str,
    time: Option<Time>,
    rules: &RuleTable,
) -> Result<Result<Body, Outcome>, Malformed> {
    check_forms(fields)?;
    let Some(number) = rules.find(kind) else { return Ok(Err(Outcome::UnknownType)) };
    let rule = rules.rule(number);
    let from_status = status(rule.from_status.as_ref(), fields.status("from_status")?)?;
    let to_status = status(rule.to_status.as_ref(), fields.status("to_status")?)?;
    let to_location = fields.name("to_location", NAME_BYTES_MAX)?;
    if rule.needs_to_location && to_location.is_none() {
        return Err(Malformed);
    }
    let sku = fields.name("sku", NAME_BYTES_MAX)?.ok_or(Malformed)?;
    let location = fields.name("location", NAME_BYTES_MAX)?.ok_or(Malformed)?;
    let quantity = decimal::thousandths(&fields.quantity()?.ok_or(Malformed)?).ok();
    let Some(quantity) = quantity.filter(|quantity| rule.quantity.admits(*quantity)) else {
        return Ok(Err(Outcome::QuantityInvalid));
    };
    Ok(Ok(Body {
        rule: rule.clone(),
        sku,
        location,
        lot: fields.text("lot", NAME_BYTES_MAX)?.unwrap_or_default(),
        owner: fields.text("owner", NAME_BYTES_MAX)?.unwrap_or_default(),
        to_location: to_location.unwrap_or_default(),
        quantity,
        unit: fields.text("unit", UNIT_BYTES_MAX)?.unwrap_or_default(),
        time,
        from_status,
        to_status,
        document: fields.text("document", NAME_BYTES_MAX)?.unwrap_or_default(),
        line: fields.line("line")?,
        due: fields.name("due", EVENT_BYTES_MAX)?,
        reason: fields.text("reason", NAME_BYTES_MAX)?.unwrap_or_default(),
    }))
}

/// The account that a status field names, or the type's default.
fn status(rule: Option<&StatusRule>, name: Option<String>) -> Result<Option<Account>, Malformed> {
    match (rule, name) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Malformed),
        (Some(rule), None) => rule.default.map(Some).ok_or(Malformed),
        (Some(rule), Some(name)) => {
            let account = Account::from_name(&name).filter(|account| rule.allowed.contains(account));
            account.map(Some).ok_or(Malformed)
        }
    }
}

/// `target`: source and id. Without a source it is the directive's own.
pub(super) fn target(fields: &Fields<'_>, own: &str) -> Result<Option<Key>, Malformed> {
    let Some(target) = fields.object("target", &["source", "id"])? else { return Ok(None) };
    let source = target.name("source", SOURCE_BYTES_MAX)?;
    let id = target.name("id", ID_BYTES_MAX)?.ok_or(Malformed)?;
    Ok(Some((source.unwrap_or_else(|| own.to_owned()), id)))
}
