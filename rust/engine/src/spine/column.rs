//! Judging: what can be said of an element from its own form, and then, with the state, its outcome. Each event runs
//! down a column of early returns in the documented precedence (`docs/events.md` §8) to a point of no return, and only
//! then changes anything.

use tallystick_contract::config::Config;
use tallystick_contract::order::Order;
use tallystick_contract::outcome::Outcome;

use crate::core::case::Case;
use crate::diagnostics::Findings;
use crate::order::Rank;
use crate::output::batch::Batch;
use crate::promise::answer_unread;
use crate::read::element::{Clock, Element, Seen};
use crate::read::event::EventTime;
use crate::read::reading::{Said, effective_time};
use crate::schedule::{Ctx, View};
use crate::spine::engine::Engine;
use crate::stock::lookup::Found;

impl Engine {
    /// The outcome of an element, with all that follows from it in the state.
    pub(crate) fn judge(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        (seen, found): (&Seen<'_>, Found),
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Outcome {
        let place = element.place;
        let said = self.core.read(config, element, seen, findings);
        let time = match &said {
            Ok(said) if !said.is_of_its_time() => EventTime::Absent,
            Err(outcome @ (Outcome::TooLarge | Outcome::Malformed)) => {
                answer_unread(element, seen, *outcome, findings, batch);
                return *outcome;
            }
            _ => seen.event.time,
        };
        if let Clock::Event = place.clock {
            // The bus's time has moved already.
            self.core.tick(place.clock.offer(time));
            self.on_time(config, (place.sequence, place.index), batch);
        }
        match said {
            Err(outcome) => {
                answer_unread(element, seen, outcome, findings, batch);
                outcome
            }
            Ok(said) => {
                let outcome = self.weigh(config, element, (seen, found), &said, findings, batch);
                if let Said::Directive(directive, _) = &said
                    && outcome != Outcome::Held
                    && !findings.is_answered
                {
                    let sequence = element.place.sequence;
                    self.promises.answer_early(
                        View::new(&self.core, &self.schedule, config),
                        (seen, directive, sequence),
                        outcome,
                        findings,
                        batch,
                    );
                }
                outcome
            }
        }
    }

    /// The column of checks that need the state, down to the point of no return.
    fn weigh<'a>(
        &mut self,
        config: &Config,
        element: &Element<'a>,
        (seen, found): (&Seen<'a>, Found),
        said: &Said<'a>,
        findings: &mut Findings,
        batch: &mut Batch,
    ) -> Outcome {
        let (event, place) = (&seen.event, element.place);
        let (ordinal, log_time_ns) = (self.core.elements, self.core.now_ns());
        let keys = self.core.keys.reach(seen.key, log_time_ns);
        let new_key = match keys.recall((ordinal, log_time_ns), seen.key, said.body(), findings) {
            Ok(new_key) => new_key,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.promises.check_request(
            &mut Ctx::new(&mut self.core, &mut self.schedule, config, 0),
            said,
            seen,
            findings,
        ) {
            return outcome;
        }
        let origin = self.core.origin_of(event, log_time_ns);
        if origin.is_some_and(|origin| self.core.keys.of(origin).find(origin).is_some()) {
            return Outcome::Duplicate;
        }
        let floor_ns = self.core.keys.floor_ns();
        let Some(time_ns) = effective_time(config, event, log_time_ns, floor_ns).or_else(|| said.own_time(event))
        else {
            return Outcome::TimeOutOfBounds;
        };
        let mut case =
            Case { seen, element, said, time_ns, sequence: place.sequence, is_late: false, came: None, found };
        // Most events need no more than their key and their positions, and are not kept waiting for what others need.
        let is_plain = event.unit.is_none() && self.is_plain(config);
        let admitted = match said {
            Said::Stock(_) if is_plain => None,
            _ => match self.admit(config, &case) {
                Ok(admitted) => Some(admitted),
                Err((outcome, why)) => {
                    findings.why = why;
                    return outcome;
                }
            },
        };
        // A directive can be no target: what waits for it need not wait until it is carried out.
        self.posted = matches!(said, Said::Directive(..)).then_some(seen.key);
        let ordering = config.ordering(event.source.unwrap_or_default());
        let rank = match said {
            Said::Directive(..) if ordering.order == Order::Position => Rank::InOrder(None),
            _ => self.tracks.rank_of(self.core.seed, ordering, event),
        };
        if let Rank::Ahead(track) = rank {
            // The answer to repetitions is set right if the state refuses the event in the end.
            self.core.keys.remember(new_key, said.remembered(Outcome::Applied));
            self.core.remember_origin(origin);
            self.hold(track, ordering, &case);
            return Outcome::Held;
        }
        case.is_late = matches!(rank, Rank::Late(..));
        let outcome = match (said, &admitted) {
            (_, Some(admitted)) => self.carry_out(config, &case, admitted, findings, batch),
            (Said::Stock(claim), None) => self.post_plain(config, &case, claim, findings),
            (Said::Directive(..), None) => unreachable!("every directive is admitted"),
        };
        self.core.keys.remember(new_key, said.remembered(outcome));
        self.core.remember_origin(origin.filter(|_| outcome == Outcome::Held || is_counted(outcome)));
        self.take_place(rank, event.sequence.unwrap_or_default(), (place.sequence, place.index));
        if outcome != Outcome::Held {
            self.posted = Some(seen.key);
        }
        called_late(rank, outcome, findings)
    }
}

/// Whether an event was taken for more than the record.
const fn is_counted(outcome: Outcome) -> bool {
    outcome.is_accepted() && !matches!(outcome, Outcome::Observed)
}

/// Calls late what was taken out of its order.
fn called_late(rank: Rank, outcome: Outcome, findings: &mut Findings) -> Outcome {
    match rank {
        Rank::Late(_, why) if matches!(outcome, Outcome::Applied | Outcome::Absorbed) => {
            findings.late = Some(why);
            Outcome::Late
        }
        _ => outcome,
    }
}
