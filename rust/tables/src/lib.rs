//! Collections in compact memory: idempotency keys, names, hash indexes, records in blocks; and the bytes of a
//! snapshot, into which they are written.
//!
//! Knows the words of the contract, and neither events nor a ledger.
#![forbid(unsafe_code)]

pub mod body;
pub mod dedup;
pub mod hash;
pub mod histogram;
pub mod image;
pub mod index;
pub mod intern;
pub mod pages;
#[cfg(test)]
mod random;
pub mod staggered;
pub mod wire;
