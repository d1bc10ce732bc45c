//! Stamps of the bus that are not believed.

/// Stamps that follow each other, far ahead of the log, of which none is believed yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leap {
    /// The message of the first of them.
    pub(crate) sequence: u64,
    pub(crate) first_ns: i64,
    pub(crate) latest_ns: i64,
    /// The latest one whose message had events that say another time.
    pub(crate) denied_ns: Option<i64>,
    pub(crate) is_told: bool,
}
