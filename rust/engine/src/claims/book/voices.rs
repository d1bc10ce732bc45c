//! Voices: what is said of a line at one position, summed up by whoever says it (`docs/claims.md` §2). Sums are signed;
//! zero is the floor where they are read.

use std::cmp::Reverse;

use crate::claims::book::fact::{Fact, FactKind, Hold, Statement};
use crate::claims::book::line::Line;
use crate::schedule::AT_ONCE;
/// Which facts count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Facts effective at or before it have ended.
    pub(crate) after_ns: Option<i64>,
    /// Orders effective at or before it have ended; only a word ends them.
    pub(crate) stated_after_ns: Option<i64>,
    /// Holds that were asked for at or before it have ended; those asked for at the very time of a request that opened
    /// the line have not.
    pub(crate) asked_after_ns: Option<i64>,
    /// Facts effective after it are not looked at.
    pub(crate) until_ns: i64,
    /// What had gone by then has gone.
    pub(crate) seen_ns: i64,
    /// Holds asked for from this time on are not looked at.
    pub(crate) asked_before_ns: Option<i64>,
    /// What had gone when the facts before ended.
    pub(crate) base: i128,
}

impl Reach {
    /// All that was ever said, up to a time.
    pub(crate) const fn until(until_ns: i64) -> Self {
        let (after_ns, asked_before_ns) = (None, None);
        let (stated_after_ns, asked_after_ns, seen_ns) = (None, None, i64::MAX);
        Self { after_ns, stated_after_ns, asked_after_ns, until_ns, seen_ns, asked_before_ns, base: 0 }
    }

    fn counts(&self, time_ns: i64) -> bool {
        self.after_ns.is_none_or(|after_ns| time_ns > after_ns) && time_ns <= self.until_ns
    }

    fn states(&self, statement: &Statement) -> bool {
        self.stated_after_ns.is_none_or(|after_ns| statement.time_ns > after_ns) && statement.time_ns <= self.until_ns
    }

    pub(crate) fn holds(&self, hold: &Hold) -> bool {
        self.asked_after_ns.is_none_or(|after_ns| hold.asked_ns > after_ns)
            && hold.asked_ns <= self.until_ns
            && self.asked_before_ns.is_none_or(|before_ns| hold.asked_ns < before_ns)
    }
}

/// What has left for a line at a place, whatever ended, up to a time.
pub(crate) fn gone(line: &Line, place: u32, until_ns: i64) -> i128 {
    let (mut picked, mut shipped) = (0_i128, 0_i128);
    for fact in line.facts.iter().filter(|fact| fact.place == place && fact.time_ns <= until_ns) {
        let amount = i128::from(fact.amount);
        match fact.kind {
            FactKind::Picked => picked += amount,
            FactKind::Unpicked => picked -= amount,
            FactKind::Shipped | FactKind::Sold => shipped += amount,
            _ => {}
        }
    }
    picked.max(shipped).max(0)
}

/// What had gone when what was said before ended, and was not put back before anything else left, as known up to a
/// time.
pub(crate) fn base(line: &Line, place: u32, ended_ns: i64, until_ns: i64) -> i128 {
    let is_put_back = |fact: &&Fact| fact.place == place && fact.kind == FactKind::Unpicked && fact.time_ns > ended_ns;
    let later = line.facts.iter().filter(is_put_back).map(|fact| fact.time_ns).filter(|time_ns| *time_ns <= until_ns);
    later.map(|time_ns| gone(line, place, time_ns)).fold(gone(line, place, ended_ns), i128::min)
}

/// What was shipped of a line at a place, up to a time.
pub(crate) fn shipped(line: &Line, place: u32, until_ns: i64) -> i128 {
    let is_meant = |kind: FactKind| matches!(kind, FactKind::Shipped | FactKind::Sold);
    let here = line.facts.iter().filter(|fact| fact.place == place && fact.time_ns <= until_ns && is_meant(fact.kind));
    here.map(|fact| i128::from(fact.amount)).sum()
}

/// What an order says in the end: quantity, the time of that statement, and the bucket of its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ordered {
    pub(crate) quantity: i128,
    pub(crate) stated_ns: i64,
    pub(crate) bucket: i32,
}

impl Ordered {
    /// Of the statements that count. At one time the greater quantity and the earlier day hold.
    pub(crate) fn of(line: &Line, place: u32, reach: &Reach) -> Option<Self> {
        let here = || line.statements.iter().filter(|statement| statement.place == place && reach.states(statement));
        let (stated_ns, quantity) =
            here().filter_map(|statement| Some((statement.time_ns, statement.quantity?))).max()?;
        let day = |statement: &&Statement| (statement.time_ns, Reverse(statement.due.map(|due| (due.start_ns(), due))));
        let said = here().filter(|statement| statement.due.is_some()).max_by_key(day);
        let bucket = said.map_or(AT_ONCE, |statement| statement.bucket);
        // As much of it is that of other lines.
        let covered = line.covered.get(place as usize).copied().unwrap_or(0);
        Some(Self { quantity: (i128::from(quantity) - covered).max(0), stated_ns, bucket })
    }
}

/// The voices of a line at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Voices {
    /// `O`, the time of its statement and its bucket.
    pub(crate) ordered: i128,
    pub(crate) stated_ns: i64,
    pub(crate) ordered_bucket: i32,
    /// `R`.
    pub(crate) reserved: i128,
    /// `A`.
    pub(crate) allocated: i128,
    /// `T`, signed, with the base.
    pub(crate) posted: i128,
    /// By bucket what is live of holds, and what was posted of them, in order.
    pub(crate) held: Vec<(i32, i128)>,
    pub(crate) posts: Vec<(i32, i128)>,
    /// `G`.
    pub(crate) gone: i128,
}

