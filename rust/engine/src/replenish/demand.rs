//! Demand: what was sold of a position, day by day, for rules that count in days of it.

use tallystick_contract::account::Account;
use tallystick_contract::config::{Config, Replenish};
use tallystick_contract::limits::{DAY_NS, REPLENISH_DAYS_MAX};

use crate::core::Core;
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::replenish::{Replenishing, Site, rule};
use crate::stock::journal::Posted;
use crate::stock::legs::{Leg, Legs, Terms};

const CUSTOMER: usize = Account::Customer as usize;

/// What legs bring to customers, in thousandths; below zero for what comes back.
fn sold_by(legs: impl Iterator<Item = Leg>, quantity: i64) -> i64 {
    let here = legs.filter(|leg| leg.slot == CUSTOMER && !leg.remote);
    here.map(|leg| if leg.gives { -quantity } else { quantity }).sum()
}

impl Replenishing {
    /// Notes what an event sold.
    pub(crate) fn note_posted(
        &mut self,
        config: &Config,
        (event, posting, quantity): (&Event<'_>, &Posting<'_>, i64),
        time_ns: i64,
    ) {
        if !config.replenish.is_empty() && event.owner.is_empty() {
            let terms = Terms::of(config, event, posting.rule);
            let legs = Legs::lay_out(posting.rule, posting.statuses, terms);
            let sold = sold_by(legs.as_slice().iter().copied(), quantity);
            self.add(config, (event.sku, event.location), time_ns, sold);
        }
    }

    /// Takes back what an event sold.
    pub(crate) fn note_undone(&mut self, core: &Core, config: &Config, (part, posted): (usize, Posted)) {
        if let Some(legs) = posted.legs.filter(|_| !config.replenish.is_empty()) {
            let stock = &core.stock.parts[part];
            let names = stock.ledger.position(posted.places.0).names.map(|name| stock.names.name(name));
            let [sku, location, _, owner] = names;
            if owner.is_empty() {
                let sold = sold_by(legs.iter(), posted.quantity);
                self.add(config, (sku, location), posted.time_ns, -sold);
            }
        }
    }

    fn add(&mut self, config: &Config, (sku, location): (&str, &str), time_ns: i64, sold: i64) {
        if sold == 0 || !rule(config, (sku, location)).is_some_and(Replenish::asks_for_demand) {
            return;
        }
        let site = (sku.into(), location.into());
        let days = self.sold.entry(site.clone()).or_default();
        let day = time_ns.div_euclid(DAY_NS);
        let sum = days.entry(day).or_default();
        *sum = sum.saturating_add(sold);
        if *sum == 0 {
            days.remove(&day);
        }
        self.touched.insert(site);
    }

    /// What was sold in so many days before today, in thousandths.
    pub(crate) fn demand(&self, core: &Core, site: &Site, window_days: u32) -> i64 {
        let today = core.now_ns().div_euclid(DAY_NS);
        let days = self.sold.get(site);
        let within = days.map(|days| days.range(today - i64::from(window_days)..today));
        within.into_iter().flatten().map(|(_, sold)| *sold).fold(0, i64::saturating_add)
    }

    /// Forgets days that no rule can ask for any more, and positions that no rule asks of.
    pub(crate) fn forget_demand(&mut self, config: &Config, today: i64) {
        let first = today.saturating_sub(i64::from(REPLENISH_DAYS_MAX));
        let asks = |sku: &str, location: &str| rule(config, (sku, location)).is_some_and(Replenish::asks_for_demand);
        self.sold.retain(|(sku, location), days| {
            *days = days.split_off(&first);
            !days.is_empty() && asks(sku, location)
        });
    }
}
