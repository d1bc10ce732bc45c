//! What goes out: positions that changed since the last flush, and exceptions, encoded as CloudEvents in JSON. Knows no
//! bus.

use std::sync::Arc;

use tallystick_contract::balance::BalanceView;
use tallystick_contract::codes;
use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity::{self, write_digits};

use crate::atp::UNLIMITED;
use crate::diagnostics::exception::{ExceptionRecord, StateChange};
use crate::output::replenishment::Signal;
use crate::read::element::Place;
use crate::stock::Spot;
use crate::stock::changes::Tracing;
/// Where a flush belongs: the input stream and the log sequences (from, through] that it covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Covers<'a> {
    /// Name of the input stream.
    pub stream: &'a str,
    /// The sequence through which all was sent before.
    pub from: u64,
    /// The last sequence that this flush reflects.
    pub through: u64,
    /// The log's time there, in nanoseconds since 1970.
    pub log_time_ns: i64,
}

/// One message: its id, which is the same whenever the same flush is made again, and its bytes.
pub type Message = (String, Vec<u8>);

/// Encodes changed positions, each message one `CloudEvent` with many positions.
pub(crate) fn encode_availability<'a>(
    covers: Covers<'_>,
    positions: impl Iterator<Item = (Spot, BalanceView<'a>, Option<&'a Tracing>)>,
    (positions_max, bytes_max): (usize, usize),
    more: impl Fn(Spot, &mut Vec<u8>),
) -> Vec<Message> {
    let id = |part: usize| format!("{}:{}:availability:{part}", covers.stream, covers.through);
    let begin = |part: usize, out: &mut Vec<u8>| {
        write_envelope(out, &id(part), "tallystick.availability", covers.stream, covers.log_time_ns);
        out.extend_from_slice(b",\"data\":{\"from\":");
        write_digits(out, covers.from);
        out.extend_from_slice(b",\"through\":");
        write_digits(out, covers.through);
        out.extend_from_slice(b",\"positions\":[");
    };
    let mut entries = Packer::new(positions_max, bytes_max, begin, b"]}}");
    for (spot, balance, tracing) in positions {
        let ids = tracing.map_or((None, None), |ids| (ids.correlation.as_deref(), ids.causation.as_deref()));
        entries.add(|out| balance.write_availability(out, |out| more(spot, out), ids));
    }
    entries.finish().into_iter().enumerate().map(|(part, message)| (id(part), message)).collect()
}

/// Encodes exceptions, each message a CloudEvents batch.
pub(crate) fn encode_exceptions(
    covers: Covers<'_>,
    records: &[Arc<ExceptionRecord>],
    (changes, signals): (&[StateChange], &[([&str; 2], Signal)]),
    records_max: usize,
    bytes_max: usize,
) -> Vec<Message> {
    let mut entries = Packer::new(records_max, bytes_max, |_, out| out.push(b'['), b"]");
    let mut place = (0, 0);
    let mut nth = 0;
    for record in records {
        // An event can raise several exceptions; they are told apart by their number within its place.
        nth = if place == (record.sequence, record.index) { nth + 1 } else { 0 };
        place = (record.sequence, record.index);
        entries.add(|out| write_exception(out, covers.stream, record, nth));
    }
    for (nth, change) in changes.iter().enumerate() {
        entries.add(|out| write_change(out, covers, change, nth));
    }
    for (nth, (names, signal)) in signals.iter().enumerate() {
        entries.add(|out| {
            let id = format!("{}:{}:replenishment:{nth}", covers.stream, covers.through);
            write_envelope(out, &id, "tallystick.replenishment", covers.stream, signal.log_time_ns);
            out.extend_from_slice(b",\"data\":");
            signal.write(*names, out);
            out.push(b'}');
        });
    }
    let id = |part: usize| format!("{}:{}:exceptions:{part}", covers.stream, covers.through);
    entries.finish().into_iter().enumerate().map(|(part, message)| (id(part), message)).collect()
}

