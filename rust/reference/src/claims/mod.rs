//! Claims (`docs/claims.md`): all facts of lines are kept, and what a line claims is computed anew from the set of
//! them.

#![expect(clippy::similar_names, reason = "a line, its life and those alike are words of the field")]

mod doubled;
mod facts;
mod fit;
mod forget;
mod hold;
mod known;
pub(crate) mod line;
mod place;
mod shelf;
mod spread;
mod sums;
mod supplies;
pub(crate) mod supply;
mod trouble;
mod view;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tallystick_contract::balance::PositionKey;

use super::Reference;
use super::number::Number;
use super::posting::Posting;
use super::promise::Due;

pub(crate) use doubled::{Doubled, Steps};
pub(crate) use facts::order_of;
pub(crate) use facts::{Fact, Loose, Move, Order, Said, Side};
pub(crate) use fit::EVERYTHING;
pub(crate) use hold::{Become, Deed, End, Fold, Held, Part, Purpose, Reservation, Settlement, wanted};
pub(crate) use known::Known;
pub(crate) use line::Curve;
pub(crate) use view::HoldId;

use shelf::Left;
use supplies::Supplies;
use trouble::Troubles;

/// What was told of the lines of an order.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderTold {
    pub(crate) facts: Vec<Fact>,
    /// When each line was touched last, by the log.
    touched: BTreeMap<Number, i64>,
}

/// Closings of a document, by its name and whose documents it is among.
#[derive(Debug, Clone)]
struct Closing {
    names: String,
    document: String,
    side: Option<Side>,
    time_ns: i64,
    told_ns: i64,
}

/// All that was said of claims.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) orders: BTreeMap<Order, OrderTold>,
    pub(crate) supplies: Supplies,
    pub(crate) supply_flags: supply::Flags,
    closings: Vec<Closing>,
    pub(crate) loose: Vec<Loose>,
    pub(crate) reservations: Vec<Reservation>,
    /// Requests that were refused because their line was closed.
    pub(crate) closed_requests: BTreeSet<super::event::Key>,
    /// What forgotten lines left at each position.
    left: BTreeMap<PositionKey, Left>,
    pub(crate) troubles: Troubles,
    /// What was computed and still holds.
    known: RefCell<BTreeMap<Order, Arc<Known>>>,
}

/// What can be seen of orders: by line and position the curve of claims, by position what was never picked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    curves: BTreeMap<(Order, Number, PositionKey), Curve>,
    unpicked: BTreeMap<PositionKey, i128>,
    rests: BTreeMap<(Order, Number, PositionKey), (i128, Option<Due>)>,
    parts: BTreeMap<HoldId, (PositionKey, i64, i64)>,
}

impl Reference {
    fn facts(&self, order: &Order) -> &[Fact] {
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

    /// All orders about a SKU.
    pub(crate) fn orders_of(&self, sku: &str) -> impl Iterator<Item = &Order> {
        self.claims.orders.keys().filter(move |order| order.sku == sku)
    }

    /// All parts of reservations, with what became of them.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (HoldId, &Part, Become)> {
        self.parts_if(|_| true)
    }

    /// All parts of some reservations, with what became of them.
    fn parts_if(&self, is_meant: impl Fn(&Reservation) -> bool) -> impl Iterator<Item = (HoldId, &Part, Become)> {
        let all = self.claims.reservations.iter().enumerate().filter(move |(_, reservation)| is_meant(reservation));
        all.flat_map(|(place, reservation)| {
            let lines = reservation.lines.iter().zip(reservation.fold().lines).enumerate();
            lines.flat_map(move |(line, (held, became))| {
                let parts = held.parts.iter().zip(became).enumerate();
                parts.map(move |(part, (said, became))| ((place, line, part), said, became)).collect::<Vec<_>>()
            })
        })
    }

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

