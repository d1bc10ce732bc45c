//! Waiting: directives that came before the event that they are about. They follow when it has come, and give up when
//! it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::limits::WAITING_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;
use tallystick_tables::dedup::{Fingerprint, fingerprint};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::batch::Batch;
use crate::directive::{Request, Target};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::judge::{Case, Said};
use crate::promise::Told;
use crate::tracks::{Held, read_held, write_held};
use crate::wave::{Element, Found, Seen};

/// All that waits, by the key of what it waits for, and by its place in the log.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    by_target: BTreeMap<[u64; 2], Vec<Held>>,
    /// Elements before it, and what it waits for: the first has waited longest.
    by_age: BTreeSet<(u64, [u64; 2])>,
    bytes: usize,
}

impl Waiting {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    fn add(&mut self, target: Fingerprint, held: Held) {
        self.bytes += held.bytes.len();
        self.by_age.insert((held.ordinal, target.0));
        let waiting = self.by_target.entry(target.0).or_default();
        let place = waiting.partition_point(|other| other.ordinal < held.ordinal);
        waiting.insert(place, held);
    }

    /// Takes the first that waits for an event.
    fn take(&mut self, target: [u64; 2]) -> Option<Held> {
        let waiting = self.by_target.get_mut(&target)?;
        let held = waiting.remove(0);
        if waiting.is_empty() {
            self.by_target.remove(&target);
        }
        self.by_age.remove(&(held.ordinal, target));
        self.bytes -= held.bytes.len();
        Some(held)
    }

    /// Takes the one that has waited longest, if it came by a time.
    fn take_oldest(&mut self, came_ns: i64) -> Option<Held> {
        let (ordinal, target) = *self.by_age.first()?;
        let is_oldest = |held: &Held| held.ordinal == ordinal && held.came_ns <= came_ns;
        // Of those that wait for one event, the first has waited longest.
        self.by_target.get(&target)?.first().filter(|held| is_oldest(held))?;
        self.take(target)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = &Held> + '_ {
        self.by_target.values().flatten()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        tallystick_contract::heap_size::tree::<[u64; 2], Vec<Held>>(self.by_target.len())
            + self.by_target.values().map(tallystick_contract::heap_size::list).sum::<usize>()
            + tallystick_contract::heap_size::tree::<(u64, [u64; 2]), ()>(self.by_age.len())
            + self.bytes
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.by_age.len() as u64);
        for (target, waiting) in &self.by_target {
            for held in waiting {
                writer.words(target);
                write_held(writer, 0, held);
            }
        }
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..reader.count(88)? {
            let target = Fingerprint([reader.u64()?, reader.u64()?]);
            let (_, held) = read_held(reader)?;
            self.add(target, held);
        }
        Ok(())
    }
}

impl Engine {
    /// Lets a directive wait for its target.
    pub(crate) fn wait(&mut self, config: &Config, case: &Case<'_, '_>, target: &Target, batch: &mut Batch) -> Outcome {
        let held = case.to_held(self);
        self.waiting.add(fingerprint(&self.secret, &target.source, &target.id), held);
        while self.waiting.len() > WAITING_MAX
            && let Some(oldest) = self.waiting.take_oldest(i64::MAX)
        {
            self.give_up_waiting(config, &oldest, batch);
        }
        Outcome::Held
    }

    /// Carries out what waited for an event.
    pub(crate) fn follow_target(&mut self, key: Fingerprint, place: (u64, u32), batch: &mut Batch) {
        if self.waiting.is_empty() {
            return;
        }
        let mut all = Vec::new();
        while let Some(held) = self.waiting.take(key.0) {
            all.push(held);
        }
        // What followed from the event may have changed the configuration.
        let config = &*Arc::clone(&self.config);
        for held in all {
            let arena = Bump::new();
            let (element, seen) = self.see_held(&held, &arena);
            let mut findings = Findings::default();
            let outcome = match self.read(config, &element, &seen, &mut findings) {
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
                let (outcome, told) = self.settle_reservation(config, case, settle, findings)?;
                self.answer_settled(case, settle, (outcome, told), findings, batch);
                self.tell_claims(config, findings);
                Some(outcome)
            }
            _ => Some(Outcome::UnknownReference),
        }
    }

    /// Gives up what has waited for as long as keys are remembered.
    pub(crate) fn expire_waiting(&mut self, config: &Config, batch: &mut Batch) {
        let Some(now_ns) = self.log_time_ns else { return };
        while let Some(held) = self.waiting.take_oldest(now_ns.saturating_sub(config.dedup_window_ns)) {
            self.give_up_waiting(config, &held, batch);
        }
    }

    /// Gives up all that waits, as at the end of a replay.
    pub(crate) fn release_waiting(&mut self, batch: &mut Batch) {
        let config = Arc::clone(&self.config);
        while let Some(held) = self.waiting.take_oldest(i64::MAX) {
            self.give_up_waiting(&config, &held, batch);
        }
    }

    /// Answers whoever asked for something of a reservation that did not come.
    fn answer_in_vain(
        &mut self,
        config: &Config,
        (held, element, seen): (&Held, &Element<'_>, &Seen<'_>),
        findings: &mut Findings,
        batch: &mut Batch,
    ) {
        let Ok(said) = self.read(config, element, seen, &mut Findings::default()) else { return };
        let Said::Directive(directive, _) = &said else { return };
        let Request::Settle(settle) = &directive.request else { return };
        let case = Case {
            seen,
            element,
            said: &said,
            time_ns: held.time_ns,
            sequence: self.sequence,
            is_late: held.is_late,
            came: Some((held.ordinal, held.came_ns)),
            found: Found::default(),
        };
        self.answer_settled(&case, settle, (Outcome::UnknownReference, Told::Nothing), findings, batch);
    }

    fn give_up_waiting(&mut self, config: &Config, held: &Held, batch: &mut Batch) {
        let arena = Bump::new();
        let (element, seen) = self.see_held(held, &arena);
        let why = Some("the event that it is about did not come".to_owned());
        let mut findings = Findings { why, ..Findings::default() };
        self.answer_in_vain(config, (held, &element, &seen), &mut findings, batch);
        self.finish(config, held, (&element, &seen), (Outcome::UnknownReference, findings), batch);
    }
}
