//! Held: what waited is read once more, as it was written.

use bumpalo::Bump;
use tallystick_contract::config::Config;
use tallystick_contract::order::Order;
use tallystick_contract::outcome::Outcome;

use crate::core::Core;
use crate::diagnostics::Findings;
use crate::order::HeldEvent;
use crate::read::directive::Directive;
use crate::read::element::{Clock, Element, Place, Seen, see};
use crate::read::reading::{Reading, Said, body_of_directive};

impl Core {
    /// Reads what was held once more.
    pub(crate) fn see_held<'a>(&mut self, held: &'a HeldEvent, arena: &'a Bump) -> (Element<'a>, Seen<'a>) {
        let place = Place { sequence: held.sequence, index: held.index };
        let element = [Element::new(&held.bytes, place, Clock::Event)];
        let mut seen = [Seen::default()];
        see(&element, &mut seen, &mut self.shapes[0], arena);
        let ([element], [mut seen]) = (element, seen);
        seen.hash(&self.secret, self.seed);
        (element, seen)
    }

    /// Reads what an element says, as far as its own form goes.
    #[inline]
    pub(crate) fn read<'e>(
        &self,
        config: &'e Config,
        element: &Element<'e>,
        seen: &Seen<'e>,
        findings: &mut Findings,
    ) -> Result<Said<'e>, Outcome> {
        match Reading::of(config, self.seed, seen) {
            Reading::TooLarge => Err(Outcome::TooLarge),
            Reading::Malformed(malformed) => {
                findings.malformed = Some(malformed);
                Err(Outcome::Malformed)
            }
            Reading::Refused(outcome) => Err(outcome),
            Reading::Claim(claim) => Ok(Said::Stock(claim)),
            Reading::Directive(kind) => {
                let event = &seen.event;
                let directive = Directive::read(config, self.seed, kind, event, element.text()).map_err(|refused| {
                    findings.why = Some(refused.why);
                    refused.outcome
                })?;
                let order = config.ordering(event.source).order;
                if event.sequence.is_none() && matches!(order, Order::Source | Order::Increasing) {
                    return Err(Outcome::SequenceMissing);
                }
                if event.hops.is_some_and(|hops| hops > config.hops_max) {
                    return Err(Outcome::Loop);
                }
                let body = body_of_directive(self.seed, seen, &directive);
                Ok(Said::Directive(Box::new(directive), body))
            }
        }
    }
}
