//! Admission: who may say what, under which names, in which unit. What is turned away here was never counted, so it can
//! be sent again.

use tallystick_contract::account::Account;
use tallystick_contract::config::{Config, MasterMode, Unregistered};
use tallystick_contract::directive_kind::DirectiveKind;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::{Role, Statement, Verdict};
use tallystick_contract::rules::{End, QuantityRule};

use crate::directive::{Directive, ReceiptLine, Request};
use crate::engine::Engine;
use crate::event::{Event, EventQuantity};
use crate::explain::{Findings, Raised};
use crate::judge::{Case, Claim, Said};
use crate::master::{Unconvertible, Version};

/// An event under the names and in the unit that the ledger has.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// Names that are other than those that were sent.
    pub(crate) sku: Option<Box<str>>,
    pub(crate) location: Option<Box<str>>,
    pub(crate) to_location: Option<Box<str>>,
    /// The quantity in base units, if it is another.
    pub(crate) quantity: Option<i64>,
    pub(crate) verdict: Verdict,
    /// What a person should see if the event is counted.
    pub(crate) flags: Vec<Raised>,
}

/// An outcome, with more about it in words.
pub(crate) type Refusal = (Outcome, Option<String>);

impl Admitted {
    /// Whether the event has other names than those that were sent.
    pub(crate) const fn is_renamed(&self) -> bool {
        self.sku.is_some() || self.location.is_some()
    }

    /// A receipt's line under the ledger's names.
    pub(crate) fn line(&self, line: &ReceiptLine) -> ReceiptLine {
        ReceiptLine {
            sku: self.sku.clone().unwrap_or_else(|| line.sku.clone()),
            location: self.location.clone().unwrap_or_else(|| line.location.clone()),
            ..line.clone()
        }
    }

    /// The event under the ledger's names.
    pub(crate) fn event<'e>(&'e self, event: &Event<'e>) -> Event<'e> {
        Event {
            sku: self.sku.as_deref().or(event.sku),
            location: self.location.as_deref().or(event.location),
            to_location: self.to_location.as_deref().or(event.to_location),
            ..*event
        }
    }
}

impl Engine {
    /// Whether an event may pass.
    pub(crate) fn admit(&mut self, config: &Config, case: &Case<'_, '_>) -> Result<Admitted, Refusal> {
        let event = &case.seen.event;
        let source = event.source.unwrap_or_default();
        let mut admitted = Admitted::default();
        if case.said.names_stock() {
            self.rename(event, source, case.time_ns, &mut admitted);
        }
        if config.unregistered != Unregistered::Accept && config.source(source).is_none() && !config.is_operator(source)
        {
            if config.unregistered == Unregistered::Refuse {
                let why = format!("source {source:?} is not registered: it has no table in [sources]");
                return Err((Outcome::NotOwner, Some(why)));
            }
            admitted.flags.push(Raised { subject: Some(source.into()), ..Raised::of("unregistered_source") });
        }
        admitted.verdict = self.verdict(config, case, &admitted)?;
        if admitted.verdict.is_stranger && admitted.flags.is_empty() {
            admitted.flags.push(Raised { subject: Some(source.into()), ..Raised::of("unregistered_source") });
        }
        match case.said {
            Said::Stock(claim) => self.check_master(config, event, claim, case.time_ns, &mut admitted)?,
            Said::Directive(directive, _) => self.check_unit(event, directive, case.time_ns, &mut admitted)?,
        }
        if admitted.verdict.role == Role::Contributor {
            admitted.flags.insert(0, Raised::of("contributor"));
        }
        Ok(admitted)
    }

    /// Looks up the codes that a source has for names of its own.
    pub(crate) fn rename(&self, event: &Event<'_>, source: &str, time_ns: i64, admitted: &mut Admitted) {
        if self.items.has_aliases() {
            let resolve = |code| self.items.resolve(source, code, time_ns).map(Into::into);
            admitted.sku = event.sku.and_then(resolve);
        }
        if self.locations.has_aliases() {
            let resolve = |code| self.locations.resolve(source, code, time_ns).map(Into::into);
            admitted.location = event.location.and_then(resolve);
            admitted.to_location = event.to_location.and_then(resolve);
        }
    }

