//! Settling: what a reservation holds is taken, given back, changed, or runs out (`docs/promise.md` §4).

use smallvec::SmallVec;
use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity;
use tallystick_tables::dedup::{Fingerprint, fingerprint};

use crate::core::context::Context;
use crate::core::days::When;
use crate::diagnostics::{Diagnostics, Raised};
use crate::order::SequenceTracker;
use crate::promise::Promises;
use crate::promise::answer::Told;
use crate::promise::fold::{Deed, Folded, Op, Ops, fold};
use crate::promise::lines::OrderLines;
use crate::promise::offer::Demand;
use crate::promise::record::{End, Record, ReservationPart, Status};
use crate::read::directive::{Quantities, Settle, Settling};
use crate::schedule::hold::{For, HoldKey, PartNow};
use crate::schedule::{Books, View};

const ALLOCATED: usize = tallystick_contract::account::Account::Allocated as usize;

/// A reservation, with all that was said of it.
struct ReservationState {
    slot: u32,
    record: Record<'static>,
    ops: Ops,
    before: Folded,
}

impl Promises {
    /// Takes, gives back or changes what a reservation holds. Nothing where the reservation is not known yet.
    pub(crate) fn settle_reservation(
        &mut self,
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        tracker: &SequenceTracker,
        context: &Context<'_, '_>,
        settle: &Settle,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Outcome, Told)> {
        // What was granted late may have run out before anybody looked.
        self.expire_reservations(books, orders);
        let key = fingerprint(&books.core.secret, &settle.target.source, &settle.target.id);
        let refuse = |diagnostics: &mut Diagnostics, outcome: Outcome, why: String| {
            diagnostics.why = Some(why);
            Some((outcome, Told::Nothing))
        };
        let Some(slot) = self.reservations.find(key) else {
            if Self::is_to_come(books, tracker, key) {
                return None;
            }
            return refuse(diagnostics, Outcome::UnknownReference, "there is no such reservation".to_owned());
        };
        let record = self.reservations.get(slot);
        let is_forgotten = record.end != End::Live && books.core.keys.find(key, books.core.keys_ns()).is_none();
        if is_forgotten {
            // Whatever has its key now may still come.
            return None;
        }
        if record.status == Status::Closed {
            return Some((Outcome::Absorbed, Told::Nothing));
        }
        if record.end == End::Refused {
            return refuse(diagnostics, Outcome::UnknownReference, "there is no such reservation".to_owned());
        }
        let known = self.known(slot);
        let lines = known.record.got.len().max(1);
        let fits = match &settle.quantities {
            Quantities::All => true,
            Quantities::One(_) => lines == 1,
            Quantities::Each(each) => each.len() == lines,
        };
        if !fits {
            let why = format!("the reservation has {lines} lines; give as many `quantities`");
            return refuse(diagnostics, Outcome::UnknownReference, why);
        }
        Some(self.settle_known(books, orders, context, (settle, known), diagnostics))
    }

    /// Whether a request with a key may still be decided.
    fn is_to_come(books: &mut Books<'_>, tracker: &SequenceTracker, key: Fingerprint) -> bool {
        let is_known = books.core.keys.find(key, books.core.keys_ns()).is_some_and(|known| !known.is_echoed());
        !is_known || tracker.held().any(|held| held.key == key)
    }

    fn known(&self, slot: u32) -> ReservationState {
        let record = self.reservations.get(slot).into_owned().into_owned();
        let ops = self.reservations.ops(slot).cloned().unwrap_or_default();
        let expired_ns = (record.end == End::Expired).then_some(record.expires_ns);
        let before = fold(&record.parts, record.got.len().max(1), &ops, expired_ns);
        ReservationState { slot, record, ops, before }
    }

