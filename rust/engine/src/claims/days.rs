//! Days: what lines claim and bring when the next bucket begins, or a zone is another.

use crate::claims::book::Claims;
use crate::schedule::Books;
use crate::schedule::SupplyState;

impl Claims {
    /// Looks where bucket 0 is now in all zones; lines whose place that changes count anew, and positions with a
    /// schedule are published.
    pub(crate) fn turn(&mut self, books: &mut Books<'_>) {
        let turned = books.schedule.reach_zones(books.core);
        let mut changed = Vec::new();
        for number in books.schedule.slots() {
            let entry = books.schedule.entry(number);
            let has_schedule = !(entry.lines.is_empty() && entry.live_dated.is_empty() && entry.shown.is_empty());
            if has_schedule && turned[entry.zone as usize] {
                changed.push(entry.spot);
            }
            // Safety stock of another bucket may have come into the horizon.
            books.schedule.touch(number);
        }
        let lines = books.schedule.lines.iter().filter(|(_, line)| line.state == SupplyState::Open);
        for serial in lines.map(|(serial, _)| *serial).collect::<Vec<_>>() {
            books.schedule.recount(books.core, books.config, serial);
        }
        if !books.config.promise.keeps_past_due_demand {
            for line in self.numbers() {
                self.reckon(books, line);
            }
        }
        for spot in books.core.in_order(changed) {
            books.core.touch(spot, books.sequence);
        }
    }

    /// Lets the days of lines at some locations fall into the buckets that they have now.
    pub(crate) fn rebucket(&mut self, books: &mut Books<'_>, is_meant: impl Fn(&str) -> bool) {
        for number in self.numbers() {
            let mut is_other = false;
            for place in 0..self.line(number).places.len() {
                let location = books.core.view_names(self.line(number).places[place].spot)[1];
                if is_meant(location) {
                    let zone = books.core.zone_of(location);
                    self.line_mut(number).rebucket(place, |due| books.core.calendar.bucket_of(zone, due));
                    is_other = true;
                }
            }
            if is_other {
                self.reckon(books, number);
            }
        }
    }
}
