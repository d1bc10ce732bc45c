//! Replenishment (`docs/replenish.md`): the signals of the engine are those of its twin behind every message, whatever
//! is received, sold, scheduled, reserved and taken back; neither shards nor a snapshot change any of it; and what goes
//! out says when each opened and closed.

mod common;
mod plans;

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use common::{Ledger, check};
use plans::{CONFIGS, Message, plans};
use tallystick_contract::config::Config;
use tallystick_engine::Engine;
use tallystick_engine::shards::{Alone, Shards};
use tallystick_reference::Reference;

/// Rules that are laid before a configuration of the plans, and those that the log may put in their place.
fn rules(number: usize) -> Vec<Value> {
    match number {
        0 => vec![
            json!({"skus": ["B"], "point": 8, "target": 20, "lead_time": "3d"}),
            json!({"point": "90d", "target": "99d", "window": "3d"}),
        ],
        1 => vec![
            json!({"locations": ["DC2"], "point": 2.5, "target": 3}),
            json!({"skus": ["A"], "point": "30d", "target": "31d", "window": "1d", "lead_time": "30d"}),
        ],
        _ => Vec::new(),
    }
}

fn config(number: usize, ruled: usize) -> Config {
    let table = |rule: &Value| {
        let members = rule.as_object().expect("a rule is a table").iter();
        format!("{{{}}}", members.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", "))
    };
    let tables: Vec<_> = rules(ruled).iter().map(table).collect();
    let text = format!("replenish = [{}]\n{}", tables.join(", "), CONFIGS[number]);
    Config::parse(&text).unwrap_or_else(|error| panic!("configuration {number}: {error}"))
}

/// The message that puts rules in the place of others.
fn change(ruled: usize) -> Vec<u8> {
    let event = json!({
        "type": "configuration.changed", "source": "operator", "id": "rules", "config": {"replenish": rules(ruled)},
    });
    event.to_string().into_bytes()
}

/// A log with messages as they are sent, in which the rules are others from some place on.
fn told(log: &[Message], place: usize, ruled: usize) -> Vec<(u64, Vec<u8>, i64)> {
    let mut messages: Vec<_> = log.iter().map(|message| (message.bytes(), message.log_time_ns)).collect();
    messages.insert(place, (change(ruled), log[place].log_time_ns));
    (1..).zip(messages).map(|(sequence, (bytes, log_time_ns))| (sequence, bytes, log_time_ns)).collect()
}

#[test]
fn the_signals_are_those_of_the_twin() {
    let seen = std::cell::RefCell::new([0_u32; 3]);
    let drawn = (plans(40), any::<prop::sample::Index>(), 0_usize..3, 0_usize..3);
    check(500, &drawn, |((number, log), place, first, second)| {
        let (mut engine, mut twin) = (Engine::with(config(number, first)), Reference::with(config(number, first)));
        let mut before = BTreeSet::new();
        for (sequence, bytes, log_time_ns) in told(&log, place.index(log.len()), second) {
            engine.message_told(&bytes, sequence, log_time_ns);
            twin.message_told(&bytes, sequence, log_time_ns);
            let (found, expected) = (engine.signals(), twin.signals());
            let text = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(&found, &expected, "(engine, reference) behind {}: {}", sequence, text);
            let now: BTreeSet<_> = found.iter().map(ToString::to_string).collect();
            let mut seen = seen.borrow_mut();
            seen[0] += u32::try_from(now.difference(&before).count()).unwrap_or(0);
            seen[1] += u32::try_from(before.difference(&now).count()).unwrap_or(0);
            seen[2] += u32::from(found.iter().any(|signal| signal["recent_demand"]["quantity"].as_f64() > Some(0.0)));
            before = now;
        }
        Ok(())
    });
    let [opened, closed, by_demand] = seen.into_inner();
    println!("opened {opened}, closed {closed}, behind messages with demand {by_demand}");
    for (count, least) in [(opened, 200), (closed, 100), (by_demand, 20)] {
        assert!(count >= least / common::share(), "random logs open, close and sell: {opened}, {closed}, {by_demand}");
    }
}

