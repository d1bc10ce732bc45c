//! The stock as a part of a snapshot: names, then positions in the order in which they came into being, with history
//! and counts. However the stock is divided, the image is of the whole, so that it can be read back under any division.

use tallystick_contract::account::STORED;
use tallystick_contract::limits::{ACCOUNT_MAX, COUNTS_KEPT, HISTORY_MAX, QUANTITY_MAX};
use tallystick_tables::image::{Form, Image};
use tallystick_tables::intern::{Interner, NameId};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::stock::counts::{Count, Counts};
use crate::stock::history::{HistoryHandle, Movement};
use crate::stock::journal::Posted;
use crate::stock::ledger::{HOLLOW, Ledger, Names, Position};
use crate::stock::{Stock, journal};

/// What every position has: four names, its accounts, version, end of the dropped history, movements' count.
const POSITION_BYTES: usize = 4 * 4 + 8 * STORED + 8 + 8 + 4;

/// That, without movements, and behind them whether there are counts.
const POSITION_LEAST: usize = POSITION_BYTES + u8::LEAST;

const POSITION_TWICE: SnapshotError = SnapshotError::Damaged("a position stands in it twice");

impl Stock {
    /// Writes names and positions.
    pub(crate) fn write(&self, writer: &mut Writer) {
        if let [part] = &*self.parts {
            write_names(writer, &part.names);
            writer.u64(part.ledger.len() as u64);
            for place in 0..part.ledger.len() {
                let position = part.ledger.position(u32::try_from(place).expect("places have 32 bits"));
                write_position(writer, &part.ledger, position, position.names);
            }
            return;
        }
        let (names, ids) = self.merge_names();
        write_names(writer, &names);
        writer.u64(self.len() as u64);
        for spot in self.by_birth() {
            let (part, position) = self.at(spot);
            let ids = &ids[spot.part as usize];
            write_position(writer, &part.ledger, position, position.names.map(|name| ids[name as usize]));
        }
    }

    /// Writes what was posted by events of which so many elements of the log were the last.
    pub(crate) fn write_journal(&self, elements: u64, kept_max: u64, writer: &mut Writer) {
        let is_kept = |posted: &Posted| elements.saturating_sub(posted.ordinal) <= kept_max;
        let mut all = Vec::new();
        if let [part] = &*self.parts {
            all.extend(part.journal.all().filter(|(_, posted)| is_kept(posted)));
        } else {
            let mut numbers: Vec<_> = self.parts.iter().map(|part| vec![0; part.ledger.len()]).collect();
            for (number, spot) in (0..).zip(self.by_birth()) {
                numbers[spot.part as usize][spot.place as usize] = number;
            }
            for (part, numbers) in self.parts.iter().zip(&numbers) {
                let number = |place: u32| numbers[place as usize];
                all.extend(part.journal.all().filter(|(_, posted)| is_kept(posted)).map(|(key, posted)| {
                    let (near, far) = posted.places;
                    (key, Posted { places: (number(near), far.map(number)), ..posted })
                }));
            }
        }
        // What was corrected keeps its place in the log; it stands behind what it was before.
        all.sort_by_key(|(_, posted)| posted.ordinal);
        journal::write(&all, writer);
    }

    /// Puts back what [`Self::write_journal`] wrote, behind the positions.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read_journal(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let spots = self.by_birth();
        let mut strange = false;
        let parts = &mut self.parts;
        journal::read(reader, spots.len(), |key, posted| {
            let (near, far) = posted.places;
            let near = spots[near as usize];
            let far = far.map(|far| spots[far as usize]);
            strange |= far.is_some_and(|far| far.part != near.part);
            let places = (near.place, far.map(|far| far.place));
            parts[near.part as usize].journal.push(key, Posted { places, ..posted }, u64::MAX);
        })?;
        if strange { Err(SnapshotError::Damaged("a transfer changes its item")) } else { Ok(()) }
    }

    /// The names of all parts, each once, and what the ids of each part are among them.
    fn merge_names(&self) -> (Interner, Vec<Vec<NameId>>) {
        let mut names = self.interner();
        let ids = self.parts.iter().map(|part| {
            let ids = 0..NameId::try_from(part.names.len()).expect("ids have 32 bits");
            ids.map(|id| names.intern(part.names.name(id)).expect("fewer names than positions have")).collect()
        });
        let ids = ids.collect();
        (names, ids)
    }

    /// Puts back what [`Self::write`] wrote, into a stock without positions.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let mut names = self.interner();
        let count = reader.count(String::LEAST)?;
        let were_new = names.put_back((0..count).map(|_| reader.text()))?;
        were_new.ok_or(SnapshotError::Damaged("a name stands in it twice"))?;
        let mut movements = Vec::new();
        let count = reader.count(POSITION_LEAST)?;
        if let [part] = &mut *self.parts {
            part.names = names;
            for _ in 0..count {
                let (position, counts) = read_position(reader, part.names.len(), &mut movements)?;
                part.ledger.put_back_unfound(position, counts, &movements);
            }
            return if part.ledger.find_again() { Ok(()) } else { Err(POSITION_TWICE) };
        }
        for birth in 0..count {
            let (mut position, counts) = read_position(reader, names.len(), &mut movements)?;
            let part = self.part_of(self.hash(names.name(position.names[0])));
            let part = &mut self.parts[part];
            for id in &mut position.names {
                *id = part.names.intern(names.name(*id)).expect("a part has no more names than all");
            }
            part.ledger.put_back_unfound(position, counts, &movements);
            part.births.get_or_insert_default().push(birth as u64);
        }
        if self.parts.iter_mut().all(|part| part.ledger.find_again()) { Ok(()) } else { Err(POSITION_TWICE) }
    }
}

