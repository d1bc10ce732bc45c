//! Days: bucket 0, the horizon and the buckets of times and dates, in the zones of locations.

use crate::atp::timeline::Span;
use crate::calendar::Due;
use crate::core::Core;
/// When something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    Due(Due),
    Bucket(i32),
    /// So many buckets behind bucket 0, wherever it is.
    Ahead(i32),
}

impl When {
    /// When something with a day and its bucket is wanted.
    pub(crate) fn of(due: Option<(Due, i32)>) -> Self {
        due.map_or(Self::Now, |(_, bucket)| Self::Bucket(bucket))
    }
}

impl Core {
    /// The zone of a location, as its version that holds now says.
    pub(crate) fn zone_of(&self, location: &str) -> u32 {
        if self.locations.is_empty() {
            return 0;
        }
        let version = self.locations.at(location, self.now_ns());
        let name = version.and_then(|version| version.time_zone.as_deref());
        name.and_then(|name| self.calendar.find(name)).unwrap_or(0)
    }

    /// Bucket 0 in a zone.
    pub(crate) fn today(&self, zone: u32) -> i32 {
        self.calendar.bucket_at(zone, self.now_ns())
    }

    /// The whole horizon in a zone.
    pub(crate) fn horizon(&self, zone: u32) -> Span {
        let today = self.today(zone);
        Span { today, end: today.saturating_add_unsigned(self.config.promise.horizon) }
    }

    /// The bucket of a time or date in a zone, within the horizon.
    pub(crate) fn bucket_in(&self, zone: u32, when: When) -> i32 {
        self.bucket_within(zone, self.horizon(zone), when)
    }

    /// The bucket of a time or date in a zone, within a horizon that is known.
    pub(crate) fn bucket_within(&self, zone: u32, Span { today, end }: Span, when: When) -> i32 {
        let bucket = match when {
            When::Now => today,
            When::Due(due) => self.calendar.bucket_of(zone, due),
            When::Bucket(bucket) => bucket,
            When::Ahead(buckets) => today.saturating_add(buckets),
        };
        bucket.clamp(today, end - 1)
    }

    /// How a bucket is written, and whether it is a day.
    pub(crate) fn bucket_text(&self, bucket: i32) -> String {
        self.calendar.text(bucket)
    }
}
