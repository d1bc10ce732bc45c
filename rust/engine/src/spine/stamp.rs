//! Stamps: what the events of a message say of its stamp, where that is far ahead of the log. Most messages are never
//! looked at here.

use bumpalo::Bump;
use tallystick_contract::config::Config;

use crate::core::Core;
use crate::core::leap::Witness;
use crate::diagnostics::Diagnostics;
use crate::output::batch::Batch;
use crate::read::columns;
use crate::read::element::{Bar, Clock, Decoded, Element, Place, bar_foreign, see};
use crate::read::event::EventTime;
use crate::read::shape::Shapes;
use crate::read::split::{Framing, split};
use crate::spine::engine::Engine;

impl Engine {
    /// The clock of a message whose stamp is looked at. All that came before it was applied.
    #[cold]
    pub(crate) fn leap(
        &mut self,
        stamp_ns: i64,
        place: Place,
        (message, subject): (&[u8], Option<&[u8]>),
        batch: &mut Batch,
    ) -> Clock {
        self.leap_by(stamp_ns, place, |core| witness_of_message(core, message, subject, stamp_ns), batch)
    }

    /// The clock of an element that is a message of its own.
    #[cold]
    pub(crate) fn leap_of(&mut self, stamp_ns: i64, element: Element<'_>, batch: &mut Batch) -> Clock {
        self.leap_by(stamp_ns, element.place, |core| witness_of(core, std::iter::once(element), stamp_ns), batch)
    }

    fn leap_by(
        &mut self,
        stamp_ns: i64,
        place: Place,
        witness: impl FnOnce(&Core) -> Witness,
        batch: &mut Batch,
    ) -> Clock {
        self.begin_message(place.sequence, batch);
        self.core.leap_to(stamp_ns, witness, place);
        self.pass_notices(batch);
        Clock::Message(self.core.now_ns())
    }
}

fn witness_of_message(core: &Core, message: &[u8], subject: Option<&[u8]>, stamp_ns: i64) -> Witness {
    let (place, clock) = (Place::default(), Clock::Message(stamp_ns));
    let mut ranges = Vec::new();
    match split(message, &mut ranges) {
        Framing::Elements => {
            let elements = ranges.into_iter().map(|range| Element::new(&message[range], place, clock).on(subject));
            witness_of(core, elements, stamp_ns)
        }
        Framing::Columns => columns::read(message).map_or(Witness::Silent, |batches| {
            let rows = batches.iter().flat_map(|rows| (0..rows.len()).map(move |row| (rows, row)));
            witness_of(core, rows.map(|(rows, row)| Element::row(rows, row, place, clock).on(subject)), stamp_ns)
        }),
        Framing::Broken(_) => Witness::Silent,
    }
}

/// What events say of a stamp: one that says a time near it agrees for all of them.
fn witness_of<'a>(core: &Core, elements: impl Iterator<Item = Element<'a>>, stamp_ns: i64) -> Witness {
    let mut witness = Witness::Silent;
    for element in elements {
        if let Some(time_ns) = time_of(core, &core.config, element) {
            if time_ns.abs_diff(stamp_ns) <= core.config.log_time_jump_max_ns.unsigned_abs() {
                return Witness::Agrees;
            }
            witness = Witness::Denies;
        }
    }
    witness
}

/// The time that an element says and that has to do with the log's.
fn time_of(core: &Core, config: &Config, element: Element<'_>) -> Option<i64> {
    let (arena, mut shapes, mut decoded) = (Bump::new(), Shapes::default(), [Decoded::default()]);
    see(&[element], &mut decoded, &mut shapes, &arena);
    if let Some(bound) = &config.source_subject {
        bar_foreign(bound, &[element], &mut decoded);
        if decoded[0].bar == Bar::Foreign {
            return None;
        }
    }
    match (core.read(config, &element, &decoded[0], &mut Diagnostics::default()), decoded[0].event.time) {
        (Ok(command), EventTime::At(time_ns)) if command.is_of_its_time() => Some(time_ns),
        (Err(outcome), EventTime::At(time_ns)) if !outcome.is_unreadable() => Some(time_ns),
        _ => None,
    }
}
