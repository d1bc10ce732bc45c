//! Counted orders: what waits for what. Looks through everything each time, and keeps no more than what came and what is expected.

use crate::config::{Order, Ordering};

use super::event::{Body, Event};

/// An event that came before its turn.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) number: u64,
    /// Elements before it in the log.
    pub(super) ordinal: u64,
    /// Its place in the log.
    pub(super) place: (u64, u32),
    pub(super) came_ns: i64,
    pub(super) time_ns: i64,
    pub(super) event: Event,
    pub(super) bytes: usize,
}

/// A source that counts, or one of its positions.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) source: String,
    pub(super) position: Option<(String, String)>,
    /// The number that is expected.
    pub(super) next: u64,
    pub(super) waiting: Vec<Waiting>,
    pub(super) ordering: Ordering,
}

impl Counted {
    /// The first that waits: by number, then by place.
    pub(super) fn first(&self) -> Option<usize> {
        (0..self.waiting.len()).min_by_key(|at| (self.waiting[*at].number, self.waiting[*at].ordinal))
    }

    /// When the one that has waited longest has waited long enough.
    pub(super) fn deadline_ns(&self) -> Option<i64> {
        let oldest = self.waiting.iter().map(|waiting| waiting.came_ns).min()?;
        Some(oldest.saturating_add(self.ordering.gap_wait_ns))
    }
}

/// All of them, in the order in which they were first heard of.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders(pub(super) Vec<Counted>);

impl Orders {
    /// The place of what counts for an event.
    pub(super) fn of(&mut self, ordering: Ordering, event: &Event, body: &Body) -> usize {
        let position = (ordering.order == Order::Position).then(|| (body.sku.clone(), body.location.clone()));
        let is = |counted: &Counted| counted.source == event.source && counted.position == position;
        if let Some(known) = self.0.iter().position(is) {
            return known;
        }
        self.0.push(Counted { source: event.source.clone(), position, next: 1, waiting: Vec::new(), ordering });
        self.0.len() - 1
    }

    /// The one with the earliest deadline, and that deadline.
    pub(super) fn earliest(&self) -> Option<(i64, usize)> {
        (0..self.0.len()).filter_map(|at| Some((self.0[at].deadline_ns()?, at))).min()
    }

    /// Bytes of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().flat_map(|counted| &counted.waiting).map(|waiting| waiting.bytes).sum()
    }
}
