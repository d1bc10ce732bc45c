//! The slow, obvious twin of the engine: the oracle of scenarios, properties and fuzzing.
//!
//! Derived from `docs/events.md` and `docs/choices.md` alone. It keeps every event and recomputes what it is asked for from the
//! definitions, so that it can be read next to the contract. It is not made for speed, and it shares no code with the engine's
//! decoding, memory of keys or ledger.

mod decimal;
mod element;
mod event;
mod memory;
mod order;
mod position;

use std::collections::{BTreeMap, BTreeSet};

use crate::account::Account;
use crate::balance::{Balance, PositionKey};
use crate::config::{Config, NegativeStock, Order};
use crate::instant;
use crate::limits::{ACCOUNT_MAX, EVENT_BYTES_MAX, HELD_BYTES_MAX, NAMED_ELEMENTS};
use crate::outcome::Outcome;
use crate::rules::{End, QuantityRule, Rule};
use crate::state_hash::StateHash;

use event::{Body, Event};
use memory::Memory;
use order::{Orders, Waiting};
use position::{Count, Position};

/// What became of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Place in the log: sequence of the message.
    pub sequence: u64,
    /// Place in the log: index within the message.
    pub index: u32,
    /// Who spoke, where the element could be decoded.
    pub source: Option<String>,
    /// Its idempotency key, where the element could be decoded.
    pub id: Option<String>,
    /// The one final answer.
    pub outcome: Outcome,
    /// The codes of the exceptions that it raised.
    pub codes: Vec<String>,
    /// For a conflict: the fields that differ from what was first sent under the key.
    pub fields: Vec<&'static str>,
}

impl Answer {
    /// An answer that names neither its place nor its key yet. What is not applied, duplicate or absorbed is an exception.
    fn new(outcome: Outcome) -> Self {
        let codes = if outcome.is_silent() { Vec::new() } else { vec![outcome.name().to_owned()] };
        Self { sequence: 0, index: 0, source: None, id: None, outcome, codes, fields: Vec::new() }
    }
}

/// The twin.
#[derive(Debug, Clone)]
pub struct Reference {
    config: Config,
    log_time_ns: Option<i64>,
    memory: Memory,
    /// Elements that were answered.
    elements: u64,
    positions: BTreeMap<PositionKey, Position>,
    orders: Orders,
    /// Final answers of elements that were held, and gaps: an answer `held` with the code `sequence_gap FIRST-LAST`, at the place of the first event
    /// that waited behind it. In the order in which they came about.
    pub followed: Vec<Answer>,
}

/// What moves log time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// The stamp of the message.
    Bus,
    /// Each event's own time, in replay.
    Events,
}

/// What an event would do: the positions that it touches, as they would be afterwards.
struct Plan {
    after: BTreeMap<PositionKey, Position>,
    outcome: Outcome,
}

impl Reference {
    /// An empty ledger.
    pub fn new(config: Config) -> Self {
        let memory = Memory::new(config.dedup_window_ns, config.dedup_keys_max);
        Self {
            config,
            log_time_ns: None,
            memory,
            elements: 0,
            positions: BTreeMap::new(),
            orders: Orders::default(),
            followed: Vec::new(),
        }
    }

    /// Applies one message of the bus.
    pub fn apply_message(&mut self, message: &[u8], sequence: u64, log_time_ns: i64) -> Vec<Answer> {
        self.advance(log_time_ns);
        self.give_up_what_is_due(sequence);
        let Some(elements) = element::elements(message) else {
            self.elements += 1;
            return vec![Answer { sequence, ..Answer::new(Outcome::Malformed) }];
        };
        let places = (0..).zip(elements);
        places
            .map(|(index, element)| Answer { sequence, index, ..self.apply(element, (sequence, index), Clock::Bus) })
            .collect()
    }

    /// Applies the lines of a file, one log sequence for each line that is not blank. Without a log time, each event's own is used.
    pub fn apply_ndjson(&mut self, buffer: &[u8], first_sequence: u64, log_time_ns: Option<i64>) -> Vec<Answer> {
        let clock = log_time_ns.map_or(Clock::Events, |stamp| {
            self.advance(stamp);
            self.give_up_what_is_due(first_sequence);
            Clock::Bus
        });
        let places = (first_sequence..).zip(element::lines(buffer));
        places.map(|(sequence, line)| Answer { sequence, ..self.apply(line, (sequence, 0), clock) }).collect()
    }

