//! What is forgotten: lines that are closed, or claim nothing, some time after they were touched last. What they leave
//! on the shelf is not.

use std::collections::BTreeSet;

use crate::claims::known::Known;
use crate::claims::line::{ALL_DAYS, at};
use crate::claims::view::Line;
use crate::document::Order;
use crate::number::Number;
use crate::twin::Reference;

impl Reference {
    /// Forgets lines, and closings of documents without lines, whose time is over.
    pub(crate) fn forget_claims(&mut self) {
        let (now_ns, window_ns) = (self.log_time_ns.unwrap_or(0), self.config.claims.remember_ns);
        for order in self.claims.orders.keys().cloned().collect::<Vec<_>>() {
            let known = self.lines_of(&order);
            let touched = &self.claims.orders[&order].touched;
            let is_old = |number: &Number| {
                touched.get(number).is_none_or(|touched_ns| touched_ns.saturating_add(window_ns) <= now_ns)
            };
            let numbers: BTreeSet<Number> = known.lines.keys().chain(touched.keys()).cloned().collect();
            let nothing = Line::default();
            let is_done = |number: &Number| {
                let line = known.lines.get(number).unwrap_or(&nothing);
                is_old(number) && self.is_done(number, line, &known)
            };
            let done: BTreeSet<Number> = numbers.iter().filter(|number| is_done(number)).cloned().collect();
            // What has no line belongs to all of them: they are forgotten together.
            let is_shared = numbers.contains(&Number::None);
            if done.is_empty() || (is_shared && done.len() < numbers.len()) {
                continue;
            }
            self.forget_lines_of(&order, &known, &done);
        }
        let mut closings = std::mem::take(&mut self.claims.closings);
        closings.retain(|closing| {
            closing.told_ns.saturating_add(window_ns) > now_ns
                || !self.orders_of_document(&closing.names, &closing.document).is_empty()
                || self
                    .claims
                    .supplies
                    .orders()
                    .any(|order| (&order.names, &order.document) == (&closing.names, &closing.document))
        });
        self.claims.closings = closings;
        self.claims.supplies.forget_all();
    }

    fn is_done(&self, number: &Number, line: &Line, known: &Known) -> bool {
        if line.is_closed() && !line.places.is_empty() {
            return true;
        }
        let claims_nothing = self.curves(line).values().all(|curve| at(curve, ALL_DAYS).total() == 0);
        let is_live = known.told.holds.iter().any(|hold| {
            hold.number == *number && hold.became.live > 0 && hold.id.is_some_and(|id| !known.ended.contains_key(&id))
        });
        let is_shipped = line.places.values().all(|figures| figures.sums.picked() == figures.sums.shipped());
        claims_nothing && !is_live && is_shipped
    }

    fn forget_lines_of(&mut self, order: &Order, known: &Known, done: &BTreeSet<Number>) {
        for number in done {
            for (at, figures) in known.lines.get(number).into_iter().flat_map(|line| &line.places) {
                self.claims.left.entry(at.clone()).or_default().add(&figures.sums, known.keeps_its_moves);
            }
            self.claims.troubles.forget(order, number);
        }
        self.forget_doubled(order, done);
        for place in 0..self.claims.reservations.len() {
            let fold = self.claims.reservations[place].fold();
            for (line, became) in fold.lines.iter().enumerate() {
                for (number, became) in became.iter().enumerate() {
                    let part = &self.claims.reservations[place].lines[line].parts[number];
                    let is_its = part
                        .purpose
                        .as_ref()
                        .is_some_and(|purpose| done.contains(&purpose.number) && purpose.order(&part.at.sku) == *order);
                    if is_its && part.forgotten.is_none() {
                        let posted = match known.ended.get(&(place, line, number)) {
                            None => became.posted(),
                            Some(_) => self.kept((place, line, number), part, became),
                        };
                        self.claims.reservations[place].lines[line].parts[number].forgotten = Some(posted);
                    }
                }
            }
        }
        if let Some(told) = self.claims.orders.get_mut(order) {
            told.facts.retain(|fact| !done.contains(&fact.number));
            told.touched.retain(|number, _| !done.contains(number));
            let is_empty = told.facts.is_empty() && told.touched.is_empty();
            self.recompute(order);
            if is_empty {
                self.claims.orders.remove(order);
                self.claims.troubles.touched_orders.remove(order);
            }
        }
    }
}
