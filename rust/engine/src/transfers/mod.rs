//! Transfers on their way: what was dispatched and not taken in time is told (`docs/truth.md` §5). Matched first in,
//! first out, per position.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::account::Account;
use tallystick_contract::config::Config;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::{instant, quantity};
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::core::Core;
use crate::diagnostics::{About, Diagnostics};
use crate::read::element::Place;
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::stock::PositionNames;
use crate::stock::legs::{Legs, Terms};
const IN_TRANSIT: usize = Account::InTransit as usize;

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dispatch {
    key: [u64; 2],
    /// Source and id of the event.
    name: Box<str>,
    /// In thousandths.
    quantity: i64,
    /// The log's time.
    at_ns: i64,
    is_told: bool,
}

heap_size!(Dispatch { key, name, quantity, at_ns, is_told });

tallystick_tables::image::image!(Dispatch { key, name, quantity, at_ns, is_told });

/// What is on its way to a position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Inbound {
    /// In the order of the log.
    dispatches: Vec<Dispatch>,
    /// What was taken, by the key of who took it, in thousandths.
    taken: BTreeMap<[u64; 2], i64>,
}

heap_size!(Inbound { dispatches, taken });

tallystick_tables::image::image!(Inbound { dispatches, taken });

/// All that is on its way, by where it goes.
#[derive(Debug, Default)]
pub(crate) struct InTransit {
    by_place: BTreeMap<PositionNames, Inbound>,
    by_key: BTreeMap<[u64; 2], PositionNames>,
    /// When a dispatch has been on its way for too long.
    due: BTreeSet<(i64, PositionNames)>,
}

heap_size!(InTransit { by_place, by_key, due });

impl Inbound {
    /// Dispatches that were taken whole.
    fn arrived(&self) -> usize {
        let mut left: i128 = self.taken.values().map(|quantity| i128::from(*quantity)).sum();
        let mut arrived = 0;
        for dispatch in &self.dispatches {
            left -= i128::from(dispatch.quantity);
            if left < 0 {
                break;
            }
            arrived += 1;
        }
        arrived
    }
}

impl InTransit {
    pub(crate) fn is_due(&self, log_time_ns: i64) -> bool {
        self.due.first().is_some_and(|(due_ns, _)| *due_ns <= log_time_ns)
    }

    /// When the next dispatch has been on its way for too long.
    pub(crate) fn next_due_ns(&self) -> Option<i64> {
        self.due.first().map(|(due_ns, _)| *due_ns)
    }

    /// Finds out anew when dispatches have been on their way for too long, since the configuration may say another age.
    pub(crate) fn rewatch(&mut self, age_ns: Option<i64>) {
        self.due.clear();
        let Some(age_ns) = age_ns else { return };
        for (place, inbound) in &self.by_place {
            let open = inbound.dispatches[inbound.arrived()..].iter().filter(|dispatch| !dispatch.is_told);
            self.due.extend(open.map(|dispatch| (dispatch.at_ns.saturating_add(age_ns), place.clone())));
        }
    }

    /// Forgets positions at which all has arrived, and nothing moved since a time.
    pub(crate) fn forget(&mut self, before_ns: i64) {
        let by_key = &mut self.by_key;
        self.by_place.retain(|_, inbound| {
            let is_old = inbound.dispatches.iter().all(|dispatch| dispatch.at_ns < before_ns);
            let is_kept = !is_old || inbound.arrived() < inbound.dispatches.len() || inbound.dispatches.is_empty();
            if !is_kept {
                for key in inbound.dispatches.iter().map(|dispatch| &dispatch.key).chain(inbound.taken.keys()) {
                    by_key.remove(key);
                }
            }
            is_kept
        });
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.by_place.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>, age_ns: Option<i64>) -> Result<(), SnapshotError> {
        for inbound in reader.each::<(PositionNames, Inbound)>()? {
            let (place, inbound) = inbound?;
            let keys = inbound.dispatches.iter().map(|dispatch| &dispatch.key).chain(inbound.taken.keys());
            self.by_key.extend(keys.map(|key| (*key, place.clone())));
            self.by_place.insert(place, inbound);
        }
        self.rewatch(age_ns);
        Ok(())
    }
}

