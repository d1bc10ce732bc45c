//! Judging: what can be said of an element from its own form, and then, with the state, its outcome. Each event runs
//! down a column of early returns in the documented precedence (`docs/events.md` §8) to a point of no return, and only
//! then changes anything.

use tallystick_contract::config::Config;
use tallystick_contract::directive_kind::DirectiveKind;
use tallystick_contract::order::Order;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::Rule;
use tallystick_tables::body::{Body, BodyBuilder, Known};
use tallystick_tables::dedup::{Fingerprint, fingerprint};
use tallystick_tables::hash::of_name;

use crate::batch::Batch;
use crate::decode::Malformed;
use crate::directive::{Directive, Request};
use crate::engine::{Clock, Engine, Place};
use crate::event::{Event, EventTime};
use crate::explain::Findings;
use crate::holding::Rank;
use crate::legs::{Statuses, check_form, check_quantity};
use crate::line_number::LineNumber;
use crate::tracks::Held;
use crate::wave::{Element, Found, Seen};

/// What an element asks for, as far as its own form tells. Depends on no state.
#[derive(Debug)]
pub(crate) enum Reading<'e> {
    TooLarge,
    Malformed(Malformed),
    /// It moves the log's time and nothing else.
    Refused(Outcome),
    Claim(Claim<'e>),
    /// Its members are still to be read.
    Directive(DirectiveKind),
}

