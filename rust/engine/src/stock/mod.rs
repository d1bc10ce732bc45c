//! The stock: all positions, divided by SKU into parts with names and a ledger of their own. What an event changes lies
//! within one part, because its positions share their SKU.

pub(crate) mod changes;
pub(crate) mod counts;
pub(crate) mod draft;
pub(crate) mod history;
mod image;
pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod legs;
pub(crate) mod lookup;
pub(crate) mod nets;
pub(crate) mod post;
pub(crate) mod revision;
pub(crate) mod shelf;

use tallystick_contract::heap_size::{HeapSize, flat};
use tallystick_contract::limits::POSITIONS_MAX;
use tallystick_tables::hash::of_name;
use tallystick_tables::index::scale;
use tallystick_tables::intern::Interner;

use crate::stock::changes::{Changes, Tracing, Tracings};
use crate::stock::journal::Journal;
use crate::stock::ledger::{Ledger, Position};
use crate::stock::nets::Nets;
use crate::stock::shelf::Shelves;
/// The names of a position: SKU, location, lot and owner; empty for none.
pub(crate) type PositionNames = [Box<str>; 4];

/// Where a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The part's number.
    pub(crate) part: u32,
    /// The position's place in the part's ledger.
    pub(crate) place: u32,
}

flat!(Spot);

/// The positions of some SKUs.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) names: Interner,
    pub(crate) ledger: Ledger,
    pub(crate) changes: Changes,
    pub(crate) journal: Journal,
    /// What was shipped and picked beside each other.
    pub(crate) shelves: Shelves,
    /// What was claimed less what was given back, without documents.
    pub(crate) nets: Nets,
    /// Positions with a schedule or with live reservations that changed; all that changed where they are watched.
    pub(crate) promised: Vec<u32>,
    is_watched: bool,
    /// Events that were posted before each position came into being, where parts have to be put in order.
    pub(crate) births: Option<Vec<u64>>,
}

impl Part {
    /// Notes that a position changed, and that it is new if it is.
    #[inline]
    pub(crate) fn touch(&mut self, place: u32, ordinal: u64, tracing: Option<Tracing>) {
        if let Some(births) = &mut self.births
            && place as usize == births.len()
        {
            births.push(BORN_HERE | ordinal);
        }
        if self.is_watched || self.ledger.is_promised(place) {
            self.promised.push(place);
        }
        self.changes.touch(place, ordinal, tracing);
    }

    /// Bytes held, by kind.
    fn memory_bytes(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let Self { names, ledger, changes, journal, shelves, nets, promised, is_watched: _, births } = self;
        let own = [
            ("names", names.heap_bytes()),
            ("shelves", shelves.heap_bytes() + nets.heap_bytes()),
            ("journal", journal.heap_bytes()),
            ("effects", changes.heap_bytes() + promised.heap_bytes() + births.heap_bytes()),
        ];
        own.into_iter().chain(ledger.memory_bytes())
    }
}

/// Positions that came out of a snapshot are numbered below this, and older than all that came into being since.
const BORN_HERE: u64 = 1 << 63;

/// All positions.
#[derive(Debug)]
pub(crate) struct Stock {
    pub(crate) parts: Vec<Part>,
    seed: u64,
}

impl Stock {
    /// Nothing yet.
    pub(crate) fn new(parts: usize, history_max: u16, seed: u64) -> Self {
        let part = || Part {
            names: Interner::new(seed),
            ledger: Ledger::new(history_max, seed),
            changes: Changes::new(parts > 1),
            journal: Journal::default(),
            shelves: Shelves::default(),
            nets: Nets::default(),
            promised: Vec::new(),
            is_watched: false,
            births: (parts > 1).then(Vec::new),
        };
        Self { parts: std::iter::repeat_with(part).take(parts).collect(), seed }
    }

    /// Watches all positions, or only those that something is promised of.
    pub(crate) fn watch(&mut self, is_watched: bool) {
        self.parts.iter_mut().for_each(|part| part.is_watched = is_watched);
    }

    /// The part of a SKU with a hash.
    #[inline]
    pub(crate) fn part_of(&self, sku_hash: u64) -> usize {
        // The index in a part begins with the upper half of the hash.
        if self.parts.len() == 1 { 0 } else { scale(sku_hash << 32, self.parts.len()) }
    }

    /// The part itself in which a SKU is.
    #[inline]
    pub(crate) fn of(&self, sku_hash: u64) -> &Part {
        &self.parts[self.part_of(sku_hash)]
    }

