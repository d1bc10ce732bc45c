//! The lines of an order as of a time: which of their facts count, what had gone before, and whether they are closed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::balance::PositionKey;
use crate::reference::number::Number;
use crate::rules::Flow;

use super::hold::Become;
use super::sums::{KINDS, Sums};
use super::{Due, Fact, Said};

/// Where a hold stands among all reservations: reservation, line and part.
pub(crate) type HoldId = (usize, usize, usize);

/// A hold for a line of the order, as of some time.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// Nothing for what is only tried.
    pub(crate) id: Option<HoldId>,
    pub(crate) number: Number,
    pub(crate) at: PositionKey,
    pub(crate) time_ns: i64,
    pub(crate) due: Option<Due>,
    pub(crate) became: Become,
}

/// What is told of an order, from which everything else follows.
pub(crate) struct Told<'a> {
    pub(crate) facts: &'a [Fact],
    /// When the document was closed.
    pub(crate) closings: &'a [i64],
    /// What was held as of a time.
    pub(crate) holds: Box<dyn Fn(i64) -> Vec<Hold> + 'a>,
    /// When requests opened lines that were closed by quantity, in ascending order.
    pub(crate) openings: BTreeMap<Number, Vec<i64>>,
    pub(crate) gone: RefCell<BTreeMap<i64, Gone>>,
}

/// What had gone of each line and position.
type Gone = BTreeMap<(Number, PositionKey), i128>;

/// One line at one position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) sums: Sums,
    /// When it was closed by word last.
    pub(crate) closed_ns: Option<i64>,
    /// What it was at the closing, where it was not opened again.
    pub(crate) frozen: Option<Sums>,
    /// What was shared out to it, by kind.
    pub(crate) taken: [i128; KINDS],
}

impl Figures {
    pub(crate) fn is_closed(&self) -> bool {
        self.frozen.is_some()
    }

    /// `O`, `R`, `A` and `H + T` as they count in the sums over several positions.
    pub(crate) fn counted(&self) -> [i128; 4] {
        let figures = |sums: &Sums| [sums.order(), sums.soft(), sums.hard(), sums.held()].map(|figure| figure.max(0));
        match &self.frozen {
            None => figures(&self.sums),
            Some(frozen) => figures(frozen).map(|figure| figure.min(self.sums.gone())),
        }
    }

    /// What it is, or was when it was closed.
    pub(crate) fn known(&self) -> &Sums {
        self.frozen.as_ref().unwrap_or(&self.sums)
    }
}

/// One line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) places: BTreeMap<PositionKey, Figures>,
    /// Whether all that was ordered was shipped.
    pub(crate) is_full: bool,
}

impl Line {
    pub(crate) fn is_closed_at(&self, at: &PositionKey) -> bool {
        self.is_full || self.places.get(at).is_some_and(Figures::is_closed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_full || self.places.values().all(Figures::is_closed)
    }

    pub(crate) fn total(&self, of: impl Fn(&Figures) -> i128) -> i128 {
        self.places.values().map(of).sum()
    }

    /// Whether everything was shipped, and no voice that came later wants more.
    fn look_whether_full(&mut self) {
        let sum = |index: usize| self.total(|figures| figures.counted()[index]);
        let ordered = sum(0);
        if ordered <= 0 || self.total(|figures| figures.sums.shipped()) < ordered {
            return;
        }
        let said_ns =
            self.places.values().filter_map(|figures| figures.known().wanted).map(|(time_ns, _)| time_ns).max();
        let speaks = |kind: usize| {
            let voices = self.places.values().filter_map(|figures| figures.sums.voices[kind]);
            voices.max() > said_ns && sum(kind + 1) > ordered
        };
        self.is_full = !(speaks(0) || speaks(1) || speaks(2));
    }
}

pub(crate) type Lines = BTreeMap<Number, Line>;

/// Until when facts count, and since when.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Orders, and all but what has gone, count after it.
    closed: Option<i64>,
    /// All but orders and what has gone count after it, holds from it on.
    opened: Option<i64>,
    until_ns: i64,
}

