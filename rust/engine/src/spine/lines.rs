//! What capabilities are of each other: here alone promises get to know order lines, and the sources of a figure.

use tallystick_contract::config::Mode;
use tallystick_contract::freshness::Freshness;

use crate::calendar::Due;
use crate::claims::Claims;
use crate::core::Core;
use crate::order::Tracks;
use crate::promise::{Feeds, OrderLines};
use crate::read::directive::Side;
use crate::schedule::hold::{For, HoldKey, HoldPlace, Lifted, LineNamed, PartNow, Share};
use crate::schedule::{Ctx, Site, View};
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

    fn enter(&mut self, ctx: &mut Ctx<'_>, named: LineNamed<'_>, spot: Spot) -> u32 {
        self.enter_line(ctx, Side::Demand, named, spot)
    }

    fn drop_blank(&mut self, ctx: &mut Ctx<'_>, line: u32) {
        Self::drop_blank(self, ctx, line);
    }

    fn lift(&self, ctx: &mut Ctx<'_>, asked: (u32, i64), spots: &[Spot]) -> Lifted {
        Self::lift(self, ctx, asked, spots)
    }

    fn put_down(&self, ctx: &mut Ctx<'_>, lifted: &Lifted) {
        Self::put_down(self, ctx, lifted);
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

    fn fits(&self, ctx: &mut Ctx<'_>, asked: (u32, i64), hold: (HoldKey, HoldPlace), wanted: &PartNow) -> bool {
        self.fits_line(ctx, asked, hold, wanted)
    }

    fn hold_key(&self, view: View<'_>, whom: (For<'_>, Spot), part: (u64, u16)) -> HoldKey {
        Self::hold_key(self, view, whom, part)
    }

    fn hold(&mut self, ctx: &mut Ctx<'_>, line: (u32, HoldKey), at: (Spot, Option<(Due, i32)>), now: &PartNow) {
        self.hold_for_line(ctx, line, at, now);
    }

    fn settle(&mut self, ctx: &mut Ctx<'_>, whom: For<'_>, hold: (HoldKey, HoldPlace), change: (&PartNow, &PartNow)) {
        self.settle_part(ctx, whom, hold, change);
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
    pub(crate) tracks: &'a Tracks,
}

impl Feeds for SourceFeeds<'_> {
    fn of_location(&self, location: &str) -> Vec<&str> {
        self.sources.of_location(location)
    }

    fn freshness(&self, source: &str) -> Freshness {
        self.sources.freshness(self.core, self.tracks, source)
    }

    fn write_feed(&self, out: &mut Vec<u8>, source: &str) {
        self.sources.write_feed(self.core, self.tracks, out, source);
    }
}
