//! Lookup: the positions of many events at once, so that the memory of all of them is fetched together instead of one
//! after the other. Changes no answer.

use tallystick_tables::intern::{Interner, NONE};

use crate::read::element::{Decoded, NameHashes};
use crate::read::event::Event;
use crate::stock::Part;
use crate::stock::ledger::Names;
/// Events in a wave: enough to hide the latency of memory, few enough to stay in the nearest cache.
pub(crate) const WAVE_EVENTS: usize = 32;

/// What a look at an event's position found. Names and places are never taken back, so it stays true.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) names: Option<Names>,
    pub(crate) place: Option<u32>,
    place_hash: u64,
}

/// Looks at the positions of events, each in its part of the stock. Each pass asks for memory that the pass before it
/// has found out about.
#[inline]
pub(crate) fn look_ahead<'s, 'a: 's, 'p>(
    decoded: impl Iterator<Item = &'s Decoded<'a>> + Clone,
    part_of: impl Fn(&Decoded<'_>) -> &'p Part,
    found: &mut [Found; WAVE_EVENTS],
) {
    for decoded in decoded.clone() {
        part_of(decoded).names.prefetch(decoded.hashes.sku);
    }
    for decoded in decoded.clone() {
        part_of(decoded).names.prefetch_name(decoded.hashes.sku);
    }
    for (decoded, found) in decoded.clone().zip(&mut *found) {
        let part = part_of(decoded);
        found.names = find_names(&part.names, &decoded.event, &decoded.hashes);
        found.place_hash = found.names.map_or(0, |names| part.ledger.prefetch(names));
    }
    for (decoded, found) in decoded.clone().zip(&*found) {
        part_of(decoded).ledger.prefetch_position(found.place_hash);
    }
    for (decoded, found) in decoded.clone().zip(&mut *found) {
        let place_hash = found.place_hash;
        found.place = found.names.and_then(|names| part_of(decoded).ledger.find_hashed(names, place_hash));
    }
    for (decoded, found) in decoded.zip(&*found) {
        if let Some(place) = found.place {
            part_of(decoded).ledger.prefetch_movements(place);
        }
    }
}

/// The names of an event's position, where all of them are known.
fn find_names(names: &Interner, event: &Event<'_>, hashes: &NameHashes) -> Option<Names> {
    if event.sku.is_empty() || event.location.is_empty() {
        return None;
    }
    let optional = |name: &str, hash| if name.is_empty() { Some(NONE) } else { names.find_hashed(name, hash) };
    Some([
        names.find_hashed(event.sku, hashes.sku)?,
        names.find_hashed(event.location, hashes.location)?,
        optional(event.lot, hashes.lot)?,
        optional(event.owner, hashes.owner)?,
    ])
}
