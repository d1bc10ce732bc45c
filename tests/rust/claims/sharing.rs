//! §5 of `docs/claims.md` in the model: what has no line goes to the lines of its document, each up to its rest. Holds
//! no test.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Fact, Facts, Key, Kind, word};
use super::model::{NEVER, opened, standing, wants};
use super::told::{Line, Spot, Told};

/// What gives to a kind, and what takes from it, in the order of `Wants::kinds`; holds stand for themselves.
const STEPS: [(&[Kind], &[Kind]); 5] = [
    (&[Kind::Reserved], &[Kind::Unreserved]),
    (&[Kind::Allocated, Kind::Converted], &[Kind::Deallocated]),
    (&[], &[]),
    (&[Kind::Picked], &[Kind::Unpicked]),
    (&[Kind::Shipped, Kind::Sold], &[]),
];
const MOVING: [Kind; 4] = [Kind::Picked, Kind::Unpicked, Kind::Shipped, Kind::Sold];
const HELD: usize = 2;
const PICKED: usize = 3;
const SHIPPED: usize = 4;
const ORDERED: usize = 5;

/// What a line has of each kind at a location, how much more it was given since, and until when it takes.
struct Own {
    key: Key,
    kinds: [i64; 6],
    until: i64,
    gone: i64,
    is_closed: bool,
}

impl Own {
    fn rest(&self, kind: usize) -> i64 {
        self.greatest() - self.kinds[kind]
    }

    fn greatest(&self) -> i64 {
        self.kinds.into_iter().max().unwrap_or(0).max(0)
    }

    /// What it has beyond its own order.
    fn beyond(&self) -> i64 {
        let most = if self.is_closed { self.gone } else { self.greatest() };
        (most - self.kinds[ORDERED].max(0)).max(0)
    }
}

/// §5: shares out what has no line, document by document.
pub(super) fn share_out(told: &[&Told], facts: &mut Facts) {
    let loose: Vec<Key> = facts.keys().filter(|key| key.1 == Line::Missing).cloned().collect();
    for loose in loose {
        let locations: BTreeSet<&str> = facts[&loose].iter().map(|fact| fact.at.0).collect();
        let takers: Vec<(&str, Vec<Key>)> =
            locations.into_iter().map(|location| (location, takers(facts, &loose, location))).collect();
        for (location, keys) in &takers {
            share_moves(told, facts, (&loose, location), keys);
        }
        for (location, keys) in &takers {
            let_hear(told, facts, (&loose, location), keys);
        }
        let owns = takers.iter().map(|(location, keys)| (*location, look(told, facts, keys, location)));
        for (location, owns) in owns.collect::<Vec<_>>() {
            share_claims(told, facts, (&loose, location), owns);
        }
    }
}

/// The lines of the document that are known at a location.
fn takers(facts: &Facts, loose: &Key, location: &str) -> Vec<Key> {
    let its = facts.iter().filter(|(key, _)| key.0 == loose.0 && key.1 != Line::Missing);
    its.filter(|(_, facts)| facts.iter().any(|fact| fact.at.0 == location)).map(|(key, _)| key.clone()).collect()
}

fn look(told: &[&Told], facts: &Facts, keys: &[Key], location: &str) -> Vec<Own> {
    keys.iter().map(|key| own(told, key, &facts[key], location)).collect()
}

/// What was told of one unit in two ways comes together first.
fn share_moves(told: &[&Told], facts: &mut Facts, (loose, location): (&Key, &str), keys: &[Key]) {
    let mut owns = look(told, facts, keys, location);
    for (kind, other) in [(PICKED, SHIPPED), (SHIPPED, PICKED)] {
        let unmatched: Vec<i64> = owns.iter().map(|own| own.kinds[other] - own.kinds[kind]).collect();
        share_facts(facts, (loose, location), kind, &mut owns, &unmatched);
        let rests: Vec<i64> = owns.iter().map(|own| own.rest(kind)).collect();
        share_facts(facts, (loose, location), kind, &mut owns, &rests);
    }
}

