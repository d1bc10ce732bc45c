//! Approvals: variances that are too large wait for a decision, and so does a feed that changes too much of a location
//! (`docs/truth.md` §5). Until then what can be promised takes the cautious side.

mod image;

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::account::Account;
use tallystick_contract::config::{Approvals, Config, MassChange};
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::{PENDING_BYTES_MAX, PENDING_MAX};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity;
use tallystick_contract::rules::{End, QuantityRule, Rule};
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::intern::NameId;

use crate::core::Core;
use crate::core::context::Context;
use crate::diagnostics::{Diagnostics, Raised};
use crate::order::HeldEvent;
use crate::stock::PositionNames;
use crate::stock::post::Checked;
/// A source at a location.
pub(crate) type SourceSite = (Box<str>, Box<str>);

/// An event that waits for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) held: HeldEvent,
    pub(crate) position: PositionNames,
    /// In base units, in thousandths.
    pub(crate) quantity: i64,
    /// What decides between it and other counts.
    pub(crate) rank: [i64; 3],
    /// What a person should see if it is counted: codes and subjects.
    pub(crate) flags: Vec<(Box<str>, Option<Box<str>>)>,
    /// What it would take away, in thousandths.
    pub(crate) loss: i64,
    /// Where it is part of a mass change.
    pub(crate) site: Option<SourceSite>,
}

heap_size!(Pending { held, position, quantity, rank, flags, loss, site });

/// What a source changed of a location in a window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SiteChanges {
    /// The window's number.
    pub(crate) window: i64,
    pub(crate) changed: BTreeSet<PositionNames>,
    /// Whether what comes is held.
    pub(crate) is_guarded: bool,
    /// Whether the guard rests for this window.
    pub(crate) rests: bool,
}

heap_size!(SiteChanges { window, changed, is_guarded, rests });

/// All that waits for a decision.
#[derive(Debug, Default)]
pub(crate) struct Pendings {
    /// By the elements before each in the log.
    pub(crate) by_age: BTreeMap<u64, Pending>,
    pub(crate) by_key: BTreeMap<[u64; 2], u64>,
    pub(crate) sites: BTreeMap<SourceSite, SiteChanges>,
    bytes: usize,
    /// Keys that were decided, with the log's time of it.
    pub(crate) decided: BTreeMap<[u64; 2], i64>,
    /// Positions at each location, of so many positions of each part of the stock. Found out when it is asked for.
    located: Vec<(usize, BTreeMap<NameId, u64>)>,
}

heap_size!(Pendings { by_age, by_key, sites, bytes, decided, located });

impl Pendings {
    pub(crate) fn get(&self, key: Fingerprint) -> Option<&Pending> {
        self.by_age.get(self.by_key.get(&key.0)?)
    }

    fn add(&mut self, pending: Pending) {
        self.bytes += pending.held.bytes.len();
        self.by_key.insert(pending.held.key.0, pending.held.ordinal);
        self.by_age.insert(pending.held.ordinal, pending);
    }

    fn take(&mut self, key: Fingerprint) -> Option<Pending> {
        let pending = self.by_age.remove(&self.by_key.remove(&key.0)?)?;
        self.bytes -= pending.held.bytes.len();
        Some(pending)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.by_age.len() < PENDING_MAX && self.bytes + bytes <= PENDING_BYTES_MAX
    }

    /// What waits of a mass change, in the order of the log.
    pub(crate) fn of_site(&self, site: &SourceSite) -> impl Iterator<Item = &Pending> {
        self.by_age.values().filter(move |pending| pending.site.as_ref() == Some(site))
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = &HeldEvent> + '_ {
        self.by_age.values().map(|pending| &pending.held)
    }
}

