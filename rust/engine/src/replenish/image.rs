//! Replenishment in a snapshot, since format 8.

use tallystick_tables::image::{Image, image, numbered};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::output::replenishment::{Reason, Replenishment};
use crate::replenish::Replenishing;

/// The first format that has it.
const SINCE: u32 = 8;

numbered!(Reason, Reason::ALL, "a reason is none");

image!(Replenishment {
    sku,
    location,
    reason,
    quantity,
    available,
    point,
    target,
    lead_days,
    demand,
    place,
    log_time_ns
});

impl Replenishing {
    pub(crate) fn write(&self, writer: &mut Writer) {
        self.turn_ns.save(writer);
        self.sold.save(writer);
        self.open.save(writer);
        self.stale.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if reader.format() >= SINCE {
            self.turn_ns = Image::load(reader)?;
            self.sold = Image::load(reader)?;
            self.open = Image::load(reader)?;
            self.stale = Image::load(reader)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Replenishment>());
    }
}
