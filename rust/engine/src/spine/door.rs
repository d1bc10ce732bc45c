//! Door: the one way back in, for what was held by its source's order, for directives that waited for their target, and
//! for what waited for an approval. Each passed the checks of its own form when it came, and its key is remembered;
//! master data and configuration may have changed since.

use std::sync::Arc;

use crate::approval::Pending;
use crate::core::context::Context;
use crate::diagnostics::{Diagnostics, Late};
use crate::order::{HeldEvent, Turn};
use crate::output::batch::Batch;
use crate::promise::answer_late;
use crate::read::directive::Request;
use crate::read::element::{Bar, Decoded, Element};
use crate::read::event::Event;
use crate::read::reading::{Command, Posting};
use crate::spine::directives::mover_of_decision;
use crate::spine::engine::Engine;
use crate::stock::lookup::Found;
use crate::stock::post::Checked;
use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;
use tallystick_tables::body::Known;

/// Why something comes back in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Its turn has come in its source's order.
    Order(Turn),
    /// The event that it is about has come.
    Target,
}

impl Engine {
    /// Judges and carries out what comes back in. Returns whether it is done; what is not waits on.
    pub(crate) fn come_back(&mut self, held: &HeldEvent, door: Door, sequence: u64, batch: &mut Batch) -> bool {
        self.pass_notices(batch);
        // What came back before it may have changed the configuration.
        let config = &*Arc::clone(&self.core.config);
        let arena = Bump::new();
        let (element, decoded) = self.core.see_held(held, &arena);
        let mut diagnostics = Diagnostics::default();
        let is_late = match door {
            Door::Order(turn) => turn != Turn::Now,
            Door::Target => held.is_late,
        };
        let judged = match self.core.read(config, &element, &decoded, &mut diagnostics) {
            Err(outcome) => Some(outcome),
            Ok(command) => {
                let context = Context {
                    decoded: &decoded,
                    element: &element,
                    command: &command,
                    time_ns: held.time_ns,
                    sequence,
                    is_late,
                    came: Some((held.ordinal, held.came_ns)),
                    found: Found::default(),
                };
                self.pass_door(config, &context, door, &mut diagnostics, batch)
            }
        };
        let Some(mut outcome) = judged else { return false };
        if is_late && matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            outcome = Outcome::Late;
            if matches!(door, Door::Order(_)) {
                diagnostics.late = Some(Late::WasTaken);
            }
        }
        self.finish(config, held, (&element, &decoded), (outcome, diagnostics), batch);
        true
    }

    /// The outcome of what comes back in; nothing where it has to wait.
    fn pass_door(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        door: Door,
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) -> Option<Outcome> {
        match (self.admit(config, context), door) {
            (Err((outcome, why)), _) => {
                diagnostics.why = why;
                Some(outcome)
            }
            (Ok(admitted), Door::Order(_)) => {
                let outcome = self.execute(config, context, &admitted, diagnostics, batch);
                Some(outcome).filter(|outcome| *outcome != Outcome::Held)
            }
            (Ok(admitted), Door::Target) if admitted.verdict.role == Role::Observer => Some(Outcome::Observed),
            (Ok(admitted), Door::Target) => {
                let outcome = self.try_again(config, context, diagnostics, batch);
                self.flag_directive(outcome.unwrap_or(Outcome::Held), &admitted, diagnostics);
                outcome
            }
        }
    }

    fn try_again(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) -> Option<Outcome> {
        let Command::Directive(directive, _) = context.command else { return Some(Outcome::UnknownReference) };
        match &directive.request {
            Request::Correct(target, replacement) => {
                self.correct(config, context, target, replacement.as_deref(), diagnostics)
            }
            Request::Decide(decided, is_granted) => {
                let mover = mover_of_decision(directive, *is_granted);
                self.decide(config, context, (decided, *is_granted), mover, diagnostics).ok()
            }
            Request::Settle(settle) => {
                let outcome = self.settle_known(config, context, settle, diagnostics, batch)?;
                let (mut books, claims, _) = self.split(config, context.sequence);
                claims.tell_claims(&mut books, diagnostics);
                Some(outcome)
            }
            _ => Some(Outcome::UnknownReference),
        }
    }

    /// Posts an event that waited, under the names and in the unit that it had when it came.
    pub(crate) fn post_approved(
        &mut self,
        config: &Config,
        pending: &Pending,
        sequence: u64,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let arena = Bump::new();
        let (element, decoded) = self.core.see_held(&pending.held, &arena);
        let posting = match self.core.read(config, &element, &decoded, diagnostics) {
            Ok(Command::Stock(posting)) => Posting { quantity: pending.quantity, ..posting },
            Ok(Command::Directive(..)) => return Outcome::UnknownReference,
            Err(outcome) => return outcome,
        };
        if !self.core.stock.has_room(1) {
            return Outcome::Overflow;
        }
        let [sku, location, ..] = &pending.position;
        let event = Event { sku, location, ..decoded.event };
        let checked = Checked {
            event: &event,
            posting: &posting,
            key: pending.held.key,
            time_ns: pending.held.time_ns,
            rank: pending.rank,
            sequence,
            ordinal: self.core.posts,
            element: pending.held.ordinal,
            found: Found::default(),
            relief: 0,
        };
        self.core.posts += 1;
        let part = self.core.stock.part_of(self.core.stock.hash(sku));
        self.core.stock.parts[part].post(config, &checked, diagnostics)
    }

    /// Writes down the final outcome of what was held.
    pub(crate) fn finish(
        &mut self,
        config: &Config,
        held: &HeldEvent,
        (element, decoded): (&Element<'_>, &Decoded<'_>),
        (outcome, mut diagnostics): (Outcome, Diagnostics),
        batch: &mut Batch,
    ) {
        self.pass_notices(batch);
        let known = Known::of(outcome);
        if known.is_refusal() || known.is_unposted() {
            self.core.keys.set_answer(held.key, outcome);
        }
        self.totals[usize::from(Outcome::Held.number())] -= 1;
        self.totals[usize::from(outcome.number())] += 1;
        self.sources.release(decoded.event.source, outcome);
        batch.released.push((held.sequence, held.index, outcome));
        answer_late((element, decoded), (outcome, self.core.sequence), &mut diagnostics, batch);
        self.claims.tell_turns(&mut self.core, &mut diagnostics);
        self.raise(config, element, (outcome, decoded, &mut diagnostics), self.core.now_ns(), batch);
    }

    /// Whether all that is held is what it says it is, for a state that came from outside.
    pub(crate) fn holds_what_it_says(&mut self) -> bool {
        let all = self.tracker.held().chain(self.waiting.held()).chain(self.pendings.held());
        let held: Vec<HeldEvent> = all.cloned().collect();
        held.iter().all(|held| {
            let arena = Bump::new();
            let (_, decoded) = self.core.see_held(held, &arena);
            decoded.form.is_ok() && decoded.bar == Bar::None && decoded.key == held.key
        })
    }
}
