//! What goes out: positions that changed since the last flush, merged per position (latest wins), and exceptions, encoded as CloudEvents in JSON.
//! Knows no bus.

use std::collections::BTreeMap;

use crate::balance::{self, Balance};
use crate::exception::ExceptionRecord;
use crate::instant;
use crate::quantity::write_digits;

/// Ids that an event carries through to what it causes.
#[derive(Debug, Clone, Default)]
pub struct Tracing {
    /// `correlationid`
    pub correlation: Option<Box<str>>,
    /// `causationid`
    pub causation: Option<Box<str>>,
}

/// Changed positions and exceptions that wait to be sent.
#[derive(Debug, Default)]
pub struct Effects {
    changed: Vec<u32>,
    /// One bit per position: whether it stands in `changed`.
    marks: Vec<u64>,
    /// The ids that came with the latest change of a position, where there were any.
    tracings: BTreeMap<u32, Tracing>,
    /// Exceptions held for the next flush.
    pub exceptions: Vec<ExceptionRecord>,
}

impl Effects {
    /// Notes that a position changed, and because of what.
    pub fn touch(&mut self, position: u32, tracing: Option<Tracing>) {
        let (word, bit) = (position as usize / 64, 1 << (position % 64));
        if word >= self.marks.len() {
            self.marks.resize(word + 1, 0);
        }
        if self.marks[word] & bit == 0 {
            self.marks[word] |= bit;
            self.changed.push(position);
        }
        match tracing {
            Some(tracing) => drop(self.tracings.insert(position, tracing)),
            None if self.tracings.is_empty() => {}
            None => drop(self.tracings.remove(&position)),
        }
    }

    /// Takes the changed positions, in the order in which they first changed.
    pub fn take_changed(&mut self) -> Vec<(u32, Tracing)> {
        let changed = std::mem::take(&mut self.changed);
        let mut tracings = std::mem::take(&mut self.tracings);
        for position in &changed {
            self.marks[*position as usize / 64] = 0;
        }
        changed.into_iter().map(|position| (position, tracings.remove(&position).unwrap_or_default())).collect()
    }

    /// Whether nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.exceptions.is_empty()
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        let held: usize = self.exceptions.iter().map(|record| record.event.len()).sum();
        self.marks.capacity() * size_of::<u64>()
            + self.changed.capacity() * size_of::<u32>()
            + self.tracings.len() * size_of::<(u32, Tracing)>()
            + self.exceptions.capacity() * size_of::<ExceptionRecord>()
            + held
    }
}

/// Where a flush belongs: the input stream and the log sequences (from, through] that it covers.
#[derive(Debug, Clone, Copy)]
pub struct Covers<'a> {
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
pub fn encode_availability<'a>(
    covers: Covers<'_>,
    positions: impl Iterator<Item = (Balance, &'a Tracing)>,
    positions_max: usize,
    bytes_max: usize,
) -> Vec<Message> {
    let mut entries = Packer::new(positions_max, bytes_max);
    for (balance, tracing) in positions {
        entries
            .add(|out| balance.write_availability(out, tracing.correlation.as_deref(), tracing.causation.as_deref()));
    }
    let message = |part: usize, body: Vec<u8>| {
        let id = format!("{}:{}:availability:{part}", covers.stream, covers.through);
        let mut out = Vec::with_capacity(body.len() + 300);
        write_envelope(&mut out, &id, "tallystick.availability", covers.stream, covers.log_time_ns);
        out.extend_from_slice(b",\"data\":{\"from\":");
        write_digits(&mut out, covers.from);
        out.extend_from_slice(b",\"through\":");
        write_digits(&mut out, covers.through);
        out.extend_from_slice(b",\"positions\":[");
        out.extend_from_slice(&body);
        out.extend_from_slice(b"]}}");
        (id, out)
    };
    entries.finish().into_iter().enumerate().map(|(part, body)| message(part, body)).collect()
}

/// Encodes exceptions, each message a CloudEvents batch.
pub fn encode_exceptions(
    covers: Covers<'_>,
    records: &[ExceptionRecord],
    records_max: usize,
    bytes_max: usize,
) -> Vec<Message> {
    let mut entries = Packer::new(records_max, bytes_max);
    let mut place = (0, 0);
    let mut nth = 0;
    for record in records {
        // An event can raise several exceptions; they are told apart by their number within its place.
        nth = if place == (record.sequence, record.index) { nth + 1 } else { 0 };
        place = (record.sequence, record.index);
        entries.add(|out| write_exception(out, covers.stream, record, nth));
    }
    let message = |part: usize, body: Vec<u8>| {
        let mut out = Vec::with_capacity(body.len() + 2);
        out.push(b'[');
        out.extend_from_slice(&body);
        out.push(b']');
        (format!("{}:{}:exceptions:{part}", covers.stream, covers.through), out)
    };
    entries.finish().into_iter().enumerate().map(|(part, body)| message(part, body)).collect()
}

