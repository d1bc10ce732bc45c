//! One atomic image of everything that the engine knows: names, positions with history and counts, idempotency keys,
//! log place, totals, notes and the fingerprint of the configuration. Turns state into bytes and back; writes no file.

use std::collections::BTreeMap;
use std::sync::Arc;

use tallystick_contract::config::Config;

pub use tallystick_tables::wire::{FORMAT, SnapshotError};
use tallystick_tables::wire::{Reader, Writer};

use crate::correction::Amendment;
use crate::engine::Engine;
use crate::shadow::Shadow;
use crate::shards::Shards;

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
        // What the log changed of the configuration; nothing where it did not.
        writer.bytes(self.changed_config().unwrap_or_default().as_bytes());
        writer.raw(&self.secret);
        self.totals.iter().for_each(|count| writer.u64(*count));
        self.stock.write(&mut writer);
        self.keys.write(&mut writer);
        self.meanings.write(&mut writer);
        self.tracks.write(&mut writer);
        writer.u64(self.elements);
        self.keys.write_recent(self.elements, &mut writer);
        self.write_truth(&mut writer);
        writer.finish()
    }

    /// The configuration as the log changed it.
    fn changed_config(&self) -> Option<&str> {
        self.config.is_changed.then(|| self.config.canonical())
    }

    /// Writes what is known beyond balances, keys and orders.
    fn write_truth(&self, writer: &mut Writer) {
        self.stock.write_journal(self.elements, self.config.corrections_max, writer);
        writer.u64(self.amended.0.len() as u64);
        for (key, amendment) in &self.amended.0 {
            writer.words(key);
            writer.u8(u8::from(amendment.is_voided));
            writer.i64(amendment.rank.0);
            writer.bytes(amendment.rank.1.as_bytes());
            writer.bytes(amendment.rank.2.as_bytes());
            writer.i64(amendment.time_ns);
            writer.i64(amendment.at_ns);
        }
        self.waiting.write(writer);
        self.pendings.write(writer);
        self.lines.write(writer);
        self.lanes.write(writer);
        self.items.write(writer);
        self.locations.write(writer);
        self.work.write(writer);
        self.sources.write(writer);
        writer.u8(u8::from(self.shadow.is_some()));
        if let Some(shadow) = &self.shadow {
            shadow.write(writer);
        }
        writer.i64(self.tidy_ns);
        writer.i64(self.safety_ns);
        self.write_promises(writer);
        self.write_claims(writer);
        self.write_risks(writer);
    }

    fn read_truth(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.stock.read_journal(reader)?;
        for _ in 0..reader.count(57)? {
            let key = [reader.u64()?, reader.u64()?];
            let is_voided = reader.u8()? == 1;
            let rank = (reader.i64()?, reader.text()?.into(), reader.text()?.into());
            self.amended.0.insert(key, Amendment { is_voided, rank, time_ns: reader.i64()?, at_ns: reader.i64()? });
        }
        self.waiting.read(reader)?;
        self.pendings.read(reader)?;
        self.lines.read(reader)?;
        self.lanes.read(reader, self.config.transfer_age_ns)?;
        let log_time_ns = self.log_time_ns.unwrap_or(i64::MIN);
        self.items.read(reader, log_time_ns)?;
        self.locations.read(reader, log_time_ns)?;
        self.work.read(reader)?;
        self.sources.read(reader)?;
        if reader.u8()? == 1 {
            let (tables, since) = (reader.text()?.into_owned(), reader.u64()?);
            let policy = self.config.changed(&tables).ok().and_then(|changed| changed.ownership);
            let policy = policy.ok_or(SnapshotError::Damaged("a policy on trial is none"))?;
            let mut shadow = Shadow::new(policy, tables, since);
            shadow.read(reader)?;
            self.shadow = Some(shadow);
        }
        self.tidy_ns = reader.i64()?;
        self.safety_ns = reader.i64()?;
        self.read_promises(reader)?;
        self.read_claims(reader)?;
        self.read_risks(reader)
    }

    /// Whether effects wait that a snapshot would lose.
    pub fn has_effects(&self) -> bool {
        !(self.exceptions.is_empty() && self.work.changes.is_empty() && self.stock.is_unchanged())
    }

    /// The engine of an image. It must have been made under the same configuration.
    ///
    /// # Errors
    /// Why the image cannot be loaded.
    pub fn restore(bytes: &[u8], config: Config) -> Result<Self, SnapshotError> {
        Self::restore_with_shards(bytes, config, Shards::default())
    }

    /// The engine of an image, with its state divided for a crew, however it was divided when the image was made.
    ///
    /// # Errors
    /// Why the image cannot be loaded.
    pub fn restore_with_shards(bytes: &[u8], config: Config, shards: Shards) -> Result<Self, SnapshotError> {
        let mut reader = Reader::open(bytes)?;
        let head = read_head(&mut reader)?;
        if head.fingerprint != *config.fingerprint() {
            return Err(SnapshotError::OtherConfiguration);
        }
        let changed = reader.text()?.into_owned();
        let mut secret = [0; 16];
        reader.fill(&mut secret)?;
        let config = if changed.is_empty() {
            config
        } else {
            config.with_canonical(&changed).map_err(|_| SnapshotError::Damaged("a changed configuration is none"))?
        };
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
        engine.elements = reader.u64()?;
        engine.keys.read_recent(engine.elements, &mut reader)?;
        engine.read_truth(&mut reader)?;
        reader.finish()?;
        if !engine.holds_what_it_says() {
            return Err(SnapshotError::Damaged("what is held is not what it says it is"));
        }
        Ok(engine)
    }
}
