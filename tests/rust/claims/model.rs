//! A slow model of `docs/claims.md` §2, §3 and §6: all is computed anew from the messages that the ledger took.
//! No supply, safety stock, groups, protection or approvals; one SKU. Holds no test.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Fact, Kind, up_to};
use super::told::Spot;
pub(super) const NEVER: i64 = i64::MIN;
/// What a line wants at a position: O and its day, R, A, H, posts by day, T, G, the most that counts, last voices.
#[derive(Debug, Clone, Default)]
pub(super) struct Wants {
    order: i64,
    due: i64,
    stated: i64,
    soft: i64,
    reserved: i64,
    allocated: i64,
    held: Vec<(i64, i64)>,
    posted: Vec<(i64, i64)>,
    taken: i64,
    pub(super) gone: i64,
    picked: i64,
    shipped: i64,
    most: i64,
    said: [i64; 3],
    pub(super) is_shut: bool,
}

impl Wants {
    fn o(&self, day: i64) -> i64 {
        if self.due <= day { self.order.clamp(0, self.most) } else { 0 }
    }
    fn r(&self) -> i64 {
        self.reserved.clamp(0, self.most)
    }
    fn a(&self) -> i64 {
        self.allocated.clamp(0, self.most)
    }
    fn t(&self, day: i64) -> i64 {
        up_to(&self.posted, day).min(self.taken.max(0))
    }
    fn ht(&self, day: i64) -> i64 {
        (up_to(&self.held, day) + self.t(day)).min(self.most)
    }

    /// What is reserved, A, H + T, picked, shipped and O; the sums are signed.
    pub(super) fn kinds(&self) -> [i64; 6] {
        [self.soft, self.allocated, self.ht(i64::MAX), self.picked, self.shipped, self.order]
    }

    /// What is claimed by the order alone, softly, and for good.
    fn layers(&self, day: i64) -> [i64; 3] {
        let hard = (self.a().max(self.t(day)) - self.gone).max(0);
        let soft = (self.r().max(self.a()).max(self.ht(day)) - self.gone).max(0);
        let all = (self.o(day) - self.gone).max(soft);
        [all - soft, soft - hard, hard]
    }
}

/// §2: what a line wants at a position, where it was closed by word, and where a request opened it again.
pub(super) fn wants(facts: &[Fact], at: Spot, word: i64, opened: i64) -> Wants {
    use Kind::{
        Allocated, Asked, Converted, Day, Deallocated, Held, Lapsed, Order, Picked, Posted, Raised, Reserved, Shipped,
        Sold, Unpicked, Unreserved,
    };
    let end = word.max(opened);
    let counts = |fact: &&Fact| match fact.kind {
        Order | Day => fact.time > word,
        Asked | Raised | Held | Posted | Lapsed => fact.since > word && fact.since >= opened,
        Picked | Unpicked | Shipped | Sold => true,
        _ => fact.time > end,
    };
    let live: Vec<&Fact> = facts.iter().filter(|fact| fact.at == at).filter(counts).collect();
    let of = |kind: Kind| live.iter().filter(move |fact| fact.kind == kind);
    let by = |kind, until| of(kind).filter(|fact| fact.time <= until).map(|fact| fact.quantity).sum::<i64>();
    let all = |kind| by(kind, i64::MAX);
    let allocated = |until| by(Allocated, until) + by(Converted, until);
    let gone = |until| (by(Picked, until) - by(Unpicked, until)).max(by(Shipped, until) + by(Sold, until)).max(0);
    let latest = |kind| of(kind).map(|fact| fact.time).max().unwrap_or(NEVER);
    let stated = |kind| of(kind).filter(move |fact| fact.time == latest(kind)).map(|fact| fact.quantity);
    // What was put back before anything else left has not gone.
    let put_back = of(Unpicked).map(|fact| gone(fact.time.max(end)));
    let base = if end == NEVER { 0 } else { put_back.fold(gone(end), i64::min) };
    let list = |kind| of(kind).map(|fact| (fact.time, fact.day, fact.quantity));
    let mut posted: Vec<(i64, i64, i64)> = list(Posted).collect();
    let mut lapses: Vec<(i64, i64, i64)> = list(Lapsed).map(|(time, day, quantity)| (time, quantity, day)).collect();
    lapses.sort_unstable();
    for (time, quantity, day) in lapses {
        let before: i64 = posted.iter().filter(|(at, ..)| *at <= time).map(|(.., quantity)| quantity).sum();
        let most = (allocated(time) - by(Deallocated, time)).max(gone(time) - base);
        posted.push((time, day, quantity.min((most - before).max(0))));
    }
    let unreserved = (all(Unreserved) - (gone(i64::MAX) - base)).max(0);
    let opens = |fact: &Fact| {
        fact.at == at
            && fact.since > word
            && fact.quantity > 0
            && matches!(fact.kind, Order | Reserved | Allocated | Converted | Asked)
    };
    Wants {
        order: stated(Order).max().unwrap_or(0),
        due: stated(Day).min().unwrap_or(0).max(0),
        stated: latest(Order),
        soft: base + all(Reserved) - all(Unreserved),
        reserved: base + all(Reserved) - all(Converted).min(all(Deallocated)) - unreserved,
        allocated: base + allocated(i64::MAX) - all(Deallocated),
        held: list(Held).map(|(_, day, quantity)| (day, quantity)).collect(),
        posted: posted.iter().map(|(_, day, quantity)| (*day, *quantity)).chain([(0, base)]).collect(),
        taken: base + posted.iter().map(|(.., quantity)| quantity).sum::<i64>()
            - (all(Deallocated) - allocated(i64::MAX) - base).max(0),
        gone: gone(i64::MAX),
        picked: all(Picked) - all(Unpicked),
        shipped: all(Shipped) + all(Sold),
        most: i64::MAX,
        said: [latest(Reserved), latest(Allocated).max(latest(Converted)), latest(Asked).max(latest(Raised))],
        is_shut: word > NEVER && !facts.iter().any(opens),
    }
}

