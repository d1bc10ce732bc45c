//! Offers: what positions can give of a quantity, of what they have and what is protected there (`docs/promise.md` §4,
//! §5).

use smallvec::SmallVec;
use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_tables::intern::NONE;

use super::figure::When;
use super::need::{Lifted, Share, dated};
use super::protection::Scoped;
use crate::atp::{Mode, UNLIMITED};
use crate::directive::Scope;
use crate::engine::Engine;
use crate::stock::Spot;

/// What a line can get: how much at which position, and whether that is all of it.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) parts: SmallVec<[(Spot, i64); 4]>,
    pub(super) total: i64,
}

impl Engine {
    /// Brings the projections of a position up to date, before they are asked for again and again.
    pub(crate) fn look_at(&mut self, slot: u32) {
        let entry = self.promises.entry(slot);
        if entry.timeline.is_empty() {
            return;
        }
        let span = self.site_of(entry.spot, Some(slot), None).span();
        self.promises.entry_mut(slot).timeline.look(span);
    }

    /// What positions can give of a quantity, taken in their order.
    pub(super) fn offer(
        &self,
        sku: &str,
        spots: &[Spot],
        (when, mode, channel): (When, Mode, Option<&str>),
        quantity: i64,
        lifted: Option<&Lifted>,
    ) -> Offer {
        let scopes = self.promises.protections.of(sku);
        // What scopes have is counted from each location's own bucket 0, as far ahead as the position is looked at.
        let mut totals: (Option<i32>, Vec<i64>) = (None, Vec::new());
        let mut taken = vec![0; scopes.len()];
        let mut offer = Offer::default();
        let mut shares: SmallVec<[Share; 2]> = SmallVec::new();
        for spot in spots {
            let site = self.site(*spot, None);
            let bucket = self.bucket_within(site.zone, site.horizon, when);
            let figure_here = self.figure(&site, mode, bucket);
            let mut figure = match lifted {
                None => figure_here,
                // What scopes have is asked for as a whole.
                Some(lifted) if scopes.is_empty() => {
                    self.room(lifted, (*spot, &site), (mode, bucket), (quantity - offer.total, &shares))
                }
                Some(lifted) => self.room(lifted, (*spot, &site), (mode, bucket), (UNLIMITED, &shares)),
            };
            let ahead = bucket - site.horizon.today;
            if (totals.0 != Some(ahead) || lifted.is_some()) && !scopes.is_empty() {
                // A line sees of its position what it could be granted there.
                let own = if lifted.is_some() { figure.saturating_sub(figure_here.max(0)) } else { 0 };
                let total = |scoped: &Scoped| {
                    let total = self.total(sku, &scoped.scope, When::Ahead(ahead), mode);
                    let is_here = self.is_in_scope(&scoped.scope, *spot);
                    if is_here { total.saturating_add(own) } else { total }
                };
                totals = (Some(ahead), scopes.iter().map(total).collect());
            }
            if ahead > 0 && quantity < UNLIMITED {
                // So that buckets cannot overflow, whatever the mode or the fence allows.
                let promised = site.entry.map_or(0, |slot| self.promises.entry(slot).dated);
                figure = figure.min(ACCOUNT_MAX - promised);
            }
            let is_in = |scoped: &Scoped| self.is_in_scope(&scoped.scope, *spot);
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

    /// Whether a scope has a position among its own: one without lot and owner, within it.
    pub(super) fn is_in_scope(&self, scope: &Scope, spot: Spot) -> bool {
        let (part, position) = self.stock.at(spot);
        position.names[2..] == [NONE; 2] && self.is_within(scope, part.names.name(position.names[1]))
    }

    /// What a channel could be promised of positions, at most a quantity, in thousandths.
    pub(crate) fn offered(&self, sku: &str, spots: &[Spot], asked: (When, Mode, Option<&str>), quantity: i64) -> i64 {
        self.offer(sku, spots, asked, quantity, None).total
    }

    /// The first bucket in which positions can give a quantity.
    pub(crate) fn earliest_of(
        &self,
        sku: &str,
        spots: &[Spot],
        (mode, channel): (Mode, Option<&str>),
        quantity: i64,
        lifted: Option<&Lifted>,
    ) -> Option<i32> {
        if let ([spot], true, true) = (spots, self.promises.protections.of(sku).is_empty(), lifted.is_none()) {
            return self.earliest(&self.site(*spot, None), mode, quantity);
        }
        let (first, ..) = spots.split_first()?;
        let span = self.horizon(self.site(*first, None).zone);
        let has = |bucket: &i32| {
            let when = When::Ahead(bucket - span.today);
            self.offer(sku, spots, (when, mode, channel), quantity, lifted).total >= quantity
        };
        (span.today..span.end).find(has)
    }

    /// What a scope has in all.
    pub(crate) fn total(&self, sku: &str, scope: &Scope, when: When, mode: Mode) -> i64 {
        let figure = |spot: Spot| {
            let site = self.site(spot, None);
            self.figure(&site, mode, self.bucket_in(site.zone, when)).max(0)
        };
        self.spots_in(sku, scope).into_iter().map(figure).fold(0, i64::saturating_add)
    }

    /// The positions of a scope.
    pub(super) fn spots_in(&self, sku: &str, scope: &Scope) -> Vec<Spot> {
        let find = |location: &str| self.stock.find([sku, location, "", ""]);
        match scope {
            Scope::Location(location) => find(location).into_iter().collect(),
            Scope::Group(group) => {
                let members = self.promises.groups.members(group, self.log_time_ns.unwrap_or(0));
                members.into_iter().flatten().filter_map(find).collect()
            }
            Scope::Everywhere => {
                let is_whole = |spot: &Spot| self.stock.at(*spot).1.names[2..] == [NONE; 2];
                self.stock.spots_of(sku).into_iter().filter(is_whole).collect()
            }
        }
    }

    /// Whether a location lies in a scope.
    pub(crate) fn is_within(&self, scope: &Scope, location: &str) -> bool {
        match scope {
            Scope::Location(name) => **name == *location,
            Scope::Group(group) => self.promises.groups.contains(group, location, self.log_time_ns.unwrap_or(0)),
            Scope::Everywhere => true,
        }
    }
}
