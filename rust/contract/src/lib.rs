//! The words of Tallystick, which the engine, its reference and everybody else share: accounts, exact quantities,
//! times, limits, outcomes, the rule table, ownership and configuration, balances and the hash over them.
//!
//! Knows no state, no event and no other crate of ours.
#![forbid(unsafe_code)]

pub mod account;
pub mod balance;
pub mod codes;
pub mod config;
pub mod config_text;
pub mod directive_kind;
pub mod exception_state;
pub mod freshness;
pub mod heap_size;
pub mod instant;
pub mod json_text;
pub mod limits;
pub mod order;
pub mod outcome;
pub mod ownership;
pub mod quantity;
pub mod rules;
pub mod state_hash;
pub mod team;
