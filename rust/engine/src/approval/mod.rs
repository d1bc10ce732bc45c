//! Approvals: variances that are too large wait for a decision, and so does a feed that changes too much of a location (`docs/truth.md` §5). Until then
//! what can be promised takes the cautious side.

mod image;

use std::collections::{BTreeMap, BTreeSet};

use bumpalo::Bump;

use crate::account::Account;
use crate::batch::Batch;
use crate::config::{Approvals, Config, MassChange};
use crate::dedup::{Fingerprint, fingerprint};
use crate::directive::{Decided, Target};
use crate::engine::Engine;
use crate::explain::{Findings, Raised};
use crate::intern::NameId;
use crate::judge::{Case, Claim, Said};
use crate::limits::{PENDING_BYTES_MAX, PENDING_MAX};
use crate::outcome::Outcome;
use crate::post::Checked;
use crate::rules::{End, QuantityRule, Rule};
use crate::tracks::Held;
use crate::wave::Found;

/// A position by its names: SKU, location, lot, owner.
pub(crate) type Place = [Box<str>; 4];
/// A source at a location.
pub(crate) type Site = (Box<str>, Box<str>);

/// An event that waits for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) held: Held,
    pub(crate) position: Place,
    /// What it would take away, in thousandths.
    pub(crate) loss: i64,
    /// Where it is part of a mass change.
    pub(crate) site: Option<Site>,
}

/// What a source changed of a location in a window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SiteChanges {
    /// The window's number.
    window: i64,
    changed: BTreeSet<Place>,
    /// Whether what comes is held.
    is_guarded: bool,
    /// Whether the guard rests for this window.
    rests: bool,
}

/// All that waits for a decision.
#[derive(Debug, Default)]
pub(crate) struct Pendings {
    /// By the elements before each in the log.
    by_age: BTreeMap<u64, Pending>,
    by_key: BTreeMap<[u64; 2], u64>,
    losses: BTreeMap<Place, i64>,
    sites: BTreeMap<Site, SiteChanges>,
    bytes: usize,
    /// Positions at each location, of so many positions of each part of the stock. Found out when it is asked for.
    located: Vec<(usize, BTreeMap<NameId, u64>)>,
}

impl Pendings {
    pub(crate) fn get(&self, key: Fingerprint) -> Option<&Pending> {
        self.by_age.get(self.by_key.get(&key.0)?)
    }

    fn add(&mut self, pending: Pending) {
        self.bytes += pending.held.bytes.len();
        if pending.loss > 0 {
            *self.losses.entry(pending.position.clone()).or_default() += pending.loss;
        }
        self.by_key.insert(pending.held.key.0, pending.held.ordinal);
        self.by_age.insert(pending.held.ordinal, pending);
    }

    fn take(&mut self, key: Fingerprint) -> Option<Pending> {
        let pending = self.by_age.remove(&self.by_key.remove(&key.0)?)?;
        self.bytes -= pending.held.bytes.len();
        if pending.loss > 0
            && let Some(loss) = self.losses.get_mut(&pending.position)
        {
            *loss -= pending.loss;
            if *loss == 0 {
                self.losses.remove(&pending.position);
            }
        }
        Some(pending)
    }