    fn settle_known(
        &mut self,
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        context: &Context<'_, '_>,
        (settle, mut known): (&Settle, ReservationState),
        diagnostics: &mut Diagnostics,
    ) -> (Outcome, Told) {
        let lines = known.record.got.len().max(1);
        let at = op_of(settle, context.time_ns, Self::came_ns(books.view(), context)).put_among(&mut known.ops);
        let expired_ns = (known.record.end == End::Expired).then_some(known.record.expires_ns);
        let now = fold(&known.record.parts, lines, &known.ops, expired_ns);
        let open: SmallVec<[bool; 1]> = Self::open_with(books.view(), orders, &known, (settle.deed, &now));
        let is_closed = !open.contains(&true);
        // What is asked of lines that are closed is not looked at.
        let is_meant = |(_, is_open): &(&ReservationPart, &bool)| **is_open;
        let meant = || known.record.parts.iter().zip(&open).filter(is_meant).map(|(part, _)| part.clone());
        let some = (!is_closed && open.contains(&false))
            .then(|| fold(&meant().collect::<Vec<ReservationPart>>(), lines, &known.ops, expired_ns));
        let judged = some.as_ref().unwrap_or(&now);
        // What has run out may be somebody else's by now; what was taken before is a fact.
        let is_over = known.record.expires_ns <= books.core.reached_ns();
        if judged.misfits[at] || is_over && settle.deed == Settling::Change {
            if is_closed {
                return (Outcome::Absorbed, Told::Nothing);
            }
            let (live, end) = (quantity::text(known.before.live()), known.record.end.name());
            diagnostics.why = Some(format!("{live} is held, and not what was asked for ({end})"));
            return (Outcome::Insufficient, Told::Nothing);
        }
        if !self.fits_raised(books, orders, context, &known, (settle.deed, &now, &open)) {
            diagnostics.why = Some(format!("there is not enough for {}", quantity::text(now.live() + now.posted())));
            return (Outcome::Insufficient, Told::Nothing);
        }
        if !Self::has_room_for(books.view(), &known.record, (&known.before, &now)) {
            return (Outcome::Overflow, Told::Nothing);
        }
        if !is_closed {
            tell_over_release(&known.before, judged, settle, diagnostics);
        }
        let moved = judged.moved[at];
        // What counts for nothing is seen by nobody.
        let was_quiet = std::mem::replace(&mut books.core.is_quiet, is_closed);
        self.become_of(books, orders, &known, &now);
        books.core.is_quiet = was_quiet;
        if is_closed { (Outcome::Absorbed, Told::Nothing) } else { (Outcome::Applied, Told::Settled(moved)) }
    }

    /// The time when an element came, from which on it asks for something.
    fn came_ns(view: View<'_>, context: &Context<'_, '_>) -> i64 {
        context.came.map_or(view.core.asked_ns(), |(_, came_ns)| came_ns)
    }

    /// Whether all that a reservation is for is closed, so that it counts for nothing.
    pub(crate) fn is_closed(view: View<'_>, orders: &impl OrderLines, record: &Record<'_>) -> bool {
        !Self::open_parts(view, orders, record).contains(&true)
    }

    /// By part of a reservation, whether its line is open. Without a document nothing is ever closed.
    pub(crate) fn open_parts(view: View<'_>, orders: &impl OrderLines, record: &Record<'_>) -> SmallVec<[bool; 1]> {
        let is_open = |(at, part): (u16, &ReservationPart)| {
            let held = HoldKey { serial: record.serial, part: at, asked_ns: i64::MIN };
            record.named.document().is_none() || !orders.is_closed(view, whom(record, part), (held, part.spot))
        };
        (0..).zip(&record.parts).map(is_open).collect()
    }

    /// Which parts are open once lines count that a change opens again: shipped whole, and more is asked for.
    fn open_with(
        view: View<'_>,
        orders: &impl OrderLines,
        known: &ReservationState,
        (deed, now): (Settling, &Folded),
    ) -> SmallVec<[bool; 1]> {
        let mut open = Self::open_parts(view, orders, &known.record);
        if deed != Settling::Change {
            return open;
        }
        for (at, part) in (0..).zip(&known.record.parts) {
            let (before, now) = (&known.before.parts[usize::from(at)], &now.parts[usize::from(at)]);
            if !open[usize::from(at)] && now.live + now.posted() > before.live + before.posted() {
                let held = orders.hold_key(view, (whom(&known.record, part), part.spot), (known.record.serial, at));
                open[usize::from(at)] = orders.is_opened(view, whom(&known.record, part), (held, part.place()), now);
            }
        }
        open
    }

