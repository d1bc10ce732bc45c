//! Safety stock by configuration: the most specific rule wins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::RawQuantity;
use crate::held;
use crate::limits::NAME_BYTES_MAX;

/// Safety stock by position; an empty name matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SafetyStock {
    default: i64,
    rules: BTreeMap<(String, String), i64>,
}

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
    quantity: RawQuantity,
}

impl SafetyStock {
    /// In thousandths.
    pub(super) fn of(&self, sku: &str, location: &str) -> i64 {
        let find = |sku: &str, location: &str| self.rules.get(&(sku.to_owned(), location.to_owned())).copied();
        if self.rules.is_empty() {
            return self.default;
        }
        find(sku, location).or_else(|| find(sku, "")).or_else(|| find("", location)).unwrap_or(self.default)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        held::tree::<(String, String), i64>(self.rules.len())
            + self.rules.keys().map(|(sku, location)| sku.capacity() + location.capacity()).sum::<usize>()
    }
}

impl RawSafety {
    pub(super) fn validate(&self) -> Result<SafetyStock, String> {
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