/// Requests without a line that no word has ended are looked at as requests of each line.
fn let_hear(told: &[&Told], facts: &mut Facts, (loose, location): (&Key, &str), keys: &[Key]) {
    let asks = |fact: &&Fact| {
        fact.kind == Kind::Asked && fact.at.0 == location && fact.time > word(told, loose, fact.at, i64::MAX)
    };
    let asked: Vec<Fact> = facts[loose].iter().filter(asks).cloned().collect();
    for key in keys {
        let into = facts.get_mut(key).expect("it is there");
        let at = into[0].at;
        into.extend(asked.iter().map(|fact| Fact { kind: Kind::AskedLoosely, quantity: 0, at, ..fact.clone() }));
    }
}

fn share_claims(told: &[&Told], facts: &mut Facts, (loose, location): (&Key, &str), mut owns: Vec<Own>) {
    // What a word has ended is nobody's any more.
    let is_ended = |fact: &Fact| {
        let claims = fact.kind != Kind::Order && !MOVING.contains(&fact.kind);
        claims && fact.since <= word(told, loose, fact.at, i64::MAX)
    };
    let (ended, live): (Vec<Fact>, Vec<Fact>) = facts[loose].iter().cloned().partition(is_ended);
    facts.insert(loose.clone(), live);
    for kind in 0..HELD {
        let rests: Vec<i64> = owns.iter().map(|own| own.rest(kind)).collect();
        share_facts(facts, (loose, location), kind, &mut owns, &rests);
    }
    share_holds(facts, (loose, location), &owns);
    let pool = facts.entry(loose.clone()).or_default();
    pool.extend(ended);
    let mut beyond: i64 = owns.iter().map(Own::beyond).sum();
    for at in pool.iter().map(|fact| fact.at).filter(|at| at.0 == location).collect::<BTreeSet<Spot>>() {
        let is_order = |fact: &Fact| fact.at == at && fact.kind == Kind::Order;
        let word = word(told, loose, at, i64::MAX);
        let orders = pool.iter().filter(|fact| is_order(fact) && fact.time > word);
        let orders = orders.map(|fact| (fact.time, fact.quantity));
        let covered = beyond.min(orders.max().map_or(0, |(_, quantity)| quantity)).max(0);
        beyond -= covered;
        pool.iter_mut().filter(|fact| is_order(fact)).for_each(|fact| fact.quantity = (fact.quantity - covered).max(0));
    }
}

/// What a line has at a location by its facts. Where it is closed by word that is as it was then, without holds.
fn own(told: &[&Told], key: &Key, facts: &[Fact], location: &str) -> Own {
    let opened = opened(facts, &|at, until| word(told, key, at, until));
    let spots: BTreeSet<Spot> = facts.iter().map(|fact| fact.at).filter(|at| at.0 == location).collect();
    let (mut kinds, mut until, mut gone) = ([0; 6], NEVER, 0);
    for at in spots {
        let word = word(told, key, at, i64::MAX);
        let mut stands = wants(facts, at, word, opened);
        gone += stands.gone;
        until = until.max(if stands.is_shut { word } else { i64::MAX });
        if stands.is_shut {
            let past: Vec<Fact> =
                facts.iter().filter(|fact| fact.time <= word && !fact.is_of_hold()).cloned().collect();
            stands = wants(&past, at, NEVER, NEVER);
        }
        kinds.iter_mut().zip(stands.kinds()).for_each(|(sum, part)| *sum += part);
    }
    let is_closed = until < i64::MAX || standing(facts, &|at, until| word(told, key, at, until), opened).is_closed;
    Own { key: key.clone(), kinds, until, gone, is_closed }
}

