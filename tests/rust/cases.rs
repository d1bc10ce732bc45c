//! Runs `tests/cases`: what went wrong in other inventory systems, as public reports tell it, with the right values
//! worked out by hand. The engine and its
//! twin get each case as a replay would; the form of a case stands in the README there.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::{Map, Value};

use common::Ledger;
use common::promise::{Promises, Question, says, thousandths};
use tallystick_contract::account::{ALL, VISIBLE};
use tallystick_contract::balance::{Balance, PositionKey};
use tallystick_contract::config::{Config, Mode};
use tallystick_engine::Engine;
use tallystick_reference::{Answer, Reference};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases");

/// Cases that need words which the contract does not have yet.
const LATER: [&str; 8] = ["08-", "12b-", "15-", "18-", "19-", "24-", "26-", "35-"];

/// Buckets in which engine and twin are compared.
const BUCKETS: usize = 40;

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    config: String,
    events: Vec<Value>,
    right: Right,
}

/// What is right at the end, and with `at` before it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Right {
    /// A question mark stands for any.
    outcomes: Option<Vec<String>>,
    balances: Vec<Map<String, Value>>,
    exceptions: Vec<String>,
    #[serde(default)]
    figures: Vec<Asked>,
    #[serde(default)]
    at: Vec<Asked>,
    leaks: Option<u64>,
}

/// A question, and what it must be answered with: what is available, or members of the answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// After so many events.
    after: Option<usize>,
    question: Value,
    answer: Value,
}

