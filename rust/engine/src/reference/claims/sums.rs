//! What the facts of one line at one position add up to, and the figures of `docs/claims.md` §2 that follow.

use std::collections::BTreeMap;

use crate::reference::promise::Due;

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

/// The kinds in which facts without a line are shared out.
pub(crate) const KINDS: usize = 5;

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

    /// `H + T`
    pub(crate) fn held_signed(&self) -> i128 {
        self.live() + self.taken()
    }

    /// The kinds of §5, with what had gone before the line was opened again.
    pub(crate) fn kinds(&self) -> [i128; KINDS] {
        let soft = self.base + self.reserved - self.unreserved;
        [soft, self.hard(), self.held(), self.picked(), self.shipped()]
    }

    /// What is there of a kind to be shared out, without what had gone before.
    pub(crate) fn spare(&self, kind: usize) -> i128 {
        if kind == 2 {
            // What was deallocated of it stays with whoever said so.
            return self.live() + self.posted.iter().map(|(_, amount)| amount).sum::<i128>();
        }
        let of_base = if kind < 3 { self.base } else { 0 };
        self.kinds()[kind] - of_base
    }

    /// Gives up to an amount of a kind to another line.
    pub(crate) fn give(&mut self, kind: usize, most: i128, to: &mut [&mut Sums]) -> i128 {
        let amount = self.spare(kind).min(most).max(0);
        if amount == 0 {
            return 0;
        }
        match kind {
            0 => {
                self.reserved -= amount;
                for to in to.iter_mut() {
                    to.reserved += amount;
                }
            }
            1 => {
                self.allocated -= amount;
                for to in to.iter_mut() {
                    to.allocated += amount;
                }
            }
            2 => {
                // What was posted is nearer to the door than what is only held.
                let of_posted = amount.min(self.posted.iter().map(|(_, amount)| amount).sum());
                let (posted, holds) = (draw(&mut self.posted, of_posted), draw(&mut self.holds, amount - of_posted));
                for to in to.iter_mut() {
                    to.posted.extend(posted.iter().copied());
                    to.holds.extend(holds.iter().copied());
                }
            }
            3 => move_by_source(&mut self.picks, amount, to, |to| &mut to.picks),
            _ => move_by_source(&mut self.ships, amount, to, |to| &mut to.ships),
        }
        if kind < 3 {
            for to in to.iter_mut() {
                to.voices[kind] = to.voices[kind].max(self.voices[kind]);
            }
        }
        amount
    }
}

/// Takes an amount out of a list, the earliest days first.
fn draw(list: &mut Vec<Dated>, amount: i128) -> Vec<Dated> {
    list.sort_by_key(|(due, _)| due.map(Due::instant));
    let mut missing = amount;
    let mut drawn = Vec::new();
    for (due, left) in list.iter_mut() {
        let here = missing.min(*left);
        *left -= here;
        missing -= here;
        if here > 0 {
            drawn.push((*due, here));
        }
    }
    list.retain(|(_, left)| *left != 0);
    drawn
}

/// Moves an amount, source by source.
fn move_by_source<K: Ord + Clone>(
    from: &mut BTreeMap<K, i128>,
    amount: i128,
    to: &mut [&mut Sums],
    of: fn(&mut Sums) -> &mut BTreeMap<K, i128>,
) {
    let mut missing = amount;
    for (source, left) in from.iter_mut() {
        let here = missing.min(*left).max(0);
        *left -= here;
        missing -= here;
        for to in to.iter_mut().filter(|_| here != 0) {
            *of(to).entry(source.clone()).or_default() += here;
        }
    }
}
