//! Directives: events that are about events, exceptions, configuration or master data (`docs/truth.md` §1). From an
//! element to what it asks for; what becomes of it is the business of the modules that it concerns.

mod master;
mod members;
mod promise;
mod reserve;

use std::borrow::Cow;

use serde_json::Value;
use tallystick_contract::config::Config;
use tallystick_contract::directive_kind::DirectiveKind;
use tallystick_contract::exception_state::ExceptionState;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::{ID_BYTES_MAX, SOURCE_BYTES_MAX, TEAM_BYTES_MAX};
use tallystick_contract::outcome::Outcome;
use tallystick_tables::hash::of_name;

use members::{Members, text};

use crate::master::Version;
use crate::master::group::Grouping;
use crate::read::event::{Event, EventQuantity, EventTime, RequestTail, given};
use crate::read::form::{check_form, check_quantity};
use crate::read::line_number::{LineNumber, OwnLineNumber};
pub(crate) use promise::{LineName, LineSaid, Moving, Protecting, Quantities, Scope, Settle, Settling, Side};
pub(crate) use reserve::{Ask, Wanted, reply_of};

/// The event that a directive is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) source: String,
    pub(crate) id: String,
}

impl Target {
    /// Whether it is this event.
    pub(crate) fn is(&self, event: &Event<'_>) -> bool {
        event.source == self.source && event.id == self.id
    }
}

/// What a decision is about.
#[derive(Debug, Clone)]
pub(crate) enum Decided {
    Target(Target),
    Exception(u64),
}

/// How a configuration changes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// These tables hold from now on.
    Act(String),
    /// The ownership of these tables is tried beside the one that holds.
    Shadow(String),
    /// Nothing is tried any more.
    EndShadow,
}

/// What is said of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReceiptLine {
    pub(crate) document: Box<str>,
    pub(crate) line: Option<OwnLineNumber>,
    pub(crate) sku: Box<str>,
    pub(crate) location: Box<str>,
}

heap_size!(ReceiptLine { document, line, sku, location });

tallystick_tables::image::image!(ReceiptLine { document, sku, location, line });

/// What a directive asks for.
#[derive(Debug, Clone)]
pub(crate) enum Request<'a> {
    /// Undo the target; put the event (a stock event as JSON, without key) in its place, if there is one.
    Correct(Target, Option<String>),
    /// Post what waits, or drop it.
    Decide(Decided, bool),
    /// Move an exception on.
    Move(u64, ExceptionState),
    /// Pass an exception on to a team.
    Assign(u64, Box<str>),
    Configure(Change),
    DefineItem(Box<str>, Box<Version>),
    DefineLocation(Box<str>, Box<Version>),
    /// In thousandths.
    Announce(ReceiptLine, i64),
    Close(ReceiptLine),
    Tick,
    Schedule(LineName, Box<LineSaid>),
    Reschedule(LineName, Box<LineSaid>),
    Cancel(LineName),
    /// On one side, or on both.
    CloseDocument(Box<str>, Option<Side>),
    Reserve(Box<Ask<'a>>),
    Settle(Box<Settle>),
    Protect(Box<Protecting>),
    MoveProtection(Box<Moving>),
    DefineGroup(Box<str>, Box<Grouping>),
}

/// A directive whose own form is right.
#[derive(Debug, Clone)]
pub(crate) struct Directive<'a> {
    pub(crate) kind: DirectiveKind,
    pub(crate) request: Request<'a>,
    /// The keyed hash of its members in one form, for idempotency.
    pub(crate) said: u64,
    pub(crate) reason: Option<Box<str>>,
    /// The person behind an operator.
    pub(crate) person: Option<Box<str>>,
}

/// Why a directive is none: its outcome, and what is wrong in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) outcome: Outcome,
    pub(crate) why: String,
}

/// What is wrong with a member.
fn malformed(member: &str, what: &str) -> Refused {
    Refused { outcome: Outcome::Malformed, why: format!("`{member}`: {what}") }
}

