//! What is watched beyond single events: variances that need an approval, receipts against what was announced,
//! transfers that age, unknown names.

use serde::{Deserialize, Serialize};

use crate::config_text::{RawQuantity, finite};
use crate::heap_size::{flat, heap_size};
use crate::limits::{MASS_POSITIONS_DEFAULT, MASS_WINDOW_DEFAULT_NS};

/// `[approvals]`: which variances of counts and adjustments wait for an approval. All limits are exceeded by more, not
/// by as much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// Units, in thousandths.
    pub absolute: Option<i64>,
    /// Share of what was on hand, in percent.
    pub percent: Option<u32>,
    /// Money by the item's unit cost, in thousandths.
    pub value: Option<i64>,
    /// Variances below this many thousandths never wait.
    pub ignore_below: i64,
    /// Sources that are not measured.
    pub except_sources: Vec<String>,
    /// The guard against a feed that changes too much of a location.
    pub mass_change: Option<MassChange>,
}

heap_size!(Approvals { absolute, percent, value, ignore_below, except_sources, mass_change });

/// How much of a location a source may change within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MassChange {
    /// Percent of the location's positions.
    pub percent: u32,
    /// The window of log time, in nanoseconds.
    pub window_ns: i64,
    /// So many positions may always change.
    pub positions_min: u64,
}

flat!(MassChange);

/// `[receipts]`: how far a receipt may be from what was announced. Either of the two suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipts {
    /// In thousandths.
    pub tolerance: i64,
    /// In percent of what was announced.
    pub tolerance_percent: u32,
}

flat!(Receipts);

/// `[master] mode`: what becomes of items and locations that nobody defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MasterMode {
    /// Accepted; one exception for each name once any was defined.
    #[default]
    Flag,
    /// Refused.
    Strict,
    /// Accepted.
    Off,
}

flat!(MasterMode);

/// `[approvals]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawApprovals {
    absolute: Option<RawQuantity>,
    percent: Option<u32>,
    value: Option<RawQuantity>,
    ignore_below: Option<RawQuantity>,
    except_sources: Vec<String>,
    mass_change_percent: Option<u32>,
    mass_change_window: Option<String>,
    mass_change_positions_min: Option<u64>,
}

/// `[receipts]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReceipts {
    tolerance: Option<RawQuantity>,
    tolerance_percent: u32,
}

/// `[transfers]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTransfers {
    age: String,
}

/// `[master]` as written.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMaster {
    pub(super) mode: MasterMode,
}

impl RawApprovals {
    pub(super) fn validate(&self) -> Result<Approvals, String> {
        let limit = |key: &str, raw: &Option<RawQuantity>| {
            raw.as_ref().map(|raw| raw.thousandths(&format!("approvals.{key}"))).transpose()
        };
        let mass_change = match (self.mass_change_percent, &self.mass_change_window, self.mass_change_positions_min) {
            (None, None, None) => None,
            (None, ..) => {
                return Err(
                    "approvals.mass_change_percent: is missing; without it the other mass_change keys mean nothing"
                        .to_owned(),
                );
            }
            (Some(percent), window, positions_min) => Some(MassChange {
                percent,
                window_ns: window
                    .as_ref()
                    .map_or(Ok(MASS_WINDOW_DEFAULT_NS), |text| finite("approvals.mass_change_window", text, "10m"))?,
                positions_min: positions_min.unwrap_or(MASS_POSITIONS_DEFAULT),
            }),
        };
        Ok(Approvals {
            absolute: limit("absolute", &self.absolute)?,
            percent: self.percent,
            value: limit("value", &self.value)?,
            ignore_below: limit("ignore_below", &self.ignore_below)?.unwrap_or(0),
            except_sources: self.except_sources.clone(),
            mass_change,
        })
    }
}

impl RawReceipts {
    pub(super) fn validate(&self) -> Result<Receipts, String> {
        let tolerance = self.tolerance.as_ref().map_or(Ok(0), |raw| raw.thousandths("receipts.tolerance"))?;
        Ok(Receipts { tolerance, tolerance_percent: self.tolerance_percent })
    }
}

impl RawTransfers {
    /// The age, in nanoseconds.
    pub(super) fn validate(&self) -> Result<i64, String> {
        finite("transfers.age", &self.age, "3d")
    }
}
