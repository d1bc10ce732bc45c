//! Configuration that changes results: text → validated, immutable [`Config`] with a fingerprint. Reads no file and no
//! environment.

mod claims;
mod promise;
mod replenish;
mod safety;
mod schema;
mod source;
mod source_subject;
mod teams;
mod watch;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::heap_size::{flat, heap_size};
use crate::limits::{
    AHEAD_DEFAULT_NS, CONFIG_BYTES_MAX, CORRECTIONS_DEFAULT, DAY_NS, DEDUP_KEYS_DEFAULT, EXCEPTIONS_KEPT_DEFAULT,
    HISTORY_DEFAULT, HOPS_DEFAULT, LOG_TIME_JUMP_DEFAULT_NS, SOURCE_BYTES_MAX,
};
pub use crate::order::{Order, Ordering};
use crate::ownership::{Policy, RawOwnership};
use crate::rules::{RawType, RuleTable};

use crate::config_text::{duration, finite};
pub use claims::{Claims, Leaving};
use claims::{RawClaims, RawShipping};
use promise::RawPromise;
pub use promise::{Bucket, MODES, Measure, Mode, PastDue, Promise, Reach};
use replenish::RawReplenish;
pub use replenish::{Level, Replenish};
pub use safety::Amount;
use safety::{RawSafety, SafetyStock};
use source::{ARRIVAL, RawSource, bounds};
pub use source::{Source, TimeBounds, Unregistered};
pub use source_subject::SourceSubject;
use teams::{RawExceptions, Teams};
pub use watch::{Approvals, MassChange, MasterMode, Receipts};
use watch::{RawApprovals, RawMaster, RawReceipts, RawTransfers};

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

flat!(NegativeStock);

/// Validated configuration.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "what is set or derived stands by itself")]
pub struct Config {
    /// What happens below zero.
    pub negative_stock: NegativeStock,
    /// How long a key is remembered, in nanoseconds of log time.
    pub dedup_window_ns: i64,
    /// How many keys are remembered.
    pub dedup_keys_max: u64,
    /// Movements kept per position.
    pub history_max: u16,
    /// How far a message alone may move the log's time, in nanoseconds; the greatest number for any distance.
    pub log_time_jump_max_ns: i64,
    /// Whether duplicates by meaning are looked for.
    pub duplicate_suspect: bool,
    /// Events whose content is remembered for corrections.
    pub corrections_max: u64,
    /// Sources whose directives about approvals, exceptions and configuration count.
    pub operators: Vec<String>,
    /// What becomes of a source that is not configured.
    pub unregistered: Unregistered,
    /// Which subject a source speaks on; nothing where any will do.
    pub source_subject: Option<SourceSubject>,
    /// Types and aliases.
    pub rules: RuleTable,
    /// Who may say what; nothing for no policy.
    pub ownership: Option<Policy>,
    /// What waits for an approval.
    pub approvals: Option<Approvals>,
    /// How far a receipt may be from what was announced.
    pub receipts: Option<Receipts>,
    /// How long a transfer may be on its way, in nanoseconds.
    pub transfer_age_ns: Option<i64>,
    /// What becomes of names that nobody defined.
    pub master: MasterMode,
    /// Hops of a two-way sync that an event may have made.
    pub hops_max: u64,
    /// How long an exception may be open before it is escalated, in nanoseconds; nothing for ever.
    pub escalate_after_ns: Option<i64>,
    /// Exceptions that are kept at most.
    pub exceptions_max: usize,
    /// What can be promised.
    pub promise: Promise,
    /// What orders claim.
    pub claims: Claims,
    /// When positions are to be filled up.
    pub replenish: Vec<Replenish>,
    default_bounds: TimeBounds,
    sources: BTreeMap<String, Source>,
    has_orders: bool,
    has_documents: bool,
    teams: Teams,
    safety: SafetyStock,
    /// All of it as JSON.
    canonical: Box<str>,
    /// Whether the log changed it.
    pub is_changed: bool,
    fingerprint: [u8; 32],
}

heap_size! {
    Config {
        negative_stock, dedup_window_ns, dedup_keys_max, history_max, log_time_jump_max_ns, duplicate_suspect,
        corrections_max, operators, unregistered, source_subject, rules, ownership, approvals, receipts, transfer_age_ns, master, hops_max, escalate_after_ns,
        exceptions_max, promise, claims, replenish, default_bounds, sources, has_orders, has_documents, teams, safety,
        canonical, is_changed, fingerprint,
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::parse("").expect("the built-in configuration is valid")
    }
}

