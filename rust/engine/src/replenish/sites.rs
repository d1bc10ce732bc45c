//! Sites: a SKU at a location, by number. A site has the rule that fits it, its positions and what was sold of it.

use tallystick_contract::config::{Config, Replenish};
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::hash::of_words;
use tallystick_tables::index::Index;
use tallystick_tables::intern::NameId;

use crate::core::Core;
use crate::stock::Spot;

/// The number of a site.
pub(super) type SiteNumber = u32;

/// No rule fits a position, or it belongs to others.
const NONE: SiteNumber = SiteNumber::MAX;
/// Nobody has looked which site a position is of.
const UNKNOWN: SiteNumber = SiteNumber::MAX - 1;

/// What names a site: the part of the stock, and the ids there of SKU and location.
pub(super) type SiteKey = (u32, [NameId; 2]);

/// A SKU at a location. Its figure is the sum over the lots that are our own.
#[derive(Debug)]
pub(super) struct ReplenishSite {
    pub(super) key: SiteKey,
    /// The rule that fits, by its place among them.
    rule: Option<u16>,
    /// It is looked at once the element is done.
    pub(super) is_touched: bool,
    /// It is below its point and waits for its sources.
    pub(super) is_waiting: bool,
    /// Its positions, by their places in the part.
    pub(super) places: Vec<u32>,
    /// What was sold, by day since 1970, in thousandths and in the order of days.
    pub(super) sold: Vec<(i64, i64)>,
}

heap_size!(ReplenishSite { key, rule, is_touched, is_waiting, places, sold });

impl ReplenishSite {
    pub(super) fn spots(&self) -> impl Iterator<Item = Spot> + '_ {
        self.places.iter().map(|place| Spot { part: self.key.0, place: *place })
    }

    pub(super) fn rule<'c>(&self, config: &'c Config) -> Option<&'c Replenish> {
        self.rule.map(|rule| &config.replenish[usize::from(rule)])
    }
}

/// All sites that a rule fits, or did.
#[derive(Debug, Default)]
pub(super) struct Sites {
    pub(super) all: Vec<ReplenishSite>,
    numbers: Index,
    /// The site of each position, by part and place.
    of_place: Vec<Vec<SiteNumber>>,
}

heap_size!(Sites { all, numbers, of_place });

/// SKU and location of a key.
pub(super) fn names(core: &Core, (part, [sku, location]): SiteKey) -> [&str; 2] {
    let names = &core.stock.parts[part as usize].names;
    [names.name(sku), names.name(location)]
}

/// The key of a SKU at a location, where both are known.
pub(super) fn key_of(core: &Core, [sku, location]: [&str; 2]) -> Option<SiteKey> {
    let part = core.stock.part_of(core.stock.hash(sku));
    let names = &core.stock.parts[part].names;
    let part = u32::try_from(part).expect("there are few parts");
    Some((part, [names.find(sku)?, names.find(location)?]))
}

/// The first rule that fits, by its place.
fn rule_for(core: &Core, key: SiteKey) -> Option<u16> {
    let [sku, location] = names(core, key);
    let found = core.config.replenish.iter().position(|rule| rule.fits(sku, location));
    found.map(|place| u16::try_from(place).expect("there are few rules"))
}

fn hash(seed: u64, (part, [sku, location]): SiteKey) -> u64 {
    of_words(seed, u64::from(sku) << 32 | u64::from(location), part.into())
}

impl Sites {
    pub(super) fn get(&self, number: SiteNumber) -> &ReplenishSite {
        &self.all[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: SiteNumber) -> &mut ReplenishSite {
        &mut self.all[number as usize]
    }

    /// The names of a site: SKU and location.
    pub(super) fn names<'c>(&self, core: &'c Core, number: SiteNumber) -> [&'c str; 2] {
        names(core, self.get(number).key)
    }

    /// The site of a position; nothing where no rule fits it.
    #[inline]
    pub(super) fn of(&mut self, core: &Core, spot: Spot) -> Option<SiteNumber> {
        let places = self.of_place.get(spot.part as usize);
        match places.and_then(|places| places.get(spot.place as usize)) {
            Some(&NONE) => None,
            Some(&UNKNOWN) | None => self.look_up(core, spot),
            Some(&number) => Some(number),
        }
    }

    #[cold]
    fn look_up(&mut self, core: &Core, spot: Spot) -> Option<SiteNumber> {
        let (_, position) = core.stock.at(spot);
        let [sku, location, _, owner] = position.names;
        // What belongs to others is not ours to fill up.
        let is_ours = owner == tallystick_tables::intern::NONE;
        let found = if is_ours { self.find_or_add(core, (spot.part, [sku, location])) } else { None };
        if let Some(number) = found {
            self.get_mut(number).places.push(spot.place);
        }
        let (part, place) = (spot.part as usize, spot.place as usize);
        if self.of_place.len() <= part {
            self.of_place.resize_with(part + 1, Vec::new);
        }
        let places = &mut self.of_place[part];
        if places.len() <= place {
            places.resize(place + 1, UNKNOWN);
        }
        places[place] = found.unwrap_or(NONE);
        found
    }

    pub(super) fn find(&self, core: &Core, key: SiteKey) -> Option<SiteNumber> {
        self.numbers.find(hash(core.seed, key), |number| self.get(number).key == key)
    }

    /// The site of a key, if a rule fits it.
    pub(super) fn find_or_add(&mut self, core: &Core, key: SiteKey) -> Option<SiteNumber> {
        self.find(core, key).or_else(|| Some(self.add(core, key, Some(rule_for(core, key)?))))
    }

    /// The site of a key, whether a rule fits it or not.
    pub(super) fn put_back(&mut self, core: &Core, key: SiteKey) -> SiteNumber {
        self.find(core, key).unwrap_or_else(|| self.add(core, key, rule_for(core, key)))
    }

    fn add(&mut self, core: &Core, key: SiteKey, rule: Option<u16>) -> SiteNumber {
        let number = u32::try_from(self.all.len()).expect("there are no more sites than positions");
        self.numbers.insert(hash(core.seed, key), number);
        let (places, sold) = (Vec::new(), Vec::new());
        self.all.push(ReplenishSite { key, rule, is_touched: false, is_waiting: false, places, sold });
        number
    }

    /// Finds the rule of each site anew: rules are others.
    pub(super) fn find_rules(&mut self, core: &Core) {
        for site in &mut self.all {
            site.rule = rule_for(core, site.key);
        }
        for number in self.of_place.iter_mut().flatten().filter(|number| **number == NONE) {
            *number = UNKNOWN;
        }
    }
}
