//! Corrections: an event is taken back, or put right, as if it had been sent so in the first place (`docs/truth.md`
//! §3). Their order does not matter: one that comes before its target waits for it.

use std::collections::BTreeMap;

use bumpalo::Bump;
use tallystick_contract::account::Account;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Statement;
use tallystick_contract::rules::QuantityRule;
use tallystick_tables::dedup::{Fingerprint, fingerprint};

use crate::admit::Admitted;
use crate::changes::Tracing;
use crate::claiming::Stepped;
use crate::claims::Noted;
use crate::directive::{Target, read_replacement};
use crate::engine::Engine;
use crate::event::{Event, EventTime};
use crate::explain::{Findings, Raised};
use crate::history::Movement;
use crate::journal::{Posted, PostedLegs};
use crate::judge::{Case, Claim};
use crate::legs::{Leg, Legs, Terms, check_form, check_quantity};
use crate::post::{
    Checked, batch_of, check_negative, count_of, is_absorbed, net_of, net_of_legs, tell_crossing, tracing,
};
use crate::revision::{Revised, Revision};
use crate::shelf::Moves;
use crate::stock::Spot;
use crate::wave::Found;

const ON_HAND: usize = Account::OnHand as usize;
const PICKED: usize = Account::Picked as usize;

/// What became of an event that was corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amendment {
    pub(crate) is_voided: bool,
    /// The latest correction: its time, source and id.
    pub(crate) rank: (i64, Box<str>, Box<str>),
    /// The effective time of the event as it was sent first.
    pub(crate) time_ns: i64,
    /// The log's time of it.
    pub(crate) at_ns: i64,
}

/// All of them, by the key of the target.
#[derive(Debug, Default)]
pub(crate) struct Amended(pub(crate) BTreeMap<[u64; 2], Amendment>);

/// A revision in its part of the stock.
type Placed = (usize, Revision);

/// An event that takes the place of another.
struct Substitute<'a, 'e> {
    part: usize,
    checked: Checked<'a, 'e>,
    flags: &'e [Raised],
}

impl Engine {
    /// Undoes the target of a correction, and puts another event in its place if there is one. Nothing where the target
    /// is not known yet.
    pub(crate) fn correct(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        target: &Target,
        replacement: Option<&str>,
        findings: &mut Findings,
    ) -> Option<Outcome> {
        let key = fingerprint(&self.secret, &target.source, &target.id);
        let event = &case.seen.event;
        let rank = (case.time_ns, event.source.unwrap_or_default().into(), event.id.unwrap_or_default().into());
        let refuse = |findings: &mut Findings, why: &str| {
            findings.why = Some(why.to_owned());
            Some(Outcome::UnknownReference)
        };
        let amended = self.amended.0.get(&key.0);
        if amended.is_some_and(|amended| amended.is_voided) {
            return refuse(findings, "the event was voided before");
        }
        let is_behind = replacement.is_some() && amended.is_some_and(|amended| amended.rank >= rank);
        let first_ns = amended.map(|amended| amended.time_ns);
        let known = self.keys.find(key, self.log_time_ns.unwrap_or(0)).filter(|known| !known.is_echoed())?;
        if known.is_refusal() {
            return refuse(
                findings,
                "the event was refused: there is nothing to correct; send it right under a new key",
            );
        }
        let elements = self.elements;
        let is_near = |ordinal: u64| elements.saturating_sub(ordinal) <= config.corrections_max;
        // What waits under a key that was forgotten and came again is another event.
        let pending = self.pendings.get(key).filter(|_| known.is_unposted());
        let pending = pending.filter(|pending| is_near(pending.held.ordinal));
        let pending = pending.map(|pending| pending.held.time_ns);
        // What is held under its key has not posted yet, whatever an event of that id did long ago.
        let is_held = self.is_held(config, key);
        let posted = if known.is_unposted() || is_held { None } else { self.posted(config, key) };
        let old = match (pending, posted) {
            (Some(_), _) => None,
            (None, Some(old)) => Some(old),
            (None, None) if is_held => return None,
            (None, None) => {
                return refuse(
                    findings,
                    "the event changed nothing, is none of stock, or lies too far back to be corrected (engine.corrections_max); send the opposite movement under a new key",
                );
            }
        };
        if is_behind {
            return Some(Outcome::Absorbed);
        }
        // What it was before corrections, so that it does not matter which of them came first.
        let first_ns = first_ns.or(pending).or(old.map(|(_, posted)| posted.time_ns)).unwrap_or(case.time_ns);
        let done = match replacement {
            None => self.revise(config, case, target, old, None, findings),
            Some(text) => self.substitute(config, case, target, (key, old, first_ns), text, findings),
        };
        let outcome = match done {
            Ok(outcome) => outcome,
            Err(refusal) => return Some(refusal),
        };
        let is_voided = replacement.is_none();
        self.work_is_done(case, key, is_voided, pending.is_some());
        let at_ns = self.log_time_ns.unwrap_or(0);
        self.amended.0.insert(key.0, Amendment { is_voided, rank, time_ns: first_ns, at_ns });
        Some(outcome)
    }