    fn swap_reservation(&mut self, at: usize, orders: &BTreeSet<Order>, other: &mut Reservation) {
        std::mem::swap(&mut self.claims.reservations[at], other);
        self.claims.known.borrow_mut().retain(|order, _| !orders.contains(order));
    }

    /// Whether nothing of a part counts, because it ended with a closing or its line is closed.
    pub(crate) fn is_closed_part(&self, id: HoldId, part: &Part) -> bool {
        let is_closed = |purpose: &Purpose| self.lines_of(&purpose.order(&part.at.sku)).closed.contains(&id);
        part.purpose.as_ref().is_some_and(|purpose| part.forgotten.is_some() || is_closed(purpose))
    }

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

    pub(crate) fn orders_of_document(&self, names: &str, document: &str) -> Vec<Order> {
        let is_its = |order: &&Order| (&*order.names, &*order.document) == (names, document);
        self.claims.orders.keys().filter(is_its).cloned().collect()
    }

    /// Does something, and lets positions reflect what can be seen of it: claims by bucket, what is shown, what is
    /// held, what is to come.
    pub(crate) fn seeing<T>(
        &mut self,
        orders: &BTreeSet<Order>,
        reservations: &[usize],
        sequence: u64,
        change: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.seen(orders, reservations);
        let done = change(self);
        let after = self.seen(orders, reservations);
        let mut changed: BTreeSet<PositionKey> = BTreeSet::new();
        changed.extend(differing(&before.curves, &after.curves).map(|(.., at)| at.clone()));
        changed.extend(differing(&before.unpicked, &after.unpicked).cloned());
        changed.extend(differing(&before.rests, &after.rests).map(|(.., at)| at.clone()));
        let parts = before.parts.iter().chain(&after.parts);
        let is_other = |id: &HoldId| before.parts.get(id) != after.parts.get(id);
        changed.extend(parts.filter(|(id, _)| is_other(id)).map(|(_, (at, ..))| at.clone()));
        for at in &changed {
            self.reflect(at, sequence);
        }
        done
    }

    fn seen(&self, orders: &BTreeSet<Order>, reservations: &[usize]) -> Seen {
        let mut seen =
            Seen { curves: BTreeMap::new(), unpicked: BTreeMap::new(), rests: BTreeMap::new(), parts: BTreeMap::new() };
        for order in orders {
            for (number, line) in &self.lines_of(order).lines {
                for (at, curve) in self.curves(line) {
                    seen.unpicked.entry(at.clone()).or_insert_with(|| self.unpicked(&at));
                    let is_nothing = curve.iter().all(|(_, claim)| claim.total() == 0);
                    if !is_nothing {
                        seen.curves.insert((order.clone(), number.clone(), at), curve);
                    }
                }
            }
            for ((number, at), supply) in self.supply_of(order).iter() {
                if supply.rest != 0 {
                    let line = (order.clone(), number.clone(), at.clone());
                    seen.rests.insert(line, (supply.rest, supply.due));
                }
            }
        }
        seen.unpicked.retain(|_, amount| *amount != 0);
        for (id, part, became) in self.parts().filter(|((place, ..), ..)| reservations.contains(place)) {
            // Of a hold whose line is closed nothing can be seen.
            let is_closed = self.is_closed_part(id, part);
            // What was posted for a line shows only where something was protected from it.
            let is_shown = part.purpose.is_none() || !part.scopes.is_empty();
            let kept = if is_shown { self.kept(id, part, &became) } else { 0 };
            let (live, kept) = if is_closed { (0, 0) } else { (became.live, kept) };
            seen.parts.insert(id, (part.at.clone(), live, kept));
        }
        seen
    }
}

/// The keys under which two tables differ.
fn differing<'a, K: Ord, V: PartialEq>(
    one: &'a BTreeMap<K, V>,
    other: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    let is_other = |key: &K| one.get(key) != other.get(key);
    one.keys().chain(other.keys()).filter(move |key| is_other(key))
}
