//! What can be taken from positions in their order.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;

use crate::calendar::Due;
use crate::claims::hold::Part;
use crate::twin::Reference;

use super::fit::EVERYTHING;
use super::kernel::Figure;
use super::outlook::is_whole;
use super::wanting::{Asks, Wanting};

impl Reference {
    /// Takes a quantity from positions in their order, or everything that there is; nothing where everything has no
    /// limit.
    pub(super) fn draw(
        &self,
        places: &[PositionKey],
        quantity: Figure,
        bucket: &dyn Fn(&PositionKey) -> usize,
        asks: Asks<'_>,
        taken: &[Part],
    ) -> Option<Vec<Part>> {
        let mut missing = quantity;
        let mut beside = taken.to_vec();
        for at in places {
            let bucket = bucket(at);
            // What is on hand knows no days.
            let is_later = bucket > 0 && asks.mode != Mode::OnHand;
            let due = is_later.then(|| Due::At(self.start_of_bucket(&at.location, bucket)));
            let wanting = Wanting { due, bucket, mode: asks.mode };
            let here = self.figure_for(at, asks, wanting, missing, &beside);
            let here = match (missing, here.map(|here| here.max(0))) {
                (None, None) => return None,
                (Some(missing), Some(here)) => missing.min(here),
                (one, other) => one.or(other).expect("one of them has a limit"),
            };
            missing = missing.map(|missing| missing - here);
            let granted = i64::try_from(here).expect("figures are sums of few accounts");
            if granted > 0 {
                let scopes = self.scopes_at(&at.sku, &at.location).into_iter().filter(|_| is_whole(at));
                let (at, channel, scopes) = (at.clone(), asks.channel.map(str::to_owned), scopes.collect());
                let purpose = asks.purpose.cloned();
                beside.push(Part { at, channel, due, granted, scopes, purpose, number: u64::MAX, forgotten: None });
            }
        }
        Some(beside.split_off(taken.len()))
    }

    /// What is there of a position for somebody: what its line could be granted, or the figure.
    fn figure_for(
        &self,
        at: &PositionKey,
        asks: Asks<'_>,
        wanting: Wanting,
        missing: Figure,
        beside: &[Part],
    ) -> Figure {
        let Some(purpose) = asks.purpose else {
            return self.figures_under(at, asks.channel, asks.mode, None, beside)[wanting.bucket];
        };
        let most = missing.and_then(|missing| i64::try_from(missing).ok()).unwrap_or(EVERYTHING);
        let own = self.grantable(at, purpose, wanting, most, beside);
        if own == 0 || !is_whole(at) || self.scopes_at(&at.sku, &at.location).is_empty() {
            return Some(own.into());
        }
        let all = self.grantable(at, purpose, wanting, EVERYTHING, beside);
        let all = (all < EVERYTHING).then_some(i128::from(all));
        self.under_protection(at, asks, (Some(own.into()), all), wanting.bucket, beside)
    }
}
