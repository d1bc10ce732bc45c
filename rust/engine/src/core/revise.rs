//! Revising: a position is written anew, because what was posted to it is another.

use tallystick_contract::config::Config;

use crate::core::Core;
use crate::diagnostics::Diagnostics;
use crate::read::event::Event;
use crate::stock::changes::Tracing;
use crate::stock::post::tell_crossing;
use crate::stock::revision::Revised;

impl Core {
    /// Writes what was drafted for a position, and tells if that lets it cross zero. Returns its place.
    pub(crate) fn write_revised(
        &mut self,
        config: &Config,
        (part, names, revised): (usize, crate::stock::ledger::Names, Revised),
        sequence: u64,
        tracing: Option<Tracing>,
        diagnostics: &mut Diagnostics,
    ) -> u32 {
        let ordinal = self.posts;
        self.posts += 1;
        let part = &mut self.stock.parts[part];
        let (draft, is_hidden) = (revised.draft, revised.is_hidden);
        let place = part.ledger.write_revision(revised, sequence);
        if !is_hidden || draft.place().is_none() {
            part.touch(place, ordinal, tracing);
        }
        let [sku, location, lot, owner] = names.map(|name| part.names.name(name));
        let at = Event { sku, lot, owner, ..Event::default() };
        tell_crossing(config, &draft, &at, location, diagnostics);
        place
    }
}
