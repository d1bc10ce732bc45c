//! Tells a life to the engine, its twin and the model, and compares what they make of it. Holds no test.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use tallystick_contract::account::Account;
use tallystick_contract::balance::{Balance, PositionKey};
use tallystick_contract::config::Config;
use tallystick_contract::instant;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::Engine;
use tallystick_reference::Reference;

use super::common::Ledger;
use super::common::promise::{Promises, Question};
use super::facts::{Key, word};
use super::lives::{LONG, Life};
use super::shelf::{DAYS, Shelf, World};
use super::told::{Says, Spot, Told, nanoseconds};

/// When the first message comes: after all that they tell of.
const FIRST_ARRIVAL: i64 = 9_000;
const APART: i64 = 30;

/// What a life leaves behind: what each position shows, and what is open.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    shown: Vec<(PositionKey, Vec<i64>)>,
    open: BTreeSet<String>,
}

/// The ledgers, and what they took.
pub(crate) struct Telling<'l> {
    life: &'l Life,
    engine: Engine,
    /// The twin, where it is asked too.
    twin: Option<Reference>,
    taken: Vec<Told>,
    /// By their sequences: what came with which id.
    came: BTreeMap<u64, usize>,
    refused: BTreeSet<usize>,
    sequence: u64,
    world: World,
}

