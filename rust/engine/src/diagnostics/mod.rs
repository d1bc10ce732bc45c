//! Exceptions in words: the cause, said with the event's own values, and the cure.

use tallystick_contract::config::{Config, TimeBounds};
use tallystick_contract::instant;
use tallystick_contract::limits::{EVENT_BYTES_MAX, NAMED_ELEMENTS};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;
use tallystick_contract::quantity;
use tallystick_tables::dedup::Fingerprint;

use crate::diagnostics::exception::Difference;
use crate::diagnostics::turn::{NetTurn, ShelfTurn};
use crate::read::event::{Event, EventQuantity, EventTime};
use crate::read::malformed::Malformed;
pub(crate) mod exception;
pub(crate) mod flood;
mod notice;
pub(crate) mod sent;
pub(crate) mod turn;

pub(crate) use notice::{About, Notice, Now};

/// A position as the subject of an exception.
pub(crate) fn subject_of_position(event: &Event<'_>, location: &str) -> String {
    let [sku, lot, owner] = [event.sku, event.lot, event.owner];
    format!("{sku}/{location}/{lot}/{owner}")
}

/// What was learned about an element on its way, beyond its outcome.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    /// Why it is malformed.
    pub(crate) malformed: Option<Malformed>,
    /// In what it differs from what its key said first; nothing where that lies too far back.
    pub(crate) fields: Option<Vec<&'static str>>,
    /// Why it is late.
    pub(crate) late: Option<Late>,
    /// More about the outcome, in words.
    pub(crate) why: Option<String>,
    /// What was on hand, and what would be, in thousandths, where the outcome is about that.
    pub(crate) stock: Option<(i64, i64)>,
    /// Whether another exception stands for the outcome.
    pub(crate) is_grouped: bool,
    /// Whether its caller was answered, or asked for no answer.
    pub(crate) is_answered: bool,
    /// Whether its caller was told all about it.
    pub(crate) is_told: bool,
    /// What a person should see although the event was applied.
    pub(crate) raised: Vec<Raised>,
    /// What is in order again: code and subject.
    pub(crate) settled: Vec<(&'static str, String)>,
    /// Sources that begin, or cease, to ship without a pick at a position.
    pub(crate) turns: Vec<ShelfTurn>,
    /// Positions of which more is given back without a document than was claimed, or not any more.
    pub(crate) nets: Vec<NetTurn>,
}

/// An exception beside an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Raised {
    pub(crate) code: Box<str>,
    /// Where, if not at the event's own location.
    pub(crate) location: Option<Box<str>>,
    /// What it is about, if not the event.
    pub(crate) subject: Option<Box<str>>,
    /// The key of the event that it is about, if that is another one.
    pub(crate) key: Option<Fingerprint>,
    /// What happened, if there is more to say than the code does.
    pub(crate) cause: Option<String>,
    /// What was on hand, and what is, in thousandths, if it is about that.
    pub(crate) stock: Option<(i64, i64)>,
}

impl Raised {
    pub(crate) fn of(code: &str) -> Self {
        Self { code: code.into(), location: None, subject: None, key: None, cause: None, stock: None }
    }

    /// An exception with a subject of its own.
    pub(crate) fn about(code: &str, subject: String, cause: String) -> Self {
        Self { subject: Some(subject.into()), cause: Some(cause), ..Self::of(code) }
    }
}

impl Diagnostics {
    /// Makes it blank for another element. Most are: to look is cheaper than to write it all anew.
    #[inline]
    pub(crate) fn clear(&mut self) {
        let is_blank = self.malformed.is_none()
            && self.fields.is_none()
            && self.late.is_none()
            && self.why.is_none()
            && self.stock.is_none()
            && !self.is_grouped
            && !self.is_answered
            && !self.is_told
            && !self.is_telling();
        if !is_blank {
            *self = Self::default();
        }
    }

    /// Whether there is anything to tell beside the outcome.
    pub(crate) fn is_telling(&self) -> bool {
        !(self.raised.is_empty() && self.settled.is_empty() && self.turns.is_empty() && self.nets.is_empty())
    }
}

/// Why an event is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// Its number was given up.
    WasLost,
    /// Another event took its number.
    WasTaken,
    /// A greater number came before it, in order `increasing`.
    IsSmaller,
}

