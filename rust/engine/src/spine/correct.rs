//! Correcting: what an event said is taken back, and another put in its place, whole or not at all (`docs/truth.md`
//! §2).

use crate::core::admitted::Admitted;
use crate::core::context::Context;
use crate::correction::Amendment;
use crate::correction::{Placed, Substitute, keep_posted, posted, put_in, take_out};
use crate::diagnostics::{Diagnostics, Raised};
use crate::read::directive::{Target, read_replacement};
use crate::read::event::{Event, EventTime};
use crate::read::form::{check_form, check_quantity};
use crate::read::reading::Posting;
use crate::spine::engine::Engine;
use crate::stock::journal::Posted;
use crate::stock::lookup::Found;
use crate::stock::post::{Checked, check_negative, is_absorbed, tracing};
use crate::stock::revision::Revised;
use crate::work::Mover;
use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::limits::CHECKED;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Statement;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::dedup::fingerprint;

impl Engine {
    /// Undoes the target of a correction, and puts another event in its place if there is one. Nothing where the target
    /// is not known yet.
    pub(crate) fn correct(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        target: &Target,
        replacement: Option<&str>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Outcome> {
        let key = fingerprint(&self.core.secret, &target.source, &target.id);
        let event = &context.decoded.event;
        let rank = (context.time_ns, event.source.into(), event.id.into());
        let refuse = |diagnostics: &mut Diagnostics, why: &str| {
            diagnostics.why = Some(why.to_owned());
            Some(Outcome::UnknownReference)
        };
        let amended = self.amended.0.get(&key.0);
        if amended.is_some_and(|amended| amended.is_voided) {
            return refuse(diagnostics, "the event was voided before");
        }
        let is_behind = replacement.is_some() && amended.is_some_and(|amended| amended.rank >= rank);
        let first_ns = amended.map(|amended| amended.time_ns);
        let known = self.core.keys.find(key, self.core.keys_ns()).filter(|known| !known.is_echoed())?;
        if known.is_refusal() {
            return refuse(
                diagnostics,
                "the event was refused: there is nothing to correct; send it right under a new key",
            );
        }
        let elements = self.core.elements;
        let is_near = |ordinal: u64| elements.saturating_sub(ordinal) <= config.corrections_max;
        // What waits under a key that was forgotten and came again is another event.
        let pending = self.pendings.get(key).filter(|_| known.is_unposted());
        let pending = pending.filter(|pending| is_near(pending.held.ordinal));
        let pending = pending.map(|pending| pending.held.time_ns);
        // What is held under its key has not posted yet, whatever an event of that id did long ago.
        let is_held = self.is_held(config, key);
        let posted = if known.is_unposted() || is_held { None } else { posted(&mut self.core, config, key) };
        let old = match (pending, posted) {
            (Some(_), _) => None,
            (None, Some(old)) => Some(old),
            (None, None) if is_held => return None,
            (None, None) => {
                return refuse(
                    diagnostics,
                    "the event changed nothing, is none of stock, or lies too far back to be corrected \
                     (engine.corrections_max); send the opposite movement under a new key",
                );
            }
        };
        if is_behind {
            return Some(Outcome::Absorbed);
        }
        // What it was before corrections, so that it does not matter which of them came first.
        let first_ns = first_ns.or(pending).or(old.map(|(_, posted)| posted.time_ns)).unwrap_or(context.time_ns);
        let done = match replacement {
            None => self.revise(config, context, target, old, None, diagnostics),
            Some(text) => self.substitute(config, context, target, (key, old, first_ns), text, diagnostics),
        };
        let outcome = match done {
            Ok(outcome) => outcome,
            Err(refusal) => return Some(refusal),
        };
        let is_voided = replacement.is_none();
        self.work_is_done(context, key, is_voided, pending.is_some());
        let at_ns = self.core.now_ns();
        self.amended.0.insert(key.0, Amendment { is_voided, rank, time_ns: first_ns, at_ns });
        Some(outcome)
    }

    /// Drops what waited for an approval of a target that was corrected, and resolves what was open about it.
    fn work_is_done(&mut self, context: &Context<'_, '_>, key: Fingerprint, is_voided: bool, was_pending: bool) {
        let place = context.element.place;
        if was_pending {
            self.pendings.drop_pending(&mut self.core, key, context.sequence);
        }
        self.core.keys.set_answer(key, Outcome::Applied);
        let now = self.core.now(place);
        let why = Mover::itself(if is_voided { "voided" } else { "corrected" });
        self.work.resolve_of(key, why, now, |code| is_voided || was_pending && code == "pending_approval");
    }

    /// Whether a stock event with a key is held by its source's order.
    pub(crate) fn is_held(&mut self, config: &Config, key: Fingerprint) -> bool {
        let Some(held) = self.tracker.held().find(|held| held.key == key).cloned() else { return false };
        let arena = Bump::new();
        let (_, decoded) = self.core.see_held(&held, &arena);
        config.rules.find(decoded.event.kind).is_some()
    }

    /// Reads the event that takes the target's place, and puts it there.
    fn substitute(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        target: &Target,
        (key, old, old_time_ns): (Fingerprint, Option<(usize, Posted)>, i64),
        text: &str,
        diagnostics: &mut Diagnostics,
    ) -> Result<Outcome, Outcome> {
        let arena = Bump::new();
        let event = read_replacement(text, &arena).map_err(|_| Outcome::Malformed)?;
        let event = Event {
            source: &target.source,
            id: &target.id,
            correlation_id: context.decoded.event.correlation_id,
            causation_id: context.decoded.event.causation_id,
            ..event
        };
        let time_ns = if let EventTime::At(time_ns) = event.time { time_ns } else { old_time_ns };
        let rule = config.rules.find(event.kind).map(|number| config.rules.rule(number));
        let rule = rule.ok_or(Outcome::UnknownType)?;
        let statuses = check_form(&event, rule).map_err(|_| Outcome::Malformed)?;
        let quantity = check_quantity(&event, rule)?;
        let mut admitted = Admitted::default();
        self.core.rename(&event, &target.source, time_ns, &mut admitted);
        let posting = Posting { rule, statuses, quantity, body: tallystick_tables::body::Body::default() };
        self.core.check_master(config, &event, &posting, time_ns, &mut admitted).map_err(|(outcome, why)| {
            diagnostics.why = why;
            outcome
        })?;
        let posting = Posting { quantity: admitted.quantity.unwrap_or(quantity), ..posting };
        let event = admitted.event(&event);
        let rank = config.ownership.as_ref().map_or([time_ns, 0, 0], |policy| {
            let mut accounts = Vec::new();
            crate::spine::admit::accounts_of(&posting, &mut accounts);
            let location = event.location;
            let statement =
                Statement { source: &target.source, kind: &rule.name, accounts: &accounts, location, time_ns };
            policy.rank(policy.judge(statement), time_ns)
        });
        let part = self.core.stock.part_of(self.core.stock.hash(event.sku));
        let element = old.map_or(self.core.elements, |(_, posted)| posted.ordinal);
        let checked = Checked {
            event: &event,
            posting: &posting,
            key,
            time_ns,
            rank,
            sequence: context.sequence,
            ordinal: self.core.posts,
            element,
            found: Found::default(),
            relief: 0,
        };
        self.revise(
            config,
            context,
            target,
            old,
            Some(Substitute { part, checked, flags: &admitted.flags }),
            diagnostics,
        )
    }

    /// Writes a correction whole, or not at all.
    fn revise(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        target: &Target,
        old: Option<(usize, Posted)>,
        new: Option<Substitute<'_, '_>>,
        diagnostics: &mut Diagnostics,
    ) -> Result<Outcome, Outcome> {
        if !self.core.stock.has_room(1) {
            return Err(Outcome::Overflow);
        }
        let mut revisions: Vec<Placed> = Vec::new();
        if let Some((part, posted)) = old {
            take_out(&self.core, part, posted, target, &mut revisions);
        }
        if let Some(new) = &new {
            put_in(&mut self.core, config, new, &mut revisions)?;
        }
        let mut drafts = Vec::new();
        for (part, revision) in &revisions {
            let revised = self.core.stock.parts[*part].ledger.draft_revision(revision)?;
            check_negative(config, &revised.draft)?;
            drafts.push((*part, revision.names, revised));
        }

        // From here on nothing can refuse the correction.
        if CHECKED {
            let change = |(part, _, revised): &(usize, _, Revised)| {
                self.core.stock.parts[*part].ledger.physical_change(&revised.draft)
            };
            let sum = drafts.iter().map(change).fold(0, i64::wrapping_add);
            assert_eq!(sum, 0, "what one account gives another one takes");
        }
        let tracing = tracing(&context.decoded.event);
        let side = usize::from(new.is_some());
        let touches: Vec<_> = drafts.iter().map(|(.., revised)| revised.touched[side]).collect();
        let mut places = Vec::new();
        for (part, names, revised) in drafts {
            let place =
                self.core.write_revised(config, (part, names, revised), context.sequence, tracing.clone(), diagnostics);
            places.push((part, names, place));
        }
        let key = fingerprint(&self.core.secret, &target.source, &target.id);
        let receipt = self.was_undone(config, (key, &target.source), old, context.sequence, diagnostics);
        if let Some(new) = new {
            keep_posted(&mut self.core, config, &new, &places);
            if let Some(code) = &new.checked.posting.rule.exception {
                let subject = Some(format!("{}/{}", target.source, target.id).into());
                diagnostics.raised.push(Raised { subject, key: Some(key), ..Raised::of(code) });
            }
            let flags = self.untold(new.flags);
            diagnostics.raised.extend(flags);
            self.was_put_in(config, &new.checked, context.sequence, diagnostics);
        }
        self.was_corrected(config, receipt.as_ref(), context.sequence, diagnostics);
        Ok(if is_absorbed(&touches) { Outcome::Absorbed } else { Outcome::Applied })
    }
}