impl Voices {
    /// Of the facts that count.
    pub(crate) fn of(line: &Line, place: u32, reach: &Reach) -> Self {
        let sums = Sums::of(line, place, reach);
        let gone = gone(line, place, reach.seen_ns);
        let ordered = Ordered::of(line, place, reach);
        let beyond = (sums.unreserved - (gone - reach.base)).max(0);
        let mut voices = Self {
            ordered: ordered.map_or(0, |ordered| ordered.quantity),
            stated_ns: ordered.map_or(i64::MIN, |ordered| ordered.stated_ns),
            ordered_bucket: ordered.map_or(AT_ONCE, |ordered| ordered.bucket),
            reserved: reach.base + sums.reserved - sums.converted.min(sums.deallocated) - beyond,
            allocated: reach.base + sums.allocated - sums.deallocated,
            gone,
            ..Self::default()
        };
        voices.add_holds(line, place, reach);
        voices.posted -= (sums.deallocated - sums.allocated - reach.base).max(0);
        voices
    }

    fn add_holds(&mut self, line: &Line, place: u32, reach: &Reach) {
        self.posted = reach.base;
        if reach.base > 0 {
            self.posts.push((AT_ONCE, reach.base));
        }
        let mut lapses = Vec::new();
        for hold in line.holds.iter().filter(|hold| hold.place == place && reach.holds(hold)) {
            let (live, posted) = hold.as_of(reach.until_ns);
            if live > 0 {
                self.held.push((hold.bucket, live));
            }
            if posted > 0 {
                self.posted += posted;
                self.posts.push((hold.bucket, posted));
            }
            let lapsed = hold.lapsed.filter(|(time_ns, _)| *time_ns <= reach.until_ns);
            lapses.extend(lapsed.map(|(time_ns, amount)| (time_ns, amount, hold.bucket)));
        }
        self.add_lapses(line, place, reach, lapses);
        self.held.sort_unstable();
        self.posts.sort_unstable();
    }

    /// What lapsed counts as posted as far as it had gone, or was allocated, by then.
    fn add_lapses(&mut self, line: &Line, place: u32, reach: &Reach, mut lapses: Vec<(i64, i64, i32)>) {
        lapses.sort_unstable();
        let mut counted = 0;
        for (time_ns, amount, bucket) in lapses {
            let by_then = Reach { until_ns: reach.until_ns.min(time_ns), ..*reach };
            let sums = Sums::of(line, place, &by_then);
            let left = (sums.allocated - sums.deallocated).max(gone(line, place, by_then.until_ns) - reach.base);
            let holds = line.holds.iter().filter(|hold| hold.place == place && reach.holds(hold));
            let posts = holds.flat_map(|hold| &hold.posts).filter(|(posted_ns, _)| *posted_ns <= time_ns);
            let posted = posts.map(|(_, quantity)| i128::from(*quantity)).sum::<i128>() + counted;
            let kept = (left - posted).max(0).min(amount.into());
            if kept > 0 {
                counted += kept;
                self.posted += kept;
                self.posts.push((bucket, kept));
            }
        }
    }

    /// `H + max(0, T)` up to a bucket.
    pub(crate) fn taken(&self, bucket: i32) -> i128 {
        let until = |amounts: &[(i32, i128)]| {
            amounts.iter().take_while(|(at, _)| *at <= bucket).map(|(_, amount)| *amount).sum::<i128>()
        };
        until(&self.held) + until(&self.posts).min(self.posted).max(0)
    }

    /// `max(0, T)` up to a bucket.
    pub(crate) fn posted_until(&self, bucket: i32) -> i128 {
        let posts = self.posts.iter().take_while(|(at, _)| *at <= bucket).map(|(_, amount)| *amount).sum::<i128>();
        posts.min(self.posted).max(0)
    }

    /// `O` up to a bucket.
    pub(crate) fn ordered_until(&self, bucket: i32) -> i128 {
        if self.ordered_bucket <= bucket { self.ordered } else { 0 }
    }

    /// Every voice at most what has gone: what is left of a line that was closed. What was held there ended, and counts
    /// like what was refused.
    pub(crate) fn closed(mut self) -> Self {
        self.ordered = self.ordered.min(self.gone);
        self.ordered_bucket = AT_ONCE;
        self.reserved = self.reserved.min(self.gone);
        self.allocated = self.allocated.min(self.gone);
        self.held = Vec::new();
        self.posted = self.gone;
        self.posts = vec![(AT_ONCE, self.gone)];
        self
    }

    /// The buckets at which a voice changes.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = i32> + '_ {
        let ordered = (self.ordered > 0).then_some(self.ordered_bucket);
        ordered.into_iter().chain(self.held.iter().chain(&self.posts).map(|(bucket, _)| *bucket))
    }
}

/// Sums of facts.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) reserved: i128,
    pub(crate) unreserved: i128,
    pub(crate) allocated: i128,
    converted: i128,
    pub(crate) deallocated: i128,
}

impl Sums {
    pub(crate) fn of(line: &Line, place: u32, reach: &Reach) -> Self {
        let mut sums = Self::default();
        for fact in line.facts.iter().filter(|fact| fact.place == place && reach.counts(fact.time_ns)) {
            let amount = i128::from(fact.amount);
            match fact.kind {
                FactKind::Reserved => sums.reserved += amount,
                FactKind::Unreserved => sums.unreserved += amount,
                FactKind::Allocated => sums.allocated += amount,
                FactKind::Converted => {
                    sums.allocated += amount;
                    sums.converted += amount;
                }
                FactKind::Deallocated => sums.deallocated += amount,
                _ => {}
            }
        }
        sums
    }
}
