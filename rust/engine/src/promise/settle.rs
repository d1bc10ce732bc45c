//! Settling: what a reservation holds is taken, given back, or runs out (`docs/promise.md` §4).

use std::sync::Arc;

use super::answer::Told;
use super::line::{Line, State};
use super::record::{End, Part};
use crate::carry_out::raised_about;
use crate::config::Config;
use crate::dedup::fingerprint;
use crate::directive::{LineName, LineSaid, Quantities, Settle, Side};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::judge::Case;
use crate::limits::ACCOUNT_MAX;
use crate::outcome::Outcome;
use crate::quantity;
use crate::rules::Flow;

const ALLOCATED: usize = crate::account::Account::Allocated as usize;

impl Engine {
    /// Lets a position hold a quantity, as of now or in a bucket.
    pub(crate) fn hold_at(&mut self, slot: u32, bucket: Option<i32>, quantity: i64) {
        let entry = self.promises.entry_mut(slot);
        match bucket {
            None => {
                entry.claimed += quantity;
                entry.live_now += 1;
            }
            Some(bucket) => {
                entry.dated += quantity;
                entry.timeline.add(bucket, 0, quantity);
                match entry.live_dated.binary_search_by_key(&bucket, |(known, _)| *known) {
                    Ok(place) => entry.live_dated[place].1 += 1,
                    Err(place) => entry.live_dated.insert(place, (bucket, 1)),
                }
            }
        }
        self.promises.touch(slot);
    }

    /// Gives back some of what a part holds. What it consumed of protections comes back if nothing was posted for it.
    pub(crate) fn release(&mut self, part: &Part, quantity: i64, is_given_back: bool) {
        let is_last = quantity == part.held;
        let entry = self.promises.entry_mut(part.entry);
        match part.due {
            None => {
                entry.claimed -= quantity;
                entry.live_now -= u32::from(is_last);
            }
            Some((_, bucket)) => {
                entry.dated -= quantity;
                entry.timeline.add(bucket, 0, -quantity);
                if is_last && let Ok(place) = entry.live_dated.binary_search_by_key(&bucket, |(known, _)| *known) {
                    entry.live_dated[place].1 -= 1;
                    if entry.live_dated[place].1 == 0 {
                        entry.live_dated.remove(place);
                    }
                }
            }
        }
        self.promises.touch(part.entry);
        if is_given_back && !part.protections.is_empty() {
            let (stock, position) = self.stock.at(part.spot);
            let sku = stock.names.name(position.names[0]);
            self.promises.protections.give_back(sku, &part.protections, quantity);
        }
    }

    /// Lets the demand lines of a reservation count what it holds.
    pub(crate) fn count_held(&mut self, config: &Config, slot: u32, findings: &mut Findings) {
        let record = self.promises.reservations.get(slot);
        let Some(document) = record.named.document().map(ToOwned::to_owned) else { return };
        let places: Vec<_> =
            record.parts.iter().map(|part| (record.got[usize::from(part.line)].line, part.spot)).collect();
        for (number, spot) in places {
            let Some(serial) = self.line_at((Side::Demand, &document, number), spot) else { continue };
            let line = &self.promises.lines[&serial];
            let reserved = self.held_for(line);
            if line.state == State::Open && line.reserved != reserved {
                self.promises.lines.get_mut(&serial).expect("the line is known").reserved = reserved;
                self.settle_line(config, serial, findings);
            }
        }
    }

