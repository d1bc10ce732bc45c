//! The point of no return: an event that passed every check of its own is drafted against the ledger, refused by its
//! state, or written.

use tallystick_contract::account::Account;
use tallystick_contract::config::{Config, NegativeStock};
use tallystick_contract::limits::CHECKED;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::{Flow, QuantityRule, Rule};
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::intern::NONE;

use crate::diagnostics::turn::{NetTurn, ShelfTurn};
use crate::diagnostics::{Diagnostics, Raised, cause_below_zero, subject_of_position};
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::stock::Part;
use crate::stock::changes::Tracing;
use crate::stock::counts::Count;
use crate::stock::draft::Draft;
use crate::stock::journal::{Posted, PostedLegs};
use crate::stock::ledger::{Ledger, Names, Touch};
use crate::stock::legs::{Leg, Legs, Terms};
use crate::stock::lookup::Found;
use crate::stock::shelf::Moves;

const RESERVED: usize = Account::Reserved as usize;
const ALLOCATED: usize = Account::Allocated as usize;
const PICKED: usize = Account::Picked as usize;

/// An event that passed every check of its own, with its place in the log.
pub(crate) struct Checked<'a, 'e> {
    pub(crate) event: &'e Event<'a>,
    pub(crate) posting: &'e Posting<'e>,
    pub(crate) key: Fingerprint,
    /// Effective time, in nanoseconds since 1970.
    pub(crate) time_ns: i64,
    /// What decides between it and other counts, if it is one.
    pub(crate) rank: [i64; 3],
    pub(crate) sequence: u64,
    /// Events that were posted before it in this process, or could have been.
    pub(crate) ordinal: u64,
    /// Elements of the log before it.
    pub(crate) element: u64,
    pub(crate) found: Found,
    /// What comes back to `on_hand` because its line moved it twice, in thousandths.
    pub(crate) relief: i64,
}

impl Part {
    /// Posts an event: drafts what it would do, refuses, or writes it. A refusal changes nothing. Every answer is
    /// remembered.
    pub(crate) fn post(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let outcome = self.try_post(config, checked, diagnostics).unwrap_or_else(|refusal| refusal);
        assert!(outcome.is_remembered(), "a key was remembered before it was clear how its event ends");
        outcome
    }

    fn try_post(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        diagnostics: &mut Diagnostics,
    ) -> Result<Outcome, Outcome> {
        let Checked { event, posting, time_ns, .. } = *checked;
        let names = self.names_of(checked)?;
        if posting.rule.quantity == QuantityRule::Count {
            return self.post_count(config, checked, names, diagnostics);
        }
        let far_names = self.far_names_of(checked, names)?;
        let legs = Legs::lay_out(posting.rule, posting.statuses, Terms::of(config, event, posting.rule));
        let legs = legs.as_slice();
        let mut near = self.ledger.draft_at(names, checked.found.place);
        let mut far = far_names.map(|names| self.ledger.draft(names));
        let apart = far.is_some();
        let near_legs = legs.iter().filter(|leg| !apart || !leg.remote);
        let near_touch = self.ledger.draft_legs(&mut near, near_legs, posting.quantity, time_ns);
        let far_touch = far.as_mut().map_or(Touch::Nothing, |far| {
            self.ledger.draft_legs(far, legs.iter().filter(|leg| leg.remote), posting.quantity, time_ns)
        });
        Ledger::check_range(&near)?;
        far.as_ref().map_or(Ok(()), Ledger::check_range)?;
        if config.negative_stock == NegativeStock::Refuse {
            for draft in std::iter::once(&near.relieved(checked.relief)).chain(&far) {
                check_negative(config, draft).inspect_err(|_| tell_negative(draft, event.kind, diagnostics))?;
            }
        }

        // From here on nothing can refuse the event.
        if CHECKED {
            let far_change = far.as_ref().map_or(0, |far| self.ledger.physical_change(far));
            let change = self.ledger.physical_change(&near).wrapping_add(far_change);
            assert_eq!(change, 0, "what one account gives another one takes");
        }
        let place = self.write_movement(config, checked, (&near, event.location), diagnostics);
        let far_place = far.map(|far| self.write_movement(config, checked, (&far, event.to_location), diagnostics));
        let batch = batch_of(event, posting.rule, legs, posting.quantity);
        if batch != 0 {
            self.move_batch(place, event.source, batch, diagnostics);
        }
        let net = net_of(event, posting.rule, legs, posting.quantity);
        if let Some((side, amount)) = net {
            self.move_net(place, side, amount, &mut diagnostics.nets);
        }
        let posted = PostedLegs::of(legs, batch != 0 || net.is_some());
        self.remember(config, checked, Some(posted), (place, far_place));
        if let Some(code) = &posting.rule.exception {
            diagnostics.raised.push(Raised::of(code));
        }
        Ok(if is_absorbed(&[near_touch, far_touch]) { Outcome::Absorbed } else { Outcome::Applied })
    }

