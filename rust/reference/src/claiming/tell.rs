//! Something is told of an order: what was computed of it holds no more.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;

use crate::claims::Closing;
use crate::claims::facts::{self, Fact};
use crate::claims::hold::Reservation;
use crate::document::{Order, Side};
use crate::number::Number;
use crate::posting::Posting;
use crate::twin::Reference;

impl Reference {
    /// Something is told of an order: what was computed of it holds no more.
    pub(crate) fn touch_order(&mut self, order: &Order, number: &Number) {
        let now_ns = self.log_time_ns.unwrap_or(0);
        self.claims.orders.entry(order.clone()).or_default().touched.insert(number.clone(), now_ns);
        self.recompute(order);
    }

    pub(crate) fn recompute(&mut self, order: &Order) {
        self.claims.known.borrow_mut().remove(order);
        if self.claims.orders.contains_key(order) {
            self.claims.troubles.touched_orders.insert(order.clone());
        }
    }

    pub(crate) fn swap_reservation(&mut self, at: usize, orders: &BTreeSet<Order>, other: &mut Reservation) {
        std::mem::swap(&mut self.claims.reservations[at], other);
        self.claims.known.borrow_mut().retain(|order, _| !orders.contains(order));
    }

    pub(crate) fn add_fact(&mut self, order: &Order, fact: Fact) {
        self.touch_order(order, &fact.number);
        self.claims.orders.entry(order.clone()).or_default().facts.push(fact);
    }

    /// Takes what a posting told out, and puts what another tells in.
    pub(crate) fn tell_claims(&mut self, undo: Option<&Posting>, add: Option<&Posting>) {
        if let Some(undo) = undo {
            if let Some((order, facts)) = facts::of_posting(undo)
                && self.claims.orders.contains_key(&order)
            {
                self.touch_order(&order, &facts[0].number);
                let told = self.claims.orders.entry(order).or_default();
                told.facts.retain(|fact| fact.posting != Some(undo.number));
            }
            self.claims.loose.retain(|loose| loose.posting != undo.number);
            self.claims.troubles.touched_positions.insert(undo.body.key());
        }
        if let Some(add) = add {
            for (order, fact) in facts::of_posting(add)
                .into_iter()
                .flat_map(|(order, facts)| facts.into_iter().map(move |fact| (order.clone(), fact)))
            {
                self.add_fact(&order, fact);
            }
            self.claims.loose.extend(facts::loose(add));
            self.claims.troubles.touched_positions.insert(add.body.key());
        }
    }

    /// A document is closed, for one side or both.
    pub(crate) fn close_document(&mut self, (names, document): (&str, &str), side: Option<Side>, time_ns: i64) {
        let told_ns = self.log_time_ns.unwrap_or(0);
        self.claims.supplies.forget_all();
        self.claims.closings.push(Closing {
            names: names.to_owned(),
            document: document.to_owned(),
            side,
            time_ns,
            told_ns,
        });
        if side != Some(Side::Supply) {
            for order in self.orders_of_document(names, document) {
                let numbers: Vec<Number> = self.lines_of(&order).lines.keys().cloned().collect();
                self.recompute(&order);
                for number in &numbers {
                    self.touch_order(&order, number);
                }
            }
        }
    }

    pub(crate) fn claims_of(&self, at: usize) -> BTreeSet<(Order, Number)> {
        self.lines_of_reservation(&self.claims.reservations[at])
    }

    /// What is told of a reservation is told of its lines and positions.
    pub(crate) fn touch_reservation(&mut self, at: usize) {
        for (order, number) in self.claims_of(at) {
            self.touch_order(&order, &number);
        }
        let parts = self.claims.reservations[at].lines.iter().flat_map(|line| &line.parts);
        let positions: Vec<PositionKey> = parts.map(|part| part.at.clone()).collect();
        self.claims.troubles.touched_positions.extend(positions);
    }
}
