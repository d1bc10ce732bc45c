//! The schedule and the reservations in a snapshot. Positions stand there by their names, because where they are depends on how the stock is divided.

use smallvec::SmallVec;

use super::calendar::Due;
use super::line::{Line, State};
use super::record::{End, Got, More, Named, Part, Record, Settled, Status};
use crate::body::Known;
use crate::dedup::Fingerprint;
use crate::directive::Side;
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::rules::Flow;
use crate::stock::Spot;
use crate::wire::{Reader, SnapshotError, Writer};

const NO_POSITION: SnapshotError = SnapshotError::Damaged("something is promised of a position that is not there");
const NO_LINE: SnapshotError = SnapshotError::Damaged("a schedule line is none");
const NO_RESERVATION: SnapshotError = SnapshotError::Damaged("a reservation is none");

fn write_due(writer: &mut Writer, due: Due) {
    let (kind, value) = match due {
        Due::Date(days) => (0, i64::from(days)),
        Due::At(ns) => (1, ns),
        Due::LongAgo => (2, 0),
        Due::FarOff => (3, 0),
    };
    writer.u8(kind);
    writer.i64(value);
}

fn read_due(reader: &mut Reader<'_>) -> Result<Due, SnapshotError> {
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
        writer.u64(promises.lines.len() as u64);
        for (serial, line) in &promises.lines {
            writer.u64(*serial);
            self.write_line(line, writer);
        }
        writer.u64(promises.reservations.len() as u64);
        for record in promises.reservations.all() {
            self.write_record(&record, writer);
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
        let mut closed = promises.closed_documents();
        closed.sort_unstable();
        writer.u64(closed.len() as u64);
        for (name, closed_ns) in closed {
            writer.bytes(name.as_bytes());
            writer.i64(closed_ns);
        }
        let at_risk = promises.entries.iter().flatten().filter(|entry| entry.is_at_risk).map(|entry| entry.spot);
        let at_risk = self.in_order(at_risk.collect());
        writer.u64(at_risk.len() as u64);
        for spot in at_risk {
            self.write_spot(spot, writer);
        }
    }

    fn write_spot(&self, spot: Spot, writer: &mut Writer) {
        for name in self.view(spot).names {
            writer.bytes(name.as_bytes());
        }
    }

    fn read_spot(&self, reader: &mut Reader<'_>) -> Result<Spot, SnapshotError> {
        let names = [reader.text()?, reader.text()?, reader.text()?, reader.text()?];
        self.stock.find([&names[0], &names[1], &names[2], &names[3]]).ok_or(NO_POSITION)
    }

    fn write_line(&self, line: &Line, writer: &mut Writer) {
        writer.u8(line.side as u8);
        writer.bytes(line.document.as_bytes());
        write_number(writer, line.number);
        self.write_spot(line.spot, writer);
        writer.i64(line.quantity);
        write_due(writer, line.due);
        for text in [line.supplier.as_deref(), line.kind.as_deref(), Some(&*line.source)] {
            writer.bytes(text.unwrap_or_default().as_bytes());
        }
        writer.u8(line.state as u8);
        writer.u64(line.moved.len() as u64);
        for (key, (flow, quantity)) in &line.moved {
            writer.words(key);
            writer.u8(*flow as u8);
            writer.i64(*quantity);
        }
        writer.u8(u8::from(line.counted.is_some()));
        let (bucket, rest) = line.counted.unwrap_or_default();
        writer.i64(bucket.into());
        writer.i64(rest);
        writer.u8(u8::from(line.is_overdue));
        writer.u8(u8::from(line.is_told));
        writer.i64(line.closed_ns);
        writer.i64(line.reserved);
    }

    fn read_line(&mut self, reader: &mut Reader<'_>) -> Result<Line, SnapshotError> {
        let side = match reader.u8()? {
            0 => Side::Supply,
            1 => Side::Demand,
            _ => return Err(NO_LINE),
        };
        let (document, number) = (reader.text()?.into(), read_number(reader)?);
        let spot = self.read_spot(reader)?;
        let (quantity, due) = (reader.i64()?, read_due(reader)?);
        let (supplier, kind, source) = (read_name(reader)?, read_name(reader)?, reader.text()?.into());
        let states = [State::Open, State::Full, State::Final, State::Cancelled];
        let state = *states.get(usize::from(reader.u8()?)).ok_or(NO_LINE)?;
        let mut moved = std::collections::BTreeMap::new();
        for _ in 0..reader.count(25)? {
            let key = [reader.u64()?, reader.u64()?];
            let flows = [Flow::Received, Flow::Allocated, Flow::Picked, Flow::Shipped];
            let flow = *flows.get(usize::from(reader.u8()?)).ok_or(NO_LINE)?;
            moved.insert(key, (flow, reader.i64()?));
        }
        let is_counted = reader.u8()? == 1;
        let bucket = i32::try_from(reader.i64()?).map_err(|_| NO_LINE)?;
        let counted = Some((bucket, reader.i64()?)).filter(|_| is_counted);
        let (is_overdue, is_told, closed_ns) = (reader.u8()? == 1, reader.u8()? == 1, reader.i64()?);
        let reserved = reader.i64()?;
        let entry = if state == State::Open { self.entry_of(spot) } else { 0 };
        let zone = if state == State::Open { self.promises.entry(entry).zone } else { 0 };
        let bucket = self.promises.calendar.bucket_of(zone, due);
        Ok(Line {
            side,
            document,
            number,
            entry,
            spot,
            quantity,
            due,
            bucket,
            supplier,
            kind,
            source,
            state,
            moved,
            reserved,
            counted,
            is_overdue,
            is_told,
            closed_ns,
        })
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
            write_number(writer, got.line);
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
        for _ in 0..reader.count(43)? {
            let (asked, granted, available) = (reader.i64()?, reader.i64()?, reader.i64()?);
            let earliest = read_number(reader)?.and_then(|bucket| i32::try_from(bucket).ok());
            let line = read_number(reader)?;
            let is_group = reader.u8()? == 1;
            got.push(Got { asked, granted, available, earliest, line, is_group });
        }
        let mut parts: SmallVec<[Part; 1]> = SmallVec::new();
        for _ in 0..reader.count(86)? {
            let part = self.read_part(reader, end == End::Live)?;
            if usize::from(part.line) >= got.len() {
                return Err(NO_RESERVATION);
            }
            parts.push(part);
        }
        let has_seen = reader.u8()? == 1;
        let seen = Some(reader.u64()?).filter(|_| has_seen);
        let why = read_name(reader)?;
        let mut channels = Vec::new();
        for _ in 0..reader.count(8)? {
            channels.push(Box::<str>::from(reader.text()?));
        }
        let more = More { seen, why, channels: channels.into() }.boxed();
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
        let mut entry = 0;
        if is_live && held > 0 {
            entry = self.entry_of(spot);
            self.hold_at(entry, due.map(|(_, bucket)| bucket), held);
        }
        Ok(Part { line, spot, entry, due, granted, held, protections: protections.into() })
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
        for _ in 0..reader.count(140)? {
            let serial = reader.u64()?;
            let line = self.read_line(reader)?;
            self.put_back_line(serial, line)?;
        }
        let mut slots = std::collections::BTreeMap::new();
        for _ in 0..reader.count(100)? {
            let record = self.read_record(reader)?;
            let (serial, is_live) = (record.serial, record.end == End::Live);
            let document = record.named.document().map(ToOwned::to_owned);
            let slot = self.promises.reservations.put_back(record).ok_or(NO_RESERVATION)?;
            slots.insert(serial, slot);
            if let Some(name) = document.filter(|_| is_live) {
                self.promises.document_mut(&name).reservations.push(slot);
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
            let known = [End::Posted.name(), End::Voided.name(), Status::Insufficient.name(), Status::Refused.name()];
            let status = known.into_iter().find(|name| *name == status).ok_or(NO_RESERVATION)?;
            let outcome = Outcome::from_number(reader.u8()?).ok_or(NO_RESERVATION)?;
            let (quantity, sequence, why) = (reader.i64()?, reader.u64()?, read_name(reader)?);
            let settled = Settled { status, outcome, quantity, sequence, why };
            self.promises.reservations.remember_settled(key, settled, told_ns);
        }
        for _ in 0..reader.count(16)? {
            let name = reader.text()?.into_owned();
            self.promises.document_mut(&name).closed_ns = Some(reader.i64()?);
        }
        for _ in 0..reader.count(32)? {
            let spot = self.read_spot(reader)?;
            let slot = self.promised(spot).ok_or(NO_POSITION)?;
            self.promises.entry_mut(slot).is_at_risk = true;
        }
        for slot in std::mem::take(&mut self.promises.touched) {
            self.promises.entry_mut(slot).is_touched = false;
        }
        (self.promises.serial, self.promises.next_bucket_ns) = (serial, next_bucket_ns);
        Ok(())
    }

    fn put_back_line(&mut self, serial: u64, line: Line) -> Result<(), SnapshotError> {
        if line.state == State::Open {
            let entry = self.promises.entry_mut(line.entry);
            entry.open[line.side as usize] = entry.open[line.side as usize].saturating_add(line.quantity);
            entry.lines.push(serial);
            if let Some((bucket, rest)) = line.counted {
                let (supply, demand) = if line.side == Side::Supply { (rest, 0) } else { (0, rest) };
                entry.timeline.add(bucket, supply, demand);
            }
        } else if line.counted.is_some() {
            return Err(NO_LINE);
        }
        for key in line.moved.keys() {
            self.promises.moved_by.insert(*key, serial);
        }
        self.promises.document_mut(&line.document).lines.push(serial);
        if self.promises.lines.insert(serial, line).is_some() {
            return Err(NO_LINE);
        }
        Ok(())
    }
}
