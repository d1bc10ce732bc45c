//! Supply lines (`docs/claims.md` §7): what is to come, and what of it came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tallystick_contract::account::Account;
use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::PastDue;
use tallystick_contract::rules::Flow;

use crate::event::Key;
use crate::number::Number;
use crate::posting::{Posting, ends};
use crate::promise::Due;
use crate::{Reference, directive};

use super::{Order, Side, order_of};

/// What was said of a line that is to come.
#[derive(Debug, Clone)]
pub(crate) struct SupplyFact {
    pub(crate) number: Number,
    pub(crate) at: PositionKey,
    pub(crate) time_ns: i64,
    /// Who said it, and under which key.
    pub(crate) key: Key,
    pub(crate) posting: Option<u64>,
    pub(crate) said: SupplySaid,
}

#[derive(Debug, Clone)]
pub(crate) enum SupplySaid {
    Due {
        quantity: Option<i64>,
        due: Option<Due>,
        supplier: Option<String>,
        is_scheduled: bool,
    },
    Received(i64),
    /// Whether all that should have come was received.
    Closed {
        is_received: bool,
    },
}

/// A line at a position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supply {
    /// The quantity that holds, or held when it was closed.
    pub(crate) quantity: Option<i128>,
    pub(crate) due: Option<Due>,
    supplier: Option<String>,
    source: String,
    pub(crate) received: i128,
    /// When it was closed by word last, where it was not opened again.
    pub(crate) closed_ns: Option<i64>,
    /// Whether nobody expects what is missing, and nobody misses it.
    is_given_up: bool,
    /// Whether what is missing should have come.
    is_received: bool,
    /// What is still to come.
    pub(crate) rest: i128,
}

/// A quantity and a day.
type Stated = (Option<i128>, Option<Due>);

/// What was told of lines, and since when they are closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    off: BTreeSet<(Order, Number, PositionKey)>,
    overdue: BTreeSet<(Order, Number, PositionKey)>,
    /// What was given up because its day had passed: the quantity and the day that this holds for.
    dropped: BTreeMap<(Order, Number, PositionKey), Stated>,
    seen_after_closing: BTreeSet<(Order, Number)>,
    closed_since: BTreeMap<(Order, Number), i64>,
}

pub(super) type Places = BTreeMap<(Number, PositionKey), Supply>;

impl Supply {
    pub(crate) fn is_open(&self) -> bool {
        self.rest > 0
    }

    fn missing(&self) -> i128 {
        self.quantity.unwrap_or(0) - self.received
    }
}

/// What a posting received of a line; less than nothing where it went back.
fn of_posting(posting: &Posting) -> Option<(Order, Vec<SupplyFact>)> {
    let body = &posting.body;
    let step = body.rule.step.filter(|_| !body.document.is_empty())?;
    let gives_to_supplier = || body.rule.postings.iter().any(|each| ends(*each, body)[1] == Account::Supplier);
    let amount = match step.flow {
        Flow::Receive => body.quantity,
        Flow::Return if gives_to_supplier() => -body.quantity,
        _ => return None,
    };
    let fact = |said| SupplyFact {
        number: body.line.clone(),
        at: body.key(),
        time_ns: posting.time_ns,
        key: posting.key.clone(),
        posting: Some(posting.number),
        said,
    };
    let mut facts = vec![fact(SupplySaid::Received(amount))];
    if step.flow == Flow::Receive && body.reason == "final" {
        facts.push(fact(SupplySaid::Closed { is_received: true }));
    }
    Some((order_of(posting), facts))
}

