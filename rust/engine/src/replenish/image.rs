//! Replenishment in a snapshot, since format 8.

use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::output::replenishment::{Reason, Replenishment};
use crate::read::element::Place;
use crate::replenish::{Replenishing, Site};

/// The first format that has it.
const SINCE: u32 = 8;

fn write_site(writer: &mut Writer, (sku, location): &Site) {
    writer.bytes(sku.as_bytes());
    writer.bytes(location.as_bytes());
}

fn read_site(reader: &mut Reader<'_>) -> Result<Site, SnapshotError> {
    Ok((reader.text()?.into(), reader.text()?.into()))
}

impl Replenishing {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.i64(self.turn_ns);
        writer.u64(self.sold.len() as u64);
        for (site, days) in &self.sold {
            write_site(writer, site);
            writer.u64(days.len() as u64);
            for (day, sold) in days {
                writer.i64(*day);
                writer.i64(*sold);
            }
        }
        writer.u64(self.open.len() as u64);
        for signal in self.open.values() {
            writer.bytes(signal.sku.as_bytes());
            writer.bytes(signal.location.as_bytes());
            for amount in [signal.quantity, signal.available, signal.point, signal.target] {
                writer.i64(amount);
            }
            writer.u32(signal.lead_days);
            writer.u8(u8::from(signal.demand.is_some()));
            let (sold, days) = signal.demand.unwrap_or_default();
            writer.i64(sold);
            writer.u32(days);
            writer.u64(signal.place.sequence);
            writer.u32(signal.place.index);
            writer.i64(signal.log_time_ns);
        }
        writer.u64(self.stale.len() as u64);
        self.stale.iter().for_each(|site| write_site(writer, site));
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        /// Two texts, and what follows them.
        const SITE: usize = 16;
        if reader.format() < SINCE {
            return Ok(());
        }
        self.turn_ns = reader.i64()?;
        for _ in 0..reader.count(SITE + 8)? {
            let site = read_site(reader)?;
            let mut days = std::collections::BTreeMap::new();
            for _ in 0..reader.count(16)? {
                days.insert(reader.i64()?, reader.i64()?);
            }
            self.sold.insert(site, days);
        }
        for _ in 0..reader.count(SITE + 4 * 8 + 4 + 1 + 8 + 4 + 8 + 4 + 8)? {
            let (sku, location) = read_site(reader)?;
            let [quantity, available, point, target] = [reader.i64()?, reader.i64()?, reader.i64()?, reader.i64()?];
            let lead_days = reader.u32()?;
            let has_demand = reader.u8()? == 1;
            let demand = Some((reader.i64()?, reader.u32()?)).filter(|_| has_demand);
            let place = Place { sequence: reader.u64()?, index: reader.u32()? };
            let log_time_ns = reader.i64()?;
            let site = (sku.clone(), location.clone());
            let reason = Reason::BelowPoint;
            let signal = Replenishment {
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
                log_time_ns,
            };
            self.open.insert(site, signal);
        }
        for _ in 0..reader.count(SITE)? {
            self.stale.insert(read_site(reader)?);
        }
        Ok(())
    }
}
