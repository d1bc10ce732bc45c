//! Protection: what is kept for a channel, and what that leaves for the others.

use std::collections::BTreeSet;

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;
use tallystick_contract::outcome::Outcome;

use crate::ask::Scope;
use crate::claims::hold::Part;
use crate::twin::{Protection, ProtectionKey, Reference};

use super::kernel::Figure;
use super::outlook::is_whole;
use super::wanting::Asks;

impl Reference {
    /// Sets a protection anew. Says whether those of its scope exceed what is there, and for what.
    pub(super) fn protect(&mut self, key: ProtectionKey, protected: i64, cap: Option<i64>) -> Vec<(String, String)> {
        let (sku, scope) = (key.sku.clone(), key.scope.clone());
        let since = self.promise.next_number();
        if protected == 0 && cap.is_none() {
            self.promise.protections.remove(&key);
        } else {
            self.promise.protections.insert(key, Protection { protected, cap, since });
        }
        let total = self.totals(&sku, &scope, (Mode::LookAhead, None), None, &[])[0];
        let subject = match &scope {
            Scope::Everywhere => format!("{sku}//"),
            Scope::Location(location) => format!("{sku}/{location}/"),
            Scope::Group(group) => format!("{sku}//{group}"),
        };
        if total.is_some_and(|total| self.rests(&sku, &scope, &[]) > total) {
            return vec![("over_protected".to_owned(), subject)];
        }
        self.work.resolve("over_protected", &subject);
        Vec::new()
    }

    /// Moves what is protected from one channel to another.
    pub(super) fn shift(&mut self, from: &ProtectionKey, to: &ProtectionKey, quantity: i64) -> Outcome {
        let Some(protection) = self.promise.protections.get(from) else { return Outcome::UnknownReference };
        if self.rest(from, protection, &[]) < i128::from(quantity) {
            return Outcome::Insufficient;
        }
        let since = self.promise.next_number();
        self.promise.protections.get_mut(from).expect("it was found").protected -= quantity;
        let none = Protection { protected: 0, cap: None, since };
        self.promise.protections.entry(to.clone()).or_insert(none).protected += quantity;
        Outcome::Applied
    }

    /// The figures of a position for a channel, or for nobody's, with what is taken beside what reservations have.
    pub(super) fn figures_under(
        &self,
        at: &PositionKey,
        channel: Option<&str>,
        mode: Mode,
        measure: Option<&str>,
        beside: &[Part],
    ) -> Vec<Figure> {
        let mut figures = self.figures_beside(at, mode, measure, beside);
        if !is_whole(at) {
            return figures;
        }
        for scope in self.scopes_at(&at.sku, &at.location) {
            let (own, cap) = self.own(&at.sku, &scope, channel, beside);
            let rests = self.rests(&at.sku, &scope, beside);
            let totals = self.totals(&at.sku, &scope, (mode, measure), None, beside);
            for (figure, total) in figures.iter_mut().zip(totals) {
                let allowed = total.map(|total| total.min(own + (total - rests).max(0)));
                *figure = least(*figure, least(allowed, cap));
            }
        }
        figures
    }

    /// What a line could be granted of a position, under what is kept for others: there it counts as all that the line
    /// could be granted.
    pub(super) fn under_protection(
        &self,
        at: &PositionKey,
        asks: Asks<'_>,
        (own, all): (Figure, Figure),
        bucket: usize,
        beside: &[Part],
    ) -> Figure {
        let mut figure = own;
        for scope in self.scopes_at(&at.sku, &at.location) {
            let (rest, cap) = self.own(&at.sku, &scope, asks.channel, beside);
            let rests = self.rests(&at.sku, &scope, beside);
            let total = self.totals(&at.sku, &scope, (asks.mode, None), Some((at, all)), beside)[bucket];
            let allowed = total.map(|total| total.min(rest + (total - rests).max(0)));
            figure = least(figure, least(allowed, cap));
        }
        figure
    }

