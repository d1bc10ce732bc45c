//! Sources: what is known of each of them (`docs/truth.md` §9): how far it is, how far behind, how much of it is
//! refused, and when somebody should look.

mod fresh;

use std::collections::BTreeSet;

use hashbrown::HashTable;
use tallystick_contract::config::Config;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::instant;
use tallystick_contract::limits::{REFUSALS_RUN, SOURCES_MAX};
use tallystick_contract::outcome::{self, Outcome};
use tallystick_tables::hash::{GOLDEN, fold, of_name, pack};
use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::core::Core;
use crate::diagnostics::About;
use crate::order::SequenceTracker;
use crate::output::effect::{write_name, write_number, write_text};
use crate::read::element::Place;
use crate::read::event::{Event, given};
use tallystick_contract::outcome::OUTCOME_NUMBERS;
/// What is known of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    name: Box<str>,
    /// By outcome number; what is held counts as held until it is released.
    outcomes: [u64; OUTCOME_NUMBERS],
    /// Its last element: sequence of the message, index within it, and the log's time.
    last: (u64, u32, i64),
    /// The newest effective time of what was taken.
    watermark_ns: Option<i64>,
    /// The greatest number of its own order.
    watermark_sequence: u64,
    /// Events of the present run, and refusals among them.
    run: (u64, u64),
    /// Whether its lag is looked at from time to time.
    is_watched: bool,
    /// Whether it is behind, and whether too many of its events are refused.
    alarms: [bool; 2],
    /// Whether somebody was told that it is not registered.
    is_told: bool,
    /// The locations that it has spoken of.
    locations: BTreeSet<Box<str>>,
    /// Hashes of those that it spoke of lately, where they are looked for first.
    heard: [u64; HEARD],
}

heap_size! {
    Source {
        name, outcomes, last, watermark_ns, watermark_sequence, run, is_watched, alarms, is_told, locations, heard,
    }
}

tallystick_tables::image::image!(Source {
    name,
    outcomes,
    last,
    watermark_ns,
    watermark_sequence,
    run,
    is_watched,
    alarms,
    is_told,
    locations;
    heard = [0; HEARD]
});

/// Names that are near.
const NEAR: usize = 256;
/// Locations of a source that are near.
const HEARD: usize = 64;
const LAG: usize = 0;
const REFUSALS: usize = 1;

/// All of them, in the order in which they were first heard of.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    all: Vec<Source>,
    index: HashTable<u32>,
    /// Short names that were found before, where they are looked for first.
    near: Vec<([u64; 2], u32)>,
    seed: u64,
    /// Elements of sources beyond those that are watched.
    pub(crate) others: u64,
    /// When a source may be behind.
    due: BTreeSet<(i64, u32)>,
}

heap_size!(Sources { all, index, near, seed, others, due });

/// What is noted of an element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) outcome: Outcome,
    /// Effective time.
    pub(crate) time_ns: i64,
    pub(crate) sequence: u64,
    pub(crate) place: Place,
    pub(crate) log_time_ns: i64,
    /// The hash of the location that it speaks of; zero for none.
    pub(crate) location_hash: u64,
}

/// What there may be to do about a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToDo {
    pub(crate) number: u32,
    /// It did not speak of the location lately, or never.
    pub(crate) is_news: bool,
    /// Somebody may have to be told.
    pub(crate) is_to_look_after: bool,
}

impl Sources {
    pub(crate) fn new(seed: u64) -> Self {
        Self { near: vec![([0; 2], 0); NEAR], seed, ..Self::default() }
    }

    fn find(&self, name: &str) -> Option<u32> {
        let is = |number: &u32| *self.all[*number as usize].name == *name;
        self.index.find(of_name(self.seed, name), is).copied()
    }

    fn find_or_add(&mut self, name: &str) -> Option<u32> {
        if let Some(known) = self.find(name) {
            return Some(known);
        }
        if self.all.len() >= SOURCES_MAX {
            return None;
        }
        let number = u32::try_from(self.all.len()).ok()?;
        self.all.push(Source {
            name: name.into(),
            outcomes: [0; OUTCOME_NUMBERS],
            last: (0, 0, 0),
            watermark_ns: None,
            watermark_sequence: 0,
            run: (0, 0),
            is_watched: false,
            alarms: [false; 2],
            is_told: false,
            locations: BTreeSet::new(),
            heard: [0; HEARD],
        });
        let (all, seed) = (&self.all, self.seed);
        self.index.insert_unique(of_name(seed, name), number, |number| of_name(seed, &all[*number as usize].name));
        Some(number)
    }

