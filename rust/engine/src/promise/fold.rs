//! Fold: what became of a reservation, from all that was said of it, in the order of effective times (`docs/claims.md`
//! §1).

use smallvec::{SmallVec, smallvec};
use tallystick_contract::heap_size::{flat, heap_size};

use crate::promise::record::{End, ReservationPart};
use crate::schedule::hold::PartNow;
/// What is said of a reservation. At one time they count in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Deed {
    /// So much is live from here on.
    Change,
    /// Taken; the rest is given back.
    Post,
    /// Taken; the rest stays held.
    PostAndKeep,
    /// Given back.
    Void,
    /// Given back whole.
    End,
}

flat!(Deed);

impl Deed {
    /// All of them, by number.
    pub(crate) const ALL: [Self; 5] = [Self::Change, Self::Post, Self::PostAndKeep, Self::Void, Self::End];

    const fn is_post(self) -> bool {
        matches!(self, Self::Post | Self::PostAndKeep)
    }
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Op {
    /// Effective, in nanoseconds.
    pub(crate) time_ns: i64,
    pub(crate) deed: Deed,
    /// By line of the request, in thousandths; nothing for all that is live, or, of a change, for as much as before.
    pub(crate) quantities: Option<SmallVec<[i64; 1]>>,
    /// Of a change: when the reservation ends from here on, in nanoseconds.
    pub(crate) expires_ns: Option<i64>,
}

heap_size!(Op { time_ns, deed, quantities, expires_ns });

/// All that was said of a reservation, in the order in which it counts.
pub(crate) type Ops = SmallVec<[Op; 1]>;

impl Op {
    /// Where it stands among others: at one time changes come first, the lesser before the greater; then posts, the
    /// greater first, and what keeps the rest
    /// before what releases it; then what is given back in part; then the end.
    fn rank(&self) -> (i64, Deed, SmallVec<[i64; 2]>, i64) {
        let quantities = self.quantities.as_deref();
        let (deed, sizes, last) = match self.deed {
            Deed::Change => {
                let all = quantities.unwrap_or_default();
                let sizes = std::iter::once(all.iter().sum()).chain(all.iter().copied()).collect();
                (Deed::Change, sizes, self.expires_ns.unwrap_or(i64::MIN))
            }
            Deed::Post | Deed::PostAndKeep => {
                let sizes = quantities.map_or_else(
                    || smallvec![-i64::MAX],
                    |quantities| quantities.iter().map(|quantity| -quantity).collect(),
                );
                (Deed::Post, sizes, i64::from(self.deed == Deed::Post))
            }
            deed => (deed, quantities.unwrap_or_default().into(), 0),
        };
        (self.time_ns, deed, sizes, last)
    }

    /// Puts it among others. Tells where.
    pub(crate) fn put_among(self, ops: &mut Ops) -> usize {
        let at = ops.iter().take_while(|other| other.rank() <= self.rank()).count();
        ops.insert(at, self);
        at
    }
}

/// What a reservation has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) parts: Vec<PartNow>,
    pub(crate) end: End,
    /// By op: why it does not fit, if it does not.
    pub(crate) misfits: Vec<bool>,
    /// Whether more was to be given back than was live.
    pub(crate) is_over_released: bool,
    /// What the last op that was asked about took, or gave back, in all.
    pub(crate) moved: Vec<i64>,
    /// When it ends by a change, if one says so.
    pub(crate) expires_ns: Option<i64>,
}

