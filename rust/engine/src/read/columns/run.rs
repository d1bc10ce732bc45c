//! Rows that follow each other, read column by column: what their columns are is decided once for all of them. A row
//! that has anything which needs a closer look is read again by itself.

use bumpalo::Bump;
use tallystick_contract::limits::{
    CORRELATION_BYTES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, QUANTITY_MAX, SCALE, SOURCE_BYTES_MAX, TYPE_BYTES_MAX,
    UNIT_BYTES_MAX,
};

use crate::read::columns::column::{Answer, Column};
use crate::read::columns::rows::{RowRefusal, Rows, SHORT_BYTES, set};
use crate::read::element::{Bar, Decoded};
use crate::read::event::{Event, EventQuantity, EventTime, Field};
/// Rows that are read together.
const RUN_ROWS: usize = 32;

/// Whether a text field may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// It may not.
    Refused,
    /// Then it is absent.
    Absent,
    /// Then it is an empty text.
    Kept,
}

impl<'a> Rows<'a> {
    /// Reads rows that follow each other into what is seen of them.
    pub(crate) fn see(&self, first: usize, decoded: &mut [Decoded<'a>], arena: &'a Bump) {
        for (run, decoded) in (0..).zip(decoded.chunks_mut(RUN_ROWS)) {
            self.see_run(first + run * RUN_ROWS, decoded, arena);
        }
    }

    fn see_run(&self, first: usize, decoded: &mut [Decoded<'a>], arena: &'a Bump) {
        for decoded in &mut *decoded {
            decoded.event = Event::default();
            (decoded.bar, decoded.form) = (Bar::None, Ok(()));
        }
        // One bit for each row that needs a closer look.
        let mut unsure = 0_u32;
        for (field, column) in self.columns() {
            unsure |= see_column(*field, column, first, decoded, arena);
        }
        for (place, decoded) in decoded.iter_mut().enumerate() {
            let is_whole =
                !decoded.event.id.is_empty() && !decoded.event.source.is_empty() && !decoded.event.kind.is_empty();
            if unsure >> place & 1 == 0 && is_whole {
                continue;
            }
            match self.read(first + place, &mut decoded.event, arena) {
                Ok(()) => {}
                Err(RowRefusal::TooLarge) => decoded.bar = Bar::TooLarge,
                Err(RowRefusal::Malformed(malformed)) => decoded.form = Err(malformed),
            }
        }
    }
}

/// Reads a column of rows. Returns a bit for each row that needs a closer look.
fn see_column<'a>(
    field: Field,
    column: &Column<'a>,
    first: usize,
    decoded: &mut [Decoded<'a>],
    arena: &'a Bump,
) -> u32 {
    let is_seen = match field {
        Field::Quantity | Field::Time => see_numbers(field, column, first, decoded),
        _ => see_texts(field, column, first, decoded),
    };
    is_seen.unwrap_or_else(|| {
        let mut unsure = 0;
        for (place, decoded) in decoded.iter_mut().enumerate() {
            let Some(value) = column.value(first + place) else { continue };
            let is_read = value.text_bytes() <= SHORT_BYTES && set(&mut decoded.event, field, value, arena).is_ok();
            unsure |= u32::from(!is_read) << place;
        }
        unsure
    })
}

fn see_numbers<'a>(field: Field, column: &Column<'a>, first: usize, decoded: &mut [Decoded<'a>]) -> Option<u32> {
    let (numbers, unit_ns) = column.plain_numbers()?;
    let mut unsure = 0;
    for (place, decoded) in decoded.iter_mut().enumerate() {
        let row = first + place;
        if column.is_null(row) {
            continue;
        }
        let factor = if field == Field::Quantity { SCALE } else { unit_ns };
        match numbers.get_short(row).and_then(|number| number.checked_mul(factor)) {
            Some(ns) if field == Field::Time => decoded.event.time = EventTime::At(ns),
            Some(thousandths) if thousandths.unsigned_abs() <= QUANTITY_MAX.unsigned_abs() => {
                decoded.event.quantity = Some(EventQuantity::Exact(thousandths));
            }
            _ => unsure |= 1 << place,
        }
    }
    Some(unsure)
}

fn see_texts<'a>(field: Field, column: &Column<'a>, first: usize, decoded: &mut [Decoded<'a>]) -> Option<u32> {
    let (bytes_max, empty) = match field {
        Field::Id | Field::OriginId => (ID_BYTES_MAX, Empty::Refused),
        Field::Source | Field::OriginSource => (SOURCE_BYTES_MAX, Empty::Refused),
        Field::Type => (TYPE_BYTES_MAX, Empty::Refused),
        Field::Sku | Field::Location | Field::ToLocation => (NAME_BYTES_MAX, Empty::Refused),
        Field::FromStatus | Field::ToStatus => (SHORT_BYTES, Empty::Kept),
        Field::Lot | Field::Owner | Field::Document | Field::Reason => (NAME_BYTES_MAX, Empty::Absent),
        Field::Unit => (UNIT_BYTES_MAX, Empty::Absent),
        Field::CorrelationId | Field::CausationId => (CORRELATION_BYTES_MAX, Empty::Absent),
        Field::Data | Field::Time | Field::Sequence | Field::Hops | Field::Quantity | Field::Line | Field::Due => {
            return None;
        }
    };
    let mut answers = [Answer::Unknown; RUN_ROWS];
    let answers = &mut answers[..decoded.len()];
    column.clean_texts(first, answers)?;
    let mut unsure = 0;
    for (place, answer) in answers.iter_mut().enumerate() {
        match *answer {
            Answer::Null => {}
            Answer::Text("") if empty == Empty::Absent => *answer = Answer::Null,
            Answer::Text(text) if text.len() <= bytes_max && (empty == Empty::Kept || !text.is_empty()) => {}
            Answer::Text(_) | Answer::Unknown => {
                *answer = Answer::Null;
                unsure |= 1 << place;
            }
        }
    }
    let texts = answers.iter().map(|answer| if let Answer::Text(text) = answer { Some(*text) } else { None });
    let events = decoded.iter_mut().map(|decoded| &mut decoded.event).zip(texts);
    match field {
        Field::Id => events.for_each(|(event, text)| event.id = text.unwrap_or_default()),
        Field::Source => events.for_each(|(event, text)| event.source = text.unwrap_or_default()),
        Field::Type => events.for_each(|(event, text)| event.kind = text.unwrap_or_default()),
        Field::CorrelationId => events.for_each(|(event, text)| event.correlation_id = text),
        Field::CausationId => events.for_each(|(event, text)| event.causation_id = text),
        Field::OriginSource => events.for_each(|(event, text)| event.origin_source = text),
        Field::OriginId => events.for_each(|(event, text)| event.origin_id = text),
        Field::Unit => events.for_each(|(event, text)| event.unit = text),
        Field::Sku => events.for_each(|(event, text)| event.sku = text.unwrap_or_default()),
        Field::Location => events.for_each(|(event, text)| event.location = text.unwrap_or_default()),
        Field::Lot => events.for_each(|(event, text)| event.lot = text.unwrap_or_default()),
        Field::Owner => events.for_each(|(event, text)| event.owner = text.unwrap_or_default()),
        Field::ToLocation => events.for_each(|(event, text)| event.to_location = text.unwrap_or_default()),
        Field::FromStatus => events.for_each(|(event, text)| event.from_status = text),
        Field::ToStatus => events.for_each(|(event, text)| event.to_status = text),
        Field::Document => events.for_each(|(event, text)| event.document = text),
        Field::Reason => events.for_each(|(event, text)| event.reason = text),
        Field::Data | Field::Time | Field::Sequence | Field::Hops | Field::Quantity | Field::Line | Field::Due => {
            return None;
        }
    }
    Some(unsure)
}
