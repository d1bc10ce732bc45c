//! Raising: what a person has to look at becomes a record, and work (`docs/truth.md` §7); what is in order again is
//! resolved.

use std::sync::Arc;

use tallystick_contract::codes;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;

use crate::batch::Batch;
use crate::engine::{Engine, Place};
use crate::event::Event;
use crate::exception::ExceptionRecord;
use crate::explain::{Findings, Raised, cause_of_code, cause_of_outcome};
use crate::wave::{Element, Seen};
use crate::work::Now;

/// A position as the subject of an exception.
pub(crate) fn subject_of_position(event: &Event<'_>, location: &str) -> String {
    let [sku, lot, owner] = [event.sku, event.lot, event.owner].map(Option::unwrap_or_default);
    format!("{sku}/{location}/{lot}/{owner}")
}

/// An exception that is about no single event.
pub(crate) struct About<'a> {
    pub(crate) code: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) source: Option<&'a str>,
    pub(crate) sku: Option<&'a str>,
    pub(crate) location: Option<&'a str>,
    pub(crate) cause: String,
    pub(crate) missing: Option<(u64, u64)>,
    pub(crate) place: (u64, u32),
}

impl Engine {
    /// Writes down the exceptions that follow from an outcome, and resolves what it sets right.
    pub(crate) fn raise(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        (outcome, seen, findings): (Outcome, &Seen<'_>, &mut Findings),
        log_time_ns: i64,
        batch: &mut Batch,
    ) {
        let Place { sequence, index, .. } = element.place;
        let now = Now { place: (sequence, index), log_time_ns };
        if outcome.is_accepted() && self.work.knows(seen.key) {
            self.work.accept(seen.key, now);
        }
        for (code, subject) in std::mem::take(&mut findings.settled) {
            self.work.resolve(code, &subject, "in order again", now);
        }
        let is_silent =
            outcome.is_silent() || findings.is_grouped || findings.is_told && outcome == Outcome::Insufficient;
        if is_silent && findings.raised.is_empty() {
            return;
        }
        let event = &seen.event;
        let (original, event_bytes_total) = element.original();
        let subject = match (event.source, event.id) {
            (Some(source), Some(id)) => format!("{source}/{id}"),
            _ => format!("@{sequence}:{index}"),
        };
        let key = (event.source.is_some() && event.id.is_some()).then_some(seen.key);
        let record = |code: &str, location: Option<Box<str>>, cause: String, fields| ExceptionRecord {
            number: 0,
            code: code.into(),
            outcome: Some(outcome),
            team: config.team(code),
            sequence,
            index,
            log_time_ns,
            source: event.source.map(Into::into),
            id: event.id.map(Into::into),
            correlation_id: event.correlation_id.map(Into::into),
            causation_id: event.causation_id.map(Into::into),
            sku: event.sku.map(Into::into),
            location: location.or_else(|| event.location.map(Into::into)),
            cause,
            cure: codes::find(code).cure,
            fields,
            missing: None,
            event: (*original).into(),
            event_bytes_total,
        };
        if !is_silent {
            let cause = findings
                .why
                .take()
                .unwrap_or_else(|| cause_of_outcome(outcome, event, findings, config, log_time_ns, event_bytes_total));
            let fields = findings.fields.take().unwrap_or_default();
            let raised = record(outcome.name(), None, cause, fields);
            batch.exceptions.push(self.work.raise(raised, &subject, key));
        }
        for Raised { code, location, subject: own, key: of, cause } in std::mem::take(&mut findings.raised) {
            let cause = cause.unwrap_or_else(|| cause_of_code(config, &code, event, own.as_deref()));
            let raised = record(&code, location, cause, Vec::new());
            let (subject, key) = own.as_deref().map_or((&*subject, key), |own| (own, of));
            batch.exceptions.push(self.work.raise(raised, subject, key));
        }
    }

    /// Writes down an exception that is about no single event. Returns its number.
    pub(crate) fn raise_about(&mut self, config: &Config, about: About<'_>, batch: &mut Batch) -> u64 {
        let record = ExceptionRecord {
            number: 0,
            code: about.code.into(),
            outcome: None,
            team: config.team(about.code),
            sequence: about.place.0,
            index: about.place.1,
            log_time_ns: self.log_time_ns.unwrap_or(0),
            source: about.source.map(Into::into),
            id: None,
            correlation_id: None,
            causation_id: None,
            sku: about.sku.map(Into::into),
            location: about.location.map(Into::into),
            cause: about.cause,
            cure: codes::find(about.code).cure,
            fields: Vec::new(),
            missing: about.missing,
            event: Box::default(),
            event_bytes_total: 0,
        };
        let record: Arc<ExceptionRecord> = self.work.raise(record, about.subject, None);
        let number = record.number;
        batch.exceptions.push(record);
        number
    }

    /// Where the log is, for what is resolved there.
    pub(crate) fn now(&self, place: (u64, u32)) -> Now {
        Now { place, log_time_ns: self.log_time_ns.unwrap_or(0) }
    }
}
