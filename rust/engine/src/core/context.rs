//! Context: a command on its way through the column of checks, with its place in the log.

use crate::core::Core;
use crate::order::HeldEvent;
use crate::read::element::{Decoded, Element, Place};
use crate::read::reading::Command;
use crate::stock::lookup::Found;

/// What is carried out, and where in the log.
pub(crate) struct Context<'a, 'e> {
    pub(crate) decoded: &'e Decoded<'a>,
    pub(crate) element: &'e Element<'a>,
    pub(crate) command: &'e Command<'a>,
    /// Effective time, in nanoseconds since 1970.
    pub(crate) time_ns: i64,
    /// The log sequence that the positions reflect then.
    pub(crate) sequence: u64,
    /// Whether its number in its source's order was behind already.
    pub(crate) is_late: bool,
    /// Elements before it, and the log's time, when it came, if it was held since.
    pub(crate) came: Option<(u64, i64)>,
    pub(crate) found: Found,
}

impl Context<'_, '_> {
    /// What has to be kept of it, to be carried out later.
    pub(crate) fn to_held(&self, core: &Core) -> HeldEvent {
        let Place { sequence, index } = self.element.place;
        let (ordinal, came_ns) = self.came.unwrap_or((core.elements, core.now_ns()));
        HeldEvent {
            sequence,
            index,
            ordinal,
            came_ns,
            time_ns: self.time_ns,
            key: self.decoded.key,
            is_late: self.is_late,
            bytes: self.element.whole().into(),
        }
    }
}
