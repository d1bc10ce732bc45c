//! Demand: what was sold of a site, day by day, for rules that count in days of it.

use tallystick_contract::account::Account;
use tallystick_contract::config::{Config, Replenish};
use tallystick_contract::limits::{DAY_NS, REPLENISH_DAYS_MAX};

use crate::core::Core;
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::replenish::Replenishing;
use crate::replenish::sites::{ReplenishSite, SiteNumber, key_of};
use crate::stock::Spot;
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
        core: &Core,
        config: &Config,
        (event, posting, quantity): (&Event<'_>, &Posting<'_>, i64),
        time_ns: i64,
    ) {
        if config.replenish.is_empty() || !event.owner.is_empty() {
            return;
        }
        let terms = Terms::of(config, event, posting.rule);
        let legs = Legs::lay_out(posting.rule, posting.statuses, terms);
        let sold = sold_by(legs.as_slice().iter().copied(), quantity);
        if sold != 0
            && let Some(key) = key_of(core, [event.sku, event.location])
            && let Some(number) = self.sites.find_or_add(core, key)
        {
            self.add_sold(core, number, time_ns, sold);
        }
    }

    /// Takes back what an event sold.
    pub(crate) fn note_undone(&mut self, core: &Core, (part, posted): (usize, Posted)) {
        if core.config.replenish.is_empty() {
            return;
        }
        let sold = posted.legs.map_or(0, |legs| sold_by(legs.iter(), posted.quantity));
        let part = u32::try_from(part).expect("there are few parts");
        let spot = Spot { part, place: posted.places.0 };
        if sold != 0
            && let Some(number) = self.sites.of(core, spot)
        {
            self.add_sold(core, number, posted.time_ns, -sold);
        }
    }

    fn add_sold(&mut self, core: &Core, number: SiteNumber, time_ns: i64, sold: i64) {
        let site = self.sites.get_mut(number);
        if site.rule(&core.config).is_some_and(Replenish::asks_for_demand) {
            site.add_sold(time_ns.div_euclid(DAY_NS), sold);
            self.touch_site(number);
        }
    }

    /// Forgets days that no rule can ask for any more, and all of sites whose rule asks for none.
    pub(super) fn forget_sold(&mut self, config: &Config, today: i64) {
        let first = today.saturating_sub(i64::from(REPLENISH_DAYS_MAX));
        for site in self.sites.all.iter_mut().filter(|site| !site.sold.is_empty()) {
            if site.rule(config).is_some_and(Replenish::asks_for_demand) {
                site.sold.retain(|(day, _)| *day >= first);
            } else {
                site.sold = Vec::new();
            }
        }
    }
}

impl ReplenishSite {
    fn add_sold(&mut self, day: i64, sold: i64) {
        match self.sold.binary_search_by_key(&day, |(day, _)| *day) {
            Err(place) => self.sold.insert(place, (day, sold)),
            Ok(place) => {
                let sum = &mut self.sold[place].1;
                *sum = sum.saturating_add(sold);
                if *sum == 0 {
                    self.sold.remove(place);
                }
            }
        }
    }

    /// What was sold in so many days before today, in thousandths.
    pub(super) fn demand(&self, today: i64, window_days: u32) -> i64 {
        let first = self.sold.partition_point(|(day, _)| *day < today - i64::from(window_days));
        let within = self.sold[first..].iter().take_while(|(day, _)| *day < today);
        within.map(|(_, sold)| *sold).fold(0, i64::saturating_add)
    }
}
