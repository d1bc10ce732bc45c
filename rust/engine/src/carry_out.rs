//! Carrying out: what was admitted and is in order is posted, decided, defined or put on trial. Here the state may
//! still refuse.

use std::collections::BTreeMap;
use std::sync::Arc;

use tallystick_contract::config::{Amount, Config};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;

use crate::admit::Admitted;
use crate::batch::Batch;
use crate::claiming::Stepped;
use crate::directive::{Change, Directive, Request};
use crate::engine::Engine;
use crate::event::Event;
use crate::explain::{Findings, Raised};
use crate::judge::{Case, Claim, Said};
use crate::master::Version;
use crate::post::Checked;
use crate::promise::{Told, answer_waiting};
use crate::shadow::Shadow;
use crate::wave::Found;
use crate::work::Now;

impl Engine {
    /// Carries out what an element asks for.
    pub(crate) fn carry_out(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        admitted: &Admitted,
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Outcome {
        if admitted.verdict.role == Role::Observer {
            self.flag_observed(admitted, findings);
            return Outcome::Observed;
        }
        match case.said {
            Said::Stock(claim) => {
                let outcome = self.carry_out_claim(config, case, claim, admitted, findings);
                if matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
                    let log_time_ns = self.log_time_ns.unwrap_or(0);
                    self.suspect_duplicate(config, (&case.seen.event, claim), (outcome, log_time_ns), findings);
                    let flags = self.untold(&admitted.flags);
                    findings.raised.extend(flags);
                    self.watch(config, case, claim, admitted, findings);
                }
                outcome
            }
            Said::Directive(directive, _) => {
                let outcome = self.carry_out_directive(config, case, (directive, admitted), findings, batch);
                self.flag_directive(outcome, admitted, findings);
                outcome
            }
        }
    }

