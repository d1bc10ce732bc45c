//! Answers: what a caller is told of its request, as JSON for the subject that it named (`docs/promise.md` §4).

use super::reservation::{End, Record, Status};
use crate::balance::write_string;
use crate::batch::Batch;
use crate::directive::{Ask, Directive, Request, Settle, Wanted, reply_of};
use crate::effect::{write_name, write_number, write_text};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::instant;
use crate::judge::Case;
use crate::outcome::Outcome;
use crate::quantity;
use crate::wave::{Element, Seen};

/// An answer, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The subject.
    pub reply: Box<str>,
    /// JSON.
    pub body: Vec<u8>,
}

/// What became of taking or giving back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// Thousandths in all.
    Settled(i64),
}

impl Engine {
    /// Answers a request for a reservation that was decided.
    pub(crate) fn answer_request(&self, case: &Case<'_, '_>, ask: &Ask, outcome: Outcome, batch: &mut Batch) {
        let Some(reply) = &ask.reply else { return };
        let mut body = Vec::with_capacity(256);
        match self.promises.reservations.find(case.seen.key) {
            Some(slot) => self.write_decision(&mut body, self.promises.reservations.get(slot), ask, outcome),
            None => write_refusal(&mut body, case.seen, outcome, Some("the answer is not remembered any more")),
        }
        batch.answers.push(Reply { reply: reply.clone(), body });
    }

    /// Answers a directive that never came so far as to be carried out.
    pub(crate) fn answer_early(
        &self,
        seen: &Seen<'_>,
        directive: &Directive,
        (outcome, findings): (Outcome, &Findings),
        batch: &mut Batch,
    ) {
        let Some(reply) = directive.reply() else { return };
        let record = self.promises.reservations.find(seen.key).map(|slot| self.promises.reservations.get(slot));
        let mut body = Vec::with_capacity(256);
        let is_again = matches!(outcome, Outcome::Duplicate | Outcome::Insufficient | Outcome::UnknownReference);
        match (&directive.request, record) {
            (Request::Reserve(ask), Some(record)) if is_again => {
                let first = match record.status {
                    Status::Granted | Status::Partly => Outcome::Applied,
                    Status::Insufficient | Status::Changed => Outcome::Insufficient,
                    Status::Refused => outcome,
                };
                self.write_decision(&mut body, record, ask, first);
            }
            (Request::Settle(settle), _) if outcome == Outcome::Duplicate => {
                let key = crate::dedup::fingerprint(&self.secret, &settle.target.source, &settle.target.id);
                let target = self.promises.reservations.find(key).map(|slot| self.promises.reservations.get(slot));
                let quantity = target.map_or(0, |record| {
                    if settle.is_post { record.posted } else { record.granted() - record.held() - record.posted }
                });
                write_settled(&mut body, seen, settle, (Outcome::Applied, quantity, self.sequence), None);
            }
            _ => write_refusal(&mut body, seen, outcome, findings.why.as_deref()),
        }
        batch.answers.push(Reply { reply: reply.into(), body });
    }

    /// Answers an element that could not be read.
    #[cold]
    pub(crate) fn answer_unread(
        element: &Element<'_>,
        seen: &Seen<'_>,
        outcome: Outcome,
        findings: &Findings,
        batch: &mut Batch,
    ) {
        let is_ours = seen.event.kind.is_some_and(|kind| kind.starts_with("reservation."));
        if is_ours && let Some(reply) = reply_of(&element.whole()) {
            let mut body = Vec::new();
            write_refusal(&mut body, seen, outcome, findings.why.as_deref());
            batch.answers.push(Reply { reply: reply.into(), body });
        }
    }

    /// Answers what was taken or given back.
    pub(crate) fn answer_settled(
        case: &Case<'_, '_>,
        settle: &Settle,
        (outcome, told): (Outcome, Told),
        why: Option<&str>,
        batch: &mut Batch,
    ) {
        let Some(reply) = &settle.reply else { return };
        let mut body = Vec::with_capacity(160);
        let quantity = if let Told::Settled(quantity) = told { quantity } else { 0 };
        write_settled(&mut body, case.seen, settle, (outcome, quantity, case.sequence), why);
        batch.answers.push(Reply { reply: reply.clone(), body });
    }

