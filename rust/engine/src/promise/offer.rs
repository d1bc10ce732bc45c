//! Offers: what positions can give of a quantity, of what they have and what is protected there (`docs/promise.md` §4,
//! §5).

use smallvec::SmallVec;
use tallystick_contract::limits::ACCOUNT_MAX;

use tallystick_contract::config::Mode;

use crate::atp::UNLIMITED;
use crate::core::days::When;
use crate::promise::Promises;
use crate::promise::lines::OrderLines;
use crate::promise::protection::Scoped;
use crate::schedule::View;
use crate::schedule::dated;
use crate::schedule::hold::{Lifted, Share};
use crate::stock::Spot;
/// What a line can get: how much at which position, and whether that is all of it.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    pub(crate) parts: SmallVec<[(Spot, i64); 4]>,
    pub(crate) total: i64,
}

/// What is asked of positions, taken in their order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand<'a> {
    pub(crate) sku: &'a str,
    pub(crate) spots: &'a [Spot],
    pub(crate) when: When,
    pub(crate) mode: Mode,
    pub(crate) channel: Option<&'a str>,
    /// At most, in thousandths.
    pub(crate) quantity: i64,
}

impl Promises {
    /// What positions can give of what is asked.
    pub(crate) fn offer(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        demand: &Demand<'_>,
        lifted: Option<&Lifted>,
    ) -> Offer {
        let Demand { sku, spots, when, mode, channel, quantity } = *demand;
        let scopes = self.protections.of(sku);
        // What scopes have is counted from each location's own bucket 0, as far ahead as the position is looked at.
        let mut totals: (Option<i32>, Vec<i64>) = (None, Vec::new());
        let mut taken = vec![0; scopes.len()];
        let mut offer = Offer::default();
        let mut shares: SmallVec<[Share; 2]> = SmallVec::new();
        for spot in spots {
            let site = view.schedule.site(view.core, *spot, None);
            let bucket = view.core.bucket_within(site.zone, site.horizon, when);
            let figure_here = view.schedule.figure(view.core, &site, mode, bucket);
            let mut figure = match lifted {
                None => figure_here,
                // What scopes have is asked for as a whole.
                Some(lifted) if scopes.is_empty() => {
                    orders.room(view, lifted, (*spot, &site), (mode, bucket), (quantity - offer.total, &shares))
                }
                Some(lifted) => orders.room(view, lifted, (*spot, &site), (mode, bucket), (UNLIMITED, &shares)),
            };
            let ahead = bucket - site.horizon.today;
            if (totals.0 != Some(ahead) || lifted.is_some()) && !scopes.is_empty() {
                // A line sees of its position what it could be granted there.
                let own = if lifted.is_some() { figure.saturating_sub(figure_here.max(0)) } else { 0 };
                let total = |scoped: &Scoped| {
                    let total = view.schedule.total(view.core, sku, &scoped.scope, When::Ahead(ahead), mode);
                    let is_here = view.core.is_in_scope(&scoped.scope, *spot);
                    if is_here { total.saturating_add(own) } else { total }
                };
                totals = (Some(ahead), scopes.iter().map(total).collect());
            }
            if ahead > 0 && quantity < UNLIMITED {
                // So that buckets cannot overflow, whatever the mode or the fence allows.
                let promised = site.entry.map_or(0, |slot| view.schedule.entry(slot).dated);
                figure = figure.min(ACCOUNT_MAX - promised);
            }
            let is_in = |scoped: &Scoped| view.core.is_in_scope(&scoped.scope, *spot);
            for ((scoped, total), taken) in scopes.iter().zip(&totals.1).zip(&taken) {
                if is_in(scoped) {
                    figure = figure.min(scoped.view(*total, channel, *taken));
                }
            }
            let share = figure.max(0).min(quantity - offer.total);
            if share > 0 {
                offer.parts.push((*spot, share));
                shares.push(Share { spot: *spot, quantity: share, bucket: dated(&site, (mode, bucket)) });
                offer.total += share;
                for (scoped, taken) in scopes.iter().zip(&mut taken) {
                    *taken += if is_in(scoped) { share } else { 0 };
                }
            }
            if offer.total == quantity {
                break;
            }
        }
        offer
    }

    /// The first bucket in which positions can give a quantity.
    pub(crate) fn earliest_of(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        demand: &Demand<'_>,
        lifted: Option<&Lifted>,
    ) -> Option<i32> {
        let Demand { sku, spots, mode, quantity, .. } = *demand;
        if let ([spot], true, true) = (spots, self.protections.of(sku).is_empty(), lifted.is_none()) {
            return view.schedule.earliest(view.core, &view.schedule.site(view.core, *spot, None), mode, quantity);
        }
        let (first, ..) = spots.split_first()?;
        let span = view.core.horizon(view.schedule.site(view.core, *first, None).zone);
        let has = |bucket: &i32| {
            let when = When::Ahead(bucket - span.today);
            self.offer(view, orders, &Demand { when, ..*demand }, lifted).total >= quantity
        };
        (span.today..span.end).find(has)
    }
}
