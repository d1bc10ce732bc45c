//! What a position looks forward to: open lines and live reservations by bucket, and the figures that follow.

use std::collections::BTreeSet;

use tallystick_contract::account::{ALL, STORED};
use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;

use crate::claims::hold::Part;
use crate::claims::line::{self, Curve};
use crate::days::count;
use crate::document::Order;
use crate::number::Number;
use crate::position::Position;
use crate::twin::Reference;

use super::kernel::{Figure, Outlook};

impl Reference {
    /// What live holds without a document claim of what is on hand.
    pub(crate) fn claimed_at(&self, at: &PositionKey) -> i128 {
        let is_due = |part: &Part| part.purpose.is_none() && part.at == *at && self.bucket_of(at, part.due) == 0;
        self.live_parts().filter(|(_, part, _)| is_due(part)).map(|(.., live)| i128::from(live)).sum()
    }

    /// Safety stock of a position at a time.
    pub(crate) fn safety_stock_at(&self, at: &PositionKey, time_ns: i64) -> i64 {
        if !is_whole(at) {
            return 0;
        }
        let on_hand = i64::try_from(self.on_hand(at)).expect("overflow is refused");
        let is_in = |group: &str| self.is_in(&at.location, group);
        let said = self.master.safety_stock(&at.sku, &at.location, time_ns);
        said.unwrap_or_else(|| self.config.safety_stock(&at.sku, &at.location, time_ns, is_in).of(on_hand))
    }

    /// Whether a position's reservations cannot all be kept, from the earliest of them on.
    pub(crate) fn is_at_risk(&self, at: &PositionKey) -> bool {
        let live = self.live_parts().filter(|(id, part, _)| part.at == *at && !self.is_closed_hold(id.0, id.1));
        let Some(earliest) = live.map(|(_, part, _)| self.bucket_of(at, part.due)).min() else { return false };
        let figures = self.figures_beside(at, Mode::LookAhead, None, &[]);
        let earliest = usize::try_from(earliest).unwrap_or(usize::MAX);
        figures.get(earliest).copied().flatten().is_some_and(|figure| figure < 0)
    }

    /// The figures with what is taken beside what reservations have.
    pub(crate) fn figures_beside(
        &self,
        at: &PositionKey,
        mode: Mode,
        measure: Option<&str>,
        beside: &[Part],
    ) -> Vec<Figure> {
        if !self.positions.contains_key(at) {
            return vec![Some(0); self.horizon()];
        }
        self.outlook(at, measure, beside, None).figures(mode)
    }

    /// What a position looks forward to, as if a line, or all lines of its order where it has no number, claimed
    /// nothing.
    pub(crate) fn outlook(
        &self,
        at: &PositionKey,
        measure: Option<&str>,
        beside: &[Part],
        without: Option<(&Order, &Number)>,
    ) -> Outlook {
        let supply = self.supply_at(at);
        let mut demand = vec![0; self.horizon()];
        let curves = self.curves_at(at, beside, without);
        for curve in &curves {
            for (bucket, demand) in demand.iter_mut().enumerate().skip(1) {
                let up_to = |bucket: usize| line::at(curve, count(bucket)).total();
                *demand += up_to(bucket) - up_to(bucket - 1);
            }
        }
        let mut at_once: i128 = 0;
        let unnamed = self.live_parts().map(|(_, part, live)| (part, live));
        let tried = beside.iter().map(|part| (part, part.granted));
        for (part, live) in unnamed.chain(tried).filter(|(part, _)| part.purpose.is_none() && part.at == *at) {
            let bucket = usize::try_from(self.bucket_of(at, part.due)).unwrap_or(usize::MAX);
            if bucket == 0 {
                at_once += i128::from(live);
            } else if let Some(demand) = demand.get_mut(bucket) {
                *demand += i128::from(live);
            }
        }
        let claims: Vec<_> = curves.iter().map(|curve| line::at(curve, 0)).collect();
        let sum = |of: fn(&line::Claim) -> i128| claims.iter().map(of).sum::<i128>();
        let [mut ordered, reserved, allocated] =
            [sum(|claim| claim.ordered), sum(|claim| claim.reserved), sum(|claim| claim.allocated)];
        let claimed = [reserved + at_once, allocated];
        if measure.is_some() {
            // A measure says what is there; what orders want at once is demand like all other.
            demand[0] += ordered;
            ordered = 0;
        }
        let reach = self.config.promise.reach(&at.sku, &at.location);
        let buckets = |buckets: Option<u32>| buckets.map(|buckets| buckets as usize);
        let start_ns =
            |bucket: usize| if bucket == 0 { self.now_ns() } else { self.start_of_bucket(&at.location, bucket) };
        Outlook {
            on_hand: self.opening(at, measure, claimed) - ordered,
            supply,
            demand,
            safety: (0..self.horizon()).map(|bucket| self.safety_stock_at(at, start_ns(bucket)).into()).collect(),
            window: buckets(reach.accumulation_window),
            fence: buckets(reach.lead_time),
            carries_shortage: self.config.promise.carry_shortage,
        }
    }

