//! The rule table: event types and their postings, as data. Knows no event and no ledger.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::account::Account;
use crate::codes;
use crate::directive_kind::DirectiveKind;
use crate::heap_size::{flat, heap_size};
use crate::limits::{POSTINGS_MAX, TYPE_BYTES_MAX};

/// The rule table that is built in, as TOML.
pub const DEFAULT_RULES: &str = include_str!("default_rules.toml");

/// What a type asks of its quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantityRule {
    /// q > 0.
    Positive,
    /// q ≠ 0.
    Signed,
    /// q ≥ 0, and sets `on_hand` as of the event's time.
    Count,
}

flat!(QuantityRule);

impl QuantityRule {
    /// Whether a quantity in thousandths keeps the rule.
    pub const fn admits(self, thousandths: i64) -> bool {
        match self {
            Self::Positive => thousandths > 0,
            Self::Signed => thousandths != 0,
            Self::Count => thousandths >= 0,
        }
    }

    /// The rule in words, for the cure of an exception.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Positive => "greater than zero",
            Self::Signed => "different from zero",
            Self::Count => "zero or more",
        }
    }
}

/// What an event may say in a status field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRule {
    /// The accounts that it may name.
    pub allowed: Vec<Account>,
    /// What holds when it says nothing; without one, it must say.
    pub default: Option<Account>,
}

heap_size!(StatusRule { allowed, default });

/// One end of a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Always this account.
    Fixed(Account),
    /// The account named in `from_status`.
    FromStatus,
    /// The account named in `to_status`.
    ToStatus,
}

/// Moves an event's quantity from one account to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The account that gives.
    pub from: End,
    /// The account that takes.
    pub to: End,
    /// Whether the giving account stands at `to_location`.
    pub from_remote: bool,
    /// Whether the taking account stands at `to_location`.
    pub to_remote: bool,
}

flat!(Posting);

/// Which step of its line an event of stock is (`docs/claims.md` §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Flow {
    /// Supply has come.
    Receive,
    /// Stock is claimed softly.
    Reserve,
    /// Stock is claimed for good.
    Allocate,
    /// It is off the shelf.
    Pick,
    /// It is gone.
    Ship,
    /// It comes back from the customer, or goes back to the supplier.
    Return,
}

/// A step, and whether the type takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which step.
    pub flow: Flow,
    /// Whether it is taken back: unreserved, deallocated, unpicked.
    pub is_back: bool,
}

flat!(Step);

impl Step {
    /// Whether it is about what is to go, and not about what is to come.
    pub const fn is_demand(self) -> bool {
        matches!(self.flow, Flow::Reserve | Flow::Allocate | Flow::Pick | Flow::Ship)
    }
}

/// `flow` as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawFlow {
    Reserve,
    Allocate,
    Pick,
    Unpick,
    Ship,
    Receive,
    Return,
}

impl RawFlow {
    fn step(self, is_back: bool) -> Result<Step, String> {
        let flow = match self {
            Self::Reserve => Flow::Reserve,
            Self::Allocate => Flow::Allocate,
            Self::Unpick => {
                return if is_back { Err(BACK.to_owned()) } else { Ok(Step { flow: Flow::Pick, is_back: true }) };
            }
            Self::Pick => Flow::Pick,
            Self::Ship => Flow::Ship,
            Self::Receive => Flow::Receive,
            Self::Return => Flow::Return,
        };
        if is_back && !matches!(flow, Flow::Reserve | Flow::Allocate) {
            return Err(BACK.to_owned());
        }
        Ok(Step { flow, is_back })
    }
}

const BACK: &str = "`back` goes with flow \"reserve\" or \"allocate\"; what takes a pick back has flow \"unpick\"";

/// What the engine does with one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The type's own name.
    pub name: Box<str>,
    /// What it asks of its quantity.
    pub quantity: QuantityRule,
    /// Its `from_status`, if it has one.
    pub from_status: Option<StatusRule>,
    /// Its `to_status`, if it has one.
    pub to_status: Option<StatusRule>,
    /// Its postings; none for a count.
    pub postings: Vec<Posting>,
    /// The code of an exception that it raises each time.
    pub exception: Option<Box<str>>,
    /// The hash of its name, for digests.
    pub name_hash: u64,
    /// Whether an event must name a `to_location`.
    pub needs_to_location: bool,
    /// Which step of its line it is.
    pub step: Option<Step>,
}

