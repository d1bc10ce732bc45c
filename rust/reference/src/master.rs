//! Master data: versions of items and locations, from which names, units and safety stock are read as of a time.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::config::MasterMode;
use tallystick_contract::limits::{NAME_BYTES_MAX, QUANTITY_MAX, SCALE, SOURCE_BYTES_MAX, UNIT_BYTES_MAX};
use tallystick_contract::outcome::Outcome;

use super::body::Body;
use super::calendar;
use super::decimal;
use super::fields::{Fields, Malformed, named, number};

/// Which of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Items,
    Locations,
}

/// What holds of an item or a location from a time on.
#[derive(Debug, Clone, Default)]
pub(super) struct Version {
    is_retired: bool,
    unit: String,
    /// How many thousandths of the base unit one of each is.
    units: BTreeMap<String, i64>,
    unit_cost: Option<i64>,
    safety_stock: Option<Safety>,
    /// The names that each source has for it.
    aliases: BTreeMap<String, BTreeSet<String>>,
    /// The time zone of a location.
    time_zone: Option<String>,
}

#[derive(Debug, Clone)]
enum Safety {
    Everywhere(i64),
    ByLocation(BTreeMap<String, i64>),
}

/// Effective time, source and id of a definition: the greatest that has begun holds.
pub(super) type Rank = (i64, String, String);
type Versions = BTreeMap<String, Vec<(Rank, Version)>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Master {
    items: Versions,
    locations: Versions,
    /// Names that were told of as unknown.
    told: BTreeSet<(&'static str, String)>,
}

impl Version {
    /// Reads the members of a definition.
    pub(super) fn read(fields: &Fields<'_>, is_retired: bool) -> Result<Self, Malformed> {
        let mut units = BTreeMap::new();
        for (name, json) in fields.entries("units", UNIT_BYTES_MAX)? {
            units.insert(name, Some(decimal(json)?).filter(|factor| *factor > 0).ok_or(Malformed)?);
        }
        let mut aliases = BTreeMap::new();
        for (source, json) in fields.entries("aliases", SOURCE_BYTES_MAX)? {
            aliases.insert(source, codes(json)?);
        }
        let safety_stock = match fields.json("safety_stock") {
            None => None,
            Some(json) if json.starts_with('{') => {
                let entries = fields.entries("safety_stock", NAME_BYTES_MAX)?.into_iter();
                let amounts = entries.map(|(location, json)| Ok((location, decimal(json)?)));
                Some(Safety::ByLocation(amounts.collect::<Result<_, Malformed>>()?))
            }
            Some(json) => Some(Safety::Everywhere(decimal(json)?)),
        };
        let time_zone = fields.name("time_zone", NAME_BYTES_MAX)?;
        if time_zone.as_deref().is_some_and(|name| calendar::zone(name).is_none()) {
            return Err(Malformed);
        }
        Ok(Self {
            is_retired,
            unit: fields.text("unit", UNIT_BYTES_MAX)?.unwrap_or_default(),
            units,
            unit_cost: fields.json("unit_cost").map(decimal).transpose()?,
            safety_stock,
            aliases,
            time_zone,
        })
    }
}

/// Thousandths, zero or more.
fn decimal(json: &str) -> Result<i64, Malformed> {
    decimal::thousandths(&number(json)?).ok().filter(|amount| *amount >= 0).ok_or(Malformed)
}

/// One code, or a list of them.
fn codes(json: &str) -> Result<BTreeSet<String>, Malformed> {
    if !json.starts_with('[') {
        return Ok(BTreeSet::from([named(json, NAME_BYTES_MAX)?]));
    }
    let codes: Vec<String> = serde_json::from_str(json).map_err(|_| Malformed)?;
    let quoted = codes.iter().map(|code| serde_json::to_string(code).map_err(|_| Malformed));
    quoted.map(|code| named(&code?, NAME_BYTES_MAX)).collect()
}

/// The version that holds at a time.
fn at<'a>(versions: &'a Versions, name: &str, time_ns: i64) -> Option<&'a (Rank, Version)> {
    let begun = versions.get(name)?.iter().filter(|(rank, _)| rank.0 <= time_ns);
    begun.max_by_key(|(rank, _)| rank.clone()).filter(|(_, version)| !version.is_retired)
}

/// The name of what a source calls by a code.
fn renamed(versions: &Versions, source: &str, code: &str, time_ns: i64) -> String {
    let holding = versions.keys().filter_map(|name| Some((name, at(versions, name, time_ns)?)));
    let called =
        holding.filter(|(_, (_, version))| version.aliases.get(source).is_some_and(|codes| codes.contains(code)));
    called.max_by_key(|(_, (rank, _))| rank.clone()).map_or_else(|| code.to_owned(), |(name, _)| name.clone())
}

