//! Who may say what: the first rule that fits decides. Written out once more, so that the engine's own matching is
//! checked and not trusted.

use tallystick_contract::account::Account;
use tallystick_contract::config::{Config, Unregistered};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::{Criterion, Pattern, Policy, Role, RoleRule, Verdict};

use super::ask::Ask;
use super::body::Body;
use super::directive::{Directive, What};
use super::posting::ends;

/// What an event says, as far as the policy asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'a> {
    pub(super) source: &'a str,
    pub(super) kind: &'a str,
    pub(super) accounts: &'a [Account],
    /// Empty for nowhere.
    pub(super) location: &'a str,
    pub(super) time_ns: i64,
}

/// Whether a source is named anywhere.
pub(super) fn is_registered(config: &Config, source: &str) -> bool {
    config.source(source).is_some() || is_operator(config, source)
}

fn is_operator(config: &Config, source: &str) -> bool {
    config.operators.iter().any(|operator| operator == source)
}

/// Whether a source that is named nowhere is refused.
pub(super) fn is_stranger(config: &Config, source: &str) -> bool {
    config.unregistered == Unregistered::Refuse && !is_registered(config, source)
}

/// What a source is for a stock event.
pub(super) fn of_stock(config: &Config, source: &str, body: &Body, time_ns: i64) -> Verdict {
    // A count posts nothing, and is about what is on hand.
    let posted = body.rule.postings.iter().flat_map(|posting| ends(*posting, body));
    let accounts: Vec<_> = if body.rule.postings.is_empty() { vec![Account::OnHand] } else { posted.collect() };
    let (kind, location) = (&*body.rule.name, &*body.location);
    judge(config, Statement { source, kind, accounts: &accounts, location, time_ns })
}

/// What a source is for a directive, or that it may not say it.
pub(super) fn of_directive(
    config: &Config,
    source: &str,
    directive: &Directive,
    location: &str,
    time_ns: i64,
) -> Result<Verdict, Outcome> {
    let (kind, accounts): (&str, &[Account]) = (&directive.kind, &[]);
    let verdict = || judge(config, Statement { source, kind, accounts, location, time_ns });
    let owner = Verdict::default();
    match &directive.what {
        _ if directive.is_for_operators() => {
            if is_operator(config, source) {
                Ok(owner)
            } else {
                Err(Outcome::NotOwner)
            }
        }
        What::Tick => Ok(owner),
        What::Promise(Ask::Settle { target, .. }) => match verdict() {
            Verdict { role: Role::Refused, .. } => Err(Outcome::NotOwner),
            verdict if target.0 == source || (verdict.by_rule && verdict.role == Role::Owner) => Ok(verdict),
            _ => Err(Outcome::NotOwner),
        },
        What::Void { target } | What::Correct { target, .. } => {
            match verdict() {
                // Only a rule that speaks of it makes a source more than the owner of its own events, or less.
                Verdict { by_rule: true, role: Role::Refused, .. } => Err(Outcome::NotOwner),
                verdict if target.0 == source => Ok(if verdict.by_rule { verdict } else { owner }),
                Verdict { by_rule: true, role: Role::Owner, .. } => Ok(owner),
                _ => Err(Outcome::NotOwner),
            }
        }
        _ => match verdict() {
            Verdict { role: Role::Refused, .. } => Err(Outcome::NotOwner),
            verdict => Ok(verdict),
        },
    }
}

/// The rank of a count. Without a policy, the time alone.
pub(super) fn rank(config: &Config, verdict: Verdict, time_ns: i64) -> [i64; 3] {
    let Some(policy) = &config.ownership else { return [time_ns, 0, 0] };
    let mut rank = [0; 3];
    for (place, criterion) in policy.survivorship.iter().enumerate() {
        rank[place] = match criterion {
            Criterion::Owner => i64::from(verdict.role == Role::Owner),
            Criterion::Newest => time_ns,
            Criterion::Priority => verdict.priority,
        };
    }
    rank
}

fn judge(config: &Config, said: Statement<'_>) -> Verdict {
    let Some(Policy { rules, default, has_preset, .. }) = &config.ownership else { return Verdict::default() };
    // An operator is no stranger to a preset.
    let is_unknown = *has_preset && !is_operator(config, said.source);
    let is_named = rules.iter().any(|rule| !rule.sources.is_empty() && names(&rule.sources, said.source));
    for rule in rules {
        if fits(rule, said) {
            let is_stranger = is_unknown && !is_named;
            return Verdict { role: rule.role, priority: rule.priority, by_rule: true, is_stranger };
        }
    }
    let role = match default {
        Role::Observer if *has_preset && !is_unknown => Role::Owner,
        role => *role,
    };
    Verdict { role, priority: 0, by_rule: false, is_stranger: is_unknown && !is_named }
}

fn fits(rule: &RoleRule, said: Statement<'_>) -> bool {
    let is_in_time =
        rule.from_ns.is_none_or(|from| said.time_ns >= from) && rule.until_ns.is_none_or(|until| said.time_ns < until);
    let is_here = rule.locations.is_empty() || rule.locations.iter().any(|location| location == said.location);
    let posts = rule.accounts.is_empty() || rule.accounts.iter().any(|account| said.accounts.contains(account));
    is_in_time && is_here && posts && names(&rule.sources, said.source) && names(&rule.types, said.kind)
}

fn names(patterns: &[Pattern], name: &str) -> bool {
    let is_named = |Pattern { text, is_prefix }: &Pattern| {
        name == text || (*is_prefix && name.len() >= text.len() && name.as_bytes()[..text.len()] == *text.as_bytes())
    };
    patterns.is_empty() || patterns.iter().any(is_named)
}
