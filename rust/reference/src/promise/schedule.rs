//! What is said of schedule lines: facts, and the positions that come into being by them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;

use crate::ask::LineKey;
use crate::calendar::Due;
use crate::claims::facts::{Fact, FactKind};
use crate::claims::supply::{SupplyFact, SupplySaid};
use crate::document::{Order, Side};
use crate::turn::Turn;
use crate::twin::Reference;

/// What is said of a line.
#[derive(Debug, Clone)]
pub(super) struct LineStatement {
    pub(super) quantity: Option<i64>,
    pub(super) due: Option<Due>,
    pub(super) supplier: Option<String>,
    pub(super) is_scheduled: bool,
}

impl Reference {
    fn order_of(&self, turn: &Turn, line: &LineKey) -> Order {
        let names = self.config.documents(&turn.event.source).to_owned();
        Order { names, document: line.document.clone(), sku: line.at.sku.clone() }
    }

    /// Adds a statement, unless its side of the position would be too much.
    pub(super) fn state(&mut self, turn: &Turn, line: &LineKey, said: LineStatement, sequence: u64) -> Outcome {
        let order = self.order_of(turn, line);
        match line.side {
            Side::Supply => {
                let LineStatement { quantity, due, supplier, is_scheduled } = said;
                let said = SupplySaid::Due { quantity, due, supplier, is_scheduled };
                self.say_of_supply(turn, (&order, line), said, sequence)
            }
            Side::Demand => {
                let said = FactKind::Wanted { quantity: said.quantity, due: said.due };
                self.say_of_demand(turn, (&order, line), said, sequence)
            }
        }
    }

    pub(super) fn cancel(&mut self, turn: &Turn, line: &LineKey, sequence: u64) -> Outcome {
        let order = self.order_of(turn, line);
        match line.side {
            Side::Supply => {
                self.say_of_supply(turn, (&order, line), SupplySaid::Closed { is_received: false }, sequence)
            }
            Side::Demand => self.say_of_demand(turn, (&order, line), FactKind::Closed, sequence),
        }
    }

    /// Closes a document, for one side or both.
    pub(super) fn close(&mut self, turn: &Turn, document: &str, side: Option<Side>, sequence: u64) -> Outcome {
        let names = self.config.documents(&turn.event.source).to_owned();
        let is_its = |order: &&Order| (&*order.names, &*order.document) == (&*names, document);
        let supplies = self.claims.supplies.orders().filter(is_its).cloned();
        let orders: BTreeSet<Order> = self.orders_of_document(&names, document).into_iter().chain(supplies).collect();
        let touches =
            |order: &Order| self.claims.reservations.iter().any(|it| self.orders_of_reservation(it).contains(order));
        let any = orders.iter().any(touches);
        let reservations: Vec<usize> = if any { (0..self.claims.reservations.len()).collect() } else { Vec::new() };
        self.seeing(&orders, &reservations, sequence, |twin| {
            twin.close_document((&names, document), side, turn.admitted.time_ns);
        });
        Outcome::Applied
    }

    fn say_of_demand(
        &mut self,
        turn: &Turn,
        (order, line): (&Order, &LineKey),
        said: FactKind,
        sequence: u64,
    ) -> Outcome {
        let fact = Fact {
            number: line.number.clone(),
            at: line.at.clone(),
            time_ns: turn.admitted.time_ns,
            source: turn.event.source.clone(),
            posting: None,
            said,
        };
        if matches!(fact.said, FactKind::Wanted { quantity: Some(_), .. }) && self.is_too_much_to_go(order, &fact) {
            return Outcome::Overflow;
        }
        self.positions.entry(line.at.clone()).or_default();
        let reservations: Vec<usize> = (0..self.claims.reservations.len()).collect();
        self.seeing(&BTreeSet::from([order.clone()]), &reservations, sequence, |twin| twin.add_fact(order, fact));
        self.reflect(&line.at, sequence);
        Outcome::Applied
    }

    fn say_of_supply(
        &mut self,
        turn: &Turn,
        (order, line): (&Order, &LineKey),
        said: SupplySaid,
        sequence: u64,
    ) -> Outcome {
        let fact = SupplyFact {
            number: line.number.clone(),
            at: line.at.clone(),
            time_ns: turn.admitted.time_ns,
            key: turn.key(),
            posting: None,
            said,
        };
        if matches!(fact.said, SupplySaid::Due { quantity: Some(_), .. }) && self.is_too_much_to_come(order, &fact) {
            return Outcome::Overflow;
        }
        self.positions.entry(line.at.clone()).or_default();
        self.seeing(&BTreeSet::from([order.clone()]), &[], sequence, |twin| {
            twin.claims.supplies.add(order, [fact]);
        });
        self.reflect(&line.at, sequence);
        Outcome::Applied
    }

    /// Whether what open lines order of a position could not be counted with one more fact.
    fn is_too_much_to_go(&self, order: &Order, fact: &Fact) -> bool {
        let mut sum = 0;
        let orders: BTreeSet<&Order> = self.orders_of(&fact.at.sku).chain([order]).collect();
        for each in orders {
            let lines = if each == order { self.lines_with(order, fact) } else { self.lines_of(each) };
            for line in lines.lines.values().filter(|line| !line.is_closed_at(&fact.at)) {
                sum += line.places.get(&fact.at).map_or(0, |figures| figures.sums.order());
            }
        }
        sum > i128::from(ACCOUNT_MAX)
    }

    fn is_too_much_to_come(&self, order: &Order, fact: &SupplyFact) -> bool {
        let orders: BTreeSet<&Order> =
            self.claims.supplies.orders().filter(|known| known.sku == fact.at.sku).chain([order]).collect();
        let mut sum = 0;
        for each in orders {
            let known = if each == order { Arc::new(self.supply_with(order, fact)) } else { self.supply_of(each) };
            let open = known.iter().filter(|((_, at), supply)| *at == fact.at && supply.is_open());
            sum += open.map(|(_, supply)| supply.quantity.unwrap_or(0)).sum::<i128>();
        }
        sum > i128::from(ACCOUNT_MAX)
    }
}
