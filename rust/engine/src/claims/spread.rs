//! Spreading: facts without a line belong to the document's lines of that SKU at that location, in their order, each up
//! to its rest (`docs/claims.md` §5).

use std::cmp::Reverse;

use smallvec::{SmallVec, smallvec};

use super::fact::{Fact, Hold, Kind};
use super::life::Life;
use super::line::Line;
use super::sources::Sources;
use super::voices::{Reach, Sums, Voices};
use crate::directive::Side;
use crate::intern::NameId;
use crate::stock::Spot;

/// The kinds that are spread apart, each by the kinds that add to it and take from it.
const KINDS: [(&[Kind], &[Kind]); 5] = [
    (&[Kind::Reserved], &[Kind::Unreserved]),
    (&[Kind::Allocated, Kind::Converted], &[Kind::Deallocated]),
    (&[Kind::Picked], &[Kind::Unpicked]),
    (&[Kind::Shipped, Kind::Sold], &[]),
    (&[Kind::Received], &[Kind::Returned]),
];

/// Where what is held and posted stands behind them.
const HELD: usize = KINDS.len();

/// The kinds that move stock, and those that only claim.
const MOVING: [usize; 3] = [2, 3, 4];
const CLAIMING: [usize; 2] = [0, 1];

/// The lines of a document and SKU with what was said without a line shared out among them. The first of `lines` is the
/// one without a number; the others
/// stand in their order. `closed_ns` tells when the document was closed; `is_before` in which order positions stand.
pub(crate) fn spread(
    lines: &[&Line],
    closed_ns: Option<i64>,
    sources: &Sources,
    is_before: impl Fn(Spot, Spot) -> bool,
) -> Vec<Line> {
    let mut all: Vec<Line> = lines.iter().map(|line| (*line).clone()).collect();
    let Some((loose, named)) = all.split_first_mut() else { return all };
    let mut locations: SmallVec<[NameId; 2]> = loose.places.iter().map(|place| place.location).collect();
    locations.sort_unstable();
    locations.dedup();
    for location in locations {
        let mut rests: Vec<Rest> = named.iter().map(|line| Rest::of(line, location, closed_ns)).collect();
        for at in MOVING {
            spread_facts(loose, named, (location, at), &rests, (sources, &is_before));
        }
        // With what moved it shows which lines a request found complete, and opened.
        for (line, rest) in named.iter_mut().zip(&mut rests).filter(|(_, rest)| rest.is_there) {
            let asked = loose.holds.iter().filter(|hold| loose.places[hold.place as usize].location == location);
            line.asked_loosely.extend(asked.map(|hold| hold.asked_ns));
            rest.claim_again(line, location, closed_ns);
        }
        for at in CLAIMING {
            spread_facts(loose, named, (location, at), &rests, (sources, &is_before));
        }
        spread_holds(loose, named, location, &rests, &is_before);
    }
    all
}

/// What of a line's greatest voice each kind does not reach yet, at a location, and until when facts are taken.
struct Rest {
    is_there: bool,
    ordered: i128,
    /// The kinds in their order, then what is held and posted.
    own: [i128; HELD + 1],
    until_ns: i64,
}

impl Rest {
    fn of(line: &Line, location: NameId, document_ns: Option<i64>) -> Self {
        let is_there = line.places.iter().any(|place| place.location == location);
        let mut rest = Self { is_there, ordered: 0, own: [0; HELD + 1], until_ns: i64::MAX };
        if !is_there {
            return rest;
        }
        rest.claim_again(line, location, document_ns);
        for (sum, (adding, taking)) in rest.own.iter_mut().zip(KINDS).skip(CLAIMING.len()) {
            let is_here = |fact: &&Fact| line.places[fact.place as usize].location == location;
            for fact in line.facts.iter().filter(is_here).filter(|fact| fact.time_ns <= rest.until_ns) {
                if adding.contains(&fact.kind) {
                    *sum += i128::from(fact.amount);
                } else if taking.contains(&fact.kind) {
                    *sum -= i128::from(fact.amount);
                }
            }
        }
        if line.side == Side::Supply {
            rest.ordered = stated_supply(line, location);
            let life = Life::of(line, document_ns);
            let here = life.standings.iter().zip(&line.places).filter(|(_, place)| place.location == location);
            let closed = here.filter(|(standing, _)| !standing.is_open).filter_map(|(standing, _)| standing.closed_ns);
            rest.until_ns = closed.min().unwrap_or(i64::MAX);
        }
        rest
    }