fn write_exception(out: &mut Vec<u8>, stream: &str, record: &ExceptionRecord, nth: u32) {
    let id = format!("{stream}:{}:{}:{nth}", record.sequence, record.index);
    write_envelope(out, &id, "tallystick.exception", stream, record.log_time_ns);
    for (name, value) in [("correlationid", &record.correlation_id), ("causationid", &record.causation_id)] {
        write_text(out, name, value.as_deref());
    }
    out.extend_from_slice(b",\"data\":{\"code\":");
    balance::write_string(out, &record.code);
    write_text(out, "outcome", Some(record.outcome.name()));
    write_text(out, "owner", Some(record.team.name()));
    write_number(out, "sequence", record.sequence);
    write_number(out, "index", u64::from(record.index));
    for (name, value) in
        [("source", &record.source), ("id", &record.id), ("sku", &record.sku), ("location", &record.location)]
    {
        write_text(out, name, value.as_deref());
    }
    write_text(out, "cause", Some(&record.cause));
    write_text(out, "cure", Some(record.cure));
    if !record.fields.is_empty() {
        out.extend_from_slice(b",\"fields\":");
        serde_json::to_writer(&mut *out, &record.fields).expect("names are always JSON");
    }
    match std::str::from_utf8(&record.event) {
        Ok(text) => write_text(out, "event", Some(text)),
        Err(_) => write_text(out, "event_hex", Some(&hex(&record.event))),
    }
    write_number(out, "event_bytes_total", record.event_bytes_total);
    out.extend_from_slice(b"}}");
}

fn write_envelope(out: &mut Vec<u8>, id: &str, kind: &str, stream: &str, log_time_ns: i64) {
    out.extend_from_slice(b"{\"specversion\":\"1.0\"");
    write_text(out, "id", Some(id));
    write_text(out, "source", Some(&format!("/tallystick/{stream}")));
    write_text(out, "type", Some(kind));
    write_text(out, "time", Some(&instant::format(log_time_ns)));
    write_text(out, "datacontenttype", Some("application/json"));
}

fn write_text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        write_name(out, name);
        balance::write_string(out, value);
    }
}

fn write_number(out: &mut Vec<u8>, name: &str, value: u64) {
    write_name(out, name);
    write_digits(out, value);
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Packs entries, separated by commas, into bodies that keep to a count and a size.
struct Packer {
    bodies: Vec<Vec<u8>>,
    current: Vec<u8>,
    count: usize,
    count_max: usize,
    bytes_max: usize,
}

impl Packer {
    fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { bodies: Vec::new(), current: Vec::new(), count: 0, count_max: count_max.max(1), bytes_max }
    }

    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.current.len();
        if self.count > 0 {
            self.current.push(b',');
        }
        write(&mut self.current);
        self.count += 1;
        if self.count > 1 && self.current.len() > self.bytes_max {
            // The entry that does not fit opens the next body; its comma stays behind.
            let next = self.current.split_off(before + 1);
            self.current.pop();
            self.bodies.push(std::mem::replace(&mut self.current, next));
            self.count = 1;
        }
        if self.count == self.count_max {
            self.bodies.push(std::mem::take(&mut self.current));
            self.count = 0;
        }
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        if self.count > 0 {
            self.bodies.push(self.current);
        }
        self.bodies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_keep_to_count_and_size() {
        let pack = |count_max, bytes_max| {
            let mut packer = Packer::new(count_max, bytes_max);
            for entry in ["aaa", "bbb", "cccccccccc", "d", "e"] {
                packer.add(|out| out.extend_from_slice(entry.as_bytes()));
            }
            packer.finish().into_iter().map(|body| String::from_utf8(body).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(pack(2, 1_000), ["aaa,bbb", "cccccccccc,d", "e"]);
        assert_eq!(pack(100, 7), ["aaa,bbb", "cccccccccc", "d,e"]);
        assert_eq!(pack(1, 1), ["aaa", "bbb", "cccccccccc", "d", "e"]);
    }
}
