//! Key: what happens to an event before the ledger: its bytes are decoded, its key is looked up. Each function touches
//! the engine's insides in one place, because these have no interface that is promised.

use std::collections::BTreeSet;
use std::hint::black_box;

use bumpalo::Bump;
use serde_json::json;
use tallystick_contract::heap_size::HeapSize;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::read::decode::decode;
use tallystick_engine::read::event::Event;
use tallystick_engine::read::shape::Shapes;
use tallystick_tables::body::{Body, BodyBuilder};
use tallystick_tables::dedup::{Dedup, Fingerprint, fingerprint};

use crate::Done;
use crate::load::{Input, SECRET};
use crate::measure::measure;

/// As many as the engine looks at together.
const WAVE_EVENTS: usize = 32;

/// Every event decoded, and nothing done with it.
pub(crate) fn decode_all(input: &Input) -> Result<Done, String> {
    let (malformed, measured) = measure(|| {
        let (mut event, mut shapes, arena) = (Event::default(), Shapes::default(), Bump::new());
        let mut malformed = 0_usize;
        for element in input.elements() {
            malformed += usize::from(decode(element, &mut event, &mut shapes, &arena).is_err());
            black_box(&event);
        }
        malformed
    });
    if malformed == input.lines.len() {
        return Err("no event can be decoded: there is nothing to measure".into());
    }
    Ok(Done { units: "events", count: input.lines.len(), measured, more: json!({ "malformed": malformed }) })
}

/// Every key looked up, and remembered if it was not known: an empty table grows to hold them. Keys are hashed
/// beforehand.
pub(crate) fn dedup_all(input: &Input) -> Result<Done, String> {
    let keys = keys(input);
    let distinct = keys.iter().map(|(fingerprint, _)| fingerprint.0).collect::<BTreeSet<_>>().len();
    let config = input.config()?;
    let ((table, known), measured) = measure(|| {
        let mut table = Dedup::new(config.dedup_window_ns, config.dedup_keys_max);
        table.advance(0);
        let known: usize = keys.chunks(WAVE_EVENTS).map(|wave| look_up(&mut table, wave)).sum();
        (table, known)
    });
    if table.len() != distinct || known + distinct != keys.len() {
        return Err(format!("the table holds {} keys of {distinct}: no figure is valid", table.len()));
    }
    let more = json!({ "keys": table.len(), "bytes_per_key": table.heap_bytes() as u64 / table.len().max(1) as u64 });
    Ok(Done { units: "events", count: keys.len(), measured, more })
}

/// One wave, as the engine does it: all of its memory is asked for first, then one key after the other is settled.
/// Returns how many were known.
fn look_up(table: &mut Dedup, wave: &[(Fingerprint, Body)]) -> usize {
    for (key, _) in wave {
        table.prefetch(*key);
    }
    for (key, _) in wave {
        table.prefetch_places(*key);
    }
    let mut known = 0;
    for (key, body) in wave {
        match table.look(*key) {
            Ok(_) => known += 1,
            Err(vacancy) => table.remember_at(vacancy, *key, body.known(Outcome::Applied)),
        }
    }
    known
}

fn keys(input: &Input) -> Vec<(Fingerprint, Body)> {
    let (arena, mut event, mut shapes) = (Bump::new(), Event::default(), Shapes::default());
    let mut keys = Vec::with_capacity(input.lines.len());
    for element in input.elements() {
        if decode(element, &mut event, &mut shapes, &arena).is_ok() {
            let mut body = BodyBuilder::new(0);
            body.text(1, Some(event.sku));
            keys.push((fingerprint(&SECRET, event.source, event.id), body.finish()));
        }
    }
    keys
}