impl<'a> Directive<'a> {
    /// Reads the members of a directive from the text of its element.
    pub(crate) fn read(
        config: &Config,
        seed: u64,
        kind: DirectiveKind,
        event: &Event<'a>,
        text: Cow<'a, [u8]>,
    ) -> Result<Self, Refused> {
        if kind == DirectiveKind::ReservationRequested {
            let (ask, said) = match text {
                Cow::Borrowed(text) => reserve::read(event, event.rest, text)?,
                // What was written from a row lives no longer than this.
                Cow::Owned(text) => {
                    let all = RequestTail { at: 0, is_in_data: false };
                    let (ask, said) = reserve::read(event, Some(all), &text)?;
                    (Box::new(ask.into_owned()), said)
                }
            };
            let (request, reason) = (Request::Reserve(ask), event.reason.map(Into::into));
            return Ok(Self { kind, request, said: of_name(seed, &said), reason, person: None });
        }
        let mut members = Members::read(&text, kind.members())?;
        members.set_line(event.line);
        let request = match kind {
            DirectiveKind::Voided => Request::Correct(target(&members, event)?, None),
            DirectiveKind::Corrected => {
                Request::Correct(target(&members, event)?, Some(replacement(&members, config)?))
            }
            DirectiveKind::Granted | DirectiveKind::Denied => {
                let decided = match members.get("exception") {
                    Some(_) if members.get("target").is_some() => {
                        return Err(malformed("exception", "stands beside `target`; name one of them"));
                    }
                    Some(_) => Decided::Exception(number(&members)?),
                    None => Decided::Target(target(&members, event)?),
                };
                Request::Decide(decided, kind == DirectiveKind::Granted)
            }
            DirectiveKind::Acknowledged => Request::Move(number(&members)?, ExceptionState::Acknowledged),
            DirectiveKind::Resolved => Request::Move(number(&members)?, ExceptionState::Resolved),
            DirectiveKind::Discarded => Request::Move(number(&members)?, ExceptionState::Discarded),
            DirectiveKind::Assigned => {
                let team = members.get("team").and_then(|team| members::text(team, TEAM_BYTES_MAX));
                let team = team.ok_or_else(|| malformed("team", "is the name of a team"))?;
                Request::Assign(number(&members)?, team.into())
            }
            DirectiveKind::ConfigurationChanged => Request::Configure(change(&members, config)?),
            DirectiveKind::ItemDefined | DirectiveKind::ItemRetired => {
                let version = master::version(&members, event, kind == DirectiveKind::ItemRetired)?;
                Request::DefineItem(required(given(event.sku), "sku")?.into(), Box::new(version))
            }
            DirectiveKind::LocationDefined | DirectiveKind::LocationRetired => {
                let version = master::version(&members, event, kind == DirectiveKind::LocationRetired)?;
                Request::DefineLocation(required(given(event.location), "location")?.into(), Box::new(version))
            }
            DirectiveKind::ReceiptAnnounced => Request::Announce(line(event)?, announced(event)?),
            DirectiveKind::ReceiptClosed => Request::Close(line(event)?),
            DirectiveKind::Tick => Request::Tick,
            _ => promise::request(kind, &members, event)?,
        };
        let target = match &request {
            Request::Correct(target, _) | Request::Decide(Decided::Target(target), _) => Some(target),
            Request::Settle(settle) => Some(&settle.target),
            _ => None,
        };
        let said = members.said(target.map(|target| [&*target.source, &*target.id]));
        let person = members.person().map(Into::into);
        Ok(Self { kind, request, said: of_name(seed, &said), reason: event.reason.map(Into::into), person })
    }
}

impl Directive<'_> {
    /// Where its answer goes, if it asks for one.
    pub(crate) fn reply(&self) -> Option<&str> {
        match &self.request {
            Request::Reserve(ask) => ask.reply.as_deref(),
            Request::Settle(settle) => settle.reply.as_deref(),
            _ => None,
        }
    }

    /// The event that it is about, and has to wait for.
    pub(crate) const fn target(&self) -> Option<&Target> {
        match &self.request {
            Request::Correct(target, _) | Request::Decide(Decided::Target(target), _) => Some(target),
            Request::Settle(settle) => Some(&settle.target),
            _ => None,
        }
    }
}

fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, Refused> {
    value.ok_or_else(|| malformed(name, "is required by this type"))
}

fn target(members: &Members, event: &Event<'_>) -> Result<Target, Refused> {
    let object = members.get("target").ok_or_else(|| malformed("target", "is required by this type"))?;
    let object =
        object.as_object().ok_or_else(|| malformed("target", "is an object such as {\"source\": …, \"id\": …}"))?;
    let member = |name: &str, bytes_max| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            text(value, bytes_max).map(Some).ok_or_else(|| malformed("target", "has a member of another form"))
        }
    };
    let id = member("id", ID_BYTES_MAX)?.ok_or_else(|| malformed("target", "has no `id`"))?;
    let source = member("source", SOURCE_BYTES_MAX)?.unwrap_or(event.source);
    Ok(Target { source: source.to_owned(), id: id.to_owned() })
}