impl Config {
    /// Reads TOML, or JSON where the text begins with `{`. Tables that configure the process around the engine are
    /// ignored here.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    ///
    /// let config = Config::parse("[engine]\ndedup_window = \"90s\"").unwrap();
    /// assert_eq!(config.dedup_window_ns, 90_000_000_000);
    /// let refused = Config::parse("[engine]\nhistory_max = 0").unwrap_err();
    /// assert_eq!(refused, "engine.history_max: 0 does not do; give a whole number from 1 to 4096");
    /// ```
    ///
    /// # Errors
    /// One line that names the key and the cure.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > CONFIG_BYTES_MAX {
            return Err(format!("configuration is longer than {CONFIG_BYTES_MAX} bytes"));
        }
        read_raw(text)?.validate()
    }

    /// Every table and key with its form, its default (as TOML) and what it is for, as a JSON array.
    pub fn schema() -> String {
        schema::to_json()
    }

    /// This configuration with some of its tables replaced as a whole, as `configuration.changed` asks. The fingerprint
    /// stays that of what the engine began with, because the change stands in the log.
    ///
    /// # Errors
    /// One line that names the key and the cure.
    pub fn changed(&self, tables: &str) -> Result<Self, String> {
        let tables: Value = read(tables)?;
        let mut whole: Value = serde_json::from_str(&self.canonical).map_err(|error| error.to_string())?;
        for (name, table) in tables.as_object().ok_or("a configuration is made of tables")? {
            if !CHANGEABLE.contains(&name.as_str()) {
                return Err(format!("{name}: cannot be changed through the log; these can: {}", CHANGEABLE.join(", ")));
            }
            whole[name] = table.clone();
        }
        let raw: Raw = serde_json::from_value(schema::checked(whole)?).map_err(|error| error.to_string())?;
        let changed = Self { fingerprint: self.fingerprint, is_changed: true, ..raw.validate()? };
        if changed.promise.bucket != self.promise.bucket {
            return Err(
                "promise.bucket: cannot be changed through the log; start from a configuration with it".to_owned()
            );
        }
        Ok(changed)
    }

    /// What this configuration had become, by [`Self::canonical`].
    ///
    /// # Errors
    /// When the text was not written so.
    pub fn with_canonical(&self, canonical: &str) -> Result<Self, String> {
        Ok(Self { fingerprint: self.fingerprint, is_changed: true, ..read_raw(canonical)?.validate()? })
    }

    /// Whether tables as written are one table with this name.
    pub fn names_only(tables: &str, name: &str) -> bool {
        read::<Value>(tables).is_ok_and(|tables| tables.as_object().is_some_and(|all| all.keys().eq([name])))
    }

    /// All of it as JSON, in one form.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// BLAKE3 of everything here that changes results; stands in every snapshot.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The bounds of a source's effective times.
    pub fn bounds(&self, source: &str) -> TimeBounds {
        self.sources.get(source).map_or(self.default_bounds, |source| source.bounds)
    }

    /// The name under which a source's document numbers are kept; sources with one name share them.
    pub fn documents(&self, source: &str) -> &str {
        if self.has_documents {
            self.sources.get(source).and_then(|source| source.documents.as_deref()).unwrap_or_default()
        } else {
            ""
        }
    }

    /// What is configured of a source.
    pub fn source(&self, source: &str) -> Option<&Source> {
        self.sources.get(source)
    }

    /// Whether a source's directives about approvals, exceptions and configuration count.
    pub fn is_operator(&self, source: &str) -> bool {
        self.operators.iter().any(|operator| operator == source)
    }

    /// All sources that are configured, by name.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(name, source)| (&**name, source))
    }

    /// What a source promises about its order.
    #[inline]
    pub fn ordering(&self, source: &str) -> Ordering {
        if !self.has_orders {
            return ARRIVAL;
        }
        self.sources.get(source).map_or(ARRIVAL, |source| source.ordering)
    }

    /// Whether what becomes of an event depends on more of the state than its key, its order and its positions.
    #[inline]
    pub const fn needs_state(&self) -> bool {
        self.ownership.is_some()
            || self.approvals.is_some()
            || self.receipts.is_some()
            || self.transfer_age_ns.is_some()
            || !self.replenish.is_empty()
            || !matches!(self.unregistered, Unregistered::Accept)
            || matches!(self.master, MasterMode::Strict)
    }

    /// Whether both ask for the same safety stocks.
    pub fn has_same_safety_stocks(&self, other: &Self) -> bool {
        self.safety == other.safety
    }

    /// Whether any source promises an order.
    pub const fn has_orders(&self) -> bool {
        self.has_orders
    }

    /// Who works on an exception with this code.
    pub fn team(&self, code: &str) -> &str {
        self.teams.of(code)
    }

    /// All teams: those that are built in, then those that the configuration names.
    pub fn teams(&self) -> impl Iterator<Item = &str> {
        self.teams.names()
    }

    /// Safety stock of a position at a time. `is_in` tells whether its location is in a group then. Sub-positions (lot,
    /// owner) have none of their own.
    pub fn safety_stock(&self, sku: &str, location: &str, time_ns: i64, is_in: impl Fn(&str) -> bool) -> Amount {
        self.safety.at(sku, location, time_ns, is_in)
    }

    /// The safety stock of all positions, in thousandths, if no rule says another one.
    pub fn common_safety(&self) -> Option<i64> {
        self.safety.alone()
    }

    /// Whether safety stock depends on groups of locations.
    pub fn has_group_safety(&self) -> bool {
        self.safety.has_groups()
    }

    /// Whether safety stock changes when nobody says so.
    pub const fn has_timed_safety(&self) -> bool {
        self.safety.is_timed()
    }

    /// Whether safety stock changes with time.
    pub fn has_dated_safety(&self) -> bool {
        self.safety.is_dated()
    }

    /// The first time after another at which a rule of safety stock begins or ends.
    pub fn next_safety_ns(&self, after_ns: i64) -> Option<i64> {
        self.safety.next_moment(after_ns)
    }
}