/// Folds what was said of a reservation with these parts and so many lines. `expired_ns`: when its time ran out, if it
/// did.
pub(crate) fn fold(parts: &[ReservationPart], lines: usize, ops: &[Op], expired_ns: Option<i64>) -> Folded {
    let now = parts.iter().map(|part| PartNow::granted(part.granted)).collect();
    let mut folded = Folded {
        parts: now,
        end: End::Live,
        misfits: Vec::with_capacity(ops.len()),
        is_over_released: false,
        moved: Vec::with_capacity(ops.len()),
        expires_ns: None,
    };
    for op in ops {
        // What is effective after its end finds nothing live.
        if let Some(expired_ns) = expired_ns.filter(|expired_ns| *expired_ns < op.time_ns) {
            folded.end_at(expired_ns, End::Expired);
        }
        let before: SmallVec<[(i64, i64); 1]> = folded.parts.iter().map(|now| (now.live, now.posted())).collect();
        folded.apply(parts, lines, op);
        for (now, (live, posted)) in folded.parts.iter_mut().zip(before).filter(|(now, _)| now.lapsed.is_none()) {
            let given = live - now.live - (now.posted() - posted);
            if given != 0 {
                now.given.push((op.time_ns, given));
            }
        }
    }
    if let Some(expired_ns) = expired_ns {
        folded.end_at(expired_ns, End::Expired);
    }
    folded
}

impl Folded {
    /// What is live in all.
    pub(crate) fn live(&self) -> i64 {
        self.parts.iter().map(|part| part.live).sum()
    }

    pub(crate) fn posted(&self) -> i64 {
        self.parts.iter().map(PartNow::posted).sum()
    }

    fn live_of(&self, parts: &[ReservationPart], line: usize) -> i64 {
        let mut sum = 0;
        for (part, now) in parts.iter().zip(&self.parts) {
            sum += if usize::from(part.line) == line { now.live } else { 0 };
        }
        sum
    }

    fn apply(&mut self, parts: &[ReservationPart], lines: usize, op: &Op) {
        let live: SmallVec<[i64; 1]> = (0..lines).map(|line| self.live_of(parts, line)).collect();
        let asked = op.quantities.clone().unwrap_or_else(|| live.clone());
        // A line of which nothing was granted, or looked at, is not meant.
        let is_there = |line: usize| parts.iter().any(|part| usize::from(part.line) == line);
        let is_more = (0..lines).any(|line| is_there(line) && asked[line] > live[line]);
        let is_dead = live.iter().all(|live| *live == 0);
        let is_misfit = match op.deed {
            Deed::Post | Deed::PostAndKeep => is_more || is_dead,
            Deed::Change => is_dead,
            Deed::Void | Deed::End => false,
        };
        self.misfits.push(is_misfit);
        self.moved.push(0);
        if is_dead && op.deed != Deed::Void {
            return;
        }
        match op.deed {
            Deed::Change => self.change(parts, &live, &asked, op),
            Deed::Void => {
                self.is_over_released |= is_more;
                let given = self.give_back(parts, &asked);
                self.moved.last_mut().into_iter().for_each(|moved| *moved = given);
            }
            Deed::End => {
                let moved = self.end_at(op.time_ns, End::Voided);
                self.moved.last_mut().into_iter().for_each(|last| *last = moved);
            }
            Deed::Post | Deed::PostAndKeep => self.post(parts, &asked, op),
        }
        if self.end == End::Live && self.live() == 0 {
            self.end = if op.deed.is_post() { End::Posted } else { End::Voided };
        }
    }

    fn post(&mut self, parts: &[ReservationPart], asked: &[i64], op: &Op) {
        let mut asked: SmallVec<[i64; 1]> = asked.into();
        let mut posted = 0;
        for (part, now) in parts.iter().zip(&mut self.parts) {
            let wanted = &mut asked[usize::from(part.line)];
            let share = now.live.min(*wanted);
            if share > 0 {
                (now.live, *wanted, posted) = (now.live - share, *wanted - share, posted + share);
                now.posts.push((op.time_ns, share));
            }
            if op.deed == Deed::Post {
                now.live = 0;
            }
        }
        self.moved.last_mut().into_iter().for_each(|moved| *moved = posted);
    }

    /// Lets another amount be live of each line. What comes beyond what was granted is taken at its last position.
    fn change(&mut self, parts: &[ReservationPart], live: &[i64], asked: &[i64], op: &Op) {
        let less: SmallVec<[i64; 1]> = live.iter().zip(asked).map(|(live, asked)| (live - asked).max(0)).collect();
        self.give_back(parts, &less);
        for (line, (live, asked)) in live.iter().zip(asked).enumerate() {
            let last = parts.iter().rposition(|part| usize::from(part.line) == line);
            if let Some(last) = last.filter(|_| asked > live) {
                self.parts[last].live += asked - live;
                self.parts[last].raised_ns = op.time_ns;
            }
        }
        self.expires_ns = op.expires_ns.or(self.expires_ns);
        let live = self.live();
        self.moved.last_mut().into_iter().for_each(|moved| *moved = live);
    }

