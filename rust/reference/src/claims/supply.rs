//! Supply lines (`docs/claims.md` §7): what was said of what is to come, and what of it came.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::Flow;

use crate::body::Key;
use crate::calendar::Due;
use crate::document::Order;
use crate::number::Number;
use crate::posting::{Posting, ends};

use super::facts::order_of;

/// What was said of a line that is to come.
#[derive(Debug, Clone)]
pub(crate) struct SupplyFact {
    pub(crate) number: Number,
    pub(crate) at: PositionKey,
    pub(crate) time_ns: i64,
    /// Who said it, and under which key.
    pub(crate) key: Key,
    pub(crate) posting: Option<u64>,
    pub(crate) said: SupplySaid,
}

#[derive(Debug, Clone)]
pub(crate) enum SupplySaid {
    Due {
        quantity: Option<i64>,
        due: Option<Due>,
        supplier: Option<String>,
        is_scheduled: bool,
    },
    Received(i64),
    /// Whether all that should have come was received.
    Closed {
        is_received: bool,
    },
}

/// A line at a position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supply {
    /// The quantity that holds, or held when it was closed.
    pub(crate) quantity: Option<i128>,
    pub(crate) due: Option<Due>,
    pub(crate) supplier: Option<String>,
    pub(crate) source: String,
    pub(crate) received: i128,
    /// When it was closed by word last, where it was not opened again.
    pub(crate) closed_ns: Option<i64>,
    /// Whether nobody expects what is missing, and nobody misses it.
    pub(crate) is_given_up: bool,
    /// Whether what is missing should have come.
    pub(crate) is_received: bool,
    /// What is still to come.
    pub(crate) rest: i128,
}

/// A quantity and a day.
pub(crate) type Stated = (Option<i128>, Option<Due>);

/// What was told of lines, and since when they are closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) off: BTreeSet<(Order, Number, PositionKey)>,
    pub(crate) overdue: BTreeSet<(Order, Number, PositionKey)>,
    /// What was given up because its day had passed: the quantity and the day that this holds for.
    pub(crate) dropped: BTreeMap<(Order, Number, PositionKey), Stated>,
    pub(crate) seen_after_closing: BTreeSet<(Order, Number)>,
    pub(crate) closed_since: BTreeMap<(Order, Number), i64>,
}

pub(crate) type Places = BTreeMap<(Number, PositionKey), Supply>;

impl Supply {
    pub(crate) fn is_open(&self) -> bool {
        self.rest > 0
    }

    pub(crate) fn missing(&self) -> i128 {
        self.quantity.unwrap_or(0) - self.received
    }
}

/// What a posting received of a line; less than nothing where it went back.
pub(crate) fn of_posting(posting: &Posting) -> Option<(Order, Vec<SupplyFact>)> {
    let body = &posting.body;
    let step = body.rule.step.filter(|_| !body.document.is_empty())?;
    let gives_to_supplier = || body.rule.postings.iter().any(|each| ends(*each, body)[1] == Account::Supplier);
    let amount = match step.flow {
        Flow::Receive => body.quantity,
        Flow::Return if gives_to_supplier() => -body.quantity,
        _ => return None,
    };
    let fact = |said| SupplyFact {
        number: body.line.clone(),
        at: body.key(),
        time_ns: posting.time_ns,
        key: posting.key.clone(),
        posting: Some(posting.number),
        said,
    };
    let mut facts = vec![fact(SupplySaid::Received(amount))];
    if step.flow == Flow::Receive && body.reason == "final" {
        facts.push(fact(SupplySaid::Closed { is_received: true }));
    }
    Some((order_of(posting), facts))
}

/// The facts of one line at one position that count after a time and until another.
fn supply(facts: &[SupplyFact], (number, at): (&Number, &PositionKey), after_ns: Option<i64>, until_ns: i64) -> Supply {
    let mut supply = Supply::default();
    let own = facts.iter().filter(|fact| (&fact.number, &fact.at) == (number, at) && fact.time_ns <= until_ns);
    let mut wanted: Option<(i64, i64)> = None;
    let mut due: Option<(i64, Due)> = None;
    let mut who: Option<(bool, i64, &String, &Option<String>)> = None;
    for fact in own {
        match &fact.said {
            SupplySaid::Received(amount) => supply.received += i128::from(*amount),
            SupplySaid::Due { quantity, due: said, supplier, is_scheduled } if Some(fact.time_ns) > after_ns => {
                // At one time the lesser quantity holds, and the later day.
                let is_later = |known: i64| fact.time_ns > known;
                if let Some(quantity) = *quantity
                    && wanted.is_none_or(|(time_ns, known)| {
                        is_later(time_ns) || (time_ns == fact.time_ns && quantity < known)
                    })
                {
                    wanted = Some((fact.time_ns, quantity));
                }
                if let Some(said) = *said
                    && due.is_none_or(|(time_ns, known)| {
                        is_later(time_ns) || (time_ns == fact.time_ns && said.instant() > known.instant())
                    })
                {
                    due = Some((fact.time_ns, said));
                }
                // Who schedules says whose supply it is; a line that was only moved is that of who moved it. At one
                // time names decide.
                let rank = (*is_scheduled, fact.time_ns, &fact.key.0, supplier);
                if who.is_none_or(|known| rank > known) {
                    who = Some(rank);
                    (supply.supplier, supply.source) = (supplier.clone(), fact.key.0.clone());
                }
            }
            SupplySaid::Closed { .. } | SupplySaid::Due { .. } => {}
        }
    }
    supply.quantity = wanted.map(|(_, quantity)| i128::from(quantity));
    supply.due = due.map(|(_, due)| due);
    supply
}

