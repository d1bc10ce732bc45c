//! What changed since it was last asked: positions, merged (latest wins), with the ids that an event carries through to what it causes.

use std::collections::BTreeMap;

/// Ids that an event carries through to what it causes.
#[derive(Debug, Clone, Default)]
pub struct Tracing {
    /// `correlationid`
    pub correlation: Option<Box<str>>,
    /// `causationid`
    pub causation: Option<Box<str>>,
}

/// Changed positions of one part of the stock, in the order in which they first changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    changed: Vec<u32>,
    /// One bit per position: whether it stands in `changed`.
    marks: Vec<u64>,
    /// The ids that came with the latest change of a position, where there were any.
    tracings: BTreeMap<u32, Tracing>,
    /// Elements of the log before each first change, where parts have to be put in order.
    ordinals: Option<Vec<u64>>,
}

/// What [`Changes::take`] gives.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) changed: Vec<u32>,
    pub(crate) ordinals: Vec<u64>,
    pub(crate) tracings: BTreeMap<u32, Tracing>,
}

impl Changes {
    /// Nothing yet. Ordinals are kept only where they are needed.
    pub(crate) fn new(is_part: bool) -> Self {
        Self { ordinals: is_part.then(Vec::new), ..Self::default() }
    }

    /// Notes that a position changed, and because of what.
    #[inline]
    pub(crate) fn touch(&mut self, position: u32, ordinal: u64, tracing: Option<Tracing>) {
        let (word, bit) = (position as usize / 64, 1 << (position % 64));
        if word >= self.marks.len() {
            self.marks.resize(word + 1, 0);
        }
        if self.marks[word] & bit == 0 {
            self.marks[word] |= bit;
            self.changed.push(position);
            if let Some(ordinals) = &mut self.ordinals {
                ordinals.push(ordinal);
            }
        }
        match tracing {
            Some(tracing) => drop(self.tracings.insert(position, tracing)),
            None if self.tracings.is_empty() => {}
            None => drop(self.tracings.remove(&position)),
        }
    }

    /// Takes all of it.
    pub(crate) fn take(&mut self) -> Taken {
        let changed = std::mem::take(&mut self.changed);
        for position in &changed {
            self.marks[*position as usize / 64] = 0;
        }
        let ordinals = self.ordinals.as_mut().map(std::mem::take).unwrap_or_default();
        Taken { changed, ordinals, tracings: std::mem::take(&mut self.tracings) }
    }

    /// Whether nothing changed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// Bytes held.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.marks.capacity() * size_of::<u64>()
            + self.changed.capacity() * size_of::<u32>()
            + self.ordinals.as_ref().map_or(0, |ordinals| ordinals.capacity() * size_of::<u64>())
            + self.tracings.len() * size_of::<(u32, Tracing)>()
    }
}