impl Span {
    fn counts_order(&self, time_ns: i64) -> bool {
        Some(time_ns) > self.closed
    }

    fn counts_step(&self, time_ns: i64) -> bool {
        Some(time_ns) > self.closed && Some(time_ns) > self.opened
    }

    fn counts_hold(&self, time_ns: i64) -> bool {
        Some(time_ns) > self.closed && Some(time_ns) >= self.opened
    }
}

impl Told<'_> {
    /// Finds which requests opened lines that were closed by quantity, one time after the other.
    pub(crate) fn look_for_openings(&mut self) {
        // A request that a word has ended since opened nothing, but where it named no line, and others are asked for.
        let is_ended = |hold: &Hold| self.closed_ns(&hold.number, &hold.at.location, i64::MAX) >= Some(hold.time_ns);
        let holds = (self.holds)(i64::MAX).into_iter().map(|hold| (is_ended(&hold), hold));
        let all: Vec<(bool, Hold)> = holds.filter(|(is_ended, hold)| !is_ended || hold.number.is_none()).collect();
        let times: BTreeSet<i64> = all.iter().map(|(_, hold)| hold.time_ns).collect();
        for time_ns in times {
            let lines = self.lines(time_ns, true);
            for (is_ended, hold) in all.iter().filter(|(_, hold)| hold.time_ns == time_ns) {
                let is_meant = |number: &Number, line: &Line| {
                    let is_here = || line.places.keys().any(|at| at.location == hold.at.location);
                    let is_own = *number == hold.number;
                    line.is_full && if is_own { !is_ended } else { hold.number.is_none() && is_here() }
                };
                for number in lines.iter().filter(|(number, line)| is_meant(number, line)).map(|(number, _)| number) {
                    let openings = self.openings.entry(number.clone()).or_default();
                    if openings.last() != Some(&time_ns) {
                        openings.push(time_ns);
                    }
                }
            }
        }
    }

    /// The lines as all that is effective at or before a time makes them, with the requests of that very time or
    /// without them.
    pub(crate) fn lines(&self, until_ns: i64, skips_requests: bool) -> Lines {
        let mut holds = (self.holds)(until_ns);
        holds.retain(|hold| hold.time_ns <= until_ns && !(skips_requests && hold.time_ns == until_ns));
        let facts = self.facts.iter().filter(|fact| fact.time_ns <= until_ns);
        let known: BTreeSet<(Number, PositionKey)> = facts
            .map(|fact| (fact.number.clone(), fact.at.clone()))
            .chain(holds.iter().map(|hold| (hold.number.clone(), hold.at.clone())))
            .collect();
        let mut lines = Lines::new();
        for (number, at) in known {
            let figures = self.figures(&holds, &number, &at, until_ns);
            lines.entry(number).or_default().places.insert(at, figures);
        }
        self.spread(&mut lines, until_ns);
        lines.values_mut().for_each(Line::look_whether_full);
        lines
    }

    /// One line at one position, by its own facts.
    fn figures(&self, holds: &[Hold], number: &Number, at: &PositionKey, until_ns: i64) -> Figures {
        let closed_ns = self.closed_ns(number, &at.location, until_ns);
        let opened_ns = self.openings.get(number).and_then(|all| all.iter().rfind(|time_ns| **time_ns < until_ns));
        let span = Span { closed: closed_ns, opened: opened_ns.copied(), until_ns };
        let is_open =
            |fact: &&Fact| (&fact.number, &fact.at) == (number, at) && opens(fact) && Some(fact.time_ns) > closed_ns;
        let facts = || self.facts.iter().filter(|fact| fact.time_ns <= until_ns);
        let asks = |hold: &Hold| (&hold.number, &hold.at) == (number, at) && Some(hold.time_ns) > closed_ns;
        let is_closed = closed_ns.is_some() && !facts().any(|fact| is_open(&fact)) && !holds.iter().any(asks);
        let base = match span.closed.max(span.opened).filter(|_| !is_closed) {
            None => 0,
            Some(begun_ns) => self.gone(begun_ns).get(&(number.clone(), at.clone())).copied().unwrap_or(0),
        };
        let frozen = closed_ns.filter(|_| is_closed).map(|closed_ns| self.as_it_was(number, at, closed_ns));
        Figures { sums: self.sums(holds, number, at, span, base), closed_ns, frozen, taken: [0; KINDS] }
    }

    /// What a line was by all facts effective at or before a time.
    pub(super) fn as_it_was(&self, number: &Number, at: &PositionKey, until_ns: i64) -> Sums {
        let holds = (self.holds)(until_ns);
        self.sums(&holds, number, at, Span { closed: None, opened: None, until_ns }, 0)
    }

    /// When a line was closed by word last, at a location.
    pub(crate) fn closed_ns(&self, number: &Number, location: &str, until_ns: i64) -> Option<i64> {
        let is_it =
            |fact: &&Fact| matches!(fact.said, Said::Closed) && fact.number == *number && fact.at.location == location;
        let own = self.facts.iter().filter(is_it).map(|fact| fact.time_ns);
        own.chain(self.closings.iter().copied()).filter(|time_ns| *time_ns <= until_ns).max()
    }

    /// What had gone at a time, facts without a line shared out.
    fn gone(&self, until_ns: i64) -> Gone {
        if let Some(known) = self.gone.borrow().get(&until_ns) {
            return known.clone();
        }
        let lines = self.lines(until_ns, false);
        let gone: Gone = lines
            .iter()
            .flat_map(|(number, line)| line.places.iter().map(move |(at, figures)| (number, at, figures)))
            .map(|(number, at, figures)| ((number.clone(), at.clone()), figures.sums.gone()))
            .collect();
        self.gone.borrow_mut().insert(until_ns, gone.clone());
        gone
    }

    fn sums(&self, holds: &[Hold], number: &Number, at: &PositionKey, span: Span, base: i128) -> Sums {
        let mut sums = Sums { base, ..Sums::default() };
        let mut due = None;
        let is_own = |fact: &&Fact| (&fact.number, &fact.at) == (number, at) && fact.time_ns <= span.until_ns;
        for fact in self.facts.iter().filter(is_own) {
            add(&mut sums, &mut due, fact, span);
        }
        sums.due = due.map(|(_, due)| due);
        let counts = |hold: &&Hold| (&hold.number, &hold.at) == (number, at) && hold.time_ns <= span.until_ns;
        let holds: Vec<&Hold> = holds.iter().filter(counts).filter(|hold| span.counts_hold(hold.time_ns)).collect();
        for hold in &holds {
            sums.voices[2] = sums.voices[2].max(Some(hold.time_ns)).max(hold.became.raised.iter().max().copied());
            sums.holds.extend((hold.became.live > 0).then_some((hold.due, hold.became.live.into())));
            sums.posted.extend((hold.became.posted() > 0).then_some((hold.due, hold.became.posted().into())));
        }
        let lapsed = self.lapsed(&holds, number, at, span, base);
        sums.posted.extend(lapsed);
        sums
    }

    /// What lapsed and counts as posted: as much as had gone or was allocated by then, and was not posted.
    fn lapsed(
        &self,
        holds: &[&Hold],
        number: &Number,
        at: &PositionKey,
        span: Span,
        base: i128,
    ) -> Vec<(Option<Due>, i128)> {
        let one = |hold: &&Hold| {
            let due = hold.due;
            hold.became
                .lapsed
                .iter()
                .map(move |(time_ns, amount)| (*time_ns, due, i128::from(*amount)))
                .collect::<Vec<_>>()
        };
        let mut lapses: Vec<_> = holds.iter().flat_map(one).collect();
        lapses.sort_by_key(|(time_ns, due, _)| (*time_ns, due.map(Due::instant)));
        let mut counted: Vec<(Option<Due>, i128)> = Vec::new();
        for (end_ns, due, amount) in lapses {
            let mut then = Sums::default();
            let is_own = |fact: &&Fact| (&fact.number, &fact.at) == (number, at) && fact.time_ns <= end_ns;
            for fact in self.facts.iter().filter(is_own) {
                add(&mut then, &mut None, fact, span);
            }
            let posted = holds.iter().flat_map(|hold| &hold.became.posted).filter(|(time_ns, _)| *time_ns <= end_ns);
            let posted: i128 = posted.map(|(_, amount)| i128::from(*amount)).sum();
            let earlier: i128 = counted.iter().map(|(_, amount)| amount).sum();
            let most = (then.allocated - then.deallocated).max(then.gone() - base) - (posted + earlier);
            let here = amount.min(most.max(0));
            counted.extend((here > 0).then_some((due, here)));
        }
        counted
    }
}

