//! Strings → dense ids. Names are stored once; everything behind the decoder compares and hashes 32-bit ids.

use prefetch_index::prefetch_index;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::STRINGS_MAX;

use crate::hash::{of_name, pack};
use crate::index::Index;

/// The id of a name. `NONE` is the empty string, which stands for "no lot" and "no owner".
pub type NameId = u32;

/// The id of the empty string.
pub const NONE: NameId = 0;

/// All names, in the order in which they were first seen.
///
/// ```
/// use tallystick_tables::intern::{Interner, NONE};
///
/// let mut names = Interner::new(42);
/// let lamp = names.intern("LAMP").unwrap();
/// assert_eq!(names.intern("LAMP"), Some(lamp)); // known already
/// assert_eq!((names.name(lamp), names.find("DESK")), ("LAMP", None));
/// assert_eq!(names.find(""), Some(NONE)); // no lot, no owner
/// ```
#[derive(Debug)]
pub struct Interner {
    /// A short name stands here itself: its bytes, zeros, its length. A long one has [`LONG`] for its length and stands
    /// in `long`.
    records: Vec<Record>,
    long: String,
    ids: Index,
    seed: u64,
}

heap_size!(Interner { records, long, ids, seed });

/// Sixteen bytes: most names are compared by one look at them.
type Record = [u8; 16];

/// Marks a long name in the last byte: its place stands in the first eight bytes, its length in the next four.
const LONG: u8 = 0xFF;

impl Interner {
    /// An interner that knows only the empty string. The seed keeps crafted names from piling up in one place.
    pub fn new(seed: u64) -> Self {
        // The empty string has the first id and no place in the index: it is the name that is asked for most.
        Self { records: vec![[0; 16]], long: String::new(), ids: Index::default(), seed }
    }

    /// The hash of a name, for [`Self::find_hashed`].
    #[inline]
    pub fn hash(&self, name: &str) -> u64 {
        of_name(self.seed, name)
    }

    /// The id of a name that is already known.
    pub fn find(&self, name: &str) -> Option<NameId> {
        self.find_hashed(name, self.hash(name))
    }

    /// Finds a name whose hash is known, too.
    #[inline]
    pub fn find_hashed(&self, name: &str, hash: u64) -> Option<NameId> {
        if name.is_empty() {
            return Some(NONE);
        }
        match pack(name) {
            Some(words) => {
                let record = record(words);
                self.ids.find(hash, |id| self.records[id as usize] == record)
            }
            None => self.ids.find(hash, |id| self.is_long(id) && self.name(id) == name),
        }
    }

    /// Asks for the memory that [`Self::find_hashed`] will need first.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.ids.prefetch(hash);
    }

    /// Asks for the memory that [`Self::find_hashed`] will need then.
    #[inline]
    pub fn prefetch_name(&self, hash: u64) {
        if let Some(id) = self.ids.candidate(hash) {
            prefetch_index(&self.records, id as usize);
        }
    }

    /// The id of a name, new or known; nothing when there are too many names.
    pub fn intern(&mut self, name: &str) -> Option<NameId> {
        let hash = self.hash(name);
        if let Some(id) = self.find_hashed(name, hash) {
            return Some(id);
        }
        if self.records.len() >= STRINGS_MAX {
            return None;
        }
        let id = NameId::try_from(self.records.len()).ok()?;
        self.push(name);
        self.ids.insert(hash, id);
        Some(id)
    }

    /// Names in their order, none of them known; nothing where one stands there twice. The interner must be empty.
    ///
    /// # Errors
    /// Those of the names.
    pub fn put_back<E>(&mut self, names: impl Iterator<Item = Result<impl AsRef<str>, E>>) -> Result<Option<()>, E> {
        let mut hashes = Vec::new();
        for name in names {
            let name = name?;
            let name = name.as_ref();
            if name.is_empty() || self.records.len() >= STRINGS_MAX {
                return Ok(None);
            }
            hashes.push(self.hash(name));
            self.push(name);
        }
        let ids = Index::build(NONE + 1, &hashes, |one, other| self.name(one) == self.name(other));
        Ok(ids.map(|ids| self.ids = ids))
    }

    /// Adds a name without its place in the index.
    fn push(&mut self, name: &str) {
        let words = pack(name).unwrap_or_else(|| {
            let place = self.long.len() as u64;
            self.long.push_str(name);
            [place, u64::from(LONG) << 56 | name.len() as u64]
        });
        self.records.push(record(words));
    }

    /// The name with an id.
    pub fn name(&self, id: NameId) -> &str {
        let record = &self.records[id as usize];
        let [text @ .., length] = record;
        if *length == LONG {
            let (place, length) = (u64_at(text, 0), u64_at(text, 7) >> 8 & 0xFFFF_FFFF);
            return &self.long[usize_of(place)..usize_of(place + length)];
        }
        std::str::from_utf8(&text[..usize::from(*length)]).expect("a record holds a whole name")
    }

    /// How many names there are, the empty one included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none; never true, since the empty name is always known.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn is_long(&self, id: NameId) -> bool {
        self.records[id as usize][15] == LONG
    }
}

fn record([low, high]: [u64; 2]) -> Record {
    let mut record = [0; 16];
    let (first, last) = record.split_at_mut(8);
    first.copy_from_slice(&low.to_le_bytes());
    last.copy_from_slice(&high.to_le_bytes());
    record
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from_le_bytes(*bytes[place..].first_chunk().expect("eight bytes of a record"))
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
        // Short, long, and beyond ASCII.
        let names: Vec<_> = ["sku", "a-name-that-is-longer-than-a-record", "größe"]
            .iter()
            .flat_map(|start| (0..1_000).map(move |n| format!("{start}-{n}")))
            .collect();
        let ids: Vec<_> = names.iter().map(|name| interner.intern(name).unwrap()).collect();
        for (name, id) in names.iter().zip(&ids) {
            assert_eq!(interner.intern(name), Some(*id));
            assert_eq!(interner.name(*id), name);
        }
        assert_eq!((interner.len(), interner.find("sku-1000"), interner.name(NONE)), (3_001, None, ""));

        let put_back = |names: &[&str]| {
            let mut again = Interner::new(7);
            let is_sound = again.put_back(names.iter().map(Ok::<_, ()>)).unwrap().is_some();
            is_sound.then_some(again)
        };
        let again = put_back(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert!(names.iter().zip(ids).all(|(name, id)| again.find(name) == Some(id) && again.name(id) == name));
        assert_eq!(again.find("sku-1000"), None);
        assert!(put_back(&["a", "b", "a"]).is_none() && put_back(&["a", ""]).is_none() && put_back(&[]).is_some());
        assert!(Interner::new(7).put_back(["a"].iter().map(|_| Err::<&str, _>("no name"))).is_err());
    }
}
