//! Review: what an element changed is looked at once it is done, and what the log's time brings for promises is brought
//! about: expiry, the next bucket, zones that change (`docs/promise.md` §1, §4).

use tallystick_contract::config::Config;

use crate::calendar::Calendar;
use crate::output::batch::Batch;
use crate::read::element::Place;
use crate::schedule::Books;
use crate::schedule::View;
use crate::spine::engine::Engine;
use crate::spine::lines::SourceFeeds;
use crate::stock::Spot;

impl Engine {
    /// Notes the positions that have another safety stock by a rule or a group that has begun or ended.
    pub(crate) fn follow_safety(&mut self, config: &Config, log_time_ns: i64, sequence: u64) {
        if self.core.safety_ns == i64::MIN {
            // It is not known yet when the next one does.
            self.core.safety_ns = self.core.next_safety(config, log_time_ns);
        }
        if log_time_ns < self.core.safety_ns {
            return;
        }
        self.schedule.review_all();
        let before_ns = self.core.safety_ns - 1;
        self.core.safety_ns = self.core.next_safety(config, log_time_ns);
        for spot in self.spots() {
            let [sku, location, lot, owner] = self.core.view_names(spot);
            let is_whole = lot.is_empty() && owner.is_empty();
            if is_whole
                && self.core.safety_among(sku, location, before_ns, before_ns) != self.core.safety_stock(sku, location)
            {
                self.core.touch(spot, sequence);
            }
        }
    }

    /// Lets the lines of a location count in the zone that it has now.
    pub(crate) fn rezone(&mut self, config: &Config, location: &str, sequence: u64) {
        let zone = self.core.zone_of(location);
        for slot in self.schedule.slots() {
            let (spot, known) = (self.schedule.entry(slot).spot, self.schedule.entry(slot).zone);
            if known != zone && self.core.view_names(spot)[1] == location {
                self.schedule.entry_mut(slot).zone = zone;
                self.promises.recount_entry(&mut Books::new(&mut self.core, &mut self.schedule, config, 0), slot);
                self.core.touch(spot, sequence);
            }
        }
        self.claims
            .rebucket(&mut Books::new(&mut self.core, &mut self.schedule, config, sequence), |known| known == location);
    }

    /// Counts everything anew under another configuration.
    pub(crate) fn recount_all(&mut self, config: &Config, sequence: u64) {
        self.core.calendar = Calendar::new(config.promise.bucket, &config.promise.time_zone);
        for zone in self.core.locations.time_zones() {
            self.core.calendar.zone(&zone);
        }
        self.schedule.reach_zones(&mut self.core);
        for slot in self.schedule.slots() {
            let spot = self.schedule.entry(slot).spot;
            let zone = self.core.zone_of(self.core.view_names(spot)[1]);
            self.schedule.entry_mut(slot).zone = zone;
            self.promises.recount_entry(&mut Books::new(&mut self.core, &mut self.schedule, config, 0), slot);
            self.core.touch(spot, sequence);
        }
        self.claims.rebucket(&mut Books::new(&mut self.core, &mut self.schedule, config, sequence), |_| true);
    }

    /// Looks at all positions that an element changed.
    #[inline]
    pub(crate) fn review(&mut self, config: &Config, place: Place, batch: &mut Batch) {
        if self.schedule.is_used || !self.replenish.is_idle(config) {
            self.review_touched(config, place);
            self.pass_notices(batch);
        }
    }

    fn review_touched(&mut self, config: &Config, place: Place) {
        for part in 0..self.core.stock.parts.len() {
            let mut promised = std::mem::take(&mut self.core.stock.parts[part].promised);
            let part_number = u32::try_from(part).expect("there are few parts");
            for place in promised.drain(..) {
                let spot = Spot { part: part_number, place };
                if let Some(slot) = self.schedule.find(spot) {
                    self.schedule.touch(slot);
                }
                if !config.replenish.is_empty() {
                    self.replenish.touch(&self.core, spot);
                }
            }
            // The room is used again.
            self.core.stock.parts[part].promised = promised;
        }
        if !self.schedule.overdue.is_empty() {
            self.claims
                .tell_lines_overdue(&mut Books::new(&mut self.core, &mut self.schedule, config, place.sequence), place);
        }
        self.review_risks(config, place);
        if !self.replenish.is_idle(config) {
            // Once all that the element changed counts.
            let Self { core, schedule, replenish, sources, tracker, .. } = self;
            replenish.review(View::new(core, schedule, config), place, &SourceFeeds { core, sources, tracker });
        }
    }

    /// Looks at the entries that an element changed.
    fn review_risks(&mut self, config: &Config, place: Place) {
        if self.schedule.touched.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.schedule.touched);
        if touched.len() > 1 {
            let names = |slot: u32| self.core.view_names(self.schedule.entry(slot).spot);
            touched.sort_by(|one, other| names(*one).cmp(&names(*other)));
        }
        for slot in touched.drain(..) {
            self.schedule.entry_mut(slot).is_touched = false;
            self.promises.review_risk(
                &mut Books::new(&mut self.core, &mut self.schedule, config, place.sequence),
                slot,
                place,
            );
            self.schedule.drop_if_idle(&mut self.core, slot);
        }
        // The room is used again.
        self.schedule.touched = touched;
    }
}
