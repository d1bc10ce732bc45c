//! Hostile JSON: what is none is refused, what is some is read, by the engine as by its twin, and the neighbours are
//! applied.

mod common;

use std::fs;

use serde::Deserialize;
use serde_json::Value;

use common::{Ledger, SCENARIOS, bytes};
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::{Batch, Engine};
use tallystick_reference::{Answer, Reference};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    #[serde(rename = "about")]
    _about: String,
    valid: Vec<(String, Value)>,
    invalid: Vec<(String, Value)>,
}

/// Every value by name, with whether it is JSON.
fn values() -> Vec<(String, Vec<u8>, bool)> {
    let text = fs::read(format!("{SCENARIOS}/json/values.json")).unwrap();
    let table: Values = serde_json::from_slice(&text).unwrap();
    let row = |is_valid: bool| move |(name, text): (String, Value)| (name, bytes(&text), is_valid);
    let values: Vec<_> =
        table.valid.into_iter().map(row(true)).chain(table.invalid.into_iter().map(row(false))).collect();
    assert!(values.len() > 300, "only {} values were found", values.len());
    values
}

/// An event whose members end with the given text.
fn event(id: &str, last: &[u8]) -> Vec<u8> {
    let head = format!(
        "{{\"id\":\"{id}\",\"source\":\"wms\",\"type\":\"stock.received\",\"sku\":\"A\",\"location\":\"L\",\"quantity\":1"
    );
    [head.as_bytes(), last, b"}"].concat()
}

/// Applies one message to the engine and to its twin, which must agree.
fn apply(message: &[u8], name: &str) -> Vec<Answer> {
    let mut engine = Engine::with(Config::default());
    let mut twin = Reference::with(Config::default());
    let answers = engine.message(message, 1, 0);
    assert_eq!(
        answers,
        twin.message(message, 1, 0),
        "{name} (engine, reference): {}",
        String::from_utf8_lossy(message)
    );
    assert_eq!(engine.sorted(), twin.sorted(), "{name} (engine, reference)");
    answers
}

fn outcomes(answers: &[Answer]) -> Vec<Outcome> {
    answers.iter().map(|answer| answer.outcome).collect()
}

fn expected(is_valid: bool) -> Outcome {
    if is_valid { Outcome::Applied } else { Outcome::Malformed }
}

#[test]
fn unknown_fields_hold_any_json_and_nothing_else() {
    for (name, value, is_valid) in values() {
        let first = event("x", &[b",\"x\":", &value[..]].concat());
        assert_eq!(outcomes(&apply(&first, &name)), [expected(is_valid)], "{name}");
        let nested = event("x", &[b",\"x\":{\"y\":", &value[..], b"}"].concat());
        // One level more is one too many for the value that just fits.
        if !name.contains("levels within the event") {
            assert_eq!(outcomes(&apply(&nested, &name)), [expected(is_valid)], "{name}, nested");
        }
    }
}

#[test]
fn unknown_names_are_any_json_string() {
    for (name, value, is_valid) in
        values().into_iter().filter(|(name, value, _)| name.starts_with("string") && value.first() == Some(&b'"'))
    {
        let message = event("x", &[b",", &value[..], b":1"].concat());
        assert_eq!(outcomes(&apply(&message, &name)), [expected(is_valid)], "{name}");
    }
}

#[test]
fn neighbours_on_other_lines_are_applied() {
    for (name, value, is_valid) in values().into_iter().filter(|(_, value, _)| !value.contains(&b'\n')) {
        let middle = event("x", &[b",\"x\":", &value[..]].concat());
        let message = [&event("a", b"")[..], b"\n", &middle, b"\n", &event("b", b"")].concat();
        assert_eq!(
            outcomes(&apply(&message, &name)),
            [Outcome::Applied, expected(is_valid), Outcome::Applied],
            "{name}"
        );
    }
}

#[test]
fn neighbours_in_an_array_are_applied_where_the_brackets_can_be_trusted() {
    for (name, value, is_valid) in values() {
        let middle = event("x", &[b",\"x\":", &value[..]].concat());
        let message = [b"[", &event("a", b"")[..], b",", &middle, b",", &event("b", b""), b"]"].concat();
        let answers = apply(&message, &name);
        let whole = [Outcome::Malformed];
        let apart = [Outcome::Applied, expected(is_valid), Outcome::Applied];
        assert!(outcomes(&answers) == apart || (!is_valid && outcomes(&answers) == whole), "{name}: {answers:?}");
    }
}

#[test]
fn every_value_alone_gets_one_answer_of_engine_and_twin() {
    for (name, value, _) in values() {
        let is_array = value.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let answers = apply(&value, &name);
        assert!(is_array || !answers.is_empty(), "{name}");
        assert!(answers.iter().all(|answer| answer.outcome.is_refusal()), "{name}: {answers:?}");
        apply(&[&b"["[..], &value, b"]"].concat(), &name);
        apply(&[&event("a", b"")[..], b"\n", &value].concat(), &name);
    }
}

#[test]
fn known_fields_are_judged_alike_by_engine_and_twin() {
    let fields = [
        "id",
        "source",
        "type",
        "time",
        "sequence",
        "correlationid",
        "causationid",
        "data",
        "sku",
        "location",
        "lot",
        "owner",
        "to_location",
        "from_status",
        "to_status",
        "quantity",
        "document",
        "line",
        "due",
        "reason",
    ];
    for field in fields {
        for (name, value, _) in values() {
            let members = [
                ("id", "\"1\""),
                ("source", "\"wms\""),
                ("type", "\"stock.received\""),
                ("sku", "\"A\""),
                ("location", "\"L\""),
                ("quantity", "1"),
            ];
            let others = members
                .into_iter()
                .filter(|(other, _)| *other != field)
                .map(|(other, json)| format!(",\"{other}\":{json}"));
            let others: String = others.collect();
            let message = [format!("{{\"{field}\":").as_bytes(), &value, others.as_bytes(), b"}"].concat();
            let answers = apply(&message, &format!("{name} as {field}"));
            assert!(!answers.is_empty(), "{name} as {field}");
        }
    }
}

#[test]
fn a_conflict_says_what_was_sent_first_and_what_is_sent_now() {
    let mut engine = Engine::new(Config::default(), *b"b key of 16 byte");
    let told = |engine: &mut Engine, sequence: u64, more: &str| {
        let event = format!("{{\"type\":\"stock.received\",\"source\":\"wms\",\"id\":\"1\",\"sku\":\"A\",{more}}}");
        let mut batch = Batch::default();
        engine.apply_message(event.as_bytes(), sequence, 0, &mut batch).expect("messages are numbered");
        batch.exceptions.iter().map(|exception| exception.cause.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut engine, 1, "\"location\":\"DC1\",\"quantity\":5"), [] as [String; 0]);
    let cause = told(&mut engine, 2, "\"location\":\"DC2\",\"quantity\":6.5").concat();
    assert_eq!(cause, "id 1 was already used: location was DC1, is now DC2; quantity was 5, is now 6.5");
}
