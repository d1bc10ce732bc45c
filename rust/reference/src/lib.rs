//! The slow, obvious twin of the engine: the oracle of scenarios, properties and fuzzing.
//!
//! Derived from the documents alone: `docs/events.md`, `docs/truth.md`, `docs/promise.md`, `docs/claims.md` and
//! `docs/choices.md`. It keeps every event and recomputes what it is asked for from the definitions, so that it can be
//! read next to the contract. It is not made for speed, and it shares no code with the engine's decoding, memory of
//! keys or ledger. It knows the crate of the contract and no other of ours.
//!
//! What was said, and what follows from it alone, knows nothing of the twin; `twin` holds all of it together; what the
//! twin does with it stands in modules of which each knows only those below it.
#![forbid(unsafe_code)]

mod approval;
mod ask;
mod body;
mod book;
mod calendar;
mod claiming;
mod claims;
mod correction;
mod days;
mod decimal;
mod directive;
mod document;
mod element;
mod event;
mod fields;
mod judge;
mod leap;
mod master;
mod memory;
mod number;
mod order;
mod ownership;
mod pending;
mod position;
mod posting;
mod promise;
mod replenish;
mod supply;
#[cfg(test)]
mod tests;
mod time;
mod turn;
mod twin;
mod waiting;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::{Balance, Claimed, PositionKey};
use tallystick_contract::limits::{EVENT_BYTES_MAX, HELD_BYTES_MAX, WAITING_MAX};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::state_hash::StateHash;

use event::Content;
use position::Position;
use time::Time;
use turn::{Reply, Turn};

pub use promise::GroupFigures;
pub use twin::{Answer, Promised, Reference};

/// What moves log time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// The stamp of the message.
    Bus,
    /// Each event's own time, in replay.
    Events,
}

impl Reference {
    /// Applies one message of the bus.
    pub fn apply_message(&mut self, message: &[u8], sequence: u64, log_time_ns: i64) -> Vec<Answer> {
        self.apply_message_on(None, message, sequence, log_time_ns)
    }

    /// Applies one message that came on a subject: where sources are bound to subjects, it has to be theirs.
    pub fn apply_message_on(
        &mut self,
        subject: Option<&str>,
        message: &[u8],
        sequence: u64,
        log_time_ns: i64,
    ) -> Vec<Answer> {
        self.work.begin((sequence, 0));
        self.stamped(subject, log_time_ns, sequence, message);
        self.give_up_what_is_due(sequence);
        let Some(elements) = element::elements(message) else {
            self.elements += 1;
            self.look_at_replenishment(sequence);
            let answer = self.tell(None, (sequence, 0), &Reply::new(Outcome::Malformed));
            self.work.end();
            return vec![answer];
        };
        let places = (0..).zip(elements);
        let answers =
            places.map(|(index, element)| self.apply(subject, element, (sequence, index), Clock::Bus)).collect();
        self.work.end();
        answers
    }

    /// Applies the lines of a file, one log sequence for each line that is not blank. Without a log time, each event's
    /// own is used.
    pub fn apply_ndjson(&mut self, buffer: &[u8], first_sequence: u64, log_time_ns: Option<i64>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (sequence, line) in (first_sequence..).zip(element::lines(buffer)) {
            self.work.begin((sequence, 0));
            if let Some(stamp_ns) = log_time_ns {
                let times = leap::times(None, &[line], &self.config);
                self.stamped_with(stamp_ns, sequence, &times);
                self.give_up_what_is_due(sequence);
            }
            let clock = log_time_ns.map_or(Clock::Events, |_| Clock::Bus);
            answers.push(self.apply(None, line, (sequence, 0), clock));
            self.work.end();
        }
        answers
    }

