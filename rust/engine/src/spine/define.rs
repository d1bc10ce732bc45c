//! Defining: master data and configuration that the log changes (`docs/truth.md` §6, §8).

use crate::core::context::Context;
use crate::diagnostics::{Diagnostics, Now};
use crate::master::Version;
use crate::master::group::Grouping;
use crate::read::directive::Change;
use crate::shadow::Shadow;
use crate::spine::engine::Engine;
use std::sync::Arc;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;

impl Engine {
    /// Defines what holds of a location from a time on.
    pub(crate) fn define_location(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        location: &str,
        version: &Version,
        now: Now,
    ) -> Outcome {
        let version = Version { time_ns: context.time_ns, ..version.clone() };
        let is_defined = !version.is_retired;
        if let Some(zone) = &version.time_zone {
            self.core.calendar.zone(zone);
            self.schedule.reach_zones(&mut self.core);
        }
        self.core.locations.define(location, version, now.log_time_ns);
        self.rezone(config, location, context.sequence);
        self.replenish.touch_location(&self.core, location);
        if is_defined {
            self.work.resolve("unknown_location", location, "defined", now);
        }
        Outcome::Applied
    }

    /// Changes the configuration for the elements behind this one.
    pub(crate) fn configure(&mut self, config: &Config, change: &Change, sequence: u64) -> Outcome {
        match change {
            Change::Act(tables) => {
                let changed = config.changed(tables).expect("it was checked when the directive was read");
                self.work.configure(changed.exceptions_max, changed.escalate_after_ns);
                self.reconfigure(changed, sequence);
                if self.core.config.promise != config.promise {
                    let config = Arc::clone(&self.core.config);
                    self.recount_all(&config, sequence);
                }
                self.shadow = None;
                self.sources.rewatch();
                self.in_transit.rewatch(self.core.config.transfer_age_ns);
            }
            Change::Shadow(tables) => {
                let changed = config.changed(tables).expect("it was checked when the directive was read");
                let policy = changed.ownership.expect("a shadow has a policy");
                self.shadow = Some(Shadow::new(policy, tables.clone(), sequence));
            }
            Change::EndShadow => self.shadow = None,
        }
        Outcome::Applied
    }

    /// Takes another configuration, and notes which positions have another safety stock under it.
    fn reconfigure(&mut self, changed: Config, sequence: u64) {
        let is_same = self.core.config.has_same_safety_stocks(&changed);
        let spots = if is_same { Vec::new() } else { self.spots() };
        let before: Vec<i64> = spots.iter().map(|spot| self.view(*spot).safety_stock).collect();
        let was_asked = !(self.core.config.replenish.is_empty() && changed.replenish.is_empty());
        self.core.config = Arc::new(changed);
        if was_asked {
            self.core.stock.watch(!self.core.config.replenish.is_empty());
            self.replenish.follow_rules(&self.core);
        }
        self.core.look_for_safety();
        self.schedule.review_all();
        self.is_reconfigured = true;
        for (spot, before) in spots.into_iter().zip(before) {
            if self.view(spot).safety_stock != before {
                self.core.touch(spot, sequence);
            }
        }
    }

    /// Defines what a group is from a time on.
    pub(crate) fn define_group(
        &mut self,
        context: &Context<'_, '_>,
        group: &str,
        command: &Grouping,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        if self.core.groups.reaches(&command.groups, group) {
            diagnostics.why = Some(format!("group {group:?} would contain itself through others"));
            return Outcome::UnknownReference;
        }
        let event = &context.decoded.event;
        let rank = (context.time_ns, event.source, event.id);
        let is_kept = self.core.config.has_group_safety();
        let spots = if is_kept { self.spots() } else { Vec::new() };
        let before: Vec<_> = spots.iter().map(|spot| self.view(*spot).safety_stock).collect();
        self.core.groups.define(group, rank, command.clone());
        for (spot, before) in spots.into_iter().zip(before) {
            if self.view(spot).safety_stock != before {
                self.core.touch(spot, context.sequence);
            }
        }
        if is_kept {
            self.schedule.review_all();
            self.replenish.touch_all(&self.core);
        }
        self.core.look_for_safety();
        Outcome::Applied
    }
}
