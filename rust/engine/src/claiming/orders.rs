//! Orders and purchases: what the log says of lines is a statement of their quantity and their day (`docs/claims.md`
//! §1, §7).

use tallystick_contract::config::Config;
use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;

use super::Named;
use crate::admit::Admitted;
use crate::claims::{AT_ONCE, Fact, Kind, Statement, Terms};
use crate::directive::{LineName, LineSaid, ReceiptLine, Side};
use crate::engine::Engine;
use crate::judge::Case;
use crate::line_number::OwnLineNumber;
use crate::promise::State;
use crate::stock::Spot;

impl Engine {
    /// Takes a statement of a line's quantity, of its day, or of both.
    pub(crate) fn state(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (name, said, admitted): (&LineName, &LineSaid, &Admitted),
        is_scheduled: bool,
    ) -> Outcome {
        let quantity = admitted.quantity.or(said.quantity);
        if quantity == Some(0) {
            return self.call_off(config, case, name, admitted);
        }
        let spot = match self.position_of(names_of(name, admitted), case.sequence) {
            Ok(spot) => spot,
            Err(outcome) => return outcome,
        };
        let slot = self.entry_of(spot);
        let entry = self.promises.entry(slot);
        let before = if name.side == Side::Supply { entry.open } else { entry.claims() };
        let bucket = said.due.map_or(AT_ONCE, |due| self.promises.calendar.bucket_of(entry.zone, due));
        let line = self.line_named(config, case, name, spot);
        // What the line itself has there makes room for what is said of it now.
        let more = quantity.map_or(0, |quantity| quantity.saturating_sub(self.known_of(line, spot)));
        if before.saturating_add(more) > ACCOUNT_MAX {
            self.drop_blank(line);
            self.promises.touch(slot);
            return Outcome::Overflow;
        }
        let (place, source) = (self.place_of(line, spot), self.number_of_source(case));
        let terms = Terms { supplier: said.supplier.clone(), kind: said.kind.clone() };
        let terms = (is_scheduled && name.side == Side::Supply).then(|| Box::new(terms));
        let statement = Statement { time_ns: case.time_ns, quantity, due: said.due, bucket, place, source, terms };
        self.claims.line_mut(line).statements.push(statement);
        self.change_line(config, line, spot, case.sequence);
        Outcome::Applied
    }

    /// What a line has of a position: supply that is to come, or what it claims.
    fn known_of(&self, line: u32, spot: Spot) -> i64 {
        let line = self.claims.line(line);
        match line.side {
            Side::Demand => {
                let given = line.given.iter().find(|given| given.spot == spot);
                given.and_then(|given| given.steps.last()).map_or(0, |(_, shown)| shown.total())
            }
            Side::Supply => {
                let serial = line.places.iter().find(|place| place.spot == spot).map_or(0, |place| place.serial);
                let known = self.promises.lines.get(&serial).filter(|known| known.state == State::Open);
                known.map_or(0, |known| known.quantity)
            }
        }
    }

    /// Ends a line at its location.
    pub(crate) fn call_off(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        name: &LineName,
        admitted: &Admitted,
    ) -> Outcome {
        match self.position_of(names_of(name, admitted), case.sequence) {
            Ok(spot) => {
                let line = self.line_named(config, case, name, spot);
                self.end_line(config, case, (line, spot), Kind::Cancelled);
                Outcome::Applied
            }
            Err(outcome) => outcome,
        }
    }

    /// Ends a purchase line at a location, of whatever lot and owner: what is missing will not come.
    pub(crate) fn end_receipt(&mut self, config: &Config, case: &Case<'_, '_>, receipt: &ReceiptLine) -> Outcome {
        let spot = match self.position_of([&receipt.sku, &receipt.location, "", ""], case.sequence) {
            Ok(spot) => spot,
            Err(outcome) => return outcome,
        };
        let source = case.seen.event.source.unwrap_or_default();
        let number = receipt.line.as_ref().map(OwnLineNumber::borrow);
        let named = Named { source, document: &receipt.document, number };
        let line = self.enter_line(config, Side::Supply, named, spot);
        self.end_line(config, case, (line, spot), Kind::Final);
        Outcome::Applied
    }

    fn end_line(&mut self, config: &Config, case: &Case<'_, '_>, (line, spot): (u32, Spot), kind: Kind) {
        let (place, source) = (self.place_of(line, spot), self.number_of_source(case));
        let fact = Fact { key: 0, time_ns: case.time_ns, amount: 0, kind, place, source };
        self.claims.note(line, fact);
        self.change_line(config, line, spot, case.sequence);
    }

    fn change_line(&mut self, config: &Config, line: u32, spot: Spot, sequence: u64) {
        self.touch_line(line);
        self.touch(spot, sequence);
        self.reckon(config, line, sequence);
    }

    fn line_named(&mut self, config: &Config, case: &Case<'_, '_>, name: &LineName, spot: Spot) -> u32 {
        let source = case.seen.event.source.unwrap_or_default();
        let number = name.line.as_ref().map(OwnLineNumber::borrow);
        self.enter_line(config, name.side, Named { source, document: &name.document, number }, spot)
    }

    fn number_of_source(&mut self, case: &Case<'_, '_>) -> u16 {
        self.claims.sources.number(case.seen.event.source.unwrap_or_default())
    }
}

/// The names of a line as the ledger has them.
fn names_of<'a>(name: &'a LineName, admitted: &'a Admitted) -> [&'a str; 4] {
    let [sku, location, lot, owner] = &name.names;
    [admitted.sku.as_deref().unwrap_or(sku), admitted.location.as_deref().unwrap_or(location), lot, owner]
}
