//! Holding: what is ahead in its source's order waits in a [`Tracks`], and follows when what is before it has come or was given up. Time is the
//! log's, so a replay gives the same answer.

use std::sync::Arc;

use bumpalo::Bump;

use crate::batch::Batch;
use crate::body::Known;
use crate::config::Config;
use crate::engine::{Clock, Engine, Place, raise};
use crate::event::Event;
use crate::exception::ExceptionRecord;
use crate::explain::{Findings, Late, cure};
use crate::judge::{Claim, Reading};
use crate::limits::HELD_BYTES_MAX;
use crate::order::{Order, Ordering};
use crate::outcome::Outcome;
use crate::post::Checked;
use crate::tracks::{Held, TrackKey, Turn};
use crate::wave::{Element, Found, Seen, see};

/// Where an event ranks in its source's order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rank {
    /// It is applied, on this track if its source counts.
    InOrder(Option<u32>),
    /// It is applied, and called late.
    Late(u32, Late),
    /// It waits on this track.
    Ahead(u32),
}

impl Engine {
    /// Where an event ranks in its source's order. Changes nothing but that its track is known from then on.
    pub(crate) fn rank_of(&mut self, ordering: Ordering, event: &Event<'_>) -> Rank {
        if ordering.order == Order::Arrival {
            return Rank::InOrder(None);
        }
        let (sku, location) = (event.sku.unwrap_or_default(), event.location.unwrap_or_default());
        let position = (ordering.order == Order::Position).then_some((sku, location));
        let key = TrackKey { source: event.source.unwrap_or_default(), position };
        let track = self.tracks.find_or_add(self.seed, key);
        match (self.tracks.turn(track, event.sequence.unwrap_or_default()), ordering.order) {
            (Turn::Now, _) | (Turn::Ahead, Order::Increasing) => Rank::InOrder(Some(track)),
            (Turn::Ahead, _) => Rank::Ahead(track),
            (Turn::Behind { .. }, Order::Increasing) => Rank::Late(track, Late::IsSmaller),
            (Turn::Behind { was_lost: true }, _) => Rank::Late(track, Late::WasLost),
            (Turn::Behind { was_lost: false }, _) => Rank::Late(track, Late::WasTaken),
        }
    }

    /// Notes that an event which was applied, or refused by the state, has taken its place in its source's order.
    pub(crate) fn take_place(&mut self, rank: Rank, number: u64) {
        match rank {
            Rank::InOrder(Some(track)) => {
                self.tracks.pass(track, number);
                self.moved = Some(track);
            }
            Rank::Late(track, Late::WasLost) => self.tracks.find_lost(track, number),
            Rank::InOrder(None) | Rank::Late(..) | Rank::Ahead(_) => {}
        }
    }

    /// Holds an event that is ahead.
    pub(crate) fn hold(
        &mut self,
        track: u32,
        ordering: Ordering,
        element: &Element<'_>,
        seen: &Seen<'_>,
        time_ns: i64,
    ) {
        let Place { sequence, index, .. } = element.place;
        let held = Held {
            sequence,
            index,
            ordinal: self.elements,
            came_ns: self.log_time_ns.unwrap_or(0),
            time_ns,
            key: seen.key,
            bytes: element.whole().into(),
        };
        self.tracks.hold(track, seen.event.sequence.unwrap_or_default(), held, ordering.gap_wait_ns);
        self.moved = Some(track);
    }

    /// Lets follow what an element has made possible: what was held behind it, or what there is no more room to hold.
    pub(crate) fn follow_up(&mut self, config: &Config, sequence: u64, batch: &mut Batch) {
        let Some(track) = self.moved.take() else { return };
        self.drain(config, track, sequence, batch);
        let held_max = config.ordering(&self.tracks.get(track).source).held_max;
        while self.tracks.held_count(track) > held_max {
            self.give_up(config, track, sequence, batch);
        }
        while self.tracks.held_bytes() > HELD_BYTES_MAX
            && let Some(longest) = self.tracks.due(i64::MAX)
        {
            self.give_up(config, longest, sequence, batch);
        }
    }

    /// Gives up every gap that was waited for long enough until the log's time.
    pub(crate) fn expire(&mut self, config: &Config, sequence: u64, batch: &mut Batch) {
        let Some(now_ns) = self.log_time_ns else { return };
        while let Some(track) = self.tracks.due(now_ns) {
            self.give_up(config, track, sequence, batch);
        }
    }

    /// Gives up every gap, as at the end of a replay: what is held is applied as after its wait.
    pub fn release_held(&mut self, batch: &mut Batch) {
        let config = Arc::clone(&self.config);
        while let Some(track) = self.tracks.due(i64::MAX) {
            self.give_up(&config, track, self.sequence, batch);
        }
        self.keys.settle_all();
    }

