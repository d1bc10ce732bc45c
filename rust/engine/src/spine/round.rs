//! Rounds: many elements that a crew works off together, where the state is divided. Elements are read in ranges; then
//! each part of the keys, and after it each part of the stock, takes what falls to it in the order of the log. Between
//! these steps, and in the end, the caller's thread puts together what belongs together. Changes no answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::Fingerprint;

use crate::diagnostics::Diagnostics;
use crate::keys;
use crate::output::batch::Batch;
use crate::read::element::{Decoded, Element, bar_foreign, see};
use crate::read::event::EventTime;
use crate::read::reading::{Posting, Reading};
use crate::read::shape::Shapes;
use crate::spine::column::check_plain;
use crate::spine::engine::Engine;
use crate::spine::raise::foreign;
use crate::stock;
use crate::stock::lookup::{Found, WAVE_EVENTS, look_ahead};
use crate::stock::post::Checked;

/// Elements of the round that follow each other, as one member of the crew read them.
struct Range<'r, 'c> {
    /// Elements of the round before it.
    first: usize,
    elements: &'r [Element<'r>],
    decoded: Vec<Decoded<'r>>,
    readings: Vec<Reading<'c>>,
    /// Whether each of its events stands for itself.
    is_plain: bool,
    /// The latest log time that the range has offered up to each element; the least number for none.
    offered_ns: Vec<i64>,
    /// The log's time before the range, likewise.
    before_ns: i64,
    /// The claims by the part of their key, and by the part of their SKU: places in the range.
    by_key: Vec<Vec<u32>>,
    by_sku: Vec<Vec<u32>>,
}

/// What became of the claims of a round so far, by their place in it.
struct Verdicts(Vec<AtomicU8>);

/// Marks the verdict of a claim whose key is new.
const NEW: u8 = 0x80;

impl Verdicts {
    fn set(&self, place: usize, verdict: u8) {
        // A crew comes together between the steps, which is all the order that is needed.
        self.0[place].store(verdict, Ordering::Relaxed);
    }

    fn get(&self, place: usize) -> u8 {
        self.0[place].load(Ordering::Relaxed)
    }

    fn outcome(&self, place: usize) -> Outcome {
        Outcome::from_number(self.get(place) & !NEW).expect("a verdict is an outcome's number")
    }
}

/// What was found out about elements on their way, by their place in the round, in order.
type Notes = Vec<(usize, Diagnostics)>;

/// A member of the crew at a part of the state, with what it found out.
struct Worker<'s, P> {
    part: &'s mut P,
    notes: Notes,
    /// Places of new events that were refused by the state.
    refused: Vec<usize>,
}

impl<'s, P> Worker<'s, P> {
    fn all(parts: &'s mut [P]) -> Vec<Self> {
        parts.iter_mut().map(|part| Self { part, notes: Notes::new(), refused: Vec::new() }).collect()
    }
}

impl Engine {
    /// Whether so many elements are for the crew. Near a limit that counts over all parts, and where sources promise an
    /// order, elements are judged one by one.
    pub(crate) fn is_for_crew(&self, elements: usize) -> bool {
        self.shards.is_worth(elements)
            && !self.core.config.has_orders()
            && self.tracker.is_idle()
            && self.is_plain(&self.core.config)
            && self.waiting.is_empty()
            && self.core.believed_ns.is_none()
            && !self.schedule.is_used
            && !self.core.config.has_timed_safety()
            && self.core.keys.has_room(elements)
            && self.core.stock.has_room(elements)
    }

