//! The schema of an Arrow stream: which columns are the contract's, of what kind, and how much of a batch's memory
//! belongs to the others.

use arrow_ipc as ipc;
use tallystick_contract::limits::SECOND_NS;

use crate::read::columns::column::{ColumnKind, check};
use crate::read::columns::memory::TextLayout;
use crate::read::event::Field;
use crate::read::malformed::Malformed;
/// A column of the schema, in the schema's order.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Of the contract.
    Known(ContractColumn),
    /// Not of the contract: its part of the memory is stepped over.
    Skipped(Extent),
}

/// A column of the contract.
#[derive(Debug)]
pub(crate) struct ContractColumn {
    pub(crate) field: Field,
    /// Of its values; of its dictionary's where it has one.
    pub(crate) kind: ColumnKind,
    /// Width and sign of its keys, and the number of its dictionary.
    pub(crate) encoding: Option<(usize, bool, i64)>,
}

/// What a column takes of a batch.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) nodes: usize,
    /// Buffers, but for those that views count in each batch.
    pub(crate) buffers: usize,
    /// Columns of views, each with a number of buffers that the batch says.
    pub(crate) views: usize,
}

impl std::ops::AddAssign for Extent {
    fn add_assign(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.buffers += other.buffers;
        self.views += other.views;
    }
}

/// Reads the schema.
///
/// # Errors
/// When a field of the contract has a type that it cannot have.
pub(crate) fn slots(schema: ipc::Schema<'_>, has_old_unions: bool) -> Result<Vec<Slot>, Malformed> {
    if schema.endianness() != ipc::Endianness::Little {
        return Err(Malformed::of_element("the Arrow stream is big-endian: write it on a little-endian machine"));
    }
    let fields = schema.fields().into_iter().flatten();
    fields.map(|column| slot(column, has_old_unions)).collect()
}

fn slot(column: ipc::Field<'_>, has_old_unions: bool) -> Result<Slot, Malformed> {
    let Some(field) = column.name().and_then(Field::in_envelope) else {
        return Ok(Slot::Skipped(extent(column, has_old_unions)));
    };
    let kind = kind(column);
    let encoding = match column.dictionary() {
        Some(encoding) => Some(key(encoding).ok_or(Malformed::of_field(field, "has a dictionary with unknown keys"))?),
        None => None,
    };
    check(field, kind)?;
    if encoding.is_some() && !matches!(kind, ColumnKind::Text(_)) {
        return Err(Malformed::of_field(
            field,
            "has a dictionary of other values than strings: cast it to a plain column",
        ));
    }
    Ok(Slot::Known(ContractColumn { field, kind, encoding }))
}

fn key(encoding: ipc::DictionaryEncoding<'_>) -> Option<(usize, bool, i64)> {
    // The format's default are signed keys of 32 bits.
    let Some(index) = encoding.indexType() else { return Some((4, true, encoding.id())) };
    let width = match index.bitWidth() {
        8 => 1,
        16 => 2,
        32 => 4,
        64 => 8,
        _ => return None,
    };
    Some((width, index.is_signed(), encoding.id()))
}

/// The kind of a column's values.
fn kind(column: ipc::Field<'_>) -> ColumnKind {
    let kind = match column.type_type() {
        ipc::Type::Null => Some(ColumnKind::Null),
        ipc::Type::Utf8 => Some(ColumnKind::Text(TextLayout::Offsets32)),
        ipc::Type::LargeUtf8 => Some(ColumnKind::Text(TextLayout::Offsets64)),
        ipc::Type::Utf8View => Some(ColumnKind::Text(TextLayout::Views)),
        ipc::Type::Int => column.type_as_int().and_then(|int| {
            let width = bytes(int.bitWidth()).filter(|width| *width <= 8)?;
            Some(ColumnKind::Integer { width, is_signed: int.is_signed() })
        }),
        ipc::Type::Decimal => column.type_as_decimal().and_then(|decimal| {
            let width = bytes(decimal.bitWidth()).filter(|width| (4..=16).contains(width))?;
            Some(ColumnKind::Decimal { width, scale: i8::try_from(decimal.scale()).ok()? })
        }),
        ipc::Type::Timestamp => column.type_as_timestamp().and_then(|timestamp| {
            let has_zone = timestamp.timezone().is_some_and(|zone| !zone.is_empty());
            Some(ColumnKind::Instant { unit_ns: unit_ns(timestamp.unit())?, has_zone })
        }),
        ipc::Type::Date => {
            column.type_as_date().filter(|date| date.unit() == ipc::DateUnit::DAY).map(|_| ColumnKind::Day)
        }
        ipc::Type::FloatingPoint => Some(ColumnKind::Float),
        _ => None,
    };
    kind.unwrap_or(ColumnKind::Other)
}

fn bytes(bits: i32) -> Option<usize> {
    match bits {
        8 => Some(1),
        16 => Some(2),
        32 => Some(4),
        64 => Some(8),
        128 => Some(16),
        _ => None,
    }
}

fn unit_ns(unit: ipc::TimeUnit) -> Option<i64> {
    match unit {
        ipc::TimeUnit::SECOND => Some(SECOND_NS),
        ipc::TimeUnit::MILLISECOND => Some(1_000_000),
        ipc::TimeUnit::MICROSECOND => Some(1_000),
        ipc::TimeUnit::NANOSECOND => Some(1),
        _ => None,
    }
}

/// What a column that is not of the contract takes of a batch, its children included.
fn extent(column: ipc::Field<'_>, has_old_unions: bool) -> Extent {
    if column.dictionary().is_some() {
        return Extent { nodes: 1, buffers: 2, views: 0 };
    }
    let (buffers, views) = match column.type_type() {
        ipc::Type::Null | ipc::Type::RunEndEncoded => (0, 0),
        ipc::Type::Struct_ | ipc::Type::FixedSizeList => (1, 0),
        ipc::Type::Utf8
        | ipc::Type::Binary
        | ipc::Type::LargeUtf8
        | ipc::Type::LargeBinary
        | ipc::Type::ListView
        | ipc::Type::LargeListView => (3, 0),
        ipc::Type::Utf8View | ipc::Type::BinaryView => (2, 1),
        ipc::Type::Union => {
            let is_dense = column.type_as_union().is_some_and(|union| union.mode() == ipc::UnionMode::Dense);
            (1 + usize::from(is_dense) + usize::from(has_old_unions), 0)
        }
        _ => (2, 0),
    };
    let mut whole = Extent { nodes: 1, buffers, views };
    for child in column.children().into_iter().flatten() {
        whole += extent(child, has_old_unions);
    }
    whole
}
