//! The point of no return: an event that passed every check of its own is drafted against the ledger, refused by its state, or written.

use crate::body::Known;
use crate::changes::Tracing;
use crate::config::{Config, NegativeStock};
use crate::dedup::fingerprint;
use crate::engine::Engine;
use crate::event::Event;
use crate::explain::Findings;
use crate::intern::NONE;
use crate::judge::Claim;
use crate::ledger::{Barrier, Draft, Ledger, Names, Touch};
use crate::legs::Legs;
use crate::outcome::Outcome;
use crate::rules::QuantityRule;
use crate::stock::Part;
use crate::wave::Found;

/// An event that passed every check of its own, with its place in the log.
pub(crate) struct Checked<'a, 'e> {
    pub(crate) event: &'e Event<'a>,
    pub(crate) claim: &'e Claim<'e>,
    /// Effective time, in nanoseconds since 1970.
    pub(crate) time_ns: i64,
    pub(crate) sequence: u64,
    /// Events that were posted before it in this process, or could have been.
    pub(crate) ordinal: u64,
    pub(crate) found: Found,
}

impl Part {
    /// Posts an event: drafts what it would do, refuses, or writes it. A refusal changes nothing. Every answer is remembered.
    pub(crate) fn post(&mut self, config: &Config, checked: &Checked<'_, '_>, findings: &mut Findings) -> Outcome {
        let outcome = self.try_post(config, checked, findings).unwrap_or_else(|refusal| refusal);
        debug_assert!(outcome.is_remembered(), "a key was remembered before it was clear how its event ends");
        outcome
    }

    fn try_post(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        findings: &mut Findings,
    ) -> Result<Outcome, Outcome> {
        let Checked { event, claim, time_ns, .. } = *checked;
        let near_names = match checked.found.names {
            Some(names) => names,
            None => self.intern_names(event)?,
        };
        if claim.rule.quantity == QuantityRule::Count {
            return self.post_count(config, checked, near_names, findings);
        }
        let mut far_names = None;
        if claim.rule.needs_to_location {
            let location = self.names.intern(event.to_location.unwrap_or_default()).ok_or(Outcome::Overflow)?;
            far_names = Some([near_names[0], location, near_names[2], near_names[3]]);
        }
        let legs = Legs::lay_out(claim.rule, claim.statuses);
        let mut near = self.ledger.draft_at(near_names, checked.found.place);
        // A transfer to its own location changes one position, not two.
        let mut far = far_names.filter(|names| *names != near_names).map(|names| self.ledger.draft(names));
        let apart = far.is_some();
        let near_legs = legs.as_slice().iter().filter(|leg| !apart || !leg.remote);
        let near_touch = self.ledger.draft_legs(&mut near, near_legs, claim.quantity, time_ns);
        let far_touch = far.as_mut().map_or(Touch::Nothing, |far| {
            self.ledger.draft_legs(far, legs.as_slice().iter().filter(|leg| leg.remote), claim.quantity, time_ns)
        });
        for draft in std::iter::once(&near).chain(&far) {
            Ledger::check_range(draft)?;
        }
        for draft in std::iter::once(&near).chain(&far) {
            check_negative(config, draft)?;
        }

        // From here on nothing can refuse the event.
        for (draft, location) in [(Some(near), &event.location), (far, &event.to_location)] {
            let Some(draft) = draft else { continue };
            let place = self.ledger.write(&draft, time_ns, checked.sequence);
            self.touch(place, checked.ordinal, tracing(event));
            raise_crossing(config, &draft, location.as_deref(), findings);
        }
        if let Some(code) = &claim.rule.exception {
            findings.raised.push((code.clone(), None));
        }
        let touches = [near_touch, far_touch];
        let absorbed = touches.contains(&Touch::Absorbed) && !touches.contains(&Touch::Live);
        Ok(if absorbed { Outcome::Absorbed } else { Outcome::Applied })
    }

    fn intern_names(&mut self, event: &Event<'_>) -> Result<Names, Outcome> {
        let mut names = [NONE; 4];
        for (slot, name) in names.iter_mut().zip([&event.sku, &event.location, &event.lot, &event.owner]) {
            *slot = self.names.intern(name.unwrap_or_default()).ok_or(Outcome::Overflow)?;
        }
        Ok(names)
    }

    fn post_count(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        names: Names,
        findings: &mut Findings,
    ) -> Result<Outcome, Outcome> {
        let event = checked.event;
        let count = Barrier {
            time_ns: checked.time_ns,
            quantity: checked.claim.quantity,
            source: event.source.unwrap_or_default().into(),
            id: event.id.unwrap_or_default().into(),
        };
        let mut draft = self.ledger.draft_at(names, checked.found.place);
        self.ledger.draft_count(&mut draft, &count)?;
        Ledger::check_range(&draft)?;
        check_negative(config, &draft)?;

        // From here on nothing can refuse the count.
        let place = self.ledger.write_count(&draft, count, checked.sequence);
        self.touch(place, checked.ordinal, tracing(event));
        raise_crossing(config, &draft, event.location, findings);
        if let Some(code) = &checked.claim.rule.exception {
            findings.raised.push((code.clone(), None));
        }
        Ok(Outcome::Applied)
    }
}

impl Engine {
    /// Raises `duplicate_suspect` when an event under another key said the same, where the configuration asks for it.
    pub(crate) fn suspect_duplicate(
        &mut self,
        config: &Config,
        (event, claim): (&Event<'_>, &Claim<'_>),
        (outcome, log_time_ns): (Outcome, i64),
        findings: &mut Findings,
    ) {
        if !config.duplicate_suspect || !matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            return;
        }
        let Some(document) = &event.document else { return };
        let meaning = format!(
            "{}\0{:?}\0{:?}\0{:?}\0{:?}\0{document}\0{:?}\0{}",
            claim.rule.name, event.sku, event.location, event.lot, event.owner, event.line, claim.quantity
        );
        self.meanings.advance(log_time_ns);
        let print = fingerprint(&self.secret, "", &meaning);
        if self.meanings.renew(print) {
            findings.raised.push(("duplicate_suspect".into(), None));
        } else {
            self.meanings.remember(print, Known::default());
        }
    }
}

/// The ids that an event carries through, if it has any.
fn tracing(event: &Event<'_>) -> Option<Tracing> {
    let is_traced = event.correlation_id.is_some() || event.causation_id.is_some();
    is_traced.then(|| Tracing {
        correlation: event.correlation_id.map(Into::into),
        causation: event.causation_id.map(Into::into),
    })
}

/// Refuses a draft that lowers `on_hand` below zero, where the configuration asks for it.
fn check_negative(config: &Config, draft: &Draft) -> Result<(), Outcome> {
    if config.negative_stock == NegativeStock::Refuse && draft.lowers_below_zero() {
        Err(Outcome::NegativeStock)
    } else {
        Ok(())
    }
}

fn raise_crossing(config: &Config, draft: &Draft, location: Option<&str>, findings: &mut Findings) {
    if config.negative_stock == NegativeStock::Flag && draft.crosses_below_zero() {
        findings.raised.push(("negative_stock".into(), location.map(Into::into)));
    }
}