    /// Finds a source, or adds it; sooner for those that speak often.
    #[inline]
    fn find_or_add_soon(&mut self, name: &str) -> Option<u32> {
        let Some(packed) = pack(name) else { return self.find_or_add(name) };
        let place = usize::try_from(fold(packed[0] ^ packed[1], GOLDEN) % NEAR as u64).unwrap_or(0);
        if self.near[place].0 == packed {
            return Some(self.near[place].1);
        }
        let found = self.find_or_add(name)?;
        self.near[place] = (packed, found);
        Some(found)
    }

    /// Notes an element of a source.
    #[inline]
    pub(crate) fn note(&mut self, name: &str, noted: Heard) -> Option<ToDo> {
        let Some(number) = self.find_or_add_soon(name) else {
            self.others += 1;
            return None;
        };
        let source = &mut self.all[number as usize];
        source.outcomes[usize::from(noted.outcome.number())] += 1;
        source.last = (noted.place.sequence, noted.place.index, noted.log_time_ns);
        source.watermark_sequence = source.watermark_sequence.max(noted.sequence);
        source.run.0 += 1;
        let mut is_news = false;
        if noted.outcome.is_refusal() {
            source.run.1 += 1;
        } else {
            source.watermark_ns = source.watermark_ns.max(Some(noted.time_ns));
            let heard = &mut source.heard[usize::try_from(noted.location_hash % HEARD as u64).unwrap_or(0)];
            is_news = *heard != noted.location_hash;
            *heard = noted.location_hash;
        }
        let is_first = !std::mem::replace(&mut source.is_watched, true);
        let is_to_look_after = is_first || source.alarms[LAG] || source.run.0 == REFUSALS_RUN;
        Some(ToDo { number, is_news, is_to_look_after })
    }

    /// Notes that a source has spoken of a location.
    #[cold]
    pub(crate) fn speak_of(&mut self, number: u32, location: &str) {
        let locations = &mut self.all[number as usize].locations;
        if !locations.contains(location) {
            locations.insert(location.into());
        }
    }

    /// The sources that have spoken of a location, by name.
    pub(crate) fn of_location(&self, location: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.all.iter().filter(|source| source.locations.contains(location)).map(|source| &*source.name).collect();
        names.sort_unstable();
        names
    }

    /// The newest effective time of what was taken of a source.
    pub(crate) fn watermark(&self, name: &str) -> Option<i64> {
        self.find(name).and_then(|number| self.all[number as usize].watermark_ns)
    }

    /// Appends how far a source is, as members behind others.
    pub(crate) fn write_place(&self, name: &str, log_time_ns: i64, out: &mut Vec<u8>) {
        let Some(number) = self.find(name) else { return };
        let source = &self.all[number as usize];
        write_number(out, "last_sequence", source.last.0);
        write_text(out, "last_log_time", Some(&instant::format(source.last.2)));
        if let Some(watermark_ns) = source.watermark_ns {
            write_text(out, "watermark_time", Some(&instant::format(watermark_ns)));
            let lag_ms = log_time_ns.saturating_sub(watermark_ns).max(0) / 1_000_000;
            write_text(out, "lag_s", Some(&format!("{}.{:03}", lag_ms / 1_000, lag_ms % 1_000)));
        }
        if source.watermark_sequence > 0 {
            write_number(out, "watermark_sequence", source.watermark_sequence);
        }
    }

    /// Counts the final outcome of an element that was held.
    pub(crate) fn release(&mut self, name: &str, outcome: Outcome) {
        if let Some(number) = self.find(name) {
            let source = &mut self.all[number as usize];
            let held = &mut source.outcomes[usize::from(Outcome::Held.number())];
            *held = held.saturating_sub(1);
            source.outcomes[usize::from(outcome.number())] += 1;
        }
    }

    /// Notes that a source is not registered. Returns whether nobody was told yet.
    pub(crate) fn tell(&mut self, name: &str) -> bool {
        let Some(number) = self.find_or_add(name) else { return false };
        !std::mem::replace(&mut self.all[number as usize].is_told, true)
    }

