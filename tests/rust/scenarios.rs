//! Runs the tables of `tests/scenarios` against the engine and its twin. The format stands in the README there.

mod common;
mod golden;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::{Map, Value};

use common::promise::{Promises, Question, Told, says, thousandths as amount};
use common::{Ledger, SCENARIOS, assert_books_balance, bytes, total};
use tallystick_contract::account::{ALL, Account, VISIBLE};
use tallystick_contract::balance::{Balance, PositionKey};
use tallystick_contract::config::{Config, Mode};
use tallystick_contract::instant::{self, ParsedInstant};
use tallystick_contract::outcome::Outcome;
use tallystick_engine::Engine;
use tallystick_reference::{Answer, Reference};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    defaults: Map<String, Value>,
    log_time: String,
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    /// What people should know of it.
    #[serde(rename = "note")]
    _note: Option<String>,
    /// `engine` where the twin knows nothing of it.
    only: Option<String>,
    #[serde(default)]
    config: String,
    steps: Vec<Step>,
    balances: Vec<Map<String, Value>>,
    books: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    open: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    event: Option<Map<String, Value>>,
    #[serde(default)]
    json: BTreeMap<String, String>,
    #[serde(default)]
    without: Vec<String>,
    repeat: Option<usize>,
    text: Option<Value>,
    /// What the message came on.
    subject: Option<String>,
    #[serde(default)]
    replay: bool,
    log_time: Option<String>,
    expect: Value,
    exceptions: Option<Vec<String>>,
    fields: Option<Vec<String>>,
    #[serde(default)]
    then: Vec<String>,
    /// What is open behind the step. Its codes are compared only where it says them, too.
    open: Option<Vec<String>>,
    /// Answers to requests, in order; members that are not named are not compared.
    answers: Option<Vec<Value>>,
    /// Replenishment signals that stand behind the step, by SKU and location; members that are not named are not
    /// compared.
    signals: Option<Vec<Value>>,
    /// What can be promised behind the step.
    #[serde(default)]
    figures: Vec<Figures>,
}

/// Figures of a position or a group, from bucket 0 on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    sku: Option<String>,
    location: Option<String>,
    #[serde(default)]
    group: String,
    #[serde(default)]
    lot: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    measure: String,
    mode: Option<String>,
    /// How bucket 0 is written.
    from: Option<String>,
    /// A null is without limit.
    are: Vec<Value>,
    /// Of a group, in bucket 0.
    signed: Option<Value>,
}

/// What a scenario leaves behind.
#[derive(Debug, PartialEq)]
struct End {
    answers: Vec<Answer>,
    told: Vec<Told>,
    balances: Vec<Balance>,
    hash: String,
}

#[test]
fn scenarios_hold_for_the_engine_and_its_twin() {
    for_each_scenario(|table, scenario, place| {
        let engine = run::<Engine>(table, scenario, &format!("{place} (engine)"), |engine, _| engine);
        if scenario.only.is_none() {
            let twin = run::<Reference>(table, scenario, &format!("{place} (reference)"), |twin, _| twin);
            assert_eq!(engine, twin, "{place} (engine, reference)");
        }
    });
}

