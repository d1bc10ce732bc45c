//! Reading: what an element asks for, as far as its own form tells. Depends on no state.

use tallystick_contract::config::Config;
use tallystick_contract::directive_kind::DirectiveKind;
use tallystick_contract::order::Order;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::Rule;
use tallystick_tables::body::{Body, BodyBuilder, Known};
use tallystick_tables::hash::of_name;

use crate::read::directive::{Directive, Request};
use crate::read::element::{Bar, Clock, Decoded};
use crate::read::event::{Event, EventTime, given};
use crate::read::form::{Statuses, check_form, check_quantity};
use crate::read::line_number::LineNumber;
use crate::read::malformed::Malformed;
/// What an element asks for, as far as its own form tells. Depends on no state.
#[derive(Debug)]
pub(crate) enum Reading<'e> {
    TooLarge,
    Malformed(Malformed),
    /// It moves the log's time and nothing else.
    Refused(Outcome),
    Posting(Posting<'e>),
    /// Its members are still to be read.
    Directive(DirectiveKind),
}

/// An event whose own form is right.
#[derive(Debug, Clone)]
pub(crate) struct Posting<'e> {
    pub(crate) rule: &'e Rule,
    pub(crate) statuses: Statuses,
    /// Thousandths.
    pub(crate) quantity: i64,
    pub(crate) body: Body,
}

impl<'e> Reading<'e> {
    /// The first part of the column of early returns.
    #[inline]
    pub(crate) fn of(config: &'e Config, secret: u64, decoded: &Decoded<'_>) -> Self {
        let event = &decoded.event;
        match decoded.bar {
            Bar::None => {}
            Bar::TooLarge => return Self::TooLarge,
            Bar::Foreign => return Self::Refused(Outcome::NotOwner),
        }
        if let Err(malformed) = decoded.form {
            return Self::Malformed(malformed);
        }
        let kind = event.kind;
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
            Ok(quantity) => Self::Posting(Posting {
                rule,
                statuses,
                quantity,
                body: body_of(secret, decoded, rule, statuses, quantity),
            }),
            Err(outcome) => Self::Refused(outcome),
        }
    }

    /// Whether the element's own time can move the log's.
    pub(crate) const fn is_timed(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Posting(_))
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
pub(crate) enum Command<'e> {
    Stock(Posting<'e>),
    Directive(Box<Directive<'e>>, Body),
}

impl Command<'_> {
    pub(crate) const fn body(&self) -> Body {
        match self {
            Self::Stock(posting) => posting.body,
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
    pub(crate) const fn own_time(&self, event: &Event<'_>) -> Option<i64> {
        match event.time {
            EventTime::At(time_ns) if !self.is_of_its_time() => Some(time_ns),
            _ => None,
        }
    }

    /// Whether the times of its source are bounded, and its own moves the log's: master data begins to hold whenever it
    /// does.
    pub(crate) const fn is_of_its_time(&self) -> bool {
        match self {
            Self::Stock(_) => true,
            Self::Directive(directive, _) => {
                let request = &directive.request;
                !matches!(request, Request::DefineItem(..) | Request::DefineLocation(..) | Request::DefineGroup(..))
            }
        }
    }
}

#[inline]
fn asks_for_sequence(config: &Config, event: &Event<'_>) -> bool {
    config.has_orders() && config.ordering(event.source).order != Order::Arrival
}

/// The event's effective time, unless it lies outside the source's bounds or before the time up to which keys were
/// forgotten. Ages are measured by the time that keys are forgotten by.
#[inline]
pub(crate) fn effective_time(
    config: &Config,
    event: &Event<'_>,
    (log_time_ns, keys_ns): (i64, i64),
    floor_ns: i64,
) -> Option<i64> {
    let time_ns = match event.time {
        EventTime::Absent => return Some(log_time_ns),
        EventTime::BeyondRange => return None,
        EventTime::At(ns) => ns,
    };
    let bounds = config.bounds(event.source);
    if time_ns > log_time_ns.saturating_add(bounds.max_ahead_ns) {
        return None;
    }
    let Some(max_age_ns) = bounds.max_age_ns else {
        return Some(time_ns);
    };
    let oldest_ns = keys_ns.saturating_sub(max_age_ns).max(floor_ns);
    (time_ns >= oldest_ns).then_some(time_ns)
}

/// The digest of what an event says (`docs/events.md` §7).
fn body_of(keyed: u64, decoded: &Decoded<'_>, rule: &Rule, statuses: Statuses, quantity: i64) -> Body {
    let mut body = BodyBuilder::new(keyed);
    let (event, hashes) = (&decoded.event, &decoded.hashes);
    // The name's hash, not the number: a newer version may number its types otherwise.
    body.hash(0, rule.name_hash);
    // Written out, so that what depends on the place alone is worked out by the compiler.
    body.hash_of(1, given(event.sku), hashes.sku);
    body.hash_of(2, given(event.location), hashes.location);
    body.hash_of(3, given(event.lot), hashes.lot);
    body.hash_of(4, given(event.owner), hashes.owner);
    body.hash_of(5, given(event.to_location), hashes.to_location);
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

/// The digest of what a directive says.
pub(crate) fn body_of_directive(keyed: u64, decoded: &Decoded<'_>, directive: &Directive<'_>) -> Body {
    let mut body = BodyBuilder::new(keyed);
    body.text(0, Some(directive.kind.name()));
    body.number(7, time_said(&decoded.event));
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
