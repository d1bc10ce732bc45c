//! Supply lines (`docs/claims.md` §7): what is still to come and where it counts, and what people are told of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::PastDue;

use crate::claims::supply::{Places, Supply, SupplyFact, SupplySaid, of_posting, places, supply_subject, words};
use crate::directive::ReceiptLine;
use crate::document::{Order, Side};
use crate::number::Number;
use crate::posting::Posting;
use crate::twin::Reference;

impl Reference {
    /// All lines of an order, at each of their positions.
    pub(crate) fn supply_of(&self, order: &Order) -> Arc<Places> {
        let supplies = &self.claims.supplies;
        supplies.known(order, || self.compute_supply(order, supplies.facts(order)))
    }

    /// What is to come of an order, with a fact that is only tried.
    pub(crate) fn supply_with(&self, order: &Order, more: &SupplyFact) -> Places {
        let facts: Vec<SupplyFact> = self.claims.supplies.facts(order).iter().chain([more]).cloned().collect();
        self.compute_supply(order, &facts)
    }

    fn compute_supply(&self, order: &Order, facts: &[SupplyFact]) -> Places {
        let closings = self.closings_of(order, Side::Supply);
        let mut places = places(facts, &closings);
        for ((known, number, at), dropped) in &self.claims.supply_flags.dropped {
            let here = places.get_mut(&(number.clone(), at.clone())).filter(|_| known == order);
            if let Some(supply) = here.filter(|supply| *dropped == (supply.quantity, supply.due)) {
                (supply.rest, supply.is_given_up) = (0, true);
            }
        }
        places
    }

    /// Takes what a posting received out, and puts what another received in.
    pub(crate) fn tell_supply(&mut self, undo: Option<&Posting>, add: Option<&Posting>) {
        if let Some(undo) = undo
            && let Some((order, _)) = of_posting(undo)
        {
            self.claims.supplies.retain(&order, |fact| fact.posting != Some(undo.number));
        }
        if let Some((order, facts)) = add.and_then(of_posting) {
            self.claims.supplies.add(&order, facts);
        }
    }

    /// Whether something came of a line, or somebody wanted more of it, after it was closed by word.
    fn is_supply_seen_after_closing(&self, order: &Order, number: &Number) -> bool {
        let facts = self.claims.supplies.facts(order);
        let closings = self.closings_of(order, Side::Supply);
        let is_after = |fact: &SupplyFact| {
            let said = words(facts, number, &fact.at.location).map(|(closed_ns, _)| closed_ns);
            said.chain(closings.iter().copied()).max().is_some_and(|closed_ns| fact.time_ns > closed_ns)
        };
        let takes = |fact: &SupplyFact| match fact.said {
            SupplySaid::Received(amount) => amount > 0,
            SupplySaid::Due { quantity, .. } => quantity.is_some_and(|quantity| quantity > 0),
            SupplySaid::Closed { .. } => false,
        };
        facts.iter().any(|fact| fact.number == *number && takes(fact) && is_after(fact))
    }

    /// Tells of lines that were closed by word, and of which something was said all the same.
    fn look_at_closed_supply(&mut self, order: &Order) -> Vec<(String, String)> {
        let facts = self.claims.supplies.facts(order);
        let is_closed = |fact: &SupplyFact| matches!(fact.said, SupplySaid::Closed { .. });
        let are_open = !facts.iter().any(is_closed) && self.closings_of(order, Side::Supply).is_empty();
        if are_open && self.claims.supply_flags.seen_after_closing.is_empty() {
            return Vec::new();
        }
        let numbers: BTreeSet<Number> = facts.iter().map(|fact| fact.number.clone()).collect();
        let mut raised = Vec::new();
        for number in numbers {
            let key = (order.clone(), number);
            let is_seen = self.is_supply_seen_after_closing(order, &key.1);
            let subject = order.subject(&key.1);
            let seen = &mut self.claims.supply_flags.seen_after_closing;
            if is_seen && seen.insert(key.clone()) {
                raised.push(("closed_line".to_owned(), subject));
            } else if !is_seen && seen.remove(&key) {
                self.work.resolve("closed_line", &subject);
            }
        }
        raised
    }

    /// Where what is still to come counts, from bucket 0 on.
    pub(crate) fn bucket_of_supply(&self, at: &PositionKey, supply: &Supply) -> Option<usize> {
        let promise = &self.config.promise;
        let away = self.buckets_away(&at.location, supply.due?);
        let bucket = if away >= 0 {
            away
        } else {
            match promise.past_due(supply.supplier.as_deref(), &supply.source) {
                PastDue::Exception | PastDue::Drop => return None,
                PastDue::Slide(buckets) => i64::from(buckets),
                PastDue::Keep(buckets) => (-away <= i64::from(buckets)).then_some(0)?,
            }
        };
        usize::try_from(bucket).ok().filter(|bucket| *bucket < self.horizon())
    }

    /// Forgets closed lines in time, and says what does not fit since somebody looked last.
    pub(crate) fn look_at_supply(&mut self) -> Vec<(String, String)> {
        self.forget_supply();
        let orders: Vec<Order> = self.claims.supplies.orders().cloned().collect();
        for order in &orders {
            for ((number, at), supply) in self.supply_of(order).iter() {
                self.look_whether_overdue((order.clone(), number.clone(), at.clone()), supply);
            }
        }
        let mut raised = Vec::new();
        self.settle_what_was_voided();
        for order in &orders {
            for ((number, at), supply) in self.supply_of(order).iter() {
                raised.extend(self.look_whether_it_fits((order.clone(), number.clone(), at.clone()), supply));
            }
            raised.extend(self.look_at_closed_supply(order));
        }
        raised
    }

