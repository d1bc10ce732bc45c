//! The shelf (`docs/claims.md` §6): what was shipped and never picked, by source, and what is claimed beside lines.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::Flow;

use crate::claims::shelf::{BySource, Unnamed};
use crate::twin::Reference;

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
