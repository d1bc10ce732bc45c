//! Replenishment: when what can be promised of a position within its lead time falls below its reorder point, one
//! signal goes out, and one when it is covered again (`docs/replenish.md`).

mod demand;
mod image;
mod list;
mod sites;

use std::collections::BTreeMap;

use tallystick_contract::config::{Bucket, Config, Mode, Replenish};
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::DAY_NS;

use crate::atp::UNLIMITED;
use crate::core::Core;
use crate::core::days::When;
use crate::output::replenishment::{Reason, Signal};
use crate::read::element::Place;
use crate::replenish::sites::{SiteNumber, Sites};
use crate::schedule::View;
use crate::stock::Spot;

/// What is to be filled up.
#[derive(Debug)]
pub(crate) struct Replenishing {
    sites: Sites,
    /// Signals that stand: one for each site.
    open: BTreeMap<SiteNumber, Signal>,
    /// Sites to be looked at once the element is done.
    touched: Vec<SiteNumber>,
    /// Sites that wait, by a source that is stale and feeds them.
    waiting: BTreeMap<Box<str>, Vec<SiteNumber>>,
    /// When the next day or bucket begins: what lead times and demand reach is another then.
    turn_ns: i64,
    /// What was not told yet.
    changes: Vec<(SiteNumber, Signal)>,
}

heap_size!(Replenishing { sites, open, touched, waiting, turn_ns, changes });

impl Default for Replenishing {
    fn default() -> Self {
        Self {
            sites: Sites::default(),
            open: BTreeMap::new(),
            touched: Vec::new(),
            waiting: BTreeMap::new(),
            turn_ns: i64::MIN,
            changes: Vec::new(),
        }
    }
}

/// What is known of the sources of a location.
pub(crate) trait Staleness {
    /// A source that feeds the location and is stale.
    fn stale_feed(&self, location: &str) -> Option<&str>;

    /// Whether a source is stale.
    fn is_stale(&self, source: &str) -> bool;
}

/// What can be promised of a position so many days ahead, in thousandths.
fn available(view: View<'_>, spot: Spot, lead_days: u32) -> i64 {
    let site = view.schedule.site(view.core, spot, None);
    let buckets = match view.config.promise.bucket {
        Bucket::Day => lead_days,
        Bucket::Hour => lead_days.saturating_mul(24),
    };
    let ahead = When::Ahead(i32::try_from(buckets).unwrap_or(i32::MAX));
    let bucket = view.core.bucket_within(site.zone, site.horizon, ahead);
    view.schedule.figure(view.core, &site, Mode::LookAhead, bucket)
}

/// The sum of two figures; without limit where one is.
fn add(sum: i64, figure: i64) -> i64 {
    if sum == UNLIMITED || figure == UNLIMITED { UNLIMITED } else { sum.saturating_add(figure).min(UNLIMITED - 1) }
}

/// The day of the log's time, since 1970.
fn today(core: &Core) -> i64 {
    core.now_ns().div_euclid(DAY_NS)
}

impl Replenishing {
    /// Notes that a position changed.
    #[inline]
    pub(crate) fn touch(&mut self, core: &Core, spot: Spot) {
        if let Some(number) = self.sites.of(core, spot) {
            self.touch_site(number);
        }
    }

    fn touch_site(&mut self, number: SiteNumber) {
        if !std::mem::replace(&mut self.sites.get_mut(number).is_touched, true) {
            self.touched.push(number);
        }
    }

    /// Whether another day or bucket has begun.
    #[inline]
    pub(crate) fn is_due(&self, config: &Config, log_time_ns: i64) -> bool {
        !config.replenish.is_empty() && log_time_ns >= self.turn_ns
    }

    /// Whether it has nothing to do: no rule, and nothing left of one.
    #[inline]
    pub(crate) fn is_idle(&self, config: &Config) -> bool {
        config.replenish.is_empty() && self.touched.is_empty()
    }

    /// When the next day or bucket begins, in nanoseconds since 1970; nothing where no rule asks for it.
    pub(crate) fn next_due_ns(&self, config: &Config) -> Option<i64> {
        Some(self.turn_ns).filter(|turn_ns| !config.replenish.is_empty() && *turn_ns > i64::MIN)
    }

    /// Takes other rules: all positions are looked at.
    pub(crate) fn follow_rules(&mut self, core: &Core) {
        self.sites.find_rules(core);
        self.touch_all(core);
    }

    /// Looks at all positions: another day or bucket has begun, or what is configured or defined is another.
    pub(crate) fn touch_all(&mut self, core: &Core) {
        self.look_for_turn(core);
        self.forget_sold(&core.config, today(core));
        if !core.config.replenish.is_empty() {
            core.stock.spots().for_each(|spot| self.touch(core, spot));
        }
        let open: Vec<SiteNumber> = self.open.keys().copied().collect();
        for number in open {
            self.touch_site(number);
        }
    }

    /// Finds out when the next day or bucket begins.
    fn look_for_turn(&mut self, core: &Core) {
        let next_day_ns = today(core).saturating_add(1).saturating_mul(DAY_NS);
        let next_buckets = (0..core.calendar.zones()).map(|zone| core.calendar.start_of(zone, core.today(zone) + 1));
        self.turn_ns = next_buckets.fold(next_day_ns, i64::min);
    }

