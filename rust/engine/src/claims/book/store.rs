//! Store: all lines. Those that something is said of are awake; the others lie packed, because most lines are said
//! something of a few times in weeks.

use std::ops::Deref;

use tallystick_contract::heap_size::heap_size;

use crate::claims::book::LineKey;
use crate::claims::book::heap::{Heap, Unit};
use crate::claims::book::line::Line;
use crate::claims::book::packed::{self, Head};
/// So many lines may be awake before they are packed. Where assertions are checked nearly all are packed at once, so
/// that tests see it done.
const AWAKE_MAX: usize = if cfg!(debug_assertions) { 2 } else { 512 };
/// There is no line with a number. Else the lowest bit of its slot tells whether it is awake, and the others where it
/// is.
const NOTHING: u32 = u32::MAX;
const IS_AWAKE: u32 = 1;

/// All lines, by number. Numbers of lines that are gone are used again.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Where it is in the heap, or its place among those awake, or nothing.
    slots: Vec<u32>,
    free: Vec<u32>,
    awake: Vec<(u32, Box<Line>)>,
    heap: Heap,
}

heap_size!(Store { slots, free, awake, heap });

/// A line that is looked at.
#[derive(Debug)]
pub(crate) enum LineRef<'a> {
    Awake(&'a Line),
    Unpacked(Box<Line>),
}

impl Deref for LineRef<'_> {
    type Target = Line;

    fn deref(&self) -> &Line {
        match self {
            Self::Awake(line) => line,
            Self::Unpacked(line) => line,
        }
    }
}

impl Store {
    /// The place of a line among those awake; where one is that is packed. The line has to be there.
    fn place(&self, number: u32) -> Result<usize, Unit> {
        let slot = self.slots[number as usize];
        assert!(slot != NOTHING, "documents and keys know lines that are there");
        if slot & IS_AWAKE > 0 { Ok((slot >> 1) as usize) } else { Err(slot >> 1) }
    }

    /// A line as it is.
    pub(crate) fn see(&self, number: u32) -> LineRef<'_> {
        match self.place(number) {
            Ok(place) => LineRef::Awake(&self.awake[place].1),
            Err(unit) => LineRef::Unpacked(Box::new(packed::unpack(self.heap.get(unit)))),
        }
    }

    /// What a line is known by.
    pub(crate) fn head(&self, number: u32) -> Head<'_> {
        match self.place(number) {
            Ok(place) => {
                let line = &self.awake[place].1;
                Head { key: line.key(), touched_ns: line.touched_ns }
            }
            Err(unit) => packed::head(self.heap.get(unit)),
        }
    }

    /// A line, to be changed.
    pub(crate) fn wake(&mut self, number: u32) -> &mut Line {
        let place = match self.place(number) {
            Ok(place) => place,
            Err(unit) => {
                let line = packed::unpack(self.heap.get(unit));
                self.heap.free(unit);
                self.put_awake(number, line)
            }
        };
        &mut self.awake[place].1
    }

    fn put_awake(&mut self, number: u32, line: Line) -> usize {
        self.awake.push((number, Box::new(line)));
        let place = self.awake.len() - 1;
        self.slots[number as usize] = narrow(place) << 1 | IS_AWAKE;
        place
    }

    /// Adds a line, and gives its number.
    pub(crate) fn add(&mut self, line: Line) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(NOTHING);
            narrow(self.slots.len() - 1)
        });
        self.put_awake(number, line);
        number
    }

    /// Takes a line out.
    pub(crate) fn take(&mut self, number: u32) -> Line {
        self.wake(number);
        let place = self.place(number).expect("it was woken");
        let (_, line) = self.awake.swap_remove(place);
        if let Some((moved, _)) = self.awake.get(place) {
            self.slots[*moved as usize] = narrow(place) << 1 | IS_AWAKE;
        }
        self.slots[number as usize] = NOTHING;
        self.free.push(number);
        *line
    }

    /// Packs what is awake, if it is much.
    pub(crate) fn rest(&mut self) {
        if self.awake.len() <= AWAKE_MAX {
            return;
        }
        let mut bytes = Vec::new();
        for (number, line) in self.awake.drain(..) {
            bytes.clear();
            packed::pack(&line, &mut bytes);
            self.slots[number as usize] = self.heap.put(number, &bytes) << 1;
        }
        self.awake.shrink_to(2 * AWAKE_MAX);
        self.heap.tidy(&mut self.slots);
    }

    /// Whether a number is that of a line.
    pub(crate) fn is_there(&self, number: u32) -> bool {
        self.slots[number as usize] != NOTHING
    }

    /// All lines, by number.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let is_there = |(number, slot): (u32, &u32)| (*slot != NOTHING).then_some(number);
        (0..).zip(&self.slots).filter_map(is_there)
    }
}

impl Line {
    /// What it is known by.
    pub(crate) fn key(&self) -> LineKey<'_> {
        let number = self.number.as_ref().map(crate::read::line_number::OwnLineNumber::borrow);
        LineKey { side: self.side, document: self.document, number, part: self.part, sku: self.sku }
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).ok().filter(|number| *number < 1 << 31).expect("fewer lines than 2^31")
}