    /// What the line claims there by itself: where it was closed by word, what that was then.
    fn claim_again(&mut self, line: &Line, location: NameId, document_ns: Option<i64>) {
        if line.side == Side::Supply {
            return;
        }
        let life = Life::of(line, document_ns);
        (self.ordered, self.own[0], self.own[1], self.own[HELD]) = (0, 0, 0, 0);
        let mut until_ns = None;
        for (place, known) in (0..).zip(&line.places) {
            if known.location != location {
                continue;
            }
            let standing = &life.standings[place as usize];
            let closed_ns = standing.closed_ns.filter(|_| !standing.is_open);
            let reach = closed_ns.map_or(standing.reach, Reach::until);
            until_ns = until_ns.max(Some(closed_ns.unwrap_or(i64::MAX)));
            let (sums, voices) = (Sums::of(line, place, &reach), Voices::of(line, place, &reach));
            self.ordered += voices.ordered;
            self.own[0] += reach.base + sums.reserved - sums.unreserved;
            self.own[1] += reach.base + sums.allocated - sums.deallocated;
            self.own[HELD] += voices.taken(i32::MAX);
        }
        self.until_ns = until_ns.unwrap_or(i64::MAX);
    }

    fn left(&self, kind: usize) -> i128 {
        let greatest = self.own.iter().copied().fold(self.ordered, i128::max).max(0);
        (greatest - self.own[kind]).max(0)
    }
}

/// What was stated of a purchase line at a location. At one time the lesser quantity holds.
fn stated_supply(line: &Line, location: NameId) -> i128 {
    let stated = |place: u32| {
        let here = line.statements.iter().filter(|statement| statement.place == place);
        let said = here.filter_map(|statement| Some((statement.time_ns, Reverse(statement.quantity?))));
        said.max().map_or(0, |(_, Reverse(quantity))| i128::from(quantity))
    };
    let places = (0..).zip(&line.places).filter(|(_, place)| place.location == location);
    places.map(|(place, _)| stated(place)).sum()
}

