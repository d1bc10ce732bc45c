//! What capabilities are of each other: here alone promises get to know order lines, and the sources of a figure.

use tallystick_contract::config::Mode;
use tallystick_contract::freshness::Freshness;

use crate::calendar::Due;
use crate::claims::Claims;
use crate::core::Core;
use crate::order::SequenceTracker;
use crate::promise::{Feeds, OrderLines};
use crate::read::directive::Side;
use crate::replenish::Staleness;
use crate::schedule::hold::{For, HoldKey, HoldPlace, Lifted, LineNamed, PartNow, Share};
use crate::schedule::{Books, Site, View};
use crate::sources::Sources;
use crate::stock::Spot;

impl OrderLines for Claims {
    fn knows_document(&self, view: View<'_>, named: LineNamed<'_>) -> bool {
        self.find_document(view.config.documents(named.source), named.document).is_some()
    }

    fn closed_ns(&self, view: View<'_>, named: LineNamed<'_>, spot: Option<Spot>) -> Option<i64> {
        let line = spot.and_then(|spot| Some((self.find_line(view, Side::Demand, named, spot)?, spot)));
        if let Some((line, spot)) = line {
            return self.closed_for(view, line, spot);
        }
        let document = self.find_document(view.config.documents(named.source), named.document)?;
        self.document(document).closed_on(Side::Demand)
    }

    fn line_for(&self, view: View<'_>, whom: For<'_>, spot: Spot) -> Option<u32> {
        self.find_line(view, Side::Demand, whom.named()?, spot)
    }

    fn enter(&mut self, books: &mut Books<'_>, named: LineNamed<'_>, spot: Spot) -> u32 {
        self.enter_line(books, Side::Demand, named, spot)
    }

    fn drop_blank(&mut self, books: &mut Books<'_>, line: u32) {
        Self::drop_blank(self, books, line);
    }

    fn lift(&self, books: &mut Books<'_>, asked: (u32, i64), spots: &[Spot]) -> Lifted {
        Self::lift(self, books, asked, spots)
    }

    fn put_down(&self, books: &mut Books<'_>, lifted: &Lifted) {
        Self::put_down(self, books, lifted);
    }

    fn room(
        &self,
        view: View<'_>,
        lifted: &Lifted,
        at: (Spot, &Site),
        when: (Mode, i32),
        asked: (i64, &[Share]),
    ) -> i64 {
        Self::room(self, view, lifted, at, when, asked)
    }

    fn fits(&self, books: &mut Books<'_>, asked: (u32, i64), hold: (HoldKey, HoldPlace), wanted: &PartNow) -> bool {
        self.fits_line(books, asked, hold, wanted)
    }

    fn hold_key(&self, view: View<'_>, whom: (For<'_>, Spot), part: (u64, u16)) -> HoldKey {
        Self::hold_key(self, view, whom, part)
    }

    fn hold(&mut self, books: &mut Books<'_>, line: (u32, HoldKey), at: (Spot, Option<(Due, i32)>), now: &PartNow) {
        self.hold_for_line(books, line, at, now);
    }

    fn settle(
        &mut self,
        books: &mut Books<'_>,
        whom: For<'_>,
        hold: (HoldKey, HoldPlace),
        change: (&PartNow, &PartNow),
    ) {
        self.settle_part(books, whom, hold, change);
    }

    fn is_closed(&self, view: View<'_>, whom: For<'_>, hold: (HoldKey, Spot)) -> bool {
        self.is_part_closed(view, whom, hold)
    }

    fn is_opened(&self, view: View<'_>, whom: For<'_>, hold: (HoldKey, HoldPlace), now: &PartNow) -> bool {
        self.is_part_opened(view, whom, hold, now)
    }

    fn write_supply(&self, view: View<'_>, out: &mut Vec<u8>, site: &Site, bucket: i32) {
        Self::write_supply(self, view, out, site, bucket);
    }

    fn write_claimed(&self, view: View<'_>, out: &mut Vec<u8>, site: &Site, bucket: i32) {
        Self::write_claimed(self, view, out, site, bucket);
    }
}

/// The sources, with the order that each of them promised.
pub(crate) struct SourceFeeds<'a> {
    pub(crate) core: &'a Core,
    pub(crate) sources: &'a Sources,
    pub(crate) tracker: &'a SequenceTracker,
}

impl Feeds for SourceFeeds<'_> {
    fn of_location(&self, location: &str) -> Vec<&str> {
        self.sources.of_location(location)
    }

    fn freshness(&self, source: &str) -> Freshness {
        self.sources.freshness(self.core, self.tracker, source)
    }

    fn write_feed(&self, out: &mut Vec<u8>, source: &str) {
        self.sources.write_feed(self.core, self.tracker, out, source);
    }
}

impl Staleness for SourceFeeds<'_> {
    fn stale_feed(&self, location: &str) -> Option<&str> {
        self.of_location(location).into_iter().find(|source| self.is_stale(source))
    }

    fn is_stale(&self, source: &str) -> bool {
        self.sources.freshness(self.core, self.tracker, source) == Freshness::Stale
    }
}
