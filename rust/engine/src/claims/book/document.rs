//! Document: when it was closed, and which lines it has.

use smallvec::SmallVec;
use tallystick_contract::heap_size::{flat, heap_size};

use crate::claims::book::families::Families;
use crate::read::directive::Side;
/// A document.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The name of its space, and its own behind it: sources of one space share its number.
    names: Box<str>,
    space_bytes: u32,
    /// Its families, once anything was said of it without a line.
    pub(crate) families: Option<Box<Families>>,
    /// Its closing by word, if it was closed: most documents are open.
    closing: Option<Box<Closing>>,
    /// When something was said of it last, by the log.
    pub(crate) touched_ns: i64,
    /// Its lines, by number in the store.
    pub(crate) lines: SmallVec<[u32; 2]>,
}

heap_size!(Document { names, space_bytes, families, closing, touched_ns, lines });

/// When a document was closed by word.
#[derive(Debug, Clone)]
struct Closing {
    /// Effectively, by side.
    closed_ns: [Option<i64>; 2],
    /// When that was told, by the log.
    told_ns: i64,
}

flat!(Closing);

impl Document {
    pub(crate) fn new(space: &str, name: &str) -> Self {
        Self {
            names: [space, name].concat().into(),
            space_bytes: u32::try_from(space.len()).expect("names are short"),
            families: None,
            closing: None,
            touched_ns: i64::MIN,
            lines: SmallVec::new(),
        }
    }

    /// Sources of this name share its number.
    pub(crate) fn space(&self) -> &str {
        &self.names[..self.space_bytes as usize]
    }

    pub(crate) fn name(&self) -> &str {
        &self.names[self.space_bytes as usize..]
    }

    /// Whether anything was said of it without a line.
    pub(crate) const fn has_loose(&self) -> bool {
        self.families.is_some()
    }

    /// When a side of it was closed.
    pub(crate) fn closed_on(&self, side: Side) -> Option<i64> {
        self.closing.as_ref().and_then(|closing| closing.closed_ns[side as usize])
    }

    /// When it was told that it is closed, by the log; the least number for never.
    pub(crate) fn told_ns(&self) -> i64 {
        self.closing.as_ref().map_or(i64::MIN, |closing| closing.told_ns)
    }

    /// Closes sides, if they were not closed later. `told_ns` is the log's time.
    pub(crate) fn close(&mut self, closed_ns: [Option<i64>; 2], told_ns: i64) {
        let known = [self.closed_on(Side::Supply), self.closed_on(Side::Demand)];
        let closed_ns = [known[0].max(closed_ns[0]), known[1].max(closed_ns[1])];
        self.closing = Some(Box::new(Closing { closed_ns, told_ns }));
    }

    /// Forgets that it was closed, where that was told at or before a time and no line is left of it.
    pub(crate) fn forget_closing(&mut self, over_ns: i64) {
        if self.lines.is_empty() && self.closing.as_ref().is_some_and(|closing| closing.told_ns <= over_ns) {
            self.closing = None;
        }
    }

    /// Its name for people, with the name of its space where it has one.
    pub(crate) fn label(&self) -> String {
        let (space, name) = self.names.split_at(self.space_bytes as usize);
        if space.is_empty() { name.to_owned() } else { format!("{space}:{name}") }
    }
}
