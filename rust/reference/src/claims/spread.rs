//! Facts without a line, shared out once among the lines of their document, SKU and location (`docs/claims.md` §5).
//! What is shared out carries the number of the line that it was given to.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::Flow;

use crate::number::Number;

use super::facts::{Fact, FactKind};
use super::hold::Become;
use super::place::Hold;
use super::sums::Sums;
use super::view::{Figures, Line, Told};

/// The figures of a line at a location, and the index of each.
type Kinds = [i128; 6];
const ORDER: usize = 0;
const SOFT: usize = 1;
const HARD: usize = 2;
const HELD: usize = 3;
const PICKED: usize = 4;
const SHIPPED: usize = 5;

/// What a line is given at most.
type Most = fn(&Taker) -> i128;

/// A line with a number that is known at a location: it takes of what has none.
struct Taker {
    number: Number,
    location: String,
    /// Only what is effective at or before that is taken.
    until_ns: i64,
    is_closed: bool,
    kinds: Kinds,
    gone: i128,
}

impl Taker {
    fn of(number: &Number, location: &str, line: &Line) -> Self {
        let here = || line.places.iter().filter(|(at, _)| at.location == location).map(|(_, figures)| figures);
        let mut kinds = Kinds::default();
        for figures in here() {
            kinds.iter_mut().zip(kinds_of(figures)).for_each(|(sum, kind)| *sum += kind);
        }
        let is_ended = here().all(Figures::is_closed);
        let closed_ns = here().filter_map(|figures| figures.closed_ns).max().filter(|_| is_ended);
        let until_ns = closed_ns.unwrap_or(i64::MAX);
        let is_closed = is_ended || line.is_full;
        let gone = here().map(|figures| figures.sums.gone()).sum();
        Self { number: number.clone(), location: location.to_owned(), until_ns, is_closed, kinds, gone }
    }

    /// What its greatest figure has beyond one of them.
    fn rest(&self, kind: usize) -> i128 {
        self.kinds.into_iter().fold(0, i128::max) - self.kinds[kind]
    }

    /// What it has beyond its own order: of a closed line, what has gone beyond it.
    fn beyond_order(&self) -> i128 {
        let most = if self.is_closed { self.gone } else { self.kinds.into_iter().fold(0, i128::max) };
        (most - self.kinds[ORDER].max(0)).max(0)
    }
}

/// The figures of a line at a position. Of one that is closed those at the closing, with nothing held.
fn kinds_of(figures: &Figures) -> Kinds {
    let kinds = |sums: &Sums, held: i128| {
        let soft = sums.base + sums.reserved - sums.unreserved;
        [sums.order(), soft, sums.hard(), held, sums.picked(), sums.shipped()]
    };
    figures.frozen.as_ref().map_or_else(|| kinds(&figures.sums, figures.sums.held()), |frozen| kinds(frozen, 0))
}

impl Told {
    /// All that was told, with what has no line shared out, and with what that opened.
    pub(super) fn shared_out(&self) -> Self {
        let mut told = self.clone();
        told.look_for_openings();
        let mut takers = told.takers();
        if takers.is_empty() || !told.has_loose() {
            return told;
        }
        let picks: [Most; 2] = [|taker| taker.kinds[SHIPPED] - taker.kinds[PICKED], |taker| taker.rest(PICKED)];
        let ships: [Most; 2] = [|taker| taker.kinds[PICKED] - taker.kinds[SHIPPED], |taker| taker.rest(SHIPPED)];
        told.share_steps(Flow::Pick, (PICKED, &picks), &mut takers);
        told.share_steps(Flow::Ship, (SHIPPED, &ships), &mut takers);
        // With what moved it shows which lines a request found complete, and opened.
        told.let_hear(&takers);
        told.look_for_openings();
        takers = told.takers();
        told.lessen_orders(&takers);
        told.share_steps(Flow::Reserve, (SOFT, &[|taker| taker.rest(SOFT)]), &mut takers);
        told.share_steps(Flow::Allocate, (HARD, &[|taker| taker.rest(HARD)]), &mut takers);
        told.share_holds(&takers);
        told.facts.retain(|fact| !matches!(&fact.said, FactKind::Moved(moved) if moved.amount == 0));
        told.look_for_openings();
        told
    }

    /// Whether anything is told without a line.
    pub(crate) fn has_loose(&self) -> bool {
        self.facts.iter().any(|fact| fact.number.is_none()) || self.holds.iter().any(|hold| hold.number.is_none())
    }

    /// The lines with a number, location by location, in their order.
    fn takers(&self) -> Vec<Taker> {
        let lines = self.lines();
        let places = lines.iter().flat_map(|(number, line)| line.places.keys().map(move |at| (number, at)));
        let known: BTreeSet<(&String, &Number)> =
            places.filter(|(number, _)| !number.is_none()).map(|(number, at)| (&at.location, number)).collect();
        known.into_iter().map(|(location, number)| Taker::of(number, location, &lines[number])).collect()
    }

    /// Lets lines hear of the requests without a line at their location that no word has ended.
    fn let_hear(&mut self, takers: &[Taker]) {
        for hold in self.holds.iter().filter(|hold| hold.number.is_none()) {
            let location = &hold.at.location;
            if self.is_ended(location, hold.time_ns) {
                continue;
            }
            for taker in takers.iter().filter(|taker| taker.location == *location) {
                self.asked.entry(taker.number.clone()).or_default().insert(hold.time_ns);
            }
        }
    }

