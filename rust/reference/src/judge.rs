//! One element after the other: the precedence of `docs/truth.md` §2, and what an element does when its turn comes.

use std::collections::BTreeSet;

use tallystick_contract::config::{Order, Ordering};
use tallystick_contract::limits::NAMED_ELEMENTS;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;

use super::ask::Ask;
use super::body::Key;
use super::directive::{Directive, What};
use super::event::{Content, Event};
use super::master::Table;
use super::memory::KeyContent;
use super::order::Waiting;
use super::time::Time;
use super::turn::{Admitted, Reply, Turn};
use super::twin::{Answer, Record, Reference, Standing};
use super::{ownership, work};

impl Reference {
    /// The precedence from the content onwards.
    pub(super) fn judge(&mut self, event: &Event, place: (u64, u32), log_time_ns: i64, text: &[u8]) -> Reply {
        let content = match &event.content {
            Ok(content) => content,
            // Of all that the content is refused for, this alone is for what it came on.
            Err(Outcome::NotOwner) => return Reply { code: Some("foreign_subject"), ..Reply::new(Outcome::NotOwner) },
            Err(outcome) => return Reply::new(*outcome),
        };
        let ordering = self.ordering(event, content);
        if ordering.order != Order::Arrival && event.sequence.is_none() {
            return Reply::new(Outcome::SequenceMissing);
        }
        if event.hops > self.config.hops_max {
            return Reply::new(Outcome::Loop);
        }
        self.forget_keys();
        if let Some(reply) = self.known(event, content) {
            return reply;
        }
        let Some(time_ns) = self.effective_time(event, log_time_ns) else {
            return Reply::new(Outcome::TimeOutOfBounds);
        };
        let admitted = match self.admit(&event.source, content, time_ns) {
            Err(outcome) => return Reply::new(outcome),
            Ok(admitted) => admitted,
        };
        let (event, ordinal, came_ns, text) = (event.clone(), self.elements, log_time_ns, text.to_vec());
        let asked_ns = self.asked_ns();
        let turn = Turn { event, admitted, ordinal, place, came_ns, asked_ns, text, is_late: false };
        self.take_turn(turn, ordering)
    }

    /// Acts on an element, or lets it wait for those before it.
    fn take_turn(&mut self, mut turn: Turn, ordering: Ordering) -> Reply {
        let Ok(content) = turn.event.content.clone() else { unreachable!("what is refused takes no turn") };
        let (sequence, role) = (turn.place.0, turn.admitted.verdict.role);
        let (key, origin, time) = (turn.key(), turn.event.origin.clone(), turn.event.time);
        let reply = match turn.event.sequence.filter(|_| ordering.order != Order::Arrival) {
            None => self.act(turn, sequence),
            Some(number) => {
                let at = self.orders.of(ordering, &turn.event.source, &content);
                let next = self.orders.0[at].next;
                if number > next && ordering.order != Order::Increasing {
                    turn.asked_ns = turn.came_ns;
                    self.orders.0[at].waiting.push(Waiting { number, turn });
                    Reply::new(Outcome::Held)
                } else {
                    self.orders.0[at].next = next.max(number + 1);
                    self.close_gap(at, number);
                    turn.is_late = number < next;
                    self.act(turn, sequence)
                }
            }
        };
        self.memory.remember(
            key.clone(),
            KeyContent::Content(Box::new(content), time),
            reply.outcome,
            self.elements,
            self.keys_ns(),
        );
        // What changed nothing does not stand for the event that it was made from.
        let stands = !reply.outcome.is_refusal() && role != Role::Observer;
        if let Some(origin) = origin.filter(|origin| *origin != key && stands) {
            self.memory.remember(origin, KeyContent::Echo, Outcome::Duplicate, self.elements, self.keys_ns());
        }
        reply
    }

    /// What a source promises about an event's order. Positions do not count directives.
    fn ordering(&self, event: &Event, content: &Content) -> Ordering {
        let ordering = self.config.ordering(&event.source);
        let is_exempt = ordering.order == Order::Position && matches!(content, Content::Directive(_));
        if is_exempt { Ordering { order: Order::Arrival, ..ordering } } else { ordering }
    }

    /// The answer to what was said before.
    fn known(&self, event: &Event, content: &Content) -> Option<Reply> {
        if let Some(known) = self.memory.find(&event.key()) {
            let fields = known.said.differences(content, event.time);
            let is_near = self.elements - known.ordinal <= NAMED_ELEMENTS;
            return Some(match known.outcome {
                _ if !fields.is_empty() && !is_near => Reply::new(Outcome::Conflict),
                _ if !fields.is_empty() => Reply { fields, ..Reply::new(Outcome::Conflict) },
                refusal if refusal.is_refusal() => Reply::new(refusal),
                _ => Reply::new(Outcome::Duplicate),
            });
        }
        let is_echo = event.origin.as_ref().is_some_and(|origin| self.memory.find(origin).is_some());
        is_echo.then(|| Reply::new(Outcome::Duplicate))
    }

