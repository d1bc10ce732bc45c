//! Replenishment: behind every element, every rule is worked out anew for every site (`docs/replenish.md`).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tallystick_contract::account::Account;
use tallystick_contract::config::{Bucket, Level, Mode, Replenish};
use tallystick_contract::limits::DAY_NS;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::{instant, quantity};

use crate::event::Event;
use crate::posting::Posting;
use crate::time::Time;
use crate::twin::{Reference, Signal, Site};

impl Reference {
    fn rule(&self, (sku, location): &Site) -> Option<&Replenish> {
        self.config.replenish.iter().find(|rule| rule.fits(sku, location))
    }

    /// A posting was made, or taken out.
    pub(crate) fn sell(&mut self, posting: &Posting, is_undone: bool) {
        let body = &posting.body;
        let site = (body.sku.clone(), body.location.clone());
        if !body.owner.is_empty() || !self.rule(&site).is_some_and(Replenish::asks_for_demand) {
            return;
        }
        let sold = posting.legs().get(&(body.key(), Account::Customer)).copied().unwrap_or(0);
        let day = posting.time_ns.div_euclid(DAY_NS);
        self.replenish.sold.push((site, day, if is_undone { -sold } else { sold }));
    }

    /// Rules are others: what was sold where none asks for it is not known any more.
    pub(crate) fn forget_sold(&mut self) {
        let sold = std::mem::take(&mut self.replenish.sold);
        let is_asked = |(site, ..): &(Site, _, _)| self.rule(site).is_some_and(Replenish::asks_for_demand);
        self.replenish.sold = sold.into_iter().filter(is_asked).collect();
    }

    /// A source has spoken: how far it is, and of which location.
    pub(crate) fn hear(&mut self, event: &Event, outcome: Outcome) {
        if outcome.is_refusal() {
            return;
        }
        let now_ns = self.now_ns();
        let time_ns = if let Some(Time::Exact(time_ns)) = event.time { time_ns } else { now_ns };
        let heard = self.replenish.heard.entry(event.source.clone()).or_insert((time_ns, BTreeSet::new()));
        heard.0 = heard.0.max(time_ns);
        if let Some(location) = &event.location {
            heard.1.insert(self.master.location_name(&event.source, location, time_ns));
        }
    }

    /// Whether a source that speaks of a location has not been heard of for too long.
    fn is_stale(&self, location: &str) -> bool {
        let lag_ns = |watermark_ns: i64| self.now_ns().saturating_sub(watermark_ns);
        let is_late =
            |watermark_ns| self.config.promise.stale_after_ns.is_some_and(|after| lag_ns(watermark_ns) > after);
        self.replenish.heard.values().any(|(watermark_ns, of)| of.contains(location) && is_late(*watermark_ns))
    }

    /// Opens and closes what is to be opened and closed.
    pub(crate) fn look_at_replenishment(&mut self, sequence: u64) {
        if self.config.replenish.is_empty() {
            self.replenish.open.clear();
            return;
        }
        let own = self.positions.keys().filter(|at| at.owner.is_empty());
        let sites: BTreeSet<Site> = own.map(|at| (at.sku.clone(), at.location.clone())).collect();
        for site in sites {
            match self.below_point(&site, sequence) {
                Some(_) if !self.replenish.open.contains_key(&site) && self.is_stale(&site.1) => {}
                Some(signal) => {
                    self.replenish.open.entry(site).or_insert(signal);
                }
                None => {
                    self.replenish.open.remove(&site);
                }
            }
        }
    }

    /// The figures of a site, if a rule asks for more.
    fn below_point(&self, site: &Site, sequence: u64) -> Option<Signal> {
        let rule = self.rule(site)?;
        let per_day = if self.config.promise.bucket == Bucket::Hour { 24 } else { 1 };
        let ahead = (rule.lead_days as usize * per_day).min(self.horizon() - 1);
        let mut available = 0;
        for at in self.positions.keys().filter(|at| (&at.sku, &at.location, &*at.owner) == (&site.0, &site.1, "")) {
            available += i128::from(self.figures(at, Mode::LookAhead, None)[ahead]?);
        }
        let today = self.now_ns().div_euclid(DAY_NS);
        let days = today - i64::from(rule.window_days)..today;
        let within = self.replenish.sold.iter().filter(|(of, day, _)| of == site && days.contains(day));
        let sold: i128 = within.map(|(_, _, sold)| sold).sum();
        let level = |level: Level| i128::from(level.of(i64::try_from(sold).expect("logs are short"), rule.window_days));
        let signal = Signal {
            available,
            point: level(rule.point),
            target: level(rule.target),
            lead_days: rule.lead_days,
            demand: rule.asks_for_demand().then_some((sold, rule.window_days)),
            sequence,
            log_time_ns: self.now_ns(),
        };
        (signal.available < signal.point).then_some(signal)
    }

    /// The signals that stand, as `replenishment` of the engine gives them, by SKU and location.
    pub fn replenishment(&self) -> Value {
        let amount = |amount: i128| {
            let text = quantity::text(i64::try_from(amount).expect("figures are bounded"));
            serde_json::from_str::<Value>(&text).expect("a quantity is a number")
        };
        let show = |((sku, location), signal): (&Site, &Signal)| {
            let mut shown = json!({
                "sku": sku, "location": location, "state": "open", "reason": "below_point",
                "quantity": amount((signal.target - signal.available).max(0)), "available": amount(signal.available),
                "reorder_point": amount(signal.point), "target": amount(signal.target),
                "lead_time_days": signal.lead_days, "sequence": signal.sequence,
                "log_time": instant::format(signal.log_time_ns),
            });
            if let Some((sold, days)) = signal.demand {
                shown["recent_demand"] = json!({"days": days, "quantity": amount(sold)});
            }
            shown
        };
        self.replenish.open.iter().map(show).collect()
    }
}
