//! Carrying out: what was admitted and is in order is posted, decided, defined or put on trial. Here the state may
//! still refuse.

use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;

use crate::core::admitted::Admitted;
use crate::core::case::Case;
use crate::diagnostics::{Findings, Raised};
use crate::output::batch::Batch;
use crate::read::reading::{Claim, Said};
use crate::schedule::View;
use crate::spine::engine::Engine;
use crate::stock::lookup::Found;
use crate::stock::post::Checked;

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
                    let log_time_ns = self.core.now_ns();
                    self.suspects.suspect_duplicate(
                        &self.core,
                        config,
                        (&case.seen.event, claim),
                        (outcome, log_time_ns),
                        findings,
                    );
                    let flags = self.untold(&admitted.flags);
                    findings.raised.extend(flags);
                    self.was_posted(config, case, claim, admitted, findings);
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
        if !self.core.stock.has_room(1) {
            return Outcome::Overflow;
        }
        let checked = Checked {
            event: &case.seen.event,
            claim,
            key: case.seen.key,
            time_ns: case.time_ns,
            rank: [case.time_ns, 0, 0],
            sequence: case.sequence,
            ordinal: self.core.posts,
            element: self.core.elements,
            found: case.found,
            relief: self.claims.relief(
                View::new(&self.core, &self.schedule, config),
                &case.seen.event,
                claim,
                case.time_ns,
            ),
        };
        if let Err(outcome) = self.schedule.check_claim(&self.core, &case.seen.event, claim, claim.quantity) {
            return outcome;
        }
        self.core.posts += 1;
        let part = self.core.stock.part_of(case.seen.hashes.sku);
        let outcome = self.core.stock.parts[part].post(config, &checked, findings);
        if case.seen.event.document.is_some() && matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            self.line_was_posted(config, case, (&case.seen.event, claim, claim.quantity), findings);
        }
        if config.duplicate_suspect {
            let log_time_ns = self.core.now_ns();
            self.suspects.suspect_duplicate(
                &self.core,
                config,
                (&case.seen.event, claim),
                (outcome, log_time_ns),
                findings,
            );
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
        if !self.core.stock.has_room(1) {
            return Outcome::Overflow;
        }
        if let Err(outcome) = self.schedule.check_claim(&self.core, &event, &claim, claim.quantity) {
            return outcome;
        }
        if config.approvals.is_some() {
            match self.pendings.gate(&mut self.core, config, case, &checked, &admitted.flags, findings) {
                Ok(()) => {}
                Err(outcome) => return outcome,
            }
        }
        self.core.posts += 1;
        self.core.stock.parts[part].post(config, &checked, findings)
    }

    /// An event with all that posting asks for, and the part of the stock that it falls to.
    pub(crate) fn check<'a, 'e>(
        &self,
        config: &Config,
        case: &Case<'_, '_>,
        (event, claim): (&'e crate::read::event::Event<'a>, &'e Claim<'e>),
        found: Found,
        admitted: &Admitted,
    ) -> (usize, Checked<'a, 'e>) {
        let sku_hash = match &admitted.sku {
            Some(sku) => self.core.stock.hash(sku),
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
            ordinal: self.core.posts,
            element: self.core.elements,
            found,
            relief: self.claims.relief(View::new(&self.core, &self.schedule, config), event, claim, case.time_ns),
        };
        (self.core.stock.part_of(sku_hash), checked)
    }
}
