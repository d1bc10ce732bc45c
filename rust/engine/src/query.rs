//! Questions to the engine: balances, state hash, totals, memory. Changes nothing.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use tallystick_contract::account::STORED;
use tallystick_contract::balance::{Balance, BalanceView, Claimed, PositionKey};
use tallystick_contract::config::Config;
use tallystick_contract::heap_size;
use tallystick_contract::outcome::{self, Outcome};
use tallystick_contract::state_hash::StateHash;

use crate::atp::Mode;
use crate::changes::ChangedPosition;
use crate::correction::Amendment;
use crate::engine::Engine;
use crate::exception::ExceptionRecord;
use crate::ledger::{HOLLOW, MISSING, PROMISED, Position};
use crate::shadow::Shadow;
use crate::shape::Shapes;
use crate::stock::Spot;

/// Positions that are looked at together: enough to hide the latency of memory.
const SPOTS_TOGETHER: usize = 32;

impl Engine {
    /// The balance of a position.
    pub fn balance(&self, spot: Spot) -> Balance {
        self.view(spot).to_balance()
    }

    /// A balance without a copy.
    pub fn view(&self, spot: Spot) -> BalanceView<'_> {
        let (part, position) = self.stock.at(spot);
        let names = position.names.map(|name| part.names.name(name));
        let [sku, location, lot, owner] = names;
        let whole = lot.is_empty() && owner.is_empty();
        let mut view = BalanceView {
            names,
            accounts: &position.accounts,
            claimed: self.claimed(spot, position),
            atp: 0,
            safety_stock: if whole { self.safety_stock(sku, location).of(position.accounts[0]) } else { 0 },
            pending: self.pendings.loss(names),
            is_hollow: position.counts & HOLLOW != 0,
            version: position.version,
        };
        view.atp = view.on_hand_atp() + self.ahead(spot, position, &view);
        view
    }

    /// The names of a position: SKU, location, lot and owner.
    pub(crate) fn view_names(&self, spot: Spot) -> [&str; 4] {
        let (part, position) = self.stock.at(spot);
        position.names.map(|name| part.names.name(name))
    }

    /// What can be promised of a position today beyond what is on its shelf and unclaimed; less, where something is
    /// promised ahead.
    fn ahead(&self, spot: Spot, position: &Position, view: &BalanceView<'_>) -> i64 {
        let mode = self.config.promise.mode;
        let is_alike = matches!(mode, Mode::LookAhead | Mode::OnHand);
        if position.counts & PROMISED == 0 && is_alike && !self.has_safety_ahead() {
            return 0;
        }
        let site = self.site_of(spot, self.promised(spot), None);
        self.figure(&site, mode, site.horizon.today) - view.on_hand_atp()
    }

    /// Whether safety stock may be another on another day.
    fn has_safety_ahead(&self) -> bool {
        self.config.common_safety().is_none() || !self.items.is_empty()
    }

    /// The amounts of a position.
    pub fn standing(&self, spot: Spot) -> ChangedPosition {
        let (_, position) = self.stock.at(spot);
        let is_plain = position.counts & (PROMISED | MISSING) == 0 && !self.has_safety_ahead();
        let is_alike = matches!(self.config.promise.mode, Mode::LookAhead | Mode::OnHand);
        if is_plain && is_alike {
            let (accounts, claimed) = (position.accounts, Claimed::default());
            return ChangedPosition { spot, accounts, claimed, ahead: 0, version: position.version };
        }
        let view = self.view(spot);
        let ahead = view.atp - view.on_hand_atp();
        ChangedPosition { spot, accounts: view.amounts(), claimed: view.claimed, ahead, version: position.version }
    }

    /// What is claimed of a position beside its accounts.
    fn claimed(&self, spot: Spot, position: &Position) -> Claimed {
        let unpicked = self.unpicked_at(spot, position);
        let Some(number) = self.promised(spot) else { return Claimed { unpicked, ..Claimed::default() } };
        let entry = self.promises.entry(number);
        let shown = entry.shown_until(self.today(entry.zone));
        Claimed {
            reserved: entry.claimed + shown.reserved,
            allocated: shown.allocated,
            ordered: shown.ordered,
            unpicked,
        }
    }

    /// The balances of positions. What is needed of many of them is fetched from memory together.
    pub(crate) fn views<'a>(&'a self, spots: &'a [Spot]) -> impl Iterator<Item = (Spot, BalanceView<'a>)> {
        spots.chunks(SPOTS_TOGETHER).flat_map(move |spots| {
            for spot in spots {
                black_box(self.stock.at(*spot).1.version);
            }
            for spot in spots {
                let (part, position) = self.stock.at(*spot);
                black_box(part.names.name(position.names[0]).len());
            }
            spots.iter().map(move |spot| (*spot, self.view(*spot)))
        })
    }

    /// The balance of a position by its names; an empty lot or owner means none.
    pub fn find(&self, key: &PositionKey) -> Option<Balance> {
        self.stock.find([&key.sku, &key.location, &key.lot, &key.owner]).map(|spot| self.balance(spot))
    }

    /// The balances of a SKU at all locations, sorted by their names.
    pub fn balances_of(&self, sku: &str) -> Vec<Balance> {
        let mut all: Vec<_> = self.stock.spots_of(sku).into_iter().map(|spot| self.balance(spot)).collect();
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// All positions, in the order in which they came into being.
    pub fn spots(&self) -> Vec<Spot> {
        self.stock.by_birth()
    }

    /// All positions, sorted by their names.
    pub fn sorted_spots(&self) -> Vec<Spot> {
        let mut spots: Vec<_> = self.stock.spots().collect();
        spots.sort_unstable_by(|a, b| self.view(*a).names.cmp(&self.view(*b).names));
        spots
    }

    /// All balances, sorted by their names.
    pub fn balances(&self) -> Vec<Balance> {
        self.sorted_spots().into_iter().map(|spot| self.balance(spot)).collect()
    }

    /// The accounts of all positions, in no order that would say anything.
    pub fn accounts(&self) -> impl Iterator<Item = &[i64; STORED]> + '_ {
        self.stock.spots().map(|spot| &self.stock.at(spot).1.accounts)
    }

    /// The state hash: equal for equal balances.
    pub fn state_hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        hash.add_all(self.stock.spots().map(|spot| self.view(spot)));
        hash
    }

    /// How many positions there are.
    pub fn len(&self) -> usize {
        self.stock.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In how many parts the state is divided.
    pub const fn shards(&self) -> usize {
        self.shards.count()
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
        self.keys.len()
    }

    /// Bytes held, by part.
    pub fn memory_bytes(&self) -> Vec<(&'static str, usize)> {
        let amendment = |amendment: &Amendment| amendment.rank.1.len() + amendment.rank.2.len();
        let amended = heap_size::tree::<[u64; 2], Amendment>(self.amended.0.len())
            + self.amended.0.values().map(amendment).sum::<usize>();
        let notes = self.notes.iter().map(|(name, value)| name.capacity() + value.capacity()).sum::<usize>();
        let shapes = self.shapes.iter().map(Shapes::memory_bytes).sum::<usize>() + heap_size::list(&self.shapes);
        // What stands for work is counted there.
        let own = self.exceptions.iter().filter(|record| Arc::strong_count(record) == 1);
        let heads = size_of::<ExceptionRecord>() + 2 * size_of::<usize>();
        let records = own.map(|record| heads + record.memory_bytes()).sum::<usize>();
        let (tables, bodies) = self.keys.memory_bytes();
        let mut parts = vec![
            // Behind the counts of its owners.
            ("config", self.config.memory_bytes() + 2 * size_of::<usize>()),
            ("notes", heap_size::tree::<String, String>(self.notes.len()) + notes),
            ("shapes", shapes + heap_size::list(&self.ranges)),
            ("dedup", tables),
            ("meanings", self.meanings.memory_bytes()),
            ("bodies", bodies),
            ("held", self.tracks.memory_bytes()),
            ("exceptions", records + heap_size::list(&self.exceptions)),
            ("work", self.work.memory_bytes()),
            ("sources", self.sources.memory_bytes()),
            ("corrections", amended + self.waiting.memory_bytes()),
            ("approvals", self.pendings.memory_bytes()),
            ("watched", self.lines.memory_bytes() + self.lanes.memory_bytes()),
            ("master", self.items.memory_bytes() + self.locations.memory_bytes()),
            ("promises", self.promises.memory_bytes()),
            ("claims", self.claims.memory_bytes()),
            ("documents", self.claims.documents_bytes()),
            ("shadow", self.shadow.as_ref().map_or(0, Shadow::memory_bytes)),
        ];
        parts.extend(self.stock.memory_bytes());
        parts
    }

    /// Bytes among them that are mapped beside the ordinary allocator.
    pub fn mapped_bytes(&self) -> usize {
        self.keys.mapped_bytes()
            + self.meanings.bytes().mapped
            + self.stock.mapped_bytes()
            + self.promises.reservations.mapped_bytes()
    }

    /// Code and subject of all exceptions that are open or acknowledged.
    pub fn open_exceptions(&self) -> BTreeSet<String> {
        self.work.unresolved()
    }
}