    /// When the event happened, if that lies within its source's bounds. Master data has none.
    fn effective_time(&self, event: &Event, log_time_ns: i64) -> Option<i64> {
        let time_ns = match event.time {
            None => return Some(log_time_ns),
            Some(Time::Exact(time_ns)) => time_ns,
            Some(_) => return None,
        };
        if event.is_definition() {
            return Some(time_ns);
        }
        let bounds = self.config.bounds(&event.source);
        let ahead = i128::from(time_ns) - i128::from(log_time_ns);
        let too_far_ahead = ahead > i128::from(bounds.max_ahead_ns);
        let age = i128::from(self.keys_ns()) - i128::from(time_ns);
        let too_old = bounds.max_age_ns.is_some_and(|most| age > i128::from(most) || time_ns < self.memory.floor_ns());
        (!too_far_ahead && !too_old).then_some(time_ns)
    }

    /// What the source may say, in our names and units.
    pub(super) fn admit(&self, source: &str, content: &Content, time_ns: i64) -> Result<Admitted, Outcome> {
        if ownership::is_stranger(&self.config, source) && !content.is_tick() {
            return Err(Outcome::NotOwner);
        }
        match content {
            Content::Stock(body) => {
                let body = self.master.named(source, body, time_ns);
                let verdict = ownership::of_stock(&self.config, source, &body, time_ns);
                if verdict.role == Role::Refused {
                    return Err(Outcome::NotOwner);
                }
                let body = self.master.measured(body, time_ns, self.config.master)?;
                Ok(Admitted { body: Some(body), time_ns, verdict })
            }
            Content::Directive(directive) => {
                let location = match &directive.what {
                    What::Define { table: Table::Locations, name, .. } => name.clone(),
                    What::Receipt { line, .. } => self.master.location_name(source, &line.location, time_ns),
                    What::Promise(said) => self.admitted(source, said, time_ns)?.location(),
                    _ => String::new(),
                };
                let verdict = ownership::of_directive(&self.config, source, directive, &location, time_ns)?;
                Ok(Admitted { body: None, time_ns, verdict })
            }
        }
    }

    /// What an element does when its turn has come.
    pub(super) fn act(&mut self, mut turn: Turn, sequence: u64) -> Reply {
        let Ok(content) = turn.event.content.clone() else { unreachable!("what is refused takes no turn") };
        let (is_late, is_observed) = (turn.is_late, turn.admitted.verdict.role == Role::Observer);
        let is_tick = content.is_tick();
        let mut reply = match content {
            Content::Stock(_) if is_observed => {
                self.records.insert(turn.key(), Record::new(Standing::Observed, turn.admitted.time_ns));
                Reply::new(Outcome::Observed)
            }
            Content::Directive(Directive { what: What::Promise(Ask::Request(_)), .. }) if is_observed => {
                self.refuse(&turn.key(), Outcome::Observed, sequence)
            }
            Content::Directive(_) if is_observed => Reply::new(Outcome::Observed),
            Content::Stock(_) => self.post(&turn, sequence),
            Content::Directive(directive) => {
                let reply = self.follow(&turn, &directive, sequence);
                if reply.outcome == Outcome::Held {
                    self.answer_waiting(&turn, sequence);
                    turn.asked_ns = turn.came_ns;
                    self.waiting.push(turn);
                    return reply;
                }
                if is_tick { reply } else { self.flag(reply, &turn.key(), turn.admitted.verdict) }
            }
        };
        if is_observed {
            reply = self.flag(reply, &turn.key(), turn.admitted.verdict);
        }
        reply.raised.extend(self.look_at_promises());
        reply.late_if(is_late)
    }

    /// Applies a stock event, keeps it back, or refuses it by the state.
    fn post(&mut self, turn: &Turn, sequence: u64) -> Reply {
        let admitted = turn.admitted.clone();
        let body = admitted.body.expect("a stock event has one");
        let posting = self.posting(turn.key(), body, admitted.time_ns, admitted.verdict);
        let mut record = Record::new(Standing::Refused, admitted.time_ns);
        let reply = match self.plan(None, Some(&posting)) {
            Err(outcome) => Reply::new(outcome),
            Ok(plan) => {
                let kept_back = self.keep_back(turn, &posting, &plan, sequence);
                record.standing = match &kept_back {
                    None => Standing::Posted(Box::new(posting.clone())),
                    Some(reply) if reply.outcome == Outcome::PendingApproval => Standing::Pending,
                    Some(_) => Standing::Refused,
                };
                kept_back.unwrap_or_else(|| self.book_event(plan, &posting, turn, sequence))
            }
        };
        self.records.insert(turn.key(), record);
        reply
    }

