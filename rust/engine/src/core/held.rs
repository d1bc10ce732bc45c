//! Held: what waited is read once more, as it was written.

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::order::Order;
use tallystick_contract::outcome::Outcome;

use crate::core::Core;
use crate::diagnostics::Diagnostics;
use crate::order::HeldEvent;
use crate::read::directive::Directive;
use crate::read::element::{Clock, Decoded, Element, Place, see};
use crate::read::reading::{Command, Reading, body_of_directive};

impl Core {
    /// Reads what was held once more.
    pub(crate) fn see_held<'a>(&mut self, held: &'a HeldEvent, arena: &'a Bump) -> (Element<'a>, Decoded<'a>) {
        let place = Place { sequence: held.sequence, index: held.index };
        let element = [Element::new(&held.bytes, place, Clock::Event)];
        let mut decoded = [Decoded::default()];
        see(&element, &mut decoded, &mut self.shapes[0], arena);
        let ([element], [mut decoded]) = (element, decoded);
        decoded.hash(&self.secret, self.seed);
        (element, decoded)
    }

    /// Reads what an element says, as far as its own form goes.
    #[inline]
    pub(crate) fn read<'e>(
        &self,
        config: &'e Config,
        element: &Element<'e>,
        decoded: &Decoded<'e>,
        diagnostics: &mut Diagnostics,
    ) -> Result<Command<'e>, Outcome> {
        match Reading::of(config, self.seed, decoded) {
            Reading::TooLarge => Err(Outcome::TooLarge),
            Reading::Malformed(malformed) => {
                diagnostics.malformed = Some(malformed);
                Err(Outcome::Malformed)
            }
            Reading::Refused(outcome) => Err(outcome),
            Reading::Posting(claim) => Ok(Command::Stock(claim)),
            Reading::Directive(kind) => {
                let event = &decoded.event;
                let directive = Directive::read(config, self.seed, kind, event, element.text()).map_err(|refused| {
                    diagnostics.why = Some(refused.why);
                    refused.outcome
                })?;
                let order = config.ordering(event.source).order;
                if event.sequence.is_none() && matches!(order, Order::Source | Order::Increasing) {
                    return Err(Outcome::SequenceMissing);
                }
                if event.hops.is_some_and(|hops| hops > config.hops_max) {
                    return Err(Outcome::Loop);
                }
                let body = body_of_directive(self.seed, decoded, &directive);
                Ok(Command::Directive(Box::new(directive), body))
            }
        }
    }
}
