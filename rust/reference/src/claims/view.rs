//! The lines of an order as of a time: which of their facts count, what had gone before, and whether they are closed.
//! Each line lives by its own facts and those that were shared out to it.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;

use crate::number::Number;

use super::facts::{Fact, FactKind};
use super::place::{Hold, LinePlace, Since};
use super::sums::Sums;

/// What is told of an order, from which everything else follows.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) facts: Vec<Fact>,
    pub(crate) holds: Vec<Hold>,
    /// When the document was closed.
    pub(crate) closings: Vec<i64>,
    /// When requests without a line were made that lines with a number hear of.
    pub(crate) asked: BTreeMap<Number, BTreeSet<i64>>,
    /// When requests opened lines that were closed by quantity, in ascending order.
    pub(crate) openings: BTreeMap<Number, Vec<i64>>,
}

/// One line at one position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) sums: Sums,
    /// When it was closed by word last.
    pub(crate) closed_ns: Option<i64>,
    /// What it was at the closing, where it was not opened again.
    pub(crate) frozen: Option<Sums>,
}

impl Figures {
    pub(crate) fn is_closed(&self) -> bool {
        self.frozen.is_some()
    }

    /// `O`, `R`, `A` and `H + T` as they count in the sums over several positions.
    pub(crate) fn counted(&self) -> [i128; 4] {
        let figures = |sums: &Sums| [sums.order(), sums.soft(), sums.hard(), sums.held()].map(|figure| figure.max(0));
        match &self.frozen {
            None => figures(&self.sums),
            Some(frozen) => {
                let gone = self.sums.gone();
                let [order, soft, hard, _] = figures(frozen).map(|figure| figure.min(gone));
                [order, soft, hard, gone]
            }
        }
    }

    /// What it is, or was when it was closed.
    fn known(&self) -> &Sums {
        self.frozen.as_ref().unwrap_or(&self.sums)
    }
}

/// One line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) places: BTreeMap<PositionKey, Figures>,
    /// Whether all that was ordered was shipped.
    pub(crate) is_full: bool,
}

impl Line {
    pub(crate) fn is_closed_at(&self, at: &PositionKey) -> bool {
        self.is_full || self.places.get(at).is_some_and(Figures::is_closed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_full || self.places.values().all(Figures::is_closed)
    }

    pub(crate) fn total(&self, of: impl Fn(&Figures) -> i128) -> i128 {
        self.places.values().map(of).sum()
    }

    /// Whether everything was shipped, and no voice that came later wants more.
    fn look_whether_full(&mut self) {
        let sum = |index: usize| self.total(|figures| figures.counted()[index]);
        let ordered = sum(0);
        if ordered <= 0 || self.total(|figures| figures.sums.shipped()) < ordered {
            return;
        }
        let stated = self.places.values().filter(|figures| figures.counted()[0] > 0);
        let said_ns = stated.filter_map(|figures| figures.known().wanted).map(|(time_ns, _)| time_ns).max();
        let speaks = |kind: usize| {
            let voices = self.places.values().filter_map(|figures| figures.sums.voices[kind]);
            voices.max() > said_ns && sum(kind + 1) > ordered
        };
        self.is_full = !(speaks(0) || speaks(1) || speaks(2));
    }
}

pub(crate) type Lines = BTreeMap<Number, Line>;

impl Told {
    /// The lines as all facts make them.
    pub(super) fn lines(&self) -> Lines {
        let facts = self.facts.iter().map(|fact| &fact.number);
        let numbers: BTreeSet<&Number> = facts.chain(self.holds.iter().map(|hold| &hold.number)).collect();
        numbers.into_iter().map(|number| (number.clone(), self.line(number, (i64::MAX, false)))).collect()
    }

