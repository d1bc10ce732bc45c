//! Holds: what reservations hold, and what was posted of them, is a voice of their line; without a document it is a
//! claim of its own.

use tallystick_contract::account::Account;
use tallystick_contract::config::Config;

use super::Named;
use crate::claims::{AT_ONCE, Hold, Life, Line, Shown};
use crate::directive::Side;
use crate::engine::Engine;
use crate::line_number::{LineNumber, OwnLineNumber};
use crate::promise::{Due, Part, PartNow};
use crate::stock::Spot;

const ALLOCATED: usize = Account::Allocated as usize;

/// Which part of which reservation holds something, and when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) serial: u64,
    pub(crate) part: u16,
    /// Effective, in nanoseconds.
    pub(crate) asked_ns: i64,
}

/// Whom a reservation is for: its source and id, its document, and the line of that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct For<'a> {
    pub(crate) source: &'a str,
    pub(crate) id: &'a str,
    pub(crate) document: Option<&'a str>,
    pub(crate) number: Option<&'a OwnLineNumber>,
}

impl For<'_> {
    pub(crate) fn named(&self) -> Option<Named<'_>> {
        let number = self.number.map(OwnLineNumber::borrow);
        Some(Named { source: self.source, document: self.document?, number })
    }
}

impl Engine {
    /// Lets a part of a reservation be what it has come to.
    pub(crate) fn settle_part(
        &mut self,
        config: &Config,
        whom: For<'_>,
        (held, part): (Held, &Part),
        (before, now): (&PartNow, &PartNow),
        sequence: u64,
    ) {
        if before == now {
            return;
        }
        self.touch(part.spot, sequence);
        if let Some(named) = whom.named() {
            if let Some(line) = self.find_line(config, Side::Demand, named, part.spot) {
                self.hold_for_line(config, (line, held), (part.spot, part.due), now, sequence);
            }
            return;
        }
        self.hold_at(part.spot, part.due.map(|(_, bucket)| bucket), (before.live, now.live));
        let posted = now.posted() - before.posted();
        match part.due {
            // What was held of a later day is claimed of it for its own line.
            Some(due) if posted != 0 => {
                let document = format!("{}/{}", whom.source, whom.id);
                let number = Some(LineNumber::Number(i64::from(part.line) + 1));
                let named = Named { source: whom.source, document: &document, number };
                let line = self.enter_line(config, Side::Demand, named, part.spot);
                let posts = PartNow { live: 0, given: Vec::new(), lapsed: None, ..now.clone() };
                self.hold_for_line(config, (line, held), (part.spot, Some(due)), &posts, sequence);
            }
            None if posted != 0 => self.allocate(part.spot, posted),
            _ => {}
        }
    }

    /// Lets a position have so much more allocated without a document.
    fn allocate(&mut self, spot: Spot, posted: i64) {
        let part = &mut self.stock.parts[spot.part as usize];
        part.ledger.accounts_mut(spot.place)[ALLOCATED] += posted;
        part.move_net(spot.place, 1, posted, &mut self.nets);
    }

    /// Lets a position hold another amount for a reservation without a document, as of now or in a bucket.
    pub(crate) fn hold_at(&mut self, spot: Spot, bucket: Option<i32>, (before, now): (i64, i64)) {
        let slot = self.entry_of(spot);
        let entry = self.promises.entry_mut(slot);
        match bucket {
            None => entry.claimed += now - before,
            Some(bucket) => {
                entry.dated += now - before;
                entry.claim(bucket, Shown { reserved: now - before, ..Shown::default() });
            }
        }
        if (before > 0) != (now > 0) {
            entry.count_live(bucket.unwrap_or(AT_ONCE), now == 0);
        }
        self.promises.touch(slot);
    }

    /// Lets a line have what a part of a reservation has come to.
    pub(crate) fn hold_for_line(
        &mut self,
        config: &Config,
        (line, held): (u32, Held),
        (spot, due): (Spot, Option<(Due, i32)>),
        now: &PartNow,
        sequence: u64,
    ) {
        let place = self.place_of(line, spot);
        let before = put_hold(self.claims.line_mut(line), place, (held, due), now);
        if due.is_some() {
            let slot = self.entry_of(spot);
            self.promises.entry_mut(slot).dated += now.live - before;
            self.promises.touch(slot);
        }
        self.touch_line(line);
        self.touch(spot, sequence);
        self.reckon(config, line, sequence);
    }

    /// Whether a part of a reservation counts for nothing, because its line is closed.
    pub(crate) fn is_part_closed(&self, config: &Config, whom: For<'_>, (held, spot): (Held, Spot)) -> bool {
        let line = whom.named().and_then(|named| self.find_line(config, Side::Demand, named, spot));
        // A line that is forgotten was over.
        line.map_or(whom.document.is_some(), |line| self.is_closed_for(line, &self.claims.line(line), held))
    }

    /// Whether a part of a reservation would count once it has come to more: its line, known by a number, was shipped
    /// whole, and is opened by that.
    pub(crate) fn is_part_opened(
        &self,
        config: &Config,
        whom: For<'_>,
        (held, part): (Held, &Part),
        now: &PartNow,
    ) -> bool {
        let line = whom.named().and_then(|named| self.find_line(config, Side::Demand, named, part.spot));
        let Some(line) = line.filter(|line| self.claims.line(*line).number.is_some()) else { return false };
        !self.is_closed_for(line, &self.line_with(line, (held, part), now), held)
    }

    /// A line as it would be with what a part of a reservation has come to.
    pub(crate) fn line_with(&self, line: u32, (held, part): (Held, &Part), now: &PartNow) -> Line {
        let (mut line, place) = self.line_at(line, part.spot);
        put_hold(&mut line, place, (held, part.due), now);
        line
    }

    /// A line for trying something out at a position, and the place of that position in it.
    pub(crate) fn line_at(&self, line: u32, spot: Spot) -> (Line, u32) {
        let (mut line, stock) = (self.claims.line(line).clone(), &self.stock);
        let place = line.place(spot, stock.at(spot).1.names[1], |other| super::is_before(stock, other, spot));
        (line, place)
    }

    /// Whether a hold counts for nothing, if its line were so.
    fn is_closed_for(&self, line: u32, known: &Line, held: Held) -> bool {
        let closed_ns = self.claims.document(known.document).closed_on(Side::Demand);
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
        if self.claims.family(line).len() == 1 {
            return !counts(known, &is_it);
        }
        let stock = &self.stock;
        let lines = self.claims.shared_out_with(line, known.clone(), |one, other| super::is_before(stock, one, other));
        // Of what is held without a line, what was shared out of it counts, and what nobody took.
        let is_filled = |hold: &Hold| is_it(hold) && !hold.is_blank();
        let is_any = known.number.is_none() && lines.iter().flat_map(|line| &line.holds).any(is_filled);
        let is_meant: &dyn Fn(&Hold) -> bool = if is_any { &is_filled } else { &is_it };
        !lines.iter().any(|line| counts(line, is_meant))
    }

    /// Forgets a line that nothing was said of in the end.
    pub(crate) fn drop_blank(&mut self, line: u32) {
        if self.claims.line(line).is_blank() && !self.claims.line(line).is_touched {
            self.forget_line(line);
        }
    }
}

/// Lets a line have what a part of a reservation has come to at a place. Tells what was live of it before.
fn put_hold(line: &mut Line, place: u32, (held, due): (Held, Option<(Due, i32)>), now: &PartNow) -> i64 {
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
