//! A segment: all keys whose fingerprints begin with the same bits. A key stands in one of two groups that its
//! fingerprint points to, the one that had more room; this fills all groups evenly, so that they can be filled nearly
//! to the last place. Few keys find both full; they stray to the next group with room, and their first group keeps a
//! note of it.

use prefetch_index::prefetch_index;
use tallystick_contract::heap_size::heap_size;

use super::blocks::{BLOCK_GROUPS, Blocks};
use super::group::{CODES, Head, Key, PLACES, Probe, Rests, are_more, places};
use super::layout::Layout;

/// Most groups that a segment has outside of blocks. Few keys shall cost little.
pub(super) const FEW_GROUPS: usize = 32;
/// Most blocks of a segment; with more keys it is split, so that there are never many to move about at once.
const BLOCKS_MAX: usize = 32;
/// Percent of the places from which on a segment is full. Behind it too many keys would stray.
const FULL_PERCENT: usize = 96;
/// Most groups of a segment that can be split.
pub(super) const GROUPS_MAX: usize = BLOCKS_MAX * BLOCK_GROUPS;

/// The keys of one prefix.
#[derive(Debug)]
pub(super) struct Segment {
    /// Codes count generations from this one, which has the code 1. Codes are the segment's own, so that no generation
    /// is ever taken for one that is 31 later.
    base: i64,
    /// Bits that all fingerprints here have in common.
    pub(super) depth: u32,
    groups: u32,
    /// Places in use, also by keys that are outdated.
    used: u32,
    /// How far a key has strayed from its first group.
    strayed_max: u32,
    blocks: [u32; BLOCKS_MAX],
    /// The groups, where they are not in blocks.
    apart: Option<Box<Apart>>,
}

heap_size!(Segment { base, depth, groups, used, strayed_max, blocks, apart });

/// Groups outside of blocks: few, or more than blocks hold because splitting would not part the keys.
#[derive(Debug)]
struct Apart {
    heads: Box<[Head]>,
    rests: Box<[Rests]>,
}

heap_size!(Apart { heads, rests });

impl Segment {
    /// A copy of what was laid out.
    pub(super) fn new(depth: u32, base: i64, layout: &Layout, blocks: &mut Blocks) -> Self {
        let Layout { heads, rests, used, strayed_max, .. } = layout;
        let groups = u32::try_from(heads.len()).expect("memory ends before the numbers of groups do");
        let (used, strayed_max) = (*used, *strayed_max);
        let mut segment = Self { base, depth, groups, used, strayed_max, blocks: [0; BLOCKS_MAX], apart: None };
        if (FEW_GROUPS + 1..=GROUPS_MAX).contains(&heads.len()) {
            let parts = heads.chunks(BLOCK_GROUPS).zip(rests.chunks(BLOCK_GROUPS));
            for (slot, (heads, rests)) in segment.blocks.iter_mut().zip(parts) {
                *slot = blocks.take();
                let block = blocks.get_mut(*slot);
                block.heads[..heads.len()].copy_from_slice(heads);
                block.rests[..rests.len()].copy_from_slice(rests);
            }
        } else {
            segment.apart = Some(Box::new(Apart { heads: heads.as_slice().into(), rests: rests.as_slice().into() }));
        }
        segment
    }

    /// Returns the blocks back.
    pub(super) fn release(self, blocks: &mut Blocks) {
        if self.apart.is_none() {
            self.blocks[..self.groups() / BLOCK_GROUPS].iter().for_each(|block| blocks.give_back(*block));
        }
    }

    pub(super) const fn groups(&self) -> usize {
        self.groups as usize
    }

    pub(super) const fn used(&self) -> usize {
        self.used as usize
    }

    #[inline]
    pub(super) fn homes(&self, probe: Probe) -> Homes {
        Homes::of(probe, self.depth, self.groups())
    }

