//! Claiming: where claims of lines meet the ledger and what can be promised. Events of stock and directives become
//! facts of lines; what lines claim
//! becomes demand of positions; what does not add up becomes work.

#![expect(clippy::similar_names, reason = "a line, its life and those alike are words of the field")]

pub(crate) mod book;
mod closing;
mod days;
mod doubles;
mod explain;
mod forget;
mod growth;
mod holds;
mod image;
mod list;
pub(crate) mod need;
mod orders;
mod overdue;
mod steps;
mod supply;
mod tell;

use std::collections::BTreeMap;

use crate::claims::book::{GivenChange, LineKey};
use crate::core::Core;
use crate::read::directive::Side;
use crate::read::line_number::LineNumber;
use crate::schedule::hold::LineNamed;
use crate::schedule::{Books, View};
use crate::stock::{Spot, Stock};

pub(crate) use book::Claims;
pub(crate) use steps::Stepped;
#[cfg(test)]
pub(crate) use tell::CODES;

/// Whether a position of a SKU stands before another one of it.
pub(crate) fn is_before(stock: &Stock, one: Spot, other: Spot) -> bool {
    let names = |spot: Spot| {
        let (part, position) = stock.at(spot);
        position.names.map(|name| part.names.name(name))
    };
    names(one) < names(other)
}

impl Claims {
    /// Begins to keep what can be promised, with the first that is said of it.
    pub(crate) fn use_promises(&mut self, books: &mut Books<'_>) {
        if !std::mem::replace(&mut books.schedule.is_used, true) {
            self.turn(books);
        }
    }

    /// The number of a line that is known, under its names.
    pub(crate) fn find_line(&self, view: View<'_>, side: Side, named: LineNamed<'_>, spot: Spot) -> Option<u32> {
        let document = self.find_document(view.config.documents(named.source), named.document)?;
        let found = self.find(&Self::key_of_line(view, side, document, named.number, spot))?;
        Some(found).filter(|line| !self.is_forgotten(view, *line))
    }

    /// The number of a line, new if need be.
    pub(crate) fn enter_line(&mut self, books: &mut Books<'_>, side: Side, named: LineNamed<'_>, spot: Spot) -> u32 {
        let document = self.enter_document(books.config.documents(named.source), named.document);
        let key = Self::key_of_line(books.view(), side, document, named.number, spot);
        let of_document = self.document(document);
        let (is_new, has_shared) = (of_document.lines.is_empty(), of_document.has_loose() && side == Side::Demand);
        let shared = if has_shared { self.find(&LineKey { number: None, ..key }) } else { None };
        let own = if is_new { None } else { self.find(&key) };
        match own.into_iter().chain(shared).find(|known| self.is_forgotten(books.view(), *known)) {
            Some(forgotten) => self.forget_family(books, forgotten),
            None if own.is_some() => return own.expect("it is"),
            None if named.number.is_none() && !is_new => self.forget_numbered(books, document, &key),
            None => {}
        }
        let over_ns = books.core.now_ns().saturating_sub(books.config.claims.remember_ns);
        self.document_mut(document).forget_closing(over_ns);
        self.enter(&Self::key_of_line(books.view(), side, document, named.number, spot))
    }

    /// Forgets the lines whose time is over before something without a line is shared out among them.
    fn forget_numbered(&mut self, books: &mut Books<'_>, document: u32, loose: &LineKey<'_>) {
        for line in self.document(document).lines.clone() {
            let key = &self.head(line).key;
            let is_shared = (key.side, key.part, key.sku) == (loose.side, loose.part, loose.sku);
            if is_shared && self.is_forgotten(books.view(), line) {
                self.forget_line(books, line);
            }
        }
    }

    fn key_of_line<'a>(
        view: View<'_>,
        side: Side,
        document: u32,
        number: Option<LineNumber<&'a str>>,
        spot: Spot,
    ) -> LineKey<'a> {
        let sku = view.core.stock.at(spot).1.names[0];
        LineKey { side, document, number, part: spot.part, sku }
    }

    /// The place of a position among those of a line, new if need be.
    pub(crate) fn place_of(&mut self, view: View<'_>, line: u32, spot: Spot) -> u32 {
        let stock = &view.core.stock;
        let location = stock.at(spot).1.names[1];
        self.line_mut(line).place(spot, location, |other| is_before(stock, other, spot))
    }

    /// Notes that something was said of a line, so that it is looked at once the element is done.
    pub(crate) fn touch_line(&mut self, view: View<'_>, line: u32) {
        self.touch(line, view.core.now_ns());
    }

    /// Reckons anew what a line claims, or what comes of it, and lets it count.
    pub(crate) fn reckon(&mut self, books: &mut Books<'_>, line: u32) {
        if self.head(line).key.side == Side::Supply {
            self.settle_supply(books, line);
            return;
        }
        let today =
            if books.config.promise.keeps_past_due_demand { Vec::new() } else { self.days_of(books.view(), line) };
        let stock = &books.core.stock;
        let dropped = |spot: Spot| today.iter().find(|(known, _)| *known == spot).map(|(_, today)| *today);
        let changes = self.reckon_line(line, |one, other| is_before(stock, one, other), dropped);
        let unpicked =
            |core: &Core, change: &GivenChange| core.unpicked_at(change.now.spot, core.stock.at(change.now.spot).1);
        let before: Vec<i64> = changes.iter().map(|change| unpicked(books.core, change)).collect();
        for change in &changes {
            self.follow(books, change);
        }
        // Holds that only pass from one line to another are nothing new to the position.
        let live = |spot: Spot| {
            let here = changes.iter().filter(|change| change.now.spot == spot);
            let more = here.map(|change| i64::from(change.now.live()) - i64::from(change.before.live()));
            more.sum::<i64>()
        };
        for (change, before) in changes.iter().zip(before) {
            let spot = change.now.spot;
            if change.before.steps != change.now.steps || unpicked(books.core, change) != before || live(spot) != 0 {
                books.core.touch(spot, books.sequence);
            }
        }
    }

    /// What bucket 0 is at each position of a line, and of those that share facts with it.
    fn days_of(&self, view: View<'_>, line: u32) -> Vec<(Spot, i32)> {
        let family = self.family(line);
        let of = |number: &u32| self.line(*number).places.clone();
        let spots: Vec<Spot> = family.iter().flat_map(of).map(|place| place.spot).collect();
        let day = |spot: Spot| (spot, view.core.today(view.core.zone_of(view.core.view_names(spot)[1])));
        spots.into_iter().map(day).collect()
    }

    /// Lets what is other of a line count at its position.
    fn follow(&self, books: &mut Books<'_>, change: &GivenChange) {
        let slot = books.schedule.entry_of(books.core, change.now.spot);
        let entry = books.schedule.entry_mut(slot);
        entry.take_given(&change.before, true);
        entry.take_given(&change.now, false);
        books.schedule.touch(slot);
        if change.before.moved != change.now.moved {
            self.move_lines(books, change);
        }
    }

    /// Lets what was shipped beyond picks, or picked beyond shipments, count on the shelf.
    fn move_lines(&self, books: &mut Books<'_>, change: &GivenChange) {
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
            let name = self.sources.name(source);
            books.core.stock.parts[spot.part as usize].move_shelf(
                spot.place,
                name,
                |moves| {
                    moves.unpicked = moves.unpicked.saturating_add(unpicked);
                    moves.unshipped = moves.unshipped.saturating_add(unshipped);
                },
                &mut books.core.turns,
            );
        }
    }
}
