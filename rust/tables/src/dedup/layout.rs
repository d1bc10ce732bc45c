//! Lays out the keys of a segment one after the other, in memory that is used again for each segment and is near; the
//! whole is then copied.

use bytemuck::Zeroable;
use tallystick_contract::heap_size::heap_size;

use super::blocks::Blocks;
use super::group::{Head, Key, PLACES, Rests};
use super::segment::{Homes, Segment, next};

/// The groups of a segment to be.
#[derive(Debug, Default)]
pub(super) struct Layout {
    depth: u32,
    pub(super) heads: Vec<Head>,
    pub(super) rests: Vec<Rests>,
    /// Keys in each group.
    counts: Vec<u8>,
    pub(super) used: u32,
    pub(super) strayed_max: u32,
}

heap_size!(Layout { depth, heads, rests, counts, used, strayed_max });

impl Layout {
    /// Begins a segment without keys.
    pub(super) fn begin(&mut self, depth: u32, groups: usize) {
        (self.depth, self.used, self.strayed_max) = (depth, 0, 0);
        self.counts.clear();
        self.counts.resize(groups, 0);
        self.heads.clear();
        self.heads.resize(groups, Head::zeroed());
        // What stands in places that are empty does not matter.
        self.rests.resize(groups, Rests::zeroed());
    }

    /// Adds a key. There must be groups enough for all.
    #[inline]
    pub(super) fn push(&mut self, key: &Key) {
        let groups = self.counts.len();
        let probe = key.probe();
        let homes = Homes::of(probe, self.depth, groups);
        let mut at = if self.counts[homes.second] < self.counts[homes.first] { homes.second } else { homes.first };
        if usize::from(self.counts[at]) == PLACES {
            self.heads[homes.first].note_stray(probe.class());
            let mut strayed = 0;
            at = homes.first;
            while usize::from(self.counts[at]) == PLACES {
                at = next(at, groups);
                strayed += 1;
            }
            self.strayed_max = self.strayed_max.max(strayed);
        }
        let place = usize::from(self.counts[at]);
        self.counts[at] += 1;
        self.heads[at].set(place, key);
        self.rests[at].set(place, key);
        self.used += 1;
    }

    /// The segment, whose codes count from a generation.
    pub(super) fn finish(&self, base: i64, blocks: &mut Blocks) -> Segment {
        Segment::new(self.depth, base, self, blocks)
    }
}
