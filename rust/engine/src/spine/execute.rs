//! Carrying out: what was admitted and is in order is posted, decided, defined or put on trial. Here the state may
//! still refuse.

use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;

use crate::core::admitted::Admitted;
use crate::core::context::Context;
use crate::diagnostics::{Diagnostics, Raised};
use crate::output::batch::Batch;
use crate::read::reading::{Command, Posting};
use crate::schedule::View;
use crate::spine::engine::Engine;
use crate::stock::lookup::Found;
use crate::stock::post::Checked;

impl Engine {
    /// Carries out what an element asks for.
    pub(crate) fn execute(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        admitted: &Admitted,
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) -> Outcome {
        if admitted.verdict.role == Role::Observer {
            self.flag_observed(admitted, diagnostics);
            return Outcome::Observed;
        }
        match context.command {
            Command::Stock(posting) => {
                let outcome = self.execute_posting(config, context, posting, admitted, diagnostics);
                if matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
                    let log_time_ns = self.core.keys_ns();
                    self.suspects.suspect_duplicate(
                        &self.core,
                        config,
                        (&context.decoded.event, posting),
                        (outcome, log_time_ns),
                        diagnostics,
                    );
                    let flags = self.untold(&admitted.flags);
                    diagnostics.raised.extend(flags);
                    self.was_posted(config, context, posting, admitted, diagnostics);
                }
                outcome
            }
            Command::Directive(directive, _) => {
                let outcome = self.execute_directive(config, context, (directive, admitted), diagnostics, batch);
                self.flag_directive(outcome, admitted, diagnostics);
                outcome
            }
        }
    }

    /// Tells what a person should see of a directive that was taken. Who said it comes before what was said.
    pub(crate) fn flag_directive(&mut self, outcome: Outcome, admitted: &Admitted, diagnostics: &mut Diagnostics) {
        if admitted.flags.is_empty() || !matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            return;
        }
        let is_behind = |raised: &Raised| {
            matches!(&*raised.code, "unknown_item" | "unknown_location" | "receipt_variance" | "mass_change")
        };
        let place = diagnostics.raised.iter().position(is_behind).unwrap_or(diagnostics.raised.len());
        let flags = self.untold(&admitted.flags);
        diagnostics.raised.splice(place..place, flags);
    }

    /// Posts a stock event as it was sent.
    #[inline]
    pub(crate) fn post_plain(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        posting: &Posting<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        if !self.core.stock.has_room(1) {
            return Outcome::Overflow;
        }
        let checked = Checked {
            event: &context.decoded.event,
            posting,
            key: context.decoded.key,
            time_ns: context.time_ns,
            rank: [context.time_ns, 0, 0],
            sequence: context.sequence,
            ordinal: self.core.posts,
            element: self.core.elements,
            found: context.found,
            relief: self.claims.relief(
                View::new(&self.core, &self.schedule, config),
                &context.decoded.event,
                posting,
                context.time_ns,
            ),
        };
        if let Err(outcome) = self.schedule.check_claim(&self.core, &context.decoded.event, posting, posting.quantity) {
            return outcome;
        }
        self.core.posts += 1;
        let part = self.core.stock.part_of(context.decoded.hashes.sku);
        let outcome = self.core.stock.parts[part].post(config, &checked, diagnostics);
        if context.decoded.event.document.is_some() && matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            self.line_was_posted(config, context, (&context.decoded.event, posting, posting.quantity), diagnostics);
        }
        if config.duplicate_suspect {
            let log_time_ns = self.core.keys_ns();
            self.suspects.suspect_duplicate(
                &self.core,
                config,
                (&context.decoded.event, posting),
                (outcome, log_time_ns),
                diagnostics,
            );
        }
        outcome
    }

    /// Posts a stock event, unless it has to wait for an approval.
    fn execute_posting(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        posting: &Posting<'_>,
        admitted: &Admitted,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let event = admitted.event(&context.decoded.event);
        let posting = Posting { quantity: admitted.quantity.unwrap_or(posting.quantity), ..posting.clone() };
        let found = if admitted.is_renamed() { Found::default() } else { context.found };
        let (part, checked) = self.check(config, context, (&event, &posting), found, admitted);
        if !self.core.stock.has_room(1) {
            return Outcome::Overflow;
        }
        if let Err(outcome) = self.schedule.check_claim(&self.core, &event, &posting, posting.quantity) {
            return outcome;
        }
        if config.approvals.is_some() {
            match self.pendings.gate(&mut self.core, config, context, &checked, &admitted.flags, diagnostics) {
                Ok(()) => {}
                Err(outcome) => return outcome,
            }
        }
        self.core.posts += 1;
        self.core.stock.parts[part].post(config, &checked, diagnostics)
    }

    /// An event with all that posting asks for, and the part of the stock that it falls to.
    pub(crate) fn check<'a, 'e>(
        &self,
        config: &Config,
        context: &Context<'_, '_>,
        (event, posting): (&'e crate::read::event::Event<'a>, &'e Posting<'e>),
        found: Found,
        admitted: &Admitted,
    ) -> (usize, Checked<'a, 'e>) {
        let sku_hash = match &admitted.sku {
            Some(sku) => self.core.stock.hash(sku),
            None => context.decoded.hashes.sku,
        };
        let rank = match &config.ownership {
            Some(policy) => policy.rank(admitted.verdict, context.time_ns),
            None => [context.time_ns, 0, 0],
        };
        let checked = Checked {
            event,
            posting,
            key: context.decoded.key,
            time_ns: context.time_ns,
            rank,
            sequence: context.sequence,
            ordinal: self.core.posts,
            element: self.core.elements,
            found,
            relief: self.claims.relief(View::new(&self.core, &self.schedule, config), event, posting, context.time_ns),
        };
        (self.core.stock.part_of(sku_hash), checked)
    }
}
