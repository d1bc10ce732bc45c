//! The rows of one record batch, and a row as an event.

use bumpalo::Bump;
use tallystick_contract::instant;
use tallystick_contract::limits::{ROW_BYTES_MAX, SECOND_NS};
use tallystick_contract::quantity;

use crate::read::columns::column::{Column, Value};
use crate::read::decode::{CONTROL, NOT_A_TIME, has_control, is_whole, require_envelope, set_text, set_whole};
use crate::read::event::{Event, EventQuantity, EventTime, Field};
use crate::read::malformed::Malformed;
/// A text of at most so many bytes cannot make its row too large, even if all texts of the row are as long and every
/// byte of them is escaped.
pub(crate) const SHORT_BYTES: usize = 512;

/// Why a row is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRefusal {
    /// Rendered, it is larger than an event may be.
    TooLarge,
    /// It breaks the contract.
    Malformed(Malformed),
}

/// The rows of one record batch, by the columns that the contract knows.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    len: usize,
    /// In the order of [`Field`].
    columns: Vec<(Field, Column<'a>)>,
    kept_bytes_max: usize,
}

impl<'a> Rows<'a> {
    /// Rows with these columns.
    ///
    /// # Errors
    /// When a field has two columns.
    pub fn new(len: usize, mut columns: Vec<(Field, Column<'a>)>) -> Result<Self, Malformed> {
        columns.sort_by_key(|(field, _)| *field as u32);
        match columns.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Malformed::of_field(pair[0].0, "is given twice")),
            None => Ok(Self { len, columns, kept_bytes_max: ROW_BYTES_MAX }),
        }
    }

    /// Lets an exception keep no more than so many bytes of a row.
    pub(crate) const fn keep(&mut self, bytes_max: usize) {
        self.kept_bytes_max = bytes_max;
    }

    /// Bytes that an exception keeps of a row, at most.
    pub(crate) const fn kept_bytes_max(&self) -> usize {
        self.kept_bytes_max
    }

    /// Rows that there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The columns that there are, in the order of [`Field`].
    pub fn columns(&self) -> &[(Field, Column<'a>)] {
        &self.columns
    }

    /// Reads a row. The event holds what could be read even when something is malformed, so that the exception can name
    /// its key. Texts that no column holds (a date of a column of days) are written into the arena.
    ///
    /// # Errors
    /// Why the row is no event: of several faults the first field's.
    pub fn read(&self, row: usize, event: &mut Event<'a>, arena: &'a Bump) -> Result<(), RowRefusal> {
        *event = Event::default();
        let mut problem = None;
        let mut is_small = false;
        for (field, column) in &self.columns {
            let Some(value) = column.value(row) else { continue };
            if !is_small && value.text_bytes() > SHORT_BYTES {
                if self.is_too_large(row) {
                    *event = Event::default();
                    return Err(RowRefusal::TooLarge);
                }
                is_small = true;
            }
            if let Err(what) = set(event, *field, value, arena) {
                problem.get_or_insert(Malformed::of_field(*field, what));
            }
        }
        problem.map_or_else(|| require_envelope(event), Err).map_err(RowRefusal::Malformed)
    }
}

/// Returns a field's value to the event, checked as its rendering would be.
pub(crate) fn set<'a>(
    event: &mut Event<'a>,
    field: Field,
    value: Value<'a>,
    arena: &'a Bump,
) -> Result<(), &'static str> {
    match (field, value) {
        (_, Value::Damaged { what, .. }) => return Err(what),
        (_, Value::Text(text, is_clean)) if !is_clean && has_control(text) => return Err(CONTROL),
        (_, Value::Text(text, _)) => return set_text(event, field, text),
        (Field::Quantity, Value::Integer(units)) => event.quantity = Some(quantity_of(units, 0)),
        (Field::Quantity, Value::Decimal { unscaled, scale }) => event.quantity = Some(quantity_of(unscaled, scale)),
        (Field::Time, Value::Instant(ns)) => event.time = time_of(ns).ok_or(NOT_A_TIME)?,
        (Field::Due, Value::Instant(ns)) => return set_text(event, field, arena.alloc_str(&instant::format_any(ns))),
        (Field::Due, Value::Day(days)) => return set_text(event, field, arena.alloc_str(&instant::format_date(days))),
        (_, Value::Integer(value)) => return set_whole(event, field, value),
        (_, Value::Decimal { .. } | Value::Instant(_) | Value::Day(_)) => return Err("has a type of another field"),
    }
    Ok(())
}

/// The number that a text is in JSON's grammar, without fraction or exponent.
pub(crate) fn whole_number(text: &str) -> Option<i64> {
    if is_whole(text.as_bytes()) { text.parse().ok() } else { None }
}

fn quantity_of(unscaled: i128, scale: i8) -> EventQuantity {
    quantity::of_fixed_point(unscaled, scale.into()).map_or(EventQuantity::Unrepresentable, EventQuantity::Exact)
}

/// An instant that RFC 3339 can name.
fn time_of(ns: i128) -> Option<EventTime> {
    /// The years 0 to 9999, in seconds since 1970.
    const YEARS_S: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;
    if let Ok(ns) = i64::try_from(ns) {
        return Some(EventTime::At(ns));
    }
    let second = i64::try_from(ns.div_euclid(SECOND_NS.into())).ok()?;
    YEARS_S.contains(&second).then_some(EventTime::BeyondRange)
}