/// All lines of an order, at each of their positions, by their facts and the closings of their document.
pub(crate) fn places(facts: &[SupplyFact], closings: &[i64]) -> Places {
    let keys: BTreeSet<_> = facts.iter().map(|fact| (fact.number.clone(), fact.at.clone())).collect();
    let mut places = Places::new();
    for (number, at) in keys {
        let said = words(facts, &number, &at.location);
        // At one time, what should have come is missed.
        let closed = said.chain(closings.iter().map(|time_ns| (*time_ns, false))).max();
        let closed_ns = closed.map(|(time_ns, _)| time_ns);
        let mut now = supply(facts, (&number, &at), closed_ns, i64::MAX);
        if let Some((closed_ns, is_received)) = closed.filter(|_| now.quantity.is_none()) {
            let then = supply(facts, (&number, &at), None, closed_ns);
            now = Supply { received: now.received, closed_ns: Some(closed_ns), ..then };
            (now.is_received, now.is_given_up) = (is_received, !is_received);
        }
        places.insert((number, at), now);
    }
    spread(facts, &mut places);
    look_at_rests(&mut places);
    lessen_rests(&mut places);
    places
}

/// What exceptions about a supply line are about.
pub(crate) fn supply_subject(order: &Order, number: &Number, at: &PositionKey) -> String {
    format!("{}/{}", order.subject(number), at.location)
}

/// When a line was closed by word at a location, and whether all that should have come was received.
pub(crate) fn words<'a>(
    facts: &'a [SupplyFact],
    number: &'a Number,
    location: &'a str,
) -> impl Iterator<Item = (i64, bool)> {
    let is_its = move |fact: &&SupplyFact| fact.number == *number;
    let here = facts.iter().filter(is_its).filter(move |fact| fact.at.location == location);
    here.filter_map(|fact| match fact.said {
        SupplySaid::Closed { is_received } => Some((fact.time_ns, is_received)),
        _ => None,
    })
}

/// Receipts without a line belong to the lines of their location, in their order, each up to its rest.
fn spread(facts: &[SupplyFact], places: &mut Places) {
    let mut pool: BTreeMap<PositionKey, i128> = BTreeMap::new();
    for ((_, at), supply) in places.iter().filter(|((number, _), _)| number.is_none()) {
        pool.insert(at.clone(), supply.received);
    }
    let whole = pool.clone();
    let lines: BTreeSet<(String, Number)> = places
        .keys()
        .filter(|(number, _)| !number.is_none())
        .map(|(number, at)| (at.location.clone(), number.clone()))
        .collect();
    for (location, number) in lines {
        let is_here = |at: &PositionKey| at.location == location;
        let own = || places.iter().filter(|((line, at), _)| *line == number && is_here(at)).map(|(_, supply)| supply);
        let mut rest: i128 = own().map(Supply::missing).sum();
        let closed_ns =
            own().filter_map(|supply| supply.closed_ns).max().filter(|_| own().all(|it| it.closed_ns.is_some()));
        for (at, left) in pool.iter_mut().filter(|(at, _)| is_here(at)) {
            let mut most = rest.min(*left);
            if let Some(closed_ns) = closed_ns {
                let then = supply(facts, (&Number::None, at), None, closed_ns).received;
                most = most.min(then - (whole[at] - *left));
            }
            if most > 0 {
                *left -= most;
                rest -= most;
                let begin = || Supply { closed_ns, is_given_up: closed_ns.is_some(), ..Supply::default() };
                places.entry((number.clone(), at.clone())).or_insert_with(begin).received += most;
            }
        }
    }
    for (at, left) in pool {
        places.entry((Number::None, at)).or_default().received = left;
    }
}

/// What is still to come: at each position, and at most what is missing of all.
fn look_at_rests(places: &mut Places) {
    let numbers: BTreeSet<Number> = places.keys().map(|(number, _)| number.clone()).collect();
    for number in numbers {
        let mut missing = 0;
        let mut rests = 0;
        for (_, supply) in places.iter_mut().filter(|((line, _), _)| *line == number) {
            let is_closed = supply.closed_ns.is_some();
            supply.rest = if is_closed { 0 } else { supply.missing().max(0) };
            missing += if is_closed { supply.missing().min(0) } else { supply.missing() };
            rests += supply.rest;
        }
        let mut beyond = rests - missing.max(0);
        for (_, supply) in places.iter_mut().filter(|((line, _), _)| *line == number) {
            let here = beyond.min(supply.rest).max(0);
            supply.rest -= here;
            beyond -= here;
        }
    }
}

/// What came of lines beyond what was stated of them came of what is stated without a line.
fn lessen_rests(places: &mut Places) {
    let mut lines: BTreeMap<(String, Number), [i128; 2]> = BTreeMap::new();
    for ((number, at), supply) in places.iter().filter(|((number, _), _)| !number.is_none()) {
        let [stated, received] = lines.entry((at.location.clone(), number.clone())).or_default();
        *stated += supply.quantity.unwrap_or(0);
        *received += supply.received;
    }
    let mut beyond: BTreeMap<String, i128> = BTreeMap::new();
    for ((location, _), [stated, received]) in lines {
        *beyond.entry(location).or_default() += (received - stated.max(0)).max(0);
    }
    for ((_, at), supply) in places.iter_mut().filter(|((number, _), _)| number.is_none()) {
        let beyond = beyond.entry(at.location.clone()).or_default();
        let here = (*beyond).min(supply.rest);
        supply.rest -= here;
        *beyond -= here;
    }
}
