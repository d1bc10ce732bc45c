//! What a stock event does to positions: postings put in and taken out again, by the definitions, with all that there
//! is to say of it.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::{NegativeStock, Unregistered};
use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::{Role, Verdict};

use super::body::{Body, Key};
use super::claims::doubled::Doubled;
use super::claims::facts::order_of;
use super::event::Content;
use super::position::{Count, Position};
use super::posting::{Plan, Posting};
use super::turn::{Reply, Turn};
use super::twin::Reference;
use super::{ownership, work};

impl Reference {
    /// A posting with a number of its own.
    pub(super) fn posting(&mut self, key: Key, body: Body, time_ns: i64, verdict: Verdict) -> Posting {
        self.postings += 1;
        let rank = ownership::rank(&self.config, verdict, time_ns);
        let names = self.config.documents(&key.0).to_owned();
        let leaving = self.config.claims.leaving(&body.location, &key.0);
        Posting { number: self.postings, key, body, time_ns, rank, names, leaving }
    }

    /// What is left when one posting is taken out and another put in, or the refusal that depends on the ledger's
    /// state.
    pub(super) fn plan(&self, undo: Option<&Posting>, add: Option<&Posting>) -> Result<Plan, Outcome> {
        let mut order: Vec<PositionKey> = Vec::new();
        for key in [undo, add].into_iter().flatten().flat_map(Posting::touched) {
            if !order.contains(&key) {
                order.push(key);
            }
        }
        let here = |key: &PositionKey| self.positions.get(key).cloned().unwrap_or_default();
        let mut after: BTreeMap<_, _> = order.iter().map(|key| (key.clone(), here(key))).collect();
        let mut seen = BTreeSet::new();
        let mut outcome = Outcome::Applied;
        let mut known_ns = None;
        if let Some(undo) = undo {
            known_ns = after[&undo.body.key()].count_time_ns(undo.number).map(|time_ns| (undo.body.key(), time_ns));
            let is_latest = after[&undo.body.key()].is_latest(undo.number);
            let is_absorbed = if undo.is_count() { !is_latest } else { undo.is_absorbed(&after) };
            outcome = if is_absorbed { Outcome::Absorbed } else { Outcome::Applied };
            for key in undo.touched() {
                after.get_mut(&key).expect("it is touched").undo(undo.number)?;
                seen.extend((!undo.is_count() || is_latest).then_some(key));
            }
        }
        if let Some(add) = add {
            let known_ns = known_ns.filter(|(key, _)| *key == add.body.key()).map(|(_, time_ns)| time_ns);
            outcome = self.put(add, &mut after, known_ns)?;
            let is_seen = !add.is_count() || outcome == Outcome::Applied;
            seen.extend(add.touched().into_iter().filter(|_| is_seen));
        }
        let doubled = self.doubled_with(undo, add);
        let relief = add.filter(|_| undo.is_none()).map(|add| (add.body.key(), relief(add, &doubled, &after)));
        self.check(&after, relief.as_ref())?;
        // Nobody can refuse that what a line moved twice goes back.
        for ((of, number, key), steps) in doubled {
            let mut position = after.get(&key).cloned().unwrap_or_else(|| here(&key));
            if position.double(&(of, number), &steps, usize::from(self.config.history_max)) {
                if !order.contains(&key) {
                    order.push(key.clone());
                }
                seen.insert(key.clone());
                after.insert(key, position);
            }
        }
        let after = order.into_iter().map(|key| {
            let position = after.remove(&key).expect("it is touched");
            let is_seen = seen.contains(&key);
            (key, position, is_seen)
        });
        Ok(Plan { after: after.collect(), outcome })
    }

    fn put(
        &self,
        add: &Posting,
        after: &mut BTreeMap<PositionKey, Position>,
        known_ns: Option<i64>,
    ) -> Result<Outcome, Outcome> {
        if add.is_count() {
            let (source, id) = add.key.clone();
            let quantity = i128::from(add.body.quantity);
            let count = Count { number: add.number, rank: (add.rank, source, id), time_ns: add.time_ns, quantity };
            return after.get_mut(&add.body.key()).expect("it is touched").count(count, known_ns);
        }
        let is_absorbed = add.is_absorbed(after);
        for ((key, account), amount) in add.legs() {
            let position = after.get_mut(&key).expect("every leg stands on a touched position");
            if account == Account::OnHand {
                position.move_on_hand(add.number, add.time_ns, amount, usize::from(self.config.history_max));
            } else {
                position.post(add.number, account, amount);
            }
        }
        Ok(if is_absorbed { Outcome::Absorbed } else { Outcome::Applied })
    }

    fn check(
        &self,
        after: &BTreeMap<PositionKey, Position>,
        relief: Option<&(PositionKey, i128)>,
    ) -> Result<(), Outcome> {
        let is_too_much = |amount: &i128| amount.abs() > i128::from(ACCOUNT_MAX);
        if after.values().any(|position| position.accounts().iter().any(is_too_much)) {
            return Err(Outcome::Overflow);
        }
        let runs_short = |(key, position): (&PositionKey, &Position)| {
            let relief = relief.iter().find(|(at, _)| at == key).map_or(0, |(_, relief)| *relief);
            position.on_hand() + relief < self.on_hand(key).min(0)
        };
        if self.config.negative_stock == NegativeStock::Refuse && after.iter().any(runs_short) {
            return Err(Outcome::NegativeStock);
        }
        Ok(())
    }