heap_size!(Rule { name, quantity, from_status, to_status, postings, exception, name_hash, needs_to_location, step });

impl Rule {
    /// Whether a posting of it takes from, or gives to, an account.
    pub fn touches(&self, account: Account) -> bool {
        self.postings.iter().any(|posting| [posting.from, posting.to].contains(&End::Fixed(account)))
    }
}

/// Types and aliases, looked up by name.
///
/// ```
/// use tallystick_contract::{account::Account, config::Config};
///
/// let config = Config::parse("[types.\"goods.in\"]\nalias = \"stock.received\"").unwrap();
/// let number = config.rules.find("goods.in").unwrap();
/// let rule = config.rules.rule(number);
/// assert_eq!(&*rule.name, "stock.received");
/// assert!(rule.touches(Account::Supplier)); // which gives what has come
/// ```
#[derive(Debug, Clone)]
pub struct RuleTable {
    rules: Vec<Rule>,
    /// By name, aliases included.
    names: HashTable<(Box<str>, u16)>,
}

heap_size!(RuleTable { rules, names });

impl RuleTable {
    /// The built-in table with a user's types and aliases added.
    ///
    /// # Errors
    /// Names the type and what is wrong with it.
    pub fn build(user: &BTreeMap<String, RawType>) -> Result<Self, String> {
        let built_in: RawTable = toml::from_str(DEFAULT_RULES).map_err(|error| error.to_string())?;
        let mut rules = Vec::new();
        let mut names: Vec<(Box<str>, u16)> = Vec::new();
        for (name, raw) in built_in.types.iter().chain(user.iter().filter(|(_, raw)| raw.alias.is_none())) {
            if names.iter().any(|(known, _)| **known == **name) || DirectiveKind::of(name).is_some() {
                return Err(format!(
                    "types.\"{name}\": this type is built in; define yours under another name, or make that name an alias"
                ));
            }
            names.push((name.as_str().into(), u16::try_from(rules.len()).map_err(|_| "too many types".to_owned())?));
            rules.push(raw.compile(name).map_err(|problem| format!("types.\"{name}\": {problem}"))?);
        }
        let types = names.clone();
        for (name, raw) in user {
            let Some(target) = &raw.alias else { continue };
            raw.check_alias(name).map_err(|problem| format!("types.\"{name}\": {problem}"))?;
            if types.iter().any(|(known, _)| **known == **name) || DirectiveKind::of(name).is_some() {
                return Err(format!("types.\"{name}\": this type is built in and cannot be an alias"));
            }
            let Some((_, rule)) = types.iter().find(|(known, _)| **known == **target) else {
                return Err(format!("types.\"{name}\": alias names {target:?}, which is no type"));
            };
            names.push((name.as_str().into(), *rule));
        }
        let mut table = HashTable::with_capacity(names.len());
        for entry in names {
            table.insert_unique(hash(&entry.0), entry, |(name, _)| hash(name));
        }
        Ok(Self { rules, names: table })
    }

    /// The number of the rule for a type or alias.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.names.find(hash(name), |(known, _)| **known == *name).map(|(_, rule)| *rule)
    }

    /// Every name with its rule, aliases included, by name.
    pub fn by_name(&self) -> BTreeMap<&str, &Rule> {
        self.names.iter().map(|(name, number)| (&**name, self.rule(*number))).collect()
    }

    /// The codes of exceptions that types of somebody's own raise.
    pub fn own_codes(&self) -> impl Iterator<Item = &str> {
        let raised: BTreeSet<&str> = self.rules.iter().filter_map(|rule| rule.exception.as_deref()).collect();
        raised.into_iter().filter(|code| codes::find(code).name.is_empty())
    }

    /// A rule by its number.
    pub fn rule(&self, number: u16) -> &Rule {
        &self.rules[usize::from(number)]
    }
}

/// The configuration is no stranger's input, so the seed need not be secret.
fn hash(name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), 0)
}

/// `[types]` as written.
#[derive(Debug, Deserialize)]
struct RawTable {
    types: BTreeMap<String, RawType>,
}

/// One entry of `[types]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawType {
    alias: Option<String>,
    quantity: Option<QuantityRule>,
    from_status: Option<RawStatus>,
    to_status: Option<RawStatus>,
    #[serde(default)]
    postings: Vec<(String, String)>,
    exception: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<RawFlow>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    back: bool,
}

/// A status rule as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStatus {
    allowed: Vec<String>,
    default: Option<String>,
}

