//! What changed since it was last asked: positions, merged (latest wins), with the ids that an event carries through to
//! what it causes.

use hashbrown::HashTable;
use tallystick_contract::account::STORED;
use tallystick_contract::balance::Claimed;
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::{GOLDEN, fold};

use crate::stock::Spot;
/// One position's amounts at some time, without its names: those never change, and the engine knows them by the spot.
///
/// ```
/// use tallystick_contract::config::Config;
/// use tallystick_engine::{Batch, Engine};
///
/// let mut engine = Engine::new(Config::default(), [0; 16]);
/// let lines = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}
/// {"id":"2","source":"shop","type":"stock.reserved","sku":"LAMP","location":"DC1","quantity":2}"#;
/// engine.apply_ndjson(lines, 1, None, &mut Batch::new()).unwrap();
/// let changed = engine.take_changed(); // once, however often it changed
/// assert_eq!((changed.len(), changed[0].version, changed[0].unclaimed()), (1, 2, 3_000));
/// assert_eq!(engine.balance(changed[0].spot).key.sku, "LAMP");
/// assert!(engine.take_changed().is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedPosition {
    /// Where the position is.
    pub spot: Spot,
    /// Its stored accounts, by [`Account::slot`], in thousandths, with what is claimed beside them.
    pub accounts: [i64; STORED],
    /// What is claimed beside the accounts.
    pub claimed: Claimed,
    /// What can be promised today beyond what is on the shelf and unclaimed at once.
    pub ahead: i64,
    /// The log sequence that it reflects.
    pub version: u64,
}

impl ChangedPosition {
    /// What is on the shelf and unclaimed at once, before safety stock and what waits for an approval.
    pub fn unclaimed(&self) -> i64 {
        let [on_hand, reserved, allocated, ..] = self.accounts;
        let Claimed { reserved: beside_reserved, allocated: beside_allocated, ordered, unpicked } = self.claimed;
        let accounts = (reserved - beside_reserved).max(0) + (allocated - beside_allocated).max(0);
        on_hand - unpicked - accounts - beside_reserved - beside_allocated - ordered
    }
}

/// Ids that an event carries through to what it causes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracing {
    /// `correlationid`
    pub correlation: Option<Box<str>>,
    /// `causationid`
    pub causation: Option<Box<str>>,
}

heap_size!(Tracing { correlation, causation });

/// Ids by position. Only asked for one by one.
#[derive(Debug, Default)]
pub(crate) struct Tracings(HashTable<(u32, Tracing)>);

heap_size!(Tracings(tracings));

impl Tracings {
    /// The ids that came with the latest change of a position.
    pub(crate) fn get(&self, position: u32) -> Option<&Tracing> {
        self.0.find(Self::hash(position), |(known, _)| *known == position).map(|(_, tracing)| tracing)
    }

    fn insert(&mut self, position: u32, tracing: Tracing) {
        let entry =
            self.0.entry(Self::hash(position), |(known, _)| *known == position, |(known, _)| Self::hash(*known));
        entry.insert((position, tracing));
    }

    fn remove(&mut self, position: u32) {
        if let Ok(entry) = self.0.find_entry(Self::hash(position), |(known, _)| *known == position) {
            entry.remove();
        }
    }

    /// Positions are numbered by the engine, so nobody can craft numbers that pile up.
    fn hash(position: u32) -> u64 {
        fold(u64::from(position) ^ GOLDEN, GOLDEN)
    }
}

/// Changed positions of one part of the stock, in the order in which they first changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    changed: Vec<u32>,
    /// One bit per position: whether it stands in `changed`.
    marks: Vec<u64>,
    /// The ids that came with the latest change of a position, where there were any.
    tracings: Tracings,
    /// Events that were posted before each first change, where parts have to be put in order.
    ordinals: Option<Vec<u64>>,
}

heap_size!(Changes { changed, marks, tracings, ordinals });

/// What [`Changes::take`] gives.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) changed: Vec<u32>,
    pub(crate) ordinals: Vec<u64>,
    pub(crate) tracings: Tracings,
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
            Some(tracing) => self.tracings.insert(position, tracing),
            None if self.tracings.0.is_empty() => {}
            None => self.tracings.remove(position),
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
}
