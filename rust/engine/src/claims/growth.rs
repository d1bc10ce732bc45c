//! Growth: what a grant would let other lines of its document claim, or its own line elsewhere, or by another voice
//! (`docs/claims.md` §4). Nobody else judges that, so the grant is judged by it, too.

use std::collections::BTreeMap;

use tallystick_contract::config::Mode;

use crate::atp::UNLIMITED;
use crate::claims::book::{Claims, Line};
use crate::schedule::Site;
use crate::schedule::View;
use crate::schedule::hold::Lifted;
use crate::stock::Spot;

/// What lines claim of a position, by bucket: how much more from there on, before and after.
type Curves = BTreeMap<i32, [i128; 2]>;

impl Claims {
    /// How much is missing of what the lines of a document would claim more than before, the former given first.
    pub(crate) fn shortage_elsewhere(
        &self,
        view: View<'_>,
        lifted: &Lifted,
        (asked, site): (Spot, &Site),
        when: (Mode, i32),
        lines: [&[Line]; 2],
        closed_ns: Option<i64>,
    ) -> i128 {
        let mut curves: BTreeMap<Spot, Curves> = BTreeMap::new();
        for (which, lines) in lines.into_iter().enumerate() {
            self.add_claims(view, (lines, closed_ns), which, &mut curves);
        }
        let site_of = |spot: Spot| match lifted.spots.contains(&spot) {
            _ if spot == asked => site.clone(),
            true => view.schedule.site(view.core, spot, None),
            false => self.site_without(view, spot, &lifted.family),
        };
        let short = |(spot, curves): (Spot, Curves)| Self::shortage_at(view, &site_of(spot), when, curves);
        curves.into_iter().map(short).max().unwrap_or(0)
    }

    /// Adds what lines claim.
    fn add_claims(
        &self,
        view: View<'_>,
        (lines, closed_ns): (&[Line], Option<i64>),
        which: usize,
        curves: &mut BTreeMap<Spot, Curves>,
    ) {
        let keeps = view.core.config.promise.keeps_past_due_demand;
        let today = |spot: Spot| view.core.today(view.core.zone_of(view.core.view_names(spot)[1]));
        let dropped = |spot: Spot| (!keeps).then(|| today(spot));
        for line in lines {
            for given in self.reckon_one(line, closed_ns, dropped) {
                let curves = curves.entry(given.spot).or_default();
                for (bucket, more) in given.changes() {
                    curves.entry(bucket).or_default()[which] += i128::from(more.total());
                }
            }
        }
    }

    /// How much is missing at a position without the lines' claims, in the bucket that lacks most, of what they claim
    /// more than before.
    fn shortage_at(view: View<'_>, site: &Site, (mode, asked): (Mode, i32), curves: Curves) -> i128 {
        let (mut before, mut after, mut grown, mut short) = (0, 0, 0, 0);
        let last = curves.last_key_value().map(|(bucket, _)| *bucket);
        for (bucket, [was, is]) in curves {
            (before, after) = (before + was, after + is);
            // Other modes look at all days together, in the bucket that is asked for.
            if mode != Mode::LookAhead && Some(bucket) != last {
                continue;
            }
            let more = std::mem::replace(&mut grown, after - before) < after - before;
            let bucket = if mode == Mode::LookAhead { bucket } else { asked };
            // What spoils served what grew in an earlier bucket; nobody looks beyond the horizon.
            let is_served = !more && site.window.is_some();
            if is_served || after <= before || bucket >= site.horizon.end {
                continue;
            }
            let figure = view.schedule.figure(view.core, site, mode, bucket.max(site.horizon.today));
            if figure == UNLIMITED {
                continue;
            }
            short = short.max(after - i128::from(figure).max(0));
        }
        short
    }
}
