//! Guarding: what the log says of protections and groups is carried out (`docs/promise.md` §5, §6).

use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity;

use tallystick_contract::config::Mode;

use crate::core::admitted::Admitted;
use crate::core::days::When;
use crate::diagnostics::{Diagnostics, Raised};
use crate::promise::Promises;
use crate::promise::protection::Protection;
use crate::read::directive::{Moving, Protecting, Scope};
use crate::schedule::{Books, View};

impl Promises {
    /// Sets what is kept for a channel, anew.
    pub(crate) fn protect(
        &mut self,
        books: &mut Books<'_>,
        said: &Protecting,
        admitted: &Admitted,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let (sku, scope) = named(&said.sku, &said.scope, admitted);
        let protection = Protection {
            channel: said.channel.clone(),
            protected: said.protected,
            capped: said.capped,
            consumed: 0,
            serial: books.schedule.next_serial(),
        };
        self.protections.set(&sku, &scope, protection);
        self.compare_protections(books.view(), &sku, &scope, diagnostics);
        Outcome::Applied
    }

    /// Tells whether more is kept than there is.
    fn compare_protections(&self, view: View<'_>, sku: &str, scope: &Scope, diagnostics: &mut Diagnostics) {
        let kept = self.protections.scope(sku, scope).map_or(0, super::protection::Scoped::kept);
        let total = view.schedule.total(view.core, sku, scope, When::Now, Mode::LookAhead);
        let (location, group) = match scope {
            Scope::Location(location) => (&**location, ""),
            Scope::Group(group) => ("", &**group),
            Scope::Everywhere => ("", ""),
        };
        let subject = format!("{sku}/{location}/{group}");
        if kept > total {
            let cause = format!("{} is kept for channels and {} is there", quantity::text(kept), quantity::text(total));
            diagnostics.raised.push(Raised::about("over_protected", subject, cause));
        } else {
            diagnostics.settled.push(("over_protected", subject));
        }
    }

    /// Moves protected quantity from one channel to another.
    pub(crate) fn move_protection(
        &mut self,
        books: &mut Books<'_>,
        said: &Moving,
        admitted: &Admitted,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        let (sku, scope) = named(&said.sku, &said.scope, admitted);
        let quantity = admitted.quantity.unwrap_or(said.quantity);
        let Some(from) = self.protections.find_mut(&sku, &scope, &said.from) else {
            diagnostics.why = Some(format!("nothing is kept for channel {:?} there", said.from));
            return Outcome::UnknownReference;
        };
        if from.rest(0) < quantity {
            diagnostics.why =
                Some(format!("{} is left of what is kept for {:?}", quantity::text(from.rest(0)), said.from));
            return Outcome::Insufficient;
        }
        from.protected -= quantity;
        if let Some(to) = self.protections.find_mut(&sku, &scope, &said.to) {
            to.protected = to.protected.saturating_add(quantity);
        } else {
            let serial = books.schedule.next_serial();
            let channel = said.to.clone();
            let to = Protection { channel, protected: quantity, capped: None, consumed: 0, serial };
            self.protections.set(&sku, &scope, to);
        }
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
