//! The schedule and the reservations in a snapshot. Positions stand there by their names, because where they are
//! depends on how the stock is divided.

use smallvec::SmallVec;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use super::calendar::Due;
use super::fold::{Deed, Op, Ops};
use super::line::{Line, State};
use super::record::{End, Got, More, Named, Part, Record, Settled, Status};
use crate::engine::Engine;
use crate::line_number::{read_line_number, write_line_number};
use crate::stock::Spot;

const NO_POSITION: SnapshotError = SnapshotError::Damaged("something is promised of a position that is not there");
const NO_LINE: SnapshotError = SnapshotError::Damaged("a schedule line is none");
const NO_RESERVATION: SnapshotError = SnapshotError::Damaged("a reservation is none");

pub(crate) fn write_due(writer: &mut Writer, due: Due) {
    let (kind, value) = match due {
        Due::Date(days) => (0, i64::from(days)),
        Due::At(ns) => (1, ns),
        Due::LongAgo => (2, 0),
        Due::FarOff => (3, 0),
    };
    writer.u8(kind);
    writer.i64(value);
}

pub(crate) fn read_due(reader: &mut Reader<'_>) -> Result<Due, SnapshotError> {
    let (kind, value) = (reader.u8()?, reader.i64()?);
    Ok(match kind {
        0 => Due::Date(i32::try_from(value).map_err(|_| NO_LINE)?),
        1 => Due::At(value),
        2 => Due::LongAgo,
        3 => Due::FarOff,
        _ => return Err(NO_LINE),
    })
}

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

impl Engine {
    /// Writes all that is known of promises.
    pub(crate) fn write_promises(&self, writer: &mut Writer) {
        let promises = &self.promises;
        writer.u8(u8::from(promises.is_used));
        writer.u64(promises.serial);
        writer.i64(promises.next_bucket_ns);
        promises.groups.write(writer);
        promises.protections.write(writer);
        writer.u64(promises.reservations.len() as u64);
        for record in promises.reservations.all() {
            self.write_record(&record, writer);
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

    /// Writes which positions were told of as at risk.
    pub(crate) fn write_risks(&self, writer: &mut Writer) {
        let at_risk = self.promises.entries.iter().flatten().filter(|entry| entry.is_at_risk).map(|entry| entry.spot);
        let at_risk = self.in_order(at_risk.collect());
        writer.u64(at_risk.len() as u64);
        for spot in at_risk {
            self.write_spot(spot, writer);
        }
    }

    fn write_spot(&self, spot: Spot, writer: &mut Writer) {
        for name in self.view_names(spot) {
            writer.bytes(name.as_bytes());
        }
    }

    pub(crate) fn read_spot(&self, reader: &mut Reader<'_>) -> Result<Spot, SnapshotError> {
        let names = [reader.text()?, reader.text()?, reader.text()?, reader.text()?];
        self.stock.find([&names[0], &names[1], &names[2], &names[3]]).ok_or(NO_POSITION)
    }

    fn write_record(&self, record: &Record<'_>, writer: &mut Writer) {
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
            self.write_spot(part.spot, writer);
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

    fn read_record<'r>(&mut self, reader: &mut Reader<'r>) -> Result<Record<'r>, SnapshotError> {
        let key = Fingerprint([reader.u64()?, reader.u64()?]);
        let known = Known { digest: reader.u32()?, ..Known::default() };
        // Serials begin at 1; zero is where no record is.
        let serial = Some(reader.u64()?).filter(|serial| *serial > 0).ok_or(NO_RESERVATION)?;
        let sequence = reader.u64()?;
        let [source, id, document] = [reader.text()?, reader.text()?, reader.text()?];
        let named = Named::new(source, id, document);
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
        let mut parts: SmallVec<[Part; 1]> = SmallVec::new();
        for _ in 0..reader.count(86)? {
            let part = self.read_part(reader, end == End::Live && named.document().is_none())?;
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

    fn read_part(&mut self, reader: &mut Reader<'_>, is_live: bool) -> Result<Part, SnapshotError> {
        let line = u16::try_from(reader.u32()?).map_err(|_| NO_RESERVATION)?;
        let spot = self.read_spot(reader)?;
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
            self.hold_at(spot, due.map(|(_, bucket)| bucket), (0, held));
        }
        Ok(Part { line, spot, due, granted, held, protections: protections.into() })
    }

    /// Puts back what [`Self::write_promises`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_promises(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.promises.is_used = reader.u8()? == 1;
        let serial = reader.u64()?;
        let next_bucket_ns = reader.i64()?;
        for zone in self.locations.time_zones() {
            self.promises.calendar.zone(&zone);
        }
        let now_ns = self.log_time_ns.unwrap_or(0);
        for zone in 0..self.promises.calendar.zones() {
            self.promises.calendar.reach(zone, now_ns);
        }
        self.promises.groups.read(reader)?;
        self.promises.protections.read(reader)?;
        let mut slots = std::collections::BTreeMap::new();
        for _ in 0..reader.count(100)? {
            let record = self.read_record(reader)?;
            let serial = record.serial;
            let slot = self.promises.reservations.put_back(record).ok_or(NO_RESERVATION)?;
            slots.insert(serial, slot);
            let ops = read_ops(reader)?;
            if !ops.is_empty() {
                self.promises.reservations.set_ops(slot, ops);
            }
        }
        for _ in 0..reader.count(16)? {
            let (ended_ns, serial) = (reader.i64()?, reader.u64()?);
            // What was forgotten since leaves its place behind.
            let slot = slots.get(&serial).copied();
            self.promises.reservations.put_back_end(ended_ns, serial, slot.unwrap_or(u32::MAX));
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
            self.promises.reservations.remember_settled(key, settled, told_ns);
        }
        (self.promises.serial, self.promises.next_bucket_ns) = (serial, next_bucket_ns);
        Ok(())
    }

    /// Puts back which positions were told of as at risk, once all that is claimed of them is back.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_risks(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..reader.count(32)? {
            let spot = self.read_spot(reader)?;
            let slot = self.promised(spot).ok_or(NO_POSITION)?;
            self.promises.entry_mut(slot).is_at_risk = true;
        }
        for slot in std::mem::take(&mut self.promises.touched) {
            self.promises.entry_mut(slot).is_touched = false;
        }
        Ok(())
    }

    /// Puts back the schedule line of a purchase line at a position; what comes of it is found out then.
    pub(crate) fn put_back_supply(
        &mut self,
        (serial, claim): (u64, u32),
        spot: Spot,
        [is_overdue, is_told, is_dropped]: [bool; 3],
        closed_ns: i64,
    ) -> Result<(), SnapshotError> {
        let line = Line {
            claim,
            entry: 0,
            spot,
            quantity: 0,
            received: 0,
            rest: 0,
            due: Due::FarOff,
            bucket: 0,
            supplier: None,
            kind: None,
            source: Box::default(),
            state: State::Cancelled,
            counted: None,
            is_overdue,
            is_told,
            is_dropped,
            closed_ns,
        };
        if self.promises.lines.insert(serial, line).is_some() { Err(NO_LINE) } else { Ok(()) }
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
