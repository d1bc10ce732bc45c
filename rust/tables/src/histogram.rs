//! A histogram of delays: how many lasted how long, in buckets whose bounds double. Counting takes a few instructions
//! and no memory. It is no part of a ledger's state.

/// Buckets. The last one has no upper bound.
pub const BUCKETS: usize = 32;
/// The first bucket ends at two to the power of this, in nanoseconds: about a millisecond.
const FIRST_BITS: u32 = 20;

/// How many delays lasted how long.
///
/// ```
/// use tallystick_tables::histogram::Histogram;
///
/// let mut delays = Histogram::default();
/// delays.count(-5); // the clock of whoever said it is ahead
/// delays.count(3_000_000);
/// assert_eq!((delays.counts[0], delays.counts[2]), (1, 1));
/// assert!(3_000_000 < Histogram::bound_ns(2) && 3_000_000 >= Histogram::bound_ns(1));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By bucket.
    pub counts: [u64; BUCKETS],
    /// Of all delays, in units of the first bucket's bound.
    sum: u64,
}

impl Histogram {
    /// Counts a delay, in nanoseconds. A negative one counts as none.
    #[inline]
    pub fn count(&mut self, delay_ns: i64) {
        self.count_many(delay_ns, 1);
    }

    /// Counts a delay so many times.
    #[inline]
    pub fn count_many(&mut self, delay_ns: i64, times: u64) {
        let units = delay_ns.max(0).unsigned_abs() >> FIRST_BITS;
        let bucket = (u64::BITS - units.leading_zeros()) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += times;
        self.sum = self.sum.saturating_add(units.saturating_mul(times));
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The delay below which a bucket ends, in nanoseconds. Of the last one it says where the bucket would end.
    pub fn bound_ns(bucket: u32) -> i64 {
        1 << (FIRST_BITS + bucket)
    }

    /// The sum of all delays in nanoseconds, each rounded down to the first bucket's bound.
    pub fn sum_ns(&self) -> u64 {
        self.sum.saturating_mul(1 << FIRST_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delay_is_below_its_bound_and_not_below_the_one_before() {
        let edges = (0..63).flat_map(|bits| [(1_i64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for delay_ns in edges.chain([i64::MIN, -1, i64::MAX]) {
            let mut delays = Histogram::default();
            delays.count(delay_ns);
            let bucket = delays.counts.iter().position(|&count| count == 1).expect("it was counted");
            let place = u32::try_from(bucket).expect("there are few");
            assert!(bucket == BUCKETS - 1 || delay_ns < Histogram::bound_ns(place), "{delay_ns}");
            assert!(bucket == 0 || delay_ns >= Histogram::bound_ns(place - 1), "{delay_ns}");
        }
    }

    #[test]
    fn sums_and_counts_add_up() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.count(5 << FIRST_BITS);
        other.count_many(3 << FIRST_BITS, 4);
        one.add(&other);
        assert_eq!(one.sum_ns(), 17 << FIRST_BITS);
        assert_eq!(one.counts.iter().sum::<u64>(), 5);
        one.count_many(i64::MAX, u64::MAX - 5);
        assert_eq!(one.sum_ns(), u64::MAX, "it stays where it cannot grow");
    }
}
