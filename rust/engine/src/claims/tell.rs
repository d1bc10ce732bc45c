//! Telling: what does not add up of a line, or of a shelf, is one exception as long as it is so, and settles itself
//! (`docs/claims.md` §3, §6).

use std::collections::BTreeMap;

use smallvec::SmallVec;
use tallystick_contract::quantity;

use crate::claims::book::{Claims, FactKind, Flags, Life, Line, LineRef, Sums, is_used_after_closing};
use crate::core::Core;
use crate::diagnostics::turn::{NetTurn, ShelfTurn};
use crate::diagnostics::{Diagnostics, Raised};
use crate::read::directive::Side;
use crate::schedule::{Books, View};

/// What is told of a line, in this order.
pub(crate) const CODES: [&str; 4] = ["claim_below_zero", "closed_line", "document_clash", "unallocated_pick"];

/// A source, and a location.
type SourceAt = (Box<str>, Box<str>);

impl Claims {
    /// Tells what is other of the lines that an element was about.
    pub(crate) fn tell_claims(&mut self, books: &mut Books<'_>, diagnostics: &mut Diagnostics) {
        let mut touched = self.take_touched();
        for number in touched.clone() {
            touched.extend(self.family(number));
        }
        touched.sort_unstable();
        touched.dedup();
        if touched.len() > 1 {
            self.sort(&mut touched, |line| books.core.stock.parts[line.part as usize].names.name(line.sku));
        }
        for number in touched {
            if self.head(number).key.side == Side::Supply {
                self.compare_supply(books, number, diagnostics);
            }
            self.tell_line(books.view(), number, diagnostics);
        }
    }

    fn tell_line(&mut self, view: View<'_>, number: u32, diagnostics: &mut Diagnostics) {
        let now = match self.line(number) {
            line if line.side == Side::Supply => {
                let closed_ns = self.document(line.document).closed_on(Side::Supply);
                Flags { is_used_after_closing: is_used_after_closing(&line, closed_ns), ..Flags::default() }
            }
            _ => self.flags_of(view, number),
        };
        let before = std::mem::replace(&mut self.line_mut(number).told, now);
        if now == before {
            return;
        }
        let line = self.line(number);
        let document = self.document(line.document);
        let name = line.number.as_ref().map(ToString::to_string).unwrap_or_default();
        let sku = view.core.stock.parts[line.part as usize].names.name(line.sku);
        let subject = format!("{}/{name}/{sku}", document.label());
        let closed = format!(
            "this line of {:?} was closed, and something was said of it that happened after that",
            document.name()
        );
        let clash = format!("{} state what is ordered of this line", self.sources_of(&line));
        let unallocated = "more was picked for this line than was allocated or held for it".to_owned();
        let all = [
            (before.is_below_zero, now.is_below_zero, cause_of_below_zero(&line)),
            (before.is_used_after_closing, now.is_used_after_closing, closed),
            (before.is_clashing, now.is_clashing, clash),
            (before.is_unallocated, now.is_unallocated, unallocated),
        ];
        for (code, (was, is, cause)) in CODES.into_iter().zip(all) {
            if is && !was {
                diagnostics.raised.push(Raised::about(code, subject.clone(), cause));
            } else if was && !is {
                diagnostics.settled.push((code, subject.clone()));
            }
        }
    }

    fn sources_of(&self, line: &Line) -> String {
        let names = line.statements.iter().map(|statement| self.sources.name(statement.source));
        let names: std::collections::BTreeSet<&str> = names.collect();
        names.into_iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ")
    }

