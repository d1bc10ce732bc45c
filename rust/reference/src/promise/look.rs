//! What time does to promises, and what there is to tell of them.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;

use crate::claims::hold::Reservation;
use crate::twin::Reference;
use crate::work;

impl Reference {
    /// Lets time do what it does: reservations expire, lines become overdue.
    pub(crate) fn let_time_pass(&mut self, sequence: u64) {
        self.expire(sequence);
        self.forget_claims();
        self.look_at_days(sequence);
        for (code, subject) in self.look_at_promises() {
            self.work.raise(&code, &subject);
        }
    }

    /// Ends what has been held for long enough.
    pub(crate) fn expire(&mut self, sequence: u64) {
        let now_ns = self.now_ns();
        let is_over = |reservation: &Reservation| {
            !reservation.is_over && reservation.fold().expires_ns.is_some_and(|end_ns| end_ns <= now_ns)
        };
        let all = 0..self.claims.reservations.len();
        let over: Vec<usize> = all.filter(|at| is_over(&self.claims.reservations[*at])).collect();
        for at in over {
            let orders = self.orders_of_reservation(&self.claims.reservations[at]);
            self.seeing(&orders, &[at], sequence, |twin| {
                twin.claims.reservations[at].is_over = true;
                twin.touch_reservation(at);
            });
        }
    }

    /// What there is to tell since somebody looked last.
    pub(crate) fn look_at_promises(&mut self) -> Vec<(String, String)> {
        let mut raised = self.look_at_supply();
        self.look_at_risks();
        raised.extend(self.look_at_claims());
        raised
    }

    /// In another bucket, or another zone, positions with open lines or dated reservations reflect the message that
    /// brought it about.
    pub(crate) fn look_at_days(&mut self, sequence: u64) {
        let locations: BTreeSet<_> = self.positions.keys().map(|at| at.location.clone()).collect();
        let now: BTreeMap<_, _> =
            locations.into_iter().map(|location| (location.clone(), self.day_at(&location))).collect();
        let before = std::mem::replace(&mut self.promise.days, now.clone());
        let dated = self.live_parts().filter(|(_, part, _)| part.due.is_some()).map(|(_, part, _)| part.at.clone());
        let scheduled: BTreeSet<PositionKey> = self.positions_with_lines().into_iter().chain(dated).collect();
        let affected: BTreeSet<PositionKey> = self.promise.scheduled.union(&scheduled).cloned().collect();
        self.promise.scheduled = scheduled;
        for at in affected {
            if before.get(&at.location).is_some_and(|day| *day != now[&at.location]) {
                self.reflect(&at, sequence);
            }
        }
    }

    /// What is promised of items may have another figure in some bucket: their positions reflect who said so.
    pub(crate) fn reflect_promised(&mut self, is_meant: impl Fn(&str) -> bool, sequence: u64) {
        let live = self.live_parts().map(|(_, part, _)| part.at.clone());
        let all: BTreeSet<PositionKey> = self.positions_with_lines().into_iter().chain(live).collect();
        for at in all.into_iter().filter(|at| is_meant(&at.sku)) {
            self.reflect(&at, sequence);
        }
    }

    /// Positions of which something is to come, or is claimed by a line.
    fn positions_with_lines(&self) -> BTreeSet<PositionKey> {
        let mut positions = BTreeSet::new();
        for order in self.claims.supplies.orders() {
            let known = self.supply_of(order);
            let open = known.iter().filter(|(_, supply)| supply.is_open());
            positions.extend(open.map(|((_, at), _)| at.clone()));
        }
        for order in self.claims.orders.keys() {
            for line in self.lines_of(order).lines.values() {
                let curves = self.curves(line);
                let claims = |at: &PositionKey| curves[at].iter().any(|(_, claim)| claim.total() > 0);
                positions.extend(line.places.keys().filter(|at| claims(at)).cloned());
            }
        }
        positions
    }

    /// Positions with live reservations that cannot all be kept.
    fn look_at_risks(&mut self) {
        let positions: BTreeSet<_> = self.live_parts().map(|(_, part, _)| part.at.clone()).collect();
        let risky: BTreeSet<_> = positions.into_iter().filter(|at| self.is_at_risk(at)).collect();
        let before = std::mem::replace(&mut self.promise.at_risk, risky.clone());
        for at in before.difference(&risky) {
            self.work.resolve("reservation_at_risk", &work::of_position(at));
        }
        for at in risky.difference(&before) {
            self.work.raise("reservation_at_risk", &work::of_position(at));
        }
    }
}
