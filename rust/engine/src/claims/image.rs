//! Lines in a snapshot. Positions stand there by their names, because where they are depends on how the stock is
//! divided; what lines claim is reckoned
//! anew.

use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::claims::book::{Claims, Fact, FactKind, Flags, Hold, Line, LineKey, LineRef, Statement, SupplyTerms};
use crate::core::SPOT_LEAST;
use crate::diagnostics::Diagnostics;
use crate::read::directive::Side;
use crate::read::line_number::OwnLineNumber;
use crate::schedule::{Books, Few, View};

const NO_LINE: SnapshotError = SnapshotError::Damaged("an order line cannot be read");
const SIDES: [Side; 2] = [Side::Supply, Side::Demand];

/// What stands of a line's position behind its names: the serial of its schedule line, whether that is overdue, told of
/// and dropped, and when it was closed.
type PlaceImage = (u64, [bool; 3], i64);

/// What a line takes at least: side and number, positions, facts, statements and holds, what was told, when it was
/// touched.
const LINE_LEAST: usize = Side::LEAST
    + Option::<OwnLineNumber>::LEAST
    + 2 * Vec::<Fact>::LEAST
    + Vec::<Statement>::LEAST
    + Vec::<Hold>::LEAST
    + Flags::LEAST
    + i64::LEAST;

/// What a document takes at least: space and name, when each side was closed, when that was told and when it was
/// touched, its lines.
const DOCUMENT_LEAST: usize =
    <[Box<str>; 2]>::LEAST + <[Option<i64>; 2]>::LEAST + <(i64, i64)>::LEAST + Vec::<u64>::LEAST;

tallystick_tables::image::numbered!(Side, SIDES, "an order line cannot be read");
tallystick_tables::image::numbered!(FactKind, FactKind::ALL, "an order line cannot be read");
tallystick_tables::image::image!(Fact { key, time_ns, amount, kind, place, source });
tallystick_tables::image::image!(Statement { time_ns, quantity, due, bucket, place, source, terms });
tallystick_tables::image::image!(SupplyTerms { supplier, kind });
tallystick_tables::image::flagged!(Box<SupplyTerms>);
tallystick_tables::image::image!(Flags { is_below_zero, is_used_after_closing, is_clashing, is_unallocated });
tallystick_tables::image::image!(Hold {
    serial,
    part,
    place,
    asked_ns,
    raised_ns,
    due,
    bucket,
    live,
    posts as Few,
    given,
    lapsed
});

impl Claims {
    /// Writes all that is known of lines.
    pub(crate) fn write_claims(&self, view: View<'_>, writer: &mut Writer) {
        let sources = self.sources.names();
        writer.each(sources.iter());
        let mut documents = self.document_numbers();
        documents.sort_by(|one, other| {
            let names = |number: u32| (self.document(number).space(), self.document(number).name());
            names(*one).cmp(&names(*other))
        });
        writer.u64(documents.len() as u64);
        for number in documents {
            let document = self.document(number);
            writer.bytes(document.space().as_bytes());
            writer.bytes(document.name().as_bytes());
            SIDES.map(|side| document.closed_on(side)).save(writer);
            (document.told_ns(), document.touched_ns).save(writer);
            let mut lines: Vec<LineRef<'_>> = document.lines.iter().map(|number| self.line(*number)).collect();
            let sku = |line: &Line| view.core.stock.parts[line.part as usize].names.name(line.sku);
            lines.sort_by(|one, other| (one.side, &one.number, sku(one)).cmp(&(other.side, &other.number, sku(other))));
            writer.u64(lines.len() as u64);
            for line in lines {
                Self::write_order_line(view, &line, writer);
            }
        }
        view.core.write_shelves(writer);
    }

    fn write_order_line(view: View<'_>, line: &Line, writer: &mut Writer) {
        line.side.save(writer);
        line.number.save(writer);
        writer.u64(line.places.len() as u64);
        for place in &line.places {
            view.core.write_spot(place.spot, writer);
            let known = view.schedule.lines.get(&place.serial);
            let told = known.map_or([false; 3], |line| [line.is_overdue, line.is_told, line.is_dropped]);
            (place.serial, told, known.map_or(0, |line| line.closed_ns)).save(writer);
        }
        writer.each(line.facts.iter());
        writer.each(line.statements.iter());
        writer.each(line.holds.iter());
        line.told.save(writer);
        line.touched_ns.save(writer);
    }

