//! What goes back because a line moved it twice, as postings come and go.

use std::collections::{BTreeMap, BTreeSet};

use crate::claims::doubled::{Doubled, keeps_its_moves, steps};
use crate::claims::facts::{Fact, of_posting};
use crate::document::Order;
use crate::number::Number;
use crate::position::Steps;
use crate::posting::Posting;
use crate::twin::Reference;

impl Reference {
    /// What goes back of the orders that postings are about, by line and position, once one is taken out and another
    /// put in.
    pub(crate) fn doubled_with(&self, undo: Option<&Posting>, add: Option<&Posting>) -> Doubled {
        let new = add.and_then(of_posting);
        let orders = undo.and_then(of_posting).into_iter().chain(new.clone()).map(|(order, _)| order);
        let mut doubled = BTreeMap::new();
        for order in orders.collect::<BTreeSet<Order>>() {
            let is_left = |fact: &&Fact| fact.posting.is_none() || fact.posting != undo.map(|undo| undo.number);
            let more = new.iter().filter(|(known, _)| *known == order).flat_map(|(_, facts)| facts);
            let facts: Vec<Fact> = self.facts(&order).iter().filter(is_left).chain(more).cloned().collect();
            let keeps = keeps_its_moves(&facts);
            for fact in self.facts(&order).iter().chain(&facts) {
                let here = if keeps { steps(&facts, &fact.number, &fact.at) } else { Steps::new() };
                doubled.insert((order.clone(), fact.number.clone(), fact.at.clone()), here);
            }
        }
        doubled
    }

    /// What went back of lines that are forgotten stays so.
    pub(super) fn forget_doubled(&mut self, order: &Order, done: &BTreeSet<Number>) {
        for position in self.positions.values_mut() {
            position.forget_doubled(|(known, number)| known == order && done.contains(number));
        }
    }
}
