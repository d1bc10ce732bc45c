//! Answers: what a caller is told of its request, as JSON for the subject that it named (`docs/promise.md` §4).

use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::outcome::Outcome;

use crate::core::context::Context;
use crate::diagnostics::Diagnostics;
use crate::output::batch::{Batch, Reply};
use crate::output::effect::{write_amount, write_name, write_number, write_text};
use crate::promise::Promises;
use crate::promise::record::{End, Record, Settled, Status};
use crate::read::directive::{Ask, Directive, Request, Settle, Settling, Wanted, reply_of};
use crate::read::element::{Decoded, Element};
use crate::read::event::REQUEST;
use crate::schedule::View;
/// What answers have beside their lines, and what a line has, mostly. Only room is made by it.
const HEAD_BYTES: usize = 288;
const LINE_BYTES: usize = 96;

/// The status of what waits for its reservation.
const WAITING: &str = "waiting";

/// What became of taking or giving back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// Thousandths in all.
    Settled(i64),
}

impl Promises {
    /// Answers a request for a reservation that was decided.
    pub(crate) fn answer_request(
        view: View<'_>,
        record: &Record<'_>,
        ask: &Ask<'_>,
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) {
        diagnostics.is_answered = true;
        let Some(reply) = &ask.reply else { return };
        diagnostics.is_told = true;
        let mut body = Vec::with_capacity(HEAD_BYTES + record.got.len() * LINE_BYTES);
        Self::write_decision(view, &mut body, record, ask);
        batch.answers.push(Reply { reply: (&**reply).into(), body });
    }

    /// Answers a directive that never came so far as to be carried out.
    pub(crate) fn answer_early(
        &self,
        view: View<'_>,
        (decoded, directive, sequence): (&Decoded<'_>, &Directive, u64),
        outcome: Outcome,
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) {
        let Some(reply) = directive.reply() else { return };
        diagnostics.is_told = true;
        let mut body = Vec::with_capacity(256);
        let is_again = matches!(outcome, Outcome::Duplicate | Outcome::Insufficient | Outcome::UnknownReference);
        let request = match &directive.request {
            Request::Reserve(ask) if is_again => {
                let slot = self.reservations.find(decoded.key);
                slot.map(|slot| (ask, self.reservations.get(slot)))
            }
            _ => None,
        };
        let settled = if is_again { self.reservations.settled(decoded.key) } else { None };
        match (request, settled) {
            (Some((ask, record)), _) => Self::write_decision(view, &mut body, &record, ask),
            (None, Some(settled)) => write_settled(&mut body, decoded, settled),
            _ if outcome == Outcome::Duplicate => {
                let why = "it is held, or its answer is not remembered any more";
                write_refusal(&mut body, decoded, (outcome, sequence), Some(why));
            }
            _ => {
                let fields = diagnostics.fields.as_ref().map(|fields| format!("different: {}", fields.join(", ")));
                write_refusal(
                    &mut body,
                    decoded,
                    (outcome, sequence),
                    diagnostics.why.as_deref().or(fields.as_deref()),
                );
            }
        }
        batch.answers.push(Reply { reply: reply.into(), body });
    }

    /// Answers what was taken or given back, and remembers the answer.
    pub(crate) fn answer_settled(
        &mut self,
        view: View<'_>,
        context: &Context<'_, '_>,
        settle: &Settle,
        (outcome, told): (Outcome, Told),
        diagnostics: &mut Diagnostics,
        batch: &mut Batch,
    ) {
        let status = match (outcome, settle.deed) {
            (Outcome::Applied | Outcome::Absorbed, Settling::Change) => Status::Changed.name(),
            (Outcome::Applied | Outcome::Absorbed, Settling::Void) => End::Voided.name(),
            (Outcome::Applied | Outcome::Absorbed, _) => End::Posted.name(),
            (Outcome::Insufficient, _) => Status::Insufficient.name(),
            _ => Status::Refused.name(),
        };
        let quantity = if let Told::Settled(quantity) = told { quantity } else { 0 };
        let why = diagnostics.why.as_deref().map(Into::into);
        let settled = Settled { status, outcome, quantity, sequence: context.sequence, why };
        diagnostics.is_answered = true;
        if let Some(reply) = &settle.reply {
            diagnostics.is_told = true;
            let mut body = Vec::with_capacity(160);
            write_settled(&mut body, context.decoded, &settled);
            batch.answers.push(Reply { reply: reply.clone(), body });
        }
        let now_ns = view.core.now_ns();
        self.reservations.remember_settled(context.decoded.key, settled, now_ns);
    }

    fn write_decision(view: View<'_>, out: &mut Vec<u8>, record: &Record<'_>, ask: &Ask) {
        let outcome = match record.status {
            Status::Granted | Status::Partly => Outcome::Applied,
            Status::Insufficient | Status::Changed | Status::Closed => Outcome::Insufficient,
            Status::Refused => Outcome::UnknownReference,
        };
        write_head(out, &record.named.source, &record.named.id, record.status.name(), outcome);
        write_amount(out, "quantity", record.granted());
        out.extend_from_slice(b",\"lines\":[");
        for (number, (got, wanted)) in record.got.iter().zip(&*ask.lines).enumerate() {
            if number > 0 {
                out.push(b',');
            }
            write_place(out, wanted);
            write_amount(out, "quantity", got.granted);
            if got.granted < got.asked {
                write_amount(out, "available", got.available);
            }
            if got.available < got.asked {
                write_name(out, "earliest");
                match got.earliest {
                    Some(bucket) => write_string(out, &view.core.bucket_text(bucket)),
                    None => out.extend_from_slice(b"null"),
                }
            }
            if got.is_group {
                Self::write_parts(view, out, record, number);
            }
            out.push(b'}');
        }
        out.push(b']');
        write_name(out, "expires");
        let is_granted = matches!(record.status, Status::Granted | Status::Partly);
        let answered_ns = record.more.as_ref().and_then(|more| more.answered_end_ns);
        let end_ns = answered_ns.unwrap_or(record.expires_ns);
        if is_granted && end_ns < i64::MAX {
            out.push(b'"');
            instant::write(out, end_ns);
            out.push(b'"');
        } else {
            out.extend_from_slice(b"null");
        }
        write_number(out, "sequence", record.sequence);
        if let Some(seen) = record.more.as_ref().and_then(|more| more.seen) {
            write_number(out, "version", seen);
        }
        write_text(out, "why", record.why());
        out.push(b'}');
    }

    /// From which locations a line was granted.
    fn write_parts(view: View<'_>, out: &mut Vec<u8>, record: &Record<'_>, line: usize) {
        out.extend_from_slice(b",\"parts\":[");
        let parts = record.parts.iter().filter(|part| usize::from(part.line) == line);
        for (number, part) in parts.enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"location\":");
            write_string(out, view.core.view_names(part.spot)[1]);
            write_amount(out, "quantity", part.granted);
            out.push(b'}');
        }
        out.push(b']');
    }
}

