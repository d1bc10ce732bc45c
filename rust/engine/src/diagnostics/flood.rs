//! Flood: one message can break in a hundred thousand places. The first elements are told of one by one, the rest
//! together, so that what goes out is bounded by what came in. Every element has its outcome all the same.

use std::collections::BTreeMap;

use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::FLOOD_ELEMENTS;

use crate::read::element::Place;

/// What the message in hand has raised.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    /// The message.
    pub(crate) sequence: u64,
    /// Elements whose exceptions stand by themselves: few, and mostly the last one is asked for.
    told: Vec<Place>,
    /// Exceptions beyond them, by code.
    rest: BTreeMap<Box<str>, u64>,
    /// Where the first and the last of those were raised.
    from: Place,
    to: Place,
}

heap_size!(Flood { sequence, told, rest, from, to });

impl Flood {
    /// Whether an element's exceptions stand by themselves.
    pub(crate) fn admits(&mut self, place: Place) -> bool {
        let is_known = self.told.iter().rev().any(|told| *told == place);
        if !is_known && self.told.len() < FLOOD_ELEMENTS {
            self.told.push(place);
            return true;
        }
        is_known
    }

    /// Counts an exception that does not.
    pub(crate) fn count(&mut self, code: &str, place: Place) {
        if self.rest.is_empty() {
            self.from = place;
        }
        self.to = place;
        match self.rest.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.rest.insert(code.into(), 1);
            }
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Ends the message. Returns where the rest begins, and what it is in words; nothing where there is none.
    #[inline]
    pub(crate) fn end(&mut self) -> Option<(Place, String)> {
        self.told.clear();
        if self.rest.is_empty() { None } else { Some(self.end_rest()) }
    }

    #[cold]
    fn end_rest(&mut self) -> (Place, String) {
        let Self { sequence, from, to, .. } = *self;
        let rest = std::mem::take(&mut self.rest);
        let count = rest.values().sum::<u64>();
        let kinds: Vec<_> = rest.iter().map(|(code, count)| format!("{count} {code}")).collect();
        let (first, last, kinds) = (from.index, to.index, kinds.join(", "));
        let what = format!("message {sequence} raised exceptions at more than {FLOOD_ELEMENTS} elements");
        (from, format!("{what}; {count} more, at its elements {first} to {last}: {kinds}"))
    }
}
