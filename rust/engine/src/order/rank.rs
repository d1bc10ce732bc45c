//! Rank: where an event stands in its source's order.

use tallystick_contract::order::{Order, Ordering};

use crate::diagnostics::Late;
use crate::order::{SequenceTracker, TrackKey, Turn};
use crate::read::event::Event;
/// Where an event ranks in its source's order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rank {
    /// It is applied, on this track if its source counts.
    InOrder(Option<u32>),
    /// It is applied, and called late.
    Late(u32, Late),
    /// It waits on this track.
    Ahead(u32),
}

impl SequenceTracker {
    /// Where an event ranks in its source's order. Changes nothing but that its track is known from then on.
    pub(crate) fn rank_of(&mut self, seed: u64, ordering: Ordering, event: &Event<'_>) -> Rank {
        if ordering.order == Order::Arrival {
            return Rank::InOrder(None);
        }
        let (sku, location) = (event.sku, event.location);
        let position = (ordering.order == Order::Position).then_some((sku, location));
        let key = TrackKey { source: event.source, position };
        let track = self.find_or_add(seed, key);
        match (self.turn(track, event.sequence.unwrap_or_default()), ordering.order) {
            (Turn::Now, _) | (Turn::Ahead, Order::Increasing) => Rank::InOrder(Some(track)),
            (Turn::Ahead, _) => Rank::Ahead(track),
            (Turn::Behind { .. }, Order::Increasing) => Rank::Late(track, Late::IsSmaller),
            (Turn::Behind { was_lost: true }, _) => Rank::Late(track, Late::WasLost),
            (Turn::Behind { was_lost: false }, _) => Rank::Late(track, Late::WasTaken),
        }
    }
}

/// What an exception about a gap is about.
pub(crate) fn subject_of_gap(source: &str, position: Option<(&str, &str)>, (first, last): (u64, u64)) -> String {
    match position {
        None => format!("{source} {first}-{last}"),
        Some((sku, location)) => format!("{source}/{sku}/{location} {first}-{last}"),
    }
}