/// The facts of one line at one position that count after a time and until another.
fn supply(facts: &[SupplyFact], (number, at): (&Number, &PositionKey), after_ns: Option<i64>, until_ns: i64) -> Supply {
    let mut supply = Supply::default();
    let own = facts.iter().filter(|fact| (&fact.number, &fact.at) == (number, at) && fact.time_ns <= until_ns);
    let mut wanted: Option<(i64, i64)> = None;
    let mut due: Option<(i64, Due)> = None;
    let mut who: Option<(bool, i64, &String, &Option<String>)> = None;
    for fact in own {
        match &fact.said {
            SupplySaid::Received(amount) => supply.received += i128::from(*amount),
            SupplySaid::Due { quantity, due: said, supplier, is_scheduled } if Some(fact.time_ns) > after_ns => {
                // At one time the lesser quantity holds, and the later day.
                let is_later = |known: i64| fact.time_ns > known;
                if let Some(quantity) = *quantity
                    && wanted.is_none_or(|(time_ns, known)| {
                        is_later(time_ns) || (time_ns == fact.time_ns && quantity < known)
                    })
                {
                    wanted = Some((fact.time_ns, quantity));
                }
                if let Some(said) = *said
                    && due.is_none_or(|(time_ns, known)| {
                        is_later(time_ns) || (time_ns == fact.time_ns && said.instant() > known.instant())
                    })
                {
                    due = Some((fact.time_ns, said));
                }
                // Who schedules says whose supply it is; a line that was only moved is that of who moved it. At one
                // time names decide.
                let rank = (*is_scheduled, fact.time_ns, &fact.key.0, supplier);
                if who.is_none_or(|known| rank > known) {
                    who = Some(rank);
                    (supply.supplier, supply.source) = (supplier.clone(), fact.key.0.clone());
                }
            }
            SupplySaid::Closed { .. } | SupplySaid::Due { .. } => {}
        }
    }
    supply.quantity = wanted.map(|(_, quantity)| i128::from(quantity));
    supply.due = due.map(|(_, due)| due);
    supply
}

impl Reference {
    /// All lines of an order, at each of their positions.
    pub(crate) fn supply_of(&self, order: &Order) -> Arc<Places> {
        let supplies = &self.claims.supplies;
        supplies.known(order, || self.compute_supply(order, supplies.facts(order)))
    }

    /// What is to come of an order, with a fact that is only tried.
    pub(crate) fn supply_with(&self, order: &Order, more: &SupplyFact) -> Places {
        let facts: Vec<SupplyFact> = self.claims.supplies.facts(order).iter().chain([more]).cloned().collect();
        self.compute_supply(order, &facts)
    }

    fn compute_supply(&self, order: &Order, facts: &[SupplyFact]) -> Places {
        let closings = self.closings_of(order, Side::Supply);
        let keys: BTreeSet<_> = facts.iter().map(|fact| (fact.number.clone(), fact.at.clone())).collect();
        let mut places = Places::new();
        for (number, at) in keys {
            let said = words(facts, &number, &at.location);
            // At one time, what should have come is missed.
            let closed = said.chain(closings.iter().map(|time_ns| (*time_ns, false))).max();
            let closed_ns = closed.map(|(time_ns, _)| time_ns);
            let mut now = supply(facts, (&number, &at), closed_ns, i64::MAX);
            if let Some((closed_ns, is_received)) = closed.filter(|_| now.quantity.is_none()) {
                let then = supply(facts, (&number, &at), None, closed_ns);
                now = Supply { received: now.received, closed_ns: Some(closed_ns), ..then };
                (now.is_received, now.is_given_up) = (is_received, !is_received);
            }
            places.insert((number, at), now);
        }
        spread(facts, &mut places);
        look_at_rests(&mut places);
        lessen_rests(&mut places);
        for ((known, number, at), dropped) in &self.claims.supply_flags.dropped {
            let here = places.get_mut(&(number.clone(), at.clone())).filter(|_| known == order);
            if let Some(supply) = here.filter(|supply| *dropped == (supply.quantity, supply.due)) {
                (supply.rest, supply.is_given_up) = (0, true);
            }
        }
        places
    }

    /// Takes what a posting received out, and puts what another received in.
    pub(crate) fn tell_supply(&mut self, undo: Option<&Posting>, add: Option<&Posting>) {
        if let Some(undo) = undo
            && let Some((order, _)) = of_posting(undo)
        {
            self.claims.supplies.retain(&order, |fact| fact.posting != Some(undo.number));
        }
        if let Some((order, facts)) = add.and_then(of_posting) {
            self.claims.supplies.add(&order, facts);
        }
    }