    /// Tells what a person should see of a directive that was taken. Who said it comes before what was said.
    pub(crate) fn flag_directive(&mut self, outcome: Outcome, admitted: &Admitted, findings: &mut Findings) {
        if admitted.flags.is_empty() || !matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            return;
        }
        let is_behind = |raised: &Raised| {
            matches!(&*raised.code, "unknown_item" | "unknown_location" | "receipt_variance" | "mass_change")
        };
        let place = findings.raised.iter().position(is_behind).unwrap_or(findings.raised.len());
        let flags = self.untold(&admitted.flags);
        findings.raised.splice(place..place, flags);
    }

    /// Posts a stock event as it was sent.
    #[inline]
    pub(crate) fn post_plain(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        claim: &Claim<'_>,
        findings: &mut Findings,
    ) -> Outcome {
        if !self.stock.has_room(1) {
            return Outcome::Overflow;
        }
        let checked = Checked {
            event: &case.seen.event,
            claim,
            key: case.seen.key,
            time_ns: case.time_ns,
            rank: [case.time_ns, 0, 0],
            sequence: case.sequence,
            ordinal: self.posts,
            element: self.elements,
            found: case.found,
            relief: self.relief(config, &case.seen.event, claim, case.time_ns),
        };
        if let Err(outcome) = self.check_claim(&case.seen.event, claim, claim.quantity) {
            return outcome;
        }
        self.posts += 1;
        let part = self.stock.part_of(case.seen.hashes.sku);
        let outcome = self.stock.parts[part].post(config, &checked, findings);
        if case.seen.event.document.is_some() && matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            self.note_stepped(config, case, (&case.seen.event, claim, claim.quantity), findings);
        }
        if config.duplicate_suspect {
            let log_time_ns = self.log_time_ns.unwrap_or(0);
            self.suspect_duplicate(config, (&case.seen.event, claim), (outcome, log_time_ns), findings);
        }
        outcome
    }

    /// Posts a stock event, unless it has to wait for an approval.
    fn carry_out_claim(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        claim: &Claim<'_>,
        admitted: &Admitted,
        findings: &mut Findings,
    ) -> Outcome {
        let event = admitted.event(&case.seen.event);
        let claim = Claim { quantity: admitted.quantity.unwrap_or(claim.quantity), ..claim.clone() };
        let found = if admitted.is_renamed() { Found::default() } else { case.found };
        let (part, checked) = self.check(config, case, (&event, &claim), found, admitted);
        if !self.stock.has_room(1) {
            return Outcome::Overflow;
        }
        if let Err(outcome) = self.check_claim(&event, &claim, claim.quantity) {
            return outcome;
        }
        if config.approvals.is_some() {
            match self.gate(config, case, part, &checked, &admitted.flags, findings) {
                Ok(()) => {}
                Err(outcome) => return outcome,
            }
        }
        self.posts += 1;
        self.stock.parts[part].post(config, &checked, findings)
    }

    /// An event with all that posting asks for, and the part of the stock that it falls to.
    pub(crate) fn check<'a, 'e>(
        &self,
        config: &Config,
        case: &Case<'_, '_>,
        (event, claim): (&'e crate::event::Event<'a>, &'e Claim<'e>),
        found: Found,
        admitted: &Admitted,
    ) -> (usize, Checked<'a, 'e>) {
        let sku_hash = match &admitted.sku {
            Some(sku) => self.stock.hash(sku),
            None => case.seen.hashes.sku,
        };
        let rank = match &config.ownership {
            Some(policy) => policy.rank(admitted.verdict, case.time_ns),
            None => [case.time_ns, 0, 0],
        };
        let checked = Checked {
            event,
            claim,
            key: case.seen.key,
            time_ns: case.time_ns,
            rank,
            sequence: case.sequence,
            ordinal: self.posts,
            element: self.elements,
            found,
            relief: self.relief(config, event, claim, case.time_ns),
        };
        (self.stock.part_of(sku_hash), checked)
    }

    fn carry_out_directive(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (directive, admitted): (&Directive, &Admitted),
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Outcome {
        if directive.target().is_some_and(|target| target.is(&case.seen.event)) {
            findings.why = Some("it is about itself".to_owned());
            if let Request::Settle(settle) = &directive.request {
                // Who asks again gets the same answer.
                self.answer_settled(case, settle, (Outcome::UnknownReference, Told::Nothing), findings, batch);
            }
            return Outcome::UnknownReference;
        }
        let place = (case.element.place.sequence, case.element.place.index);
        let now = self.now(place);
        match &directive.request {
            Request::Correct(target, replacement) => {
                let done = self.correct(config, case, target, replacement.as_deref(), findings);
                done.unwrap_or_else(|| self.wait(config, case, target, batch))
            }
            Request::Decide(decided, is_granted) => match self.decide(config, case, decided, *is_granted, findings) {
                Ok(outcome) => outcome,
                Err(target) => self.wait(config, case, target, batch),
            },
            Request::Move(number, state) => {
                let by = case.seen.event.source.unwrap_or_default();
                if self.work.move_to(*number, *state, (by, directive.reason.as_deref()), now) {
                    return Outcome::Applied;
                }
                findings.why = Some(format!("there is no exception {number} that is open or acknowledged"));
                Outcome::UnknownReference
            }
            Request::Configure(change) => self.configure(config, change, place.0),
            Request::DefineItem(sku, version) => {
                let version = Version { time_ns: case.time_ns, ..(**version).clone() };
                let is_defined = !version.is_retired;
                let before = self.safety_stocks(sku);
                self.items.define(sku, version, now.log_time_ns);
                if is_defined {
                    self.work.resolve("unknown_item", sku, "defined", now);
                }
                self.touch_promised(sku, case.sequence);
                self.touch_item(sku, case.sequence, |_, location| {
                    before.get(location).copied().unwrap_or(Amount::Absolute(0))
                });
                Outcome::Applied
            }
            Request::DefineLocation(location, version) => self.define_location(config, case, location, version, now),
            Request::Announce(line, quantity) => {
                self.announce(config, &admitted.line(line), *quantity, findings);
                Outcome::Applied
            }
            Request::Close(line) => {
                let line = admitted.line(line);
                self.close_receipt(config, &line, findings);
                self.use_promises(config, case.sequence);
                let outcome = self.end_receipt(config, case, &line);
                self.tell_claims(config, findings);
                outcome
            }
            Request::Tick => Outcome::Applied,
            _ => self.carry_out_promise(config, case, (directive, admitted), (findings, batch)),
        }
    }

    /// Defines what holds of a location from a time on.
    fn define_location(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        location: &str,
        version: &Version,
        now: Now,
    ) -> Outcome {
        let version = Version { time_ns: case.time_ns, ..version.clone() };
        let is_defined = !version.is_retired;
        if let Some(zone) = &version.time_zone {
            self.promises.calendar.zone(zone);
            self.reach_zones();
        }
        self.locations.define(location, version, now.log_time_ns);
        self.rezone(config, location, case.sequence);
        if is_defined {
            self.work.resolve("unknown_location", location, "defined", now);
        }
        Outcome::Applied
    }

    /// Carries out what is about promises.
    fn carry_out_promise(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (directive, admitted): (&Directive, &Admitted),
        (findings, batch): (&mut Findings, &mut Batch),
    ) -> Outcome {
        self.use_promises(config, case.sequence);
        let outcome = self.carry_out_claim_or_promise(config, case, (directive, admitted), (findings, batch));
        self.tell_claims(config, findings);
        outcome
    }

    fn carry_out_claim_or_promise(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (directive, admitted): (&Directive, &Admitted),
        (findings, batch): (&mut Findings, &mut Batch),
    ) -> Outcome {
        match &directive.request {
            Request::Schedule(name, said) => self.state(config, case, (name, said, admitted), true),
            Request::Reschedule(name, said) => self.state(config, case, (name, said, admitted), false),
            Request::Cancel(name) => self.call_off(config, case, name, admitted),
            Request::CloseDocument(document, side) => {
                self.close_document(config, case, (document, *side));
                Outcome::Applied
            }
            Request::Reserve(ask) => self.reserve(config, case, (ask, admitted), (findings, batch)),
            Request::Settle(settle) => {
                if let Some((outcome, told)) = self.settle_reservation(config, case, settle, findings) {
                    self.answer_settled(case, settle, (outcome, told), findings, batch);
                    return outcome;
                }
                answer_waiting(case, settle, batch);
                self.wait(config, case, &settle.target, batch)
            }
            Request::Protect(protecting) => self.protect(protecting, admitted, findings),
            Request::MoveProtection(moving) => self.move_protection(moving, admitted, findings),
            Request::DefineGroup(group, grouping) => self.define_group(case, group, grouping, findings),
            _ => unreachable!("the requests before are carried out elsewhere"),
        }
    }

    /// Changes the configuration for the elements behind this one.
    fn configure(&mut self, config: &Config, change: &Change, sequence: u64) -> Outcome {
        match change {
            Change::Act(tables) => {
                let changed = config.changed(tables).expect("it was checked when the directive was read");
                self.work.configure(changed.exceptions_max, changed.escalate_after_ns);
                self.reconfigure(changed, sequence);
                if self.config.promise != config.promise {
                    let config = Arc::clone(&self.config);
                    self.recount_all(&config, sequence);
                }
                self.shadow = None;
                self.sources.rewatch();
                self.lanes.rewatch(self.config.transfer_age_ns);
            }
            Change::Shadow(tables) => {
                let changed = config.changed(tables).expect("it was checked when the directive was read");
                let policy = changed.ownership.expect("a shadow has a policy");
                self.shadow = Some(Shadow::new(policy, tables.clone(), sequence));
            }
            Change::EndShadow => self.shadow = None,
        }
        Outcome::Applied
    }

    /// Takes another configuration, and notes which positions have another safety stock under it.
    fn reconfigure(&mut self, changed: Config, sequence: u64) {
        let is_same = self.config.has_same_safety_stocks(&changed);
        let spots = if is_same { Vec::new() } else { self.spots() };
        let before: Vec<i64> = spots.iter().map(|spot| self.view(*spot).safety_stock).collect();
        self.config = Arc::new(changed);
        self.look_for_safety();
        self.review_all();
        self.is_reconfigured = true;
        for (spot, before) in spots.into_iter().zip(before) {
            if self.view(spot).safety_stock != before {
                self.touch(spot, sequence);
            }
        }
    }

    /// Safety stock of an item by location, where it has positions.
    fn safety_stocks(&self, sku: &str) -> BTreeMap<String, Amount> {
        let spots = self.stock.spots_of(sku).into_iter();
        let location = |spot| self.view(spot).names[1].to_owned();
        spots.map(location).map(|location| (location.clone(), self.safety_stock(sku, &location))).collect()
    }

    /// Notes which positions of an item have another safety stock than before.
    pub(crate) fn touch_item(&mut self, sku: &str, sequence: u64, before: impl Fn(&Self, &str) -> Amount) {
        for spot in self.stock.spots_of(sku) {
            let [_, location, lot, owner] = self.view(spot).names;
            let is_whole = lot.is_empty() && owner.is_empty();
            if is_whole && before(self, location) != self.safety_stock(sku, location) {
                self.touch(spot, sequence);
            }
        }
    }

    /// Notes that positions of an item that are promised may have another safety stock in some bucket.
    fn touch_promised(&mut self, sku: &str, sequence: u64) {
        for spot in self.stock.spots_of(sku) {
            if self.promised(spot).is_some() {
                self.touch(spot, sequence);
            }
        }
    }

    /// Notes that what can be promised at a position may be another.
    pub(crate) fn touch(&mut self, spot: crate::stock::Spot, sequence: u64) {
        if self.is_quiet {
            return;
        }
        if let Some(tried) = &mut self.tried {
            tried.push(spot);
            return;
        }
        let ordinal = self.posts;
        self.posts += 1;
        let part = &mut self.stock.parts[spot.part as usize];
        part.ledger.set_version(spot.place, sequence);
        part.touch(spot.place, ordinal, None);
    }

    /// Lets an event that was posted be a fact of its line.
    fn note_stepped(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (event, claim, quantity): (&Event<'_>, &Claim<'_>, i64),
        findings: &mut Findings,
    ) {
        let (key, time_ns, sequence) = (case.seen.key, case.time_ns, case.sequence);
        self.note_step(config, &Stepped { event, claim, quantity, key, time_ns, sequence }, findings);
        self.tell_claims(config, findings);
    }

    /// What is watched beyond the event: receipts against what was announced, transfers on their way.
    fn watch(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        claim: &Claim<'_>,
        admitted: &Admitted,
        findings: &mut Findings,
    ) {
        let event = admitted.event(&case.seen.event);
        let quantity = admitted.quantity.unwrap_or(claim.quantity);
        self.note_stepped(config, case, (&event, claim, quantity), findings);
        if config.receipts.is_none() && config.transfer_age_ns.is_none() {
            return;
        }
        self.note_receipt(config, (&event, claim, quantity), case.seen.key, findings);
        self.note_transfer(config, (&event, claim, quantity), case.seen.key, findings);
    }
}

/// An exception with a subject of its own.
pub(crate) fn raised_about(code: &str, subject: String, cause: String) -> Raised {
    Raised { subject: Some(subject.into()), cause: Some(cause), ..Raised::of(code) }
}
