//! Bytes of one element → [`Event`]. Directed by the schema: reads what the contract names, checks and skips the rest, builds no tree.

use std::borrow::Cow;
use std::fmt;

use crate::event::{Event, EventQuantity, EventTime, Field};
use crate::instant;
use crate::json::{Cursor, Fault, Kind, Text};
use crate::limits::{CORRELATION_BYTES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, SOURCE_BYTES_MAX, TYPE_BYTES_MAX};
use crate::quantity;

/// Why an element is `malformed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    field: Option<Field>,
    fault: Fault,
}

impl Malformed {
    /// A fault of a field that only shows with the event's type.
    pub const fn of_field(field: Field, what: &'static str) -> Self {
        Self { field: Some(field), fault: Fault { what, offset: 0 } }
    }

    /// A fault of a message or element as a whole.
    pub const fn of_element(what: &'static str) -> Self {
        Self { field: None, fault: Fault { what, offset: 0 } }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.field {
            write!(f, "`{}`: ", field.name())?;
        }
        f.write_str(self.fault.what)?;
        if self.fault.offset > 0 {
            write!(f, " (byte {})", self.fault.offset)?;
        }
        Ok(())
    }
}

impl From<Fault> for Malformed {
    fn from(fault: Fault) -> Self {
        Self { field: None, fault }
    }
}

/// Decodes an element. The event holds what could be read even when something is malformed, so that the exception can name its key.
///
/// # Errors
/// The first fault in the element.
pub fn decode<'a>(element: &'a [u8], event: &mut Event<'a>) -> Result<(), Malformed> {
    let text =
        std::str::from_utf8(element).map_err(|error| Fault { what: "not UTF-8", offset: error.valid_up_to() })?;
    let mut decoder = Decoder { cursor: Cursor::new(text), event, seen: 0, problem: None };
    if text.is_empty() || decoder.cursor.kind()? != Kind::Object {
        return Err(Malformed::of_element("an event is a JSON object"));
    }
    decoder.object(Field::in_envelope)?;
    decoder.cursor.finish()?;
    decoder.problem.map_or_else(|| require_envelope(event), Err)
}

/// Whether a text holds a control character as CloudEvents defines them: U+0000–U+001F and U+007F–U+009F.
fn has_control(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().any(|byte| *byte < 0x20 || *byte == 0x7F) || (!text.is_ascii() && text.chars().any(char::is_control))
}

fn require_envelope(event: &Event<'_>) -> Result<(), Malformed> {
    for (field, value) in [(Field::Id, &event.id), (Field::Source, &event.source), (Field::Type, &event.kind)] {
        if value.is_none() {
            return Err(Malformed::of_field(field, "is required"));
        }
    }
    Ok(())
}

struct Decoder<'a, 'e> {
    cursor: Cursor<'a>,
    event: &'e mut Event<'a>,
    /// One bit per field that had a value.
    seen: u32,
    /// The first fault of a field; reading goes on behind it, for the sake of the key.
    problem: Option<Malformed>,
}

