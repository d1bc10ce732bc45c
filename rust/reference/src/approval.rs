//! Approvals: leaps of counts and adjustments, and sources that change too much of a location, wait for a decision.

use std::collections::BTreeSet;

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Approvals;
use tallystick_contract::limits::{PENDING_BYTES_MAX, PENDING_MAX, SCALE};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::QuantityRule;

use super::body::Body;
use super::correction::Target;
use super::directive::About;
use super::posting::{Plan, Posting, ends};
use super::turn::{Reply, Turn};
use super::twin::{Guard, Pending, Record, Reference, Standing};
use super::work;

/// A change of what is on hand: the position, before and after.
type Variance = (PositionKey, i128, i128);

impl Reference {
    /// Keeps an event back if it is a leap, or one of too many.
    pub(super) fn keep_back(&mut self, turn: &Turn, posting: &Posting, plan: &Plan, sequence: u64) -> Option<Reply> {
        let approvals = self.config.approvals.clone()?;
        let source = &posting.key.0;
        if approvals.except_sources.contains(source) || !is_measured(&posting.body) {
            return None;
        }
        let variances = self.variances(plan, &approvals);
        if variances.is_empty() {
            return None;
        }
        let was_active = self.guards.iter().any(|guard| guard.is_of(posting) && guard.is_active);
        let is_mass = self.is_too_much(posting, &variances, &approvals);
        if !is_mass && !variances.iter().any(|variance| self.is_leap(posting, variance, &approvals)) {
            let guard = self.guards.iter_mut().find(|guard| guard.is_of(posting));
            if let Some(guard) = guard {
                guard.changed.extend(at_location(&variances, &posting.body.location));
            }
            return None;
        }
        let bytes: usize = self.pending.iter().map(|pending| pending.turn.text.len()).sum();
        if self.pending.len() >= PENDING_MAX || bytes + turn.text.len() > PENDING_BYTES_MAX {
            return Some(Reply::new(Outcome::Overflow));
        }
        let lowers: Vec<_> = variances.into_iter().map(|(key, before, after)| (key, (before - after).max(0))).collect();
        self.touch(&lowers, sequence);
        self.pending.push(Pending { turn: turn.clone(), posting: posting.clone(), lowers, is_mass });
        let mut reply = Reply::new(Outcome::PendingApproval);
        if is_mass {
            // One exception for all of them.
            reply.is_told = true;
            if !was_active {
                reply.raised.push(("mass_change".to_owned(), format!("{source}/{}", posting.body.location)));
            }
        }
        Some(reply)
    }

    pub(super) fn decide(&mut self, turn: &Turn, is_granted: bool, about: &About, sequence: u64) -> Reply {
        match about {
            About::Target(key) => {
                if let Some(at) = self.pending.iter().position(|pending| pending.posting.key == *key) {
                    return self.decide_one(at, is_granted, sequence);
                }
                match self.target(key, turn.ordinal, u64::MAX) {
                    Target::Unknown => Reply::new(Outcome::Held),
                    Target::OutOfReach => Reply::new(Outcome::UnknownReference),
                    Target::Known(record) => match record.standing {
                        Standing::Posted(_) | Standing::Voided | Standing::Denied => Reply::new(Outcome::Absorbed),
                        Standing::Refused if record.is_decided => Reply::new(Outcome::Absorbed),
                        _ => Reply::new(Outcome::UnknownReference),
                    },
                }
            }
            About::Exception(number) => self.decide_exception(*number, is_granted, sequence),
        }
    }

    fn decide_exception(&mut self, number: u64, is_granted: bool, sequence: u64) -> Reply {
        let Some((code, subject)) = self.work.find(number) else { return Reply::new(Outcome::UnknownReference) };
        let (code, subject) = (code.to_owned(), subject.to_owned());
        let waits = |pending: &Pending| !pending.is_mass && work::of_key(&pending.posting.key) == subject;
        if code == "pending_approval"
            && let Some(at) = self.pending.iter().position(waits)
        {
            return self.decide_one(at, is_granted, sequence);
        }
        let is_it = |guard: &&mut Guard| code == "mass_change" && guard.is_active && guard.subject() == subject;
        let Some(guard) = self.guards.iter_mut().find(is_it) else { return Reply::new(Outcome::UnknownReference) };
        guard.is_active = false;
        guard.is_resting = is_granted;
        if let Some(mass) = self.config.approvals.as_ref().and_then(|approvals| approvals.mass_change) {
            guard.roll(self.log_time_ns.unwrap_or(0).div_euclid(mass.window_ns), is_granted);
        }
        let guard = guard.clone();
        self.work.resolve("mass_change", &subject);
        let mut reply = Reply::new(Outcome::Applied);
        let is_member = |pending: &Pending| pending.is_mass && guard.is_of(&pending.posting);
        loop {
            let members = (0..self.pending.len()).filter(|at| is_member(&self.pending[*at]));
            let Some(at) = members.min_by_key(|at| self.pending[*at].turn.ordinal) else { return reply };
            let posting = self.pending[at].posting.clone();
            let decided = self.decide_one(at, is_granted, sequence);
            if decided.outcome.is_refusal() {
                let subject = work::of_key(&posting.key);
                reply.raised.push((decided.outcome.name().to_owned(), subject));
            }
            reply.raised.extend(decided.raised);
        }
    }

