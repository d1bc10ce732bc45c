//! Settling: what a reservation holds is taken, given back, changed, or runs out (`docs/promise.md` §4).

use std::sync::Arc;

use smallvec::SmallVec;
use tallystick_contract::config::Config;
use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity;
use tallystick_tables::dedup::{Fingerprint, fingerprint};

use super::answer::Told;
use super::figure::When;
use super::fold::{Deed, Folded, Op, Ops, PartNow, fold};
use super::record::{End, Part, Record, Status};
use crate::carry_out::raised_about;
use crate::claiming::{For, Held};
use crate::directive::{Quantities, Settle, Settling, Side};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::judge::Case;

const ALLOCATED: usize = tallystick_contract::account::Account::Allocated as usize;

/// A reservation, with all that was said of it.
struct Known {
    slot: u32,
    record: Record<'static>,
    ops: Ops,
    before: Folded,
}

impl Engine {
    /// Takes, gives back or changes what a reservation holds. Nothing where the reservation is not known yet.
    pub(crate) fn settle_reservation(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        settle: &Settle,
        findings: &mut Findings,
    ) -> Option<(Outcome, Told)> {
        // What was granted late may have run out before anybody looked.
        self.expire_reservations(case.sequence);
        let key = fingerprint(&self.secret, &settle.target.source, &settle.target.id);
        let refuse = |findings: &mut Findings, outcome: Outcome, why: String| {
            findings.why = Some(why);
            Some((outcome, Told::Nothing))
        };
        let Some(slot) = self.promises.reservations.find(key) else {
            if self.is_to_come(key) {
                return None;
            }
            return refuse(findings, Outcome::UnknownReference, "there is no such reservation".to_owned());
        };
        let log_time_ns = self.log_time_ns.unwrap_or(0);
        let record = self.promises.reservations.get(slot);
        let is_forgotten = record.end != End::Live && self.keys.find(key, log_time_ns).is_none();
        if is_forgotten {
            // Whatever has its key now may still come.
            return None;
        }
        if record.status == Status::Closed {
            return Some((Outcome::Absorbed, Told::Nothing));
        }
        if record.end == End::Refused {
            return refuse(findings, Outcome::UnknownReference, "there is no such reservation".to_owned());
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
            return refuse(findings, Outcome::UnknownReference, why);
        }
        Some(self.settle_known(config, case, (settle, known), findings))
    }

    /// Whether a request with a key may still be decided.
    fn is_to_come(&mut self, key: Fingerprint) -> bool {
        let is_known = self.keys.find(key, self.log_time_ns.unwrap_or(0)).is_some_and(|known| !known.is_echoed());
        !is_known || self.tracks.held().any(|held| held.key == key)
    }

    fn known(&self, slot: u32) -> Known {
        let record = self.promises.reservations.get(slot).into_owned().into_owned();
        let ops = self.promises.reservations.ops(slot).cloned().unwrap_or_default();
        let expired_ns = (record.end == End::Expired).then_some(record.expires_ns);
        let before = fold(&record.parts, record.got.len().max(1), &ops, expired_ns);
        Known { slot, record, ops, before }
    }

    fn settle_known(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (settle, mut known): (&Settle, Known),
        findings: &mut Findings,
    ) -> (Outcome, Told) {
        let lines = known.record.got.len().max(1);
        let at = op_of(settle, case.time_ns, self.came_ns(case)).put_among(&mut known.ops);
        let expired_ns = (known.record.end == End::Expired).then_some(known.record.expires_ns);
        let now = fold(&known.record.parts, lines, &known.ops, expired_ns);
        let open: SmallVec<[bool; 1]> = self.open_with(config, &known, (settle.deed, &now));
        let is_closed = !open.contains(&true);
        // What is asked of lines that are closed is not looked at.
        let is_meant = |(_, is_open): &(&Part, &bool)| **is_open;
        let meant = || known.record.parts.iter().zip(&open).filter(is_meant).map(|(part, _)| part.clone());
        let some = (!is_closed && open.contains(&false))
            .then(|| fold(&meant().collect::<Vec<Part>>(), lines, &known.ops, expired_ns));
        let judged = some.as_ref().unwrap_or(&now);
        // What has run out may be somebody else's by now; what was taken before is a fact.
        let is_over = known.record.expires_ns <= self.log_time_ns.unwrap_or(i64::MIN);
        if judged.misfits[at] || is_over && settle.deed == Settling::Change {
            if is_closed {
                return (Outcome::Absorbed, Told::Nothing);
            }
            let (live, end) = (quantity::text(known.before.live()), known.record.end.name());
            findings.why = Some(format!("{live} is held, and not what was asked for ({end})"));
            return (Outcome::Insufficient, Told::Nothing);
        }
        if !self.fits_raised(config, case, &known, (settle.deed, &now, &open)) {
            findings.why = Some(format!("there is not enough for {}", quantity::text(now.live() + now.posted())));
            return (Outcome::Insufficient, Told::Nothing);
        }
        if !self.has_room_for(&known.record, (&known.before, &now)) {
            return (Outcome::Overflow, Told::Nothing);
        }
        if !is_closed {
            tell_over_release(&known.before, judged, settle, findings);
        }
        let moved = judged.moved[at];
        // What counts for nothing is seen by nobody.
        let was_quiet = std::mem::replace(&mut self.is_quiet, is_closed);
        self.become_of(config, &known, &now, case.sequence);
        self.is_quiet = was_quiet;
        if is_closed { (Outcome::Absorbed, Told::Nothing) } else { (Outcome::Applied, Told::Settled(moved)) }
    }

