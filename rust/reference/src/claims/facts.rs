//! Facts of lines: what each message said, and where. Nothing is computed here.

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::rules::{Flow, Step};

use crate::calendar::Due;
use crate::document::Order;
use crate::number::Number;
use crate::posting::{Posting, ends};

/// What was said of a line that is to go.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) number: Number,
    pub(crate) at: PositionKey,
    pub(crate) time_ns: i64,
    pub(crate) source: String,
    /// The posting that brought it, if it was one.
    pub(crate) posting: Option<u64>,
    pub(crate) said: FactKind,
}

#[derive(Debug, Clone)]
pub(crate) enum FactKind {
    Wanted { quantity: Option<i64>, due: Option<Due> },
    Moved(Move),
    Closed,
}

/// A step of a line, or of nobody's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    pub(crate) step: Step,
    pub(crate) amount: i64,
    /// Whether it was reserved before.
    pub(crate) is_converted: bool,
    /// Whether it left from `picked`.
    pub(crate) is_from_picked: bool,
}

/// What was said of stock without a document.
#[derive(Debug, Clone)]
pub(crate) struct Loose {
    pub(crate) at: PositionKey,
    pub(crate) source: String,
    pub(crate) posting: u64,
    pub(crate) moved: Move,
}

impl Move {
    pub(crate) fn of(posting: &Posting) -> Option<Self> {
        let body = &posting.body;
        let step = body.rule.step.filter(|step| step.is_demand())?;
        let takes_from = |account: Account| body.rule.postings.iter().any(|each| ends(*each, body)[0] == account);
        Some(Self {
            step,
            amount: body.quantity,
            is_converted: step.flow == Flow::Allocate && !step.is_back && takes_from(Account::Reserved),
            is_from_picked: step.flow == Flow::Ship && !posting.leaving.is_from_on_hand && takes_from(Account::Picked),
        })
    }

    /// Whether it takes, so that a closed line should not see it.
    pub(crate) fn takes(&self) -> bool {
        !self.step.is_back
    }
}

impl Fact {
    pub(super) fn is_step(&self, flow: Flow, is_back: bool) -> bool {
        matches!(&self.said, FactKind::Moved(moved) if (moved.step.flow, moved.step.is_back) == (flow, is_back))
    }

    /// What moved or was claimed; nothing of a statement.
    pub(super) fn amount(&self) -> i64 {
        if let FactKind::Moved(moved) = &self.said { moved.amount } else { 0 }
    }

    /// The fact with another amount.
    pub(super) fn with(&self, amount: i64) -> Self {
        let mut fact = self.clone();
        if let FactKind::Moved(moved) = &mut fact.said {
            moved.amount = amount;
        }
        fact
    }

    /// The order in which steps of one kind are shared out: what moved goes source by source, what left from `picked`
    /// first.
    pub(super) fn turn(&self) -> (PositionKey, Option<(bool, String)>, i64, bool, i64) {
        let FactKind::Moved(moved) = &self.said else { return (self.at.clone(), None, self.time_ns, false, 0) };
        let is_moving = matches!(moved.step.flow, Flow::Pick | Flow::Ship);
        let mover = is_moving.then(|| (moved.step.flow == Flow::Ship && !moved.is_from_picked, self.source.clone()));
        (self.at.clone(), mover, self.time_ns, moved.is_converted, moved.amount)
    }
}

/// The facts of a posting about a line, and of which order.
pub(crate) fn of_posting(posting: &Posting) -> Option<(Order, Vec<Fact>)> {
    let body = &posting.body;
    let moved = Move::of(posting).filter(|_| !body.document.is_empty())?;
    let fact = |said| Fact {
        number: body.line.clone(),
        at: body.key(),
        time_ns: posting.time_ns,
        source: posting.key.0.clone(),
        posting: Some(posting.number),
        said,
    };
    let mut facts = vec![fact(FactKind::Moved(moved))];
    if moved.step.flow == Flow::Ship && body.reason == "final" {
        facts.push(fact(FactKind::Closed));
    }
    Some((order_of(posting), facts))
}

pub(crate) fn order_of(posting: &Posting) -> Order {
    let body = &posting.body;
    Order { names: posting.names.clone(), document: body.document.clone(), sku: body.sku.clone() }
}

/// A step of nobody's.
pub(crate) fn loose(posting: &Posting) -> Option<Loose> {
    let moved = Move::of(posting).filter(|_| posting.body.document.is_empty())?;
    Some(Loose { at: posting.body.key(), source: posting.key.0.clone(), posting: posting.number, moved })
}
