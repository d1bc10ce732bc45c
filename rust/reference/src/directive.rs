//! Events that are about events, approvals, exceptions, master data and receipts: their members, from fields to decoded
//! meaning.

use std::collections::BTreeMap;

use serde_json::Value;
use tallystick_contract::config::Config;
use tallystick_contract::limits::{EVENT_BYTES_MAX, NAME_BYTES_MAX, TEAM_BYTES_MAX, TYPE_BYTES_MAX};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::QuantityRule;

use super::ask::{self, Ask};
use super::body::{self, Body, Key, target};
use super::decimal;
use super::fields::{Fields, INVENTORY, Malformed};
use super::master::{Table, Version};
use super::number::Number;
use super::time::Time;
use super::work::State;

/// The directives with the members that count for them.
const KINDS: [(&str, &[&str]); 16] = [
    ("event.voided", &["target"]),
    ("event.corrected", &["target", "event"]),
    ("approval.granted", &["target", "exception"]),
    ("approval.denied", &["target", "exception"]),
    ("exception.acknowledged", &["exception"]),
    ("exception.resolved", &["exception"]),
    ("exception.discarded", &["exception"]),
    ("exception.assigned", &["exception", "team"]),
    ("configuration.changed", &["config", "mode"]),
    ("item.defined", ITEM),
    ("item.retired", ITEM),
    ("location.defined", LOCATION),
    ("location.retired", LOCATION),
    ("receipt.announced", RECEIPT),
    ("receipt.closed", RECEIPT),
    ("tick", &[]),
];
const ITEM: &[&str] = &["sku", "unit", "units", "unit_cost", "safety_stock", "aliases"];
const LOCATION: &[&str] = &["location", "aliases", "time_zone"];
const RECEIPT: &[&str] = &["document", "line", "sku", "location", "quantity"];

/// A directive.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    /// Its type.
    pub(super) kind: String,
    /// Its members as values. With type and time, this is what must be the same under one key.
    pub(super) members: BTreeMap<String, Value>,
    pub(super) what: What,
}

/// What it asks for.
#[derive(Debug, Clone)]
pub(super) enum What {
    Void {
        target: Key,
    },
    Correct {
        target: Key,
        event: Box<Body>,
    },
    Decide {
        is_granted: bool,
        about: About,
    },
    Move {
        exception: u64,
        to: State,
    },
    Assign {
        exception: u64,
        team: String,
    },
    /// Tables to act on; nothing where only a shadow begins or ends.
    Configure {
        tables: Option<String>,
    },
    Define {
        table: Table,
        name: String,
        version: Version,
    },
    /// The quantity that a line is to bring; nothing for its end.
    Receipt {
        line: ReceiptLine,
        quantity: Option<i64>,
    },
    /// Something of `docs/promise.md`.
    Promise(Ask),
    Tick,
}

/// What a decision is about.
#[derive(Debug, Clone)]
pub(super) enum About {
    Target(Key),
    Exception(u64),
}

/// A line of what is to come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReceiptLine {
    /// Whose documents these are; empty until the source is looked at.
    pub(super) names: String,
    pub(super) document: String,
    pub(super) number: Number,
    pub(super) sku: String,
    pub(super) location: String,
}

impl Directive {
    /// Whether only operators may say it.
    pub(super) fn is_for_operators(&self) -> bool {
        matches!(self.what, What::Decide { .. } | What::Move { .. } | What::Assign { .. } | What::Configure { .. })
    }

    /// The event that it is about, and must wait for.
    pub(super) fn target(&self) -> Option<&Key> {
        match &self.what {
            What::Void { target }
            | What::Correct { target, .. }
            | What::Decide { about: About::Target(target), .. }
            | What::Promise(Ask::Settle { target, .. }) => Some(target),
            _ => None,
        }
    }
}

/// The members of a directive that a stock event has not; nothing for a type that is none.
pub(super) fn members(kind: &str) -> Option<Vec<&'static str>> {
    let names = counted(kind)?;
    // Where an answer goes is asked for, and is no part of what is said.
    let reply = kind.starts_with("reservation.").then_some("reply");
    Some(names.iter().copied().filter(|name| !INVENTORY.contains(name)).chain(reply).collect())
}

