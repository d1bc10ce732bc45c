//! Schedule lines: what is to come and to go, and what events did about it.

use crate::balance::PositionKey;
use crate::config::PastDue;
use crate::limits::ACCOUNT_MAX;
use crate::outcome::Outcome;
use crate::reference::Reference;
use crate::reference::posting::Posting;

use super::calendar::Due;
use super::reservation::Part;

/// Whether a line comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Supply,
    Demand,
}

/// What a line is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineKey {
    pub(crate) side: Side,
    pub(crate) document: String,
    pub(crate) number: Option<i64>,
    pub(crate) at: PositionKey,
}

/// How far a unit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Received,
    Allocated,
    Picked,
    Shipped,
}

/// What one event did about a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Consumed {
    /// The posting.
    pub(crate) number: u64,
    pub(crate) step: Step,
    pub(crate) amount: i128,
}

/// A line, open or closed.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) due: Due,
    pub(crate) quantity: i64,
    supplier: Option<String>,
    /// Who scheduled it last.
    source: String,
    consumed: Vec<Consumed>,
    /// When somebody said that nothing more comes of it.
    closed_by_word_ns: Option<i64>,
    /// Whether that was a receipt, of which the rest should have come.
    is_received: bool,
    /// Since when all has come or gone.
    complete_since_ns: Option<i64>,
    /// Whether it did not fit when it was looked at last.
    is_off: bool,
    /// Whether it was told of as overdue.
    is_told: bool,
}

impl LineKey {
    /// What exceptions about the line are about.
    fn subject(&self) -> String {
        let number = self.number.map(|number| number.to_string()).unwrap_or_default();
        format!("{}/{number}/{}/{}", self.document, self.at.sku, self.at.location)
    }
}

impl Line {
    fn new(due: Due, quantity: i64, supplier: Option<String>, source: String) -> Self {
        Self {
            due,
            quantity,
            supplier,
            source,
            consumed: Vec::new(),
            closed_by_word_ns: None,
            is_received: false,
            complete_since_ns: None,
            is_off: false,
            is_told: false,
        }
    }

    fn sum(&self, step: Step) -> i128 {
        let sum: i128 = self.consumed.iter().filter(|each| each.step == step).map(|each| each.amount).sum();
        sum.max(0)
    }

    /// One unit goes through reservation, allocation, pick and shipment, and is counted once.
    fn taken(&self, reserved: i128) -> i128 {
        let steps = [Step::Received, Step::Picked, Step::Shipped].map(|step| self.sum(step));
        steps.into_iter().fold(self.sum(Step::Allocated) + reserved, i128::max)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed_by_word_ns.is_none() && self.complete_since_ns.is_none()
    }

    /// What is still to come or to go, beside what is reserved for it.
    fn rest(&self, reserved: i128) -> i128 {
        if self.is_open() { (i128::from(self.quantity) - self.taken(reserved)).max(0) } else { 0 }
    }

    /// It closes when all was received or shipped, and opens again when that is taken back.
    fn look_whether_complete(&mut self, now_ns: i64) {
        let is_complete = self.sum(Step::Received).max(self.sum(Step::Shipped)) >= i128::from(self.quantity);
        self.complete_since_ns = is_complete.then(|| self.complete_since_ns.unwrap_or(now_ns));
    }
}

/// What an event does about a line, and whether it says that it was the last.
struct Effect {
    key: LineKey,
    step: Step,
    amount: i128,
    is_final: bool,
}

fn effect_of(posting: &Posting) -> Option<Effect> {
    let body = &posting.body;
    let quantity = i128::from(body.quantity);
    let (side, step, amount) = match &*body.rule.name {
        "stock.received" | "transfer.received" => (Side::Supply, Step::Received, quantity),
        "stock.allocated" => (Side::Demand, Step::Allocated, quantity),
        "stock.deallocated" | "stock.short_picked" => (Side::Demand, Step::Allocated, -quantity),
        "stock.picked" => (Side::Demand, Step::Picked, quantity),
        "stock.shipped" | "transfer.dispatched" => (Side::Demand, Step::Shipped, quantity),
        _ => return None,
    };
    if body.document.is_empty() {
        return None;
    }
    let key = LineKey { side, document: body.document.clone(), number: body.line, at: body.key() };
    let is_final = body.reason == "final" && matches!(step, Step::Received | Step::Shipped);
    Some(Effect { key, step, amount, is_final })
}

