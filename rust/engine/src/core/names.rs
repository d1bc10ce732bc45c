//! Names: the codes that sources have for items and locations, the units of quantities, and what master data asks of
//! both.

use tallystick_contract::config::{Config, MasterMode};
use tallystick_contract::outcome::Outcome;

use crate::core::Core;
use crate::core::admitted::{Admitted, Refusal};
use crate::diagnostics::Raised;
use crate::master::{Unconvertible, Version};
use crate::read::directive::{Directive, Request, Wanted};
use crate::read::event::{Event, EventQuantity, given};
use crate::read::reading::Posting;

impl Core {
    /// Names of a line where the source has others than the ledger.
    pub(crate) fn named(&self, source: &str, wanted: &Wanted, time_ns: i64) -> (Option<Box<str>>, Option<Box<str>>) {
        let sku = self.items.has_aliases().then(|| self.items.resolve(source, &wanted.sku, time_ns)).flatten();
        let code = wanted.position.as_ref().map(|[location, ..]| &**location).filter(|_| self.locations.has_aliases());
        let location = code.and_then(|code| self.locations.resolve(source, code, time_ns));
        (sku.map(Into::into), location.map(Into::into))
    }

    /// Looks up the codes that a source has for names of its own.
    pub(crate) fn rename(&self, event: &Event<'_>, source: &str, time_ns: i64, admitted: &mut Admitted) {
        if self.items.has_aliases() {
            let resolve = |code| self.items.resolve(source, code, time_ns).map(Into::into);
            admitted.sku = given(event.sku).and_then(resolve);
        }
        if self.locations.has_aliases() {
            let resolve = |code| self.locations.resolve(source, code, time_ns).map(Into::into);
            admitted.location = given(event.location).and_then(resolve);
            admitted.to_location = given(event.to_location).and_then(resolve);
        }
    }

    /// Checks names and unit against the master data.
    pub(crate) fn check_master(
        &self,
        config: &Config,
        event: &Event<'_>,
        posting: &Posting<'_>,
        time_ns: i64,
        admitted: &mut Admitted,
    ) -> Result<(), Refusal> {
        let item = if self.items.is_empty() {
            None
        } else {
            let sku = admitted.sku.as_deref().unwrap_or(event.sku);
            self.items.at(sku, time_ns)
        };
        if config.master != MasterMode::Off {
            let Event { sku, location, to_location, .. } = admitted.event(event);
            let item = (given(sku), item.is_some());
            let to_location = given(to_location).filter(|_| posting.rule.needs_to_location);
            let mut flags = Vec::new();
            self.check_names(config, item, [given(location), to_location], time_ns, &mut flags)?;
            admitted.flags.append(&mut flags);
        }
        if let Some(unit) = event.unit {
            let converted = convert(item, posting.quantity, unit)?;
            admitted.quantity = Some(converted).filter(|converted| *converted != posting.quantity);
        }
        Ok(())
    }

    /// Converts the quantity of a line or a request into base units.
    pub(crate) fn check_unit(
        &self,
        event: &Event<'_>,
        directive: &Directive,
        time_ns: i64,
        admitted: &mut Admitted,
    ) -> Result<(), Refusal> {
        let has_quantity = matches!(
            directive.request,
            Request::Schedule(..) | Request::Reschedule(..) | Request::Reserve(..) | Request::MoveProtection(..)
        );
        if let (Some(unit), Some(EventQuantity::Exact(quantity)), true) = (event.unit, event.quantity, has_quantity) {
            let sku = admitted.sku.as_deref().unwrap_or(event.sku);
            admitted.quantity = Some(convert(self.items.at(sku, time_ns), quantity, unit)?);
        }
        Ok(())
    }

    /// Checks that an item and locations are defined, where anybody asks for it.
    pub(crate) fn check_names(
        &self,
        config: &Config,
        (sku, is_known): (Option<&str>, bool),
        locations: [Option<&str>; 2],
        time_ns: i64,
        flags: &mut Vec<Raised>,
    ) -> Result<(), Refusal> {
        let is_strict = config.master == MasterMode::Strict;
        let is_there = |location: &str| self.locations.at(location, time_ns).is_some();
        let item = sku.filter(|_| !is_known && (is_strict || !self.items.is_empty()));
        let asked = is_strict || !self.locations.is_empty();
        let unknown = locations.into_iter().flatten().filter(|location| asked && !is_there(location));
        let unknown =
            item.map(|sku| ("unknown_item", sku)).into_iter().chain(unknown.map(|name| ("unknown_location", name)));
        for (code, name) in unknown {
            if is_strict {
                let what = code.trim_start_matches("unknown_");
                let why = format!("{what} {name:?} is not defined at this time");
                return Err((Outcome::UnknownReference, Some(why)));
            }
            flags.push(Raised { subject: Some(name.into()), ..Raised::of(code) });
        }
        Ok(())
    }

    /// Flags names that are not defined, where that is asked for.
    pub(crate) fn flag_names(&self, config: &Config, sku: &str, location: &str, time_ns: i64, flags: &mut Vec<Raised>) {
        if config.master == MasterMode::Flag {
            let item = (Some(sku), self.items.at(sku, time_ns).is_some());
            // Only the strict mode refuses.
            let _ = self.check_names(config, item, [Some(location), None], time_ns, flags);
        }
    }
}

fn convert(item: Option<&Version>, quantity: i64, unit: &str) -> Result<i64, Refusal> {
    let Some(item) = item else {
        let why = format!("the unit {unit:?} cannot be converted: the item is not defined at this time");
        return Err((Outcome::UnknownReference, Some(why)));
    };
    item.convert(quantity, unit).map_err(|why| match why {
        Unconvertible::Unknown => {
            (Outcome::UnknownReference, Some(format!("the item has no unit {unit:?} at this time")))
        }
        Unconvertible::Inexact => (
            Outcome::QuantityInvalid,
            Some(format!("the quantity in {unit:?} does not come out in thousandths of the base unit")),
        ),
    })
}
