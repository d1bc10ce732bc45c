//! The fields of a JSON object by name, each with its own text. `serde_json` decides what is JSON; the forms of the
//! contract are written out here.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::Value;
use tallystick_contract::limits::{EVENT_BYTES_MAX, LINE_BYTES_MAX, NAME_BYTES_MAX, NESTING_MAX};

use super::element;
use super::number::Number;
use crate::time::{self, Time};

const ATTRIBUTES: [&str; 11] = [
    "id",
    "source",
    "type",
    "time",
    "sequence",
    "correlationid",
    "causationid",
    "originsource",
    "originid",
    "hops",
    "data",
];
pub(super) const INVENTORY: [&str; 13] = [
    "sku",
    "location",
    "lot",
    "owner",
    "to_location",
    "from_status",
    "to_status",
    "quantity",
    "unit",
    "document",
    "line",
    "due",
    "reason",
];

/// Not in the contract's form.
#[derive(Debug)]
pub(super) struct Malformed;

/// The known fields of an event with their JSON text. A null is absence.
#[derive(Debug)]
pub(super) struct Fields<'a>(BTreeMap<String, &'a str>);

impl<'a> Fields<'a> {
    /// The fields that every event may have, and those named beside them: of the envelope, and of `data`.
    pub(super) fn read(text: &'a str, also: &[&str]) -> Option<Self> {
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        if !text.starts_with('{') || element::depth(text.as_bytes())? > NESTING_MAX {
            return None;
        }
        let mut fields = Self(BTreeMap::new());
        fields.collect(text, &[&ATTRIBUTES[..], &INVENTORY, also].concat())?;
        if let Some(data) = fields.0.remove("data") {
            data.starts_with('{').then_some(())?;
            fields.collect(data, &[&INVENTORY[..], also].concat())?;
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
    pub(super) fn text(&self, name: &str, bytes_max: usize) -> Result<Option<String>, Malformed> {
        let Some(json) = self.0.get(name) else { return Ok(None) };
        let text: String = serde_json::from_str(json).map_err(|_| Malformed)?;
        if text.len() > bytes_max || text.chars().any(char::is_control) {
            return Err(Malformed);
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A string as above that may be absent but not empty.
    pub(super) fn name(&self, name: &str, bytes_max: usize) -> Result<Option<String>, Malformed> {
        let text = self.text(name, bytes_max)?;
        if self.0.contains_key(name) && text.is_none() { Err(Malformed) } else { Ok(text) }
    }

    /// A string that may be empty: which statuses there are is the type's business.
    pub(super) fn status(&self, name: &str) -> Result<Option<String>, Malformed> {
        let text = self.text(name, EVENT_BYTES_MAX)?;
        Ok(self.0.contains_key(name).then(|| text.unwrap_or_default()))
    }

    /// A JSON integer: no fraction, no exponent.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Malformed> {
        self.0.get(name).map(|json| json.parse().map_err(|_| Malformed)).transpose()
    }

    /// The number of a line: an integer, or a text.
    pub(super) fn line(&self, name: &str) -> Result<Number, Malformed> {
        if self.0.get(name).is_some_and(|json| json.starts_with('"')) {
            return Ok(self.text(name, LINE_BYTES_MAX)?.map_or(Number::None, Number::of_text));
        }
        Ok(self.integer(name)?.map_or(Number::None, Number::Digits))
    }

    /// An integer from one on.
    pub(super) fn positive(&self, name: &str) -> Result<Option<u64>, Malformed> {
        self.integer(name)?.map(positive).transpose()
    }

    /// The known members of an object that a field is.
    pub(super) fn object(&self, name: &str, known: &[&str]) -> Result<Option<Fields<'a>>, Malformed> {
        let Some(json) = self.0.get(name).copied() else { return Ok(None) };
        let mut fields = Fields(BTreeMap::new());
        let is_read = json.starts_with('{') && fields.collect(json, known).is_some();
        if is_read { Ok(Some(fields)) } else { Err(Malformed) }
    }

    /// The known members of each object of a list.
    pub(super) fn objects(&self, name: &str, known: &[&str]) -> Result<Option<Vec<Fields<'a>>>, Malformed> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let read = |json: &'a str| {
            let mut fields = Fields(BTreeMap::new());
            let is_read = json.starts_with('{') && fields.collect(json, known).is_some();
            if is_read { Ok(fields) } else { Err(Malformed) }
        };
        list.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// The JSON texts of a list's values.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<&'a str>>, Malformed> {
        let Some(json) = self.0.get(name).copied() else { return Ok(None) };
        if !json.starts_with('[') {
            return Err(Malformed);
        }
        let values = element::slots(json.as_bytes()).ok_or(Malformed)?;
        let texts = values.into_iter().map(|value| std::str::from_utf8(value).map_err(|_| Malformed));
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// A list of names of things; an absent one is empty.
    pub(super) fn names(&self, name: &str) -> Result<Vec<String>, Malformed> {
        self.list(name)?.unwrap_or_default().into_iter().map(|json| named(json, NAME_BYTES_MAX)).collect()
    }

    /// All members of an object whose names are names of things.
    pub(super) fn entries(&self, name: &str, bytes_max: usize) -> Result<BTreeMap<String, &'a str>, Malformed> {
        let Some(json) = self.0.get(name).copied() else { return Ok(BTreeMap::new()) };
        if !json.starts_with('{') {
            return Err(Malformed);
        }
        let mut entries = BTreeMap::new();
        for member in element::slots(json.as_bytes()).ok_or(Malformed)? {
            let (name, value) = split_member(std::str::from_utf8(member).map_err(|_| Malformed)?).ok_or(Malformed)?;
            let name = named(name, bytes_max)?;
            if value != "null" && entries.insert(name, value).is_some() {
                return Err(Malformed);
            }
        }
        Ok(entries)
    }

    /// The JSON text of a field.
    pub(super) fn json(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    /// The value of a field, nulls within it left away.
    pub(super) fn value(&self, name: &str) -> Result<Option<Value>, Malformed> {
        let value = self.0.get(name).map(|json| serde_json::from_str(json).map_err(|_| Malformed)).transpose()?;
        Ok(value.map(without_nulls))
    }

    /// An integer from one on, or its decimal digits as text.
    pub(super) fn counted(&self, name: &str) -> Result<Option<u64>, Malformed> {
        if !self.0.get(name).is_some_and(|json| json.starts_with('"')) {
            return self.positive(name);
        }
        let digits = self.name(name, EVENT_BYTES_MAX)?.ok_or(Malformed)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Malformed);
        }
        let number: i64 = digits.parse().map_err(|_| Malformed)?;
        positive(number).map(Some)
    }