impl InTransit {
    /// Notes what an event sends on its way, or takes.
    pub(crate) fn note_transfer(
        &mut self,
        core: &Core,
        config: &Config,
        (event, posting, quantity): (&Event<'_>, &Posting<'_>, i64),
        key: Fingerprint,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(age_ns) = config.transfer_age_ns else { return };
        let legs = Legs::lay_out(posting.rule, posting.statuses, Terms::of(config, event, posting.rule));
        for leg in legs.as_slice().iter().filter(|leg| leg.slot == IN_TRANSIT) {
            let location = if leg.remote { event.to_location } else { event.location };
            let place: PositionNames = [event.sku, location, event.lot, event.owner].map(Into::into);
            let at_ns = core.now_ns();
            let inbound = self.by_place.entry(place.clone()).or_default();
            if leg.gives {
                inbound.taken.insert(key.0, quantity);
            } else {
                let name = format!("{}/{}", event.source, event.id);
                inbound.dispatches.push(Dispatch { key: key.0, name: name.into(), quantity, at_ns, is_told: false });
            }
            self.by_key.insert(key.0, place.clone());
            self.settle_inbound(age_ns, &place, diagnostics);
        }
    }

    /// Takes back what an event sent or took, because it never did.
    pub(crate) fn retract_transfer(&mut self, config: &Config, key: Fingerprint, diagnostics: &mut Diagnostics) {
        let Some(age_ns) = config.transfer_age_ns else { return };
        let Some(place) = self.by_key.remove(&key.0) else { return };
        let Some(inbound) = self.by_place.get_mut(&place) else { return };
        inbound.taken.remove(&key.0);
        if let Some(at) = inbound.dispatches.iter().position(|dispatch| dispatch.key == key.0) {
            let gone = inbound.dispatches.remove(at);
            diagnostics.settled.push(("transfer_overdue", subject_of(&place, &gone.name)));
        }
        self.settle_inbound(age_ns, &place, diagnostics);
    }

    /// Resolves what was told of dispatches that have arrived since.
    fn settle_inbound(&mut self, age_ns: i64, place: &PositionNames, diagnostics: &mut Diagnostics) {
        let Some(inbound) = self.by_place.get(place) else { return };
        let arrived = inbound.arrived();
        // Each is told of once, whatever becomes of what took it.
        for dispatch in inbound.dispatches[..arrived].iter().filter(|dispatch| dispatch.is_told) {
            diagnostics.settled.push(("transfer_overdue", subject_of(place, &dispatch.name)));
        }
        // What had arrived may be on its way again.
        for dispatch in inbound.dispatches[arrived..].iter().filter(|dispatch| !dispatch.is_told) {
            self.due.insert((dispatch.at_ns.saturating_add(age_ns), place.clone()));
        }
    }

    /// Tells of dispatches that have been on their way for too long.
    pub(crate) fn tell_overdue(&mut self, core: &mut Core, config: &Config, at: Place) {
        let (Some(now_ns), Some(age_ns)) = (core.log_time_ns, config.transfer_age_ns) else { return };
        while let Some((due_ns, place)) = self.due.first().filter(|(due_ns, _)| *due_ns <= now_ns).cloned() {
            self.due.remove(&(due_ns, place.clone()));
            let Some(inbound) = self.by_place.get_mut(&place) else { continue };
            let arrived = inbound.arrived();
            let mut overdue = Vec::new();
            for dispatch in &mut inbound.dispatches[arrived..] {
                if !dispatch.is_told && dispatch.at_ns.saturating_add(age_ns) <= due_ns {
                    dispatch.is_told = true;
                    overdue.push((dispatch.name.clone(), dispatch.quantity, dispatch.at_ns));
                }
            }
            for (name, sent, at_ns) in overdue {
                let subject = subject_of(&place, &name);
                let about = About {
                    code: "transfer_overdue",
                    subject: &subject,
                    source: None,
                    sku: Some(&place[0]),
                    location: Some(&place[1]),
                    cause: format!(
                        "{} units that {name} dispatched on {} are on their way for more than transfers.age",
                        quantity::text(sent),
                        instant::format(at_ns)
                    ),
                    missing: None,
                    place: at,
                };
                core.raise(config, about);
            }
        }
    }
}

fn subject_of(place: &PositionNames, name: &str) -> String {
    let [sku, location, lot, owner] = place;
    format!("{sku}/{location}/{lot}/{owner}/{name}")
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Dispatch>());
        assert!(is_least::<Inbound>());
    }
}