impl Reference {
    /// Opens a line, replaces an open one, or opens a closed one again.
    pub(super) fn schedule(
        &mut self,
        key: &LineKey,
        (due, quantity): (Due, i64),
        (supplier, source): (Option<String>, &str),
        sequence: u64,
    ) -> Outcome {
        let mut line = Line::new(due, quantity, supplier, source.to_owned());
        match self.promise.lines.get(key) {
            Some(known) => {
                (line.consumed, line.is_off, line.is_told) = (known.consumed.clone(), known.is_off, known.is_told);
            }
            None if key.side == Side::Supply => line.consumed = self.received_before(key),
            None => {}
        }
        self.put_line(key, line, sequence)
    }

    pub(super) fn reschedule(
        &mut self,
        key: &LineKey,
        due: Option<Due>,
        quantity: Option<i64>,
        sequence: u64,
    ) -> Outcome {
        let Some(line) = self.promise.lines.get(key).filter(|line| line.is_open()) else {
            return Outcome::UnknownReference;
        };
        let mut line = line.clone();
        line.due = due.unwrap_or(line.due);
        line.quantity = quantity.unwrap_or(line.quantity);
        self.put_line(key, line, sequence)
    }

    pub(super) fn cancel(&mut self, key: &LineKey, sequence: u64) -> Outcome {
        if !self.promise.lines.get(key).is_some_and(Line::is_open) {
            return Outcome::UnknownReference;
        }
        self.close_lines(|other| other == key, false, sequence);
        Outcome::Applied
    }

    /// Closes open lines by word: all that should have come was received, or nothing more is wanted.
    pub(crate) fn close_lines(&mut self, is_meant: impl Fn(&LineKey) -> bool, is_received: bool, sequence: u64) {
        let now_ns = self.now_ns();
        let meant = self.promise.lines.iter().filter(|(key, line)| is_meant(key) && line.is_open());
        let meant: Vec<LineKey> = meant.map(|(key, _)| key.clone()).collect();
        for key in &meant {
            let line = self.promise.lines.get_mut(key).expect("it was found");
            (line.closed_by_word_ns, line.is_received) = (Some(now_ns), is_received);
            self.reflect(&key.at, sequence);
        }
    }

    /// A line as it is from now on, unless its side of the position would be too much.
    fn put_line(&mut self, key: &LineKey, mut line: Line, sequence: u64) -> Outcome {
        (line.closed_by_word_ns, line.is_received) = (None, false);
        line.look_whether_complete(self.now_ns());
        let beside = self.promise.lines.iter().filter(|(other, _)| (other.side, &other.at) == (key.side, &key.at));
        let beside = beside.filter(|(other, line)| *other != key && line.is_open());
        let beside: i128 = beside.map(|(_, line)| i128::from(line.quantity)).sum();
        if line.is_open() && beside + i128::from(line.quantity) > i128::from(ACCOUNT_MAX) {
            return Outcome::Overflow;
        }
        self.promise.lines.insert(key.clone(), line);
        self.positions.entry(key.at.clone()).or_default();
        self.reflect(&key.at, sequence);
        Outcome::Applied
    }

    /// What a posting that is taken out gives back, and one that is put in consumes. Says which lines it came too late for.
    pub(in crate::reference) fn consume(
        &mut self,
        undo: Option<&Posting>,
        add: Option<&Posting>,
    ) -> Vec<(String, String)> {
        let now_ns = self.now_ns();
        if let Some((undo, effect)) = undo.and_then(|undo| Some((undo, effect_of(undo)?)))
            && let Some(line) = self.promise.lines.get_mut(&effect.key)
        {
            line.consumed.retain(|each| each.number != undo.number);
            line.look_whether_complete(now_ns);
        }
        let Some((add, effect)) = add.and_then(|add| Some((add, effect_of(add)?))) else { return Vec::new() };
        let Some(line) = self.promise.lines.get_mut(&effect.key) else { return Vec::new() };
        let was_open = line.is_open();
        line.consumed.push(Consumed { number: add.number, step: effect.step, amount: effect.amount });
        line.look_whether_complete(now_ns);
        if effect.is_final && was_open {
            (line.closed_by_word_ns, line.is_received) = (Some(now_ns), true);
        }
        // What only gives back is never too late; what completes its step behind the others is not, either.
        let is_too_late = effect.amount > 0
            && !was_open
            && (line.closed_by_word_ns.is_some() || line.sum(effect.step) > i128::from(line.quantity));
        let too_late = is_too_late.then(|| ("closed_line".to_owned(), effect.key.subject()));
        too_late.into_iter().collect()
    }