impl<'a> Decoder<'a, '_> {
    fn object(&mut self, field_of: fn(&str) -> Option<Field>) -> Result<(), Malformed> {
        self.cursor.enter()?;
        let mut first = true;
        while let Some(name) = self.cursor.next_member(first)? {
            first = false;
            match name.as_deref().and_then(field_of) {
                Some(field) => self.field(field)?,
                None => self.cursor.skip_value()?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: Field) -> Result<(), Malformed> {
        let kind = self.cursor.kind()?;
        let offset = self.cursor.offset();
        // CloudEvents' JSON format: a null is the same as no value.
        if kind == Kind::Null {
            return Ok(self.cursor.skip_value()?);
        }
        if field == Field::Data && kind == Kind::Object {
            self.object(Field::in_data)?;
            self.note(field, offset, Ok(()));
            return Ok(());
        }
        let read = match (field, kind) {
            (Field::Quantity, Kind::Number) => {
                let text = self.cursor.number()?;
                self.quantity(text)
            }
            (Field::Sequence | Field::Line, Kind::Number) => {
                let text = self.cursor.number()?;
                self.integer(field, text)
            }
            (Field::Data | Field::Line, _)
            | (_, Kind::Array | Kind::Object | Kind::Number | Kind::Bool | Kind::Null) => {
                self.cursor.skip_value()?;
                Err("has the wrong JSON type")
            }
            (_, Kind::String) => {
                let text = self.cursor.string()?;
                self.text(field, text)
            }
        };
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
        let text = text.ok_or("has an unpaired surrogate")?;
        if has_control(&text) {
            return Err("has a control character");
        }
        let event = &mut *self.event;
        match field {
            Field::Id => event.id = Some(required(text, ID_BYTES_MAX)?),
            Field::Source => event.source = Some(required(text, SOURCE_BYTES_MAX)?),
            Field::Type => event.kind = Some(required(text, TYPE_BYTES_MAX)?),
            Field::Sku => event.sku = Some(required(text, NAME_BYTES_MAX)?),
            Field::Location => event.location = Some(required(text, NAME_BYTES_MAX)?),
            Field::ToLocation => event.to_location = Some(required(text, NAME_BYTES_MAX)?),
            Field::FromStatus => event.from_status = Some(text),
            Field::ToStatus => event.to_status = Some(text),
            Field::Lot => event.lot = optional(text, NAME_BYTES_MAX)?,
            Field::Owner => event.owner = optional(text, NAME_BYTES_MAX)?,
            Field::Document => event.document = optional(text, NAME_BYTES_MAX)?,
            Field::Reason => event.reason = optional(text, NAME_BYTES_MAX)?,
            Field::CorrelationId => event.correlation_id = optional(text, CORRELATION_BYTES_MAX)?,
            Field::CausationId => event.causation_id = optional(text, CORRELATION_BYTES_MAX)?,
            Field::Time => event.time = time(&text)?,
            Field::Due => event.due = Some(due(text)?),
            Field::Quantity => return self.quantity(&text),
            Field::Sequence => {
                if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err("is no whole number");
                }
                return self.integer(field, &text);
            }
            Field::Data | Field::Line => return Err("has the wrong JSON type"),
        }
        Ok(())
    }

    fn quantity(&mut self, text: &str) -> Result<(), &'static str> {
        self.event.quantity = Some(match quantity::parse(text.as_bytes()) {
            quantity::Parsed::Exact(thousandths) => EventQuantity::Exact(thousandths),
            quantity::Parsed::Unrepresentable => EventQuantity::Unrepresentable,
            quantity::Parsed::NotANumber => return Err("is no decimal number"),
        });
        Ok(())
    }

    fn integer(&mut self, field: Field, text: &str) -> Result<(), &'static str> {
        let value = text.parse::<i64>().map_err(|_| "is no whole number of 64 bits")?;
        if field == Field::Line {
            self.event.line = Some(value);
        } else {
            self.event.sequence =
                Some(u64::try_from(value).ok().filter(|value| *value > 0).ok_or("must be 1 or more")?);
        }
        Ok(())
    }
}

fn required(text: Cow<'_, str>, bytes_max: usize) -> Result<Cow<'_, str>, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    optional(text, bytes_max)?.ok_or("is empty")
}

/// An empty name means that there is none: many systems send their empty columns.
fn optional(text: Cow<'_, str>, bytes_max: usize) -> Result<Option<Cow<'_, str>>, &'static str> {
    if text.len() > bytes_max {
        return Err("is longer than the contract allows");
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn time(text: &str) -> Result<EventTime, &'static str> {
    match instant::parse(text.as_bytes()) {
        instant::Parsed::Exact(ns) => Ok(EventTime::At(ns)),
        instant::Parsed::BeyondRange => Ok(EventTime::BeyondRange),
        instant::Parsed::NotATime => Err("is not RFC 3339 with a zone"),
    }
}

fn due(text: Cow<'_, str>) -> Result<Cow<'_, str>, &'static str> {
    if instant::is_date_or_time(text.as_bytes()) { Ok(text) } else { Err("is neither a date nor RFC 3339 with a zone") }
}
