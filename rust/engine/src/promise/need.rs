//! Need: a request for a line is judged as if its line claimed nothing (`docs/claims.md` §4). What the line's holds and
//! posts would want, bucket by bucket, must fit into what all others leave.

use smallvec::SmallVec;
use tallystick_contract::limits::ACCOUNT_MAX;

use super::figure::Site;
use crate::atp::{Mode, UNLIMITED};
use crate::claiming::is_before;
use crate::claims::{AT_ONCE, Hold, Life, Line, Voices};
use crate::engine::Engine;
use crate::stock::Spot;

/// A line that stock is asked for, with its claims lifted off the positions that it may be taken from.
#[derive(Debug)]
pub(crate) struct Lifted {
    /// The line's number among the claims.
    pub(crate) line: u32,
    /// When it is asked for, effectively.
    pub(crate) asked_ns: i64,
    pub(super) spots: SmallVec<[Spot; 4]>,
    /// The lines whose claims are lifted.
    pub(super) family: Vec<u32>,
}

/// What a line is to have of a position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) spot: Spot,
    pub(crate) quantity: i64,
    /// From which bucket on.
    pub(crate) bucket: i32,
}

impl Engine {
    /// Lifts the claims of a line off positions. They have to be put down again.
    pub(crate) fn lift(&mut self, (line, asked_ns): (u32, i64), spots: &[Spot]) -> Lifted {
        let family = self.claims.family(line);
        let lifted = Lifted { line, asked_ns, spots: spots.into(), family };
        self.shift(&lifted, true);
        lifted
    }

    /// Puts the claims of a line down again.
    pub(crate) fn put_down(&mut self, lifted: &Lifted) {
        self.shift(lifted, false);
    }

    fn shift(&mut self, lifted: &Lifted, is_up: bool) {
        for number in &lifted.family {
            for given in self.claims.line(*number).given.clone() {
                if lifted.spots.contains(&given.spot)
                    && let Some(slot) = self.promises.find(given.spot)
                {
                    self.promises.entry_mut(slot).take_given(&given, is_up);
                }
            }
        }
    }

    /// The greatest part of a quantity that a line can be granted at a position, for a bucket, beside what it is to
    /// have elsewhere by the same request.
    pub(crate) fn room(
        &self,
        lifted: &Lifted,
        (spot, site): (Spot, &Site),
        (mode, bucket): (Mode, i32),
        (quantity, beside): (i64, &[Share]),
    ) -> i64 {
        let mut left = quantity.min(ACCOUNT_MAX);
        let line = self.claims.line(lifted.line);
        let has_loose = self.claims.document(line.document).has_loose();
        if line.is_blank() && !has_loose {
            let figure = self.figure(site, mode, bucket);
            return if figure == UNLIMITED { quantity } else { figure.max(0).min(quantity) };
        }
        let mut base = line.clone();
        for share in beside {
            self.ask_for(&mut base, lifted, *share);
        }
        let from = dated(site, (mode, bucket));
        let short_with = |quantity: i64| {
            let mut line = base.clone();
            self.ask_for(&mut line, lifted, Share { spot, quantity, bucket: from });
            self.short_with(lifted, (spot, site), (mode, bucket), (&base, line))
        };
        // What is wanted grows by no more than the quantity, so less is missing by no more than what is taken off.
        // Mostly by as much. What spoils, and what lines take from each other, is no such sum: there it is tried.
        for turn in 0..3 {
            let short = short_with(left);
            if short <= 0 || left == 0 {
                return left;
            }
            if turn == 0 && (has_loose || site.window.is_some()) {
                break;
            }
            left = left.saturating_sub(i64::try_from(short).unwrap_or(i64::MAX)).max(0);
        }
        let mut fit = 0;
        while fit < left {
            let tried = fit + (left - fit + 1) / 2;
            if short_with(tried) <= 0 { fit = tried } else { left = tried - 1 }
        }
        fit
    }

