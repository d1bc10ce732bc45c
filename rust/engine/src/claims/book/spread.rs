//! Spreading: facts without a line belong to the document's lines of that SKU at that location, in their order, each up
//! to its rest (`docs/claims.md` §5).

use smallvec::{SmallVec, smallvec};
use tallystick_tables::intern::NameId;

use crate::claims::book::fact::{Fact, FactKind, Hold};
use crate::claims::book::life::Life;
use crate::claims::book::line::Line;
use crate::claims::book::rest::{Rest, stated_at};
use crate::claims::book::sources::SourceNames;
use crate::claims::book::voices::Ordered;
use crate::read::directive::Side;
use crate::stock::Spot;

/// The kinds that are spread apart, each by the kinds that add to it and take from it.
pub(crate) const KINDS: [(&[FactKind], &[FactKind]); 5] = [
    (&[FactKind::Reserved], &[FactKind::Unreserved]),
    (&[FactKind::Allocated, FactKind::Converted], &[FactKind::Deallocated]),
    (&[FactKind::Picked], &[FactKind::Unpicked]),
    (&[FactKind::Shipped, FactKind::Sold], &[]),
    (&[FactKind::Received], &[FactKind::Returned]),
];

/// Where some of them stand, and what is held and posted after them.
pub(crate) const PICKED: usize = 2;
pub(crate) const SHIPPED: usize = 3;
pub(crate) const RECEIVED: usize = 4;
pub(crate) const HELD: usize = KINDS.len();

/// The kinds that move stock, and those that only claim.
const MOVING: [usize; 3] = [PICKED, SHIPPED, RECEIVED];
pub(crate) const CLAIMING: [usize; 2] = [0, 1];

/// The lines of a document and SKU with what was said without a line shared out among them. The first of `lines` is the
/// one without a number; the others
/// stand in their order. `closed_ns` tells when the document was closed; `is_before` in which order positions stand.
pub(crate) fn spread(
    lines: &[&Line],
    closed_ns: Option<i64>,
    sources: &SourceNames,
    is_before: impl Fn(Spot, Spot) -> bool,
) -> Vec<Line> {
    let mut all: Vec<Line> = lines.iter().map(|line| (*line).clone()).collect();
    let Some((loose, named)) = all.split_first_mut() else { return all };
    let mut locations: SmallVec<[NameId; 2]> = loose.places.iter().map(|place| place.location).collect();
    locations.sort_unstable();
    locations.dedup();
    loose.covered = vec![0; loose.places.len()];
    // What a word has ended is nobody's any more, but for what moved.
    let words: SmallVec<[Option<i64>; 1]> =
        (0..loose.places.len()).map(|place| loose.closed_ns(super::line::narrow(place)).max(closed_ns)).collect();
    let never: SmallVec<[Option<i64>; 1]> = smallvec![None; loose.places.len()];
    let mut rests: Vec<Vec<Rest>> =
        locations.iter().map(|at| named.iter().map(|line| Rest::of(line, *at, closed_ns)).collect()).collect();
    for (location, rests) in locations.iter().zip(&mut rests) {
        for at in MOVING {
            // What was told of one unit in two ways comes together first.
            for wanted in [|rest: &Rest, at| rest.unmatched(at), |rest: &Rest, at| rest.left(at)] {
                spread_facts(loose, named, (*location, at, wanted), (rests, &never), (sources, &is_before));
            }
        }
    }
    // With what moved it shows which lines a request found complete, and opened.
    for (location, rests) in locations.iter().zip(&rests) {
        let asked = asked_at(loose, *location, &words);
        for (line, _) in named.iter_mut().zip(rests).filter(|(_, rest)| rest.is_there) {
            line.asked_loosely.extend(&asked);
        }
    }
    for (location, rests) in locations.iter().zip(&mut rests) {
        for (line, rest) in named.iter().zip(rests.iter_mut()).filter(|(_, rest)| rest.is_there) {
            rest.claim_again(line, *location, closed_ns);
            rest.move_again(line, *location, closed_ns);
        }
    }
    for (location, rests) in locations.iter().zip(&mut rests) {
        for at in CLAIMING {
            spread_facts(loose, named, (*location, at, Rest::left), (rests, &words), (sources, &is_before));
        }
        spread_holds(loose, named, *location, (rests, &words), &is_before);
        let beyond: i128 = named.iter().zip(&*rests).map(|(line, rest)| rest.beyond_order(line, *location)).sum();
        cover(loose, *location, closed_ns, beyond);
    }
    all
}