    /// Whether accounts can take what is posted without a document.
    fn has_room_for(view: View<'_>, record: &Record<'_>, (before, now): (&Folded, &Folded)) -> bool {
        record.named.document().is_some()
            || record.parts.iter().zip(before.parts.iter().zip(&now.parts)).all(|(part, (before, now))| {
                let allocated = view.core.stock.at(part.spot).1.accounts[ALLOCATED];
                part.due.is_some() || allocated.saturating_add(now.posted() - before.posted()) <= ACCOUNT_MAX
            })
    }

    /// Whether what is asked for beyond what was held or posted is there, judged as a request is. A post is a fact up
    /// to what was granted, whenever it is told; beyond that it may stand before a change that has given back what it
    /// takes.
    fn fits_raised(
        &self,
        books: &mut Books<'_>,
        orders: &impl OrderLines,
        context: &Context<'_, '_>,
        known: &ReservationState,
        (deed, now, open): (Settling, &Folded, &[bool]),
    ) -> bool {
        (0..).zip(&known.record.parts).all(|(at, part)| {
            let (before, wanted) = (&known.before.parts[usize::from(at)], &now.parts[usize::from(at)]);
            let more = wanted.live + wanted.posted() - before.live - before.posted();
            let is_granted = deed != Settling::Change && wanted.live + wanted.posted() <= part.granted;
            if more <= 0 || is_granted || !open[usize::from(at)] {
                return true;
            }
            let line = orders.line_for(books.view(), whom(&known.record, part), part.spot);
            let channel = known.record.channel(usize::from(part.line));
            let held = orders.hold_key(books.view(), (whom(&known.record, part), part.spot), (known.record.serial, at));
            let fits =
                line.is_none_or(|line| orders.fits(books, (line, context.time_ns), (held, part.place()), wanted));
            fits && self.is_to_spare(books, orders, line.map(|line| (line, context.time_ns)), (part, channel), more)
        })
    }

    /// Whether there is more for a channel, and for a line if it is for one, where something is kept for others;
    /// without a line, whether there is more at all.
    fn is_to_spare(
        &self,
        books: &mut Books<'_>,
        orders: &impl OrderLines,
        line: Option<(u32, i64)>,
        (part, channel): (&ReservationPart, Option<&str>),
        more: i64,
    ) -> bool {
        let (stock, position) = books.core.stock.at(part.spot);
        let sku = stock.names.name(position.names[0]).to_owned();
        if line.is_some() && self.protections.of(&sku).is_empty() {
            return true;
        }
        let (when, mode) = (When::of(part.due), books.core.config.promise.mode);
        let lifted = line.map(|line| orders.lift(books, line, &[part.spot]));
        let demand = Demand { sku: &sku, spots: &[part.spot], when, mode, channel, quantity: more };
        let offer = self.offer(books.view(), orders, &demand, lifted.as_ref());
        if let Some(lifted) = &lifted {
            orders.put_down(books, lifted);
        }
        offer.total >= more
    }

