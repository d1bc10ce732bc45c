//! Questions to the engine: balances, state hash, totals, memory. Changes nothing.

use std::hint::black_box;

use crate::balance::{Balance, BalanceView, PositionKey};
use crate::config::Config;
use crate::engine::Engine;
use crate::held;
use crate::intern::Interner;
use crate::ledger::{Ledger, Position};
use crate::outcome::{self, Outcome};
use crate::state_hash::StateHash;

/// Positions that are looked at together: enough to hide the latency of memory.
const PLACES_TOGETHER: usize = 32;

impl Engine {
    /// The balance of a position.
    pub fn balance(&self, position: &Position) -> Balance {
        self.view(position).to_balance()
    }

    /// The same without a copy.
    pub fn view<'a>(&'a self, position: &'a Position) -> BalanceView<'a> {
        let names = position.names.map(|name| self.names.name(name));
        let [sku, location, lot, owner] = names;
        let whole = lot.is_empty() && owner.is_empty();
        BalanceView {
            names,
            accounts: &position.accounts,
            safety_stock: if whole { self.config.safety_stock(sku, location) } else { 0 },
            version: position.version,
        }
    }

    /// The balances of positions by their places. What is needed of many of them is fetched from memory together.
    pub(crate) fn views<'a>(&'a self, places: &'a [u32]) -> impl Iterator<Item = (u32, BalanceView<'a>)> {
        places.chunks(PLACES_TOGETHER).flat_map(move |places| {
            for place in places {
                black_box(self.ledger.position(*place).version);
            }
            for place in places {
                let [sku, ..] = self.ledger.position(*place).names;
                black_box(self.names.name(sku).len());
            }
            places.iter().map(move |place| (*place, self.view(self.ledger.position(*place))))
        })
    }

    /// The balance of a position by its names; an empty lot or owner means none.
    pub fn find(&self, key: &PositionKey) -> Option<Balance> {
        let names = [&key.sku, &key.location, &key.lot, &key.owner].map(|name| self.names.find(name));
        let [Some(sku), Some(location), Some(lot), Some(owner)] = names else { return None };
        self.ledger.find([sku, location, lot, owner]).map(|place| self.balance(self.ledger.position(place)))
    }

    /// The balances of a SKU at all locations, sorted by their names.
    pub fn balances_of(&self, sku: &str) -> Vec<Balance> {
        let Some(sku) = self.names.find(sku) else { return Vec::new() };
        let mut all: Vec<_> = self.ledger.positions_of(sku).map(|position| self.balance(position)).collect();
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// The places of all positions, sorted by their names.
    pub fn sorted_places(&self) -> Vec<u32> {
        let positions = self.ledger.positions();
        let names = |place: &u32| self.ledger.position(*place).names.map(|name| self.names.name(name));
        let mut places: Vec<_> = (0..u32::try_from(positions.len()).expect("places have 32 bits")).collect();
        places.sort_unstable_by(|a, b| names(a).cmp(&names(b)));
        places
    }

    /// All balances, sorted by their names.
    pub fn balances(&self) -> Vec<Balance> {
        self.sorted_places().into_iter().map(|place| self.balance(self.ledger.position(place))).collect()
    }

    /// The state hash: equal for equal balances.
    pub fn state_hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        hash.add_all(self.ledger.positions().map(|position| self.view(position)));
        hash
    }

    /// The positions.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The names.
    pub const fn names(&self) -> &Interner {
        &self.names
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The last sequence that the state reflects.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The log's time, in nanoseconds since 1970, once there is one.
    pub const fn log_time_ns(&self) -> Option<i64> {
        self.log_time_ns
    }

    /// How many elements got each outcome since the beginning of the log.
    pub fn totals(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        outcome::ALL
            .into_iter()
            .map(|outcome| (outcome, self.totals[usize::from(outcome.number())]))
            .filter(|(_, count)| *count > 0)
    }

    /// Idempotency keys remembered.
    pub fn keys(&self) -> usize {
        self.dedup.len()
    }

    /// Bytes held, by part.
    pub fn memory_bytes(&self) -> Vec<(&'static str, usize)> {
        let notes = self.notes.iter().map(|(name, value)| name.capacity() + value.capacity()).sum::<usize>();
        let mut parts = vec![
            // Behind the counts of its owners.
            ("config", self.config.memory_bytes() + 2 * size_of::<usize>()),
            ("notes", held::tree::<String, String>(self.notes.len()) + notes),
            ("shapes", self.shapes.memory_bytes() + held::list(&self.ranges)),
            ("names", self.names.memory_bytes()),
            ("dedup", self.dedup.memory_bytes()),
            ("meanings", self.meanings.memory_bytes()),
            ("bodies", self.recent.memory_bytes()),
            ("effects", self.effects.memory_bytes()),
        ];
        parts.extend(self.ledger.memory_bytes());
        parts
    }

    /// Bytes among them that are mapped beside the ordinary allocator.
    pub fn mapped_bytes(&self) -> usize {
        self.dedup.bytes().mapped + self.meanings.bytes().mapped + self.ledger.mapped_bytes()
    }
}
