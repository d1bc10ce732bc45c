//! Groups: names for several locations, as versions that hold from a time on.

use std::collections::BTreeMap;

use tallystick_contract::heap_size::heap_size;
use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

/// The members of a group from a time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grouping {
    pub(crate) is_retired: bool,
    pub(crate) locations: Vec<Box<str>>,
    pub(crate) groups: Vec<Box<str>>,
}

heap_size!(Grouping { is_retired, locations, groups });

tallystick_tables::image::image!(Grouping { is_retired, locations, groups });

/// What a group is from a time on. Versions are ordered by time, then by who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GroupVersion {
    time_ns: i64,
    source: Box<str>,
    id: Box<str>,
    said: Grouping,
}

heap_size!(GroupVersion { time_ns, source, id, said });

tallystick_tables::image::image!(GroupVersion { time_ns, source, id, said });

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<Box<str>, Vec<GroupVersion>>,
}

heap_size!(Groups { groups });

impl Groups {
    /// The version that holds at a time, unless the group is retired then.
    fn at(&self, group: &str, time_ns: i64) -> Option<&Grouping> {
        let versions = self.groups.get(group)?;
        let count = versions.partition_point(|version| version.time_ns <= time_ns);
        versions[..count].last().map(|version| &version.said).filter(|said| !said.is_retired)
    }

    /// The locations of a group at a time, in their order and each once; nothing if it is not defined then.
    pub(crate) fn members(&self, group: &str, time_ns: i64) -> Option<Vec<&str>> {
        let (name, _) = self.groups.get_key_value(group)?;
        self.at(name, time_ns)?;
        let mut members = Vec::new();
        self.collect(name, time_ns, &mut members, &mut Vec::new());
        Some(members)
    }

    fn collect<'g>(&'g self, group: &'g str, time_ns: i64, members: &mut Vec<&'g str>, seen: &mut Vec<&'g str>) {
        if seen.contains(&group) {
            return;
        }
        seen.push(group);
        let Some(said) = self.at(group, time_ns) else { return };
        for location in &said.locations {
            if !members.contains(&&**location) {
                members.push(location);
            }
        }
        for inner in &said.groups {
            self.collect(inner, time_ns, members, seen);
        }
    }

    /// Whether a location is in a group at a time.
    pub(crate) fn contains(&self, group: &str, location: &str, time_ns: i64) -> bool {
        self.members(group, time_ns).is_some_and(|members| members.contains(&location))
    }

    /// Whether a group would contain itself through others, whenever they hold.
    pub(crate) fn reaches(&self, from: &[Box<str>], group: &str) -> bool {
        let mut open: Vec<&str> = from.iter().map(|name| &**name).collect();
        let mut seen: Vec<&str> = Vec::new();
        while let Some(name) = open.pop() {
            if name == group {
                return true;
            }
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let versions = self.groups.get(name).into_iter().flatten();
            open.extend(versions.flat_map(|version| &version.said.groups).map(|name| &**name));
        }
        false
    }

    /// Adds a version.
    pub(crate) fn define(&mut self, group: &str, (time_ns, source, id): (i64, &str, &str), said: Grouping) {
        let versions = self.groups.entry(group.into()).or_default();
        let rank = |version: &GroupVersion| (version.time_ns, &*version.source, &*version.id) <= (time_ns, source, id);
        let place = versions.partition_point(rank);
        versions.insert(place, GroupVersion { time_ns, source: source.into(), id: id.into(), said });
    }

    /// The first time after another at which a version begins.
    pub(crate) fn next_change(&self, after_ns: i64) -> Option<i64> {
        let begins = self.groups.values().flatten().map(|version| version.time_ns);
        begins.filter(|ns| *ns > after_ns).min()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.groups.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for group in reader.each::<(Box<str>, Vec<GroupVersion>)>()? {
            let (name, versions) = group?;
            for GroupVersion { time_ns, source, id, said } in versions {
                self.define(&name, (time_ns, &source, &id), said);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<GroupVersion>());
    }
}