    /// Whether something came of a line, or somebody wanted more of it, after it was closed by word.
    fn is_supply_seen_after_closing(&self, order: &Order, number: &Number) -> bool {
        let facts = self.claims.supplies.facts(order);
        let closings = self.closings_of(order, Side::Supply);
        let is_after = |fact: &SupplyFact| {
            let said = words(facts, number, &fact.at.location).map(|(closed_ns, _)| closed_ns);
            said.chain(closings.iter().copied()).max().is_some_and(|closed_ns| fact.time_ns > closed_ns)
        };
        let takes = |fact: &SupplyFact| match fact.said {
            SupplySaid::Received(amount) => amount > 0,
            SupplySaid::Due { quantity, .. } => quantity.is_some_and(|quantity| quantity > 0),
            SupplySaid::Closed { .. } => false,
        };
        facts.iter().any(|fact| fact.number == *number && takes(fact) && is_after(fact))
    }

    /// Tells of lines that were closed by word, and of which something was said all the same.
    fn look_at_closed_supply(&mut self, order: &Order) -> Vec<(String, String)> {
        let facts = self.claims.supplies.facts(order);
        let is_closed = |fact: &SupplyFact| matches!(fact.said, SupplySaid::Closed { .. });
        let are_open = !facts.iter().any(is_closed) && self.closings_of(order, Side::Supply).is_empty();
        if are_open && self.claims.supply_flags.seen_after_closing.is_empty() {
            return Vec::new();
        }
        let numbers: BTreeSet<Number> = facts.iter().map(|fact| fact.number.clone()).collect();
        let mut raised = Vec::new();
        for number in numbers {
            let key = (order.clone(), number);
            let is_seen = self.is_supply_seen_after_closing(order, &key.1);
            let subject = order.subject(&key.1);
            let seen = &mut self.claims.supply_flags.seen_after_closing;
            if is_seen && seen.insert(key.clone()) {
                raised.push(("closed_line".to_owned(), subject));
            } else if !is_seen && seen.remove(&key) {
                self.work.resolve("closed_line", &subject);
            }
        }
        raised
    }

    /// Where what is still to come counts, from bucket 0 on.
    pub(crate) fn bucket_of_supply(&self, at: &PositionKey, supply: &Supply) -> Option<usize> {
        let promise = &self.config.promise;
        let away = self.buckets_away(&at.location, supply.due?);
        let bucket = if away >= 0 {
            away
        } else {
            match promise.past_due(supply.supplier.as_deref(), &supply.source) {
                PastDue::Exception | PastDue::Drop => return None,
                PastDue::Slide(buckets) => i64::from(buckets),
                PastDue::Keep(buckets) => (-away <= i64::from(buckets)).then_some(0)?,
            }
        };
        usize::try_from(bucket).ok().filter(|bucket| *bucket < self.horizon())
    }

    /// Forgets closed lines in time, and says what does not fit since somebody looked last.
    pub(crate) fn look_at_supply(&mut self) -> Vec<(String, String)> {
        self.forget_supply();
        let orders: Vec<Order> = self.claims.supplies.orders().cloned().collect();
        for order in &orders {
            for ((number, at), supply) in self.supply_of(order).iter() {
                self.look_whether_overdue((order.clone(), number.clone(), at.clone()), supply);
            }
        }
        let mut raised = Vec::new();
        self.settle_what_was_voided();
        for order in &orders {
            for ((number, at), supply) in self.supply_of(order).iter() {
                raised.extend(self.look_whether_it_fits((order.clone(), number.clone(), at.clone()), supply));
            }
            raised.extend(self.look_at_closed_supply(order));
        }
        raised
    }

    /// Of a line of which nothing is left, because all was voided, nothing was said after its closing.
    fn settle_what_was_voided(&mut self) {
        let supplies = &self.claims.supplies;
        let is_left =
            |(order, number): &(Order, Number)| supplies.facts(order).iter().any(|fact| fact.number == *number);
        let seen = std::mem::take(&mut self.claims.supply_flags.seen_after_closing);
        let (seen, gone): (BTreeSet<_>, BTreeSet<_>) = seen.into_iter().partition(is_left);
        self.claims.supply_flags.seen_after_closing = seen;
        for (order, number) in gone {
            self.work.resolve("closed_line", &order.subject(&number));
        }
    }