/// Shares out one kind of facts: those that add, earliest first, less those that take, which take from the latest.
fn spread_facts(
    loose: &mut Line,
    named: &mut [Line],
    (location, at): (NameId, usize),
    rests: &[Rest],
    (sources, is_before): (&Sources, &impl Fn(Spot, Spot) -> bool),
) {
    let (adding, taking) = KINDS[at];
    let is_here = |line: &Line, fact: &Fact| line.places[fact.place as usize].location == location;
    let is_meant = |line: &Line, fact: &Fact, kinds: &[Kind]| kinds.contains(&fact.kind) && is_here(line, fact);
    // Each position gives back what is its own.
    let mut taken: SmallVec<[i128; 2]> = smallvec![0; loose.places.len()];
    for fact in loose.facts.iter().filter(|fact| is_meant(loose, fact, taking)) {
        taken[fact.place as usize] += i128::from(fact.amount);
    }
    let mut order: Vec<usize> =
        (0..loose.facts.len()).filter(|number| is_meant(loose, &loose.facts[*number], adding)).collect();
    // What moves the shelf is told of by source: that is shared out source by source.
    let is_moved = adding.contains(&Kind::Picked) || adding.contains(&Kind::Shipped);
    order.sort_by_key(|number| {
        let Fact { time_ns, kind, place, amount, source, .. } = loose.facts[*number];
        let mover = is_moved.then(|| (kind, sources.name(source)));
        (place, mover, time_ns, kind, amount)
    });
    let mut left: Vec<i128> = order.iter().map(|number| i128::from(loose.facts[*number].amount)).collect();
    for (number, amount) in order.iter().zip(&mut left).rev() {
        let back = &mut taken[loose.facts[*number].place as usize];
        let share = (*back).min(*amount);
        (*amount, *back) = (*amount - share, *back - share);
    }
    for (line, rest) in named.iter_mut().zip(rests).filter(|(_, rest)| rest.is_there) {
        let mut wanted = rest.left(at);
        for (number, amount) in order.iter().zip(&mut left) {
            let fact = loose.facts[*number];
            let share = wanted.min(*amount);
            if share <= 0 || fact.time_ns > rest.until_ns {
                continue;
            }
            (*amount, wanted) = (*amount - share, wanted - share);
            let moved = i64::try_from(share).unwrap_or(i64::MAX);
            let spot = loose.places[fact.place as usize].spot;
            let place = line.place(spot, location, |other| is_before(other, spot));
            line.facts.push(Fact { place, amount: moved, ..fact });
            loose.facts[*number].amount -= moved;
        }
    }
    loose.facts.retain(|fact| fact.amount != 0 || fact.kind.is_closing());
}

/// Shares out what was posted and what is held, position by position, the earliest days first. What was posted is
/// nearer to the door than what is only held.
fn spread_holds(
    loose: &mut Line,
    named: &mut [Line],
    location: NameId,
    rests: &[Rest],
    is_before: &impl Fn(Spot, Spot) -> bool,
) {
    loose.holds.sort_by_key(|hold| (hold.place, hold.bucket, hold.asked_ns, hold.serial, hold.part));
    for (line, rest) in named.iter_mut().zip(rests).filter(|(_, rest)| rest.is_there) {
        let mut wanted = rest.left(HELD);
        for (place, known) in (0..).zip(&loose.places).filter(|(_, known)| known.location == location) {
            let mut give = |hold: &mut Hold, is_posted: bool| {
                if hold.place != place || hold.asked_ns > rest.until_ns || wanted <= 0 {
                    return;
                }
                let moved = if is_posted { take_posts(hold, &mut wanted) } else { take_live(hold, &mut wanted) };
                if !moved.is_blank() {
                    let at = line.place(known.spot, location, |other| is_before(other, known.spot));
                    line.holds.push(Hold { place: at, ..moved });
                }
            };
            loose.holds.iter_mut().for_each(|hold| give(hold, true));
            loose.holds.iter_mut().for_each(|hold| give(hold, false));
        }
    }
}

/// Takes what was posted of a hold, up to what is wanted.
fn take_posts(hold: &mut Hold, wanted: &mut i128) -> Hold {
    let mut posts = SmallVec::new();
    for (time_ns, amount) in &mut hold.posts {
        let share = take(amount, *wanted);
        *wanted -= i128::from(share);
        if share > 0 {
            posts.push((*time_ns, share));
        }
    }
    hold.posts.retain(|(_, amount)| *amount > 0);
    Hold { live: 0, posts, given: Vec::new(), lapsed: None, ..hold.clone() }
}

/// Takes what is live of a hold, up to what is wanted.
fn take_live(hold: &mut Hold, wanted: &mut i128) -> Hold {
    let live = take(&mut hold.live, *wanted);
    *wanted -= i128::from(live);
    Hold { live, posts: SmallVec::new(), given: Vec::new(), lapsed: None, ..hold.clone() }
}

/// Takes up to a quantity off an amount.
fn take(amount: &mut i64, most: i128) -> i64 {
    let share = i64::try_from(most.min(i128::from(*amount)).max(0)).unwrap_or(0);
    *amount -= share;
    share
}