    /// The hash of a name.
    pub(crate) fn hash(&self, name: &str) -> u64 {
        of_name(self.seed, name)
    }

    /// Names for such a stock, none of them known yet.
    pub(crate) fn interner(&self) -> Interner {
        Interner::new(self.seed)
    }

    /// Positions in all parts.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.ledger.len()).sum()
    }

    /// Whether there is room for the positions of so many more events.
    #[inline]
    pub(crate) fn has_room(&self, events: usize) -> bool {
        self.len() + 2 * events <= POSITIONS_MAX
    }

    /// The position at a spot, with its part.
    #[inline]
    pub(crate) fn at(&self, spot: Spot) -> (&Part, &Position) {
        let part = &self.parts[spot.part as usize];
        (part, part.ledger.position(spot.place))
    }

    /// The position with these names; an empty lot or owner means none.
    pub(crate) fn find(&self, names: [&str; 4]) -> Option<Spot> {
        let part = self.part_of(self.hash(names[0]));
        let Part { names: known, ledger, .. } = &self.parts[part];
        let [sku, location, lot, owner] = names.map(|name| known.find(name));
        let place = ledger.find([sku?, location?, lot?, owner?])?;
        Some(Spot { part: number(part), place })
    }

    /// The positions of a SKU, newest first.
    pub(crate) fn spots_of(&self, sku: &str) -> Vec<Spot> {
        let part = self.part_of(self.hash(sku));
        let Part { names, ledger, .. } = &self.parts[part];
        let places = names.find(sku).map(|sku| ledger.places_of(sku));
        places.into_iter().flatten().map(|place| Spot { part: number(part), place }).collect()
    }

    /// The positions of all parts, in no order that would say anything.
    pub(crate) fn spots(&self) -> impl Iterator<Item = Spot> + '_ {
        (0..)
            .zip(&self.parts)
            .flat_map(|(part, stock)| (0..number(stock.ledger.len())).map(move |place| Spot { part, place }))
    }

    /// All positions, in the order in which they came into being.
    pub(crate) fn by_birth(&self) -> Vec<Spot> {
        self.in_order(|part| {
            let places = 0..number(part.ledger.len());
            let births = part.births.clone().unwrap_or_default();
            (places.collect(), births)
        })
    }

    /// Takes what changed, in the order in which it first changed, and by part the ids that came with some of it.
    pub(crate) fn take_changed(&mut self) -> (Vec<Spot>, Vec<Tracings>) {
        let (mut changed, mut tracings) = (Vec::new(), Vec::new());
        for part in &mut self.parts {
            let taken = part.changes.take();
            changed.push((taken.changed, taken.ordinals));
            tracings.push(taken.tracings);
        }
        let mut changed = changed.into_iter();
        (self.in_order(|_| changed.next().unwrap_or_default()), tracings)
    }

    /// Places of all parts, merged by ordinals that grow within each. With one part there is nothing to merge.
    fn in_order(&self, mut places_of: impl FnMut(&Part) -> (Vec<u32>, Vec<u64>)) -> Vec<Spot> {
        if let [part] = &*self.parts {
            return places_of(part).0.into_iter().map(|place| Spot { part: 0, place }).collect();
        }
        let mut all = Vec::new();
        for (part, stock) in (0..).zip(&self.parts) {
            let (places, ordinals) = places_of(stock);
            all.extend(ordinals.into_iter().zip(places).map(|(ordinal, place)| (ordinal, Spot { part, place })));
        }
        // An event's positions lie in one part and keep their order there, because the sort is stable.
        all.sort_by_key(|(ordinal, _)| *ordinal);
        all.into_iter().map(|(_, spot)| spot).collect()
    }

    /// Whether no position has changed.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.parts.iter().all(|part| part.changes.is_empty())
    }

    /// Bytes held, by kind.
    pub(crate) fn memory_bytes(&self) -> Vec<(&'static str, usize)> {
        let Self { parts, seed: _ } = self;
        let mut sums = vec![("names", parts.capacity() * size_of::<Part>())];
        for (kind, bytes) in parts.iter().flat_map(Part::memory_bytes) {
            match sums.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, sum)) => *sum += bytes,
                None => sums.push((kind, bytes)),
            }
        }
        sums
    }
}

/// A number of parts or places, which have 32 bits.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("parts and places have 32 bits")
}
