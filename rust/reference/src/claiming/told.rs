//! What was told: facts and closings by order, parts by reservation.

use std::collections::BTreeSet;

use crate::claims::Closing;
use crate::claims::facts::Fact;
use crate::claims::hold::{Become, Part, Reservation};
use crate::claims::place::HoldId;
use crate::document::{Order, Side};
use crate::number::Number;
use crate::twin::Reference;

impl Reference {
    pub(crate) fn facts(&self, order: &Order) -> &[Fact] {
        self.claims.orders.get(order).map_or(&[][..], |told| &told.facts)
    }

    /// When the document was closed, for one side.
    pub(crate) fn closings_of(&self, order: &Order, side: Side) -> Vec<i64> {
        let is_its = |closing: &&Closing| {
            (&closing.names, &closing.document) == (&order.names, &order.document)
                && closing.side.is_none_or(|closed| closed == side)
        };
        self.claims.closings.iter().filter(is_its).map(|closing| closing.time_ns).collect()
    }

    /// All orders about a SKU.
    pub(crate) fn orders_of(&self, sku: &str) -> impl Iterator<Item = &Order> {
        self.claims.orders.keys().filter(move |order| order.sku == sku)
    }

    pub(crate) fn orders_of_document(&self, names: &str, document: &str) -> Vec<Order> {
        let is_its = |order: &&Order| (&*order.names, &*order.document) == (names, document);
        self.claims.orders.keys().filter(is_its).cloned().collect()
    }

    /// All parts of reservations, with what became of them.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (HoldId, &Part, Become)> {
        self.parts_if(|_| true)
    }

    /// All parts of some reservations, with what became of them.
    pub(crate) fn parts_if(
        &self,
        is_meant: impl Fn(&Reservation) -> bool,
    ) -> impl Iterator<Item = (HoldId, &Part, Become)> {
        let all = self.claims.reservations.iter().enumerate().filter(move |(_, reservation)| is_meant(reservation));
        all.flat_map(|(place, reservation)| {
            let lines = reservation.lines.iter().zip(reservation.fold().lines).enumerate();
            lines.flat_map(move |(line, (held, became))| {
                let parts = held.parts.iter().zip(became).enumerate();
                parts.map(move |(part, (said, became))| ((place, line, part), said, became)).collect::<Vec<_>>()
            })
        })
    }

    /// The orders that a reservation is about.
    pub(crate) fn orders_of_reservation(&self, reservation: &Reservation) -> BTreeSet<Order> {
        self.lines_of_reservation(reservation).into_iter().map(|(order, _)| order).collect()
    }

    pub(crate) fn lines_of_reservation(&self, reservation: &Reservation) -> BTreeSet<(Order, Number)> {
        let mut lines = BTreeSet::new();
        for (line, held) in reservation.lines.iter().enumerate() {
            for part in &held.parts {
                let purpose = part.purpose.as_ref().map(|each| (each.order(&part.at.sku), each.number.clone()));
                lines.extend(purpose.or_else(|| self.own_line(reservation, line, part)));
            }
        }
        lines
    }

    /// The line that a part without a document has when it is posted: `SOURCE/ID`, and its place in the request.
    pub(crate) fn own_line(&self, reservation: &Reservation, line: usize, part: &Part) -> Option<(Order, Number)> {
        if part.purpose.is_some() || part.due.is_none() {
            return None;
        }
        let (source, id) = &reservation.key;
        let names = self.config.documents(source).to_owned();
        let number = Number::Digits(i64::try_from(line).ok()? + 1);
        Some((Order { names, document: format!("{source}/{id}"), sku: part.at.sku.clone() }, number))
    }
}
