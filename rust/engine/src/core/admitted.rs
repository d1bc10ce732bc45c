//! Admitted: an event under the names and in the unit that the ledger has, and what its source is for it.

use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Verdict;

use crate::diagnostics::Raised;
use crate::read::directive::ReceiptLine;
use crate::read::event::Event;
/// An event under the names and in the unit that the ledger has.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// Names that are other than those that were sent.
    pub(crate) sku: Option<Box<str>>,
    pub(crate) location: Option<Box<str>>,
    pub(crate) to_location: Option<Box<str>>,
    /// The quantity in base units, if it is another.
    pub(crate) quantity: Option<i64>,
    pub(crate) verdict: Verdict,
    /// What a person should see if the event is counted.
    pub(crate) flags: Vec<Raised>,
}

/// An outcome, with more about it in words.
pub(crate) type Refusal = (Outcome, Option<String>);

impl Admitted {
    /// Whether the event has other names than those that were sent.
    pub(crate) const fn is_renamed(&self) -> bool {
        self.sku.is_some() || self.location.is_some()
    }

    /// A receipt's line under the ledger's names.
    pub(crate) fn line(&self, line: &ReceiptLine) -> ReceiptLine {
        ReceiptLine {
            sku: self.sku.clone().unwrap_or_else(|| line.sku.clone()),
            location: self.location.clone().unwrap_or_else(|| line.location.clone()),
            ..line.clone()
        }
    }

    /// The event under the ledger's names.
    pub(crate) fn event<'e>(&'e self, event: &Event<'e>) -> Event<'e> {
        Event {
            sku: self.sku.as_deref().unwrap_or(event.sku),
            location: self.location.as_deref().unwrap_or(event.location),
            to_location: self.to_location.as_deref().unwrap_or(event.to_location),
            ..*event
        }
    }
}