/// Tables that may be changed through the log. `engine` sizes what is there already.
const CHANGEABLE: [&str; 14] = [
    "sources",
    "types",
    "ownership",
    "approvals",
    "master",
    "receipts",
    "transfers",
    "echo",
    "safety_stock",
    "exceptions",
    "promise",
    "claims",
    "shipping",
    "replenish",
];

/// Reads TOML, or JSON where the text begins with `{`.
fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))
    }
}

/// Reads a whole configuration, whose form is checked first: what serde says of it is in words of its own.
fn read_raw(text: &str) -> Result<Raw, String> {
    serde_json::from_value(schema::checked(read(text)?)?).map_err(|error| error.to_string())
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
    #[serde(skip_serializing_if = "Option::is_none")]
    ownership: Option<RawOwnership>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approvals: Option<RawApprovals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<RawReceipts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfers: Option<RawTransfers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    master: Option<RawMaster>,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<RawEcho>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<RawPromise>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<RawClaims>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shipping: Vec<RawShipping>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replenish: Vec<RawReplenish>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    log_time_jump_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrections_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operators: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unregistered: Option<Unregistered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_subject: Option<String>,
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
            log_time_jump_max: None,
            corrections_max: None,
            operators: None,
            unregistered: None,
            source_subject: None,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawEcho {
    hops_max: Option<u64>,
}

impl Raw {
    fn validate(self) -> Result<Config, String> {
        let dedup_window_ns = duration("engine.dedup_window", &self.engine.dedup_window)?
            .ok_or("engine.dedup_window: \"none\" is no window; give a duration such as \"24h\"")?;
        if dedup_window_ns == 0 {
            return Err("engine.dedup_window: give more than zero, or nothing is counted exactly once".to_owned());
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
            sources.insert(name.clone(), raw.validate(&place, dedup_window_ns, default_bounds)?);
        }
        let corrections_max = self.engine.corrections_max.unwrap_or(CORRECTIONS_DEFAULT);
        let exceptions_max = self.exceptions.kept_max.unwrap_or(EXCEPTIONS_KEPT_DEFAULT);
        let teams = self.exceptions.teams()?;
        let canonical = serde_json::to_string(&self).map_err(|error| error.to_string())?;
        let operators = self.engine.operators.unwrap_or_else(|| vec!["operator".to_owned()]);
        Ok(Config {
            corrections_max,
            exceptions_max,
            log_time_jump_max_ns: match self.engine.log_time_jump_max.as_deref() {
                None => LOG_TIME_JUMP_DEFAULT_NS,
                Some(text) => duration("engine.log_time_jump_max", text)?.unwrap_or(i64::MAX),
            },
            escalate_after_ns: match self.exceptions.escalate_after.as_deref() {
                None => Some(DAY_NS),
                Some("none") => None,
                Some(text) => Some(finite("exceptions.escalate_after", text, "24h")?),
            },
            unregistered: self.engine.unregistered.unwrap_or_default(),
            source_subject: self.engine.source_subject.as_deref().map(SourceSubject::parse).transpose()?,
            ownership: self.ownership.as_ref().map(|raw| raw.validate(&operators)).transpose()?,
            operators,
            approvals: self.approvals.as_ref().map(RawApprovals::validate).transpose()?,
            receipts: self.receipts.as_ref().map(RawReceipts::validate).transpose()?,
            transfer_age_ns: self.transfers.as_ref().map(RawTransfers::validate).transpose()?,
            master: self.master.map_or_else(MasterMode::default, |master| master.mode),
            hops_max: self.echo.and_then(|echo| echo.hops_max).unwrap_or(HOPS_DEFAULT),
            negative_stock: self.engine.negative_stock,
            dedup_window_ns,
            dedup_keys_max: self.engine.dedup_keys_max,
            history_max: self.engine.history_max,
            duplicate_suspect: self.engine.duplicate_suspect,
            rules: RuleTable::build(&self.types)?,
            default_bounds,
            has_documents: sources.values().any(|source| source.documents.is_some()),
            has_orders: sources.values().any(|source| source.ordering.order != Order::Arrival),
            sources,
            safety: self.safety_stock.validate()?,
            promise: self.promise.unwrap_or_default().validate()?,
            claims: self.claims.unwrap_or_default().validate(&self.shipping, dedup_window_ns)?,
            replenish: replenish::validate(&self.replenish)?,
            teams,
            fingerprint: blake3::derive_key("tallystick 2026 configuration v1", canonical.as_bytes()),
            canonical: canonical.into(),
            is_changed: false,
        })
    }
}

#[cfg(test)]
mod preset_tests;
#[cfg(test)]
mod tests;
