//! Judging: what can be said of an element from its own form, and then, with the state, its outcome. Each event runs down a column of early returns in
//! the documented precedence (`docs/events.md` §8) to a point of no return, and only then changes anything.

use crate::batch::Batch;
use crate::body::{Body, BodyBuilder, Known};
use crate::config::Config;
use crate::decode::Malformed;
use crate::engine::{Clock, Engine};
use crate::event::{Event, EventTime};
use crate::explain::Findings;
use crate::holding::Rank;
use crate::legs::{Statuses, check_form, check_quantity};
use crate::order::Order;
use crate::outcome::Outcome;
use crate::rules::Rule;
use crate::wave::{Element, Found, Seen};

/// What an element asks for, as far as its own form tells. Depends on no state.
#[derive(Debug)]
pub(crate) enum Reading<'e> {
    TooLarge,
    Malformed(Malformed),
    /// It moves the log's time and nothing else.
    Refused(Outcome),
    Claim(Claim<'e>),
}

/// An event whose own form is right.
#[derive(Debug)]
pub(crate) struct Claim<'e> {
    pub(crate) rule: &'e Rule,
    pub(crate) statuses: Statuses,
    /// Thousandths.
    pub(crate) quantity: i64,
    pub(crate) body: Body,
}

impl<'e> Reading<'e> {
    /// The first part of the column of early returns.
    #[inline]
    pub(crate) fn of(config: &'e Config, secret: u64, seen: &Seen<'_>) -> Self {
        let event = &seen.event;
        if seen.is_too_large {
            return Self::TooLarge;
        }
        if let Err(malformed) = seen.decoded {
            return Self::Malformed(malformed);
        }
        let Some(number) = config.rules.find(event.kind.unwrap_or_default()) else {
            return Self::Refused(Outcome::UnknownType);
        };
        let rule = config.rules.rule(number);
        let statuses = match check_form(event, rule) {
            Ok(statuses) => statuses,
            Err(malformed) => return Self::Malformed(malformed),
        };
        match check_quantity(event, rule) {
            Ok(_) if event.sequence.is_none() && asks_for_sequence(config, event) => {
                Self::Refused(Outcome::SequenceMissing)
            }
            Ok(quantity) => {
                Self::Claim(Claim { rule, statuses, quantity, body: body_of(secret, seen, rule, statuses, quantity) })
            }
            Err(outcome) => Self::Refused(outcome),
        }
    }

    /// Whether the element's own time can move the log's.
    pub(crate) const fn is_timed(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Claim(_))
    }
}

impl Clock {
    /// What an element says of the log's time. Its own time counts only where the bus says nothing.
    #[inline]
    pub(crate) const fn offer(self, time: EventTime) -> Option<i64> {
        match (self, time) {
            (Self::Message(ns), _) | (Self::Event, EventTime::At(ns)) => Some(ns),
            (Self::Event, EventTime::Absent | EventTime::BeyondRange) => None,
        }
    }
}

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
        let (event, place) = (&seen.event, element.place);
        let reading = Reading::of(config, self.seed, seen);
        if reading.is_timed() {
            self.tick(place.clock.offer(event.time));
            if config.has_orders() {
                self.expire(config, place.sequence, batch);
            }
        }
        let claim = match reading {
            Reading::TooLarge => return Outcome::TooLarge,
            Reading::Malformed(malformed) => {
                findings.malformed = Some(malformed);
                return Outcome::Malformed;
            }
            Reading::Refused(outcome) => return outcome,
            Reading::Claim(claim) => claim,
        };
        let (ordinal, log_time_ns) = (self.elements, self.log_time_ns.unwrap_or(0));
        let keys = self.keys.reach(seen.key, log_time_ns);
        let new_key = match keys.recall((ordinal, log_time_ns), seen.key, claim.body, findings) {
            Ok(new_key) => new_key,
            Err(outcome) => return outcome,
        };
        let Some(time_ns) = effective_time(config, event, log_time_ns, self.keys.floor_ns()) else {
            return Outcome::TimeOutOfBounds;
        };
        // Ownership takes its place here.
        let ordering = config.ordering(event.source.unwrap_or_default());
        let rank = self.rank_of(ordering, event);
        if let Rank::Ahead(track) = rank {
            // The answer to repetitions is set right if the state refuses the event in the end.
            self.keys.remember(new_key, Outcome::Applied);
            self.hold(track, ordering, element, seen, time_ns);
            return Outcome::Held;
        }
        let mut outcome = self.post_now(config, (seen, &claim), (time_ns, place.sequence), found, findings);
        self.keys.remember(new_key, outcome);
        self.take_place(rank, event.sequence.unwrap_or_default());
        self.suspect_duplicate(config, (event, &claim), (outcome, log_time_ns), findings);
        if let Rank::Late(_, why) = rank
            && !Known::of(outcome).is_refusal()
        {
            (outcome, findings.late) = (Outcome::Late, Some(why));
        }
        outcome
    }

    /// Moves the log's time, which never goes backwards.
    #[inline]
    pub(crate) fn tick(&mut self, offered: Option<i64>) {
        self.log_time_ns = self.log_time_ns.max(offered);
    }
}

fn asks_for_sequence(config: &Config, event: &Event<'_>) -> bool {
    config.ordering(event.source.unwrap_or_default()).order != Order::Arrival
}

/// The event's effective time, unless it lies outside the source's bounds or before the time up to which keys were forgotten.
#[inline]
pub(crate) fn effective_time(config: &Config, event: &Event<'_>, log_time_ns: i64, floor_ns: i64) -> Option<i64> {
    let time_ns = match event.time {
        EventTime::Absent => return Some(log_time_ns),
        EventTime::BeyondRange => return None,
        EventTime::At(ns) => ns,
    };
    let bounds = config.bounds(event.source.unwrap_or_default());
    if time_ns > log_time_ns.saturating_add(bounds.max_ahead_ns) {
        return None;
    }
    let Some(max_age_ns) = bounds.max_age_ns else {
        return Some(time_ns);
    };
    let oldest_ns = log_time_ns.saturating_sub(max_age_ns).max(floor_ns);
    (time_ns >= oldest_ns).then_some(time_ns)
}

/// The digest of what an event says (`docs/events.md` §7).
fn body_of(keyed: u64, seen: &Seen<'_>, rule: &Rule, statuses: Statuses, quantity: i64) -> Body {
    let mut body = BodyBuilder::new(keyed);
    let (event, hashes) = (&seen.event, &seen.hashes);
    // The name's hash, not the number: a newer version may number its types otherwise.
    body.hash(0, rule.name_hash);
    // Written out, so that what depends on the place alone is worked out by the compiler.
    body.hash_of(1, event.sku, hashes.sku);
    body.hash_of(2, event.location, hashes.location);
    body.hash_of(3, event.lot, hashes.lot);
    body.hash_of(4, event.owner, hashes.owner);
    body.hash_of(5, event.to_location, hashes.to_location);
    body.number(6, Some(quantity));
    body.number(
        7,
        match event.time {
            EventTime::Absent => None,
            EventTime::At(ns) => Some(ns),
            EventTime::BeyondRange => Some(i64::MAX),
        },
    );
    body.choice(8, statuses.from.map(|account| account as u8));
    body.choice(9, statuses.to.map(|account| account as u8));
    body.text(10, event.document);
    body.number(11, event.line);
    body.text(12, event.due);
    body.finish()
}
