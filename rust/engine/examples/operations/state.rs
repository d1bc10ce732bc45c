//! State: what is done with a whole ledger, through the engine's own interface.

use std::hint::black_box;

use serde_json::json;
use tallystick_contract::balance::PositionKey;
use tallystick_engine::Engine;

use crate::Done;
use crate::load::{Input, SECRET};
use crate::measure::measure;

/// Positions that one question asks for.
const QUERY_POSITIONS: usize = 10_000;
/// Questions asked.
const QUERIES: usize = 20;
/// As the daemon's settings have them.
const POSITIONS_PER_MESSAGE: usize = 500;
const BYTES_PER_MESSAGE: usize = 512 << 10;

/// Every event through the engine.
pub(crate) fn apply(input: &Input) -> Result<Done, String> {
    let mut engine = Engine::new(input.config()?, SECRET);
    let (applied, measured) = measure(|| input.apply_to(&mut engine));
    applied?;
    let more = json!({ "state_hash": engine.state_hash().to_string(), "positions": engine.len() });
    Ok(Done { units: "events", count: input.lines.len(), measured, more })
}

/// What can be promised of 10,000 positions, asked for by name; scattered over all there are.
pub(crate) fn query(input: &Input) -> Result<Done, String> {
    let engine = input.filled()?;
    let all: Vec<PositionKey> = engine.balances().into_iter().map(|balance| balance.key).collect();
    if all.is_empty() {
        return Err("there are no positions to ask for".into());
    }
    // A stride that is prime to most counts scatters them.
    let asked: Vec<&PositionKey> = (0..QUERY_POSITIONS).map(|number| &all[number * 7_368_787 % all.len()]).collect();
    let (found, measured) = measure(|| {
        let mut found = 0_usize;
        for _ in 0..QUERIES {
            for key in &asked {
                found += usize::from(black_box(engine.find(key).map(|balance| balance.atp)).is_some());
            }
        }
        found
    });
    if found != QUERIES * QUERY_POSITIONS {
        return Err(format!("{found} positions were found of {}: no figure is valid", QUERIES * QUERY_POSITIONS));
    }
    let more = json!({ "positions": all.len(), "positions_per_query": QUERY_POSITIONS, "queries": QUERIES });
    Ok(Done { units: "positions", count: found, measured, more })
}

/// Everything that changed, encoded for the bus.
pub(crate) fn flush(input: &Input) -> Result<Done, String> {
    let mut engine = input.filled()?;
    let (flush, measured) = measure(|| engine.flush("S", POSITIONS_PER_MESSAGE, BYTES_PER_MESSAGE));
    let bytes: usize = flush.availability.iter().chain(&flush.exceptions).map(|(_, payload)| payload.len()).sum();
    let more = json!({ "messages": flush.availability.len() + flush.exceptions.len(), "bytes": bytes });
    Ok(Done { units: "positions", count: flush.positions, measured, more })
}

/// The image of everything.
pub(crate) fn snapshot(input: &Input) -> Result<Done, String> {
    let engine = input.filled()?;
    let (image, measured) = measure(|| engine.snapshot());
    let more = json!({ "state_hash": engine.state_hash().to_string(), "keys": engine.keys() });
    Ok(Done { units: "bytes", count: image.len(), measured, more })
}

/// The image back into an engine.
pub(crate) fn restore(input: &Input) -> Result<Done, String> {
    let engine = input.filled()?;
    let image = engine.snapshot();
    let (restored, measured) = measure(|| Engine::restore(&image, input.config()?).map_err(|error| error.to_string()));
    let restored = restored?;
    if restored.state_hash() != engine.state_hash() {
        return Err("the restored ledger is not the one that was saved: no figure is valid".into());
    }
    let more = json!({ "state_hash": engine.state_hash().to_string(), "keys": restored.keys() });
    Ok(Done { units: "bytes", count: image.len(), measured, more })
}
