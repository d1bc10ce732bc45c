//! Runs the tables of `tests/scenarios` against the engine and its twin. The format stands in the README there.

mod common;

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;
use serde_json::{Map, Value};

use common::{Ledger, SCENARIOS, assert_books_balance, bytes, total};
use tallystick_engine::account::{ALL, Account, VISIBLE};
use tallystick_engine::balance::{Balance, PositionKey};
use tallystick_engine::config::Config;
use tallystick_engine::engine::Engine;
use tallystick_engine::instant;
use tallystick_engine::outcome::Outcome;
use tallystick_engine::reference::{Answer, Reference};

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
    #[serde(default)]
    replay: bool,
    log_time: Option<String>,
    expect: Value,
    exceptions: Option<Vec<String>>,
    fields: Option<Vec<String>>,
    #[serde(default)]
    then: Vec<String>,
}

/// What a scenario leaves behind.
#[derive(Debug, PartialEq)]
struct End {
    answers: Vec<Answer>,
    balances: Vec<Balance>,
    hash: String,
}

#[test]
fn scenarios_hold_for_the_engine_and_its_twin() {
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
            let result = std::panic::catch_unwind(|| {
                let engine = run::<Engine>(&table, scenario, &format!("{place} (engine)"));
                let twin = run::<Reference>(&table, scenario, &format!("{place} (reference)"));
                assert_eq!(engine, twin, "{place} (engine, reference)");
            });
            failed.extend(result.is_err().then_some(place));
            count += 1;
        }
    }
    assert!(failed.is_empty(), "{} of {count} scenarios failed: {failed:#?}", failed.len());
    assert!(count > 200, "only {count} scenarios were found");
}

fn run<L: Ledger>(table: &Table, scenario: &Scenario, place: &str) -> End {
    let config = Config::parse(&scenario.config).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut ledger = L::with(config);
    let mut log_time_ns = nanoseconds(&table.log_time);
    let mut sequence = 1;
    let mut all = Vec::new();
    for (number, step) in (1..).zip(&scenario.steps) {
        log_time_ns = step.log_time.as_deref().map_or(log_time_ns, nanoseconds);
        let (mut answers, mut followed) = (Vec::new(), Vec::new());
        let elements = if step.text.is_some() { expected_outcomes(step).len() } else { 1 };
        for message in messages(&table.defaults, step, number) {
            let mut new = if step.replay {
                ledger.lines(&message, sequence)
            } else {
                ledger.message(&message, sequence, log_time_ns)
            };
            sequence += if step.replay { elements as u64 } else { 1 };
            followed.extend(new.split_off(elements.min(new.len())));
            answers.extend(new);
        }
        if step.replay {
            followed.extend(ledger.end(sequence - 1));
        }
        let place = format!("{place}, step {number}");
        check(step, &answers, &place);
        assert_eq!(
            followed.iter().map(told).collect::<Vec<_>>(),
            step.then,
            "{place}: what followed (found, expected)"
        );
        all.extend(answers);
        all.extend(followed);
    }
    let balances = ledger.sorted();
    let shown: Vec<_> = balances.iter().map(|balance| (balance.key.clone(), visible(balance), balance.atp())).collect();
    let expected: Vec<_> = scenario.balances.iter().map(|row| expected(&table.defaults, row)).collect();
    assert_eq!(shown, expected, "{place}: balances (found, expected)");
    if let Some(books) = &scenario.books {
        for account in [Account::Supplier, Account::Customer, Account::Adjustment] {
            let expected = books.get(account.name()).map_or(0, thousandths);
            assert_eq!(total(&balances, account), expected, "{place}: book of {}", account.name());
        }
    }
    assert_books_balance(&balances);
    if let Some(open) = &scenario.open {
        let mut expected = open.clone();
        expected.sort_unstable();
        let found: Vec<_> = ledger.open().into_iter().collect();
        assert_eq!(found, expected, "{place}: exceptions that are open (found, expected)");
    }
    End { answers: all, balances, hash: ledger.hash() }
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
    assert_eq!(codes, expected_codes, "{place}: exceptions (found, expected)");
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

fn expected(defaults: &Map<String, Value>, row: &Map<String, Value>) -> (PositionKey, [i64; VISIBLE], i64) {
    let known = |name: &str| {
        ["sku", "location", "lot", "owner", "atp"].contains(&name)
            || ALL[..VISIBLE].iter().any(|account| account.name() == name)
    };
    assert!(row.keys().all(|name| known(name)), "a row of balances names no such thing: {row:?}");
    let name = |name: &str| row.get(name).or(defaults.get(name)).map_or("", |value| value.as_str().unwrap()).to_owned();
    let key = PositionKey { sku: name("sku"), location: name("location"), lot: name("lot"), owner: name("owner") };
    let accounts: [i64; VISIBLE] = std::array::from_fn(|slot| row.get(ALL[slot].name()).map_or(0, thousandths));
    let unclaimed = accounts[Account::OnHand as usize]
        - accounts[Account::Reserved as usize]
        - accounts[Account::Allocated as usize];
    (key, accounts, row.get("atp").map_or(unclaimed, thousandths))
}

fn visible(balance: &Balance) -> [i64; VISIBLE] {
    std::array::from_fn(|slot| balance.accounts[slot])
}

/// Accounts go further than quantities, so a table's numbers are read here: units, and up to three fraction digits.
fn thousandths(value: &Value) -> i64 {
    let number = value.to_string();
    let (units, fraction) = number.split_once('.').unwrap_or((&number, ""));
    format!("{units}{fraction:0<3}").parse().unwrap_or_else(|_| panic!("{number} is no account"))
}

fn nanoseconds(time: &str) -> i64 {
    match instant::parse(time.as_bytes()) {
        instant::Parsed::Exact(ns) => ns,
        _ => panic!("{time:?} is no time"),
    }
}
