//! Reckoning: what a line claims at each of its positions, by bucket, and how it is shown (`docs/claims.md` §2).

use std::collections::BTreeMap;

use smallvec::{SmallVec, smallvec};

use crate::claims::book::fact::FactKind;
use crate::claims::book::life::Life;
use crate::claims::book::line::Line;
use crate::claims::book::sources::SourceNames;
use crate::claims::book::voices::Voices;
use crate::schedule::{AT_ONCE, Given, Moved, Shown};
use crate::stock::Spot;
/// What a line claims of the buckets of its place, layer by layer: in all, without what only the order asks, without
/// what only reservations ask.
#[derive(Debug, Clone, Copy)]
struct Layers {
    all: i128,
    taken: i128,
    kept: i128,
}

impl Layers {
    fn of(voices: &Voices, bucket: i32, ordered: i128) -> Self {
        let kept = voices.allocated.max(voices.posted_until(bucket));
        let taken = voices.reserved.max(voices.allocated).max(voices.taken(bucket));
        let left = |amount: i128| (amount - voices.gone).max(0);
        Self { all: left(taken.max(ordered)), taken: left(taken), kept: left(kept) }
    }

    /// Takes an amount off the upper layers, down to one of them. Tells how much it was.
    fn take_off(&mut self, excess: i128, floor: i128) -> i128 {
        let share = excess.min(self.all - floor).max(0);
        self.all -= share;
        self.taken = self.taken.min(self.all);
        self.kept = self.kept.min(self.all);
        share
    }

    fn shown(self) -> Shown {
        let narrow = |amount: i128| i64::try_from(amount).unwrap_or(i64::MAX / 4);
        Shown {
            allocated: narrow(self.kept),
            reserved: narrow(self.taken - self.kept),
            ordered: narrow(self.all - self.taken),
        }
    }
}

/// What a line claims everywhere. `dropped` tells from which bucket on an order counts at a position, where those of
/// the past do not; `keeps_its_moves` that no picks and shipments are shared out.
pub(crate) fn reckon(
    line: &Line,
    document_ns: Option<i64>,
    sources: &SourceNames,
    dropped: impl Fn(Spot) -> Option<i32>,
    keeps_its_moves: bool,
) -> Vec<Given> {
    let life = Life::of(line, document_ns);
    let voices: SmallVec<[Voices; 1]> = (0..).zip(&line.places).map(|(place, _)| life.voices(line, place)).collect();
    let mut all: Vec<Given> = line.places.iter().map(|place| Given::none(place.spot)).collect();
    if !life.is_complete {
        let counts = |spot: Spot, voices: &Voices| {
            voices.ordered_bucket == AT_ONCE || dropped(spot).is_none_or(|today| voices.ordered_bucket >= today)
        };
        let mut buckets: SmallVec<[i32; 4]> = smallvec![AT_ONCE];
        buckets.extend(voices.iter().flat_map(Voices::buckets));
        buckets.sort_unstable();
        buckets.dedup();
        for bucket in buckets {
            let ordered = |(place, voices): (&super::line::LinePlace, &Voices)| {
                if counts(place.spot, voices) { voices.ordered_until(bucket) } else { 0 }
            };
            let ordered: SmallVec<[i128; 2]> = line.places.iter().zip(&voices).map(ordered).collect();
            let layers = layers_of(&life, &voices, bucket, &ordered);
            for (given, layers) in all.iter_mut().zip(layers) {
                let shown = layers.shown();
                if given.steps.last().map_or(Shown::default(), |(_, before)| *before) != shown {
                    given.steps.push((bucket, shown));
                }
            }
        }
        count_live(line, &life, &mut all);
    }
    for (place, given) in (0..).zip(&mut all) {
        given.moved = moved(line, place, sources, keeps_its_moves);
    }
    all
}

