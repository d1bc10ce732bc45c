//! One event: from its fields to its decoded meaning.

use tallystick_contract::config::Config;
use tallystick_contract::limits::{
    CORRELATION_BYTES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, SOURCE_BYTES_MAX, TYPE_BYTES_MAX,
};
use tallystick_contract::outcome::Outcome;

use super::ask::Ask;
use super::body::{self, Body, Key};
use super::directive::{self, Directive, What};
use super::fields::{Fields, Malformed};
use super::time::Time;

/// An event whose form is right.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) source: String,
    pub(super) id: String,
    /// Its place in its source's own order, if it says one.
    pub(super) sequence: Option<u64>,
    /// The location that it names, whatever it is about.
    pub(super) location: Option<String>,
    /// When it says that it happened.
    pub(super) time: Option<Time>,
    /// The key of the event that a sync made it from, if it says so.
    pub(super) origin: Option<Key>,
    /// The syncs that it went through.
    pub(super) hops: u64,
    /// What it says, or why its content is refused.
    pub(super) content: Result<Content, Outcome>,
}

impl Event {
    pub(super) fn key(&self) -> Key {
        (self.source.clone(), self.id.clone())
    }

    /// Whether it is master data, whose time says since when it holds and not when it happened.
    pub(super) fn is_definition(&self) -> bool {
        let defines = |what: &What| matches!(what, What::Define { .. } | What::Promise(Ask::Group { .. }));
        matches!(&self.content, Ok(Content::Directive(directive)) if defines(&directive.what))
    }
}

/// About stock, or about events and what surrounds them.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Stock(Body),
    Directive(Directive),
}

impl Content {
    /// Whether it says no more than that time passes.
    pub(super) fn is_tick(&self) -> bool {
        matches!(self, Self::Directive(Directive { what: What::Tick, .. }))
    }
}

/// Reads one element.
pub(super) fn decode(element: &[u8], config: &Config) -> Result<Event, Malformed> {
    decode_on(None, element, config)
}

/// Reads one element of a message that came on a subject, where that is known.
pub(super) fn decode_on(subject: Option<&str>, element: &[u8], config: &Config) -> Result<Event, Malformed> {
    let text = std::str::from_utf8(element).map_err(|_| Malformed)?;
    let fields = Fields::read(text, &[]).ok_or(Malformed)?;
    let id = fields.name("id", ID_BYTES_MAX)?.ok_or(Malformed)?;
    let source = fields.name("source", SOURCE_BYTES_MAX)?.ok_or(Malformed)?;
    let kind = fields.name("type", TYPE_BYTES_MAX)?.ok_or(Malformed)?;
    for tracing in ["correlationid", "causationid"] {
        fields.text(tracing, CORRELATION_BYTES_MAX)?;
    }
    fields.text("reason", NAME_BYTES_MAX)?;
    let sequence = fields.counted("sequence")?;
    let location = fields.name("location", NAME_BYTES_MAX).ok().flatten();
    let time = fields.time()?;
    let origin = match (fields.name("originsource", SOURCE_BYTES_MAX)?, fields.name("originid", ID_BYTES_MAX)?) {
        (None, None) => None,
        (Some(source), Some(id)) => Some((source, id)),
        _ => return Err(Malformed),
    };
    let hops = fields.counted("hops")?.unwrap_or(0);
    let content = if subject.is_some_and(|subject| !is_own(subject, &source, config)) {
        body::check_forms(&fields)?;
        Err(Outcome::NotOwner)
    } else if let Some(also) = directive::members(&kind) {
        // Nobody needs these fields here, but they have their forms wherever they stand.
        body::check_forms(&fields)?;
        let fields = Fields::read(text, &also).ok_or(Malformed)?;
        directive::decode(&kind, &source, &fields, config)?.map(Content::Directive)
    } else {
        body::content(&fields, &kind, time, &config.rules)?.map(Content::Stock)
    };
    Ok(Event { source, id, sequence, location, time, origin, hops, content })
}

/// Whether a subject is the one that a source speaks on, or any is.
pub(super) fn is_own(subject: &str, source: &str, config: &Config) -> bool {
    let text: serde_json::Value = serde_json::from_str(config.canonical()).expect("a configuration is kept as JSON");
    let Some(pattern) = text["engine"]["source_subject"].as_str() else { return true };
    let written = |byte: u8| match byte {
        b'.' | b'*' | b'>' | b'%' | 0..=b' ' | 127.. => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    };
    subject == pattern.replace("{source}", &source.bytes().map(written).collect::<String>())
}

/// The key of an element that is no event, if both of its parts can be read.
pub(super) fn legible_key(element: &[u8]) -> Option<Key> {
    let fields = Fields::read(std::str::from_utf8(element).ok()?, &[])?;
    let source = fields.name("source", SOURCE_BYTES_MAX).ok()??;
    Some((source, fields.name("id", ID_BYTES_MAX).ok()??))
}

/// Whether an element says that it is of a type.
pub(super) fn has_kind(element: &[u8], kind: &str) -> bool {
    let fields = std::str::from_utf8(element).ok().and_then(|text| Fields::read(text, &[]));
    fields.is_some_and(|fields| matches!(fields.name("type", TYPE_BYTES_MAX), Ok(Some(said)) if said == kind))
}