    /// What pending events would take away at a position, in thousandths.
    #[inline]
    pub(crate) fn loss(&self, names: [&str; 4]) -> i64 {
        if self.losses.is_empty() {
            return 0;
        }
        self.losses.get(&names.map(Into::into)).copied().unwrap_or(0)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.by_age.len() < PENDING_MAX && self.bytes + bytes <= PENDING_BYTES_MAX
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = &Held> + '_ {
        self.by_age.values().map(|pending| &pending.held)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let place = |place: &Place| place.iter().map(|name| name.len()).sum::<usize>();
        let site = |(source, location): &Site| source.len() + location.len();
        let pending = |pending: &Pending| place(&pending.position) + pending.site.as_ref().map_or(0, site);
        let changes = |changes: &SiteChanges| {
            crate::held::tree::<Place, ()>(changes.changed.len()) + changes.changed.iter().map(place).sum::<usize>()
        };
        crate::held::tree::<u64, Pending>(self.by_age.len())
            + self.by_age.values().map(pending).sum::<usize>()
            + crate::held::tree::<[u64; 2], u64>(self.by_key.len())
            + crate::held::tree::<Place, i64>(self.losses.len())
            + self.losses.keys().map(place).sum::<usize>()
            + crate::held::tree::<Site, SiteChanges>(self.sites.len())
            + self.sites.iter().map(|(key, value)| site(key) + changes(value)).sum::<usize>()
            + crate::held::list(&self.located)
            + self.located.iter().map(|(_, map)| crate::held::tree::<NameId, u64>(map.len())).sum::<usize>()
            + self.bytes
    }
}

impl Engine {
    /// Whether an event may be posted at once: its variance is small enough, and its source does not change too much.
    pub(crate) fn gate(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        part: usize,
        checked: &Checked<'_, '_>,
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Result<(), Outcome> {
        let Some(approvals) = &config.approvals else { return Ok(()) };
        let event = checked.event;
        let source = event.source.unwrap_or_default();
        if !is_measured(checked.claim.rule) || approvals.except_sources.iter().any(|except| except == source) {
            return Ok(());
        }
        // A refusal, and a count that is absorbed, are told by posting.
        let Ok((before, after)) = self.stock.parts[part].preview(config, checked) else { return Ok(()) };
        if before == after {
            return Ok(());
        }
        let position: Place =
            [event.sku, event.location, event.lot, event.owner].map(|name| name.unwrap_or_default().into());
        let site = approvals
            .mass_change
            .and_then(|mass| self.is_mass_change(config, mass, (source, &position), case, findings, batch));
        let cost = self.items.at(&position[0], case.time_ns).and_then(|item| item.unit_cost);
        let exceeded = exceeds(approvals, before, after, cost);
        if site.is_none() && exceeded.is_none() {
            return Ok(());
        }
        findings.is_grouped = site.is_some();
        findings.why = exceeded;
        let bytes = case.element.whole();
        if !self.pendings.has_room(bytes.len()) {
            findings.why = Some("too many events wait for an approval; decide some of them".to_owned());
            findings.is_grouped = false;
            return Err(Outcome::Overflow);
        }
        let place = case.element.place;
        let held = Held {
            sequence: place.sequence,
            index: place.index,
            ordinal: self.elements,
            came_ns: self.log_time_ns.unwrap_or(0),
            time_ns: case.time_ns,
            key: case.seen.key,
            bytes: bytes.into(),
        };
        let loss = before.saturating_sub(after).max(0);
        self.touch_position(&position, case.sequence);
        self.pendings.add(Pending { held, position, loss, site });
        Err(Outcome::PendingApproval)
    }

    /// The site of a change that is too much for its source, or comes while such a one is not decided.
    fn is_mass_change(
        &mut self,
        _config: &Config,
        mass: MassChange,
        (source, position): (&str, &Place),
        case: &Case<'_, '_>,
        findings: &mut Findings,
        _batch: &mut Batch,
    ) -> Option<Site> {
        let site: Site = (source.into(), position[1].clone());
        let window = self.log_time_ns.unwrap_or(0).div_euclid(mass.window_ns);
        let positions = self.positions_at(&position[1]);
        let changes = self.pendings.sites.entry(site.clone()).or_default();
        if changes.window != window {
            *changes = SiteChanges { window, is_guarded: changes.is_guarded, ..SiteChanges::default() };
        }
        if changes.is_guarded {
            return Some(site);
        }
        let changed = changes.changed.len() as u64 + u64::from(!changes.changed.contains(position));
        let is_too_much = changed > mass.positions_min && changed * 100 > positions * u64::from(mass.percent);
        if changes.rests || !is_too_much {
            changes.changed.insert(position.clone());
            return None;
        }
        changes.is_guarded = true;
        let _ = case;
        findings.raised.push(Raised {
            subject: Some(format!("{}/{}", site.0, site.1).into()),
            cause: Some(format!(
                "{source:?} changes {changed} of {positions} positions at {:?} within the window; this event and those behind it wait for one decision",
                site.1
            )),
            ..Raised::of("mass_change")
        });
        Some(site)
    }

    /// Positions at a location.
    fn positions_at(&mut self, location: &str) -> u64 {
        let located = &mut self.pendings.located;
        located.resize_with(self.stock.parts.len(), Default::default);
        let mut sum = 0;
        for (part, (through, counts)) in self.stock.parts.iter().zip(located) {
            for place in *through..part.ledger.len() {
                let place = u32::try_from(place).expect("places have 32 bits");
                *counts.entry(part.ledger.position(place).names[1]).or_default() += 1;
            }
            *through = part.ledger.len();
            sum += part.names.find(location).and_then(|name| counts.get(&name)).copied().unwrap_or(0);
        }
        sum
    }

    /// Notes that what can be promised at a position is another, if there is one.
    fn touch_position(&mut self, position: &Place, sequence: u64) {
        let [sku, location, lot, owner] = position;
        if let Some(spot) = self.stock.find([sku, location, lot, owner]) {
            self.touch(spot, sequence);
        }
    }

    /// Drops what waits for an approval under a key, if anything does.
    pub(crate) fn drop_pending(&mut self, key: Fingerprint, sequence: u64) {
        if let Some(pending) = self.pendings.take(key) {
            self.touch_position(&pending.position, sequence);
        }
    }

    /// Decides what waits for an approval.
    ///
    /// # Errors
    /// The event that it is about, where that is not known yet.
    pub(crate) fn decide<'d>(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        decided: &'d Decided,
        is_granted: bool,
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Result<Outcome, &'d Target> {
        let key = match decided {
            Decided::Target(target) => fingerprint(&self.secret, &target.source, &target.id),
            Decided::Exception(number) => match self.waits_under(*number) {
                Some(Ok(key)) => key,
                Some(Err(site)) => return Ok(self.decide_site(config, case, &site, is_granted, batch)),
                None => {
                    findings.why = Some(format!("nothing waits for an approval under exception {number}"));
                    return Ok(Outcome::UnknownReference);
                }
            },
        };
        if let Some(pending) = self.pendings.take(key) {
            let outcome = self.settle(config, case, &pending, is_granted, findings);
            return Ok(outcome);
        }
        let is_known = self.keys.find(key, self.log_time_ns.unwrap_or(0)).is_some();
        match decided {
            Decided::Target(target) if !is_known || self.tracks.held().any(|held| held.key == key) => Err(target),
            _ => Ok(Outcome::Absorbed),
        }
    }

