//! What a line claims of each of its positions, by the buckets that are counted there.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;

use crate::claims::line::{AT_ONCE, Claim, Curve, UpTo, claim, take_off};
use crate::claims::sums::Dated;
use crate::claims::view::{Figures, Line};
use crate::twin::Reference;

impl Reference {
    /// The curves of a line at all its positions.
    pub(crate) fn curves(&self, line: &Line) -> BTreeMap<PositionKey, Curve> {
        let mut days = BTreeSet::from([AT_ONCE]);
        for (at, figures) in &line.places {
            let sums = &figures.sums;
            let dues = sums.holds.iter().chain(&sums.posted).map(|(due, _)| *due).chain([sums.due]);
            days.extend(dues.map(|due| self.day_of(at, due)));
        }
        let mut curves: BTreeMap<PositionKey, Curve> = BTreeMap::new();
        for day in days {
            for (at, claim) in self.claims_up_to(line, day) {
                let bucket = day.saturating_sub(self.today_at(&at)).max(0);
                let curve = curves.entry(at).or_default();
                // What is past stands in bucket 0.
                curve.retain(|(known, _)| *known < bucket);
                if curve.last().is_none_or(|(_, last)| *last != claim) {
                    curve.push((bucket, claim));
                }
            }
        }
        curves
    }

    fn claims_up_to(&self, line: &Line, day: i64) -> BTreeMap<PositionKey, Claim> {
        let mut claims = BTreeMap::new();
        let mut sums = [0; 4];
        let mut gone = 0;
        for (at, figures) in &line.places {
            let up_to = self.up_to(at, figures, day);
            let [order, soft, hard, held] = figures.counted();
            let dated = if figures.is_closed() { [order, held] } else { [up_to.order, up_to.held.max(0)] };
            for (sum, figure) in sums.iter_mut().zip([dated[0], soft, hard, dated[1]]) {
                *sum += figure;
            }
            gone += figures.sums.gone();
            let is_closed = line.is_closed_at(at);
            claims.insert(at.clone(), if is_closed { Claim::default() } else { claim(figures, &up_to) });
        }
        let is_ordered = line.places.values().any(|figures| !figures.is_closed() && figures.sums.order() > 0);
        if is_ordered {
            let most = (sums.into_iter().max().unwrap_or(0) - gone).max(0);
            take_off(&mut claims, most);
        }
        claims
    }

    fn up_to(&self, at: &PositionKey, figures: &Figures, day: i64) -> UpTo {
        let sums = &figures.sums;
        let is_dropped = !self.config.promise.keeps_past_due_demand
            && sums.due.is_some_and(|due| self.buckets_away(&at.location, due) < 0);
        let is_due = !is_dropped && self.day_of(at, sums.due) <= day;
        let sum = |list: &[Dated]| {
            let due = list.iter().filter(|(due, _)| self.day_of(at, *due) <= day);
            due.map(|(_, amount)| amount).sum::<i128>()
        };
        let taken = (sums.base + sum(&sums.posted)).min(sums.taken().max(0));
        UpTo { order: if is_due { sums.order() } else { 0 }, held: sum(&sums.holds) + taken, taken }
    }

    /// `HT` up to a bucket.
    pub(crate) fn held_up_to(&self, at: &PositionKey, figures: &Figures, bucket: i64) -> i128 {
        self.up_to(at, figures, bucket.saturating_add(self.today_at(at))).held
    }
}
