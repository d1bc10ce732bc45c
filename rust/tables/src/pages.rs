//! Growable storage of records of one size that never moves them: what is stored is not copied again because more is.
//! The first records come from the ordinary allocator, so that little costs little; the rest stands in large anonymous
//! maps of memory, in huge pages where the system has them, because a table of gigabytes in pages of 4 KiB spends its
//! time in faults and in the walk through the page tables.

use bytemuck::Pod;
use memmap2::{MmapMut, MmapOptions};
use prefetch_index::prefetch_index;
use tallystick_contract::heap_size::HeapSize;

/// What the ordinary allocator holds at most, and the unit in which maps come to be backed by memory: a huge page.
const PAGE_BYTES: usize = 2 << 20;
/// What memory comes in.
const LINE_BYTES: usize = 64;
/// One map. A map is backed by memory only where it was touched, so this costs addresses and no memory.
const MAP_BYTES: usize = 16 * PAGE_BYTES;

/// Records that stay where they are. A record's index is how many there were before it.
pub struct Pages<R> {
    first: Vec<R>,
    maps: Vec<MmapMut>,
    len: usize,
}

impl<R: Pod> Pages<R> {
    /// Records that the ordinary allocator holds.
    const IN_FIRST: usize = PAGE_BYTES / size_of::<R>();
    /// Records in a map.
    const IN_MAP: usize = MAP_BYTES / size_of::<R>();

    /// No record and no memory yet.
    pub const fn new() -> Self {
        assert!(size_of::<R>() > 0 && size_of::<R>() <= PAGE_BYTES && align_of::<R>() <= 4096);
        Self { first: Vec::new(), maps: Vec::new(), len: 0 }
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
        if index < Self::IN_FIRST {
            // Doubled by hand, because a vector would go beyond the last record that it will ever hold.
            if index == self.first.capacity() {
                self.first.reserve_exact((index * 2).clamp(1, Self::IN_FIRST) - index);
            }
            self.first.push(R::zeroed());
        } else if (index - Self::IN_FIRST) / Self::IN_MAP == self.maps.len() {
            self.maps.push(map());
        }
        self.len += 1;
        index
    }

    /// The record with an index that [`Self::grow`] gave.
    #[inline]
    pub fn get(&self, index: usize) -> &R {
        match index.checked_sub(Self::IN_FIRST) {
            None => &self.first[index],
            Some(index) => {
                let begin = index % Self::IN_MAP * size_of::<R>();
                bytemuck::from_bytes(&self.maps[index / Self::IN_MAP][begin..begin + size_of::<R>()])
            }
        }
    }

    /// A record, to write to.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> &mut R {
        match index.checked_sub(Self::IN_FIRST) {
            None => &mut self.first[index],
            Some(index) => {
                let begin = index % Self::IN_MAP * size_of::<R>();
                bytemuck::from_bytes_mut(&mut self.maps[index / Self::IN_MAP][begin..begin + size_of::<R>()])
            }
        }
    }

    /// Asks for the memory of a record that will be needed soon: its first two lines of cache.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        match index.checked_sub(Self::IN_FIRST) {
            None => prefetch_lines::<R>(bytemuck::cast_slice(&self.first), index * size_of::<R>()),
            Some(index) => {
                prefetch_lines::<R>(&self.maps[index / Self::IN_MAP], index % Self::IN_MAP * size_of::<R>());
            }
        }
    }

    /// Bytes taken from the ordinary allocator.
    pub fn allocated_bytes(&self) -> usize {
        self.first.capacity() * size_of::<R>() + self.maps.capacity() * size_of::<MmapMut>()
    }

    /// Bytes of maps that memory stands behind: whole huge pages up to the last record. What lies behind it was never
    /// touched.
    pub fn mapped_bytes(&self) -> usize {
        let records = self.len.saturating_sub(Self::IN_FIRST);
        let last = records % Self::IN_MAP * size_of::<R>();
        records / Self::IN_MAP * MAP_BYTES + last.next_multiple_of(PAGE_BYTES)
    }
}

/// Of maps counts what memory stands behind; the allocator knows nothing of it.
impl<R: Pod> HeapSize for Pages<R> {
    fn heap_bytes(&self) -> usize {
        self.allocated_bytes() + self.mapped_bytes()
    }
}

#[inline]
fn prefetch_lines<R>(bytes: &[u8], begin: usize) {
    prefetch_index(bytes, begin);
    if size_of::<R>() > LINE_BYTES {
        prefetch_index(bytes, begin + LINE_BYTES);
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

/// One more map, all zero.
fn map() -> MmapMut {
    let map = MmapOptions::new().len(MAP_BYTES).map_anon().expect("there is memory to map");
    // Only advice: where it is refused, the pages are small and everything works.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    map
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
            assert!(bytes >= used && bytes <= 2 * used + PAGE_BYTES + 1024, "{bytes} for {used}");
        }
        assert!((0..records).all(|index| *pages.get(index) == [index as u64; WORDS]));
        assert_eq!(pages.len(), records);
    }

    #[test]
    fn records_keep_their_values_through_every_growth() {
        fill::<1>(PAGE_BYTES / 8 + MAP_BYTES / 8 + 3);
        // A size that divides neither page nor map.
        fill::<40>(MAP_BYTES / 320 * 2 + PAGE_BYTES / 320 + 3);
        fill::<1280>(5_000);
    }
}