fn write_names(writer: &mut Writer, names: &Interner) {
    writer.u64(names.len() as u64 - 1);
    for id in 1..names.len() {
        writer.bytes(names.name(NameId::try_from(id).expect("ids have 32 bits")).as_bytes());
    }
}

fn write_position(writer: &mut Writer, ledger: &Ledger, position: &Position, names: Names) {
    let mut record = [0; POSITION_BYTES];
    let mut rest = &mut record[..];
    let mut put = |field: &[u8]| {
        let (here, after) = std::mem::take(&mut rest).split_at_mut(field.len());
        here.copy_from_slice(field);
        rest = after;
    };
    for name in names {
        put(&name.to_le_bytes());
    }
    position.accounts.iter().for_each(|amount| put(&amount.to_le_bytes()));
    put(&position.version.to_le_bytes());
    put(&position.dropped_ns.to_le_bytes());
    put(&u32::try_from(position.history.len()).expect("a history is short").to_le_bytes());
    writer.raw(&record);
    for movement in ledger.movements(position) {
        writer.i64(movement.time_ns);
        writer.i64(movement.quantity);
    }
    let counts = ledger.counts(position);
    let is_hollow = position.counts & HOLLOW != 0;
    writer.u8(u8::from(counts.is_some()) | u8::from(is_hollow) << 1);
    if let Some(counts) = counts {
        write_counts(writer, counts);
    }
}

fn write_counts(writer: &mut Writer, counts: &Counts) {
    Sum::save(&counts.uncounted, writer);
    counts.cut.is_some().save(writer);
    if let Some(cut) = &counts.cut {
        cut.save(writer);
    }
    writer.u8(u8::try_from(counts.kept.len()).expect("few counts are kept"));
    for count in &counts.kept {
        count.save(writer);
    }
}

fn read_counts(reader: &mut Reader<'_>) -> Result<Counts, SnapshotError> {
    let mut counts = Counts { uncounted: Sum::load(reader)?, ..Counts::default() };
    if bool::load(reader)? {
        counts.cut = Some(Image::load(reader)?);
    }
    let kept = reader.u8()?;
    if usize::from(kept) > COUNTS_KEPT {
        return Err(SnapshotError::Damaged("more counts than are kept"));
    }
    for _ in 0..kept {
        counts.kept.push(Count::load(reader)?);
    }
    Ok(counts)
}

tallystick_tables::image::image!(Count { time_ns, rank, quantity as Quantity, after as Sum, source, id });

/// A quantity, within the bounds of quantities.
enum Quantity {}

impl Form<i64> for Quantity {
    const LEAST: usize = i64::LEAST;

    fn save(quantity: &i64, writer: &mut Writer) {
        writer.i64(*quantity);
    }

    fn load(reader: &mut Reader<'_>) -> Result<i64, SnapshotError> {
        amount_within(reader.i64()?, QUANTITY_MAX)
    }
}

/// A sum of movements, far from the end of its range.
enum Sum {}

impl Form<i128> for Sum {
    const LEAST: usize = size_of::<i128>();

    fn save(sum: &i128, writer: &mut Writer) {
        writer.raw(&sum.to_le_bytes());
    }

    fn load(reader: &mut Reader<'_>) -> Result<i128, SnapshotError> {
        let sum = i128::from_le_bytes(reader.array()?);
        if sum.unsigned_abs() < 1 << 120 { Ok(sum) } else { Err(SnapshotError::Damaged("an amount is out of range")) }
    }
}

/// Reads one position. `movements` is room for its history, used again for the next.
fn read_position(
    reader: &mut Reader<'_>,
    names_count: usize,
    movements: &mut Vec<Movement>,
) -> Result<(Position, Option<Counts>), SnapshotError> {
    let mut names = [0; 4];
    for name in &mut names {
        *name = reader.u32()?;
        if *name as usize >= names_count {
            return Err(SnapshotError::Damaged("a position has a name that is not there"));
        }
    }
    let mut accounts = [0; STORED];
    for amount in &mut accounts {
        *amount = amount_within(reader.i64()?, ACCOUNT_MAX)?;
    }
    let (version, dropped_ns) = (reader.u64()?, reader.i64()?);
    let count = reader.u32()?;
    if count > u32::from(HISTORY_MAX) {
        return Err(SnapshotError::Damaged("a history is longer than histories get"));
    }
    movements.clear();
    for _ in 0..count {
        let (time_ns, quantity) = (reader.i64()?, reader.i64()?);
        movements.push(Movement { time_ns, quantity: amount_within(quantity, ACCOUNT_MAX)? });
    }
    let flags = reader.u8()?;
    let counts = if flags & 1 == 1 { Some(read_counts(reader)?) } else { None };
    let hollow = if flags & 2 == 2 { HOLLOW } else { 0 };
    Ok((Position { names, accounts, version, dropped_ns, history: HistoryHandle::default(), counts: hollow }, counts))
}

/// A number that the engine's own arithmetic could have made.
fn amount_within(amount: i64, max: i64) -> Result<i64, SnapshotError> {
    if amount.unsigned_abs() <= max.unsigned_abs() {
        Ok(amount)
    } else {
        Err(SnapshotError::Damaged("an amount is out of range"))
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Count>());
    }
}
