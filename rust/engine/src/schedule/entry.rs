//! Entry: what is known of a position beyond its accounts: what comes, what is claimed, what is live.

use tallystick_contract::heap_size::heap_size;

use crate::atp::timeline::Timeline;
use crate::schedule::given::{AT_ONCE, Given, Shown};
use crate::stock::Spot;
/// A position with a schedule, with claims of lines, or with live reservations.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) spot: Spot,
    /// The zone of its location.
    pub(crate) zone: u32,
    /// Open lines of supply that count; and all that is claimed, as demand.
    pub(crate) timeline: Timeline,
    /// What live reservations without a document and a date hold, in thousandths.
    pub(crate) claimed: i64,
    /// What live reservations with a date hold, in thousandths.
    pub(crate) dated: i64,
    /// What lines claim, and dated reservations without a document hold, beyond the bucket before, by bucket.
    pub(crate) shown: Vec<(i32, Shown)>,
    /// Its open lines of supply, by serial.
    pub(crate) lines: Vec<u64>,
    /// The sum of what is open of them, in thousandths.
    pub(crate) open: i64,
    /// Parts of live reservations: how many without a date, and by bucket how many with one.
    pub(crate) live_now: u32,
    pub(crate) live_dated: Vec<(i32, u32)>,
    pub(crate) is_at_risk: bool,
    /// Whether it is to be looked at once the element is done.
    pub(crate) is_touched: bool,
}

heap_size! {
    Entry {
        spot, zone, timeline, claimed, dated, shown, lines, open, live_now, live_dated, is_at_risk, is_touched,
    }
}

impl Entry {
    pub(crate) fn new(spot: Spot, zone: u32) -> Self {
        Self {
            spot,
            zone,
            timeline: Timeline::default(),
            claimed: 0,
            dated: 0,
            shown: Vec::new(),
            lines: Vec::new(),
            open: 0,
            live_now: 0,
            live_dated: Vec::new(),
            is_at_risk: false,
            is_touched: false,
        }
    }

    /// Whether nothing is promised of it any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.shown.is_empty() && self.live_now == 0 && self.live_dated.is_empty()
    }

    /// Lets more be claimed from a bucket on.
    pub(crate) fn claim(&mut self, bucket: i32, more: Shown) {
        if more == Shown::default() {
            return;
        }
        self.timeline.add(bucket, 0, more.total());
        match self.shown.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => {
                self.shown[at].1 = self.shown[at].1.plus(more);
                if self.shown[at].1 == Shown::default() {
                    self.shown.remove(at);
                }
            }
            Err(at) => self.shown.insert(at, (bucket, more)),
        }
    }

    /// Takes what a line has of the position, or gives it back.
    pub(crate) fn take_given(&mut self, given: &Given, is_back: bool) {
        for (bucket, shown) in given.changes() {
            self.claim(bucket, if is_back { Shown::default().minus(shown) } else { shown });
        }
        for _ in 0..given.live_now {
            self.count_live(AT_ONCE, is_back);
        }
        for (bucket, count) in &given.live_dated {
            for _ in 0..*count {
                self.count_live(*bucket, is_back);
            }
        }
    }

    /// Counts a part of a live reservation.
    pub(crate) fn count_live(&mut self, bucket: i32, is_back: bool) {
        if bucket == AT_ONCE {
            self.live_now = if is_back { self.live_now - 1 } else { self.live_now + 1 };
            return;
        }
        match self.live_dated.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) if is_back => {
                self.live_dated[at].1 -= 1;
                if self.live_dated[at].1 == 0 {
                    self.live_dated.remove(at);
                }
            }
            Ok(at) => self.live_dated[at].1 += 1,
            Err(at) if !is_back => self.live_dated.insert(at, (bucket, 1)),
            Err(_) => {}
        }
    }

    /// What is claimed by a bucket.
    pub(crate) fn shown_until(&self, bucket: i32) -> Shown {
        let until = self.shown.iter().take_while(|(known, _)| *known <= bucket);
        until.fold(Shown::default(), |sum, (_, shown)| sum.plus(*shown))
    }

    /// All that is claimed, whenever, in thousandths.
    pub(crate) fn claims(&self) -> i64 {
        self.shown_until(i32::MAX).total().saturating_add(self.claimed)
    }
}
