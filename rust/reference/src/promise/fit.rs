//! What a line could be granted: a request is judged as if its line claimed nothing (`docs/claims.md` §4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;

use crate::claims::facts::{Fact, FactKind};
use crate::claims::hold::{Part, Purpose, Reservation};
use crate::claims::known::Known;
use crate::claims::line::{ALL_DAYS, Curve, at as claim_at};
use crate::claims::view::{Figures, Line};
use crate::document::{Order, Side};
use crate::number::Number;
use crate::twin::Reference;

use super::wanting::Wanting;

/// More than anybody can have.
pub(crate) const EVERYTHING: i64 = i64::MAX / 4;

/// What a line may want up to a bucket: everything that is left by all others.
struct Limit {
    bucket: i64,
    most: i128,
}

/// What is asked for, beside what is taken already.
struct FitRequest<'a> {
    at: &'a PositionKey,
    purpose: &'a Purpose,
    wanting: Wanting,
    beside: &'a [Part],
    order: Order,
    limits: Vec<Limit>,
    /// What lines claim without it.
    before: LineClaims,
}

impl FitRequest<'_> {
    /// Whether it asks for a line; all lines are meant where it has no number.
    fn is_for(&self, number: &Number) -> bool {
        self.purpose.number.is_none() || *number == self.purpose.number
    }
}