/// When requests that no word has ended were effective.
fn asked_at(loose: &Line, location: NameId, words: &[Option<i64>]) -> Vec<i64> {
    let is_here = |hold: &&Hold| loose.places[hold.place as usize].location == location;
    let is_ended = |hold: &Hold| Some(hold.asked_ns) <= words[hold.place as usize];
    loose.holds.iter().filter(is_here).filter(|hold| !is_ended(hold)).map(|hold| hold.asked_ns).collect()
}

/// Notes how much of what is ordered without a line is that of other lines.
fn cover(loose: &mut Line, location: NameId, document_ns: Option<i64>, mut beyond: i128) {
    let life = Life::by_word(loose, document_ns);
    for place in (0..).zip(loose.places.clone()).filter(|(_, known)| known.location == location).map(|(place, _)| place)
    {
        let ordered = match loose.side {
            Side::Supply => stated_at(loose, place),
            Side::Demand => {
                Ordered::of(loose, place, &life.standings[place as usize].reach).map_or(0, |ordered| ordered.quantity)
            }
        };
        let share = beyond.min(ordered).max(0);
        loose.covered[place as usize] = share;
        beyond -= share;
    }
}

/// Shares out one kind of facts: those that add, earliest first, less those that take, which take from the latest.
fn spread_facts(
    loose: &mut Line,
    named: &mut [Line],
    (location, at, wanted): (NameId, usize, fn(&Rest, usize) -> i128),
    (rests, words): (&mut [Rest], &[Option<i64>]),
    (sources, is_before): (&SourceNames, &impl Fn(Spot, Spot) -> bool),
) {
    let (adding, taking) = KINDS[at];
    let is_here = |line: &Line, fact: &Fact| line.places[fact.place as usize].location == location;
    let is_ended = |fact: &Fact| Some(fact.time_ns) <= words[fact.place as usize];
    let is_meant = |line: &Line, fact: &Fact, kinds: &[FactKind]| {
        kinds.contains(&fact.kind) && is_here(line, fact) && !is_ended(fact)
    };
    // Each position gives back what is its own.
    let mut taken: SmallVec<[i128; 2]> = smallvec![0; loose.places.len()];
    for fact in loose.facts.iter().filter(|fact| is_meant(loose, fact, taking)) {
        taken[fact.place as usize] += i128::from(fact.amount);
    }
    let mut order: Vec<usize> =
        (0..loose.facts.len()).filter(|number| is_meant(loose, &loose.facts[*number], adding)).collect();
    // What moves the shelf is told of by source: that is shared out source by source.
    let is_moved = adding.contains(&FactKind::Picked) || adding.contains(&FactKind::Shipped);
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
        let mut wanted = wanted(rest, at);
        for (number, amount) in order.iter().zip(&mut left) {
            let fact = loose.facts[*number];
            let share = wanted.min(*amount);
            if share <= 0 || fact.time_ns > rest.until_ns {
                continue;
            }
            (*amount, wanted) = (*amount - share, wanted - share);
            rest.take(at, share);
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
    (rests, words): (&[Rest], &[Option<i64>]),
    is_before: &impl Fn(Spot, Spot) -> bool,
) {
    loose.holds.sort_by_key(|hold| (hold.place, hold.bucket, hold.asked_ns, hold.serial, hold.part));
    for (line, rest) in named.iter_mut().zip(rests).filter(|(_, rest)| rest.is_there) {
        let mut wanted = rest.left(HELD);
        for (place, known) in (0..).zip(&loose.places).filter(|(_, known)| known.location == location) {
            let mut give = |hold: &mut Hold, is_posted: bool| {
                let is_ended = Some(hold.asked_ns) <= words[hold.place as usize];
                if hold.place != place || is_ended || hold.asked_ns > rest.until_ns || wanted <= 0 {
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
