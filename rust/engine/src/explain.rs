//! Exceptions in words: the cause, said with the event's own values, and the cure.

use crate::config::{Config, TimeBounds};
use crate::decode::Malformed;
use crate::dedup::Fingerprint;
use crate::event::{Event, EventTime};
use crate::instant;
use crate::limits::{EVENT_BYTES_MAX, NAMED_ELEMENTS};
use crate::outcome::Outcome;

/// What was learned about an element on its way, beyond its outcome.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Why it is malformed.
    pub(crate) malformed: Option<Malformed>,
    /// In what it differs from what its key said first; nothing where that lies too far back.
    pub(crate) fields: Option<Vec<&'static str>>,
    /// Why it is late.
    pub(crate) late: Option<Late>,
    /// More about the outcome, in words.
    pub(crate) why: Option<String>,
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
}

impl Raised {
    pub(crate) fn of(code: &str) -> Self {
        Self { code: code.into(), location: None, subject: None, key: None, cause: None }
    }
}

impl Findings {
    /// Makes it blank for another element. Most are: to look is cheaper than to write it all anew.
    #[inline]
    pub(crate) fn clear(&mut self) {
        let is_blank = self.malformed.is_none()
            && self.fields.is_none()
            && self.late.is_none()
            && self.why.is_none()
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
        !(self.raised.is_empty() && self.settled.is_empty())
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
    findings: &Findings,
    config: &Config,
    log_time_ns: i64,
    bytes: u64,
) -> String {
    let kind = event.kind.unwrap_or_default();
    match outcome {
        Outcome::Malformed => {
            findings.malformed.map_or_else(|| "not an event".to_owned(), |malformed| malformed.to_string())
        }
        Outcome::UnknownType => format!("type {kind:?} stands in no rule table and is no alias"),
        Outcome::QuantityInvalid => {
            let rule = config.rules.find(kind).map_or("", |number| config.rules.rule(number).quantity.in_words());
            format!(
                "`quantity` of {kind} must be {rule}, with at most 3 fraction digits and a magnitude of at most 10^12"
            )
        }
        Outcome::Conflict => cause_of_conflict(findings.fields.as_deref()),
        Outcome::TimeOutOfBounds => out_of_bounds(event, config.bounds(event.source.unwrap_or_default()), log_time_ns),
        Outcome::Overflow => "an account of the position would exceed 10^15 units".to_owned(),
        Outcome::NegativeStock => "`on_hand` would fall below zero, and negative_stock is \"refuse\"".to_owned(),
        Outcome::CountBeyondHistory => format!(
            "the count reaches back further than the {} movements that the position remembers",
            config.history_max
        ),
        Outcome::SequenceMissing => "the order of this source asks for a `sequence`".to_owned(),
        Outcome::Late => {
            let number = event.sequence.unwrap_or_default();
            match findings.late {
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
        Outcome::TooLarge => format!("{bytes} bytes; an event has at most {EVENT_BYTES_MAX}"),
        other => other.name().to_owned(),
    }
}

fn cause_of_conflict(fields: Option<&[&str]>) -> String {
    const SENT_BEFORE: &str = "this key was sent before with another body";
    match fields {
        Some([]) => format!("{SENT_BEFORE}; in which field it differs is not kept, compare the log"),
        Some(fields) => format!("{SENT_BEFORE}; different: {}", fields.join(", ")),
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
            "`time` {time} is ahead of the log's time {log_time} by more than max_ahead ({} s)",
            bounds.max_ahead_ns / 1_000_000_000
        );
    }
    format!("`time` {time} is older than what the keys are remembered for at the log's time {log_time}")
}

/// Why an applied event raised an exception.
pub(crate) fn cause_of_code(code: &str) -> &'static str {
    match code {
        "negative_stock" => "`on_hand` went below zero",
        "short_pick" => "less was on the shelf than was allocated",
        "duplicate_suspect" => "an event under another key said the same: document, line, type, position and quantity",
        _ => "the type raises an exception each time",
    }
}

/// What to do about an exception.
pub(crate) fn cure(code: &str) -> &'static str {
    match code {
        "malformed" => "correct the event at its source and send it again under the same key",
        "unknown_type" => "add the type or an alias for it to [types], or correct the source, and send the event again",
        "quantity_invalid" => "correct the quantity at its source and send the event again under the same key",
        "conflict" => {
            "the source must use a new id for a new event; find out which of the two is right and send a correction under a new key"
        }
        "time_out_of_bounds" => {
            "correct the clock of the source, or declare it as a load of history (max_age = \"none\")"
        }
        "sequence_missing" => "send the event with its number, or declare the source's order as \"arrival\"",
        "sequence_gap" => "find out what became of these events and send them again; they are applied as late",
        "late" => "nothing, if this was a delay; if it happens often, raise gap_wait or look at the transport",
        "overflow" => "check the unit of measure and the history of this position",
        "negative_stock" => "count the position, or find the receipt that is missing",
        "count_beyond_history" => "count again now, or raise engine.history_max",
        "too_large" => "send a smaller event; unknown fields count too",
        "short_pick" => "count the location and allocate the rest of the order elsewhere",
        "supply_overdue" => "ask the supplier, and reschedule, receive or cancel the line",
        "closed_line" => {
            "find out which is right, the close or the movement; schedule the line again if more is to come"
        }
        "over_release" => "nothing more was given back than was held; look for a release that was sent twice",
        "reservation_at_risk" => "bring supply forward, or void or reschedule one of the reservations that are named",
        "reservation_leak" => "void the reservation, or open its document again",
        "over_protected" => "lower a protection, or accept that the first channel that comes is served first",
        "insufficient" => "ask for the quantity or the date that the cause names, under a new key",
        "duplicate_suspect" => "compare the two events; if it is one, send the opposite movement under a new key",
        _ => "look at the original event and its source",
    }
}
