//! Steps: events of stock with a document are facts of their line (`docs/claims.md` §1).

use tallystick_contract::account::Account;
use tallystick_contract::config::Config;
use tallystick_contract::rules::{End, Flow, Rule, Step};
use tallystick_tables::dedup::Fingerprint;

use crate::claims::book::{Claims, Fact, FactKind, Noted, is_moving};
use crate::diagnostics::Diagnostics;
use crate::read::directive::Side;
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::schedule::hold::LineNamed;
use crate::schedule::{Books, View};
use crate::stock::Spot;
use crate::stock::legs::Terms;

/// The reason with which an event says that nothing more will come or go.
const FINAL: &str = "final";

/// An event of stock that was posted.
#[derive(Clone, Copy)]
pub(crate) struct Stepped<'a, 'e> {
    pub(crate) event: &'e Event<'a>,
    pub(crate) posting: &'e Posting<'e>,
    /// Thousandths, in the base unit.
    pub(crate) quantity: i64,
    pub(crate) key: Fingerprint,
    pub(crate) time_ns: i64,
}

impl Claims {
    /// Adds what an event says of its line, if it is about one.
    #[inline]
    pub(crate) fn note_step(
        &mut self,
        books: &mut Books<'_>,
        stepped: &Stepped<'_, '_>,
        diagnostics: &mut Diagnostics,
    ) {
        if stepped.event.document.is_some()
            && let Some(step) = stepped.posting.rule.step
        {
            self.note_step_of_line(books, stepped, step, diagnostics);
        }
    }

    fn note_step_of_line(
        &mut self,
        books: &mut Books<'_>,
        stepped: &Stepped<'_, '_>,
        step: Step,
        diagnostics: &mut Diagnostics,
    ) {
        let Stepped { event, posting, .. } = *stepped;
        let Some((side, kind)) = kind_of(books.config, event, posting, step) else { return };
        let names = [event.sku, event.location, event.lot, event.owner];
        let Some(spot) = books.core.stock.find(names) else { return };
        self.use_promises(books);
        let source = event.source;
        let named = LineNamed { source, document: event.document.unwrap_or_default(), number: event.line };
        let line = self.enter_line(books, side, named, spot);
        if is_moving(kind) {
            // A line is unpacked once.
            self.place_of(books.view(), line, spot);
            let before = self.doubled(line);
            self.note_fact(books.view(), line, spot, kind, stepped);
            let now = self.doubled(line);
            Self::settle_doubles(books, (before, now), diagnostics);
        } else {
            self.note_fact(books.view(), line, spot, kind, stepped);
        }
        let is_final = event.reason == Some(FINAL) && matches!(step.flow, Flow::Ship | Flow::Receive);
        if is_final {
            self.note_word(books.view(), line, spot, FactKind::Final, stepped);
        }
        self.touch_line(books.view(), line);
        self.reckon(books, line);
    }

    fn note_fact(&mut self, view: View<'_>, line: u32, spot: Spot, kind: FactKind, stepped: &Stepped<'_, '_>) {
        let fact = self.fact_of(view, line, spot, kind, stepped);
        self.note(line, Fact { amount: stepped.quantity, ..fact });
    }

    fn note_word(&mut self, view: View<'_>, line: u32, spot: Spot, kind: FactKind, stepped: &Stepped<'_, '_>) {
        let fact = self.fact_of(view, line, spot, kind, stepped);
        self.note(line, fact);
    }

    fn fact_of(&mut self, view: View<'_>, line: u32, spot: Spot, kind: FactKind, stepped: &Stepped<'_, '_>) -> Fact {
        let place = self.place_of(view, line, spot);
        let source = self.sources.number(stepped.event.source);
        Fact { key: stepped.key.0[1], time_ns: stepped.time_ns, amount: 0, kind, place, source }
    }

    /// Takes back what an event said of its line, because it never happened.
    pub(crate) fn retract_step(&mut self, books: &mut Books<'_>, said: &Noted, diagnostics: &mut Diagnostics) {
        let Some(line) = self.line_of(said) else { return };
        let before = self.doubled(line);
        self.retract(line, said);
        let now = self.doubled(line);
        Self::settle_doubles(books, (before, now), diagnostics);
        self.touch_line(books.view(), line);
        self.reckon(books, line);
    }
}

/// What an event says of its line, and on which side.
pub(crate) fn kind_of(
    config: &Config,
    event: &Event<'_>,
    posting: &Posting<'_>,
    step: Step,
) -> Option<(Side, FactKind)> {
    let rule = posting.rule;
    let kind = match (step.flow, step.is_back) {
        (Flow::Receive, _) => return Some((Side::Supply, FactKind::Received)),
        (Flow::Return, _) => return rule.touches(Account::Supplier).then_some((Side::Supply, FactKind::Returned)),
        (Flow::Reserve, false) => FactKind::Reserved,
        (Flow::Reserve, true) => FactKind::Unreserved,
        (Flow::Allocate, false) if posting.statuses.from == Some(Account::Reserved) || converts(rule) => {
            FactKind::Converted
        }
        (Flow::Allocate, false) => FactKind::Allocated,
        (Flow::Allocate, true) => FactKind::Deallocated,
        (Flow::Pick, false) => FactKind::Picked,
        (Flow::Pick, true) => FactKind::Unpicked,
        (Flow::Ship, _) => {
            let is_from_picked = takes_from(rule, Account::Picked) && !Terms::of(config, event, rule).is_from_on_hand;
            if is_from_picked { FactKind::Shipped } else { FactKind::Sold }
        }
    };
    Some((Side::Demand, kind))
}

fn takes_from(rule: &Rule, account: Account) -> bool {
    rule.postings.iter().any(|posting| posting.from == End::Fixed(account))
}

/// Whether an allocation of a user's own type always comes out of what was reserved.
fn converts(rule: &Rule) -> bool {
    takes_from(rule, Account::Reserved)
}
