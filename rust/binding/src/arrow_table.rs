//! Arrow's arrays as the engine's columns: the same memory, under the engine's names for its forms.

use std::ops::Deref;
use std::sync::Arc;

use arrow_array::{Array, StructArray};
use arrow_data::ArrayData;
use arrow_schema::{DataType, TimeUnit};
use tallystick_engine::read::columns::{Column, ColumnKind, Dictionary, Memory, Rows, TextLayout};
use tallystick_engine::read::event::Field;
use tallystick_engine::read::malformed::Malformed;

/// A record batch: the columns that the contract knows.
pub(crate) struct ArrowTable {
    rows: usize,
    columns: Vec<(Field, ArrayData)>,
}

impl ArrowTable {
    pub(crate) fn new(batch: &StructArray) -> Self {
        let named = batch.fields().iter().zip(batch.columns());
        let known = named.filter_map(|(column, array)| Some((Field::in_envelope(column.name())?, array.to_data())));
        Self { rows: batch.len(), columns: known.collect() }
    }

    /// The batch as rows.
    pub(crate) fn rows(&self) -> Result<Rows<'_>, Malformed> {
        let columns = self.columns.iter().map(|(field, data)| Ok((*field, column(*field, data, self.rows)?)));
        Rows::new(self.rows, columns.collect::<Result<_, Malformed>>()?)
    }
}

fn column(field: Field, data: &ArrayData, rows: usize) -> Result<Column<'_>, Malformed> {
    let DataType::Dictionary(key, _) = data.data_type() else {
        return Column::new(field, kind(data.data_type()), &memory(data));
    };
    let (ColumnKind::Integer { width, is_signed }, [entries]) = (kind(key), data.child_data()) else {
        return Err(Malformed::of_field(field, "has a dictionary with unknown keys"));
    };
    let ColumnKind::Text(form) = kind(entries.data_type()) else {
        return Err(Malformed::of_field(
            field,
            "has a dictionary of other values than strings: cast it to a plain column",
        ));
    };
    // A dictionary that many batches share may have far more entries than this one names.
    let check_all = entries.len() <= rows.saturating_mul(4);
    let dictionary = Dictionary::new(form, &memory(entries), check_all)?;
    Column::encoded(field, (width, is_signed), &memory(data), Arc::new(dictionary))
}

fn memory(data: &ArrayData) -> Memory<'_> {
    Memory {
        rows: data.len(),
        offset: data.offset(),
        validity: data.nulls().map(|nulls| (nulls.validity(), nulls.offset())),
        buffers: data.buffers().iter().map(Deref::deref).collect(),
    }
}

fn kind(data_type: &DataType) -> ColumnKind {
    let integer = |width: usize, is_signed: bool| ColumnKind::Integer { width, is_signed };
    match data_type {
        DataType::Null => ColumnKind::Null,
        DataType::Utf8 => ColumnKind::Text(TextLayout::Offsets32),
        DataType::LargeUtf8 => ColumnKind::Text(TextLayout::Offsets64),
        DataType::Utf8View => ColumnKind::Text(TextLayout::Views),
        DataType::Int8 => integer(1, true),
        DataType::Int16 => integer(2, true),
        DataType::Int32 => integer(4, true),
        DataType::Int64 => integer(8, true),
        DataType::UInt8 => integer(1, false),
        DataType::UInt16 => integer(2, false),
        DataType::UInt32 => integer(4, false),
        DataType::UInt64 => integer(8, false),
        DataType::Decimal32(_, scale) => ColumnKind::Decimal { width: 4, scale: *scale },
        DataType::Decimal64(_, scale) => ColumnKind::Decimal { width: 8, scale: *scale },
        DataType::Decimal128(_, scale) => ColumnKind::Decimal { width: 16, scale: *scale },
        DataType::Timestamp(unit, zone) => {
            let unit_ns = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            ColumnKind::Instant { unit_ns, has_zone: zone.as_deref().is_some_and(|zone| !zone.is_empty()) }
        }
        DataType::Date32 => ColumnKind::Day,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnKind::Float,
        _ => ColumnKind::Other,
    }
}
