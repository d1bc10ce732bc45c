//! Directives: each is carried out by the capability that it is about. What waits for its target is told so.

use tallystick_contract::config::{Amount, Config};
use tallystick_contract::outcome::Outcome;

use crate::claims::Claims;
use crate::core::admitted::Admitted;
use crate::core::case::Case;
use crate::diagnostics::{Findings, Now};
use crate::master::Version;
use crate::output::batch::Batch;
use crate::promise::{Promises, Told, answer_waiting};
use crate::read::directive::{Directive, ReceiptLine, Request, Settle};
use crate::schedule::{Ctx, View};
use crate::spine::engine::Engine;
use crate::spine::hooks::is_scheduled;

impl Engine {
    /// Claims and promises, and what they work on; what they change is of this sequence.
    pub(crate) fn split<'a>(
        &'a mut self,
        config: &'a Config,
        sequence: u64,
    ) -> (Ctx<'a>, &'a mut Claims, &'a mut Promises) {
        let Self { core, schedule, claims, promises, .. } = self;
        (Ctx::new(core, schedule, config, sequence), claims, promises)
    }

    /// Carries out a directive.
    pub(crate) fn carry_out_directive(
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
                let answer = (Outcome::UnknownReference, Told::Nothing);
                let view = View::new(&self.core, &self.schedule, config);
                self.promises.answer_settled(view, case, settle, answer, findings, batch);
            }
            return Outcome::UnknownReference;
        }
        let place = case.element.place;
        let now = self.core.now(place);
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
                let by = case.seen.event.source;
                if self.work.move_to(*number, *state, (by, directive.reason.as_deref()), now) {
                    return Outcome::Applied;
                }
                findings.why = Some(format!("there is no exception {number} that is open or acknowledged"));
                Outcome::UnknownReference
            }
            Request::Configure(change) => self.configure(config, change, place.sequence),
            Request::DefineItem(sku, version) => self.define_item(case, sku, version, now),
            Request::DefineLocation(location, version) => self.define_location(config, case, location, version, now),
            Request::Announce(line, quantity) => {
                let judged = is_scheduled(&self.core, &self.schedule, &self.claims, config);
                self.lines.announce(&self.core, judged, config, &admitted.line(line), *quantity, findings);
                Outcome::Applied
            }
            Request::Close(line) => self.close_receipt(config, case, &admitted.line(line), findings),
            Request::Tick => Outcome::Applied,
            _ => {
                let (mut ctx, claims, _) = self.split(config, case.sequence);
                claims.use_promises(&mut ctx);
                let outcome = self.carry_out_promise(config, case, (directive, admitted), (findings, batch));
                let (mut ctx, claims, _) = self.split(config, case.sequence);
                claims.tell_claims(&mut ctx, findings);
                outcome
            }
        }
    }

    /// Carries out what is about order lines or promises.
    fn carry_out_promise(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (directive, admitted): (&Directive, &Admitted),
        (findings, batch): (&mut Findings, &mut Batch),
    ) -> Outcome {
        let (mut ctx, claims, promises) = self.split(config, case.sequence);
        let ctx = &mut ctx;
        match &directive.request {
            Request::Schedule(name, said) => claims.state(ctx, case, (name, said, admitted), true),
            Request::Reschedule(name, said) => claims.state(ctx, case, (name, said, admitted), false),
            Request::Cancel(name) => claims.call_off(ctx, case, name, admitted),
            Request::CloseDocument(document, side) => {
                claims.close_document(ctx, case, (document, *side));
                Outcome::Applied
            }
            Request::Reserve(ask) => promises.reserve(ctx, claims, case, (ask, admitted), (findings, batch)),
            Request::Settle(settle) => self.settle(config, case, settle, findings, batch),
            Request::Protect(protecting) => promises.protect(ctx, protecting, admitted, findings),
            Request::MoveProtection(moving) => promises.move_protection(ctx, moving, admitted, findings),
            Request::DefineGroup(group, grouping) => self.define_group(case, group, grouping, findings),
            _ => unreachable!("the requests before are carried out elsewhere"),
        }
    }

    /// Takes, gives back or changes what a reservation holds; waits for it where it is not known yet.
    fn settle(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        settle: &Settle,
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Outcome {
        if let Some(outcome) = self.settle_known(config, case, settle, findings, batch) {
            return outcome;
        }
        answer_waiting(case, settle, batch);
        self.wait(config, case, &settle.target, batch)
    }

    /// Settles a reservation, and answers. Nothing where it is not known yet.
    pub(crate) fn settle_known(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        settle: &Settle,
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Option<Outcome> {
        let Self { core, schedule, claims, promises, tracks, .. } = self;
        let mut ctx = Ctx::new(core, schedule, config, case.sequence);
        let (outcome, told) = promises.settle_reservation(&mut ctx, claims, tracks, case, settle, findings)?;
        promises.answer_settled(ctx.view(), case, settle, (outcome, told), findings, batch);
        Some(outcome)
    }

    /// Defines what holds of an item from a time on.
    fn define_item(&mut self, case: &Case<'_, '_>, sku: &str, version: &Version, now: Now) -> Outcome {
        let version = Version { time_ns: case.time_ns, ..version.clone() };
        let is_defined = !version.is_retired;
        let before = self.core.safety_stocks(sku);
        self.core.items.define(sku, version, now.log_time_ns);
        if is_defined {
            self.work.resolve("unknown_item", sku, "defined", now);
        }
        self.schedule.touch_promised(&mut self.core, sku, case.sequence);
        let before = |_: &_, location: &str| before.get(location).copied().unwrap_or(Amount::Absolute(0));
        self.core.touch_item(sku, case.sequence, before);
        Outcome::Applied
    }

    /// Notes that nothing more comes of a receipt: its line ends with it.
    fn close_receipt(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        line: &ReceiptLine,
        findings: &mut Findings,
    ) -> Outcome {
        let judged = is_scheduled(&self.core, &self.schedule, &self.claims, config);
        self.lines.close_receipt(&self.core, judged, config, line, findings);
        let (mut ctx, claims, _) = self.split(config, case.sequence);
        claims.use_promises(&mut ctx);
        let outcome = claims.end_receipt(&mut ctx, case, line);
        claims.tell_claims(&mut ctx, findings);
        outcome
    }
}