    /// Time alone makes a line overdue, so this is about no event, also where the line came too late.
    fn look_whether_overdue(&mut self, key: (Order, Number, PositionKey), supply: &Supply) {
        let is_past = supply.due.is_some_and(|due| self.buckets_away(&key.2.location, due) < 0);
        let is_overdue = supply.is_open() && is_past;
        let policy = self.config.promise.past_due(supply.supplier.as_deref(), &supply.source);
        let is_dropped = is_overdue && policy == PastDue::Drop;
        let was_told = self.claims.supply_flags.overdue.contains(&key);
        if !is_overdue && !was_told {
            return;
        }
        let subject = supply_subject(&key.0, &key.1, &key.2);
        // What was dropped stays for a person to look at.
        if is_overdue && !is_dropped {
            self.claims.supply_flags.overdue.insert(key.clone());
        } else {
            self.claims.supply_flags.overdue.remove(&key);
        }
        if is_dropped {
            self.claims.supplies.forget(&key.0);
            self.claims.supply_flags.dropped.insert(key, (supply.quantity, supply.due));
        }
        if is_overdue && !was_told {
            self.work.raise("supply_overdue", &subject);
        }
        if !is_overdue && was_told {
            self.work.resolve("supply_overdue", &subject);
        }
    }

    fn look_whether_it_fits(&mut self, key: (Order, Number, PositionKey), supply: &Supply) -> Option<(String, String)> {
        let tolerance = self.config.receipts;
        let quantity = supply.quantity.unwrap_or(0);
        let more = -supply.missing();
        let is_wrong =
            supply.quantity.is_some() && !supply.is_given_up && (more > 0 || (more < 0 && supply.is_received));
        let is_tolerated = tolerance.is_some_and(|receipts| {
            more.abs() <= i128::from(receipts.tolerance)
                || more.abs() * 100 <= quantity * i128::from(receipts.tolerance_percent)
        });
        let is_off = is_wrong && !is_tolerated;
        if !is_off && self.claims.supply_flags.off.is_empty() {
            return None;
        }
        let raised = ("receipt_variance".to_owned(), supply_subject(&key.0, &key.1, &key.2));
        // Lots and owners of a line at a location are told of as one.
        let off = &mut self.claims.supply_flags.off;
        let is_kin = |other: &(Order, Number, PositionKey)| {
            (&other.0, &other.1, &other.2.location) == (&key.0, &key.1, &key.2.location)
        };
        let was_off = off.iter().any(is_kin);
        if is_off {
            off.insert(key);
            return (!was_off).then_some(raised);
        }
        off.remove(&key);
        if was_off && !off.iter().any(is_kin) {
            self.work.resolve(&raised.0, &raised.1);
        }
        None
    }

    /// Lines of which nothing more comes are remembered for a while.
    fn forget_supply(&mut self) {
        let (now_ns, window_ns) = (self.log_time_ns.unwrap_or(0), self.config.dedup_window_ns);
        for order in self.claims.supplies.orders().cloned().collect::<Vec<_>>() {
            let places = self.supply_of(&order);
            let numbers: BTreeSet<Number> = places.keys().map(|(number, _)| number.clone()).collect();
            for number in numbers {
                let key = (order.clone(), number.clone());
                let is_open = places.iter().any(|((line, _), supply)| *line == number && supply.is_open());
                if is_open {
                    self.claims.supply_flags.closed_since.remove(&key);
                    continue;
                }
                let since_ns = *self.claims.supply_flags.closed_since.entry(key.clone()).or_insert(now_ns);
                if since_ns.saturating_add(window_ns) <= now_ns {
                    let flags = &mut self.claims.supply_flags;
                    flags.closed_since.remove(&key);
                    flags.off.retain(|(known, line, _)| (known, line) != (&order, &number));
                    flags.overdue.retain(|(known, line, _)| (known, line) != (&order, &number));
                    flags.dropped.retain(|(known, line, _), _| (known, line) != (&order, &number));
                    flags.seen_after_closing.remove(&key);
                    self.claims.supplies.retain(&order, |fact| fact.number != number);
                }
            }
            self.claims.supplies.drop_blank(&order);
        }
    }

    /// Whether a supply line governs what a receipt's line is to bring.
    pub(crate) fn is_scheduled(&self, line: &directive::Line) -> bool {
        let order = Order { names: line.names.clone(), document: line.document.clone(), sku: line.sku.clone() };
        let is_it = |fact: &SupplyFact| {
            fact.number == line.number
                && fact.at.location == line.location
                && matches!(fact.said, SupplySaid::Due { .. })
        };
        self.claims.supplies.facts(&order).iter().any(is_it)
    }
}