    /// Drops what waited for an approval of a target that was corrected, and resolves what was open about it.
    fn work_is_done(&mut self, case: &Case<'_, '_>, key: Fingerprint, is_voided: bool, was_pending: bool) {
        let place = (case.element.place.sequence, case.element.place.index);
        if was_pending {
            self.drop_pending(key, case.sequence);
        }
        self.keys.set_answer(key, Outcome::Applied);
        let now = self.now(place);
        self.work.resolve_of(key, if is_voided { "voided" } else { "corrected" }, now, |code| {
            is_voided || was_pending && code == "pending_approval"
        });
    }

    /// What an event posted, and where.
    fn posted(&mut self, config: &Config, key: Fingerprint) -> Option<(usize, Posted)> {
        let parts = &mut self.stock.parts;
        let all = (0..parts.len()).filter_map(|part| parts[part].journal.find(key).map(|posted| (part, posted)));
        // An id that was used again may have posted to another item the first time.
        let (part, posted) = all.max_by_key(|(_, posted)| posted.ordinal)?;
        let is_near = self.elements.saturating_sub(posted.ordinal) <= config.corrections_max;
        is_near.then_some((part, posted))
    }

    /// Whether a stock event with a key is held by its source's order.
    pub(crate) fn is_held(&mut self, config: &Config, key: Fingerprint) -> bool {
        let Some(held) = self.tracks.held().find(|held| held.key == key).cloned() else { return false };
        let arena = Bump::new();
        let (_, seen) = self.see_held(&held, &arena);
        config.rules.find(seen.event.kind.unwrap_or_default()).is_some()
    }