/// Shares out one kind of facts, position by position, what moved source by source, the earliest first. What was given
/// back takes from what came last, and stays where it was told.
fn share_facts(facts: &mut Facts, (loose, location): (&Key, &str), kind: usize, owns: &mut [Own], wanted: &[i64]) {
    let (gives, takes) = STEPS[kind];
    let mut pool = facts.remove(loose).unwrap_or_default();
    let mover = |fact: &Fact| (kind > HELD).then_some((fact.kind == Kind::Sold, fact.source));
    pool.sort_by_key(|fact| (fact.at, mover(fact), fact.time, fact.kind));
    let mut back: BTreeMap<Spot, i64> = BTreeMap::new();
    for fact in pool.iter().filter(|fact| takes.contains(&fact.kind)) {
        *back.entry(fact.at).or_default() += fact.quantity;
    }
    let mut left: Vec<i64> =
        pool.iter().map(|fact| if gives.contains(&fact.kind) { fact.quantity } else { 0 }).collect();
    for (fact, left) in pool.iter().zip(&mut left).rev() {
        let back = back.entry(fact.at).or_default();
        let part = (*back).min(*left);
        (*left, *back) = (*left - part, *back - part);
    }
    for (own, wanted) in owns.iter_mut().zip(wanted) {
        let mut wanted = *wanted;
        for (fact, left) in pool.iter_mut().zip(&mut left) {
            if fact.at.0 != location || fact.time > own.until {
                continue;
            }
            let part = wanted.min(*left).max(0);
            (wanted, *left, fact.quantity) = (wanted - part, *left - part, fact.quantity - part);
            own.kinds[kind] += part;
            if part > 0 {
                let into = facts.get_mut(&own.key).expect("it is there");
                into.push(Fact { quantity: part, ..fact.clone() });
            }
        }
    }
    facts.insert(loose.clone(), pool);
}

/// Shares out what was posted, then what is live, position by position, the earliest days and requests first.
fn share_holds(facts: &mut Facts, (loose, location): (&Key, &str), owns: &[Own]) {
    let mut pool = facts.remove(loose).unwrap_or_default();
    let holds = pool.iter().filter(|fact| fact.kind == Kind::Asked && fact.at.0 == location);
    let mut holds: Vec<Fact> = holds.cloned().collect();
    holds.sort_by_key(|fact| (fact.at, fact.day, fact.since, fact.hold));
    for own in owns {
        let mut wanted = own.rest(HELD);
        for at in holds.iter().map(|hold| hold.at).collect::<BTreeSet<Spot>>() {
            for is_posted in [true, false] {
                for hold in holds.iter().filter(|hold| hold.at == at && hold.since <= own.until) {
                    let given = take(&mut pool, hold, is_posted, &mut wanted);
                    if !given.is_empty() {
                        let its = |fact: &&Fact| fact.hold == hold.hold && fact.kind == Kind::Raised;
                        let raised: Vec<Fact> = pool.iter().filter(its).cloned().collect();
                        let into = facts.get_mut(&own.key).expect("it is there");
                        into.extend(raised.into_iter().chain([hold.clone()]).chain(given));
                    }
                }
            }
        }
    }
    facts.insert(loose.clone(), pool);
}

/// Takes what was posted or is live of a hold out of the pool, up to what is wanted.
fn take(pool: &mut Vec<Fact>, hold: &Fact, is_posted: bool, wanted: &mut i64) -> Vec<Fact> {
    let kind = if is_posted { Kind::Posted } else { Kind::Held };
    let its: Vec<Fact> = pool.iter().filter(|fact| fact.hold == hold.hold && fact.kind == kind).cloned().collect();
    let mut parts: BTreeMap<i64, i64> = BTreeMap::new();
    for fact in &its {
        // What is live is live since it was asked for.
        *parts.entry(if is_posted { fact.time } else { hold.since }).or_default() += fact.quantity;
    }
    let mut given = Vec::new();
    for (time, quantity) in parts {
        let part = quantity.min(*wanted).max(0);
        *wanted -= part;
        let of = |kind, quantity, time| Fact { kind, quantity, time, ..hold.clone() };
        let mut moved = vec![of(Kind::Held, part, hold.since)];
        if is_posted {
            // Until it was posted it was live.
            moved.extend([of(Kind::Held, -part, time), of(Kind::Posted, part, time)]);
        }
        if part > 0 {
            pool.extend(moved.iter().map(|fact| Fact { quantity: -fact.quantity, ..fact.clone() }));
            given.extend(moved);
        }
    }
    given
}