    /// All positions, sorted by their names.
    pub fn balances(&self) -> Vec<Balance> {
        let narrow = |amount: i128| i64::try_from(amount).expect("claims are bounded by what is asked for");
        let balance = |(key, position): (&PositionKey, &Position)| {
            let curves = self.curves_at(key, &[], None);
            let claims: Vec<_> = curves.iter().map(|curve| claims::line::at(curve, 0)).collect();
            let sum = |of: fn(&claims::line::Claim) -> i128| claims.iter().map(of).sum::<i128>();
            let mut balance = Balance {
                key: key.clone(),
                accounts: self.accounts_of(key).map(|amount| i64::try_from(amount).expect("overflow is refused")),
                claimed: Claimed {
                    reserved: narrow(self.claimed_at(key) + sum(|claim| claim.reserved)),
                    allocated: narrow(sum(|claim| claim.allocated)),
                    ordered: narrow(sum(|claim| claim.ordered)),
                    unpicked: narrow(self.unpicked(key)),
                },
                atp: 0,
                safety_stock: self.safety_stock_at(key, self.log_time_ns.unwrap_or(0)),
                pending: i64::try_from(self.pending_at(key)).unwrap_or(i64::MAX),
                is_hollow: !self.direct.contains(key),
                version: position.version,
            };
            // Where supply has no limit, what is on the shelf is what nobody doubts.
            let figure = self.figures(key, self.config.promise.mode, None)[0];
            balance.atp = figure.unwrap_or_else(|| balance.on_hand_atp());
            balance
        };
        self.positions.iter().map(balance).collect()
    }

