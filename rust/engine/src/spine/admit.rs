//! Admission: who may say what, under which names, in which unit. What is turned away here was never counted, so it can
//! be sent again.

use tallystick_contract::account::Account;
use tallystick_contract::config::{Config, Unregistered};
use tallystick_contract::directive_kind::DirectiveKind;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::{Role, Statement, Verdict};
use tallystick_contract::rules::{End, QuantityRule};

use crate::core::admitted::{Admitted, Refusal};
use crate::core::context::Context;
use crate::diagnostics::{Diagnostics, Raised};
use crate::read::directive::{Directive, Request};
use crate::read::reading::{Command, Posting};
use crate::spine::engine::Engine;

impl Engine {
    /// Whether an event may pass.
    pub(crate) fn admit(&mut self, config: &Config, context: &Context<'_, '_>) -> Result<Admitted, Refusal> {
        let event = &context.decoded.event;
        let source = event.source;
        let mut admitted = Admitted::default();
        if context.command.names_stock() {
            self.core.rename(event, source, context.time_ns, &mut admitted);
        }
        // A tick says that time passes, and the daemon's own has no table.
        let is_tick =
            matches!(context.command, Command::Directive(directive, _) if directive.kind == DirectiveKind::Tick);
        let is_known = is_tick || config.source(source).is_some() || config.is_operator(source);
        if config.unregistered != Unregistered::Accept && !is_known {
            if config.unregistered == Unregistered::Refuse {
                let why = format!("source {source:?} is not registered: it has no table in [sources]");
                return Err((Outcome::NotOwner, Some(why)));
            }
            admitted.flags.push(Raised { subject: Some(source.into()), ..Raised::of("unregistered_source") });
        }
        admitted.verdict = self.verdict(config, context, &admitted)?;
        if admitted.verdict.is_stranger && admitted.flags.is_empty() {
            admitted.flags.push(Raised { subject: Some(source.into()), ..Raised::of("unregistered_source") });
        }
        match context.command {
            Command::Stock(posting) => {
                self.core.check_master(config, event, posting, context.time_ns, &mut admitted)?;
            }
            Command::Directive(directive, _) => {
                self.core.check_unit(event, directive, context.time_ns, &mut admitted)?;
            }
        }
        if admitted.verdict.role == Role::Contributor {
            admitted.flags.insert(0, Raised::of("contributor"));
        }
        Ok(admitted)
    }

    /// What the source is for what it says.
    fn verdict(&mut self, config: &Config, context: &Context<'_, '_>, admitted: &Admitted) -> Result<Verdict, Refusal> {
        let event = &context.decoded.event;
        let source = event.source;
        let mut accounts = Vec::new();
        let (kind, location, directive) = match context.command {
            Command::Stock(posting) => {
                if config.ownership.is_none() && self.shadow.is_none() {
                    return Ok(Verdict::default());
                }
                accounts_of(posting, &mut accounts);
                (&*posting.rule.name, admitted.location.as_deref().unwrap_or(event.location), None)
            }
            Command::Directive(directive, _) if directive.kind.is_for_operators() => {
                let why = "only operators may say this: the sources named in engine.operators";
                return if config.is_operator(source) {
                    Ok(Verdict::default())
                } else {
                    Err((Outcome::NotOwner, Some(why.to_owned())))
                };
            }
            Command::Directive(directive, _) if directive.kind == DirectiveKind::Tick => return Ok(Verdict::default()),
            Command::Directive(directive, _) => {
                let is_there = matches!(
                    directive.request,
                    Request::DefineLocation(..) | Request::Announce(..) | Request::Close(..)
                ) || directive.kind.is_promise();
                let location = admitted.location.as_deref().unwrap_or(event.location);
                (directive.kind.name(), if is_there { location } else { "" }, Some(directive))
            }
        };
        let statement = Statement { source, kind, accounts: &accounts, location, time_ns: context.time_ns };
        let verdict = config.ownership.as_ref().map(|policy| policy.judge(statement)).unwrap_or_default();
        if let Some(shadow) = &mut self.shadow {
            shadow.compare(statement, verdict.role, context.element.place);
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

    /// Tells of a source whose events change nothing because no rule names it.
    pub(crate) fn flag_observed(&mut self, admitted: &Admitted, diagnostics: &mut Diagnostics) {
        if admitted.verdict.is_stranger {
            let of_source: Vec<_> = admitted.flags.iter().filter(|flag| &*flag.code == "unregistered_source").collect();
            let flags = self.untold(of_source);
            diagnostics.raised.extend(flags);
        }
    }

    /// The flags of an event that was taken, as far as nobody was told of them.
    pub(crate) fn untold<'r>(&mut self, flags: impl IntoIterator<Item = &'r Raised>) -> Vec<Raised> {
        let mut untold = Vec::new();
        for flag in flags {
            let name = flag.subject.as_deref().unwrap_or_default();
            let is_new = match &*flag.code {
                "unregistered_source" => self.sources.tell(name),
                "unknown_item" => self.core.items.tell(name),
                "unknown_location" => self.core.locations.tell(name),
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

/// The accounts that a type posts to, statuses resolved.
pub(crate) fn accounts_of(posting: &Posting<'_>, accounts: &mut Vec<Account>) {
    if posting.rule.quantity == QuantityRule::Count {
        accounts.push(Account::OnHand);
    }
    for end in posting.rule.postings.iter().flat_map(|posting| [posting.from, posting.to]) {
        accounts.extend(match end {
            End::Fixed(account) => Some(account),
            End::FromStatus => posting.statuses.from,
            End::ToStatus => posting.statuses.to,
        });
    }
}
