//! What was said of protection and groups, and what was answered and told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tallystick_contract::balance::PositionKey;

use crate::ask::{Members, Scope};
use crate::body::Key;
use crate::master::Rank;

/// An answer to a request for a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// The subject that it goes to.
    pub reply: String,
    /// The answer.
    pub body: Value,
}

/// All that was said of what comes, goes, is held and kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promise {
    pub(crate) protections: BTreeMap<ProtectionKey, Protection>,
    pub(crate) groups: Vec<GroupVersion>,
    /// What was answered to a request, by its key.
    pub(crate) told: BTreeMap<Key, Value>,
    /// Positions whose reservations were told of as at risk.
    pub(crate) at_risk: BTreeSet<PositionKey>,
    /// Zone and bucket of each location when somebody looked last.
    pub(crate) days: BTreeMap<String, (String, i64)>,
    /// Positions with open lines or dated reservations when somebody looked last: another bucket may end some of them.
    pub(crate) scheduled: BTreeSet<PositionKey>,
    /// Things that were taken and protected so far.
    pub(crate) numbers: u64,
}

impl Promise {
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// What a protection is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProtectionKey {
    pub(crate) sku: String,
    pub(crate) scope: Scope,
    pub(crate) channel: String,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Protection {
    pub(crate) protected: i64,
    pub(crate) cap: Option<i64>,
    /// What was taken after this counts as consumed.
    pub(crate) since: u64,
}

/// What a group is from a time on.
#[derive(Debug, Clone)]
pub(crate) struct GroupVersion {
    pub(crate) rank: Rank,
    pub(crate) group: String,
    /// Nothing where it is retired.
    pub(crate) members: Option<Members>,
}
