//! Master data: items and locations as versions that hold from a time on, and the codes that sources have for them
//! (`docs/truth.md` §8).

pub(crate) mod group;

use std::collections::BTreeSet;

use hashbrown::HashTable;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::SCALE;
use tallystick_tables::hash::of_name;
use tallystick_tables::image::{Image, OrNegative};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

/// A source's own code for something: source and code.
pub(crate) type Alias = (Box<str>, Box<str>);

/// Safety stock as a version says it, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Safety {
    #[default]
    Unsaid,
    Everywhere(i64),
    At(Vec<(Box<str>, i64)>),
}

heap_size!(Safety = Unsaid | Everywhere(quantity) | At(locations));

/// What holds of an item or a location from a time on. Versions are ordered by time, then by who said it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Version {
    pub(crate) time_ns: i64,
    pub(crate) source: Box<str>,
    pub(crate) id: Box<str>,
    /// Whether it is not defined any more.
    pub(crate) is_retired: bool,
    /// The name of the base unit.
    pub(crate) unit: Option<Box<str>>,
    /// Base units of other units, in thousandths.
    pub(crate) units: Vec<(Box<str>, i64)>,
    /// Money for one base unit, in thousandths.
    pub(crate) unit_cost: Option<i64>,
    pub(crate) safety: Safety,
    pub(crate) aliases: Vec<Alias>,
    /// The zone of a location's days.
    pub(crate) time_zone: Option<Box<str>>,
}

heap_size!(Version { time_ns, source, id, is_retired, unit, units, unit_cost, safety, aliases, time_zone });

/// Why a quantity cannot be turned into base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unconvertible {
    /// There is no such unit.
    Unknown,
    /// It does not come out in thousandths, or is too large.
    Inexact,
}

impl Version {
    fn rank(&self) -> (i64, &str, &str) {
        (self.time_ns, &self.source, &self.id)
    }

    /// A quantity in a unit as base units, both in thousandths. Exact, or nothing.
    pub(crate) fn convert(&self, quantity: i64, unit: &str) -> Result<i64, Unconvertible> {
        if self.unit.as_deref() == Some(unit) {
            return Ok(quantity);
        }
        let (_, factor) = self.units.iter().find(|(name, _)| **name == *unit).ok_or(Unconvertible::Unknown)?;
        let product = i128::from(quantity) * i128::from(*factor);
        let scale = i128::from(SCALE);
        if product % scale != 0 {
            return Err(Unconvertible::Inexact);
        }
        let within =
            |thousandths: &i64| thousandths.unsigned_abs() <= tallystick_contract::limits::QUANTITY_MAX.unsigned_abs();
        i64::try_from(product / scale).ok().filter(within).ok_or(Unconvertible::Inexact)
    }

    /// Safety stock at a location, if the version says one.
    pub(crate) fn safety_at(&self, location: &str) -> Option<i64> {
        match &self.safety {
            Safety::Unsaid => None,
            Safety::Everywhere(amount) => Some(*amount),
            Safety::At(locations) => {
                let here = locations.iter().find(|(name, _)| **name == *location);
                Some(here.map_or(0, |(_, amount)| *amount))
            }
        }
    }
}

/// A name with its versions, oldest first.
#[derive(Debug)]
struct CatalogEntry {
    name: Box<str>,
    versions: Vec<Version>,
}

heap_size!(CatalogEntry { name, versions });

/// All items, or all locations.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    entries: Vec<CatalogEntry>,
    index: HashTable<u32>,
    /// By source and code: the entries that ever had it.
    aliases: HashTable<(Alias, Vec<u32>)>,
    seed: u64,
    /// Whether anything was ever defined.
    is_used: bool,
    /// Names that were used and not defined, of which somebody was told.
    told: BTreeSet<Box<str>>,
    /// Versions that begin in the future of the log, with their entry.
    coming: BTreeSet<(i64, u32)>,
}

heap_size!(Catalog { entries, index, aliases, seed, is_used, told, coming });

impl Catalog {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Whether nothing was ever defined.
    pub(crate) const fn is_empty(&self) -> bool {
        !self.is_used
    }

    /// Whether any source has codes of its own.
    pub(crate) fn has_aliases(&self) -> bool {
        !self.aliases.is_empty()
    }

    fn find(&self, name: &str) -> Option<u32> {
        let is = |entry: &u32| *self.entries[*entry as usize].name == *name;
        self.index.find(of_name(self.seed, name), is).copied()
    }

    /// The version that holds at a time, unless it is retired then.
    pub(crate) fn at(&self, name: &str, time_ns: i64) -> Option<&Version> {
        self.version_at(self.find(name)?, time_ns)
    }

    fn version_at(&self, entry: u32, time_ns: i64) -> Option<&Version> {
        let versions = &self.entries[entry as usize].versions;
        let count = versions.partition_point(|version| version.time_ns <= time_ns);
        versions[..count].last().filter(|version| !version.is_retired)
    }

    /// The name behind a source's own code at a time, if it has one. Where two have it, the version said last holds.
    pub(crate) fn resolve(&self, source: &str, code: &str, time_ns: i64) -> Option<&str> {
        let hash = alias_hash(self.seed, source, code);
        let ((..), entries) = self.aliases.find(hash, |((known, name), _)| **known == *source && **name == *code)?;
        let holds = |entry: &u32| {
            let version = self.version_at(*entry, time_ns)?;
            let has = version.aliases.iter().any(|(known, name)| **known == *source && **name == *code);
            has.then_some((version.rank(), &*self.entries[*entry as usize].name))
        };
        entries.iter().filter_map(holds).max().map(|(_, name)| name)
    }

