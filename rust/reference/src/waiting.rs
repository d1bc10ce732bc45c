//! What was held, and whose turn has come: it is acted on as it is read now, and lets follow what waited for it.

use tallystick_contract::outcome::Outcome;

use super::ask::Ask;
use super::body::Key;
use super::correction::Target;
use super::directive::{Directive, What};
use super::event::{self, Content};
use super::promise;
use super::turn::{Reply, Turn};
use super::twin::Reference;

impl Reference {
    /// Acts on what was held, as it is read and admitted now, and tells of it at its own place.
    pub(super) fn finish(&mut self, turn: &Turn, sequence: u64) {
        let turn = match self.read_again(turn.clone()) {
            Err(outcome) => {
                // A refusal by content or configuration is not remembered; but its key is, and was answered before.
                let is_repeated = outcome == Outcome::UnknownReference;
                let remembered = if is_repeated { outcome } else { Outcome::Duplicate };
                return self.tell_later(turn, &Reply::new(outcome), remembered, sequence);
            }
            Ok(turn) => turn,
        };
        let reply = self.act(turn.clone(), sequence);
        if reply.outcome != Outcome::Held {
            self.tell_later(&turn, &reply, reply.outcome, sequence);
        }
    }

    /// The final answer of what was held, and what that lets follow.
    pub(super) fn tell_later(&mut self, turn: &Turn, reply: &Reply, remembered: Outcome, sequence: u64) {
        let (key, mut reply) = (turn.key(), reply.clone());
        reply.is_told |= promise::is_answered(&turn.text, reply.outcome);
        self.memory.answer_instead(&key, remembered);
        let answer = self.tell(Some(&turn.event), turn.place, &reply);
        self.answer_request(&turn.event, &turn.text, reply.outcome, sequence);
        self.followed.push(answer);
        self.wake(&key, sequence);
    }

    /// What was held is read and admitted once more: configuration and master data may be others now. Its time has
    /// passed its bounds already.
    fn read_again(&self, turn: Turn) -> Result<Turn, Outcome> {
        let event = event::decode(&turn.text, &self.config).map_err(|_| Outcome::Malformed)?;
        let content = event.content.as_ref().map_err(|outcome| *outcome)?;
        if event.hops > self.config.hops_max {
            return Err(Outcome::Loop);
        }
        let admitted = self.admit(&event.source, content, turn.admitted.time_ns)?;
        Ok(Turn { event, admitted, ..turn })
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

    /// Directives whose time is over, or that are too many, are given up, the oldest first.
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