/// A line: what it wants at each position, and whether it is closed by quantity.
#[derive(Debug, Default)]
pub(super) struct Standing {
    wants: BTreeMap<Spot, Wants>,
    pub(super) is_closed: bool,
}

/// When a line was closed by word at a position, of what is effective until a time.
pub(super) type Word<'a> = dyn Fn(Spot, i64) -> i64 + 'a;

/// §3: when a request last opened a line that it found closed by quantity.
pub(super) fn opened(facts: &[Fact], word: &Word<'_>) -> i64 {
    let asks = |fact: &&Fact| match fact.kind {
        Kind::Asked => fact.time > word(fact.at, i64::MAX),
        kind => kind == Kind::AskedLoosely,
    };
    let times: BTreeSet<i64> = facts.iter().filter(asks).map(|fact| fact.time).collect();
    times.into_iter().fold(NEVER, |opened, time| {
        let counts =
            |fact: &&Fact| fact.time <= time && fact.since <= time && !(fact.is_of_hold() && fact.since == time);
        let before: Vec<Fact> = facts.iter().filter(counts).cloned().collect();
        if standing(&before, &|at, until| word(at, until.min(time)), opened).is_closed { time } else { opened }
    })
}

/// §3: how a line stands that a request opened last at some time.
pub(super) fn standing(facts: &[Fact], word: &Word<'_>, opened: i64) -> Standing {
    let mut standing = Standing::default();
    for at in facts.iter().map(|fact| fact.at).collect::<BTreeSet<Spot>>() {
        let word = word(at, i64::MAX);
        let mut stands = wants(facts, at, word, opened);
        if stands.is_shut {
            // What it was at the closing, at most what has gone, on whatever day; holds are as what has gone.
            let is_past = |fact: &&Fact| fact.time <= word && fact.kind != Kind::Day && !fact.is_of_hold();
            let past: Vec<Fact> = facts.iter().filter(is_past).cloned().collect();
            let Wants { gone, picked, shipped, said, is_shut, .. } = stands;
            let held = vec![(0, gone)];
            stands = Wants { gone, picked, shipped, said, is_shut, held, most: gone, ..wants(&past, at, NEVER, NEVER) };
        }
        standing.wants.insert(at, stands);
    }
    let sum = |of: &dyn Fn(&Wants) -> i64| standing.wants.values().map(of).sum::<i64>();
    let ordered = sum(&|wants| wants.o(i64::MAX));
    let voices = [sum(&Wants::r), sum(&Wants::a), sum(&|wants| wants.ht(i64::MAX))];
    let stated =
        standing.wants.values().filter(|wants| wants.o(i64::MAX) > 0).map(|wants| wants.stated).max().unwrap_or(NEVER);
    let is_louder = |voice: usize| {
        voices[voice] > ordered && standing.wants.values().any(|wants| !wants.is_shut && wants.said[voice] > stated)
    };
    let is_shipped = ordered > 0 && sum(&|wants| wants.shipped) >= ordered;
    standing.is_closed = is_shipped && !(0..3).any(is_louder);
    standing
}

impl Standing {
    /// What the line claims up to a day at each position: by the order alone, softly, and for good.
    pub(super) fn claims(&self, day: i64) -> BTreeMap<Spot, [i64; 3]> {
        let claims = |wants: &Wants| if self.is_closed || wants.is_shut { [0; 3] } else { wants.layers(day) };
        let mut all: BTreeMap<Spot, [i64; 3]> = self.wants.iter().map(|(at, wants)| (*at, claims(wants))).collect();
        let sum = |of: &dyn Fn(&Wants) -> i64| self.wants.values().map(of).sum::<i64>();
        if self.wants.values().any(|wants| !wants.is_shut && wants.order > 0) {
            let most =
                sum(&|wants| wants.o(day)).max(sum(&Wants::r)).max(sum(&Wants::a)).max(sum(&|wants| wants.ht(day)));
            let most = (most - sum(&|wants| wants.gone)).max(0);
            let mut beyond = (all.values().flatten().sum::<i64>() - most).max(0);
            for layer in 0..3 {
                for claims in all.values_mut() {
                    let part = beyond.min(claims[layer]);
                    claims[layer] -= part;
                    beyond -= part;
                }
            }
        }
        all
    }

    /// What holds and posts want of a position up to a day beyond what has gone (§4).
    pub(super) fn need(&self, at: Spot, day: i64) -> i64 {
        self.wants.get(&at).map_or(0, |wants| (wants.ht(day) - wants.gone).max(0))
    }
}
