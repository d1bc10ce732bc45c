//! Documents: those of which anything was said, by number and by name.

use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::of_name;
use tallystick_tables::staggered::Staggered;

use crate::claims::book::document::Document;
/// All documents. Numbers of those that are gone are used again.
#[derive(Debug)]
pub(crate) struct Documents {
    all: Vec<Option<Document>>,
    free: Vec<u32>,
    by_name: Staggered<u32>,
    seed: u64,
}

heap_size!(Documents { all, free, by_name, seed });

impl Documents {
    pub(crate) fn new(seed: u64) -> Self {
        Self { all: Vec::new(), free: Vec::new(), by_name: Staggered::default(), seed }
    }

    /// A document by its number.
    pub(crate) fn get(&self, number: u32) -> &Document {
        self.all[number as usize].as_ref().expect("lines know documents that are there")
    }

    /// A document by its number, to be changed.
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Document {
        self.all[number as usize].as_mut().expect("lines know documents that are there")
    }

    /// The number of a document, if anything was said of it.
    pub(crate) fn find(&self, space: &str, name: &str) -> Option<u32> {
        let is_it = |number: &u32| {
            let known = self.get(*number);
            known.name() == name && known.space() == space
        };
        self.by_name.find(hash(self.seed, space, name), is_it).copied()
    }

    /// The number of a document, new if need be.
    pub(crate) fn enter(&mut self, space: &str, name: &str) -> u32 {
        if let Some(number) = self.find(space, name) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            u32::try_from(self.all.len() - 1).expect("fewer documents than 2^32")
        });
        self.all[number as usize] = Some(Document::new(space, name));
        let (all, seed) = (&self.all, self.seed);
        self.by_name.insert_unique(hash(seed, space, name), number, |number| {
            let known = all[*number as usize].as_ref().expect("it was entered");
            hash(seed, known.space(), known.name())
        });
        number
    }

    /// All of them, by number.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let is_there = |(number, document): (u32, &Option<Document>)| document.is_some().then_some(number);
        (0..).zip(&self.all).filter_map(is_there).collect()
    }

    /// Forgets those of which no line is left and that were touched last before a time.
    pub(crate) fn forget(&mut self, before_ns: i64) {
        for number in self.numbers() {
            let document = self.get(number);
            if !document.lines.is_empty() || document.touched_ns >= before_ns {
                continue;
            }
            let hash = hash(self.seed, document.space(), document.name());
            self.by_name.remove(hash, |known| *known == number);
            self.all[number as usize] = None;
            self.free.push(number);
        }
    }
}

/// Names are hashed under the secret seed, so nobody can craft documents that pile up.
fn hash(seed: u64, space: &str, name: &str) -> u64 {
    of_name(seed, name) ^ if space.is_empty() { 0 } else { of_name(seed, space).rotate_left(32) }
}
