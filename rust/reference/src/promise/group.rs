//! Groups of locations, and which of them hold when.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::outcome::Outcome;

use crate::ask::{Members, Place};
use crate::master::Rank;
use crate::twin::{GroupVersion, Reference};

impl Reference {
    /// Adds a version, unless the group would contain itself.
    pub(crate) fn define_group(&mut self, rank: Rank, group: &str, members: Option<Members>) -> Outcome {
        let contains = |members: &Members| members.groups.iter().any(|member| self.leads_to(member, group));
        if members.as_ref().is_some_and(contains) {
            return Outcome::UnknownReference;
        }
        self.promise.groups.push(GroupVersion { rank, group: group.to_owned(), members });
        Outcome::Applied
    }

    /// The locations of a group at the log's time, each once; nothing for a group that is not defined.
    pub(crate) fn locations_of(&self, group: &str) -> Option<Vec<String>> {
        let members = self.members_of(group)?;
        let mut locations = Vec::new();
        let nested = members.groups.iter().filter_map(|member| self.locations_of(member)).flatten();
        for location in members.locations.iter().cloned().chain(nested) {
            if !locations.contains(&location) {
                locations.push(location);
            }
        }
        Some(locations)
    }

    /// The positions that a line can be taken from, in their order; nothing for a group that is not defined.
    pub(crate) fn places_of(&self, place: &Place) -> Option<Vec<PositionKey>> {
        match place {
            Place::Position(at) => Some(vec![at.clone()]),
            Place::Group { sku, group, lot, owner } => {
                let at = |location| PositionKey { sku: sku.clone(), location, lot: lot.clone(), owner: owner.clone() };
                Some(self.locations_of(group)?.into_iter().map(at).collect())
            }
        }
    }

    /// Whether a location is in a group at the log's time.
    pub(crate) fn is_in(&self, location: &str, group: &str) -> bool {
        self.locations_of(group).is_some_and(|locations| locations.iter().any(|known| known == location))
    }

    fn members_of(&self, group: &str) -> Option<&Members> {
        let now = self.log_time_ns.unwrap_or(0);
        let begun = self.promise.groups.iter().filter(|version| version.group == group && version.rank.0 <= now);
        begun.max_by_key(|version| version.rank.clone())?.members.as_ref()
    }

    /// Whether a group contains another, or is it, by what any version ever said.
    fn leads_to(&self, from: &str, to: &str) -> bool {
        let mut reached = BTreeSet::from([from.to_owned()]);
        loop {
            let known = self.promise.groups.iter().filter(|version| reached.contains(&version.group));
            let members = known.filter_map(|version| version.members.as_ref()).flat_map(|members| &members.groups);
            let next: BTreeSet<String> = reached.iter().chain(members).cloned().collect();
            if next.len() == reached.len() {
                return reached.contains(to);
            }
            reached = next;
        }
    }
}
