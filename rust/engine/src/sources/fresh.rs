//! Freshness: how far the sources that speak of a location are, and so how firm a figure (`docs/promise.md` §7).

use tallystick_contract::freshness::Freshness;

use crate::core::Core;
use crate::order::SequenceTracker;
use crate::output::effect::write_text;
use crate::sources::Sources;
impl Sources {
    /// How fresh a source is.
    pub(crate) fn freshness(&self, core: &Core, tracker: &SequenceTracker, name: &str) -> Freshness {
        let promise = &core.config.promise;
        let watermark_ns = self.watermark(name);
        let lag_ns = watermark_ns.map_or(0, |ns| core.now_ns().saturating_sub(ns));
        let alert_ns = core.config.source(name).and_then(|source| source.alert_lag_ns);
        if promise.stale_after_ns.is_some_and(|after_ns| lag_ns > after_ns) {
            Freshness::Stale
        } else if lag_ns > alert_ns.unwrap_or(promise.provisional_after_ns) || Self::owes(tracker, name) {
            Freshness::Provisional
        } else {
            Freshness::Firm
        }
    }

    /// Whether numbers of a source are missing, or events of it are held.
    pub(crate) fn owes(tracker: &SequenceTracker, name: &str) -> bool {
        let mut tracks = tracker.all().iter().filter(|track| *track.source == *name);
        tracks.any(|track| !track.held.is_empty() || !track.lost.is_empty() || track.gap().is_some())
    }

    /// Appends what is known of a source that feeds a position.
    pub(crate) fn write_feed(&self, core: &Core, tracker: &SequenceTracker, out: &mut Vec<u8>, name: &str) {
        out.push(b'{');
        let before = out.len();
        self.write_place(name, core.now_ns(), out);
        Self::write_tracks(tracker, name, out);
        // What was written begins with a comma, as behind another member.
        if out.len() > before {
            out.remove(before);
        }
        write_text(out, "freshness", Some(self.freshness(core, tracker, name).name()));
        out.push(b'}');
    }
}
