//! The schedule and the reservations in a snapshot. Positions stand there by their names, because where they are
//! depends on how the stock is divided.

use smallvec::SmallVec;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::calendar::Due;
use crate::promise::Promises;
use crate::promise::fold::{Deed, Op, Ops};
use crate::promise::record::{End, Got, More, Record, RecordName, ReservationPart, Settled, Status};
use crate::read::line_number::{read_line_number, write_line_number};
use crate::schedule::{Books, View};
use crate::schedule::{read_due, write_due};

const NO_RESERVATION: SnapshotError = SnapshotError::Damaged("a reservation is none");

fn write_number(writer: &mut Writer, number: Option<i64>) {
    writer.u8(u8::from(number.is_some()));
    writer.i64(number.unwrap_or_default());
}

fn read_number(reader: &mut Reader<'_>) -> Result<Option<i64>, SnapshotError> {
    let is_there = reader.u8()? == 1;
    Ok(Some(reader.i64()?).filter(|_| is_there))
}

fn read_name(reader: &mut Reader<'_>) -> Result<Option<Box<str>>, SnapshotError> {
    let name = reader.text()?;
    Ok((!name.is_empty()).then(|| name.into()))
}

impl Promises {
    /// Writes all that is known of promises.
    pub(crate) fn write_promises(&self, view: View<'_>, writer: &mut Writer) {
        let promises = self;
        writer.u8(u8::from(view.schedule.is_used));
        writer.u64(view.schedule.serial);
        writer.i64(view.schedule.next_bucket_ns);
        view.core.groups.write(writer);
        promises.protections.write(writer);
        writer.u64(promises.reservations.len() as u64);
        for record in promises.reservations.all() {
            Self::write_record(view, &record, writer);
            let slot = promises.reservations.find(record.key);
            write_ops(writer, slot.and_then(|slot| promises.reservations.ops(slot)).map_or(&[], |ops| ops));
        }
        let ended: Vec<(i64, u64)> = promises.reservations.ended().collect();
        writer.u64(ended.len() as u64);
        for (ended_ns, serial) in ended {
            writer.i64(ended_ns);
            writer.u64(serial);
        }
        let settled: Vec<_> = promises.reservations.all_settled().collect();
        writer.u64(settled.len() as u64);
        for (told_ns, key, settled) in settled {
            writer.i64(told_ns);
            writer.words(&key.0);
            writer.bytes(settled.status.as_bytes());
            writer.u8(settled.outcome.number());
            writer.i64(settled.quantity);
            writer.u64(settled.sequence);
            writer.bytes(settled.why.as_deref().unwrap_or_default().as_bytes());
        }
    }

    fn write_record(view: View<'_>, record: &Record<'_>, writer: &mut Writer) {
        writer.words(&record.key.0);
        writer.u32(record.known.digest);
        writer.u64(record.serial);
        writer.u64(record.sequence);
        for text in [&*record.named.source, &*record.named.id, record.named.document().unwrap_or_default()] {
            writer.bytes(text.as_bytes());
        }
        writer.i64(record.expires_ns);
        writer.u8(record.status as u8);
        writer.u8(record.end as u8);
        writer.i64(record.posted);
        writer.u64(record.got.len() as u64);
        for got in &record.got {
            writer.i64(got.asked);
            writer.i64(got.granted);
            writer.i64(got.available);
            write_number(writer, got.earliest.map(i64::from));
            write_line_number(writer, got.line.as_ref());
            writer.u8(u8::from(got.is_group));
        }
        writer.u64(record.parts.len() as u64);
        for part in &record.parts {
            writer.u32(part.line.into());
            view.core.write_spot(part.spot, writer);
            writer.u8(u8::from(part.due.is_some()));
            let (due, bucket) = part.due.unwrap_or((Due::LongAgo, 0));
            write_due(writer, due);
            writer.i64(bucket.into());
            writer.i64(part.granted);
            writer.i64(part.held);
            writer.u64(part.protections.len() as u64);
            writer.words(&part.protections);
        }
        let none = More::default();
        let more = record.more.as_deref().unwrap_or(&none);
        writer.u8(u8::from(more.seen.is_some()));
        writer.u64(more.seen.unwrap_or_default());
        writer.bytes(more.why.as_deref().unwrap_or_default().as_bytes());
        write_number(writer, more.answered_end_ns);
        writer.u64(more.channels.len() as u64);
        writer.texts(&more.channels);
    }

    fn read_record<'r>(books: &mut Books<'_>, reader: &mut Reader<'r>) -> Result<Record<'r>, SnapshotError> {
        let key = Fingerprint([reader.u64()?, reader.u64()?]);
        let known = Known { digest: reader.u32()?, ..Known::default() };
        // Serials begin at 1; zero is where no record is.
        let serial = Some(reader.u64()?).filter(|serial| *serial > 0).ok_or(NO_RESERVATION)?;
        let sequence = reader.u64()?;
        let [source, id, document] = [reader.text()?, reader.text()?, reader.text()?];
        let named = RecordName::new(source, id, document);
        let expires_ns = reader.i64()?;
        let status = *Status::ALL.get(usize::from(reader.u8()?)).ok_or(NO_RESERVATION)?;
        let end = *End::ALL.get(usize::from(reader.u8()?)).ok_or(NO_RESERVATION)?;
        let posted = reader.i64()?;
        let mut got: SmallVec<[Got; 1]> = SmallVec::new();
        for _ in 0..reader.count(42)? {
            let (asked, granted, available) = (reader.i64()?, reader.i64()?, reader.i64()?);
            let earliest = read_number(reader)?.and_then(|bucket| i32::try_from(bucket).ok());
            let line = read_line_number(reader)?;
            let is_group = reader.u8()? == 1;
            got.push(Got { asked, granted, available, earliest, line, is_group });
        }
        let mut parts: SmallVec<[ReservationPart; 1]> = SmallVec::new();
        for _ in 0..reader.count(86)? {
            let part = Self::read_part(books, reader, end == End::Live && named.document().is_none())?;
            if usize::from(part.line) >= got.len() {
                return Err(NO_RESERVATION);
            }
            parts.push(part);
        }
        let has_seen = reader.u8()? == 1;
        let seen = Some(reader.u64()?).filter(|_| has_seen);
        let why = read_name(reader)?;
        let answered_end_ns = read_number(reader)?;
        let mut channels = Vec::new();
        for _ in 0..reader.count(8)? {
            channels.push(Box::<str>::from(reader.text()?));
        }
        let more = More { seen, why, answered_end_ns, channels: channels.into() }.boxed();
        Ok(Record { key, known, serial, sequence, named, expires_ns, status, end, posted, got, parts, more })
    }