    /// Reads the event that takes the target's place, and puts it there.
    fn substitute(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        target: &Target,
        (key, old, old_time_ns): (Fingerprint, Option<(usize, Posted)>, i64),
        text: &str,
        findings: &mut Findings,
    ) -> Result<Outcome, Outcome> {
        let arena = Bump::new();
        let event = read_replacement(text, &arena).map_err(|_| Outcome::Malformed)?;
        let event = Event {
            source: Some(&target.source),
            id: Some(&target.id),
            correlation_id: case.seen.event.correlation_id,
            causation_id: case.seen.event.causation_id,
            ..event
        };
        let time_ns = if let EventTime::At(time_ns) = event.time { time_ns } else { old_time_ns };
        let rule = config.rules.find(event.kind.unwrap_or_default()).map(|number| config.rules.rule(number));
        let rule = rule.ok_or(Outcome::UnknownType)?;
        let statuses = check_form(&event, rule).map_err(|_| Outcome::Malformed)?;
        let quantity = check_quantity(&event, rule)?;
        let mut admitted = Admitted::default();
        self.rename(&event, &target.source, time_ns, &mut admitted);
        let claim = Claim { rule, statuses, quantity, body: tallystick_tables::body::Body::default() };
        self.check_master(config, &event, &claim, time_ns, &mut admitted).map_err(|(outcome, why)| {
            findings.why = why;
            outcome
        })?;
        let claim = Claim { quantity: admitted.quantity.unwrap_or(quantity), ..claim };
        let event = admitted.event(&event);
        let rank = config.ownership.as_ref().map_or([time_ns, 0, 0], |policy| {
            let mut accounts = Vec::new();
            crate::admit::accounts_of(&claim, &mut accounts);
            let location = event.location.unwrap_or_default();
            let statement =
                Statement { source: &target.source, kind: &rule.name, accounts: &accounts, location, time_ns };
            policy.rank(policy.judge(statement), time_ns)
        });
        let part = self.stock.part_of(self.stock.hash(event.sku.unwrap_or_default()));
        let element = old.map_or(self.elements, |(_, posted)| posted.ordinal);
        let checked = Checked {
            event: &event,
            claim: &claim,
            key,
            time_ns,
            rank,
            sequence: case.sequence,
            ordinal: self.posts,
            element,
            found: Found::default(),
            relief: 0,
        };
        self.revise(config, case, target, old, Some(Substitute { part, checked, flags: &admitted.flags }), findings)
    }

    /// Writes a correction whole, or not at all.
    fn revise(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        target: &Target,
        old: Option<(usize, Posted)>,
        new: Option<Substitute<'_, '_>>,
        findings: &mut Findings,
    ) -> Result<Outcome, Outcome> {
        if !self.stock.has_room(1) {
            return Err(Outcome::Overflow);
        }
        let mut revisions: Vec<Placed> = Vec::new();
        if let Some((part, posted)) = old {
            self.take_out(part, posted, target, &mut revisions);
        }
        if let Some(new) = &new {
            self.put_in(config, new, &mut revisions)?;
        }
        let mut drafts = Vec::new();
        for (part, revision) in &revisions {
            let revised = self.stock.parts[*part].ledger.draft_revision(revision)?;
            check_negative(config, &revised.draft)?;
            drafts.push((*part, revision.names, revised));
        }

        // From here on nothing can refuse the correction.
        let tracing = tracing(&case.seen.event);
        let side = usize::from(new.is_some());
        let touches: Vec<_> = drafts.iter().map(|(.., revised)| revised.touched[side]).collect();
        let mut places = Vec::new();
        for (part, names, revised) in drafts {
            let place = self.write_revised(config, (part, names, revised), case.sequence, tracing.clone(), findings);
            places.push((part, names, place));
        }
        let key = fingerprint(&self.secret, &target.source, &target.id);
        let receipt = self.retract_receipt(config, key);
        self.retract_transfer(config, key, findings);
        if let Some((part, posted)) = old {
            self.retract_step(config, &noted(key, part, &posted), case.sequence, findings);
            self.retract_beside_lines(part, posted, &target.source);
        }
        if let Some((part, _)) = old {
            self.stock.parts[part].journal.forget(key);
        }
        if let Some(new) = new {
            self.keep_posted(config, &new, &places);
            let Checked { event, claim, .. } = new.checked;
            if let Some(code) = &claim.rule.exception {
                let subject = Some(format!("{}/{}", target.source, target.id).into());
                findings.raised.push(Raised { subject, key: Some(key), ..Raised::of(code) });
            }
            let flags = self.untold(new.flags);
            findings.raised.extend(flags);
            self.note_receipt(config, (event, claim, claim.quantity), key, findings);
            self.note_transfer(config, (event, claim, claim.quantity), key, findings);
            let (quantity, time_ns) = (claim.quantity, new.checked.time_ns);
            let stepped = Stepped { event, claim, quantity, key, time_ns, sequence: case.sequence };
            self.note_step(config, &stepped, findings);
        }
        if let (Some(receipts), Some(line)) = (config.receipts, receipt) {
            self.compare(receipts, &line, findings);
        }
        self.tell_claims(config, findings);
        Ok(if is_absorbed(&touches) { Outcome::Absorbed } else { Outcome::Applied })
    }