/// Checks all scenarios of all tables.
fn for_each_scenario(check: impl Fn(&Table, &Scenario, &str)) {
    let mut count = 0;
    let mut failed = Vec::new();
    let mut files: Vec<_> = fs::read_dir(SCENARIOS).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    for file in files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let table: Table = serde_json::from_slice(&fs::read(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for scenario in &table.scenarios {
            let place = format!("{}: {}", file.file_stem().unwrap().display(), scenario.name);
            // All scenarios run, so that one mistake shows in all its consequences.
            let result = catch_unwind(AssertUnwindSafe(|| check(&table, scenario, &place)));
            failed.extend(result.is_err().then_some(place));
            count += 1;
        }
    }
    assert!(failed.is_empty(), "{} of {count} scenarios failed: {failed:#?}", failed.len());
    assert!(count > 200, "only {count} scenarios were found");
}

/// Tells a story and checks it. Before each step the ledger goes through something that should change nothing; it is
/// told whether it is in the middle of the story.
fn run<L: Ledger + Promises>(
    table: &Table,
    scenario: &Scenario,
    place: &str,
    mut before_step: impl FnMut(L, bool) -> L,
) -> End {
    let config = Config::parse(&scenario.config).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut ledger = L::with(config);
    let mut log_time_ns = nanoseconds(&table.log_time);
    let mut sequence = 1;
    let (mut all, mut all_told) = (Vec::new(), Vec::new());
    for (number, step) in (1..).zip(&scenario.steps) {
        ledger = before_step(ledger, number == scenario.steps.len() / 2 + 1);
        log_time_ns = step.log_time.as_deref().map_or(log_time_ns, nanoseconds);
        let (mut answers, mut followed, mut told_of) = (Vec::new(), Vec::new(), Vec::new());
        let elements = if step.text.is_some() { expected_outcomes(step).len() } else { 1 };
        for message in messages(&table.defaults, step, number) {
            let (mut new, replies) = if step.replay {
                ledger.lines_told(&message, sequence)
            } else {
                ledger.message_told_on(step.subject.as_deref(), &message, sequence, log_time_ns)
            };
            told_of.extend(replies);
            sequence += if step.replay { elements as u64 } else { 1 };
            followed.extend(new.split_off(elements.min(new.len())));
            answers.extend(new);
        }
        if step.replay {
            let (new, replies) = ledger.end_told(sequence - 1);
            followed.extend(new);
            told_of.extend(replies);
        }
        let place = format!("{place}, step {number}");
        check(step, &answers, &place);
        assert_eq!(
            followed.iter().map(told).collect::<Vec<_>>(),
            step.then,
            "{place}: what followed (found, expected)"
        );
        check_open(&ledger, step.open.as_deref(), &place);
        check_promises(&table.defaults, step, &ledger, &told_of, &place);
        check_signals(step, &ledger, &place);
        all.extend(answers);
        all.extend(followed);
        all_told.extend(told_of);
    }
    let balances = ledger.sorted();
    let shown: Vec<_> = balances.iter().map(|balance| (balance.key.clone(), visible(balance))).collect();
    let rows: Vec<_> = scenario.balances.iter().map(|row| expected(&table.defaults, row)).collect();
    assert_eq!(shown, rows, "{place}: balances (found, expected)");
    for (balance, row) in balances.iter().zip(&scenario.balances) {
        if let Some(atp) = row.get("atp") {
            assert_eq!(balance.atp, thousandths(atp), "{place}: what can be promised of {row:?} (found, expected)");
        }
    }
    if let Some(books) = &scenario.books {
        for account in [Account::Supplier, Account::Customer, Account::Adjustment] {
            let expected = books.get(account.name()).map_or(0, thousandths);
            assert_eq!(total(&balances, account), expected, "{place}: book of {}", account.name());
        }
    }
    assert_books_balance(&balances);
    check_open(&ledger, scenario.open.as_deref(), place);
    End { answers: all, told: all_told, balances, hash: ledger.hash() }
}

fn check_open(ledger: &impl Ledger, expected: Option<&[String]>, place: &str) {
    let Some(expected) = expected else { return };
    // A code alone stands for all that are open of it.
    let named = |item: String| {
        let code = item.split(' ').next().unwrap_or_default();
        if expected.iter().any(|expected| expected == code) { code.to_owned() } else { item }
    };
    let found: BTreeSet<_> = ledger.open().into_iter().map(named).collect();
    let expected: BTreeSet<_> = expected.iter().cloned().collect();
    assert_eq!(found, expected, "{place}: exceptions that are open (found, expected)");
}

fn check_signals(step: &Step, ledger: &impl Ledger, place: &str) {
    if let Some(expected) = &step.signals {
        let (found, expected) = (Value::from(ledger.signals()), Value::from(expected.clone()));
        assert!(says(&found, &expected), "{place}: signals: found {found:#}, expected {expected:#}");
    }
}

/// Answers to requests, where the step says some or has none to say of, and figures behind it.
fn check_promises(defaults: &Map<String, Value>, step: &Step, ledger: &impl Promises, told: &[Told], place: &str) {
    if let Some(expected) = &step.answers {
        let found = Value::from(told.iter().cloned().map(Value::Object).collect::<Vec<_>>());
        let expected = Value::from(expected.clone());
        assert!(says(&found, &expected), "{place}: answers: found {found:#}, expected {expected:#}");
    }
    let default = |name: &str| defaults.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    for figures in &step.figures {
        let is_group = !figures.group.is_empty();
        let location = figures.location.clone().unwrap_or_else(|| default("location"));
        let mode = figures.mode.as_deref();
        let question = Question {
            sku: figures.sku.clone().unwrap_or_else(|| default("sku")),
            location: if is_group { String::new() } else { location },
            group: figures.group.clone(),
            lot: figures.lot.clone(),
            owner: figures.owner.clone(),
            channel: figures.channel.clone(),
            measure: figures.measure.clone(),
            mode: mode
                .map_or(Mode::default(), |name| Mode::from_name(name).expect("a table names modes that there are")),
        };
        let found = ledger.figures_of(&question, figures.are.len());
        let expected: Vec<_> = figures.are.iter().map(amount).collect();
        assert_eq!(found.available, expected, "{place}: figures (found, expected) of {question:?}");
        if let Some(from) = &figures.from {
            assert_eq!(&found.first, from, "{place}: bucket 0 (found, expected) of {question:?}");
        }
        if let Some(signed) = &figures.signed {
            assert_eq!(found.signed, [amount(signed)], "{place}: signed (found, expected) of {question:?}");
        }
    }
}

fn expected_outcomes(step: &Step) -> Vec<&str> {
    match &step.expect {
        Value::String(outcome) => vec![outcome; step.repeat.unwrap_or(1)],
        list => list
            .as_array()
            .expect("`expect` is a text or a list")
            .iter()
            .map(|outcome| outcome.as_str().unwrap())
            .collect(),
    }
}

/// What followed for an element that was held, or a gap, as tables write it.
fn told(answer: &Answer) -> String {
    match (answer.outcome, &*answer.codes) {
        (Outcome::Held, [gap]) => gap.replace("sequence_gap", "gap"),
        (outcome, _) => format!("{} {}", answer.sequence, outcome.name()),
    }
}

fn check(step: &Step, answers: &[Answer], place: &str) {
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome.name()).collect();
    let expected = expected_outcomes(step);
    assert_eq!(outcomes, expected, "{place}: outcomes (found, expected)");
    let mut codes: Vec<_> = answers.iter().flat_map(|answer| answer.codes.clone()).collect();
    let silent = ["applied", "duplicate", "absorbed", "held", "observed"];
    let refusals =
        || expected.iter().filter(|outcome| !silent.contains(outcome)).map(|outcome| (*outcome).to_owned()).collect();
    let mut expected_codes = step.exceptions.clone().unwrap_or_else(refusals);
    codes.sort_unstable();
    expected_codes.sort_unstable();
    if step.exceptions.is_some() || step.open.is_none() {
        assert_eq!(codes, expected_codes, "{place}: exceptions (found, expected)");
    }
    if let Some(fields) = &step.fields {
        let found: Vec<_> = answers.iter().flat_map(|answer| answer.fields.clone()).collect();
        let mut fields = fields.clone();
        fields.sort_unstable();
        assert_eq!(found, fields, "{place}: fields of the conflict (found, expected)");
    }
}