    /// What is to come, by bucket.
    fn supply_at(&self, at: &PositionKey) -> Vec<i128> {
        let mut supply = vec![0; self.horizon()];
        for order in self.claims.supplies.orders().filter(|order| order.sku == at.sku) {
            for ((_, place), line) in self.supply_of(order).iter() {
                if place == at
                    && let Some(bucket) = self.bucket_of_supply(at, line)
                {
                    supply[bucket] += line.rest;
                }
            }
        }
        supply
    }

    /// What lines claim of a position.
    pub(crate) fn curves_at(
        &self,
        at: &PositionKey,
        beside: &[Part],
        without: Option<(&Order, &Number)>,
    ) -> Vec<Curve> {
        let tried = beside.iter().filter(|part| part.at.sku == at.sku);
        let tried = tried.filter_map(|part| Some(part.purpose.as_ref()?.order(&at.sku)));
        let orders: BTreeSet<Order> = self.orders_of(&at.sku).cloned().chain(tried).collect();
        let mut curves = Vec::new();
        for order in &orders {
            for (number, line) in &self.lines_beside(order, beside).lines {
                let is_left_out = without.is_some_and(|(out, line)| out == order && (line.is_none() || line == number));
                if !is_left_out && line.places.contains_key(at) {
                    curves.extend(self.curves(line).remove(at));
                }
            }
        }
        curves
    }

    /// `OH`: what is on the shelf less all claims at once, or the sum that a measure says.
    fn opening(&self, at: &PositionKey, measure: Option<&str>, [reserved, allocated]: [i128; 2]) -> i128 {
        let mut accounts = self.accounts_of(at);
        let pending = self.pending_at(at);
        match measure.and_then(|name| self.config.promise.measure(name)) {
            None => {
                let unnamed = accounts[1].max(0) + accounts[2].max(0);
                accounts[0] - self.unpicked(at) - unnamed - reserved - allocated - pending
            }
            Some(measure) => {
                accounts[1] += reserved;
                accounts[2] += allocated;
                let stored = ALL.iter().filter_map(|account| account.slot());
                let sum: i128 = stored.map(|slot| i128::from(measure.accounts[slot]) * accounts[slot]).sum();
                sum + i128::from(measure.pending) * pending
            }
        }
    }

    /// The accounts of a position, with what was posted of holds without document and day.
    pub(crate) fn accounts_of(&self, at: &PositionKey) -> [i128; STORED] {
        let mut accounts = self.positions.get(at).map_or([0; STORED], Position::accounts);
        accounts[2] += self.posted_without_document(at);
        accounts
    }
}

pub(super) fn is_whole(at: &PositionKey) -> bool {
    at.lot.is_empty() && at.owner.is_empty()
}