/// What exceptions about a supply line are about.
fn supply_subject(order: &Order, number: &Number, at: &PositionKey) -> String {
    format!("{}/{}", order.subject(number), at.location)
}

/// When a line was closed by word at a location, and whether all that should have come was received.
fn words<'a>(facts: &'a [SupplyFact], number: &'a Number, location: &'a str) -> impl Iterator<Item = (i64, bool)> {
    let is_its = move |fact: &&SupplyFact| fact.number == *number;
    let here = facts.iter().filter(is_its).filter(move |fact| fact.at.location == location);
    here.filter_map(|fact| match fact.said {
        SupplySaid::Closed { is_received } => Some((fact.time_ns, is_received)),
        _ => None,
    })
}

/// Receipts without a line belong to the lines of their location, in their order, each up to its rest.
fn spread(facts: &[SupplyFact], places: &mut Places) {
    let mut pool: BTreeMap<PositionKey, i128> = BTreeMap::new();
    for ((_, at), supply) in places.iter().filter(|((number, _), _)| number.is_none()) {
        pool.insert(at.clone(), supply.received);
    }
    let whole = pool.clone();
    let lines: BTreeSet<(String, Number)> = places
        .keys()
        .filter(|(number, _)| !number.is_none())
        .map(|(number, at)| (at.location.clone(), number.clone()))
        .collect();
    for (location, number) in lines {
        let is_here = |at: &PositionKey| at.location == location;
        let own = || places.iter().filter(|((line, at), _)| *line == number && is_here(at)).map(|(_, supply)| supply);
        let mut rest: i128 = own().map(Supply::missing).sum();
        let closed_ns =
            own().filter_map(|supply| supply.closed_ns).max().filter(|_| own().all(|it| it.closed_ns.is_some()));
        for (at, left) in pool.iter_mut().filter(|(at, _)| is_here(at)) {
            let mut most = rest.min(*left);
            if let Some(closed_ns) = closed_ns {
                let then = supply(facts, (&Number::None, at), None, closed_ns).received;
                most = most.min(then - (whole[at] - *left));
            }
            if most > 0 {
                *left -= most;
                rest -= most;
                let begin = || Supply { closed_ns, is_given_up: closed_ns.is_some(), ..Supply::default() };
                places.entry((number.clone(), at.clone())).or_insert_with(begin).received += most;
            }
        }
    }
    for (at, left) in pool {
        places.entry((Number::None, at)).or_default().received = left;
    }
}

/// What is still to come: at each position, and at most what is missing of all.
fn look_at_rests(places: &mut Places) {
    let numbers: BTreeSet<Number> = places.keys().map(|(number, _)| number.clone()).collect();
    for number in numbers {
        let mut missing = 0;
        let mut rests = 0;
        for (_, supply) in places.iter_mut().filter(|((line, _), _)| *line == number) {
            let is_closed = supply.closed_ns.is_some();
            supply.rest = if is_closed { 0 } else { supply.missing().max(0) };
            missing += if is_closed { supply.missing().min(0) } else { supply.missing() };
            rests += supply.rest;
        }
        let mut beyond = rests - missing.max(0);
        for (_, supply) in places.iter_mut().filter(|((line, _), _)| *line == number) {
            let here = beyond.min(supply.rest).max(0);
            supply.rest -= here;
            beyond -= here;
        }
    }
}

/// What came of lines beyond what was stated of them came of what is stated without a line.
fn lessen_rests(places: &mut Places) {
    let mut lines: BTreeMap<(String, Number), [i128; 2]> = BTreeMap::new();
    for ((number, at), supply) in places.iter().filter(|((number, _), _)| !number.is_none()) {
        let [stated, received] = lines.entry((at.location.clone(), number.clone())).or_default();
        *stated += supply.quantity.unwrap_or(0);
        *received += supply.received;
    }
    let mut beyond: BTreeMap<String, i128> = BTreeMap::new();
    for ((location, _), [stated, received]) in lines {
        *beyond.entry(location).or_default() += (received - stated.max(0)).max(0);
    }
    for ((_, at), supply) in places.iter_mut().filter(|((number, _), _)| number.is_none()) {
        let beyond = beyond.entry(at.location.clone()).or_default();
        let here = (*beyond).min(supply.rest);
        supply.rest -= here;
        *beyond -= here;
    }
}
