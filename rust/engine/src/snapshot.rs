//! One atomic image of everything that the engine knows: names, positions with history and counts, idempotency keys, log place, totals, notes and
//! the fingerprint of the configuration. Turns state into bytes and back; writes no file.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::engine::Engine;
use crate::shards::Shards;
pub use crate::wire::{FORMAT, SnapshotError};
use crate::wire::{Reader, Writer};

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
        self.stock.write(&mut writer);
        self.keys.write(&mut writer);
        self.meanings.write(&mut writer);
        self.tracks.write(&mut writer);
        writer.u64(self.elements);
        self.keys.write_recent(self.elements, &mut writer);
        writer.finish()
    }

    /// Whether effects wait that a snapshot would lose.
    pub fn has_effects(&self) -> bool {
        !(self.exceptions.is_empty() && self.stock.is_unchanged())
    }

    /// The engine of an image. It must have been made under the same configuration.
    ///
    /// # Errors
    /// Why the image cannot be loaded.
    pub fn restore(bytes: &[u8], config: Config) -> Result<Self, SnapshotError> {
        Self::restore_with_shards(bytes, config, Shards::default())
    }

    /// The same, with its state divided for a crew, however it was divided when the image was made.
    ///
    /// # Errors
    /// Why the image cannot be loaded.
    pub fn restore_with_shards(bytes: &[u8], config: Config, shards: Shards) -> Result<Self, SnapshotError> {
        let mut reader = Reader::open(bytes)?;
        let head = read_head(&mut reader)?;
        if head.fingerprint != *config.fingerprint() {
            return Err(SnapshotError::OtherConfiguration);
        }
        let mut secret = [0; 16];
        reader.fill(&mut secret)?;
        let mut engine = Self::with_shards(config, secret, shards);
        engine.sequence = head.sequence;
        engine.flushed = head.sequence;
        engine.log_time_ns = head.log_time_ns;
        engine.notes = head.notes;
        for total in &mut engine.totals {
            *total = reader.u64()?;
        }
        engine.stock.read(&mut reader)?;
        engine.keys.read(&mut reader)?;
        engine.meanings.read(&mut reader)?;
        let config = Arc::clone(&engine.config);
        engine.tracks.read(&mut reader, engine.seed, |source| config.ordering(source).gap_wait_ns)?;
        if !engine.holds_claims() {
            return Err(SnapshotError::Damaged("what is held is no event that would be"));
        }
        engine.elements = reader.u64()?;
        engine.keys.read_recent(engine.elements, &mut reader)?;
        reader.finish()?;
        Ok(engine)
    }
}