    /// What the source is for what it says.
    fn verdict(&mut self, config: &Config, case: &Case<'_, '_>, admitted: &Admitted) -> Result<Verdict, Refusal> {
        let event = &case.seen.event;
        let source = event.source.unwrap_or_default();
        let mut accounts = Vec::new();
        let (kind, location, directive) = match case.said {
            Said::Stock(claim) => {
                if config.ownership.is_none() && self.shadow.is_none() {
                    return Ok(Verdict::default());
                }
                accounts_of(claim, &mut accounts);
                (&*claim.rule.name, admitted.location.as_deref().or(event.location), None)
            }
            Said::Directive(directive, _) if directive.kind.is_for_operators() => {
                let why = "only operators may say this: the sources named in engine.operators";
                return if config.is_operator(source) {
                    Ok(Verdict::default())
                } else {
                    Err((Outcome::NotOwner, Some(why.to_owned())))
                };
            }
            Said::Directive(directive, _) if directive.kind == DirectiveKind::Tick => return Ok(Verdict::default()),
            Said::Directive(directive, _) => {
                let is_there = matches!(
                    directive.request,
                    Request::DefineLocation(..) | Request::Announce(..) | Request::Close(..)
                ) || directive.kind.is_promise();
                let location = admitted.location.as_deref().or(event.location);
                (directive.kind.name(), location.filter(|_| is_there), Some(directive))
            }
        };
        let location = location.unwrap_or_default();
        let statement = Statement { source, kind, accounts: &accounts, location, time_ns: case.time_ns };
        let verdict = config.ownership.as_ref().map(|policy| policy.judge(statement)).unwrap_or_default();
        if let Some(shadow) = &mut self.shadow {
            shadow.compare(statement, verdict.role, (case.element.place.sequence, case.element.place.index));
        }
        let verdict = match directive {
            // Everybody may correct what is its own, unless a rule speaks against it.
            Some(directive) if directive.kind.is_correction() && !verdict.by_rule => Verdict::default(),
            _ => verdict,
        };
        if verdict.role == Role::Refused {
            let why = format!("the ownership policy refuses {kind} from {source:?} at {location:?}");
            return Err((Outcome::NotOwner, Some(why)));
        }
        directive.map_or(Ok(()), |directive| may_correct(directive, source, verdict))?;
        Ok(verdict)
    }

    /// Checks names and unit against the master data.
    pub(crate) fn check_master(
        &self,
        config: &Config,
        event: &Event<'_>,
        claim: &Claim<'_>,
        time_ns: i64,
        admitted: &mut Admitted,
    ) -> Result<(), Refusal> {
        let item = if self.items.is_empty() {
            None
        } else {
            let sku = admitted.sku.as_deref().or(event.sku).unwrap_or_default();
            self.items.at(sku, time_ns)
        };
        if config.master != MasterMode::Off {
            let item = (admitted.sku.as_deref().or(event.sku), item.is_some());
            let location = admitted.location.as_deref().or(event.location);
            let to_location = admitted.to_location.as_deref().or(event.to_location);
            let to_location = to_location.filter(|_| claim.rule.needs_to_location);
            self.check_names(config, item, [location, to_location], time_ns, &mut admitted.flags)?;
        }
        if let Some(unit) = event.unit {
            let converted = convert(item, claim.quantity, unit)?;
            admitted.quantity = Some(converted).filter(|converted| *converted != claim.quantity);
        }
        Ok(())
    }

    /// Converts the quantity of a line or a request into base units.
    fn check_unit(
        &self,
        event: &Event<'_>,
        directive: &Directive,
        time_ns: i64,
        admitted: &mut Admitted,
    ) -> Result<(), Refusal> {
        let has_quantity = matches!(
            directive.request,
            Request::Schedule(..) | Request::Reschedule(..) | Request::Reserve(..) | Request::MoveProtection(..)
        );
        if let (Some(unit), Some(EventQuantity::Exact(quantity)), true) = (event.unit, event.quantity, has_quantity) {
            let sku = admitted.sku.as_deref().or(event.sku).unwrap_or_default();
            admitted.quantity = Some(convert(self.items.at(sku, time_ns), quantity, unit)?);
        }
        Ok(())
    }