    /// Lets a reservation be what it has come to.
    fn become_of(
        &mut self,
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        known: &ReservationState,
        now: &Folded,
    ) {
        let ReservationState { slot, record, .. } = known;
        assert!(now.parts.iter().all(|part| part.live >= 0), "nobody holds less than nothing");
        let parts: SmallVec<[ReservationPart; 1]> = record
            .parts
            .iter()
            .zip(&now.parts)
            .map(|(part, now)| ReservationPart { held: now.live, ..part.clone() })
            .collect();
        self.reservations.set_ops(*slot, known.ops.clone());
        self.reservations.change(*slot, |record| {
            record.parts = parts;
            record.posted = now.posted();
            if now.expires_ns.is_some_and(|expires_ns| expires_ns != record.expires_ns) {
                record.more.get_or_insert_default().answered_end_ns.get_or_insert(record.expires_ns);
            }
        });
        if let Some(expires_ns) = now.expires_ns.filter(|expires_ns| *expires_ns != record.expires_ns) {
            self.reservations.expire_at(*slot, expires_ns);
        }
        for (at, part) in (0..).zip(&record.parts) {
            let (before, after) = (&known.before.parts[usize::from(at)], &now.parts[usize::from(at)]);
            let held = orders.hold_key(books.view(), (whom(record, part), part.spot), (record.serial, at));
            orders.settle(books, whom(record, part), (held, part.place()), (before, after));
            self.give_protections_back(books.view(), part, (before, after));
        }
        let now_ns = books.core.now_ns();
        match (record.end == End::Live, now.live() > 0) {
            (true, false) => self.reservations.end(*slot, now.end, now_ns),
            (false, true) => self.reservations.revive(*slot),
            _ => {}
        }
    }

    /// What a part consumed of protections comes back as far as it is neither held nor posted any more; what comes on
    /// top is consumed.
    fn give_protections_back(&mut self, view: View<'_>, part: &ReservationPart, (before, now): (&PartNow, &PartNow)) {
        let given = before.live + before.posted() - now.live - now.posted();
        if given != 0 && !part.protections.is_empty() {
            let (stock, position) = view.core.stock.at(part.spot);
            let sku = stock.names.name(position.names[0]);
            self.protections.give_back(sku, &part.protections, given);
        }
    }

    /// Lets go of what has run out.
    pub(crate) fn expire_reservations(&mut self, books: &mut Books<'_>, orders: &mut impl OrderLines) {
        let now_ns = books.core.reached_ns();
        while let Some(slot) = self.reservations.expired(now_ns) {
            let known = self.known(slot);
            let now =
                fold(&known.record.parts, known.record.got.len().max(1), &known.ops, Some(known.record.expires_ns));
            self.become_of(books, orders, &known, &now);
        }
    }
}

/// Raises that more was to be given back than a reservation held, and settles it when that is in order again.
fn tell_over_release(before: &Folded, now: &Folded, settle: &Settle, diagnostics: &mut Diagnostics) {
    let subject = format!("{}/{}", settle.target.source, settle.target.id);
    if now.is_over_released && !before.is_over_released {
        let cause = "more was to be given back than the reservation holds".to_owned();
        diagnostics.raised.push(Raised::about("over_release", subject, cause));
    } else if before.is_over_released && !now.is_over_released {
        diagnostics.settled.push(("over_release", subject));
    }
}

/// Whom a part of a reservation is for.
fn whom<'a>(record: &'a Record<'_>, part: &ReservationPart) -> For<'a> {
    For {
        source: &record.named.source,
        id: &record.named.id,
        document: record.named.document(),
        number: record.got.get(usize::from(part.line)).and_then(|got| got.line.as_ref()),
    }
}

/// What is said of a reservation.
fn op_of(settle: &Settle, time_ns: i64, log_time_ns: i64) -> Op {
    let quantities: Option<SmallVec<[i64; 1]>> = match &settle.quantities {
        Quantities::All => None,
        Quantities::One(quantity) => Some(smallvec::smallvec![*quantity]),
        Quantities::Each(each) => Some(each.as_slice().into()),
    };
    let deed = match (settle.deed, &quantities) {
        (Settling::Post, _) => Deed::Post,
        (Settling::PostAndKeep, _) => Deed::PostAndKeep,
        (Settling::Void, None) => Deed::End,
        (Settling::Void, Some(_)) => Deed::Void,
        (Settling::Change, _) => Deed::Change,
    };
    let expires_ns = settle.ttl_ns.map(|ttl_ns| log_time_ns.saturating_add(ttl_ns));
    Op { time_ns, deed, quantities, expires_ns }
}
