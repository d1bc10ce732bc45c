//! Supply: what is still to come of a purchase line, by position (`docs/claims.md` §7).

use std::cmp::Reverse;

use crate::calendar::Due;
use crate::claims::book::fact::{FactKind, Statement};
use crate::claims::book::line::Line;
use crate::claims::book::sources::SourceNames;
use crate::stock::Spot;
/// What is known of a purchase line at a position where somebody stated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coming {
    pub(crate) spot: Spot,
    /// Thousandths.
    pub(crate) quantity: i64,
    pub(crate) due: Option<Due>,
    pub(crate) received: i64,
    /// What is still to come, under the limit for all positions.
    pub(crate) rest: i64,
    /// By which word it was closed, if that holds.
    pub(crate) closed_by: Option<FactKind>,
    pub(crate) source: Box<str>,
    pub(crate) supplier: Option<Box<str>>,
    pub(crate) kind: Option<Box<str>>,
}

/// What comes of a line everywhere.
pub(crate) fn coming(line: &Line, document_ns: Option<i64>, sources: &SourceNames) -> Vec<Coming> {
    let mut all = Vec::new();
    let (mut ordered, mut received) = (0_i128, 0_i128);
    for (place, known) in (0..).zip(&line.places) {
        let came = received_at(line, place).max(0);
        received += came;
        let Some(here) = at(line, (place, known.spot), (came, document_ns), sources) else { continue };
        let counted = if here.closed_by.is_some() { here.quantity.min(here.received) } else { here.quantity };
        ordered += (i128::from(counted) - covered_at(line, place)).max(0);
        all.push(here);
    }
    // A line that is stated here and comes there comes once.
    let mut excess = all.iter().map(|here| i128::from(here.rest)).sum::<i128>() - (ordered - received).max(0);
    for here in &mut all {
        let share = excess.min(here.rest.into()).max(0);
        here.rest -= narrow(share);
        excess -= share;
    }
    all
}

/// How much of what is stated at a place is that of other lines.
fn covered_at(line: &Line, place: u32) -> i128 {
    line.covered.get(place as usize).copied().unwrap_or(0)
}

/// What has come of a line at a place.
fn received_at(line: &Line, place: u32) -> i128 {
    let of = |kind: FactKind| {
        let here = line.facts.iter().filter(|fact| fact.place == place && fact.kind == kind);
        here.map(|fact| i128::from(fact.amount)).sum::<i128>()
    };
    of(FactKind::Received) - of(FactKind::Returned)
}

fn at(
    line: &Line,
    (place, spot): (u32, Spot),
    (received, document_ns): (i128, Option<i64>),
    sources: &SourceNames,
) -> Option<Coming> {
    let location = line.places[place as usize].location;
    let closings = line.facts.iter().filter(|fact| fact.kind.is_closing());
    let closings = closings.filter(|fact| line.places[fact.place as usize].location == location);
    let words = closings.map(|fact| (fact.time_ns, fact.kind));
    let all = words.chain(document_ns.map(|closed_ns| (closed_ns, FactKind::Cancelled)));
    // At one time, what should have come is missed.
    let closed = all.max_by_key(|(time_ns, kind)| (*time_ns, *kind == FactKind::Final));
    let here = |after_ns: Option<i64>| {
        line.statements.iter().filter(move |statement| {
            statement.place == place && after_ns.is_none_or(|after_ns| statement.time_ns > after_ns)
        })
    };
    let stated = |after_ns: Option<i64>| {
        let said = here(after_ns).filter_map(|statement| Some((statement.time_ns, Reverse(statement.quantity?))));
        said.max().map(|(_, Reverse(quantity))| quantity)
    };
    let in_force = stated(closed.map(|(closed_ns, _)| closed_ns));
    let after_ns = closed.map(|(closed_ns, _)| closed_ns).filter(|_| in_force.is_some());
    let quantity = in_force.or_else(|| stated(None))?;
    let day = |statement: &&Statement| (statement.time_ns, statement.due.map(|due| (due.start_ns(), due)));
    // Of a line that is closed, what was said by then holds.
    let until_ns = closed.map(|(closed_ns, _)| closed_ns).filter(|_| in_force.is_none()).unwrap_or(i64::MAX);
    let here = || here(after_ns).filter(|statement| statement.time_ns <= until_ns);
    let due = here().filter(|statement| statement.due.is_some()).max_by_key(day).and_then(|said| said.due);
    let scheduled = here().filter(|statement| statement.terms.is_some());
    let scheduled = scheduled.max_by_key(|statement| {
        (statement.time_ns, sources.name(statement.source), statement.terms.as_ref().map(|terms| (**terms).clone()))
    });
    // A line that was only moved is that of who moved it.
    let moved = || here().max_by_key(|statement| (statement.time_ns, sources.name(statement.source)));
    let whose = scheduled.or_else(moved);
    let terms = scheduled.and_then(|statement| statement.terms.as_deref().cloned()).unwrap_or_default();
    let closed_by = closed.map(|(_, kind)| kind).filter(|_| in_force.is_none());
    let left = i128::from(quantity) - covered_at(line, place) - received;
    let rest = if closed_by.is_some() { 0 } else { left.max(0) };
    Some(Coming {
        spot,
        quantity,
        due,
        received: narrow(received),
        rest: narrow(rest),
        closed_by,
        source: whose.map_or("", |statement| sources.name(statement.source)).into(),
        supplier: terms.supplier,
        kind: terms.kind,
    })
}

fn narrow(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX / 4)
}
