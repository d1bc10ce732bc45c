//! One event: from JSON text to its decoded meaning. `serde_json` decides what is JSON; the contract's rules are written out here.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::account::Account;
use crate::balance::PositionKey;
use crate::instant;
use crate::limits::{
    CORRELATION_BYTES_MAX, EVENT_BYTES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, NESTING_MAX, SOURCE_BYTES_MAX, TYPE_BYTES_MAX,
};
use crate::outcome::Outcome;
use crate::rules::{RuleTable, StatusRule};

use super::{decimal, element};

const ATTRIBUTES: [&str; 8] = ["id", "source", "type", "time", "sequence", "correlationid", "causationid", "data"];
const INVENTORY: [&str; 12] = [
    "sku",
    "location",
    "lot",
    "owner",
    "to_location",
    "from_status",
    "to_status",
    "quantity",
    "document",
    "line",
    "due",
    "reason",
];

/// Not an event in the contract's form.
#[derive(Debug)]
pub(super) struct Malformed;

/// An event whose form is right.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) source: String,
    pub(super) id: String,
    /// Its place in its source's own order, if it says one.
    pub(super) sequence: Option<u64>,
    /// When it says that it happened.
    pub(super) time: Option<instant::Parsed>,
    /// What it says, or why its content is refused.
    pub(super) content: Result<Body, Outcome>,
}

/// What an event of a known type says: the decoded meaning. Two events under one key are the same if this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    /// The number of its type's rule; an alias has its type's.
    pub(super) rule: u16,
    pub(super) sku: String,
    pub(super) location: String,
    pub(super) lot: String,
    pub(super) owner: String,
    /// Empty where it says none.
    pub(super) to_location: String,
    pub(super) quantity: i64,
    pub(super) time: Option<instant::Parsed>,
    pub(super) from_status: Option<Account>,
    pub(super) to_status: Option<Account>,
    pub(super) document: String,
    pub(super) line: Option<i64>,
    pub(super) due: Option<String>,
}

impl Body {
    /// The position that the event is about.
    pub(super) fn key(&self) -> PositionKey {
        self.key_at(&self.location)
    }

    /// The same item at `to_location`.
    pub(super) fn remote_key(&self) -> PositionKey {
        self.key_at(&self.to_location)
    }

