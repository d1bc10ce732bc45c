//! What waits for a decision as a part of a snapshot.

use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::approval::{Pending, Pendings, SiteChanges};
use crate::core::Losses;
use crate::order::Unnumbered;

tallystick_tables::image::image!(Pending { held as Unnumbered, position, quantity, rank, loss, flags, site });
tallystick_tables::image::image!(SiteChanges { window, is_guarded, rests, changed });

impl Pendings {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.each(self.by_age.values());
        self.sites.save(writer);
        self.decided.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, losses: &mut Losses, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for pending in reader.each::<Pending>()? {
            let pending = pending?;
            losses.add(&pending.position, pending.loss);
            self.add(pending);
        }
        self.sites = Image::load(reader)?;
        self.decided = Image::load(reader)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Pending>());
        assert!(is_least::<SiteChanges>());
    }
}
