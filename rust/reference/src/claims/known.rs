//! What an order comes to: its facts and holds, shared out once, and the lines that they make.

use std::collections::{BTreeMap, BTreeSet};

use super::doubled;
use super::place::{Hold, HoldId};
use super::view::{Lines, Told};

/// What an order comes to.
#[derive(Debug)]
pub(crate) struct Known {
    /// All that was told, as it was told.
    pub(crate) told: Told,
    /// The lines, with what was told without a line shared out.
    pub(crate) lines: Lines,
    /// When holds ended with a closing of their line.
    pub(crate) ended: BTreeMap<HoldId, i64>,
    /// Holds of which nothing counts.
    pub(crate) closed: BTreeSet<HoldId>,
    /// Whether no picks and shipments are shared out.
    pub(crate) keeps_its_moves: bool,
}

impl Known {
    pub(crate) fn of(told: Told) -> Self {
        let shared = told.shared_out();
        let lines = shared.lines();
        let told = Told { openings: shared.openings.clone(), ..told };
        let ids = || told.holds.iter().filter_map(|hold| Some((hold.id?, hold)));
        let ended = ids().filter_map(|(id, hold)| Some((id, told.ended_ns(hold)?))).collect();
        let is_closed = |hold: &Hold| {
            let pieces = pieces(&shared, hold);
            let is_open =
                |piece: &&Hold| shared.ended_ns(piece).is_none() && !lines[&piece.number].is_closed_at(&piece.at);
            !pieces.iter().any(is_open)
        };
        let closed = ids().filter(|(_, hold)| is_closed(hold)).map(|(id, _)| id).collect();
        let keeps_its_moves = doubled::keeps_its_moves(&told.facts);
        Self { told, lines, ended, closed, keeps_its_moves }
    }
}

/// What a hold came to. Of one without a line that is what was shared out of it, and what nobody took.
fn pieces<'a>(shared: &'a Told, hold: &Hold) -> Vec<&'a Hold> {
    let pieces = || shared.holds.iter().filter(|piece| piece.id == hold.id);
    let filled: Vec<&Hold> = pieces().filter(|piece| !piece.became.is_blank()).collect();
    if hold.number.is_none() && !filled.is_empty() { filled } else { pieces().collect() }
}