    /// Writes what a movement does to one position. Returns its place.
    #[inline]
    fn write_movement(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        (draft, location): (&Draft, &str),
        diagnostics: &mut Diagnostics,
    ) -> u32 {
        let place = self.ledger.write(draft, checked.time_ns, checked.sequence);
        self.touch(place, checked.ordinal, tracing(checked.event));
        tell_crossing(config, draft, checked.event, location, diagnostics);
        place
    }

    /// The names of an event's position.
    #[inline]
    pub(crate) fn names_of(&mut self, checked: &Checked<'_, '_>) -> Result<Names, Outcome> {
        match checked.found.names {
            Some(names) => Ok(names),
            None => self.intern_names(checked.event),
        }
    }

    /// The names of the position at `to_location`, if the type has one.
    pub(crate) fn far_names_of(&mut self, checked: &Checked<'_, '_>, near: Names) -> Result<Option<Names>, Outcome> {
        if !checked.posting.rule.needs_to_location {
            return Ok(None);
        }
        let location = self.names.intern(checked.event.to_location).ok_or(Outcome::Overflow)?;
        // A transfer to its own location changes one position, not two.
        Ok(Some([near[0], location, near[2], near[3]]).filter(|names| *names != near))
    }

    /// What an event would make of its own position's `on_hand`: before and after. Changes nothing.
    pub(crate) fn preview(&mut self, config: &Config, checked: &Checked<'_, '_>) -> Result<(i64, i64), Outcome> {
        let names = self.names_of(checked)?;
        let mut draft = self.ledger.draft_at(names, checked.found.place);
        if checked.posting.rule.quantity == QuantityRule::Count {
            self.ledger.draft_count(&mut draft, &mut count_of(checked))?;
        } else {
            let apart = self.far_names_of(checked, names)?.is_some();
            let terms = Terms::of(config, checked.event, checked.posting.rule);
            let legs = Legs::lay_out(checked.posting.rule, checked.posting.statuses, terms);
            let here = legs.as_slice().iter().filter(|leg| !apart || !leg.remote);
            self.ledger.draft_legs(&mut draft, here, checked.posting.quantity, checked.time_ns);
        }
        Ledger::check_range(&draft)?;
        check_negative(config, &draft)?;
        Ok(draft.on_hand())
    }

    fn intern_names(&mut self, event: &Event<'_>) -> Result<Names, Outcome> {
        let mut names = [NONE; 4];
        for (slot, name) in names.iter_mut().zip([event.sku, event.location, event.lot, event.owner]) {
            *slot = self.names.intern(name).ok_or(Outcome::Overflow)?;
        }
        Ok(names)
    }

    fn post_count(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        names: Names,
        diagnostics: &mut Diagnostics,
    ) -> Result<Outcome, Outcome> {
        let event = checked.event;
        let mut count = count_of(checked);
        let mut draft = self.ledger.draft_at(names, checked.found.place);
        if let Err(outcome) = self.ledger.draft_count(&mut draft, &mut count) {
            if let (Outcome::Absorbed, Some(place)) = (outcome, draft.place()) {
                self.ledger.keep_count(place, count);
                self.remember(config, checked, None, (place, None));
            }
            return Err(outcome);
        }
        Ledger::check_range(&draft)?;
        check_negative(config, &draft).inspect_err(|_| tell_negative(&draft, checked.event.kind, diagnostics))?;

        // From here on nothing can refuse the count.
        if CHECKED {
            assert_eq!(self.ledger.physical_change(&draft), 0, "a count's variance is an adjustment");
        }
        let place = self.ledger.write_count(&draft, count, checked.sequence);
        self.touch(place, checked.ordinal, tracing(event));
        self.remember(config, checked, None, (place, None));
        tell_crossing(config, &draft, event, event.location, diagnostics);
        if let Some(code) = &checked.posting.rule.exception {
            diagnostics.raised.push(Raised::of(code));
        }
        Ok(Outcome::Applied)
    }

    /// Notes what a source picked, or shipped with a sign, without a document.
    pub(crate) fn move_batch(&mut self, place: u32, source: &str, amount: i64, diagnostics: &mut Diagnostics) {
        let change = |moves: &mut Moves| moves.batch = moves.batch.saturating_add(amount);
        self.move_shelf(place, source, change, &mut diagnostics.turns);
    }

    /// Changes what a source moved at a place.
    pub(crate) fn move_shelf(
        &mut self,
        place: u32,
        source: &str,
        change: impl FnOnce(&mut Moves),
        turns: &mut Vec<ShelfTurn>,
    ) {
        let Some(name) = self.names.intern(source) else { return };
        let (before, now) = self.shelves.change(place, name, change);
        if before == 0 && now == 0 {
            return;
        }
        self.ledger.set_missing(place, self.shelves.missing(place) > 0);
        if (before > 0) != (now > 0) {
            let location = self.names.name(self.ledger.position(place).names[1]).into();
            turns.push(ShelfTurn { source: source.into(), location, is_missing: now > 0 });
        }
    }

