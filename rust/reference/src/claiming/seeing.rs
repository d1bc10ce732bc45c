//! What can be seen of orders and reservations: positions reflect whatever changes it.

use std::collections::{BTreeMap, BTreeSet};

use tallystick_contract::balance::PositionKey;

use crate::calendar::Due;
use crate::claims::line::Curve;
use crate::claims::place::HoldId;
use crate::document::Order;
use crate::number::Number;
use crate::twin::Reference;

/// What can be seen of orders: by line and position the curve of claims, by position what was never picked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    curves: BTreeMap<(Order, Number, PositionKey), Curve>,
    unpicked: BTreeMap<PositionKey, i128>,
    rests: BTreeMap<(Order, Number, PositionKey), (i128, Option<Due>)>,
    parts: BTreeMap<HoldId, (PositionKey, i64, i64)>,
}

impl Reference {
    /// Does something, and lets positions reflect what can be seen of it: claims by bucket, what is shown, what is
    /// held, what is to come.
    pub(crate) fn seeing<T>(
        &mut self,
        orders: &BTreeSet<Order>,
        reservations: &[usize],
        sequence: u64,
        change: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.seen(orders, reservations);
        let done = change(self);
        let after = self.seen(orders, reservations);
        let mut changed: BTreeSet<PositionKey> = BTreeSet::new();
        changed.extend(differing(&before.curves, &after.curves).map(|(.., at)| at.clone()));
        changed.extend(differing(&before.unpicked, &after.unpicked).cloned());
        changed.extend(differing(&before.rests, &after.rests).map(|(.., at)| at.clone()));
        let parts = before.parts.iter().chain(&after.parts);
        let is_other = |id: &HoldId| before.parts.get(id) != after.parts.get(id);
        changed.extend(parts.filter(|(id, _)| is_other(id)).map(|(_, (at, ..))| at.clone()));
        for at in &changed {
            self.reflect(at, sequence);
        }
        done
    }

    fn seen(&self, orders: &BTreeSet<Order>, reservations: &[usize]) -> Seen {
        let mut seen =
            Seen { curves: BTreeMap::new(), unpicked: BTreeMap::new(), rests: BTreeMap::new(), parts: BTreeMap::new() };
        for order in orders {
            for (number, line) in &self.lines_of(order).lines {
                for (at, curve) in self.curves(line) {
                    seen.unpicked.entry(at.clone()).or_insert_with(|| self.unpicked(&at));
                    let is_nothing = curve.iter().all(|(_, claim)| claim.total() == 0);
                    if !is_nothing {
                        seen.curves.insert((order.clone(), number.clone(), at), curve);
                    }
                }
            }
            for ((number, at), supply) in self.supply_of(order).iter() {
                if supply.rest != 0 {
                    let line = (order.clone(), number.clone(), at.clone());
                    seen.rests.insert(line, (supply.rest, supply.due));
                }
            }
        }
        seen.unpicked.retain(|_, amount| *amount != 0);
        for (id, part, became) in self.parts().filter(|((place, ..), ..)| reservations.contains(place)) {
            // Of a hold whose line is closed nothing can be seen.
            let is_closed = self.is_closed_part(id, part);
            // What was posted for a line shows only where something was protected from it.
            let is_shown = part.purpose.is_none() || !part.scopes.is_empty();
            let kept = if is_shown { self.kept(id, part, &became) } else { 0 };
            let (live, kept) = if is_closed { (0, 0) } else { (became.live, kept) };
            seen.parts.insert(id, (part.at.clone(), live, kept));
        }
        seen
    }
}

/// The keys under which two tables differ.
fn differing<'a, K: Ord, V: PartialEq>(
    one: &'a BTreeMap<K, V>,
    other: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    let is_other = |key: &K| one.get(key) != other.get(key);
    one.keys().chain(other.keys()).filter(move |key| is_other(key))
}
