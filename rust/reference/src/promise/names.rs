//! What is asked for in our names and units, and within the horizon.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::outcome::Outcome;

use crate::ask::{Ask, LineKey, Measured, Members, Place, Request, Scope};
use crate::twin::Reference;

impl Reference {
    /// A request in our names and in base units, or why master data refuses it.
    pub(crate) fn in_our_names(&self, source: &str, said: &Ask, time_ns: i64) -> Result<Ask, Outcome> {
        let line = |line: &LineKey| LineKey { at: self.our_position(source, &line.at, time_ns), ..line.clone() };
        let sku = |code: &str| self.master.item_name(source, code, time_ns);
        let base = |sku: &str, measured: &Measured| self.in_base_units(sku, measured, time_ns);
        let scope = |scope: &Scope| match scope {
            Scope::Location(code) => Scope::Location(self.master.location_name(source, code, time_ns)),
            other => other.clone(),
        };
        Ok(match said.clone() {
            Ask::Schedule { line: said, due, quantity, supplier } => {
                let line = line(&said);
                Ask::Schedule { due, quantity: base(&line.at.sku, &quantity)?, supplier, line }
            }
            Ask::Reschedule { line: said, due, quantity } => {
                let line = line(&said);
                let quantity = quantity.map(|quantity| base(&line.at.sku, &quantity)).transpose()?;
                Ask::Reschedule { line, due, quantity }
            }
            Ask::Cancel(said) => Ask::Cancel(line(&said)),
            Ask::Request(request) => Ask::Request(Box::new(self.request_in_our_names(source, *request, time_ns)?)),
            Ask::Protect { channel, sku: code, scope: said, protected, cap } => {
                let sku = sku(&code);
                let (protected, cap) = (base(&sku, &protected)?, cap.map(|cap| base(&sku, &cap)).transpose()?);
                Ask::Protect { channel, scope: scope(&said), protected, cap, sku }
            }
            Ask::Shift { sku: code, scope: said, from, to, quantity } => {
                let sku = sku(&code);
                Ask::Shift { scope: scope(&said), from, to, quantity: base(&sku, &quantity)?, sku }
            }
            Ask::Group { name, members: Some(members) } => {
                let locations = members.locations.iter();
                let locations = locations.map(|code| self.master.location_name(source, code, time_ns)).collect();
                Ask::Group { name, members: Some(Members { locations, ..members }) }
            }
            other => other,
        })
    }

    /// A request as it is admitted: within the horizon, too.
    pub(crate) fn admitted(&self, source: &str, said: &Ask, time_ns: i64) -> Result<Ask, Outcome> {
        let said = self.in_our_names(source, said, time_ns)?;
        match &said {
            Ask::Request(request) if self.is_out_of_bounds(request) => Err(Outcome::TimeOutOfBounds),
            _ => Ok(said),
        }
    }

    /// Whether a line of a request is due beyond the horizon.
    pub(crate) fn is_out_of_bounds(&self, request: &Request) -> bool {
        request.lines.iter().any(|line| {
            let is_beyond = |at: &PositionKey| {
                line.due.is_some_and(|due| {
                    usize::try_from(self.buckets_away(&at.location, due)).is_ok_and(|away| away >= self.horizon())
                })
            };
            self.places_of(&line.place).unwrap_or_default().iter().any(is_beyond)
        })
    }

    pub(crate) fn our_position(&self, source: &str, said: &PositionKey, time_ns: i64) -> PositionKey {
        PositionKey {
            sku: self.master.item_name(source, &said.sku, time_ns),
            location: self.master.location_name(source, &said.location, time_ns),
            ..said.clone()
        }
    }

    pub(crate) fn request_in_our_names(
        &self,
        source: &str,
        mut request: Request,
        time_ns: i64,
    ) -> Result<Request, Outcome> {
        for line in &mut request.lines {
            let sku = match &mut line.place {
                Place::Position(position) => {
                    *position = self.our_position(source, position, time_ns);
                    &position.sku
                }
                Place::Group { sku, .. } => {
                    *sku = self.master.item_name(source, sku, time_ns);
                    sku
                }
            };
            line.quantity = self.in_base_units(sku, &line.quantity, time_ns)?;
        }
        Ok(request)
    }

    pub(crate) fn in_base_units(&self, sku: &str, said: &Measured, time_ns: i64) -> Result<Measured, Outcome> {
        let quantity = self.master.in_base_units(sku, said.quantity, &said.unit, time_ns)?;
        Ok(Measured { quantity, unit: String::new() })
    }
}