fn write_exception(out: &mut Vec<u8>, stream: &str, record: &ExceptionRecord, nth: u32) {
    let id = format!("{stream}:{}:{}:{nth}", record.sequence, record.index);
    write_envelope(out, &id, "tallystick.exception", stream, record.log_time_ns);
    for (name, value) in [("correlationid", &record.correlation_id), ("causationid", &record.causation_id)] {
        write_text(out, name, value.as_deref());
    }
    out.extend_from_slice(b",\"data\":{\"exception\":");
    write_digits(out, record.number);
    write_members(out, record, &record.team);
    out.extend_from_slice(b"}}");
}

/// Writes how an item of work changed. Its place in the log and its number among the flush's changes tell it from all
/// others.
fn write_change(out: &mut Vec<u8>, covers: Covers<'_>, change: &StateChange, nth: usize) {
    let Place { sequence, index } = change.place;
    let id = format!("{}:{}:changes:{nth}", covers.stream, covers.through);
    write_envelope(out, &id, "tallystick.exception.changed", covers.stream, change.log_time_ns);
    out.extend_from_slice(b",\"data\":{\"exception\":");
    write_digits(out, change.number);
    write_text(out, "code", Some(&change.code));
    write_text(out, "state", Some(change.state.name()));
    out.extend_from_slice(if change.is_escalated { b",\"escalated\":true" } else { b",\"escalated\":false" });
    write_text(out, "owner", Some(&change.team));
    for (name, value) in [("moved_by", &change.moved_by), ("person", &change.person), ("note", &change.note)] {
        write_text(out, name, value.as_deref());
    }
    write_number(out, "sequence", sequence);
    write_number(out, "index", u64::from(index));
    out.extend_from_slice(b"}}");
}

/// Writes what is known of an exception, as members of an object that has one already.
pub(crate) fn write_members(out: &mut Vec<u8>, record: &ExceptionRecord, team: &str) {
    write_text(out, "code", Some(&record.code));
    write_text(out, "severity", Some(codes::find(&record.code).severity.name()));
    write_text(out, "outcome", record.outcome.map(Outcome::name));
    write_text(out, "owner", Some(team));
    write_number(out, "sequence", record.sequence);
    write_number(out, "index", u64::from(record.index));
    for (name, value) in
        [("source", &record.source), ("id", &record.id), ("sku", &record.sku), ("location", &record.location)]
    {
        write_text(out, name, value.as_deref());
    }
    write_text(out, "document", record.document.as_deref());
    if let Some(quantity) = record.quantity {
        write_amount(out, "quantity", quantity);
    }
    if let Some((before, after)) = record.stock {
        write_amount(out, "before", before);
        write_amount(out, "after", after);
    }
    write_text(out, "cause", Some(&record.cause));
    write_text(out, "cure", Some(record.cure));
    if !record.fields.is_empty() {
        out.extend_from_slice(b",\"fields\":");
        serde_json::to_writer(&mut *out, &record.fields).expect("names are always JSON");
    }
    if !record.versions.is_empty() {
        out.extend_from_slice(b",\"versions\":[");
        for (place, version) in record.versions.iter().enumerate() {
            out.extend_from_slice(if place > 0 { b",{\"field\":" } else { b"{\"field\":" });
            write_string(out, &version.field);
            write_text(out, "was", Some(&version.was));
            write_text(out, "is", Some(&version.is));
            out.push(b'}');
        }
        out.push(b']');
    }
    if let Some((first, last)) = record.missing {
        write_number(out, "missing_from", first);
        write_number(out, "missing_to", last);
    }
    match std::str::from_utf8(&record.event) {
        Ok(text) if is_shorter_as_text(&record.event) => write_text(out, "event", Some(text)),
        _ => write_text(out, "event_hex", Some(&hex(&record.event))),
    }
    write_number(out, "event_bytes_total", record.event_bytes_total);
}

fn write_envelope(out: &mut Vec<u8>, id: &str, kind: &str, stream: &str, log_time_ns: i64) {
    out.extend_from_slice(b"{\"specversion\":\"1.0\"");
    write_text(out, "id", Some(id));
    write_text(out, "source", Some(&format!("/tallystick/{stream}")));
    write_text(out, "type", Some(kind));
    write_text(out, "time", Some(&instant::format(log_time_ns)));
    write_text(out, "datacontenttype", Some("application/json"));
}

