//! Reservations: who posts, gives back and changes what was granted, and what they are told.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::outcome::Outcome;

use crate::ask::{Amounts, Place, Ttl, Wish};
use crate::body::Key;
use crate::claims::hold::{Deed, End, Fold, Held, Part, Purpose, Reservation, Settlement, wanted};
use crate::memory::{KeyContent, Remembered};
use crate::turn::{Reply, Turn};
use crate::twin::Reference;

use super::answer::to_settlement;
use super::wanting::{Asks, Wanting};

impl Reference {
    /// Keys that are remembered for as long as their reservations live.
    pub(crate) fn live_keys(&self) -> BTreeSet<Key> {
        // A hold lives on when its line is closed: whoever closed it may take that back.
        let live = self.parts().filter(|(.., became)| became.live > 0);
        live.map(|((place, ..), ..)| self.claims.reservations[place].key.clone()).collect()
    }

    /// Whether the request that a directive is about may still come.
    pub(crate) fn is_request_awaited(&self, target: &Key) -> bool {
        match self.memory.find(target) {
            None | Some(Remembered { said: KeyContent::Echo, .. }) => true,
            Some(known) => known.outcome == Outcome::Held && (known.is_request() || !known.is_directive()),
        }
    }

    /// Posts a reservation, gives it back or changes it, and keeps the answer for repetitions.
    pub(super) fn settle(&mut self, turn: &Turn, target: &Key, wish: &Wish, sequence: u64) -> Reply {
        if self.is_request_awaited(target) {
            return Reply::new(Outcome::Held);
        }
        let (reply, quantity) = self.settle_what_is_held(turn, target, wish, sequence);
        self.tell_settled(&turn.key(), wish, reply.outcome, quantity, sequence);
        reply
    }

    /// Keeps the answer to what settles a reservation.
    pub(crate) fn tell_settled(&mut self, key: &Key, wish: &Wish, outcome: Outcome, quantity: i64, sequence: u64) {
        let status = match outcome {
            Outcome::Applied | Outcome::Absorbed => match wish {
                Wish::Post { .. } => "posted",
                Wish::Void { .. } => "voided",
                Wish::Change { .. } => "changed",
            },
            Outcome::Insufficient => "insufficient",
            _ => "refused",
        };
        let body = to_settlement(key, status, outcome, quantity, sequence);
        self.promise.told.insert(key.clone(), body);
    }

    fn settle_what_is_held(&mut self, turn: &Turn, target: &Key, wish: &Wish, sequence: u64) -> (Reply, i64) {
        let nothing = |outcome: Outcome| (Reply::new(outcome), 0);
        let Some(at) = self.claims.reservations.iter().rposition(|reservation| reservation.key == *target) else {
            let is_closed = self.claims.closed_requests.contains(target);
            return nothing(if is_closed { Outcome::Absorbed } else { Outcome::UnknownReference });
        };
        let lines = self.claims.reservations[at].lines.len();
        let amounts = match wish {
            Wish::Post { amounts, .. } | Wish::Void { amounts } => Some(amounts),
            Wish::Change { amounts, .. } => amounts.as_ref(),
        };
        let is_other_number = match amounts {
            None | Some(Amounts::All) => false,
            Some(Amounts::One(_)) => lines != 1,
            Some(Amounts::Each(each)) => each.len() != lines,
        };
        if is_other_number {
            return nothing(Outcome::UnknownReference);
        }
        let is_held = |line: &usize| !self.claims.reservations[at].lines[*line].parts.is_empty();
        let held: Vec<usize> = (0..lines).filter(is_held).collect();
        let settlement = self.settlement(turn, at, wish);
        let raised = self.raised_lines((turn, at), wish, &settlement);
        let mut open = held;
        open.retain(|line| {
            !self.is_closed_hold(at, *line) || raised.contains(line) && self.is_opened_hold(at, *line, &settlement)
        });
        if open.is_empty() {
            if self.finds_what_it_is_about(turn, at, wish, &settlement) {
                self.add_settlement(at, settlement, sequence);
            }
            return nothing(Outcome::Absorbed);
        }
        self.settle_open(turn, at, (wish, settlement, &open), sequence)
    }

