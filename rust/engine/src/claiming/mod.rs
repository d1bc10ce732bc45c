//! Claiming: where claims of lines meet the ledger and what can be promised. Events of stock and directives become
//! facts of lines; what lines claim
//! becomes demand of positions; what does not add up becomes work.

#![expect(clippy::similar_names, reason = "a line, its life and those alike are words of the field")]

mod closing;
mod doubles;
mod forget;
mod holds;
mod image;
mod list;
mod orders;
mod steps;
mod supply;
mod tell;

use std::collections::BTreeMap;

use tallystick_contract::config::Config;

use crate::claims::{Change, LineKey};
use crate::directive::Side;
use crate::engine::Engine;
use crate::line_number::LineNumber;
use crate::stock::{Spot, Stock};

pub(crate) use holds::{For, Held};
pub(crate) use steps::Stepped;
#[cfg(test)]
pub(crate) use tell::CODES;

/// How a message names a line: who speaks, of which document, and of which line of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) source: &'a str,
    pub(crate) document: &'a str,
    pub(crate) number: Option<LineNumber<&'a str>>,
}

/// Whether a position of a SKU stands before another one of it.
pub(crate) fn is_before(stock: &Stock, one: Spot, other: Spot) -> bool {
    let names = |spot: Spot| {
        let (part, position) = stock.at(spot);
        position.names.map(|name| part.names.name(name))
    };
    names(one) < names(other)
}

impl Engine {
    /// Begins to keep what can be promised, with the first that is said of it.
    pub(crate) fn use_promises(&mut self, config: &Config, sequence: u64) {
        if !std::mem::replace(&mut self.promises.is_used, true) {
            self.turn(config, sequence);
        }
    }

    /// The number of a line that is known, under its names.
    pub(crate) fn find_line(&self, config: &Config, side: Side, named: Named<'_>, spot: Spot) -> Option<u32> {
        let document = self.claims.find_document(config.documents(named.source), named.document)?;
        let found = self.claims.find(&self.key_of_line(side, document, named.number, spot))?;
        Some(found).filter(|line| !self.is_forgotten(config, *line))
    }

    /// The number of a line, new if need be.
    pub(crate) fn enter_line(&mut self, config: &Config, side: Side, named: Named<'_>, spot: Spot) -> u32 {
        let document = self.claims.enter_document(config.documents(named.source), named.document);
        let key = self.key_of_line(side, document, named.number, spot);
        let of_document = self.claims.document(document);
        let (is_new, has_shared) = (of_document.lines.is_empty(), of_document.has_loose() && side == Side::Demand);
        let shared = if has_shared { self.claims.find(&LineKey { number: None, ..key }) } else { None };
        let own = if is_new { None } else { self.claims.find(&key) };
        match own.into_iter().chain(shared).find(|known| self.is_forgotten(config, *known)) {
            Some(forgotten) => self.forget_family(forgotten),
            None if own.is_some() => return own.expect("it is"),
            None if named.number.is_none() && !is_new => self.forget_numbered(config, document, &key),
            None => {}
        }
        let over_ns = self.log_time_ns.unwrap_or(0).saturating_sub(config.claims.remember_ns);
        self.claims.document_mut(document).forget_closing(over_ns);
        self.claims.enter(&self.key_of_line(side, document, named.number, spot))
    }

    /// Forgets the lines whose time is over before something without a line is shared out among them.
    fn forget_numbered(&mut self, config: &Config, document: u32, loose: &LineKey<'_>) {
        for line in self.claims.document(document).lines.clone() {
            let key = &self.claims.head(line).key;
            let is_shared = (key.side, key.part, key.sku) == (loose.side, loose.part, loose.sku);
            if is_shared && self.is_forgotten(config, line) {
                self.forget_line(line);
            }
        }
    }

