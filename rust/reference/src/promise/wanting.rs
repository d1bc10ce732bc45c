//! Who asks for something, and when it is wanted.

use tallystick_contract::config::Mode;

use crate::calendar::Due;
use crate::claims::hold::Purpose;

/// Who asks for something, and how it is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks<'a> {
    pub(super) channel: Option<&'a str>,
    pub(super) mode: Mode,
    /// The line that it is for.
    pub(super) purpose: Option<&'a Purpose>,
}

/// When something is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanting {
    /// Nothing for at once.
    pub(crate) due: Option<Due>,
    pub(crate) bucket: usize,
    pub(crate) mode: Mode,
}
