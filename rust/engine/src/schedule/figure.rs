//! Figures: what can be promised of one position, from its place in the ledger, its entry and the policies
//! (`docs/promise.md` §3).

use tallystick_contract::config::Measure;
use tallystick_tables::intern::NONE;

use tallystick_contract::balance::BalanceView;
use tallystick_contract::config::Mode;

use crate::atp;
use crate::atp::timeline::{Span, Timeline};
use crate::atp::{Problem, UNLIMITED};
use crate::core::Core;
use crate::core::days::When;
use crate::core::safety::Kept;
use crate::read::directive::Scope;
use crate::schedule::Schedule;
use crate::schedule::given::AT_ONCE;
use crate::schedule::given::Shown;
use crate::stock::Spot;
use crate::stock::ledger::{PROMISED, Position};
/// All that the figures of a position need.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The slot of its entry, if it has one.
    pub(crate) entry: Option<u32>,
    pub(crate) zone: u32,
    /// The whole horizon.
    pub(crate) horizon: Span,
    /// The bucket from which on supply is unlimited, or the end of the horizon.
    pub(crate) fence: i32,
    pub(crate) window: Option<u32>,
    /// What is there, less all claims that are no lines'.
    pub(crate) on_hand: i64,
    /// What lines claim at once, and dated reservations whose day has come, as far as that lessens what is on hand.
    pub(crate) at_once: i64,
    pub(crate) kept: Kept,
    /// What comes and goes there, where that is not what its entry says: without the claims of some lines.
    pub(crate) without: Option<Box<Timeline>>,
}

/// From which bucket on something is wanted that is asked for in one; at once today, and where days are not known.
pub(crate) fn dated(site: &Site, (mode, bucket): (Mode, i32)) -> i32 {
    if bucket > site.horizon.today && mode != Mode::OnHand { bucket } else { AT_ONCE }
}

impl Site {
    /// The buckets before the fence.
    pub(crate) const fn span(&self) -> Span {
        Span { today: self.horizon.today, end: self.fence }
    }

    /// How far a bucket lies from bucket 0.
    pub(crate) fn offset(&self, bucket: i32) -> usize {
        let last = self.horizon.end - 1;
        usize::try_from(bucket.clamp(self.horizon.today, last) - self.horizon.today).unwrap_or(0)
    }
}

impl Schedule {
    /// What the figures of a position need. Its names are looked at only where they count.
    pub(crate) fn site(&self, core: &Core, spot: Spot, measure: Option<&Measure>) -> Site {
        self.site_of(core, spot, self.promised(core, spot), measure)
    }

    /// What the figures of a position need, where the slot of its entry is known, if it has one.
    pub(crate) fn site_of(&self, core: &Core, spot: Spot, slot: Option<u32>, measure: Option<&Measure>) -> Site {
        let (part, position) = core.stock.at(spot);
        let name = |place: usize| part.names.name(position.names[place]);
        let entry = slot.map(|slot| self.entry(slot));
        let claimed = entry.map_or(0, |entry| entry.claimed);
        let zone = match entry {
            Some(entry) => entry.zone,
            None if core.locations.is_empty() => 0,
            None => core.zone_of(name(1)),
        };
        let pending = if core.losses.is_empty() { 0 } else { core.losses.of([0, 1, 2, 3].map(name)) };
        let accounts = &position.accounts;
        let horizon = core.horizon(zone);
        let shown = entry.map_or_else(Shown::default, |entry| entry.shown_until(horizon.today));
        let on_hand = match measure {
            None => {
                let unpicked = core.unpicked_at(spot, position);
                accounts[0] - unpicked - accounts[1].max(0) - claimed - accounts[2].max(0) - pending
            }
            Some(measure) => {
                let amounts = accounts.iter().zip(&measure.accounts);
                let sum: i64 = amounts.map(|(amount, coefficient)| amount * i64::from(*coefficient)).sum();
                let reserved = (claimed + shown.reserved) * i64::from(measure.accounts[1]);
                let allocated = shown.allocated * i64::from(measure.accounts[2]);
                // What lines have stands in the schedule; a measure says of its own what counts of it.
                sum + reserved + allocated + pending * i64::from(measure.pending) + shown.reserved + shown.allocated
            }
        };
        let promise = &core.config.promise;
        let reach = promise.common_reach().unwrap_or_else(|| promise.reach(name(0), name(1)));
        let fence = reach
            .lead_time
            .map_or(horizon.end, |buckets| horizon.end.min(horizon.today.saturating_add_unsigned(buckets)));
        let is_whole = position.names[2..] == [NONE; 2];
        let kept = match core.config.common_safety() {
            _ if !is_whole => Kept::Always(0),
            Some(amount) if core.items.is_empty() => Kept::Always(amount),
            _ => core.kept([name(0), name(1)], accounts[0], (zone, horizon)),
        };
        // What a measure says is on hand is not lessened by what is only ordered.
        let at_once = if measure.is_some() { shown.reserved + shown.allocated } else { shown.total() };
        let window = reach.accumulation_window;
        Site { entry: slot, zone, horizon, fence, window, on_hand, at_once, kept, without: None }
    }