    /// Finds which requests opened lines that were closed by quantity, one time after the other.
    pub(super) fn look_for_openings(&mut self) {
        self.openings.clear();
        // A request that a word has ended since opened nothing.
        let is_ended = |hold: &&Hold| self.closed_ns(&hold.number, &hold.at.location, i64::MAX) >= Some(hold.time_ns);
        let own = self.holds.iter().filter(|hold| !is_ended(hold)).map(|hold| (hold.number.clone(), hold.time_ns));
        let heard = |(number, times): (&Number, &BTreeSet<i64>)| {
            times.iter().map(|time_ns| (number.clone(), *time_ns)).collect::<Vec<_>>()
        };
        let all: BTreeSet<(Number, i64)> = own.chain(self.asked.iter().flat_map(heard)).collect();
        for (number, time_ns) in all {
            if self.line(&number, (time_ns, true)).is_full {
                self.openings.entry(number).or_default().push(time_ns);
            }
        }
    }

    /// A line as all that is effective at or before a time makes it, with the requests of that very time or without
    /// them.
    fn line(&self, number: &Number, when: (i64, bool)) -> Line {
        let facts = self.facts.iter().filter(|fact| fact.number == *number && fact.time_ns <= when.0);
        let holds = self.holds.iter().filter(|hold| is_seen(hold, number, when));
        let known: BTreeSet<&PositionKey> = facts.map(|fact| &fact.at).chain(holds.map(|hold| &hold.at)).collect();
        let mut line = Line::default();
        for at in known {
            line.places.insert(at.clone(), self.figures(number, at, when));
        }
        line.look_whether_full();
        line
    }

    /// One line at one position.
    fn figures(&self, number: &Number, at: &PositionKey, when: (i64, bool)) -> Figures {
        let place = self.place(number, at, when);
        let since = self.since(number, at, when.0);
        let ended_ns = since.closed.filter(|closed_ns| !place.is_opened(*closed_ns));
        let frozen = ended_ns.map(|closed_ns| place.at_closing(closed_ns));
        Figures { sums: place.sums(since), closed_ns: since.closed, frozen }
    }

    /// What is told of one line at one position.
    fn place(&self, number: &Number, at: &PositionKey, when: (i64, bool)) -> LinePlace<'_> {
        let is_it = |fact: &&Fact| (&fact.number, &fact.at) == (number, at) && fact.time_ns <= when.0;
        let holds = self.holds.iter().filter(|hold| hold.at == *at && is_seen(hold, number, when));
        let then = |hold: &Hold| Hold { became: hold.became.until(when.0), ..hold.clone() };
        LinePlace { facts: self.facts.iter().filter(is_it).collect(), holds: holds.map(then).collect() }
    }

    /// Since when facts of a line at a position count.
    fn since(&self, number: &Number, at: &PositionKey, until_ns: i64) -> Since {
        let opened = self.openings.get(number).and_then(|all| all.iter().rfind(|time_ns| **time_ns < until_ns));
        Since { closed: self.closed_ns(number, &at.location, until_ns), opened: opened.copied() }
    }

    /// When a hold ended, if a closing of its line did that.
    pub(super) fn ended_ns(&self, hold: &Hold) -> Option<i64> {
        self.since(&hold.number, &hold.at, i64::MAX).ended_ns(hold.time_ns)
    }

    /// When a line was closed by word last, at a location.
    pub(super) fn closed_ns(&self, number: &Number, location: &str, until_ns: i64) -> Option<i64> {
        let is_it = |fact: &&Fact| {
            matches!(fact.said, FactKind::Closed) && fact.number == *number && fact.at.location == location
        };
        let own = self.facts.iter().filter(is_it).map(|fact| fact.time_ns);
        own.chain(self.closings.iter().copied()).filter(|time_ns| *time_ns <= until_ns).max()
    }
}

/// Whether a hold of a line is seen at a time, where requests of that very time may be left out.
fn is_seen(hold: &Hold, number: &Number, (until_ns, skips_requests): (i64, bool)) -> bool {
    hold.number == *number && hold.time_ns <= until_ns && !(skips_requests && hold.time_ns == until_ns)
}