    /// Notes what was claimed, or given back, without a document.
    pub(crate) fn move_net(&mut self, place: u32, side: usize, amount: i64, nets: &mut Vec<NetTurn>) {
        let (before, now) = self.nets.change(place, side, amount);
        if before != now {
            let names = self.ledger.position(place).names.map(|name| self.names.name(name));
            nets.push(NetTurn { subject: names.join("/").into(), is_below_zero: now });
        }
    }

    /// Writes down what an event posted, so that it can be corrected.
    fn remember(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        legs: Option<PostedLegs>,
        places: (u32, Option<u32>),
    ) {
        let Checked { posting, time_ns, element, .. } = *checked;
        let posted = Posted { legs, quantity: posting.quantity, time_ns, places, ordinal: element };
        self.journal.push(checked.key, posted, config.corrections_max);
    }
}

/// What a pick without a document adds to what its source has picked and not shipped, or a shipment takes from it, in
/// thousandths.
#[inline]
pub(crate) fn batch_of(event: &Event<'_>, rule: &Rule, legs: &[Leg], quantity: i64) -> i64 {
    let is_batch =
        event.document.is_none() && rule.step.is_some_and(|step| matches!(step.flow, Flow::Pick | Flow::Ship));
    if !is_batch {
        return 0;
    }
    let on_picked = legs.iter().filter(|leg| leg.slot == PICKED && !leg.remote);
    on_picked.map(|leg| if leg.gives { -quantity } else { quantity }).sum()
}

/// What an event without a document claims, or gives back, in thousandths: reserved as 0, allocated as 1.
#[inline]
pub(crate) fn net_of(event: &Event<'_>, rule: &Rule, legs: &[Leg], quantity: i64) -> Option<(usize, i64)> {
    let is_claim =
        event.document.is_none() && rule.step.is_some_and(|step| matches!(step.flow, Flow::Reserve | Flow::Allocate));
    if is_claim { net_of_legs(&legs.iter().copied(), quantity) } else { None }
}

/// What an event claims, or gives back, by its legs alone, where it is known to have no document.
pub(crate) fn net_of_legs(legs: &(impl Iterator<Item = Leg> + Clone), quantity: i64) -> Option<(usize, i64)> {
    let amount = |leg: Leg| if leg.gives { -quantity } else { quantity };
    if legs.clone().any(|leg| !matches!(leg.slot, RESERVED | ALLOCATED)) {
        return None;
    }
    // What is allocated out of what was reserved was not unreserved.
    let on = |slot: usize| legs.clone().find(|leg| leg.slot == slot).map(amount);
    on(ALLOCATED).map(|amount| (1, amount)).or_else(|| on(RESERVED).map(|amount| (0, amount)))
}

/// The count that an event is.
pub(crate) fn count_of(checked: &Checked<'_, '_>) -> Count {
    Count {
        time_ns: checked.time_ns,
        rank: checked.rank,
        quantity: checked.posting.quantity,
        source: checked.event.source.into(),
        id: checked.event.id.into(),
        after: 0,
    }
}

/// Whether a count has the last word on all that is said of `on_hand`.
pub(crate) fn is_absorbed(touches: &[Touch]) -> bool {
    touches.contains(&Touch::Absorbed) && !touches.contains(&Touch::Live)
}

/// The ids that an event carries through, if it has any.
pub(crate) fn tracing(event: &Event<'_>) -> Option<Tracing> {
    let is_traced = event.correlation_id.is_some() || event.causation_id.is_some();
    is_traced.then(|| Tracing {
        correlation: event.correlation_id.map(Into::into),
        causation: event.causation_id.map(Into::into),
    })
}

/// Refuses a draft that lowers `on_hand` below zero, where the configuration asks for it.
pub(crate) fn check_negative(config: &Config, draft: &Draft) -> Result<(), Outcome> {
    if config.negative_stock == NegativeStock::Refuse && draft.lowers_below_zero() {
        Err(Outcome::NegativeStock)
    } else {
        Ok(())
    }
}

/// Why a draft is refused that takes `on_hand` below zero.
pub(crate) fn tell_negative(draft: &Draft, kind: &str, diagnostics: &mut Diagnostics) {
    let cause = cause_below_zero("would fall", kind, draft.on_hand());
    diagnostics.why = Some(format!("{cause}, and negative_stock is \"refuse\""));
    diagnostics.stock = Some(draft.on_hand());
}

/// Tells when `on_hand` crosses zero, either way.
pub(crate) fn tell_crossing(
    config: &Config,
    draft: &Draft,
    event: &Event<'_>,
    location: &str,
    diagnostics: &mut Diagnostics,
) {
    if config.negative_stock != NegativeStock::Flag || !(draft.crosses_below_zero() || draft.recovers()) {
        return;
    }
    let subject = subject_of_position(event, location);
    if draft.recovers() {
        diagnostics.settled.push(("negative_stock", subject));
    } else {
        diagnostics.raised.push(Raised {
            location: Some(location.into()),
            subject: Some(subject.into()),
            cause: Some(cause_below_zero("fell", event.kind, draft.on_hand())),
            stock: Some(draft.on_hand()),
            ..Raised::of("negative_stock")
        });
    }
}
