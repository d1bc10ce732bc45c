//! The state machine of Tallystick: inventory events in, a double-entry ledger, outcomes and effects out.
//!
//! Deterministic: the same snapshot and the same log give the same outcomes, effects and state hash, on any machine and
//! for any batch size and number of shards. No Python, no NATS, no clock, no IO, no thread that it did not get, no
//! unsafe code.
//!
//! ```
//! use tallystick_contract::{config::Config, outcome::Outcome};
//! use tallystick_engine::{Batch, Engine};
//!
//! let mut engine = Engine::new(Config::default(), [0; 16]);
//! let mut batch = Batch::new();
//! let event = br#"{"id":"1","source":"wms","type":"stock.received","sku":"A","location":"L","quantity":12.5}"#;
//! engine.apply_message(event, 1, 0, &mut batch).unwrap();
//! engine.apply_message(event, 2, 0, &mut batch).unwrap();
//! assert_eq!(batch.outcomes, [Outcome::Applied, Outcome::Duplicate]);
//! assert_eq!(engine.balances()[0].atp, 12_500);
//! ```
#![forbid(unsafe_code)]

pub mod atp;
pub mod read;
pub mod shards;

mod approval;
mod calendar;
mod claims;
mod core;
mod correction;
mod diagnostics;
mod keys;
mod master;
mod order;
mod output;
mod promise;
#[cfg(test)]
#[path = "../../tables/src/random.rs"]
mod random;
mod receipts;
mod replenish;
mod schedule;
mod shadow;
mod sources;
mod spine;
mod stock;
mod suspects;
mod transfers;
mod waiting;
mod work;

pub use diagnostics::exception::ExceptionRecord;
pub use output::batch::{Batch, Key, Reply};
pub use output::effect::Message;
pub use spine::check::LineChecks;
pub use spine::engine::{Engine, Flush, SequenceError};
pub use spine::snapshot;
pub use stock::Spot;
pub use stock::changes::ChangedPosition;
pub use work::Filter;
