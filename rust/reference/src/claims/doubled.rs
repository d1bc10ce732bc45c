//! Doubled (`docs/claims.md` §6): a pick of a line and a sale of it are the same unit. At every time `on_hand` is to
//! have fallen by the greater of what was picked and what was shipped.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::Flow;

use crate::document::Order;
use crate::number::Number;
use crate::position::Steps;

use super::facts::{Fact, FactKind};

/// What is doubled, by line and position.
pub(crate) type Doubled = BTreeMap<(Order, Number, PositionKey), Steps>;

/// What moves for a fact: picked, shipped from `picked`, and sold from the shelf.
fn moves(fact: &Fact) -> Option<[i128; 3]> {
    let FactKind::Moved(moved) = &fact.said else { return None };
    let amount = i128::from(moved.amount);
    match moved.step.flow {
        Flow::Pick => Some([if moved.step.is_back { -amount } else { amount }, 0, 0]),
        Flow::Ship if moved.is_from_picked => Some([0, amount, 0]),
        Flow::Ship => Some([0, 0, amount]),
        _ => None,
    }
}

/// Whether every line keeps its moves: none was moved without a line beside one that was moved with a line.
pub(crate) fn keeps_its_moves(facts: &[Fact]) -> bool {
    let moved = || facts.iter().filter(|fact| moves(fact).is_some());
    !(moved().any(|fact| fact.number.is_none()) && moved().any(|fact| !fact.number.is_none()))
}

/// What goes back of one line at one position: by each time, what `on_hand` fell by more than it should.
pub(crate) fn steps(facts: &[Fact], number: &Number, at: &PositionKey) -> Steps {
    let own = || facts.iter().filter(|fact| (&fact.number, &fact.at) == (number, at));
    let until = |time_ns: i64| {
        let here = own().filter(|fact| fact.time_ns <= time_ns).filter_map(moves);
        here.fold([0; 3], |sums, moved| [0, 1, 2].map(|kind| sums[kind] + moved[kind]))
    };
    let [.., sold] = until(i64::MAX);
    if sold == 0 {
        return Steps::new();
    }
    let times: BTreeSet<i64> = own().filter(|fact| moves(fact).is_some()).map(|fact| fact.time_ns).collect();
    let mut steps = Steps::new();
    let mut before = 0;
    for time_ns in times {
        let [picked, shipped, sold] = until(time_ns);
        let doubled = picked + sold - picked.max(shipped + sold);
        if doubled != before {
            steps.push((time_ns, doubled - before));
        }
        before = doubled;
    }
    steps
}
