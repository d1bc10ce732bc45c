//! Revisions: what a correction does to one position. Movements and counts are taken out as if they had never come,
//! others come in, and the accounts follow from the definitions. Drafted first, like every change.

use tallystick_contract::account::{Account, STORED};
use tallystick_contract::outcome::Outcome;

use crate::stock::counts::{Count, Counts};
use crate::stock::draft::Draft;
use crate::stock::history::Movement;
use crate::stock::ledger::{Ledger, Names, Position, Touch};
const ON_HAND: usize = Account::OnHand as usize;
const ADJUSTMENT: usize = Account::Adjustment as usize;

/// What a correction asks of one position.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    pub(crate) names: Names,
    /// Legs on accounts other than `on_hand`, summed.
    pub(crate) amounts: [i64; STORED],
    /// A movement of `on_hand` that never was.
    pub(crate) removed: Option<Movement>,
    /// One that was instead.
    pub(crate) added: Option<Movement>,
    /// A count that never was: source, id and effective time.
    pub(crate) uncounted: Option<(Box<str>, Box<str>, i64)>,
    /// One that was instead. What is effective after it is found out here.
    pub(crate) counted: Option<Count>,
}

/// A revision that can be written.
#[derive(Debug, Clone)]
pub(crate) struct Revised {
    /// The accounts, as of any change.
    pub(crate) draft: Draft,
    removed: Option<Movement>,
    added: Option<Movement>,
    counts: Option<Counts>,
    /// What the parts taken out, and the parts put in, mean for `on_hand`.
    pub(crate) touched: [Touch; 2],
    /// Whether it concerns only counts that are not the latest, of which nobody sees anything.
    pub(crate) is_hidden: bool,
}

impl Revision {
    pub(crate) const fn of(names: Names) -> Self {
        Self { names, amounts: [0; STORED], removed: None, added: None, uncounted: None, counted: None }
    }
}

impl Ledger {
    /// Drafts a revision.
    ///
    /// # Errors
    /// `overflow`, and `count_beyond_history` where what would be the barrier is not known.
    pub(crate) fn draft_revision(&self, revision: &Revision) -> Result<Revised, Outcome> {
        let revised = self.draft_unbounded(revision)?;
        Self::check_range(&revised.draft)?;
        Ok(revised)
    }

    /// Drafts a revision that may leave the range of an account.
    ///
    /// # Errors
    /// As [`Self::draft_revision`], where a number has no room for the account.
    pub(crate) fn draft_unbounded(&self, revision: &Revision) -> Result<Revised, Outcome> {
        let mut draft = self.draft(revision.names);
        let position = draft.place().map(|place| self.position(place));
        let before = draft.account(ON_HAND);
        for (slot, amount) in revision.amounts.iter().enumerate() {
            draft.add(slot, *amount);
        }
        let mut counts = position.and_then(|position| self.counts(position)).cloned();
        let mut touched = [Touch::Nothing; 2];
        let mut moved = 0;
        for (movement, sign, touch) in [(revision.removed, -1, 0), (revision.added, 1, 1)] {
            let Some(Movement { time_ns, quantity }) = movement.filter(|movement| movement.quantity != 0) else {
                continue;
            };
            moved += sign * quantity;
            if let Some(counts) = &mut counts {
                counts.move_on_hand(time_ns, sign * quantity);
            }
            touched[touch] = touch_of(counts.as_ref(), time_ns);
        }
        let mut gone = None;
        if let (Some((source, id, time_ns)), Some(counts)) = (&revision.uncounted, &mut counts) {
            let latest = counts.latest().map(|latest| (latest.rank, latest.source.clone(), latest.id.clone()));
            gone = counts.remove(source, id, *time_ns);
            let was_latest = gone
                .as_ref()
                .is_some_and(|gone| latest.as_ref() == Some(&(gone.rank, gone.source.clone(), gone.id.clone())));
            touched[0] = if was_latest { Touch::Live } else { Touch::Absorbed };
            if gone.is_some() && !counts.is_known() {
                return Err(Outcome::CountBeyondHistory);
            }
        }
        if let Some(count) = &revision.counted {
            let counts = counts.get_or_insert_with(|| Counts {
                uncounted: i128::from(before) + i128::from(moved),
                ..Counts::default()
            });
            touched[1] = self.recount(position, counts, (count, gone.as_ref()), revision)?;
        }
        if let Some(movement) = revision.added.filter(|movement| movement.quantity != 0) {
            touched[1] = touch_of(counts.as_ref(), movement.time_ns);
        }
        let on_hand = counts.as_ref().map_or(i128::from(before) + i128::from(moved), Counts::on_hand);
        let on_hand = i64::try_from(on_hand).map_err(|_| Outcome::Overflow)?;
        draft.set_on_hand(on_hand);
        draft.add(ADJUSTMENT, moved.saturating_sub(on_hand.saturating_sub(before)));
        let is_hidden = revision.removed.is_none()
            && revision.added.is_none()
            && touched.iter().all(|touch| *touch != Touch::Live)
            && revision.amounts == [0; STORED];
        Ok(Revised { draft, removed: revision.removed, added: revision.added, counts, touched, is_hidden })
    }

    /// Adds a count to those of a position under revision.
    fn recount(
        &self,
        position: Option<&Position>,
        counts: &mut Counts,
        (count, gone): (&Count, Option<&Count>),
        revision: &Revision,
    ) -> Result<Touch, Outcome> {
        let mut count = count.clone();
        let is_latest = counts.latest().is_none_or(|latest| latest.compare(&count).is_lt());
        // What a count at the same time knew holds, even if it never was.
        let by_count = gone.filter(|gone| gone.time_ns == count.time_ns).map(|gone| gone.after);
        let known = counts.after(count.time_ns).or(by_count).or_else(|| {
            let sum = position.map_or(Some(0), |position| self.sum_after(position, count.time_ns))?;
            // The history is still as it was before the revision.
            let of = |movement: Option<Movement>| {
                movement.filter(|movement| movement.time_ns > count.time_ns).map_or(0, |movement| movement.quantity)
            };
            Some(i128::from(sum) - i128::from(of(revision.removed)) + i128::from(of(revision.added)))
        });
        match known {
            Some(after) => {
                count.after = after;
                counts.add(count);
            }
            None if is_latest => return Err(Outcome::CountBeyondHistory),
            None => counts.leave_out(&count),
        }
        Ok(if is_latest { Touch::Live } else { Touch::Absorbed })
    }

    /// Writes a revision. Returns the position's place.
    pub(crate) fn write_revision(&mut self, revised: Revised, version: u64) -> u32 {
        let Revised { draft, removed, added, counts, is_hidden, .. } = revised;
        let place = match draft.place().filter(|_| is_hidden) {
            Some(place) => place,
            None => self.write_accounts(&draft, version),
        };
        if draft.place().is_none() {
            self.set_hollow(place);
        }
        if let Some(movement) = removed.filter(|movement| movement.quantity != 0) {
            self.forget_movement(place, movement);
        }
        if let Some(movement) = added.filter(|movement| movement.quantity != 0) {
            self.keep_movement(place, movement);
        }
        if let Some(counts) = counts {
            self.set_counts(place, counts);
        }
        place
    }
}

fn touch_of(counts: Option<&Counts>, time_ns: i64) -> Touch {
    match counts.and_then(Counts::latest) {
        Some(latest) if time_ns <= latest.time_ns => Touch::Absorbed,
        _ => Touch::Live,
    }
}
