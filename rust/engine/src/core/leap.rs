//! Leap: a stamp so far ahead of the log's time that the bus's clock may be wrong (`docs/events.md` §12). What the
//! sources say of the time decides, or the messages that follow. Knows no event and no key.

use tallystick_contract::heap_size::flat;
use tallystick_contract::instant;
use tallystick_tables::image::{flagged, image};

use crate::core::Core;
use crate::diagnostics::{About, span};
use crate::read::element::Place;

/// What the events of a message say of its stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witness {
    /// None of them says a time.
    Silent,
    /// One says a time near it.
    Agrees,
    /// All that say a time say another.
    Denies,
}

/// A stamp that is not believed yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Leap {
    /// The message that had it first, its stamp, and the log's time before it.
    sequence: u64,
    first_ns: i64,
    before_ns: i64,
    /// The stamp of the latest message that went on from there.
    stamp_ns: i64,
    /// The stamp of the latest message whose events said another time; the least number for none.
    denied_ns: i64,
    /// Whether somebody was told.
    is_told: bool,
}

flat!(Leap);

image!(Leap { sequence, first_ns, before_ns, stamp_ns, denied_ns, is_told });
flagged!(Leap);

impl Leap {
    /// Whether a stamp goes on from it: as far behind it as a leap is ahead, it went back.
    fn is_followed_by(&self, stamp_ns: i64, jump_max_ns: i64) -> bool {
        stamp_ns >= self.stamp_ns.saturating_sub(jump_max_ns)
    }
}

impl Core {
    /// Whether the time of a message has to be looked at: it is far ahead, or one before it was.
    #[inline]
    pub(crate) const fn is_leap(&self, front_ns: i64, stamp_ns: i64) -> bool {
        stamp_ns > front_ns.saturating_add(self.leap_ns) && front_ns > i64::MIN || self.believed_ns.is_some()
    }

    /// What is believed of the log's time: what keys are forgotten by, and ages are measured by.
    #[inline]
    pub(crate) fn keys_ns(&self) -> i64 {
        self.believed_ns.unwrap_or_else(|| self.now_ns())
    }

    /// The time at which what a message asks for begins: its stamp, also where that is not believed yet.
    pub(crate) fn asked_ns(&self) -> i64 {
        self.leap.map_or_else(|| self.now_ns(), |leap| leap.stamp_ns.max(self.now_ns()))
    }

    /// When the next message would tell whether a leap is one, in nanoseconds since 1970.
    pub(crate) fn next_witness_ns(&self) -> Option<i64> {
        self.leap.map(|leap| leap.stamp_ns.max(leap.denied_ns.saturating_add(self.leap_ns)).saturating_add(1))
    }

    /// Moves the log's time for a message, as far as its stamp is believed.
    #[cold]
    pub(crate) fn leap_to(&mut self, stamp_ns: i64, witness: impl FnOnce(&Self) -> Witness, place: Place) {
        let jump_max_ns = self.leap_ns;
        let now_ns = self.now_ns();
        let is_ahead = stamp_ns > now_ns.saturating_add(jump_max_ns);
        if let Some(leap) = self.leap.filter(|leap| !leap.is_followed_by(stamp_ns, jump_max_ns)) {
            self.leap = None;
            self.tell_leap(leap, stamp_ns, place);
        }
        if !is_ahead {
            self.believe(stamp_ns);
            return;
        }
        let witness = witness(self);
        let mut leap = self.leap.unwrap_or(Leap {
            sequence: place.sequence,
            first_ns: stamp_ns,
            before_ns: now_ns,
            stamp_ns,
            denied_ns: i64::MIN,
            is_told: false,
        });
        let is_confirmed = self.leap.is_some() && stamp_ns > leap.denied_ns.saturating_add(jump_max_ns);
        if witness == Witness::Agrees || witness == Witness::Silent && is_confirmed {
            self.believe(stamp_ns);
            return;
        }
        let moved_ns = if self.leap.is_some() { stamp_ns.saturating_sub(leap.stamp_ns).max(0) } else { jump_max_ns };
        leap.stamp_ns = leap.stamp_ns.max(stamp_ns);
        if witness == Witness::Denies {
            leap.denied_ns = stamp_ns;
        }
        if leap.stamp_ns > leap.first_ns.saturating_add(jump_max_ns) {
            self.tell_leap(leap, stamp_ns, place);
            leap.is_told = true;
        }
        self.leap = Some(leap);
        self.believed_ns = Some(self.keys_ns());
        self.log_time_ns = Some(now_ns.saturating_add(moved_ns));
    }

    /// An event's own time, where it is the log's, is believed.
    #[inline]
    pub(crate) fn believe_own(&mut self, own_ns: Option<i64>) {
        if let Some(own_ns) = own_ns.filter(|_| self.believed_ns.is_some()) {
            self.believe(own_ns);
        }
    }

    /// The log's time is that of the stamp, unless it is there already.
    fn believe(&mut self, stamp_ns: i64) {
        self.leap = None;
        self.believed_ns = Some(self.keys_ns().max(stamp_ns));
        self.tick(Some(stamp_ns));
        self.believed_ns = self.believed_ns.filter(|believed_ns| Some(*believed_ns) < self.log_time_ns);
    }

    /// Tells once of a stamp that is not believed.
    fn tell_leap(&mut self, leap: Leap, stamp_ns: i64, place: Place) {
        if leap.is_told {
            return;
        }
        let Leap { sequence, first_ns, before_ns, .. } = leap;
        let cause = format!(
            "message {sequence} is stamped {}, {} ahead of the log's time {}; message {} is stamped {}",
            instant::format(first_ns),
            span(first_ns.saturating_sub(before_ns)),
            instant::format(before_ns),
            place.sequence,
            instant::format(stamp_ns),
        );
        let config = std::sync::Arc::clone(&self.config);
        let subject = sequence.to_string();
        let (code, missing) = ("log_time_jump", None);
        self.raise(
            &config,
            About { code, subject: &subject, source: None, sku: None, location: None, cause, missing, place },
        );
    }
}