/// Why an event was refused.
pub(crate) fn cause_of_outcome(
    outcome: Outcome,
    event: &Event<'_>,
    diagnostics: &Diagnostics,
    config: &Config,
    log_time_ns: i64,
    (original, bytes): (&[u8], u64),
) -> String {
    let kind = event.kind;
    match outcome {
        Outcome::Malformed => diagnostics.malformed.map_or_else(
            || "not an event".to_owned(),
            |malformed| malformed.in_words(|field| sent::shown(original, field)),
        ),
        Outcome::UnknownType => format!("unknown event type {kind:?}: it stands in no rule table and is no alias"),
        Outcome::QuantityInvalid => {
            let rule = config.rules.find(kind).map_or("", |number| config.rules.rule(number).quantity.in_words());
            match event.quantity {
                Some(EventQuantity::Exact(sent)) => {
                    format!("quantity {} of {kind} must be {rule}", quantity::text(sent))
                }
                _ => cause_of_inexact(kind, rule, sent::shown(original, "quantity").as_deref()),
            }
        }
        Outcome::Conflict => cause_of_conflict(diagnostics.fields.as_deref()),
        Outcome::TimeOutOfBounds => out_of_bounds(event, config.bounds(event.source), log_time_ns),
        Outcome::Overflow => "an account of the position would exceed 10^15 units".to_owned(),
        Outcome::NegativeStock => "stock would fall below zero, and negative_stock is \"refuse\"".to_owned(),
        Outcome::CountBeyondHistory => format!(
            "the count reaches back further than the {} movements that the position remembers",
            config.history_max
        ),
        Outcome::SequenceMissing => "the order of this source asks for a `sequence`".to_owned(),
        Outcome::Late => {
            let number = event.sequence.unwrap_or_default();
            match diagnostics.late {
                Some(Late::WasTaken) => {
                    format!("`sequence` {number} was taken by another event before; this one is applied all the same")
                }
                Some(Late::IsSmaller) => {
                    format!("`sequence` {number} does not grow; the event is applied all the same")
                }
                Some(Late::WasLost) | None => {
                    format!(
                        "`sequence` {number} was given up before it came; the event is applied and the gap is closed there"
                    )
                }
            }
        }
        Outcome::Loop => format!(
            "the event made {} hops between systems; echo.hops_max allows {}",
            event.hops.unwrap_or_default(),
            config.hops_max
        ),
        Outcome::TooLarge => format!("{bytes} bytes; an event has at most {EVENT_BYTES_MAX}"),
        Outcome::UnknownReference => {
            "it names something that is not there; the first answer to this id says what it was".to_owned()
        }
        Outcome::NotOwner => format!("{:?} may not say {kind}; the first answer to this id says why", event.source),
        Outcome::Insufficient => "there was not enough; the first answer to this id says of what".to_owned(),
        Outcome::PendingApproval => "it waits for an approval".to_owned(),
        other => other.name().to_owned(),
    }
}

/// Why a quantity is not taken that thousandths cannot hold.
fn cause_of_inexact(kind: &str, rule: &str, sent: Option<&str>) -> String {
    let Some(sent) = sent else {
        return format!("`quantity` of {kind} must be {rule}, with at most 3 fraction digits and at most 10^12");
    };
    let plain = sent.trim_matches('"');
    let fraction = plain.split_once('.').map_or("", |(_, fraction)| fraction.trim_end_matches('0'));
    if fraction.len() > 3 && fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("quantity {plain} of {kind} has {} fraction digits; at most 3 are kept", fraction.len());
    }
    format!("quantity {plain} of {kind} must be {rule}, with at most 3 fraction digits and at most 10^12")
}

fn cause_of_conflict(fields: Option<&[&str]>) -> String {
    const SENT_BEFORE: &str = "this id was already used with another body";
    match fields {
        Some([]) => format!("{SENT_BEFORE}; in which field it differs is not kept, compare the log"),
        Some(fields) => format!("{SENT_BEFORE}: {} differs", fields.join(", ")),
        None => format!(
            "{SENT_BEFORE}, more than {NAMED_ELEMENTS} elements ago: too far back to name the fields that differ, compare the log"
        ),
    }
}

fn out_of_bounds(event: &Event<'_>, bounds: TimeBounds, log_time_ns: i64) -> String {
    let EventTime::At(time_ns) = event.time else {
        return "`time` is centuries away from the log's time".to_owned();
    };
    let (time, log_time) = (instant::format(time_ns), instant::format(log_time_ns));
    if time_ns > log_time_ns {
        return format!(
            "`time` {time} is {} ahead of the log's time {log_time}; this source may be {} ahead at most (max_ahead)",
            span(time_ns.saturating_sub(log_time_ns)),
            span(bounds.max_ahead_ns)
        );
    }
    let age_ns = log_time_ns.saturating_sub(time_ns);
    match bounds.max_age_ns.filter(|max_age_ns| age_ns > *max_age_ns) {
        Some(max_age_ns) => format!(
            "`time` {time} is {} old at the log's time; this source may be {} late at most (max_age)",
            span(age_ns),
            span(max_age_ns)
        ),
        None => format!("`time` {time} is older than what the keys are remembered for at the log's time {log_time}"),
    }
}

