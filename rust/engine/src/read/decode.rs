//! Bytes of one element → [`Event`]. Directed by the schema: reads what the contract names, checks and skips the rest,
//! builds no tree.

use std::borrow::Cow;

use bumpalo::Bump;
use tallystick_contract::instant::{self, ParsedInstant};
use tallystick_contract::limits::{
    CORRELATION_BYTES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, SOURCE_BYTES_MAX, TYPE_BYTES_MAX, UNIT_BYTES_MAX,
};
use tallystick_contract::quantity::{self, ParsedQuantity};

use crate::read::event::{Event, EventQuantity, EventTime, Field, REQUEST, RequestTail};
use crate::read::json::{Cursor, Fault, JsonKind, Text, plain_bytes};
use crate::read::line_number::LineNumber;
use crate::read::malformed::Malformed;
use crate::read::shape::{Shapes, ValueKind, ValueSpan};

/// Decodes an element. The event holds what could be read even when something is malformed, so that the exception can
/// name its key. Events that are laid out like one before take the short way that [`Shapes`] remember; the answer is
/// the same. Strings written with escapes are unescaped into the arena.
///
/// # Errors
/// The first fault in the element.
pub fn decode<'a>(
    element: &'a [u8],
    event: &mut Event<'a>,
    shapes: &mut Shapes,
    arena: &'a Bump,
) -> Result<(), Malformed> {
    *event = Event::default();
    let text = text_of(element)?;
    if follow(text, event, shapes) {
        return Ok(());
    }
    *event = Event::default();
    let values = shapes.take_buffer();
    let mut decoder = Decoder { cursor: Cursor::new(text), event, arena, seen: 0, problem: None, values, other: None };
    if text.is_empty() || decoder.cursor.kind()? != JsonKind::Object {
        return Err(Malformed::of_element("an event is a JSON object"));
    }
    decoder.object::<true>()?;
    decoder.cursor.finish()?;
    let values = std::mem::take(&mut decoder.values);
    decoder.finish()?;
    shapes.learn(text, values);
    Ok(())
}

/// An element as text.
fn text_of(element: &[u8]) -> Result<&str, Fault> {
    // Where the fault is matters only where there is one.
    simdutf8::basic::from_utf8(element).or_else(|_| {
        std::str::from_utf8(element).map_err(|error| Fault { what: "not UTF-8", offset: error.valid_up_to() })
    })
}

/// Decodes the stock event of a correction, which has no key of its own: `id` and `source` are not asked for, and there
/// is no `data` in it.
///
/// # Errors
/// The first fault in it.
pub(crate) fn decode_nameless<'a>(text: &'a str, event: &mut Event<'a>, arena: &'a Bump) -> Result<(), Malformed> {
    let mut decoder =
        Decoder { cursor: Cursor::new(text), event, arena, seen: 0, problem: None, values: Vec::new(), other: None };
    decoder.object::<true>()?;
    decoder.cursor.finish()?;
    let has_data = decoder.seen & 1 << Field::Data as u32 != 0;
    match decoder.problem {
        Some(problem) => Err(problem),
        None if has_data => Err(Malformed::of_field(Field::Data, "has no place here")),
        None if decoder.event.kind.is_empty() => Err(Malformed::of_field(Field::Type, "is required")),
        None => Ok(()),
    }
}