    /// What a directive does.
    fn follow(&mut self, turn: &Turn, directive: &Directive, sequence: u64) -> Reply {
        let mut reply = Reply::new(Outcome::Applied);
        if directive.target() == Some(&turn.event.key()) {
            if let What::Promise(Ask::Settle { wish, .. }) = &directive.what {
                self.tell_settled(&turn.key(), wish, Outcome::UnknownReference, 0, sequence);
            }
            return Reply::new(Outcome::UnknownReference);
        }
        match &directive.what {
            What::Void { target } => return self.void(turn, target, sequence),
            What::Correct { target, event } => return self.correct(turn, target, event, sequence),
            What::Decide { is_granted, about } => return self.decide(turn, *is_granted, about, sequence),
            What::Move { exception, to } => {
                if !self.work.move_to(*exception, *to) {
                    return Reply::new(Outcome::UnknownReference);
                }
            }
            What::Assign { exception, team } => {
                if !self.config.teams().any(|known| known == team) || !self.work.is_live(*exception) {
                    return Reply::new(Outcome::UnknownReference);
                }
            }
            What::Configure { tables: Some(tables) } => return self.configure(tables, sequence),
            What::Define { table, name, version } => {
                self.master.define(*table, name, turn.rank(), version.clone());
                if *table == Table::Items {
                    self.reflect_promised(|sku| sku == name, sequence);
                }
                if directive.kind.ends_with(".defined") {
                    let code = if *table == Table::Items { "unknown_item" } else { "unknown_location" };
                    self.work.resolve(code, name);
                }
            }
            What::Receipt { line, quantity } => reply.raised = self.announce(turn, line, *quantity, sequence),
            What::Promise(said) => return self.promise_what_is_said(turn, said, sequence),
            What::Configure { tables: None } | What::Tick => {}
        }
        reply
    }

    fn configure(&mut self, tables: &str, sequence: u64) -> Reply {
        let Ok(config) = self.config.changed(tables) else { return Reply::new(Outcome::Malformed) };
        if config.promise != self.config.promise {
            self.reflect_promised(|_| true, sequence);
        }
        self.config = config;
        self.forget_sold();
        // What people are told of lines may be another.
        for order in self.claims.orders.keys().cloned().collect::<Vec<_>>() {
            self.recompute(&order);
        }
        for counted in &mut self.orders.0 {
            let ordering = self.config.ordering(&counted.source);
            // What waits under an order that its source no longer has keeps the bounds of that order.
            if ordering.order == counted.ordering.order {
                counted.ordering = ordering;
            }
        }
        Reply::new(Outcome::Applied)
    }

    /// Opens and closes items, and gives the answer.
    pub(super) fn tell(&mut self, event: Option<&Event>, place: (u64, u32), reply: &Reply) -> Answer {
        let key = event.map(Event::key);
        let outcome = reply.outcome;
        let is_accepted = matches!(
            outcome,
            Outcome::Applied | Outcome::Absorbed | Outcome::Late | Outcome::PendingApproval | Outcome::Observed
        );
        if let Some(key) = key.as_ref().filter(|_| is_accepted) {
            self.work.cure(&work::of_key(key));
        }
        let own = (!outcome.is_silent() && !reply.is_told).then(|| {
            let subject = key.as_ref().map_or_else(|| format!("@{}:{}", place.0, place.1), work::of_key);
            (reply.code.unwrap_or(outcome.name()).to_owned(), subject)
        });
        let mut raised: Vec<_> = own.into_iter().chain(reply.raised.iter().cloned()).collect();
        let is_named = raised.iter().any(|(code, _)| code == "mass_change");
        if !raised.is_empty() && !is_named && !self.work.is_told(place) {
            raised.clear();
        }
        for (code, subject) in &raised {
            self.work.open_item(code, subject);
        }
        let codes = raised.into_iter().map(|(code, _)| code).collect();
        let (source, id) = key.unzip();
        Answer { sequence: place.0, index: place.1, source, id, outcome, codes, fields: reply.fields.clone() }
    }

    /// A number that was given up has come after all.
    pub(super) fn close_gap(&mut self, at: usize, number: u64) {
        if let Some(subject) = self.orders.0[at].came(number) {
            self.work.resolve("sequence_gap", &subject);
        }
    }

    /// Forgets keys whose time is over; those of live reservations live as long.
    pub(super) fn forget_keys(&mut self) {
        if let Some(now_ns) = self.log_time_ns.map(|_| self.keys_ns()).filter(|ns| self.memory.may_forget(*ns)) {
            let live: BTreeSet<Key> = self.live_keys();
            self.memory.forget_by_time(now_ns, |key| live.contains(key));
        }
    }
}
