//! The column: the checks that each event runs down, from top to bottom, in the documented precedence (`docs/events.md`
//! §8). The first that refuses it has the last word. At the bottom stands the point of no return: from there on nothing
//! can refuse the event, and only then does anything change.
//!
//! | check | outcomes | where |
//! |---|---|---|
//! | size and form | `too_large`, `malformed` | `Reading::of`, needs no state |
//! | subject | `not_owner` | `Reading::of`, needs no state |
//! | type, quantity, number, hops | `unknown_type`, `quantity_invalid`, `sequence_missing`, `loop` | `Reading::of` |
//! | key | `duplicate`, `conflict`, what its first answer was | `check_key` |
//! | request | `duplicate`, `conflict`, `time_out_of_bounds` | promises |
//! | origin | `duplicate` | here |
//! | time | `time_out_of_bounds` | `check_time` |
//! | source, owner, names, unit | `not_owner`, `unknown_reference`, `quantity_invalid` | `admit` |
//! | order | `held` | sequence tracker |
//! | room, claims, approval, accounts | `overflow`, `pending_approval`, `negative_stock`, … | `execute`, by drafts |

use tallystick_contract::config::Config;
use tallystick_contract::order::Order;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::body::Body;
use tallystick_tables::dedup::Fingerprint;

use crate::core::admitted::Admitted;
use crate::core::context::Context;
use crate::diagnostics::Diagnostics;
use crate::keys::{KeyPart, NewKey};
use crate::order::Rank;
use crate::output::batch::Batch;
use crate::promise::answer_unread;
use crate::read::element::{Clock, Decoded, Element};
use crate::read::event::{Event, EventTime};
use crate::read::reading::{Command, effective_time};
use crate::schedule::{Books, View};
use crate::spine::engine::Engine;
use crate::spine::raise::foreign;
use crate::stock::lookup::Found;