/// Reads an element along a shape seen before. Returns whether it has one and every value is plain and right; if not,
/// nothing that was read counts.
fn follow<'a>(text: &'a str, event: &mut Event<'a>, shapes: &mut Shapes) -> bool {
    let bytes = text.as_bytes();
    let mut minute = shapes.minute;
    let mut node = Shapes::ROOT;
    let mut at = 0;
    while let Some((next, behind)) = shapes.step(node, bytes, at) {
        node = next;
        let (kind, field) = shapes.value(node);
        let end = match kind {
            ValueKind::String => behind + plain_bytes(&bytes[behind..]),
            ValueKind::Number => behind + digits(&bytes[behind..]),
            ValueKind::Other => return false,
        };
        let Some(value) = text.get(behind..end) else { return false };
        let is_read = match (kind, field) {
            (ValueKind::String, _) if bytes.get(end) != Some(&b'"') => false,
            (ValueKind::String, None) => true,
            (_, None) => quantity::parse(value.as_bytes()) != ParsedQuantity::NotANumber,
            (ValueKind::String, Some(Field::Time)) => {
                event.time = match minute.parse(value.as_bytes()) {
                    ParsedInstant::Exact(ns) => EventTime::At(ns),
                    _ => return false,
                };
                true
            }
            (ValueKind::String, Some(field)) => set_text(event, field, value).is_ok(),
            (_, Some(field)) => {
                (field == Field::Quantity || is_whole(value.as_bytes())) && set_number(event, field, value).is_ok()
            }
        };
        if !is_read {
            return false;
        }
        at = end + usize::from(kind == ValueKind::String);
    }
    shapes.minute = minute;
    let is_read = shapes.is_end(node, &bytes[at..]) && require_envelope(event).is_ok();
    if is_read && shapes.has_others(node) && event.kind == REQUEST {
        event.rest = rest_along(text, shapes);
    }
    is_read
}

/// Where what is no field begins in an element that was read along a shape. Looked for afterwards, because most events
/// have no use for it.
fn rest_along(text: &str, shapes: &Shapes) -> Option<RequestTail> {
    let bytes = text.as_bytes();
    let (mut node, mut at) = (Shapes::ROOT, 0);
    while let Some((next, behind)) = shapes.step(node, bytes, at) {
        node = next;
        at = match shapes.value(node) {
            (ValueKind::String, None) => return Some(rest(text, behind - 1, shapes.is_in_data(node))),
            (_, None) => return Some(rest(text, behind, shapes.is_in_data(node))),
            (ValueKind::String, _) => behind + plain_bytes(&bytes[behind..]) + 1,
            (_, _) => behind + digits(&bytes[behind..]),
        };
    }
    None
}

/// Where what is no field begins, from where its first value begins.
fn rest(text: &str, value: usize, is_in_data: bool) -> RequestTail {
    let at = begin_of_name(&text.as_bytes()[..value]).and_then(|at| u32::try_from(at).ok());
    RequestTail { at: at.unwrap_or(0), is_in_data }
}

/// Where a member's name begins whose value comes next, unless it is written with escapes.
fn begin_of_name(before: &[u8]) -> Option<usize> {
    let name = before.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    let begin = memchr::memrchr2(b'"', b'\\', name)?;
    let is_quote = |at: usize| name[at] == b'"' && at.checked_sub(1).is_none_or(|at| name[at] != b'\\');
    Some(begin).filter(|begin| is_quote(*begin))
}

/// How many bytes at the beginning may belong to a number.
#[inline]
fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count()
}

/// Whether a text is a whole number in JSON's grammar.
#[inline]
pub(crate) fn is_whole(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first().is_some_and(|first| *first != b'0'))
}

/// Whether a text holds a control character as CloudEvents defines them: U+0000–U+001F and U+007F–U+009F.
pub(crate) fn has_control(text: &str) -> bool {
    // Without a way out of the inner loop, many bytes are looked at together.
    let is_odd = |chunk: &[u8]| chunk.iter().fold(false, |odd, byte| odd | !(0x20..0x7F).contains(byte));
    text.as_bytes().chunks(64).any(is_odd) && text.chars().any(char::is_control)
}

/// The names that every event must have.
pub(crate) fn require_envelope(event: &Event<'_>) -> Result<(), Malformed> {
    for (field, value) in [(Field::Id, event.id), (Field::Source, event.source), (Field::Type, event.kind)] {
        if value.is_empty() {
            return Err(Malformed::of_field(field, "is required"));
        }
    }
    if event.origin_source.is_some() != event.origin_id.is_some() {
        return Err(Malformed::of_field(Field::OriginId, "and `originsource` name an event together"));
    }
    Ok(())
}

const WRONG_TYPE: &str = "has the wrong JSON type";
pub(crate) const CONTROL: &str = "has a control character";
pub(crate) const NOT_A_TIME: &str = "is not RFC 3339 with a zone";
const NOT_WHOLE: &str = "is no whole number of 64 bits";

