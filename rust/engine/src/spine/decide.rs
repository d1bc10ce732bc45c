//! Deciding: what waited for an approval is posted or dropped (`docs/truth.md` §5).

use crate::approval::Pendings;
use crate::approval::{Pending, SourceSite};
use crate::core::Core;
use crate::core::context::Context;
use crate::diagnostics::{Diagnostics, Raised};
use crate::read::directive::{Decided, Target};
use crate::spine::engine::Engine;
use crate::work::{Item, Mover};
use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::dedup::fingerprint;

impl Engine {
    /// Decides what waits for an approval.
    ///
    /// # Errors
    /// The event that it is about, where that is not known yet.
    pub(crate) fn decide<'d>(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        (decided, is_granted): (&'d Decided, bool),
        mover: Mover<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Result<Outcome, &'d Target> {
        let target = match decided {
            Decided::Target(target) => target,
            Decided::Exception(number) => {
                let outcome = match self.waits_under(*number) {
                    Some(Ok(key)) => self.pendings.take_pending(&mut self.core, key).map(|pending| {
                        self.settle_pending(config, context, &pending, (is_granted, mover), diagnostics)
                    }),
                    Some(Err(site)) => Some(self.decide_site(config, context, &site, (is_granted, mover), diagnostics)),
                    None => None,
                };
                return Ok(outcome.unwrap_or_else(|| {
                    diagnostics.why = Some(format!("nothing waits for an approval under exception {number}"));
                    Outcome::UnknownReference
                }));
            }
        };
        let key = fingerprint(&self.core.secret, &target.source, &target.id);
        if let Some(pending) = self.pendings.take_pending(&mut self.core, key) {
            return Ok(self.settle_pending(config, context, &pending, (is_granted, mover), diagnostics));
        }
        let known = self.core.keys.find(key, self.core.keys_ns()).filter(|known| !known.is_echoed());
        if known.is_none() || self.is_held(config, key) {
            return Err(target);
        }
        let is_posted = known.is_some_and(|known| !known.is_unposted() && !known.is_refusal());
        let is_decided = self.pendings.decided.contains_key(&key.0) || self.amended.0.contains_key(&key.0);
        let is_counted = is_decided || is_posted;
        if is_counted {
            return Ok(Outcome::Absorbed);
        }
        diagnostics.why = Some("the event waits for no approval, and none was ever asked for".to_owned());
        Ok(Outcome::UnknownReference)
    }

    /// What waits under an exception: an event's key, or a site.
    fn waits_under(&self, number: u64) -> Option<Result<Fingerprint, SourceSite>> {
        let item = self.work.get(number)?;
        match &*item.record.code {
            "pending_approval" => item.key.filter(|key| self.pendings.get(*key).is_some()).map(Ok),
            "mass_change" => self.site_under(item).map(Err),
            _ => None,
        }
    }

    /// The site that waits for the decision of a mass change.
    pub(crate) fn site_under(&self, item: &Item) -> Option<SourceSite> {
        let record = Some(&item.record).filter(|record| &*record.code == "mass_change")?;
        let site = (record.source.clone()?, record.location.clone()?);
        self.pendings.sites.get(&site).is_some_and(|changes| changes.is_guarded).then_some(site)
    }

    /// Posts an event that waited, or drops it. Returns what became of it.
    fn settle_pending(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        pending: &Pending,
        (is_granted, mover): (bool, Mover<'_>),
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let key = pending.held.key;
        let now = self.core.now(context.element.place);
        self.work.resolve_of(key, mover, now, |code| code == "pending_approval");
        Pendings::touch_pending(&mut self.core, pending, context.sequence);
        if !is_granted {
            return Outcome::Applied;
        }
        let outcome = self.post_approved(config, pending, context.sequence, diagnostics);
        self.core.keys.set_answer(key, outcome);
        if matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            let flags = pending.flags.iter();
            let flags: Vec<_> =
                flags.map(|(code, subject)| Raised { subject: subject.clone(), ..Raised::of(code) }).collect();
            let about = |flag: Raised| match flag.subject {
                Some(_) => flag,
                None => Raised { subject: Some(name_of(&mut self.core, pending).into()), key: Some(key), ..flag },
            };
            let mut flags: Vec<_> = flags.into_iter().map(about).collect();
            let [sku, location, ..] = &pending.position;
            self.core.flag_names(config, sku, location, pending.held.time_ns, &mut flags);
            diagnostics.raised.extend(self.untold(&flags));
        }
        outcome
    }

    /// Decides a mass change: all that waits of it, in the order of the log.
    fn decide_site(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        site: &SourceSite,
        (is_granted, mover): (bool, Mover<'_>),
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let keys: Vec<_> = self.pendings.of_site(site).map(|pending| pending.held.key).collect();
        for key in keys {
            let Some(pending) = self.pendings.take_pending(&mut self.core, key) else { continue };
            let outcome = self.settle_pending(config, context, &pending, (is_granted, mover), diagnostics);
            if !matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
                let name = name_of(&mut self.core, &pending);
                let words =
                    diagnostics.why.take().unwrap_or_else(|| format!("{name} was granted, and refused by the state"));
                let raised = Raised::about(outcome.name(), name, words);
                diagnostics.raised.push(Raised { key: Some(key), ..raised });
            }
        }
        if let Some(changes) = self.pendings.sites.get_mut(site) {
            (changes.is_guarded, changes.rests) = (false, is_granted);
        }
        let now = self.core.now(context.element.place);
        self.work.resolve_by("mass_change", &format!("{}/{}", site.0, site.1), mover, now);
        Outcome::Applied
    }
}

/// Source and id of an event that waited, as a subject.
fn name_of(core: &mut Core, pending: &Pending) -> String {
    let arena = Bump::new();
    let (_, decoded) = core.see_held(&pending.held, &arena);
    format!("{}/{}", decoded.event.source, decoded.event.id)
}
