//! What people are told of claims, and when it is so.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::Flow;

use crate::body::Key;
use crate::document::Order;
use crate::number::Number;

use super::facts::{Fact, FactKind};
use super::place::{Hold, opens};
use super::sums::Sums;
use super::view::{Line, Told};

/// What was told, and what has to be looked at again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles {
    pub(crate) lines: BTreeSet<(Order, Number, &'static str)>,
    pub(crate) positions: BTreeSet<PositionKey>,
    pub(crate) ships: BTreeSet<String>,
    pub(crate) releases: BTreeSet<Key>,
    /// Reservations of which more was given back than they held, told or not.
    pub(crate) over: BTreeSet<Key>,
    /// Positions from which something was shipped without a pick, by source.
    pub(crate) short: BTreeSet<(PositionKey, String)>,
    pub(crate) touched_orders: BTreeSet<Order>,
    pub(crate) touched_positions: BTreeSet<PositionKey>,
}

impl Troubles {
    /// What is forgotten is not settled by that.
    pub(crate) fn forget(&mut self, order: &Order, number: &Number) {
        self.lines.retain(|(known, line, _)| (known, line) != (order, number));
    }
}

/// Whether more was given back than was claimed, of what no word has ended; where something was said without a
/// line, over all lines together, too.
pub(crate) fn is_below_zero(told: &Told, number: &Number) -> bool {
    is_below(told, |other| other == number) && (!told.has_loose() || is_below(told, |_| true))
}

fn is_below(told: &Told, is_meant: impl Fn(&Number) -> bool) -> bool {
    let [mut reserved, mut unreserved, mut allocated, mut deallocated] = [0_i128; 4];
    for fact in told.facts.iter().filter(|fact| is_meant(&fact.number)) {
        let FactKind::Moved(moved) = &fact.said else { continue };
        let sum = match (moved.step.flow, moved.step.is_back) {
            (Flow::Reserve, false) => &mut reserved,
            (Flow::Reserve, true) => &mut unreserved,
            (Flow::Allocate, false) => &mut allocated,
            (Flow::Allocate, true) => &mut deallocated,
            _ => continue,
        };
        if is_after_word(told, (&fact.number, &fact.at), fact.time_ns) {
            *sum += i128::from(moved.amount);
        }
    }
    let counts = |hold: &&Hold| is_meant(&hold.number) && is_after_word(told, (&hold.number, &hold.at), hold.time_ns);
    let posted: i128 = told.holds.iter().filter(counts).map(|hold| i128::from(hold.became.posted())).sum();
    unreserved > reserved || deallocated > allocated + posted
}

/// Whether no word has ended what is effective at a time, and the line is open there by what was said since.
fn is_after_word(told: &Told, (number, at): (&Number, &PositionKey), time_ns: i64) -> bool {
    let Some(closed_ns) = told.closed_ns(number, &at.location, i64::MAX) else { return true };
    let is_later = |known: (&Number, &PositionKey), said_ns: i64| known == (number, at) && said_ns > closed_ns;
    let is_open = told.facts.iter().any(|fact| opens(fact) && is_later((&fact.number, &fact.at), fact.time_ns))
        || told.holds.iter().any(|hold| is_later((&hold.number, &hold.at), hold.time_ns));
    is_open && time_ns > closed_ns
}

/// Whether something is effective after the line was closed by word that a closed line should not see.
pub(crate) fn is_seen_after_closing(told: &Told, number: &Number) -> bool {
    let is_after = |at: &PositionKey, time_ns: i64| {
        told.closed_ns(number, &at.location, i64::MAX).is_some_and(|closed_ns| time_ns > closed_ns)
    };
    let takes = |fact: &Fact| match &fact.said {
        FactKind::Wanted { quantity, .. } => quantity.is_some_and(|quantity| quantity > 0),
        FactKind::Moved(moved) => moved.takes(),
        FactKind::Closed => false,
    };
    facts_of(told, number).any(|fact| takes(fact) && is_after(&fact.at, fact.time_ns))
        || told.holds.iter().any(|hold| hold.number == *number && is_after(&hold.at, hold.time_ns))
}

pub(crate) fn is_said_by_two(told: &Told, number: &Number) -> bool {
    let orders = facts_of(told, number).filter(|fact| matches!(fact.said, FactKind::Wanted { .. }));
    orders.map(|fact| &fact.source).collect::<BTreeSet<_>>().len() > 1
}

fn facts_of<'a>(told: &'a Told, number: &'a Number) -> impl Iterator<Item = &'a Fact> {
    told.facts.iter().filter(move |fact| fact.number == *number)
}

/// Whether more was picked than anybody allocated, over the positions that are not closed.
pub(crate) fn is_unallocated(line: &Line) -> bool {
    let open = || line.places.iter().filter(|(at, _)| !line.is_closed_at(at)).map(|(_, figures)| &figures.sums);
    let [hard, held] = [open().map(Sums::hard).sum::<i128>(), open().map(Sums::held).sum()];
    open().map(Sums::picked).sum::<i128>() > hard.max(held).max(0)
}