/// Whether a fact that is effective after a closing opens the line again.
fn opens(fact: &Fact) -> bool {
    match &fact.said {
        Said::Wanted { quantity, .. } => quantity.is_some_and(|quantity| quantity > 0),
        Said::Moved(moved) => matches!(moved.step.flow, Flow::Reserve | Flow::Allocate) && moved.takes(),
        Said::Closed => false,
    }
}

/// Adds a fact to what counts, if it does.
fn add(sums: &mut Sums, due: &mut Option<(i64, Due)>, fact: &Fact, span: Span) {
    match &fact.said {
        Said::Wanted { quantity, due: said } if span.counts_order(fact.time_ns) => {
            let quantity = quantity.map(|quantity| (fact.time_ns, i128::from(quantity)));
            // At one time the greater quantity holds, and the earlier day.
            sums.wanted = sums.wanted.max(quantity);
            let is_later = |said: &Due| {
                due.is_none_or(|(time_ns, known)| {
                    fact.time_ns > time_ns || (fact.time_ns == time_ns && said.instant() < known.instant())
                })
            };
            *due = said.filter(is_later).map(|said| (fact.time_ns, said)).or(*due);
        }
        Said::Wanted { .. } | Said::Closed => {}
        Said::Moved(moved) => {
            let amount = i128::from(moved.amount);
            let source = || fact.source.clone();
            let counts = span.counts_step(fact.time_ns);
            let voice = counts.then_some(fact.time_ns);
            match (moved.step.flow, moved.step.is_back) {
                (Flow::Pick, is_back) => {
                    *sums.picks.entry(source()).or_default() += if is_back { -amount } else { amount };
                }
                (Flow::Ship, _) => *sums.ships.entry((!moved.is_from_picked, source())).or_default() += amount,
                (Flow::Reserve, false) if counts => {
                    sums.reserved += amount;
                    sums.voices[0] = sums.voices[0].max(voice);
                }
                (Flow::Reserve, true) if counts => sums.unreserved += amount,
                (Flow::Allocate, false) if counts => {
                    sums.allocated += amount;
                    sums.converted += if moved.is_converted { amount } else { 0 };
                    sums.voices[1] = sums.voices[1].max(voice);
                }
                (Flow::Allocate, true) if counts => sums.deallocated += amount,
                _ => {}
            }
        }
    }
}

/// Whether all that is held without a line at a position was shared out, and the lines that it was given to are closed.
pub(crate) fn is_given_to_closed(lines: &Lines, at: &PositionKey) -> bool {
    const HELD: usize = 2;
    let is_left = |line: &Line| line.places.get(at).is_some_and(|figures| figures.known().spare(HELD) > 0);
    let takes = |line: &&Line| line.places.get(at).is_some_and(|figures| figures.taken[HELD] > 0);
    let takers: Vec<&Line> = lines.values().filter(takes).collect();
    !lines.get(&Number::None).is_some_and(is_left)
        && !takers.is_empty()
        && takers.iter().all(|line| line.is_closed_at(at))
}