    fn give_back(&mut self, parts: &[ReservationPart], asked: &[i64]) -> i64 {
        let mut asked: SmallVec<[i64; 1]> = asked.into();
        let mut given = 0;
        for (part, now) in parts.iter().zip(&mut self.parts) {
            let wanted = &mut asked[usize::from(part.line)];
            let share = now.live.min(*wanted);
            (now.live, *wanted, given) = (now.live - share, *wanted - share, given + share);
        }
        given
    }

    fn end_at(&mut self, time_ns: i64, end: End) -> i64 {
        let mut given = 0;
        for now in self.parts.iter_mut().filter(|now| now.live > 0) {
            given += now.live;
            now.lapsed = Some((time_ns, std::mem::take(&mut now.live)));
        }
        if given > 0 {
            self.end = end;
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::stock::Spot;

    fn part(granted: i64) -> ReservationPart {
        let spot = Spot { part: 0, place: 0 };
        ReservationPart { line: 0, spot, due: None, granted, held: granted, protections: Box::default() }
    }

    fn op(time_ns: i64, deed: Deed, quantity: Option<i64>) -> Op {
        Op { time_ns, deed, quantities: quantity.map(|quantity| smallvec![quantity]), expires_ns: None }
    }

    /// What is live, was posted and lapsed in the end.
    fn end(granted: i64, said: &[Op]) -> (i64, i64, i64) {
        let mut ops = Ops::new();
        for one in said {
            one.clone().put_among(&mut ops);
        }
        let folded = fold(&[part(granted)], 1, &ops, None);
        let lapsed = folded.parts[0].lapsed.map_or(0, |(_, amount)| amount);
        (folded.live(), folded.posted(), lapsed)
    }

    #[test]
    fn what_was_said_counts_in_the_order_of_its_times() {
        for (said, expected) in [
            (vec![op(1, Deed::Post, None)], (0, 10, 0)),
            (vec![op(1, Deed::Post, Some(4))], (0, 4, 0)),
            (vec![op(1, Deed::PostAndKeep, Some(4))], (6, 4, 0)),
            (vec![op(2, Deed::Post, None), op(1, Deed::Void, Some(3))], (0, 7, 0)),
            (vec![op(2, Deed::Void, Some(3)), op(1, Deed::Post, None)], (0, 10, 0)),
            (vec![op(2, Deed::End, None), op(1, Deed::PostAndKeep, Some(4))], (0, 4, 6)),
            (vec![op(2, Deed::PostAndKeep, Some(4)), op(1, Deed::End, None)], (0, 0, 10)),
            (vec![op(2, Deed::Change, Some(4)), op(1, Deed::Change, Some(20))], (4, 0, 0)),
            (vec![op(2, Deed::Post, None), op(1, Deed::Change, Some(20))], (0, 20, 0)),
            (vec![op(1, Deed::End, None), op(1, Deed::Post, None)], (0, 10, 0)),
        ] {
            assert_eq!(end(10, &said), expected, "{said:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let ops: Ops = smallvec![op(1, Deed::Post, Some(11)), op(2, Deed::Post, None), op(3, Deed::Change, Some(5))];
        assert_eq!(fold(&[part(10)], 1, &ops, None).misfits, [true, true, true]);
        let ops: Ops = smallvec![op(1, Deed::Void, Some(11))];
        assert!(fold(&[part(10)], 1, &ops, None).is_over_released);
        let late: Ops = smallvec![op(10, Deed::Void, Some(1))];
        let folded = fold(&[part(10)], 1, &late, Some(9));
        assert_eq!((folded.is_over_released, folded.parts[0].lapsed), (true, Some((9, 10))));
        let folded = fold(&[part(10)], 1, &[], Some(9));
        assert_eq!((folded.end, folded.parts[0].lapsed), (End::Expired, Some((9, 10))));
    }
}
