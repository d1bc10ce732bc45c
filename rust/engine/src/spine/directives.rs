//! Directives: each is carried out by the capability that it is about. What waits for its target is told so.

use tallystick_contract::config::{Amount, Config};
use tallystick_contract::outcome::Outcome;

use crate::claims::Claims;
use crate::core::admitted::Admitted;
use crate::core::context::Context;
use crate::diagnostics::{Diagnostics, Now};
use crate::master::Version;
use crate::output::batch::Batch;
use crate::promise::{Promises, Told, answer_waiting};
use crate::read::directive::{Directive, ReceiptLine, Request, Settle};
use crate::schedule::{Books, View};
use crate::spine::engine::Engine;
use crate::spine::hooks::is_scheduled;
use crate::work::Mover;

impl Engine {
    /// Claims and promises, and what they work on; what they change is of this sequence.
    pub(crate) fn split<'a>(
        &'a mut self,
        config: &'a Config,
        sequence: u64,
    ) -> (Books<'a>, &'a mut Claims, &'a mut Promises) {
        let Self { core, schedule, claims, promises, .. } = self;
        (Books::new(core, schedule, config, sequence), claims, promises)
    }

    /// Carries out a directive.
    pub(crate) fn execute_directive(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        (directive, admitted): (&Directive, &Admitted),
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) -> Outcome {
        if directive.target().is_some_and(|target| target.is(&context.decoded.event)) {
            diagnostics.why = Some("it is about itself".to_owned());
            if let Request::Settle(settle) = &directive.request {
                // Who asks again gets the same answer.
                let answer = (Outcome::UnknownReference, Told::Nothing);
                let view = View::new(&self.core, &self.schedule, config);
                self.promises.answer_settled(view, context, settle, answer, diagnostics, batch);
            }
            return Outcome::UnknownReference;
        }
        let place = context.element.place;
        let now = self.core.now(place);
        match &directive.request {
            Request::Correct(target, replacement) => {
                let done = self.correct(config, context, target, replacement.as_deref(), diagnostics);
                done.unwrap_or_else(|| self.wait(config, context, target, batch))
            }
            Request::Decide(decided, is_granted) => {
                let mover = mover_of_decision(directive, *is_granted);
                match self.decide(config, context, (decided, *is_granted), mover, diagnostics) {
                    Ok(outcome) => outcome,
                    Err(target) => self.wait(config, context, target, batch),
                }
            }
            Request::Move(number, state) => {
                let mover = mover(directive, context.decoded.event.source);
                let is_moved = self.work.move_to(*number, *state, mover, now);
                told_of(*number, is_moved, diagnostics)
            }
            Request::Assign(number, team) => {
                if !config.teams().any(|known| known == &**team) {
                    let known = config.teams().collect::<Vec<_>>().join(", ");
                    diagnostics.why = Some(format!("there is no team {team:?}; there are {known}"));
                    return Outcome::UnknownReference;
                }
                let mover = mover(directive, context.decoded.event.source);
                let is_assigned = self.work.assign(*number, team, mover, now);
                told_of(*number, is_assigned, diagnostics)
            }
            Request::Configure(change) => self.configure(config, change, place.sequence),
            Request::DefineItem(sku, version) => self.define_item(context, sku, version, now),
            Request::DefineLocation(location, version) => self.define_location(config, context, location, version, now),
            Request::Announce(line, quantity) => {
                let judged = is_scheduled(&self.core, &self.schedule, &self.claims, config);
                self.receipts.announce(&self.core, judged, config, &admitted.line(line), *quantity, diagnostics);
                Outcome::Applied
            }
            Request::Close(line) => self.close_receipt(config, context, &admitted.line(line), diagnostics),
            Request::Tick => Outcome::Applied,
            _ => {
                let (mut books, claims, _) = self.split(config, context.sequence);
                claims.use_promises(&mut books);
                let outcome = self.execute_promise(config, context, (directive, admitted), (diagnostics, batch));
                let (mut books, claims, _) = self.split(config, context.sequence);
                claims.tell_claims(&mut books, diagnostics);
                outcome
            }
        }
    }

    /// Carries out what is about order lines or promises.
    fn execute_promise(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        (directive, admitted): (&Directive, &Admitted),
        (diagnostics, batch): (&mut Diagnostics, &mut Batch),
    ) -> Outcome {
        let (mut books, claims, promises) = self.split(config, context.sequence);
        let books = &mut books;
        match &directive.request {
            Request::Schedule(name, command) => claims.state(books, context, (name, command, admitted), true),
            Request::Reschedule(name, command) => claims.state(books, context, (name, command, admitted), false),
            Request::Cancel(name) => claims.call_off(books, context, name, admitted),
            Request::CloseDocument(document, side) => {
                claims.close_document(books, context, (document, *side));
                Outcome::Applied
            }
            Request::Reserve(ask) => promises.reserve(books, claims, context, (ask, admitted), (diagnostics, batch)),
            Request::Settle(settle) => self.settle(config, context, settle, diagnostics, batch),
            Request::Protect(protecting) => promises.protect(books, protecting, admitted, diagnostics),
            Request::MoveProtection(moving) => promises.move_protection(books, moving, admitted, diagnostics),
            Request::DefineGroup(group, grouping) => self.define_group(context, group, grouping, diagnostics),
            _ => unreachable!("the requests before are carried out elsewhere"),
        }
    }

    /// Takes, gives back or changes what a reservation holds; waits for it where it is not known yet.
    fn settle(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        settle: &Settle,
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) -> Outcome {
        if let Some(outcome) = self.settle_known(config, context, settle, diagnostics, batch) {
            return outcome;
        }
        answer_waiting(context, settle, batch);
        self.wait(config, context, &settle.target, batch)
    }

    /// Settles a reservation, and answers. Nothing where it is not known yet.
    pub(crate) fn settle_known(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        settle: &Settle,
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) -> Option<Outcome> {
        let Self { core, schedule, claims, promises, tracker, .. } = self;
        let mut books = Books::new(core, schedule, config, context.sequence);
        let (outcome, told) = promises.settle_reservation(&mut books, claims, tracker, context, settle, diagnostics)?;
        promises.answer_settled(books.view(), context, settle, (outcome, told), diagnostics, batch);
        Some(outcome)
    }

    /// Defines what holds of an item from a time on.
    fn define_item(&mut self, context: &Context<'_, '_>, sku: &str, version: &Version, now: Now) -> Outcome {
        let version = Version { time_ns: context.time_ns, ..version.clone() };
        let is_defined = !version.is_retired;
        let before = self.core.safety_stocks(sku);
        self.core.items.define(sku, version, now.log_time_ns);
        if is_defined {
            self.work.resolve("unknown_item", sku, "defined", now);
        }
        self.schedule.touch_promised(&mut self.core, sku, context.sequence);
        let before = |_: &_, location: &str| before.get(location).copied().unwrap_or(Amount::Absolute(0));
        self.core.touch_item(sku, context.sequence, before);
        self.replenish.touch_item(&self.core, sku);
        Outcome::Applied
    }

    /// Notes that nothing more comes of a receipt: its line ends with it.
    fn close_receipt(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        line: &ReceiptLine,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let judged = is_scheduled(&self.core, &self.schedule, &self.claims, config);
        self.receipts.close_receipt(&self.core, judged, config, line, diagnostics);
        let (mut books, claims, _) = self.split(config, context.sequence);
        claims.use_promises(&mut books);
        let outcome = claims.end_receipt(&mut books, context, line);
        claims.tell_claims(&mut books, diagnostics);
        outcome
    }
}

/// What moves an exception by a decision: what it came to, and the person behind it.
pub(crate) fn mover_of_decision<'a>(directive: &'a Directive<'_>, is_granted: bool) -> Mover<'a> {
    mover(directive, if is_granted { "granted" } else { "denied" })
}

/// Who moves an exception: an operator, or what became of a decision, and the person behind it.
fn mover<'a>(directive: &'a Directive<'_>, by: &'a str) -> Mover<'a> {
    Mover { by, person: directive.person.as_deref(), note: directive.reason.as_deref() }
}

/// What became of what was said about an exception.
fn told_of(number: u64, is_done: bool, diagnostics: &mut Diagnostics) -> Outcome {
    if is_done {
        return Outcome::Applied;
    }
    diagnostics.why = Some(format!("there is no exception {number} that is open or acknowledged"));
    Outcome::UnknownReference
}
