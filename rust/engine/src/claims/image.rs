//! Lines in a snapshot. Positions stand there by their names, because where they are depends on how the stock is
//! divided; what lines claim is reckoned
//! anew.

use smallvec::SmallVec;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::calendar::Due;
use crate::claims::book::{Claims, Fact, Flags, Hold, Kind, Line, LineKey, LineRef, Statement, SupplyTerms};
use crate::diagnostics::Diagnostics;
use crate::read::directive::Side;
use crate::read::line_number::{OwnLineNumber, read_line_number, write_line_number};
use crate::schedule::{Books, View};
use crate::schedule::{read_due, write_due};

const NO_LINE: SnapshotError = SnapshotError::Damaged("an order line is none");
const SIDES: [Side; 2] = [Side::Supply, Side::Demand];

fn write_time(writer: &mut Writer, time_ns: Option<i64>) {
    writer.u8(u8::from(time_ns.is_some()));
    writer.i64(time_ns.unwrap_or_default());
}

fn read_time(reader: &mut Reader<'_>) -> Result<Option<i64>, SnapshotError> {
    let is_there = reader.u8()? == 1;
    Ok(Some(reader.i64()?).filter(|_| is_there))
}

fn write_day(writer: &mut Writer, due: Option<Due>, bucket: i32) {
    writer.u8(u8::from(due.is_some()));
    write_due(writer, due.unwrap_or(Due::LongAgo));
    writer.i64(bucket.into());
}

fn read_day(reader: &mut Reader<'_>) -> Result<(Option<Due>, i32), SnapshotError> {
    let is_there = reader.u8()? == 1;
    let due = Some(read_due(reader)?).filter(|_| is_there);
    Ok((due, i32::try_from(reader.i64()?).map_err(|_| NO_LINE)?))
}

impl Claims {
    /// Writes all that is known of lines.
    pub(crate) fn write_claims(&self, view: View<'_>, writer: &mut Writer) {
        let sources = self.sources.names();
        writer.u64(sources.len() as u64);
        writer.texts(sources);
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
            for side in SIDES {
                write_time(writer, document.closed_on(side));
            }
            writer.i64(document.told_ns());
            writer.i64(document.touched_ns);
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
        writer.u8(line.side as u8);
        write_line_number(writer, line.number.as_ref());
        writer.u64(line.places.len() as u64);
        for place in &line.places {
            for name in view.core.view_names(place.spot) {
                writer.bytes(name.as_bytes());
            }
            writer.u64(place.serial);
            let known = view.schedule.lines.get(&place.serial);
            let told = known.map_or([false; 3], |line| [line.is_overdue, line.is_told, line.is_dropped]);
            for is in told {
                writer.u8(u8::from(is));
            }
            writer.i64(known.map_or(0, |line| line.closed_ns));
        }
        writer.u64(line.facts.len() as u64);
        for fact in &line.facts {
            writer.u64(fact.key);
            writer.i64(fact.time_ns);
            writer.i64(fact.amount);
            writer.u8(fact.kind as u8);
            writer.u32(fact.place);
            writer.u32(fact.source.into());
        }
        writer.u64(line.statements.len() as u64);
        for statement in &line.statements {
            writer.i64(statement.time_ns);
            write_time(writer, statement.quantity);
            write_day(writer, statement.due, statement.bucket);
            writer.u32(statement.place);
            writer.u32(statement.source.into());
            writer.u8(u8::from(statement.terms.is_some()));
            let terms = statement.terms.as_deref().cloned().unwrap_or_default();
            writer.bytes(terms.supplier.as_deref().unwrap_or_default().as_bytes());
            writer.bytes(terms.kind.as_deref().unwrap_or_default().as_bytes());
        }
        writer.u64(line.holds.len() as u64);
        for hold in &line.holds {
            write_hold(hold, writer);
        }
        let Flags { is_below_zero, is_used_after_closing, is_clashing, is_unallocated } = line.told;
        for is in [is_below_zero, is_used_after_closing, is_clashing, is_unallocated] {
            writer.u8(u8::from(is));
        }
        writer.i64(line.touched_ns);
    }

