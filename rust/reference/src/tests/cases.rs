//! Cases from public reports of other systems, each with what is right, worked out by hand before anything was run.
//! What a report only asks to be told
//! of in some way (an exception in brackets) is not compared by name.

use tallystick_contract::account::Account;
use tallystick_contract::config::Mode;

use super::*;

const CASES: &str = include_str!("cases.ndjson");

#[test]
fn public_reports_come_out_right() {
    for text in CASES.lines() {
        let case: Value = serde_json::from_str(text).unwrap();
        let name = case["name"].as_str().unwrap();
        let mut twin = Reference::new(Config::parse(case["config"].as_str().unwrap()).unwrap());
        let right = &case["right"];
        let mut outcomes = Vec::new();
        for (place, event) in case["events"].as_array().unwrap().iter().enumerate() {
            let answers = twin.apply_ndjson(event.to_string().as_bytes(), place as u64 + 1, None);
            outcomes.extend(answers.iter().map(|answer| answer.outcome.name()));
            for question in asked(right, "at").filter(|question| question["after"] == place + 1) {
                answer(&twin, question, name);
            }
        }
        twin.release_held(99);
        for (found, expected) in outcomes.iter().zip(right["outcomes"].as_array().into_iter().flatten()) {
            assert!(expected == "?" || expected == found, "{name}: {outcomes:?}");
        }
        asked(right, "figures").for_each(|question| answer(&twin, question, name));
        for row in asked(right, "balances") {
            check_balance(&twin, row, name);
        }
        let expected: Vec<&str> = asked(right, "exceptions").filter_map(Value::as_str).collect();
        if expected.is_empty() {
            // The hold that is refused as closed is told of, and so is what was said of a closed order.
            assert!(twin.open_exceptions().is_empty(), "{name}: {:?}", twin.open_exceptions());
        } else if expected.iter().any(|each| each.starts_with('(')) {
            assert!(expected[0].contains("or:") || !twin.open_exceptions().is_empty(), "{name}");
        }
    }
}

fn asked<'a>(right: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    right[member].as_array().into_iter().flatten()
}

fn check_balance(twin: &Reference, row: &Value, name: &str) {
    let text = |member: &str| row[member].as_str().unwrap_or_default();
    let is_it = |balance: &Balance| {
        (&*balance.key.sku, &*balance.key.location, &*balance.key.lot) == (text("sku"), text("location"), text("lot"))
    };
    let balance = twin.balances().into_iter().find(is_it).unwrap_or_else(|| panic!("{name}: no position"));
    let expected = |member: &str| row[member].as_i64().unwrap_or(0) * 1_000;
    for account in [Account::OnHand, Account::Reserved, Account::Allocated, Account::Picked, Account::InTransit] {
        assert_eq!(balance.account(account), expected(account.name()), "{name}: {} of {balance:?}", account.name());
    }
    assert_eq!(balance.on_hand_atp(), expected("on_hand_atp"), "{name}: {balance:?}");
}

fn answer(twin: &Reference, question: &Value, name: &str) {
    let (asks, right) = (&question["question"], &question["answer"]);
    let mode = asks["mode"].as_str().and_then(Mode::from_name).unwrap_or(Mode::LookAhead);
    let sku = asks["sku"].as_str().unwrap().to_owned();
    if let Some(group) = asks["group"].as_str() {
        let figures = twin.group_figures(&sku, group, None, mode).unwrap();
        let first = |figures: &[Option<i64>]| json!(figures[0].unwrap() / 1_000);
        assert_eq!(first(&figures.available), right["available"], "{name}: {asks}");
        assert_eq!(first(&figures.signed), right["signed"], "{name}: {asks}");
        return;
    }
    let location = asks["location"].as_str().unwrap().to_owned();
    let key = PositionKey { sku, location: location.clone(), lot: String::new(), owner: String::new() };
    let figures = twin.figures(&key, mode, None);
    if let Some(quantity) = asks["quantity"].as_i64() {
        let bucket = figures.iter().position(|figure| figure.is_none_or(|figure| figure >= quantity * 1_000)).unwrap();
        assert_eq!(twin.bucket_text(&location, bucket), right["earliest"], "{name}: {asks}");
        return;
    }
    let is_it = |bucket: &usize| asks["due"].as_str().is_none_or(|due| twin.bucket_text(&location, *bucket) == due);
    let bucket = (0..figures.len()).find(is_it).unwrap_or(0);
    assert_eq!(json!(figures[bucket].unwrap() / 1_000), *right, "{name}: {asks}");
}
