//! The shelf of the model: accounts, what was shipped and never picked, and what is left (`docs/claims.md` §6). Holds
//! no test.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Fact, Facts, Key, Kind, facts, fold, word};
use super::model::{Standing, opened, standing};
use super::told::{Line, Says, Spot, Told};

/// Days that are looked at, today first.
pub(crate) const DAYS: usize = 8;

/// What a position shows, and what is left of it up to each day.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Shelf {
    pub(crate) on_hand: i64,
    pub(crate) picked: i64,
    pub(crate) reserved: i64,
    pub(crate) allocated: i64,
    pub(crate) ordered: i64,
    pub(crate) unpicked: i64,
    /// The first is `on_hand_atp`.
    pub(crate) left: [i64; DAYS],
}

/// All that a set of messages amounts to.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) shelves: BTreeMap<Spot, Shelf>,
    /// What holds were asked for and raised by, in all.
    pub(crate) asked: i64,
    lines: BTreeMap<Key, Standing>,
}

const ALL_DAYS: [i64; DAYS] = [0, 1, 2, 3, 4, 5, 6, 7];

impl Shelf {
    /// All that balances show of it, with what can be promised today in the end.
    pub(crate) fn shown(&self) -> [i64; 8] {
        let Self { on_hand, picked, reserved, allocated, ordered, unpicked, .. } = *self;
        [on_hand, picked, reserved, allocated, ordered, unpicked, self.left[0], self.atp(0)]
    }

    /// What can be promised for a day: the least that is left from it on.
    pub(crate) fn atp(&self, day: usize) -> i64 {
        *self.left[day..].iter().min().expect("there are days")
    }
}

impl World {
    /// The world that messages make, at a time of the log.
    pub(crate) fn new(told: &[Told], now: i64) -> Self {
        let void = told.iter().filter_map(|told| if let Says::Void(target) = told.says { Some(target) } else { None });
        let void: BTreeSet<usize> = void.collect();
        let told: Vec<&Told> = told.iter().filter(|told| !void.contains(&told.id)).collect();
        let facts = facts(&told, now);
        let line = |(key, facts): (&Key, &Vec<Fact>)| {
            let word = |at, until| word(&told, key, at, until);
            (key.clone(), standing(facts, &word, opened(facts, &word)))
        };
        let lines: BTreeMap<Key, Standing> = facts.iter().map(line).collect();
        let spots: BTreeSet<Spot> = told.iter().map(|told| told.at).filter(|at| !at.0.is_empty()).collect();
        let shelves = spots.into_iter().map(|at| (at, shelf(&told, &facts, &lines, at, now))).collect();
        let is_asked = |fact: &&Fact| matches!(fact.kind, Kind::Asked | Kind::Raised);
        let asked = facts.values().flatten().filter(is_asked).map(|fact| fact.quantity).sum();
        Self { shelves, asked, lines }
    }

    /// Whether a grant took nothing that was not there: on no day and nowhere is less left than nothing, but where that
    /// was so before it.
    pub(crate) fn check_nothing_lost(&self, before: &Self) -> Result<(), String> {
        for (at, shelf) in &self.shelves {
            let left = before.shelves.get(at).map_or([0; DAYS], |shelf| shelf.left);
            if let Some(day) = (0..DAYS).find(|day| shelf.left[*day] < left[*day].min(0)) {
                return Err(format!(
                    "a grant leaves {} of {at:?} on day {day}, and {} were left",
                    shelf.left[day], left[day]
                ));
            }
        }
        Ok(())
    }

    /// Whether what is held and posted for a line fits what others leave (§4); for a document without a line that of
    /// all its lines.
    pub(crate) fn fits(&self, request: &Told) -> bool {
        let Says::Requested { day, .. } = request.says else { return true };
        let Some(there) = self.shelves.get(&request.at) else { return false };
        let Some(document) = request.document else {
            return there.atp(usize::try_from(day.unwrap_or(0).max(0)).expect("a day")) >= 0;
        };
        let of = |(name, line): &&Key| name == document && (request.line == Line::Missing || *line == request.line);
        ALL_DAYS.iter().zip(there.left).all(|(day, left)| {
            let lines = || self.lines.iter().filter(|(key, _)| of(key)).map(|(_, line)| line);
            let claimed: i64 = lines().filter_map(|line| line.claims(*day).remove(&request.at)).flatten().sum();
            let needed: i64 = lines().map(|line| line.need(request.at, *day)).sum();
            needed <= (left + claimed).max(0)
        })
    }
}