struct Decoder<'a, 'e> {
    cursor: Cursor<'a>,
    event: &'e mut Event<'a>,
    arena: &'a Bump,
    /// One bit per field that had a value.
    seen: u32,
    /// The first fault of a field; reading goes on behind it, for the sake of the key.
    problem: Option<Malformed>,
    /// The values so far, for the shape.
    values: Vec<ValueSpan>,
    /// Where the first value begins that is of no field, and whether it stands in `data`.
    other: Option<(usize, bool)>,
}

impl<'a> Decoder<'a, '_> {
    fn finish(self) -> Result<(), Malformed> {
        if let Some((value, is_in_data)) = self.other.filter(|_| self.event.kind == REQUEST) {
            self.event.rest = Some(rest(self.cursor.text(), value, is_in_data));
        }
        self.problem.map_or_else(|| require_envelope(self.event), Err)
    }

    /// Reads an object: the envelope, or `data`.
    fn object<const ENVELOPE: bool>(&mut self) -> Result<(), Malformed> {
        let field_of = if ENVELOPE { Field::in_envelope } else { Field::in_data };
        self.cursor.enter()?;
        let mut first = true;
        while let Some(name) = self.cursor.next_member(first)? {
            first = false;
            match name.value.as_deref().and_then(field_of) {
                Some(field) => self.field::<ENVELOPE>(field)?,
                None => self.unknown::<ENVELOPE>()?,
            }
        }
        Ok(())
    }

    fn unknown<const ENVELOPE: bool>(&mut self) -> Result<(), Malformed> {
        let (kind, start) = (self.cursor.kind()?, self.cursor.offset());
        self.other.get_or_insert((start, !ENVELOPE));
        self.cursor.skip_value()?;
        self.trace::<ENVELOPE>(None, kind, start);
        Ok(())
    }

    fn trace<const ENVELOPE: bool>(&mut self, field: Option<Field>, kind: JsonKind, start: usize) {
        let (kind, end) = (ValueKind::of(kind), self.cursor.offset());
        self.values.push(ValueSpan { field, kind, is_in_data: !ENVELOPE, start, end });
    }

    fn field<const ENVELOPE: bool>(&mut self, field: Field) -> Result<(), Malformed> {
        let kind = self.cursor.kind()?;
        let offset = self.cursor.offset();
        if field == Field::Data && kind == JsonKind::Object {
            self.object::<false>()?;
            self.note(field, offset, Ok(()));
            return Ok(());
        }
        let read = match kind {
            // CloudEvents' JSON format: a null is the same as no value.
            JsonKind::Null => {
                self.cursor.skip_value()?;
                self.trace::<ENVELOPE>(Some(field), kind, offset);
                return Ok(());
            }
            JsonKind::Number => {
                let text = self.cursor.number()?;
                set_number(self.event, field, text)
            }
            JsonKind::String => {
                let text = self.cursor.string()?;
                self.text(field, text)
            }
            JsonKind::Object | JsonKind::Array | JsonKind::Bool => {
                self.cursor.skip_value()?;
                Err(WRONG_TYPE)
            }
        };
        self.trace::<ENVELOPE>(Some(field), kind, offset);
        self.note(field, offset, read);
        Ok(())
    }

    /// Remembers the first fault, and that the field had a value; a second value is ambiguous and so a fault too.
    fn note(&mut self, field: Field, offset: usize, read: Result<(), &'static str>) {
        let bit = 1 << field as u32;
        let read = if self.seen & bit == 0 { read } else { Err("is given twice") };
        self.seen |= bit;
        if let Err(what) = read {
            self.problem.get_or_insert(Malformed { field: Some(field), fault: Fault { what, offset } });
        }
    }

    fn text(&mut self, field: Field, text: Text<'a>) -> Result<(), &'static str> {
        let is_plain = text.is_plain;
        let text = match text.value.ok_or("has an unpaired surrogate")? {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.arena.alloc_str(&text),
        };
        if !is_plain && has_control(text) {
            return Err(CONTROL);
        }
        set_text(self.event, field, text)
    }
}

