//! The work as a part of a snapshot.

use tallystick_contract::codes;
use tallystick_contract::team;
use tallystick_tables::body::field_name;
use tallystick_tables::image::{Bytes, Form, Image, OrZero};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::diagnostics::exception::ExceptionRecord;
use crate::work::{Item, Work};

const DAMAGED: SnapshotError = SnapshotError::Damaged("an exception cannot be read");

tallystick_tables::image::image!(Item {
    record,
    subject,
    key,
    count,
    last_seen_ns,
    state,
    is_escalated,
    moved_by,
    note,
    person as SinceNine,
    moved_ns as SinceNine,
    team as SinceNine
});

tallystick_tables::image::image!(ExceptionRecord {
    number,
    code,
    outcome,
    team as TeamName,
    sequence,
    index,
    log_time_ns,
    source,
    id,
    correlation_id,
    causation_id,
    sku,
    location,
    cause,
    fields as FieldNames,
    missing as OrZero,
    event as Bytes,
    event_bytes_total,
    document as SinceNine,
    quantity as SinceNine,
    stock as SinceNine,
    versions as SinceNine;
    cure = codes::find(&code).cure
});

/// The format that began to say who moved an item, and which numbers it is about.
const SINCE: u32 = 9;

/// What earlier formats did not have: of their items it is not known. Even the shortest of these is longer than what an
/// item takes at least today, as it has a code, a subject, a cause and an original.
enum SinceNine {}

impl<T: Image + Default> Form<T> for SinceNine {
    const LEAST: usize = T::LEAST;

    fn save(value: &T, writer: &mut Writer) {
        value.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<T, SnapshotError> {
        if reader.format() < SINCE { Ok(T::default()) } else { T::load(reader) }
    }
}

/// A team by its name. Earlier formats had a number for each of those that are built in.
enum TeamName {}

impl Form<Box<str>> for TeamName {
    const LEAST: usize = Box::<str>::LEAST;

    fn save(name: &Box<str>, writer: &mut Writer) {
        name.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Box<str>, SnapshotError> {
        if reader.format() >= SINCE {
            return Image::load(reader);
        }
        let number = usize::from(reader.u8()?);
        team::ALL.get(number).map(|team| team.name().into()).ok_or(SnapshotError::Damaged("a team is none"))
    }
}

/// Names of fields that the engine knows.
enum FieldNames {}

impl Form<Vec<&'static str>> for FieldNames {
    const LEAST: usize = Vec::<Box<str>>::LEAST;

    fn save(names: &Vec<&'static str>, writer: &mut Writer) {
        writer.u64(names.len() as u64);
        for name in names {
            writer.bytes(name.as_bytes());
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Vec<&'static str>, SnapshotError> {
        reader.each::<Box<str>>()?.map(|name| field_name(&name?).ok_or(DAMAGED)).collect()
    }
}

impl Work {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.next);
        writer.u64(self.spilled);
        writer.each(self.items.values());
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let (next, spilled) = Image::load(reader)?;
        for item in reader.each::<Item>()? {
            let item = item?;
            let is_in_order = item.record.number < next
                && self.items.last_key_value().is_none_or(|(last, _)| *last < item.record.number);
            if !is_in_order {
                return Err(DAMAGED);
            }
            self.put(item);
        }
        (self.next, self.spilled) = (next, spilled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Item>());
        assert!(is_least::<ExceptionRecord>());
    }
}
