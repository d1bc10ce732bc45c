//! The counts of a position: the latest is the barrier, and those behind it are kept so that a void can bring one back.
//! Each knows the sum of the movements effective after it, so `on_hand` can be told from any of them.

use std::cmp::Ordering;

use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::COUNTS_KEPT;

/// A count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    /// Effective time, in nanoseconds since 1970.
    pub time_ns: i64,
    /// What decides between counts; without a policy, the time alone.
    pub rank: [i64; 3],
    /// What was counted, in thousandths.
    pub quantity: i64,
    /// Who counted; with the id it breaks ties of rank.
    pub source: Box<str>,
    /// The count's key.
    pub id: Box<str>,
    /// The sum of all movements effective after it, in thousandths.
    pub after: i128,
}

heap_size!(Count { time_ns, rank, quantity, source, id, after });

/// What decides between counts.
pub(crate) type CountRank = ([i64; 3], Box<str>, Box<str>);

impl Count {
    /// Which of two counts is the later one.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        (self.rank, &self.source, &self.id).cmp(&(other.rank, &other.source, &other.id))
    }

    fn full_rank(&self) -> CountRank {
        (self.rank, self.source.clone(), self.id.clone())
    }
}

/// All that is kept of the counts of a position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// The later, the further behind.
    pub kept: Vec<Count>,
    /// What `on_hand` would be without any count, in thousandths.
    pub uncounted: i128,
    /// The latest of the counts that are not kept.
    pub cut: Option<CountRank>,
}

heap_size!(Counts { kept, uncounted, cut });

impl Counts {
    /// The barrier.
    #[inline]
    pub(crate) fn latest(&self) -> Option<&Count> {
        self.kept.last()
    }

    /// Takes a movement into account.
    #[inline]
    pub(crate) fn move_on_hand(&mut self, time_ns: i64, quantity: i64) {
        self.uncounted += i128::from(quantity);
        for count in self.kept.iter_mut().filter(|count| count.time_ns < time_ns) {
            count.after += i128::from(quantity);
        }
    }

    /// The latest count and all movements after it; without a count, all movements.
    pub(crate) fn on_hand(&self) -> i128 {
        self.latest().map_or(self.uncounted, |count| i128::from(count.quantity) + count.after)
    }

    /// The sum of all movements after a time, if a count at that time knows it.
    pub(crate) fn after(&self, time_ns: i64) -> Option<i128> {
        self.kept.iter().find(|count| count.time_ns == time_ns).map(|count| count.after)
    }

    /// Adds a count, and lets the first go if there are too many.
    pub(crate) fn add(&mut self, count: Count) {
        let place = self.kept.partition_point(|known| known.compare(&count) == Ordering::Less);
        self.kept.insert(place, count);
        if self.kept.len() > COUNTS_KEPT {
            let first = self.kept.remove(0);
            self.leave_out(&first);
        }
    }

    /// Notes that there was a count which is not kept.
    pub(crate) fn leave_out(&mut self, count: &Count) {
        self.cut = self.cut.take().max(Some(count.full_rank()));
    }

    /// Takes a count out. An id may have been used again since keys were forgotten, so its time tells, too.
    pub(crate) fn remove(&mut self, source: &str, id: &str, time_ns: i64) -> Option<Count> {
        let is_it = |count: &Count| *count.source == *source && *count.id == *id && count.time_ns == time_ns;
        let place = self.kept.iter().rposition(is_it)?;
        Some(self.kept.remove(place))
    }

    /// Whether no count that is not kept should be the barrier.
    pub(crate) fn is_known(&self) -> bool {
        let latest = self.latest().map(|count| (count.rank, &count.source, &count.id));
        self.cut.as_ref().is_none_or(|(rank, source, id)| latest >= Some((*rank, source, id)))
    }
}