    /// Settles a reservation of which some lines are open.
    fn settle_open(
        &mut self,
        turn: &Turn,
        at: usize,
        (wish, mut settlement, open): (&Wish, Settlement, &[usize]),
        sequence: u64,
    ) -> (Reply, i64) {
        let key = turn.key();
        let time_ns = settlement.time_ns;
        let mut tried = self.claims.reservations[at].clone();
        tried.settle(settlement.clone());
        let fold = tried.fold();
        let Some((before, after)) = fold.step(&key) else { return (Reply::new(Outcome::Insufficient), 0) };
        let was = self.claims.reservations[at].fold();
        let is_live = open.iter().any(|line| before[*line] > 0);
        let sum = |amounts: &[i64]| open.iter().map(|line| amounts[*line]).sum::<i64>();
        let quantity = match wish {
            Wish::Post { amounts, .. } => {
                let wanted = wanted(amounts, before);
                let is_there = is_live && open.iter().all(|line| wanted[*line] <= before[*line]);
                if !is_there || !self.has_what_grew((at, &tried, time_ns), (&was, &fold), open) {
                    return (Reply::new(Outcome::Insufficient), 0);
                }
                sum(&wanted)
            }
            Wish::Void { amounts } => {
                let wanted = wanted(amounts, before);
                open.iter().map(|line| wanted[*line].min(before[*line])).sum()
            }
            Wish::Change { amounts, .. } => {
                // What has run out may be somebody else's by now.
                let is_over = was.runs_out_ns.is_some_and(|end_ns| end_ns <= self.now_ns());
                if !is_live || is_over {
                    return (Reply::new(Outcome::Insufficient), 0);
                }
                let amounts = amounts.as_ref().map(|amounts| wanted(amounts, before));
                if let Some(amounts) = &amounts {
                    // What was said of later times may leave nothing of it.
                    let has = |fold: &Fold, line: usize| -> i64 {
                        fold.lines[line].iter().map(|part| part.live + part.posted()).sum()
                    };
                    let grown = |line: usize| (has(&fold, line) - has(&was, line)).max(0);
                    let more: Vec<i64> = (0..before.len())
                        .map(|line| {
                            if open.contains(&line) { (amounts[line] - before[line]).clamp(0, grown(line)) } else { 0 }
                        })
                        .collect();
                    let Some(extra) = self.more((at, time_ns), &more) else {
                        return (Reply::new(Outcome::Insufficient), 0);
                    };
                    let placed = self.place_extra(at, extra);
                    if let Deed::Change { extra, .. } = &mut settlement.deed {
                        *extra = placed;
                    }
                }
                sum(after)
            }
        };
        self.add_settlement(at, settlement, sequence);
        let mut reply = Reply::new(Outcome::Applied);
        reply.raised.extend(self.look_at_releases(Some(at)));
        (reply, quantity)
    }

    /// Whether a post or a change is about something that is live there. Else it is no part of what was said, although
    /// nobody is told so where all is closed.
    fn finds_what_it_is_about(&self, turn: &Turn, at: usize, wish: &Wish, settlement: &Settlement) -> bool {
        let mut tried = self.claims.reservations[at].clone();
        tried.settle(settlement.clone());
        let fold = tried.fold();
        let Some((before, _)) = fold.step(&turn.key()) else { return false };
        let held = |line: &usize| !tried.lines[*line].parts.is_empty();
        let held: Vec<usize> = (0..before.len()).filter(held).collect();
        let is_live = held.iter().any(|line| before[*line] > 0);
        match wish {
            Wish::Void { .. } => true,
            Wish::Post { amounts, .. } => {
                let wanted = wanted(amounts, before);
                is_live && held.iter().all(|line| wanted[*line] <= before[*line])
            }
            Wish::Change { .. } => {
                let was = self.claims.reservations[at].fold();
                is_live && was.runs_out_ns.is_none_or(|end_ns| end_ns > self.now_ns())
            }
        }
    }

    /// Lines of which a change asks for more than was live.
    fn raised_lines(&self, (turn, at): (&Turn, usize), wish: &Wish, settlement: &Settlement) -> Vec<usize> {
        let Wish::Change { amounts: Some(amounts), .. } = wish else { return Vec::new() };
        let mut tried = self.claims.reservations[at].clone();
        tried.settle(settlement.clone());
        let fold = tried.fold();
        let Some((before, _)) = fold.step(&turn.key()) else { return Vec::new() };
        let was = self.claims.reservations[at].fold();
        let wanted = wanted(amounts, before);
        let has =
            |fold: &Fold, line: usize| -> i64 { fold.lines[line].iter().map(|part| part.live + part.posted()).sum() };
        let is_raised = |line: &usize| wanted[*line] > before[*line] && has(&fold, *line) > has(&was, *line);
        (0..before.len()).filter(is_raised).collect()
    }

    /// Whether there is what a post takes beyond what was granted: a later change may have given it back.
    fn has_what_grew(
        &mut self,
        (at, tried, time_ns): (usize, &Reservation, i64),
        (was, fold): (&Fold, &Fold),
        open: &[usize],
    ) -> bool {
        let mut taken: Vec<Part> = Vec::new();
        open.iter().all(|line| {
            let held = &tried.lines[*line];
            let mut parts = held.parts.iter().zip(fold.lines[*line].iter().zip(&was.lines[*line]));
            parts.all(|(part, (now, was))| {
                let has = now.live + now.posted();
                let grown = if has <= part.granted { 0 } else { (has - was.live - was.posted()).max(0) };
                if grown > 0 && part.purpose.is_some() && held.channel.is_none() {
                    // What it makes of its line is looked at as a whole.
                    let bucket = self.bucket_of(&part.at, part.due);
                    let bucket = usize::try_from(bucket).unwrap_or(0);
                    let wanting = Wanting { due: part.due, bucket, mode: self.config.promise.mode };
                    return self.fits_settled((at, tried), part, wanting);
                }
                let place = Place::Position(part.at.clone());
                let drawn = if grown > 0 {
                    self.draw_more((&Held { place, ..held.clone() }, time_ns), grown, &taken)
                } else {
                    Vec::new()
                };
                let is_there = drawn.iter().map(|part| part.granted).sum::<i64>() == grown;
                taken.extend(drawn);
                is_there
            })
        })
    }

