//! Holds: what reservations hold, and what was posted of them, is a voice of their line; without a document it is a
//! claim of its own.

use crate::calendar::Due;
use crate::claims::book::{Claims, Hold, Life, Line};
use crate::read::directive::Side;
use crate::read::line_number::LineNumber;
use crate::schedule::AT_ONCE;
use crate::schedule::hold::{For, HoldKey, HoldPlace, LineNamed, PartNow};
use crate::schedule::{Books, View};
use crate::stock::Spot;

impl Claims {
    /// Lets a part of a reservation be what it has come to.
    pub(crate) fn settle_part(
        &mut self,
        books: &mut Books<'_>,
        whom: For<'_>,
        (held, part): (HoldKey, HoldPlace),
        (before, now): (&PartNow, &PartNow),
    ) {
        if before == now {
            return;
        }
        books.core.touch(part.spot, books.sequence);
        if let Some(named) = whom.named() {
            if let Some(line) = self.find_line(books.view(), Side::Demand, named, part.spot) {
                self.hold_for_line(books, (line, held), (part.spot, part.due), now);
            }
            return;
        }
        books.schedule.hold_at(books.core, part.spot, part.due.map(|(_, bucket)| bucket), (before.live, now.live));
        let posted = now.posted() - before.posted();
        match part.due {
            // What was held of a later day is claimed of it for its own line.
            Some(due) if posted != 0 => {
                let document = format!("{}/{}", whom.source, whom.id);
                let number = Some(LineNumber::Number(i64::from(part.line) + 1));
                let named = LineNamed { source: whom.source, document: &document, number };
                let line = self.enter_line(books, Side::Demand, named, part.spot);
                let posts = PartNow { live: 0, given: Vec::new(), lapsed: None, ..now.clone() };
                self.hold_for_line(books, (line, held), (part.spot, Some(due)), &posts);
            }
            None if posted != 0 => books.core.allocate(part.spot, posted),
            _ => {}
        }
    }

    /// Lets a line have what a part of a reservation has come to.
    pub(crate) fn hold_for_line(
        &mut self,
        books: &mut Books<'_>,
        (line, held): (u32, HoldKey),
        (spot, due): (Spot, Option<(Due, i32)>),
        now: &PartNow,
    ) {
        let place = self.place_of(books.view(), line, spot);
        let before = put_hold(self.line_mut(line), place, (held, due), now);
        if due.is_some() {
            let slot = books.schedule.entry_of(books.core, spot);
            books.schedule.entry_mut(slot).dated += now.live - before;
            books.schedule.touch(slot);
        }
        self.touch_line(books.view(), line);
        books.core.touch(spot, books.sequence);
        self.reckon(books, line);
    }

    /// The line that a reservation is for at a position, if that is known.
    pub(crate) fn line_for(&self, view: View<'_>, whom: For<'_>, spot: Spot) -> Option<u32> {
        self.find_line(view, Side::Demand, whom.named()?, spot)
    }

