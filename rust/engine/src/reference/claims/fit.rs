//! What a line could be granted: a request is judged as if its line claimed nothing (`docs/claims.md` §4).

use crate::balance::PositionKey;
use crate::config::Mode;
use crate::reference::Reference;
use crate::reference::number::Number;
use crate::reference::promise::Wanting;

use super::line::ALL_DAYS;
use super::{Part, Purpose};

/// More than anybody can have.
pub(crate) const EVERYTHING: i64 = i64::MAX / 4;

/// What a line may want up to a bucket: everything that is left by all others.
struct Limit {
    bucket: i64,
    most: i128,
}

impl Reference {
    /// The most, up to some amount, that a line could be granted of a position.
    pub(crate) fn grantable(
        &self,
        at: &PositionKey,
        purpose: &Purpose,
        wanting: Wanting,
        most: i64,
        beside: &[Part],
    ) -> i64 {
        if !self.positions.contains_key(at) || self.is_closed_for(purpose, at) {
            return 0;
        }
        let limits = self.limits(at, purpose, wanting, beside);
        let fits = |quantity: i64| {
            let wanted = self.wanted_with(at, purpose, wanting, quantity, (&limits, beside));
            // What is wanted from a bucket on must be there for that bucket.
            let before = std::iter::once(&0).chain(&wanted);
            let grows = wanted.iter().zip(before).zip(&limits).filter(|((wanted, before), _)| wanted > before);
            let others = self.others_with(at, purpose, wanting, quantity, beside);
            let mut grows = grows.map(|((wanted, _), limit)| *wanted <= (limit.most - others).max(0));
            grows.all(|fits| fits)
        };
        let (mut fit, mut unfit) = (0, most.saturating_add(1));
        if fits(most) {
            return most;
        }
        let is_shared = self.lines_of(&purpose.order(&at.sku)).told.has_loose();
        let has_window = self.config.promise.reach(&at.sku, &at.location).accumulation_window.is_some();
        if !purpose.number.is_none() && !has_window && !is_shared {
            let rest = self.grantable_by_rest(at, purpose, wanting, (&limits, beside)).clamp(0, most);
            // It says nothing where so much more changes which requests opened the line.
            if fits(rest) && (rest == most || !fits(rest + 1)) {
                return rest;
            }
        }
        while unfit - fit > 1 {
            let tried = fit + (unfit - fit) / 2;
            if fits(tried) { fit = tried } else { unfit = tried }
        }
        fit
    }

    /// What one line wants grows by what it is granted, so the rest of the limits says it.
    fn grantable_by_rest(
        &self,
        at: &PositionKey,
        purpose: &Purpose,
        wanting: Wanting,
        (limits, beside): (&[Limit], &[Part]),
    ) -> i64 {
        let one = self.needs(at, purpose, wanting, 1, (limits, beside));
        let begin = self.bucket_of(at, wanting.due);
        let mut most = i128::from(EVERYTHING);
        for (need, limit) in one.iter().zip(limits) {
            if limit.bucket >= begin {
                most = most.min(limit.most - (need - 1));
            } else if (*need).max(0) > limit.most {
                return 0;
            }
        }
        i64::try_from(most.max(0)).unwrap_or(EVERYTHING)
    }

    /// Whether a request is effective at or before the closing of its line.
    pub(crate) fn is_closed_for(&self, purpose: &Purpose, at: &PositionKey) -> bool {
        let order = purpose.order(&at.sku);
        let is_it = |fact: &&super::Fact| {
            matches!(fact.said, super::Said::Closed) && fact.number == purpose.number && fact.at.location == at.location
        };
        let facts = self.claims.orders.get(&order).into_iter().flat_map(|told| &told.facts);
        let own = facts.filter(is_it).map(|fact| fact.time_ns);
        own.chain(self.closings_of(&order, super::Side::Demand)).any(|closed_ns| purpose.time_ns <= closed_ns)
    }

    fn limits(&self, at: &PositionKey, purpose: &Purpose, wanting: Wanting, beside: &[Part]) -> Vec<Limit> {
        let order = purpose.order(&at.sku);
        // Lines that share facts claim something else once this one is granted more: they are looked at with it.
        let without = if self.lines_of(&order).told.has_loose() { &Number::None } else { &purpose.number };
        let outlook = self.outlook(at, None, beside, Some((&order, without)));
        if wanting.mode == Mode::LookAhead {
            let figures = outlook.figures(Mode::LookAhead).into_iter().zip(0..);
            let limit = |(figure, bucket): (Option<i128>, i64)| Some(Limit { bucket, most: figure?.max(0) });
            return figures.filter_map(limit).collect();
        }
        let figure = outlook.figures(wanting.mode)[wanting.bucket];
        figure.map(|figure| Limit { bucket: ALL_DAYS, most: figure.max(0) }).into_iter().collect()
    }

    /// What other lines that share facts with it claim in all, if it is granted a quantity.
    fn others_with(
        &self,
        at: &PositionKey,
        purpose: &Purpose,
        wanting: Wanting,
        quantity: i64,
        beside: &[Part],
    ) -> i128 {
        let order = purpose.order(&at.sku);
        if purpose.number.is_none() || !self.lines_of(&order).told.has_loose() {
            return 0;
        }
        let beside: Vec<Part> = beside.iter().cloned().chain([trial(at, purpose, wanting, quantity)]).collect();
        let known = self.lines_beside(&order, &beside);
        let others = known.lines.iter().filter(|(number, _)| **number != purpose.number);
        let claims = others.filter_map(|(_, line)| self.curves(line).remove(at));
        claims.map(|curve| super::line::at(&curve, ALL_DAYS).total()).sum()
    }

    fn wanted_with(
        &self,
        at: &PositionKey,
        purpose: &Purpose,
        wanting: Wanting,
        quantity: i64,
        told: (&[Limit], &[Part]),
    ) -> Vec<i128> {
        self.needs(at, purpose, wanting, quantity, told).into_iter().map(|need| need.max(0)).collect()
    }

    /// What the line's holds and posts, or those of all lines where it has no number, want up to each bucket beyond
    /// what has gone.
    fn needs(
        &self,
        at: &PositionKey,
        purpose: &Purpose,
        wanting: Wanting,
        quantity: i64,
        (limits, beside): (&[Limit], &[Part]),
    ) -> Vec<i128> {
        let beside: Vec<Part> = beside.iter().cloned().chain([trial(at, purpose, wanting, quantity)]).collect();
        let known = self.lines_beside(&purpose.order(&at.sku), &beside);
        let need = |limit: &Limit| {
            let own = known.lines.iter().filter(|(number, _)| purpose.number.is_none() || **number == purpose.number);
            let here = own.filter_map(|(_, line)| line.places.get(at));
            let need = |figures: &super::view::Figures| {
                let need = self.held_up_to(at, figures, limit.bucket) - figures.sums.gone();
                if purpose.number.is_none() { need.max(0) } else { need }
            };
            here.map(need).sum()
        };
        limits.iter().map(need).collect()
    }
}

/// A part that is only tried.
fn trial(at: &PositionKey, purpose: &Purpose, wanting: Wanting, quantity: i64) -> Part {
    Part {
        at: at.clone(),
        channel: None,
        due: wanting.due,
        granted: quantity,
        scopes: Vec::new(),
        purpose: Some(purpose.clone()),
        number: u64::MAX,
        forgotten: None,
    }
}