impl Engine {
    /// The outcome of an element, with all that follows from it in the state.
    pub(crate) fn judge(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        (decoded, found): (&Decoded<'_>, Found),
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) -> Outcome {
        let place = element.place;
        let command = self.core.read(config, element, decoded, diagnostics);
        let time = match &command {
            Ok(command) if !command.is_of_its_time() => EventTime::Absent,
            Err(outcome) if outcome.is_unreadable() => {
                answer_unread(element, decoded, *outcome, diagnostics, batch);
                return *outcome;
            }
            _ => decoded.event.time,
        };
        if let Clock::Event = element.clock {
            // The bus's time has moved already.
            let own_ns = element.clock.offer(time);
            self.core.tick(own_ns);
            self.core.believe_own(own_ns);
            self.on_time(config, place, batch);
        }
        match command {
            Err(outcome) => {
                diagnostics.why = diagnostics.why.take().or_else(|| foreign(config, element, decoded));
                answer_unread(element, decoded, outcome, diagnostics, batch);
                outcome
            }
            Ok(command) => {
                let outcome = self
                    .descend(config, element, (decoded, found), &command, (diagnostics, batch))
                    .unwrap_or_else(|refusal| refusal);
                if let Command::Directive(directive, _) = &command
                    && outcome != Outcome::Held
                    && !diagnostics.is_answered
                {
                    let sequence = element.place.sequence;
                    self.promises.answer_early(
                        View::new(&self.core, &self.schedule, config),
                        (decoded, directive, sequence),
                        outcome,
                        diagnostics,
                        batch,
                    );
                }
                outcome
            }
        }
    }

    /// The column of checks that need the state, down to the point of no return and beyond it.
    ///
    /// # Errors
    /// The outcome with which a check turned the event away.
    fn descend<'a>(
        &mut self,
        config: &Config,
        element: &Element<'a>,
        (decoded, found): (&Decoded<'a>, Found),
        command: &Command<'a>,
        (diagnostics, batch): (&mut Diagnostics, &mut Batch),
    ) -> Result<Outcome, Outcome> {
        let (event, place) = (&decoded.event, element.place);
        let (now_ns, keys_ns) = (self.core.now_ns(), self.core.keys_ns());
        let now = (self.core.elements, keys_ns);
        let new_key =
            check_key(self.core.keys.reach(decoded.key, keys_ns), now, (decoded.key, command.body()), diagnostics)?;
        let mut books = Books::new(&mut self.core, &mut self.schedule, config, place.sequence);
        self.promises.check_request(&mut books, command, decoded, diagnostics)?;
        let origin = self.core.origin_of(event, keys_ns);
        if origin.is_some_and(|origin| self.core.keys.of(origin).find(origin).is_some()) {
            return Err(Outcome::Duplicate);
        }
        let time_ns = check_time(config, event, (now_ns, keys_ns), self.core.keys.floor_ns());
        let time_ns = time_ns.or_else(|outcome| command.own_time(event).ok_or(outcome))?;
        let mut context =
            Context { decoded, element, command, time_ns, sequence: place.sequence, is_late: false, came: None, found };
        let admitted = self.check_admission(config, &context, diagnostics)?;
        // A directive can be no target: what waits for it need not wait until it is carried out.
        self.posted = matches!(command, Command::Directive(..)).then_some(decoded.key);
        let ordering = config.ordering(event.source);
        let rank = match command {
            Command::Directive(..) if ordering.order == Order::Position => Rank::InOrder(None),
            _ => self.tracker.rank_of(self.core.seed, ordering, event),
        };
        if let Rank::Ahead(track) = rank {
            // The answer to repetitions is set right if the state refuses the event in the end.
            self.core.keys.remember(new_key, command.remembered(Outcome::Applied));
            self.core.remember_origin(origin);
            self.hold(track, ordering, &context);
            return Ok(Outcome::Held);
        }
        context.is_late = matches!(rank, Rank::Late(..));

        // What the state refuses from here on is refused by its draft, and remembered as the answer of the key.
        let outcome = match (command, &admitted) {
            (_, Some(admitted)) => self.execute(config, &context, admitted, diagnostics, batch),
            (Command::Stock(posting), None) => self.post_plain(config, &context, posting, diagnostics),
            (Command::Directive(..), None) => unreachable!("every directive is admitted"),
        };
        self.core.keys.remember(new_key, command.remembered(outcome));
        self.core.remember_origin(origin.filter(|_| outcome == Outcome::Held || is_counted(outcome)));
        self.take_place(rank, event.sequence.unwrap_or_default(), place);
        if outcome != Outcome::Held {
            self.posted = Some(decoded.key);
        }
        Ok(called_late(rank, outcome, diagnostics))
    }

    /// Who may say it, under which names and in which unit. Most events need no more than their key and their
    /// positions, and are not kept waiting for what others need.
    #[inline]
    fn check_admission(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        diagnostics: &mut Diagnostics,
    ) -> Result<Option<Admitted>, Outcome> {
        let is_plain = context.decoded.event.unit.is_none() && self.is_plain(config);
        if is_plain && matches!(context.command, Command::Stock(_)) {
            return Ok(None);
        }
        let admitted = self.admit(config, context).map_err(|(outcome, why)| {
            diagnostics.why = why;
            outcome
        })?;
        Ok(Some(admitted))
    }
}

/// What of the column a crew runs down part by part, for plain stock events: their key, and their time.
#[inline]
pub(crate) fn check_plain(
    config: &Config,
    part: &mut KeyPart,
    now: (u64, i64),
    (decoded, body): (&Decoded<'_>, Body),
    floor_ns: i64,
    diagnostics: &mut Diagnostics,
) -> Result<NewKey, Outcome> {
    let new_key = check_key(part, now, (decoded.key, body), diagnostics)?;
    // A crew works where all that moved the log's time is believed.
    check_time(config, &decoded.event, (now.1, now.1), floor_ns)?;
    Ok(new_key)
}

/// Whether a key is new: `now` is how many elements came before, and the log's time as far as it is believed.
#[inline]
fn check_key(
    part: &mut KeyPart,
    now: (u64, i64),
    (key, body): (Fingerprint, Body),
    diagnostics: &mut Diagnostics,
) -> Result<NewKey, Outcome> {
    part.recall(now, key, body, diagnostics)
}

/// The event's effective time, if it lies within its source's bounds and keys of then are still remembered.
#[inline]
fn check_time(config: &Config, event: &Event<'_>, now_ns: (i64, i64), floor_ns: i64) -> Result<i64, Outcome> {
    effective_time(config, event, now_ns, floor_ns).ok_or(Outcome::TimeOutOfBounds)
}

/// Whether an event was taken for more than the record.
const fn is_counted(outcome: Outcome) -> bool {
    outcome.is_accepted() && !matches!(outcome, Outcome::Observed)
}

/// Calls late what was taken out of its order.
fn called_late(rank: Rank, outcome: Outcome, diagnostics: &mut Diagnostics) -> Outcome {
    match rank {
        Rank::Late(_, why) if matches!(outcome, Outcome::Applied | Outcome::Absorbed) => {
            diagnostics.late = Some(why);
            Outcome::Late
        }
        _ => outcome,
    }
}
