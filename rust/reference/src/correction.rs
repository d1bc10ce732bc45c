//! Corrections: what was posted is taken out and put in again. Directives whose target is not known wait for it.

use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Verdict;

use super::Reference;
use super::directive::{Directive, What};
use super::event::{Body, Content, Key};
use super::memory::{Remembered, Said};
use super::posting::Posting;
use super::promise::Ask;
use super::turn::{Reply, Turn};
use super::{ownership, work};

/// What became of a stock event, for those that are about it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) standing: Standing,
    /// The effective time of the event itself, whatever it was corrected to.
    pub(super) time_ns: i64,
    /// Time, source and id of the correction that holds.
    pub(super) corrected: Option<(i64, String, String)>,
    /// Whether an approval decided it.
    pub(super) is_decided: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Standing {
    Posted(Box<Posting>),
    Pending,
    Voided,
    Denied,
    Observed,
    Refused,
}

impl Record {
    pub(super) fn new(standing: Standing, time_ns: i64) -> Self {
        Self { standing, time_ns, corrected: None, is_decided: false }
    }
}

/// What is known of a target.
pub(super) enum Target {
    /// It may still come.
    Unknown,
    /// It was no stock event, or its content is not remembered.
    OutOfReach,
    Known(Box<Record>),
}

impl Reference {
    /// What is known of a target. A key that only an echo named may still come, as far as anybody knows.
    pub(super) fn target(&self, key: &Key, ordinal: u64, elements_max: u64) -> Target {
        match self.memory.find(key) {
            Some(known) if known.is_directive() => Target::OutOfReach,
            None | Some(Remembered { said: Said::Echo, .. } | Remembered { outcome: Outcome::Held, .. }) => {
                Target::Unknown
            }
            Some(known) if ordinal.saturating_sub(known.ordinal) > elements_max => Target::OutOfReach,
            Some(_) => {
                self.records.get(key).cloned().map_or(Target::OutOfReach, |record| Target::Known(Box::new(record)))
            }
        }
    }

    pub(super) fn void(&mut self, turn: &Turn, key: &Key, sequence: u64) -> Reply {
        let record = match self.target(key, turn.ordinal, self.config.corrections_max) {
            Target::Unknown => return Reply::new(Outcome::Held),
            Target::OutOfReach => return Reply::new(Outcome::UnknownReference),
            Target::Known(record) => record,
        };
        let reply = match &record.standing {
            Standing::Posted(posting) => match self.plan(Some(posting), None) {
                Err(outcome) => return Reply::new(outcome),
                Ok(plan) => self.book(plan, Some(posting), None, sequence),
            },
            Standing::Pending => {
                self.drop_pending(key, sequence);
                Reply::new(Outcome::Applied)
            }
            _ => return Reply::new(Outcome::UnknownReference),
        };
        self.work.resolve_all(&work::of_key(key));
        self.records.insert(key.clone(), Record { standing: Standing::Voided, ..*record });
        reply
    }

    pub(super) fn correct(&mut self, turn: &Turn, key: &Key, event: &Body, sequence: u64) -> Reply {
        let record = match self.target(key, turn.ordinal, self.config.corrections_max) {
            Target::Unknown => return Reply::new(Outcome::Held),
            Target::OutOfReach => return Reply::new(Outcome::UnknownReference),
            Target::Known(record) => record,
        };
        let undo = match &record.standing {
            Standing::Posted(posting) => Some(&**posting),
            Standing::Pending => None,
            _ => return Reply::new(Outcome::UnknownReference),
        };
        if record.corrected.as_ref().is_some_and(|holding| *holding > turn.rank()) {
            return Reply::new(Outcome::Absorbed);
        }
        let time_ns = event.exact_time_ns().unwrap_or(record.time_ns);
        // Its names and units are those of the event's source, under whose key it is posted.
        let named = self.master.named(&key.0, event, time_ns);
        let body = match self.master.measured(named, time_ns, self.config.master) {
            Err(outcome) => return Reply::new(outcome),
            Ok(body) => body,
        };
        let verdict = ownership::of_stock(&self.config, &key.0, &body, time_ns);
        let posting = self.posting(key.clone(), body, time_ns, verdict);
        let plan = match self.plan(undo, Some(&posting)) {
            Err(outcome) => return Reply::new(outcome),
            Ok(plan) => plan,
        };
        let outcome = plan.outcome;
        let was_pending = undo.is_none();
        let reply = self.book(plan, undo, Some(&posting), sequence);
        if was_pending {
            self.drop_pending(key, sequence);
            self.memory.answer_instead(key, outcome);
        }
        let corrected = Some(turn.rank());
        let standing = Standing::Posted(Box::new(posting));
        self.records.insert(key.clone(), Record { standing, corrected, ..*record });
        reply
    }

    /// A posting with a number of its own.
    pub(super) fn posting(&mut self, key: Key, body: Body, time_ns: i64, verdict: Verdict) -> Posting {
        self.postings += 1;
        let rank = ownership::rank(&self.config, verdict, time_ns);
        let names = self.config.documents(&key.0).to_owned();
        let leaving = self.config.claims.leaving(&body.location, &key.0);
        Posting { number: self.postings, key, body, time_ns, rank, names, leaving }
    }

    /// Lets follow, in log order, what waited for an event that is known now.
    pub(super) fn wake(&mut self, key: &Key, sequence: u64) {
        while let Some(at) = self.first_waiting(|turn| {
            directive(turn).target() == Some(key) && !self.is_target_awaited(directive(turn), key)
        }) {
            let turn = self.waiting.remove(at);
            self.finish(&turn, sequence);
        }
    }

    /// Whether what a directive is about may still come.
    fn is_target_awaited(&self, directive: &Directive, key: &Key) -> bool {
        match directive.what {
            What::Promise(_) => self.is_request_awaited(key),
            _ => matches!(self.target(key, 0, u64::MAX), Target::Unknown),
        }
    }

    /// Gives up directives whose time is over, or that are too many, the oldest first.
    pub(super) fn give_up_waiting(&mut self, sequence: u64, is_over: impl Fn(&Self, &Turn) -> bool) {
        while let Some(at) = self.first_waiting(|turn| is_over(self, turn)) {
            let turn = self.waiting.remove(at);
            let outcome = Outcome::UnknownReference;
            if let What::Promise(Ask::Settle { wish, .. }) = &directive(&turn).what {
                self.tell_settled(&turn.key(), wish, outcome, 0, sequence);
            }
            self.tell_later(&turn, &Reply::new(outcome), outcome, sequence);
        }
    }

    fn first_waiting(&self, is_meant: impl Fn(&Turn) -> bool) -> Option<usize> {
        let meant = (0..self.waiting.len()).filter(|at| is_meant(&self.waiting[*at]));
        meant.min_by_key(|at| self.waiting[*at].ordinal)
    }
}

/// What a turn that waits for a target says.
fn directive(turn: &Turn) -> &Directive {
    match &turn.event.content {
        Ok(Content::Directive(directive)) => directive,
        _ => unreachable!("only directives wait for a target"),
    }
}
