//! Configuration that changes results: text → validated, immutable [`Config`] with a fingerprint. Reads no file and no environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::held;
use crate::limits::{
    AHEAD_DEFAULT_NS, CONFIG_BYTES_MAX, DAY_NS, DEDUP_KEYS_DEFAULT, GAP_WAIT_DEFAULT_NS, HELD_DEFAULT, HELD_MAX,
    HISTORY_DEFAULT, HISTORY_MAX, NAME_BYTES_MAX, SECOND_NS, SOURCE_BYTES_MAX,
};
pub use crate::order::{Order, Ordering};
use crate::quantity;
use crate::rules::{RawType, RuleTable};

/// What happens when an event takes `on_hand` below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NegativeStock {
    /// Applied silently.
    Allow,
    /// Applied, and an exception at each crossing.
    #[default]
    Flag,
    /// Refused.
    Refuse,
}

/// Bounds of effective time around log time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBounds {
    /// How far behind, in nanoseconds; nothing for a load of history.
    pub max_age_ns: Option<i64>,
    /// How far ahead, in nanoseconds.
    pub max_ahead_ns: i64,
}

/// Who works on an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Team {
    /// The people who move the goods.
    Operations,
    /// The people who own the books.
    Finance,
    /// The people who run the integrations.
    It,
}

impl Team {
    /// The name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Finance => "finance",
            Self::It => "it",
        }
    }
}

/// What is configured of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Source {
    bounds: TimeBounds,
    ordering: Ordering,
}

/// A source of which nothing is configured promises nothing.
const ARRIVAL: Ordering = Ordering { order: Order::Arrival, gap_wait_ns: GAP_WAIT_DEFAULT_NS, held_max: HELD_DEFAULT };

/// Validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What happens below zero.
    pub negative_stock: NegativeStock,
    /// How long a key is remembered, in nanoseconds of log time.
    pub dedup_window_ns: i64,
    /// How many keys are remembered.
    pub dedup_keys_max: u64,
    /// Movements kept per position.
    pub history_max: u16,
    /// Whether duplicates by meaning are looked for.
    pub duplicate_suspect: bool,
    /// Types and aliases.
    pub rules: RuleTable,
    default_bounds: TimeBounds,
    sources: BTreeMap<String, Source>,
    has_orders: bool,
    teams: BTreeMap<String, Team>,
    safety: SafetyStock,
    fingerprint: [u8; 32],
}

impl Default for Config {
    fn default() -> Self {
        Self::parse("").expect("the built-in configuration is valid")
    }
}

impl Config {
    /// Reads TOML, or JSON where the text begins with `{`. Tables that configure the process around the engine are ignored here.
    ///
    /// # Errors
    /// One line that names the key and the cure.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > CONFIG_BYTES_MAX {
            return Err(format!("configuration is longer than {CONFIG_BYTES_MAX} bytes"));
        }
        let raw: Raw = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))?
        };
        raw.validate()
    }

    /// BLAKE3 of everything here that changes results; stands in every snapshot.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Bytes held, itself included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let (sources, teams, safety) = (&self.sources, &self.teams, &self.safety.rules);
        size_of::<Self>()
            + self.rules.memory_bytes()
            + held::tree::<String, Source>(sources.len())
            + sources.keys().map(String::capacity).sum::<usize>()
            + held::tree::<String, Team>(teams.len())
            + teams.keys().map(String::capacity).sum::<usize>()
            + held::tree::<(String, String), i64>(safety.len())
            + safety.keys().map(|(sku, location)| sku.capacity() + location.capacity()).sum::<usize>()
    }

    /// The bounds of a source's effective times.
    pub fn bounds(&self, source: &str) -> TimeBounds {
        self.sources.get(source).map_or(self.default_bounds, |source| source.bounds)
    }

    /// What a source promises about its order.
    #[inline]
    pub fn ordering(&self, source: &str) -> Ordering {
        if !self.has_orders {
            return ARRIVAL;
        }
        self.sources.get(source).map_or(ARRIVAL, |source| source.ordering)
    }

    /// Whether any source promises an order.
    pub const fn has_orders(&self) -> bool {
        self.has_orders
    }

    /// Who works on an exception with this code.
    pub fn team(&self, code: &str) -> Team {
        self.teams.get(code).copied().unwrap_or(match code {
            "negative_stock"
            | "short_pick"
            | "count_beyond_history"
            | "quantity_invalid"
            | "duplicate_suspect"
            | "insufficient" => Team::Operations,
            _ => Team::It,
        })
    }

    /// Safety stock of a position, in thousandths. Sub-positions (lot, owner) have none of their own.
    pub fn safety_stock(&self, sku: &str, location: &str) -> i64 {
        let rules = &self.safety.rules;
        let find = |sku: &str, location: &str| rules.get(&(sku.to_owned(), location.to_owned())).copied();
        if rules.is_empty() {
            return self.safety.default;
        }
        find(sku, location).or_else(|| find(sku, "")).or_else(|| find("", location)).unwrap_or(self.safety.default)
    }
}

