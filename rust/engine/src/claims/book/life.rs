//! Life: when a line was closed and opened again, and which facts count since then (`docs/claims.md` §3).

use smallvec::SmallVec;

use crate::claims::book::line::Line;
use crate::claims::book::voices::{Reach, Voices, base, shipped};
/// Where a line stands at a place.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// When it was closed by word.
    pub(crate) closed_ns: Option<i64>,
    /// Which facts count.
    pub(crate) reach: Reach,
    /// Whether it is open there: never closed by word, or opened again.
    pub(crate) is_open: bool,
}

/// Where a line stands at all its places.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) standings: SmallVec<[Standing; 1]>,
    /// Whether all that was ordered is shipped.
    pub(crate) is_complete: bool,
}

impl Life {
    /// Of a line whose document was closed at some time, if it was.
    pub(crate) fn of(line: &Line, document_ns: Option<i64>) -> Self {
        let mut life = Self::as_of(line, document_ns, i64::MAX);
        life.open_by_requests(line, document_ns);
        life.is_complete = life.is_complete_by(line, i64::MAX, None);
        life
    }

    /// Of a line as words alone make it.
    pub(crate) fn by_word(line: &Line, document_ns: Option<i64>) -> Self {
        Self::as_of(line, document_ns, i64::MAX)
    }

    /// By what was closed at or before a time.
    fn as_of(line: &Line, document_ns: Option<i64>, until_ns: i64) -> Self {
        let document_ns = document_ns.filter(|closed_ns| *closed_ns <= until_ns);
        let standing = |(place, _)| {
            let closed_ns = line.closed_by(place, until_ns).max(document_ns);
            Standing::of(line, place, (closed_ns, until_ns))
        };
        Self { standings: (0..).zip(&line.places).map(standing).collect(), is_complete: false }
    }

    /// A request for a line that was complete opens it: what was said before has ended.
    fn open_by_requests(&mut self, line: &Line, document_ns: Option<i64>) {
        if !line.is_stated() || line.holds.is_empty() && line.asked_loosely.is_empty() {
            return;
        }
        let counts = |hold: &&super::fact::Hold| self.standings[hold.place as usize].reach.holds(hold);
        let own = line.holds.iter().filter(counts).map(|hold| hold.asked_ns);
        let mut asked: Vec<i64> = own.chain(line.asked_loosely.iter().copied()).collect();
        asked.sort_unstable();
        asked.dedup();
        let mut opened_ns = None;
        for asked_ns in asked {
            let mut then = Self::as_of(line, document_ns, asked_ns);
            if let Some(opened_ns) = opened_ns {
                then.open_at(line, opened_ns, asked_ns);
            }
            if then.is_complete_by(line, asked_ns, Some(asked_ns)) {
                opened_ns = Some(asked_ns);
                self.open_at(line, asked_ns, i64::MAX);
            }
        }
    }

    fn open_at(&mut self, line: &Line, asked_ns: i64, until_ns: i64) {
        for (place, standing) in (0..).zip(&mut self.standings) {
            let reach = &mut standing.reach;
            reach.after_ns = reach.after_ns.max(Some(asked_ns));
            reach.asked_after_ns = reach.asked_after_ns.max(Some(asked_ns.saturating_sub(1)));
            reach.base = reach.after_ns.map_or(0, |after_ns| base(line, place, after_ns, until_ns));
        }
    }

    /// Whether all that was ordered was shipped by a time, and nobody had raised the line since. Holds asked for from a
    /// time on are not looked at.
    fn is_complete_by(&self, line: &Line, until_ns: i64, asked_before_ns: Option<i64>) -> bool {
        if !line.is_stated() {
            return false;
        }
        let (mut ordered, mut sent, mut stated_ns) = (0_i128, 0_i128, i64::MIN);
        let mut sums = [0_i128; 3];
        for (place, standing) in (0..).zip(&self.standings) {
            let reach = Reach { until_ns, seen_ns: until_ns, asked_before_ns, ..standing.reach };
            let voices = standing.voices_in(line, place, &reach);
            ordered += voices.ordered.max(0);
            sent += shipped(line, place, until_ns);
            if voices.ordered > 0 {
                stated_ns = stated_ns.max(voices.stated_ns);
            }
            let here = [voices.reserved, voices.allocated, voices.taken(i32::MAX)];
            sums.iter_mut().zip(here).for_each(|(sum, voice)| *sum += voice.max(0));
        }
        if ordered <= 0 || sent < ordered {
            return false;
        }
        !self.is_raised(line, (until_ns, asked_before_ns), stated_ns, sums.map(|sum| sum > ordered))
    }

