//! Raising: what a person has to look at becomes a record, and work (`docs/truth.md` §7); what is in order again is
//! resolved.

use tallystick_contract::codes;
use tallystick_contract::config::Config;
use tallystick_contract::json_text::plain;
use tallystick_contract::outcome::Outcome;

use crate::correction::posted;
use crate::diagnostics::exception::{Difference, ExceptionRecord};
use crate::diagnostics::{About, Diagnostics, Notice, Now, Raised, cause_of_code, cause_of_outcome, cause_of_versions};
use crate::output::batch::Batch;
use crate::read::element::{Bar, Clock, Decoded, Element, Place};
use crate::read::event::{Event, EventQuantity, EventTime, given};
use crate::sources::Heard;
use crate::spine::engine::Engine;
use tallystick_contract::{instant, quantity};

/// A decision names its exception, so that it always has one.
const MASS_CHANGE: &str = "mass_change";

impl Engine {
    /// Passes on what capabilities have to tell, in the order in which they told it.
    #[inline]
    pub(crate) fn pass_notices(&mut self, batch: &mut Batch) {
        if !self.core.notices.is_empty() {
            self.pass_all_notices(batch);
        }
    }

    #[cold]
    fn pass_all_notices(&mut self, batch: &mut Batch) {
        for notice in std::mem::take(&mut self.core.notices) {
            match notice {
                Notice::Raise(record, subject) => {
                    let place = Place { sequence: record.sequence, index: record.index };
                    if self.flood.admits(place) {
                        batch.exceptions.push(self.work.raise(*record, &subject, None));
                    } else {
                        self.flood.count(&record.code, place);
                    }
                }
                Notice::Resolve(code, subject, how, now) => self.work.resolve(code, &subject, how, now),
            }
        }
    }

    /// A message is in hand: what the one before it raised is told whole.
    #[inline]
    pub(crate) fn begin_message(&mut self, sequence: u64, batch: &mut Batch) {
        if !self.flood.is_empty() && self.flood.sequence != sequence {
            self.end_message(batch);
        }
        self.flood.sequence = sequence;
    }

    /// Raises one exception for all that the message raised beyond the first elements.
    pub(crate) fn end_message(&mut self, batch: &mut Batch) {
        if let Some((place, cause)) = self.flood.end() {
            let subject = self.flood.sequence.to_string();
            let (code, missing) = ("exception_flood", None);
            let about =
                About { code, subject: &subject, source: None, sku: None, location: None, cause, missing, place };
            if let Notice::Raise(record, subject) = Notice::raise(&self.core.config, about, self.core.now_ns()) {
                batch.exceptions.push(self.work.raise(*record, &subject, None));
            }
        }
    }

