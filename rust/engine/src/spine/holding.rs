//! Holding: what is ahead in its source's order waits in a [`SequenceTracker`], and follows when what is before it has
//! come or was given up. Time is the log's, so a replay gives the same answer.

use std::sync::Arc;

use tallystick_contract::config::Config;
use tallystick_contract::limits::HELD_BYTES_MAX;
use tallystick_contract::order::Ordering;

use crate::core::context::Context;
use crate::diagnostics::{About, Late};
use crate::order::Rank;
use crate::order::rank::subject_of_gap;
use crate::output::batch::Batch;
use crate::read::element::Place;
use crate::spine::door::Door;
use crate::spine::engine::Engine;

impl Engine {
    /// Notes that an event which was applied, or refused by the state, has taken its place in its source's order.
    pub(crate) fn take_place(&mut self, rank: Rank, number: u64, place: Place) {
        match rank {
            Rank::InOrder(Some(track)) => {
                self.tracker.pass(track, number);
                self.tracker.moved = Some(track);
            }
            Rank::Late(track, Late::WasLost) => {
                if let Some(gap) = self.tracker.find_lost(track, number) {
                    let key = self.tracker.get(track).key();
                    let subject = subject_of_gap(key.source, key.position, gap);
                    self.core.resolve("sequence_gap", &subject, "came after all", place);
                }
            }
            Rank::InOrder(None) | Rank::Late(..) | Rank::Ahead(_) => {}
        }
    }

    /// Holds an event that is ahead.
    pub(crate) fn hold(&mut self, track: u32, ordering: Ordering, context: &Context<'_, '_>) {
        let number = context.decoded.event.sequence.unwrap_or_default();
        let held = context.to_held(&self.core);
        self.tracker.hold(track, number, held, ordering.gap_wait_ns);
        self.tracker.moved = Some(track);
    }

    /// Lets follow what an element has made possible: what was held behind it, or what there is no more room to hold.
    pub(crate) fn follow_up(&mut self, config: &Config, sequence: u64, batch: &mut Batch) {
        let Some(track) = self.tracker.moved.take() else { return };
        self.drain(config, track, sequence, batch);
        let held_max = config.ordering(&self.tracker.get(track).source).held_max;
        while self.tracker.held_count(track) > held_max {
            self.give_up(config, track, sequence, batch);
        }
        while self.tracker.held_bytes() > HELD_BYTES_MAX
            && let Some(longest) = self.tracker.due(i64::MAX)
        {
            self.give_up(config, longest, sequence, batch);
        }
    }

    /// Gives up every gap that was waited for long enough until the log's time.
    pub(crate) fn expire(&mut self, config: &Config, sequence: u64, batch: &mut Batch) {
        let Some(now_ns) = self.core.log_time_ns else { return };
        while let Some(track) = self.tracker.due(now_ns) {
            self.give_up(config, track, sequence, batch);
        }
    }

    /// Gives up every gap, as at the end of a replay: what is held is applied as after its wait.
    pub fn release_held(&mut self, batch: &mut Batch) {
        let config = Arc::clone(&self.core.config);
        while let Some(track) = self.tracker.due(i64::MAX) {
            self.give_up(&config, track, self.core.sequence, batch);
        }
        self.release_waiting(batch);
        self.end_message(batch);
        self.core.keys.settle_all();
    }

    /// Declares the numbers that are missing first on a track lost, and lets follow what was held behind them.
    fn give_up(&mut self, config: &Config, track: u32, sequence: u64, batch: &mut Batch) {
        let key = self.tracker.get(track).key();
        let source: Box<str> = key.source.into();
        let position = key.position.map(|(sku, place)| (sku.into(), place.into()));
        if let Some((missing, held)) = self.tracker.give_up(track) {
            let at = Place { sequence: held.sequence, index: held.index };
            let (sku, location): (Option<Box<str>>, Option<Box<str>>) = position.unzip();
            let subject = subject_of_gap(&source, sku.as_deref().zip(location.as_deref()), missing);
            let about = About {
                code: "sequence_gap",
                subject: &subject,
                source: Some(&source),
                sku: sku.as_deref(),
                location: location.as_deref(),
                cause: cause_of_gap(missing),
                missing: Some(missing),
                place: at,
            };
            self.core.raise(config, about);
            self.pass_notices(batch);
        }
        self.drain(config, track, sequence, batch);
    }

    /// Applies the held events of a track whose turn has come.
    fn drain(&mut self, config: &Config, track: u32, sequence: u64, batch: &mut Batch) {
        while let Some((turn, _, held)) = self.tracker.take(track) {
            if self.come_back(&held, Door::Order(turn), sequence, batch) {
                self.follow_target(held.key, Place { sequence, index: 0 }, batch);
            }
        }
        let ordering = config.ordering(&self.tracker.get(track).source);
        self.tracker.settle(track, ordering.gap_wait_ns);
    }
}

fn cause_of_gap((first, last): (u64, u64)) -> String {
    if first == last {
        format!("`sequence` {first} did not come in time; what was held behind it was applied without it")
    } else {
        format!("`sequence` {first} to {last} did not come in time; what was held behind them was applied without them")
    }
}
