//! Corrections: an event is taken back, or put right, as if it had been sent so in the first place (`docs/truth.md`
//! §3). Their order does not matter: one that comes before its target waits for it.

use std::collections::BTreeMap;

use tallystick_contract::account::Account;
use tallystick_contract::config::Config;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::QuantityRule;
use tallystick_tables::dedup::Fingerprint;

use crate::core::Core;
use crate::diagnostics::Raised;
use crate::read::directive::Target;
use crate::stock::history::Movement;
use crate::stock::journal::{Posted, PostedLegs};
use crate::stock::legs::{Leg, Legs, Terms};
use crate::stock::post::{Checked, batch_of, count_of, net_of, net_of_legs};
use crate::stock::revision::Revision;
use crate::stock::shelf::Moves;
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

heap_size!(Amendment { is_voided, rank, time_ns, at_ns });

tallystick_tables::image::image!(Amendment { is_voided, rank, time_ns, at_ns });

/// All of them, by the key of the target.
#[derive(Debug, Default)]
pub(crate) struct Amended(pub(crate) BTreeMap<[u64; 2], Amendment>);

heap_size!(Amended(amended));

/// A revision in its part of the stock.
pub(crate) type Placed = (usize, Revision);

/// An event that takes the place of another.
pub(crate) struct Substitute<'a, 'e> {
    pub(crate) part: usize,
    pub(crate) checked: Checked<'a, 'e>,
    pub(crate) flags: &'e [Raised],
}

/// What an event posted, and where.
pub(crate) fn posted(core: &mut Core, config: &Config, key: Fingerprint) -> Option<(usize, Posted)> {
    let parts = &mut core.stock.parts;
    let all = (0..parts.len()).filter_map(|part| parts[part].journal.find(key).map(|posted| (part, posted)));
    // An id that was used again may have posted to another item the first time.
    let (part, posted) = all.max_by_key(|(_, posted)| posted.ordinal)?;
    let is_near = core.elements.saturating_sub(posted.ordinal) <= config.corrections_max;
    is_near.then_some((part, posted))
}

/// What taking out what an event posted means for its positions.
pub(crate) fn take_out(core: &Core, part: usize, posted: Posted, target: &Target, placed: &mut Vec<Placed>) {
    let ledger = &core.stock.parts[part].ledger;
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
pub(crate) fn put_in(
    core: &mut Core,
    config: &Config,
    new: &Substitute<'_, '_>,
    placed: &mut Vec<Placed>,
) -> Result<(), Outcome> {
    let Substitute { part, checked, .. } = new;
    let near = core.stock.parts[*part].names_of(checked)?;
    if checked.posting.rule.quantity == QuantityRule::Count {
        revision_of(placed, *part, near).counted = Some(count_of(checked));
        return Ok(());
    }
    let far = core.stock.parts[*part].far_names_of(checked, near)?;
    let legs = legs_of(config, checked);
    for (names, is_far) in std::iter::once((near, false)).chain(far.map(|far| (far, true))) {
        let revision = revision_of(placed, *part, names);
        let here = legs.as_slice().iter().filter(|leg| far.is_none() || leg.remote == is_far).copied();
        let quantity = add_legs(revision, here, checked.posting.quantity);
        revision.added = Some(Movement { time_ns: checked.time_ns, quantity });
    }
    Ok(())
}

/// Writes down what was posted in the target's place.
pub(crate) fn keep_posted(
    core: &mut Core,
    config: &Config,
    new: &Substitute<'_, '_>,
    places: &[(usize, crate::stock::ledger::Names, u32)],
) {
    let Substitute { part, checked, .. } = new;
    let stock = &mut core.stock.parts[*part];
    let Ok(near) = stock.names_of(checked) else { return };
    let far = stock.far_names_of(checked, near).ok().flatten();
    let place = |names| places.iter().find(|(at, of, _)| (at, *of) == (part, names)).map(|(.., place)| *place);
    let is_count = checked.posting.rule.quantity == QuantityRule::Count;
    let legs = legs_of(config, checked);
    let is_beside = put_beside_lines(core, new, place(near).unwrap_or_default(), &legs);
    let stock = &mut core.stock.parts[*part];
    let posted = Posted {
        legs: (!is_count).then(|| PostedLegs::of(legs.as_slice(), is_beside)),
        quantity: checked.posting.quantity,
        time_ns: checked.time_ns,
        places: (place(near).unwrap_or_default(), far.and_then(place)),
        ordinal: checked.element,
    };
    stock.journal.push(checked.key, posted, config.corrections_max);
}

/// Takes back what an event without a document picked, shipped or claimed beside lines.
pub(crate) fn retract_beside_lines(core: &mut Core, part: usize, posted: Posted, source: &str) {
    let Some(legs) = posted.legs.filter(|legs| legs.is_batch()) else { return };
    let part = &mut core.stock.parts[part];
    let place = posted.places.0;
    if let Some((side, amount)) = net_of_legs(&legs.iter(), posted.quantity) {
        part.move_net(place, side, -amount, &mut core.nets);
    } else {
        let on_picked = legs.iter().filter(|leg| leg.slot == PICKED && !leg.remote);
        let amount = |leg: Leg| if leg.gives { -posted.quantity } else { posted.quantity };
        let batch: i64 = on_picked.map(amount).sum();
        let change = |moves: &mut Moves| moves.batch = moves.batch.saturating_sub(batch);
        part.move_shelf(place, source, change, &mut core.turns);
    }
}

/// Notes what an event without a document, put in another's place, picked, shipped or claimed beside lines. Tells
/// whether it did.
pub(crate) fn put_beside_lines(core: &mut Core, new: &Substitute<'_, '_>, place: u32, legs: &Legs) -> bool {
    let Substitute { part, checked, .. } = new;
    let (event, posting) = (checked.event, checked.posting);
    let part = &mut core.stock.parts[*part];
    if let Some((side, amount)) = net_of(event, posting.rule, legs.as_slice(), posting.quantity) {
        part.move_net(place, side, amount, &mut core.nets);
        return true;
    }
    let batch = batch_of(event, posting.rule, legs.as_slice(), posting.quantity);
    if batch != 0 {
        let change = |moves: &mut Moves| moves.batch = moves.batch.saturating_add(batch);
        part.move_shelf(place, event.source, change, &mut core.turns);
    }
    batch != 0
}

fn legs_of(config: &Config, checked: &Checked<'_, '_>) -> Legs {
    let rule = checked.posting.rule;
    Legs::lay_out(rule, checked.posting.statuses, Terms::of(config, checked.event, rule))
}

/// The revision of a position, new or begun.
fn revision_of(placed: &mut Vec<Placed>, part: usize, names: crate::stock::ledger::Names) -> &mut Revision {
    let known = placed.iter().position(|(at, revision)| (*at, revision.names) == (part, names));
    let place = known.unwrap_or_else(|| {
        placed.push((part, Revision::of(names)));
        placed.len() - 1
    });
    &mut placed[place].1
}

/// Adds legs to a revision. Returns what they move of `on_hand`.
fn add_legs(revision: &mut Revision, legs: impl Iterator<Item = crate::stock::legs::Leg>, quantity: i64) -> i64 {
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

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Amendment>());
    }
}
