//! The types of directives: events that are about events, exceptions, configuration or master data
//! (`docs/truth.md` §1).

/// What a directive does, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectiveKind {
    /// `event.voided`
    Voided,
    /// `event.corrected`
    Corrected,
    /// `approval.granted`
    Granted,
    /// `approval.denied`
    Denied,
    /// `exception.acknowledged`
    Acknowledged,
    /// `exception.resolved`
    Resolved,
    /// `exception.discarded`
    Discarded,
    /// `exception.assigned`
    Assigned,
    /// `configuration.changed`
    ConfigurationChanged,
    /// `item.defined`
    ItemDefined,
    /// `item.retired`
    ItemRetired,
    /// `location.defined`
    LocationDefined,
    /// `location.retired`
    LocationRetired,
    /// `receipt.announced`
    ReceiptAnnounced,
    /// `receipt.closed`
    ReceiptClosed,
    /// `tick`
    Tick,
    /// `supply.scheduled`
    SupplyScheduled,
    /// `supply.rescheduled`
    SupplyRescheduled,
    /// `supply.cancelled`
    SupplyCancelled,
    /// `demand.scheduled`
    DemandScheduled,
    /// `demand.rescheduled`
    DemandRescheduled,
    /// `demand.cancelled`
    DemandCancelled,
    /// `document.closed`
    DocumentClosed,
    /// `document.cancelled`
    DocumentCancelled,
    /// `reservation.requested`
    ReservationRequested,
    /// `reservation.posted`
    ReservationPosted,
    /// `reservation.voided`
    ReservationVoided,
    /// `protection.set`
    ProtectionSet,
    /// `protection.moved`
    ProtectionMoved,
    /// `group.defined`
    GroupDefined,
    /// `group.retired`
    GroupRetired,
    /// `reservation.changed`
    ReservationChanged,
}

/// Every type with the members that count for its body.
const KINDS: [(&str, DirectiveKind, &[&str]); 32] = [
    ("event.voided", DirectiveKind::Voided, &["target"]),
    ("event.corrected", DirectiveKind::Corrected, &["target", "event"]),
    ("approval.granted", DirectiveKind::Granted, &["target", "exception"]),
    ("approval.denied", DirectiveKind::Denied, &["target", "exception"]),
    ("exception.acknowledged", DirectiveKind::Acknowledged, &["exception"]),
    ("exception.resolved", DirectiveKind::Resolved, &["exception"]),
    ("exception.discarded", DirectiveKind::Discarded, &["exception"]),
    ("exception.assigned", DirectiveKind::Assigned, &["exception", "team"]),
    ("configuration.changed", DirectiveKind::ConfigurationChanged, &["config", "mode"]),
    ("item.defined", DirectiveKind::ItemDefined, ITEM),
    ("item.retired", DirectiveKind::ItemRetired, ITEM),
    ("location.defined", DirectiveKind::LocationDefined, LOCATION),
    ("location.retired", DirectiveKind::LocationRetired, LOCATION),
    ("receipt.announced", DirectiveKind::ReceiptAnnounced, RECEIPT),
    ("receipt.closed", DirectiveKind::ReceiptClosed, RECEIPT),
    ("tick", DirectiveKind::Tick, &[]),
    ("supply.scheduled", DirectiveKind::SupplyScheduled, LINE),
    ("supply.rescheduled", DirectiveKind::SupplyRescheduled, LINE),
    ("supply.cancelled", DirectiveKind::SupplyCancelled, LINE),
    ("demand.scheduled", DirectiveKind::DemandScheduled, LINE),
    ("demand.rescheduled", DirectiveKind::DemandRescheduled, LINE),
    ("demand.cancelled", DirectiveKind::DemandCancelled, LINE),
    ("document.closed", DirectiveKind::DocumentClosed, DOCUMENT),
    ("document.cancelled", DirectiveKind::DocumentCancelled, DOCUMENT),
    ("reservation.requested", DirectiveKind::ReservationRequested, &[]),
    ("reservation.posted", DirectiveKind::ReservationPosted, POST),
    ("reservation.voided", DirectiveKind::ReservationVoided, SETTLE),
    ("protection.set", DirectiveKind::ProtectionSet, PROTECTION),
    ("protection.moved", DirectiveKind::ProtectionMoved, MOVE),
    ("group.defined", DirectiveKind::GroupDefined, GROUP),
    ("group.retired", DirectiveKind::GroupRetired, GROUP),
    ("reservation.changed", DirectiveKind::ReservationChanged, CHANGE),
];

const ITEM: &[&str] = &["sku", "unit", "units", "unit_cost", "safety_stock", "aliases"];
const LOCATION: &[&str] = &["location", "aliases", "time_zone"];
const RECEIPT: &[&str] = &["document", "line", "sku", "location", "quantity"];
const LINE: &[&str] =
    &["sku", "location", "lot", "owner", "document", "line", "due", "quantity", "unit", "supplier", "kind"];
/// The answer's subject is no part of what is said.
const SETTLE: &[&str] = &["target", "quantity", "quantities", REPLY];
const POST: &[&str] = &["target", "quantity", "quantities", "rest", REPLY];
const CHANGE: &[&str] = &["target", "quantity", "quantities", "ttl", REPLY];
const DOCUMENT: &[&str] = &["document", "side"];
const PROTECTION: &[&str] = &["channel", "sku", "location", "group", "protected", "capped", "unit"];
const MOVE: &[&str] = &["sku", "location", "group", "from", "to", "quantity", "unit"];
const GROUP: &[&str] = &["group", "locations", "groups"];
/// The member that names where the answer goes.
pub const REPLY: &str = "reply";
/// The member that names the person behind an operator. It says who spoke, and is no part of what is said.
pub const PERSON: &str = "person";

impl DirectiveKind {
    /// The kind of a type, if it is a directive's.
    ///
    /// ```
    /// use tallystick_contract::directive_kind::DirectiveKind;
    ///
    /// let kind = DirectiveKind::of("event.corrected").unwrap();
    /// assert_eq!(kind.members(), ["target", "event"]);
    /// assert_eq!(DirectiveKind::of("stock.received"), None); // an event of stock
    /// ```
    pub fn of(name: &str) -> Option<Self> {
        KINDS.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| *kind)
    }

    /// All types, in the order of their table.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, ..)| *name)
    }

    /// The type.
    pub fn name(self) -> &'static str {
        KINDS[self as usize].0
    }

    /// Whether only operators may say it.
    pub const fn is_for_operators(self) -> bool {
        matches!(
            self,
            Self::Granted
                | Self::Denied
                | Self::Acknowledged
                | Self::Resolved
                | Self::Discarded
                | Self::Assigned
                | Self::ConfigurationChanged
        )
    }

    /// Whether it corrects an event.
    pub const fn is_correction(self) -> bool {
        matches!(self, Self::Voided | Self::Corrected)
    }

    /// Whether it is about what can be promised.
    pub const fn is_promise(self) -> bool {
        self as usize > Self::Tick as usize
    }

    /// The members that count for its body.
    pub fn members(self) -> &'static [&'static str] {
        KINDS[self as usize].2
    }
}