    /// The point of no return: the plan becomes the state. Returns the crossings below zero.
    pub(super) fn commit(&mut self, plan: Plan, sequence: u64) -> Vec<(String, String)> {
        let mut crossings = Vec::new();
        for (key, mut position, is_seen) in plan.after {
            let subject = work::of_position(&key);
            if position.on_hand() >= 0 {
                self.work.resolve("negative_stock", &subject);
            } else if self.on_hand(&key) >= 0 && self.config.negative_stock == NegativeStock::Flag {
                crossings.push(("negative_stock".to_owned(), subject));
            }
            // A count behind the latest changes nothing that can be observed; all else leaves its place.
            if is_seen {
                position.version = sequence;
            }
            self.positions.insert(key, position);
        }
        crossings
    }

    /// Commits what takes one posting out, puts another in, or both.
    pub(super) fn book(&mut self, plan: Plan, undo: Option<&Posting>, add: Option<&Posting>, sequence: u64) -> Reply {
        let mut reply = Reply::new(plan.outcome);
        for (posting, is_undone) in [(undo, true), (add, false)] {
            if let Some(posting) = posting {
                self.sell(posting, is_undone);
            }
        }
        reply.raised = self.commit(plan, sequence);
        if let Some(add) = add {
            let code = add.body.rule.exception.as_deref().map(str::to_owned);
            reply.raised.extend(code.map(|code| (code, work::of_key(&add.key))));
            reply.raised.extend(self.master.tell(&add.body, add.time_ns, self.config.master));
        }
        reply.raised.extend(self.receive(undo, add));
        let orders = [undo, add].into_iter().flatten().filter(|posting| !posting.body.document.is_empty());
        let orders: BTreeSet<_> = orders.map(order_of).collect();
        let held = if orders.is_empty() { 0 } else { self.claims.reservations.len() };
        let reservations: Vec<usize> = (0..held).collect();
        self.seeing(&orders, &reservations, sequence, |twin| {
            twin.tell_claims(undo, add);
            twin.tell_supply(undo, add);
        });
        self.ship(undo, add);
        reply
    }

    /// Commits a stock event under its own name, with all that there is to say of it.
    pub(super) fn book_event(&mut self, plan: Plan, posting: &Posting, turn: &Turn, sequence: u64) -> Reply {
        self.direct.extend(posting.touched());
        let mut reply = self.book(plan, None, Some(posting), sequence);
        let Ok(Content::Stock(said)) = &turn.event.content else { unreachable!("a directive is not posted") };
        if self.config.duplicate_suspect && self.memory.has_same_meaning(&posting.key, said) {
            insert(&mut reply, ("duplicate_suspect".to_owned(), work::of_key(&posting.key)));
        }
        self.flag(reply, &posting.key, turn.admitted.verdict)
    }

    /// Adds what is said of the source of an element that was accepted, or that was only observed because nobody knows
    /// the source.
    pub(super) fn flag(&mut self, mut reply: Reply, key: &Key, verdict: Verdict) -> Reply {
        let is_observed = reply.outcome == Outcome::Observed && verdict.is_stranger;
        if !is_observed && !matches!(reply.outcome, Outcome::Applied | Outcome::Absorbed) {
            return reply;
        }
        if verdict.role == Role::Contributor {
            insert(&mut reply, ("contributor".to_owned(), work::of_key(key)));
        }
        let is_unregistered =
            self.config.unregistered == Unregistered::Flag && !ownership::is_registered(&self.config, &key.0);
        let is_strange = is_unregistered || verdict.is_stranger;
        if is_strange && self.strangers.insert(key.0.clone()) {
            insert(&mut reply, ("unregistered_source".to_owned(), key.0.clone()));
        }
        reply
    }
}

/// What comes back to the shelf because the line of a posting moved it twice.
fn relief(add: &Posting, doubled: &Doubled, after: &BTreeMap<PositionKey, Position>) -> i128 {
    let (body, mut position) = (&add.body, after[&add.body.key()].clone());
    let before = position.on_hand();
    let (of, number) = (order_of(add), body.line.clone());
    let Some(steps) = doubled.get(&(of.clone(), number.clone(), body.key())) else { return 0 };
    position.double(&(of, number), steps, usize::MAX);
    position.on_hand() - before
}

/// Adds a code before those that stand behind it in the order of raising.
fn insert(reply: &mut Reply, raised: (String, String)) {
    let is_behind =
        |code: &str| matches!(code, "unknown_item" | "unknown_location" | "receipt_variance" | "mass_change");
    let at = reply.raised.iter().position(|(code, _)| is_behind(code)).unwrap_or(reply.raised.len());
    reply.raised.insert(at, raised);
}
