//! What a position, or a group of them, looks forward to: open lines and live reservations by bucket, and the figures that follow.

use crate::account::ALL;
use crate::balance::PositionKey;
use crate::config::Mode;
use crate::reference::Reference;

use super::calendar::{self, Calendar, Due};
use super::kernel::{Figure, Outlook};
use super::line::Side;
use super::protection::is_whole;
use super::request::Place;
use super::reservation::Part;

/// The figures of a group, bucket by bucket; nothing where one is unlimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFigures {
    /// What a request for everything would be granted.
    pub available: Vec<Option<i64>>,
    /// The sum of all figures, shortages too.
    pub signed: Vec<Option<i64>>,
}

impl Reference {
    /// The figures of a position from bucket 0 on; nothing where one is unlimited. All are zero where the position does not exist.
    pub fn figures(&self, at: &PositionKey, mode: Mode, measure: Option<&str>) -> Vec<Option<i64>> {
        narrow(self.figures_beside(at, mode, measure, &[]))
    }

    /// The same for a channel, or for those who have none.
    pub fn figures_for(&self, at: &PositionKey, channel: Option<&str>, mode: Mode) -> Vec<Option<i64>> {
        narrow(self.figures_under(at, channel, mode, None, &[]))
    }

    /// The figures of a group; nothing where it is not defined.
    pub fn group_figures(&self, sku: &str, group: &str, channel: Option<&str>, mode: Mode) -> Option<GroupFigures> {
        let (lot, owner) = (String::new(), String::new());
        let place = Place::Group { sku: sku.to_owned(), group: group.to_owned(), lot, owner };
        let places = self.places_of(&place)?;
        let all: Vec<_> = places.iter().map(|at| self.figures_beside(at, mode, None, &[])).collect();
        let available = |bucket: usize| {
            if channel.is_none() {
                return all.iter().map(|figures| figures[bucket].map(|figure| figure.max(0))).sum::<Figure>();
            }
            let parts = self.draw(&places, None, &|_| bucket, (channel, mode), &[])?;
            Some(parts.iter().map(|part| i128::from(part.held)).sum())
        };
        let signed = |bucket: usize| all.iter().map(|figures| figures[bucket]).sum::<Figure>();
        let buckets = || 0..self.horizon();
        Some(GroupFigures {
            available: narrow(buckets().map(available).collect()),
            signed: narrow(buckets().map(signed).collect()),
        })
    }

