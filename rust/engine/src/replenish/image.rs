//! Replenishment in a snapshot, since format 8: sites by their names, which do not depend on how the stock is divided.

use tallystick_tables::image::{Image, image, numbered};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::core::Core;
use crate::output::replenishment::{Reason, Signal};
use crate::replenish::Replenishing;
use crate::replenish::sites::{ReplenishSite, SiteNumber, key_of};

/// The first format that has it.
const SINCE: u32 = 8;

const NO_SITE: SnapshotError = SnapshotError::Damaged("something is to be filled up that is not there");
const NO_ORDER: SnapshotError = SnapshotError::Damaged("days of demand are not in their order");

numbered!(Reason, Reason::ALL, "a reason cannot be read");

image!(Signal { reason, quantity, available, point, target, lead_days, demand, place, log_time_ns });

/// The names of a site take so much at least.
const NAMES_LEAST: usize = <[String; 2]>::LEAST;

impl Replenishing {
    pub(crate) fn write(&self, core: &Core, writer: &mut Writer) {
        self.turn_ns.save(writer);
        self.write_sites(core, writer, |_, site| !site.sold.is_empty(), |_, site, writer| site.sold.save(writer));
        let is_open = |number: SiteNumber, _: &ReplenishSite| self.open.contains_key(&number);
        self.write_sites(core, writer, is_open, |number, _, writer| {
            // The names stand twice.
            write_names(self.sites.names(core, number), writer);
            self.open[&number].save(writer);
        });
        self.write_sites(core, writer, |_, site| site.is_waiting, |_, _, _| ());
    }

    /// Writes something of some sites, in the order of their names.
    fn write_sites(
        &self,
        core: &Core,
        writer: &mut Writer,
        is_wanted: impl Fn(SiteNumber, &ReplenishSite) -> bool,
        write: impl Fn(SiteNumber, &ReplenishSite, &mut Writer),
    ) {
        let all = (0..).zip(&self.sites.all).filter(|(number, site)| is_wanted(*number, site));
        let mut wanted: Vec<_> = all.map(|(number, _)| (self.sites.names(core, number), number)).collect();
        wanted.sort_unstable();
        writer.u64(wanted.len() as u64);
        for (names, number) in wanted {
            write_names(names, writer);
            write(number, self.sites.get(number), writer);
        }
    }

    /// Puts back what [`Self::write`] wrote, and finds the positions of each site.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, core: &Core, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if !core.config.replenish.is_empty() {
            core.stock.spots().for_each(|spot| self.touch(core, spot));
        }
        if reader.format() >= SINCE {
            self.turn_ns = Image::load(reader)?;
            for _ in 0..reader.count(NAMES_LEAST + Vec::<(i64, i64)>::LEAST)? {
                let number = self.read_site(core, reader)?;
                let sold: Vec<(i64, i64)> = Image::load(reader)?;
                if !sold.is_sorted_by(|(one, _), (other, _)| one < other) {
                    return Err(NO_ORDER);
                }
                self.sites.get_mut(number).sold = sold;
            }
            for _ in 0..reader.count(2 * NAMES_LEAST + Signal::LEAST)? {
                let number = self.read_site(core, reader)?;
                self.read_site(core, reader)?;
                self.open.insert(number, Image::load(reader)?);
            }
            for _ in 0..reader.count(NAMES_LEAST)? {
                let number = self.read_site(core, reader)?;
                // Who it waits for is found out when it is looked at.
                self.wait(number, "");
            }
        }
        self.forget_touches();
        Ok(())
    }

    fn read_site(&mut self, core: &Core, reader: &mut Reader<'_>) -> Result<SiteNumber, SnapshotError> {
        let names = [reader.text()?, reader.text()?];
        let key = key_of(core, [&names[0], &names[1]]).ok_or(NO_SITE)?;
        Ok(self.sites.put_back(core, key))
    }

    fn forget_touches(&mut self) {
        for number in std::mem::take(&mut self.touched) {
            self.sites.get_mut(number).is_touched = false;
        }
    }
}

fn write_names(names: [&str; 2], writer: &mut Writer) {
    for name in names {
        writer.bytes(name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Signal>());
    }
}
