//! Orders and purchases: what the log says of lines is a statement of their quantity and their day (`docs/claims.md`
//! §1, §7).

use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;

use crate::claims::book::{Claims, Fact, FactKind, Statement, SupplyTerms};
use crate::core::admitted::Admitted;
use crate::core::context::Context;
use crate::read::directive::{LineName, LineSaid, ReceiptLine, Side};
use crate::read::line_number::OwnLineNumber;
use crate::schedule::hold::LineNamed;
use crate::schedule::{AT_ONCE, SupplyState};
use crate::schedule::{Books, View};
use crate::stock::Spot;

impl Claims {
    /// Takes a statement of a line's quantity, of its day, or of both.
    pub(crate) fn state(
        &mut self,
        books: &mut Books<'_>,
        context: &Context<'_, '_>,
        (name, said, admitted): (&LineName, &LineSaid, &Admitted),
        is_scheduled: bool,
    ) -> Outcome {
        let quantity = admitted.quantity.or(said.quantity);
        if quantity == Some(0) {
            return self.call_off(books, context, name, admitted);
        }
        let spot = match books.core.position_of(names_of(name, admitted), context.sequence) {
            Ok(spot) => spot,
            Err(outcome) => return outcome,
        };
        let slot = books.schedule.entry_of(books.core, spot);
        let entry = books.schedule.entry(slot);
        let before = if name.side == Side::Supply { entry.open } else { entry.claims() };
        let bucket = said.due.map_or(AT_ONCE, |due| books.core.calendar.bucket_of(entry.zone, due));
        let line = self.line_named(books, context, name, spot);
        // What the line itself has there makes room for what is said of it now.
        let more = quantity.map_or(0, |quantity| quantity.saturating_sub(self.known_of(books.view(), line, spot)));
        if before.saturating_add(more) > ACCOUNT_MAX {
            self.drop_blank(books, line);
            books.schedule.touch(slot);
            return Outcome::Overflow;
        }
        let (place, source) = (self.place_of(books.view(), line, spot), self.number_of_source(context));
        let terms = SupplyTerms { supplier: said.supplier.clone(), kind: said.kind.clone() };
        let terms = (is_scheduled && name.side == Side::Supply).then(|| Box::new(terms));
        let statement = Statement { time_ns: context.time_ns, quantity, due: said.due, bucket, place, source, terms };
        self.line_mut(line).statements.push(statement);
        self.change_line(books, line, spot);
        Outcome::Applied
    }

    /// What a line has of a position: supply that is to come, or what it claims.
    fn known_of(&self, view: View<'_>, line: u32, spot: Spot) -> i64 {
        let line = self.line(line);
        match line.side {
            Side::Demand => {
                let given = line.given.iter().find(|given| given.spot == spot);
                given.and_then(|given| given.steps.last()).map_or(0, |(_, shown)| shown.total())
            }
            Side::Supply => {
                let serial = line.places.iter().find(|place| place.spot == spot).map_or(0, |place| place.serial);
                let known = view.schedule.lines.get(&serial).filter(|known| known.state == SupplyState::Open);
                known.map_or(0, |known| known.quantity)
            }
        }
    }

    /// Ends a line at its location.
    pub(crate) fn call_off(
        &mut self,
        books: &mut Books<'_>,
        context: &Context<'_, '_>,
        name: &LineName,
        admitted: &Admitted,
    ) -> Outcome {
        match books.core.position_of(names_of(name, admitted), context.sequence) {
            Ok(spot) => {
                let line = self.line_named(books, context, name, spot);
                self.end_line(books, context, (line, spot), FactKind::Cancelled);
                Outcome::Applied
            }
            Err(outcome) => outcome,
        }
    }

    /// Ends a purchase line at a location, of whatever lot and owner: what is missing will not come.
    pub(crate) fn end_receipt(
        &mut self,
        books: &mut Books<'_>,
        context: &Context<'_, '_>,
        receipt: &ReceiptLine,
    ) -> Outcome {
        let spot = match books.core.position_of([&receipt.sku, &receipt.location, "", ""], context.sequence) {
            Ok(spot) => spot,
            Err(outcome) => return outcome,
        };
        let source = context.decoded.event.source;
        let number = receipt.line.as_ref().map(OwnLineNumber::borrow);
        let named = LineNamed { source, document: &receipt.document, number };
        let line = self.enter_line(books, Side::Supply, named, spot);
        self.end_line(books, context, (line, spot), FactKind::Final);
        Outcome::Applied
    }

    fn end_line(
        &mut self,
        books: &mut Books<'_>,
        context: &Context<'_, '_>,
        (line, spot): (u32, Spot),
        kind: FactKind,
    ) {
        let (place, source) = (self.place_of(books.view(), line, spot), self.number_of_source(context));
        let fact = Fact { key: 0, time_ns: context.time_ns, amount: 0, kind, place, source };
        self.note(line, fact);
        self.change_line(books, line, spot);
    }

    fn change_line(&mut self, books: &mut Books<'_>, line: u32, spot: Spot) {
        self.touch_line(books.view(), line);
        books.core.touch(spot, books.sequence);
        self.reckon(books, line);
    }

    fn line_named(&mut self, books: &mut Books<'_>, context: &Context<'_, '_>, name: &LineName, spot: Spot) -> u32 {
        let source = context.decoded.event.source;
        let number = name.line.as_ref().map(OwnLineNumber::borrow);
        self.enter_line(books, name.side, LineNamed { source, document: &name.document, number }, spot)
    }

    fn number_of_source(&mut self, context: &Context<'_, '_>) -> u16 {
        self.sources.number(context.decoded.event.source)
    }
}

/// The names of a line as the ledger has them.
fn names_of<'a>(name: &'a LineName, admitted: &'a Admitted) -> [&'a str; 4] {
    let [sku, location, lot, owner] = &name.names;
    [admitted.sku.as_deref().unwrap_or(sku), admitted.location.as_deref().unwrap_or(location), lot, owner]
}