    /// A part of a reservation as its line knows it, with when it was asked for.
    pub(crate) fn hold_key(
        &self,
        view: View<'_>,
        (whom, spot): (For<'_>, Spot),
        (serial, part): (u64, u16),
    ) -> HoldKey {
        let line = self.line_for(view, whom, spot).map(|line| self.line(line));
        let is_it = |hold: &&Hold| (hold.serial, hold.part) == (serial, part);
        let hold = line.as_ref().and_then(|line| line.holds.iter().find(is_it));
        HoldKey { serial, part, asked_ns: hold.map_or(view.core.now_ns(), |hold| hold.asked_ns) }
    }

    /// Whether a part of a reservation counts for nothing, because its line is closed.
    pub(crate) fn is_part_closed(&self, view: View<'_>, whom: For<'_>, (held, spot): (HoldKey, Spot)) -> bool {
        let line = whom.named().and_then(|named| self.find_line(view, Side::Demand, named, spot));
        // A line that is forgotten was over.
        line.map_or(whom.document.is_some(), |line| self.is_closed_for(view, line, &self.line(line), held))
    }

    /// Whether a part of a reservation would count once it has come to more: its line, known by a number, was shipped
    /// whole, and is opened by that.
    pub(crate) fn is_part_opened(
        &self,
        view: View<'_>,
        whom: For<'_>,
        (held, part): (HoldKey, HoldPlace),
        now: &PartNow,
    ) -> bool {
        let line = whom.named().and_then(|named| self.find_line(view, Side::Demand, named, part.spot));
        let Some(line) = line.filter(|line| self.line(*line).number.is_some()) else { return false };
        !self.is_closed_for(view, line, &self.line_with(view, line, (held, part), now), held)
    }

    /// A line as it would be with what a part of a reservation has come to.
    pub(crate) fn line_with(
        &self,
        view: View<'_>,
        line: u32,
        (held, part): (HoldKey, HoldPlace),
        now: &PartNow,
    ) -> Line {
        let (mut line, place) = self.line_at(view, line, part.spot);
        put_hold(&mut line, place, (held, part.due), now);
        line
    }

    /// A line for trying something out at a position, and the place of that position in it.
    pub(crate) fn line_at(&self, view: View<'_>, line: u32, spot: Spot) -> (Line, u32) {
        let (mut line, stock) = (self.line(line).clone(), &view.core.stock);
        let place = line.place(spot, stock.at(spot).1.names[1], |other| super::is_before(stock, other, spot));
        (line, place)
    }

    /// Whether a hold counts for nothing, if its line were so.
    fn is_closed_for(&self, view: View<'_>, line: u32, known: &Line, held: HoldKey) -> bool {
        let closed_ns = self.document(known.document).closed_on(Side::Demand);
        let is_it = |hold: &Hold| (hold.serial, hold.part) == (held.serial, held.part);
        let counts = |line: &Line, is_meant: &dyn Fn(&Hold) -> bool| {
            let life = Life::of(line, closed_ns);
            line.holds.iter().filter(|hold| is_meant(hold)).any(|hold| {
                let standing = &life.standings[hold.place as usize];
                !life.is_complete && standing.is_open && standing.reach.holds(hold)
            })
        };
        if !known.holds.iter().any(is_it) {
            return false;
        }
        if self.family(line).len() == 1 {
            return !counts(known, &is_it);
        }
        let stock = &view.core.stock;
        let lines = self.shared_out_with(line, known.clone(), |one, other| super::is_before(stock, one, other));
        // Of what is held without a line, what was shared out of it counts, and what nobody took.
        let is_filled = |hold: &Hold| is_it(hold) && !hold.is_blank();
        let is_any = known.number.is_none() && lines.iter().flat_map(|line| &line.holds).any(is_filled);
        let is_meant: &dyn Fn(&Hold) -> bool = if is_any { &is_filled } else { &is_it };
        !lines.iter().any(|line| counts(line, is_meant))
    }

    /// Forgets a line that nothing was said of in the end.
    pub(crate) fn drop_blank(&mut self, books: &mut Books<'_>, line: u32) {
        if self.line(line).is_blank() && !self.line(line).is_touched {
            self.forget_line(books, line);
        }
    }
}

/// Lets a line have what a part of a reservation has come to at a place. Tells what was live of it before.
fn put_hold(line: &mut Line, place: u32, (held, due): (HoldKey, Option<(Due, i32)>), now: &PartNow) -> i64 {
    let known = line.holds.iter().position(|hold| (hold.serial, hold.part) == (held.serial, held.part));
    let at = known.unwrap_or_else(|| {
        line.holds.push(Hold {
            serial: held.serial,
            part: held.part,
            place,
            asked_ns: held.asked_ns,
            raised_ns: held.asked_ns,
            due: due.map(|(due, _)| due),
            bucket: due.map_or(AT_ONCE, |(_, bucket)| bucket),
            live: 0,
            posts: smallvec::SmallVec::new(),
            given: Vec::new(),
            lapsed: None,
        });
        line.holds.len() - 1
    });
    let hold = &mut line.holds[at];
    let before = hold.live;
    (hold.live, hold.posts, hold.lapsed) = (now.live, now.posts.clone(), now.lapsed);
    hold.given.clone_from(&now.given);
    // A step that is told later may make an earlier one the last that raised it.
    hold.raised_ns = hold.asked_ns.max(now.raised_ns);
    // What is put back before it was answered was never there.
    if hold.is_blank() && held.asked_ns == i64::MIN {
        line.holds.remove(at);
    }
    before
}
