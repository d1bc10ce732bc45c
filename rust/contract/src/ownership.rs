//! Ownership: who may say what. A policy of rules over source, type, account, location and effective time gives each
//! event a role; survivorship says which of two counts is the barrier. Knows no ledger and no event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::config_text::time;
use crate::heap_size::{flat, heap_size};

/// What a source is for what an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It is counted.
    #[default]
    Owner,
    /// It is counted, and flagged.
    Contributor,
    /// It is recorded, and changes nothing.
    Observer,
    /// It may not say this.
    Refused,
}

impl Role {
    /// The name in configurations and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Contributor => "contributor",
            Self::Observer => "observer",
            Self::Refused => "refused",
        }
    }
}

/// What decides between two counts of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Criterion {
    /// An owner's before a contributor's.
    Owner,
    /// The one effective later.
    Newest,
    /// The one under the rule with the greater priority.
    Priority,
}

flat!(Role, Criterion);

/// A name, or all names with a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The name, or its beginning.
    pub text: String,
    /// Whether more may follow.
    pub is_prefix: bool,
}

heap_size!(Pattern { text, is_prefix });

impl Pattern {
    /// Whether a name fits.
    pub fn fits(&self, name: &str) -> bool {
        if self.is_prefix { name.starts_with(&self.text) } else { name == self.text }
    }
}

/// One rule. What is empty or absent fits everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// Sources.
    pub sources: Vec<Pattern>,
    /// Types, by the names that the rule table gives them.
    pub types: Vec<Pattern>,
    /// Accounts, of which the event must post to one.
    pub accounts: Vec<Account>,
    /// Locations, sets resolved.
    pub locations: Vec<String>,
    /// Effective from this time on, in nanoseconds since 1970.
    pub from_ns: Option<i64>,
    /// Effective before this time.
    pub until_ns: Option<i64>,
    /// What the source is then.
    pub role: Role,
    /// For survivorship.
    pub priority: i64,
}

heap_size!(RoleRule { sources, types, accounts, locations, from_ns, until_ns, role, priority });

/// What an event says, as far as ownership asks.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// Who speaks.
    pub source: &'a str,
    /// The type's own name.
    pub kind: &'a str,
    /// The accounts that it posts to.
    pub accounts: &'a [Account],
    /// Where; empty for nowhere.
    pub location: &'a str,
    /// When, in nanoseconds since 1970.
    pub time_ns: i64,
}

/// What the policy says of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What the source is.
    pub role: Role,
    /// Of the rule that decided.
    pub priority: i64,
    /// Whether a rule decided, and not the default.
    pub by_rule: bool,
    /// Whether a preset is in force, and no rule names the source.
    pub is_stranger: bool,
}

/// Who may say what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The first that fits decides.
    pub rules: Vec<RoleRule>,
    /// What holds where none fits.
    pub default: Role,
    /// What decides between counts, in this order.
    pub survivorship: Vec<Criterion>,
    /// Whether a preset is in force, which knows the sources by their names.
    pub has_preset: bool,
    /// Sources that are people's own; a preset does not take them for strangers.
    pub operators: Vec<String>,
}

heap_size!(Policy { rules, default, survivorship, has_preset, operators });

impl Policy {
    /// What the source is for what it says.
    ///
    /// ```
    /// use tallystick_contract::{account::Account, config::Config, ownership::Role, ownership::Statement};
    ///
    /// let rule = r#"{"sources":["wms*"],"accounts":["on_hand"],"role":"owner"}"#;
    /// let text = format!(r#"{{"ownership":{{"default":"observer","rules":[{rule}]}}}}"#);
    /// let policy = Config::parse(&text).unwrap().ownership.unwrap();
    /// let (kind, accounts) = ("stock.received", &[Account::OnHand, Account::Supplier][..]);
    /// let said = Statement { source: "wms-2", kind, accounts, location: "DC1", time_ns: 0 };
    /// assert_eq!(policy.judge(said).role, Role::Owner);
    /// assert_eq!(policy.judge(Statement { source: "shop", ..said }).role, Role::Observer);
    /// ```
    pub fn judge(&self, statement: Statement<'_>) -> Verdict {
        let by_rule = self.rules.iter().find(|rule| rule.fits(statement));
        let verdict = by_rule.map_or(Verdict { role: self.default, ..Verdict::default() }, |rule| Verdict {
            role: rule.role,
            priority: rule.priority,
            by_rule: true,
            is_stranger: false,
        });
        if !self.has_preset {
            return verdict;
        }
        if self.operators.iter().any(|operator| operator == statement.source) {
            // What a person enters by hand must not vanish in silence because no system has that name.
            let role = if verdict.role == Role::Observer && !verdict.by_rule { Role::Owner } else { verdict.role };
            return Verdict { role, ..verdict };
        }
        Verdict { is_stranger: !self.rules.iter().any(|rule| rule.names(statement.source)), ..verdict }
    }

