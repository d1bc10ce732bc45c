//! One decoded event: its fields, borrowed from the message. Says nothing about types, rules or the ledger.

use tallystick_contract::heap_size::flat;

use crate::read::line_number::LineNumber;
/// Effective time as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventTime {
    /// Not sent: the log's time holds.
    #[default]
    Absent,
    /// Nanoseconds since 1970.
    At(i64),
    /// Valid, but beyond what 64-bit nanoseconds can hold; never near any log time.
    BeyondRange,
}

/// Quantity as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventQuantity {
    /// Thousandths of a unit.
    Exact(i64),
    /// A number that would have to be rounded or exceeds 10¹².
    Unrepresentable,
}

/// The type of a request for a reservation. It comes as often as stock events do, so it is known by name where they are
/// read and looked at.
pub const REQUEST: &str = "reservation.requested";

/// Where the members of a request for a reservation begin that are no fields: they are read from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTail {
    /// Bytes before the name of the first of them; zero if it has to be looked for from the beginning.
    pub at: u32,
    /// Whether it stands in `data`.
    pub is_in_data: bool,
}

/// A text where something was sent; nothing for the empty one.
#[inline]
pub fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The fields of `docs/events.md` §2. A key, a type and the names of a position are empty where they are absent: the
/// contract makes no difference, and takes no empty one where it requires one. All others are `None` where they are
/// absent, null, or (where a name is optional) empty.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Event<'a> {
    /// Idempotency key within `source`.
    pub id: &'a str,
    /// The system that speaks.
    pub source: &'a str,
    /// Type or alias.
    pub kind: &'a str,
    /// Effective time.
    pub time: EventTime,
    /// Place in the source's own order.
    pub sequence: Option<u64>,
    /// Carried through to outputs.
    pub correlation_id: Option<&'a str>,
    /// Carried through to outputs.
    pub causation_id: Option<&'a str>,
    /// The event that a sync made this one from: who spoke there.
    pub origin_source: Option<&'a str>,
    /// Its idempotency key there.
    pub origin_id: Option<&'a str>,
    /// Hops of the sync that it made.
    pub hops: Option<u64>,
    /// Stock keeping unit.
    pub sku: &'a str,
    /// Facility.
    pub location: &'a str,
    /// Quantity.
    pub quantity: Option<EventQuantity>,
    /// Unit of measure of the quantity.
    pub unit: Option<&'a str>,
    /// Batch.
    pub lot: &'a str,
    /// Consignment owner.
    pub owner: &'a str,
    /// The other end of a transfer.
    pub to_location: &'a str,
    /// By type.
    pub from_status: Option<&'a str>,
    /// By type.
    pub to_status: Option<&'a str>,
    /// Business reference.
    pub document: Option<&'a str>,
    /// Line of the document.
    pub line: Option<LineNumber<&'a str>>,
    /// When scheduled supply or demand falls, as sent.
    pub due: Option<&'a str>,
    /// Reason code.
    pub reason: Option<&'a str>,
    /// Where what is no field begins, if anything is none; of a request for a reservation only.
    pub rest: Option<RequestTail>,
}

/// A field of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `id`
    Id,
    /// `source`
    Source,
    /// `type`
    Type,
    /// `time`
    Time,
    /// `sequence`
    Sequence,
    /// `correlationid`
    CorrelationId,
    /// `causationid`
    CausationId,
    /// `originsource`
    OriginSource,
    /// `originid`
    OriginId,
    /// `hops`
    Hops,
    /// `data`
    Data,
    /// `sku`
    Sku,
    /// `location`
    Location,
    /// `quantity`
    Quantity,
    /// `unit`
    Unit,
    /// `lot`
    Lot,
    /// `owner`
    Owner,
    /// `to_location`
    ToLocation,
    /// `from_status`
    FromStatus,
    /// `to_status`
    ToStatus,
    /// `document`
    Document,
    /// `line`
    Line,
    /// `due`
    Due,
    /// `reason`
    Reason,
}

flat!(Field);

impl Field {
    /// The field that an envelope's member is, if we read it. Told apart by length first, so that most names cost one
    /// comparison.
    pub fn in_envelope(name: &str) -> Option<Self> {
        let attribute = match name.len() {
            2 => Self::Id,
            4 if name.starts_with('d') => Self::Data,
            4 if name.starts_with("ty") => Self::Type,
            4 if name.starts_with("ti") => Self::Time,
            4 if name.starts_with('h') => Self::Hops,
            6 if name.starts_with('s') => Self::Source,
            8 if name.starts_with('s') => Self::Sequence,
            8 if name.starts_with('o') => Self::OriginId,
            12 => Self::OriginSource,
            11 if name.starts_with('c') => Self::CausationId,
            13 => Self::CorrelationId,
            _ => return Self::in_data(name),
        };
        (name == attribute.name()).then_some(attribute)
    }

    /// The field that a member of `data` is, if we read it.
    pub fn in_data(name: &str) -> Option<Self> {
        let field = match name.len() {
            3 if name.starts_with('s') => Self::Sku,
            3 if name.starts_with('l') => Self::Lot,
            3 => Self::Due,
            4 if name.starts_with('l') => Self::Line,
            4 => Self::Unit,
            5 => Self::Owner,
            6 => Self::Reason,
            8 if name.starts_with('q') => Self::Quantity,
            8 if name.starts_with('l') => Self::Location,
            8 => Self::Document,
            9 => Self::ToStatus,
            11 if name.starts_with('t') => Self::ToLocation,
            11 => Self::FromStatus,
            _ => return None,
        };
        (name == field.name()).then_some(field)
    }

    /// The name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Time => "time",
            Self::Sequence => "sequence",
            Self::CorrelationId => "correlationid",
            Self::CausationId => "causationid",
            Self::OriginSource => "originsource",
            Self::OriginId => "originid",
            Self::Hops => "hops",
            Self::Data => "data",
            Self::Sku => "sku",
            Self::Location => "location",
            Self::Quantity => "quantity",
            Self::Unit => "unit",
            Self::Lot => "lot",
            Self::Owner => "owner",
            Self::ToLocation => "to_location",
            Self::FromStatus => "from_status",
            Self::ToStatus => "to_status",
            Self::Document => "document",
            Self::Line => "line",
            Self::Due => "due",
            Self::Reason => "reason",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name_and_nothing_else_is() {
        use Field::{
            CausationId, CorrelationId, Data, Document, Due, FromStatus, Hops, Id, Line, Location, Lot, OriginId,
            OriginSource, Owner, Quantity, Reason, Sequence, Sku, Source, Time, ToLocation, ToStatus, Type, Unit,
        };
        for field in [Id, Source, Type, Time, Sequence, CorrelationId, CausationId, OriginSource, OriginId, Hops, Data]
        {
            assert_eq!((Field::in_envelope(field.name()), Field::in_data(field.name())), (Some(field), None));
        }
        for field in
            [Sku, Location, Quantity, Unit, Lot, Owner, ToLocation, FromStatus, ToStatus, Document, Line, Due, Reason]
        {
            assert_eq!((Field::in_envelope(field.name()), Field::in_data(field.name())), (Some(field), Some(field)));
        }
        for name in
            ["", "x", "iD", "sky", "lat", "dux", "tyme", "lime", "subject", "specversion", "causationix", "quantitY"]
        {
            assert_eq!((Field::in_envelope(name), Field::in_data(name)), (None, None), "{name}");
        }
    }
}