    /// Whether a source may be behind at a time.
    #[inline]
    pub(crate) fn is_due(&self, log_time_ns: i64) -> bool {
        self.due.first().is_some_and(|(due_ns, _)| *due_ns <= log_time_ns)
    }

    /// When a source may be behind next, in nanoseconds since 1970.
    pub(crate) fn next_due_ns(&self) -> Option<i64> {
        self.due.first().map(|(due_ns, _)| *due_ns)
    }

    /// Looks at all sources anew, since the configuration may ask for something else.
    pub(crate) fn rewatch(&mut self) {
        self.due = (0..).zip(&self.all).map(|(number, _)| (i64::MIN, number)).collect();
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64(self.others);
        self.all.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        const DAMAGED: SnapshotError = SnapshotError::Damaged("a source cannot be read");
        self.others = reader.u64()?;
        for (number, source) in (0..).zip(reader.each::<Source>()?) {
            let source = source?;
            if self.find_or_add(&source.name) != Some(number) {
                return Err(DAMAGED);
            }
            self.all[number as usize] = source;
        }
        self.rewatch();
        Ok(())
    }
}

impl Sources {
    /// Looks at a source after an element of it: is it on time again, are too many refused?
    pub(crate) fn look_after(&mut self, core: &mut Core, config: &Config, number: u32, place: Place) {
        let source = &mut self.all[number as usize];
        let name = source.name.clone();
        if source.run.0 == REFUSALS_RUN {
            let refusals = source.run.1;
            source.run = (0, 0);
            let percent = config.source(&name).and_then(|registered| registered.alert_refusals_percent);
            let is_refused = percent.is_some_and(|percent| refusals * 100 > u64::from(percent) * REFUSALS_RUN);
            let was_refused = std::mem::replace(&mut source.alarms[REFUSALS], is_refused);
            if is_refused {
                let cause = format!("{refusals} of its last {REFUSALS_RUN} events were refused");
                core.raise(config, about_source("source_refusals", &name, cause, place));
            } else if was_refused {
                core.resolve("source_refusals", &name, "in order again", place);
            }
        }
        self.look_at_lag(core, config, number, place);
    }

    /// Looks at all sources that may be behind by now.
    pub(crate) fn look_at_lags(&mut self, core: &mut Core, config: &Config, place: Place) {
        let Some(now_ns) = core.log_time_ns else { return };
        while let Some((due_ns, number)) = self.due.first().copied().filter(|(due_ns, _)| *due_ns <= now_ns) {
            self.due.remove(&(due_ns, number));
            self.look_at_lag(core, config, number, place);
        }
    }

    fn look_at_lag(&mut self, core: &mut Core, config: &Config, number: u32, place: Place) {
        let source = &mut self.all[number as usize];
        let name = source.name.clone();
        let alert_ns = config.source(&name).and_then(|registered| registered.alert_lag_ns);
        let (Some(alert_ns), Some(watermark_ns), Some(now_ns)) = (alert_ns, source.watermark_ns, core.log_time_ns)
        else {
            return;
        };
        let due_ns = watermark_ns.saturating_add(alert_ns).saturating_add(1);
        let is_lagging = due_ns <= now_ns;
        let was_lagging = std::mem::replace(&mut source.alarms[LAG], is_lagging);
        if !is_lagging {
            self.due.insert((due_ns, number));
        }
        if is_lagging && !was_lagging {
            let cause = format!(
                "its newest effective time {} is behind the log's {} by more than alert_lag",
                instant::format(watermark_ns),
                instant::format(now_ns)
            );
            core.raise(config, about_source("source_lag", &name, cause, place));
        } else if was_lagging && !is_lagging {
            core.resolve("source_lag", &name, "in order again", place);
        }
    }