/// A number that is the same for the same life, turn and message.
pub(crate) fn scatter(parts: [u64; 3]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

impl End {
    /// Without what hangs on whether a request was granted before its order was closed, or refused after it: what was
    /// given back of its posting.
    pub(crate) fn but_for_refusals(&self) -> Self {
        let mut end = self.clone();
        end.open.retain(|item| !item.starts_with("claim_below_zero "));
        end
    }
}

impl<'l> Telling<'l> {
    pub(crate) fn new(life: &'l Life, has_twin: bool) -> Self {
        let text = if life.ships_from_shelf { "[[shipping]]\nfrom = \"on_hand\"\n" } else { "" };
        let config = || Config::parse(text).expect("a configuration of this test");
        Self {
            life,
            engine: Engine::with(config()),
            twin: has_twin.then(|| Reference::with(config())),
            taken: Vec::new(),
            came: BTreeMap::new(),
            refused: BTreeSet::new(),
            sequence: 0,
            world: World::new(&[], 0),
        }
    }

    fn now(&self) -> i64 {
        FIRST_ARRIVAL + APART * i64::try_from(self.sequence).expect("lives are short")
    }

    /// Tells the whole life in an order, with some messages twice, and what is left when its time is over.
    pub(crate) fn tell_all(mut self, order: &[usize], turn: u64) -> Result<(End, BTreeSet<usize>), String> {
        let so_far = |place: usize| order[..=place].iter().map(|index| format!(" m{}", self.life.told[*index].id));
        let so_far: Vec<String> = (0..order.len()).map(|place| so_far(place).collect()).collect();
        for (place, index) in order.iter().enumerate() {
            let told = &self.life.told[*index];
            self.tell(told).map_err(|why| format!("told{}: {why}", so_far[place]))?;
            let luck = scatter([self.life.seed, turn, told.id as u64]);
            if turn > 0 && luck.is_multiple_of(4) {
                let again = order[usize::try_from(luck / 4).unwrap_or(0) % (place + 1)];
                self.tell_again(&self.life.told[again])
                    .map_err(|why| format!("told{}, and m{again} again: {why}", so_far[place]))?;
            }
        }
        let over = self.now() + 2 * LONG;
        // After so long a silence, one that says no time would not be believed at once.
        let time = instant::format(nanoseconds(over));
        self.send(format!(r#"{{"id":"end","source":"clock","type":"tick","time":"{time}"}}"#).as_bytes(), over)?;
        let end = self.check_end(over)?;
        Ok((end, self.refused))
    }

    /// One message; the outcomes of all that it settled.
    fn send(&mut self, message: &[u8], log_time: i64) -> Result<Vec<(u64, Outcome)>, String> {
        self.sequence += 1;
        let log_time_ns = nanoseconds(log_time);
        let answers = self.engine.message(message, self.sequence, log_time_ns);
        if let Some(twin) = &mut self.twin {
            let of_twin = twin.message(message, self.sequence, log_time_ns);
            same("outcomes", &answers, &of_twin)?;
            same("balances", &timeless(self.engine.sorted()), &timeless(twin.sorted()))?;
            same("state hash", &self.engine.hash(), &twin.hash())?;
            same("open exceptions", &open(&self.engine), &open(twin))?;
            for at in self.world.shelves.keys() {
                let (engine, twin) = (figures(&self.engine, *at), figures(twin, *at));
                same("figures", &engine, &twin)?;
            }
        }
        Ok(answers.into_iter().map(|answer| (answer.sequence, answer.outcome)).collect())
    }

    fn tell(&mut self, told: &Told) -> Result<(), String> {
        let now = self.now();
        let message = told.json(self.life.ships_from_shelf).to_string();
        let settled = self.send(message.as_bytes(), now)?;
        self.came.insert(self.sequence, told.id);
        self.taken.push(Told { arrived: now, ..told.clone() });
        for (sequence, outcome) in &settled {
            if outcome.is_refusal()
                && let Some(id) = self.came.get(sequence)
            {
                self.refused.insert(*id);
            }
        }
        let refused = &self.refused;
        self.taken.retain(|told| !refused.contains(&told.id));
        let world = World::new(&self.taken, now);
        let before = std::mem::replace(&mut self.world, world);
        let was_taken = settled.first().is_some_and(|(_, outcome)| *outcome == Outcome::Applied);
        let absorbed = settled.iter().filter(|(_, outcome)| *outcome == Outcome::Absorbed);
        let absorbed: BTreeSet<usize> =
            absorbed.filter_map(|(sequence, _)| self.came.get(sequence)).copied().filter(|id| *id != told.id).collect();
        self.check_grant(told, was_taken, (&before, &absorbed, now, settled.len() > 1))?;
        self.check_never_above()
    }

    fn tell_again(&mut self, told: &Told) -> Result<(), String> {
        let message = told.json(self.life.ships_from_shelf).to_string();
        let now = self.now();
        self.send(message.as_bytes(), now)?;
        self.world = World::new(&self.taken, now);
        self.check_never_above()
    }

    /// What was granted fits into what others leave. What waited for it and found its line closed had no say in that.
    fn check_grant(
        &self,
        told: &Told,
        was_taken: bool,
        (before, absorbed, now, waited): (&World, &BTreeSet<usize>, i64, bool),
    ) -> Result<(), String> {
        let request = match told.says {
            Says::Requested { .. } => Some(told),
            Says::Changed { hold, .. } => {
                self.taken.iter().find(|request| request.id == hold).filter(|request| before.fits(request))
            }
            _ => None,
        };
        match request {
            Some(request) if was_taken => {
                let judged = self.taken.iter().filter(|told| !absorbed.contains(&told.id)).cloned();
                let world = World::new(&judged.collect::<Vec<_>>(), now);
                if !world.fits(request) {
                    return Err(format!("m{} was granted and does not fit; the model: {world:#?}", told.id));
                }
                let without = self.taken.iter().filter(|taken| taken.id != told.id).cloned();
                let without = World::new(&without.collect::<Vec<_>>(), now);
                // What gives back is no grant, though it can let the line claim more elsewhere.
                let is_grant = world.asked > without.asked && absorbed.is_empty() && !waited;
                if is_grant { world.check_nothing_lost(&without) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// No figure is above what the model says is on the shelf and unclaimed.
    fn check_never_above(&self) -> Result<(), String> {
        for (at, shelf) in &self.world.shelves {
            let Some(balance) = self.engine.find(&key(*at)) else { continue };
            let found = figures(&self.engine, *at);
            for (day, found) in found.iter().enumerate() {
                let most = 1_000 * shelf.atp(day);
                if *found > most {
                    return Err(format!(
                        "after message {}: {at:?} promises {found} for day {day}, and at most {most} is unclaimed: {shelf:?}, {balance:?}",
                        self.sequence
                    ));
                }
            }
            if balance.on_hand_atp() > 1_000 * shelf.left[0] || balance.atp > 1_000 * shelf.atp(0) {
                return Err(format!("after message {}: {at:?} shows more than {shelf:?}: {balance:?}", self.sequence));
            }
        }
        Ok(())
    }

    /// At the end all that is shown is what the model says.
    fn check_end(&self, now: i64) -> Result<End, String> {
        let world = World::new(&self.taken, now);
        for (at, shelf) in &world.shelves {
            let balance = self.engine.find(&key(*at));
            if balance.is_none() && *shelf == Shelf::default() {
                continue;
            }
            let balance = balance.ok_or_else(|| format!("the engine knows nothing of {at:?}: {shelf:?}"))?;
            let by_model: Vec<i64> = shelf.shown().into_iter().map(|units| 1_000 * units).collect();
            same("what is shown at the end (engine, model)", &shown(&balance), &by_model)
                .map_err(|why| format!("{at:?}: {why}\n{:?}", self.engine.open()))?;
            let by_day: Vec<i64> = (0..DAYS).map(|day| 1_000 * shelf.atp(day)).collect();
            same("figures at the end (engine, model)", &figures(&self.engine, *at), &by_day)
                .map_err(|why| format!("{at:?}: {why}"))?;
        }
        let shown = self.engine.sorted().into_iter().map(|balance| (balance.key.clone(), shown(&balance))).collect();
        Ok(End { shown, open: open(&self.engine) })
    }
}

/// Whether all that was refused was refused because its order was closed. It may have been closed by a shipment that
/// never was: then a request that was
/// refused stays so, and the life ends otherwise. Anything else that is refused on full shelves is an error.
pub(crate) fn was_granted_or_closed(life: &Life, refused: &BTreeSet<usize>) -> Result<bool, String> {
    let void: BTreeSet<usize> =
        life.told.iter().filter_map(|told| if let Says::Void(id) = told.says { Some(id) } else { None }).collect();
    let all: Vec<&Told> = life.told.iter().collect();
    let stands: Vec<&Told> = life.told.iter().filter(|told| !void.contains(&told.id)).collect();
    let mut is_closed = true;
    for told in life.told.iter().filter(|told| refused.contains(&told.id)) {
        match told.says {
            Says::Requested { .. } if told.document.is_some() => {
                let key: Key = (told.document.unwrap_or_default().to_owned(), told.line.clone());
                if word(&all, &key, told.at, i64::MAX) < told.time {
                    return Err(format!("m{} was refused, and its order was not closed", told.id));
                }
                is_closed &= word(&stands, &key, told.at, i64::MAX) >= told.time;
            }
            Says::Posted { hold, .. } | Says::Voided { hold, .. } | Says::Changed { hold, .. }
                if refused.contains(&hold) => {}
            _ => return Err(format!("m{} was refused on full shelves", told.id)),
        }
    }
    Ok(is_closed)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, one: &T, other: &T) -> Result<(), String> {
    if one == other { Ok(()) } else { Err(format!("{what} differ:\n{one:?}\n{other:?}")) }
}

/// Without versions: a position may be published more often than it has to.
fn timeless(mut balances: Vec<Balance>) -> Vec<Balance> {
    for balance in &mut balances {
        balance.version = 0;
    }
    balances
}

fn open(ledger: &impl Ledger) -> BTreeSet<String> {
    ledger.open().into_iter().filter(|item| !item.starts_with("source_")).collect()
}

fn key((location, lot): Spot) -> PositionKey {
    let (sku, location, lot) = (super::told::SKU.to_owned(), location.to_owned(), lot.to_owned());
    PositionKey { sku, location, lot, owner: String::new() }
}

fn figures(ledger: &impl Promises, at: Spot) -> Vec<i64> {
    let PositionKey { sku, location, lot, .. } = key(at);
    let figures = ledger.figures_of(&Question { sku, location, lot, ..Question::default() }, DAYS);
    figures.available.into_iter().map(|figure| figure.expect("there is no fence")).collect()
}

/// In the order of [`Shelf::shown`].
fn shown(balance: &Balance) -> Vec<i64> {
    let account = |account| balance.account(account);
    vec![
        account(Account::OnHand),
        account(Account::Picked),
        account(Account::Reserved),
        account(Account::Allocated),
        balance.claimed.ordered,
        balance.claimed.unpicked,
        balance.on_hand_atp(),
        balance.atp,
    ]
}
