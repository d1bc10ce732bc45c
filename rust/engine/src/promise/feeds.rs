//! Feeds, as promises know them: how firm a figure is, is told by whoever knows the sources.

use tallystick_contract::freshness::Freshness;

/// What answers tell of sources.
pub(crate) trait Feeds {
    /// The sources that have spoken of a location, by name.
    fn of_location(&self, location: &str) -> Vec<&str>;

    /// How fresh a source is.
    fn freshness(&self, source: &str) -> Freshness;

    /// Appends what is known of a source.
    fn write_feed(&self, out: &mut Vec<u8>, source: &str);
}
