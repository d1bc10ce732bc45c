//! Blocks of groups, all of one size and handed out again when they are given back, so that segments of any size leave
//! no gaps in memory.

use bytemuck::{Pod, Zeroable};
use tallystick_contract::heap_size::heap_size;

use crate::pages::Pages;

use super::group::{Head, Rests};

/// Groups in a block: 10 KiB.
pub(super) const BLOCK_GROUPS: usize = 32;

/// Groups that follow each other, their heads before all else.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Block {
    pub(super) heads: [Head; BLOCK_GROUPS],
    pub(super) rests: [Rests; BLOCK_GROUPS],
}

/// All blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pages: Pages<Block>,
    /// Blocks that were given back.
    free: Vec<u32>,
}

heap_size!(Blocks { pages, free });

impl Blocks {
    /// A block whose places were never used.
    pub(super) fn take(&mut self) -> u32 {
        if let Some(block) = self.free.pop() {
            self.get_mut(block).heads = Zeroable::zeroed();
            return block;
        }
        u32::try_from(self.pages.grow()).expect("memory ends before the numbers of blocks do")
    }

    pub(super) fn give_back(&mut self, block: u32) {
        self.free.push(block);
    }

    #[inline]
    pub(super) fn get(&self, block: u32) -> &Block {
        self.pages.get(block as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, block: u32) -> &mut Block {
        self.pages.get_mut(block as usize)
    }
}
