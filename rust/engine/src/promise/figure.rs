//! Figures: what can be promised of one position, from its place in the ledger, its entry and the policies
//! (`docs/promise.md` §3).

use tallystick_contract::config::Measure;
use tallystick_tables::intern::NONE;

use super::{Due, Span};
use crate::atp::{self, Mode, Problem, UNLIMITED};
use crate::claims::Shown;
use crate::engine::Engine;
use crate::ledger::{MISSING, Position};
use crate::safety::Kept;
use crate::stock::Spot;
use crate::timeline::Timeline;

/// When something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    Due(Due),
    Bucket(i32),
    /// So many buckets behind bucket 0, wherever it is.
    Ahead(i32),
}

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
    pub(super) without: Option<Box<Timeline>>,
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

impl Engine {
    /// The zone of a location, as its version that holds now says.
    pub(crate) fn zone_of(&self, location: &str) -> u32 {
        if self.locations.is_empty() {
            return 0;
        }
        let version = self.locations.at(location, self.log_time_ns.unwrap_or(0));
        let name = version.and_then(|version| version.time_zone.as_deref());
        name.and_then(|name| self.promises.calendar.find(name)).unwrap_or(0)
    }

    /// Bucket 0 in a zone.
    pub(crate) fn today(&self, zone: u32) -> i32 {
        self.promises.calendar.bucket_at(zone, self.log_time_ns.unwrap_or(0))
    }

    /// The whole horizon in a zone.
    pub(crate) fn horizon(&self, zone: u32) -> Span {
        let today = self.today(zone);
        Span { today, end: today.saturating_add_unsigned(self.config.promise.horizon) }
    }

    /// The bucket of a time or date in a zone, within the horizon.
    pub(crate) fn bucket_in(&self, zone: u32, when: When) -> i32 {
        self.bucket_within(zone, self.horizon(zone), when)
    }

    /// The bucket of a time or date in a zone, within a horizon that is known.
    pub(crate) fn bucket_within(&self, zone: u32, Span { today, end }: Span, when: When) -> i32 {
        let bucket = match when {
            When::Now => today,
            When::Due(due) => self.promises.calendar.bucket_of(zone, due),
            When::Bucket(bucket) => bucket,
            When::Ahead(buckets) => today.saturating_add(buckets),
        };
        bucket.clamp(today, end - 1)
    }

    /// What the figures of a position need. Its names are looked at only where they count.
    pub(crate) fn site(&self, spot: Spot, measure: Option<&Measure>) -> Site {
        self.site_of(spot, self.promised(spot), measure)
    }

