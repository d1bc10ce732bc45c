//! Stamps of messages: which of them the log's time follows, and how far it goes for one that is not believed
//! (`docs/events.md` §12).

use tallystick_contract::config::Config;
use tallystick_contract::limits::EVENT_BYTES_MAX;
use tallystick_contract::outcome::Outcome;

use super::element;
use super::event;
use super::time::Time;
use super::twin::{Leap, Reference};
use super::work;

/// The own times of events, as far as they have to do with the log's.
pub(crate) fn times(subject: Option<&str>, elements: &[&[u8]], config: &Config) -> Vec<i64> {
    let time = |element: &&[u8]| {
        let event = event::decode_on(subject, element, config).ok().filter(|_| element.len() <= EVENT_BYTES_MAX)?;
        match (event.time, &event.content) {
            (_, Err(Outcome::Malformed | Outcome::NotOwner)) => None,
            (Some(Time::Exact(ns)), _) if !event.is_definition() => Some(ns),
            _ => None,
        }
    };
    elements.iter().filter_map(time).collect()
}

impl Reference {
    /// What is believed of the log's time: by it keys are forgotten, and ages are measured.
    pub(crate) fn keys_ns(&self) -> i64 {
        self.believed_ns.unwrap_or_else(|| self.now_ns())
    }

    /// When what is asked for now was asked: the stamp says so, believed or not.
    pub(crate) fn asked_ns(&self) -> i64 {
        self.leap.map_or(self.now_ns(), |leap| leap.latest_ns.max(self.now_ns()))
    }

    /// A message came with a stamp.
    pub(crate) fn stamped(&mut self, subject: Option<&str>, stamp_ns: i64, sequence: u64, message: &[u8]) {
        let elements = element::elements(message).unwrap_or_default();
        let times = times(subject, &elements, &self.config);
        self.stamped_with(stamp_ns, sequence, &times);
    }

    /// A message came whose events say these times.
    pub(crate) fn stamped_with(&mut self, stamp_ns: i64, sequence: u64, times: &[i64]) {
        let Some(now_ns) = self.log_time_ns else {
            self.log_time_ns = Some(stamp_ns);
            return;
        };
        let most_ns = i128::from(self.config.log_time_jump_max_ns);
        let apart = |later: i64, earlier: i64| i128::from(later) - i128::from(earlier);
        if let Some(leap) = self.leap.filter(|leap| apart(leap.latest_ns, stamp_ns) > most_ns) {
            self.leap = None;
            self.tell_leap(leap);
        }
        let is_near = |time_ns: &i64| apart(*time_ns, stamp_ns).abs() <= most_ns;
        let is_believed = apart(stamp_ns, now_ns) <= most_ns
            || times.iter().any(is_near)
            || times.is_empty()
                && self
                    .leap
                    .is_some_and(|leap| leap.denied_ns.is_none_or(|denied_ns| apart(stamp_ns, denied_ns) > most_ns));
        if is_believed {
            self.leap = None;
            let believed_ns = self.keys_ns().max(stamp_ns);
            self.log_time_ns = Some(now_ns.max(stamp_ns));
            self.believed_ns = Some(believed_ns).filter(|believed_ns| Some(*believed_ns) != self.log_time_ns);
            return;
        }
        self.believed_ns = Some(self.keys_ns());
        let denied_ns = (!times.is_empty()).then_some(stamp_ns);
        let mut leap = match self.leap {
            None => {
                self.log_time_ns = Some(now_ns.saturating_add(self.config.log_time_jump_max_ns));
                Leap { sequence, first_ns: stamp_ns, latest_ns: stamp_ns, denied_ns, is_told: false }
            }
            Some(leap) => {
                let latest_ns = leap.latest_ns.max(stamp_ns);
                self.log_time_ns = Some(now_ns.saturating_add(latest_ns.saturating_sub(leap.latest_ns)));
                Leap { latest_ns, denied_ns: denied_ns.or(leap.denied_ns), ..leap }
            }
        };
        if apart(leap.latest_ns, leap.first_ns) > most_ns {
            self.tell_leap(leap);
            leap.is_told = true;
        }
        self.leap = Some(leap);
    }

    fn tell_leap(&mut self, leap: Leap) {
        if !leap.is_told {
            self.work.raise("log_time_jump", &work::of_message(leap.sequence));
        }
    }
}