pub(crate) fn write_text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        write_name(out, name);
        write_string(out, value);
    }
}

pub(crate) fn write_number(out: &mut Vec<u8>, name: &str, value: u64) {
    write_name(out, name);
    write_digits(out, value);
}

pub(crate) fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Whether a text takes no more than twice its bytes in JSON, as it does in hexadecimal: a control character takes six.
fn is_shorter_as_text(bytes: &[u8]) -> bool {
    4 * bytes.iter().filter(|byte| **byte < b' ').count() <= bytes.len()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Packs entries, separated by commas, into messages that keep to a count and a size of their entries. Each is written
/// where it stays.
struct Packer<Begin> {
    messages: Vec<Vec<u8>>,
    current: Vec<u8>,
    /// Where the entries of the current message begin, once it has one.
    start: usize,
    count: usize,
    count_max: usize,
    bytes_max: usize,
    begin: Begin,
    end: &'static [u8],
}

impl<Begin: Fn(usize, &mut Vec<u8>)> Packer<Begin> {
    /// `begin` writes what stands before the entries of the message with a number, `end` is what stands behind them.
    fn new(count_max: usize, bytes_max: usize, begin: Begin, end: &'static [u8]) -> Self {
        let (messages, current) = (Vec::new(), Vec::new());
        Self { messages, current, start: 0, count: 0, count_max: count_max.max(1), bytes_max, begin, end }
    }

    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.count == 0 {
            self.open();
        } else {
            self.current.push(b',');
        }
        let before = self.current.len();
        write(&mut self.current);
        self.count += 1;
        if self.count > 1 && self.current.len() - self.start > self.bytes_max {
            // The entry that does not fit opens the next message; its comma stays behind.
            let entry = self.current.split_off(before);
            self.current.pop();
            self.close();
            self.open();
            self.current.extend_from_slice(&entry);
            self.count = 1;
        }
        if self.count == self.count_max {
            self.close();
        }
    }

    fn open(&mut self) {
        // As large as the one before: messages of one flush are much alike.
        self.current.reserve(self.messages.last().map_or(0, |last| last.len() + last.len() / 8));
        (self.begin)(self.messages.len(), &mut self.current);
        self.start = self.current.len();
    }

    fn close(&mut self) {
        self.current.extend_from_slice(self.end);
        self.messages.push(std::mem::take(&mut self.current));
        self.count = 0;
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        if self.count > 0 {
            self.close();
        }
        self.messages
    }
}

/// Appends a list of names as a member.
pub(crate) fn write_names<'n>(out: &mut Vec<u8>, member: &str, names: impl Iterator<Item = &'n str>) {
    write_name(out, member);
    out.push(b'[');
    for (number, name) in names.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_string(out, name);
    }
    out.push(b']');
}

/// Appends an amount as a member; null where it has no limit.
pub(crate) fn write_amount(out: &mut Vec<u8>, name: &str, thousandths: i64) {
    write_name(out, name);
    if thousandths == UNLIMITED {
        out.extend_from_slice(b"null");
    } else {
        quantity::write(out, thousandths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_to_count_and_size() {
        let pack = |count_max, bytes_max| {
            let begin = |part: usize, out: &mut Vec<u8>| out.extend(format!("{part}:").bytes());
            let mut packer = Packer::new(count_max, bytes_max, begin, b";");
            for entry in ["aaa", "bbb", "cccccccccc", "d", "e"] {
                packer.add(|out| out.extend_from_slice(entry.as_bytes()));
            }
            packer.finish().into_iter().map(|message| String::from_utf8(message).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(pack(2, 1_000), ["0:aaa,bbb;", "1:cccccccccc,d;", "2:e;"]);
        assert_eq!(pack(100, 7), ["0:aaa,bbb;", "1:cccccccccc;", "2:d,e;"]);
        assert_eq!(pack(1, 1), ["0:aaa;", "1:bbb;", "2:cccccccccc;", "3:d;", "4:e;"]);
    }
}
