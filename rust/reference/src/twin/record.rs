//! What became of stock events.

use crate::posting::Posting;

/// What became of a stock event, for those that are about it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) standing: Standing,
    /// The effective time of the event itself, whatever it was corrected to.
    pub(crate) time_ns: i64,
    /// Time, source and id of the correction that holds.
    pub(crate) corrected: Option<(i64, String, String)>,
    /// Whether an approval decided it.
    pub(crate) is_decided: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Standing {
    Posted(Box<Posting>),
    Pending,
    Voided,
    Denied,
    Observed,
    Refused,
}

impl Record {
    pub(crate) fn new(standing: Standing, time_ns: i64) -> Self {
        Self { standing, time_ns, corrected: None, is_decided: false }
    }
}