/// Safety stock by position; an empty name matches everything.
#[derive(Debug, Clone, Default)]
struct SafetyStock {
    default: i64,
    rules: BTreeMap<(String, String), i64>,
}

/// The whole text as written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    engine: RawEngine,
    sources: BTreeMap<String, RawSource>,
    types: BTreeMap<String, RawType>,
    safety_stock: RawSafety,
    exceptions: RawExceptions,
    #[serde(skip_serializing)]
    nats: serde::de::IgnoredAny,
    #[serde(skip_serializing)]
    input: serde::de::IgnoredAny,
    #[serde(skip_serializing)]
    output: serde::de::IgnoredAny,
    #[serde(skip_serializing)]
    snapshots: serde::de::IgnoredAny,
    #[serde(skip_serializing)]
    process: serde::de::IgnoredAny,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawEngine {
    negative_stock: NegativeStock,
    dedup_window: String,
    dedup_keys_max: u64,
    history_max: u16,
    max_age: Option<String>,
    max_ahead: Option<String>,
    duplicate_suspect: bool,
}

impl Default for RawEngine {
    fn default() -> Self {
        Self {
            negative_stock: NegativeStock::default(),
            dedup_window: "24h".to_owned(),
            dedup_keys_max: DEDUP_KEYS_DEFAULT,
            history_max: HISTORY_DEFAULT,
            max_age: None,
            max_ahead: None,
            duplicate_suspect: false,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSource {
    order: Order,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap_wait: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_max: Option<usize>,
    max_age: Option<String>,
    max_ahead: Option<String>,
}

impl RawSource {
    fn ordering(&self, place: &str, dedup_window_ns: i64) -> Result<Ordering, String> {
        let gap_wait_ns = match &self.gap_wait {
            None => GAP_WAIT_DEFAULT_NS,
            Some(text) => duration(&format!("{place}.gap_wait"), text)?.ok_or_else(|| {
                format!("{place}.gap_wait: \"none\" would wait for ever; give a duration such as \"5m\"")
            })?,
        };
        let held_max = self.held_max.unwrap_or(HELD_DEFAULT);
        if held_max == 0 || held_max > HELD_MAX {
            return Err(format!("{place}.held_max: {held_max} is not within 1 to {HELD_MAX}"));
        }
        let holds = matches!(self.order, Order::Source | Order::Position);
        if !holds && (self.gap_wait.is_some() || self.held_max.is_some()) {
            return Err(format!(
                "{place}: order {:?} holds nothing, so gap_wait and held_max mean nothing; leave them away, or give order \"source\" or \"position\"",
                self.order.name()
            ));
        }
        if holds && gap_wait_ns > dedup_window_ns {
            return Err(format!(
                "{place}.gap_wait: an event could be held longer than its key is remembered, and be counted twice; give less than engine.dedup_window"
            ));
        }
        Ok(Ordering { order: self.order, gap_wait_ns, held_max })
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSafety {
    default: Option<RawQuantity>,
    rules: Vec<RawSafetyRule>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSafetyRule {
    #[serde(default)]
    sku: String,
    #[serde(default)]
    location: String,
    quantity: RawQuantity,
}

/// A quantity as a decimal string or a whole number: a float in a configuration would already be rounded.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum RawQuantity {
    Whole(i64),
    Text(String),
}

impl RawQuantity {
    fn thousandths(&self, place: &str) -> Result<i64, String> {
        let text = match self {
            Self::Whole(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        };
        match quantity::parse(text.as_bytes()) {
            quantity::Parsed::Exact(value) if value >= 0 => Ok(value),
            _ => Err(format!(
                "{place}: {text:?} is no quantity; give a decimal string ≥ 0 with at most 3 fraction digits, such as \"12.5\""
            )),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawExceptions {
    owners: BTreeMap<String, Team>,
}

impl Raw {
    fn validate(self) -> Result<Config, String> {
        let dedup_window_ns = duration("engine.dedup_window", &self.engine.dedup_window)?
            .ok_or("engine.dedup_window: \"none\" is no window; give a duration such as \"24h\"")?;
        if dedup_window_ns == 0 || self.engine.dedup_keys_max == 0 {
            return Err("engine.dedup_window and engine.dedup_keys_max must be greater than zero, or nothing is counted exactly once".to_owned());
        }
        if self.engine.history_max == 0 || self.engine.history_max > HISTORY_MAX {
            return Err(format!("engine.history_max: {} is not within 1 to {HISTORY_MAX}", self.engine.history_max));
        }
        let fallback = TimeBounds { max_age_ns: Some(dedup_window_ns), max_ahead_ns: AHEAD_DEFAULT_NS };
        let default_bounds =
            bounds("engine", self.engine.max_age.as_deref(), self.engine.max_ahead.as_deref(), fallback)?;
        let mut sources = BTreeMap::new();
        for (name, raw) in &self.sources {
            if name.is_empty() || name.len() > SOURCE_BYTES_MAX {
                return Err(format!("sources.\"{name}\": a source's name has 1 to {SOURCE_BYTES_MAX} bytes"));
            }
            let place = format!("sources.\"{name}\"");
            let bounds = bounds(&place, raw.max_age.as_deref(), raw.max_ahead.as_deref(), default_bounds)?;
            sources.insert(name.clone(), Source { bounds, ordering: raw.ordering(&place, dedup_window_ns)? });
        }
        let canonical = serde_json::to_vec(&self).map_err(|error| error.to_string())?;
        Ok(Config {
            negative_stock: self.engine.negative_stock,
            dedup_window_ns,
            dedup_keys_max: self.engine.dedup_keys_max,
            history_max: self.engine.history_max,
            duplicate_suspect: self.engine.duplicate_suspect,
            rules: RuleTable::build(&self.types)?,
            default_bounds,
            has_orders: sources.values().any(|source| source.ordering.order != Order::Arrival),
            sources,
            safety: self.safety_stock.validate()?,
            teams: self.exceptions.owners,
            fingerprint: blake3::derive_key("tallystick 2026 configuration v1", &canonical),
        })
    }
}

impl RawSafety {
    fn validate(&self) -> Result<SafetyStock, String> {
        let default = self.default.as_ref().map_or(Ok(0), |raw| raw.thousandths("safety_stock.default"))?;
        let mut rules = BTreeMap::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let place = format!("safety_stock.rules[{place}]");
            if rule.sku.is_empty() && rule.location.is_empty() {
                return Err(format!(
                    "{place}: name a `sku`, a `location` or both; for all positions use safety_stock.default"
                ));
            }
            if rule.sku.len() > NAME_BYTES_MAX || rule.location.len() > NAME_BYTES_MAX {
                return Err(format!("{place}: a name has at most {NAME_BYTES_MAX} bytes"));
            }
            let quantity = rule.quantity.thousandths(&format!("{place}.quantity"))?;
            if rules.insert((rule.sku.clone(), rule.location.clone()), quantity).is_some() {
                return Err(format!("{place}: there is already a rule for this sku and location; keep one of them"));
            }
        }
        Ok(SafetyStock { default, rules })
    }
}

fn bounds(
    place: &str,
    max_age: Option<&str>,
    max_ahead: Option<&str>,
    fallback: TimeBounds,
) -> Result<TimeBounds, String> {
    let max_age_ns = match max_age {
        Some(text) => duration(&format!("{place}.max_age"), text)?,
        None => fallback.max_age_ns,
    };
    let max_ahead_ns = match max_ahead {
        Some(text) => duration(&format!("{place}.max_ahead"), text)?.unwrap_or(i64::MAX),
        None => fallback.max_ahead_ns,
    };
    Ok(TimeBounds { max_age_ns, max_ahead_ns })
}

/// Nanoseconds of a duration such as `"90s"`; nothing for `"none"`.
fn duration(place: &str, text: &str) -> Result<Option<i64>, String> {
    if text == "none" {
        return Ok(None);
    }
    let split = text.len() - text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    let unit_ns = match &text[split..] {
        "ms" => Some(SECOND_NS / 1_000),
        "s" => Some(SECOND_NS),
        "m" => Some(60 * SECOND_NS),
        "h" => Some(3_600 * SECOND_NS),
        "d" => Some(DAY_NS),
        _ => None,
    };
    let count = text[..split].parse::<i64>().ok().filter(|count| *count >= 0);
    unit_ns.zip(count).and_then(|(unit, count)| unit.checked_mul(count)).map(Some).ok_or_else(|| {
        format!(
            "{place}: {text:?} is no duration; give a whole number with ms, s, m, h or d, such as \"24h\", or \"none\""
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_have_one_fingerprint() {
        let toml =
            Config::parse("[engine]\ndedup_window = \"1h\"\n[nats]\nurl = \"x\"\n[sources.erp]\nmax_age = \"none\"\n")
                .unwrap();
        let json = Config::parse(r#"{"sources":{"erp":{"max_age":"none"}},"engine":{"dedup_window":"1h"}}"#).unwrap();
        assert_eq!(toml.fingerprint(), json.fingerprint());
        assert_ne!(toml.fingerprint(), Config::default().fingerprint());
        assert_eq!(toml.bounds("erp").max_age_ns, None);
        assert_eq!(toml.bounds("wms").max_age_ns, Some(3_600 * SECOND_NS));
    }

    #[test]
    fn every_mistake_names_its_place() {
        for (text, expected) in [
            ("[engine]\ndedup_windw = \"1h\"", "dedup_windw"),
            ("[engine]\ndedup_window = \"1 hour\"", "engine.dedup_window"),
            ("[engine]\nhistory_max = 0", "engine.history_max"),
            ("[sources.a]\norder = \"random\"", "random"),
            ("[sources.a]\norder = \"source\"\nheld_max = 0", "sources.\"a\".held_max"),
            ("[sources.a]\norder = \"source\"\ngap_wait = \"none\"", "gap_wait"),
            ("[sources.a]\norder = \"source\"\ngap_wait = \"25h\"", "counted twice"),
            ("[sources.a]\norder = \"increasing\"\ngap_wait = \"1s\"", "holds nothing"),
            ("[types.\"stock.sold\"]\nquantity = \"positive\"\npostings = [[\"on_hand\", \"customer\"]]", "built in"),
            ("[types.a]\nalias = \"b\"", "which is no type"),
            ("[types.a]\nquantity = \"positive\"\npostings = [[\"on_hand\", \"reserved\"]]", "book"),
            ("[types.a]\nquantity = \"positive\"\npostings = [[\"on_hnd\", \"customer\"]]", "on_hnd"),
            ("[safety_stock]\ndefault = \"1.0001\"", "safety_stock.default"),
            ("[[safety_stock.rules]]\nquantity = 1", "safety_stock.rules[0]"),
            ("[exceptions.owners]\nmalformed = \"nobody\"", "nobody"),
            ("[engin]\na = 1", "engin"),
        ] {
            let error = Config::parse(text).expect_err(text);
            assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn the_most_specific_safety_stock_wins() {
        let config = Config::parse(
            "[safety_stock]\ndefault = 1\nrules = [{sku='A', quantity=2}, {location='L', quantity=3}, {sku='A', location='L', quantity='4.5'}]",
        )
        .unwrap();
        for (sku, location, expected) in [("A", "L", 4_500), ("A", "M", 2_000), ("B", "L", 3_000), ("B", "M", 1_000)] {
            assert_eq!(config.safety_stock(sku, location), expected);
        }
    }
}
