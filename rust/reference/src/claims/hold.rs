//! Holds: what was granted, and what posts, voids and changes made of it, folded in the order of their effective times.

use tallystick_contract::balance::PositionKey;

use crate::ask::{Amounts, Place, Scope};
use crate::body::Key;
use crate::calendar::Due;
use crate::document::Order;
use crate::number::Number;

/// A reservation: one hold for each line that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Reservation {
    pub(crate) key: Key,
    /// When it was effective.
    pub(crate) time_ns: i64,
    pub(crate) lines: Vec<Held>,
    /// Nothing for never.
    pub(crate) expires_ns: Option<i64>,
    /// Whether its end came.
    pub(crate) is_over: bool,
    /// In the order in which they count.
    pub(crate) settled: Vec<Settlement>,
}

/// What was granted of a line.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) parts: Vec<Part>,
    /// Where more would come from.
    pub(crate) place: Place,
    pub(crate) due: Option<Due>,
    pub(crate) channel: Option<String>,
    pub(crate) purpose: Option<Purpose>,
}

/// The line that something is for, and when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Purpose {
    pub(crate) names: String,
    pub(crate) document: String,
    pub(crate) number: Number,
    pub(crate) time_ns: i64,
    /// When it was raised, of what is only tried on top of a hold.
    pub(crate) raised_ns: Option<i64>,
}

impl Purpose {
    pub(crate) fn order(&self, sku: &str) -> Order {
        Order { names: self.names.clone(), document: self.document.clone(), sku: sku.to_owned() }
    }
}

/// What was granted of a position.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) at: PositionKey,
    pub(crate) channel: Option<String>,
    /// When it is wanted; nothing for at once.
    pub(crate) due: Option<Due>,
    pub(crate) granted: i64,
    /// What had protections there when it was taken.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) purpose: Option<Purpose>,
    /// Its place among all that was taken and protected.
    pub(crate) number: u64,
    /// What was posted of it when its line was forgotten.
    pub(crate) forgotten: Option<i64>,
}

/// What somebody said of a reservation.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    pub(crate) time_ns: i64,
    pub(crate) key: Key,
    pub(crate) deed: Deed,
}

#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Change {
        /// What is live afterwards, line by line; nothing where it stays.
        amounts: Option<Vec<i64>>,
        /// What each part may take of more than before.
        extra: Vec<Vec<i64>>,
        end: End,
    },
    Post {
        amounts: Amounts,
        keeps: bool,
    },
    Void {
        amounts: Amounts,
    },
}

/// What a change says of a hold's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Same,
    Never,
    At(i64),
}

impl Settlement {
    /// What decides at one time: changes, the lesser first; posts, the greater first; voids with a quantity, voids
    /// without.
    fn rank(&self) -> (i64, u8, Vec<i64>, i64) {
        let sizes = |amounts: &Amounts| match amounts {
            Amounts::All => vec![i64::MAX],
            Amounts::One(amount) => vec![*amount],
            Amounts::Each(amounts) => amounts.clone(),
        };
        let (class, sizes, last) = match &self.deed {
            Deed::Change { amounts, end, .. } => {
                let end = match end {
                    End::Same => i64::MIN,
                    End::Never => i64::MAX,
                    End::At(end_ns) => *end_ns,
                };
                let mut sizes = amounts.clone().unwrap_or_default();
                sizes.insert(0, sizes.iter().sum());
                (0, sizes, end)
            }
            Deed::Post { amounts, keeps } => (1, sizes(amounts).iter().map(|size| -size).collect(), i64::from(!*keeps)),
            Deed::Void { amounts: Amounts::All } => (3, Vec::new(), 0),
            Deed::Void { amounts } => (2, sizes(amounts), 0),
        };
        (self.time_ns, class, sizes, last)
    }
}

