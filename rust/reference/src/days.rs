//! Days, or hours, of each location as they are counted from the log's time.

use tallystick_contract::balance::PositionKey;

use super::calendar::{self, Calendar, Due};
use super::claims::line::AT_ONCE;
use super::twin::Reference;

impl Reference {
    /// The days of a bucket, or its hours: how the first of the figures is called.
    pub fn bucket_text(&self, location: &str, bucket: usize) -> String {
        let calendar = self.calendar_at(location);
        calendar.text(calendar.bucket_at(self.now_ns()) + count(bucket))
    }

    pub(crate) fn horizon(&self) -> usize {
        self.config.promise.horizon as usize
    }

    /// How many buckets something lies behind the bucket of the log's time, there.
    pub(crate) fn buckets_away(&self, location: &str, due: Due) -> i64 {
        let calendar = self.calendar_at(location);
        calendar.bucket_of(due) - calendar.bucket_at(self.now_ns())
    }

    pub(crate) fn start_of_bucket(&self, location: &str, bucket: usize) -> i64 {
        let calendar = self.calendar_at(location);
        calendar.start_ns(calendar.bucket_at(self.now_ns()) + count(bucket))
    }

    /// The zone of a location, and the bucket of the log's time there.
    pub(crate) fn day_at(&self, location: &str) -> (String, i64) {
        let zone = self.master.time_zone(location, self.now_ns()).unwrap_or(&self.config.promise.time_zone);
        (zone.to_owned(), self.calendar_at(location).bucket_at(self.now_ns()))
    }

    /// The bucket of the log's time at a location.
    pub(crate) fn today_at(&self, at: &PositionKey) -> i64 {
        self.calendar_at(&at.location).bucket_at(self.now_ns())
    }

    /// The day, or hour, on which something is wanted: positions of a line are compared by it, whatever their zones.
    pub(crate) fn day_of(&self, at: &PositionKey, due: Option<Due>) -> i64 {
        due.map_or(AT_ONCE, |due| self.buckets_away(&at.location, due).saturating_add(self.today_at(at)))
    }

    /// How many buckets away something is wanted; at once is bucket 0.
    pub(crate) fn bucket_of(&self, at: &PositionKey, due: Option<Due>) -> i64 {
        due.map_or(0, |due| self.buckets_away(&at.location, due).max(0))
    }

    pub(crate) fn calendar_at(&self, location: &str) -> Calendar {
        let promise = &self.config.promise;
        let name = self.master.time_zone(location, self.now_ns());
        let zone = name.and_then(calendar::zone).or_else(|| calendar::zone(&promise.time_zone));
        Calendar { bucket: promise.bucket, zone: zone.expect("the configuration was checked") }
    }
}

pub(crate) fn count(buckets: usize) -> i64 {
    i64::try_from(buckets).expect("the horizon is short")
}