    fn decide_one(&mut self, at: usize, is_granted: bool, sequence: u64) -> Reply {
        let Pending { turn, posting, .. } = self.take_pending(at, sequence);
        let key = posting.key.clone();
        let mut record = Record { is_decided: true, ..Record::new(Standing::Denied, posting.time_ns) };
        if !is_granted {
            self.records.insert(key, record);
            return Reply::new(Outcome::Applied);
        }
        let reply = match self.plan(None, Some(&posting)) {
            Err(outcome) => {
                record.standing = Standing::Refused;
                Reply::new(outcome)
            }
            Ok(plan) => {
                record.standing = Standing::Posted(Box::new(posting.clone()));
                self.book_event(plan, &posting, &turn, sequence)
            }
        };
        self.memory.answer_instead(&key, reply.outcome);
        self.records.insert(key, record);
        reply
    }

    fn variances(&self, plan: &Plan, approvals: &Approvals) -> Vec<Variance> {
        let changes = plan.after.iter().map(|(key, after, _)| (key.clone(), self.on_hand(key), after.on_hand()));
        let is_variance = |(_, before, after): &Variance| {
            before != after && (after - before).abs() >= i128::from(approvals.ignore_below)
        };
        changes.filter(is_variance).collect()
    }

    fn is_leap(&self, posting: &Posting, (key, before, after): &Variance, approvals: &Approvals) -> bool {
        let variance = (after - before).abs();
        let cost = self.master.unit_cost(&key.sku, posting.time_ns);
        let value = cost.map(|cost| variance * i128::from(cost));
        approvals.absolute.is_some_and(|most| variance > i128::from(most))
            || approvals.percent.is_some_and(|most| variance * 100 > before.abs() * i128::from(most))
            || approvals.value.zip(value).is_some_and(|(most, value)| value > i128::from(most) * i128::from(SCALE))
    }

    /// Whether the guard of its source and location keeps it back, now or since an earlier event.
    fn is_too_much(&mut self, posting: &Posting, variances: &[Variance], approvals: &Approvals) -> bool {
        let Some(mass) = approvals.mass_change else { return false };
        let window = self.log_time_ns.unwrap_or(0).div_euclid(mass.window_ns);
        let location = posting.body.location.clone();
        let all = self.positions.keys().filter(|key| key.location == location).count() as u64;
        if !self.guards.iter().any(|guard| guard.is_of(posting)) {
            let (source, changed) = (posting.key.0.clone(), BTreeSet::new());
            let guard =
                Guard { source, location: location.clone(), window, changed, is_active: false, is_resting: false };
            self.guards.push(guard);
        }
        let guard = self.guards.iter_mut().find(|guard| guard.is_of(posting)).expect("it is there now");
        guard.roll(window, false);
        if guard.is_active || guard.is_resting {
            return guard.is_active;
        }
        let changed: BTreeSet<_> = guard.changed.iter().cloned().chain(at_location(variances, &location)).collect();
        let changed = changed.len() as u64;
        guard.is_active =
            u128::from(changed) * 100 > u128::from(all) * u128::from(mass.percent) && changed > mass.positions_min;
        guard.is_active
    }
}

/// Whether thresholds ask for it: a count, or what joins `adjustment` and `on_hand`.
fn is_measured(body: &Body) -> bool {
    let joins = |ends: [Account; 2]| ends.contains(&Account::Adjustment) && ends.contains(&Account::OnHand);
    body.rule.quantity == QuantityRule::Count || body.rule.postings.iter().any(|posting| joins(ends(*posting, body)))
}

fn at_location(variances: &[Variance], location: &str) -> impl Iterator<Item = PositionKey> {
    variances.iter().map(|(key, ..)| key).filter(move |key| key.location == location).cloned()
}
