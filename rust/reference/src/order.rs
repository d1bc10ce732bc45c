//! Counted orders: what waits for what. Looks through everything each time, and keeps no more than what came and what
//! is expected.

use std::collections::BTreeSet;

use tallystick_contract::config::{Order, Ordering};

use super::event::Content;
use super::turn::Turn;

/// An event that came before its turn.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) turn: Turn,
}

/// A source that counts, or one of its positions.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) source: String,
    pub(super) position: Option<(String, String)>,
    /// The number that is expected.
    pub(super) next: u64,
    pub(super) waiting: Vec<Waiting>,
    /// Ranges that were given up, each with those of its numbers that came after all.
    pub(super) lost: Vec<(u64, u64, BTreeSet<u64>)>,
    pub(super) ordering: Ordering,
}

impl Counted {
    /// The first that waits: by number, then by place.
    pub(super) fn first(&self) -> Option<usize> {
        (0..self.waiting.len()).min_by_key(|at| (self.waiting[*at].number, self.waiting[*at].turn.ordinal))
    }

    /// Whose numbers these are, as exceptions name it.
    pub(super) fn subject(&self, first: u64, last: u64) -> String {
        let position = self.position.as_ref().map(|(sku, location)| format!("/{sku}/{location}")).unwrap_or_default();
        format!("{}{position} {first}-{last}", self.source)
    }

    /// A number that came after it was given up; says which range is whole by that.
    pub(super) fn came(&mut self, number: u64) -> Option<String> {
        let at = self.lost.iter().position(|(first, last, _)| (*first..=*last).contains(&number))?;
        let (first, last, came) = &mut self.lost[at];
        came.insert(number);
        let (first, last, is_whole) = (*first, *last, came.len() as u64 == *last - *first + 1);
        is_whole.then(|| self.subject(first, last))
    }

    /// When the one that has waited longest has waited long enough.
    pub(super) fn deadline_ns(&self) -> Option<i64> {
        let oldest = self.waiting.iter().map(|waiting| waiting.turn.came_ns).min()?;
        Some(oldest.saturating_add(self.ordering.gap_wait_ns))
    }
}

/// All of them, in the order in which they were first heard of.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders(pub(super) Vec<Counted>);

impl Orders {
    /// The place of what counts for an event.
    pub(super) fn of(&mut self, ordering: Ordering, source: &str, content: &Content) -> usize {
        let position = match content {
            Content::Stock(body) if ordering.order == Order::Position => {
                Some((body.sku.clone(), body.location.clone()))
            }
            _ => None,
        };
        let is = |counted: &Counted| counted.source == source && counted.position == position;
        if let Some(known) = self.0.iter().position(is) {
            return known;
        }
        self.0.push(Counted {
            source: source.to_owned(),
            position,
            next: 1,
            waiting: Vec::new(),
            lost: Vec::new(),
            ordering,
        });
        self.0.len() - 1
    }

    /// The one with the earliest deadline, and that deadline.
    pub(super) fn earliest(&self) -> Option<(i64, usize)> {
        (0..self.0.len()).filter_map(|at| Some((self.0[at].deadline_ns()?, at))).min()
    }

    /// Bytes of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().flat_map(|counted| &counted.waiting).map(|waiting| waiting.turn.text.len()).sum()
    }
}