    /// What more of each line would be taken from where, if all of it can be had.
    fn more(&self, (at, time_ns): (usize, i64), more: &[i64]) -> Option<Vec<Vec<Part>>> {
        let mut taken: Vec<Part> = Vec::new();
        let mut extra = Vec::new();
        for (line, amount) in more.iter().enumerate() {
            let held = &self.claims.reservations[at].lines[line];
            let drawn = if *amount > 0 { self.draw_more((held, time_ns), *amount, &taken) } else { Vec::new() };
            if drawn.iter().map(|part| part.granted).sum::<i64>() != *amount {
                return None;
            }
            taken.extend(drawn.iter().cloned());
            extra.push(drawn);
        }
        Some(extra)
    }

    fn draw_more(&self, (held, time_ns): (&Held, i64), amount: i64, taken: &[Part]) -> Vec<Part> {
        let Some(places) = self.places_of(&held.place) else { return Vec::new() };
        // What was taken at once stays so, and who changes it names no mode: the configured one counts.
        let due = held.due.filter(|_| held.parts.iter().any(|part| part.due.is_some()));
        let bucket = |at: &PositionKey| {
            usize::try_from(due.map_or(0, |due| self.buckets_away(&at.location, due).max(0))).unwrap_or(0)
        };
        let (mode, channel) = (self.config.promise.mode, held.channel.as_deref());
        // It was asked for when the hold was, and raised now.
        let purpose = held.purpose.clone().map(|purpose| Purpose { raised_ns: Some(time_ns), ..purpose });
        let asks = Asks { channel, mode, purpose: purpose.as_ref() };
        self.draw(&places, Some(amount.into()), &bucket, asks, taken).unwrap_or_default()
    }

    /// Finds the parts that take more, and adds those that are not there yet.
    fn place_extra(&mut self, at: usize, extra: Vec<Vec<Part>>) -> Vec<Vec<i64>> {
        let mut placed = Vec::new();
        for (line, extra) in extra.into_iter().enumerate() {
            for part in &extra {
                if !self.claims.reservations[at].lines[line].parts.iter().any(|known| known.at == part.at) {
                    let number = self.promise.next_number();
                    let held = &mut self.claims.reservations[at].lines[line];
                    let due = part.due.and(held.due);
                    let purpose = held.purpose.clone();
                    held.parts.push(Part { granted: 0, due, number, purpose, ..part.clone() });
                }
            }
            let parts = &self.claims.reservations[at].lines[line].parts;
            let of = |known: &Part| extra.iter().filter(|part| part.at == known.at).map(|part| part.granted).sum();
            placed.push(parts.iter().map(of).collect());
        }
        placed
    }

    fn settlement(&self, turn: &Turn, at: usize, wish: &Wish) -> Settlement {
        let deed = match wish.clone() {
            Wish::Post { amounts, keeps } => Deed::Post { amounts, keeps },
            Wish::Void { amounts } => Deed::Void { amounts },
            Wish::Change { amounts, ttl } => Deed::Change {
                amounts: amounts.map(|amounts| wanted(&amounts, &vec![0; self.claims.reservations[at].lines.len()])),
                extra: Vec::new(),
                end: match ttl {
                    Ttl::AsConfigured => End::Same,
                    Ttl::Endless => End::Never,
                    Ttl::Ns(ttl_ns) => End::At(turn.asked_ns.saturating_add(ttl_ns)),
                },
            },
        };
        Settlement { time_ns: turn.admitted.time_ns, key: turn.key(), deed }
    }

    /// Adds what was said to what a reservation is made of.
    fn add_settlement(&mut self, at: usize, settlement: Settlement, sequence: u64) {
        let lines = self.claims_of(at);
        let orders = lines.iter().map(|(order, _)| order.clone()).collect();
        self.seeing(&orders, &[at], sequence, |twin| {
            let changes_end = matches!(settlement.deed, Deed::Change { end: End::Never | End::At(_), .. });
            let reservation = &mut twin.claims.reservations[at];
            reservation.settle(settlement);
            // Another end may not have come yet.
            reservation.is_over &= !changes_end;
            twin.touch_reservation(at);
        });
    }
}
