//! Closing: a document ends with all its lines, told before or after (`docs/claims.md` §3).

use crate::claims::book::Claims;
use crate::core::context::Context;
use crate::read::directive::Side;
use crate::schedule::{Books, View};

impl Claims {
    /// Closes a document on a side, or on both.
    pub(crate) fn close_document(
        &mut self,
        books: &mut Books<'_>,
        context: &Context<'_, '_>,
        (document, side): (&str, Option<Side>),
    ) {
        let space = books.config.documents(context.decoded.event.source);
        let number = self.enter_document(space, document);
        let now_ns = books.core.now_ns();
        let known = self.document_mut(number);
        known.touched_ns = now_ns;
        let closes = |on: Side| side.is_none_or(|side| side == on).then_some(context.time_ns);
        known.close([closes(Side::Supply), closes(Side::Demand)], now_ns);
        let lines = known.lines.clone();
        for line in lines {
            if side.is_none_or(|side| self.head(line).key.side == side) {
                self.touch_line(books.view(), line);
                self.reckon(books, line);
            }
        }
    }

    /// When what is asked for a line at a location was closed by word: its document, or the line itself there.
    pub(crate) fn closed_for(&self, view: View<'_>, line: u32, spot: crate::stock::Spot) -> Option<i64> {
        let known = self.line(line);
        let document_ns = self.document(known.document).closed_on(known.side);
        let location = view.core.stock.at(spot).1.names[1];
        let places = (0..).zip(&known.places).filter(|(_, place)| place.location == location);
        places.filter_map(|(place, _)| known.closed_ns(place)).max().max(document_ns)
    }
}
