//! `[[replenish]]`: at which point a position is to be filled up, and to what (`docs/replenish.md`).

use serde::{Deserialize, Serialize};

use crate::config_text::RawQuantity;
use crate::heap_size::{flat, heap_size};
use crate::limits::{REPLENISH_DAYS_MAX, REPLENISH_RULES_MAX};

/// A quantity, absolute or by what was sold lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Thousandths.
    Absolute(i64),
    /// So many days of recent demand.
    Days(u32),
}

flat!(Level);

impl Level {
    /// Thousandths, where `demand` thousandths were sold in the rule's window of days. Rounded up: who asks for seven
    /// days of stock wants no less.
    pub fn of(self, demand: i64, window_days: u32) -> i64 {
        match self {
            Self::Absolute(amount) => amount,
            Self::Days(days) => {
                let amount = (i128::from(demand.max(0)) * i128::from(days)).div_euclid(i128::from(window_days));
                let has_rest = (i128::from(demand.max(0)) * i128::from(days)) % i128::from(window_days) != 0;
                i64::try_from(amount + i128::from(has_rest)).unwrap_or(i64::MAX)
            }
        }
    }
}

/// When positions are to be filled up. Of several rules the first that fits holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replenish {
    skus: Vec<String>,
    locations: Vec<String>,
    /// Below this a signal goes out.
    pub point: Level,
    /// Up to this the position is to be filled.
    pub target: Level,
    /// Days from an order to its receipt: what comes within them counts.
    pub lead_days: u32,
    /// Days before today over which demand is averaged.
    pub window_days: u32,
}

heap_size!(Replenish { skus, locations, point, target, lead_days, window_days });

impl Replenish {
    /// Whether the rule is for a position.
    pub fn fits(&self, sku: &str, location: &str) -> bool {
        let fits = |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
        fits(&self.skus, sku) && fits(&self.locations, location)
    }

    /// Whether it asks for what was sold.
    pub const fn asks_for_demand(&self) -> bool {
        matches!((self.point, self.target), (Level::Days(_), _) | (_, Level::Days(_)))
    }
}

/// `[[replenish]]` as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReplenish {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    skus: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    locations: Vec<String>,
    point: RawQuantity,
    target: RawQuantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lead_time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<String>,
}

/// Reads all rules.
///
/// # Errors
/// What is wrong with which, and what would be right.
pub(super) fn validate(raw: &[RawReplenish]) -> Result<Vec<Replenish>, String> {
    if raw.len() > REPLENISH_RULES_MAX {
        return Err(format!("replenish: give at most {REPLENISH_RULES_MAX} entries"));
    }
    raw.iter().enumerate().map(|(number, rule)| rule.validate(number)).collect()
}

impl RawReplenish {
    fn validate(&self, number: usize) -> Result<Replenish, String> {
        let place = |key: &str| format!("replenish[{number}].{key}");
        let days_of = |key: &str, text: &Option<String>, usual: u32| match text {
            None => Ok(usual),
            Some(text) => days(text).filter(|days| (1..=REPLENISH_DAYS_MAX).contains(days)).ok_or_else(|| {
                format!("{}: give whole days from 1 to {REPLENISH_DAYS_MAX}, such as \"5d\"", place(key))
            }),
        };
        let rule = Replenish {
            skus: self.skus.clone(),
            locations: self.locations.clone(),
            point: level(&place("point"), &self.point)?,
            target: level(&place("target"), &self.target)?,
            lead_days: days_of("lead_time", &self.lead_time, 1)?,
            window_days: days_of("window", &self.window, 28)?,
        };
        match (rule.point, rule.target) {
            (Level::Absolute(point), Level::Absolute(target)) if target <= point => {
                Err(format!("{}: give more than `point`, or nothing is ever ordered", place("target")))
            }
            (Level::Days(point), Level::Days(target)) if target <= point => {
                Err(format!("{}: give more days than `point`, or nothing is ever ordered", place("target")))
            }
            _ => Ok(rule),
        }
    }
}

/// Whole days of a text such as `"7d"`.
fn days(text: &str) -> Option<u32> {
    text.strip_suffix('d')?.parse().ok()
}

fn level(place: &str, raw: &RawQuantity) -> Result<Level, String> {
    if let RawQuantity::Text(text) = raw
        && text.ends_with('d')
    {
        let known = days(text).filter(|days| (1..=REPLENISH_DAYS_MAX).contains(days));
        return known.map(Level::Days).ok_or_else(|| {
            format!("{place}: give days of demand from 1 to {REPLENISH_DAYS_MAX}, such as \"7d\", or a quantity")
        });
    }
    raw.thousandths(place).map(Level::Absolute)
}