/// The bytes of a step's messages.
fn messages(defaults: &Map<String, Value>, step: &Step, number: usize) -> Vec<Vec<u8>> {
    if let Some(text) = &step.text {
        return vec![bytes(text)];
    }
    let mut members: BTreeMap<String, String> = BTreeMap::from([("id".to_owned(), format!("\"{number}\""))]);
    let event = step.event.as_ref().expect("a step has `event` or `text`");
    for (name, value) in defaults.iter().chain(event) {
        members.insert(name.clone(), value.to_string());
    }
    members.extend(step.json.clone());
    members.retain(|name, _| !step.without.contains(name));
    let members: Vec<_> = members.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
    let template = format!("{{{}}}", members.join(","));
    let Some(repeat) = step.repeat else { return vec![template.into_bytes()] };
    let width = repeat.to_string().len();
    (1..=repeat).map(|n| template.replace("{n}", &format!("{n:0width$}")).into_bytes()).collect()
}

/// What stands in a row of balances beside the visible accounts.
const BESIDE: [&str; 3] = ["ordered", "unpicked", "on_hand_atp"];

/// The visible accounts, and what stands beside them.
type Shown = ([i64; VISIBLE], [i64; BESIDE.len()]);

fn expected(defaults: &Map<String, Value>, row: &Map<String, Value>) -> (PositionKey, Shown) {
    let known = |name: &str| {
        ["sku", "location", "lot", "owner", "atp"].contains(&name)
            || BESIDE.contains(&name)
            || ALL[..VISIBLE].iter().any(|account| account.name() == name)
    };
    assert!(row.keys().all(|name| known(name)), "a row of balances names no such thing: {row:?}");
    let name = |name: &str| row.get(name).or(defaults.get(name)).map_or("", |value| value.as_str().unwrap()).to_owned();
    let key = PositionKey { sku: name("sku"), location: name("location"), lot: name("lot"), owner: name("owner") };
    let amount = |name: &str| row.get(name).map_or(0, thousandths);
    let accounts: [i64; VISIBLE] = std::array::from_fn(|slot| amount(ALL[slot].name()));
    let [ordered, unpicked] = ["ordered", "unpicked"].map(amount);
    // Claims below zero give nothing to anybody.
    let [reserved, allocated] =
        [Account::Reserved, Account::Allocated].map(|account| accounts[account as usize].max(0));
    let unclaimed = accounts[Account::OnHand as usize] - unpicked - reserved - allocated - ordered;
    (key, (accounts, [ordered, unpicked, row.get("on_hand_atp").map_or(unclaimed, thousandths)]))
}

fn visible(balance: &Balance) -> Shown {
    let beside = [balance.claimed.ordered, balance.claimed.unpicked, balance.on_hand_atp()];
    (std::array::from_fn(|slot| balance.account(ALL[slot])), beside)
}

/// Accounts go further than quantities, so a table's numbers are read here: units, and up to three fraction digits.
fn thousandths(value: &Value) -> i64 {
    let number = value.to_string();
    let (units, fraction) = number.split_once('.').unwrap_or((&number, ""));
    format!("{units}{fraction:0<3}").parse().unwrap_or_else(|_| panic!("{number} is no account"))
}

fn nanoseconds(time: &str) -> i64 {
    match instant::parse(time.as_bytes()) {
        ParsedInstant::Exact(ns) => ns,
        _ => panic!("{time:?} is no time"),
    }
}