    /// Puts back what [`Self::write_claims`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_claims(&mut self, books: &mut Books<'_>, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        books.core.is_quiet = true;
        for _ in 0..reader.count(8)? {
            self.sources.number(&reader.text()?);
        }
        for _ in 0..reader.count(58)? {
            let (space, name) = (reader.text()?.into_owned(), reader.text()?.into_owned());
            let number = self.enter_document(&space, &name);
            let closed_ns = [read_time(reader)?, read_time(reader)?];
            let (told_ns, touched_ns) = (reader.i64()?, reader.i64()?);
            let document = self.document_mut(number);
            document.touched_ns = touched_ns;
            if told_ns > i64::MIN {
                document.close(closed_ns, told_ns);
            }
            for _ in 0..reader.count(46)? {
                self.read_order_line(books, number, reader)?;
            }
        }
        books.core.read_shelves(reader)?;
        let _config = std::sync::Arc::clone(&books.core.config);
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
        let side = *SIDES.get(usize::from(reader.u8()?)).ok_or(NO_LINE)?;
        let number = read_line_number(reader)?;
        let mut places = Vec::new();
        for _ in 0..reader.count(51)? {
            let spot = books.core.read_spot(reader)?;
            let serial = reader.u64()?;
            let told = [reader.u8()? == 1, reader.u8()? == 1, reader.u8()? == 1];
            places.push((spot, serial, told, reader.i64()?));
        }
        let (first, ..) = *places.first().ok_or(NO_LINE)?;
        let sku = books.core.stock.at(first).1.names[0];
        let key = LineKey { side, document, number: number.as_ref().map(OwnLineNumber::borrow), part: first.part, sku };
        if self.find(&key).is_some() {
            return Err(NO_LINE);
        }
        let line = self.enter(&key);
        for (at, (spot, serial, told, closed_ns)) in (0..).zip(places) {
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
        let told = [reader.u8()? == 1, reader.u8()? == 1, reader.u8()? == 1, reader.u8()? == 1];
        let touched_ns = reader.i64()?;
        let known = self.line_mut(line);
        let [is_below_zero, is_used_after_closing, is_clashing, is_unallocated] = told;
        known.told = Flags { is_below_zero, is_used_after_closing, is_clashing, is_unallocated };
        known.touched_ns = touched_ns;
        Ok(())
    }

    fn read_facts(&mut self, books: &mut Books<'_>, line: u32, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let places = self.line(line).places.len();
        let is_there = |place: u32| if (place as usize) < places { Ok(place) } else { Err(NO_LINE) };
        let source = |number: u32| u16::try_from(number).map_err(|_| NO_LINE);
        for _ in 0..reader.count(33)? {
            let (key, time_ns, amount) = (reader.u64()?, reader.i64()?, reader.i64()?);
            let kind = *Kind::ALL.get(usize::from(reader.u8()?)).ok_or(NO_LINE)?;
            let (place, source) = (is_there(reader.u32()?)?, source(reader.u32()?)?);
            self.note(line, Fact { key, time_ns, amount, kind, place, source });
        }
        for _ in 0..reader.count(60)? {
            let (time_ns, quantity) = (reader.i64()?, read_time(reader)?);
            let (due, bucket) = read_day(reader)?;
            let (place, source) = (is_there(reader.u32()?)?, source(reader.u32()?)?);
            let has_terms = reader.u8()? == 1;
            let name = |text: std::borrow::Cow<'_, str>| Some(Box::<str>::from(text)).filter(|name| !name.is_empty());
            let terms = SupplyTerms { supplier: name(reader.text()?), kind: name(reader.text()?) };
            let terms = has_terms.then(|| Box::new(terms));
            let statement = Statement { time_ns, quantity, due, bucket, place, source, terms };
            self.line_mut(line).statements.push(statement);
        }
        for _ in 0..reader.count(80)? {
            let hold = read_hold(reader)?;
            let hold = Hold { place: is_there(hold.place)?, ..hold };
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

fn write_hold(hold: &Hold, writer: &mut Writer) {
    writer.u64(hold.serial);
    writer.u32(hold.part.into());
    writer.u32(hold.place);
    writer.i64(hold.asked_ns);
    writer.i64(hold.raised_ns);
    write_day(writer, hold.due, hold.bucket);
    writer.i64(hold.live);
    for steps in [&*hold.posts, &*hold.given] {
        writer.u64(steps.len() as u64);
        for (time_ns, amount) in steps {
            writer.i64(*time_ns);
            writer.i64(*amount);
        }
    }
    write_time(writer, hold.lapsed.map(|(time_ns, _)| time_ns));
    writer.i64(hold.lapsed.map_or(0, |(_, amount)| amount));
}

fn read_hold(reader: &mut Reader<'_>) -> Result<Hold, SnapshotError> {
    let serial = reader.u64()?;
    let part = u16::try_from(reader.u32()?).map_err(|_| NO_LINE)?;
    let place = reader.u32()?;
    let (asked_ns, raised_ns) = (reader.i64()?, reader.i64()?);
    let (due, bucket) = read_day(reader)?;
    let live = reader.i64()?;
    let (mut posts, mut given) = (SmallVec::new(), Vec::new());
    for _ in 0..reader.count(16)? {
        posts.push((reader.i64()?, reader.i64()?));
    }
    for _ in 0..reader.count(16)? {
        given.push((reader.i64()?, reader.i64()?));
    }
    let lapsed_ns = read_time(reader)?;
    let amount = reader.i64()?;
    let lapsed = lapsed_ns.map(|time_ns| (time_ns, amount));
    Ok(Hold { serial, part, place, asked_ns, raised_ns, due, bucket, live, posts, given, lapsed })
}