    /// The days of a bucket, or its hours: how the first of the figures is called.
    pub fn bucket_text(&self, location: &str, bucket: usize) -> String {
        let calendar = self.calendar_at(location);
        calendar.text(calendar.bucket_at(self.now_ns()) + count(bucket))
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

    pub(super) fn horizon(&self) -> usize {
        self.config.promise.horizon as usize
    }

    /// How many buckets something lies behind the bucket of the log's time, there.
    pub(super) fn buckets_away(&self, location: &str, due: Due) -> i64 {
        let calendar = self.calendar_at(location);
        calendar.bucket_of(due) - calendar.bucket_at(self.now_ns())
    }

    pub(super) fn start_of_bucket(&self, location: &str, bucket: usize) -> i64 {
        let calendar = self.calendar_at(location);
        calendar.start_ns(calendar.bucket_at(self.now_ns()) + count(bucket))
    }

    /// Whether a position's reservations cannot all be kept, from the earliest of them on.
    pub(super) fn is_at_risk(&self, at: &PositionKey) -> bool {
        let live = self.parts().filter(|part| part.at == *at && part.held > 0);
        let Some(earliest) = live.map(|part| self.bucket_of_part(part)).min() else { return false };
        let figures = self.figures_beside(at, Mode::LookAhead, None, &[]);
        figures.get(earliest).copied().flatten().is_some_and(|figure| figure < 0)
    }

    /// The figures with what is taken beside what reservations have.
    pub(super) fn figures_beside(
        &self,
        at: &PositionKey,
        mode: Mode,
        measure: Option<&str>,
        beside: &[Part],
    ) -> Vec<Figure> {
        if !self.positions.contains_key(at) {
            return vec![Some(0); self.horizon()];
        }
        self.outlook(at, measure, beside).figures(mode)
    }

    fn outlook(&self, at: &PositionKey, measure: Option<&str>, beside: &[Part]) -> Outlook {
        let (mut supply, mut demand) = (vec![0; self.horizon()], vec![0; self.horizon()]);
        for (key, line) in self.promise.lines.iter().filter(|(key, _)| key.at == *at) {
            let side = if key.side == Side::Supply { &mut supply } else { &mut demand };
            if let Some(bucket) = self.bucket_of_line(key, line) {
                side[bucket] += self.rest_of(key, line, beside);
            }
        }
        let claimed: i128 =
            beside.iter().filter(|part| part.at == *at && part.due.is_none()).map(|part| i128::from(part.held)).sum();
        for part in self.parts().chain(beside).filter(|part| part.at == *at && part.due.is_some()) {
            if let Some(demand) = demand.get_mut(self.bucket_of_part(part)) {
                *demand += i128::from(part.held);
            }
        }
        let reach = self.config.promise.reach(&at.sku, &at.location);
        let buckets = |buckets: Option<u32>| buckets.map(|buckets| buckets as usize);
        let start_ns =
            |bucket: usize| if bucket == 0 { self.now_ns() } else { self.start_of_bucket(&at.location, bucket) };
        Outlook {
            on_hand: self.opening(at, measure) - claimed,
            supply,
            demand,
            safety: (0..self.horizon()).map(|bucket| self.safety_stock_at(at, start_ns(bucket)).into()).collect(),
            window: buckets(reach.accumulation_window),
            fence: buckets(reach.lead_time),
            carries_shortage: self.config.promise.carry_shortage,
        }
    }

    /// `OH`: what is on hand less all claims, or the sum that a measure says.
    fn opening(&self, at: &PositionKey, measure: Option<&str>) -> i128 {
        let mut accounts = self.positions[at].accounts();
        accounts[1] += self.claimed_at(at);
        let pending = self.pending_at(at);
        match measure.and_then(|name| self.config.promise.measure(name)) {
            None => accounts[0] - accounts[1] - accounts[2] - pending,
            Some(measure) => {
                let stored = ALL.iter().filter_map(|account| account.slot());
                let sum: i128 = stored.map(|slot| i128::from(measure.accounts[slot]) * accounts[slot]).sum();
                sum + i128::from(measure.pending) * pending
            }
        }
    }

    fn bucket_of_part(&self, part: &Part) -> usize {
        let away = part.due.map_or(0, |due| self.buckets_away(&part.at.location, due));
        usize::try_from(away.max(0)).unwrap_or(usize::MAX)
    }

    /// The zone of a location, and the bucket of the log's time there.
    pub(super) fn day_at(&self, location: &str) -> (String, i64) {
        let zone = self.master.time_zone(location, self.now_ns()).unwrap_or(&self.config.promise.time_zone);
        (zone.to_owned(), self.calendar_at(location).bucket_at(self.now_ns()))
    }

    fn calendar_at(&self, location: &str) -> Calendar {
        let promise = &self.config.promise;
        let name = self.master.time_zone(location, self.now_ns());
        let zone = name.and_then(calendar::zone).or_else(|| calendar::zone(&promise.time_zone));
        Calendar { bucket: promise.bucket, zone: zone.expect("the configuration was checked") }
    }
}

fn narrow(figures: Vec<Figure>) -> Vec<Option<i64>> {
    let one = |figure: i128| i64::try_from(figure).expect("figures are sums of few accounts and bounded sides");
    figures.into_iter().map(|figure| figure.map(one)).collect()
}

fn count(buckets: usize) -> i64 {
    i64::try_from(buckets).expect("the horizon is short")
}
