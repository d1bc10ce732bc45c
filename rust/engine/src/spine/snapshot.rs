//! One atomic image of everything that the engine knows: names, positions with history and counts, idempotency keys,
//! log place, totals, notes and the fingerprint of the configuration. Turns state into bytes and back; writes no file.

use std::collections::BTreeMap;
use std::sync::Arc;

use tallystick_contract::config::Config;

use tallystick_tables::image::Image;
pub use tallystick_tables::wire::{FORMAT, SnapshotError};
use tallystick_tables::wire::{Reader, Writer};

use crate::shards::Shards;
use crate::spine::engine::Engine;
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
/// ```
/// use tallystick_engine::snapshot::{SnapshotError, verify};
///
/// assert_eq!(verify(b"PK something else"), Err(SnapshotError::Foreign));
/// ```
///
/// # Errors
/// Why it cannot be loaded.
pub fn verify(bytes: &[u8]) -> Result<SnapshotHead, SnapshotError> {
    read_head(&mut Reader::open(bytes)?)
}

fn read_head(reader: &mut Reader<'_>) -> Result<SnapshotHead, SnapshotError> {
    let fingerprint = reader.array()?;
    let (sequence, log_time_ns, notes) = Image::load(reader)?;
    Ok(SnapshotHead { fingerprint, sequence, log_time_ns, notes })
}

impl Engine {
    /// The image. What waits to be flushed is not in it: flush first.
    ///
    /// ```
    /// use tallystick_contract::{config::Config, outcome::Outcome};
    /// use tallystick_engine::{Batch, Engine, snapshot};
    ///
    /// let (mut engine, mut batch) = (Engine::new(Config::default(), [0; 16]), Batch::new());
    /// let event = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}"#;
    /// engine.apply_message(event, 1, 0, &mut batch).unwrap();
    /// engine.flush("EVENTS", 500, 524_288);
    /// let image = engine.snapshot();
    /// assert_eq!(snapshot::verify(&image).unwrap().sequence, 1);
    /// let mut restored = Engine::restore(&image, Config::default()).unwrap();
    /// assert_eq!(restored.state_hash(), engine.state_hash());
    /// restored.apply_message(event, 2, 0, &mut batch).unwrap();
    /// assert_eq!(batch.outcomes[1], Outcome::Duplicate); // the key is in the image, too
    /// ```
    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(self.core.config.fingerprint());
        writer.u64(self.core.sequence);
        self.core.log_time_ns.save(&mut writer);
        self.notes.save(&mut writer);
        // What the log changed of the configuration; nothing where it did not.
        writer.bytes(self.changed_config().unwrap_or_default().as_bytes());
        writer.raw(&self.core.secret);
        self.totals.iter().for_each(|count| writer.u64(*count));
        self.core.stock.write(&mut writer);
        self.core.keys.write(&mut writer);
        self.suspects.meanings.write(&mut writer);
        self.tracker.write(&mut writer);
        writer.u64(self.core.elements);
        self.core.keys.write_recent(self.core.elements, &mut writer);
        self.write_truth(&mut writer);
        writer.finish()
    }

    /// The configuration as the log changed it.
    fn changed_config(&self) -> Option<&str> {
        self.core.config.is_changed.then(|| self.core.config.canonical())
    }

    /// Whether effects wait that a snapshot would lose.
    pub fn has_effects(&self) -> bool {
        !(self.exceptions.is_empty()
            && self.work.changes.is_empty()
            && self.replenish.is_all_told()
            && self.core.stock.is_unchanged())
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
        let secret = reader.array()?;
        let config = if changed.is_empty() {
            config
        } else {
            config
                .with_canonical(&changed)
                .map_err(|_| SnapshotError::Damaged("a changed configuration cannot be read"))?
        };
        let mut engine = Self::with_shards(config, secret, shards);
        engine.core.sequence = head.sequence;
        engine.flushed = head.sequence;
        engine.core.log_time_ns = head.log_time_ns;
        engine.notes = head.notes;
        for total in &mut engine.totals {
            *total = reader.u64()?;
        }
        engine.core.stock.read(&mut reader)?;
        engine.core.keys.read(&mut reader)?;
        engine.suspects.meanings.read(&mut reader)?;
        let config = Arc::clone(&engine.core.config);
        engine.tracker.read(&mut reader, engine.core.seed, |source| config.ordering(source).gap_wait_ns)?;
        engine.core.elements = reader.u64()?;
        engine.core.keys.read_recent(engine.core.elements, &mut reader)?;
        engine.read_truth(&mut reader)?;
        reader.finish()?;
        if !engine.holds_what_it_says() {
            return Err(SnapshotError::Damaged("what is held is not what it says it is"));
        }
        Ok(engine)
    }
}