    /// What waits under an exception: an event's key, or a site.
    fn waits_under(&self, number: u64) -> Option<Result<Fingerprint, Site>> {
        let item = self.work.get(number).filter(|item| !item.is_done())?;
        match &*item.record.code {
            "pending_approval" => item.key.filter(|key| self.pendings.get(*key).is_some()).map(Ok),
            "mass_change" => {
                let record = &item.record;
                Some(Err((record.source.clone()?, record.location.clone()?)))
            }
            _ => None,
        }
    }

    /// Posts an event that waited, or drops it. Gives what became of it.
    fn settle(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        pending: &Pending,
        is_granted: bool,
        findings: &mut Findings,
    ) -> Outcome {
        let key = pending.held.key;
        let now = self.now((case.element.place.sequence, case.element.place.index));
        let why = if is_granted { "granted" } else { "denied" };
        self.work.resolve_of(key, why, now, |code| code == "pending_approval");
        self.touch_position(&pending.position, case.sequence);
        if !is_granted {
            return Outcome::Applied;
        }
        let arena = Bump::new();
        let (element, seen) = self.see_held(&pending.held, &arena);
        let said = match self.read(config, &element, &seen, findings) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        let Said::Stock(claim) = &said else { return Outcome::UnknownReference };
        let (time_ns, found) = (pending.held.time_ns, Found::default());
        let waited = Case { seen: &seen, element: &element, said: &said, time_ns, sequence: case.sequence, found };
        let admitted = match self.admit(config, &waited) {
            Ok(admitted) => admitted,
            Err((outcome, why)) => {
                findings.why = why;
                return outcome;
            }
        };
        let event = admitted.event(&seen.event);
        let claim = Claim { quantity: admitted.quantity.unwrap_or(claim.quantity), ..claim.clone() };
        let (part, checked) = self.check(config, &waited, (&event, &claim), found, &admitted);
        let checked = Checked { element: pending.held.ordinal, ..checked };
        if !self.stock.has_room(1) {
            return Outcome::Overflow;
        }
        self.posts += 1;
        self.stock.parts[part].post(config, &checked, findings)
    }

