//! Feeds: which sources speak of a location, how fresh each of them is, and so how firm a figure (`docs/promise.md`
//! §7).

use crate::effect::{write_name, write_text};
use crate::engine::Engine;

/// How much a figure is worth, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Freshness {
    #[default]
    Firm,
    /// Something is known to be missing, or late.
    Provisional,
    /// Nothing was heard for too long.
    Stale,
}

impl Freshness {
    /// The word in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Firm => "firm",
            Self::Provisional => "provisional",
            Self::Stale => "stale",
        }
    }
}

impl Engine {
    /// How fresh a source is.
    pub(crate) fn freshness(&self, name: &str) -> Freshness {
        let promise = &self.config.promise;
        let watermark_ns = self.sources.watermark(name);
        let lag_ns = watermark_ns.map_or(0, |ns| self.log_time_ns.unwrap_or(0).saturating_sub(ns));
        let alert_ns = self.config.source(name).and_then(|source| source.alert_lag_ns);
        if promise.stale_after_ns.is_some_and(|after_ns| lag_ns > after_ns) {
            Freshness::Stale
        } else if lag_ns > alert_ns.unwrap_or(promise.provisional_after_ns) || self.owes(name) {
            Freshness::Provisional
        } else {
            Freshness::Firm
        }
    }

    /// Whether numbers of a source are missing, or events of it are held.
    fn owes(&self, name: &str) -> bool {
        let mut tracks = self.tracks.all().iter().filter(|track| *track.source == *name);
        tracks.any(|track| !track.held.is_empty() || !track.lost.is_empty() || track.gap().is_some())
    }

    /// Appends what is known of a source that feeds a position.
    pub(super) fn write_feed(&self, out: &mut Vec<u8>, name: &str) {
        out.push(b'{');
        let before = out.len();
        self.sources.write_place(name, self.log_time_ns.unwrap_or(0), out);
        self.write_tracks(name, out);
        // What was written begins with a comma, as behind another member.
        if out.len() > before {
            out.remove(before);
        }
        write_text(out, "freshness", Some(self.freshness(name).name()));
        out.push(b'}');
    }

    /// Appends a list of names as a member.
    pub(super) fn write_names<'n>(out: &mut Vec<u8>, member: &str, names: impl Iterator<Item = &'n str>) {
        write_name(out, member);
        out.push(b'[');
        for (number, name) in names.enumerate() {
            if number > 0 {
                out.push(b',');
            }
            tallystick_contract::json_text::write_string(out, name);
        }
        out.push(b']');
    }
}