    /// Writes down what became of an element, with the exceptions that follow from it.
    pub(crate) fn record(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        judged: (Outcome, &Decoded<'_>, &mut Diagnostics),
        batch: &mut Batch,
    ) {
        let (outcome, decoded, diagnostics) = judged;
        self.pass_notices(batch);
        let (place, event) = (element.place, &decoded.event);
        self.totals[usize::from(outcome.number())] += 1;
        self.core.elements += 1;
        batch.push(place.sequence, place.index, outcome, event);
        let log_time_ns = match element.clock {
            Clock::Message(ns) => self.core.log_time_ns.unwrap_or(ns).max(ns),
            Clock::Event => self.core.now_ns(),
        };
        if let (Some(delays), EventTime::At(time_ns), Outcome::Applied) = (&mut batch.delays, event.time, outcome) {
            delays.count(log_time_ns.saturating_sub(time_ns));
        }
        if !(diagnostics.turns.is_empty()
            && diagnostics.nets.is_empty()
            && self.core.turns.is_empty()
            && self.core.nets.is_empty())
        {
            self.claims.tell_turns(&mut self.core, diagnostics);
        }
        if !outcome.is_silent() || diagnostics.is_telling() || self.work.knows(decoded.key) {
            self.raise(config, element, (outcome, decoded, diagnostics), log_time_ns, batch);
        }
        self.note_source(config, decoded, (outcome, log_time_ns), place);
        self.pass_notices(batch);
        if self.work.is_due(log_time_ns) {
            let now = self.core.now(place);
            self.work.escalate(now);
        }
    }

    /// Notes what came from a source.
    #[inline]
    fn note_source(
        &mut self,
        config: &Config,
        decoded: &Decoded<'_>,
        (outcome, log_time_ns): (Outcome, i64),
        place: Place,
    ) {
        let (event, location_hash) = (&decoded.event, decoded.hashes.location);
        // What came on another one's subject says nothing of the source that it names.
        if event.source.is_empty() || decoded.bar == Bar::Foreign {
            return;
        }
        let source = event.source;
        let time_ns = if let EventTime::At(time_ns) = event.time { time_ns } else { log_time_ns };
        let sequence = event.sequence.unwrap_or_default();
        let noted = Heard { outcome, time_ns, sequence, place, log_time_ns, location_hash };
        if let Some(todo) = self.sources.note(source, noted) {
            if todo.is_news || self.core.locations.has_aliases() {
                self.sources.hear_of(&self.core, source, todo.number, (event, outcome), time_ns);
            }
            if todo.is_to_look_after {
                self.sources.look_after(&mut self.core, config, todo.number, place);
            }
        }
        if self.sources.is_due(log_time_ns) {
            self.sources.look_at_lags(&mut self.core, config, place);
        }
    }

    /// Writes down the exceptions that follow from an outcome, and resolves what it sets right.
    pub(crate) fn raise(
        &mut self,
        config: &Config,
        element: &Element<'_>,
        (outcome, decoded, diagnostics): (Outcome, &Decoded<'_>, &mut Diagnostics),
        log_time_ns: i64,
        batch: &mut Batch,
    ) {
        let Place { sequence, index } = element.place;
        self.put_in_order(outcome, decoded, diagnostics, Now { place: element.place, log_time_ns });
        let is_silent =
            outcome.is_silent() || diagnostics.is_grouped || diagnostics.is_told && outcome == Outcome::Insufficient;
        let own = (!is_silent).then(|| own_code(outcome, decoded));
        if own.is_none() && diagnostics.raised.is_empty() || self.is_flood(element.place, own, diagnostics) {
            return;
        }
        let event = &decoded.event;
        let (original, event_bytes_total) = element.original();
        let is_named = !event.source.is_empty() && !event.id.is_empty();
        let subject = if is_named { format!("{}/{}", event.source, event.id) } else { format!("@{sequence}:{index}") };
        let key = is_named.then_some(decoded.key);
        let record = |code: &str, location: Option<Box<str>>, cause: String, stock| ExceptionRecord {
            number: 0,
            code: code.into(),
            outcome: Some(outcome),
            team: config.team(code).into(),
            sequence,
            index,
            log_time_ns,
            source: given(event.source).map(Into::into),
            id: given(event.id).map(Into::into),
            correlation_id: event.correlation_id.map(Into::into),
            causation_id: event.causation_id.map(Into::into),
            sku: given(event.sku).map(Into::into),
            location: location.or_else(|| given(event.location).map(Into::into)),
            cause: plain(cause),
            cure: codes::find(code).cure,
            fields: Vec::new(),
            missing: None,
            document: event.document.map(Into::into),
            quantity: quantity_of(event),
            stock,
            versions: Vec::new(),
            event: (*original).into(),
            event_bytes_total,
        };
        if let Some(code) = own {
            let versions = self.versions(config, outcome, decoded, diagnostics.fields.as_deref());
            let cause = diagnostics.why.take().unwrap_or_else(|| match &*versions {
                [] => {
                    cause_of_outcome(outcome, event, diagnostics, config, log_time_ns, (&*original, event_bytes_total))
                }
                all => cause_of_versions(event.id, diagnostics.fields.as_deref().unwrap_or_default(), all),
            });
            let (fields, stock) = (diagnostics.fields.take().unwrap_or_default(), diagnostics.stock.take());
            let raised = ExceptionRecord { fields, versions, ..record(code, None, cause, stock) };
            batch.exceptions.push(self.work.raise(raised, &subject, key));
        }
        for Raised { code, location, subject: own, key: of, cause, stock } in std::mem::take(&mut diagnostics.raised) {
            let cause = cause.unwrap_or_else(|| cause_of_code(config, &code, event, own.as_deref()));
            let raised = record(&code, location, cause, stock);
            let (subject, key) = own.as_deref().map_or((&*subject, key), |own| (own, of));
            batch.exceptions.push(self.work.raise(raised, subject, key));
        }
    }

    /// Resolves what is in order again because of an element.
    fn put_in_order(&mut self, outcome: Outcome, decoded: &Decoded<'_>, diagnostics: &mut Diagnostics, now: Now) {
        if outcome.is_accepted() && self.work.knows(decoded.key) {
            self.work.accept(decoded.key, now);
        }
        for (code, subject) in std::mem::take(&mut diagnostics.settled) {
            self.work.resolve(code, &subject, "in order again", now);
        }
    }

    /// Whether what an element raises does not stand by itself. It is counted, then.
    fn is_flood(&mut self, place: Place, own: Option<&str>, diagnostics: &mut Diagnostics) -> bool {
        let is_named = diagnostics.raised.iter().any(|raised| &*raised.code == MASS_CHANGE);
        if is_named || self.flood.admits(place) {
            return false;
        }
        let raised = std::mem::take(&mut diagnostics.raised);
        for code in own.into_iter().chain(raised.iter().map(|raised| &*raised.code)) {
            self.flood.count(code, place);
        }
        true
    }

    /// What was posted under a key, beside what is sent under it now; nothing of what is not known any more.
    fn versions(
        &mut self,
        config: &Config,
        outcome: Outcome,
        decoded: &Decoded<'_>,
        fields: Option<&[&str]>,
    ) -> Vec<Difference> {
        let Some(fields) = fields.filter(|_| outcome == Outcome::Conflict) else { return Vec::new() };
        let Some((part, first)) = posted(&mut self.core, config, decoded.key) else { return Vec::new() };
        let (event, stock) = (&decoded.event, &self.core.stock.parts[part]);
        let position = stock.ledger.position(first.places.0);
        let [sku, location, lot, owner] = position.names.map(|name| stock.names.name(name));
        let name = |name: Option<&str>| name.filter(|name| !name.is_empty()).unwrap_or("none").to_owned();
        let version = |field: &&str| {
            let (was, is) = match (*field, event.quantity, event.time) {
                ("quantity", Some(EventQuantity::Exact(now)), _) => {
                    (quantity::text(first.quantity), quantity::text(now))
                }
                ("sku", ..) => (sku.to_owned(), event.sku.to_owned()),
                ("location", ..) => (location.to_owned(), event.location.to_owned()),
                ("lot", ..) => (name(Some(lot)), name(Some(event.lot))),
                ("owner", ..) => (name(Some(owner)), name(Some(event.owner))),
                ("time", _, EventTime::At(now_ns)) => (instant::format(first.time_ns), instant::format(now_ns)),
                _ => return None,
            };
            Some(Difference { field: (*field).into(), was: was.into(), is: is.into() })
        };
        fields.iter().filter_map(version).collect()
    }
}

/// The code of an outcome's own exception. What came on another source's subject has the outcome of all who may not say
/// something, and a code of its own.
fn own_code(outcome: Outcome, decoded: &Decoded<'_>) -> &'static str {
    if decoded.bar == Bar::Foreign { "foreign_subject" } else { outcome.name() }
}

/// Why an event does not count that came on another source's subject.
pub(crate) fn foreign(config: &Config, element: &Element<'_>, decoded: &Decoded<'_>) -> Option<String> {
    let bound = config.source_subject.as_ref().filter(|_| decoded.bar == Bar::Foreign)?;
    Some(bound.cause(element.subject?, decoded.event.source))
}

/// The quantity as it was sent, in thousandths, if it is one.
fn quantity_of(event: &Event<'_>) -> Option<i64> {
    match event.quantity {
        Some(EventQuantity::Exact(thousandths)) => Some(thousandths),
        _ => None,
    }
}