    /// All positions, sorted by their names.
    pub fn balances(&self) -> Vec<Balance> {
        let balance = |(key, position): (&PositionKey, &Position)| Balance {
            key: key.clone(),
            accounts: position.accounts().map(|amount| i64::try_from(amount).expect("overflow is refused")),
            safety_stock: self.safety_stock(key),
            pending: 0,
            version: position.version,
        };
        self.positions.iter().map(balance).collect()
    }

    /// The hash of all balances.
    pub fn state_hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for balance in self.balances() {
            hash.add(&balance.view());
        }
        hash
    }

    fn safety_stock(&self, key: &PositionKey) -> i64 {
        let is_whole = key.lot.is_empty() && key.owner.is_empty();
        if is_whole { self.config.safety_stock(&key.sku, &key.location) } else { 0 }
    }

    /// Moves log time, which never goes backwards, and says what it is now.
    fn advance(&mut self, log_time_ns: i64) -> i64 {
        let now = self.log_time_ns.map_or(log_time_ns, |latest| latest.max(log_time_ns));
        self.log_time_ns = Some(now);
        now
    }

    fn apply(&mut self, element: &[u8], place: (u64, u32), clock: Clock) -> Answer {
        let answer = self.answer(element, place, clock);
        self.elements += 1;
        self.follow_up(place.0);
        answer
    }

    fn answer(&mut self, element: &[u8], place: (u64, u32), clock: Clock) -> Answer {
        if element.len() > EVENT_BYTES_MAX {
            return Answer::new(Outcome::TooLarge);
        }
        let Ok(event) = event::decode(element, &self.config.rules) else {
            return Answer::new(Outcome::Malformed);
        };
        let log_time_ns = match event.time {
            Some(instant::Parsed::Exact(own)) if clock == Clock::Events => self.advance(own),
            _ => self.log_time_ns.unwrap_or(0),
        };
        self.give_up_what_is_due(place.0);
        let answer = self.judge(&event, place, log_time_ns, element.len());
        Answer { source: Some(event.source), id: Some(event.id), ..answer }
    }

    /// The precedence of `docs/events.md` §8, from the type onwards.
    fn judge(&mut self, event: &Event, place: (u64, u32), log_time_ns: i64, bytes: usize) -> Answer {
        let body = match &event.content {
            Ok(body) => body,
            Err(outcome) => return Answer::new(*outcome),
        };
        let ordering = self.config.ordering(&event.source);
        if ordering.order != Order::Arrival && event.sequence.is_none() {
            return Answer::new(Outcome::SequenceMissing);
        }
        self.memory.forget_by_time(log_time_ns);
        if let Some(known) = self.memory.find(&event.source, &event.id) {
            let fields = known.body.differences(body);
            let is_near = self.elements - known.ordinal <= NAMED_ELEMENTS;
            return match known.outcome {
                _ if !fields.is_empty() && !is_near => Answer::new(Outcome::Conflict),
                _ if !fields.is_empty() => Answer { fields, ..Answer::new(Outcome::Conflict) },
                Outcome::Applied | Outcome::Absorbed | Outcome::Late | Outcome::Held => Answer::new(Outcome::Duplicate),
                sticky => Answer::new(sticky),
            };
        }
        let Some(time_ns) = self.effective_time(event, log_time_ns) else {
            return Answer::new(Outcome::TimeOutOfBounds);
        };
        let Some(number) = event.sequence.filter(|_| ordering.order != Order::Arrival) else {
            let answer = self.post(event, body, time_ns, place.0);
            self.memory.remember(event, body.clone(), answer.outcome, self.elements, log_time_ns);
            return answer;
        };
        let at = self.orders.of(ordering, event, body);
        let next = self.orders.0[at].next;
        let answer = if number > next && ordering.order != Order::Increasing {
            let (event, ordinal, came_ns) = (event.clone(), self.elements, log_time_ns);
            self.orders.0[at].waiting.push(Waiting { number, ordinal, place, came_ns, time_ns, event, bytes });
            Answer::new(Outcome::Held)
        } else {
            self.orders.0[at].next = next.max(number + 1);
            late_if(number < next, self.post(event, body, time_ns, place.0))
        };
        self.memory.remember(event, body.clone(), answer.outcome, self.elements, log_time_ns);
        answer
    }

    /// Applies an event, or refuses it by the state.
    fn post(&mut self, event: &Event, body: &Body, time_ns: i64, sequence: u64) -> Answer {
        self.plan(event, body, time_ns).map_or_else(Answer::new, |plan| self.commit(event, body, plan, sequence))
    }

    /// Gives up the gaps whose time is over, the oldest first.
    fn give_up_what_is_due(&mut self, sequence: u64) {
        while let Some((_, at)) = self.orders.earliest().filter(|(due_ns, _)| Some(*due_ns) <= self.log_time_ns) {
            self.give_up(at, sequence);
        }
    }

    /// Gives up all gaps, as at the end of a replay.
    pub fn release_held(&mut self, sequence: u64) {
        while let Some((_, at)) = self.orders.earliest() {
            self.give_up(at, sequence);
        }
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
    }

    fn give_up(&mut self, at: usize, sequence: u64) {
        let counted = &mut self.orders.0[at];
        let Some(first) = counted.first() else { return };
        let waiting = &counted.waiting[first];
        let (gap, place) = ((counted.next, waiting.number - 1), waiting.place);
        counted.next = waiting.number;
        self.followed.push(Answer {
            sequence: place.0,
            index: place.1,
            source: Some(counted.source.clone()),
            codes: vec![format!("sequence_gap {}-{}", gap.0, gap.1)],
            ..Answer::new(Outcome::Held)
        });
        self.drain(at, sequence);
    }

    /// Applies what waits and need not wait any more.
    fn drain(&mut self, at: usize, sequence: u64) {
        loop {
            let counted = &mut self.orders.0[at];
            let next = counted.next;
            let Some(first) = counted.first().filter(|first| counted.waiting[*first].number <= next) else { return };
            let waiting = counted.waiting.remove(first);
            counted.next = next.max(waiting.number + 1);
            let Ok(body) = &waiting.event.content else { unreachable!("what waits was read") };
            let answer = late_if(waiting.number < next, self.post(&waiting.event, body, waiting.time_ns, sequence));
            self.memory.answer_instead(&waiting.event, answer.outcome);
            let (source, id) = (Some(waiting.event.source), Some(waiting.event.id));
            self.followed.push(Answer { sequence: waiting.place.0, index: waiting.place.1, source, id, ..answer });
        }
    }

    /// When the event happened, if that lies within its source's bounds.
    fn effective_time(&self, event: &Event, log_time_ns: i64) -> Option<i64> {
        let time_ns = match event.time {
            None => return Some(log_time_ns),
            Some(instant::Parsed::Exact(time_ns)) => time_ns,
            Some(_) => return None,
        };
        let bounds = self.config.bounds(&event.source);
        let ahead = i128::from(time_ns) - i128::from(log_time_ns);
        let too_far_ahead = ahead > i128::from(bounds.max_ahead_ns);
        let too_old = bounds.max_age_ns.is_some_and(|age| -ahead > i128::from(age) || time_ns < self.memory.floor_ns());
        (!too_far_ahead && !too_old).then_some(time_ns)
    }

    /// What the event would do to the ledger, or the refusal that depends on the ledger's state.
    fn plan(&self, event: &Event, body: &Body, time_ns: i64) -> Result<Plan, Outcome> {
        let rule = self.config.rules.rule(body.rule);
        let mut after: BTreeMap<_, _> = touched(rule, body)
            .into_iter()
            .map(|key| {
                let position = self.positions.get(&key).cloned().unwrap_or_default();
                (key, position)
            })
            .collect();
        let outcome = if rule.quantity == QuantityRule::Count {
            let count = Count::new(time_ns, event, body.quantity);
            let position = after.get_mut(&body.key()).expect("an event touches its own position");
            position.count(count)?
        } else {
            let legs = legs(rule, body);
            let mut barriers = Vec::new();
            for ((key, account), amount) in legs {
                let position = after.get_mut(&key).expect("every leg stands on a touched position");
                if account == Account::OnHand {
                    barriers.push(position.is_behind_count(time_ns));
                    position.move_on_hand(time_ns, amount, usize::from(self.config.history_max));
                } else {
                    position.post(account, amount);
                }
            }
            let is_absorbed = !barriers.is_empty() && barriers.iter().all(|behind| *behind);
            if is_absorbed { Outcome::Absorbed } else { Outcome::Applied }
        };
        self.check(&after)?;
        Ok(Plan { after, outcome })
    }

    fn check(&self, after: &BTreeMap<PositionKey, Position>) -> Result<(), Outcome> {
        let is_too_much = |amount: &i128| amount.abs() > i128::from(ACCOUNT_MAX);
        if after.values().any(|position| position.accounts().iter().any(is_too_much)) {
            return Err(Outcome::Overflow);
        }
        let runs_short = |(key, position): (&PositionKey, &Position)| position.on_hand() < self.on_hand(key).min(0);
        if self.config.negative_stock == NegativeStock::Refuse && after.iter().any(runs_short) {
            return Err(Outcome::NegativeStock);
        }
        Ok(())
    }

    fn on_hand(&self, key: &PositionKey) -> i128 {
        self.positions.get(key).map_or(0, Position::on_hand)
    }

    /// The point of no return: the plan becomes the state.
    fn commit(&mut self, event: &Event, body: &Body, plan: Plan, sequence: u64) -> Answer {
        let rule = self.config.rules.rule(body.rule);
        let is_count = rule.quantity == QuantityRule::Count;
        let mut answer = Answer::new(plan.outcome);
        for (key, mut position) in plan.after {
            let crosses = self.on_hand(&key) >= 0 && position.on_hand() < 0;
            if crosses && self.config.negative_stock == NegativeStock::Flag {
                answer.codes.push("negative_stock".to_owned());
            }
            // A count behind the latest changes nothing that can be observed; all else leaves its place.
            if plan.outcome != Outcome::Absorbed || !is_count {
                position.version = sequence;
            }
            self.positions.insert(key, position);
        }
        answer.codes.extend(rule.exception.as_deref().map(str::to_owned));
        if self.config.duplicate_suspect && self.memory.has_same_meaning(event, body) {
            answer.codes.push("duplicate_suspect".to_owned());
        }
        answer
    }
}