    /// Whether somebody said more after the order did, so that a voice stands above it.
    fn is_raised(
        &self,
        line: &Line,
        (until_ns, asked_before_ns): (i64, Option<i64>),
        stated_ns: i64,
        [reserved, allocated, taken]: [bool; 3],
    ) -> bool {
        use super::fact::FactKind;
        let is_later = |time_ns: i64, place: u32| {
            let reach = &self.standings[place as usize].reach;
            time_ns > stated_ns && time_ns <= until_ns && reach.after_ns.is_none_or(|after_ns| time_ns > after_ns)
        };
        let has = |kinds: &[FactKind]| {
            line.facts.iter().any(|fact| kinds.contains(&fact.kind) && is_later(fact.time_ns, fact.place))
        };
        let is_asked = |hold: &super::fact::Hold| {
            let reach = Reach { until_ns, asked_before_ns, ..self.standings[hold.place as usize].reach };
            reach.holds(hold) && hold.raised_by(until_ns) > stated_ns
        };
        reserved && has(&[FactKind::Reserved])
            || allocated && has(&[FactKind::Allocated, FactKind::Converted])
            || taken && line.holds.iter().any(is_asked)
    }

    /// The voices of a line at a place.
    pub(crate) fn voices(&self, line: &Line, place: u32) -> Voices {
        let standing = &self.standings[place as usize];
        standing.voices_in(line, place, &standing.reach)
    }
}

impl Standing {
    fn of(line: &Line, place: u32, (closed_ns, until_ns): (Option<i64>, i64)) -> Self {
        let base = closed_ns.map_or(0, |closed_ns| base(line, place, closed_ns, until_ns));
        let reach = Reach {
            after_ns: closed_ns,
            stated_after_ns: closed_ns,
            asked_after_ns: closed_ns,
            base,
            ..Reach::until(i64::MAX)
        };
        let is_open = closed_ns.is_none_or(|closed_ns| is_opened(line, place, (closed_ns, &reach)));
        Self { closed_ns, reach, is_open }
    }

    fn voices_in(&self, line: &Line, place: u32, reach: &Reach) -> Voices {
        match self.closed_ns {
            Some(closed_ns) if !is_opened(line, place, (closed_ns, reach)) => {
                let then = Reach { seen_ns: reach.seen_ns, ..Reach::until(closed_ns.min(reach.until_ns)) };
                Voices::of(line, place, &then).closed()
            }
            _ => Voices::of(line, place, reach),
        }
    }
}

/// Whether a line is opened again at a place after it was closed, by what is looked at.
fn is_opened(line: &Line, place: u32, (closed_ns, reach): (i64, &Reach)) -> bool {
    let is_after = |at: u32, time_ns: i64| at == place && time_ns > closed_ns && time_ns <= reach.until_ns;
    let is_asked = |asked_ns: i64| reach.asked_before_ns.is_none_or(|before_ns| asked_ns < before_ns);
    line.facts.iter().any(|fact| fact.kind.is_opening() && is_after(fact.place, fact.time_ns))
        || line.holds.iter().any(|hold| is_after(hold.place, hold.asked_ns) && is_asked(hold.asked_ns))
        || line.statements.iter().any(|statement| {
            statement.quantity.is_some_and(|quantity| quantity > 0) && is_after(statement.place, statement.time_ns)
        })
}

/// Whether something that takes was said of a line after it was closed by word.
pub(crate) fn is_used_after_closing(line: &Line, document_ns: Option<i64>) -> bool {
    let closed_at = |(place, _)| line.closed_ns(place).max(document_ns);
    let closed: SmallVec<[Option<i64>; 2]> = (0..).zip(&line.places).map(closed_at).collect();
    let is_after = |place: u32, time_ns: i64| closed[place as usize].is_some_and(|closed_ns| time_ns > closed_ns);
    line.facts.iter().any(|fact| fact.kind.is_taking() && is_after(fact.place, fact.time_ns))
        || line.holds.iter().any(|hold| is_after(hold.place, hold.asked_ns))
        || line.statements.iter().any(|statement| {
            statement.quantity.is_some_and(|quantity| quantity > 0) && is_after(statement.place, statement.time_ns)
        })
}
