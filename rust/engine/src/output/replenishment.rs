//! Replenishment: that a position is to be filled up, or not any more, as it goes out.

use tallystick_contract::heap_size::flat;
use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;

use crate::output::effect::{write_amount, write_name, write_number, write_text};
use crate::read::element::Place;

/// What a signal says of a SKU at a location, with the figures behind it. Quantities are thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    /// Why it is open, or why it is not any more.
    pub(crate) reason: Reason,
    /// What is missing up to the target.
    pub(crate) quantity: i64,
    /// What can be promised within the lead time.
    pub(crate) available: i64,
    pub(crate) point: i64,
    pub(crate) target: i64,
    pub(crate) lead_days: u32,
    /// What was sold in the window, and its days, where the rule asks for it.
    pub(crate) demand: Option<(i64, u32)>,
    /// Where in the log it was found out.
    pub(crate) place: Place,
    pub(crate) log_time_ns: i64,
}

flat!(Signal);

/// Why a signal is open, or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// Less can be promised than the reorder point.
    BelowPoint,
    /// Enough is there, or scheduled.
    Covered,
    /// No rule is for the position any more.
    NoRule,
}

impl Reason {
    /// All of them, as snapshots number them.
    pub(crate) const ALL: [Self; 3] = [Self::BelowPoint, Self::Covered, Self::NoRule];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BelowPoint => "below_point",
            Self::Covered => "covered",
            Self::NoRule => "no_rule",
        }
    }

    /// Whether the signal stands.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::BelowPoint)
    }
}

impl Signal {
    /// Appends it as a JSON object, under the names of its SKU and location.
    pub(crate) fn write(&self, [sku, location]: [&str; 2], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"sku\":");
        write_string(out, sku);
        write_text(out, "location", Some(location));
        write_text(out, "state", Some(if self.reason.is_open() { "open" } else { "closed" }));
        write_text(out, "reason", Some(self.reason.name()));
        write_amount(out, "quantity", self.quantity);
        write_amount(out, "available", self.available);
        write_amount(out, "reorder_point", self.point);
        write_amount(out, "target", self.target);
        write_number(out, "lead_time_days", self.lead_days.into());
        if let Some((sold, days)) = self.demand {
            write_name(out, "recent_demand");
            out.extend_from_slice(b"{\"days\":");
            tallystick_contract::quantity::write_digits(out, days.into());
            write_amount(out, "quantity", sold);
            out.push(b'}');
        }
        write_number(out, "sequence", self.place.sequence);
        write_text(out, "log_time", Some(&instant::format(self.log_time_ns)));
        out.push(b'}');
    }
}