    /// Checks that an item and locations are defined, where anybody asks for it.
    fn check_names(
        &self,
        config: &Config,
        (sku, is_known): (Option<&str>, bool),
        locations: [Option<&str>; 2],
        time_ns: i64,
        flags: &mut Vec<Raised>,
    ) -> Result<(), Refusal> {
        let is_strict = config.master == MasterMode::Strict;
        let is_there = |location: &str| self.locations.at(location, time_ns).is_some();
        let item = sku.filter(|_| !is_known && (is_strict || !self.items.is_empty()));
        let asked = is_strict || !self.locations.is_empty();
        let unknown = locations.into_iter().flatten().filter(|location| asked && !is_there(location));
        let unknown =
            item.map(|sku| ("unknown_item", sku)).into_iter().chain(unknown.map(|name| ("unknown_location", name)));
        for (code, name) in unknown {
            if is_strict {
                let what = code.trim_start_matches("unknown_");
                let why = format!("{what} {name:?} is not defined at this time");
                return Err((Outcome::UnknownReference, Some(why)));
            }
            flags.push(Raised { subject: Some(name.into()), ..Raised::of(code) });
        }
        Ok(())
    }

    /// Flags names that are not defined, where that is asked for.
    pub(crate) fn flag_names(&self, config: &Config, sku: &str, location: &str, time_ns: i64, flags: &mut Vec<Raised>) {
        if config.master == MasterMode::Flag {
            let item = (Some(sku), self.items.at(sku, time_ns).is_some());
            // Only the strict mode refuses.
            let _ = self.check_names(config, item, [Some(location), None], time_ns, flags);
        }
    }

    /// Tells of a source whose events change nothing because no rule names it.
    pub(crate) fn flag_observed(&mut self, admitted: &Admitted, findings: &mut Findings) {
        if admitted.verdict.is_stranger {
            let of_source: Vec<_> = admitted.flags.iter().filter(|flag| &*flag.code == "unregistered_source").collect();
            let flags = self.untold(of_source);
            findings.raised.extend(flags);
        }
    }

    /// The flags of an event that was taken, as far as nobody was told of them.
    pub(crate) fn untold<'r>(&mut self, flags: impl IntoIterator<Item = &'r Raised>) -> Vec<Raised> {
        let mut untold = Vec::new();
        for flag in flags {
            let name = flag.subject.as_deref().unwrap_or_default();
            let is_new = match &*flag.code {
                "unregistered_source" => self.sources.tell(name),
                "unknown_item" => self.items.tell(name),
                "unknown_location" => self.locations.tell(name),
                _ => true,
            };
            if is_new {
                untold.push(flag.clone());
            }
        }
        untold
    }
}

/// Who may correct: the target's own source, or one that a rule names owner of corrections.
fn may_correct(directive: &Directive, source: &str, verdict: Verdict) -> Result<(), Refusal> {
    let target = match &directive.request {
        Request::Correct(target, _) => target,
        Request::Settle(settle) => &settle.target,
        _ => return Ok(()),
    };
    if target.source == source || verdict.by_rule && verdict.role == Role::Owner {
        return Ok(());
    }
    let why = format!(
        "only {:?} may correct or settle what it said, or a source that the ownership policy names for it",
        target.source
    );
    Err((Outcome::NotOwner, Some(why)))
}

fn convert(item: Option<&Version>, quantity: i64, unit: &str) -> Result<i64, Refusal> {
    let Some(item) = item else {
        let why = format!("the unit {unit:?} cannot be converted: the item is not defined at this time");
        return Err((Outcome::UnknownReference, Some(why)));
    };
    item.convert(quantity, unit).map_err(|why| match why {
        Unconvertible::Unknown => {
            (Outcome::UnknownReference, Some(format!("the item has no unit {unit:?} at this time")))
        }
        Unconvertible::Inexact => (
            Outcome::QuantityInvalid,
            Some(format!("the quantity in {unit:?} does not come out in thousandths of the base unit")),
        ),
    })
}

/// The accounts that a type posts to, statuses resolved.
pub(crate) fn accounts_of(claim: &Claim<'_>, accounts: &mut Vec<Account>) {
    if claim.rule.quantity == QuantityRule::Count {
        accounts.push(Account::OnHand);
    }
    for end in claim.rule.postings.iter().flat_map(|posting| [posting.from, posting.to]) {
        accounts.extend(match end {
            End::Fixed(account) => Some(account),
            End::FromStatus => claim.statuses.from,
            End::ToStatus => claim.statuses.to,
        });
    }
}
