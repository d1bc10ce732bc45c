//! Facts without a line, shared out among the lines of their document, SKU and location (`docs/claims.md` §5).

use std::collections::{BTreeMap, BTreeSet};

use crate::balance::PositionKey;
use crate::reference::number::Number;

use super::sums::{KINDS, Sums};
use super::view::{Figures, Line, Lines, Told};

/// What is to be shared out at each position.
type Kinds = BTreeMap<PositionKey, [i128; KINDS]>;

impl Told<'_> {
    /// Gives each line, in their order, up to its rest of what has no line.
    pub(super) fn spread(&self, lines: &mut Lines, until_ns: i64) {
        let Some(mut pool) = lines.remove(&Number::None) else { return };
        let whole: Kinds = pool.places.iter().map(|(at, figures)| (at.clone(), figures.sums.kinds())).collect();
        let locations: BTreeSet<String> = pool.places.keys().map(|at| at.location.clone()).collect();
        for location in locations {
            for (number, line) in lines.iter_mut() {
                if line.places.keys().any(|at| at.location == location) {
                    self.spread_to((&mut pool, &whole), number, line, &location, until_ns);
                }
            }
        }
        lines.insert(Number::None, pool);
    }

    fn spread_to(
        &self,
        (pool, whole): (&mut Line, &Kinds),
        number: &Number,
        line: &mut Line,
        location: &str,
        until_ns: i64,
    ) {
        let here = || line.places.iter().filter(|(at, _)| at.location == location).map(|(_, figures)| figures);
        let is_closed = here().all(Figures::is_closed);
        let closed_ns = self.closed_ns(number, location, until_ns).filter(|_| is_closed);
        let own = |kind: usize| here().map(|figures| figures.known().kinds()[kind]).sum::<i128>();
        let owns: [i128; KINDS] = [own(0), own(1), own(2), own(3), own(4)];
        let ordered = here().map(|figures| figures.known().order()).sum::<i128>();
        let most = owns.iter().copied().fold(ordered, i128::max);
        let mut bounds = Kinds::new();
        if let Some(closed_ns) = closed_ns {
            for at in pool.places.keys().filter(|at| at.location == location) {
                let spare = self.left_until(pool, whole, at, closed_ns);
                bounds.insert(at.clone(), spare);
            }
        }
        for (kind, own) in owns.into_iter().enumerate() {
            let mut rest = most - own;
            for (at, figures) in pool.places.iter_mut().filter(|(at, _)| at.location == location) {
                let bound = bounds.get(at).map_or(rest, |bound| rest.min(bound[kind]));
                if bound <= 0 {
                    continue;
                }
                let begin = || Figures { closed_ns, frozen: closed_ns.map(|_| Sums::default()), ..Figures::default() };
                let to = line.places.entry(at.clone()).or_insert_with(begin);
                let mut takers: Vec<&mut Sums> = match &mut to.frozen {
                    // What is only claimed ended with the closing, and counts as what it was.
                    Some(frozen) if kind < 3 => vec![frozen],
                    Some(frozen) => vec![&mut to.sums, frozen],
                    None => vec![&mut to.sums],
                };
                let here = figures.sums.give(kind, bound, &mut takers);
                to.taken[kind] += here;
                rest -= here;
            }
        }
    }

    /// What was there to be shared out at a time, less what was given since.
    fn left_until(&self, pool: &Line, whole: &Kinds, at: &PositionKey, until_ns: i64) -> [i128; KINDS] {
        let mut left = self.as_it_was(&Number::None, at, until_ns).kinds();
        let now = pool.places[at].sums.kinds();
        for (kind, left) in left.iter_mut().enumerate() {
            *left -= (whole[at][kind] - now[kind]).max(0);
        }
        left
    }
}
