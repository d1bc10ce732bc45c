//! Context: what the verbs of claims and promises work on beside their own state. The spine makes it for each call.

use tallystick_contract::config::Config;

use crate::core::Core;
use crate::schedule::Schedule;

/// What a verb may change.
pub(crate) struct Books<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) schedule: &'a mut Schedule,
    /// The configuration under which the element in hand is judged.
    pub(crate) config: &'a Config,
    /// The log sequence that positions reflect from then on.
    pub(crate) sequence: u64,
}

/// What a verb may look at.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) core: &'a Core,
    pub(crate) schedule: &'a Schedule,
    pub(crate) config: &'a Config,
}

impl<'a> Books<'a> {
    pub(crate) const fn new(core: &'a mut Core, schedule: &'a mut Schedule, config: &'a Config, sequence: u64) -> Self {
        Self { core, schedule, config, sequence }
    }

    /// These books, to be looked at.
    pub(crate) const fn view(&self) -> View<'_> {
        View { core: self.core, schedule: self.schedule, config: self.config }
    }
}

impl<'a> View<'a> {
    pub(crate) const fn new(core: &'a Core, schedule: &'a Schedule, config: &'a Config) -> Self {
        Self { core, schedule, config }
    }
}