    /// How much is missing at a position if a line were so, and not as it is or would be without that.
    pub(crate) fn short_with(
        &self,
        lifted: &Lifted,
        (spot, site): (Spot, &Site),
        when: (Mode, i32),
        (base, line): (&Line, Line),
    ) -> i128 {
        let document = self.claims.document(line.document);
        let (has_loose, closed_ns, stock) = (document.has_loose(), document.closed_on(line.side), &self.stock);
        let all = |line: Line| match &*lifted.family {
            [_] if !has_loose => vec![line],
            _ => self.claims.shared_out_with(lifted.line, line, |one, other| is_before(stock, one, other)),
        };
        let lines = all(line);
        let (needs, others) = self.needs(lifted, spot, (&lines, closed_ns));
        let short = self.shortage_of(site, when, &needs, others);
        if let [line] = &*lines
            && line.places.len() == 1
            && line.facts.is_empty()
        {
            return short;
        }
        short.max(self.shortage_elsewhere(lifted, (spot, site), when, [&all(base.clone()), &lines], closed_ns))
    }

    /// Lets a line have so much more.
    fn ask_for(&self, line: &mut Line, lifted: &Lifted, Share { spot, quantity, bucket }: Share) {
        let stock = &self.stock;
        let place = line.place(spot, stock.at(spot).1.names[1], |other| is_before(stock, other, spot));
        line.holds.push(asked(place, (lifted.asked_ns, quantity), bucket));
    }

    /// By how much needs go beyond what is left.
    fn shortage_of(&self, site: &Site, (mode, bucket): (Mode, i32), needs: &[(i32, i128)], others: i128) -> i128 {
        let beyond = |need: i128, at: i32| {
            let figure = self.figure(site, mode, at);
            if need <= 0 || figure == UNLIMITED { 0 } else { need - (i128::from(figure) - others).max(0) }
        };
        if mode != Mode::LookAhead {
            return beyond(needs.last().map_or(0, |(_, need)| *need), bucket);
        }
        let within = |at: i32| at.clamp(site.horizon.today, site.horizon.end - 1);
        // What is wanted from a bucket on must be there for that bucket.
        let before = std::iter::once(0).chain(needs.iter().map(|(_, need)| *need));
        let grows = needs.iter().zip(before).filter(|((_, need), before)| need > before);
        grows.map(|((at, need), _)| beyond(*need, within(*at))).max().unwrap_or(0)
    }

    /// What the holds and posts of a line would want of a position up to each bucket, if it were so; and what lines
    /// that share facts with it would claim then in all.
    fn needs(
        &self,
        lifted: &Lifted,
        spot: Spot,
        (lines, closed_ns): (&[Line], Option<i64>),
    ) -> (Vec<(i32, i128)>, i128) {
        let own = self.claims.line(lifted.line);
        let is_meant = |line: &&Line| own.number.is_none() || line.number == own.number;
        let voices_of = |line: &Line| Some(Life::of(line, closed_ns).voices(line, line.find_place(spot)?));
        let all: SmallVec<[Voices; 1]> = lines.iter().filter(is_meant).filter_map(voices_of).collect();
        let others =
            lines.iter().filter(|line| !is_meant(line)).map(|line| self.claimed_by(line, closed_ns, spot)).sum();
        let buckets = all.iter().flat_map(|voices| voices.held.iter().chain(&voices.posts)).map(|(at, _)| *at);
        let mut buckets: Vec<i32> = std::iter::once(AT_ONCE).chain(buckets).collect();
        buckets.sort_unstable();
        buckets.dedup();
        let need = |at: i32| all.iter().map(|voices| (voices.taken(at) - voices.gone).max(0)).sum();
        (buckets.into_iter().map(|at| (at, need(at))).collect(), others)
    }

    /// What a line claims of a position, whenever.
    fn claimed_by(&self, line: &Line, closed_ns: Option<i64>, spot: Spot) -> i128 {
        let given = self.claims.reckon_one(line, closed_ns, |_| None);
        let here = given.iter().filter(|given| given.spot == spot).filter_map(|given| given.steps.last());
        here.map(|(_, shown)| i128::from(shown.total())).sum()
    }
}

/// From which bucket on something is wanted that is asked for in one; at once today, and where days are not known.
pub(super) fn dated(site: &Site, (mode, bucket): (Mode, i32)) -> i32 {
    if bucket > site.horizon.today && mode != Mode::OnHand { bucket } else { AT_ONCE }
}

/// A hold that somebody asks for.
fn asked(place: u32, (asked_ns, quantity): (i64, i64), bucket: i32) -> Hold {
    Hold {
        serial: u64::MAX,
        part: 0,
        place,
        asked_ns,
        raised_ns: asked_ns,
        due: None,
        bucket,
        live: quantity,
        posts: SmallVec::new(),
        given: Vec::new(),
        lapsed: None,
    }
}
