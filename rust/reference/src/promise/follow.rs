//! What a directive about promises does.

use tallystick_contract::outcome::Outcome;

use crate::ask::Ask;
use crate::turn::{Reply, Turn};
use crate::twin::{ProtectionKey, Reference};

use super::schedule::LineStatement;

impl Reference {
    /// What a directive about promises does.
    pub(crate) fn promise_what_is_said(&mut self, turn: &Turn, said: &Ask, sequence: u64) -> Reply {
        let source = &turn.event.source;
        let Ok(said) = self.in_our_names(source, said, turn.admitted.time_ns) else {
            unreachable!("names and units were looked at when it was admitted")
        };
        let mut reply = Reply::new(Outcome::Applied);
        reply.outcome = match said {
            Ask::Schedule { line, due, quantity, supplier } => {
                let said =
                    LineStatement { quantity: Some(quantity.quantity), due: Some(due), supplier, is_scheduled: true };
                self.state(turn, &line, said, sequence)
            }
            Ask::Reschedule { line, due, quantity } => {
                let quantity = quantity.map(|quantity| quantity.quantity);
                self.state(turn, &line, LineStatement { quantity, due, supplier: None, is_scheduled: false }, sequence)
            }
            Ask::Cancel(line) => self.cancel(turn, &line, sequence),
            Ask::Close { document, side } => self.close(turn, &document, side, sequence),
            Ask::Request(request) => return self.request(turn, &request, sequence),
            Ask::Settle { target, wish } => return self.settle(turn, &target, &wish, sequence),
            Ask::Protect { channel, sku, scope, protected, cap } => {
                let key = ProtectionKey { sku, scope, channel };
                reply.raised = self.protect(key, protected.quantity, cap.map(|cap| cap.quantity));
                Outcome::Applied
            }
            Ask::Shift { sku, scope, from, to, quantity } => {
                let key = |channel| ProtectionKey { sku: sku.clone(), scope: scope.clone(), channel };
                self.shift(&key(from), &key(to), quantity.quantity)
            }
            Ask::Group { name, members } => self.define_group(turn.rank(), &name, members),
        };
        reply
    }
}
