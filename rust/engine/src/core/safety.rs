//! Safety stock: what must be left of a position, at the log's time and over the horizon, and which positions have
//! another one because a version, a rule or a group has begun or ended.

use tallystick_contract::config::{Amount, Config};

use std::collections::BTreeMap;

use crate::atp::timeline::Span;
use crate::core::Core;
/// Safety stock over the horizon, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    Always(i64),
    ByBucket(Vec<i64>),
}

impl Kept {
    /// What is kept in a bucket, counted from bucket 0.
    pub(crate) fn at(&self, offset: usize) -> i64 {
        match self {
            Self::Always(amount) => *amount,
            Self::ByBucket(amounts) => amounts.get(offset).copied().unwrap_or_default(),
        }
    }
}

impl Core {
    /// Safety stock: by the item's version that holds at the log's time, or by configuration.
    pub(crate) fn safety_stock(&self, sku: &str, location: &str) -> Amount {
        self.safety_at(sku, location, self.now_ns())
    }

    /// Safety stock over the horizon.
    pub(crate) fn kept(&self, [sku, location]: [&str; 2], on_hand: i64, (zone, horizon): (u32, Span)) -> Kept {
        let now_ns = self.now_ns();
        let first = self.safety_at(sku, location, now_ns).of(on_hand);
        if !self.config.has_dated_safety() && self.items.is_empty() {
            return Kept::Always(first);
        }
        let end_ns = self.calendar.start_of(zone, horizon.end);
        let changes = self.config.next_safety_ns(now_ns).is_some_and(|ns| ns < end_ns)
            || self.items.changes_between(sku, now_ns, end_ns);
        if !changes {
            return Kept::Always(first);
        }
        let later = (horizon.today + 1..horizon.end)
            .map(|bucket| self.safety_at(sku, location, self.calendar.start_of(zone, bucket)).of(on_hand));
        Kept::ByBucket(std::iter::once(first).chain(later).collect())
    }

    /// Safety stock at a time: by the item's version that holds then, or by configuration and the groups of the log's
    /// time.
    pub(crate) fn safety_at(&self, sku: &str, location: &str, time_ns: i64) -> Amount {
        self.safety_among(sku, location, time_ns, self.now_ns())
    }

    /// Safety stock with the groups of another time.
    pub(crate) fn safety_among(&self, sku: &str, location: &str, time_ns: i64, groups_ns: i64) -> Amount {
        let version = if self.items.is_empty() { None } else { self.items.at(sku, time_ns) };
        let said = version.and_then(|version| version.safety_at(location)).map(Amount::Absolute);
        said.unwrap_or_else(|| {
            let is_in = |group: &str| self.groups.contains(group, location, groups_ns);
            self.config.safety_stock(sku, location, time_ns, is_in)
        })
    }

    /// Notes the positions that have another safety stock by versions that have begun.
    #[cold]
    pub(crate) fn touch_begun(&mut self, log_time_ns: i64, sequence: u64) {
        let mut begun: Vec<(Box<str>, i64)> = Vec::new();
        while let Some((sku, begun_ns)) = self.items.begun(log_time_ns) {
            // Of several versions that have begun since, the first tells what was before.
            if !begun.iter().any(|(known, _)| *known == sku) {
                begun.push((sku, begun_ns));
            }
        }
        for (sku, begun_ns) in begun {
            self.touch_item(&sku, sequence, |core, location| core.safety_at(&sku, location, begun_ns - 1));
        }
    }

    /// Finds out anew when the next rule or group begins or ends.
    pub(crate) fn look_for_safety(&mut self) {
        self.safety_ns = self.log_time_ns.map_or(i64::MIN, |now_ns| self.next_safety(&self.config, now_ns));
    }

    pub(crate) fn next_safety(&self, config: &Config, after_ns: i64) -> i64 {
        let group = if config.has_group_safety() { self.groups.next_change(after_ns) } else { None };
        let next = [config.next_safety_ns(after_ns), group].into_iter().flatten().min();
        next.unwrap_or(i64::MAX)
    }

    /// Safety stock of an item by location, where it has positions.
    pub(crate) fn safety_stocks(&self, sku: &str) -> BTreeMap<String, Amount> {
        let spots = self.stock.spots_of(sku).into_iter();
        let location = |spot| self.view_names(spot)[1].to_owned();
        spots.map(location).map(|location| (location.clone(), self.safety_stock(sku, &location))).collect()
    }

    /// Notes which positions of an item have another safety stock than before.
    pub(crate) fn touch_item(&mut self, sku: &str, sequence: u64, before: impl Fn(&Self, &str) -> Amount) {
        for spot in self.stock.spots_of(sku) {
            let [_, location, lot, owner] = self.view_names(spot);
            let is_whole = lot.is_empty() && owner.is_empty();
            if is_whole && before(self, location) != self.safety_stock(sku, location) {
                self.touch(spot, sequence);
            }
        }
    }

    /// Whether safety stock may be another on another day.
    pub(crate) fn has_safety_ahead(&self) -> bool {
        self.config.common_safety().is_none() || !self.items.is_empty()
    }
}
