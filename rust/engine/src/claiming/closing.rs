//! Closing: a document ends with all its lines, told before or after (`docs/claims.md` §3).

use tallystick_contract::config::Config;

use crate::directive::Side;
use crate::engine::Engine;
use crate::judge::Case;

impl Engine {
    /// Closes a document on a side, or on both.
    pub(crate) fn close_document(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (document, side): (&str, Option<Side>),
    ) {
        let space = config.documents(case.seen.event.source.unwrap_or_default());
        let number = self.claims.enter_document(space, document);
        let now_ns = self.log_time_ns.unwrap_or(0);
        let known = self.claims.document_mut(number);
        known.touched_ns = now_ns;
        let closes = |on: Side| side.is_none_or(|side| side == on).then_some(case.time_ns);
        known.close([closes(Side::Supply), closes(Side::Demand)], now_ns);
        let lines = known.lines.clone();
        for line in lines {
            if side.is_none_or(|side| self.claims.head(line).key.side == side) {
                self.touch_line(line);
                self.reckon(config, line, case.sequence);
            }
        }
    }

    /// When what is asked for a line at a location was closed by word: its document, or the line itself there.
    pub(crate) fn closed_for(&self, line: u32, spot: crate::stock::Spot) -> Option<i64> {
        let known = self.claims.line(line);
        let document_ns = self.claims.document(known.document).closed_on(known.side);
        let location = self.stock.at(spot).1.names[1];
        let places = (0..).zip(&known.places).filter(|(_, place)| place.location == location);
        places.filter_map(|(place, _)| known.closed_ns(place)).max().max(document_ns)
    }
}