    /// Applies elements with the crew, unless one of them asks for more of the state than its own parts. Returns
    /// whether it did.
    pub(crate) fn run_round(&mut self, config: &Config, elements: &[Element<'_>], batch: &mut Batch) -> bool {
        let mut arenas: Vec<_> = (0..self.shards.count()).map(|_| Bump::new()).collect();
        let ranges = self.read_ranges(config, elements, &mut arenas);
        if !ranges.iter().all(|range| range.is_plain) {
            return false;
        }
        let verdicts = Verdicts((0..elements.len()).map(|_| AtomicU8::new(0)).collect());
        let mut notes = self.recall(config, &ranges, &verdicts);
        let refused = self.post(config, &ranges, &verdicts, &mut notes);
        if !refused.is_empty() {
            self.amend(&ranges, &verdicts, &refused);
        }
        notes.sort_by_key(|(place, _)| *place);
        self.conclude(config, &ranges, &verdicts, notes, batch);
        true
    }

    /// Reads the elements in ranges, and puts the ranges' times in order.
    fn read_ranges<'r, 'c>(
        &mut self,
        config: &'c Config,
        elements: &'r [Element<'r>],
        arenas: &'r mut [Bump],
    ) -> Vec<Range<'r, 'c>> {
        let size = elements.len().div_ceil(arenas.len()).next_multiple_of(WAVE_EVENTS);
        let mut ranges: Vec<_> = elements
            .chunks(size)
            .zip(arenas)
            .zip(&mut self.core.shapes)
            .enumerate()
            .map(|(number, ((elements, arena), shapes))| (Range::new(number * size, elements), shapes, Some(arena)))
            .collect();
        let (keys, stock, secret, seed) = (&self.core.keys, &self.core.stock, &self.core.secret, self.core.seed);
        self.shards.each(&mut ranges, |_, (range, shapes, arena)| {
            range.read(config, shapes, arena.take().expect("a range is read once"), |decoded| {
                decoded.hash(secret, seed);
                Reading::of(config, seed, decoded)
            });
            range.by_key = divide(keys.parts.len(), range, |decoded| keys.part_of(decoded.key));
            range.by_sku = divide(stock.parts.len(), range, |decoded| stock.part_of(decoded.hashes.sku));
        });
        let mut ranges: Vec<_> = ranges.into_iter().map(|(range, ..)| range).collect();
        let mut before_ns = self.core.reached_ns();
        for range in &mut ranges {
            range.before_ns = before_ns;
            before_ns = range.offered_ns.last().map_or(before_ns, |offered_ns| before_ns.max(*offered_ns));
        }
        ranges
    }

    /// Looks up the keys, and remembers those that are new as if their events were applied.
    fn recall(&mut self, config: &Config, ranges: &[Range<'_, '_>], verdicts: &Verdicts) -> Notes {
        let (ordinal, floor_ns) = (self.core.elements, self.core.keys.floor_ns());
        let mut workers = Worker::all(&mut self.core.keys.parts);
        self.shards.each(&mut workers, |number, worker| {
            for range in ranges {
                for wave in range.by_key[number].chunks(WAVE_EVENTS) {
                    worker.recall(config, range, wave, verdicts, (ordinal, floor_ns));
                }
            }
        });
        let notes = workers.into_iter().flat_map(|worker| worker.notes).collect();
        // The window moves with claims and with nothing else.
        let last = |range: &Range<'_, '_>| range.by_key.iter().filter_map(|claims| claims.last()).max().copied();
        if let Some((range, at)) = ranges.iter().rev().find_map(|range| Some((range, last(range)?))) {
            self.core.keys.settle(range.log_time_ns(at as usize));
        }
        notes
    }

    /// Posts the new events. Returns the places of those that the state refused.
    fn post(
        &mut self,
        config: &Config,
        ranges: &[Range<'_, '_>],
        verdicts: &Verdicts,
        notes: &mut Notes,
    ) -> Vec<usize> {
        let (ordinal, first_element) = (self.core.posts, self.core.elements);
        self.core.posts += ranges.iter().map(|range| range.elements.len() as u64).sum::<u64>();
        let mut workers = Worker::all(&mut self.core.stock.parts);
        self.shards.each(&mut workers, |number, worker| {
            for range in ranges {
                for wave in range.by_sku[number].chunks(WAVE_EVENTS) {
                    worker.post(config, range, wave, verdicts, (ordinal, first_element));
                }
            }
        });
        let mut refused = Vec::new();
        for worker in workers {
            notes.extend(worker.notes);
            refused.extend(worker.refused);
        }
        refused
    }

    /// Sets right what was remembered of events that were refused in the end, and what their repetitions in the same
    /// round got.
    fn amend(&mut self, ranges: &[Range<'_, '_>], verdicts: &Verdicts, refused: &[usize]) {
        let size = ranges[0].elements.len();
        // A key may be new twice in a round whose time moves far: what it got the last time holds.
        let mut answers: Vec<BTreeMap<[u64; 2], Outcome>> = vec![BTreeMap::new(); self.core.keys.parts.len()];
        for place in refused {
            let key = ranges[place / size].decoded[place % size].key;
            answers[self.core.keys.part_of(key)].insert(key.0, Outcome::Applied);
        }
        let mut workers: Vec<_> = self.core.keys.parts.iter_mut().zip(answers).collect();
        self.shards.each(&mut workers, |number, (part, answers): &mut (&mut keys::KeyPart, _)| {
            if answers.is_empty() {
                return;
            }
            for (range, at) in ranges.iter().flat_map(|range| range.by_key[number].iter().map(move |at| (range, *at))) {
                let (place, decoded, posting) = range.posting(at);
                let Some(answer) = answers.get_mut(&decoded.key.0) else { continue };
                if verdicts.get(place) & NEW != 0 {
                    *answer = verdicts.outcome(place);
                } else if verdicts.outcome(place) == Outcome::Duplicate {
                    verdicts.set(place, posting.body.known(*answer).answer_again().number());
                }
            }
            for (key, answer) in answers {
                part.dedup.set_answer(Fingerprint(*key), Known::of(*answer));
            }
        });
    }

