//! Questions to the engine: balances, state hash, totals, memory. Changes nothing.

use std::collections::BTreeSet;
use std::hint::black_box;

use tallystick_contract::account::STORED;
use tallystick_contract::balance::{Balance, BalanceView, Claimed, PositionKey};
use tallystick_contract::config::Config;
use tallystick_contract::outcome::{self, Outcome};
use tallystick_contract::state_hash::StateHash;

use tallystick_contract::config::Mode;

use crate::schedule::View;
use crate::spine::engine::Engine;
use crate::spine::lines::SourceFeeds;
use crate::stock::Spot;
use crate::stock::changes::ChangedPosition;
use crate::stock::ledger::{HOLLOW, MISSING, PROMISED};
use tallystick_contract::limits::CHECKED;

/// Of so many positions one is checked by the whole formula.
const SAMPLE: u64 = 1_021;
/// Positions that are looked at together: enough to hide the latency of memory.
const SPOTS_TOGETHER: usize = 32;

impl Engine {
    /// The state, to be looked at.
    pub(crate) fn looked_at(&self) -> View<'_> {
        View::new(&self.core, &self.schedule, &self.core.config)
    }

    /// Answers a question, JSON for JSON. One in another form gives `{"error"}`, which names the member and the cure.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    /// use tallystick_engine::{Batch, Engine};
    ///
    /// let mut engine = Engine::new(Config::default(), [0; 16]);
    /// let lines = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}
    /// {"id":"2","source":"shop","type":"stock.reserved","sku":"LAMP","location":"DC1","quantity":2}"#;
    /// engine.apply_ndjson(lines, 1, Some(0), &mut Batch::new()).unwrap();
    /// let answer = engine.promise(r#"{"sku":"LAMP","location":"DC1","quantity":4}"#);
    /// assert!(answer.contains(r#""available":3"#) && answer.contains(r#""enough":false"#), "{answer}");
    /// assert!(engine.promise(r#"{"skew":"LAMP"}"#).starts_with(r#"{"error":"#));
    /// ```
    pub fn promise(&self, question: &str) -> String {
        let feeds = SourceFeeds { core: &self.core, sources: &self.sources, tracker: &self.tracker };
        self.promises
            .try_promise(self.looked_at(), &self.claims, &feeds, question)
            .unwrap_or_else(|why| serde_json::json!({ "error": why }).to_string())
    }

    /// Order lines and purchases as JSON: `{"sequence", "total", "lines": […]}`. The filter is a JSON object; one in
    /// another form gives `{"error"}`.
    pub fn claims(&self, filter: &str) -> String {
        self.claims.list(self.looked_at(), filter)
    }

    /// Live reservations as JSON: `{"sequence", "total", "reservations": […]}`, oldest first. The filter is a JSON
    /// object with any of `document`, `sku`, `location`, `leaks` (only those whose document is closed) and `limit`; one
    /// in another form gives `{"error"}`.
    pub fn reservations(&self, filter: &str) -> String {
        self.promises.list(self.looked_at(), &self.claims, filter)
    }

    /// Replenishment signals that stand of a SKU at a location, nothing for any of them: how many, and at most `limit`
    /// of them as a JSON array by SKU and location.
    pub fn replenishment(&self, sku: Option<&str>, location: Option<&str>, limit: Option<usize>) -> (usize, String) {
        self.replenish.list(&self.core, [sku, location], limit)
    }

    /// What is known of each source, as a JSON array: first those that are registered, by name, then the others.
    pub fn sources_json(&self) -> Vec<u8> {
        self.sources.list(&self.core, &self.tracker)
    }

    /// The balance of a position.
    pub fn balance(&self, spot: Spot) -> Balance {
        self.view(spot).to_balance()
    }

    /// A balance without a copy.
    pub fn view(&self, spot: Spot) -> BalanceView<'_> {
        let (part, position) = self.core.stock.at(spot);
        let names = position.names.map(|name| part.names.name(name));
        let [sku, location, lot, owner] = names;
        let whole = lot.is_empty() && owner.is_empty();
        let mut view = BalanceView {
            names,
            accounts: &position.accounts,
            claimed: self.schedule.claimed(&self.core, spot, position),
            atp: 0,
            safety_stock: if whole { self.core.safety_stock(sku, location).of(position.accounts[0]) } else { 0 },
            pending: self.core.losses.of(names),
            is_hollow: position.counts & HOLLOW != 0,
            version: position.version,
        };
        view.atp = view.on_hand_atp() + self.schedule.ahead(&self.core, spot, position, &view);
        view
    }

    /// The amounts of a position.
    pub fn standing(&self, spot: Spot) -> ChangedPosition {
        let (_, position) = self.core.stock.at(spot);
        let is_plain = position.counts & (PROMISED | MISSING) == 0 && !self.core.has_safety_ahead();
        let is_alike = matches!(self.core.config.promise.mode, Mode::LookAhead | Mode::OnHand);
        if is_plain && is_alike {
            let (accounts, claimed) = (position.accounts, Claimed::default());
            let short = ChangedPosition { spot, accounts, claimed, ahead: 0, version: position.version };
            // The whole formula costs more than the rest: one in a thousand is checked.
            if CHECKED && position.version.is_multiple_of(SAMPLE) {
                assert_eq!(short, self.standing_by_formula(spot), "what can be promised is what the formula says");
            }
            return short;
        }
        self.standing_by_formula(spot)
    }

    fn standing_by_formula(&self, spot: Spot) -> ChangedPosition {
        let view = self.view(spot);
        let ahead = view.atp - view.on_hand_atp();
        ChangedPosition { spot, accounts: view.amounts(), claimed: view.claimed, ahead, version: view.version }
    }

    /// The balances of positions. What is needed of many of them is fetched from memory together.
    pub(crate) fn views<'a>(&'a self, spots: &'a [Spot]) -> impl Iterator<Item = (Spot, BalanceView<'a>)> {
        spots.chunks(SPOTS_TOGETHER).flat_map(move |spots| {
            for spot in spots {
                black_box(self.core.stock.at(*spot).1.version);
            }
            for spot in spots {
                let (part, position) = self.core.stock.at(*spot);
                black_box(part.names.name(position.names[0]).len());
            }
            spots.iter().map(move |spot| (*spot, self.view(*spot)))
        })
    }

    /// The balance of a position by its names; an empty lot or owner means none.
    pub fn find(&self, key: &PositionKey) -> Option<Balance> {
        self.core.stock.find([&key.sku, &key.location, &key.lot, &key.owner]).map(|spot| self.balance(spot))
    }

    /// The balances of a SKU at all locations, sorted by their names.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    /// use tallystick_engine::{Batch, Engine};
    ///
    /// let mut engine = Engine::new(Config::default(), [0; 16]);
    /// let lines = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC2","quantity":5}
    /// {"id":"2","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":1}
    /// {"id":"3","source":"wms","type":"stock.received","sku":"DESK","location":"DC1","quantity":9}"#;
    /// engine.apply_ndjson(lines, 1, None, &mut Batch::new()).unwrap();
    /// let lamps = engine.balances_of("LAMP");
    /// let found: Vec<_> = lamps.iter().map(|balance| (&*balance.key.location, balance.atp)).collect();
    /// assert_eq!(found, [("DC1", 1_000), ("DC2", 5_000)]);
    /// ```
    pub fn balances_of(&self, sku: &str) -> Vec<Balance> {
        let mut all: Vec<_> = self.core.stock.spots_of(sku).into_iter().map(|spot| self.balance(spot)).collect();
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// All positions, in the order in which they came into being.
    pub fn spots(&self) -> Vec<Spot> {
        self.core.stock.by_birth()
    }

    /// All positions, sorted by their names.
    pub fn sorted_spots(&self) -> Vec<Spot> {
        let mut spots: Vec<_> = self.core.stock.spots().collect();
        spots.sort_unstable_by(|a, b| self.view(*a).names.cmp(&self.view(*b).names));
        spots
    }

    /// All balances, sorted by their names.
    pub fn balances(&self) -> Vec<Balance> {
        self.sorted_spots().into_iter().map(|spot| self.balance(spot)).collect()
    }

    /// The accounts of all positions, in no order that would say anything.
    pub fn accounts(&self) -> impl Iterator<Item = &[i64; STORED]> + '_ {
        self.core.stock.spots().map(|spot| &self.core.stock.at(spot).1.accounts)
    }

    /// The state hash: equal for equal balances.
    pub fn state_hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        hash.add_all(self.core.stock.spots().map(|spot| self.view(spot)));
        hash
    }

    /// How many positions there are.
    pub fn len(&self) -> usize {
        self.core.stock.len()
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
        &self.core.config
    }

    /// The last sequence that the state reflects.
    pub const fn sequence(&self) -> u64 {
        self.core.sequence
    }

    /// The log's time, in nanoseconds since 1970, once there is one.
    pub const fn log_time_ns(&self) -> Option<i64> {
        self.core.log_time_ns
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
        self.core.keys.len()
    }

    /// Code and subject of all exceptions that are open or acknowledged.
    pub fn open_exceptions(&self) -> BTreeSet<String> {
        self.work.unresolved()
    }
}