fn number(members: &Members) -> Result<u64, Refused> {
    let number = members.get("exception").and_then(Value::as_u64).filter(|number| *number > 0);
    number.ok_or_else(|| malformed("exception", "is the number of an exception"))
}

/// The stock event of a correction, checked as far as its own form goes.
fn replacement(members: &Members, config: &Config) -> Result<String, Refused> {
    let value = members.get("event").ok_or_else(|| malformed("event", "is required by this type"))?;
    if !value.is_object() {
        return Err(malformed(
            "event",
            "is an object: the stock event that should have been sent, without `id` and `source`",
        ));
    }
    let text = value.to_string();
    let arena = bumpalo::Bump::new();
    let event = read_replacement(&text, &arena)?;
    if event.time == EventTime::BeyondRange {
        let why = "`event`: `time` is centuries away from the log's time".to_owned();
        return Err(Refused { outcome: Outcome::TimeOutOfBounds, why });
    }
    let kind = event.kind;
    let Some(rule) = config.rules.find(kind).map(|number| config.rules.rule(number)) else {
        let why = format!("`event`: type {kind:?} is no type of stock events");
        return Err(Refused { outcome: Outcome::UnknownType, why });
    };
    check_form(&event, rule).map_err(|why| malformed("event", &why.to_string()))?;
    check_quantity(&event, rule).map_err(|outcome| Refused {
        outcome,
        why: format!("`event`: quantity of {kind} must be {}", rule.quantity.in_words()),
    })?;
    Ok(text)
}

/// The event of a correction, under no key of its own.
pub(crate) fn read_replacement<'a>(text: &'a str, arena: &'a bumpalo::Bump) -> Result<Event<'a>, Refused> {
    let mut event = Event::default();
    crate::read::decode::decode_nameless(text, &mut event, arena)
        .map_err(|why| malformed("event", &why.to_string()))?;
    Ok(event)
}

fn change(members: &Members, config: &Config) -> Result<Change, Refused> {
    let tables = match members.get("config") {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(object @ Value::Object(_)) => Some(object.to_string()),
        Some(_) => return Err(malformed("config", "is a text (TOML or JSON) or an object")),
    };
    let mode = match members.get("mode") {
        None => "act",
        Some(mode) => mode.as_str().unwrap_or_default(),
    };
    let check = |tables: &str| config.changed(tables).map_err(|why| malformed("config", &why));
    match (mode, tables) {
        ("act", Some(tables)) => check(&tables).map(|_| Change::Act(tables)),
        ("shadow", Some(tables)) => {
            let changed = check(&tables)?;
            let is_alone = changed.ownership.is_some() && Config::names_only(&tables, "ownership");
            if !is_alone {
                return Err(malformed("config", "in the shadow is [ownership] and nothing else"));
            }
            Ok(Change::Shadow(tables))
        }
        ("end_shadow", None) => Ok(Change::EndShadow),
        ("end_shadow", Some(_)) => Err(malformed("config", "has nothing to say at the end of the shadow")),
        ("act" | "shadow", None) => Err(malformed("config", "is required in this mode")),
        _ => Err(malformed("mode", "is \"act\", \"shadow\" or \"end_shadow\"")),
    }
}

fn line(event: &Event<'_>) -> Result<ReceiptLine, Refused> {
    Ok(ReceiptLine {
        document: required(event.document, "document")?.into(),
        line: event.line.map(LineNumber::to_own),
        sku: required(given(event.sku), "sku")?.into(),
        location: required(given(event.location), "location")?.into(),
    })
}

fn announced(event: &Event<'_>) -> Result<i64, Refused> {
    match event.quantity {
        Some(EventQuantity::Exact(thousandths)) if thousandths >= 0 => Ok(thousandths),
        None => Err(malformed("quantity", "is required by this type")),
        Some(_) => Err(Refused {
            outcome: Outcome::QuantityInvalid,
            why: "`quantity` of an announcement must be zero or more, with at most 3 fraction digits".to_owned(),
        }),
    }
}