    /// Puts back what [`Self::write_claims`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_claims(&mut self, books: &mut Books<'_>, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        books.core.is_quiet = true;
        for source in reader.each::<Box<str>>()? {
            self.sources.number(&source?);
        }
        for _ in 0..reader.count(DOCUMENT_LEAST)? {
            let (space, name) = <(String, String)>::load(reader)?;
            let number = self.enter_document(&space, &name);
            let (closed_ns, told_ns, touched_ns) = Image::load(reader)?;
            let document = self.document_mut(number);
            document.touched_ns = touched_ns;
            if told_ns > i64::MIN {
                document.close(closed_ns, told_ns);
            }
            for _ in 0..reader.count(LINE_LEAST)? {
                self.read_order_line(books, number, reader)?;
            }
        }
        books.core.read_shelves(reader)?;
        for line in self.numbers() {
            self.reckon(books, line);
        }
        for slot in std::mem::take(&mut books.schedule.touched) {
            books.schedule.entry_mut(slot).is_touched = false;
            books.schedule.drop_if_idle(books.core, slot);
        }
        books.schedule.overdue.clear();
        // Whoever was to be told of it was told.
        self.tell_turns(books.core, &mut Diagnostics::default());
        books.core.nets.clear();
        books.core.is_quiet = false;
        Ok(())
    }

    fn read_order_line(
        &mut self,
        books: &mut Books<'_>,
        document: u32,
        reader: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let (side, number) = <(Side, Option<OwnLineNumber>)>::load(reader)?;
        let mut places = Vec::new();
        for _ in 0..reader.count(SPOT_LEAST + PlaceImage::LEAST)? {
            places.push((books.core.read_spot(reader)?, PlaceImage::load(reader)?));
        }
        let (first, ..) = *places.first().ok_or(NO_LINE)?;
        let sku = books.core.stock.at(first).1.names[0];
        let key = LineKey { side, document, number: number.as_ref().map(OwnLineNumber::borrow), part: first.part, sku };
        if self.find(&key).is_some() {
            return Err(NO_LINE);
        }
        let line = self.enter(&key);
        for (at, (spot, (serial, told, closed_ns))) in (0..).zip(places) {
            if (spot.part, books.core.stock.at(spot).1.names[0]) != (first.part, sku)
                || self.place_of(books.view(), line, spot) != at
            {
                return Err(NO_LINE);
            }
            self.line_mut(line).places[at as usize].serial = serial;
            if serial > 0 {
                books.schedule.put_back_supply((serial, line), spot, told, closed_ns)?;
            }
        }
        self.read_facts(books, line, reader)?;
        let known = self.line_mut(line);
        (known.told, known.touched_ns) = Image::load(reader)?;
        Ok(())
    }

    fn read_facts(&mut self, books: &mut Books<'_>, line: u32, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let places = self.line(line).places.len();
        let is_there = |place: u32| if (place as usize) < places { Ok(()) } else { Err(NO_LINE) };
        for fact in reader.each::<Fact>()? {
            let fact = fact?;
            is_there(fact.place)?;
            self.note(line, fact);
        }
        for statement in reader.each::<Statement>()? {
            let statement = statement?;
            is_there(statement.place)?;
            self.line_mut(line).statements.push(statement);
        }
        for hold in reader.each::<Hold>()? {
            let hold = hold?;
            is_there(hold.place)?;
            if hold.due.is_some() {
                let slot = books.schedule.entry_of(books.core, self.line(line).places[hold.place as usize].spot);
                let entry = books.schedule.entry_mut(slot);
                entry.dated = entry.dated.saturating_add(hold.live);
            }
            self.line_mut(line).holds.push(hold);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Side>());
        assert!(is_least::<Fact>());
        assert!(is_least::<Statement>());
        assert!(is_least::<Hold>());
        assert!(is_least::<Flags>());
        assert!(is_least::<Box<SupplyTerms>>());
    }
}
