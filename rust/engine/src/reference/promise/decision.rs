//! What a request is granted: line after line, each sees what those before it took.

use serde_json::{Map, Value, json};

use crate::balance::PositionKey;
use crate::config::Mode;
use crate::instant;
use crate::outcome::Outcome;
use crate::reference::Reference;
use crate::reference::event::Key;
use crate::reference::turn::{Reply, Turn};
use crate::reference::work;

use super::amount;
use super::calendar::Due;
use super::kernel::Figure;
use super::request::{Place, Request, Ttl, Wanted};
use super::reservation::{Held, Part, Reservation};

/// What a line would get.
struct Offer {
    parts: Vec<Part>,
    wanted: i64,
    /// What of it would have worked.
    available: i64,
    /// The first bucket in which all of it would work.
    earliest: Option<String>,
}

impl Offer {
    fn quantity(&self) -> i64 {
        self.parts.iter().map(|part| part.held).sum()
    }
}

impl Reference {
    /// Whether a line of a request is due beyond the horizon.
    pub(crate) fn is_out_of_bounds(&self, request: &Request) -> bool {
        request.lines.iter().any(|line| {
            let is_beyond = |at: &PositionKey| {
                line.due.is_some_and(|due| {
                    usize::try_from(self.buckets_away(&at.location, due)).is_ok_and(|away| away >= self.horizon())
                })
            };
            self.places_of(&line.place).unwrap_or_default().iter().any(is_beyond)
        })
    }

    /// Decides about a request and takes what is granted.
    pub(super) fn request(&mut self, turn: &Turn, request: &Request, sequence: u64) -> Reply {
        let key = turn.key();
        // What was closed under the key before it was forgotten is no target any more.
        for old in self.promise.reservations.iter_mut().filter(|old| old.key == key) {
            old.key = Key::default();
        }
        if request.lines.iter().any(|line| self.places_of(&line.place).is_none()) {
            return self.refuse(&key, Outcome::UnknownReference, sequence);
        }
        if let Some(version) = request.lines.iter().find_map(|line| self.changed(line)) {
            let mut body = answer(&key, "changed", Outcome::Insufficient, sequence);
            body["version"] = version.into();
            return self.told(&key, Outcome::Insufficient, body);
        }
        let mode = request.mode.unwrap_or(self.config.promise.mode);
        let mut taken = Vec::new();
        let mut offers = Vec::new();
        for line in &request.lines {
            let number = line.number.or(request.number);
            let purpose = request.document.clone().map(|document| (document, number));
            let offer = self.offer(line, purpose.as_ref(), mode, request.is_partial, &taken);
            taken.extend(offer.parts.iter().cloned());
            offers.push(offer);
        }
        let is_whole =
            request.lines.iter().zip(&offers).all(|(line, offer)| offer.quantity() == line.quantity.quantity);
        if taken.is_empty() || !(is_whole || request.is_partial) {
            for offer in &mut offers {
                offer.parts.clear();
            }
            let mut body = answer(&key, "insufficient", Outcome::Insufficient, sequence);
            body["lines"] = request.lines.iter().zip(&offers).map(told_line).collect();
            return self.told(&key, Outcome::Insufficient, body);
        }
        let ttl_ns = match request.ttl {
            Ttl::AsConfigured => self.config.promise.reservation_ttl_ns,
            Ttl::Endless => None,
            Ttl::Ns(ttl_ns) => Some(ttl_ns),
        };
        let expires_ns = ttl_ns.map(|ttl_ns| turn.came_ns.saturating_add(ttl_ns));
        let mut body = answer(&key, if is_whole { "granted" } else { "partly" }, Outcome::Applied, sequence);
        body["quantity"] = amount(offers.iter().map(Offer::quantity).map(i128::from).sum());
        body["lines"] = request.lines.iter().zip(&offers).map(told_line).collect();
        body["expires"] = expires_ns.map(instant::format).into();
        let numbers = request.lines.iter().map(|line| line.number);
        let held = |(offer, number): (Offer, Option<i64>)| Held { parts: offer.parts, number };
        let lines: Vec<Held> = offers.into_iter().zip(numbers).map(held).collect();
        let (document, number) = (request.document.clone(), request.number);
        self.take(Reservation { key: key.clone(), lines, document, number, expires_ns }, sequence);
        let mut reply = self.told(&key, Outcome::Applied, body);
        if request.document.as_ref().is_some_and(|document| self.is_closed_document(document)) {
            reply.raised.push(("reservation_leak".to_owned(), work::of_key(&key)));
        }
        reply
    }

    /// What was decided without looking at any figure.
    pub(in crate::reference) fn refuse(&mut self, key: &Key, outcome: Outcome, sequence: u64) -> Reply {
        self.told(key, outcome, refusal(key, outcome, sequence))
    }

    /// Keeps the answer for repetitions.
    fn told(&mut self, key: &Key, outcome: Outcome, body: Value) -> Reply {
        self.promise.told.insert(key.clone(), body);
        Reply::new(outcome)
    }

    fn take(&mut self, mut reservation: Reservation, sequence: u64) {
        for part in reservation.lines.iter_mut().flat_map(|line| &mut line.parts) {
            part.number = self.promise.next_number();
            self.reflect(&part.at, sequence);
        }
        self.promise.reservations.push(reservation);
    }

    /// The version of a line's position, where that is not the one that was asked for.
    fn changed(&self, line: &Wanted) -> Option<u64> {
        let Place::Position(at) = &line.place else { return None };
        let version = self.positions.get(at).map_or(0, |position| position.version);
        line.version.filter(|asked| *asked != version).map(|_| version)
    }