fn shelf(told: &[&Told], facts: &Facts, lines: &BTreeMap<Key, Standing>, at: Spot, now: i64) -> Shelf {
    let here: Vec<&&Told> = told.iter().filter(|told| told.at == at).collect();
    let doubled = doubled(told, at);
    let mut shelf =
        Shelf { on_hand: on_hand(&here, &doubled), unpicked: unpicked(told, facts, at), ..Shelf::default() };
    shelf.picked -= doubled.iter().map(|(_, quantity)| quantity).sum::<i64>();
    let (mut reserved, mut allocated, mut held) = (0, 0, Vec::new());
    for message in here {
        let is_loose = message.document.is_none();
        match message.says {
            Says::Picked(quantity) => {
                shelf.picked += quantity;
                allocated -= if is_loose { quantity } else { 0 };
            }
            Says::Unpicked(quantity) | Says::Shipped { quantity, from_picked: true, .. } => shelf.picked -= quantity,
            Says::Reserved(quantity) if is_loose => reserved += quantity,
            Says::Unreserved(quantity) if is_loose => reserved -= quantity,
            Says::Allocated { quantity, converted } if is_loose => {
                allocated += quantity;
                reserved -= if converted { quantity } else { 0 };
            }
            Says::Deallocated(quantity) if is_loose => allocated -= quantity,
            Says::Requested { .. } if is_loose => fold(told, message, now, &mut held),
            _ => {}
        }
    }
    let is_now = |fact: &&Fact, kind| fact.kind == kind && fact.day == 0;
    allocated += held.iter().filter(|fact| is_now(fact, Kind::Posted)).map(|fact| fact.quantity).sum::<i64>();
    let live =
        |day| held.iter().filter(move |fact| fact.kind == Kind::Held && fact.day <= day).map(|fact| fact.quantity);
    let free = shelf.on_hand - shelf.unpicked - reserved.max(0) - allocated.max(0);
    for (place, day) in ALL_DAYS.into_iter().enumerate() {
        let mut claims = [0; 3];
        for line in lines.values() {
            let part = line.claims(day).remove(&at).unwrap_or_default();
            claims.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        shelf.left[place] = free - live(day).sum::<i64>() - claims.iter().sum::<i64>();
        if day == 0 {
            let [ordered, soft, hard] = claims;
            (shelf.ordered, shelf.reserved, shelf.allocated) =
                (ordered, reserved + live(0).sum::<i64>() + soft, allocated + hard);
        }
    }
    shelf
}

/// Whether every line of a document keeps its moves: none is told without a line beside one with a line.
fn keeps_its_moves(told: &[&Told], document: &str) -> bool {
    let moves = |told: &&&Told| {
        told.document == Some(document)
            && matches!(told.says, Says::Picked(_) | Says::Unpicked(_) | Says::Shipped { .. })
    };
    let is_loose = |told: &&Told| told.line == Line::Missing;
    !(told.iter().filter(moves).any(is_loose) && told.iter().filter(moves).any(|told| !is_loose(told)))
}

/// What lines moved twice at a position, by picks and by sales, and when: it is back on the shelf.
fn doubled(told: &[&Told], at: Spot) -> Vec<(i64, i64)> {
    let lines = told.iter().filter(|told| told.at == at).filter_map(|told| Some((told.document?, &told.line)));
    let mut doubled = Vec::new();
    for (document, line) in lines.collect::<BTreeSet<_>>() {
        let its: Vec<&&Told> =
            told.iter().filter(|told| (told.document, &told.line, told.at) == (Some(document), line, at)).collect();
        let sells = |told: &&&Told| matches!(told.says, Says::Shipped { from_picked: false, .. });
        if !its.iter().any(sells) || !keeps_its_moves(told, document) {
            continue;
        }
        let mut before = 0;
        for time in its.iter().map(|told| told.time).collect::<BTreeSet<i64>>() {
            let (mut picked, mut shipped, mut took) = (0, 0, 0);
            for told in its.iter().filter(|told| told.time <= time) {
                match told.says {
                    Says::Picked(quantity) => (picked, took) = (picked + quantity, took + quantity),
                    Says::Unpicked(quantity) => (picked, took) = (picked - quantity, took - quantity),
                    Says::Shipped { quantity, from_picked, .. } => {
                        shipped += quantity;
                        took += if from_picked { 0 } else { quantity };
                    }
                    _ => {}
                }
            }
            let twice = took - picked.max(shipped);
            doubled.push((time, twice - before));
            before = twice;
        }
    }
    doubled
}

/// The latest count, and what moved after it.
fn on_hand(here: &[&&Told], doubled: &[(i64, i64)]) -> i64 {
    let counts = here.iter().filter_map(|told| match told.says {
        Says::Counted(quantity) => Some((told.time, quantity)),
        _ => None,
    });
    let (since, counted) = counts.max().unwrap_or((i64::MIN, 0));
    let moved = here.iter().filter(|told| told.time > since).map(|told| match told.says {
        Says::Received(quantity) | Says::Returned(quantity) | Says::Unpicked(quantity) => quantity,
        Says::Picked(quantity) | Says::Shipped { quantity, from_picked: false, .. } => -quantity,
        _ => 0,
    });
    let doubled = doubled.iter().filter(|(time, _)| *time > since).map(|(_, quantity)| quantity);
    counted + moved.sum::<i64>() + doubled.sum::<i64>()
}

/// What a source did at a position: what its lines miss of picks (U), what it picked for lines and is not shipped, and
/// picks less shipments without a document.
type Sides = BTreeMap<&'static str, [i64; 3]>;

fn unpicked(told: &[&Told], facts: &Facts, at: Spot) -> i64 {
    let mut sides = Sides::new();
    for ((document, _), facts) in facts {
        let sold = facts.iter().filter(|fact| fact.at == at && fact.kind == Kind::Sold);
        let sold: i64 = sold.map(|fact| fact.quantity).sum();
        if sold > 0 && keeps_its_moves(told, document) {
            continue;
        }
        let side = |kinds: [Kind; 2]| {
            let mut by: BTreeMap<&'static str, i64> = BTreeMap::new();
            for fact in facts.iter().filter(|fact| fact.at == at && kinds.contains(&fact.kind)) {
                let sign = if fact.kind == Kind::Unpicked { -1 } else { 1 };
                *by.entry(fact.source).or_default() += sign * fact.quantity;
            }
            by
        };
        let (picked, shipped) = (side([Kind::Picked, Kind::Unpicked]), side([Kind::Shipped, Kind::Shipped]));
        let beyond = shipped.values().sum::<i64>() - picked.values().sum::<i64>();
        share(beyond, &shipped, 0, &mut sides);
        share(-beyond - sold, &picked, 1, &mut sides);
    }
    for message in told.iter().filter(|message| message.at == at && message.document.is_none()) {
        let moved = match message.says {
            Says::Picked(quantity) => quantity,
            Says::Unpicked(quantity) | Says::Shipped { quantity, from_picked: true, .. } => -quantity,
            _ => 0,
        };
        sides.entry(message.source).or_default()[2] += moved;
    }
    let missing = sides.values().map(|[missed, kept, loose]| {
        let spare = if *loose < 0 { (loose + kept).min(0) } else { *loose };
        (missed - spare).max(0)
    });
    missing.sum()
}

/// Shares a quantity out among sources by their names, each up to its part.
fn share(mut quantity: i64, parts: &BTreeMap<&'static str, i64>, side: usize, sides: &mut Sides) {
    for (source, part) in parts {
        let taken = quantity.min(*part).max(0);
        sides.entry(source).or_default()[side] += taken;
        quantity -= taken;
    }
}