    /// What is known of each source, as a JSON array: first those that are registered, by name, then the others.
    pub(crate) fn list(&self, core: &Core, tracker: &SequenceTracker) -> Vec<u8> {
        let config = &core.config;
        let silent = config.sources().filter(|(name, _)| self.find(name).is_none()).map(|(name, _)| name);
        let mut names: Vec<&str> = self.all.iter().map(|source| &*source.name).chain(silent).collect();
        names.sort_unstable_by_key(|name| (config.source(name).is_none(), *name));
        let mut out = b"[".to_vec();
        for (place, name) in names.into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            self.write_source(core, tracker, name, &mut out);
        }
        out.push(b']');
        out
    }

    fn write_source(&self, core: &Core, tracker: &SequenceTracker, name: &str, out: &mut Vec<u8>) {
        let registered = core.config.source(name);
        out.extend_from_slice(b"{\"source\":");
        tallystick_contract::json_text::write_string(out, name);
        write_name(out, "registered");
        out.extend_from_slice(if registered.is_some() { b"true" } else { b"false" });
        write_text(out, "order", Some(core.config.ordering(name).order.name()));
        if let Some(registered) = registered {
            write_text(out, "team", registered.team.as_deref());
            write_text(out, "replay_procedure", registered.replay_procedure.as_deref());
            if let Some(percent) = registered.quality_percent {
                write_number(out, "quality_percent", percent.into());
            }
        }
        if let Some(number) = self.find(name) {
            self.write_heard(core, &self.all[number as usize], out);
        }
        Self::write_tracks(tracker, name, out);
        out.push(b'}');
    }

    fn write_heard(&self, core: &Core, source: &Source, out: &mut Vec<u8>) {
        let count = |is_meant: &dyn Fn(Outcome) -> bool| -> u64 {
            outcome::ALL.iter().filter(|o| is_meant(**o)).map(|o| source.outcomes[usize::from(o.number())]).sum()
        };
        let (events, refusals) = (count(&|_| true), count(&|outcome| outcome.is_refusal()));
        write_number(out, "events", events);
        write_number(out, "refusals", refusals);
        let accepted = events - refusals - count(&|o| o == Outcome::Conflict);
        if let Some(basis_points) = (accepted * 10_000).checked_div(events) {
            write_text(out, "quality", Some(&format!("{}.{:02}", basis_points / 100, basis_points % 100)));
        }
        out.extend_from_slice(b",\"outcomes\":{");
        let seen = outcome::ALL.iter().filter(|o| source.outcomes[usize::from(o.number())] > 0);
        for (place, outcome) in seen.enumerate() {
            if place > 0 {
                out.push(b',');
            }
            tallystick_contract::json_text::write_string(out, outcome.name());
            out.push(b':');
            tallystick_contract::quantity::write_digits(out, source.outcomes[usize::from(outcome.number())]);
        }
        out.push(b'}');
        self.write_place(&source.name, core.now_ns(), out);
        out.extend_from_slice(b",\"alerts\":[");
        let alerts = ["source_lag", "source_refusals"].into_iter().zip(source.alarms);
        for (place, (alert, _)) in alerts.filter(|(_, is_on)| *is_on).enumerate() {
            if place > 0 {
                out.push(b',');
            }
            tallystick_contract::json_text::write_string(out, alert);
        }
        out.push(b']');
    }

    /// What is held of a source, and which numbers it owes.
    pub(crate) fn write_tracks(tracker: &SequenceTracker, name: &str, out: &mut Vec<u8>) {
        let tracks = || tracker.all().iter().filter(|track| *track.source == *name);
        write_number(out, "held", tracks().map(|track| track.held.len() as u64).sum());
        out.extend_from_slice(b",\"open_gaps\":[");
        let mut lead: &[u8] = b"";
        for track in tracks() {
            for (first, last) in track.lost.iter().map(|(range, _)| *range).chain(track.gap()) {
                out.extend_from_slice(lead);
                lead = b",";
                out.extend_from_slice(b"{\"from\":");
                tallystick_contract::quantity::write_digits(out, first);
                write_number(out, "to", last);
                if let Some((sku, location)) = track.key().position {
                    write_text(out, "sku", Some(sku));
                    write_text(out, "location", Some(location));
                }
                out.push(b'}');
            }
        }
        out.push(b']');
    }
}

fn about_source<'a>(code: &'a str, name: &'a str, cause: String, place: Place) -> About<'a> {
    About { code, subject: name, source: Some(name), sku: None, location: None, cause, missing: None, place }
}

impl Sources {
    /// Notes that a source has spoken of a location.
    #[cold]
    pub(crate) fn hear_of(
        &mut self,
        core: &Core,
        source: &str,
        number: u32,
        (event, outcome): (&Event<'_>, Outcome),
        time_ns: i64,
    ) {
        let Some(location) = given(event.location).filter(|_| !outcome.is_refusal()) else { return };
        let known = core.locations.has_aliases().then(|| core.locations.resolve(source, location, time_ns));
        self.speak_of(number, known.flatten().unwrap_or(location));
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Source>());
    }
}