impl Pendings {
    /// Whether an event may be posted at once: its variance is small enough, and its source does not change too much.
    pub(crate) fn gate(
        &mut self,
        core: &mut Core,
        config: &Config,
        context: &Context<'_, '_>,
        checked: &Checked<'_, '_>,
        flags: &[Raised],
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Outcome> {
        let Some(approvals) = &config.approvals else { return Ok(()) };
        let event = checked.event;
        let source = event.source;
        if !is_measured(checked.posting.rule) || approvals.except_sources.iter().any(|except| except == source) {
            return Ok(());
        }
        // A refusal, and a count that is absorbed, are told by posting.
        let part = core.stock.part_of(core.stock.hash(event.sku));
        let Ok((before, after)) = core.stock.parts[part].preview(config, checked) else { return Ok(()) };
        let variance = (i128::from(after) - i128::from(before)).abs();
        if variance == 0 || variance < i128::from(approvals.ignore_below) {
            return Ok(());
        }
        let position: PositionNames = [event.sku, event.location, event.lot, event.owner].map(Into::into);
        let site =
            approvals.mass_change.and_then(|mass| self.is_mass_change(core, mass, (source, &position), diagnostics));
        let cost = core.items.at(&position[0], context.time_ns).and_then(|item| item.unit_cost);
        let exceeded = exceeds(approvals, before, after, cost);
        if site.is_none() && exceeded.is_none() {
            if approvals.mass_change.is_some() {
                self.note_changed(source, &position);
            }
            return Ok(());
        }
        let held = context.to_held(core);
        if !self.has_room(held.bytes.len()) {
            diagnostics.why = Some("too many events wait for an approval; decide some of them".to_owned());
            diagnostics.raised.clear();
            return Err(Outcome::Overflow);
        }
        (diagnostics.is_grouped, diagnostics.why) = (site.is_some(), exceeded);
        diagnostics.stock = Some((before, after));
        let loss = before.saturating_sub(after).max(0);
        // Whether its names are known is asked when it is posted.
        let is_kept = |flag: &&Raised| !flag.code.starts_with("unknown_");
        let flags = flags.iter().filter(is_kept).map(|flag| (flag.code.clone(), flag.subject.clone())).collect();
        let (quantity, rank) = (checked.posting.quantity, checked.rank);
        let pending = Pending { held, position, quantity, rank, flags, loss, site };
        Self::touch_pending(core, &pending, context.sequence);
        core.losses.add(&pending.position, pending.loss);
        self.add(pending);
        Err(Outcome::PendingApproval)
    }

    /// The site of a change that is too much for its source, or comes while such a one is not decided.
    fn is_mass_change(
        &mut self,
        core: &mut Core,
        mass: MassChange,
        (source, position): (&str, &PositionNames),
        diagnostics: &mut Diagnostics,
    ) -> Option<SourceSite> {
        let site: SourceSite = (source.into(), position[1].clone());
        let window = core.now_ns().div_euclid(mass.window_ns);
        let positions = self.positions_at(core, &position[1]);
        let changes = self.sites.entry(site.clone()).or_default();
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
        diagnostics.raised.push(Raised {
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
    fn note_changed(&mut self, source: &str, position: &PositionNames) {
        if let Some(changes) = self.sites.get_mut(&(source.into(), position[1].clone())) {
            changes.changed.insert(position.clone());
        }
    }

    /// Positions at a location.
    fn positions_at(&mut self, core: &mut Core, location: &str) -> u64 {
        let located = &mut self.located;
        located.resize_with(core.stock.parts.len(), Default::default);
        let mut sum = 0;
        for (part, (through, counts)) in core.stock.parts.iter().zip(located) {
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
    pub(crate) fn touch_pending(core: &mut Core, pending: &Pending, sequence: u64) {
        let [sku, location, lot, owner] = &pending.position;
        if pending.loss > 0
            && let Some(spot) = core.stock.find([sku, location, lot, owner])
        {
            core.touch(spot, sequence);
        }
    }

    /// Drops what waits for an approval under a key, if anything does.
    pub(crate) fn drop_pending(&mut self, core: &mut Core, key: Fingerprint, sequence: u64) {
        if let Some(pending) = self.take_pending(core, key) {
            Self::touch_pending(core, &pending, sequence);
        }
    }

    pub(crate) fn take_pending(&mut self, core: &mut Core, key: Fingerprint) -> Option<Pending> {
        let pending = self.take(key)?;
        core.losses.take(&pending.position, pending.loss);
        self.decided.insert(key.0, core.now_ns());
        Some(pending)
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
    let words = |limit: String| {
        let [before, after] = [before, after].map(quantity::text);
        let change = quantity::text(i64::try_from(variance).unwrap_or(i64::MAX));
        let sign = if variance > 0 { "+" } else { "" };
        Some(format!("stock would go from {before} to {after} ({sign}{change}), which is {limit}"))
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