    fn read_part(
        books: &mut Books<'_>,
        reader: &mut Reader<'_>,
        is_live: bool,
    ) -> Result<ReservationPart, SnapshotError> {
        let line = u16::try_from(reader.u32()?).map_err(|_| NO_RESERVATION)?;
        let spot = books.core.read_spot(reader)?;
        let is_due = reader.u8()? == 1;
        let due = read_due(reader)?;
        let bucket = i32::try_from(reader.i64()?).map_err(|_| NO_RESERVATION)?;
        let due = Some((due, bucket)).filter(|_| is_due);
        let (granted, held) = (reader.i64()?, reader.i64()?);
        let mut protections = Vec::new();
        for _ in 0..reader.count(8)? {
            protections.push(reader.u64()?);
        }
        if is_live && held > 0 {
            books.schedule.hold_at(books.core, spot, due.map(|(_, bucket)| bucket), (0, held));
        }
        Ok(ReservationPart { line, spot, due, granted, held, protections: protections.into() })
    }

    /// Puts back what [`Self::write_promises`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_promises(
        &mut self,
        books: &mut Books<'_>,
        reader: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        books.schedule.is_used = reader.u8()? == 1;
        let serial = reader.u64()?;
        let next_bucket_ns = reader.i64()?;
        for zone in books.core.locations.time_zones() {
            books.core.calendar.zone(&zone);
        }
        let now_ns = books.core.now_ns();
        for zone in 0..books.core.calendar.zones() {
            books.core.calendar.reach(zone, now_ns);
        }
        books.core.groups.read(reader)?;
        self.protections.read(reader)?;
        let mut slots = std::collections::BTreeMap::new();
        for _ in 0..reader.count(100)? {
            let record = Self::read_record(books, reader)?;
            let serial = record.serial;
            let slot = self.reservations.put_back(record).ok_or(NO_RESERVATION)?;
            slots.insert(serial, slot);
            let ops = read_ops(reader)?;
            if !ops.is_empty() {
                self.reservations.set_ops(slot, ops);
            }
        }
        for _ in 0..reader.count(16)? {
            let (ended_ns, serial) = (reader.i64()?, reader.u64()?);
            // What was forgotten since leaves its place behind.
            let slot = slots.get(&serial).copied();
            self.reservations.put_back_end(ended_ns, serial, slot.unwrap_or(u32::MAX));
        }
        for _ in 0..reader.count(57)? {
            let (told_ns, key) = (reader.i64()?, Fingerprint([reader.u64()?, reader.u64()?]));
            let status = reader.text()?;
            let names = [End::Posted.name(), End::Voided.name()];
            let known = [Status::Insufficient, Status::Refused, Status::Changed].map(Status::name);
            let known = names.into_iter().chain(known);
            let status = { known }.find(|name| *name == status).ok_or(NO_RESERVATION)?;
            let outcome = Outcome::from_number(reader.u8()?).ok_or(NO_RESERVATION)?;
            let (quantity, sequence, why) = (reader.i64()?, reader.u64()?, read_name(reader)?);
            let settled = Settled { status, outcome, quantity, sequence, why };
            self.reservations.remember_settled(key, settled, told_ns);
        }
        (books.schedule.serial, books.schedule.next_bucket_ns) = (serial, next_bucket_ns);
        Ok(())
    }
}

fn write_ops(writer: &mut Writer, ops: &[Op]) {
    writer.u64(ops.len() as u64);
    for op in ops {
        writer.i64(op.time_ns);
        writer.u8(op.deed as u8);
        writer.u8(u8::from(op.quantities.is_some()));
        let quantities = op.quantities.clone().unwrap_or_default();
        writer.u64(quantities.len() as u64);
        quantities.iter().for_each(|quantity| writer.i64(*quantity));
        writer.u8(u8::from(op.expires_ns.is_some()));
        writer.i64(op.expires_ns.unwrap_or_default());
    }
}

fn read_ops(reader: &mut Reader<'_>) -> Result<Ops, SnapshotError> {
    let mut ops = Ops::new();
    for _ in 0..reader.count(27)? {
        let time_ns = reader.i64()?;
        let deed = *Deed::ALL.get(usize::from(reader.u8()?)).ok_or(NO_RESERVATION)?;
        let has_quantities = reader.u8()? == 1;
        let mut quantities = SmallVec::new();
        for _ in 0..reader.count(8)? {
            quantities.push(reader.i64()?);
        }
        let quantities = has_quantities.then_some(quantities);
        let has_expiry = reader.u8()? == 1;
        let expires_ns = Some(reader.i64()?).filter(|_| has_expiry);
        ops.push(Op { time_ns, deed, quantities, expires_ns });
    }
    Ok(ops)
}