/// Sets a field to a text without control characters.
#[inline]
pub(crate) fn set_text<'a>(event: &mut Event<'a>, field: Field, text: &'a str) -> Result<(), &'static str> {
    match field {
        Field::Id => event.id = required(text, ID_BYTES_MAX)?,
        Field::Source => event.source = required(text, SOURCE_BYTES_MAX)?,
        Field::Type => event.kind = required(text, TYPE_BYTES_MAX)?,
        Field::Sku => event.sku = required(text, NAME_BYTES_MAX)?,
        Field::Location => event.location = required(text, NAME_BYTES_MAX)?,
        Field::ToLocation => event.to_location = required(text, NAME_BYTES_MAX)?,
        Field::FromStatus => event.from_status = Some(text),
        Field::ToStatus => event.to_status = Some(text),
        Field::Lot => event.lot = optional(text, NAME_BYTES_MAX)?.unwrap_or_default(),
        Field::Owner => event.owner = optional(text, NAME_BYTES_MAX)?.unwrap_or_default(),
        Field::Document => event.document = optional(text, NAME_BYTES_MAX)?,
        Field::Reason => event.reason = optional(text, NAME_BYTES_MAX)?,
        Field::CorrelationId => event.correlation_id = optional(text, CORRELATION_BYTES_MAX)?,
        Field::CausationId => event.causation_id = optional(text, CORRELATION_BYTES_MAX)?,
        Field::OriginSource => event.origin_source = Some(required(text, SOURCE_BYTES_MAX)?),
        Field::OriginId => event.origin_id = Some(required(text, ID_BYTES_MAX)?),
        Field::Unit => event.unit = optional(text, UNIT_BYTES_MAX)?,
        Field::Time => event.time = time(text)?,
        Field::Due => event.due = Some(due(text)?),
        Field::Sequence | Field::Hops if !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err("is no whole number");
        }
        Field::Quantity | Field::Sequence | Field::Hops => return set_number(event, field, text),
        Field::Line => event.line = LineNumber::of(text)?,
        Field::Data => return Err(WRONG_TYPE),
    }
    Ok(())
}

/// Sets a field to a number in JSON's grammar.
#[inline]
fn set_number(event: &mut Event<'_>, field: Field, text: &str) -> Result<(), &'static str> {
    match field {
        Field::Quantity => {
            event.quantity = Some(match quantity::parse(text.as_bytes()) {
                ParsedQuantity::Exact(thousandths) => EventQuantity::Exact(thousandths),
                ParsedQuantity::Unrepresentable => EventQuantity::Unrepresentable,
                ParsedQuantity::NotANumber => return Err("is no decimal number"),
            });
            Ok(())
        }
        Field::Line | Field::Sequence | Field::Hops => {
            set_whole(event, field, text.parse::<i64>().map_err(|_| NOT_WHOLE)?.into())
        }
        _ => Err(WRONG_TYPE),
    }
}

/// Sets `line`, `sequence` or `hops`.
#[inline]
pub(crate) fn set_whole(event: &mut Event<'_>, field: Field, value: i128) -> Result<(), &'static str> {
    let value = i64::try_from(value).map_err(|_| NOT_WHOLE)?;
    match field {
        Field::Line => event.line = Some(LineNumber::Number(value)),
        Field::Sequence => event.sequence = Some(counted(value)?),
        Field::Hops => event.hops = Some(counted(value)?),
        _ => return Err(WRONG_TYPE),
    }
    Ok(())
}

fn counted(value: i64) -> Result<u64, &'static str> {
    u64::try_from(value).ok().filter(|value| *value > 0).ok_or("must be 1 or more")
}

#[inline]
fn required(text: &str, bytes_max: usize) -> Result<&str, &'static str> {
    optional(text, bytes_max)?.ok_or("is empty")
}