    /// The rank of a count: the greater one is the barrier.
    pub fn rank(&self, verdict: Verdict, time_ns: i64) -> [i64; 3] {
        let mut rank = [0; 3];
        for (place, criterion) in rank.iter_mut().zip(&self.survivorship) {
            *place = match criterion {
                Criterion::Owner => i64::from(verdict.role == Role::Owner),
                Criterion::Newest => time_ns,
                Criterion::Priority => verdict.priority,
            };
        }
        rank
    }
}

impl RoleRule {
    /// Whether it speaks of this source, and not of everybody.
    fn names(&self, source: &str) -> bool {
        self.sources.iter().any(|pattern| pattern.fits(source))
    }

    fn fits(&self, said: Statement<'_>) -> bool {
        let any = |patterns: &[Pattern], name| patterns.is_empty() || patterns.iter().any(|pattern| pattern.fits(name));
        any(&self.sources, said.source)
            && any(&self.types, said.kind)
            && (self.accounts.is_empty() || self.accounts.iter().any(|account| said.accounts.contains(account)))
            && (self.locations.is_empty() || self.locations.iter().any(|location| location == said.location))
            && self.from_ns.is_none_or(|from_ns| from_ns <= said.time_ns)
            && self.until_ns.is_none_or(|until_ns| said.time_ns < until_ns)
    }
}

/// `[ownership]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawOwnership {
    preset: Option<String>,
    /// `owner`; under a preset `observer`.
    default: Option<Role>,
    survivorship: Option<Vec<Criterion>>,
    location_sets: BTreeMap<String, Vec<String>>,
    rules: Vec<RawRule>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawRule {
    sources: Vec<String>,
    types: Vec<String>,
    accounts: Vec<String>,
    locations: Vec<String>,
    from: Option<String>,
    until: Option<String>,
    role: Option<Role>,
    priority: i64,
}

/// The presets that ship: WMS owns execution, ERP the orders, the books and master data, OMS and shops the
/// reservations.
const PRESETS: [(&str, &str); 1] = [("wms_erp_oms", include_str!("presets/wms_erp_oms.toml"))];

impl RawOwnership {
    /// The policy, where these sources are the operators.
    ///
    /// # Errors
    /// Names the key and the cure.
    pub fn validate(&self, operators: &[String]) -> Result<Policy, String> {
        let mut rules = Vec::new();
        for (number, raw) in self.rules.iter().enumerate() {
            rules.push(raw.compile(&format!("ownership.rules[{number}]"), &self.location_sets)?);
        }
        if let Some(name) = &self.preset {
            let Some((_, text)) = PRESETS.iter().find(|(known, _)| known == name) else {
                return Err(format!("ownership.preset: there is no {name:?}; known is \"wms_erp_oms\""));
            };
            let preset: Self = toml::from_str(text).map_err(|error| error.to_string())?;
            rules.extend(preset.validate(&[])?.rules);
        }
        let survivorship =
            self.survivorship.clone().unwrap_or(vec![Criterion::Owner, Criterion::Newest, Criterion::Priority]);
        let is_twice = |(place, criterion): (usize, &Criterion)| survivorship[..place].contains(criterion);
        if survivorship.is_empty() || survivorship.iter().enumerate().any(is_twice) {
            return Err("ownership.survivorship: give each of \"owner\", \"newest\", \"priority\" at most once, and at least one".to_owned());
        }
        let has_preset = self.preset.is_some();
        // A preset knows who says what. Whom it does not know must not move stock that somebody else tells of, too.
        let default = self.default.unwrap_or(if has_preset { Role::Observer } else { Role::Owner });
        let operators = if has_preset { operators.to_vec() } else { Vec::new() };
        Ok(Policy { rules, default, survivorship, has_preset, operators })
    }
}

impl RawRule {
    fn compile(&self, place: &str, sets: &BTreeMap<String, Vec<String>>) -> Result<RoleRule, String> {
        let patterns = |texts: &[String]| texts.iter().map(|text| pattern(text)).collect();
        let account = |name: &String| {
            Account::from_name(name).ok_or_else(|| format!("{place}.accounts: {name:?} is no account of a position"))
        };
        let mut locations = Vec::new();
        for name in &self.locations {
            match name.strip_prefix('@') {
                None => locations.push(name.clone()),
                Some(set) => {
                    let set = sets.get(set).ok_or_else(|| {
                        format!("{place}.locations: there is no set {set:?}; add it to [ownership.location_sets]")
                    })?;
                    locations.extend(set.iter().cloned());
                }
            }
        }
        let bound = |key: &str, text: &Option<String>| {
            text.as_ref().map(|text| time(&format!("{place}.{key}"), text)).transpose()
        };
        Ok(RoleRule {
            sources: patterns(&self.sources),
            types: patterns(&self.types),
            accounts: self.accounts.iter().map(account).collect::<Result<_, _>>()?,
            locations,
            from_ns: bound("from", &self.from)?,
            until_ns: bound("until", &self.until)?,
            role: self.role.ok_or_else(|| {
                format!("{place}.role: is missing; give \"owner\", \"contributor\", \"observer\" or \"refused\"")
            })?,
            priority: self.priority,
        })
    }
}

fn pattern(text: &str) -> Pattern {
    let begin = text.strip_suffix('*');
    Pattern { text: begin.unwrap_or(text).to_owned(), is_prefix: begin.is_some() }
}