#[test]
fn what_went_wrong_elsewhere_is_right_here() {
    let mut files: Vec<_> = fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort_unstable();
    assert!(files.len() > 30, "only {} cases were found", files.len());
    let mut failed = Vec::new();
    for file in files {
        let case: Case = serde_json::from_slice(&fs::read(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if LATER.iter().any(|later| case.name.starts_with(later)) {
            println!("{}: skipped, it belongs to words that come later", case.name);
            continue;
        }
        // All cases run, so that one mistake shows in all its consequences.
        let result = catch_unwind(AssertUnwindSafe(|| check(&case)));
        let why = result.unwrap_or_else(|_| vec!["it panicked".to_owned()]);
        failed.extend(why.into_iter().map(|why| format!("{}: {why}", case.name)));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What is wrong.
fn check(case: &Case) -> Vec<String> {
    let config = || Config::parse(&case.config).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let (mut engine, mut twin) = (Engine::with(config()), Reference::with(config()));
    let (mut wrong, mut answers) = (Vec::new(), Vec::new());
    for (number, event) in case.events.iter().enumerate() {
        let (sequence, line) = (number as u64 + 1, format!("{event}\n"));
        let new = engine.lines(line.as_bytes(), sequence);
        assert_eq!(new, twin.lines(line.as_bytes(), sequence), "{}, event {sequence} (engine, twin)", case.name);
        answers.extend(new);
        assert_same(&engine, &twin, &format!("{}, event {sequence}", case.name));
        let here = case.right.at.iter().filter(|asked| asked.after == Some(number + 1));
        wrong.extend(here.filter_map(|asked| ask(&engine, &twin, asked)));
    }
    let last = case.events.len() as u64;
    let told = engine.end(last);
    assert_eq!(told, twin.end(last), "{}: what was held (engine, twin)", case.name);
    assert_same(&engine, &twin, &case.name);
    let outcomes: Vec<&str> =
        answers.iter().filter(|answer| is_first(answer, &answers)).map(|answer| answer.outcome.name()).collect();
    answers.extend(told);

    if let Some(expected) = &case.right.outcomes {
        let fits = |(found, expected): (&&str, &String)| expected == "?" || *found == expected;
        if outcomes.len() != expected.len() || !outcomes.iter().zip(expected).all(fits) {
            wrong.push(format!("outcomes {outcomes:?}, not {expected:?}"));
        }
    }
    let mut values: Vec<String> = case.right.balances.iter().filter_map(|row| differs(&engine, row)).collect();
    values.extend(case.right.figures.iter().filter_map(|asked| ask(&engine, &twin, asked)));
    let leaks: Value = serde_json::from_str(&engine.reservations(r#"{"leaks":true}"#)).unwrap();
    if case.right.leaks.is_some_and(|expected| leaks["total"] != expected) {
        values.push(format!("leaks: {leaks}"));
    }
    let is_told = wrong_exceptions(&engine, &answers, &case.right.exceptions, &mut wrong);
    let is_either = case.right.exceptions.iter().any(|text| text.starts_with("(or"));
    if !(is_either && is_told) {
        wrong.append(&mut values);
    }
    wrong
}

/// The answer to an event itself, and not what followed for one that waited.
fn is_first(answer: &Answer, answers: &[Answer]) -> bool {
    let first = answers.iter().find(|other| other.sequence == answer.sequence);
    first.is_some_and(|first| std::ptr::eq(first, answer))
}

fn assert_same(engine: &Engine, twin: &Reference, place: &str) {
    // A position may be published more often than it has to.
    let timeless = |balances: Vec<Balance>| -> Vec<Balance> {
        balances.into_iter().map(|balance| Balance { version: 0, ..balance }).collect()
    };
    assert_eq!(timeless(engine.sorted()), timeless(twin.sorted()), "{place} (engine, twin)");
    assert_eq!(engine.hash(), twin.hash(), "{place}: hash (engine, twin)");
    assert_eq!(engine.open(), twin.open(), "{place}: open exceptions (engine, twin)");
}

/// Looks at what was raised, and whether anything was.
fn wrong_exceptions(engine: &Engine, answers: &[Answer], expected: &[String], wrong: &mut Vec<String>) -> bool {
    let open: BTreeSet<String> =
        engine.open().iter().filter_map(|item| item.split(' ').next().map(str::to_owned)).collect();
    let raised: BTreeSet<String> = answers.iter().flat_map(|answer| answer.codes.clone()).chain(open.clone()).collect();
    let in_words = expected.iter().any(|text| text.starts_with('('));
    let must_be_told = expected.iter().any(|text| text.starts_with('(') && !text.starts_with("(or"));
    if must_be_told && raised.is_empty() {
        wrong.push(format!("nobody was told: {expected:?}"));
    }
    let codes = expected.iter().filter(|text| !text.starts_with('('));
    let named: BTreeSet<String> = codes.clone().filter_map(|text| text.split('/').next().map(str::to_owned)).collect();
    if !raised.is_subset(&named) && !in_words {
        wrong.push(format!("exceptions {raised:?}, not {named:?}"));
    }
    for code in codes.filter_map(|text| text.strip_suffix("/open")) {
        if !open.contains(code) {
            wrong.push(format!("{code} is not open"));
        }
    }
    !raised.is_empty()
}

/// How a position differs from what is right; accounts that are not named are zero.
fn differs(engine: &Engine, row: &Map<String, Value>) -> Option<String> {
    let name = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let amount = |name: &str| row.get(name).and_then(thousandths).unwrap_or(0);
    let key = PositionKey { sku: name("sku"), location: name("location"), lot: name("lot"), owner: name("owner") };
    let balance = engine.find(&key);
    let mut found: Vec<(&str, i64)> = ALL[..VISIBLE]
        .iter()
        .map(|account| (account.name(), balance.as_ref().map_or(0, |balance| balance.account(*account))))
        .collect();
    let of = |of: fn(&Balance) -> i64| balance.as_ref().map_or(0, of);
    found.push(("on_hand_atp", of(Balance::on_hand_atp)));
    for (name, value) in [
        ("ordered", of(|balance| balance.claimed.ordered)),
        ("unpicked", of(|balance| balance.claimed.unpicked)),
        ("atp", of(|balance| balance.atp)),
    ] {
        found.extend(row.contains_key(name).then_some((name, value)));
    }
    let is_named = |name: &str| name != "on_hand_atp" || row.contains_key(name);
    let wrong: Vec<_> = found.into_iter().filter(|(name, value)| is_named(name) && *value != amount(name)).collect();
    (!wrong.is_empty()).then(|| format!("{key:?} has {wrong:?}, in thousandths, and not {row:?}"))
}

/// How an answer differs from what is right. The twin is asked about all buckets.
fn ask(engine: &Engine, twin: &Reference, asked: &Asked) -> Option<String> {
    let text = |name: &str| asked.question[name].as_str().unwrap_or_default().to_owned();
    let mode = asked.question["mode"].as_str().and_then(Mode::from_name).unwrap_or_default();
    let (sku, location, group) = (text("sku"), text("location"), text("group"));
    let question = Question { sku, location, group, lot: text("lot"), mode, ..Question::default() };
    let of_twin = twin.figures_of(&question, BUCKETS).available;
    let figures = engine.figures_of(&question, BUCKETS).available;
    let answers: Value = serde_json::from_str(&engine.promise(&asked.question.to_string())).unwrap();
    let answer = &answers["answers"][0];
    let is_right = match &asked.answer {
        Value::Number(_) => says(&answer["available"], &asked.answer),
        members => says(answer, members),
    };
    if figures != of_twin {
        return Some(format!("{}: engine {figures:?}, twin {of_twin:?}", asked.question));
    }
    (!is_right).then(|| format!("{} is answered {answers}, not {}", asked.question, asked.answer))
}
