//! The members of master data: units, cost, safety stock and aliases of a version.

use serde_json::{Map, Value};
use tallystick_contract::limits::{NAME_BYTES_MAX, SOURCE_BYTES_MAX, UNIT_BYTES_MAX};
use tallystick_contract::quantity::{self, ParsedQuantity};

use crate::master::{Alias, Safety, Version};
use crate::read::directive::members::{Members, text};
use crate::read::directive::{Refused, malformed};
use crate::read::event::Event;

/// The version that a directive defines. From when on it holds is found out later.
pub(crate) fn version(members: &Members, event: &Event<'_>, is_retired: bool) -> Result<Version, Refused> {
    let mut version = Version {
        source: event.source.into(),
        id: event.id.into(),
        is_retired,
        unit: event.unit.map(Into::into),
        ..Version::default()
    };
    for (name, value) in object(members, "units")? {
        let factor = amount(value).filter(|factor| *factor > 0);
        let unit = text_of(name, UNIT_BYTES_MAX);
        let (Some(unit), Some(factor)) = (unit, factor) else {
            return Err(malformed(
                "units",
                "says for names of at most 16 bytes how many base units each has, such as {\"case\": 12}",
            ));
        };
        version.units.push((unit.into(), factor));
    }
    if let Some(value) = members.get("unit_cost") {
        let cost = amount(value).ok_or_else(|| malformed("unit_cost", "is a decimal of zero or more"))?;
        version.unit_cost = Some(cost);
    }
    version.safety = match members.get("safety_stock") {
        None => Safety::Unsaid,
        Some(Value::Object(locations)) => {
            let mut of = Vec::new();
            for (name, value) in locations {
                let (Some(name), Some(amount)) = (text_of(name, NAME_BYTES_MAX), amount(value)) else {
                    return Err(malformed("safety_stock", "says a decimal of zero or more for each location"));
                };
                of.push((name.into(), amount));
            }
            Safety::At(of)
        }
        Some(value) => Safety::Everywhere(
            amount(value)
                .ok_or_else(|| malformed("safety_stock", "is a decimal of zero or more, or an object by location"))?,
        ),
    };
    version.aliases = aliases(members)?;
    if let Some(zone) = members.get("time_zone") {
        let known = zone.as_str().filter(|name| crate::calendar::is_zone(name));
        let known = known.ok_or_else(|| malformed("time_zone", "is an IANA name such as \"Europe/Berlin\""))?;
        version.time_zone = Some(known.into());
    }
    if is_retired {
        // Nothing of what it says holds any more.
        let Version { source, id, .. } = version;
        return Ok(Version { source, id, is_retired, ..Version::default() });
    }
    Ok(version)
}

/// Codes by source.
fn aliases(members: &Members) -> Result<Vec<Alias>, Refused> {
    let wrong = || malformed("aliases", "says for each source a code or a list of codes, of at most 64 bytes");
    let mut aliases = Vec::new();
    for (source, codes) in object(members, "aliases")? {
        let source = text_of(source, SOURCE_BYTES_MAX).ok_or_else(wrong)?;
        let codes = match codes {
            Value::Array(codes) => codes.iter().collect(),
            code => vec![code],
        };
        for code in codes {
            aliases.push((source.into(), text(code, NAME_BYTES_MAX).ok_or_else(wrong)?.into()));
        }
    }
    Ok(aliases)
}

/// The members of a member that is an object; none where it is absent.
fn object<'a>(members: &'a Members, name: &str) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, Refused> {
    let object: Option<&Map<String, Value>> = match members.get(name) {
        None => None,
        Some(value) => Some(value.as_object().ok_or_else(|| malformed(name, "is an object"))?),
    };
    Ok(object.into_iter().flatten())
}

fn text_of(name: &str, bytes_max: usize) -> Option<&str> {
    Some(name).filter(|name| (1..=bytes_max).contains(&name.len()) && !crate::read::decode::has_control(name))
}

/// Thousandths of a number or a decimal text, zero or more.
pub(crate) fn amount(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    match quantity::parse(text.as_bytes()) {
        ParsedQuantity::Exact(thousandths) => Some(thousandths).filter(|amount| *amount >= 0),
        _ => None,
    }
}
