//! The schedule and the reservations in a snapshot. Positions stand there by their names, because where they are
//! depends on how the stock is divided.

use smallvec::SmallVec;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::image::{Form, Image};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::calendar::Due;
use crate::core::SPOT_LEAST;
use crate::promise::Promises;
use crate::promise::fold::{Deed, Op, Ops};
use crate::promise::record::{End, Got, More, Record, RecordName, ReservationPart, Settled, Status};
use crate::schedule::{Books, Few, View};

const NO_RESERVATION: SnapshotError = SnapshotError::Damaged("a reservation cannot be read");

/// What a part takes at least: its line, position, day and bucket, what was granted and is held, protections.
const PART_LEAST: usize =
    u16::LEAST + SPOT_LEAST + Option::<Due>::LEAST + i32::LEAST + <(i64, i64)>::LEAST + Box::<[u64]>::LEAST;

/// What a request takes at least: key and digest, serial and sequence, names, when it ends, what became of it, what was
/// posted, its lines, its parts, the rest, and what was said of it.
const RECORD_LEAST: usize = <(Fingerprint, u32)>::LEAST
    + <(u64, u64)>::LEAST
    + <[Box<str>; 3]>::LEAST
    + i64::LEAST
    + <(Status, End)>::LEAST
    + i64::LEAST
    + 2 * Vec::<Got>::LEAST
    + More::LEAST
    + <Few as Form<Ops>>::LEAST;

tallystick_tables::image::numbered!(Status, Status::ALL, "a reservation cannot be read");
tallystick_tables::image::numbered!(End, End::ALL, "a reservation cannot be read");
tallystick_tables::image::numbered!(Deed, Deed::ALL, "a reservation cannot be read");
tallystick_tables::image::image!(Got { asked, granted, available, earliest, line, is_group });
tallystick_tables::image::image!(More { seen, why, answered_end_ns, channels });
tallystick_tables::image::image!(Op { time_ns, deed, quantities as Few, expires_ns });
tallystick_tables::image::image!(Settled { status as SettledStatus, outcome, quantity, sequence, why });

/// The name of what became of taking or giving back.
enum SettledStatus {}

impl Form<&'static str> for SettledStatus {
    const LEAST: usize = Box::<str>::LEAST;

    fn save(status: &&'static str, writer: &mut Writer) {
        writer.bytes(status.as_bytes());
    }

    fn load(reader: &mut Reader<'_>) -> Result<&'static str, SnapshotError> {
        let status = reader.text()?;
        let names = [End::Posted.name(), End::Voided.name()];
        let known = [Status::Insufficient, Status::Refused, Status::Changed].map(Status::name);
        let known = names.into_iter().chain(known);
        { known }.find(|name| *name == status).ok_or(NO_RESERVATION)
    }
}

impl Promises {
    /// Writes all that is known of promises.
    pub(crate) fn write_promises(&self, view: View<'_>, writer: &mut Writer) {
        let promises = self;
        let schedule = view.schedule;
        (schedule.is_used, schedule.serial, schedule.next_bucket_ns).save(writer);
        view.core.groups.write(writer);
        promises.protections.write(writer);
        writer.u64(promises.reservations.len() as u64);
        for record in promises.reservations.all() {
            Self::write_record(view, &record, writer);
            let slot = promises.reservations.find(record.key);
            let ops = slot.and_then(|slot| promises.reservations.ops(slot));
            writer.each(ops.map_or(&[][..], |ops| ops).iter());
        }
        let ended: Vec<(i64, u64)> = promises.reservations.ended().collect();
        ended.save(writer);
        let settled: Vec<_> = promises.reservations.all_settled().collect();
        writer.u64(settled.len() as u64);
        for (told_ns, key, settled) in settled {
            (told_ns, key).save(writer);
            settled.save(writer);
        }
    }

