//! Load: the file of events and the configuration, whole in memory.

use std::fs;
use std::ops::Range;

use tallystick_contract::config::Config;
use tallystick_engine::Batch;
use tallystick_engine::Engine;
use tallystick_engine::read::split::split_lines;

/// Fixed, so that every run hashes alike.
pub(crate) const SECRET: [u8; 16] = [7; 16];
/// What is applied with one call.
const BLOCK_BYTES: usize = 1 << 20;

/// Events as NDJSON, and what they are applied under.
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<Range<usize>>,
    config: String,
}

impl Input {
    pub(crate) fn read(events: &str, config: &str) -> Result<Self, String> {
        let bytes = fs::read(events).map_err(|error| format!("{events}: {error}"))?;
        let config = fs::read_to_string(config).map_err(|error| format!("{config}: {error}"))?;
        let mut lines = Vec::new();
        split_lines(&bytes, &mut lines);
        Ok(Self { bytes, lines, config })
    }

    pub(crate) fn config(&self) -> Result<Config, String> {
        Config::parse(&self.config)
    }

    /// The lines' bytes.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|range| &self.bytes[range.clone()])
    }

    /// Applies every event, a block at a time. Exceptions are let go of, as a caller does who has read them.
    pub(crate) fn apply_to(&self, engine: &mut Engine) -> Result<(), String> {
        let mut batch = Batch::new();
        let (mut first, mut start) = (0, 0);
        for (number, line) in self.lines.iter().enumerate() {
            if line.end - start >= BLOCK_BYTES || number + 1 == self.lines.len() {
                let block = &self.bytes[start..line.end];
                engine.apply_ndjson(block, first + 1, None, &mut batch).map_err(|error| error.to_string())?;
                batch.clear();
                (first, start) = (number as u64 + 1, line.end);
            }
        }
        Ok(())
    }

    /// An engine that has applied every event.
    pub(crate) fn filled(&self) -> Result<Engine, String> {
        let mut engine = Engine::new(self.config()?, SECRET);
        self.apply_to(&mut engine)?;
        Ok(engine)
    }
}
