//! What was sold, and which signals stand.

use std::collections::{BTreeMap, BTreeSet};

/// SKU and location.
pub(crate) type Site = (String, String);

/// What was sold, and what stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replenishing {
    /// Site, day and quantity of all that was sold, and of all of it that was taken back.
    pub(crate) sold: Vec<(Site, i64, i128)>,
    pub(crate) open: BTreeMap<Site, Signal>,
    /// How far each source is, and the locations that it has spoken of.
    pub(crate) heard: BTreeMap<String, (i64, BTreeSet<String>)>,
}

/// A signal that stands, with the figures behind it. Quantities are thousandths.
#[derive(Debug, Clone)]
pub(crate) struct Signal {
    pub(crate) available: i128,
    pub(crate) point: i128,
    pub(crate) target: i128,
    pub(crate) lead_days: u32,
    pub(crate) demand: Option<(i128, u32)>,
    pub(crate) sequence: u64,
    pub(crate) log_time_ns: i64,
}