    fn write_decision(&self, out: &mut Vec<u8>, record: &Record, ask: &Ask, outcome: Outcome) {
        write_head(out, &record.source, &record.id, record.status.name(), outcome);
        write_amount(out, "quantity", record.granted());
        out.extend_from_slice(b",\"lines\":[");
        for (number, (got, wanted)) in record.got.iter().zip(&ask.lines).enumerate() {
            if number > 0 {
                out.push(b',');
            }
            write_place(out, wanted);
            write_amount(out, "quantity", got.granted);
            if got.available < wanted.quantity && got.granted < wanted.quantity {
                write_amount(out, "available", got.available);
                write_name(out, "earliest");
                match got.earliest {
                    Some(bucket) => write_string(out, &self.bucket_text(bucket)),
                    None => out.extend_from_slice(b"null"),
                }
            }
            if got.is_group && got.granted > 0 {
                self.write_parts(out, record, number);
            }
            out.push(b'}');
        }
        out.push(b']');
        write_name(out, "expires");
        let is_granted = matches!(record.status, Status::Granted | Status::Partly);
        if is_granted && record.expires_ns < i64::MAX {
            write_string(out, &instant::format(record.expires_ns));
        } else {
            out.extend_from_slice(b"null");
        }
        write_number(out, "sequence", record.sequence);
        if let Some(seen) = record.seen {
            write_number(out, "version", seen);
        }
        write_text(out, "why", record.why.as_deref());
        out.push(b'}');
    }

    /// From which locations a line was granted.
    fn write_parts(&self, out: &mut Vec<u8>, record: &Record, line: usize) {
        out.extend_from_slice(b",\"parts\":[");
        let parts = record.parts.iter().filter(|part| usize::from(part.line) == line);
        for (number, part) in parts.enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"location\":");
            write_string(out, self.view(part.spot).names[1]);
            write_amount(out, "quantity", part.granted);
            out.push(b'}');
        }
        out.push(b']');
    }
}

fn write_place(out: &mut Vec<u8>, wanted: &Wanted) {
    out.extend_from_slice(b"{\"sku\":");
    write_string(out, &wanted.sku);
    match &wanted.position {
        Some([location, lot, owner]) => {
            write_text(out, "location", Some(location));
            for (name, value) in [("lot", lot), ("owner", owner)] {
                write_text(out, name, Some(&**value).filter(|value| !value.is_empty()));
            }
        }
        None => write_text(out, "group", wanted.group.as_deref()),
    }
}

fn write_head(out: &mut Vec<u8>, source: &str, id: &str, status: &str, outcome: Outcome) {
    out.extend_from_slice(b"{\"source\":");
    write_string(out, source);
    write_text(out, "id", Some(id));
    write_text(out, "status", Some(status));
    write_text(out, "outcome", Some(outcome.name()));
}

pub(super) fn write_amount(out: &mut Vec<u8>, name: &str, thousandths: i64) {
    write_name(out, name);
    if thousandths == crate::atp::UNLIMITED {
        out.extend_from_slice(b"null");
    } else {
        quantity::write(out, thousandths);
    }
}

fn write_refusal(out: &mut Vec<u8>, seen: &Seen<'_>, outcome: Outcome, why: Option<&str>) {
    let (source, id) = (seen.event.source.unwrap_or_default(), seen.event.id.unwrap_or_default());
    write_head(out, source, id, Status::Refused.name(), outcome);
    out.extend_from_slice(b",\"quantity\":0,\"lines\":[],\"expires\":null");
    write_text(out, "why", why);
    out.push(b'}');
}

fn write_settled(
    out: &mut Vec<u8>,
    seen: &Seen<'_>,
    settle: &Settle,
    (outcome, quantity, sequence): (Outcome, i64, u64),
    why: Option<&str>,
) {
    let status = match (outcome, settle.is_post) {
        (Outcome::Applied, true) => End::Posted.name(),
        (Outcome::Applied, false) => End::Voided.name(),
        (Outcome::Insufficient, _) => Status::Insufficient.name(),
        _ => Status::Refused.name(),
    };
    let (source, id) = (seen.event.source.unwrap_or_default(), seen.event.id.unwrap_or_default());
    write_head(out, source, id, status, outcome);
    write_amount(out, "quantity", quantity);
    write_number(out, "sequence", sequence);
    write_text(out, "why", why);
    out.push(b'}');
}
