//! Doubles: what was picked for a line and sold of it, too, is put back on the shelf once (`docs/claims.md` §6).

use std::collections::BTreeMap;

use tallystick_contract::account::Account;
use tallystick_contract::config::NegativeStock;
use tallystick_contract::limits::ACCOUNT_MAX;

use crate::claims::book::{Claims, Doubled, Fact, is_moving};
use crate::claims::steps::kind_of;
use crate::diagnostics::Diagnostics;
use crate::read::directive::Side;
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::schedule::hold::LineNamed;
use crate::schedule::{Books, View};
use crate::stock::Spot;
use crate::stock::history::Movement;
use crate::stock::revision::Revision;

const PICKED: usize = Account::Picked as usize;
const CODE: &str = "negative_stock";

impl Claims {
    /// What comes back to `on_hand` with an event, where stock may not go below zero: what its line moves twice by it,
    /// after the latest count.
    #[inline]
    pub(crate) fn relief(&self, view: View<'_>, event: &Event<'_>, posting: &Posting<'_>, time_ns: i64) -> i64 {
        if view.config.negative_stock != NegativeStock::Refuse || event.document.is_none() {
            return 0;
        }
        self.relief_of(view, event, posting, time_ns).unwrap_or(0)
    }

    fn relief_of(&self, view: View<'_>, event: &Event<'_>, posting: &Posting<'_>, time_ns: i64) -> Option<i64> {
        let (_, kind) =
            kind_of(view.config, event, posting, posting.rule.step?).filter(|(_, kind)| is_moving(*kind))?;
        let names = [event.sku, event.location, event.lot, event.owner];
        let spot = view.core.stock.find(names)?;
        let named = LineNamed { source: event.source, document: event.document?, number: event.line };
        let number = self.find_line(view, Side::Demand, named, spot)?;
        let (mut line, place) = self.line_at(view, number, spot);
        let before = self.doubled_with(number, &line);
        line.facts.push(Fact { key: 0, time_ns, amount: posting.quantity, kind, place, source: 0 });
        let now = self.doubled_with(number, &line);
        let (part, position) = view.core.stock.at(spot);
        let counted_ns = part.ledger.barrier(position).map(|count| count.time_ns);
        let live = |((at, time_ns), _): &((Spot, i64), [i64; 2])| {
            *at == spot && counted_ns.is_none_or(|counted_ns| *time_ns > counted_ns)
        };
        Some(sums(before, now).into_iter().filter(live).map(|(_, [before, now])| now - before).sum())
    }

    /// Lets positions have what was doubled of a line, and of those that share facts with it, in the place of what was
    /// before. Nobody can refuse that: what moved has moved.
    pub(crate) fn settle_doubles(
        books: &mut Books<'_>,
        (before, now): (Vec<Doubled>, Vec<Doubled>),
        diagnostics: &mut Diagnostics,
    ) {
        if before == now {
            return;
        }
        let begin = diagnostics.raised.len();
        for ((spot, time_ns), [before, now]) in sums(before, now).into_iter().filter(|(_, [one, other])| one != other) {
            let mut revision = Revision::of(books.core.stock.at(spot).1.names);
            revision.amounts[PICKED] = before - now;
            revision.removed = Some(Movement { time_ns, quantity: before });
            revision.added = Some(Movement { time_ns, quantity: now });
            let ledger = &books.core.stock.parts[spot.part as usize].ledger;
            let revised = ledger.draft_unbounded(&revision).expect("64 bits have room for what moved twice");
            let part = spot.part as usize;
            books.core.write_revised(books.config, (part, revision.names, revised), books.sequence, None, diagnostics);
        }
        forget_what_recovered(diagnostics, begin);
    }
}

/// What is put back at each position and time, before and now.
fn sums(before: Vec<Doubled>, now: Vec<Doubled>) -> BTreeMap<(Spot, i64), [i64; 2]> {
    let mut sums: BTreeMap<(Spot, i64), [i64; 2]> = BTreeMap::new();
    for (which, all) in [before, now].into_iter().enumerate() {
        for Doubled { spot, steps } in all {
            for (time_ns, amount) in steps {
                let sum = &mut sums.entry((spot, time_ns)).or_default()[which];
                *sum = sum.saturating_add(amount).clamp(-ACCOUNT_MAX, ACCOUNT_MAX);
            }
        }
    }
    sums
}

/// Stock that was below zero only until the double was put back never was; what is raised by it stands among its like.
fn forget_what_recovered(diagnostics: &mut Diagnostics, begin: usize) {
    let late: Vec<_> = diagnostics.raised.drain(begin..).collect();
    let at = diagnostics.raised.iter().take_while(|raised| &*raised.code == CODE).count();
    diagnostics.raised.splice(at..at, late);
    while let Some((raised, settled)) = diagnostics.raised.iter().enumerate().find_map(|(at, raised)| {
        let is_it = |(code, subject): &(&str, String)| {
            *code == CODE && &*raised.code == CODE && raised.subject.as_deref() == Some(subject)
        };
        Some((at, diagnostics.settled.iter().position(is_it)?))
    }) {
        diagnostics.raised.remove(raised);
        diagnostics.settled.remove(settled);
    }
}
