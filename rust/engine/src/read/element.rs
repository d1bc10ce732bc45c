//! Element: one event of a message, before and after it is decoded. Events are decoded many together; what the memory
//! of each needs is found by its hashes.

use std::borrow::Cow;

use bumpalo::Bump;
use tallystick_contract::config::SourceSubject;
use tallystick_contract::heap_size::flat;
use tallystick_contract::limits::EVENT_BYTES_MAX;
use tallystick_tables::dedup::{Fingerprint, fingerprint};
use tallystick_tables::hash::of_name;

use crate::read::columns::Rows;
use crate::read::decode::decode;
use crate::read::event::Event;
use crate::read::malformed::Malformed;
use crate::read::shape::Shapes;
/// Where the log's time comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The message's timestamp.
    Message(i64),
    /// Each event's own time, as in a replay from a file.
    Event,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Sequence of the message.
    pub(crate) sequence: u64,
    /// Index within the message.
    pub(crate) index: u32,
}

flat!(Place);

tallystick_tables::image::image!(Place { sequence, index });

/// An element of the log that waits to be applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) place: Place,
    pub(crate) clock: Clock,
    /// The subject that its message came on, where that is looked at.
    pub(crate) subject: Option<&'a [u8]>,
    payload: Payload<'a>,
}

/// What an element is written in.
#[derive(Debug, Clone, Copy)]
enum Payload<'a> {
    /// JSON.
    Text(&'a [u8]),
    /// A row of columns.
    Row(&'a Rows<'a>, usize),
    /// A message that cannot be split, and why.
    Broken(&'a [u8], Malformed),
}

impl<'a> Element<'a> {
    pub(crate) const fn new(bytes: &'a [u8], place: Place, clock: Clock) -> Self {
        Self { place, clock, subject: None, payload: Payload::Text(bytes) }
    }

    pub(crate) const fn broken(bytes: &'a [u8], place: Place, clock: Clock, why: Malformed) -> Self {
        Self { place, clock, subject: None, payload: Payload::Broken(bytes, why) }
    }

    pub(crate) const fn row(rows: &'a Rows<'a>, row: usize, place: Place, clock: Clock) -> Self {
        Self { place, clock, subject: None, payload: Payload::Row(rows, row) }
    }

    /// The element, as of a message that came on a subject.
    pub(crate) const fn on(self, subject: Option<&'a [u8]>) -> Self {
        Self { subject, ..self }
    }

    /// Whether another one can be read together with it: texts, or rows that follow each other.
    fn is_before(&self, next: &Self) -> bool {
        match (self.payload, next.payload) {
            (Payload::Row(rows, row), Payload::Row(next_rows, next)) => {
                std::ptr::eq(rows, next_rows) && row + 1 == next
            }
            (Payload::Row(..), _) | (_, Payload::Row(..)) => false,
            _ => true,
        }
    }

    /// All that it was written in, where it is not too large, so that it can be read once more.
    pub(crate) fn whole(&self) -> Vec<u8> {
        match self.payload {
            Payload::Text(bytes) | Payload::Broken(bytes, _) => bytes.to_vec(),
            Payload::Row(rows, row) => rows.whole(row),
        }
    }

    /// The original, where it lies if it is a text.
    pub(crate) fn text(&self) -> Cow<'a, [u8]> {
        match self.payload {
            Payload::Text(bytes) | Payload::Broken(bytes, _) => Cow::Borrowed(bytes),
            Payload::Row(rows, row) => Cow::Owned(rows.whole(row)),
        }
    }

    /// What an exception keeps of it, with its full length in bytes. A row is given as the JSON event that it is.
    pub(crate) fn original(&self) -> (Cow<'a, [u8]>, u64) {
        match self.payload {
            Payload::Text(bytes) | Payload::Broken(bytes, _) => {
                (Cow::Borrowed(&bytes[..bytes.len().min(EVENT_BYTES_MAX)]), bytes.len() as u64)
            }
            Payload::Row(rows, row) => {
                let (bytes, total) = rows.original(row);
                (Cow::Owned(bytes), total)
            }
        }
    }
}

/// The hashes of the names in an event. What is absent has the hash zero and is never looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NameHashes {
    pub(crate) sku: u64,
    pub(crate) location: u64,
    pub(crate) lot: u64,
    pub(crate) owner: u64,
    pub(crate) to_location: u64,
}

impl NameHashes {
    fn of(seed: u64, event: &Event<'_>) -> Self {
        let hash = |name: &str| if name.is_empty() { 0 } else { of_name(seed, name) };
        Self {
            sku: hash(event.sku),
            location: hash(event.location),
            lot: hash(event.lot),
            owner: hash(event.owner),
            to_location: hash(event.to_location),
        }
    }
}

/// What bars an element, beside its form, before anybody asks what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bar {
    None,
    TooLarge,
    /// It came on a subject that is not its source's.
    Foreign,
}

/// What a first look found of an element.
#[derive(Debug)]
pub(crate) struct Decoded<'a> {
    pub(crate) event: Event<'a>,
    pub(crate) bar: Bar,
    pub(crate) form: Result<(), Malformed>,
    pub(crate) key: Fingerprint,
    pub(crate) hashes: NameHashes,
}

impl Default for Decoded<'_> {
    fn default() -> Self {
        Self {
            event: Event::default(),
            bar: Bar::None,
            form: Ok(()),
            key: Fingerprint([0; 2]),
            hashes: NameHashes::default(),
        }
    }
}

impl Decoded<'_> {
    /// The hashes of its key and its names.
    #[inline]
    pub(crate) fn hash(&mut self, secret: &[u8; 16], seed: u64) {
        let (source, id) = (self.event.source, self.event.id);
        self.key = fingerprint(secret, source, id);
        self.hashes = NameHashes::of(seed, &self.event);
    }
}

/// Looks at elements: reads each into its slot.
pub(crate) fn see<'a>(elements: &[Element<'a>], decoded: &mut [Decoded<'a>], shapes: &mut Shapes, arena: &'a Bump) {
    let mut rest = decoded;
    for run in elements.chunk_by(Element::is_before) {
        let (here, behind) = rest.split_at_mut(run.len());
        match run[0].payload {
            Payload::Row(rows, first) => rows.see(first, here, arena),
            _ => run.iter().zip(here).for_each(|(element, decoded)| see_text(element, decoded, shapes, arena)),
        }
        rest = behind;
    }
}

fn see_text<'a>(element: &Element<'a>, decoded: &mut Decoded<'a>, shapes: &mut Shapes, arena: &'a Bump) {
    decoded.bar = Bar::None;
    decoded.form = match element.payload {
        Payload::Text(bytes) if bytes.len() <= EVENT_BYTES_MAX => decode(bytes, &mut decoded.event, shapes, arena),
        Payload::Text(_) | Payload::Row(..) => {
            (decoded.event, decoded.bar) = (Event::default(), Bar::TooLarge);
            Ok(())
        }
        Payload::Broken(_, why) => {
            decoded.event = Event::default();
            Err(why)
        }
    };
}

/// Bars elements that came on a subject that is not their source's. What came on none is trusted: it was let in before,
/// or is a file's.
pub(crate) fn bar_foreign(bound: &SourceSubject, elements: &[Element<'_>], decoded: &mut [Decoded<'_>]) {
    for (element, decoded) in elements.iter().zip(decoded) {
        if let Some(subject) = element.subject
            && decoded.bar == Bar::None
            && decoded.form.is_ok()
            && !bound.is_of(subject, decoded.event.source)
        {
            decoded.bar = Bar::Foreign;
        }
    }
}
