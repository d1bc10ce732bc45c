//! Approvals: variances that are too large wait for a decision, and so does a feed that changes too much of a location
//! (`docs/truth.md` §5). Until then what can be promised takes the cautious side.

mod image;

use std::collections::{BTreeMap, BTreeSet};

use bumpalo::Bump;
use tallystick_contract::account::Account;
use tallystick_contract::config::{Approvals, Config, MassChange};
use tallystick_contract::limits::{PENDING_BYTES_MAX, PENDING_MAX};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::{End, QuantityRule, Rule};
use tallystick_tables::dedup::{Fingerprint, fingerprint};
use tallystick_tables::intern::NameId;

use crate::carry_out::raised_about;
use crate::directive::{Decided, Target};
use crate::engine::Engine;
use crate::event::Event;
use crate::explain::{Findings, Raised};
use crate::judge::{Case, Claim, Said};
use crate::post::Checked;
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
    /// In base units, in thousandths.
    pub(crate) quantity: i64,
    /// What decides between it and other counts.
    pub(crate) rank: [i64; 3],
    /// What a person should see if it is counted: codes and subjects.
    pub(crate) flags: Vec<(Box<str>, Option<Box<str>>)>,
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
    /// Keys that were decided, with the log's time of it.
    pub(crate) decided: BTreeMap<[u64; 2], i64>,
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

    /// Whether pending events would take anything away.
    pub(crate) fn has_losses(&self) -> bool {
        !self.losses.is_empty()
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
        let flag = |(code, subject): &(Box<str>, Option<Box<str>>)| {
            code.len() + tallystick_contract::heap_size::text(subject.as_deref())
        };
        let pending = |pending: &Pending| {
            place(&pending.position)
                + pending.site.as_ref().map_or(0, site)
                + tallystick_contract::heap_size::list(&pending.flags)
                + pending.flags.iter().map(flag).sum::<usize>()
        };
        let changes = |changes: &SiteChanges| {
            tallystick_contract::heap_size::tree::<Place, ()>(changes.changed.len())
                + changes.changed.iter().map(place).sum::<usize>()
        };
        tallystick_contract::heap_size::tree::<u64, Pending>(self.by_age.len())
            + self.by_age.values().map(pending).sum::<usize>()
            + tallystick_contract::heap_size::tree::<[u64; 2], u64>(self.by_key.len())
            + tallystick_contract::heap_size::tree::<Place, i64>(self.losses.len())
            + self.losses.keys().map(place).sum::<usize>()
            + tallystick_contract::heap_size::tree::<Site, SiteChanges>(self.sites.len())
            + self.sites.iter().map(|(key, value)| site(key) + changes(value)).sum::<usize>()
            + tallystick_contract::heap_size::list(&self.located)
            + self
                .located
                .iter()
                .map(|(_, map)| tallystick_contract::heap_size::tree::<NameId, u64>(map.len()))
                .sum::<usize>()
            + tallystick_contract::heap_size::tree::<[u64; 2], i64>(self.decided.len())
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
        flags: &[Raised],
        findings: &mut Findings,
    ) -> Result<(), Outcome> {
        let Some(approvals) = &config.approvals else { return Ok(()) };
        let event = checked.event;
        let source = event.source.unwrap_or_default();
        if !is_measured(checked.claim.rule) || approvals.except_sources.iter().any(|except| except == source) {
            return Ok(());
        }
        // A refusal, and a count that is absorbed, are told by posting.
        let Ok((before, after)) = self.stock.parts[part].preview(config, checked) else { return Ok(()) };
        let variance = (i128::from(after) - i128::from(before)).abs();
        if variance == 0 || variance < i128::from(approvals.ignore_below) {
            return Ok(());
        }
        let position: Place =
            [event.sku, event.location, event.lot, event.owner].map(|name| name.unwrap_or_default().into());
        let site = approvals.mass_change.and_then(|mass| self.is_mass_change(mass, (source, &position), findings));
        let cost = self.items.at(&position[0], case.time_ns).and_then(|item| item.unit_cost);
        let exceeded = exceeds(approvals, before, after, cost);
        if site.is_none() && exceeded.is_none() {
            if approvals.mass_change.is_some() {
                self.note_changed(source, &position);
            }
            return Ok(());
        }
        let held = case.to_held(self);
        if !self.pendings.has_room(held.bytes.len()) {
            findings.why = Some("too many events wait for an approval; decide some of them".to_owned());
            findings.raised.clear();
            return Err(Outcome::Overflow);
        }
        (findings.is_grouped, findings.why) = (site.is_some(), exceeded);
        let loss = before.saturating_sub(after).max(0);
        // Whether its names are known is asked when it is posted.
        let is_kept = |flag: &&Raised| !flag.code.starts_with("unknown_");
        let flags = flags.iter().filter(is_kept).map(|flag| (flag.code.clone(), flag.subject.clone())).collect();
        let (quantity, rank) = (checked.claim.quantity, checked.rank);
        let pending = Pending { held, position, quantity, rank, flags, loss, site };
        self.touch_pending(&pending, case.sequence);
        self.pendings.add(pending);
        Err(Outcome::PendingApproval)
    }

    /// The site of a change that is too much for its source, or comes while such a one is not decided.
    fn is_mass_change(
        &mut self,
        mass: MassChange,
        (source, position): (&str, &Place),
        findings: &mut Findings,
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
        let count = changes.changed.len() as u64 + u64::from(!changes.changed.contains(position));
        let is_too_much = count > mass.positions_min && count * 100 > positions * u64::from(mass.percent);
        if changes.rests || !is_too_much {
            return None;
        }
        changes.is_guarded = true;
        findings.raised.push(Raised {
            location: Some(site.1.clone()),
            subject: Some(format!("{}/{}", site.0, site.1).into()),
            cause: Some(format!(
                "{source:?} changes {count} of {positions} positions at {:?} within the window; this event and those behind it wait for one decision",
                site.1
            )),
            ..Raised::of("mass_change")
        });
        Some(site)
    }

    /// Notes that a source changed a position.
    fn note_changed(&mut self, source: &str, position: &Place) {
        if let Some(changes) = self.pendings.sites.get_mut(&(source.into(), position[1].clone())) {
            changes.changed.insert(position.clone());
        }
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

    /// Notes that what can be promised at a position is another, where something would be taken away.
    fn touch_pending(&mut self, pending: &Pending, sequence: u64) {
        let [sku, location, lot, owner] = &pending.position;
        if pending.loss > 0
            && let Some(spot) = self.stock.find([sku, location, lot, owner])
        {
            self.touch(spot, sequence);
        }
    }

    /// Drops what waits for an approval under a key, if anything does.
    pub(crate) fn drop_pending(&mut self, key: Fingerprint, sequence: u64) {
        if let Some(pending) = self.take_pending(key) {
            self.touch_pending(&pending, sequence);
        }
    }

    fn take_pending(&mut self, key: Fingerprint) -> Option<Pending> {
        let pending = self.pendings.take(key)?;
        self.pendings.decided.insert(key.0, self.log_time_ns.unwrap_or(0));
        Some(pending)
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
    ) -> Result<Outcome, &'d Target> {
        let target = match decided {
            Decided::Target(target) => target,
            Decided::Exception(number) => {
                let outcome = match self.waits_under(*number) {
                    Some(Ok(key)) => {
                        self.take_pending(key).map(|pending| self.settle(config, case, &pending, is_granted, findings))
                    }
                    Some(Err(site)) => Some(self.decide_site(config, case, &site, is_granted, findings)),
                    None => None,
                };
                return Ok(outcome.unwrap_or_else(|| {
                    findings.why = Some(format!("nothing waits for an approval under exception {number}"));
                    Outcome::UnknownReference
                }));
            }
        };
        let key = fingerprint(&self.secret, &target.source, &target.id);
        if let Some(pending) = self.take_pending(key) {
            return Ok(self.settle(config, case, &pending, is_granted, findings));
        }
        let known = self.keys.find(key, self.log_time_ns.unwrap_or(0)).filter(|known| !known.is_echoed());
        if known.is_none() || self.is_held(config, key) {
            return Err(target);
        }
        let is_posted = known.is_some_and(|known| !known.is_unposted() && !known.is_refusal());
        let is_decided = self.pendings.decided.contains_key(&key.0) || self.amended.0.contains_key(&key.0);
        let is_counted = is_decided || is_posted;
        if is_counted {
            return Ok(Outcome::Absorbed);
        }
        findings.why = Some("the event waits for no approval, and none was ever asked for".to_owned());
        Ok(Outcome::UnknownReference)
    }

    /// What waits under an exception: an event's key, or a site.
    fn waits_under(&self, number: u64) -> Option<Result<Fingerprint, Site>> {
        let item = self.work.get(number)?;
        match &*item.record.code {
            "pending_approval" => item.key.filter(|key| self.pendings.get(*key).is_some()).map(Ok),
            "mass_change" => {
                let record = &item.record;
                let site = (record.source.clone()?, record.location.clone()?);
                self.pendings.sites.get(&site).is_some_and(|changes| changes.is_guarded).then_some(Err(site))
            }
            _ => None,
        }
    }

    /// Posts an event that waited, or drops it. Returns what became of it.
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
        self.touch_pending(pending, case.sequence);
        if !is_granted {
            return Outcome::Applied;
        }
        let outcome = self.post_pending(config, pending, case.sequence, findings);
        self.keys.set_answer(key, outcome);
        if matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            let flags = pending.flags.iter();
            let flags: Vec<_> =
                flags.map(|(code, subject)| Raised { subject: subject.clone(), ..Raised::of(code) }).collect();
            let about = |flag: Raised| match flag.subject {
                Some(_) => flag,
                None => Raised { subject: Some(name_of(self, pending).into()), key: Some(key), ..flag },
            };
            let mut flags: Vec<_> = flags.into_iter().map(about).collect();
            let [sku, location, ..] = &pending.position;
            self.flag_names(config, sku, location, pending.held.time_ns, &mut flags);
            findings.raised.extend(self.untold(&flags));
        }
        outcome
    }

    /// Posts an event that waited, under the names and in the unit that it had when it came.
    fn post_pending(&mut self, config: &Config, pending: &Pending, sequence: u64, findings: &mut Findings) -> Outcome {
        let arena = Bump::new();
        let (element, seen) = self.see_held(&pending.held, &arena);
        let claim = match self.read(config, &element, &seen, findings) {
            Ok(Said::Stock(claim)) => Claim { quantity: pending.quantity, ..claim },
            Ok(Said::Directive(..)) => return Outcome::UnknownReference,
            Err(outcome) => return outcome,
        };
        if !self.stock.has_room(1) {
            return Outcome::Overflow;
        }
        let [sku, location, ..] = &pending.position;
        let event = Event { sku: Some(sku), location: Some(location), ..seen.event };
        let checked = Checked {
            event: &event,
            claim: &claim,
            key: pending.held.key,
            time_ns: pending.held.time_ns,
            rank: pending.rank,
            sequence,
            ordinal: self.posts,
            element: pending.held.ordinal,
            found: Found::default(),
            relief: 0,
        };
        self.posts += 1;
        let part = self.stock.part_of(self.stock.hash(sku));
        self.stock.parts[part].post(config, &checked, findings)
    }

    /// Decides a mass change: all that waits of it, in the order of the log.
    fn decide_site(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        site: &Site,
        is_granted: bool,
        findings: &mut Findings,
    ) -> Outcome {
        let of_site = self.pendings.by_age.values().filter(|pending| pending.site.as_ref() == Some(site));
        let keys: Vec<_> = of_site.map(|pending| pending.held.key).collect();
        for key in keys {
            let Some(pending) = self.take_pending(key) else { continue };
            let outcome = self.settle(config, case, &pending, is_granted, findings);
            if !matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
                let name = name_of(self, &pending);
                let words =
                    findings.why.take().unwrap_or_else(|| format!("{name} was granted, and refused by the state"));
                let raised = raised_about(outcome.name(), name, words);
                findings.raised.push(Raised { key: Some(key), ..raised });
            }
        }
        if let Some(changes) = self.pendings.sites.get_mut(site) {
            (changes.is_guarded, changes.rests) = (false, is_granted);
        }
        let why = if is_granted { "granted" } else { "denied" };
        let now = self.now((case.element.place.sequence, case.element.place.index));
        self.work.resolve("mass_change", &format!("{}/{}", site.0, site.1), why, now);
        Outcome::Applied
    }
}

/// Source and id of an event that waited, as a subject.
fn name_of(engine: &mut Engine, pending: &Pending) -> String {
    let arena = Bump::new();
    let (_, seen) = engine.see_held(&pending.held, &arena);
    format!("{}/{}", seen.event.source.unwrap_or_default(), seen.event.id.unwrap_or_default())
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
    let words = |limit: String| {
        let mut text = b"`on_hand` would change by ".to_vec();
        tallystick_contract::quantity::write(&mut text, i64::try_from(variance).unwrap_or(i64::MAX));
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
