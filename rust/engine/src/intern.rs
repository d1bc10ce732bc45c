//! Strings → dense ids. Names are stored once; everything behind the decoder compares and hashes 32-bit ids.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::limits::STRINGS_MAX;

/// The id of a name. `NONE` is the empty string, which stands for "no lot" and "no owner".
pub type NameId = u32;

/// The id of the empty string.
pub const NONE: NameId = 0;

/// All names, in the order in which they were first seen.
#[derive(Debug)]
pub struct Interner {
    bytes: String,
    /// Where each name ends in `bytes`; it begins where its predecessor ends.
    ends: Vec<u64>,
    ids: HashTable<NameId>,
    seed: u64,
}

impl Interner {
    /// An interner that knows only the empty string. The seed keeps crafted names from piling up in one place.
    pub fn new(seed: u64) -> Self {
        // The empty string has the first id and no place in the table: it is the name that is asked for most.
        let mut interner = Self { bytes: String::new(), ends: Vec::new(), ids: HashTable::new(), seed };
        interner.ends.push(0);
        interner
    }

    /// The id of a name that is already known.
    pub fn find(&self, name: &str) -> Option<NameId> {
        if name.is_empty() {
            return Some(NONE);
        }
        self.ids.find(self.hash(name), |id| self.name(*id) == name).copied()
    }

    /// The id of a name, new or known; nothing when there are too many names.
    pub fn intern(&mut self, name: &str) -> Option<NameId> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        if self.ends.len() >= STRINGS_MAX {
            return None;
        }
        let id = NameId::try_from(self.ends.len()).ok()?;
        self.bytes.push_str(name);
        self.ends.push(self.bytes.len() as u64);
        let Self { bytes, ends, ids, seed } = self;
        ids.insert_unique(xxh3_64_with_seed(name.as_bytes(), *seed), id, |known| {
            xxh3_64_with_seed(slice(bytes, ends, *known).as_bytes(), *seed)
        });
        Some(id)
    }

    /// The name with an id.
    pub fn name(&self, id: NameId) -> &str {
        slice(&self.bytes, &self.ends, id)
    }

    /// How many names there are, the empty one included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none; never true, since the empty name is always known.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes held: text, ends, table.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u64>() + self.ids.allocation_size()
    }

    fn hash(&self, name: &str) -> u64 {
        xxh3_64_with_seed(name.as_bytes(), self.seed)
    }
}

fn slice<'a>(bytes: &'a str, ends: &[u64], id: NameId) -> &'a str {
    let place = id as usize;
    let start = if place == 0 { 0 } else { ends[place - 1] };
    &bytes[usize_of(start)..usize_of(ends[place])]
}

/// A place in memory; what was stored came from a `usize`.
fn usize_of(place: u64) -> usize {
    usize::try_from(place).expect("a place in memory fits the machine's word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_ids() {
        let mut interner = Interner::new(7);
        assert_eq!(interner.find(""), Some(NONE));
        let ids: Vec<_> = (0..1_000).map(|n| interner.intern(&format!("sku-{n}")).unwrap()).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(interner.intern(&format!("sku-{n}")), Some(*id));
            assert_eq!(interner.name(*id), format!("sku-{n}"));
        }
        assert_eq!((interner.len(), interner.find("sku-1000")), (1_001, None));
    }
}