/// A length of time in its two largest units.
pub(crate) fn span(ns: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = ns.max(0) / 1_000_000_000;
    let mut parts = Vec::new();
    for (seconds, unit) in UNITS {
        if left >= seconds && parts.len() < 2 {
            parts.push(format!("{} {unit}", left / seconds));
            left %= seconds;
        }
    }
    if parts.is_empty() { "less than 1 s".to_owned() } else { parts.join(" ") }
}

/// That stock went, or would go, below zero: what it came to, what took it there, and what was there.
pub(crate) fn cause_below_zero(verb: &str, kind: &str, (before, after): (i64, i64)) -> String {
    let [taken, after, before] = [before.saturating_sub(after), after, before].map(quantity::text);
    let done = kind.rsplit('.').next().unwrap_or(kind);
    format!("stock {verb} to {after} ({done} {taken}, had {before})")
}

/// How an event differs from the one that was posted under its key, as far as that is still known. Of other fields that
/// differ the names are known alone.
pub(crate) fn cause_of_versions(id: &str, fields: &[&str], versions: &[Difference]) -> String {
    let each = versions.iter().map(|Difference { field, was, is }| format!("{field} was {was}, is now {is}"));
    let others = fields.iter().filter(|field| versions.iter().all(|version| *version.field != ***field));
    let others: Vec<_> = others.map(|field| format!("{field} differs, too")).collect();
    let all: Vec<_> = each.chain(others).collect();
    format!("id {id} was already used: {}", all.join("; "))
}

/// Why an event that was counted (or only observed) raised an exception. `about` is what it is about, if that is not
/// the event.
pub(crate) fn cause_of_code(config: &Config, code: &str, event: &Event<'_>, about: Option<&str>) -> String {
    let kind = event.kind;
    let source = event.source;
    let (sku, location) = (event.sku, event.location);
    match code {
        "short_pick" => {
            format!("{} of {sku} at {location} could not be picked, although it was allocated", amount(event))
        }
        "duplicate_suspect" => {
            "an event under another key said the same: document, line, type, position and quantity".to_owned()
        }
        "contributor" => match about {
            // It waited for an approval, and the event that is seen here is the approval.
            Some(name) => format!("the source of {name} only contributes its type; the event counts"),
            None => format!("{source:?} only contributes {kind}; another system owns it, and the event counts"),
        },
        "unregistered_source" => cause_of_stranger(config, about.unwrap_or(source)),
        "unknown_item" => format!("item {:?} is not defined at this time; the event counts", about.unwrap_or(sku)),
        "unknown_location" => {
            format!("location {:?} is not defined at this time; the event counts", about.unwrap_or(location))
        }
        "claim_below_zero" => {
            let whose = about.unwrap_or(sku);
            format!("more was given back than was ever claimed of {whose}, last by {kind} of {}", amount(event))
        }
        "ship_without_pick" => {
            format!("{source:?} shipped {} of {sku} at {location}, and never told of picking it", amount(event))
        }
        "closed_line" => format!("{kind} of {} came for {}, which is closed", amount(event), line_of(event)),
        "document_clash" => format!("{source:?} states {}, which another source has stated, too", line_of(event)),
        "unallocated_pick" => {
            format!("{} of {sku} was picked for {}, and nobody had allocated or held it", amount(event), line_of(event))
        }
        _ => format!("{kind} raises {code} each time"),
    }
}

/// The quantity as it was sent.
fn amount(event: &Event<'_>) -> String {
    match event.quantity {
        Some(EventQuantity::Exact(thousandths)) => quantity::text(thousandths),
        _ => "a quantity".to_owned(),
    }
}

fn line_of(event: &Event<'_>) -> String {
    let document = event.document.unwrap_or_default();
    match event.line {
        Some(line) => format!("line {line} of {document:?}"),
        None => format!("document {document:?}"),
    }
}

/// Why a source is not known, and what that means for what it says.
fn cause_of_stranger(config: &Config, source: &str) -> String {
    match &config.ownership {
        Some(policy) if policy.has_preset => {
            let what = match policy.default {
                Role::Observer => "its events are recorded and change nothing",
                Role::Refused => "only what [ownership] leaves to everybody counts",
                Role::Owner | Role::Contributor => "its events count by [ownership] default",
            };
            format!("no rule of [ownership] names the source {source:?}; {what}")
        }
        _ => format!("the source {source:?} has no table in [sources]; its events count"),
    }
}

// It reads the sources, which the engine itself never does.
#[cfg(test)]
#[path = "../../../../tests/rust/explain/codes.rs"]
mod tests;
