//! Line: one line of a document for one SKU, with all that is known of it and what it claims where.

use smallvec::SmallVec;
use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_tables::intern::NameId;

use crate::calendar::Due;
use crate::claims::book::fact::{Fact, FactKind, Hold, Statement};
use crate::read::directive::Side;
use crate::read::line_number::OwnLineNumber;
use crate::schedule::Given;
use crate::stock::Spot;
/// A position at which a line is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinePlace {
    pub(crate) spot: Spot,
    /// The name of its location in its part of the stock.
    pub(crate) location: NameId,
    /// Of supply: the schedule line that it has there; zero for none.
    pub(crate) serial: u64,
}

flat!(LinePlace);

/// An event that was noted, by what tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noted {
    /// Half of its fingerprint.
    pub(crate) key: u64,
    pub(crate) time_ns: i64,
    /// In thousandths.
    pub(crate) amount: i64,
    pub(crate) spot: Spot,
}

/// What a person was told of a line.
#[expect(clippy::struct_excessive_bools, reason = "each is told, and settled, by itself")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags {
    pub(crate) is_below_zero: bool,
    pub(crate) is_used_after_closing: bool,
    pub(crate) is_clashing: bool,
    pub(crate) is_unallocated: bool,
}

flat!(Flags);

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) side: Side,
    /// The number of its document.
    pub(crate) document: u32,
    /// Nothing for what was said without a line.
    pub(crate) number: Option<OwnLineNumber>,
    /// The part of the stock that its SKU falls to, and the SKU's name there.
    pub(crate) part: u32,
    pub(crate) sku: NameId,
    /// In the order of their names.
    pub(crate) places: SmallVec<[LinePlace; 1]>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) holds: Vec<Hold>,
    /// When requests of its document that name no line came, where it was shared out to.
    pub(crate) asked_loosely: Vec<i64>,
    /// By place, how much of what is ordered without a line is that of other lines, where it was shared out.
    pub(crate) covered: Vec<i128>,
    /// What it claims, by position.
    pub(crate) given: SmallVec<[Given; 1]>,
    pub(crate) told: Flags,
    /// Whether it is to be looked at once the element is done.
    pub(crate) is_touched: bool,
    /// The log's time when something was said of it last.
    pub(crate) touched_ns: i64,
}

heap_size! {
    Line {
        side, document, number, part, sku, places, facts, statements, holds, asked_loosely, covered, given, told,
        is_touched, touched_ns,
    }
}

impl Line {
    /// A line of which nothing is known yet.
    pub(crate) fn new(side: Side, document: u32, number: Option<OwnLineNumber>, (part, sku): (u32, NameId)) -> Self {
        Self {
            side,
            document,
            number,
            part,
            sku,
            places: SmallVec::new(),
            facts: Vec::new(),
            statements: Vec::new(),
            holds: Vec::new(),
            asked_loosely: Vec::new(),
            covered: Vec::new(),
            given: SmallVec::new(),
            told: Flags::default(),
            is_touched: false,
            touched_ns: i64::MIN,
        }
    }

    /// The place of a position, if the line is known there.
    pub(crate) fn find_place(&self, spot: Spot) -> Option<u32> {
        let place = self.places.iter().position(|place| place.spot == spot)?;
        Some(narrow(place))
    }

    /// The place of a position, new if need be. `is_before` tells whether a position's names come before those of this
    /// one.
    pub(crate) fn place(&mut self, spot: Spot, location: NameId, is_before: impl Fn(Spot) -> bool) -> u32 {
        if let Some(place) = self.find_place(spot) {
            return place;
        }
        let at = self.places.iter().take_while(|place| is_before(place.spot)).count();
        self.places.insert(at, LinePlace { spot, location, serial: 0 });
        let at = narrow(at);
        // What stands behind it has another number now.
        let shift = |place: &mut u32| *place += u32::from(*place >= at);
        self.facts.iter_mut().for_each(|fact| shift(&mut fact.place));
        self.statements.iter_mut().for_each(|statement| shift(&mut statement.place));
        self.holds.iter_mut().for_each(|hold| shift(&mut hold.place));
        at
    }

    /// Lets its days at a place fall into other buckets.
    pub(crate) fn rebucket(&mut self, place: usize, bucket_of: impl Fn(Due) -> i32) {
        let is_here = |at: u32| at as usize == place;
        for statement in self.statements.iter_mut().filter(|statement| is_here(statement.place)) {
            statement.bucket = statement.due.map_or(statement.bucket, &bucket_of);
        }
        for hold in self.holds.iter_mut().filter(|hold| is_here(hold.place)) {
            hold.bucket = hold.due.map_or(hold.bucket, &bucket_of);
        }
    }

    /// When it was closed by word at a place, as far as that was said of the line itself.
    pub(crate) fn closed_ns(&self, place: u32) -> Option<i64> {
        self.closed_by(place, i64::MAX)
    }

    /// When it was closed by word at a place at or before a time.
    pub(crate) fn closed_by(&self, place: u32, until_ns: i64) -> Option<i64> {
        let location = self.places[place as usize].location;
        let here = |fact: &&Fact| fact.kind.is_closing() && self.places[fact.place as usize].location == location;
        let times = self.facts.iter().filter(here).map(|fact| fact.time_ns);
        times.filter(|time_ns| *time_ns <= until_ns).max()
    }

    /// Whether nothing is known of it.
    pub(crate) fn is_blank(&self) -> bool {
        self.facts.is_empty() && self.statements.is_empty() && self.holds.is_empty()
    }

    /// Where the fact is that an event said, if it said one. Of two that are alike the later one is meant.
    pub(crate) fn find_fact(&self, said: &Noted) -> Option<usize> {
        let is_it = |fact: &Fact| {
            (fact.key, fact.time_ns, fact.amount) == (said.key, said.time_ns, said.amount)
                && self.places[fact.place as usize].spot == said.spot
                && !fact.kind.is_closing()
        };
        self.facts.iter().rposition(is_it)
    }

    /// Takes out what an event said, and that nothing more comes, if it said so. True if there was anything.
    pub(crate) fn retract(&mut self, said: &Noted) -> bool {
        let Some(at) = self.find_fact(said) else { return false };
        self.facts.remove(at);
        let closes = |fact: &Fact| {
            (fact.key, fact.time_ns) == (said.key, said.time_ns)
                && self.places[fact.place as usize].spot == said.spot
                && fact.kind.is_closing()
        };
        if let Some(at) = self.facts.iter().rposition(closes) {
            self.facts.remove(at);
        }
        true
    }

    /// Whether anybody has a statement of it in force or not.
    pub(crate) fn is_stated(&self) -> bool {
        !self.statements.is_empty()
    }

    /// The sum of the facts of some kinds at all places.
    pub(crate) fn sum(&self, kinds: &[FactKind]) -> i128 {
        let of = |fact: &&Fact| kinds.contains(&fact.kind);
        self.facts.iter().filter(of).map(|fact| i128::from(fact.amount)).sum()
    }

    /// The sum of the facts of some kinds at one place.
    pub(crate) fn sum_at(&self, place: u32, kinds: &[FactKind]) -> i128 {
        let of = |fact: &&Fact| fact.place == place && kinds.contains(&fact.kind);
        self.facts.iter().filter(of).map(|fact| i128::from(fact.amount)).sum()
    }
}

pub(crate) fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("fewer positions than their limit")
}
