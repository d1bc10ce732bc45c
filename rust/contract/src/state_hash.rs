//! The state hash: equal for equal balances, whatever the order in which they came about.
//!
//! A sum modulo 2¹²⁸ over the positions (but those that a correction brought about and left empty), so that it is
//! independent of their order; each summand is the first half of BLAKE3 over the position's canonical bytes: four
//! names, each with its length in front, then the ten stored accounts, and what orders want beside them where that is
//! not zero, all integers little endian.

use crate::balance::BalanceView;

/// A sum over positions.
///
/// ```
/// use tallystick_contract::{account::STORED, balance::BalanceView, balance::Claimed, state_hash::StateHash};
///
/// let view = |sku: &'static str| {
///     let (names, accounts, claimed) = ([sku, "DC1", "", ""], &[1_000; STORED], Claimed::default());
///     let (safety_stock, pending, atp, is_hollow, version) = (0, 0, 0, false, 1);
///     BalanceView { names, accounts, claimed, safety_stock, pending, atp, is_hollow, version }
/// };
/// let (mut one_way, mut other_way) = (StateHash::default(), StateHash::default());
/// one_way.add_all([view("LAMP"), view("DESK")].into_iter());
/// other_way.add_all([view("DESK"), view("LAMP")].into_iter());
/// assert_eq!(one_way, other_way);
/// assert_eq!(StateHash::default().to_string(), "0".repeat(32)); // nothing is there
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateHash(u128);

impl StateHash {
    /// Adds one position.
    pub fn add(&mut self, balance: &BalanceView<'_>) {
        self.add_all(std::iter::once(*balance));
    }

    /// Adds positions.
    pub fn add_all<'a>(&mut self, balances: impl Iterator<Item = BalanceView<'a>>) {
        // One buffer for all, because hashing one piece costs half of hashing many.
        let mut bytes = Vec::with_capacity(256);
        for balance in balances {
            // Whether a position was ever heard of can depend on the order of corrections, if only they were posted to
            // it.
            let ordered = balance.claimed.ordered;
            if balance.is_hollow && ordered == 0 && balance.amounts().iter().all(|amount| *amount == 0) {
                continue;
            }
            bytes.clear();
            for name in balance.names {
                bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
                bytes.extend_from_slice(name.as_bytes());
            }
            for amount in balance.amounts() {
                bytes.extend_from_slice(&amount.to_le_bytes());
            }
            if ordered != 0 {
                bytes.extend_from_slice(&ordered.to_le_bytes());
            }
            let digest = blake3::hash(&bytes);
            let (half, _) = digest.as_bytes().split_first_chunk::<16>().expect("BLAKE3 gives 32 bytes");
            self.0 = self.0.wrapping_add(u128::from_le_bytes(*half));
        }
    }
}

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
