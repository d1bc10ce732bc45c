//! What a request is granted: line after line, each sees what those before it took.

use serde_json::{Map, Value, json};
use tallystick_contract::balance::PositionKey;
use tallystick_contract::outcome::Outcome;

use crate::ask::{Place, Request, Ttl, Wanted};
use crate::body::Key;
use crate::claims::hold::{Held, Part, Purpose, Reservation};
use crate::document::Side;
use crate::time;
use crate::turn::{Reply, Turn};
use crate::twin::Reference;

use super::answer::{amount, to_request};
use super::wanting::Asks;

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
        self.parts.iter().map(|part| part.granted).sum()
    }
}

impl Reference {
    /// Decides about a request and takes what is granted.
    pub(super) fn request(&mut self, turn: &Turn, request: &Request, sequence: u64) -> Reply {
        let key = turn.key();
        // What was closed under the key before it was forgotten is no target any more.
        for old in self.claims.reservations.iter_mut().filter(|old| old.key == key) {
            old.key = Key::default();
        }
        self.claims.closed_requests.remove(&key);
        if request.lines.iter().any(|line| self.places_of(&line.place).is_none()) {
            return self.refuse(&key, Outcome::UnknownReference, sequence);
        }
        if request.lines.iter().any(|line| self.is_closed_line(turn, request, line)) {
            self.claims.closed_requests.insert(key.clone());
            // Its order was closed before it was told: whoever closed it knows.
            return Reply { is_told: true, ..self.refuse(&key, Outcome::Insufficient, sequence) };
        }
        if let Some(version) = request.lines.iter().find_map(|line| self.changed(line)) {
            let mut body = to_request(&key, "changed", Outcome::Insufficient, sequence);
            body["version"] = version.into();
            return self.told(&key, Outcome::Insufficient, body);
        }
        let mode = request.mode.unwrap_or(self.config.promise.mode);
        let mut taken = Vec::new();
        let mut offers = Vec::new();
        for line in &request.lines {
            let purpose = self.purpose(turn, request, line);
            let asks = Asks { channel: line.channel.as_deref(), mode, purpose: purpose.as_ref() };
            let offer = self.offer(line, asks, request.is_partial, &taken);
            taken.extend(offer.parts.iter().cloned());
            offers.push(offer);
        }
        let is_whole =
            request.lines.iter().zip(&offers).all(|(line, offer)| offer.quantity() == line.quantity.quantity);
        if taken.is_empty() || !(is_whole || request.is_partial) {
            for offer in &mut offers {
                offer.parts.clear();
            }
            let mut body = to_request(&key, "insufficient", Outcome::Insufficient, sequence);
            body["lines"] = request.lines.iter().zip(&offers).map(told_line).collect();
            return self.told(&key, Outcome::Insufficient, body);
        }
        let ttl_ns = match request.ttl {
            Ttl::AsConfigured => self.config.promise.reservation_ttl_ns,
            Ttl::Endless => None,
            Ttl::Ns(ttl_ns) => Some(ttl_ns),
        };
        let expires_ns = ttl_ns.map(|ttl_ns| turn.asked_ns.saturating_add(ttl_ns));
        let mut body = to_request(&key, if is_whole { "granted" } else { "partly" }, Outcome::Applied, sequence);
        body["quantity"] = amount(offers.iter().map(Offer::quantity).map(i128::from).sum());
        body["lines"] = request.lines.iter().zip(&offers).map(told_line).collect();
        body["expires"] = expires_ns.map(time::format).into();
        self.take(turn, request, (offers, expires_ns), sequence);
        self.told(&key, Outcome::Applied, body)
    }

    /// The line that a line of a request is for.
    fn purpose(&self, turn: &Turn, request: &Request, line: &Wanted) -> Option<Purpose> {
        let document = request.document.clone()?;
        let names = self.config.documents(&turn.event.source).to_owned();
        Some(Purpose {
            names,
            document,
            number: line.number.or(&request.number),
            time_ns: turn.admitted.time_ns,
            raised_ns: None,
        })
    }

