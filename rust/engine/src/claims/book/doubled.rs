//! Doubled: a pick of a line and a sale of it tell of the same unit, but both take it from `on_hand`. What left twice
//! goes back from `picked`, time by time (`docs/claims.md` §6).

use tallystick_contract::limits::ACCOUNT_MAX;

use crate::claims::book::fact::FactKind;
use crate::claims::book::line::{Line, LinePlace};
use crate::stock::Spot;
/// What of a line's sales was picked, too, at a position: by how much that grows at each time, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubled {
    pub(crate) spot: Spot,
    /// In the order of their times.
    pub(crate) steps: Vec<(i64, i64)>,
}

/// Whether a kind moves stock.
pub(crate) const fn is_moving(kind: FactKind) -> bool {
    matches!(kind, FactKind::Picked | FactKind::Unpicked | FactKind::Shipped | FactKind::Sold)
}

/// Whether each of some lines that share facts keeps its moves to itself: none is shared out. The first is the one
/// without a number.
pub(crate) fn keeps_its_moves(lines: &[&Line]) -> bool {
    let moves = |line: &&Line| line.facts.iter().any(|fact| is_moving(fact.kind));
    lines.len() < 2 || !moves(&lines[0]) || !lines[1..].iter().any(moves)
}

/// What was doubled of a line, by position. By time t it is the lesser of what was sold, and of what was picked and
/// not put back or shipped from `picked`: so `on_hand` falls by max(picked, shipped), both kinds of shipments together.
pub(crate) fn doubled(line: &Line) -> Vec<Doubled> {
    if !line.facts.iter().any(|fact| fact.kind == FactKind::Sold) {
        return Vec::new();
    }
    let here = |(place, known): (u32, &LinePlace)| Doubled { spot: known.spot, steps: steps(line, place) };
    (0..).zip(&line.places).map(here).filter(|doubled| !doubled.steps.is_empty()).collect()
}

fn steps(line: &Line, place: u32) -> Vec<(i64, i64)> {
    let mut moves: Vec<(i64, FactKind, i128)> = Vec::new();
    for fact in line.facts.iter().filter(|fact| fact.place == place && is_moving(fact.kind)) {
        moves.push((fact.time_ns, fact.kind, fact.amount.into()));
    }
    if !moves.iter().any(|(_, kind, _)| *kind == FactKind::Sold) {
        return Vec::new();
    }
    moves.sort_unstable();
    let (mut sold, mut picked, mut before) = (0_i128, 0_i128, 0_i128);
    let mut steps = Vec::new();
    for of_a_time in moves.chunk_by(|(one, ..), (other, ..)| one == other) {
        for (_, kind, amount) in of_a_time {
            match kind {
                FactKind::Picked => picked += amount,
                FactKind::Sold => sold += amount,
                _ => picked -= amount,
            }
        }
        let bound = i128::from(ACCOUNT_MAX);
        let more = (sold.min(picked) - before).clamp(-bound, bound);
        before += more;
        if let Some(more) = i64::try_from(more).ok().filter(|more| *more != 0) {
            steps.push((of_a_time[0].0, more));
        }
    }
    steps
}
