//! Sources: who said something of a line, by number.

use hashbrown::HashTable;
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::of_name;

/// The sources that were heard of, in the order in which they were.
#[derive(Debug)]
pub(crate) struct SourceNames {
    names: Vec<Box<str>>,
    numbers: HashTable<u16>,
    seed: u64,
}

heap_size!(SourceNames { names, numbers, seed });

/// Stands for all sources beyond those that are told apart.
const OTHERS: u16 = u16::MAX;

impl SourceNames {
    pub(crate) fn new(seed: u64) -> Self {
        Self { names: Vec::new(), numbers: HashTable::new(), seed }
    }

    /// The number of a source.
    pub(crate) fn number(&mut self, name: &str) -> u16 {
        let hash = of_name(self.seed, name);
        let names = &self.names;
        if let Some(number) = self.numbers.find(hash, |number| *names[usize::from(*number)] == *name) {
            return *number;
        }
        let Some(number) = u16::try_from(self.names.len()).ok().filter(|number| *number < OTHERS) else {
            return OTHERS;
        };
        self.names.push(name.into());
        let (names, seed) = (&self.names, self.seed);
        self.numbers.insert_unique(hash, number, |number| of_name(seed, &names[usize::from(*number)]));
        number
    }

    /// The name of a source.
    pub(crate) fn name(&self, number: u16) -> &str {
        self.names.get(usize::from(number)).map_or("", |name| name)
    }

    /// All names, by number.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }
}
