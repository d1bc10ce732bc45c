//! Days, lines of supply and risks in a snapshot.

use smallvec::SmallVec;
use tallystick_tables::image::{Absent, Form, Image};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::calendar::Due;
use crate::core::{Core, SPOT_LEAST};
use crate::schedule::Schedule;
use crate::schedule::line::{SupplyLine, SupplyState};
use crate::stock::Spot;

const NO_POSITION: SnapshotError = SnapshotError::Damaged("something is promised of a position that is not there");
const NO_LINE: SnapshotError = SnapshotError::Damaged("a schedule line cannot be read");

impl Image for Due {
    const LEAST: usize = <(u8, i64)>::LEAST;

    fn save(&self, writer: &mut Writer) {
        let standing = match self {
            Self::Date(days) => (0_u8, i64::from(*days)),
            Self::At(ns) => (1, *ns),
            Self::LongAgo => (2, 0),
            Self::FarOff => (3, 0),
        };
        standing.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(match <(u8, i64)>::load(reader)? {
            (0, days) => Self::Date(i32::try_from(days).map_err(|_| NO_LINE)?),
            (1, ns) => Self::At(ns),
            (2, _) => Self::LongAgo,
            (3, _) => Self::FarOff,
            _ => return Err(NO_LINE),
        })
    }
}

/// Whether there is a day, and then the day; long ago for none.
impl Absent for Due {
    const LEAST_OR_NONE: usize = <(bool, Self)>::LEAST;

    fn save_or_none(due: Option<&Self>, writer: &mut Writer) {
        (due.is_some(), due.copied().unwrap_or(Self::LongAgo)).save(writer);
    }

    fn load_or_none(reader: &mut Reader<'_>) -> Result<Option<Self>, SnapshotError> {
        let (is_there, due) = Image::load(reader)?;
        Ok(Some(due).filter(|_| is_there))
    }
}

/// A list of which mostly one stands where it is.
pub(crate) enum Few {}

impl<T: Image> Form<SmallVec<[T; 1]>> for Few {
    const LEAST: usize = Vec::<T>::LEAST;

    fn save(values: &SmallVec<[T; 1]>, writer: &mut Writer) {
        writer.each(values.iter());
    }

    fn load(reader: &mut Reader<'_>) -> Result<SmallVec<[T; 1]>, SnapshotError> {
        reader.each()?.collect()
    }
}

/// Whether there is a list, and then the list; an empty one for none.
impl<T: Image> Form<Option<SmallVec<[T; 1]>>> for Few {
    const LEAST: usize = bool::LEAST + Vec::<T>::LEAST;

    fn save(values: &Option<SmallVec<[T; 1]>>, writer: &mut Writer) {
        values.is_some().save(writer);
        writer.each(values.as_deref().unwrap_or_default().iter());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Option<SmallVec<[T; 1]>>, SnapshotError> {
        let is_there = bool::load(reader)?;
        Ok(Some(Self::load(reader)?).filter(|_| is_there))
    }
}

impl Schedule {
    /// Writes which positions were told of as at risk.
    pub(crate) fn write_risks(&self, core: &Core, writer: &mut Writer) {
        let at_risk = self.entries.iter().flatten().filter(|entry| entry.is_at_risk).map(|entry| entry.spot);
        let at_risk = core.in_order(at_risk.collect());
        writer.u64(at_risk.len() as u64);
        for spot in at_risk {
            core.write_spot(spot, writer);
        }
    }

    /// Puts back which positions were told of as at risk, once all that is claimed of them is back.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_risks(&mut self, core: &Core, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..reader.count(SPOT_LEAST)? {
            let spot = core.read_spot(reader)?;
            let slot = self.promised(core, spot).ok_or(NO_POSITION)?;
            self.entry_mut(slot).is_at_risk = true;
        }
        for slot in std::mem::take(&mut self.touched) {
            self.entry_mut(slot).is_touched = false;
        }
        Ok(())
    }

    /// Puts back the schedule line of a purchase line at a position; what comes of it is found out then.
    pub(crate) fn put_back_supply(
        &mut self,
        (serial, claim): (u64, u32),
        spot: Spot,
        [is_overdue, is_told, is_dropped]: [bool; 3],
        closed_ns: i64,
    ) -> Result<(), SnapshotError> {
        let line = SupplyLine {
            claim,
            entry: 0,
            spot,
            quantity: 0,
            received: 0,
            rest: 0,
            due: Due::FarOff,
            bucket: 0,
            supplier: None,
            kind: None,
            source: Box::default(),
            state: SupplyState::Cancelled,
            counted: None,
            is_overdue,
            is_told,
            is_dropped,
            closed_ns,
        };
        if self.lines.insert(serial, line).is_some() { Err(NO_LINE) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Due>());
        assert!(is_least::<Option<Due>>());
    }
}
