//! Replenishment: when what can be promised of a position within its lead time falls below its reorder point, one
//! signal goes out, and one when it is covered again (`docs/replenish.md`).

mod demand;
mod image;

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::config::{Bucket, Config, Mode, Replenish};
use tallystick_contract::heap_size;
use tallystick_contract::limits::DAY_NS;

use crate::atp::UNLIMITED;
use crate::core::Core;
use crate::core::days::When;
use crate::output::replenishment::{Reason, Replenishment};
use crate::read::element::Place;
use crate::schedule::View;
use crate::stock::Spot;

/// SKU and location: what a rule is for. Its figure is the sum over the lots that are our own.
type Site = (Box<str>, Box<str>);

/// What is to be filled up.
#[derive(Debug)]
pub(crate) struct Replenishing {
    /// The positions of each site.
    spots: BTreeMap<Site, BTreeSet<Spot>>,
    /// What was sold, by day since 1970, in thousandths; of positions whose rule asks for it.
    sold: BTreeMap<Site, BTreeMap<i64, i64>>,
    /// Signals that stand: one for each position.
    open: BTreeMap<Site, Replenishment>,
    /// Sites to be looked at once the element is done.
    touched: BTreeSet<Site>,
    /// Sites below their point whose figure is stale: they wait for their sources.
    stale: BTreeSet<Site>,
    /// When the next day or bucket begins: what lead times and demand reach is another then.
    turn_ns: i64,
    /// What was not told yet.
    pub(crate) changes: Vec<Replenishment>,
}

impl Default for Replenishing {
    fn default() -> Self {
        Self {
            spots: BTreeMap::new(),
            sold: BTreeMap::new(),
            open: BTreeMap::new(),
            touched: BTreeSet::new(),
            stale: BTreeSet::new(),
            turn_ns: i64::MIN,
            changes: Vec::new(),
        }
    }
}

fn rule<'c>(config: &'c Config, (sku, location): (&str, &str)) -> Option<&'c Replenish> {
    config.replenish.iter().find(|rule| rule.fits(sku, location))
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

impl Replenishing {
    /// Notes that a position changed. What belongs to others is not ours to fill up.
    pub(crate) fn touch(&mut self, core: &Core, spot: Spot) {
        let [sku, location, _, owner] = core.view_names(spot);
        if owner.is_empty() {
            let site: Site = (sku.into(), location.into());
            self.spots.entry(site.clone()).or_default().insert(spot);
            self.touched.insert(site);
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

    /// Looks at all positions: another day or bucket has begun, or what is configured or defined is another.
    pub(crate) fn touch_all(&mut self, core: &Core) {
        let today = self.look_for_turn(core);
        if core.config.replenish.is_empty() {
            *self = Self {
                open: std::mem::take(&mut self.open),
                changes: std::mem::take(&mut self.changes),
                ..Self::default()
            };
        } else {
            core.stock.spots().for_each(|spot| self.touch(core, spot));
            self.forget_demand(&core.config, today);
        }
        self.touched.extend(self.open.keys().cloned());
    }

    /// Finds out when the next day or bucket begins. Returns the day.
    fn look_for_turn(&mut self, core: &Core) -> i64 {
        let today = core.now_ns().div_euclid(DAY_NS);
        let next_day_ns = today.saturating_add(1).saturating_mul(DAY_NS);
        let next_buckets = (0..core.calendar.zones()).map(|zone| core.calendar.start_of(zone, core.today(zone) + 1));
        self.turn_ns = next_buckets.fold(next_day_ns, i64::min);
        today
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

    /// Finds the positions of each site, as they stand behind a snapshot.
    pub(crate) fn find_spots(&mut self, core: &Core) {
        if !core.config.replenish.is_empty() {
            core.stock.spots().for_each(|spot| self.touch(core, spot));
            self.touched.clear();
        }
    }

    /// Looks at what an element touched. `is_stale` tells of a location whether what is known of it is too old.
    pub(crate) fn review(&mut self, view: View<'_>, place: Place, is_stale: impl Fn(&str) -> bool) {
        if !self.stale.is_empty() {
            let (waiting, fresh): (BTreeSet<Site>, BTreeSet<Site>) =
                std::mem::take(&mut self.stale).into_iter().partition(|(_, location)| is_stale(location));
            self.stale = waiting;
            self.touched.extend(fresh);
        }
        for site in std::mem::take(&mut self.touched) {
            self.look_at(view, &site, place, &is_stale);
        }
    }

    fn look_at(&mut self, view: View<'_>, site: &Site, place: Place, is_stale: &impl Fn(&str) -> bool) {
        let Some(found) = self.figures(view, site, place) else {
            if let Some(signal) = self.open.remove(site) {
                let log_time_ns = view.core.now_ns();
                self.changes.push(Replenishment { reason: Reason::NoRule, place, log_time_ns, ..signal });
            }
            return;
        };
        match (found.reason.is_open(), self.open.contains_key(site)) {
            (true, false) if is_stale(&site.1) => {
                self.stale.insert(site.clone());
            }
            (true, false) => {
                self.changes.push(found.clone());
                self.open.insert(site.clone(), found);
            }
            (false, true) => {
                self.open.remove(site);
                self.changes.push(found);
            }
            _ => {}
        }
    }

    /// What a position has, and what its rule asks of it; nothing where there is no position or no rule.
    fn figures(&self, view: View<'_>, site: &Site, place: Place) -> Option<Replenishment> {
        let View { core, config, .. } = view;
        let (sku, location) = site;
        let rule = rule(config, (sku, location))?;
        let spots = self.spots.get(site)?;
        let available = spots.iter().map(|spot| available(view, *spot, rule.lead_days)).fold(0, add);
        let sold = if rule.asks_for_demand() { self.demand(core, site, rule.window_days) } else { 0 };
        let (point, target) = (rule.point.of(sold, rule.window_days), rule.target.of(sold, rule.window_days));
        let is_below = available != UNLIMITED && available < point;
        Some(Replenishment {
            sku: sku.clone(),
            location: location.clone(),
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

    /// Signals that stand, as a JSON array, by SKU and location.
    pub(crate) fn list(&self) -> String {
        let mut out = b"[".to_vec();
        for (number, signal) in self.open.values().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            signal.write(&mut out);
        }
        out.push(b']');
        String::from_utf8(out).expect("JSON is text")
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let names = |(sku, location): &Site| sku.len() + location.len();
        let signal = |signal: &Replenishment| signal.sku.len() + signal.location.len();
        heap_size::tree::<Site, BTreeSet<Spot>>(self.spots.len())
            + self.spots.iter().map(|(site, at)| names(site) + heap_size::tree::<Spot, ()>(at.len())).sum::<usize>()
            + heap_size::tree::<Site, BTreeMap<i64, i64>>(self.sold.len())
            + self.sold.iter().map(|(site, days)| names(site) + heap_size::tree::<i64, i64>(days.len())).sum::<usize>()
            + heap_size::tree::<Site, Replenishment>(self.open.len())
            + self.open.iter().map(|(site, open)| names(site) + signal(open)).sum::<usize>()
            + heap_size::tree::<Site, ()>(self.stale.len())
            + self.stale.iter().map(names).sum::<usize>()
            + heap_size::list(&self.changes)
            + self.changes.iter().map(signal).sum::<usize>()
    }
}
