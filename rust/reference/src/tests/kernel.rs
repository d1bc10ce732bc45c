//! The twin's kernel: tables that vendors published, and its two ways to look ahead within a window.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tallystick_contract::config::Mode;

use crate::promise::kernel::Outlook;

const TABLES: &str = include_str!("../../../../tests/data/atp_tables.json");

fn numbers(values: &Value) -> Vec<i128> {
    values.as_array().unwrap().iter().map(|value| value.as_i64().unwrap().into()).collect()
}

#[test]
fn published_tables_are_reproduced_to_the_digit() {
    let tables: Value = serde_json::from_str(TABLES).unwrap();
    for case in tables["cases"].as_array().unwrap() {
        let supply = numbers(&case["supply"]);
        let outlook = Outlook {
            on_hand: case["on_hand"].as_i64().unwrap().into(),
            demand: numbers(&case["demand"]),
            safety: vec![0; supply.len()],
            supply,
            window: None,
            fence: None,
            carries_shortage: case["carry_shortage"].as_bool().unwrap_or(true),
        };
        let mode = Mode::from_name(case["mode"].as_str().unwrap()).unwrap();
        let figures: Vec<_> = outlook.figures(mode).into_iter().flatten().collect();
        assert_eq!(figures, numbers(&case["expected"]), "{}", case["name"]);
    }
}

proptest! {
    #[test]
    fn what_is_tried_is_what_the_formula_says(
        on_hand in 0..20_i128,
        buckets in vec((0..12_i128, 0..6_i128, 0..4_i128), 1..9),
        window in 1..6_usize,
        fence in proptest::option::of(1..9_usize),
    ) {
        let side = |of: fn(&(i128, i128, i128)) -> i128| buckets.iter().map(of).collect::<Vec<_>>();
        let (supply, demand, safety) = (side(|each| each.0), side(|each| each.1), side(|each| each.2));
        let outlook = Outlook { on_hand, supply, demand, safety, window: Some(window), fence, carries_shortage: true };
        for bucket in 0..fence.unwrap_or(buckets.len()).min(buckets.len()) {
            let [tried, solved] = outlook.both(bucket);
            prop_assert!(tried.is_none() || tried == solved, "{:?} at {}: {:?}, {:?}", outlook, bucket, tried, solved);
        }
    }
}