    fn write_record(view: View<'_>, record: &Record<'_>, writer: &mut Writer) {
        (record.key, record.known.digest).save(writer);
        (record.serial, record.sequence).save(writer);
        for text in [&*record.named.source, &*record.named.id, record.named.document().unwrap_or_default()] {
            writer.bytes(text.as_bytes());
        }
        writer.i64(record.expires_ns);
        (record.status, record.end).save(writer);
        writer.i64(record.posted);
        writer.each(record.got.iter());
        writer.u64(record.parts.len() as u64);
        for part in &record.parts {
            part.line.save(writer);
            view.core.write_spot(part.spot, writer);
            part.due.map(|(due, _)| due).save(writer);
            part.due.map_or(0, |(_, bucket)| bucket).save(writer);
            (part.granted, part.held).save(writer);
            part.protections.save(writer);
        }
        record.more.as_deref().unwrap_or(&More::default()).save(writer);
    }

    fn read_record<'r>(books: &mut Books<'_>, reader: &mut Reader<'r>) -> Result<Record<'r>, SnapshotError> {
        let (key, digest) = Image::load(reader)?;
        let known = Known { digest, ..Known::default() };
        // Serials begin at 1; zero is where no record is.
        let serial = Some(reader.u64()?).filter(|serial| *serial > 0).ok_or(NO_RESERVATION)?;
        let sequence = reader.u64()?;
        let [source, id, document] = [reader.text()?, reader.text()?, reader.text()?];
        let named = RecordName::new(source, id, document);
        let expires_ns = reader.i64()?;
        let (status, end) = Image::load(reader)?;
        let posted = reader.i64()?;
        let got: SmallVec<[Got; 1]> = Few::load(reader)?;
        let mut parts: SmallVec<[ReservationPart; 1]> = SmallVec::new();
        for _ in 0..reader.count(PART_LEAST)? {
            let part = Self::read_part(books, reader, end == End::Live && named.document().is_none())?;
            if usize::from(part.line) >= got.len() {
                return Err(NO_RESERVATION);
            }
            parts.push(part);
        }
        let more = More::load(reader)?.boxed();
        Ok(Record { key, known, serial, sequence, named, expires_ns, status, end, posted, got, parts, more })
    }

    fn read_part(
        books: &mut Books<'_>,
        reader: &mut Reader<'_>,
        is_live: bool,
    ) -> Result<ReservationPart, SnapshotError> {
        let line = u16::load(reader)?;
        let spot = books.core.read_spot(reader)?;
        let (due, bucket) = <(Option<Due>, i32)>::load(reader)?;
        let due = due.map(|due| (due, bucket));
        let (granted, held) = Image::load(reader)?;
        let protections = Image::load(reader)?;
        if is_live && held > 0 {
            books.schedule.hold_at(books.core, spot, due.map(|(_, bucket)| bucket), (0, held));
        }
        Ok(ReservationPart { line, spot, due, granted, held, protections })
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
        let (is_used, serial, next_bucket_ns) = Image::load(reader)?;
        books.schedule.is_used = is_used;
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
        for _ in 0..reader.count(RECORD_LEAST)? {
            let record = Self::read_record(books, reader)?;
            let serial = record.serial;
            let slot = self.reservations.put_back(record).ok_or(NO_RESERVATION)?;
            slots.insert(serial, slot);
            let ops: Ops = Few::load(reader)?;
            if !ops.is_empty() {
                self.reservations.set_ops(slot, ops);
            }
        }
        for ended in reader.each::<(i64, u64)>()? {
            let (ended_ns, serial) = ended?;
            // What was forgotten since leaves its place behind.
            let slot = slots.get(&serial).copied();
            self.reservations.put_back_end(ended_ns, serial, slot.unwrap_or(u32::MAX));
        }
        for settled in reader.each::<(i64, Fingerprint, Settled)>()? {
            let (told_ns, key, settled) = settled?;
            self.reservations.remember_settled(key, settled, told_ns);
        }
        (books.schedule.serial, books.schedule.next_bucket_ns) = (serial, next_bucket_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Status>());
        assert!(is_least::<End>());
        assert!(is_least::<Got>());
        assert!(is_least::<More>());
        assert!(is_least::<Op>());
    }
}