/// Answers an element that could not be read.
#[cold]
pub(crate) fn answer_unread(
    element: &Element<'_>,
    decoded: &Decoded<'_>,
    outcome: Outcome,
    diagnostics: &Diagnostics,
    batch: &mut Batch,
) {
    let is_ours = decoded.event.kind.starts_with("reservation.");
    if is_ours && let Some(reply) = reply_of(&element.whole()) {
        let mut body = Vec::new();
        let malformed = diagnostics.malformed.map(|malformed| malformed.to_string());
        let why = diagnostics.why.as_deref().or(malformed.as_deref());
        write_refusal(&mut body, decoded, (outcome, element.place.sequence), why);
        batch.answers.push(Reply { reply: reply.into(), body });
    }
}

/// Answers what was held, where nobody did yet. `sequence` is the last one that the state reflects.
pub(crate) fn answer_late(
    (element, decoded): (&Element<'_>, &Decoded<'_>),
    (outcome, sequence): (Outcome, u64),
    diagnostics: &mut Diagnostics,
    batch: &mut Batch,
) {
    let is_ours = decoded.event.kind.starts_with("reservation.");
    if !is_ours || diagnostics.is_answered {
        return;
    }
    let Some(reply) = reply_of(&element.whole()) else { return };
    diagnostics.is_told = true;
    let mut body = Vec::with_capacity(160);
    write_refusal(&mut body, decoded, (outcome, sequence), diagnostics.why.as_deref());
    batch.answers.push(Reply { reply: reply.into(), body });
}

/// Tells whoever asks for something of a reservation that nobody has requested it yet. The answer proper follows, if
/// somebody still listens.
pub(crate) fn answer_waiting(context: &Context<'_, '_>, settle: &Settle, batch: &mut Batch) {
    let Some(reply) = &settle.reply else { return };
    let why = format!("there is no reservation {}/{} yet; it waits for it", settle.target.source, settle.target.id);
    let (outcome, sequence) = (Outcome::Held, context.sequence);
    let waiting = Settled { status: WAITING, outcome, quantity: 0, sequence, why: Some(why.into()) };
    let mut body = Vec::with_capacity(160);
    write_settled(&mut body, context.decoded, &waiting);
    batch.answers.push(Reply { reply: reply.clone(), body });
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

fn write_refusal(out: &mut Vec<u8>, decoded: &Decoded<'_>, (outcome, sequence): (Outcome, u64), why: Option<&str>) {
    let (source, id) = (decoded.event.source, decoded.event.id);
    write_head(out, source, id, Status::Refused.name(), outcome);
    out.extend_from_slice(b",\"quantity\":0");
    if decoded.event.kind == REQUEST {
        out.extend_from_slice(b",\"lines\":[],\"expires\":null");
    }
    write_number(out, "sequence", sequence);
    write_text(out, "why", why);
    out.push(b'}');
}

fn write_settled(out: &mut Vec<u8>, decoded: &Decoded<'_>, settled: &Settled) {
    let (source, id) = (decoded.event.source, decoded.event.id);
    write_head(out, source, id, settled.status, settled.outcome);
    write_amount(out, "quantity", settled.quantity);
    write_number(out, "sequence", settled.sequence);
    write_text(out, "why", settled.why.as_deref());
    out.push(b'}');
}
