//! The shelf (`docs/claims.md` §6): what was shipped and never picked, by source, and what is claimed beside lines.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::Flow;

use crate::Reference;

use super::sums::Sums;

/// Amounts by source.
pub(crate) type BySource = BTreeMap<String, i128>;

/// What lines leave to the sources that told of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Shipped beyond what was picked.
    pub(crate) unpicked: BySource,
    /// Picked and not shipped.
    pub(crate) unshipped: BySource,
}

impl Left {
    /// Adds what one line leaves at one position. One that is sold from the shelf leaves nothing if its moves are its
    /// own: what it moved twice goes back.
    pub(crate) fn add(&mut self, sums: &Sums, keeps_its_moves: bool) {
        if keeps_its_moves && sums.shipped() > sums.shipped_from_picked() {
            return;
        }
        let ships = sums.ships.iter().filter(|((is_direct, _), _)| !is_direct);
        let ships = ships.map(|((_, source), amount)| (source.clone(), *amount));
        share(&mut self.unpicked, sums.shipped_from_picked() - sums.picked(), ships);
        let picks = sums.picks.iter().map(|(source, amount)| (source.clone(), *amount));
        share(&mut self.unshipped, sums.picked() - sums.shipped(), picks);
    }
}

/// Shares an amount out, source by source, each up to what it did.
fn share(to: &mut BySource, amount: i128, did: impl Iterator<Item = (String, i128)>) {
    let mut missing = amount.max(0);
    for (source, most) in did {
        let here = missing.min(most.max(0));
        missing -= here;
        if here > 0 {
            *to.entry(source).or_default() += here;
        }
    }
}

/// What was said of a position without a document.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unnamed {
    pub(crate) reserved: i128,
    pub(crate) unreserved: i128,
    pub(crate) allocated: i128,
    pub(crate) deallocated: i128,
    /// What was posted of holds that have no day.
    pub(crate) posted: i128,
}

impl Reference {
    /// What each source shipped from a position without having picked it.
    pub(crate) fn unpicked_by_source(&self, at: &PositionKey) -> BySource {
        let mut left = self.claims.left.get(at).cloned().unwrap_or_default();
        for order in self.orders_of(&at.sku) {
            let known = self.lines_of(order);
            for figures in known.lines.values().filter_map(|line| line.places.get(at)) {
                left.add(&figures.sums, known.keeps_its_moves);
            }
        }
        let mut batches = BySource::new();
        for loose in self.claims.loose.iter().filter(|loose| loose.at == *at) {
            let amount = i128::from(loose.moved.amount);
            let batch = batches.entry(loose.source.clone()).or_default();
            match loose.moved.step.flow {
                Flow::Pick => *batch += if loose.moved.step.is_back { -amount } else { amount },
                Flow::Ship if loose.moved.is_from_picked => *batch -= amount,
                _ => {}
            }
        }
        let sources: BTreeSet<&String> = left.unpicked.keys().chain(batches.keys()).collect();
        let of = |by: &BySource, source: &String| by.get(source).copied().unwrap_or(0);
        let unpicked = |source: &String| {
            let batch = of(&batches, source);
            let batch = if batch < 0 { (batch + of(&left.unshipped, source)).min(0) } else { batch };
            (of(&left.unpicked, source) - batch).max(0)
        };
        let all = sources.into_iter().map(|source| (source.clone(), unpicked(source)));
        all.filter(|(_, amount)| *amount > 0).collect()
    }

    pub(crate) fn unpicked(&self, at: &PositionKey) -> i128 {
        self.unpicked_by_source(at).values().sum()
    }

    /// What is claimed of a position without a document.
    pub(crate) fn unnamed(&self, at: &PositionKey) -> Unnamed {
        let mut unnamed = Unnamed { posted: self.posted_without_document(at), ..Unnamed::default() };
        for loose in self.claims.loose.iter().filter(|loose| loose.at == *at) {
            let amount = i128::from(loose.moved.amount);
            match (loose.moved.step.flow, loose.moved.step.is_back) {
                (Flow::Reserve, false) => unnamed.reserved += amount,
                (Flow::Reserve, true) => unnamed.unreserved += amount,
                (Flow::Allocate, false) => unnamed.allocated += amount,
                (Flow::Allocate, true) => unnamed.deallocated += amount,
                _ => {}
            }
        }
        unnamed
    }

    /// What was posted of holds that have neither document nor day.
    pub(crate) fn posted_without_document(&self, at: &PositionKey) -> i128 {
        let holds = self.parts().filter(|(_, part, _)| part.at == *at && part.purpose.is_none() && part.due.is_none());
        holds.map(|(.., became)| i128::from(became.posted())).sum()
    }
}