    /// The positions that a line can be taken from, in their order; nothing for a group that is not defined.
    pub(super) fn places_of(&self, place: &Place) -> Option<Vec<PositionKey>> {
        match place {
            Place::Position(at) => Some(vec![at.clone()]),
            Place::Group { sku, group, lot, owner } => {
                let at = |location| PositionKey { sku: sku.clone(), location, lot: lot.clone(), owner: owner.clone() };
                Some(self.locations_of(group)?.into_iter().map(at).collect())
            }
        }
    }

    fn offer(
        &self,
        line: &Wanted,
        purpose: Option<&(String, Option<i64>)>,
        mode: Mode,
        is_partial: bool,
        taken: &[Part],
    ) -> Offer {
        let places = self.places_of(&line.place).expect("groups were looked for");
        let bucket = |at: &PositionKey| {
            usize::try_from(line.due.map_or(0, |due| self.buckets_away(&at.location, due).max(0))).unwrap_or(0)
        };
        let wanted = line.quantity.quantity;
        let draw = |quantity: Figure, bucket: &dyn Fn(&PositionKey) -> usize| {
            self.draw(&places, quantity, bucket, (line.channel.as_deref(), mode), taken)
        };
        let mut parts = draw(Some(wanted.into()), &bucket).unwrap_or_default();
        for part in &mut parts {
            part.due = line.due.filter(|_| part.due.is_some());
            part.purpose = purpose.cloned();
        }
        let granted: i64 = parts.iter().map(|part| part.held).sum();
        if granted < wanted && !is_partial {
            parts.clear();
        }
        let enough = |bucket: &usize| {
            let parts = draw(Some(wanted.into()), &|_| *bucket).unwrap_or_default();
            parts.iter().map(|part| part.held).sum::<i64>() == wanted
        };
        // A group's days are those of its first location that has the SKU.
        let first = places.iter().find(|at| self.positions.contains_key(at));
        let earliest = first.and_then(|at| Some((at, (0..self.horizon()).find(enough)?)));
        let earliest = earliest.map(|(at, bucket)| self.bucket_text(&at.location, bucket));
        Offer { parts, wanted, available: granted, earliest }
    }

    /// Takes a quantity from positions in their order, or everything that there is; nothing where everything has no limit.
    pub(super) fn draw(
        &self,
        places: &[PositionKey],
        quantity: Figure,
        bucket: &dyn Fn(&PositionKey) -> usize,
        (channel, mode): (Option<&str>, Mode),
        taken: &[Part],
    ) -> Option<Vec<Part>> {
        let mut missing = quantity;
        let mut beside = taken.to_vec();
        for at in places {
            let bucket = bucket(at);
            let here = self.figures_under(at, channel, mode, None, &beside)[bucket];
            let here = match (missing, here.map(|here| here.max(0))) {
                (None, None) => return None,
                (Some(missing), Some(here)) => missing.min(here),
                (one, other) => one.or(other).expect("one of them has a limit"),
            };
            missing = missing.map(|missing| missing - here);
            let held = i64::try_from(here).expect("figures are sums of few accounts");
            if held > 0 {
                // What is on hand knows no days.
                let is_later = bucket > 0 && mode != Mode::OnHand;
                let due = is_later.then(|| Due::At(self.start_of_bucket(&at.location, bucket)));
                let scopes =
                    self.scopes_at(&at.sku, &at.location).into_iter().filter(|_| super::protection::is_whole(at));
                let (at, channel, scopes) = (at.clone(), channel.map(str::to_owned), scopes.collect());
                beside.push(Part { at, channel, due, held, posted: 0, scopes, purpose: None, number: u64::MAX });
            }
        }
        Some(beside.split_off(taken.len()))
    }
}

/// An answer that refuses, whatever was asked for.
pub(crate) fn refusal(key: &Key, outcome: Outcome, sequence: u64) -> Value {
    answer(key, "refused", outcome, sequence)
}

fn answer((source, id): &Key, status: &str, outcome: Outcome, sequence: u64) -> Value {
    json!({"source": source, "id": id, "status": status, "outcome": outcome.name(), "quantity": 0, "lines": [],
        "expires": null, "sequence": sequence})
}

fn told_line((line, offer): (&Wanted, &Offer)) -> Value {
    let mut told = Map::new();
    let (Place::Position(PositionKey { lot, owner, .. }) | Place::Group { lot, owner, .. }) = &line.place;
    for (name, text) in [("lot", lot), ("owner", owner)].into_iter().filter(|(_, text)| !text.is_empty()) {
        told.insert(name.to_owned(), text.clone().into());
    }
    match &line.place {
        Place::Position(at) => {
            told.insert("sku".to_owned(), at.sku.clone().into());
            told.insert("location".to_owned(), at.location.clone().into());
        }
        Place::Group { sku, group, .. } => {
            told.insert("sku".to_owned(), sku.clone().into());
            told.insert("group".to_owned(), group.clone().into());
            let part = |part: &Part| json!({"location": part.at.location, "quantity": amount(part.held.into())});
            told.insert("parts".to_owned(), offer.parts.iter().map(part).collect());
        }
    }
    told.insert("quantity".to_owned(), amount(offer.quantity().into()));
    // What would have worked is of use to those who did not get all.
    if offer.quantity() < offer.wanted {
        told.insert("available".to_owned(), amount(offer.available.into()));
        if offer.available < offer.wanted {
            told.insert("earliest".to_owned(), offer.earliest.clone().into());
        }
    }
    told.into()
}