    /// Writes down what became of each element, in the order of the log.
    fn conclude(
        &mut self,
        config: &Config,
        ranges: &[Range<'_, '_>],
        verdicts: &Verdicts,
        notes: Notes,
        batch: &mut Batch,
    ) {
        let mut notes = notes.into_iter().peekable();
        for range in ranges {
            for (at, (element, reading)) in range.elements.iter().zip(&range.readings).enumerate() {
                let (place, decoded) = (range.first + at, &range.decoded[at]);
                self.begin_message(element.place.sequence, batch);
                self.core.log_time_ns = Some(range.offer_ns(at)).filter(|ns| *ns > i64::MIN);
                self.on_time(config, element.place, batch);
                let mut diagnostics =
                    notes.next_if(|(noted, _)| *noted == place).map(|(_, diagnostics)| diagnostics).unwrap_or_default();
                let outcome = match reading {
                    Reading::TooLarge => Outcome::TooLarge,
                    Reading::Malformed(malformed) => {
                        diagnostics.malformed = Some(*malformed);
                        Outcome::Malformed
                    }
                    Reading::Refused(outcome) => {
                        diagnostics.why = foreign(config, element, decoded);
                        *outcome
                    }
                    Reading::Directive(_) => unreachable!("a round is plain"),
                    Reading::Posting(posting) => {
                        let outcome = verdicts.outcome(place);
                        let log_time_ns = range.log_time_ns(at);
                        self.suspects.suspect_duplicate(
                            &self.core,
                            config,
                            (&decoded.event, posting),
                            (outcome, log_time_ns),
                            &mut diagnostics,
                        );
                        outcome
                    }
                };
                self.record(config, element, (outcome, decoded, &mut diagnostics), batch);
            }
        }
    }
}

impl<'r, 'c> Range<'r, 'c> {
    fn new(first: usize, elements: &'r [Element<'r>]) -> Self {
        Self {
            first,
            elements,
            decoded: Vec::new(),
            readings: Vec::new(),
            is_plain: true,
            offered_ns: Vec::new(),
            before_ns: i64::MIN,
            by_key: Vec::new(),
            by_sku: Vec::new(),
        }
    }

    /// Reads the elements, as far as that needs no state.
    fn read(
        &mut self,
        config: &Config,
        shapes: &mut Shapes,
        arena: &'r Bump,
        reading_of: impl Fn(&mut Decoded<'r>) -> Reading<'c>,
    ) {
        self.decoded.reserve(self.elements.len());
        let mut offered_ns = i64::MIN;
        for elements in self.elements.chunks(WAVE_EVENTS) {
            let begin = self.decoded.len();
            self.decoded.resize_with(begin + elements.len(), Decoded::default);
            let decoded = &mut self.decoded[begin..];
            see(elements, decoded, shapes, arena);
            if let Some(bound) = &config.source_subject {
                bar_foreign(bound, elements, decoded);
            }
            for (element, decoded) in elements.iter().zip(decoded) {
                let reading = reading_of(decoded);
                let is_answered = match reading {
                    // What cannot be read is answered all the same, where it says where to.
                    Reading::Malformed(_) | Reading::Refused(Outcome::NotOwner) => {
                        decoded.event.kind.starts_with("reservation.")
                    }
                    Reading::Directive(_) => true,
                    Reading::TooLarge | Reading::Refused(_) | Reading::Posting(_) => false,
                };
                // What lines claim falls to no part of the stock alone.
                let is_of_line = decoded.event.document.is_some()
                    && matches!(&reading, Reading::Posting(posting) if posting.rule.step.is_some());
                self.is_plain &=
                    !is_of_line && !is_answered && decoded.event.origin_id.is_none() && decoded.event.unit.is_none();
                let clock = element.clock;
                // The bus's time moves with every message, whatever becomes of its elements.
                let time = if reading.is_timed() { decoded.event.time } else { EventTime::Absent };
                offered_ns = clock.offer(time).map_or(offered_ns, |ns| offered_ns.max(ns));
                self.offered_ns.push(offered_ns);
                self.readings.push(reading);
            }
        }
    }

    /// The log's time with an element; the least number for none.
    fn offer_ns(&self, at: usize) -> i64 {
        self.before_ns.max(self.offered_ns[at])
    }

    /// The log time of an element.
    fn log_time_ns(&self, at: usize) -> i64 {
        let ns = self.offer_ns(at);
        if ns == i64::MIN { 0 } else { ns }
    }

    /// A claim: its place in the round, what was seen, and what it asks for.
    fn posting(&self, at: u32) -> (usize, &Decoded<'r>, &Posting<'c>) {
        let at = at as usize;
        let Reading::Posting(posting) = &self.readings[at] else { unreachable!("only claims are divided among parts") };
        (self.first + at, &self.decoded[at], posting)
    }
}