    /// What comes and goes at a position, if anything does.
    fn timeline<'s>(&'s self, site: &'s Site) -> Option<&'s Timeline> {
        let own = || site.entry.map(|slot| &self.entry(slot).timeline);
        site.without.as_deref().or_else(own)
    }

    /// The figure of a position in a bucket.
    pub(crate) fn figure(&self, core: &Core, site: &Site, mode: Mode, bucket: i32) -> i64 {
        match (mode, &site.kept, site.window) {
            (Mode::OnHand, kept, _) => site.on_hand - site.at_once - kept.at(0),
            (Mode::LookAhead, _, None) if bucket >= site.fence => UNLIMITED,
            (Mode::LookAhead, Kept::Always(kept), None) => {
                let least = self.timeline(site).map_or(0, |timeline| timeline.least_from(site.span(), bucket));
                site.on_hand - kept + least
            }
            _ => self.figures(core, site, mode)[site.offset(bucket)],
        }
    }

    /// The figures of all buckets.
    pub(crate) fn figures(&self, core: &Core, site: &Site, mode: Mode) -> Vec<i64> {
        let (supply, demand) = match self.timeline(site) {
            Some(timeline) => timeline.dense(site.horizon),
            None => (vec![0; core.config.promise.horizon as usize], vec![0; core.config.promise.horizon as usize]),
        };
        let safety: Vec<i64> = (0..supply.len()).map(|offset| site.kept.at(offset)).collect();
        let fence = (site.fence < site.horizon.end).then(|| site.offset(site.fence));
        let problem = Problem {
            on_hand: site.on_hand,
            supply: &supply,
            demand: &demand,
            safety: &safety,
            window: site.window.map(|buckets| buckets as usize),
            fence,
            carry_shortage: core.config.promise.carry_shortage,
        };
        let mut figures = atp::figures(&problem, mode);
        if mode == Mode::OnHand {
            for figure in &mut figures {
                *figure -= site.at_once;
            }
        }
        figures
    }

    /// The first bucket with at least a quantity.
    pub(crate) fn earliest(&self, core: &Core, site: &Site, mode: Mode, quantity: i64) -> Option<i32> {
        let is_sparse = mode == Mode::LookAhead && site.window.is_none() && matches!(site.kept, Kept::Always(_));
        if mode == Mode::OnHand || is_sparse {
            let changes = self.timeline(site).into_iter().flat_map(|timeline| timeline.changes(site.span()));
            let fence = (site.fence < site.horizon.end).then_some(site.fence);
            let mut buckets = std::iter::once(site.horizon.today).chain(changes).chain(fence);
            return buckets.find(|bucket| self.figure(core, site, mode, *bucket) >= quantity);
        }
        let first = self.figures(core, site, mode).iter().position(|figure| *figure >= quantity)?;
        i32::try_from(first).ok().map(|offset| site.horizon.today + offset)
    }

    /// The figures from bucket 0 on, each where it changes.
    pub(crate) fn steps(&self, core: &Core, site: &Site, mode: Mode) -> Vec<(i32, i64)> {
        let mut steps: Vec<(i32, i64)> = Vec::new();
        for (bucket, figure) in (site.horizon.today..).zip(self.figures(core, site, mode)) {
            if steps.last().is_none_or(|(_, known)| *known != figure) {
                steps.push((bucket, figure));
            }
        }
        steps
    }

    /// The bucket that binds what can be promised in another: the first from there on where least is left.
    pub(crate) fn binding(&self, core: &Core, site: &Site, bucket: i32) -> i32 {
        let totals = self.figures(core, site, Mode::Cumulative);
        let left = |offset: usize| totals[offset].saturating_sub(site.kept.at(offset));
        let (first, end) = (site.offset(bucket), site.offset(site.fence - 1));
        let least = (first..=end).min_by_key(|offset| left(*offset)).unwrap_or(first);
        site.horizon.today + i32::try_from(least).unwrap_or(0)
    }

    /// What a scope has in all.
    pub(crate) fn total(&self, core: &Core, sku: &str, scope: &Scope, when: When, mode: Mode) -> i64 {
        let figure = |spot: Spot| {
            let site = self.site(core, spot, None);
            self.figure(core, &site, mode, core.bucket_in(site.zone, when)).max(0)
        };
        core.spots_in(sku, scope).into_iter().map(figure).fold(0, i64::saturating_add)
    }

    /// What can be promised of a position today beyond what is on its shelf and unclaimed; less, where something is
    /// promised ahead.
    pub(crate) fn ahead(&self, core: &Core, spot: Spot, position: &Position, view: &BalanceView<'_>) -> i64 {
        let mode = core.config.promise.mode;
        let is_alike = matches!(mode, Mode::LookAhead | Mode::OnHand);
        if position.counts & PROMISED == 0 && is_alike && !core.has_safety_ahead() {
            return 0;
        }
        let site = self.site_of(core, spot, self.promised(core, spot), None);
        self.figure(core, &site, mode, site.horizon.today) - view.on_hand_atp()
    }
}
