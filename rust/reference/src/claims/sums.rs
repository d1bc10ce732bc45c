//! What the facts of one line at one position add up to, and the figures of `docs/claims.md` §2 that follow.

use std::collections::BTreeMap;

use crate::calendar::Due;

/// Something that is wanted on a day, or at once.
pub(crate) type Dated = (Option<Due>, i128);

/// What counts of one line at one position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    /// The quantity of the order, and since when it is that.
    pub(crate) wanted: Option<(i64, i128)>,
    pub(crate) due: Option<Due>,
    /// What had gone when the line was closed before it was opened again.
    pub(crate) base: i128,
    pub(crate) reserved: i128,
    pub(crate) unreserved: i128,
    pub(crate) allocated: i128,
    pub(crate) converted: i128,
    pub(crate) deallocated: i128,
    /// By source, less what was put back.
    pub(crate) picks: BTreeMap<String, i128>,
    /// By source; what left from `picked` comes first.
    pub(crate) ships: BTreeMap<(bool, String), i128>,
    pub(crate) holds: Vec<Dated>,
    /// With what lapsed and counts as posted.
    pub(crate) posted: Vec<Dated>,
    /// When something was reserved, allocated, and asked for last.
    pub(crate) voices: [Option<i64>; 3],
}

impl Sums {
    /// `O`
    pub(crate) fn order(&self) -> i128 {
        self.wanted.map_or(0, |(_, quantity)| quantity)
    }

    pub(crate) fn picked(&self) -> i128 {
        self.picks.values().sum()
    }

    pub(crate) fn shipped(&self) -> i128 {
        self.ships.values().sum()
    }

    pub(crate) fn shipped_from_picked(&self) -> i128 {
        self.ships.iter().filter(|((is_direct, _), _)| !is_direct).map(|(_, amount)| amount).sum()
    }

    /// `G`
    pub(crate) fn gone(&self) -> i128 {
        self.picked().max(self.shipped())
    }

    /// `R`
    pub(crate) fn soft(&self) -> i128 {
        let beyond = (self.unreserved - (self.gone() - self.base)).max(0);
        self.base + self.reserved - self.converted.min(self.deallocated) - beyond
    }

    /// `A`
    pub(crate) fn hard(&self) -> i128 {
        self.base + self.allocated - self.deallocated
    }

    /// `H`
    pub(crate) fn live(&self) -> i128 {
        self.holds.iter().map(|(_, amount)| amount).sum()
    }

    /// `T`
    pub(crate) fn taken(&self) -> i128 {
        let posted: i128 = self.posted.iter().map(|(_, amount)| amount).sum();
        self.base + posted - (self.deallocated - self.allocated - self.base).max(0)
    }

    /// `H + max(0, T)`
    pub(crate) fn held(&self) -> i128 {
        self.live() + self.taken().max(0)
    }
}
