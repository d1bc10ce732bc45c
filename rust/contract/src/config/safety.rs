//! Safety stock by configuration: the most specific rule that holds at a time wins.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config_text::{RawQuantity, moment};
use crate::heap_size::{flat, heap_size};
use crate::limits::NAME_BYTES_MAX;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Thousandths.
    Absolute(i64),
    /// Percent of what is on hand.
    Percent(u32),
}

impl Amount {
    /// In thousandths, rounded up, of what is on hand.
    pub fn of(self, on_hand: i64) -> i64 {
        match self {
            Self::Absolute(thousandths) => thousandths,
            Self::Percent(percent) => {
                let kept = (i128::from(on_hand.max(0)) * i128::from(percent)).div_euclid(100);
                let is_rounded = i128::from(on_hand.max(0)) * i128::from(percent) % 100 != 0;
                i64::try_from(kept).unwrap_or(i64::MAX) + i64::from(is_rounded)
            }
        }
    }
}

/// What is kept from a time on, until another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from_ns: i64,
    until_ns: i64,
    amount: Amount,
}

flat!(Span);

/// SKU, location and group of a rule; an empty name matches everything.
type Names = (String, String, String);

/// Safety stock by position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SafetyStock {
    default: i64,
    rules: BTreeMap<Names, Vec<Span>>,
    groups: BTreeSet<String>,
    moments: BTreeSet<i64>,
    /// Whether any rule names a group, begins or ends.
    is_timed: bool,
}

heap_size!(SafetyStock { default, rules, groups, moments, is_timed });

/// `[safety_stock]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSafety {
    default: Option<RawQuantity>,
    rules: Vec<RawSafetyRule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSafetyRule {
    #[serde(default)]
    sku: String,
    #[serde(default)]
    location: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantity: Option<RawQuantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl SafetyStock {
    /// What is kept of a position at a time. `is_in` tells whether the location is in a group then.
    pub(super) fn at(&self, sku: &str, location: &str, time_ns: i64, is_in: impl Fn(&str) -> bool) -> Amount {
        let default = Amount::Absolute(self.default);
        if self.rules.is_empty() {
            return default;
        }
        let find = |sku: &str, location: &str, group: &str| {
            let spans = self.rules.get(&(sku.to_owned(), location.to_owned(), group.to_owned()))?;
            let holds = |span: &&Span| (span.from_ns..span.until_ns).contains(&time_ns);
            spans.iter().find(holds).map(|span| span.amount)
        };
        let of_group = |sku: &str| self.groups.iter().find_map(|group| find(sku, "", group).filter(|_| is_in(group)));
        find(sku, location, "")
            .or_else(|| of_group(sku))
            .or_else(|| find(sku, "", ""))
            .or_else(|| find("", location, ""))
            .or_else(|| of_group(""))
            .unwrap_or(default)
    }

    /// The default, if it is all there is.
    pub(super) fn alone(&self) -> Option<i64> {
        self.rules.is_empty().then_some(self.default)
    }

    /// Whether any rule names a group.
    pub(super) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Whether anything changes when nobody says so: a rule or a group begins or ends.
    pub(super) const fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// Whether any rule begins or ends.
    pub(super) fn is_dated(&self) -> bool {
        !self.moments.is_empty()
    }

    /// The first time after another at which a rule begins or ends.
    pub(super) fn next_moment(&self, after_ns: i64) -> Option<i64> {
        self.moments.range(after_ns.checked_add(1)?..).next().copied()
    }
}

impl RawSafety {
    pub(super) fn validate(&self) -> Result<SafetyStock, String> {
        let default = self.default.as_ref().map_or(Ok(0), |raw| raw.thousandths("safety_stock.default"))?;
        let mut stock = SafetyStock { default, ..SafetyStock::default() };
        for (place, rule) in self.rules.iter().enumerate() {
            let place = format!("safety_stock.rules[{place}]");
            let span = rule.validate(&place)?;
            let spans = stock.rules.entry((rule.sku.clone(), rule.location.clone(), rule.group.clone())).or_default();
            if spans.iter().any(|known| known.from_ns < span.until_ns && span.from_ns < known.until_ns) {
                return Err(format!(
                    "{place}: there is already a rule for this sku, location and group at that time; keep one of them, or end one where the other begins"
                ));
            }
            spans.push(span);
            if !rule.group.is_empty() {
                stock.groups.insert(rule.group.clone());
            }
            stock
                .moments
                .extend([span.from_ns, span.until_ns].into_iter().filter(|ns| ![i64::MIN, i64::MAX].contains(ns)));
        }
        stock.is_timed = !(stock.groups.is_empty() && stock.moments.is_empty());
        Ok(stock)
    }
}

impl RawSafetyRule {
    fn validate(&self, place: &str) -> Result<Span, String> {
        let names = [&self.sku, &self.location, &self.group];
        if names.iter().all(|name| name.is_empty()) {
            return Err(format!(
                "{place}: name a `sku`, a `location`, a `group` or a sku with one of them; for all positions use safety_stock.default"
            ));
        }
        if !self.location.is_empty() && !self.group.is_empty() {
            return Err(format!("{place}: name a `location` or a `group`, not both"));
        }
        if names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(format!("{place}: a name has at most {NAME_BYTES_MAX} bytes"));
        }
        let amount = match (&self.quantity, self.percent) {
            (Some(quantity), None) => Amount::Absolute(quantity.thousandths(&format!("{place}.quantity"))?),
            (None, Some(percent)) => Amount::Percent(percent),
            _ => return Err(format!("{place}: give `quantity` or `percent`")),
        };
        let time = |key: &str, text: &Option<String>, open_ns: i64| {
            text.as_ref().map_or(Ok(open_ns), |text| moment(&format!("{place}.{key}"), text))
        };
        let (from_ns, until_ns) = (time("from", &self.from, i64::MIN)?, time("until", &self.until, i64::MAX)?);
        if from_ns >= until_ns {
            return Err(format!("{place}: it ends before it begins"));
        }
        Ok(Span { from_ns, until_ns, amount })
    }
}