    /// The names of the fields in which two meanings differ.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let fields = [
            ("type", self.rule != other.rule),
            ("sku", self.sku != other.sku),
            ("location", self.location != other.location),
            ("lot", self.lot != other.lot),
            ("owner", self.owner != other.owner),
            ("to_location", self.to_location != other.to_location),
            ("quantity", self.quantity != other.quantity),
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

/// Reads one element.
pub(super) fn decode(element: &[u8], rules: &RuleTable) -> Result<Event, Malformed> {
    let fields = Fields::read(std::str::from_utf8(element).map_err(|_| Malformed)?).ok_or(Malformed)?;
    let id = fields.name("id", ID_BYTES_MAX)?.ok_or(Malformed)?;
    let source = fields.name("source", SOURCE_BYTES_MAX)?.ok_or(Malformed)?;
    let kind = fields.name("type", TYPE_BYTES_MAX)?.ok_or(Malformed)?;
    for tracing in ["correlationid", "causationid"] {
        fields.text(tracing, CORRELATION_BYTES_MAX)?;
    }
    fields.text("reason", NAME_BYTES_MAX)?;
    let sequence = fields.sequence()?;
    let time = fields.time()?;
    let content = fields.content(&kind, time, rules)?;
    Ok(Event { source, id, sequence, time, content })
}

/// The known fields of an event with their JSON text. A null is absence.
struct Fields<'a>(BTreeMap<String, &'a str>);

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        if !text.starts_with('{') || element::depth(text.as_bytes())? > NESTING_MAX {
            return None;
        }
        let mut fields = Self(BTreeMap::new());
        fields.collect(text, &[&ATTRIBUTES[..], &INVENTORY].concat())?;
        if let Some(data) = fields.0.remove("data") {
            data.starts_with('{').then_some(())?;
            fields.collect(data, &INVENTORY)?;
        }
        Some(fields)
    }

    /// Adds an object's known members; nothing where one of them was there before.
    fn collect(&mut self, object: &'a str, known: &[&str]) -> Option<()> {
        for member in element::slots(object.as_bytes())? {
            let (name, value) = split_member(std::str::from_utf8(member).ok()?)?;
            // A name that is no string of characters (an unpaired surrogate) is none that we know.
            let Ok(name) = serde_json::from_str::<String>(name) else { continue };
            if value != "null" && known.contains(&name.as_str()) && self.0.insert(name, value).is_some() {
                return None;
            }
        }
        Some(())
    }

    /// A string within its length and without control characters. An empty one is absence.
    fn text(&self, name: &str, bytes_max: usize) -> Result<Option<String>, Malformed> {
        let Some(json) = self.0.get(name) else { return Ok(None) };
        let text: String = serde_json::from_str(json).map_err(|_| Malformed)?;
        if text.len() > bytes_max || text.chars().any(char::is_control) {
            return Err(Malformed);
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A string as above that may be absent but not empty.
    fn name(&self, name: &str, bytes_max: usize) -> Result<Option<String>, Malformed> {
        let text = self.text(name, bytes_max)?;
        if self.0.contains_key(name) && text.is_none() { Err(Malformed) } else { Ok(text) }
    }

    /// A string that may be empty: which statuses there are is the type's business.
    fn status(&self, name: &str) -> Result<Option<String>, Malformed> {
        let text = self.text(name, EVENT_BYTES_MAX)?;
        Ok(self.0.contains_key(name).then(|| text.unwrap_or_default()))
    }

    /// A JSON integer: no fraction, no exponent.
    fn integer(&self, name: &str) -> Result<Option<i64>, Malformed> {
        self.0.get(name).map(|json| json.parse().map_err(|_| Malformed)).transpose()
    }

    fn sequence(&self) -> Result<Option<u64>, Malformed> {
        let is_text = self.0.get("sequence").is_some_and(|json| json.starts_with('"'));
        let number = if is_text {
            let digits = self.name("sequence", EVENT_BYTES_MAX)?.ok_or(Malformed)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Malformed);
            }
            Some(digits.parse::<i64>().map_err(|_| Malformed)?)
        } else {
            self.integer("sequence")?
        };
        let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0).ok_or(Malformed);
        number.map(positive).transpose()
    }

    fn time(&self) -> Result<Option<instant::Parsed>, Malformed> {
        match self.name("time", EVENT_BYTES_MAX)?.map(|text| instant::parse(text.as_bytes())) {
            Some(instant::Parsed::NotATime) => Err(Malformed),
            time => Ok(time),
        }
    }

    /// The quantity's number as text, whether it stands in quotes or not.
    fn quantity(&self) -> Result<Option<String>, Malformed> {
        let Some(json) = self.0.get("quantity") else { return Ok(None) };
        let number =
            if json.starts_with('"') { serde_json::from_str(json).map_err(|_| Malformed)? } else { (*json).to_owned() };
        // JSON's reader would skip white space, which a quantity has none of; the first byte tells numbers from the other types.
        let is_tight = number.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && number.ends_with(|last: char| last.is_ascii_digit());
        if !is_tight || serde_json::from_str::<IgnoredAny>(&number).is_err() {
            return Err(Malformed);
        }
        Ok(Some(number))
    }

    fn content(
        &self,
        kind: &str,
        time: Option<instant::Parsed>,
        rules: &RuleTable,
    ) -> Result<Result<Body, Outcome>, Malformed> {
        let sku = self.name("sku", NAME_BYTES_MAX)?;
        let location = self.name("location", NAME_BYTES_MAX)?;
        let to_location = self.name("to_location", NAME_BYTES_MAX)?;
        let lot = self.text("lot", NAME_BYTES_MAX)?.unwrap_or_default();
        let owner = self.text("owner", NAME_BYTES_MAX)?.unwrap_or_default();
        let document = self.text("document", NAME_BYTES_MAX)?.unwrap_or_default();
        let line = self.integer("line")?;
        let due = self.name("due", EVENT_BYTES_MAX)?;
        let quantity = self.quantity()?;
        let from_status = self.status("from_status")?;
        let to_status = self.status("to_status")?;
        if due.as_ref().is_some_and(|due| !instant::is_date_or_time(due.as_bytes())) {
            return Err(Malformed);
        }
        let Some(number) = rules.find(kind) else { return Ok(Err(Outcome::UnknownType)) };
        let rule = rules.rule(number);
        let from_status = status(rule.from_status.as_ref(), from_status)?;
        let to_status = status(rule.to_status.as_ref(), to_status)?;
        if rule.needs_to_location && to_location.is_none() {
            return Err(Malformed);
        }
        let to_location = to_location.unwrap_or_default();
        let (sku, location) = sku.zip(location).ok_or(Malformed)?;
        let Some(quantity) =
            decimal::thousandths(&quantity.ok_or(Malformed)?).ok().filter(|quantity| rule.quantity.admits(*quantity))
        else {
            return Ok(Err(Outcome::QuantityInvalid));
        };
        Ok(Ok(Body {
            rule: number,
            sku,
            location,
            lot,
            owner,
            to_location,
            quantity,
            time,
            from_status,
            to_status,
            document,
            line,
            due,
        }))
    }
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

/// Name and value of an object's member, both as JSON text.
fn split_member(member: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(member).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (name, rest) = member.split_at(values.byte_offset());
    Some((name, rest.trim_start().strip_prefix(':')?.trim()))
}