    /// The log's time when an element came.
    fn came_ns(&self, case: &Case<'_, '_>) -> i64 {
        case.came.map_or(self.log_time_ns.unwrap_or(0), |(_, came_ns)| came_ns)
    }

    /// Whether all that a reservation is for is closed, so that it counts for nothing.
    pub(super) fn is_closed(&self, config: &Config, record: &Record<'_>) -> bool {
        !self.open_parts(config, record).contains(&true)
    }

    /// By part of a reservation, whether its line is open. Without a document nothing is ever closed.
    pub(super) fn open_parts(&self, config: &Config, record: &Record<'_>) -> SmallVec<[bool; 1]> {
        let is_open = |(at, part): (u16, &Part)| {
            let held = Held { serial: record.serial, part: at, asked_ns: i64::MIN };
            record.named.document().is_none() || !self.is_part_closed(config, whom(record, part), (held, part.spot))
        };
        (0..).zip(&record.parts).map(is_open).collect()
    }

    /// Which parts are open once lines count that a change opens again: shipped whole, and more is asked for.
    fn open_with(&self, config: &Config, known: &Known, (deed, now): (Settling, &Folded)) -> SmallVec<[bool; 1]> {
        let mut open = self.open_parts(config, &known.record);
        if deed != Settling::Change {
            return open;
        }
        for (at, part) in (0..).zip(&known.record.parts) {
            let (before, now) = (&known.before.parts[usize::from(at)], &now.parts[usize::from(at)]);
            if !open[usize::from(at)] && now.live + now.posted() > before.live + before.posted() {
                let held = self.held(config, &known.record, part, at);
                open[usize::from(at)] = self.is_part_opened(config, whom(&known.record, part), (held, part), now);
            }
        }
        open
    }

    /// Whether accounts can take what is posted without a document.
    fn has_room_for(&self, record: &Record<'_>, (before, now): (&Folded, &Folded)) -> bool {
        record.named.document().is_some()
            || record.parts.iter().zip(before.parts.iter().zip(&now.parts)).all(|(part, (before, now))| {
                let allocated = self.stock.at(part.spot).1.accounts[ALLOCATED];
                part.due.is_some() || allocated.saturating_add(now.posted() - before.posted()) <= ACCOUNT_MAX
            })
    }

    /// Whether what is asked for beyond what was held or posted is there, judged as a request is. A post is a fact up
    /// to what was granted, whenever it is told; beyond that it may stand before a change that has given back what it
    /// takes.
    fn fits_raised(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        known: &Known,
        (deed, now, open): (Settling, &Folded, &[bool]),
    ) -> bool {
        (0..).zip(&known.record.parts).all(|(at, part)| {
            let (before, wanted) = (&known.before.parts[usize::from(at)], &now.parts[usize::from(at)]);
            let more = wanted.live + wanted.posted() - before.live - before.posted();
            let is_granted = deed != Settling::Change && wanted.live + wanted.posted() <= part.granted;
            if more <= 0 || is_granted || !open[usize::from(at)] {
                return true;
            }
            let line = whom(&known.record, part).line(self, config, part.spot);
            let channel = known.record.channel(usize::from(part.line));
            let held = self.held(config, &known.record, part, at);
            let fits = line.is_none_or(|line| self.fits_line((line, case.time_ns), (held, part), wanted));
            fits && self.is_to_spare(line.map(|line| (line, case.time_ns)), (part, channel), more)
        })
    }

    /// Whether a hold of a line can come to that, judged as if the line claimed nothing.
    fn fits_line(&mut self, asked: (u32, i64), (held, part): (Held, &Part), wanted: &PartNow) -> bool {
        let lifted = self.lift(asked, &[part.spot]);
        let site = self.site(part.spot, None);
        let bucket = self.bucket_within(site.zone, site.horizon, when_of(part));
        let line = self.line_with(asked.0, (held, part), wanted);
        let when = (self.config.promise.mode, bucket);
        let short = self.short_with(&lifted, (part.spot, &site), when, (&self.claims.line(asked.0), line));
        self.put_down(&lifted);
        short <= 0
    }