/// What became of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Become {
    pub(crate) live: i64,
    /// Times and amounts.
    pub(crate) posted: Vec<(i64, i64)>,
    pub(crate) lapsed: Vec<(i64, i64)>,
    /// What was given back in part; below zero what was taken beyond it.
    pub(crate) given: Vec<(i64, i64)>,
    /// When more was taken than before.
    pub(crate) raised: Vec<i64>,
}

impl Become {
    pub(crate) fn posted(&self) -> i64 {
        self.posted.iter().map(|(_, amount)| amount).sum()
    }

    fn raise(&mut self, more: i64, time_ns: i64) {
        if more > 0 {
            self.live += more;
            self.given.push((time_ns, -more));
            self.raised.push(time_ns);
        }
    }

    /// Whether there is nothing to say of it.
    pub(crate) fn is_blank(&self) -> bool {
        self.live == 0 && self.posted.is_empty() && self.lapsed.is_empty()
    }

    /// What had become of it at a time: what left it later was still live.
    pub(crate) fn until(&self, until_ns: i64) -> Self {
        let split = |steps: &[(i64, i64)]| -> (Vec<(i64, i64)>, i64) {
            let (known, later): (Vec<_>, Vec<_>) = steps.iter().partition(|(time_ns, _)| *time_ns <= until_ns);
            (known, later.iter().map(|(_, amount)| amount).sum())
        };
        let [(posted, sent), (lapsed, ended), (given, back)] =
            [&self.posted, &self.lapsed, &self.given].map(|steps| split(steps));
        let raised = self.raised.iter().copied().filter(|time_ns| *time_ns <= until_ns).collect();
        Self { live: self.live + sent + ended + back, posted, lapsed, given, raised }
    }
}

/// What became of a reservation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold {
    /// By line and part.
    pub(crate) lines: Vec<Vec<Become>>,
    /// When it ends, or ended.
    pub(crate) expires_ns: Option<i64>,
    /// When its time runs out by what was granted and changed, whatever was given back.
    pub(crate) runs_out_ns: Option<i64>,
    /// Lines of which more was given back than was live.
    pub(crate) over: Vec<bool>,
    /// What was live of each line before and after each settlement that counted, by its key.
    pub(crate) steps: Vec<(Key, Vec<i64>, Vec<i64>)>,
}

impl Fold {
    fn live(&self) -> Vec<i64> {
        self.lines.iter().map(|line| line.iter().map(|part| part.live).sum()).collect()
    }

    /// What was live before and after a settlement.
    pub(crate) fn step(&self, key: &Key) -> Option<(&[i64], &[i64])> {
        self.steps.iter().find(|(known, ..)| known == key).map(|(_, before, after)| (&**before, &**after))
    }

    /// Takes an amount out of what is live of a line, part by part.
    fn take(&mut self, line: usize, amount: i64) -> Vec<i64> {
        let mut missing = amount;
        let take = |part: &mut Become| {
            let here = missing.min(part.live);
            part.live -= here;
            missing -= here;
            here
        };
        self.lines[line].iter_mut().map(take).collect()
    }

    /// Returns an amount of what is live of a line back.
    fn give_back(&mut self, line: usize, amount: i64, time_ns: i64) {
        let taken = self.take(line, amount);
        for (part, amount) in self.lines[line].iter_mut().zip(taken) {
            part.given.extend((amount > 0).then_some((time_ns, amount)));
        }
    }

    fn lapse(&mut self, time_ns: i64) {
        for part in self.lines.iter_mut().flatten().filter(|part| part.live > 0) {
            part.lapsed.push((time_ns, part.live));
            part.live = 0;
        }
    }

    fn raise(&mut self, line: usize, more: i64, extra: &[i64], time_ns: i64) {
        let mut missing = more;
        let parts = &mut self.lines[line];
        if parts.is_empty() {
            return;
        }
        for (part, most) in parts.iter_mut().zip(extra) {
            let here = missing.min(*most);
            missing -= here;
            part.raise(here, time_ns);
        }
        parts[0].raise(missing, time_ns);
    }
}