    /// What is defined of an item is another: its safety stock may be so on a later day alone.
    pub(crate) fn touch_item(&mut self, core: &Core, sku: &str) {
        if !core.config.replenish.is_empty() {
            core.stock.spots_of(sku).into_iter().for_each(|spot| self.touch(core, spot));
        }
    }

    /// What is defined of a location is another: another zone has other buckets.
    pub(crate) fn touch_location(&mut self, core: &Core, location: &str) {
        if !core.config.replenish.is_empty() {
            // A turn that is due still comes: all positions are looked at then.
            let before_ns = self.turn_ns;
            self.look_for_turn(core);
            self.turn_ns = self.turn_ns.min(before_ns);
            let here = core.stock.spots().filter(|spot| core.view_names(*spot)[1] == location);
            here.for_each(|spot| self.touch(core, spot));
        }
    }

    /// Looks at what an element touched.
    pub(crate) fn review(&mut self, view: View<'_>, place: Place, staleness: &impl Staleness) {
        self.wake(staleness);
        let first = self.changes.len();
        let mut touched = std::mem::take(&mut self.touched);
        for number in touched.drain(..) {
            self.sites.get_mut(number).is_touched = false;
            self.look_at(view, number, place, staleness);
        }
        // The room is used again.
        self.touched = touched;
        self.changes[first..].sort_by_cached_key(|(number, _)| self.sites.names(view.core, *number).map(str::to_owned));
    }

    /// Looks again at what waited for sources that have spoken.
    fn wake(&mut self, staleness: &impl Staleness) {
        let mut woken = Vec::new();
        self.waiting.retain(|source, sites| {
            let waits_on = staleness.is_stale(source);
            if !waits_on {
                woken.append(sites);
            }
            waits_on
        });
        for number in woken {
            self.sites.get_mut(number).is_waiting = false;
            self.touch_site(number);
        }
    }

    fn look_at(&mut self, view: View<'_>, number: SiteNumber, place: Place, staleness: &impl Staleness) {
        let Some(found) = self.figures(view, number, place) else {
            if let Some(signal) = self.open.remove(&number) {
                let log_time_ns = view.core.now_ns();
                self.changes.push((number, Signal { reason: Reason::NoRule, place, log_time_ns, ..signal }));
            }
            return;
        };
        match (found.reason.is_open(), self.open.contains_key(&number)) {
            (true, false) => {
                if let Some(source) = staleness.stale_feed(self.sites.names(view.core, number)[1]) {
                    self.wait(number, source);
                } else {
                    self.open.insert(number, found);
                    self.changes.push((number, found));
                }
            }
            (false, true) => {
                self.open.remove(&number);
                self.changes.push((number, found));
            }
            _ => {}
        }
    }

    fn wait(&mut self, number: SiteNumber, source: &str) {
        if std::mem::replace(&mut self.sites.get_mut(number).is_waiting, true) {
            return;
        }
        match self.waiting.get_mut(source) {
            Some(sites) => sites.push(number),
            None => {
                self.waiting.insert(source.into(), vec![number]);
            }
        }
    }

    /// What a site has, and what its rule asks of it; nothing where there is no position or no rule.
    fn figures(&self, view: View<'_>, number: SiteNumber, place: Place) -> Option<Signal> {
        let View { core, .. } = view;
        let site = self.sites.get(number);
        let rule = site.rule(&core.config).filter(|_| !site.places.is_empty())?;
        let available = site.spots().map(|spot| available(view, spot, rule.lead_days)).fold(0, add);
        let sold = if Replenish::asks_for_demand(rule) { site.demand(today(core), rule.window_days) } else { 0 };
        let (point, target) = (rule.point.of(sold, rule.window_days), rule.target.of(sold, rule.window_days));
        let is_below = available != UNLIMITED && available < point;
        Some(Signal {
            reason: if is_below { Reason::BelowPoint } else { Reason::Covered },
            quantity: target.saturating_sub(available).max(0),
            available,
            point,
            target,
            lead_days: rule.lead_days,
            demand: rule.asks_for_demand().then_some((sold, rule.window_days)),
            place,
            log_time_ns: core.now_ns(),
        })
    }

    /// The signals that are given now.
    pub(crate) fn given<'a>(&self, core: &'a Core) -> Vec<([&'a str; 2], Signal)> {
        self.open.iter().map(|(number, signal)| (self.sites.names(core, *number), *signal)).collect()
    }

    /// What was not told yet, with the names of its sites: SKU and location.
    pub(crate) fn untold<'a>(&self, core: &'a Core) -> Vec<([&'a str; 2], Signal)> {
        self.changes.iter().map(|(number, signal)| (self.sites.names(core, *number), *signal)).collect()
    }

    pub(crate) fn is_all_told(&self) -> bool {
        self.changes.is_empty()
    }

    /// Notes that all was told. Without a rule and an open signal nothing is kept.
    pub(crate) fn note_told(&mut self, config: &Config) {
        self.changes.clear();
        if self.is_idle(config) && self.open.is_empty() {
            *self = Self::default();
        }
    }
}