/// What is claimed up to a bucket at each place, under the limit for all of them.
fn layers_of(life: &Life, voices: &[Voices], bucket: i32, ordered: &[i128]) -> SmallVec<[Layers; 2]> {
    let open = |(standing, layers): (&super::life::Standing, Layers)| {
        if standing.is_open { layers } else { Layers { all: 0, taken: 0, kept: 0 } }
    };
    let each = voices.iter().zip(ordered).map(|(voices, ordered)| Layers::of(voices, bucket, *ordered));
    let mut layers: SmallVec<[Layers; 2]> = life.standings.iter().zip(each).map(open).collect();
    let is_stated = life.standings.iter().zip(voices).any(|(standing, voices)| standing.is_open && voices.ordered > 0);
    if layers.len() < 2 || !is_stated {
        return layers;
    }
    let sum = |of: &dyn Fn(&Voices) -> i128| voices.iter().map(|voices| of(voices).max(0)).sum::<i128>();
    let greatest = sum(&|voices| voices.reserved)
        .max(sum(&|voices| voices.allocated))
        .max(sum(&|voices| voices.taken(bucket)))
        .max(ordered.iter().map(|ordered| (*ordered).max(0)).sum());
    let limit = (greatest - sum(&|voices| voices.gone)).max(0);
    let mut excess = layers.iter().map(|layers| layers.all).sum::<i128>() - limit;
    for floor in [|layers: &Layers| layers.taken, |layers: &Layers| layers.kept, |_: &Layers| 0] {
        for layers in &mut layers {
            if excess > 0 {
                let floor = floor(layers);
                excess -= layers.take_off(excess, floor);
            }
        }
    }
    layers
}

/// Counts the live holds that count.
fn count_live(line: &Line, life: &Life, all: &mut [Given]) {
    for hold in line.holds.iter().filter(|hold| hold.live > 0) {
        let standing = &life.standings[hold.place as usize];
        if !standing.is_open || !standing.reach.holds(hold) {
            continue;
        }
        let given = &mut all[hold.place as usize];
        if hold.bucket == AT_ONCE {
            given.live_now += 1;
            continue;
        }
        match given.live_dated.binary_search_by_key(&hold.bucket, |(bucket, _)| *bucket) {
            Ok(at) => given.live_dated[at].1 += 1,
            Err(at) => given.live_dated.insert(at, (hold.bucket, 1)),
        }
    }
}

/// What was shipped from `picked` beyond what was picked, or the other way round, shared out among the sources that did
/// it. A line that is sold from the shelf moves that itself: what it doubles is put back, and nothing is missing.
fn moved(line: &Line, place: u32, sources: &SourceNames, keeps_its_moves: bool) -> Vec<Moved> {
    let (mut picked, mut shipped, mut sold) = (0_i128, 0_i128, 0_i128);
    for fact in line.facts.iter().filter(|fact| fact.place == place) {
        let amount = i128::from(fact.amount);
        match fact.kind {
            FactKind::Picked => picked += amount,
            FactKind::Unpicked => picked -= amount,
            FactKind::Shipped => shipped += amount,
            FactKind::Sold => sold += amount,
            _ => {}
        }
    }
    if sold > 0 && keeps_its_moves {
        return Vec::new();
    }
    // What moves the shelf itself is never without a pick, but what was picked for it has left.
    let mut left = picked - shipped;
    if left > 0 {
        left = (left - sold).max(0);
    }
    if left == 0 {
        return Vec::new();
    }
    let is_unpicked = left < 0;
    left = left.abs();
    let mut by_source: BTreeMap<&str, (u16, i128)> = BTreeMap::new();
    for fact in line.facts.iter().filter(|fact| fact.place == place) {
        let amount = match fact.kind {
            FactKind::Shipped if is_unpicked => i128::from(fact.amount),
            FactKind::Picked if !is_unpicked => i128::from(fact.amount),
            FactKind::Unpicked if !is_unpicked => -i128::from(fact.amount),
            _ => continue,
        };
        by_source.entry(sources.name(fact.source)).or_insert((fact.source, 0)).1 += amount;
    }
    let mut all = Vec::new();
    for (source, amount) in by_source.into_values() {
        let share = i64::try_from(left.min(amount).max(0)).unwrap_or(i64::MAX / 4);
        left -= i128::from(share);
        if share > 0 {
            let (unpicked, unshipped) = if is_unpicked { (share, 0) } else { (0, share) };
            all.push(Moved { source, unpicked, unshipped });
        }
    }
    all
}
