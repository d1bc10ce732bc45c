//! Parts of reservations that hold something, and those of which nothing counts because their line is closed.

use crate::claims::hold::{Become, Part, Purpose, Settlement};
use crate::claims::place::HoldId;
use crate::twin::Reference;

impl Reference {
    /// All parts that hold something, with how much: where the line is closed, nothing is held.
    pub(crate) fn live_parts(&self) -> impl Iterator<Item = (HoldId, &Part, i64)> {
        let live = self.parts().filter(|(id, part, became)| became.live > 0 && !self.is_closed_part(*id, part));
        live.map(|(id, part, became)| (id, part, became.live))
    }

    /// What was taken of a part: live and posted, before its line was closed where it was.
    pub(crate) fn kept(&self, id: HoldId, part: &Part, became: &Become) -> i64 {
        if let Some(posted) = part.forgotten {
            return posted;
        }
        let order = part.purpose.as_ref().map(|purpose| purpose.order(&part.at.sku));
        let end_ns = order.and_then(|order| self.lines_of(&order).ended.get(&id).copied());
        match end_ns {
            None => became.live + became.posted(),
            Some(end_ns) => became.until(end_ns).posted(),
        }
    }

    /// Whether nothing of a hold counts, because it ended with a closing or its line is closed.
    pub(crate) fn is_closed_hold(&self, reservation: usize, line: usize) -> bool {
        let parts = &self.claims.reservations[reservation].lines[line].parts;
        let is_closed = |(place, part): (usize, &Part)| self.is_closed_part((reservation, line, place), part);
        !parts.is_empty() && parts.iter().enumerate().all(is_closed)
    }

    /// Whether a hold counts once something more is said of it, which its line knows by a number.
    pub(crate) fn is_opened_hold(&mut self, reservation: usize, line: usize, said: &Settlement) -> bool {
        let orders = self.orders_of_reservation(&self.claims.reservations[reservation]);
        let mut tried = self.claims.reservations[reservation].clone();
        tried.settle(said.clone());
        self.swap_reservation(reservation, &orders, &mut tried);
        let parts = &self.claims.reservations[reservation].lines[line].parts;
        let is_open = parts.iter().enumerate().any(|(place, part)| {
            part.purpose.as_ref().is_some_and(|purpose| !purpose.number.is_none())
                && !self.is_closed_part((reservation, line, place), part)
        });
        self.swap_reservation(reservation, &orders, &mut tried);
        is_open
    }

    /// Whether nothing of a part counts, because it ended with a closing or its line is closed.
    pub(crate) fn is_closed_part(&self, id: HoldId, part: &Part) -> bool {
        let is_closed = |purpose: &Purpose| self.lines_of(&purpose.order(&part.at.sku)).closed.contains(&id);
        part.purpose.as_ref().is_some_and(|purpose| part.forgotten.is_some() || is_closed(purpose))
    }
}