    fn flags_of(&self, view: View<'_>, number: u32) -> Flags {
        let family = self.family(number);
        let stock = &view.core.stock;
        let (only_one, shared);
        let line = if let [only] = &*family {
            only_one = self.line(*only);
            &*only_one
        } else {
            shared = self.shared_out(&family, |one, other| super::is_before(stock, one, other));
            let at = family.iter().position(|known| *known == number).unwrap_or(0);
            &shared[at]
        };
        let closed_ns = self.document(line.document).closed_on(line.side);
        let own = self.line(number);
        let seen: SmallVec<[LineRef<'_>; 2]> = family.iter().map(|number| self.line(*number)).collect();
        let kin: SmallVec<[&Line; 2]> = seen.iter().map(|line| &**line).collect();
        let first = line.statements.first().map(|statement| statement.source);
        Flags {
            // Where something was said without a line, all lines together tell whether too much was given back.
            is_below_zero: is_below_zero(&[&own], closed_ns) && (kin[0].is_blank() || is_below_zero(&kin, closed_ns)),
            is_used_after_closing: is_used_after_closing(&own, closed_ns),
            is_clashing: line.statements.iter().any(|statement| Some(statement.source) != first),
            is_unallocated: view.config.claims.flags_unallocated_picks && is_unallocated(line, closed_ns),
        }
    }

    /// Tells where more is given back than was claimed, and at which locations sources begin, or cease, to ship what
    /// they did not pick.
    pub(crate) fn tell_turns(&mut self, core: &mut Core, diagnostics: &mut Diagnostics) {
        let mut nets = std::mem::take(&mut diagnostics.nets);
        nets.append(&mut core.nets);
        tell_nets(nets, diagnostics);
        let all = diagnostics.turns.drain(..).chain(core.turns.drain(..));
        let of_turn = |turn: ShelfTurn| ((turn.source, turn.location), if turn.is_missing { 1 } else { -1 });
        // Most elements turn one place.
        let mut turns: SmallVec<[(SourceAt, i64); 1]> = all.map(of_turn).collect();
        turns.sort();
        turns.dedup_by(|(next, change), (kept, sum)| {
            let is_same = next == kept;
            *sum += if is_same { *change } else { 0 };
            is_same
        });
        for (key, change) in turns.into_iter().filter(|(_, change)| *change != 0) {
            self.tell_unpicked(key, change, diagnostics);
        }
    }

    /// Tells that a source ships at more places of a location, or at fewer, what it did not pick.
    fn tell_unpicked(&mut self, key: SourceAt, change: i64, diagnostics: &mut Diagnostics) {
        let before = self.unpicked.get(&key).copied().unwrap_or(0);
        let now = u32::try_from(i64::from(before) + change).unwrap_or(0);
        if (before > 0) != (now > 0) {
            let subject = format!("{}/{}", key.0, key.1);
            if now > 0 {
                let cause = format!("{:?} ships at {:?} what it did not tell that it picked", key.0, key.1);
                let raised = Raised::about("ship_without_pick", subject, cause);
                diagnostics.raised.push(Raised { location: Some(key.1.clone()), ..raised });
            } else {
                diagnostics.settled.push(("ship_without_pick", subject));
            }
        }
        if now == 0 {
            self.unpicked.remove(&key);
        } else {
            self.unpicked.insert(key, now);
        }
    }
}

/// Tells where more is given back without a document than was claimed, or not any more.
fn tell_nets(mut nets: Vec<NetTurn>, diagnostics: &mut Diagnostics) {
    if nets.len() > 1 {
        // What turned and turned back within one element is as it was.
        let mut turned: BTreeMap<Box<str>, u32> = BTreeMap::new();
        for net in &nets {
            *turned.entry(net.subject.clone()).or_default() += 1;
        }
        nets.retain(|net| turned[&net.subject] % 2 == 1);
        nets.dedup_by(|one, other| one.subject == other.subject);
    }
    for net in nets {
        if net.is_below_zero {
            let cause = "more was unreserved or deallocated here without a document than was claimed".to_owned();
            diagnostics.raised.push(Raised::about("claim_below_zero", net.subject.into(), cause));
        } else {
            diagnostics.settled.push(("claim_below_zero", net.subject.into()));
        }
    }
}

/// Whether more was given back of lines than was claimed for them, of what no word has ended.
fn is_below_zero(lines: &[&Line], document_ns: Option<i64>) -> bool {
    let (mut reserved, mut allocated) = (0, 0);
    for line in lines {
        let life = Life::by_word(line, document_ns);
        for (place, standing) in (0..).zip(&life.standings).filter(|(_, standing)| standing.is_open) {
            let sums = Sums::of(line, place, &standing.reach);
            let holds = line.holds.iter().filter(|hold| hold.place == place && standing.reach.holds(hold));
            reserved += sums.reserved - sums.unreserved;
            allocated += sums.allocated - sums.deallocated + holds.map(|hold| i128::from(hold.posted())).sum::<i128>();
        }
    }
    reserved < 0 || allocated < 0
}

/// Whether more was picked than was allocated or held, where a line is open.
fn is_unallocated(line: &Line, document_ns: Option<i64>) -> bool {
    let life = Life::of(line, document_ns);
    if life.is_complete {
        return false;
    }
    let (mut picked, mut allocated, mut held) = (0, 0, 0);
    for (place, _) in (0..).zip(&life.standings).filter(|(_, standing)| standing.is_open) {
        let voices = life.voices(line, place);
        picked += line.sum_at(place, &[FactKind::Picked]) - line.sum_at(place, &[FactKind::Unpicked]);
        allocated += voices.allocated;
        held += voices.taken(i32::MAX);
    }
    picked > allocated.max(held).max(0)
}

fn cause_of_below_zero(line: &Line) -> String {
    let amount = |kinds: &[FactKind]| quantity::text(i64::try_from(line.sum(kinds)).unwrap_or(i64::MAX));
    format!(
        "{} was unreserved of {} reserved, {} deallocated of {} allocated and {} posted",
        amount(&[FactKind::Unreserved]),
        amount(&[FactKind::Reserved]),
        amount(&[FactKind::Deallocated]),
        amount(&[FactKind::Allocated, FactKind::Converted]),
        quantity::text(line.holds.iter().map(crate::claims::book::Hold::posted).fold(0, i64::saturating_add)),
    )
}
