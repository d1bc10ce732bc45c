//! What a line claims of each of its positions, by bucket (`docs/claims.md` §2).

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;

use crate::Reference;

use super::Due;
use super::sums::Dated;
use super::view::{Figures, Line};

/// A claim as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Claim {
    pub(crate) ordered: i128,
    pub(crate) reserved: i128,
    pub(crate) allocated: i128,
}

impl Claim {
    pub(crate) fn total(self) -> i128 {
        self.ordered + self.reserved + self.allocated
    }
}

/// What is claimed from each bucket on in which it is another than before; the first is bucket 0.
pub(crate) type Curve = Vec<(i64, Claim)>;

/// Before every day.
const AT_ONCE: i64 = i64::MIN;

/// The bucket of everything.
pub(crate) const ALL_DAYS: i64 = i64::MAX;

/// What is claimed up to a bucket.
pub(crate) fn at(curve: &Curve, bucket: i64) -> Claim {
    curve.iter().rev().find(|(from, _)| *from <= bucket).map_or_else(Claim::default, |(_, claim)| *claim)
}

/// The figures of a position up to a bucket.
struct UpTo {
    order: i128,
    held: i128,
    taken: i128,
}

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

    /// The day, or hour, on which something is wanted: positions of a line are compared by it, whatever their zones.
    pub(super) fn day_of(&self, at: &PositionKey, due: Option<Due>) -> i64 {
        due.map_or(AT_ONCE, |due| self.buckets_away(&at.location, due).saturating_add(self.today_at(at)))
    }

    /// How many buckets away something is wanted; at once is bucket 0.
    pub(crate) fn bucket_of(&self, at: &PositionKey, due: Option<Due>) -> i64 {
        due.map_or(0, |due| self.buckets_away(&at.location, due).max(0))
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

fn claim(figures: &Figures, up_to: &UpTo) -> Claim {
    let sums = &figures.sums;
    let gone = sums.gone();
    let hard = (sums.hard().max(up_to.taken) - gone).max(0);
    let soft = (sums.soft().max(sums.hard()).max(up_to.held) - gone).max(0).max(hard);
    let all = (up_to.order - gone).max(soft);
    Claim { ordered: all - soft, reserved: soft - hard, allocated: hard }
}

/// Takes off what is beyond what all positions together may claim: first what only the order asks, then what is only
/// reserved, then the rest.
fn take_off(claims: &mut BTreeMap<PositionKey, Claim>, most: i128) {
    let mut beyond = claims.values().map(|claim| claim.total()).sum::<i128>() - most;
    let parts: [fn(&mut Claim) -> &mut i128; 3] =
        [|claim| &mut claim.ordered, |claim| &mut claim.reserved, |claim| &mut claim.allocated];
    for part in parts {
        for claim in claims.values_mut() {
            let part = part(claim);
            let here = beyond.min(*part).max(0);
            *part -= here;
            beyond -= here;
        }
    }
}