    /// Decides a mass change: all that waits of it, in the order of the log.
    fn decide_site(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        site: &Site,
        is_granted: bool,
        batch: &mut Batch,
    ) -> Outcome {
        let of_site = self.pendings.by_age.values().filter(|pending| pending.site.as_ref() == Some(site));
        let keys: Vec<_> = of_site.map(|pending| pending.held.key).collect();
        let place = (case.element.place.sequence, case.element.place.index);
        let log_time_ns = self.log_time_ns.unwrap_or(0);
        for key in keys {
            let Some(pending) = self.pendings.take(key) else { continue };
            let mut findings = Findings::default();
            let outcome = self.settle(config, case, &pending, is_granted, &mut findings);
            let arena = Bump::new();
            let (element, seen) = self.see_held(&pending.held, &arena);
            // What is raised is about the event that waited; that it was taken is known.
            let told = if outcome.is_accepted() { Outcome::Applied } else { outcome };
            self.raise(config, &element, (told, &seen, findings), log_time_ns, batch);
        }
        if let Some(changes) = self.pendings.sites.get_mut(site) {
            (changes.is_guarded, changes.rests) = (false, is_granted);
        }
        let why = if is_granted { "granted" } else { "denied" };
        let now = self.now(place);
        self.work.resolve("mass_change", &format!("{}/{}", site.0, site.1), why, now);
        Outcome::Applied
    }
}

/// Whether a type's variance is measured: it counts, or adjusts `on_hand`.
fn is_measured(rule: &Rule) -> bool {
    let joins =
        |ends: [End; 2]| ends.contains(&End::Fixed(Account::Adjustment)) && ends.contains(&End::Fixed(Account::OnHand));
    rule.quantity == QuantityRule::Count || rule.postings.iter().any(|posting| joins([posting.from, posting.to]))
}

/// Which limit a variance exceeds, in words.
fn exceeds(approvals: &Approvals, before: i64, after: i64, unit_cost: Option<i64>) -> Option<String> {
    let variance = i128::from(after) - i128::from(before);
    let size = variance.abs();
    if size < i128::from(approvals.ignore_below) {
        return None;
    }
    let words = |limit: String| {
        let mut text = b"`on_hand` would change by ".to_vec();
        crate::quantity::write(&mut text, i64::try_from(variance).unwrap_or(i64::MAX));
        Some(format!("{}, which is {limit}", String::from_utf8_lossy(&text)))
    };
    if approvals.absolute.is_some_and(|most| size > i128::from(most)) {
        return words("more than approvals.absolute".to_owned());
    }
    if let Some(percent) = approvals.percent
        && size * 100 > i128::from(before).abs() * i128::from(percent)
    {
        return words(format!("more than {percent} percent of what was on hand"));
    }
    let value = unit_cost.map(|cost| size * i128::from(cost));
    // Thousandths of units times thousandths of money.
    let is_dear = value.zip(approvals.value).is_some_and(|(value, most)| value > i128::from(most) * 1_000);
    is_dear.then(|| words("worth more than approvals.value".to_owned())).flatten()
}