impl RawStatus {
    fn compile(&self) -> Result<StatusRule, String> {
        let allowed = self.allowed.iter().map(|name| account(name)).collect::<Result<Vec<_>, _>>()?;
        let default = self.default.as_deref().map(account).transpose()?;
        if allowed.is_empty() {
            return Err("a status field must allow at least one account".to_owned());
        }
        Ok(StatusRule { allowed, default })
    }
}

impl RawType {
    fn check_alias(&self, name: &str) -> Result<(), String> {
        check_name(name)?;
        let bare = self.quantity.is_none() && self.from_status.is_none() && self.to_status.is_none();
        if bare && self.postings.is_empty() && self.exception.is_none() && self.flow.is_none() && !self.back {
            return Ok(());
        }
        Err("an alias takes everything from its type; leave the other keys away".to_owned())
    }

    fn compile(&self, name: &str) -> Result<Rule, String> {
        check_name(name)?;
        let quantity =
            self.quantity.ok_or("`quantity` is missing: \"positive\", \"signed\" or \"count\" (or give `alias`)")?;
        if (quantity == QuantityRule::Count) != self.postings.is_empty() {
            return Err("a count has no postings, and every other type has at least one".to_owned());
        }
        if self.postings.len() > POSTINGS_MAX {
            return Err(format!("at most {POSTINGS_MAX} postings"));
        }
        let from_status = self.from_status.as_ref().map(RawStatus::compile).transpose()?;
        let to_status = self.to_status.as_ref().map(RawStatus::compile).transpose()?;
        let mut postings = Vec::new();
        for (from, to) in &self.postings {
            let ((from, from_remote), (to, to_remote)) = (end(from)?, end(to)?);
            let posting = Posting { from, to, from_remote, to_remote };
            check_books(posting, from_status.as_ref(), to_status.as_ref())?;
            postings.push(posting);
        }
        for (field, rule, end) in
            [("from_status", &from_status, End::FromStatus), ("to_status", &to_status, End::ToStatus)]
        {
            if rule.is_some() != postings.iter().any(|posting| posting.from == end || posting.to == end) {
                return Err(format!("`{field}` must be both declared and used in a posting, or neither"));
            }
        }
        let exception = self.exception.as_deref().map(Into::into);
        let needs_to_location = postings.iter().any(|posting| posting.from_remote || posting.to_remote);
        let step = match self.flow {
            Some(_) if quantity != QuantityRule::Positive => {
                return Err("a type with a `flow` has quantity \"positive\"".to_owned());
            }
            Some(flow) => Some(flow.step(self.back)?),
            None if self.back => return Err("`back` means nothing without `flow`".to_owned()),
            None => None,
        };
        let (name_hash, name) = (hash(name), name.into());
        Ok(Rule { name, quantity, from_status, to_status, postings, exception, name_hash, needs_to_location, step })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > TYPE_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!("a type's name has 1 to {TYPE_BYTES_MAX} bytes and no control characters"));
    }
    Ok(())
}

/// A posting stays within one book, whatever its status fields say; otherwise the books would not sum to zero.
fn check_books(posting: Posting, from: Option<&StatusRule>, to: Option<&StatusRule>) -> Result<(), String> {
    let accounts = |end: End| -> Vec<Account> {
        let rule = match end {
            End::Fixed(account) => return vec![account],
            End::FromStatus => from,
            End::ToStatus => to,
        };
        rule.map(|rule| rule.allowed.iter().copied().chain(rule.default).collect()).unwrap_or_default()
    };
    let (giving, taking) = (accounts(posting.from), accounts(posting.to));
    if giving.iter().any(|a| taking.iter().any(|b| a.is_claim() != b.is_claim())) {
        return Err("a posting joins a physical account with a claim; claims (reserved, allocated, free) form a book of their own".to_owned());
    }
    Ok(())
}

fn account(name: &str) -> Result<Account, String> {
    Account::from_name(name).ok_or_else(|| {
        let known: Vec<_> = crate::account::ALL.iter().map(|account| account.name()).collect();
        format!("{name:?} is no account; known are {}", known.join(", "))
    })
}

fn end(text: &str) -> Result<(End, bool), String> {
    let (name, remote) = text.strip_suffix("@to_location").map_or((text, false), |name| (name, true));
    let end = match name {
        "from_status" => End::FromStatus,
        "to_status" => End::ToStatus,
        _ => End::Fixed(account(name)?),
    };
    Ok((end, remote))
}