    /// Whether a line of a request is effective at or before the closing of what it is for, wherever it might be taken
    /// from.
    fn is_closed_line(&self, turn: &Turn, request: &Request, line: &Wanted) -> bool {
        let Some(purpose) = self.purpose(turn, request, line) else { return false };
        let places = self.places_of(&line.place).unwrap_or_default();
        if places.is_empty() {
            // Of a group without locations, as far as the whole document is closed.
            let closed = self.closings_of(&purpose.order(""), Side::Demand);
            return closed.iter().any(|closed_ns| purpose.time_ns <= *closed_ns);
        }
        places.iter().all(|at| self.is_closed_for(&purpose, at))
    }

    /// What was decided without looking at any figure.
    pub(crate) fn refuse(&mut self, key: &Key, outcome: Outcome, sequence: u64) -> Reply {
        self.told(key, outcome, to_request(key, "refused", outcome, sequence))
    }

    /// Keeps the answer for repetitions.
    fn told(&mut self, key: &Key, outcome: Outcome, body: Value) -> Reply {
        self.promise.told.insert(key.clone(), body);
        Reply::new(outcome)
    }

    fn take(&mut self, turn: &Turn, request: &Request, (offers, expires_ns): (Vec<Offer>, Option<i64>), sequence: u64) {
        let mut lines: Vec<Held> = Vec::new();
        for (offer, line) in offers.into_iter().zip(&request.lines) {
            lines.push(Held {
                parts: offer.parts,
                place: line.place.clone(),
                due: line.due,
                channel: line.channel.clone(),
                purpose: self.purpose(turn, request, line),
            });
        }
        for part in lines.iter_mut().flat_map(|line| &mut line.parts) {
            part.number = self.promise.next_number();
        }
        let (key, time_ns, settled) = (turn.key(), turn.admitted.time_ns, Vec::new());
        let reservation = Reservation { key, time_ns, lines, expires_ns, is_over: false, settled };
        let orders = self.orders_of_reservation(&reservation);
        let at = self.claims.reservations.len();
        self.seeing(&orders, &[at], sequence, |twin| {
            twin.claims.reservations.push(reservation);
            twin.touch_reservation(at);
        });
    }

    /// The version of a line's position, where that is not the one that was asked for.
    fn changed(&self, line: &Wanted) -> Option<u64> {
        let Place::Position(at) = &line.place else { return None };
        let version = self.positions.get(at).map_or(0, |position| position.version);
        line.version.filter(|asked| *asked != version).map(|_| version)
    }

    fn offer(&self, line: &Wanted, asks: Asks<'_>, is_partial: bool, taken: &[Part]) -> Offer {
        let places = self.places_of(&line.place).expect("groups were looked for");
        let bucket = |at: &PositionKey| {
            usize::try_from(line.due.map_or(0, |due| self.buckets_away(&at.location, due).max(0))).unwrap_or(0)
        };
        let wanted = line.quantity.quantity;
        let draw = |bucket: &dyn Fn(&PositionKey) -> usize| {
            self.draw(&places, Some(wanted.into()), bucket, asks, taken).unwrap_or_default()
        };
        let mut parts = draw(&bucket);
        for part in &mut parts {
            part.due = line.due.filter(|_| part.due.is_some());
        }
        let granted: i64 = parts.iter().map(|part| part.granted).sum();
        if granted < wanted && !is_partial {
            parts.clear();
        }
        let enough = |bucket: &usize| draw(&|_| *bucket).iter().map(|part| part.granted).sum::<i64>() == wanted;
        // A group's days are those of its first location that has the SKU.
        let first = places.iter().find(|at| self.positions.contains_key(at)).filter(|_| granted < wanted);
        let earliest = first.and_then(|at| Some((at, (0..self.horizon()).find(enough)?)));
        let earliest = earliest.map(|(at, bucket)| self.bucket_text(&at.location, bucket));
        Offer { parts, wanted, available: granted, earliest }
    }
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
            let part = |part: &Part| json!({"location": part.at.location, "quantity": amount(part.granted.into())});
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