    /// Whether a word has ended what was said of no line at a location.
    fn is_ended(&self, location: &str, time_ns: i64) -> bool {
        self.closed_ns(&Number::None, location, i64::MAX) >= Some(time_ns)
    }

    /// Shares out the steps of one kind: to each line in turn up to the first bound, then up to the next.
    fn share_steps(&mut self, flow: Flow, (kind, bounds): (usize, &[Most]), takers: &mut [Taker]) {
        let mut left = self.left(flow);
        for most in bounds {
            for taker in takers.iter_mut() {
                let mut missing = most(taker);
                for (at, left) in &mut left {
                    let fact = &self.facts[*at];
                    let is_there = fact.at.location == taker.location && fact.time_ns <= taker.until_ns;
                    let here = missing.min((*left).into()).max(0);
                    if is_there && here > 0 {
                        let amount = i64::try_from(here).expect("no more than there is");
                        let given = Fact { number: taker.number.clone(), ..fact.with(amount) };
                        self.facts[*at] = fact.with(fact.amount() - amount);
                        self.facts.push(given);
                        *left -= amount;
                        missing -= here;
                        taker.kinds[kind] += here;
                    }
                }
            }
        }
    }

    /// What there is of one kind to be shared out, in the order in which it goes. What was taken back takes from the
    /// last of it.
    fn left(&self, flow: Flow) -> Vec<(usize, i64)> {
        // What a word has ended is nobody's any more, but for what moved.
        let moves = matches!(flow, Flow::Pick | Flow::Ship);
        let is_there = move |fact: &Fact| moves || !self.is_ended(&fact.at.location, fact.time_ns);
        let loose = |is_back: bool| {
            let all = self.facts.iter().enumerate();
            all.filter(move |(_, fact)| fact.number.is_none() && fact.is_step(flow, is_back) && is_there(fact))
        };
        let mut back: BTreeMap<&PositionKey, i64> = BTreeMap::new();
        for (_, fact) in loose(true) {
            *back.entry(&fact.at).or_default() += fact.amount();
        }
        let mut left: Vec<(usize, i64)> = loose(false).map(|(at, fact)| (at, fact.amount())).collect();
        left.sort_by_key(|(at, _)| self.facts[*at].turn());
        for (at, amount) in left.iter_mut().rev() {
            let back = back.entry(&self.facts[*at].at).or_default();
            let here = (*back).min(*amount);
            *back -= here;
            *amount -= here;
        }
        left
    }

    /// Shares out what is held: position by position what was posted, then what is live, the earliest days first.
    fn share_holds(&mut self, takers: &[Taker]) {
        let holds = std::mem::take(&mut self.holds);
        let (mut loose, others): (Vec<Hold>, Vec<Hold>) = holds
            .into_iter()
            .partition(|hold| hold.number.is_none() && !self.is_ended(&hold.at.location, hold.time_ns));
        self.holds = others;
        // What is only tried comes last.
        loose.sort_by_key(|hold| (hold.at.clone(), hold.day, hold.time_ns, hold.id.is_none(), hold.id));
        let places: BTreeSet<PositionKey> = loose.iter().map(|hold| hold.at.clone()).collect();
        for taker in takers {
            let mut missing = taker.rest(HELD);
            for at in places.iter().filter(|at| at.location == taker.location) {
                for take in [take_posted, take_live] {
                    let here = loose.iter_mut().filter(|hold| hold.at == *at && hold.time_ns <= taker.until_ns);
                    for hold in here {
                        let became = take(&mut hold.became, &mut missing);
                        if !became.is_blank() {
                            self.holds.push(Hold { number: taker.number.clone(), became, ..hold.clone() });
                        }
                    }
                }
            }
        }
        self.holds.append(&mut loose);
    }

    /// Lets what is ordered without a line be less by what the lines there have beyond their own order.
    fn lessen_orders(&mut self, takers: &[Taker]) {
        let mut beyond: BTreeMap<&str, i128> = BTreeMap::new();
        for taker in takers {
            *beyond.entry(&taker.location).or_default() += taker.beyond_order();
        }
        let Some(loose) = self.lines().remove(&Number::None) else { return };
        for (at, figures) in &loose.places {
            let beyond = beyond.entry(&at.location).or_default();
            let here = (*beyond).min(figures.sums.order()).max(0);
            *beyond -= here;
            let less = i64::try_from(here).expect("no more than is ordered");
            for fact in self.facts.iter_mut().filter(|fact| fact.number.is_none() && fact.at == *at) {
                if let FactKind::Wanted { quantity: Some(quantity), .. } = &mut fact.said {
                    *quantity = (*quantity - less).max(0);
                }
            }
        }
    }
}

/// Takes of what was posted, up to what is missing.
fn take_posted(from: &mut Become, missing: &mut i128) -> Become {
    let posts = from.posted.iter_mut().map(|(time_ns, amount)| (*time_ns, take(amount, missing)));
    let posted = posts.filter(|(_, amount)| *amount > 0).collect();
    from.posted.retain(|(_, amount)| *amount > 0);
    Become { posted, raised: from.raised.clone(), ..Become::default() }
}

/// Takes of what is live, up to what is missing.
fn take_live(from: &mut Become, missing: &mut i128) -> Become {
    Become { live: take(&mut from.live, missing), raised: from.raised.clone(), ..Become::default() }
}

fn take(amount: &mut i64, missing: &mut i128) -> i64 {
    let here = (*missing).min((*amount).into()).max(0);
    let taken = i64::try_from(here).expect("no more than there is");
    *amount -= taken;
    *missing -= here;
    taken
}
