//! Waiting: directives that came before the event that they are about. They follow when it has come, and give up when
//! it does not.

use std::sync::Arc;

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::limits::WAITING_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::dedup::{Fingerprint, fingerprint};

use crate::core::context::Context;
use crate::diagnostics::Diagnostics;
use crate::order::HeldEvent;
use crate::output::batch::Batch;
use crate::promise::Told;
use crate::read::directive::{Request, Target};
use crate::read::element::{Decoded, Element, Place};
use crate::read::reading::Command;
use crate::schedule::View;
use crate::spine::door::Door;
use crate::spine::engine::Engine;
use crate::stock::lookup::Found;

impl Engine {
    /// Lets a directive wait for its target.
    pub(crate) fn wait(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        target: &Target,
        batch: &mut Batch,
    ) -> Outcome {
        let held = context.to_held(&self.core);
        self.waiting.add(fingerprint(&self.core.secret, &target.source, &target.id), held);
        while self.waiting.len() > WAITING_MAX
            && let Some(oldest) = self.waiting.take_oldest(i64::MAX)
        {
            self.give_up_waiting(config, &oldest, batch);
        }
        Outcome::Held
    }

    /// Carries out what waited for an event.
    pub(crate) fn follow_target(&mut self, key: Fingerprint, place: Place, batch: &mut Batch) {
        if self.waiting.is_empty() {
            return;
        }
        let mut all = Vec::new();
        while let Some(held) = self.waiting.take(key.0) {
            all.push(held);
        }
        for held in all {
            if !self.come_back(&held, Door::Target, place.sequence, batch) {
                // Its target is forgotten already, and may come again.
                self.waiting.add(key, held);
            }
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
        (held, element, decoded): (&HeldEvent, &Element<'_>, &Decoded<'_>),
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) {
        let Ok(command) = self.core.read(config, element, decoded, &mut Diagnostics::default()) else { return };
        let Command::Directive(directive, _) = &command else { return };
        let Request::Settle(settle) = &directive.request else { return };
        let context = Context {
            decoded,
            element,
            command: &command,
            time_ns: held.time_ns,
            sequence: self.core.sequence,
            is_late: held.is_late,
            came: Some((held.ordinal, held.came_ns)),
            found: Found::default(),
        };
        self.promises.answer_settled(
            View::new(&self.core, &self.schedule, config),
            &context,
            settle,
            (Outcome::UnknownReference, Told::Nothing),
            diagnostics,
            batch,
        );
    }

    fn give_up_waiting(&mut self, config: &Config, held: &HeldEvent, batch: &mut Batch) {
        let arena = Bump::new();
        let (element, decoded) = self.core.see_held(held, &arena);
        let why = Some("the event that it is about did not come".to_owned());
        let mut diagnostics = Diagnostics { why, ..Diagnostics::default() };
        self.answer_in_vain(config, (held, &element, &decoded), &mut diagnostics, batch);
        self.finish(config, held, (&element, &decoded), (Outcome::UnknownReference, diagnostics), batch);
    }
}
