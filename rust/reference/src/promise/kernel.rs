//! The kernel of `docs/promise.md` §3 by its definitions. Within a window nothing is solved: promises are tried, and
//! served earliest expiry first.

use tallystick_contract::config::Mode;

/// A figure; nothing where it is unlimited.
pub(crate) type Figure = Option<i128>;

/// One position over the horizon.
#[derive(Debug, Clone)]
pub(crate) struct Outlook {
    /// What is there, less all claims at once.
    pub(crate) on_hand: i128,
    pub(crate) supply: Vec<i128>,
    pub(crate) demand: Vec<i128>,
    /// What must be left at the beginning of each bucket.
    pub(crate) safety: Vec<i128>,
    pub(crate) window: Option<usize>,
    pub(crate) fence: Option<usize>,
    pub(crate) carries_shortage: bool,
}

impl Outlook {
    /// The figure of each bucket.
    pub(crate) fn figures(&self, mode: Mode) -> Vec<Figure> {
        let buckets = 0..self.supply.len();
        let figures: Vec<i128> = match mode {
            Mode::OnHand => buckets.map(|_| self.on_hand - self.safety[0]).collect(),
            Mode::PeriodNet => self.period_net(),
            Mode::Discrete => buckets.map(|bucket| self.discrete(bucket)).collect(),
            Mode::DiscreteRunningTotal => {
                buckets.map(|bucket| (0..=bucket).map(|each| self.discrete(each)).sum()).collect()
            }
            Mode::Cumulative => buckets.map(|bucket| self.projected(bucket)).collect(),
            Mode::LookAhead => {
                let spare = self.spare();
                return buckets.map(|bucket| self.look_ahead(bucket, &spare)).collect();
            }
            Mode::Backward => self.backward(),
            Mode::BackwardAccumulated => self.backward_accumulated(),
        };
        figures.into_iter().map(Some).collect()
    }

    fn period_net(&self) -> Vec<i128> {
        let opening = |bucket: usize| if bucket == 0 { self.on_hand } else { 0 };
        (0..self.supply.len()).map(|bucket| opening(bucket) + self.supply[bucket] - self.demand[bucket]).collect()
    }

    /// `P[t]`
    pub(crate) fn projected(&self, bucket: usize) -> i128 {
        self.on_hand + self.supply[..=bucket].iter().sum::<i128>() - self.demand[..=bucket].iter().sum::<i128>()
    }

    /// `P[t] − SS[t]` of all buckets: they are asked for again and again, so the sums run on.
    fn spare(&self) -> Vec<i128> {
        let mut projected = self.on_hand;
        let mut spare = Vec::with_capacity(self.supply.len());
        for (bucket, safety) in self.safety.iter().enumerate() {
            projected += self.supply[bucket] - self.demand[bucket];
            spare.push(projected - safety);
        }
        spare
    }

    fn discrete(&self, bucket: usize) -> i128 {
        let begins = |bucket: usize| bucket == 0 || self.supply[bucket] > 0;
        if !begins(bucket) {
            return 0;
        }
        let end = (bucket + 1..self.supply.len()).find(|later| begins(*later)).unwrap_or(self.supply.len());
        let opening = if bucket == 0 { self.on_hand } else { 0 };
        opening + self.supply[bucket] - self.demand[bucket..end].iter().sum::<i128>()
    }

    fn backward(&self) -> Vec<i128> {
        let mut figures = self.period_net();
        for bucket in 0..figures.len() {
            while figures[bucket] < 0
                && let Some(giver) = (0..bucket).rev().find(|earlier| figures[*earlier] > 0)
            {
                let taken = figures[giver].min(-figures[bucket]);
                figures[giver] -= taken;
                figures[bucket] += taken;
            }
        }
        figures
    }

    fn backward_accumulated(&self) -> Vec<i128> {
        let mut total = 0;
        let add = |figure: i128| {
            total = figure + if self.carries_shortage { total } else { total.max(0) };
            total
        };
        self.backward().into_iter().map(add).collect()
    }

    /// `A[t]`: the most that can be promised in a bucket so that nothing is short from there on.
    fn look_ahead(&self, bucket: usize, spare: &[i128]) -> Figure {
        let end = self.fence.map_or(self.supply.len(), |fence| fence.min(self.supply.len()));
        if bucket >= end {
            return None;
        }
        match self.window {
            Some(window) if self.is_served(0, 0, window, end) => Some(self.most(bucket, window, end)),
            Some(window) => Some(self.by_spans(bucket, window, end)),
            None => spare[bucket..end].iter().min().copied(),
        }
    }

    /// Within a window, what is found by trying, where nothing is short to begin with, and what the formula says.
    #[cfg(test)]
    pub(crate) fn both(&self, bucket: usize) -> [Figure; 2] {
        let end = self.fence.map_or(self.supply.len(), |fence| fence.min(self.supply.len()));
        let window = self.window.expect("there is one");
        let tried = self.is_served(0, 0, window, end).then(|| self.most(bucket, window, end));
        [tried, Some(self.by_spans(bucket, window, end))]
    }

    /// The largest promise that is served, found by trying.
    fn most(&self, bucket: usize, window: usize, end: usize) -> i128 {
        // What a line claims may move elsewhere on a later day.
        let given_back = self.demand.iter().map(|demand| (-demand).max(0)).sum::<i128>();
        let (mut served, mut unserved) = (0, self.on_hand + self.supply.iter().sum::<i128>() + given_back + 1);
        while unserved - served > 1 {
            let tried = served.midpoint(unserved);
            if self.is_served(tried, bucket, window, end) { served = tried } else { unserved = tried }
        }
        served
    }

    /// Whether all demand, and a promise beside it, can be served, and what must be left is there in every bucket after
    /// it.
    fn is_served(&self, promise: i128, at: usize, window: usize, end: usize) -> bool {
        (at..end).all(|last| self.serves_through(promise, at, window, last))
    }

    /// Serves bucket after bucket what expires first, and in the last one what must be left there too.
    fn serves_through(&self, promise: i128, at: usize, window: usize, last: usize) -> bool {
        let mut left: Vec<i128> = Vec::new();
        for bucket in 0..=last {
            left.push(self.supply[bucket] + if bucket == 0 { self.on_hand } else { 0 });
            if left[bucket] < 0 {
                return false;
            }
            let kept = if bucket == last { self.safety[bucket] } else { 0 };
            let mut wanted = self.demand[bucket] + kept + if bucket == at { promise } else { 0 };
            let fresh = (bucket + 1).saturating_sub(window);
            for lot in &mut left[fresh..] {
                let served = wanted.min(*lot);
                *lot -= served;
                wanted -= served;
            }
            if wanted > 0 {
                return false;
            }
        }
        true
    }

    /// The formula, for when something is short whatever is promised.
    fn by_spans(&self, bucket: usize, window: usize, end: usize) -> i128 {
        let spare = |last: usize| self.projected(last) - self.safety[last];
        let wasted = |first: usize| {
            let gone = self.on_hand + self.supply[..=first - window].iter().sum::<i128>();
            gone - self.demand[..first].iter().sum::<i128>()
        };
        let least = (bucket..end).map(spare).min().expect("the bucket lies before the end");
        // Nothing has expired before.
        let most = (window..=bucket).map(wasted).max().unwrap_or(0).max(0);
        least - most
    }
}
