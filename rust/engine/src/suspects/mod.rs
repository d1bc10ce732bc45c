//! Suspects: events under different keys that say the same.

use tallystick_contract::config::Config;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::{Dedup, fingerprint};

use crate::core::Core;
use crate::diagnostics::{Diagnostics, Raised};
use crate::read::event::{Event, given};
use crate::read::reading::Posting;
/// What events said lately, by a fingerprint of what they mean.
#[derive(Debug)]
pub(crate) struct Suspects {
    pub(crate) meanings: Dedup,
}

heap_size!(Suspects { meanings });

impl Suspects {
    /// Raises `duplicate_suspect` when an event under another key said the same, where the configuration asks for it.
    pub(crate) fn suspect_duplicate(
        &mut self,
        core: &Core,
        config: &Config,
        (event, posting): (&Event<'_>, &Posting<'_>),
        (outcome, log_time_ns): (Outcome, i64),
        diagnostics: &mut Diagnostics,
    ) {
        if !config.duplicate_suspect || !matches!(outcome, Outcome::Applied | Outcome::Absorbed) {
            return;
        }
        let Some(document) = &event.document else { return };
        let meaning = format!(
            "{}\0{:?}\0{:?}\0{:?}\0{:?}\0{document}\0{:?}\0{}",
            posting.rule.name,
            given(event.sku),
            given(event.location),
            given(event.lot),
            given(event.owner),
            event.line,
            posting.quantity
        );
        self.meanings.advance(log_time_ns);
        let print = fingerprint(&core.secret, "", &meaning);
        if self.meanings.renew(print) {
            diagnostics.raised.push(Raised::of("duplicate_suspect"));
        } else {
            self.meanings.remember(print, Known::default());
        }
    }
}
