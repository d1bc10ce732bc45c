//! Order lines, as promises know them: whoever keeps them is handed in, because a promise for a line is one voice of it
//! among others, and what it holds counts with what the line claims.

use tallystick_contract::config::Mode;

use crate::calendar::Due;
use crate::schedule::hold::{For, HoldKey, HoldPlace, Lifted, LineNamed, PartNow, Share};
use crate::schedule::{Books, Site, View};
use crate::stock::Spot;

/// What promises ask of order lines, and tell them.
pub(crate) trait OrderLines {
    /// Whether a document is known.
    fn knows_document(&self, view: View<'_>, named: LineNamed<'_>) -> bool;

    /// When what is ordered of a document was closed; at a position by word of the line, if that is known there.
    fn closed_ns(&self, view: View<'_>, named: LineNamed<'_>, spot: Option<Spot>) -> Option<i64>;

    /// The line that a reservation is for, if it is known.
    fn line_for(&self, view: View<'_>, whom: For<'_>, spot: Spot) -> Option<u32>;

    /// The line with a name, new if need be.
    fn enter(&mut self, books: &mut Books<'_>, named: LineNamed<'_>, spot: Spot) -> u32;

    /// Forgets a line of which nothing was said.
    fn drop_blank(&mut self, books: &mut Books<'_>, line: u32);

    /// Lifts the claims of a line, asked for at a time, off positions. They have to be put down again.
    fn lift(&self, books: &mut Books<'_>, asked: (u32, i64), spots: &[Spot]) -> Lifted;

    /// Puts the claims of a line down again.
    fn put_down(&self, books: &mut Books<'_>, lifted: &Lifted);

    /// The greatest part of a quantity that a line can be granted at a position, beside what it is to have elsewhere.
    fn room(
        &self,
        view: View<'_>,
        lifted: &Lifted,
        at: (Spot, &Site),
        when: (Mode, i32),
        asked: (i64, &[Share]),
    ) -> i64;

    /// Whether a hold of a line can come to that.
    fn fits(&self, books: &mut Books<'_>, asked: (u32, i64), hold: (HoldKey, HoldPlace), wanted: &PartNow) -> bool;

    /// A part of a reservation as its line knows it, by serial and number.
    fn hold_key(&self, view: View<'_>, whom: (For<'_>, Spot), part: (u64, u16)) -> HoldKey;

    /// Lets a line have what a part of a reservation has come to.
    fn hold(&mut self, books: &mut Books<'_>, line: (u32, HoldKey), at: (Spot, Option<(Due, i32)>), now: &PartNow);

    /// Lets a part of a reservation be what it has come to, for its line or without one.
    fn settle(
        &mut self,
        books: &mut Books<'_>,
        whom: For<'_>,
        hold: (HoldKey, HoldPlace),
        change: (&PartNow, &PartNow),
    );

    /// Whether a part counts for nothing, because its line is closed.
    fn is_closed(&self, view: View<'_>, whom: For<'_>, hold: (HoldKey, Spot)) -> bool;

    /// Whether a part would count once it has come to more.
    fn is_opened(&self, view: View<'_>, whom: For<'_>, hold: (HoldKey, HoldPlace), now: &PartNow) -> bool;

    /// Appends the supply, and the claims of lines, that count by a bucket.
    fn write_supply(&self, view: View<'_>, out: &mut Vec<u8>, site: &Site, bucket: i32);
    fn write_claimed(&self, view: View<'_>, out: &mut Vec<u8>, site: &Site, bucket: i32);
}
