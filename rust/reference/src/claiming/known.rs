//! What an order comes to, as far as nobody has computed it since it was touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::claims::facts::Fact;
use crate::claims::hold::{Become, Part, Reservation};
use crate::claims::known::Known;
use crate::claims::place::Hold;
use crate::claims::view::Told;
use crate::document::{Order, Side};
use crate::twin::Reference;

impl Reference {
    /// What an order comes to, with all that is told of it.
    pub(crate) fn lines_of(&self, order: &Order) -> Arc<Known> {
        if let Some(known) = self.claims.known.borrow().get(order) {
            return Arc::clone(known);
        }
        let known = Arc::new(self.compute(order, self.facts(order), &[]));
        self.claims.known.borrow_mut().insert(order.clone(), Arc::clone(&known));
        known
    }

    /// What an order comes to, with parts that are only tried.
    pub(crate) fn lines_beside(&self, order: &Order, beside: &[Part]) -> Arc<Known> {
        let is_its = |part: &Part| part.purpose.as_ref().is_some_and(|purpose| purpose.order(&part.at.sku) == *order);
        if beside.iter().any(is_its) {
            Arc::new(self.compute(order, self.facts(order), beside))
        } else {
            self.lines_of(order)
        }
    }

    /// What an order comes to, with a fact that is only tried.
    pub(crate) fn lines_with(&self, order: &Order, fact: &Fact) -> Arc<Known> {
        let facts: Vec<Fact> = self.facts(order).iter().chain([fact]).cloned().collect();
        Arc::new(self.compute(order, &facts, &[]))
    }

    fn compute(&self, order: &Order, facts: &[Fact], beside: &[Part]) -> Known {
        Known::of(Told {
            facts: facts.to_vec(),
            holds: self.holds_of(order, beside),
            closings: self.closings_of(order, Side::Demand),
            asked: BTreeMap::new(),
            openings: BTreeMap::new(),
        })
    }

    /// All holds for lines of an order. What is posted of a hold without a document and with a day is a line of its
    /// own.
    fn holds_of(&self, order: &Order, beside: &[Part]) -> Vec<Hold> {
        let mut holds = Vec::new();
        let is_its = |part: &Part| part.at.sku == order.sku && part.forgotten.is_none();
        let has_its = |reservation: &Reservation| reservation.lines.iter().flat_map(|line| &line.parts).any(is_its);
        for (id, part, became) in self.parts_if(has_its).filter(|(_, part, _)| is_its(part)) {
            let reservation = &self.claims.reservations[id.0];
            let (at, due, time_ns) = (part.at.clone(), part.due, reservation.time_ns);
            let day = self.day_of(&at, due);
            if let Some(purpose) = part.purpose.as_ref().filter(|purpose| purpose.order(&part.at.sku) == *order) {
                let number = purpose.number.clone();
                holds.push(Hold { id: Some(id), number, at, time_ns, due, day, became });
            } else if let Some((own, number)) = self.own_line(reservation, id.1, part)
                && own == *order
                && became.posted() > 0
            {
                let became = Become { posted: became.posted, ..Become::default() };
                holds.push(Hold { id: None, number, at, time_ns, due, day, became });
            }
        }
        holds.extend(beside.iter().filter_map(|part| self.tried_hold(order, part)));
        holds
    }

    /// A part that is only tried.
    fn tried_hold(&self, order: &Order, part: &Part) -> Option<Hold> {
        let purpose = part.purpose.as_ref().filter(|purpose| purpose.order(&part.at.sku) == *order)?;
        let raised: Vec<i64> = purpose.raised_ns.into_iter().collect();
        let given = raised.iter().map(|time_ns| (*time_ns, -part.granted)).collect();
        let (number, time_ns) = (purpose.number.clone(), purpose.time_ns);
        let became = Become { live: part.granted, raised, given, ..Become::default() };
        let day = self.day_of(&part.at, part.due);
        Some(Hold { id: None, number, at: part.at.clone(), time_ns, due: part.due, day, became })
    }
}
