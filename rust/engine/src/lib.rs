//! The state machine of Tallystick: inventory events in, a double-entry ledger, outcomes and effects out.
//!
//! Deterministic: the same snapshot and the same log give the same outcomes, effects and state hash, on any machine and
//! for any batch size and number of shards. No Python, no NATS, no clock, no IO, no thread that it did not get, no
//! unsafe code.
//!
//! ```
//! use tallystick_contract::{config::Config, outcome::Outcome};
//! use tallystick_engine::{batch::Batch, engine::Engine};
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

pub mod columns;
pub mod decode;
pub mod event;
pub mod json;
pub mod line_number;
pub mod shape;
pub mod split;

pub mod atp;
mod directive;
pub mod legs;
pub mod timeline;

pub mod changes;
pub mod counts;
pub mod draft;
pub mod history;
mod holding;
mod journal;
mod keys;
pub mod ledger;
mod master;
mod revision;
pub mod shards;
pub mod stock;
mod tracks;

pub mod batch;
pub mod effect;
pub mod exception;
mod explain;
pub mod work;

mod admit;
mod approval;
mod carry_out;
mod claiming;
mod claims;
mod correction;
pub mod engine;
mod image;
pub mod inspect;
mod judge;
mod nets;
mod post;
mod promise;
pub mod query;
mod raise;
#[cfg(test)]
#[path = "../../tables/src/random.rs"]
mod random;
mod receipts;
mod round;
mod safety;
mod shadow;
mod shelf;
pub mod snapshot;
mod sources;
mod transfers;
mod waiting;
mod wave;