/// An event whose own form is right.
#[derive(Debug, Clone)]
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
        let kind = event.kind.unwrap_or_default();
        let Some(number) = config.rules.find(kind) else {
            return DirectiveKind::of(kind).map_or(Self::Refused(Outcome::UnknownType), Self::Directive);
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
            Ok(_) if event.hops.is_some_and(|hops| hops > config.hops_max) => Self::Refused(Outcome::Loop),
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

/// What an element says, read whole.
#[derive(Debug)]
pub(crate) enum Said<'e> {
    Stock(Claim<'e>),
    Directive(Box<Directive<'e>>, Body),
}

impl Said<'_> {
    pub(crate) const fn body(&self) -> Body {
        match self {
            Self::Stock(claim) => claim.body,
            Self::Directive(_, body) => *body,
        }
    }

    /// What is remembered of its outcome: of a directive, that it posted nothing.
    pub(crate) fn remembered(&self, outcome: Outcome) -> Outcome {
        let is_taken = !Known::of(outcome).is_refusal();
        if is_taken && matches!(self, Self::Directive(..)) { Outcome::Observed } else { outcome }
    }

    /// Whether it is about stock under the names that its source has for it.
    pub(crate) const fn names_stock(&self) -> bool {
        match self {
            Self::Stock(_) => true,
            Self::Directive(directive, _) => {
                directive.kind.is_promise() || matches!(directive.request, Request::Announce(..) | Request::Close(..))
            }
        }
    }

    /// The time that it says, where that has no bounds.
    const fn own_time(&self, event: &Event<'_>) -> Option<i64> {
        match event.time {
            EventTime::At(time_ns) if !self.is_of_its_time() => Some(time_ns),
            _ => None,
        }
    }

    /// Whether the times of its source are bounded, and its own moves the log's: master data begins to hold whenever it
    /// does.
    const fn is_of_its_time(&self) -> bool {
        match self {
            Self::Stock(_) => true,
            Self::Directive(directive, _) => {
                let request = &directive.request;
                !matches!(request, Request::DefineItem(..) | Request::DefineLocation(..) | Request::DefineGroup(..))
            }
        }
    }
}

/// What is carried out, and where in the log.
pub(crate) struct Case<'a, 'e> {
    pub(crate) seen: &'e Seen<'a>,
    pub(crate) element: &'e Element<'a>,
    pub(crate) said: &'e Said<'a>,
    /// Effective time, in nanoseconds since 1970.
    pub(crate) time_ns: i64,
    /// The log sequence that the positions reflect then.
    pub(crate) sequence: u64,
    /// Whether its number in its source's order was behind already.
    pub(crate) is_late: bool,
    /// Elements before it, and the log's time, when it came, if it was held since.
    pub(crate) came: Option<(u64, i64)>,
    pub(crate) found: Found,
}

impl Case<'_, '_> {
    /// What has to be kept of it, to be carried out later.
    pub(crate) fn to_held(&self, engine: &Engine) -> Held {
        let Place { sequence, index, .. } = self.element.place;
        let (ordinal, came_ns) = self.came.unwrap_or((engine.elements, engine.log_time_ns.unwrap_or(0)));
        Held {
            sequence,
            index,
            ordinal,
            came_ns,
            time_ns: self.time_ns,
            key: self.seen.key,
            is_late: self.is_late,
            bytes: self.element.whole().into(),
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
        let place = element.place;
        let said = self.read(config, element, seen, findings);
        let time = match &said {
            Ok(said) if !said.is_of_its_time() => EventTime::Absent,
            Err(outcome @ (Outcome::TooLarge | Outcome::Malformed)) => {
                Self::answer_unread(element, seen, *outcome, findings, batch);
                return *outcome;
            }
            _ => seen.event.time,
        };
        if let Clock::Event = place.clock {
            // The bus's time has moved already.
            self.tick(place.clock.offer(time));
            self.on_time(config, (place.sequence, place.index), batch);
        }
        match said {
            Err(outcome) => {
                Self::answer_unread(element, seen, outcome, findings, batch);
                outcome
            }
            Ok(said) => {
                let outcome = self.weigh(config, element, (seen, found), &said, findings, batch);
                if let Said::Directive(directive, _) = &said
                    && outcome != Outcome::Held
                    && !findings.is_answered
                {
                    let sequence = element.place.sequence;
                    self.answer_early((seen, directive, sequence), outcome, findings, batch);
                }
                outcome
            }
        }
    }

    /// Reads what an element says, as far as its own form goes.
    #[inline]
    pub(crate) fn read<'e>(
        &self,
        config: &'e Config,
        element: &Element<'e>,
        seen: &Seen<'e>,
        findings: &mut Findings,
    ) -> Result<Said<'e>, Outcome> {
        match Reading::of(config, self.seed, seen) {
            Reading::TooLarge => Err(Outcome::TooLarge),
            Reading::Malformed(malformed) => {
                findings.malformed = Some(malformed);
                Err(Outcome::Malformed)
            }
            Reading::Refused(outcome) => Err(outcome),
            Reading::Claim(claim) => Ok(Said::Stock(claim)),
            Reading::Directive(kind) => {
                let event = &seen.event;
                let directive = Directive::read(config, self.seed, kind, event, element.text()).map_err(|refused| {
                    findings.why = Some(refused.why);
                    refused.outcome
                })?;
                let order = config.ordering(event.source.unwrap_or_default()).order;
                if event.sequence.is_none() && matches!(order, Order::Source | Order::Increasing) {
                    return Err(Outcome::SequenceMissing);
                }
                if event.hops.is_some_and(|hops| hops > config.hops_max) {
                    return Err(Outcome::Loop);
                }
                let body = body_of_directive(self.seed, seen, &directive);
                Ok(Said::Directive(Box::new(directive), body))
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
        let (ordinal, log_time_ns) = (self.elements, self.log_time_ns.unwrap_or(0));
        let keys = self.keys.reach(seen.key, log_time_ns);
        let new_key = match keys.recall((ordinal, log_time_ns), seen.key, said.body(), findings) {
            Ok(new_key) => new_key,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.check_request(said, seen, findings) {
            return outcome;
        }
        let origin = self.origin_of(event, log_time_ns);
        if origin.is_some_and(|origin| self.keys.of(origin).find(origin).is_some()) {
            return Outcome::Duplicate;
        }
        let floor_ns = self.keys.floor_ns();
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
            _ => self.rank_of(ordering, event),
        };
        if let Rank::Ahead(track) = rank {
            // The answer to repetitions is set right if the state refuses the event in the end.
            self.keys.remember(new_key, said.remembered(Outcome::Applied));
            self.remember_origin(origin);
            self.hold(track, ordering, &case);
            return Outcome::Held;
        }
        case.is_late = matches!(rank, Rank::Late(..));
        let outcome = match (said, &admitted) {
            (_, Some(admitted)) => self.carry_out(config, &case, admitted, findings, batch),
            (Said::Stock(claim), None) => self.post_plain(config, &case, claim, findings),
            (Said::Directive(..), None) => unreachable!("every directive is admitted"),
        };
        self.keys.remember(new_key, said.remembered(outcome));
        self.remember_origin(origin.filter(|_| outcome == Outcome::Held || is_counted(outcome)));
        self.take_place(rank, event.sequence.unwrap_or_default(), (place.sequence, place.index));
        if outcome != Outcome::Held {
            self.posted = Some(seen.key);
        }
        called_late(rank, outcome, findings)
    }

    /// Checks what depends on the calendar, and on reservations that outlive the memory of keys.
    fn check_request(&mut self, said: &Said<'_>, seen: &Seen<'_>, findings: &mut Findings) -> Result<(), Outcome> {
        let Said::Directive(directive, _) = said else { return Ok(()) };
        let Request::Reserve(ask) = &directive.request else { return Ok(()) };
        if let Some(slot) = self.promises.reservations.find(seen.key)
            && self.is_live(slot)
        {
            if self.promises.reservations.get(slot).known.means(said.body()) {
                return Err(Outcome::Duplicate);
            }
            let part = self.keys.part_of(seen.key);
            let first = self.keys.parts[part].recent.find(self.elements, seen.key);
            findings.fields = first.map(|slices| slices.differences(said.body().slices()));
            return Err(Outcome::Conflict);
        }
        for wanted in &*ask.lines {
            let Some(due) = wanted.due else { continue };
            let group = wanted.group.as_deref().unwrap_or_default();
            let members = self.promises.groups.members(group, self.log_time_ns.unwrap_or(0)).unwrap_or_default();
            let mut locations = wanted.position.iter().map(|[location, ..]| &**location).chain(members);
            let is_beyond = |location: &str| {
                let zone = self.zone_of(location);
                self.promises.calendar.bucket_of(zone, due) >= self.horizon(zone).end
            };
            if locations.any(is_beyond) {
                findings.why =
                    Some(format!("`due` lies beyond the horizon of {} buckets", self.config.promise.horizon));
                return Err(Outcome::TimeOutOfBounds);
            }
        }
        Ok(())
    }

    /// The key of the event that a sync made this one from.
    fn origin_of(&mut self, event: &Event<'_>, log_time_ns: i64) -> Option<Fingerprint> {
        let origin = fingerprint(&self.secret, event.origin_source?, event.origin_id?);
        self.keys.reach(origin, log_time_ns).dedup.advance(log_time_ns);
        Some(origin)
    }

    /// Remembers that the origin of an event was counted with it.
    #[inline]
    fn remember_origin(&mut self, origin: Option<Fingerprint>) {
        if let Some(origin) = origin {
            self.keys.remember_echoed(origin);
        }
    }

    /// Moves the log's time, which never goes backwards.
    #[inline]
    pub(crate) fn tick(&mut self, offered: Option<i64>) {
        self.log_time_ns = self.log_time_ns.max(offered);
    }
}

#[inline]
fn asks_for_sequence(config: &Config, event: &Event<'_>) -> bool {
    config.has_orders() && config.ordering(event.source.unwrap_or_default()).order != Order::Arrival
}

/// The event's effective time, unless it lies outside the source's bounds or before the time up to which keys were
/// forgotten.
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
    // A unit belongs to its quantity.
    body.number(6, Some(event.unit.map_or(quantity, |unit| quantity ^ of_name(keyed, unit).cast_signed())));
    body.number(7, time_said(event));
    body.choice(8, statuses.from.map(|account| account as u8));
    body.choice(9, statuses.to.map(|account| account as u8));
    body.text(10, event.document);
    match event.line {
        Some(LineNumber::Number(number)) => body.number(11, Some(number)),
        Some(LineNumber::Text(text)) => body.text(11, Some(text)),
        None => {}
    }
    body.text(12, event.due);
    body.finish()
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

/// The digest of what a directive says.
fn body_of_directive(keyed: u64, seen: &Seen<'_>, directive: &Directive<'_>) -> Body {
    let mut body = BodyBuilder::new(keyed);
    body.text(0, Some(directive.kind.name()));
    body.number(7, time_said(&seen.event));
    body.hash(13, directive.said);
    body.finish()
}

const fn time_said(event: &Event<'_>) -> Option<i64> {
    match event.time {
        EventTime::Absent => None,
        EventTime::At(ns) => Some(ns),
        EventTime::BeyondRange => Some(i64::MAX),
    }
}
