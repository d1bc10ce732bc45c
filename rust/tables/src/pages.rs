//! Growable storage of records of one size that never moves them: what is stored is not copied again because more is,
//! and no event waits for it. The first records stand in a vector, so that little costs little, the others in blocks of
//! one size.
//!
//! Blocks come from the ordinary allocator in ordinary pages. Huge pages were measured against that: a read at random
//! gets shorter by less than a third, and each new page costs milliseconds when it is first touched
//! (`docs/design.md`).

use bytemuck::Pod;
use bytemuck::allocation::zeroed_slice_box;
use prefetch_index::prefetch_index;
use tallystick_contract::heap_size::HeapSize;

/// What a block, and the vector, have at most. An allocator gets that much zeroed from the system, page by page as it
/// is touched.
const BLOCK_BYTES: usize = 2 << 20;
/// What memory comes in.
const LINE_BYTES: usize = 64;

/// Records that stay where they are. A record's index is how many there were before it.
///
/// ```
/// use tallystick_tables::pages::Pages;
///
/// let mut pages = Pages::<[u64; 2]>::new();
/// let index = pages.grow();
/// assert_eq!(*pages.get(index), [0, 0]);
/// pages.get_mut(index)[1] = 5;
/// pages.grow(); // moves nothing
/// assert_eq!((*pages.get(index), pages.len()), ([0, 5], 2));
/// ```
pub struct Pages<R> {
    first: Vec<R>,
    blocks: Vec<Box<[R]>>,
    len: usize,
}

impl<R: Pod> Pages<R> {
    /// Records in a block: a power of two, so that where a record is takes no division.
    const IN_BLOCK: usize = 1 << (BLOCK_BYTES / size_of::<R>()).ilog2();

    /// No record and no memory yet.
    pub const fn new() -> Self {
        assert!(size_of::<R>() > 0 && size_of::<R>() <= BLOCK_BYTES);
        Self { first: Vec::new(), blocks: Vec::new(), len: 0 }
    }

    /// Records.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a record whose bytes are all zero, and gives its index. As with any growing collection, the process does
    /// not outlive a lack of memory.
    pub fn grow(&mut self) -> usize {
        let index = self.len;
        if index < Self::IN_BLOCK {
            // Doubled by hand, because a vector would go beyond the last record that it will ever hold.
            if index == self.first.capacity() {
                self.first.reserve_exact((index * 2).clamp(1, Self::IN_BLOCK) - index);
            }
            self.first.push(R::zeroed());
        } else if index / Self::IN_BLOCK > self.blocks.len() {
            self.blocks.push(zeroed_slice_box(Self::IN_BLOCK));
        }
        self.len += 1;
        index
    }

    /// The record with an index that [`Self::grow`] gave.
    #[inline]
    pub fn get(&self, index: usize) -> &R {
        match (index / Self::IN_BLOCK).checked_sub(1) {
            None => &self.first[index],
            Some(block) => &self.blocks[block][index % Self::IN_BLOCK],
        }
    }

    /// A record, to write to.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> &mut R {
        match (index / Self::IN_BLOCK).checked_sub(1) {
            None => &mut self.first[index],
            Some(block) => &mut self.blocks[block][index % Self::IN_BLOCK],
        }
    }

    /// Asks for the memory of a record that will be needed soon: its first two lines of cache.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        let records = match (index / Self::IN_BLOCK).checked_sub(1) {
            None => &*self.first,
            Some(block) => &*self.blocks[block],
        };
        let (bytes, begin) = (bytemuck::cast_slice::<R, u8>(records), index % Self::IN_BLOCK * size_of::<R>());
        prefetch_index(bytes, begin);
        if size_of::<R>() > LINE_BYTES {
            prefetch_index(bytes, begin + LINE_BYTES);
        }
    }
}

/// By hand, because records are plain bytes that hold nothing. What of the last block was never touched is held, and
/// takes no memory yet.
impl<R: Pod> HeapSize for Pages<R> {
    fn heap_bytes(&self) -> usize {
        let blocks = self.blocks.capacity() * size_of::<Box<[R]>>();
        self.first.capacity() * size_of::<R>() + blocks + self.blocks.len() * Self::IN_BLOCK * size_of::<R>()
    }
}

impl<R: Pod> Default for Pages<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Pod> std::fmt::Debug for Pages<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("len", &self.len).field("heap_bytes", &self.heap_bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills pages with numbers and reads them back, through all their kinds of memory.
    fn fill<const WORDS: usize>(records: usize)
    where
        [u64; WORDS]: Pod,
    {
        let mut pages = Pages::<[u64; WORDS]>::new();
        assert_eq!((pages.heap_bytes(), pages.is_empty()), (0, true));
        for index in 0..records {
            assert_eq!(pages.grow(), index);
            assert_eq!(*pages.get(index), [0; WORDS], "new records are zero");
            *pages.get_mut(index) = [index as u64; WORDS];
            let used = (index + 1) * WORDS * 8;
            let bytes = pages.heap_bytes();
            assert!(bytes >= used && bytes <= 2 * used + BLOCK_BYTES + 1024, "{bytes} for {used}");
        }
        assert!((0..records).all(|index| *pages.get(index) == [index as u64; WORDS]));
        assert_eq!(pages.len(), records);
    }

    #[test]
    fn records_keep_their_values_through_every_growth() {
        fill::<1>(BLOCK_BYTES / 8 * 3 + 3);
        // A size that does not divide a block.
        fill::<40>(BLOCK_BYTES / 320 * 3 + 3);
        fill::<1280>(5_000);
    }
}
