//! What waits for a decision as a part of a snapshot.

use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::approval::{Pending, Pendings, SiteChanges};
use crate::core::Losses;
use crate::order::{read_held, write_held};
use crate::stock::PositionNames;

impl Pendings {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.by_age.len() as u64);
        for pending in self.by_age.values() {
            write_held(writer, 0, &pending.held);
            write_place(writer, &pending.position);
            writer.i64(pending.quantity);
            for part in &pending.rank {
                writer.i64(*part);
            }
            writer.i64(pending.loss);
            writer.u64(pending.flags.len() as u64);
            for (code, subject) in &pending.flags {
                writer.bytes(code.as_bytes());
                writer.bytes(subject.as_deref().unwrap_or_default().as_bytes());
            }
            writer.u8(u8::from(pending.site.is_some()));
            let (source, location) = pending.site.clone().unwrap_or_default();
            writer.bytes(source.as_bytes());
            writer.bytes(location.as_bytes());
        }
        writer.u64(self.sites.len() as u64);
        for ((source, location), changes) in &self.sites {
            writer.bytes(source.as_bytes());
            writer.bytes(location.as_bytes());
            writer.i64(changes.window);
            writer.u8(u8::from(changes.is_guarded));
            writer.u8(u8::from(changes.rests));
            writer.u64(changes.changed.len() as u64);
            changes.changed.iter().for_each(|place| write_place(writer, place));
        }
        writer.u64(self.decided.len() as u64);
        for (key, at_ns) in &self.decided {
            writer.words(key);
            writer.i64(*at_ns);
        }
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, losses: &mut Losses, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..reader.count(100)? {
            let (_, held) = read_held(reader)?;
            let (position, quantity) = (read_place(reader)?, reader.i64()?);
            let (rank, loss) = ([reader.i64()?, reader.i64()?, reader.i64()?], reader.i64()?);
            let mut flags = Vec::new();
            for _ in 0..reader.count(16)? {
                let (code, subject) = (reader.text()?.into(), reader.text()?);
                flags.push((code, (!subject.is_empty()).then(|| subject.into())));
            }
            let has_site = reader.u8()? == 1;
            let site = (reader.text()?.into(), reader.text()?.into());
            let site = has_site.then_some(site);
            losses.add(&position, loss);
            self.add(Pending { held, position, quantity, rank, flags, loss, site });
        }
        for _ in 0..reader.count(34)? {
            let site = (reader.text()?.into(), reader.text()?.into());
            let mut changes = SiteChanges {
                window: reader.i64()?,
                is_guarded: reader.u8()? == 1,
                rests: reader.u8()? == 1,
                ..SiteChanges::default()
            };
            for _ in 0..reader.count(32)? {
                changes.changed.insert(read_place(reader)?);
            }
            self.sites.insert(site, changes);
        }
        for _ in 0..reader.count(24)? {
            let key = [reader.u64()?, reader.u64()?];
            self.decided.insert(key, reader.i64()?);
        }
        Ok(())
    }
}

fn write_place(writer: &mut Writer, place: &PositionNames) {
    writer.texts(&place[..]);
}

fn read_place(reader: &mut Reader<'_>) -> Result<PositionNames, SnapshotError> {
    Ok([reader.text()?.into(), reader.text()?.into(), reader.text()?.into(), reader.text()?.into()])
}
