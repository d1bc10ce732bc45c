//! The state hash: equal for equal balances, whatever the order in which they came about.
//!
//! A sum modulo 2¹²⁸ over the positions, so that it is independent of their order; each summand is the first half of BLAKE3 over the
//! position's canonical bytes: four names, each with its length in front, then the ten stored accounts, all integers little endian.

use crate::balance::Balance;

/// A sum over positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateHash(u128);

impl StateHash {
    /// Adds one position.
    pub fn add(&mut self, balance: &Balance) {
        let key = &balance.key;
        let mut hasher = blake3::Hasher::new();
        for name in [&key.sku, &key.location, &key.lot, &key.owner] {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        for amount in balance.accounts {
            hasher.update(&amount.to_le_bytes());
        }
        let digest = hasher.finalize();
        let (half, _) = digest.as_bytes().split_first_chunk::<16>().expect("BLAKE3 gives 32 bytes");
        self.0 = self.0.wrapping_add(u128::from_le_bytes(*half));
    }
}

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
