//! One line at one position: which of its facts count since it was closed and opened again, and what they add up to.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::Flow;

use crate::calendar::Due;
use crate::number::Number;

use super::facts::{Fact, FactKind, Move};
use super::hold::Become;
use super::sums::{Dated, Sums};

/// Where a hold stands among all reservations: reservation, line and part.
pub(crate) type HoldId = (usize, usize, usize);

/// A hold for a line of the order, or what was shared out of it.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// Nothing for what is only tried.
    pub(crate) id: Option<HoldId>,
    pub(crate) number: Number,
    pub(crate) at: PositionKey,
    pub(crate) time_ns: i64,
    pub(crate) due: Option<Due>,
    /// The day, or hour, of that.
    pub(crate) day: i64,
    pub(crate) became: Become,
}

/// Since when facts of a line count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Since {
    /// Orders, and all but what has gone, count after it.
    pub(super) closed: Option<i64>,
    /// All but orders and what has gone count after it, holds from it on.
    pub(super) opened: Option<i64>,
}

impl Since {
    fn counts_order(self, time_ns: i64) -> bool {
        Some(time_ns) > self.closed
    }

    pub(super) fn counts_step(self, time_ns: i64) -> bool {
        Some(time_ns) > self.closed && Some(time_ns) > self.opened
    }

    fn counts_hold(self, time_ns: i64) -> bool {
        self.ended_ns(time_ns).is_none()
    }

    /// When a hold ended that was asked for at a time, if a closing did that.
    pub(super) fn ended_ns(self, time_ns: i64) -> Option<i64> {
        let by_word = self.closed.filter(|closed_ns| time_ns <= *closed_ns);
        by_word.max(self.opened.filter(|opened_ns| time_ns < *opened_ns))
    }
}

/// What is told of one line at one position, as of some time.
pub(super) struct LinePlace<'a> {
    pub(super) facts: Vec<&'a Fact>,
    pub(super) holds: Vec<Hold>,
}

