//! Forgetting: a line of which nothing is wanted any more is remembered for a while (`docs/claims.md` §3).

use smallvec::smallvec;

use crate::claims::book::{Claims, FactKind, Life, Line};
use crate::read::directive::Side;
use crate::schedule::{Books, View};

impl Claims {
    /// Whether a line, and those that share facts with it, are not remembered any more.
    pub(crate) fn is_forgotten(&self, view: View<'_>, number: u32) -> bool {
        let now_ns = view.core.now_ns();
        if self.head(number).key.side == Side::Supply {
            return self.is_supply_forgotten(view, number, now_ns);
        }
        let is_old =
            |number: &u32| self.head(*number).touched_ns.saturating_add(view.config.claims.remember_ns) <= now_ns;
        if !is_old(&number) {
            return false;
        }
        let family = self.family(number);
        if let [only] = &*family {
            return self.is_over(&self.line(*only));
        }
        let stock = &view.core.stock;
        family.iter().all(is_old) && {
            let lines = self.shared_out(&family, |one, other| super::is_before(stock, one, other));
            lines.iter().all(|line| self.is_over(line))
        }
    }

    fn is_supply_forgotten(&self, view: View<'_>, number: u32, now_ns: i64) -> bool {
        let line = self.line(number);
        let mut serials = line.places.iter().map(|place| place.serial).filter(|serial| *serial > 0).peekable();
        if serials.peek().is_none() {
            return line.touched_ns.saturating_add(view.config.claims.remember_ns) <= now_ns;
        }
        let window_ns = view.config.dedup_window_ns;
        serials.all(|serial| view.schedule.lines[&serial].is_forgotten(now_ns, window_ns))
    }

    /// Whether nothing is wanted of a line any more.
    fn is_over(&self, line: &Line) -> bool {
        let life = Life::of(line, self.document(line.document).closed_on(line.side));
        if life.is_complete || life.standings.iter().all(|standing| !standing.is_open) {
            return true;
        }
        let claims = line.given.iter().any(|given| !given.steps.is_empty() || given.live_now > 0)
            || line.given.iter().any(|given| !given.live_dated.is_empty());
        let mut left = vec![0_i128; line.places.len()];
        for fact in &line.facts {
            let amount = i128::from(fact.amount);
            match fact.kind {
                FactKind::Picked => left[fact.place as usize] += amount,
                FactKind::Unpicked | FactKind::Shipped | FactKind::Sold => left[fact.place as usize] -= amount,
                _ => {}
            }
        }
        !claims && left.iter().all(|amount| *amount == 0)
    }

    /// Forgets a line; one that goes with those that share facts with it.
    pub(crate) fn forget_family(&mut self, books: &mut Books<'_>, number: u32) {
        let family = match self.head(number).key.side {
            Side::Supply => smallvec![number],
            Side::Demand => self.family(number),
        };
        for number in family {
            self.forget_line(books, number);
        }
    }

    /// Forgets a line. What was shipped of it and never picked, or the other way round, is still so.
    pub(crate) fn forget_line(&mut self, books: &mut Books<'_>, number: u32) {
        let line = self.line(number);
        let serials: Vec<u64> = line.places.iter().map(|place| place.serial).filter(|serial| *serial > 0).collect();
        for given in line.given.clone() {
            let slot = books.schedule.entry_of(books.core, given.spot);
            books.schedule.entry_mut(slot).take_given(&given, true);
            books.schedule.touch(slot);
            let part = &mut books.core.stock.parts[given.spot.part as usize];
            for moved in &given.moved {
                let name = self.sources.name(moved.source);
                let change = |moves: &mut crate::stock::shelf::Moves| {
                    moves.unpicked -= moved.unpicked;
                    moves.unshipped -= moved.unshipped;
                    moves.forgotten[0] = moves.forgotten[0].saturating_add(moved.unpicked);
                    moves.forgotten[1] = moves.forgotten[1].saturating_add(moved.unshipped);
                };
                part.move_shelf(given.spot.place, name, change, &mut books.core.turns);
            }
        }
        for serial in serials {
            books.schedule.lines.remove(&serial);
        }
        self.forget(number);
    }

    /// Forgets all lines and documents whose time is over.
    pub(crate) fn tidy_claims(&mut self, books: &mut Books<'_>, before_ns: i64) {
        // From the last one on: a document lets go of its last line at once.
        for number in self.numbers().into_iter().rev() {
            // Lines that share facts are looked at together.
            let is_next = self.is_known(number)
                && (self.head(number).key.side == Side::Supply || self.family(number)[0] == number);
            if is_next && self.is_forgotten(books.view(), number) {
                self.forget_family(books, number);
            }
        }
        let now_ns = books.core.now_ns();
        self.forget_documents(before_ns.min(now_ns.saturating_sub(books.config.claims.remember_ns)));
    }
}
