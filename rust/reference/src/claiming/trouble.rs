//! What people are told of claims: each item is open while its condition holds, and its code is told by the element
//! that brought it about.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;

use crate::body::Key;
use crate::claims::trouble::{is_below_zero, is_said_by_two, is_seen_after_closing, is_unallocated};
use crate::claims::view::Line;
use crate::document::Order;
use crate::number::Number;
use crate::twin::Reference;
use crate::work;

const BELOW_ZERO: &str = "claim_below_zero";
const SHIPPED: &str = "ship_without_pick";
const OVER: &str = "over_release";

impl Reference {
    /// What there is to tell of claims since somebody looked last.
    pub(crate) fn look_at_claims(&mut self) -> Vec<(String, String)> {
        let mut raised = self.look_at_releases(None);
        let orders = std::mem::take(&mut self.claims.troubles.touched_orders);
        let mut positions = std::mem::take(&mut self.claims.troubles.touched_positions);
        let mut lines: Vec<(Order, Number)> = Vec::new();
        for order in &orders {
            let now = self.lines_of(order);
            let facts = &self.claims.orders[order].facts;
            let known = self.claims.troubles.lines.iter().filter(|(told, ..)| told == order).map(|(_, line, _)| line);
            let numbers: BTreeSet<Number> =
                now.lines.keys().chain(facts.iter().map(|fact| &fact.number)).chain(known).cloned().collect();
            lines.extend(numbers.into_iter().map(|number| (order.clone(), number)));
            positions.extend(now.lines.values().flat_map(|line| line.places.keys().cloned()));
            positions.extend(facts.iter().map(|fact| fact.at.clone()));
        }
        let name = |order: &Order| (order.names.clone(), order.document.clone());
        lines.sort_by(|(one, line), (other, other_line)| {
            (name(one), line, &one.sku).cmp(&(name(other), other_line, &other.sku))
        });
        for (order, number) in lines {
            raised.extend(self.look_at_line(&order, &number));
        }
        for at in &positions {
            let unnamed = self.unnamed(at);
            let is_below =
                unnamed.unreserved > unnamed.reserved || unnamed.deallocated > unnamed.allocated + unnamed.posted;
            let was_below = self.claims.troubles.positions.contains(at);
            if is_below {
                self.claims.troubles.positions.insert(at.clone());
            } else {
                self.claims.troubles.positions.remove(at);
            }
            raised.extend(self.turn(BELOW_ZERO, work::of_position(at), (was_below, is_below)));
        }
        raised.extend(self.look_at_ships(&positions));
        raised
    }

    /// Raises what became true, and resolves what became false.
    fn turn(&mut self, code: &str, subject: String, (was, is): (bool, bool)) -> Option<(String, String)> {
        if was && !is {
            self.work.resolve(code, &subject);
        }
        (is && !was).then(|| (code.to_owned(), subject))
    }

    fn look_at_line(&mut self, order: &Order, number: &Number) -> Vec<(String, String)> {
        let known = self.lines_of(order);
        let nothing = Line::default();
        let line = known.lines.get(number).unwrap_or(&nothing);
        let is = [
            (BELOW_ZERO, is_below_zero(&known.told, number)),
            ("closed_line", is_seen_after_closing(&known.told, number)),
            ("document_clash", is_said_by_two(&known.told, number)),
            ("unallocated_pick", self.config.claims.flags_unallocated_picks && is_unallocated(line)),
        ];
        let mut raised = Vec::new();
        for (code, is) in is {
            let key = (order.clone(), number.clone(), code);
            let was = self.claims.troubles.lines.contains(&key);
            if is {
                self.claims.troubles.lines.insert(key);
            } else {
                self.claims.troubles.lines.remove(&key);
            }
            raised.extend(self.turn(code, order.subject(number), (was, is)));
        }
        raised
    }

    fn look_at_ships(&mut self, positions: &BTreeSet<PositionKey>) -> Vec<(String, String)> {
        for at in positions {
            self.claims.troubles.short.retain(|(known, _)| known != at);
            let sources = self.unpicked_by_source(at).into_keys();
            self.claims.troubles.short.extend(sources.map(|source| (at.clone(), source)));
        }
        let subject = |(at, source): &(PositionKey, String)| format!("{source}/{}", at.location);
        let now: BTreeSet<String> = self.claims.troubles.short.iter().map(subject).collect();
        let before = std::mem::replace(&mut self.claims.troubles.ships, now.clone());
        let all: BTreeSet<String> = before.union(&now).cloned().collect();
        let turn = |subject: String| {
            let change = (before.contains(&subject), now.contains(&subject));
            self.turn(SHIPPED, subject, change)
        };
        all.into_iter().filter_map(turn).collect()
    }

    /// Reservations of which more was given back than they held. Who says so of a closed line is not told, then or
    /// later; what was told before stays.
    pub(crate) fn look_at_releases(&mut self, settled: Option<usize>) -> Vec<(String, String)> {
        let (mut now, mut over_now) = (BTreeSet::new(), BTreeSet::new());
        for (place, reservation) in self.claims.reservations.iter().enumerate() {
            let over = reservation.fold().over;
            let was_told = self.claims.troubles.releases.contains(&reservation.key);
            let is_over = |line: usize| over[line] && !reservation.lines[line].parts.is_empty();
            if (0..over.len()).any(is_over) {
                over_now.insert(reservation.key.clone());
            }
            let is_news = settled == Some(place) && !self.claims.troubles.over.contains(&reservation.key);
            let is_told = |line: usize| was_told || is_news && !self.is_closed_hold(place, line);
            if (0..over.len()).any(|line| is_over(line) && is_told(line)) {
                now.insert(reservation.key.clone());
            }
        }
        self.claims.troubles.over = over_now;
        let before = std::mem::replace(&mut self.claims.troubles.releases, now.clone());
        let all: BTreeSet<_> = before.union(&now).cloned().collect();
        let turn = |key: Key| {
            let change = (before.contains(&key), now.contains(&key));
            self.turn(OVER, work::of_key(&key), change)
        };
        all.into_iter().filter_map(turn).collect()
    }
}