/// The members that count for a type.
fn counted(kind: &str) -> Option<&'static [&'static str]> {
    let mut all = KINDS.iter().chain(&ask::KINDS);
    all.find(|(name, _)| *name == kind).map(|(_, members)| *members)
}

/// Reads the members of a directive.
pub(super) fn decode(
    kind: &str,
    source: &str,
    fields: &Fields<'_>,
    config: &Config,
) -> Result<Result<Directive, Outcome>, Malformed> {
    let names = counted(kind).ok_or(Malformed)?;
    let mut members = BTreeMap::new();
    for name in names {
        // An empty text is none, but for a configuration.
        let value = fields.value(name)?.filter(|value| *name == "config" || *value != "");
        if let Some(value) = value {
            members.insert((*name).to_owned(), value);
        }
    }
    say_lines_in_one_form(&mut members, fields)?;
    // A target means the same whether its source is left away or not.
    if let Some((source, id)) = members.contains_key("target").then(|| target(fields, source)).transpose()?.flatten() {
        members.insert("target".to_owned(), Value::from(vec![source, id]));
    }
    let what = match kind {
        "event.voided" => Ok(What::Void { target: target(fields, source)?.ok_or(Malformed)? }),
        "event.corrected" => {
            let target = target(fields, source)?.ok_or(Malformed)?;
            corrected(fields, config)?.map(|event| What::Correct { target, event: Box::new(event) })
        }
        "approval.granted" | "approval.denied" => {
            let about = match (target(fields, source)?, fields.positive("exception")?) {
                (Some(target), None) => About::Target(target),
                (None, Some(number)) => About::Exception(number),
                _ => return Err(Malformed),
            };
            Ok(What::Decide { is_granted: kind == "approval.granted", about })
        }
        "exception.acknowledged" => moved(fields, State::Acknowledged)?,
        "exception.resolved" => moved(fields, State::Resolved)?,
        "exception.discarded" => moved(fields, State::Discarded)?,
        "exception.assigned" => {
            let exception = fields.positive("exception")?.ok_or(Malformed)?;
            Ok(What::Assign { exception, team: fields.name("team", TEAM_BYTES_MAX)?.ok_or(Malformed)? })
        }
        "configuration.changed" => Ok(What::Configure { tables: tables(fields, config)? }),
        "item.defined" | "item.retired" => {
            let name = fields.name("sku", NAME_BYTES_MAX)?.ok_or(Malformed)?;
            Ok(What::Define { table: Table::Items, name, version: Version::read(fields, kind == "item.retired")? })
        }
        "location.defined" | "location.retired" => {
            let name = fields.name("location", NAME_BYTES_MAX)?.ok_or(Malformed)?;
            let version = Version::read(fields, kind == "location.retired")?;
            Ok(What::Define { table: Table::Locations, name, version })
        }
        "receipt.announced" | "receipt.closed" => receipt(fields, kind == "receipt.announced")?,
        "tick" => Ok(What::Tick),
        _ => ask::decode(kind, source, fields)?.map(What::Promise),
    };
    Ok(what.map(|what| Directive { kind: kind.to_owned(), members, what }))
}

/// `10`, `"10"` and `"000010"` are one line, also in what is compared.
fn say_lines_in_one_form(members: &mut BTreeMap<String, Value>, fields: &Fields<'_>) -> Result<(), Malformed> {
    if members.contains_key("line")
        && let Some(value) = fields.line("line")?.value()
    {
        members.insert("line".to_owned(), value);
    }
    if let (Some(Value::Array(values)), Some(lines)) = (members.get_mut("lines"), fields.objects("lines", &["line"])?) {
        for (value, line) in values.iter_mut().zip(&lines) {
            put_line(value, &line.line("line")?);
        }
    }
    if let (Some(value), Some(event)) = (members.get_mut("event"), fields.object("event", &["line"])?) {
        put_line(value, &event.line("line")?);
    }
    Ok(())
}

