//! What the model takes from messages: facts of lines, holds folded (`docs/claims.md` §1), and what has no line spread
//! over lines (§5). Holds no test.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{NEVER, opened, wants};
use super::told::{Line, Says, Spot, Told};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Order,
    Day,
    Reserved,
    Unreserved,
    Converted,
    Allocated,
    Deallocated,
    Asked,
    Raised,
    Held,
    Posted,
    Lapsed,
    Picked,
    Unpicked,
    Shipped,
    Sold,
}

/// A fact, or what became of a hold; `since` is when its hold was asked for.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) quantity: i64,
    pub(super) day: i64,
    pub(super) time: i64,
    pub(super) since: i64,
    pub(super) at: Spot,
    pub(super) source: &'static str,
}

/// Document and line.
pub(super) type Key = (String, Line);
pub(super) type Facts = BTreeMap<Key, Vec<Fact>>;

/// What a list by days amounts to up to a day.
pub(super) fn up_to(list: &[(i64, i64)], day: i64) -> i64 {
    list.iter().filter(|(at, _)| *at <= day).map(|(_, quantity)| quantity).sum()
}

/// §3: when the line was closed by word at a position.
pub(super) fn word(told: &[&Told], (document, line): &Key, at: Spot) -> i64 {
    let closes = |told: &&&Told| match told.says {
        Says::Closed => true,
        Says::Cancelled | Says::Shipped { is_final: true, .. } => told.line == *line && told.at.0 == at.0,
        _ => false,
    };
    let of_document = told.iter().filter(|told| told.document == Some(document));
    of_document.filter(closes).map(|told| told.time).max().unwrap_or(NEVER)
}

/// §1: what became of a hold until `now`. Of its steps at one time, changes come first, then posts, voids of a part,
/// voids of all, and the end of its time.
pub(super) fn fold(told: &[&Told], request: &Told, now: i64, into: &mut Vec<Fact>) {
    let Says::Requested { quantity: granted, day, ttl } = request.says else { return };
    let of_hold = |step: &&&Told| matches!(step.says, Says::Changed { hold, .. } | Says::Posted { hold, .. } | Says::Voided { hold, .. } if hold == request.id);
    let steps = told.iter().filter(of_hold);
    let longer = steps.clone().filter_map(|step| match step.says {
        Says::Changed { ttl: Some(ttl), .. } => Some((step.time, step.arrived + ttl)),
        _ => None,
    });
    let end = longer.max().map(|(_, end)| end).or(ttl.map(|ttl| request.arrived + ttl));
    let in_words = steps.filter_map(|step| match step.says {
        Says::Changed { quantity, .. } => quantity.map(|quantity| (step.time, 0, quantity, false)),
        Says::Posted { quantity, keep, .. } => Some((step.time, 1, quantity.unwrap_or(i64::MAX), keep)),
        Says::Voided { quantity: Some(quantity), .. } => Some((step.time, 2, quantity, false)),
        _ => Some((step.time, 3, 0, false)),
    });
    let mut in_words: Vec<_> = in_words.chain(end.filter(|end| *end <= now).map(|end| (end, 4, 0, false))).collect();
    in_words.sort_unstable();
    let mut live = granted;
    let fact = |kind, quantity, time| {
        let (at, source) = (request.at, request.source);
        Fact { kind, quantity, day: day.unwrap_or(0).max(0), time, since: request.time, at, source }
    };
    into.push(fact(Kind::Asked, granted, request.time));
    for (time, step, quantity, keep) in in_words {
        let part = quantity.min(live);
        match step {
            0 if live > 0 => {
                into.extend((quantity > live).then(|| fact(Kind::Raised, quantity - live, time)));
                live = quantity;
            }
            1 => {
                into.push(fact(Kind::Posted, part, time));
                live = if keep { live - part } else { 0 };
            }
            2 => live -= part,
            3 | 4 => into.push(fact(Kind::Lapsed, std::mem::take(&mut live), time)),
            _ => {}
        }
    }
    into.push(fact(Kind::Held, live, request.time));
}

/// Facts by line, those without a line spread over the others.
pub(super) fn facts(told: &[&Told], now: i64) -> Facts {
    let mut facts = Facts::new();
    for message in told {
        let Some(document) = message.document else {
            // What is posted with a date from a hold without a document is claimed by a line of its own (§6).
            if let Says::Requested { day: Some(1..), .. } = message.says {
                let own = facts.entry((format!("{}/m{}", message.source, message.id), Line::Number(1))).or_default();
                fold(told, message, now, own);
                own.retain(|fact| fact.kind == Kind::Posted);
            }
            continue;
        };
        let of_line = facts.entry((document.to_owned(), message.line.clone())).or_default();
        let mut add = |kind, quantity| {
            let Told { time, at, source, .. } = **message;
            of_line.push(Fact { kind, quantity, day: 0, time, since: time, at, source });
        };
        match message.says {
            Says::Order { quantity, day } => {
                if let Some(quantity) = quantity {
                    add(Kind::Order, quantity);
                }
                if let Some(day) = day {
                    add(Kind::Day, day);
                }
            }
            Says::Reserved(quantity) => add(Kind::Reserved, quantity),
            Says::Unreserved(quantity) => add(Kind::Unreserved, quantity),
            Says::Allocated { quantity, converted } => {
                add(Kind::Allocated, quantity);
                add(Kind::Converted, if converted { quantity } else { 0 });
            }
            Says::Deallocated(quantity) => add(Kind::Deallocated, quantity),
            Says::Picked(quantity) => add(Kind::Picked, quantity),
            Says::Unpicked(quantity) => add(Kind::Unpicked, quantity),
            Says::Shipped { quantity, from_picked, .. } => {
                add(if from_picked { Kind::Shipped } else { Kind::Sold }, quantity);
            }
            _ => fold(told, message, now, of_line),
        }
    }
    spread((told, now), &mut facts);
    facts
}