    /// The hash of all balances.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    /// use tallystick_reference::Reference;
    ///
    /// let came = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}"#;
    /// let sold = br#"{"id":"2","source":"shop","type":"stock.sold","sku":"LAMP","location":"DC1","quantity":2}"#;
    /// let state_hash = |events: [&[u8]; 2]| {
    ///     let mut twin = Reference::new(Config::default());
    ///     for (sequence, event) in (1..).zip(events) {
    ///         twin.apply_message(event, sequence, 0);
    ///     }
    ///     twin.state_hash()
    /// };
    /// assert_eq!(state_hash([came, sold]), state_hash([sold, came]));
    /// ```
    pub fn state_hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for balance in self.balances() {
            hash.add(&balance.view());
        }
        hash
    }

    /// Code and subject of all exceptions that are open or acknowledged.
    pub fn open_exceptions(&self) -> BTreeSet<String> {
        self.work.open()
    }

    /// Moves log time, which never goes backwards, and says what it is now.
    fn advance(&mut self, log_time_ns: i64) -> i64 {
        let now = self.log_time_ns.map_or(log_time_ns, |latest| latest.max(log_time_ns));
        self.log_time_ns = Some(now);
        if let Some(believed_ns) = self.believed_ns {
            self.leap = None;
            self.believed_ns = Some(believed_ns.max(log_time_ns)).filter(|ns| *ns < now);
        }
        now
    }

    fn apply(&mut self, subject: Option<&str>, element: &[u8], place: (u64, u32), clock: Clock) -> Answer {
        self.work.begin(place);
        let answer = self.answer(subject, element, place, clock);
        self.elements += 1;
        self.follow_up(place.0);
        self.look_at_safety_stocks(place.0);
        self.look_at_days(place.0);
        self.look_at_replenishment(place.0);
        answer
    }

    /// A position whose safety stock is another than before reflects the message that brought it about: what can be
    /// promised is another.
    fn look_at_safety_stocks(&mut self, sequence: u64) {
        // Nothing but directives can change them, and time where there were any or where rules begin and end.
        if !self.had_directives && !self.config.has_dated_safety() {
            return;
        }
        let now_ns = self.log_time_ns.unwrap_or(0);
        let now: BTreeMap<_, _> =
            self.positions.keys().map(|key| (key.clone(), self.safety_stock_at(key, now_ns))).collect();
        for (key, amount) in &now {
            if self.safety_stocks.get(key).is_some_and(|before| before != amount)
                && let Some(position) = self.positions.get_mut(key)
            {
                position.version = sequence;
            }
        }
        self.safety_stocks = now;
    }

    fn answer(&mut self, subject: Option<&str>, element: &[u8], place: (u64, u32), clock: Clock) -> Answer {
        if element.len() > EVENT_BYTES_MAX {
            return self.tell(None, place, &Reply::new(Outcome::TooLarge));
        }
        let Ok(event) = event::decode_on(subject, element, &self.config) else {
            return self.refuse_form(element, place);
        };
        let log_time_ns = match event.time {
            Some(Time::Exact(own)) if clock == Clock::Events && !event.is_definition() => self.advance(own),
            _ => self.log_time_ns.unwrap_or(0),
        };
        self.give_up_what_is_due(place.0);
        if matches!(event.content, Ok(Content::Directive(_))) && !self.had_directives {
            self.had_directives = true;
            self.look_at_safety_stocks(place.0);
        }
        let mut reply = self.judge(&event, place, log_time_ns, element);
        reply.is_told |= promise::is_answered(element, reply.outcome);
        self.hear(&event, reply.outcome);
        let answer = self.tell(Some(&event), place, &reply);
        self.answer_request(&event, element, reply.outcome, place.0);
        self.wake(&event.key(), place.0);
        answer
    }

    /// What is no event is told of under its key, if that can be read.
    fn refuse_form(&mut self, element: &[u8], place: (u64, u32)) -> Answer {
        let reply = Reply::new(Outcome::Malformed);
        let Some(key) = event::legible_key(element) else { return self.tell(None, place, &reply) };
        let mut codes = Vec::new();
        if self.work.is_told(place) {
            self.work.open_item(Outcome::Malformed.name(), &work::of_key(&key));
            codes.push(Outcome::Malformed.name().to_owned());
        }
        self.answer_malformed(&key, element, place.0);
        let (source, id) = (Some(key.0), Some(key.1));
        Answer { sequence: place.0, index: place.1, source, id, outcome: Outcome::Malformed, codes, fields: Vec::new() }
    }

    /// What waited for so long as it may is given up, gaps first, and what should have arrived by now is told of.
    fn give_up_what_is_due(&mut self, sequence: u64) {
        self.forget_keys();
        self.let_time_pass(sequence);
        while let Some((_, at)) = self.orders.earliest().filter(|(due_ns, _)| Some(*due_ns) <= self.log_time_ns) {
            self.give_up(at, sequence);
        }
        let is_over = |twin: &Self, turn: &Turn| {
            Some(turn.came_ns.saturating_add(twin.config.dedup_window_ns)) <= twin.log_time_ns
        };
        self.give_up_waiting(sequence, is_over);
        self.tell_overdue();
        self.look_at_safety_stocks(sequence);
    }

    /// All that waits is given up, as at the end of a replay: gaps, then directives without a target.
    pub fn release_held(&mut self, sequence: u64) {
        while let Some((_, at)) = self.orders.earliest() {
            self.give_up(at, sequence);
        }
        self.give_up_waiting(sequence, |_, _| true);
        self.look_at_replenishment(sequence);
        self.work.end();
    }

    /// Applies what waited for the element, and gives up gaps where too much waits.
    fn follow_up(&mut self, sequence: u64) {
        for at in 0..self.orders.0.len() {
            self.drain(at, sequence);
            while self.orders.0[at].waiting.len() > self.orders.0[at].ordering.held_max {
                self.give_up(at, sequence);
            }
        }
        while self.orders.bytes() > HELD_BYTES_MAX
            && let Some((_, at)) = self.orders.earliest()
        {
            self.give_up(at, sequence);
        }
        self.give_up_waiting(sequence, |twin, _| twin.waiting.len() > WAITING_MAX);
    }

    fn give_up(&mut self, at: usize, sequence: u64) {
        let counted = &mut self.orders.0[at];
        let Some(first) = counted.first() else { return };
        let waiting = &counted.waiting[first];
        let (gap, place) = ((counted.next, waiting.number - 1), waiting.turn.place);
        counted.next = waiting.number;
        counted.lost.push((gap.0, gap.1, BTreeSet::new()));
        if self.work.is_told(place) {
            self.work.open_item("sequence_gap", &counted.subject(gap.0, gap.1));
            self.followed.push(Answer {
                sequence: place.0,
                index: place.1,
                source: Some(counted.source.clone()),
                id: None,
                outcome: Outcome::Held,
                codes: vec![format!("sequence_gap {}-{}", gap.0, gap.1)],
                fields: Vec::new(),
            });
        }
        self.drain(at, sequence);
    }

    /// Applies what waits and need not wait any more.
    fn drain(&mut self, at: usize, sequence: u64) {
        loop {
            let counted = &mut self.orders.0[at];
            let next = counted.next;
            let Some(first) = counted.first().filter(|first| counted.waiting[*first].number <= next) else { return };
            let mut waiting = counted.waiting.remove(first);
            counted.next = next.max(waiting.number + 1);
            waiting.turn.is_late = waiting.number < next;
            self.close_gap(at, waiting.number);
            self.finish(&waiting.turn, sequence);
        }
    }
}
