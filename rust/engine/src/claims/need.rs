//! Need: a request for a line is judged as if its line claimed nothing (`docs/claims.md` §4). What the line's holds and
//! posts would want, bucket by bucket, must fit into what all others leave.

use smallvec::SmallVec;
use tallystick_contract::limits::ACCOUNT_MAX;

use tallystick_contract::config::Mode;

use crate::atp::UNLIMITED;
use crate::claims::book::{Claims, Hold, Life, Line, Voices};
use crate::claims::is_before;
use crate::core::days::When;
use crate::schedule::dated;
use crate::schedule::hold::{HoldKey, HoldPlace, Lifted, PartNow, Share};
use crate::schedule::{AT_ONCE, Site};
use crate::schedule::{Books, View};
use crate::stock::Spot;

impl Claims {
    /// Lifts the claims of a line off positions. They have to be put down again.
    pub(crate) fn lift(&self, books: &mut Books<'_>, (line, asked_ns): (u32, i64), spots: &[Spot]) -> Lifted {
        let family = self.family(line);
        let lifted = Lifted { line, asked_ns, spots: spots.into(), family };
        self.shift(books, &lifted, true);
        lifted
    }

    /// Puts the claims of a line down again.
    pub(crate) fn put_down(&self, books: &mut Books<'_>, lifted: &Lifted) {
        self.shift(books, lifted, false);
    }

    fn shift(&self, books: &mut Books<'_>, lifted: &Lifted, is_up: bool) {
        for number in &lifted.family {
            for given in self.line(*number).given.clone() {
                if lifted.spots.contains(&given.spot)
                    && let Some(slot) = books.schedule.find(given.spot)
                {
                    books.schedule.entry_mut(slot).take_given(&given, is_up);
                }
            }
        }
    }

    /// The greatest part of a quantity that a line can be granted at a position, for a bucket, beside what it is to
    /// have elsewhere by the same request.
    pub(crate) fn room(
        &self,
        view: View<'_>,
        lifted: &Lifted,
        (spot, site): (Spot, &Site),
        (mode, bucket): (Mode, i32),
        (quantity, beside): (i64, &[Share]),
    ) -> i64 {
        let mut left = quantity.min(ACCOUNT_MAX);
        let line = self.line(lifted.line);
        let has_loose = self.document(line.document).has_loose();
        if line.is_blank() && !has_loose {
            let figure = view.schedule.figure(view.core, site, mode, bucket);
            return if figure == UNLIMITED { quantity } else { figure.max(0).min(quantity) };
        }
        let mut base = line.clone();
        for share in beside {
            Self::ask_for(view, &mut base, lifted, *share);
        }
        let from = dated(site, (mode, bucket));
        let short_with = |quantity: i64| {
            let mut line = base.clone();
            Self::ask_for(view, &mut line, lifted, Share { spot, quantity, bucket: from });
            self.short_with(view, lifted, (spot, site), (mode, bucket), (&base, line))
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
        view: View<'_>,
        lifted: &Lifted,
        (spot, site): (Spot, &Site),
        when: (Mode, i32),
        (base, line): (&Line, Line),
    ) -> i128 {
        let document = self.document(line.document);
        let (has_loose, closed_ns, stock) = (document.has_loose(), document.closed_on(line.side), &view.core.stock);
        let all = |line: Line| match &*lifted.family {
            [_] if !has_loose => vec![line],
            _ => self.shared_out_with(lifted.line, line, |one, other| is_before(stock, one, other)),
        };
        let lines = all(line);
        let (needs, others) = self.needs(lifted, spot, (&lines, closed_ns));
        let short = Self::shortage_of(view, site, when, &needs, others);
        if let [line] = &*lines
            && line.places.len() == 1
            && line.facts.is_empty()
        {
            return short;
        }
        short.max(self.shortage_elsewhere(view, lifted, (spot, site), when, [&all(base.clone()), &lines], closed_ns))
    }

    /// Lets a line have so much more.
    fn ask_for(view: View<'_>, line: &mut Line, lifted: &Lifted, Share { spot, quantity, bucket }: Share) {
        let stock = &view.core.stock;
        let place = line.place(spot, stock.at(spot).1.names[1], |other| is_before(stock, other, spot));
        line.holds.push(asked(place, (lifted.asked_ns, quantity), bucket));
    }

    /// By how much needs go beyond what is left.
    fn shortage_of(
        view: View<'_>,
        site: &Site,
        (mode, bucket): (Mode, i32),
        needs: &[(i32, i128)],
        others: i128,
    ) -> i128 {
        let beyond = |need: i128, at: i32| {
            let figure = view.schedule.figure(view.core, site, mode, at);
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
        let own = self.line(lifted.line);
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
        let given = self.reckon_one(line, closed_ns, |_| None);
        let here = given.iter().filter(|given| given.spot == spot).filter_map(|given| given.steps.last());
        here.map(|(_, shown)| i128::from(shown.total())).sum()
    }
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

impl Claims {
    /// Whether a hold of a line can come to that, judged as if the line claimed nothing.
    pub(crate) fn fits_line(
        &self,
        books: &mut Books<'_>,
        asked: (u32, i64),
        (held, part): (HoldKey, HoldPlace),
        wanted: &PartNow,
    ) -> bool {
        let lifted = self.lift(books, asked, &[part.spot]);
        let site = books.schedule.site(books.core, part.spot, None);
        let bucket = books.core.bucket_within(site.zone, site.horizon, When::of(part.due));
        let line = self.line_with(books.view(), asked.0, (held, part), wanted);
        let when = (books.core.config.promise.mode, bucket);
        let short = self.short_with(books.view(), &lifted, (part.spot, &site), when, (&self.line(asked.0), line));
        self.put_down(books, &lifted);
        short <= 0
    }

    /// What the figures of a position need without the claims of some lines.
    pub(crate) fn site_without(&self, view: View<'_>, spot: Spot, lines: &[u32]) -> Site {
        let mut site = view.schedule.site(view.core, spot, None);
        if let Some(slot) = site.entry {
            let mut entry = view.schedule.entry(slot).clone();
            for number in lines {
                let given = &self.line(*number).given;
                given.iter().filter(|given| given.spot == spot).for_each(|given| entry.take_given(given, true));
            }
            site.at_once = entry.shown_until(site.horizon.today).total();
            site.without = Some(entry.timeline.into());
        }
        site
    }
}
