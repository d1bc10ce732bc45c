//! Claims (`docs/claims.md`): all facts of lines are kept, and what a line claims is computed anew from the set of
//! them.

#![expect(clippy::similar_names, reason = "a line, its life and those alike are words of the field")]

mod doubled;
mod facts;
mod fit;
mod forget;
mod hold;
pub(crate) mod line;
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

use crate::balance::PositionKey;

use super::Reference;
use super::number::Number;
use super::posting::Posting;
use super::promise::Due;

pub(in crate::reference) use doubled::{Doubled, Steps};
pub(in crate::reference) use facts::order_of;
pub(crate) use facts::{Fact, Loose, Order, Said, Side};
pub(crate) use fit::EVERYTHING;
pub(crate) use hold::{Become, Deed, End, Fold, Held, Part, Purpose, Reservation, Settlement, wanted};
pub(crate) use line::Curve;
pub(crate) use view::HoldId;

use shelf::Left;
use supplies::Supplies;
use trouble::Troubles;
use view::{Hold, Lines, Told, is_given_to_closed};

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

/// What an order comes to.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) lines: Lines,
    /// When holds ended with a closing of their line.
    pub(crate) ended: BTreeMap<HoldId, i64>,
    /// Whether no picks and shipments are shared out.
    pub(crate) keeps_its_moves: bool,
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

    fn facts(&self, order: &Order) -> &[Fact] {
        self.claims.orders.get(order).map_or(&[][..], |told| &told.facts)
    }

    fn compute(&self, order: &Order, facts: &[Fact], beside: &[Part]) -> Known {
        let closings = self.closings_of(order, Side::Demand);
        let beside = beside.to_vec();
        let mut told = Told {
            facts,
            closings: &closings,
            holds: Box::new(move |until_ns| self.holds_of(order, until_ns, &beside)),
            openings: BTreeMap::new(),
            gone: RefCell::default(),
        };
        told.look_for_openings();
        let lines = told.lines(i64::MAX, false);
        let mut ended = BTreeMap::new();
        for hold in (told.holds)(i64::MAX) {
            let Some(id) = hold.id else { continue };
            let closed_ns = told.closed_ns(&hold.number, &hold.at.location, i64::MAX);
            let opened_ns = told.openings.get(&hold.number).and_then(|all| all.last()).copied();
            let by_word = closed_ns.filter(|closed_ns| hold.time_ns <= *closed_ns);
            let by_opening = opened_ns.filter(|opened_ns| hold.time_ns < *opened_ns);
            ended.extend(by_word.max(by_opening).map(|end_ns| (id, end_ns)));
        }
        Known { lines, ended, keeps_its_moves: doubled::keeps_its_moves(facts) }
    }

    /// When the document was closed, for one side.
    pub(crate) fn closings_of(&self, order: &Order, side: Side) -> Vec<i64> {
        let is_its = |closing: &&Closing| {
            (&closing.names, &closing.document) == (&order.names, &order.document)
                && closing.side.is_none_or(|closed| closed == side)
        };
        self.claims.closings.iter().filter(is_its).map(|closing| closing.time_ns).collect()
    }

    /// All holds for lines of an order, as of a time. What is posted of a hold without a document and with a day is a
    /// line of its own.
    pub(crate) fn holds_of(&self, order: &Order, until_ns: i64, beside: &[Part]) -> Vec<Hold> {
        let mut holds = Vec::new();
        for (place, reservation) in self.claims.reservations.iter().enumerate() {
            if !reservation.lines.iter().flat_map(|line| &line.parts).any(|part| part.at.sku == order.sku) {
                continue;
            }
            let fold = reservation.fold(until_ns);
            for (line, (held, became)) in reservation.lines.iter().zip(&fold.lines).enumerate() {
                for (number, (part, became)) in held.parts.iter().zip(became).enumerate() {
                    if part.at.sku != order.sku || part.forgotten.is_some() {
                        continue;
                    }
                    let own = self.own_line(reservation, line, part);
                    let id = Some((place, line, number));
                    let (at, due, time_ns) = (part.at.clone(), part.due, reservation.time_ns);
                    if let Some(purpose) = part.purpose.as_ref().filter(|purpose| purpose.order(&part.at.sku) == *order)
                    {
                        let (number, became) = (purpose.number.clone(), became.clone());
                        holds.push(Hold { id, number, at, time_ns, due, became });
                    } else if own.as_ref().is_some_and(|(own, _)| own == order) && became.posted() > 0 {
                        let Some((_, number)) = own else { continue };
                        let became = Become { posted: became.posted.clone(), ..Become::default() };
                        holds.push(Hold { id: None, number, at, time_ns, due, became });
                    }
                }
            }
        }
        for part in beside {
            if let Some(purpose) = part.purpose.as_ref().filter(|purpose| purpose.order(&part.at.sku) == *order) {
                if purpose.raised_ns > Some(until_ns) {
                    continue;
                }
                let raised = purpose.raised_ns.into_iter().collect();
                let became = Become { live: part.granted, raised, ..Become::default() };
                let (number, time_ns) = (purpose.number.clone(), purpose.time_ns);
                holds.push(Hold { id: None, number, at: part.at.clone(), time_ns, due: part.due, became });
            }
        }
        holds
    }

    /// The line that a part without a document has when it is posted: `SOURCE/ID`, and its place in the request.
    fn own_line(&self, reservation: &Reservation, line: usize, part: &Part) -> Option<(Order, Number)> {
        if part.purpose.is_some() || part.due.is_none() {
            return None;
        }
        let (source, id) = &reservation.key;
        let names = self.config.documents(source).to_owned();
        let number = Number::Digits(i64::try_from(line).ok()? + 1);
        Some((Order { names, document: format!("{source}/{id}"), sku: part.at.sku.clone() }, number))
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
        let all = self.claims.reservations.iter().enumerate();
        all.flat_map(|(place, reservation)| {
            let fold = reservation.fold(i64::MAX);
            let lines = reservation.lines.iter().zip(fold.lines).enumerate();
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
            Some(end_ns) => self.claims.reservations[id.0].fold(end_ns).lines[id.1][id.2].posted(),
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

    pub(crate) fn is_closed_part(&self, id: HoldId, part: &Part) -> bool {
        let Some(purpose) = &part.purpose else { return false };
        let lines = self.lines_of(&purpose.order(&part.at.sku));
        let is_closed = || lines.lines.get(&purpose.number).is_some_and(|line| line.is_closed_at(&part.at));
        let is_given = || purpose.number == Number::None && is_given_to_closed(&lines.lines, &part.at);
        part.forgotten.is_some() || lines.ended.contains_key(&id) || is_closed() || is_given()
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
    pub(in crate::reference) fn tell_claims(&mut self, undo: Option<&Posting>, add: Option<&Posting>) {
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
