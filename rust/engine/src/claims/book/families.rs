//! Families: the lines of a document that share facts, by side, part and SKU. Only a document of which something was
//! said without a line has them.

use hashbrown::HashTable;
use smallvec::SmallVec;
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::{GOLDEN, fold};
use tallystick_tables::intern::NameId;

use crate::claims::book::LineKey;
use crate::read::directive::Side;
/// What the lines of a family have in common.
type Name = (Side, u32, NameId);

/// The families of one document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Families {
    all: HashTable<(Name, SmallVec<[u32; 2]>)>,
}

heap_size!(Families { all });

impl Families {
    /// The lines of a family by their numbers in the store, in the order in which they were entered.
    pub(crate) fn lines(&self, line: &LineKey<'_>) -> &[u32] {
        let name = name(line);
        self.all.find(hash(name), |(known, _)| *known == name).map_or(&[], |(_, lines)| lines)
    }

    pub(crate) fn add(&mut self, line: &LineKey<'_>, number: u32) {
        let name = name(line);
        let hash_of = |(name, _): &(Name, SmallVec<_>)| hash(*name);
        let entry = self.all.entry(hash(name), |(known, _)| *known == name, hash_of);
        entry.or_insert_with(|| (name, SmallVec::new())).into_mut().1.push(number);
    }

    pub(crate) fn remove(&mut self, line: &LineKey<'_>, number: u32) {
        let name = name(line);
        let Ok(mut found) = self.all.find_entry(hash(name), |(known, _)| *known == name) else { return };
        let lines = &mut found.get_mut().1;
        lines.retain(|known| *known != number);
        if lines.is_empty() {
            found.remove();
        }
    }
}

const fn name(line: &LineKey<'_>) -> Name {
    (line.side, line.part, line.sku)
}

/// Numbers of parts and SKUs are given by the engine: nobody can craft some that pile up.
fn hash((side, part, sku): Name) -> u64 {
    fold(u64::from(part) << 33 | u64::from(sku) << 1 | side as u64, GOLDEN)
}