impl LinePlace<'_> {
    /// The facts that are effective at or before a time, without holds.
    fn until(&self, until_ns: i64) -> Self {
        let facts = self.facts.iter().copied().filter(|fact| fact.time_ns <= until_ns).collect();
        Self { facts, holds: Vec::new() }
    }

    /// Whether the line is open again after it was closed by word.
    pub(super) fn is_opened(&self, closed_ns: i64) -> bool {
        self.facts.iter().any(|fact| fact.time_ns > closed_ns && opens(fact))
            || self.holds.iter().any(|hold| hold.time_ns > closed_ns)
    }

    /// What the line was when it was closed.
    pub(super) fn at_closing(&self, closed_ns: i64) -> Sums {
        self.until(closed_ns).sums(Since::default())
    }

    /// What counts.
    pub(super) fn sums(&self, since: Since) -> Sums {
        let mut sums = Sums { base: self.base(since), ..self.steps(since) };
        let holds: Vec<&Hold> = self.holds.iter().filter(|hold| since.counts_hold(hold.time_ns)).collect();
        for hold in &holds {
            let became = &hold.became;
            sums.voices[2] = sums.voices[2].max(Some(hold.time_ns)).max(became.raised.iter().max().copied());
            sums.holds.extend((became.live > 0).then_some((hold.due, became.live.into())));
            sums.posted.extend((became.posted() > 0).then_some((hold.due, became.posted().into())));
        }
        let lapsed = self.lapsed(&holds, since, sums.base);
        sums.posted.extend(lapsed);
        sums
    }

    fn steps(&self, since: Since) -> Sums {
        let mut sums = Sums::default();
        let mut due = None;
        for fact in &self.facts {
            match &fact.said {
                FactKind::Wanted { quantity, due: said } if since.counts_order(fact.time_ns) => {
                    let quantity = quantity.map(|quantity| (fact.time_ns, i128::from(quantity)));
                    // At one time the greater quantity holds, and the earlier day.
                    sums.wanted = sums.wanted.max(quantity);
                    due = later(due, said.map(|said| (fact.time_ns, said)));
                }
                FactKind::Wanted { .. } | FactKind::Closed => {}
                FactKind::Moved(moved) => add(&mut sums, fact, moved, since.counts_step(fact.time_ns)),
            }
        }
        sums.due = due.map(|(_, due)| due);
        sums
    }

    /// What had gone when the line was closed, as far as it was not put back before anything else left.
    fn base(&self, since: Since) -> i128 {
        let Some(begun_ns) = since.closed.max(since.opened) else { return 0 };
        let gone = |until_ns: i64| self.until(until_ns).steps(Since::default()).gone();
        let put_back = self.facts.iter().filter(|fact| fact.is_step(Flow::Pick, true)).map(|fact| fact.time_ns);
        put_back.filter(|time_ns| *time_ns > begun_ns).map(gone).fold(gone(begun_ns), i128::min)
    }

    /// What lapsed and counts as posted: as much as had gone or was allocated by then, and was not posted.
    fn lapsed(&self, holds: &[&Hold], since: Since, base: i128) -> Vec<Dated> {
        let mut lapses: Vec<(i64, i64, &Hold)> = Vec::new();
        for hold in holds {
            lapses.extend(hold.became.lapsed.iter().map(|(time_ns, amount)| (*time_ns, *amount, *hold)));
        }
        lapses.sort_by_key(|(time_ns, amount, hold)| (*time_ns, *amount, hold.day));
        let mut counted: Vec<Dated> = Vec::new();
        for (end_ns, amount, hold) in lapses {
            let then = self.until(end_ns).steps(since);
            let posts = holds.iter().flat_map(|hold| &hold.became.posted);
            let posted: i128 =
                posts.filter(|(time_ns, _)| *time_ns <= end_ns).map(|(_, amount)| i128::from(*amount)).sum();
            let earlier: i128 = counted.iter().map(|(_, amount)| amount).sum();
            let most = (then.allocated - then.deallocated).max(then.gone() - base) - (posted + earlier);
            let here = i128::from(amount).min(most.max(0));
            counted.extend((here > 0).then_some((hold.due, here)));
        }
        counted
    }
}

/// Of two days the one that was said later; at one time the earlier day.
fn later(known: Option<(i64, Due)>, said: Option<(i64, Due)>) -> Option<(i64, Due)> {
    known.into_iter().chain(said).min_by_key(|(time_ns, due)| (std::cmp::Reverse(*time_ns), due.instant()))
}

/// Whether a fact that is effective after a closing opens the line again.
pub(super) fn opens(fact: &Fact) -> bool {
    match &fact.said {
        FactKind::Wanted { quantity, .. } => quantity.is_some_and(|quantity| quantity > 0),
        FactKind::Moved(moved) => matches!(moved.step.flow, Flow::Reserve | Flow::Allocate) && moved.takes(),
        FactKind::Closed => false,
    }
}

/// Adds a step: what moved always counts, what is only claimed not always.
fn add(sums: &mut Sums, fact: &Fact, moved: &Move, counts: bool) {
    let amount = i128::from(moved.amount);
    let source = || fact.source.clone();
    match (moved.step.flow, moved.step.is_back) {
        (Flow::Pick, is_back) => {
            *sums.picks.entry(source()).or_default() += if is_back { -amount } else { amount };
        }
        (Flow::Ship, _) => *sums.ships.entry((!moved.is_from_picked, source())).or_default() += amount,
        (Flow::Reserve, false) if counts => {
            sums.reserved += amount;
            sums.voices[0] = sums.voices[0].max(Some(fact.time_ns));
        }
        (Flow::Reserve, true) if counts => sums.unreserved += amount,
        (Flow::Allocate, false) if counts => {
            sums.allocated += amount;
            sums.converted += if moved.is_converted { amount } else { 0 };
            sums.voices[1] = sums.voices[1].max(Some(fact.time_ns));
        }
        (Flow::Allocate, true) if counts => sums.deallocated += amount,
        _ => {}
    }
}