    /// What a reservation that is posted allocates of an open line.
    pub(super) fn allocate(&mut self, key: &LineKey, number: u64, amount: i64) {
        if let Some(line) = self.promise.lines.get_mut(key).filter(|line| line.is_open()) {
            line.consumed.push(Consumed { number, step: Step::Allocated, amount: amount.into() });
        }
    }

    /// What counts of a line: its open rest, beside what live reservations for it hold.
    pub(super) fn rest_of(&self, key: &LineKey, line: &Line, beside: &[Part]) -> i128 {
        let is_demand = key.side == Side::Demand;
        line.rest(if is_demand { self.reserved_for(key, beside) } else { 0 })
    }

    /// Where an open rest counts, from bucket 0 on.
    pub(super) fn bucket_of_line(&self, key: &LineKey, line: &Line) -> Option<usize> {
        let promise = &self.config.promise;
        let away = self.buckets_away(&key.at.location, line.due);
        let bucket = match key.side {
            _ if away >= 0 => away,
            Side::Demand => promise.keeps_past_due_demand.then_some(0)?,
            Side::Supply => match promise.past_due(line.supplier.as_deref(), &line.source) {
                PastDue::Exception | PastDue::Drop => return None,
                PastDue::Slide(buckets) => i64::from(buckets),
                PastDue::Keep(buckets) => (-away <= i64::from(buckets)).then_some(0)?,
            },
        };
        usize::try_from(bucket).ok().filter(|bucket| *bucket < self.horizon())
    }

    /// Forgets closed lines in time, and says what does not fit since somebody looked last.
    pub(super) fn look_at_lines(&mut self) -> Vec<(String, String)> {
        let (now_ns, window_ns) = (self.now_ns(), self.config.dedup_window_ns);
        self.promise.lines.retain(|_, line| {
            let closed_ns = line.closed_by_word_ns.or(line.complete_since_ns);
            closed_ns.is_none_or(|closed_ns| closed_ns.saturating_add(window_ns) > now_ns)
        });
        let keys: Vec<LineKey> = self.promise.lines.keys().filter(|key| key.side == Side::Supply).cloned().collect();
        for key in &keys {
            self.look_whether_overdue(key);
        }
        keys.iter().filter_map(|key| self.look_whether_it_fits(key)).collect()
    }

    /// Time alone makes a line overdue, so this is about no event, also where the line came too late.
    fn look_whether_overdue(&mut self, key: &LineKey) {
        let line = &self.promise.lines[key];
        let is_overdue = line.is_open() && self.buckets_away(&key.at.location, line.due) < 0;
        let is_dropped =
            is_overdue && self.config.promise.past_due(line.supplier.as_deref(), &line.source) == PastDue::Drop;
        let now_ns = self.now_ns();
        let line = self.promise.lines.get_mut(key).expect("it was found");
        let (is_new, was_told) = (is_overdue && !line.is_told, line.is_told);
        // What was dropped stays for a person to look at.
        line.is_told = is_overdue && !is_dropped;
        if is_dropped {
            line.closed_by_word_ns = Some(now_ns);
        }
        if is_new {
            self.work.raise("supply_overdue", &key.subject());
        }
        if !is_overdue && was_told {
            self.work.resolve("supply_overdue", &key.subject());
        }
    }

    fn look_whether_it_fits(&mut self, key: &LineKey) -> Option<(String, String)> {
        let tolerance = self.config.receipts;
        let line = self.promise.lines.get_mut(key).expect("it was found");
        let more = line.sum(Step::Received) - i128::from(line.quantity);
        let is_given_up = line.closed_by_word_ns.is_some() && !line.is_received;
        let is_wrong = !is_given_up && (more > 0 || (more < 0 && line.is_received));
        let is_tolerated = tolerance.is_some_and(|receipts| {
            more.abs() <= i128::from(receipts.tolerance)
                || more.abs() * 100 <= i128::from(line.quantity) * i128::from(receipts.tolerance_percent)
        });
        let was_off = line.is_off;
        line.is_off = is_wrong && !is_tolerated;
        let raised = ("receipt_variance".to_owned(), key.subject());
        if !line.is_off && was_off {
            self.work.resolve(&raised.0, &raised.1);
        }
        (line.is_off && !was_off).then_some(raised)
    }
}