    #[inline]
    pub(super) fn group<'a>(&'a self, blocks: &'a Blocks, at: usize) -> (&'a Head, &'a Rests) {
        match &self.apart {
            None => {
                let block = blocks.get(self.blocks[at / BLOCK_GROUPS]);
                (&block.heads[at % BLOCK_GROUPS], &block.rests[at % BLOCK_GROUPS])
            }
            Some(apart) => (&apart.heads[at], &apart.rests[at]),
        }
    }

    /// Asks for the head of a group.
    #[inline]
    pub(super) fn prefetch(&self, blocks: &Blocks, at: usize) {
        match &self.apart {
            None => prefetch_index(blocks.get(self.blocks[at / BLOCK_GROUPS]).heads.as_slice(), at % BLOCK_GROUPS),
            Some(apart) => prefetch_index(&*apart.heads, at),
        }
    }

    #[inline]
    fn group_mut<'a>(&'a mut self, blocks: &'a mut Blocks, at: usize) -> (&'a mut Head, &'a mut Rests) {
        match &mut self.apart {
            None => {
                let block = blocks.get_mut(self.blocks[at / BLOCK_GROUPS]);
                (&mut block.heads[at % BLOCK_GROUPS], &mut block.rests[at % BLOCK_GROUPS])
            }
            Some(apart) => (&mut apart.heads[at], &mut apart.rests[at]),
        }
    }

    /// The generation with the code 1.
    pub(super) const fn base(&self) -> i64 {
        self.base
    }

    pub(super) const fn generation(&self, code: u8) -> i64 {
        self.base.wrapping_add(code as i64 - 1)
    }

    /// The code of a generation; nothing where codes have to be counted anew to have one.
    #[inline]
    pub(super) fn code(&self, generation: i64) -> Option<u8> {
        let age = generation.wrapping_sub(self.base).cast_unsigned();
        u8::try_from(age).ok().filter(|age| *age < CODES).map(|age| age + 1)
    }

    /// The lowest code that is not outdated, when generations before one are.
    #[inline]
    pub(super) fn code_min(&self, kept_from: i64) -> u8 {
        if kept_from <= self.base { 1 } else { self.code(kept_from).unwrap_or(CODES + 1) }
    }

    /// What the heads of a key's two groups tell.
    #[inline]
    fn glance<'a>(&'a self, blocks: &'a Blocks, probe: Probe, code_min: u8) -> Glance<'a> {
        let homes = self.homes(probe);
        let [(first, rests), (second, more_rests)] = [homes.first, homes.second].map(|at| self.group(blocks, at));
        let rooms = [first.room(code_min), second.room(code_min)];
        let candidates = [first.candidates(probe) & !rooms[0], second.candidates(probe) & !rooms[1]];
        Glance { homes, first, rests: [rests, more_rests], rooms, candidates }
    }

    /// Group and place of a key, or the group in which it would have its place.
    #[inline]
    pub(super) fn look(&self, blocks: &Blocks, probe: Probe, kept_from: i64) -> Result<(usize, usize), usize> {
        let Glance { homes, first, rests: [rests, more_rests], rooms, candidates } =
            self.glance(blocks, probe, self.code_min(kept_from));
        // Nearly always there is none, which is told by one branch.
        if candidates[0] | candidates[1] != 0 {
            if let Some(place) = places(candidates[0]).find(|place| rests.is(*place, probe)) {
                return Ok((homes.first, place));
            }
            if let Some(place) = places(candidates[1]).find(|place| more_rests.is(*place, probe)) {
                return Ok((homes.second, place));
            }
        }
        if first.has_strays(probe.class())
            && let Some(found) = self.find_stray(blocks, probe, self.code_min(kept_from))
        {
            return Ok(found);
        }
        Err(homes.roomier(rooms))
    }

    /// Group and place of a key that has strayed from its two groups.
    #[cold]
    fn find_stray(&self, blocks: &Blocks, probe: Probe, code_min: u8) -> Option<(usize, usize)> {
        let mut at = self.homes(probe).first;
        (0..self.strayed_max).find_map(|_| {
            at = next(at, self.groups());
            let (head, rests) = self.group(blocks, at);
            let candidates = head.candidates(probe) & head.live(code_min);
            places(candidates).find(|place| rests.is(*place, probe)).map(|place| (at, place))
        })
    }

    /// Group and place of a key.
    #[inline]
    pub(super) fn find(&self, blocks: &Blocks, probe: Probe, kept_from: i64) -> Option<(usize, usize)> {
        self.look(blocks, probe, kept_from).ok()
    }

    /// Asks for the places that [`Self::look`] and the insertion behind it will need, once the heads have come.
    #[inline]
    pub(super) fn prefetch_places(&self, blocks: &Blocks, probe: Probe, kept_from: i64) {
        let Glance { homes, first, rests: [rests, more_rests], rooms, candidates } =
            self.glance(blocks, probe, self.code_min(kept_from));
        if candidates[0] | candidates[1] != 0 {
            for (candidates, rests) in candidates.into_iter().zip([rests, more_rests]) {
                places(candidates).take(1).for_each(|place| rests.prefetch(place));
            }
        }
        let (room, rests) = if are_more(rooms[0], rooms[1]) { (rooms[1], more_rests) } else { (rooms[0], rests) };
        // Without room it asks for the last line, which does no harm.
        rests.prefetch(room.trailing_zeros() as usize);
        if first.has_strays(probe.class()) {
            self.prefetch(blocks, next(homes.first, self.groups()));
        }
    }

    /// The key in a place.
    #[inline]
    pub(super) fn key(&self, blocks: &Blocks, (at, place): (usize, usize)) -> Key {
        let (head, rests) = self.group(blocks, at);
        rests.key(head, place)
    }

    /// Adds a key that is not there to the group that [`Self::look`] gave. Returns whether there was room.
    #[inline]
    pub(super) fn insert_at(&mut self, blocks: &mut Blocks, at: usize, key: &Key, kept_from: i64) -> bool {
        self.insert_in(blocks, at, key, self.code_min(kept_from)).is_some_and(|was_added| was_added)
    }

    /// Adds a key that is not there. Returns whether there was room.
    pub(super) fn insert(&mut self, blocks: &mut Blocks, key: &Key, kept_from: i64) -> bool {
        let code_min = self.code_min(kept_from);
        let probe = key.probe();
        let homes = self.homes(probe);
        let rooms = [homes.first, homes.second].map(|at| self.group(blocks, at).0.room(code_min));
        if let Some(was_added) = self.insert_in(blocks, homes.roomier(rooms), key, code_min) {
            return was_added;
        }
        self.group_mut(blocks, homes.first).0.note_stray(probe.class());
        let mut at = homes.first;
        for strayed in 1..self.groups {
            at = next(at, self.groups());
            if let Some(was_added) = self.insert_in(blocks, at, key, code_min) {
                self.strayed_max = self.strayed_max.max(strayed);
                return was_added;
            }
        }
        false
    }

    /// Adds a key to a group, unless the segment is full as a whole; nothing where the group itself is.
    #[inline]
    fn insert_in(&mut self, blocks: &mut Blocks, at: usize, key: &Key, code_min: u8) -> Option<bool> {
        // Some places stay free, so that keys seldom stray.
        let is_full = self.used() >= self.groups() * PLACES * FULL_PERCENT / 100;
        let (head, rests) = self.group_mut(blocks, at);
        let (place, change) = head.make_room(code_min)?;
        if is_full && change > 0 {
            return Some(false);
        }
        head.set(place, key);
        rests.set(place, key);
        self.used = self.used.checked_add_signed(change).expect("no more places are emptied than were in use");
        Some(true)
    }

    /// Counts codes from the oldest generation that is kept. A window spans fewer generations than there are codes, so
    /// from here on the current one has a code. Only the heads are written.
    pub(super) fn recode(&mut self, blocks: &mut Blocks, kept_from: i64) {
        let code_min = self.code_min(kept_from);
        let recode = |heads: &mut [Head]| heads.iter_mut().map(|head| head.recode(code_min)).sum::<u32>();
        self.used = match &mut self.apart {
            None => self.blocks[..self.groups as usize / BLOCK_GROUPS]
                .iter()
                .map(|block| recode(&mut blocks.get_mut(*block).heads))
                .sum(),
            Some(apart) => recode(&mut apart.heads),
        };
        self.base = self.base.max(kept_from);
    }

    /// Writes another code to a key.
    pub(super) fn set_code(&mut self, blocks: &mut Blocks, (at, place): (usize, usize), code: u8) {
        let (head, rests) = self.group_mut(blocks, at);
        let key = rests.key(head, place).with_code(code);
        head.set(place, &key);
    }

    /// Writes another answer to a key.
    pub(super) fn set_answer(&mut self, blocks: &mut Blocks, (at, place): (usize, usize), answer: u8) {
        let (head, rests) = self.group_mut(blocks, at);
        let key = rests.key(head, place).with_answer(answer);
        head.set(place, &key);
    }

    /// How many keys there are of the generations from a given one on.
    pub(super) fn count(&self, blocks: &Blocks, kept_from: i64) -> usize {
        let code_min = self.code_min(kept_from);
        let mut keys = 0;
        self.each_part(blocks, |heads, _| {
            keys += heads.iter().map(|head| head.live(code_min).count_ones() as usize).sum::<usize>();
        });
        keys
    }

    /// Calls with each of these keys, in no order.
    #[inline]
    pub(super) fn each(&self, blocks: &Blocks, kept_from: i64, mut take: impl FnMut(Key)) {
        let code_min = self.code_min(kept_from);
        self.each_part(blocks, |heads, rests| {
            for (head, rests) in heads.iter().zip(rests) {
                places(head.live(code_min)).for_each(|place| take(rests.key(head, place)));
            }
        });
    }

    /// Calls with groups that lie together, until it was all.
    #[inline]
    fn each_part(&self, blocks: &Blocks, mut take: impl FnMut(&[Head], &[Rests])) {
        match &self.apart {
            None => {
                for block in &self.blocks[..self.groups() / BLOCK_GROUPS] {
                    let block = blocks.get(*block);
                    take(&block.heads, &block.rests);
                }
            }
            Some(apart) => take(&apart.heads, &apart.rests),
        }
    }
}

/// What the heads of a key's two groups tell: where there is room, and where the key may stand.
struct Glance<'a> {
    homes: Homes,
    first: &'a Head,
    rests: [&'a Rests; 2],
    rooms: [u32; 2],
    candidates: [u32; 2],
}

/// The two groups of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Homes {
    pub(super) first: usize,
    pub(super) second: usize,
}

impl Homes {
    /// The groups of a key in a segment with so many of them. The bits that all keys there have in common do not count.
    #[inline]
    pub(super) fn of(probe: Probe, depth: u32, groups: usize) -> Self {
        let scale = |bits: u64| index(((bits >> 32) * groups as u64) >> 32);
        Self { first: scale(probe.first << depth), second: scale(probe.second) }
    }

    /// The one with more room.
    #[inline]
    const fn roomier(self, rooms: [u32; 2]) -> usize {
        if are_more(rooms[0], rooms[1]) { self.second } else { self.first }
    }
}

/// The group behind a group; behind the last one is the first.
#[inline]
pub(super) const fn next(at: usize, groups: usize) -> usize {
    if at + 1 == groups { 0 } else { at + 1 }
}

/// A number of things in memory as an index.
#[inline]
pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).expect("what is in memory can be counted in its words")
}
