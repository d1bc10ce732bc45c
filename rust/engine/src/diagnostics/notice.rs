//! Notice: what a capability has to tell that is about no element in hand. The spine passes it on to whoever keeps
//! exceptions, in the order in which it was told.

use tallystick_contract::codes;
use tallystick_contract::config::Config;
use tallystick_contract::json_text::plain;

use crate::diagnostics::exception::ExceptionRecord;
use crate::read::element::Place;
/// What happens at a place of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) place: Place,
    pub(crate) log_time_ns: i64,
}

/// An exception that is about no single event.
pub(crate) struct About<'a> {
    pub(crate) code: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) source: Option<&'a str>,
    pub(crate) sku: Option<&'a str>,
    pub(crate) location: Option<&'a str>,
    pub(crate) cause: String,
    pub(crate) missing: Option<(u64, u64)>,
    pub(crate) place: Place,
}

/// What is told.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Something is out of order: the record, and what it is about.
    Raise(Box<ExceptionRecord>, String),
    /// Something is in order: the code, what it was about, and how it came to be so.
    Resolve(&'static str, String, &'static str, Now),
}

impl Notice {
    /// That something is out of order.
    pub(crate) fn raise(config: &Config, about: About<'_>, log_time_ns: i64) -> Self {
        let record = ExceptionRecord {
            number: 0,
            code: about.code.into(),
            outcome: None,
            team: config.team(about.code).into(),
            sequence: about.place.sequence,
            index: about.place.index,
            log_time_ns,
            source: about.source.map(Into::into),
            id: None,
            correlation_id: None,
            causation_id: None,
            sku: about.sku.map(Into::into),
            location: about.location.map(Into::into),
            cause: plain(about.cause),
            cure: codes::find(about.code).cure,
            fields: Vec::new(),
            missing: about.missing,
            document: None,
            quantity: None,
            stock: None,
            versions: Vec::new(),
            event: Box::default(),
            event_bytes_total: 0,
        };
        Self::Raise(Box::new(record), about.subject.to_owned())
    }
}
