//! What a stock event does to positions: postings put in and taken out again, by the definitions.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::{Leaving, NegativeStock};
use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::{self, End, Flow, QuantityRule};

use super::Reference;
use super::claims::{Doubled, order_of};
use super::event::{Body, Key};
use super::position::{Count, Position};
use super::work;

/// A stock event as it is posted.
#[derive(Debug, Clone)]
pub(super) struct Posting {
    /// No other has it.
    pub(super) number: u64,
    /// The event's key.
    pub(super) key: Key,
    /// In our names and units.
    pub(super) body: Body,
    pub(super) time_ns: i64,
    /// As a count.
    pub(super) rank: [i64; 3],
    /// Under which name its document's number is kept.
    pub(super) names: String,
    /// How goods leave there.
    pub(super) leaving: Leaving,
}

/// The positions that are touched, as they would be afterwards.
pub(super) struct Plan {
    /// In the order in which they are named, with whether anything can be seen to have happened.
    pub(super) after: Vec<(PositionKey, Position, bool)>,
    pub(super) outcome: Outcome,
}

impl Posting {
    fn is_count(&self) -> bool {
        self.body.rule.quantity == QuantityRule::Count
    }

    /// The event's own position and, for a transfer, the other one.
    pub(super) fn touched(&self) -> Vec<PositionKey> {
        let mut keys = vec![self.body.key()];
        keys.extend(self.body.rule.needs_to_location.then(|| self.body.remote_key()));
        keys
    }

    /// What each account of each position gains. A sum of zero moves nothing and is no leg.
    fn legs(&self) -> BTreeMap<(PositionKey, Account), i128> {
        let body = &self.body;
        let key = |is_remote: bool| if is_remote { body.remote_key() } else { body.key() };
        let mut legs = BTreeMap::new();
        for posting in &body.rule.postings {
            let [mut from, to] = ends(*posting, body);
            let ships = body.rule.step.is_some_and(|step| step.flow == Flow::Ship);
            if ships && from == Account::Picked && self.leaving.is_from_on_hand {
                from = Account::OnHand;
            }
            *legs.entry((key(posting.from_remote), from)).or_default() -= i128::from(body.quantity);
            *legs.entry((key(posting.to_remote), to)).or_default() += i128::from(body.quantity);
        }
        legs.retain(|(_, account), amount| *account != Account::Free && *amount != 0 && !self.is_left_out(*account));
        legs
    }

    /// What has a document claims through its line; and where nobody allocates, a pick takes nothing that was.
    fn is_left_out(&self, account: Account) -> bool {
        let Some(step) = self.body.rule.step else { return false };
        if self.body.document.is_empty() {
            let picks = step.flow == Flow::Pick && !step.is_back;
            return picks && account == Account::Allocated && !self.leaving.allocates;
        }
        step.is_demand() && matches!(account, Account::Reserved | Account::Allocated)
    }

    /// Whether all that it moves on hand lies at or before the latest counts.
    fn is_absorbed(&self, positions: &BTreeMap<PositionKey, Position>) -> bool {
        let legs = self.legs();
        let mut on_hand = legs.keys().filter(|(_, account)| *account == Account::OnHand).peekable();
        on_hand.peek().is_some() && on_hand.all(|(key, _)| positions[key].is_behind_count(self.time_ns))
    }
}

/// The accounts that a posting joins.
pub(super) fn ends(posting: rules::Posting, body: &Body) -> [Account; 2] {
    [posting.from, posting.to].map(|end| match end {
        End::Fixed(account) => account,
        End::FromStatus => body.from_status.expect("decoding resolved it"),
        End::ToStatus => body.to_status.expect("decoding resolved it"),
    })
}

impl Reference {
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

    pub(super) fn on_hand(&self, key: &PositionKey) -> i128 {
        self.positions.get(key).map_or(0, Position::on_hand)
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