    /// What the figures of a position need, where the slot of its entry is known, if it has one.
    pub(crate) fn site_of(&self, spot: Spot, slot: Option<u32>, measure: Option<&Measure>) -> Site {
        let (part, position) = self.stock.at(spot);
        let name = |place: usize| part.names.name(position.names[place]);
        let entry = slot.map(|slot| self.promises.entry(slot));
        let claimed = entry.map_or(0, |entry| entry.claimed);
        let zone = match entry {
            Some(entry) => entry.zone,
            None if self.locations.is_empty() => 0,
            None => self.zone_of(name(1)),
        };
        let pending = if self.pendings.has_losses() { self.pendings.loss([0, 1, 2, 3].map(name)) } else { 0 };
        let accounts = &position.accounts;
        let horizon = self.horizon(zone);
        let shown = entry.map_or_else(Shown::default, |entry| entry.shown_until(horizon.today));
        let on_hand = match measure {
            None => {
                let unpicked = self.unpicked_at(spot, position);
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
        let promise = &self.config.promise;
        let reach = promise.common_reach().unwrap_or_else(|| promise.reach(name(0), name(1)));
        let fence = reach
            .lead_time
            .map_or(horizon.end, |buckets| horizon.end.min(horizon.today.saturating_add_unsigned(buckets)));
        let is_whole = position.names[2..] == [NONE; 2];
        let kept = match self.config.common_safety() {
            _ if !is_whole => Kept::Always(0),
            Some(amount) if self.items.is_empty() => Kept::Always(amount),
            _ => self.kept([name(0), name(1)], accounts[0], (zone, horizon)),
        };
        // What a measure says is on hand is not lessened by what is only ordered.
        let at_once = if measure.is_some() { shown.reserved + shown.allocated } else { shown.total() };
        let window = reach.accumulation_window;
        Site { entry: slot, zone, horizon, fence, window, on_hand, at_once, kept, without: None }
    }

    /// What the figures of a position need without the claims of some lines.
    pub(super) fn site_without(&self, spot: Spot, lines: &[u32]) -> Site {
        let mut site = self.site(spot, None);
        if let Some(slot) = site.entry {
            let mut entry = self.promises.entry(slot).clone();
            for number in lines {
                let given = &self.claims.line(*number).given;
                given.iter().filter(|given| given.spot == spot).for_each(|given| entry.take_given(given, true));
            }
            site.at_once = entry.shown_until(site.horizon.today).total();
            site.without = Some(entry.timeline.into());
        }
        site
    }

    /// What comes and goes at a position, if anything does.
    fn timeline<'s>(&'s self, site: &'s Site) -> Option<&'s Timeline> {
        let own = || site.entry.map(|slot| &self.promises.entry(slot).timeline);
        site.without.as_deref().or_else(own)
    }

    /// What is missing on the shelf of a position, because it was shipped and never picked, in thousandths.
    pub(crate) fn unpicked_at(&self, spot: Spot, position: &Position) -> i64 {
        if position.counts & MISSING == 0 {
            return 0;
        }
        self.stock.parts[spot.part as usize].shelves.missing(spot.place)
    }

    /// The figure of a position in a bucket.
    pub(crate) fn figure(&self, site: &Site, mode: Mode, bucket: i32) -> i64 {
        match (mode, &site.kept, site.window) {
            (Mode::OnHand, kept, _) => site.on_hand - site.at_once - kept.at(0),
            (Mode::LookAhead, _, None) if bucket >= site.fence => UNLIMITED,
            (Mode::LookAhead, Kept::Always(kept), None) => {
                let least = self.timeline(site).map_or(0, |timeline| timeline.least_from(site.span(), bucket));
                site.on_hand - kept + least
            }
            _ => self.figures(site, mode)[site.offset(bucket)],
        }
    }

    /// The figures of all buckets.
    pub(crate) fn figures(&self, site: &Site, mode: Mode) -> Vec<i64> {
        let (supply, demand) = match self.timeline(site) {
            Some(timeline) => timeline.dense(site.horizon),
            None => (vec![0; self.config.promise.horizon as usize], vec![0; self.config.promise.horizon as usize]),
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
            carry_shortage: self.config.promise.carry_shortage,
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
    pub(crate) fn earliest(&self, site: &Site, mode: Mode, quantity: i64) -> Option<i32> {
        let is_sparse = mode == Mode::LookAhead && site.window.is_none() && matches!(site.kept, Kept::Always(_));
        if mode == Mode::OnHand || is_sparse {
            let changes = self.timeline(site).into_iter().flat_map(|timeline| timeline.changes(site.span()));
            let fence = (site.fence < site.horizon.end).then_some(site.fence);
            let mut buckets = std::iter::once(site.horizon.today).chain(changes).chain(fence);
            return buckets.find(|bucket| self.figure(site, mode, *bucket) >= quantity);
        }
        let first = self.figures(site, mode).iter().position(|figure| *figure >= quantity)?;
        i32::try_from(first).ok().map(|offset| site.horizon.today + offset)
    }

    /// The figures from bucket 0 on, each where it changes.
    pub(crate) fn steps(&self, site: &Site, mode: Mode) -> Vec<(i32, i64)> {
        let mut steps: Vec<(i32, i64)> = Vec::new();
        for (bucket, figure) in (site.horizon.today..).zip(self.figures(site, mode)) {
            if steps.last().is_none_or(|(_, known)| *known != figure) {
                steps.push((bucket, figure));
            }
        }
        steps
    }

    /// How a bucket is written, and whether it is a day.
    pub(crate) fn bucket_text(&self, bucket: i32) -> String {
        self.promises.calendar.text(bucket)
    }
}
