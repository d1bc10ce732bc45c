//! One decoded event: its fields, borrowed from the message where that is possible. Says nothing about types, rules or the ledger.

use std::borrow::Cow;

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

/// The fields of `docs/events.md` §2. Absent, null and (where a name is optional) empty are all `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event<'a> {
    /// Idempotency key within `source`.
    pub id: Option<Cow<'a, str>>,
    /// The system that speaks.
    pub source: Option<Cow<'a, str>>,
    /// Type or alias.
    pub kind: Option<Cow<'a, str>>,
    /// Effective time.
    pub time: EventTime,
    /// Place in the source's own order.
    pub sequence: Option<u64>,
    /// Carried through to outputs.
    pub correlation_id: Option<Cow<'a, str>>,
    /// Carried through to outputs.
    pub causation_id: Option<Cow<'a, str>>,
    /// Stock keeping unit.
    pub sku: Option<Cow<'a, str>>,
    /// Facility.
    pub location: Option<Cow<'a, str>>,
    /// Quantity.
    pub quantity: Option<EventQuantity>,
    /// Batch.
    pub lot: Option<Cow<'a, str>>,
    /// Consignment owner.
    pub owner: Option<Cow<'a, str>>,
    /// The other end of a transfer.
    pub to_location: Option<Cow<'a, str>>,
    /// By type.
    pub from_status: Option<Cow<'a, str>>,
    /// By type.
    pub to_status: Option<Cow<'a, str>>,
    /// Business reference.
    pub document: Option<Cow<'a, str>>,
    /// Line of the document.
    pub line: Option<i64>,
    /// When scheduled supply or demand falls, as sent.
    pub due: Option<Cow<'a, str>>,
    /// Reason code.
    pub reason: Option<Cow<'a, str>>,
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
    /// `data`
    Data,
    /// `sku`
    Sku,
    /// `location`
    Location,
    /// `quantity`
    Quantity,
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

impl Field {
    /// The field that an envelope's member is, if we read it.
    pub fn in_envelope(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "source" => Self::Source,
            "type" => Self::Type,
            "time" => Self::Time,
            "sequence" => Self::Sequence,
            "correlationid" => Self::CorrelationId,
            "causationid" => Self::CausationId,
            "data" => Self::Data,
            _ => return Self::in_data(name),
        })
    }

    /// The field that a member of `data` is, if we read it.
    pub fn in_data(name: &str) -> Option<Self> {
        Some(match name {
            "sku" => Self::Sku,
            "location" => Self::Location,
            "quantity" => Self::Quantity,
            "lot" => Self::Lot,
            "owner" => Self::Owner,
            "to_location" => Self::ToLocation,
            "from_status" => Self::FromStatus,
            "to_status" => Self::ToStatus,
            "document" => Self::Document,
            "line" => Self::Line,
            "due" => Self::Due,
            "reason" => Self::Reason,
            _ => return None,
        })
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
            Self::Data => "data",
            Self::Sku => "sku",
            Self::Location => "location",
            Self::Quantity => "quantity",
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