    /// The scopes with protections of a SKU that a location lies in.
    pub(super) fn scopes_at(&self, sku: &str, location: &str) -> BTreeSet<Scope> {
        let contains = |scope: &Scope| match scope {
            Scope::Everywhere => true,
            Scope::Location(other) => other == location,
            Scope::Group(group) => self.is_in(location, group),
        };
        let protections = self.promise.protections.keys().filter(|key| key.sku == sku);
        protections.map(|key| key.scope.clone()).filter(contains).collect()
    }

    /// What is left of a channel's protection, and of its cap.
    fn own(&self, sku: &str, scope: &Scope, channel: Option<&str>, beside: &[Part]) -> (i128, Figure) {
        let Some(channel) = channel else { return (0, None) };
        let key = ProtectionKey { sku: sku.to_owned(), scope: scope.clone(), channel: channel.to_owned() };
        let Some(protection) = self.promise.protections.get(&key) else { return (0, None) };
        let consumed = self.consumed(&key, protection, beside);
        (self.rest(&key, protection, beside), protection.cap.map(|cap| (i128::from(cap) - consumed).max(0)))
    }

    /// What is left of all protections of a scope.
    fn rests(&self, sku: &str, scope: &Scope, beside: &[Part]) -> i128 {
        let here = self.promise.protections.iter().filter(|(key, _)| key.sku == sku && key.scope == *scope);
        here.map(|(key, protection)| self.rest(key, protection, beside)).sum()
    }

    fn rest(&self, key: &ProtectionKey, protection: &Protection, beside: &[Part]) -> i128 {
        (i128::from(protection.protected) - self.consumed(key, protection, beside)).max(0)
    }

    /// What reservations of the channel took in the scope since it was set, and did not give back.
    fn consumed(&self, key: &ProtectionKey, protection: &Protection, beside: &[Part]) -> i128 {
        let counts = |part: &Part| {
            part.channel.as_ref() == Some(&key.channel)
                && part.at.sku == key.sku
                && part.scopes.contains(&key.scope)
                && part.number > protection.since
        };
        let all = self.parts().filter(|(_, part, _)| counts(part));
        let taken = all.map(|(id, part, became)| i128::from(self.kept(id, part, &became))).sum::<i128>();
        taken + beside.iter().filter(|part| counts(part)).map(|part| i128::from(part.granted)).sum::<i128>()
    }

    /// What is there in a scope, bucket by bucket, so that a shortage at one place hides nothing at another.
    fn totals(
        &self,
        sku: &str,
        scope: &Scope,
        (mode, measure): (Mode, Option<&str>),
        instead: Option<(&PositionKey, Figure)>,
        beside: &[Part],
    ) -> Vec<Figure> {
        let places: Vec<PositionKey> = match scope {
            Scope::Everywhere => self.positions.keys().filter(|at| at.sku == sku && is_whole(at)).cloned().collect(),
            Scope::Location(location) => vec![whole(sku, location)],
            Scope::Group(group) => {
                let locations = self.locations_of(group).unwrap_or_default();
                locations.iter().map(|location| whole(sku, location)).collect()
            }
        };
        let mut totals = vec![Some(0); self.horizon()];
        for at in places {
            let figures = match instead.filter(|(own, _)| **own == at) {
                Some((_, figure)) => vec![figure; self.horizon()],
                None => self.figures_beside(&at, mode, measure, beside),
            };
            for (total, figure) in totals.iter_mut().zip(figures) {
                *total = total.zip(figure).map(|(total, figure)| total + figure.max(0));
            }
        }
        totals
    }
}

/// A position without lot and owner.
fn whole(sku: &str, location: &str) -> PositionKey {
    PositionKey { sku: sku.to_owned(), location: location.to_owned(), lot: String::new(), owner: String::new() }
}

/// The lesser of two figures; nothing is without limit.
fn least(one: Figure, other: Figure) -> Figure {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
