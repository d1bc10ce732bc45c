//! Growth: what a grant would let other lines of its document claim, or its own line elsewhere (`docs/claims.md` §4).
//! Nobody else judges that, so the grant is judged by it, too.

use std::collections::BTreeMap;

use super::figure::Site;
use super::need::Lifted;
use crate::atp::{Mode, UNLIMITED};
use crate::claiming::is_before;
use crate::claims::Line;
use crate::engine::Engine;
use crate::stock::Spot;

/// What lines claim of a position beside what is asked for, by bucket: how much more from there on, before and after.
type Curves = BTreeMap<i32, [i128; 2]>;

impl Engine {
    /// How much is missing for what would be claimed more than before, beside what is asked for.
    pub(super) fn shortage_elsewhere(
        &self,
        lifted: &Lifted,
        (asked, site): (Spot, &Site),
        mode: Mode,
        (lines, closed_ns, needs): (&[Line], Option<i64>, &[(i32, i128)]),
    ) -> i128 {
        let stock = &self.stock;
        let before = match &*lifted.family {
            [only] => vec![self.claims.line(*only).clone()],
            family => self.claims.shared_out(family, |one, other| is_before(stock, one, other)),
        };
        let mut curves: BTreeMap<Spot, Curves> = BTreeMap::new();
        for (which, lines) in [&*before, lines].into_iter().enumerate() {
            self.add_claims(lifted, asked, (lines, closed_ns), which, &mut curves);
        }
        let own_site = |spot: Spot| if spot == asked { site.clone() } else { self.site(spot, None) };
        let needs_at = |spot: Spot| if spot == asked { needs } else { &[] };
        let short = |(spot, curves): (Spot, Curves)| {
            let is_lifted = lifted.spots.contains(&spot);
            self.shortage_at((&own_site(spot), mode), curves, needs_at(spot), is_lifted)
        };
        curves.into_iter().map(short).max().unwrap_or(0)
    }

    /// Adds what lines claim, but for what is asked for.
    fn add_claims(
        &self,
        lifted: &Lifted,
        asked: Spot,
        (lines, closed_ns): (&[Line], Option<i64>),
        which: usize,
        curves: &mut BTreeMap<Spot, Curves>,
    ) {
        let own = self.claims.line(lifted.line);
        let keeps = self.config.promise.keeps_past_due_demand;
        let today = |spot: Spot| self.today(self.zone_of(self.view_names(spot)[1]));
        let dropped = |spot: Spot| (!keeps).then(|| today(spot));
        for line in lines {
            let is_own = own.number.is_none() || line.number == own.number;
            for given in self.claims.reckon_one(line, closed_ns, dropped) {
                if is_own && given.spot == asked {
                    continue;
                }
                let curves = curves.entry(given.spot).or_default();
                for (bucket, more) in given.changes() {
                    curves.entry(bucket).or_default()[which] += i128::from(more.total());
                }
            }
        }
    }

    /// How much is missing at a position, in the bucket that lacks most, of what is claimed more than before.
    fn shortage_at(
        &self,
        (site, mode): (&Site, Mode),
        mut curves: Curves,
        needs: &[(i32, i128)],
        is_lifted: bool,
    ) -> i128 {
        for (bucket, _) in needs {
            curves.entry(*bucket).or_default();
        }
        let (mut before, mut after, mut short) = (0, 0, 0);
        for (bucket, [was, is]) in curves {
            (before, after) = (before + was, after + is);
            let figure = self.figure(site, mode, bucket.clamp(site.horizon.today, site.horizon.end - 1));
            if after <= before || figure == UNLIMITED {
                continue;
            }
            let need = needs.iter().rev().find(|(from, _)| *from <= bucket).map_or(0, |(_, need)| (*need).max(0));
            // What is not lifted is counted in the figure.
            let wanted = need + if is_lifted { after } else { after - before };
            short = short.max(wanted - i128::from(figure).max(0));
        }
        short
    }
}
