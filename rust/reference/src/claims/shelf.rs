//! The shelf (`docs/claims.md` §6): what lines leave on it, by source, and what is claimed beside lines.

use std::collections::BTreeMap;

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
