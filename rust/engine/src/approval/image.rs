//! What waits for a decision as a part of a snapshot.

use super::{Pending, Pendings, Place, SiteChanges};
use crate::tracks::{read_held, write_held};
use crate::wire::{Reader, SnapshotError, Writer};

impl Pendings {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.by_age.len() as u64);
        for pending in self.by_age.values() {
            write_held(writer, 0, &pending.held);
            write_place(writer, &pending.position);
            writer.i64(pending.loss);
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
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..reader.count(100)? {
            let (_, held) = read_held(reader)?;
            let (position, loss) = (read_place(reader)?, reader.i64()?);
            let has_site = reader.u8()? == 1;
            let site = (reader.text()?.into(), reader.text()?.into());
            self.add(Pending { held, position, loss, site: has_site.then_some(site) });
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
        Ok(())
    }
}

fn write_place(writer: &mut Writer, place: &Place) {
    place.iter().for_each(|name| writer.bytes(name.as_bytes()));
}

fn read_place(reader: &mut Reader<'_>) -> Result<Place, SnapshotError> {
    Ok([reader.text()?.into(), reader.text()?.into(), reader.text()?.into(), reader.text()?.into()])
}