    /// Whether there is more for a channel, and for a line if it is for one, where something is kept for others;
    /// without a line, whether there is more at all.
    fn is_to_spare(&mut self, line: Option<(u32, i64)>, (part, channel): (&Part, Option<&str>), more: i64) -> bool {
        let (stock, position) = self.stock.at(part.spot);
        let sku = stock.names.name(position.names[0]).to_owned();
        if line.is_some() && self.promises.protections.of(&sku).is_empty() {
            return true;
        }
        let asked = (when_of(part), self.config.promise.mode, channel);
        let lifted = line.map(|line| self.lift(line, &[part.spot]));
        let offer = self.offer(&sku, &[part.spot], asked, more, lifted.as_ref());
        if let Some(lifted) = &lifted {
            self.put_down(lifted);
        }
        offer.total >= more
    }

    /// Lets a reservation be what it has come to.
    fn become_of(&mut self, config: &Config, known: &Known, now: &Folded, sequence: u64) {
        let Known { slot, record, .. } = known;
        let parts: SmallVec<[Part; 1]> =
            record.parts.iter().zip(&now.parts).map(|(part, now)| Part { held: now.live, ..part.clone() }).collect();
        self.promises.reservations.set_ops(*slot, known.ops.clone());
        self.promises.reservations.change(*slot, |record| {
            record.parts = parts;
            record.posted = now.posted();
            if now.expires_ns.is_some_and(|expires_ns| expires_ns != record.expires_ns) {
                record.more.get_or_insert_default().answered_end_ns.get_or_insert(record.expires_ns);
            }
        });
        if let Some(expires_ns) = now.expires_ns.filter(|expires_ns| *expires_ns != record.expires_ns) {
            self.promises.reservations.expire_at(*slot, expires_ns);
        }
        for (at, part) in (0..).zip(&record.parts) {
            let (before, after) = (&known.before.parts[usize::from(at)], &now.parts[usize::from(at)]);
            let held = self.held(config, record, part, at);
            self.settle_part(config, whom(record, part), (held, part), (before, after), sequence);
            self.give_protections_back(part, (before, after));
        }
        let now_ns = self.log_time_ns.unwrap_or(0);
        match (record.end == End::Live, now.live() > 0) {
            (true, false) => self.promises.reservations.end(*slot, now.end, now_ns),
            (false, true) => self.promises.reservations.revive(*slot),
            _ => {}
        }
    }

    /// A part as its line knows it, with when it was asked for.
    fn held(&self, config: &Config, record: &Record<'_>, part: &Part, at: u16) -> Held {
        let line = whom(record, part).line(self, config, part.spot).map(|line| self.claims.line(line));
        let is_it = |hold: &&crate::claims::Hold| (hold.serial, hold.part) == (record.serial, at);
        let hold = line.as_ref().and_then(|line| line.holds.iter().find(is_it));
        let asked_ns = hold.map_or(self.log_time_ns.unwrap_or(0), |hold| hold.asked_ns);
        Held { serial: record.serial, part: at, asked_ns }
    }

    /// What a part consumed of protections comes back as far as it is neither held nor posted any more; what comes on
    /// top is consumed.
    fn give_protections_back(&mut self, part: &Part, (before, now): (&PartNow, &PartNow)) {
        let given = before.live + before.posted() - now.live - now.posted();
        if given != 0 && !part.protections.is_empty() {
            let (stock, position) = self.stock.at(part.spot);
            let sku = stock.names.name(position.names[0]);
            self.promises.protections.give_back(sku, &part.protections, given);
        }
    }

    /// Lets go of what has run out.
    pub(crate) fn expire_reservations(&mut self, sequence: u64) {
        let now_ns = self.log_time_ns.unwrap_or(i64::MIN);
        let config = Arc::clone(&self.config);
        while let Some(slot) = self.promises.reservations.expired(now_ns) {
            let known = self.known(slot);
            let now =
                fold(&known.record.parts, known.record.got.len().max(1), &known.ops, Some(known.record.expires_ns));
            self.become_of(&config, &known, &now, sequence);
        }
    }
}

impl For<'_> {
    /// The number of the line that it is for, if that is known.
    fn line(&self, engine: &Engine, config: &Config, spot: crate::stock::Spot) -> Option<u32> {
        engine.find_line(config, Side::Demand, self.named()?, spot)
    }
}

/// Raises that more was to be given back than a reservation held, and settles it when that is in order again.
fn tell_over_release(before: &Folded, now: &Folded, settle: &Settle, findings: &mut Findings) {
    let subject = format!("{}/{}", settle.target.source, settle.target.id);
    if now.is_over_released && !before.is_over_released {
        let cause = "more was to be given back than the reservation holds".to_owned();
        findings.raised.push(raised_about("over_release", subject, cause));
    } else if before.is_over_released && !now.is_over_released {
        findings.settled.push(("over_release", subject));
    }
}

/// When a part is wanted.
fn when_of(part: &Part) -> When {
    part.due.map_or(When::Now, |(_, bucket)| When::Bucket(bucket))
}

/// Whom a part of a reservation is for.
fn whom<'a>(record: &'a Record<'_>, part: &Part) -> For<'a> {
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