    /// Declares the numbers that are missing first on a track lost, and lets follow what was held behind them.
    fn give_up(&mut self, config: &Config, track: u32, sequence: u64, batch: &mut Batch) {
        let key = self.tracks.get(track).key();
        let (source, position) = (key.source.into(), key.position.map(|(sku, place)| (sku.into(), place.into())));
        if let Some((missing, held)) = self.tracks.give_up(track) {
            let code = "sequence_gap";
            let (sku, location) = position.unzip();
            let exception = ExceptionRecord {
                code: code.into(),
                outcome: None,
                team: config.team(code),
                sequence: held.sequence,
                index: held.index,
                log_time_ns: self.log_time_ns.unwrap_or(0),
                source: Some(source),
                id: None,
                correlation_id: None,
                causation_id: None,
                sku,
                location,
                cause: cause_of_gap(missing),
                cure: cure(code),
                fields: Vec::new(),
                missing: Some(missing),
                event: Box::default(),
                event_bytes_total: 0,
            };
            batch.exceptions.push(exception);
        }
        self.drain(config, track, sequence, batch);
    }

    /// Applies the held events of a track whose turn has come.
    fn drain(&mut self, config: &Config, track: u32, sequence: u64, batch: &mut Batch) {
        while let Some((turn, _, held)) = self.tracks.take(track) {
            self.apply_held(config, turn, &held, sequence, batch);
        }
        let ordering = config.ordering(&self.tracks.get(track).source);
        self.tracks.settle(track, ordering.gap_wait_ns);
    }

    /// Applies an event that was held: it passed every check of its own when it came, and its key is remembered.
    fn apply_held(&mut self, config: &Config, turn: Turn, held: &Held, sequence: u64, batch: &mut Batch) {
        let arena = Bump::new();
        let (element, seen) = self.see_held(held, &arena);
        let Reading::Claim(claim) = Reading::of(config, self.seed, &seen) else {
            unreachable!("what is held was read before, under the same configuration")
        };
        let mut findings = Findings::default();
        let mut outcome =
            self.post_now(config, (&seen, &claim), (held.time_ns, sequence), Found::default(), &mut findings);
        let log_time_ns = self.log_time_ns.unwrap_or(0);
        self.suspect_duplicate(config, (&seen.event, &claim), (outcome, log_time_ns), &mut findings);
        if Known::of(outcome).is_refusal() {
            self.keys.set_answer(held.key, outcome);
        } else if turn != Turn::Now {
            (outcome, findings.late) = (Outcome::Late, Some(Late::WasTaken));
        }
        self.totals[usize::from(Outcome::Held.number())] -= 1;
        self.totals[usize::from(outcome.number())] += 1;
        batch.released.push((held.sequence, held.index, outcome));
        raise(config, &element, (outcome, &seen.event, findings), log_time_ns, batch);
    }

    fn see_held<'a>(&mut self, held: &'a Held, arena: &'a Bump) -> (Element<'a>, Seen<'a>) {
        let place = Place { sequence: held.sequence, index: held.index, clock: Clock::Event };
        let element = [Element::new(&held.bytes, place)];
        let mut seen = [Seen::default()];
        see(&element, &mut seen, &mut self.shapes[0], arena);
        let ([element], [mut seen]) = (element, seen);
        seen.hash(&self.secret, self.seed);
        (element, seen)
    }

    /// Whether all that is held is what the engine would hold, for a state that came from outside.
    pub(crate) fn holds_claims(&mut self) -> bool {
        let (config, tracks) = (Arc::clone(&self.config), std::mem::take(&mut self.tracks));
        let arena = Bump::new();
        let is_claim = tracks.held().all(|held| {
            let (_, seen) = self.see_held(held, &arena);
            seen.key == held.key && matches!(Reading::of(&config, self.seed, &seen), Reading::Claim(_))
        });
        self.tracks = tracks;
        is_claim
    }

    /// Posts an event to its part of the stock.
    #[inline]
    pub(crate) fn post_now(
        &mut self,
        config: &Config,
        (seen, claim): (&Seen<'_>, &Claim<'_>),
        (time_ns, sequence): (i64, u64),
        found: Found,
        findings: &mut Findings,
    ) -> Outcome {
        if !self.stock.has_room(1) {
            return Outcome::Overflow;
        }
        let part = self.stock.part_of(seen.hashes.sku);
        let ordinal = self.posts;
        self.posts += 1;
        let checked = Checked { event: &seen.event, claim, time_ns, sequence, ordinal, found };
        self.stock.parts[part].post(config, &checked, findings)
    }
}

fn cause_of_gap((first, last): (u64, u64)) -> String {
    if first == last {
        format!("`sequence` {first} did not come in time; what was held behind it was applied without it")
    } else {
        format!("`sequence` {first} to {last} did not come in time; what was held behind them was applied without them")
    }
}