    fn key_of_line<'a>(
        &self,
        side: Side,
        document: u32,
        number: Option<LineNumber<&'a str>>,
        spot: Spot,
    ) -> LineKey<'a> {
        let sku = self.stock.at(spot).1.names[0];
        LineKey { side, document, number, part: spot.part, sku }
    }

    /// The place of a position among those of a line, new if need be.
    pub(crate) fn place_of(&mut self, line: u32, spot: Spot) -> u32 {
        let Self { claims, stock, .. } = self;
        let location = stock.at(spot).1.names[1];
        claims.line_mut(line).place(spot, location, |other| is_before(stock, other, spot))
    }

    /// Notes that something was said of a line, so that it is looked at once the element is done.
    pub(crate) fn touch_line(&mut self, line: u32) {
        self.claims.touch(line, self.log_time_ns.unwrap_or(0));
    }

    /// Reckons anew what a line claims, or what comes of it, and lets it count.
    pub(crate) fn reckon(&mut self, config: &Config, line: u32, sequence: u64) {
        if self.claims.head(line).key.side == Side::Supply {
            self.settle_supply(config, line, sequence);
            return;
        }
        let today = if config.promise.keeps_past_due_demand { Vec::new() } else { self.days_of(line) };
        let Self { claims, stock, .. } = self;
        let dropped = |spot: Spot| today.iter().find(|(known, _)| *known == spot).map(|(_, today)| *today);
        let changes = claims.reckon(line, |one, other| is_before(stock, one, other), dropped);
        let unpicked =
            |engine: &Self, change: &Change| engine.unpicked_at(change.now.spot, engine.stock.at(change.now.spot).1);
        let before: Vec<i64> = changes.iter().map(|change| unpicked(self, change)).collect();
        for change in &changes {
            self.follow(change);
        }
        // Holds that only pass from one line to another are nothing new to the position.
        let live = |spot: Spot| {
            let here = changes.iter().filter(|change| change.now.spot == spot);
            let more = here.map(|change| i64::from(change.now.live()) - i64::from(change.before.live()));
            more.sum::<i64>()
        };
        for (change, before) in changes.iter().zip(before) {
            let spot = change.now.spot;
            if change.before.steps != change.now.steps || unpicked(self, change) != before || live(spot) != 0 {
                self.touch(spot, sequence);
            }
        }
    }

    /// What bucket 0 is at each position of a line, and of those that share facts with it.
    fn days_of(&mut self, line: u32) -> Vec<(Spot, i32)> {
        let family = self.claims.family(line);
        let of = |number: &u32| self.claims.line(*number).places.clone();
        let spots: Vec<Spot> = family.iter().flat_map(of).map(|place| place.spot).collect();
        let day = |spot: Spot| (spot, self.today(self.zone_of(self.view_names(spot)[1])));
        spots.into_iter().map(day).collect()
    }

    /// Lets what is other of a line count at its position.
    fn follow(&mut self, change: &Change) {
        let slot = self.entry_of(change.now.spot);
        let entry = self.promises.entry_mut(slot);
        entry.take_given(&change.before, true);
        entry.take_given(&change.now, false);
        self.promises.touch(slot);
        if change.before.moved != change.now.moved {
            self.move_lines(change);
        }
    }

    /// Lets what was shipped beyond picks, or picked beyond shipments, count on the shelf.
    fn move_lines(&mut self, change: &Change) {
        let mut moved: BTreeMap<u16, [i64; 2]> = BTreeMap::new();
        for (all, sign) in [(&change.before.moved, -1), (&change.now.moved, 1)] {
            for one in all {
                let sums = moved.entry(one.source).or_default();
                sums[0] += sign * one.unpicked;
                sums[1] += sign * one.unshipped;
            }
        }
        let spot = change.now.spot;
        for (source, [unpicked, unshipped]) in moved {
            let name = self.claims.sources.name(source);
            self.stock.parts[spot.part as usize].move_shelf(
                spot.place,
                name,
                |moves| {
                    moves.unpicked = moves.unpicked.saturating_add(unpicked);
                    moves.unshipped = moves.unshipped.saturating_add(unshipped);
                },
                &mut self.turns,
            );
        }
    }
}
