//! Days, lines of supply and risks in a snapshot.

use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::calendar::Due;
use crate::core::Core;
use crate::schedule::Schedule;
use crate::schedule::line::{SupplyLine, SupplyState};
use crate::stock::Spot;

const NO_POSITION: SnapshotError = SnapshotError::Damaged("something is promised of a position that is not there");
const NO_LINE: SnapshotError = SnapshotError::Damaged("a schedule line is none");

pub(crate) fn write_due(writer: &mut Writer, due: Due) {
    let (kind, value) = match due {
        Due::Date(days) => (0, i64::from(days)),
        Due::At(ns) => (1, ns),
        Due::LongAgo => (2, 0),
        Due::FarOff => (3, 0),
    };
    writer.u8(kind);
    writer.i64(value);
}

pub(crate) fn read_due(reader: &mut Reader<'_>) -> Result<Due, SnapshotError> {
    let (kind, value) = (reader.u8()?, reader.i64()?);
    Ok(match kind {
        0 => Due::Date(i32::try_from(value).map_err(|_| NO_LINE)?),
        1 => Due::At(value),
        2 => Due::LongAgo,
        3 => Due::FarOff,
        _ => return Err(NO_LINE),
    })
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
        for _ in 0..reader.count(32)? {
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