/// What the lines of an order claim.
type LineClaims = BTreeMap<(Number, PositionKey), Curve>;

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
        let order = purpose.order(&at.sku);
        let is_shared = self.lines_of(&order).told.has_loose();
        // Lines that share facts claim something else once this one is granted more: they are looked at with it.
        let without = if is_shared { &Number::None } else { &purpose.number };
        let limits = self.limits((at, wanting), beside, (&order, without));
        let before = self.claims_of_lines(&self.lines_beside(&order, beside));
        let ask = FitRequest { at, purpose, wanting, beside, order, limits, before };
        let fits = |quantity: i64| {
            let known = self.lines_asked(&ask, quantity);
            let claims = self.claims_of_lines(&known);
            self.fits_itself(&ask, &known, (&claims, is_shared)) && self.fits_elsewhere(&ask, (&claims, is_shared))
        };
        if fits(most) {
            return most;
        }
        let has_window = self.config.promise.reach(&at.sku, &at.location).accumulation_window.is_some();
        if !purpose.number.is_none() && !has_window && !is_shared {
            let rest = self.grantable_by_rest(&ask).clamp(0, most);
            // It says nothing where so much more changes which requests opened the line.
            if fits(rest) && (rest == most || !fits(rest + 1)) {
                return rest;
            }
        }
        let (mut fit, mut unfit) = (0, most.saturating_add(1));
        while unfit - fit > 1 {
            let tried = fit + (unfit - fit) / 2;
            if fits(tried) { fit = tried } else { unfit = tried }
        }
        fit
    }

    /// Whether what a line comes to is there, if a reservation came to something else.
    pub(crate) fn fits_settled(
        &mut self,
        (place, tried): (usize, &Reservation),
        part: &Part,
        wanting: Wanting,
    ) -> bool {
        let Some(purpose) = &part.purpose else { return false };
        let order = purpose.order(&part.at.sku);
        let known = self.lines_of(&order);
        let is_shared = known.told.has_loose();
        let without = if is_shared { &Number::None } else { &purpose.number };
        let limits = self.limits((&part.at, wanting), &[], (&order, without));
        let ask = FitRequest {
            at: &part.at,
            purpose,
            wanting,
            beside: &[],
            order,
            limits,
            before: self.claims_of_lines(&known),
        };
        let orders = self.orders_of_reservation(tried);
        let mut other = tried.clone();
        self.swap_reservation(place, &orders, &mut other);
        let known = self.lines_of(&ask.order);
        let claims = self.claims_of_lines(&known);
        let fits =
            self.fits_itself(&ask, &known, (&claims, is_shared)) && self.fits_elsewhere(&ask, (&claims, is_shared));
        self.swap_reservation(place, &orders, &mut other);
        fits
    }

    /// What one line wants grows by what it is granted, so the rest of the limits says it.
    fn grantable_by_rest(&self, ask: &FitRequest<'_>) -> i64 {
        let known = self.lines_asked(ask, 1);
        let begin = self.bucket_of(ask.at, ask.wanting.due);
        let mut most = i128::from(EVERYTHING);
        for limit in &ask.limits {
            let need = self.need(ask, &known, limit.bucket);
            if limit.bucket >= begin {
                most = most.min(limit.most - (need - 1));
            } else if need.max(0) > limit.most {
                return 0;
            }
        }
        i64::try_from(most.max(0)).unwrap_or(EVERYTHING)
    }

    /// Whether a request is effective at or before the closing of its line.
    pub(crate) fn is_closed_for(&self, purpose: &Purpose, at: &PositionKey) -> bool {
        let order = purpose.order(&at.sku);
        let is_it = |fact: &&Fact| {
            matches!(fact.said, FactKind::Closed) && fact.number == purpose.number && fact.at.location == at.location
        };
        let own = self.facts(&order).iter().filter(is_it).map(|fact| fact.time_ns);
        own.chain(self.closings_of(&order, Side::Demand)).any(|closed_ns| purpose.time_ns <= closed_ns)
    }

    fn limits(
        &self,
        (at, wanting): (&PositionKey, Wanting),
        beside: &[Part],
        without: (&Order, &Number),
    ) -> Vec<Limit> {
        let figures = self.outlook(at, None, beside, Some(without)).figures(wanting.mode);
        let limit = |(figure, bucket): (Option<i128>, i64)| Some(Limit { bucket, most: figure?.max(0) });
        if wanting.mode == Mode::LookAhead {
            return figures.into_iter().zip(0..).filter_map(limit).collect();
        }
        limit((figures[wanting.bucket], ALL_DAYS)).into_iter().collect()
    }

    /// What the order comes to with so much more for the line.
    fn lines_asked(&self, ask: &FitRequest<'_>, quantity: i64) -> Arc<Known> {
        let beside: Vec<Part> = ask.beside.iter().cloned().chain([trial(ask, quantity)]).collect();
        self.lines_beside(&ask.order, &beside)
    }

    fn claims_of_lines(&self, known: &Known) -> LineClaims {
        let of = |(number, line): (&Number, &Line)| {
            self.curves(line).into_iter().map(|(at, curve)| ((number.clone(), at), curve)).collect::<Vec<_>>()
        };
        known.lines.iter().flat_map(of).collect()
    }

    /// Whether what the line wants is there, beside what lines that share facts with it claim.
    fn fits_itself(&self, ask: &FitRequest<'_>, known: &Known, (claims, is_shared): (&LineClaims, bool)) -> bool {
        let others =
            if is_shared { claimed(claims, ALL_DAYS, |number, at| at == ask.at && !ask.is_for(number)) } else { 0 };
        let wanted = ask.limits.iter().map(|limit| self.need(ask, known, limit.bucket).max(0));
        let wanted: Vec<i128> = wanted.collect();
        // What is wanted from a bucket on must be there for that bucket.
        let before = std::iter::once(&0).chain(&wanted);
        let mut grows = wanted.iter().zip(before).zip(&ask.limits).filter(|((wanted, before), _)| wanted > before);
        grows.all(|((wanted, _), limit)| *wanted <= (limit.most - others).max(0))
    }

    /// What the line's holds and posts, or those of all lines where it has no number, want up to a bucket beyond what
    /// has gone.
    fn need(&self, ask: &FitRequest<'_>, known: &Known, bucket: i64) -> i128 {
        let own = known.lines.iter().filter(|(number, _)| ask.is_for(number));
        let here = own.filter_map(|(_, line)| line.places.get(ask.at));
        let need = |figures: &Figures| {
            let need = self.held_up_to(ask.at, figures, bucket) - figures.sums.gone();
            if ask.purpose.number.is_none() { need.max(0) } else { need }
        };
        here.map(need).sum()
    }

    /// Whether nothing of the order claims more than before, and more than is there, by what is granted: neither other
    /// lines, nor its own at another position or by another voice.
    fn fits_elsewhere(&self, ask: &FitRequest<'_>, (after, is_shared): (&LineClaims, bool)) -> bool {
        let places: BTreeSet<&PositionKey> = ask.before.keys().chain(after.keys()).map(|(_, at)| at).collect();
        places.into_iter().all(|at| {
            let all = |claims: &LineClaims, bucket: i64| {
                claimed(claims, bucket, |number, place| place == at && (is_shared || ask.is_for(number)))
            };
            let here = ask.before.iter().chain(after).filter(|((_, place), _)| place == at);
            let mut buckets: BTreeSet<i64> =
                here.flat_map(|(_, curve)| curve.iter().map(|(bucket, _)| *bucket)).collect();
            let is_by_day = ask.wanting.mode == Mode::LookAhead;
            if !is_by_day {
                // Other modes look at all days together, in the bucket that is asked for.
                buckets = BTreeSet::from([ALL_DAYS]);
            }
            // What spoils served what grew in an earlier bucket.
            let spoils = self.config.promise.reach(&at.sku, &at.location).accumulation_window.is_some();
            let mut earlier = 0;
            let grown = buckets.into_iter().filter_map(|bucket| {
                let (was, now) = (all(&ask.before, bucket), all(after, bucket));
                let more = now - was > std::mem::replace(&mut earlier, now - was);
                ((more || !spoils) && now > was).then_some((bucket, now))
            });
            let grown: Vec<(i64, i128)> = grown.collect();
            if grown.is_empty() {
                return true;
            }
            let all = Some((&ask.order, if is_shared { &Number::None } else { &ask.purpose.number }));
            let figures = self.outlook(at, None, ask.beside, all).figures(ask.wanting.mode);
            grown.into_iter().all(|(bucket, now)| {
                let bucket = if is_by_day { usize::try_from(bucket).ok() } else { Some(ask.wanting.bucket) };
                let figure = bucket.and_then(|bucket| figures.get(bucket).copied().flatten());
                figure.is_none_or(|figure| now <= figure.max(0))
            })
        })
    }
}

/// What some lines claim up to a bucket of some positions.
fn claimed(claims: &LineClaims, bucket: i64, is_meant: impl Fn(&Number, &PositionKey) -> bool) -> i128 {
    let meant = claims.iter().filter(|((number, at), _)| is_meant(number, at));
    meant.map(|(_, curve)| claim_at(curve, bucket).total()).sum()
}

/// A part that is only tried.
fn trial(ask: &FitRequest<'_>, quantity: i64) -> Part {
    Part {
        at: ask.at.clone(),
        channel: None,
        due: ask.wanting.due,
        granted: quantity,
        scopes: Vec::new(),
        purpose: Some(ask.purpose.clone()),
        number: u64::MAX,
        forgotten: None,
    }
}