    /// Takes, or gives back, what a reservation holds.
    pub(crate) fn settle_reservation(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        settle: &Settle,
        findings: &mut Findings,
    ) -> (Outcome, Told) {
        let key = fingerprint(&self.secret, &settle.target.source, &settle.target.id);
        let Some(slot) = self.promises.reservations.find(key) else {
            findings.why = Some("there is no such reservation".to_owned());
            return (Outcome::UnknownReference, Told::Nothing);
        };
        let record = self.promises.reservations.get(slot);
        let log_time_ns = self.log_time_ns.unwrap_or(0);
        let is_forgotten = record.end != End::Live && self.keys.find(key, log_time_ns).is_none();
        if record.end == End::Refused || is_forgotten {
            findings.why = Some("there is no such reservation".to_owned());
            return (Outcome::UnknownReference, Told::Nothing);
        }
        let lines = record.got.len().max(1);
        let held: Vec<i64> = (0..lines).map(|line| record.held_of(line)).collect();
        let asked = match &settle.quantities {
            Quantities::All if settle.is_post && record.end != End::Live => {
                findings.why = Some(format!("the reservation holds nothing: it is {}", record.end.name()));
                return (Outcome::Insufficient, Told::Nothing);
            }
            Quantities::All => held.clone(),
            Quantities::One(quantity) if lines == 1 => vec![*quantity],
            Quantities::Each(each) if each.len() == lines => each.clone(),
            Quantities::One(_) | Quantities::Each(_) => {
                findings.why = Some(format!("the reservation has {lines} lines; give as many `quantities`"));
                return (Outcome::UnknownReference, Told::Nothing);
            }
        };
        let is_more = asked.iter().zip(&held).any(|(asked, held)| asked > held);
        if settle.is_post {
            if is_more {
                let sum = |amounts: &[i64]| {
                    quantity::text(amounts.iter().fold(0, |sum: i64, amount| sum.saturating_add(*amount)))
                };
                findings.why = Some(format!("{} is held, not {} ({})", sum(&held), sum(&asked), record.end.name()));
                return (Outcome::Insufficient, Told::Nothing);
            }
            return self.post_held(config, case, (slot, &asked), findings);
        }
        if is_more {
            let subject = format!("{}/{}", settle.target.source, settle.target.id);
            let cause = "more was to be given back than the reservation holds".to_owned();
            findings.raised.push(raised_about("over_release", subject, cause));
        }
        let given = self.give_back(slot, &asked, End::Voided, case.sequence);
        (Outcome::Applied, Told::Settled(given))
    }

    /// Gives back quantities by line, at most what is held. Gives how much it was in all.
    pub(crate) fn give_back(&mut self, slot: u32, asked: &[i64], end: End, sequence: u64) -> i64 {
        if !self.is_live(slot) {
            return 0;
        }
        let mut parts = self.promises.reservations.get(slot).parts.clone();
        let mut asked = asked.to_vec();
        let mut given = 0;
        for part in &mut parts {
            let wanted = &mut asked[usize::from(part.line)];
            let share = part.held.min(*wanted);
            if share > 0 {
                self.release(part, share, true);
                part.held -= share;
                *wanted -= share;
                given += share;
                self.touch(part.spot, sequence);
            }
        }
        let is_over = parts.iter().all(|part| part.held == 0);
        self.promises.reservations.change(slot, |record| record.parts = parts);
        // Only lines of supply have anything to tell.
        self.count_held(&Arc::clone(&self.config), slot, &mut Findings::default());
        if is_over {
            self.end_reservation(slot, end);
        }
        given
    }

    /// Takes quantities by line and lets go of the rest.
    fn post_held(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (slot, asked): (u32, &[i64]),
        findings: &mut Findings,
    ) -> (Outcome, Told) {
        let mut parts = self.promises.reservations.get(slot).parts.clone();
        let mut asked = asked.to_vec();
        let mut shares = Vec::with_capacity(parts.len());
        for part in &parts {
            let wanted = &mut asked[usize::from(part.line)];
            let share = part.held.min(*wanted);
            *wanted -= share;
            shares.push(share);
            let allocated = self.stock.at(part.spot).1.accounts[ALLOCATED];
            if allocated.saturating_add(share) > ACCOUNT_MAX {
                return (Outcome::Overflow, Told::Nothing);
            }
        }
        for (part, share) in parts.iter_mut().zip(&shares) {
            if part.held > *share {
                self.release(part, part.held - share, true);
                part.held = *share;
            }
            if *share > 0 {
                self.release(part, *share, false);
                part.held = 0;
            }
        }
        let posted = shares.iter().sum();
        self.promises.reservations.change(slot, |record| {
            record.parts.clone_from(&parts);
            record.posted = posted;
        });
        self.count_held(config, slot, findings);
        for (part, share) in parts.iter().zip(shares) {
            if share > 0 {
                self.post_part(config, case, slot, part, share, findings);
            }
            self.touch(part.spot, case.sequence);
        }
        self.end_reservation(slot, End::Posted);
        (Outcome::Applied, Told::Settled(posted))
    }