    /// Writes what was drafted for a position, and tells if that lets it cross zero. Returns its place.
    pub(crate) fn write_revised(
        &mut self,
        config: &Config,
        (part, names, revised): (usize, crate::ledger::Names, Revised),
        sequence: u64,
        tracing: Option<Tracing>,
        findings: &mut Findings,
    ) -> u32 {
        let ordinal = self.posts;
        self.posts += 1;
        let part = &mut self.stock.parts[part];
        let (draft, is_hidden) = (revised.draft, revised.is_hidden);
        let place = part.ledger.write_revision(revised, sequence);
        if !is_hidden || draft.place().is_none() {
            part.touch(place, ordinal, tracing);
        }
        let [sku, location, lot, owner] = names.map(|name| part.names.name(name));
        let optional = |name| Some(name).filter(|name: &&str| !name.is_empty());
        let at = Event { sku: Some(sku), lot: optional(lot), owner: optional(owner), ..Event::default() };
        tell_crossing(config, &draft, &at, location, findings);
        place
    }

    /// What taking out what an event posted means for its positions.
    fn take_out(&self, part: usize, posted: Posted, target: &Target, placed: &mut Vec<Placed>) {
        let ledger = &self.stock.parts[part].ledger;
        let names = |place: u32| ledger.position(place).names;
        let (near, far) = posted.places;
        let Some(legs) = posted.legs else {
            let revision = revision_of(placed, part, names(near));
            revision.uncounted = Some((target.source.as_str().into(), target.id.as_str().into(), posted.time_ns));
            return;
        };
        for (place, is_far) in std::iter::once((near, false)).chain(far.map(|far| (far, true))) {
            let revision = revision_of(placed, part, names(place));
            let here = legs.iter().filter(|leg| far.is_none() || leg.remote == is_far);
            let moved = add_legs(revision, here, -posted.quantity);
            revision.removed = Some(Movement { time_ns: posted.time_ns, quantity: -moved });
        }
    }

    /// What another event means for its positions.
    fn put_in(&mut self, config: &Config, new: &Substitute<'_, '_>, placed: &mut Vec<Placed>) -> Result<(), Outcome> {
        let Substitute { part, checked, .. } = new;
        let near = self.stock.parts[*part].names_of(checked)?;
        if checked.claim.rule.quantity == QuantityRule::Count {
            revision_of(placed, *part, near).counted = Some(count_of(checked));
            return Ok(());
        }
        let far = self.stock.parts[*part].far_names_of(checked, near)?;
        let legs = legs_of(config, checked);
        for (names, is_far) in std::iter::once((near, false)).chain(far.map(|far| (far, true))) {
            let revision = revision_of(placed, *part, names);
            let here = legs.as_slice().iter().filter(|leg| far.is_none() || leg.remote == is_far).copied();
            let quantity = add_legs(revision, here, checked.claim.quantity);
            revision.added = Some(Movement { time_ns: checked.time_ns, quantity });
        }
        Ok(())
    }

    /// Writes down what was posted in the target's place.
    fn keep_posted(
        &mut self,
        config: &Config,
        new: &Substitute<'_, '_>,
        places: &[(usize, crate::ledger::Names, u32)],
    ) {
        let Substitute { part, checked, .. } = new;
        let stock = &mut self.stock.parts[*part];
        let Ok(near) = stock.names_of(checked) else { return };
        let far = stock.far_names_of(checked, near).ok().flatten();
        let place = |names| places.iter().find(|(at, of, _)| (at, *of) == (part, names)).map(|(.., place)| *place);
        let is_count = checked.claim.rule.quantity == QuantityRule::Count;
        let legs = legs_of(config, checked);
        let is_beside = self.put_beside_lines(new, place(near).unwrap_or_default(), &legs);
        let stock = &mut self.stock.parts[*part];
        let posted = Posted {
            legs: (!is_count).then(|| PostedLegs::of(legs.as_slice(), is_beside)),
            quantity: checked.claim.quantity,
            time_ns: checked.time_ns,
            places: (place(near).unwrap_or_default(), far.and_then(place)),
            ordinal: checked.element,
        };
        stock.journal.push(checked.key, posted, config.corrections_max);
    }
}

