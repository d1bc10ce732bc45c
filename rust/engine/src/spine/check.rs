//! Check: what of a file of events would be refused whatever the ledger holds, in the words of the exception that it
//! would become. Looks at form and rules alone; keys, order, time and stock need the log. Changes nothing.

use std::collections::BTreeMap;

use bumpalo::Bump;
use memchr::memchr_iter;
use tallystick_contract::codes;
use tallystick_contract::outcome::Outcome;

use crate::diagnostics::{Diagnostics, cause_of_outcome};
use crate::read::element::{Clock, Decoded, Element, Place, see};
use crate::read::event::given;
use crate::read::shape::Shapes;
use crate::read::split::split_lines;
use crate::spine::engine::Engine;
use crate::stock::lookup::WAVE_EVENTS;

/// What a look at lines found.
#[derive(Debug, Default)]
pub struct LineChecks {
    /// Lines that are not blank.
    pub events: u64,
    /// How many are fit to be applied, by type and source.
    pub fit: BTreeMap<Box<str>, BTreeMap<Box<str>, u64>>,
    /// The others, in their order.
    pub refused: Vec<RefusedLine>,
}

/// A line that would be refused.
#[derive(Debug)]
pub struct RefusedLine {
    /// Lines before it.
    pub line: usize,
    /// What would become of it.
    pub outcome: Outcome,
    /// Why.
    pub cause: String,
    /// What to do about it.
    pub cure: &'static str,
    /// Its key and its type, as far as they could be read.
    pub source: Option<Box<str>>,
    /// As above.
    pub id: Option<Box<str>>,
    /// As above.
    pub kind: Option<Box<str>>,
}

impl Engine {
    /// Checks lines, each an event, by form and rules alone. Nothing changes.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    /// use tallystick_engine::Engine;
    ///
    /// let engine = Engine::new(Config::default(), [0; 16]);
    /// let checked = engine.check_lines(b"{\"id\":\"1\",\"source\":\"wms\",\"type\":\"stock.sold\"}\n{\"id\":");
    /// assert_eq!(checked.refused[0].cause, "`sku`: is required by this type");
    /// assert_eq!(checked.refused[1].line, 1);
    /// ```
    pub fn check_lines(&self, buffer: &[u8]) -> LineChecks {
        let mut ranges = Vec::new();
        split_lines(buffer, &mut ranges);
        let (mut checked, mut shapes) = (LineChecks::default(), Shapes::default());
        checked.events = ranges.len() as u64;
        let (mut line, mut line_found_at) = (0, 0);
        for ranges in ranges.chunks(WAVE_EVENTS) {
            let arena = Bump::new();
            let clock = Clock::Message(0);
            let element =
                |range: &std::ops::Range<usize>| Element::new(&buffer[range.clone()], Place::default(), clock);
            let elements: Vec<_> = ranges.iter().map(element).collect();
            let mut decoded: Vec<_> = elements.iter().map(|_| Decoded::default()).collect();
            see(&elements, &mut decoded, &mut shapes, &arena);
            for ((range, element), decoded) in ranges.iter().zip(&elements).zip(&decoded) {
                line += memchr_iter(b'\n', &buffer[line_found_at..range.start]).count();
                line_found_at = range.start;
                self.check_one(element, decoded, line, &mut checked);
            }
        }
        checked
    }

    fn check_one(&self, element: &Element<'_>, decoded: &Decoded<'_>, line: usize, checked: &mut LineChecks) {
        let (config, event, mut diagnostics) = (&*self.core.config, &decoded.event, Diagnostics::default());
        match self.core.read(config, element, decoded, &mut diagnostics) {
            Ok(_) => {
                let sources = match checked.fit.get_mut(event.kind) {
                    Some(sources) => sources,
                    None => checked.fit.entry(event.kind.into()).or_default(),
                };
                match sources.get_mut(event.source) {
                    Some(count) => *count += 1,
                    None => _ = sources.insert(event.source.into(), 1),
                }
            }
            Err(outcome) => {
                let (original, bytes) = element.original();
                let cause = diagnostics.why.take();
                let cause = cause
                    .unwrap_or_else(|| cause_of_outcome(outcome, event, &diagnostics, config, 0, (&*original, bytes)));
                let cure = codes::find(outcome.name()).cure;
                let [source, id, kind] =
                    [event.source, event.id, event.kind].map(|text| given(text).map(Box::<str>::from));
                checked.refused.push(RefusedLine { line, outcome, cause, cure, source, id, kind });
            }
        }
    }
}