    pub(super) fn time(&self) -> Result<Option<Time>, Malformed> {
        self.name("time", EVENT_BYTES_MAX)?.map(|text| time::read(&text).ok_or(Malformed)).transpose()
    }

    /// The quantity's number as text, whether it stands in quotes or not.
    pub(super) fn quantity(&self) -> Result<Option<String>, Malformed> {
        self.0.get("quantity").map(|json| number(json)).transpose()
    }
}

fn positive(number: i64) -> Result<u64, Malformed> {
    u64::try_from(number).ok().filter(|number| *number > 0).ok_or(Malformed)
}

/// A number as text, whether it stands in quotes or not.
pub(super) fn number(json: &str) -> Result<String, Malformed> {
    let number =
        if json.starts_with('"') { serde_json::from_str(json).map_err(|_| Malformed)? } else { json.to_owned() };
    // JSON's reader would skip white space, which a quantity has none of; the first byte tells numbers from the other
    // types.
    let is_tight = number.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && number.ends_with(|last: char| last.is_ascii_digit());
    if !is_tight || serde_json::from_str::<IgnoredAny>(&number).is_err() {
        return Err(Malformed);
    }
    Ok(number)
}

/// A string of at least one byte, at most so many, and without control characters.
pub(super) fn named(json: &str, bytes_max: usize) -> Result<String, Malformed> {
    let text: String = serde_json::from_str(json).map_err(|_| Malformed)?;
    let is_name = !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control);
    if is_name { Ok(text) } else { Err(Malformed) }
}

/// A null is absence, wherever it stands as a member.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

/// Name and value of an object's member, both as JSON text.
fn split_member(member: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(member).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (name, rest) = member.split_at(values.byte_offset());
    Some((name, rest.trim_start().strip_prefix(':')?.trim()))
}
