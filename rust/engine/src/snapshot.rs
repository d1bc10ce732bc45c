//! One atomic image of everything that the engine knows: names, positions with history and counts, idempotency keys, log place, totals, notes and
//! the fingerprint of the configuration. Turns state into bytes and back; writes no file.

use std::collections::BTreeMap;

use crate::account::STORED;
use crate::config::Config;
use crate::engine::Engine;
use crate::history::{HistoryHandle, Movement};
use crate::intern::NameId;
use crate::ledger::{Barrier, Position};
use crate::limits::{ACCOUNT_MAX, HISTORY_MAX, QUANTITY_MAX};
pub use crate::wire::{FORMAT, SnapshotError};
use crate::wire::{Reader, Writer};

/// What every position has: four names, its accounts, version, end of the dropped history, movements' count.
const POSITION_BYTES: usize = 4 * 4 + 8 * STORED + 8 + 8 + 4;

/// What a snapshot says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// BLAKE3 of the configuration under which it was made.
    pub fingerprint: [u8; 32],
    /// The last log sequence that it reflects.
    pub sequence: u64,
    /// The log's time there, once there was one.
    pub log_time_ns: Option<i64>,
    /// What the caller noted.
    pub notes: BTreeMap<String, String>,
}

/// Verifies a snapshot whole, without loading it.
///
/// # Errors
/// Why it cannot be loaded.
pub fn verify(bytes: &[u8]) -> Result<SnapshotHead, SnapshotError> {
    read_head(&mut Reader::open(bytes)?)
}

fn read_head(reader: &mut Reader<'_>) -> Result<SnapshotHead, SnapshotError> {
    let mut fingerprint = [0; 32];
    reader.fill(&mut fingerprint)?;
    let sequence = reader.u64()?;
    let log_time_ns = (reader.u8()? == 1).then_some(reader.i64()?);
    let mut notes = BTreeMap::new();
    for _ in 0..reader.count(16)? {
        notes.insert(reader.text()?.into_owned(), reader.text()?.into_owned());
    }
    Ok(SnapshotHead { fingerprint, sequence, log_time_ns, notes })
}

impl Engine {
    /// The image. What waits to be flushed is not in it: flush first.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(self.config.fingerprint());
        writer.u64(self.sequence);
        writer.u8(u8::from(self.log_time_ns.is_some()));
        writer.i64(self.log_time_ns.unwrap_or_default());
        writer.u64(self.notes.len() as u64);
        for (name, value) in &self.notes {
            writer.bytes(name.as_bytes());
            writer.bytes(value.as_bytes());
        }
        writer.raw(&self.secret);
        self.totals.iter().for_each(|count| writer.u64(*count));
        writer.u64(self.names.len() as u64 - 1);
        for id in 1..self.names.len() {
            writer.bytes(self.names.name(NameId::try_from(id).expect("ids have 32 bits")).as_bytes());
        }
        writer.u64(self.ledger.len() as u64);
        for position in self.ledger.positions() {
            self.write_position(&mut writer, position);
        }
        self.dedup.write(&mut writer);
        self.meanings.write(&mut writer);
        writer.u64(self.elements);
        self.recent.write(self.elements, &mut writer);
        writer.finish()
    }

    /// Whether effects wait that a snapshot would lose.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// The engine of an image. It must have been made under the same configuration.
    ///
    /// # Errors
    /// Why the image cannot be loaded.
    pub fn restore(bytes: &[u8], config: Config) -> Result<Self, SnapshotError> {
        let mut reader = Reader::open(bytes)?;
        let head = read_head(&mut reader)?;
        if head.fingerprint != *config.fingerprint() {
            return Err(SnapshotError::OtherConfiguration);
        }
        let mut secret = [0; 16];
        reader.fill(&mut secret)?;
        let mut engine = Self::new(config, secret);
        engine.sequence = head.sequence;
        engine.flushed = head.sequence;
        engine.log_time_ns = head.log_time_ns;
        engine.notes = head.notes;
        for total in &mut engine.totals {
            *total = reader.u64()?;
        }
        for id in 1..=reader.count(8)? {
            let name = reader.text()?;
            if engine.names.intern(&name).map(|known| known as usize) != Some(id) {
                return Err(SnapshotError::Damaged("a name stands in it twice"));
            }
        }
        let mut movements = Vec::new();
        for _ in 0..reader.count(100)? {
            engine.read_position(&mut reader, &mut movements)?;
        }
        engine.dedup.read(&mut reader)?;
        engine.meanings.read(&mut reader)?;
        engine.elements = reader.u64()?;
        engine.recent.read(engine.elements, &mut reader)?;
        reader.finish()?;
        Ok(engine)
    }

    fn write_position(&self, writer: &mut Writer, position: &Position) {
        let mut record = [0; POSITION_BYTES];
        let mut rest = &mut record[..];
        let mut put = |field: &[u8]| {
            let (here, after) = std::mem::take(&mut rest).split_at_mut(field.len());
            here.copy_from_slice(field);
            rest = after;
        };
        position.names.iter().for_each(|name| put(&name.to_le_bytes()));
        position.accounts.iter().for_each(|amount| put(&amount.to_le_bytes()));
        put(&position.version.to_le_bytes());
        put(&position.dropped_ns.to_le_bytes());
        put(&u32::try_from(position.history.len()).expect("a history is short").to_le_bytes());
        writer.raw(&record);
        for movement in self.ledger.movements(position) {
            writer.i64(movement.time_ns);
            writer.i64(movement.quantity);
        }
        let barrier = self.ledger.barrier(position);
        writer.u8(u8::from(barrier.is_some()));
        if let Some(barrier) = barrier {
            writer.i64(barrier.time_ns);
            writer.i64(barrier.quantity);
            writer.bytes(barrier.source.as_bytes());
            writer.bytes(barrier.id.as_bytes());
        }
    }

    /// Reads one position. `movements` is room for its history, used again for the next.
    fn read_position(&mut self, reader: &mut Reader<'_>, movements: &mut Vec<Movement>) -> Result<(), SnapshotError> {
        let mut names = [0; 4];
        for name in &mut names {
            *name = reader.u32()?;
            if *name as usize >= self.names.len() {
                return Err(SnapshotError::Damaged("a position has a name that is not there"));
            }
        }
        if self.ledger.find(names).is_some() {
            return Err(SnapshotError::Damaged("a position stands in it twice"));
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
        let barrier = if reader.u8()? == 1 {
            let (time_ns, quantity) = (reader.i64()?, amount_within(reader.i64()?, QUANTITY_MAX)?);
            Some(Barrier {
                time_ns,
                quantity,
                source: reader.text()?.into_owned().into(),
                id: reader.text()?.into_owned().into(),
            })
        } else {
            None
        };
        let position = Position { names, accounts, version, dropped_ns, history: HistoryHandle::default(), barrier: 0 };
        self.ledger.put_back(position, barrier, movements);
        Ok(())
    }
}

/// A number that the engine's own arithmetic could have made.
fn amount_within(amount: i64, max: i64) -> Result<i64, SnapshotError> {
    if amount.unsigned_abs() <= max.unsigned_abs() {
        Ok(amount)
    } else {
        Err(SnapshotError::Damaged("an amount is out of range"))
    }
}