/// An answer to what came too late: what was applied is called late.
fn late_if(is_late: bool, answer: Answer) -> Answer {
    if !is_late || !matches!(answer.outcome, Outcome::Applied | Outcome::Absorbed) {
        return answer;
    }
    let codes = std::iter::once(Outcome::Late.name().to_owned()).chain(answer.codes).collect();
    Answer { outcome: Outcome::Late, codes, ..answer }
}

/// The event's own position and, for a transfer, the other one.
fn touched(rule: &Rule, body: &Body) -> BTreeSet<PositionKey> {
    let mut keys = BTreeSet::from([body.key()]);
    if rule.needs_to_location {
        keys.insert(body.remote_key());
    }
    keys
}

/// What each account of each position gains. A sum of zero moves nothing and is no leg.
fn legs(rule: &Rule, body: &Body) -> BTreeMap<(PositionKey, Account), i128> {
    let account = |end: End| match end {
        End::Fixed(account) => account,
        End::FromStatus => body.from_status.expect("decoding resolved it"),
        End::ToStatus => body.to_status.expect("decoding resolved it"),
    };
    let key = |is_remote: bool| if is_remote { body.remote_key() } else { body.key() };
    let mut legs = BTreeMap::new();
    for posting in &rule.postings {
        *legs.entry((key(posting.from_remote), account(posting.from))).or_default() -= i128::from(body.quantity);
        *legs.entry((key(posting.to_remote), account(posting.to))).or_default() += i128::from(body.quantity);
    }
    legs.retain(|(_, account), amount| *account != Account::Free && *amount != 0);
    legs
}
