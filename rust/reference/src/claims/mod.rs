//! Claims (`docs/claims.md`): all that was said of lines, and what follows from it alone.

#![expect(clippy::similar_names, reason = "a line, its life and those alike are words of the field")]

pub(crate) mod doubled;
pub(crate) mod facts;
pub(crate) mod hold;
pub(crate) mod known;
pub(crate) mod line;
pub(crate) mod place;
pub(crate) mod shelf;
mod spread;
pub(crate) mod sums;
pub(crate) mod supplies;
pub(crate) mod supply;
pub(crate) mod trouble;
pub(crate) mod view;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tallystick_contract::balance::PositionKey;

use crate::body::Key;
use crate::document::{Order, Side};
use crate::number::Number;

use facts::{Fact, Loose};
use hold::Reservation;
use known::Known;
use shelf::Left;
use supplies::Supplies;
use trouble::Troubles;

/// What was told of the lines of an order.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderTold {
    pub(crate) facts: Vec<Fact>,
    /// When each line was touched last, by the log.
    pub(crate) touched: BTreeMap<Number, i64>,
}

/// Closings of a document, by its name and whose documents it is among.
#[derive(Debug, Clone)]
pub(crate) struct Closing {
    pub(crate) names: String,
    pub(crate) document: String,
    pub(crate) side: Option<Side>,
    pub(crate) time_ns: i64,
    pub(crate) told_ns: i64,
}

/// All that was said of claims.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) orders: BTreeMap<Order, OrderTold>,
    pub(crate) supplies: Supplies,
    pub(crate) supply_flags: supply::Flags,
    pub(crate) closings: Vec<Closing>,
    pub(crate) loose: Vec<Loose>,
    pub(crate) reservations: Vec<Reservation>,
    /// Requests that were refused because their line was closed.
    pub(crate) closed_requests: BTreeSet<Key>,
    /// What forgotten lines left at each position.
    pub(crate) left: BTreeMap<PositionKey, Left>,
    pub(crate) troubles: Troubles,
    /// What was computed and still holds.
    pub(crate) known: RefCell<BTreeMap<Order, Arc<Known>>>,
}