/// The claims of a range by part, each in order.
fn divide(parts: usize, range: &Range<'_, '_>, part_of: impl Fn(&Decoded<'_>) -> usize) -> Vec<Vec<u32>> {
    let mut divided = vec![Vec::with_capacity(range.elements.len() / parts * 5 / 4); parts];
    for (at, (reading, decoded)) in (0..).zip(range.readings.iter().zip(&range.decoded)) {
        if matches!(reading, Reading::Posting(_)) {
            divided[part_of(decoded)].push(at);
        }
    }
    divided
}

impl Worker<'_, keys::KeyPart> {
    /// Looks up the keys of a few events. `ordinal` counts the elements before the round, `floor_ns` is the time up to
    /// which keys were forgotten.
    fn recall(
        &mut self,
        config: &Config,
        range: &Range<'_, '_>,
        wave: &[u32],
        verdicts: &Verdicts,
        (ordinal, floor_ns): (u64, i64),
    ) {
        let keys = || wave.iter().map(|at| range.decoded[*at as usize].key);
        keys().for_each(|key| self.part.dedup.prefetch(key));
        keys().for_each(|key| self.part.dedup.prefetch_places(key));
        for at in wave {
            let (place, decoded, posting) = range.posting(*at);
            let log_time_ns = range.log_time_ns(*at as usize);
            let now = (ordinal + place as u64, log_time_ns);
            let mut diagnostics = Diagnostics::default();
            let checked = check_plain(config, self.part, now, (decoded, posting.body), floor_ns, &mut diagnostics);
            let verdict = match checked {
                Err(outcome) => outcome.number(),
                Ok(new_key) => {
                    self.part.remember(new_key, Outcome::Applied);
                    NEW | Outcome::Applied.number()
                }
            };
            verdicts.set(place, verdict);
            if diagnostics.fields.is_some() {
                self.notes.push((place, diagnostics));
            }
        }
    }
}

impl Worker<'_, stock::Part> {
    /// Posts those of a few events that are new.
    fn post(
        &mut self,
        config: &Config,
        range: &Range<'_, '_>,
        wave: &[u32],
        verdicts: &Verdicts,
        (ordinal, first_element): (u64, u64),
    ) {
        let mut found = [Found::default(); WAVE_EVENTS];
        look_ahead(wave.iter().map(|at| &range.decoded[*at as usize]), |_| &*self.part, &mut found);
        for (at, found) in wave.iter().zip(found) {
            let (place, decoded, posting) = range.posting(*at);
            if verdicts.get(place) & NEW == 0 {
                continue;
            }
            let event = &decoded.event;
            let log_time_ns = range.log_time_ns(*at as usize);
            let time_ns = match event.time {
                EventTime::At(ns) => ns,
                // A time beyond all bounds was refused before.
                EventTime::Absent | EventTime::BeyondRange => log_time_ns,
            };
            let sequence = range.elements[*at as usize].place.sequence;
            let checked = Checked {
                relief: 0,
                event,
                posting,
                key: decoded.key,
                time_ns,
                rank: [time_ns, 0, 0],
                sequence,
                ordinal: ordinal + place as u64,
                element: first_element + place as u64,
                found,
            };
            let mut diagnostics = Diagnostics::default();
            let outcome = self.part.post(config, &checked, &mut diagnostics);
            verdicts.set(place, NEW | outcome.number());
            if Known::of(outcome).is_refusal() {
                self.refused.push(place);
            }
            if diagnostics.is_telling() || diagnostics.why.is_some() {
                self.notes.push((place, diagnostics));
            }
        }
    }
}