    /// Of a line of which nothing is left, because all was voided, nothing was said after its closing.
    fn settle_what_was_voided(&mut self) {
        let supplies = &self.claims.supplies;
        let is_left =
            |(order, number): &(Order, Number)| supplies.facts(order).iter().any(|fact| fact.number == *number);
        let seen = std::mem::take(&mut self.claims.supply_flags.seen_after_closing);
        let (seen, gone): (BTreeSet<_>, BTreeSet<_>) = seen.into_iter().partition(is_left);
        self.claims.supply_flags.seen_after_closing = seen;
        for (order, number) in gone {
            self.work.resolve("closed_line", &order.subject(&number));
        }
    }

    /// Time alone makes a line overdue, so this is about no event, also where the line came too late.
    fn look_whether_overdue(&mut self, key: (Order, Number, PositionKey), supply: &Supply) {
        let is_past = supply.due.is_some_and(|due| self.buckets_away(&key.2.location, due) < 0);
        let is_overdue = supply.is_open() && is_past;
        let policy = self.config.promise.past_due(supply.supplier.as_deref(), &supply.source);
        let is_dropped = is_overdue && policy == PastDue::Drop;
        let was_told = self.claims.supply_flags.overdue.contains(&key);
        if !is_overdue && !was_told {
            return;
        }
        let subject = supply_subject(&key.0, &key.1, &key.2);
        // What was dropped stays for a person to look at.
        if is_overdue && !is_dropped {
            self.claims.supply_flags.overdue.insert(key.clone());
        } else {
            self.claims.supply_flags.overdue.remove(&key);
        }
        if is_dropped {
            self.claims.supplies.forget(&key.0);
            self.claims.supply_flags.dropped.insert(key, (supply.quantity, supply.due));
        }
        if is_overdue && !was_told {
            self.work.raise("supply_overdue", &subject);
        }
        if !is_overdue && was_told {
            self.work.resolve("supply_overdue", &subject);
        }
    }

    fn look_whether_it_fits(&mut self, key: (Order, Number, PositionKey), supply: &Supply) -> Option<(String, String)> {
        let tolerance = self.config.receipts;
        let quantity = supply.quantity.unwrap_or(0);
        let more = -supply.missing();
        let is_wrong =
            supply.quantity.is_some() && !supply.is_given_up && (more > 0 || (more < 0 && supply.is_received));
        let is_tolerated = tolerance.is_some_and(|receipts| {
            more.abs() <= i128::from(receipts.tolerance)
                || more.abs() * 100 <= quantity * i128::from(receipts.tolerance_percent)
        });
        let is_off = is_wrong && !is_tolerated;
        if !is_off && self.claims.supply_flags.off.is_empty() {
            return None;
        }
        let raised = ("receipt_variance".to_owned(), supply_subject(&key.0, &key.1, &key.2));
        // Lots and owners of a line at a location are told of as one.
        let off = &mut self.claims.supply_flags.off;
        let is_kin = |other: &(Order, Number, PositionKey)| {
            (&other.0, &other.1, &other.2.location) == (&key.0, &key.1, &key.2.location)
        };
        let was_off = off.iter().any(is_kin);
        if is_off {
            off.insert(key);
            return (!was_off).then_some(raised);
        }
        off.remove(&key);
        if was_off && !off.iter().any(is_kin) {
            self.work.resolve(&raised.0, &raised.1);
        }
        None
    }

    /// Lines of which nothing more comes are remembered for a while.
    fn forget_supply(&mut self) {
        let (now_ns, window_ns) = (self.log_time_ns.unwrap_or(0), self.config.dedup_window_ns);
        for order in self.claims.supplies.orders().cloned().collect::<Vec<_>>() {
            let places = self.supply_of(&order);
            let numbers: BTreeSet<Number> = places.keys().map(|(number, _)| number.clone()).collect();
            for number in numbers {
                let key = (order.clone(), number.clone());
                let is_open = places.iter().any(|((line, _), supply)| *line == number && supply.is_open());
                if is_open {
                    self.claims.supply_flags.closed_since.remove(&key);
                    continue;
                }
                let since_ns = *self.claims.supply_flags.closed_since.entry(key.clone()).or_insert(now_ns);
                if since_ns.saturating_add(window_ns) <= now_ns {
                    let flags = &mut self.claims.supply_flags;
                    flags.closed_since.remove(&key);
                    flags.off.retain(|(known, line, _)| (known, line) != (&order, &number));
                    flags.overdue.retain(|(known, line, _)| (known, line) != (&order, &number));
                    flags.dropped.retain(|(known, line, _), _| (known, line) != (&order, &number));
                    flags.seen_after_closing.remove(&key);
                    self.claims.supplies.retain(&order, |fact| fact.number != number);
                }
            }
            self.claims.supplies.drop_blank(&order);
        }
    }

    /// Whether a supply line governs what a receipt's line is to bring.
    pub(crate) fn is_scheduled(&self, line: &ReceiptLine) -> bool {
        let order = Order { names: line.names.clone(), document: line.document.clone(), sku: line.sku.clone() };
        let is_it = |fact: &SupplyFact| {
            fact.number == line.number
                && fact.at.location == line.location
                && matches!(fact.said, SupplySaid::Due { .. })
        };
        self.claims.supplies.facts(&order).iter().any(is_it)
    }
}
