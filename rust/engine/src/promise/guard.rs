//! Guarding: what the log says of protections and groups is carried out (`docs/promise.md` §5, §6).

use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity;

use super::figure::When;
use super::protection::Protection;
use crate::admit::Admitted;
use crate::atp::Mode;
use crate::carry_out::raised_about;
use crate::directive::{Grouping, Moving, Protecting, Scope};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::judge::Case;

impl Engine {
    /// Sets what is kept for a channel, anew.
    pub(crate) fn protect(&mut self, said: &Protecting, admitted: &Admitted, findings: &mut Findings) -> Outcome {
        let (sku, scope) = named(&said.sku, &said.scope, admitted);
        let protection = Protection {
            channel: said.channel.clone(),
            protected: said.protected,
            capped: said.capped,
            consumed: 0,
            serial: self.promises.next_serial(),
        };
        self.promises.protections.set(&sku, &scope, protection);
        self.compare_protections(&sku, &scope, findings);
        Outcome::Applied
    }

    /// Tells whether more is kept than there is.
    fn compare_protections(&self, sku: &str, scope: &Scope, findings: &mut Findings) {
        let kept = self.promises.protections.scope(sku, scope).map_or(0, super::protection::Scoped::kept);
        let total = self.total(sku, scope, When::Now, Mode::LookAhead);
        let (location, group) = match scope {
            Scope::Location(location) => (&**location, ""),
            Scope::Group(group) => ("", &**group),
            Scope::Everywhere => ("", ""),
        };
        let subject = format!("{sku}/{location}/{group}");
        if kept > total {
            let cause = format!("{} is kept for channels and {} is there", quantity::text(kept), quantity::text(total));
            findings.raised.push(raised_about("over_protected", subject, cause));
        } else {
            findings.settled.push(("over_protected", subject));
        }
    }

    /// Moves protected quantity from one channel to another.
    pub(crate) fn move_protection(&mut self, said: &Moving, admitted: &Admitted, findings: &mut Findings) -> Outcome {
        let (sku, scope) = named(&said.sku, &said.scope, admitted);
        let quantity = admitted.quantity.unwrap_or(said.quantity);
        let Some(from) = self.promises.protections.find_mut(&sku, &scope, &said.from) else {
            findings.why = Some(format!("nothing is kept for channel {:?} there", said.from));
            return Outcome::UnknownReference;
        };
        if from.rest(0) < quantity {
            findings.why =
                Some(format!("{} is left of what is kept for {:?}", quantity::text(from.rest(0)), said.from));
            return Outcome::Insufficient;
        }
        from.protected -= quantity;
        if let Some(to) = self.promises.protections.find_mut(&sku, &scope, &said.to) {
            to.protected = to.protected.saturating_add(quantity);
        } else {
            let serial = self.promises.next_serial();
            let channel = said.to.clone();
            let to = Protection { channel, protected: quantity, capped: None, consumed: 0, serial };
            self.promises.protections.set(&sku, &scope, to);
        }
        Outcome::Applied
    }

    /// Defines what a group is from a time on.
    pub(crate) fn define_group(
        &mut self,
        case: &Case<'_, '_>,
        group: &str,
        said: &Grouping,
        findings: &mut Findings,
    ) -> Outcome {
        if self.promises.groups.reaches(&said.groups, group) {
            findings.why = Some(format!("group {group:?} would contain itself through others"));
            return Outcome::UnknownReference;
        }
        let event = &case.seen.event;
        let rank = (case.time_ns, event.source.unwrap_or_default(), event.id.unwrap_or_default());
        let is_kept = self.config.has_group_safety();
        let spots = if is_kept { self.spots() } else { Vec::new() };
        let before: Vec<_> = spots.iter().map(|spot| self.view(*spot).safety_stock).collect();
        self.promises.groups.define(group, rank, said.clone());
        for (spot, before) in spots.into_iter().zip(before) {
            if self.view(spot).safety_stock != before {
                self.touch(spot, case.sequence);
            }
        }
        if is_kept {
            self.review_all();
        }
        self.look_for_safety();
        Outcome::Applied
    }
}

/// SKU and scope as the ledger names them.
fn named(sku: &str, scope: &Scope, admitted: &Admitted) -> (Box<str>, Scope) {
    let sku = admitted.sku.as_deref().unwrap_or(sku).into();
    let scope = match (scope, &admitted.location) {
        (Scope::Location(_), Some(location)) => Scope::Location(location.clone()),
        (scope, _) => scope.clone(),
    };
    (sku, scope)
}
