//! `[claims]` and `[[shipping]]`: what orders claim, and where goods leave from (`docs/claims.md` §6).

use serde::{Deserialize, Serialize};

use crate::config_text::finite;
use crate::heap_size::heap_size;
use crate::limits::SHIPPING_RULES_MAX;

/// What orders claim, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// How long a line that claims nothing any more is remembered, in nanoseconds of log time.
    pub remember_ns: i64,
    /// Whether a person is told of picks that nobody allocated.
    pub flags_unallocated_picks: bool,
    /// Where goods leave from; the first that fits holds.
    shipping: Vec<Shipping>,
}

heap_size!(Claims { remember_ns, flags_unallocated_picks, shipping });

/// Where the goods of a location leave from, as one of its sources tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shipping {
    locations: Vec<String>,
    sources: Vec<String>,
    is_from_on_hand: bool,
    allocates: bool,
}

heap_size!(Shipping { locations, sources, is_from_on_hand, allocates });

/// What the configuration says of what a source tells of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// Whether shipments take from `on_hand`, and not from `picked`.
    pub is_from_on_hand: bool,
    /// Whether picks without a document take from `allocated`.
    pub allocates: bool,
}

impl Leaving {
    /// What holds where nothing is said.
    pub const USUAL: Self = Self { is_from_on_hand: false, allocates: true };
}

impl Claims {
    /// How goods leave a location, as a source tells it.
    #[inline]
    pub fn leaving(&self, location: &str, source: &str) -> Leaving {
        if self.shipping.is_empty() { Leaving::USUAL } else { self.find_leaving(location, source) }
    }

    fn find_leaving(&self, location: &str, source: &str) -> Leaving {
        let fits = |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
        let rule = self.shipping.iter().find(|rule| fits(&rule.locations, location) && fits(&rule.sources, source));
        rule.map_or(Leaving::USUAL, |rule| Leaving { is_from_on_hand: rule.is_from_on_hand, allocates: rule.allocates })
    }
}

/// `[claims]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    remember: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unallocated_pick: Option<UnallocatedPick>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UnallocatedPick {
    Allow,
    Flag,
}

/// An entry of `[[shipping]]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawShipping {
    locations: Vec<String>,
    sources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<From>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocates: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum From {
    Picked,
    OnHand,
}

impl RawClaims {
    pub(super) fn validate(&self, shipping: &[RawShipping], dedup_window_ns: i64) -> Result<Claims, String> {
        if let Some(unnamed) = self.unnamed.as_deref().filter(|unnamed| *unnamed != "keep") {
            return Err(format!(
                "claims.unnamed: {unnamed:?} is not supported; leave it away, or give \"keep\": a pick with a document takes nothing from claims without one"
            ));
        }
        if shipping.len() > SHIPPING_RULES_MAX {
            return Err(format!("shipping: give at most {SHIPPING_RULES_MAX} entries"));
        }
        let rule = |(place, raw): (usize, &RawShipping)| {
            if raw.from.is_none() && raw.allocates.is_none() {
                return Err(format!(
                    "shipping[{place}]: says nothing; give `from` (\"picked\", \"on_hand\"), `allocates`, or both"
                ));
            }
            Ok(Shipping {
                locations: raw.locations.clone(),
                sources: raw.sources.clone(),
                is_from_on_hand: raw.from == Some(From::OnHand),
                allocates: raw.allocates.unwrap_or(true),
            })
        };
        Ok(Claims {
            remember_ns: self
                .remember
                .as_ref()
                .map_or(Ok(dedup_window_ns), |text| finite("claims.remember", text, "24h"))?,
            flags_unallocated_picks: self.unallocated_pick == Some(UnallocatedPick::Flag),
            shipping: shipping.iter().enumerate().map(rule).collect::<Result<_, _>>()?,
        })
    }
}
