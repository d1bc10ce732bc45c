//! The work as a part of a snapshot.

use std::sync::Arc;

use tallystick_contract::codes;
use tallystick_contract::config::Team;
use tallystick_contract::exception_state::{self};
use tallystick_contract::outcome::Outcome;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::diagnostics::exception::ExceptionRecord;
use crate::work::{Item, Work};

const DAMAGED: SnapshotError = SnapshotError::Damaged("an exception is none");

impl Work {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.next);
        writer.u64(self.spilled);
        writer.u64(self.items.len() as u64);
        for item in self.items.values() {
            write_record(writer, &item.record);
            writer.bytes(item.subject.as_bytes());
            let key = item.key.unwrap_or(Fingerprint([0; 2]));
            writer.u8(u8::from(item.key.is_some()));
            writer.words(&key.0);
            writer.u64(item.count);
            writer.i64(item.last_seen_ns);
            writer.u8(item.state as u8);
            writer.u8(u8::from(item.is_escalated));
            write_optional(writer, item.moved_by.as_deref());
            write_optional(writer, item.note.as_deref());
        }
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let (next, spilled) = (reader.u64()?, reader.u64()?);
        for _ in 0..reader.count(64)? {
            let record = Arc::new(read_record(reader)?);
            let subject = reader.text()?.into();
            let has_key = reader.u8()? == 1;
            let key = Fingerprint([reader.u64()?, reader.u64()?]);
            let item = Item {
                subject,
                key: has_key.then_some(key),
                count: reader.u64()?,
                last_seen_ns: reader.i64()?,
                state: *exception_state::ALL.get(usize::from(reader.u8()?)).ok_or(DAMAGED)?,
                is_escalated: reader.u8()? == 1,
                moved_by: read_optional(reader)?,
                note: read_optional(reader)?,
                record,
            };
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

fn write_record(writer: &mut Writer, record: &ExceptionRecord) {
    writer.u64(record.number);
    writer.bytes(record.code.as_bytes());
    writer.u8(record.outcome.map_or(u8::MAX, Outcome::number));
    writer.u8(record.team as u8);
    writer.u64(record.sequence);
    writer.u32(record.index);
    writer.i64(record.log_time_ns);
    for text in
        [&record.source, &record.id, &record.correlation_id, &record.causation_id, &record.sku, &record.location]
    {
        write_optional(writer, text.as_deref());
    }
    writer.bytes(record.cause.as_bytes());
    writer.u64(record.fields.len() as u64);
    record.fields.iter().for_each(|field| writer.bytes(field.as_bytes()));
    let (first, last) = record.missing.unwrap_or_default();
    writer.u64(first);
    writer.u64(last);
    writer.bytes(&record.event);
    writer.u64(record.event_bytes_total);
}

fn read_record(reader: &mut Reader<'_>) -> Result<ExceptionRecord, SnapshotError> {
    let number = reader.u64()?;
    let code: Box<str> = reader.text()?.into();
    let outcome = match reader.u8()? {
        u8::MAX => None,
        outcome => Some(Outcome::from_number(outcome).ok_or(DAMAGED)?),
    };
    let team = *[Team::Operations, Team::Finance, Team::It].get(usize::from(reader.u8()?)).ok_or(DAMAGED)?;
    let (sequence, index, log_time_ns) = (reader.u64()?, reader.u32()?, reader.i64()?);
    let mut texts = [const { None }; 6];
    for text in &mut texts {
        *text = read_optional(reader)?;
    }
    let [source, id, correlation_id, causation_id, sku, location] = texts;
    let cause = reader.text()?.into_owned();
    let mut fields = Vec::new();
    for _ in 0..reader.count(8)? {
        fields.push(tallystick_tables::body::field_name(&reader.text()?).ok_or(DAMAGED)?);
    }
    let (first, last) = (reader.u64()?, reader.u64()?);
    let missing = (first > 0).then_some((first, last));
    let (event, event_bytes_total) = (reader.owned()?, reader.u64()?);
    let cure = codes::find(&code).cure;
    Ok(ExceptionRecord {
        number,
        code,
        outcome,
        team,
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
        cure,
        fields,
        missing,
        event,
        event_bytes_total,
    })
}

/// A text that may be absent. An absent one and an empty one are the same.
fn write_optional(writer: &mut Writer, text: Option<&str>) {
    writer.bytes(text.unwrap_or_default().as_bytes());
}

fn read_optional(reader: &mut Reader<'_>) -> Result<Option<Box<str>>, SnapshotError> {
    let text = reader.text()?;
    Ok((!text.is_empty()).then(|| text.into()))
}