/// An empty name means that there is none: many systems send their empty columns.
#[inline]
fn optional(text: &str, bytes_max: usize) -> Result<Option<&str>, &'static str> {
    if text.len() > bytes_max {
        return Err("is longer than the contract allows");
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn time(text: &str) -> Result<EventTime, &'static str> {
    match instant::parse(text.as_bytes()) {
        ParsedInstant::Exact(ns) => Ok(EventTime::At(ns)),
        ParsedInstant::BeyondRange => Ok(EventTime::BeyondRange),
        ParsedInstant::NotATime => Err(NOT_A_TIME),
    }
}

fn due(text: &str) -> Result<&str, &'static str> {
    if instant::is_date_or_time(text.as_bytes()) { Ok(text) } else { Err("is neither a date nor RFC 3339 with a zone") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [&str; 10] = [
        r#"{"id":"1","source":"wms","type":"stock.sold","time":"2026-03-01T10:00:00Z","sku":"A","location":"L","quantity":1}"#,
        r#"{"id":"1","source":"wms","type":"stock.sold","sku":"A","location":"L","quantity":"1.5"}"#,
        r#"{"specversion":"1.0", "id":"1","source":"wms","type":"stock.sold","data":{"sku":"A","location":"L","quantity":1,"note":"x"}}"#,
        r#"{"id":"1","source":"wms","type":"transfer.dispatched","sku":"A","location":"L","quantity":1,"to_location":"M","line":3} "#,
        r#"{"quantity":1e1,"id":"a\u0062","source":"wms","lot":null,"type":"t","unknown":7,"sequence":"0012"}"#,
        r#"{"id":"1","source":"wms","type":"stock.sold","sku":"A","location":"L","quantity":1,"extra":[1]}"#,
        r#"{"id":"1","source":"shop","type":"reservation.requested","sku":"A","location":"L","quantity":1,"reply":"_INBOX.1","ttl":"5m"}"#,
        r#"{"type":"reservation.requested","id":"1","source":"shop","data":{"sku":"A" , "channel" : "web","location":"L","quantity":1},"x":7}"#,
        r#"{"id":"1","source":"shop","type":"reservation.requested","a\"b":"1","sku":"A","group":"G","quantity":1}"#,
        r#"{"version":7,"id":"1","source":"shop","type":"reservation.requested","sku":"A","location":"L","quantity":1}"#,
    ];

    /// Reads a text with all care, and along the shapes of other events: both must find the same.
    fn check(text: &[u8], shapes: &mut Shapes) {
        let (mut careful, mut short, arena) = (Event::default(), Event::default(), Bump::new());
        let expected = decode(text, &mut careful, &mut Shapes::default(), &arena);
        let found = decode(text, &mut short, shapes, &arena);
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(text));
        assert_eq!(short, careful, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn what_is_no_field_of_a_request_is_found() {
        let arena = Bump::new();
        let rests = EVENTS.map(|text| {
            let mut event = Event::default();
            let _ = decode(text.as_bytes(), &mut event, &mut Shapes::default(), &arena);
            event.rest.map(|rest| (&text[rest.at as usize..][..6], rest.is_in_data))
        });
        let (none, whole) = (None, Some((r#"{"id":"#, false)));
        let found = [Some((r#""reply"#, false)), Some((r#""chann"#, true)), whole, Some((r#""versi"#, false))];
        assert_eq!(rests[..6], [none; 6], "nobody asks for it elsewhere");
        assert_eq!(rests[6..], found);
    }

    #[test]
    fn a_shape_changes_no_answer() {
        let mut shapes = Shapes::default();
        for event in EVENTS.iter().chain(&EVENTS) {
            check(event.as_bytes(), &mut shapes);
        }
        // Every byte of every event replaced by what means something to JSON, and every event cut short and spliced
        // with another.
        for event in EVENTS {
            for place in 0..event.len() {
                for byte in *b"\"\\{}[],:0 e-.\x00\x7f\xff" {
                    let mut bytes = event.as_bytes().to_vec();
                    bytes[place] = byte;
                    check(&bytes, &mut shapes);
                }
                check(&event.as_bytes()[..place], &mut shapes);
                for other in EVENTS {
                    let spliced = [&event.as_bytes()[..place], &other.as_bytes()[place.min(other.len())..]].concat();
                    check(&spliced, &mut shapes);
                }
            }
        }
    }
}