impl Reservation {
    /// Adds what somebody said.
    pub(crate) fn settle(&mut self, settlement: Settlement) {
        self.settled.push(settlement);
        self.settled.sort_by_key(Settlement::rank);
    }

    /// What became of it.
    pub(crate) fn fold(&self) -> Fold {
        let begin = |part: &Part| Become { live: part.granted, ..Become::default() };
        let lines: Vec<Vec<Become>> = self.lines.iter().map(|line| line.parts.iter().map(begin).collect()).collect();
        let over = vec![false; lines.len()];
        let (expires_ns, runs_out_ns) = (self.expires_ns, self.expires_ns);
        let mut fold = Fold { lines, expires_ns, runs_out_ns, over, steps: Vec::new() };
        for settlement in &self.settled {
            if fold.expires_ns.is_some_and(|end_ns| end_ns < settlement.time_ns) {
                // Nothing is live there; what gives back more than that says so all the same.
                let nothing = vec![0; fold.lines.len()];
                fold.give_back_too_much(&settlement.deed, &nothing);
                fold.steps.push((settlement.key.clone(), nothing.clone(), nothing));
                continue;
            }
            let before = fold.live();
            let is_end = fold.apply(settlement, &before);
            let after = fold.live();
            fold.steps.push((settlement.key.clone(), before, after));
            if is_end {
                // Whatever is effective later finds nothing.
                fold.expires_ns = Some(settlement.time_ns.saturating_sub(1));
            }
        }
        if let Some(end_ns) = fold.expires_ns.filter(|_| self.is_over) {
            fold.lapse(end_ns);
        }
        fold
    }
}

impl Fold {
    /// Applies one settlement, and says whether it ends the hold.
    fn apply(&mut self, settlement: &Settlement, before: &[i64]) -> bool {
        let time_ns = settlement.time_ns;
        match &settlement.deed {
            // Nothing is live there: it is no part of the fold.
            Deed::Change { .. } if before.iter().all(|live| *live == 0) => false,
            Deed::Change { amounts, extra, end } => {
                for (line, amount) in amounts.iter().flatten().enumerate() {
                    self.give_back(line, (before[line] - amount).max(0), time_ns);
                    let more = (amount - before[line]).max(0);
                    if more > 0 {
                        self.raise(line, more, extra.get(line).map_or(&[], Vec::as_slice), time_ns);
                    }
                }
                match end {
                    End::Same => {}
                    End::Never => self.expires_ns = None,
                    End::At(end_ns) => self.expires_ns = Some(*end_ns),
                }
                self.runs_out_ns = self.expires_ns;
                false
            }
            Deed::Post { amounts, keeps } => {
                for (line, wanted) in wanted(amounts, before).into_iter().enumerate() {
                    for (part, amount) in self.take(line, wanted).into_iter().enumerate() {
                        if amount > 0 {
                            self.lines[line][part].posted.push((time_ns, amount));
                        }
                    }
                    if !keeps {
                        self.give_back(line, i64::MAX, time_ns);
                    }
                }
                false
            }
            Deed::Void { amounts: Amounts::All } => {
                self.lapse(time_ns);
                true
            }
            deed @ Deed::Void { amounts } => {
                self.give_back_too_much(deed, before);
                for (line, wanted) in wanted(amounts, before).into_iter().enumerate() {
                    self.give_back(line, wanted, time_ns);
                }
                false
            }
        }
    }

    fn give_back_too_much(&mut self, deed: &Deed, live: &[i64]) {
        if let Deed::Void { amounts } = deed {
            for (line, wanted) in wanted(amounts, live).into_iter().enumerate() {
                self.over[line] |= wanted > live[line];
            }
        }
    }
}

/// How much of each line is meant.
pub(crate) fn wanted(amounts: &Amounts, live: &[i64]) -> Vec<i64> {
    match amounts {
        Amounts::All => live.to_vec(),
        Amounts::One(amount) => vec![*amount],
        Amounts::Each(amounts) => amounts.clone(),
    }
}
