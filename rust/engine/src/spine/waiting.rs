//! Waiting: directives that came before the event that they are about. They follow when it has come, and give up when
//! it does not.

use std::sync::Arc;

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::limits::WAITING_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;
use tallystick_tables::dedup::{Fingerprint, fingerprint};

use crate::core::case::Case;
use crate::diagnostics::Findings;
use crate::order::HeldEvent;
use crate::output::batch::Batch;
use crate::promise::Told;
use crate::read::directive::{Request, Target};
use crate::read::element::{Element, Seen};
use crate::read::reading::Said;
use crate::schedule::{Ctx, View};
use crate::spine::engine::Engine;
use crate::stock::lookup::Found;

impl Engine {
    /// Lets a directive wait for its target.
    pub(crate) fn wait(&mut self, config: &Config, case: &Case<'_, '_>, target: &Target, batch: &mut Batch) -> Outcome {
        let held = case.to_held(&self.core);
        self.waiting.add(fingerprint(&self.core.secret, &target.source, &target.id), held);
        while self.waiting.len() > WAITING_MAX
            && let Some(oldest) = self.waiting.take_oldest(i64::MAX)
        {
            self.give_up_waiting(config, &oldest, batch);
        }
        Outcome::Held
    }

    /// Carries out what waited for an event.
    pub(crate) fn follow_target(&mut self, key: Fingerprint, place: (u64, u32), batch: &mut Batch) {
        self.pass_notices(batch);
        if self.waiting.is_empty() {
            return;
        }
        let mut all = Vec::new();
        while let Some(held) = self.waiting.take(key.0) {
            all.push(held);
        }
        // What followed from the event may have changed the configuration.
        let config = &*Arc::clone(&self.core.config);
        for held in all {
            let arena = Bump::new();
            let (element, seen) = self.core.see_held(&held, &arena);
            let mut findings = Findings::default();
            let outcome = match self.core.read(config, &element, &seen, &mut findings) {
                Err(outcome) => Some(outcome),
                Ok(said) => {
                    let (time_ns, found) = (held.time_ns, Found::default());
                    let is_late = held.is_late;
                    let case = Case {
                        seen: &seen,
                        element: &element,
                        said: &said,
                        time_ns,
                        sequence: place.0,
                        is_late,
                        came: Some((held.ordinal, held.came_ns)),
                        found,
                    };
                    match self.admit(config, &case) {
                        Ok(admitted) if admitted.verdict.role == Role::Observer => Some(Outcome::Observed),
                        Ok(admitted) => {
                            let outcome = self.try_again(config, &case, &mut findings, batch);
                            self.flag_directive(outcome.unwrap_or(Outcome::Held), &admitted, &mut findings);
                            outcome
                        }
                        Err((outcome, why)) => {
                            findings.why = why;
                            Some(outcome)
                        }
                    }
                }
            };
            let Some(outcome) = outcome else {
                // It is forgotten already, and may come again.
                self.waiting.add(key, held.clone());
                continue;
            };
            let is_late = held.is_late && matches!(outcome, Outcome::Applied | Outcome::Absorbed);
            let outcome = if is_late { Outcome::Late } else { outcome };
            self.finish(config, &held, (&element, &seen), (outcome, findings), batch);
        }
    }

    fn try_again(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Option<Outcome> {
        let Said::Directive(directive, _) = case.said else { return Some(Outcome::UnknownReference) };
        match &directive.request {
            Request::Correct(target, replacement) => {
                self.correct(config, case, target, replacement.as_deref(), findings)
            }
            Request::Decide(decided, is_granted) => self.decide(config, case, decided, *is_granted, findings).ok(),
            Request::Settle(settle) => {
                let outcome = self.settle_known(config, case, settle, findings, batch)?;
                self.claims.tell_claims(&mut Ctx::new(&mut self.core, &mut self.schedule, config, 0), findings);
                Some(outcome)
            }
            _ => Some(Outcome::UnknownReference),
        }
    }

    /// Gives up what has waited for as long as keys are remembered.
    pub(crate) fn expire_waiting(&mut self, config: &Config, batch: &mut Batch) {
        let Some(now_ns) = self.core.log_time_ns else { return };
        while let Some(held) = self.waiting.take_oldest(now_ns.saturating_sub(config.dedup_window_ns)) {
            self.give_up_waiting(config, &held, batch);
        }
    }

    /// Gives up all that waits, as at the end of a replay.
    pub(crate) fn release_waiting(&mut self, batch: &mut Batch) {
        let config = Arc::clone(&self.core.config);
        while let Some(held) = self.waiting.take_oldest(i64::MAX) {
            self.give_up_waiting(&config, &held, batch);
        }
    }

    /// Answers whoever asked for something of a reservation that did not come.
    fn answer_in_vain(
        &mut self,
        config: &Config,
        (held, element, seen): (&HeldEvent, &Element<'_>, &Seen<'_>),
        findings: &mut Findings,
        batch: &mut Batch,
    ) {
        let Ok(said) = self.core.read(config, element, seen, &mut Findings::default()) else { return };
        let Said::Directive(directive, _) = &said else { return };
        let Request::Settle(settle) = &directive.request else { return };
        let case = Case {
            seen,
            element,
            said: &said,
            time_ns: held.time_ns,
            sequence: self.core.sequence,
            is_late: held.is_late,
            came: Some((held.ordinal, held.came_ns)),
            found: Found::default(),
        };
        self.promises.answer_settled(
            View::new(&self.core, &self.schedule, config),
            &case,
            settle,
            (Outcome::UnknownReference, Told::Nothing),
            findings,
            batch,
        );
    }

    fn give_up_waiting(&mut self, config: &Config, held: &HeldEvent, batch: &mut Batch) {
        let arena = Bump::new();
        let (element, seen) = self.core.see_held(held, &arena);
        let why = Some("the event that it is about did not come".to_owned());
        let mut findings = Findings { why, ..Findings::default() };
        self.answer_in_vain(config, (held, &element, &seen), &mut findings, batch);
        self.finish(config, held, (&element, &seen), (Outcome::UnknownReference, findings), batch);
    }
}