/// What gives to a kind of step, and what takes from it, in the order of `Wants::kinds`.
const STEPS: [(&[Kind], &[Kind]); 5] = [
    (&[Kind::Reserved], &[Kind::Unreserved]),
    (&[Kind::Allocated], &[Kind::Deallocated]),
    (&[Kind::Held, Kind::Posted, Kind::Lapsed], &[]),
    (&[Kind::Picked], &[Kind::Unpicked]),
    (&[Kind::Shipped, Kind::Sold], &[]),
];

/// §5: what has no line goes to the lines, each up to its rest.
fn spread((told, now): (&[&Told], i64), facts: &mut Facts) {
    let own = facts.clone();
    let mut given = Facts::new();
    for (key, loose) in facts.iter_mut().filter(|(key, _)| key.1 == Line::Missing) {
        for (number, (gives, takes)) in STEPS.iter().enumerate() {
            loose.sort_by_key(|fact| fact.time);
            // What was given back is not given to a line; with what is left it stays as it was told.
            let mut left = loose.clone();
            net(&mut left, gives, takes);
            // Position by position, and what moved the shelf source by source.
            let mover = |fact: &Fact| (number > 2).then_some((fact.kind == Kind::Sold, fact.source));
            let held = |fact: &Fact| (number == 2).then_some((fact.kind == Kind::Held, fact.day, fact.since));
            let sort = |facts: &mut Vec<Fact>| facts.sort_by_key(|fact| (fact.at, mover(fact), held(fact), fact.time));
            sort(loose);
            sort(&mut left);
            for line in own.keys().filter(|line| line.0 == key.0 && line.1 != Line::Missing) {
                let mut rests: BTreeMap<&str, i64> = BTreeMap::new();
                for (fact, left) in loose.iter_mut().zip(&mut left).filter(|(fact, _)| gives.contains(&fact.kind)) {
                    let rest = rests
                        .entry(fact.at.0)
                        .or_insert_with(|| rest((told, now), line, &own[line], fact.at.0, number));
                    let word = word(told, line, fact.at);
                    let is_late = fact.time > word && wants(&own[line], fact.at, word, NEVER).is_shut;
                    let quantity = if is_late { 0 } else { left.quantity.min(*rest).max(0) };
                    *rest -= quantity;
                    left.quantity -= quantity;
                    fact.quantity -= quantity;
                    let into = given.entry(line.clone()).or_default();
                    if number == 2 {
                        into.push(Fact { kind: Kind::Asked, quantity, time: fact.since, ..*fact });
                    }
                    into.push(Fact { quantity, ..*fact });
                }
            }
        }
    }
    for (line, new) in given {
        facts.entry(line).or_default().extend(new.into_iter().filter(|fact| fact.quantity > 0));
    }
}

/// What was given back takes from what came last.
fn net(loose: &mut [Fact], gives: &[Kind], takes: &[Kind]) {
    for place in 0..loose.len() {
        let Fact { kind, at, mut quantity, .. } = loose[place];
        if !takes.contains(&kind) {
            continue;
        }
        for fact in loose.iter_mut().rev().filter(|fact| gives.contains(&fact.kind) && fact.at == at) {
            let part = quantity.min(fact.quantity);
            quantity -= part;
            fact.quantity -= part;
        }
        loose[place].quantity = quantity;
    }
}

/// How much a line takes of a kind of step at a location. One that is closed by word takes as it stood at the closing.
fn rest((told, now): (&[&Told], i64), line: &Key, own: &[Fact], location: &str, number: usize) -> i64 {
    let spots: BTreeSet<Spot> = own.iter().map(|fact| fact.at).filter(|at| at.0 == location).collect();
    let opened = opened(told, line, now);
    let mut sums = [0; 6];
    for at in spots {
        let word = word(told, line, at);
        let mut stands = wants(own, at, word, opened);
        if stands.is_shut {
            let past: Vec<Fact> = own.iter().filter(|fact| fact.time <= word).cloned().collect();
            stands = wants(&past, at, NEVER, NEVER);
        }
        for (sum, part) in sums.iter_mut().zip(stands.kinds()) {
            *sum += part;
        }
    }
    sums.into_iter().max().unwrap_or(0) - sums[number]
}