fn put_line(value: &mut Value, number: &Number) {
    let Some(members) = value.as_object_mut() else { return };
    match number.value() {
        Some(number) => members.insert("line".to_owned(), number),
        None => members.remove("line"),
    };
}

/// `event`: a stock event without a key.
fn corrected(fields: &Fields<'_>, config: &Config) -> Result<Result<Body, Outcome>, Malformed> {
    let known = [&["type", "time", "data"][..], &INVENTORY].concat();
    let event = fields.object("event", &known)?.ok_or(Malformed)?;
    if event.json("data").is_some() {
        return Err(Malformed);
    }
    let kind = event.name("type", TYPE_BYTES_MAX)?.ok_or(Malformed)?;
    event.text("reason", NAME_BYTES_MAX)?;
    let time = event.time()?;
    let content = body::content(&event, &kind, time, &config.rules)?;
    // No bound holds for it, but an account of time has to hold it.
    let is_out_of_range = time.is_some_and(|time| !matches!(time, Time::Exact(_)));
    Ok(content.and_then(|body| if is_out_of_range { Err(Outcome::TimeOutOfBounds) } else { Ok(body) }))
}

fn moved(fields: &Fields<'_>, to: State) -> Result<Result<What, Outcome>, Malformed> {
    Ok(Ok(What::Move { exception: fields.positive("exception")?.ok_or(Malformed)?, to }))
}

/// The tables that the configuration changes to, if it does.
fn tables(fields: &Fields<'_>, config: &Config) -> Result<Option<String>, Malformed> {
    let mode = fields.name("mode", EVENT_BYTES_MAX)?;
    let tables = match fields.value("config")? {
        None => None,
        Some(Value::String(text)) => Some(text),
        Some(Value::Object(tables)) => Some(Value::Object(tables).to_string()),
        Some(_) => return Err(Malformed),
    };
    match (mode.as_deref().unwrap_or("act"), tables) {
        ("end_shadow", None) => Ok(None),
        ("act", Some(tables)) => {
            config.changed(&tables).map_err(|_| Malformed)?;
            Ok(Some(tables))
        }
        ("shadow", Some(tables)) => {
            config.changed(&tables).map_err(|_| Malformed)?;
            if is_ownership_alone(&tables) { Ok(None) } else { Err(Malformed) }
        }
        _ => Err(Malformed),
    }
}

fn is_ownership_alone(tables: &str) -> bool {
    let names: Vec<String> = if tables.trim_start().starts_with('{') {
        serde_json::from_str::<BTreeMap<String, Value>>(tables).map(|tables| tables.into_keys().collect())
    } else {
        toml::from_str::<BTreeMap<String, Value>>(tables)
            .map(|tables| tables.into_keys().collect())
            .map_err(|_| serde::de::Error::custom("no tables"))
    }
    .unwrap_or_else(|_: serde_json::Error| Vec::new());
    names == ["ownership"]
}

/// A line, and what it is to bring.
fn receipt(fields: &Fields<'_>, is_announced: bool) -> Result<Result<What, Outcome>, Malformed> {
    let line = ReceiptLine {
        names: String::new(),
        document: fields.text("document", NAME_BYTES_MAX)?.ok_or(Malformed)?,
        number: fields.line("line")?,
        sku: fields.name("sku", NAME_BYTES_MAX)?.ok_or(Malformed)?,
        location: fields.name("location", NAME_BYTES_MAX)?.ok_or(Malformed)?,
    };
    let quantity = fields.quantity()?;
    if !is_announced {
        return Ok(Ok(What::Receipt { line, quantity: None }));
    }
    let quantity = decimal::thousandths(&quantity.ok_or(Malformed)?).ok();
    let quantity = quantity.filter(|quantity| QuantityRule::Count.admits(*quantity));
    Ok(quantity.map(|quantity| What::Receipt { line, quantity: Some(quantity) }).ok_or(Outcome::QuantityInvalid))
}
