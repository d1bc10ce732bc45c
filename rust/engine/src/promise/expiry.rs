//! When live reservations expire, soonest first. Most expire in the order in which they came, and wait in a queue; the
//! others are sorted. What ended before its time stays in its place until it comes to the front or too many are like
//! it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use tallystick_contract::heap_size::heap_size;

/// When a reservation expires, in nanoseconds, its serial and its slot.
pub(crate) type Expiry = (i64, u64, u32);

/// Ended ones that may always stay.
const STALE_MIN: usize = 64;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    /// Each expires no sooner than the one before it.
    queue: VecDeque<Expiry>,
    /// Those that expire sooner than one that came before them.
    sorted: BinaryHeap<Reverse<Expiry>>,
    /// How many of them ended before their time.
    stale: usize,
}

heap_size!(Expiries { queue, sorted, stale });

impl Expiries {
    pub(crate) fn push(&mut self, expiry: Expiry) {
        if self.queue.back().is_none_or(|last| *last <= expiry) {
            self.queue.push_back(expiry);
        } else {
            self.sorted.push(Reverse(expiry));
        }
    }

    /// The next one, which has not ended.
    pub(crate) fn first(&self) -> Option<Expiry> {
        let sorted = self.sorted.peek().map(|Reverse(expiry)| *expiry);
        self.queue.front().copied().into_iter().chain(sorted).min()
    }

    /// Notes that one of them ended. `is_live` tells which have not.
    pub(crate) fn end(&mut self, is_live: impl Fn(Expiry) -> bool) {
        self.stale += 1;
        while let Some(first) = self.first()
            && !is_live(first)
        {
            if self.queue.front() == Some(&first) {
                self.queue.pop_front();
            } else {
                self.sorted.pop();
            }
            self.stale = self.stale.saturating_sub(1);
        }
        if self.stale > STALE_MIN.max(self.len() / 2) {
            self.queue.retain(|expiry| is_live(*expiry));
            self.sorted.retain(|Reverse(expiry)| is_live(*expiry));
            self.stale = 0;
        }
    }

    fn len(&self) -> usize {
        self.queue.len() + self.sorted.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_next_is_always_the_soonest_that_has_not_ended() {
        for seed in 0..64_u64 {
            let mut random = crate::random::Random::new(seed.wrapping_mul(tallystick_tables::hash::GOLDEN) | 1);
            let mut below = |end: u64| random.below(end);
            let (mut expiries, mut live) = (Expiries::default(), BTreeSet::new());
            for serial in 0..2_000 {
                if below(5) < 3 || live.is_empty() {
                    let expiry = (i64::try_from(serial + below(50)).unwrap(), serial, 7);
                    expiries.push(expiry);
                    live.insert(expiry);
                } else {
                    // The soonest as when its time has come, or any other.
                    let place = if below(2) == 0 { 0 } else { usize::try_from(below(live.len() as u64)).unwrap() };
                    let ended = *live.iter().nth(place).unwrap();
                    live.remove(&ended);
                    expiries.end(|expiry| live.contains(&expiry));
                }
                assert_eq!(expiries.first(), live.first().copied(), "seed {seed}");
                assert!(expiries.len() <= 2 * live.len() + 2 * STALE_MIN, "seed {seed}");
            }
        }
    }
}