    /// Lets what was held of a position be allocated, or be demand of its day.
    fn post_part(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        slot: u32,
        part: &Part,
        quantity: i64,
        findings: &mut Findings,
    ) {
        let record = self.promises.reservations.get(slot);
        let number = record.got[usize::from(part.line)].line;
        let today = self.today(self.promises.entry(part.entry).zone);
        let (document, line): (Box<str>, _) = match record.named.document() {
            Some(document) => (document.into(), number),
            None => (record.named.to_string().into(), Some(i64::from(part.line) + 1)),
        };
        let known = self.line_at((Side::Demand, &document, line), part.spot);
        let open = known.filter(|serial| self.promises.lines[serial].state == State::Open);
        let Some((due, _)) = part.due.filter(|(_, bucket)| *bucket > today) else {
            let accounts = self.stock.parts[part.spot.part as usize].ledger.accounts_mut(part.spot.place);
            accounts[ALLOCATED] += quantity;
            if let Some(serial) = open {
                let before = self.promises.lines[&serial].moved.get(&case.seen.key.0).map_or(0, |(_, known)| *known);
                self.move_line(serial, case.seen.key, (Flow::Allocated, before + quantity));
                self.settle_line(config, serial, findings);
            }
            return;
        };
        let before = open.map_or(0, |serial| self.promises.lines[&serial].quantity);
        let names = self.view(part.spot).names.map(Box::<str>::from);
        let name = LineName { side: Side::Demand, document, line, names };
        let said = LineSaid { quantity: Some(before.max(quantity)), due: Some(due), supplier: None, kind: None };
        let kept = open.map(|serial| self.promises.lines[&serial].clone());
        self.open_demand(config, case, (&name, &said, kept), findings);
    }

    /// Opens the demand line that a reservation becomes, or raises the one that is open.
    fn open_demand(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (name, said, kept): (&LineName, &LineSaid, Option<Line>),
        findings: &mut Findings,
    ) {
        let admitted = crate::admit::Admitted::default();
        let due = kept.map_or(said.due, |line| Some(line.due));
        let said = LineSaid { due, ..said.clone() };
        self.schedule(config, case, (name, &said, &admitted), findings);
    }

    /// Notes that a reservation holds nothing any more.
    fn end_reservation(&mut self, slot: u32, end: End) {
        let now_ns = self.log_time_ns.unwrap_or(0);
        self.promises.reservations.end(slot, end, now_ns);
        if let Some(name) = self.promises.reservations.get(slot).named.document().map(ToOwned::to_owned) {
            self.promises.document_mut(&name).reservations.retain(|known| *known != slot);
        }
    }

    /// Lets go of what has run out.
    pub(crate) fn expire_reservations(&mut self, sequence: u64) {
        let now_ns = self.log_time_ns.unwrap_or(i64::MIN);
        while let Some(slot) = self.promises.reservations.expired(now_ns) {
            self.give_back_all(slot, End::Expired, sequence);
        }
    }

    fn give_back_all(&mut self, slot: u32, end: End, sequence: u64) {
        let record = self.promises.reservations.get(slot);
        let all: Vec<i64> = (0..record.got.len()).map(|line| record.held_of(line)).collect();
        self.give_back(slot, &all, end, sequence);
    }

    /// Closes a document: nothing more comes or goes for it, and nothing is held for it.
    pub(crate) fn close_document(&mut self, config: &Config, document: &str, case: &Case<'_, '_>) {
        self.close_lines(config, document, case);
        let held = self.promises.document(document).map(|document| document.reservations.clone()).unwrap_or_default();
        for slot in held {
            self.give_back_all(slot, End::Voided, case.sequence);
        }
        let now_ns = self.log_time_ns.unwrap_or(0);
        self.promises.document_mut(document).closed_ns = Some(now_ns);
    }
}
