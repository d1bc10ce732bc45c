//! What the model takes from messages: facts of lines, with holds as what became of them (`docs/claims.md` §1). Holds
//! no test.

use std::collections::BTreeMap;

use super::model::NEVER;
use super::sharing::share_out;
use super::told::{Line, Says, Spot, Told};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Order,
    Day,
    Reserved,
    Unreserved,
    Converted,
    Allocated,
    Deallocated,
    /// A request, and a change that raised it.
    Asked,
    Raised,
    /// A request of the document that names no line.
    AskedLoosely,
    /// What is live of a hold is the sum of these.
    Held,
    Posted,
    Lapsed,
    Picked,
    Unpicked,
    Shipped,
    Sold,
}

/// A fact, or what became of a hold; `since` is when its hold was asked for, `hold` the request's id.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) quantity: i64,
    pub(super) day: i64,
    pub(super) time: i64,
    pub(super) since: i64,
    pub(super) hold: usize,
    pub(super) at: Spot,
    pub(super) source: &'static str,
}

impl Fact {
    pub(super) fn is_of_hold(&self) -> bool {
        matches!(self.kind, Kind::Asked | Kind::Raised | Kind::Held | Kind::Posted | Kind::Lapsed)
    }
}

/// Document and line.
pub(super) type Key = (String, Line);
pub(super) type Facts = BTreeMap<Key, Vec<Fact>>;

/// What a list by days amounts to up to a day.
pub(super) fn up_to(list: &[(i64, i64)], day: i64) -> i64 {
    list.iter().filter(|(at, _)| *at <= day).map(|(_, quantity)| quantity).sum()
}

/// §3: when the line was closed by word at a position, of what is effective until a time.
pub(super) fn word(told: &[&Told], (document, line): &Key, at: Spot, until: i64) -> i64 {
    let closes = |told: &&&Told| match told.says {
        Says::Closed => true,
        Says::Cancelled | Says::Shipped { is_final: true, .. } => told.line == *line && told.at.0 == at.0,
        _ => false,
    };
    let of_document = told.iter().filter(|told| told.document == Some(document) && told.time <= until);
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
    let mut fact = |kind, quantity, time| {
        let (at, source, since, hold) = (request.at, request.source, request.time, request.id);
        into.push(Fact { kind, quantity, day: day.unwrap_or(0).max(0), time, since, hold, at, source });
    };
    fact(Kind::Asked, granted, request.time);
    fact(Kind::Held, granted, request.time);
    let mut live = granted;
    for (time, step, quantity, keep) in in_words {
        let part = quantity.min(live);
        let left = match step {
            0 if live > 0 => quantity,
            1 if !keep => 0,
            1 | 2 => live - part,
            3 | 4 => 0,
            _ => live,
        };
        match step {
            0 if left > live => fact(Kind::Raised, left - live, time),
            1 => fact(Kind::Posted, part, time),
            3 | 4 => fact(Kind::Lapsed, live, time),
            _ => {}
        }
        fact(Kind::Held, left - live, time);
        live = left;
    }
}

/// Facts by line, those without a line shared out.
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
            of_line.push(Fact { kind, quantity, day: 0, time, since: time, hold: 0, at, source });
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
                add(if converted { Kind::Converted } else { Kind::Allocated }, quantity);
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
    share_out(told, &mut facts);
    facts
}