impl Master {
    pub(super) fn define(&mut self, table: Table, name: &str, rank: Rank, version: Version) {
        let versions = match table {
            Table::Items => &mut self.items,
            Table::Locations => &mut self.locations,
        };
        versions.entry(name.to_owned()).or_default().push((rank, version));
    }

    pub(super) fn item_name(&self, source: &str, code: &str, time_ns: i64) -> String {
        renamed(&self.items, source, code, time_ns)
    }

    pub(super) fn location_name(&self, source: &str, code: &str, time_ns: i64) -> String {
        renamed(&self.locations, source, code, time_ns)
    }

    /// What an event says, in our names.
    pub(super) fn named(&self, source: &str, body: &Body, time_ns: i64) -> Body {
        Body {
            sku: self.item_name(source, &body.sku, time_ns),
            location: self.location_name(source, &body.location, time_ns),
            to_location: self.location_name(source, &body.to_location, time_ns),
            ..body.clone()
        }
    }

    /// An event in the base unit, or why master data refuses it.
    pub(super) fn measured(&self, body: Body, time_ns: i64, mode: MasterMode) -> Result<Body, Outcome> {
        if mode == MasterMode::Strict && !self.unknown(&body, time_ns).is_empty() {
            return Err(Outcome::UnknownReference);
        }
        let quantity = self.in_base_units(&body.sku, body.quantity, &body.unit, time_ns)?;
        Ok(Body { quantity, ..body })
    }

    /// A quantity in the base unit, by the version of the item that holds at a time.
    pub(super) fn in_base_units(&self, sku: &str, said: i64, unit: &str, time_ns: i64) -> Result<i64, Outcome> {
        if unit.is_empty() {
            return Ok(said);
        }
        let (_, version) = at(&self.items, sku, time_ns).ok_or(Outcome::UnknownReference)?;
        if unit == version.unit {
            return Ok(said);
        }
        let factor = version.units.get(unit).ok_or(Outcome::UnknownReference)?;
        let product = i128::from(said) * i128::from(*factor);
        let quantity = Some(product / i128::from(SCALE)).filter(|quantity| quantity * i128::from(SCALE) == product);
        let quantity = quantity.filter(|quantity| quantity.abs() <= i128::from(QUANTITY_MAX));
        quantity.and_then(|quantity| i64::try_from(quantity).ok()).ok_or(Outcome::QuantityInvalid)
    }

    /// The names in an event that nobody defined for its time.
    fn unknown(&self, body: &Body, time_ns: i64) -> Vec<(&'static str, String)> {
        let mut unknown = Vec::new();
        if at(&self.items, &body.sku, time_ns).is_none() {
            unknown.push(("unknown_item", body.sku.clone()));
        }
        let remote = body.rule.needs_to_location.then_some(&body.to_location);
        for location in std::iter::once(&body.location).chain(remote.filter(|remote| **remote != body.location)) {
            if at(&self.locations, location, time_ns).is_none() {
                unknown.push(("unknown_location", location.clone()));
            }
        }
        unknown
    }

    /// Those of them that are told of now: each once, and none before anything of its kind was defined.
    pub(super) fn tell(&mut self, body: &Body, time_ns: i64, mode: MasterMode) -> Vec<(String, String)> {
        if mode != MasterMode::Flag {
            return Vec::new();
        }
        let has_any = |versions: &Versions| versions.values().flatten().any(|(_, version)| !version.is_retired);
        let (has_items, has_locations) = (has_any(&self.items), has_any(&self.locations));
        let is_due = |code: &str| if code == "unknown_item" { has_items } else { has_locations };
        let due: Vec<_> = self.unknown(body, time_ns).into_iter().filter(|(code, _)| is_due(code)).collect();
        let new = due.into_iter().filter(|unknown| self.told.insert(unknown.clone()));
        new.map(|(code, name)| (code.to_owned(), name)).collect()
    }

    pub(super) fn unit_cost(&self, sku: &str, time_ns: i64) -> Option<i64> {
        at(&self.items, sku, time_ns).and_then(|(_, version)| version.unit_cost)
    }

    /// The safety stock of a whole position at a time, where its item says one.
    pub(super) fn safety_stock(&self, sku: &str, location: &str, time_ns: i64) -> Option<i64> {
        let (_, version) = at(&self.items, sku, time_ns)?;
        Some(match version.safety_stock.as_ref()? {
            Safety::Everywhere(amount) => *amount,
            Safety::ByLocation(amounts) => amounts.get(location).copied().unwrap_or(0),
        })
    }

    /// The time zone of a location at a time, if it says one.
    pub(super) fn time_zone(&self, location: &str, time_ns: i64) -> Option<&str> {
        at(&self.locations, location, time_ns)?.1.time_zone.as_deref()
    }
}