    /// Adds a version.
    pub(crate) fn define(&mut self, name: &str, version: Version, log_time_ns: i64) {
        let entry = self.find(name).unwrap_or_else(|| self.add(name));
        self.is_used |= !version.is_retired;
        if version.time_ns > log_time_ns {
            self.coming.insert((version.time_ns, entry));
        }
        for (source, code) in &version.aliases {
            let hash = alias_hash(self.seed, source, code);
            let seed = self.seed;
            let known = self.aliases.entry(
                hash,
                |((known, name), _)| known == source && name == code,
                |((source, code), _)| alias_hash(seed, source, code),
            );
            let entries = known.or_insert_with(|| ((source.clone(), code.clone()), Vec::new())).into_mut();
            if !entries.1.contains(&entry) {
                entries.1.push(entry);
            }
        }
        let versions = &mut self.entries[entry as usize].versions;
        let place = versions.partition_point(|known| known.rank() <= version.rank());
        versions.insert(place, version);
    }

    fn add(&mut self, name: &str) -> u32 {
        let entry = u32::try_from(self.entries.len()).expect("fewer names than 2^32");
        self.entries.push(CatalogEntry { name: name.into(), versions: Vec::new() });
        let (entries, seed) = (&self.entries, self.seed);
        self.index.insert_unique(of_name(seed, name), entry, |entry| of_name(seed, &entries[*entry as usize].name));
        entry
    }

    /// Notes that a name is used and not defined. Returns whether nobody was told yet.
    pub(crate) fn tell(&mut self, name: &str) -> bool {
        !self.told.contains(name) && self.told.insert(name.into())
    }

    /// Whether a version has begun by a time.
    #[inline]
    pub(crate) fn has_begun(&self, log_time_ns: i64) -> bool {
        self.coming.first().is_some_and(|(time_ns, _)| *time_ns <= log_time_ns)
    }

    /// A name with a version that has begun by a time, and when. Each is given once.
    pub(crate) fn begun(&mut self, log_time_ns: i64) -> Option<(Box<str>, i64)> {
        let (time_ns, entry) = *self.coming.first()?;
        if time_ns > log_time_ns {
            return None;
        }
        self.coming.pop_first();
        Some((self.entries[entry as usize].name.clone(), time_ns))
    }

    /// Whether a version of a name begins after a time, and before another.
    pub(crate) fn changes_between(&self, name: &str, after_ns: i64, before_ns: i64) -> bool {
        let Some(entry) = self.find(name) else { return false };
        let versions = &self.entries[entry as usize].versions;
        versions.iter().any(|version| version.time_ns > after_ns && version.time_ns < before_ns)
    }

    /// When the next version begins.
    pub(crate) fn next_begin_ns(&self) -> Option<i64> {
        self.coming.first().map(|(time_ns, _)| *time_ns)
    }

    /// The time zones that versions name, in the order of their names.
    pub(crate) fn time_zones(&self) -> BTreeSet<Box<str>> {
        let versions = self.entries.iter().flat_map(|entry| &entry.versions);
        versions.filter_map(|version| version.time_zone.clone()).collect()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.entries.save(writer);
        self.told.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>, log_time_ns: i64) -> Result<(), SnapshotError> {
        for entry in reader.each::<CatalogEntry>()? {
            let CatalogEntry { name, versions } = entry?;
            if self.find(&name).is_some() {
                return Err(SnapshotError::Damaged("a name of the master data stands in it twice"));
            }
            for version in versions {
                self.define(&name, version, log_time_ns);
            }
        }
        self.told = Image::load(reader)?;
        Ok(())
    }
}

tallystick_tables::image::image!(CatalogEntry { name, versions });

tallystick_tables::image::image!(Version {
    time_ns,
    source,
    id,
    is_retired,
    unit,
    time_zone,
    unit_cost as OrNegative,
    safety,
    units,
    aliases
});

/// Somewhere, or in some unit, so many thousandths.
type Amount = (Box<str>, i64);

impl Image for Safety {
    const LEAST: usize = <(u8, Vec<Amount>)>::LEAST;

    fn save(&self, writer: &mut Writer) {
        match self {
            Self::Unsaid => (0_u8, Vec::<Amount>::new()).save(writer),
            Self::Everywhere(amount) => (1_u8, vec![(Box::<str>::default(), *amount)]).save(writer),
            Self::At(locations) => {
                writer.u8(2);
                locations.save(writer);
            }
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (kind, amounts) = <(u8, Vec<Amount>)>::load(reader)?;
        match (kind, &*amounts) {
            (0, []) => Ok(Self::Unsaid),
            (1, [(_, amount)]) => Ok(Self::Everywhere(*amount)),
            (2, _) => Ok(Self::At(amounts)),
            _ => Err(SnapshotError::Damaged("a safety stock cannot be read")),
        }
    }
}

fn alias_hash(seed: u64, source: &str, code: &str) -> u64 {
    tallystick_tables::hash::fold(of_name(seed, source) ^ seed, of_name(seed, code).rotate_left(32))
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<CatalogEntry>());
        assert!(is_least::<Version>());
        assert!(is_least::<Safety>());
    }
}
