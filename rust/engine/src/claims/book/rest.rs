//! Rest: how much a line takes of what was said without a line (`docs/claims.md` §5).

use std::cmp::Reverse;

use tallystick_tables::intern::NameId;

use crate::claims::book::fact::{Fact, FactKind};
use crate::claims::book::life::{Life, Standing};
use crate::claims::book::line::Line;
use crate::claims::book::spread::{CLAIMING, HELD, KINDS, PICKED, RECEIVED, SHIPPED};
use crate::claims::book::voices::{Reach, Sums, Voices, gone};
use crate::read::directive::Side;

/// What of a line's greatest voice each kind does not reach yet, at a location, and until when facts are taken.
pub(crate) struct Rest {
    pub(crate) is_there: bool,
    ordered: i128,
    /// The kinds in their order, then what is held and posted.
    own: [i128; HELD + 1],
    pub(crate) until_ns: i64,
    /// Whether it is closed there, by word or by quantity.
    is_closed: bool,
}

impl Rest {
    /// Of a line by its own facts.
    pub(crate) fn of(line: &Line, location: NameId, document_ns: Option<i64>) -> Self {
        let is_there = known_at(line, location).next().is_some();
        let mut rest = Self { is_there, ordered: 0, own: [0; HELD + 1], until_ns: i64::MAX, is_closed: false };
        if !is_there {
            return rest;
        }
        rest.claim_again(line, location, document_ns);
        if line.side == Side::Supply {
            rest.ordered = known_at(line, location).map(|place| stated_at(line, place)).sum();
            let life = Life::of(line, document_ns);
            let here = known_at(line, location).map(|place| &life.standings[place as usize]);
            let until = |standing: &Standing| standing.closed_ns.filter(|_| !standing.is_open).unwrap_or(i64::MAX);
            rest.until_ns = here.map(until).max().unwrap_or(i64::MAX);
        }
        rest.move_again(line, location, document_ns);
        rest
    }

    /// What moved of the line there: where it was closed by word, by then.
    pub(crate) fn move_again(&mut self, line: &Line, location: NameId, document_ns: Option<i64>) {
        let life = Life::of(line, document_ns);
        let until = |place: u32| {
            let standing = &life.standings[place as usize];
            standing.closed_ns.filter(|_| !standing.is_open).unwrap_or(i64::MAX)
        };
        let is_meant =
            |fact: &&Fact| line.places[fact.place as usize].location == location && fact.time_ns <= until(fact.place);
        for (own, (adding, taking)) in self.own.iter_mut().zip(KINDS).skip(CLAIMING.len()) {
            let of = |kinds: &[FactKind]| {
                let here = line.facts.iter().filter(is_meant).filter(|fact| kinds.contains(&fact.kind));
                here.map(|fact| i128::from(fact.amount)).sum::<i128>()
            };
            *own = of(adding) - of(taking);
        }
    }

    /// What the line claims there: where it was closed by word, what that was then, without what was held.
    pub(crate) fn claim_again(&mut self, line: &Line, location: NameId, document_ns: Option<i64>) {
        if line.side == Side::Supply {
            return;
        }
        let life = Life::of(line, document_ns);
        (self.ordered, self.own[0], self.own[1], self.own[HELD]) = (0, 0, 0, 0);
        let mut until_ns = None;
        for place in known_at(line, location) {
            let standing = &life.standings[place as usize];
            let closed_ns = standing.closed_ns.filter(|_| !standing.is_open);
            let reach = closed_ns.map_or(standing.reach, Reach::until);
            until_ns = until_ns.max(Some(closed_ns.unwrap_or(i64::MAX)));
            let (sums, voices) = (Sums::of(line, place, &reach), Voices::of(line, place, &reach));
            self.ordered += voices.ordered;
            self.own[0] += reach.base + sums.reserved - sums.unreserved;
            self.own[1] += reach.base + sums.allocated - sums.deallocated;
            self.own[HELD] += if closed_ns.is_none() { voices.taken(i32::MAX) } else { 0 };
        }
        self.until_ns = until_ns.unwrap_or(i64::MAX);
        self.is_closed = life.is_complete || self.until_ns < i64::MAX;
    }

    /// How much more of a kind the line takes.
    pub(crate) fn left(&self, kind: usize) -> i128 {
        if self.is_there { (self.greatest() - self.own[kind]).max(0) } else { 0 }
    }

    /// What it shipped and did not pick, or the other way round, where the other is asked for.
    pub(crate) fn unmatched(&self, at: usize) -> i128 {
        match at {
            PICKED => (self.own[SHIPPED] - self.own[PICKED]).max(0),
            SHIPPED => (self.own[PICKED] - self.own[SHIPPED]).max(0),
            _ => 0,
        }
    }

    /// It is given something.
    pub(crate) fn take(&mut self, kind: usize, amount: i128) {
        self.own[kind] += amount;
    }

    /// What it has beyond its own order; of a purchase line, what came beyond what was stated.
    pub(crate) fn beyond_order(&self, line: &Line, location: NameId) -> i128 {
        if !self.is_there {
            return 0;
        }
        if line.side == Side::Supply {
            return (self.own[RECEIVED] - self.ordered.max(0)).max(0);
        }
        if !self.is_closed {
            return self.greatest() - self.ordered.max(0);
        }
        let gone: i128 = known_at(line, location).map(|place| gone(line, place, i64::MAX)).sum();
        (gone - self.ordered.max(0)).max(0)
    }

    fn greatest(&self) -> i128 {
        self.own.iter().copied().fold(self.ordered, i128::max).max(0)
    }
}

/// The places of a location at which something is said of a line. A place from which all was taken back is none.
fn known_at(line: &Line, location: NameId) -> impl Iterator<Item = u32> + '_ {
    let is_known = |place: u32| {
        line.facts.iter().any(|fact| fact.place == place)
            || line.statements.iter().any(|statement| statement.place == place)
            || line.holds.iter().any(|hold| hold.place == place)
    };
    let here = (0..).zip(&line.places).filter(move |(_, known)| known.location == location).map(|(place, _)| place);
    here.filter(move |place| is_known(*place))
}

/// What was stated of a purchase line at a place last. At one time the lesser quantity holds.
pub(crate) fn stated_at(line: &Line, place: u32) -> i128 {
    let here = line.statements.iter().filter(|statement| statement.place == place);
    let said = here.filter_map(|statement| Some((statement.time_ns, Reverse(statement.quantity?))));
    said.max().map_or(0, |(_, Reverse(quantity))| i128::from(quantity))
}