impl Engine {
    /// Takes back what an event without a document picked, shipped or claimed beside lines.
    fn retract_beside_lines(&mut self, part: usize, posted: Posted, source: &str) {
        let Some(legs) = posted.legs.filter(|legs| legs.is_batch()) else { return };
        let part = &mut self.stock.parts[part];
        let place = posted.places.0;
        if let Some((side, amount)) = net_of_legs(&legs.iter(), posted.quantity) {
            part.move_net(place, side, -amount, &mut self.nets);
        } else {
            let on_picked = legs.iter().filter(|leg| leg.slot == PICKED && !leg.remote);
            let amount = |leg: Leg| if leg.gives { -posted.quantity } else { posted.quantity };
            let batch: i64 = on_picked.map(amount).sum();
            let change = |moves: &mut Moves| moves.batch = moves.batch.saturating_sub(batch);
            part.move_shelf(place, source, change, &mut self.turns);
        }
    }

    /// Notes what an event without a document, put in another's place, picked, shipped or claimed beside lines. Tells
    /// whether it did.
    fn put_beside_lines(&mut self, new: &Substitute<'_, '_>, place: u32, legs: &Legs) -> bool {
        let Substitute { part, checked, .. } = new;
        let (event, claim) = (checked.event, checked.claim);
        let part = &mut self.stock.parts[*part];
        if let Some((side, amount)) = net_of(event, claim.rule, legs.as_slice(), claim.quantity) {
            part.move_net(place, side, amount, &mut self.nets);
            return true;
        }
        let batch = batch_of(event, claim.rule, legs.as_slice(), claim.quantity);
        if batch != 0 {
            let change = |moves: &mut Moves| moves.batch = moves.batch.saturating_add(batch);
            part.move_shelf(place, event.source.unwrap_or_default(), change, &mut self.turns);
        }
        batch != 0
    }
}

fn legs_of(config: &Config, checked: &Checked<'_, '_>) -> Legs {
    let rule = checked.claim.rule;
    Legs::lay_out(rule, checked.claim.statuses, Terms::of(config, checked.event, rule))
}

/// An event as its line knows it.
fn noted(key: Fingerprint, part: usize, posted: &Posted) -> Noted {
    let part = u32::try_from(part).expect("there are few parts");
    let spot = Spot { part, place: posted.places.0 };
    Noted { key: key.0[1], time_ns: posted.time_ns, amount: posted.quantity, spot }
}

/// The revision of a position, new or begun.
fn revision_of(placed: &mut Vec<Placed>, part: usize, names: crate::ledger::Names) -> &mut Revision {
    let known = placed.iter().position(|(at, revision)| (*at, revision.names) == (part, names));
    let place = known.unwrap_or_else(|| {
        placed.push((part, Revision::of(names)));
        placed.len() - 1
    });
    &mut placed[place].1
}

/// Adds legs to a revision. Returns what they move of `on_hand`.
fn add_legs(revision: &mut Revision, legs: impl Iterator<Item = crate::legs::Leg>, quantity: i64) -> i64 {
    let mut moved = 0;
    for leg in legs {
        let amount = if leg.gives { -quantity } else { quantity };
        if leg.slot == ON_HAND {
            moved += amount;
        } else {
            revision.amounts[leg.slot] += amount;
        }
    }
    moved
}