#[test]
fn neither_a_snapshot_nor_shards_change_a_signal() {
    let drawn = (plans(40), any::<prop::sample::Index>(), 0_usize..3, 0_usize..3, 2_usize..5);
    check(200, &drawn, |((number, log), place, first, second, count)| {
        let place = place.index(log.len());
        let shards = Shards::new(count, Alone).expect("so many are possible").in_rounds_of(5);
        let mut straight = Engine::with(config(number, first));
        let mut parts = Engine::with_shards(config(number, first), *b"b key of 16 byte", shards);
        let mut restored = Engine::with(config(number, first));
        for (sequence, bytes, log_time_ns) in told(&log, place, second) {
            if sequence == place as u64 + 2 {
                restored = Engine::restore(&restored.snapshot(), config(number, first)).expect("it is its own");
            }
            straight.message_told(&bytes, sequence, log_time_ns);
            parts.message_told(&bytes, sequence, log_time_ns);
            restored.message_told(&bytes, sequence, log_time_ns);
            prop_assert_eq!(straight.signals(), parts.signals(), "shards behind {}", sequence);
            prop_assert_eq!(straight.signals(), restored.signals(), "restored behind {}", sequence);
        }
        let seen = |engine: &mut Engine| format!("{:?}", engine.flush("S", 1_000, 1 << 20).exceptions);
        prop_assert_eq!(seen(&mut straight).is_empty(), seen(&mut parts).is_empty());
        Ok(())
    });
}

const DAY_NS: i64 = 86_400_000_000_000;
/// 2026-03-02T12:00:00Z.
const NOON_NS: i64 = 1_772_452_800_000_000_000;

/// What went out since it was asked last.
fn sent(engine: &mut Engine) -> Vec<Value> {
    let messages = engine.flush("S", 1_000, 1 << 20).exceptions;
    let batches = messages.iter().map(|(_, body)| serde_json::from_slice::<Value>(body).expect("it is JSON"));
    let entries = batches.flat_map(|batch| batch.as_array().expect("a batch is a list").clone());
    entries.filter(|entry| entry["type"] == "tallystick.replenishment").collect()
}

#[test]
fn one_signal_goes_out_when_it_opens_and_one_when_it_closes() {
    let text = "[engine]\nmax_age = \"none\"\n[[replenish]]\npoint = 10\ntarget = 50\nlead_time = \"2d\"\n";
    let mut engine = Engine::with(Config::parse(text).expect("it is a configuration"));
    let mut sequence = 0;
    let mut tell = |engine: &mut Engine, kind: &str, quantity: i64, more: Value| {
        sequence += 1;
        let mut event = json!({
            "type": kind, "source": "wms", "id": sequence.to_string(), "sku": "A", "location": "DC1",
            "quantity": quantity,
        });
        event.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        engine.message(event.to_string().as_bytes(), sequence, NOON_NS);
        sent(engine)
    };
    assert_eq!(tell(&mut engine, "stock.received", 12, json!({})), [] as [Value; 0]);
    let opened = tell(&mut engine, "stock.sold", 3, json!({}));
    assert_eq!(opened.len(), 1, "9 of 12 are left, the point is 10: {opened:?}");
    let data = &opened[0]["data"];
    let figures = ["state", "reason", "quantity", "available", "reorder_point", "target", "lead_time_days", "sequence"];
    assert_eq!(
        figures.map(|name| data[name].clone()),
        [json!("open"), json!("below_point"), json!(41), json!(9), json!(10), json!(50), json!(2), json!(2)]
    );
    assert_eq!(tell(&mut engine, "stock.sold", 3, json!({})), [] as [Value; 0], "one stands");
    // Three days away is behind the lead time; two days are within it.
    let later = tell(&mut engine, "supply.scheduled", 40, json!({"document": "P1", "due": "2026-03-05"}));
    assert_eq!(later, [] as [Value; 0]);
    let closed = tell(&mut engine, "supply.scheduled", 4, json!({"document": "P2", "due": "2026-03-04"}));
    assert_eq!(closed.len(), 1, "6 and 4 are the point");
    assert_eq!(closed[0]["data"]["state"], "closed");
    assert_eq!(closed[0]["data"]["reason"], "covered");
    assert_ne!(opened[0]["id"], closed[0]["id"]);
    assert_eq!(engine.replenishment(None, None, None), (0, "[]".to_owned()));
    // Time alone brings the greater supply within reach, and nothing is said of what is covered.
    engine.message(b"{\"type\":\"tick\"}", sequence + 1, NOON_NS + DAY_NS);
    assert_eq!(sent(&mut engine), [] as [Value; 0]);
}
