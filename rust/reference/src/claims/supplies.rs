//! Supplies: all that was said of what is to come, and what it came to when somebody looked last. Only that is kept
//! over an event; whatever is changed is computed anew.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::Order;

use super::supply::{Places, SupplyFact};

/// All that was said of supply, by order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supplies {
    told: BTreeMap<Order, Vec<SupplyFact>>,
    known: RefCell<BTreeMap<Order, Arc<Places>>>,
}

impl Supplies {
    pub(crate) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.told.keys()
    }

    pub(crate) fn facts(&self, order: &Order) -> &[SupplyFact] {
        self.told.get(order).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add(&mut self, order: &Order, facts: impl IntoIterator<Item = SupplyFact>) {
        self.forget(order);
        self.told.entry(order.clone()).or_default().extend(facts);
    }

    pub(crate) fn retain(&mut self, order: &Order, is_kept: impl FnMut(&SupplyFact) -> bool) {
        self.forget(order);
        if let Some(facts) = self.told.get_mut(order) {
            facts.retain(is_kept);
        }
    }

    /// Takes an order out of which nothing is said any more.
    pub(crate) fn drop_blank(&mut self, order: &Order) {
        if self.facts(order).is_empty() {
            self.forget(order);
            self.told.remove(order);
        }
    }

    /// What an order came to holds no more.
    pub(crate) fn forget(&mut self, order: &Order) {
        self.known.get_mut().remove(order);
    }

    /// Nothing that was computed holds any more.
    pub(crate) fn forget_all(&mut self) {
        self.known.get_mut().clear();
    }

    /// What an order comes to, computed if nobody has since it was changed.
    pub(crate) fn known(&self, order: &Order, compute: impl FnOnce() -> Places) -> Arc<Places> {
        if let Some(known) = self.known.borrow().get(order) {
            return Arc::clone(known);
        }
        let known = Arc::new(compute());
        self.known.borrow_mut().insert(order.clone(), Arc::clone(&known));
        known
    }
}
