//! Small logs whose answers are written out: what the twin says of corrections, approvals, ownership and master data.

mod cases;
mod claims;
mod kernel;
mod orders;
mod promises;

use proptest::prelude::*;
use serde_json::{Value, json};
use tallystick_contract::config::Config;
use tallystick_contract::limits::SECOND_NS;

use super::*;

const NOON_NS: i64 = 1_772_366_400 * SECOND_NS;

/// A twin that is told one event per message, a second after the other.
struct Log {
    twin: Reference,
    sequence: u64,
}

impl Log {
    fn new(config: &str) -> Self {
        Self { twin: Reference::new(Config::parse(config).expect("the configuration is valid")), sequence: 0 }
    }

    /// Outcome and codes of an event, and what followed: `held`, `applied contributor`, `applied | 1 late late`.
    fn tell(&mut self, event: &Value) -> String {
        self.sequence += 1;
        let time_ns = NOON_NS + i64::try_from(self.sequence).unwrap() * SECOND_NS;
        let answers = self.twin.apply_message(event.to_string().as_bytes(), self.sequence, time_ns);
        let mut told: Vec<_> = answers.iter().map(words).collect();
        told.extend(self.twin.followed.drain(..).map(|answer| format!("{} {}", answer.sequence, words(&answer))));
        told.join(" | ")
    }

    /// A stock event of the source `wms` at the position A/DC1, with its second as time.
    fn stock(&mut self, id: &str, kind: &str, quantity: i64, second: u32) -> String {
        self.tell(&stock(id, kind, quantity, second))
    }

    fn void(&mut self, id: &str, target: &str) -> String {
        self.tell(&json!({"id": id, "source": "wms", "type": "event.voided", "target": {"id": target}}))
    }

    fn on_hand(&self) -> i64 {
        let here = |balance: &Balance| balance.key.sku == "A" && balance.key.location == "DC1";
        self.twin.balances().into_iter().find(here).map_or(0, |balance| balance.accounts[0] / 1_000)
    }

    fn open(&self) -> Vec<String> {
        self.twin.open_exceptions().into_iter().collect()
    }
}

fn words(answer: &Answer) -> String {
    let codes = answer.codes.iter().filter(|code| *code != answer.outcome.name());
    std::iter::once(answer.outcome.name()).chain(codes.map(String::as_str)).collect::<Vec<_>>().join(" ")
}

fn stock(id: &str, kind: &str, quantity: i64, second: u32) -> Value {
    let time = format!("2026-03-01T11:00:{second:02}Z");
    json!({"id": id, "source": "wms", "type": format!("stock.{kind}"), "sku": "A", "location": "DC1",
           "quantity": quantity, "time": time})
}

fn correction(id: &str, target: &str, event: &Value) -> Value {
    json!({"id": id, "source": "wms", "type": "event.corrected", "target": {"id": target}, "event": event})
}

fn by_operator(id: &str, kind: &str, members: &Value) -> Value {
    let mut event = json!({"id": id, "source": "operator", "type": kind});
    event["data"] = members.clone();
    event
}

#[test]
fn a_void_leaves_what_would_stand_without_its_target() {
    let mut log = Log::new("");
    log.stock("r1", "received", 5, 1);
    log.stock("c1", "counted", 7, 10);
    log.stock("r2", "received", 2, 20);
    log.stock("c2", "counted", 30, 30);
    assert_eq!(log.void("v1", "r1"), "absorbed");
    assert_eq!(log.on_hand(), 30);
    assert_eq!(log.void("v2", "c2"), "applied");
    assert_eq!(log.on_hand(), 9);
    assert_eq!(log.void("v3", "c1"), "applied");
    assert_eq!(log.on_hand(), 2);
    assert_eq!(log.void("v4", "c1"), "unknown_reference");
    assert_eq!(log.void("v1", "r1"), "duplicate");
    assert_eq!(log.void("v1", "r2"), "conflict");
    assert_eq!(log.void("v5", "v1"), "unknown_reference");
}

#[test]
fn a_void_that_comes_first_waits() {
    let mut log = Log::new("");
    assert_eq!(log.void("v1", "r1"), "held");
    assert_eq!(log.void("v1", "r1"), "duplicate");
    assert_eq!(log.void("v2", "r1"), "held");
    assert_eq!(log.stock("r1", "received", 5, 1), "applied | 1 applied | 3 unknown_reference");
    assert_eq!(log.on_hand(), 0);
    assert_eq!(log.void("v3", "r2"), "held");
    log.twin.release_held(9);
    assert_eq!(log.twin.followed.drain(..).map(|answer| words(&answer)).collect::<Vec<_>>(), ["unknown_reference"]);
    let other = json!({"id": "v4", "source": "erp", "type": "event.voided", "target": {"source": "wms", "id": "r1"}});
    assert_eq!(log.tell(&other), "not_owner");
}

#[test]
fn the_greatest_correction_holds_in_any_order() {
    let event = |quantity: i64| json!({"type": "stock.received", "sku": "A", "location": "DC1", "quantity": quantity});
    let mut early = correction("k1", "r1", &event(3));
    early["time"] = json!("2026-03-01T11:30:00Z");
    let mut late = correction("k2", "r1", &event(4));
    late["time"] = json!("2026-03-01T11:31:00Z");
    let first = stock("r1", "received", 5, 1);
    for order in [[&first, &early, &late], [&first, &late, &early], [&late, &early, &first]] {
        let mut log = Log::new("");
        for event in order {
            log.tell(event);
        }
        assert_eq!(log.on_hand(), 4);
        assert_eq!(log.void("v1", "r1"), "applied");
        assert_eq!(log.on_hand(), 0);
        assert_eq!(log.tell(&correction("k3", "r1", &event(9))), "unknown_reference");
    }
    let mut log = Log::new("");
    assert_eq!(log.tell(&correction("k1", "r1", &json!({"type": "tick"}))), "unknown_type");
    let nested = json!({"type": "stock.received", "data": {"sku": "A"}});
    assert_eq!(log.tell(&correction("k1", "r1", &nested)), "malformed");
}

#[test]
fn a_count_that_is_out_of_reach_cannot_come_back() {
    let mut log = Log::new("[engine]\nhistory_max = 1\n");
    log.stock("c1", "counted", 7, 5);
    log.stock("r1", "received", 1, 10);
    log.stock("r2", "received", 1, 11);
    assert_eq!(log.stock("c0", "counted", 9, 1), "absorbed");
    assert_eq!(log.void("v1", "c1"), "count_beyond_history");
    assert_eq!(log.on_hand(), 9);
    let event = json!({"type": "stock.counted", "sku": "A", "location": "DC1", "quantity": 8});
    assert_eq!(log.tell(&correction("k1", "c1", &event)), "count_beyond_history");
}

#[test]
fn leaps_wait_and_are_available_on_the_cautious_side() {
    let mut log = Log::new("[approvals]\nabsolute = \"5\"\n");
    log.stock("r1", "received", 20, 1);
    assert_eq!(log.stock("c1", "counted", 15, 2), "applied");
    assert_eq!(log.stock("c2", "counted", 4, 3), "pending_approval");
    assert_eq!(log.stock("c2", "counted", 4, 3), "duplicate");
    let balance = log.twin.balances().remove(0);
    assert_eq!((balance.accounts[0], balance.pending, balance.on_hand_atp()), (15_000, 11_000, 4_000));
    assert_eq!(log.open(), ["pending_approval wms/c2"]);
    assert_eq!(log.tell(&by_operator("g1", "approval.granted", &json!({"exception": 1}))), "applied");
    assert_eq!((log.on_hand(), log.open().len()), (4, 0));
    let target = json!({"target": {"source": "wms", "id": "c2"}});
    assert_eq!(log.tell(&by_operator("g2", "approval.denied", &target)), "absorbed");
    let target = json!({"target": {"source": "wms", "id": "c3"}});
    assert_eq!(log.tell(&by_operator("g3", "approval.denied", &target)), "held");
    assert_eq!(log.stock("c3", "counted", 40, 4), "pending_approval | 7 applied");
    assert_eq!(log.on_hand(), 4);
    assert_eq!(log.void("v1", "c3"), "unknown_reference");
    assert_eq!(log.tell(&by_operator("g4", "approval.denied", &json!({"exception": 1}))), "unknown_reference");
    let mut stranger = by_operator("g5", "approval.denied", &json!({"exception": 1}));
    stranger["source"] = json!("wms");
    assert_eq!(log.tell(&stranger), "not_owner");
}

#[test]
fn a_mass_change_waits_for_one_decision() {
    let mut log = Log::new("[approvals]\nmass_change_percent = 50\nmass_change_positions_min = 1\n");
    let at = |id: &str, kind: &str, sku: &str, quantity: i64, second| {
        let mut event = stock(id, kind, quantity, second);
        event["sku"] = json!(sku);
        event
    };
    for sku in ["A", "B", "C"] {
        log.tell(&at(&format!("r{sku}"), "received", sku, 5, 1));
    }
    assert_eq!(log.tell(&at("cA", "counted", "A", 1, 2)), "applied");
    assert_eq!(log.tell(&at("cB", "counted", "B", 1, 2)), "pending_approval mass_change");
    assert_eq!(log.tell(&at("cA2", "counted", "A", 3, 3)), "pending_approval");
    assert_eq!(log.open(), ["mass_change wms/DC1"]);
    assert_eq!(log.tell(&by_operator("g1", "approval.granted", &json!({"exception": 1}))), "applied");
    assert_eq!((log.on_hand(), log.open().len()), (3, 0));
    assert_eq!(log.tell(&at("cC", "counted", "C", 1, 2)), "applied");
}

#[test]
fn roles_decide_who_is_counted_and_whose_count_holds() {
    let policy = "[[ownership.rules]]\nsources = [\"wms\"]\nrole = \"owner\"\n\
                  [[ownership.rules]]\nsources = [\"e*\"]\naccounts = [\"on_hand\"]\nlocations = [\"DC1\"]\nrole = \"contributor\"\n\
                  [[ownership.rules]]\nsources = [\"audit\"]\nrole = \"observer\"\n\
                  [ownership]\ndefault = \"refused\"\n";
    let mut log = Log::new(policy);
    let from = |source: &str, mut event: Value| {
        event["source"] = json!(source);
        event
    };
    assert_eq!(log.stock("c1", "counted", 5, 1), "applied");
    assert_eq!(log.tell(&from("erp", stock("c1", "counted", 9, 2))), "absorbed contributor");
    assert_eq!(log.tell(&from("audit", stock("c1", "counted", 9, 2))), "observed");
    assert_eq!(log.tell(&from("shop", stock("c1", "counted", 9, 2))), "not_owner");
    assert_eq!(log.tell(&from("erp", stock("s1", "sold", 1, 3))), "applied contributor");
    assert_eq!(log.on_hand(), 4);
    let target = json!({"source": "audit", "id": "c1"});
    let void = json!({"id": "v1", "source": "audit", "type": "event.voided", "target": target});
    assert_eq!(log.tell(&void), "observed");
    assert_eq!(log.void("v1", "c1"), "applied");
    assert_eq!(log.on_hand(), 8);
    let config = json!({"config": {"ownership": {"default": "owner"}}});
    assert_eq!(log.tell(&by_operator("o1", "configuration.changed", &config)), "applied");
    assert_eq!(log.tell(&from("shop", stock("c2", "counted", 3, 4))), "applied");
    let config = json!({"config": "[engine]\nhistory_max = 3\n"});
    assert_eq!(log.tell(&by_operator("o2", "configuration.changed", &config)), "malformed");
}

#[test]
fn master_data_names_and_measures() {
    let mut log = Log::new("");
    let item = json!({"id": "d1", "source": "erp", "type": "item.defined", "time": "2026-03-01T10:00:00Z", "sku": "A", "unit": "pc",
                      "units": {"box": 12, "g": "0.001"}, "safety_stock": {"DC1": 2}, "aliases": {"wms": ["4711", "A-1"]}});
    assert_eq!(log.tell(&item), "applied");
    let mut event = stock("r1", "received", 2, 1);
    event["sku"] = json!("4711");
    event["unit"] = json!("box");
    assert_eq!(log.tell(&event), "applied");
    assert_eq!(log.on_hand(), 24);
    assert_eq!(log.twin.balances()[0].safety_stock, 2_000);
    let with = |id: &str, quantity: &str, unit: &str| {
        let mut event = stock(id, "received", 1, 1);
        event["quantity"] = json!(quantity);
        event["unit"] = json!(unit);
        event
    };
    assert_eq!(log.tell(&with("r2", "1", "g")), "applied");
    assert_eq!(log.tell(&with("r3", "0.5", "g")), "quantity_invalid");
    assert_eq!(log.tell(&with("r4", "1", "pallet")), "unknown_reference");
    assert_eq!(log.open(), ["quantity_invalid wms/r3", "unknown_reference wms/r4"]);
    assert_eq!(log.tell(&with("r4", "1", "pc")), "applied");
    let mut other = stock("r5", "received", 1, 1);
    other["sku"] = json!("B");
    assert_eq!(log.tell(&other), "applied unknown_item");
    let item = json!({"id": "d2", "source": "erp", "type": "item.defined", "sku": "B"});
    assert_eq!(log.tell(&item), "applied");
    assert_eq!(log.open(), ["quantity_invalid wms/r3"]);
    assert_eq!(log.tell(&by_operator("x1", "exception.discarded", &json!({"exception": 1}))), "applied");
    assert_eq!(log.tell(&by_operator("x2", "exception.resolved", &json!({"exception": 1}))), "unknown_reference");
}

#[test]
fn echoes_and_loops_change_nothing() {
    let mut log = Log::new("[echo]\nhops_max = 2\n");
    let mut echo = stock("e1", "received", 5, 1);
    echo["originsource"] = json!("shop");
    echo["originid"] = json!("o1");
    assert_eq!(log.tell(&echo), "applied");
    echo["id"] = json!("e2");
    assert_eq!(log.tell(&echo), "duplicate");
    let mut origin = stock("o1", "received", 7, 1);
    origin["source"] = json!("shop");
    assert_eq!(log.tell(&origin), "duplicate");
    echo["hops"] = json!(3);
    assert_eq!(log.tell(&echo), "loop");
    echo["originid"] = Value::Null;
    assert_eq!(log.tell(&echo), "malformed");
    assert_eq!(log.on_hand(), 5);
}

#[test]
fn receipts_and_transfers_are_watched() {
    let mut log = Log::new("[receipts]\ntolerance_percent = 10\n[transfers]\nage = \"3s\"\n");
    let line = json!({"document": "PO1", "line": 1, "sku": "A", "location": "DC1", "quantity": 10});
    let mut received = stock("r1", "received", 12, 1);
    received["document"] = json!("PO1");
    received["line"] = json!(1);
    assert_eq!(log.tell(&received), "applied");
    let announced = json!({"id": "a1", "source": "erp", "type": "receipt.announced", "data": line});
    assert_eq!(log.tell(&announced), "applied receipt_variance");
    assert_eq!(log.open(), ["receipt_variance PO1/1/A/DC1"]);
    let event =
        json!({"type": "stock.received", "sku": "A", "location": "DC1", "quantity": 11, "document": "PO1", "line": 1});
    assert_eq!(log.tell(&correction("k1", "r1", &event)), "applied");
    assert!(log.open().is_empty());
    let mut dispatch = stock("t1", "sold", 2, 1);
    dispatch["type"] = json!("transfer.dispatched");
    dispatch["to_location"] = json!("DC2");
    assert_eq!(log.tell(&dispatch), "applied");
    for id in ["w1", "w2", "w3"] {
        log.tell(&json!({"id": id, "source": "clock", "type": "tick"}));
    }
    assert_eq!(log.open(), ["transfer_overdue A/DC2///wms/t1"]);
    let mut taken = stock("t2", "received", 2, 1);
    taken["type"] = json!("transfer.received");
    taken["location"] = json!("DC2");
    assert_eq!(log.tell(&taken), "applied");
    assert!(log.open().is_empty());
}

#[test]
fn directives_keep_their_place_in_an_order() {
    let mut log = Log::new("[sources.wms]\norder = \"source\"\n");
    let numbered = |mut event: Value, sequence: u64| {
        event["sequence"] = json!(sequence);
        event
    };
    let void = json!({"id": "v1", "source": "wms", "type": "event.voided", "target": {"id": "r1"}});
    assert_eq!(log.tell(&void), "sequence_missing");
    assert_eq!(log.tell(&numbered(void, 2)), "held");
    assert_eq!(log.tell(&numbered(stock("r1", "received", 5, 1), 1)), "applied | 2 applied");
    assert_eq!(log.on_hand(), 0);
    let config = json!({"config": {"types": {"stock.sampled": {"quantity": "positive", "postings": [["quarantine", "adjustment"]]}}}});
    assert_eq!(log.tell(&numbered(stock("s1", "sampled", 5, 1), 4)), "unknown_type");
    assert_eq!(log.tell(&by_operator("o1", "configuration.changed", &config)), "applied");
    assert_eq!(log.tell(&numbered(stock("s1", "sampled", 5, 1), 4)), "held");
    let config = json!({"config": {"types": {}}});
    assert_eq!(log.tell(&by_operator("o2", "configuration.changed", &config)), "applied");
    assert_eq!(log.tell(&numbered(stock("r3", "received", 5, 1), 3)), "applied | 6 unknown_type");
}

#[test]
fn a_count_that_was_not_kept_may_be_missed() {
    let mut log = Log::new("[engine]\nhistory_max = 1\n");
    log.stock("c0", "counted", 3, 3);
    log.stock("c1", "counted", 7, 5);
    log.stock("r1", "received", 1, 10);
    log.stock("r2", "received", 1, 11);
    assert_eq!(log.stock("c2", "counted", 9, 4), "absorbed");
    // Without c1, c2 would have the last word, and nobody knows the movements after it.
    assert_eq!(log.void("v1", "c1"), "count_beyond_history");
    let event = json!({"type": "stock.counted", "sku": "A", "location": "DC1", "quantity": 8});
    assert_eq!(log.tell(&correction("k1", "c1", &event)), "count_beyond_history");
    assert_eq!(log.void("v2", "c0"), "absorbed");
    assert_eq!(log.on_hand(), 9);

    let mut log = Log::new("");
    for second in 1..=9 {
        log.stock(&format!("c{second}"), "counted", i64::from(second), second);
    }
    for second in (3..=9).rev() {
        assert_eq!(log.void(&format!("v{second}"), &format!("c{second}")), "applied");
    }
    assert_eq!(log.void("v1", "c1"), "absorbed");
    assert_eq!(log.void("v2", "c2"), "count_beyond_history");
    assert_eq!(log.on_hand(), 2);
}

#[test]
fn forms_that_can_be_read_in_two_ways() {
    let mut log = Log::new("[echo]\nhops_max = 2\n");
    assert_eq!(log.tell(&json!(5)), "malformed");
    assert_eq!(log.tell(&json!([{"id": "r0"}, {"id": "r0", "source": "wms"}])), "malformed | malformed");
    assert_eq!(log.open(), ["malformed @1:0", "malformed @2:0", "malformed wms/r0"]);
    let mut event = stock("r1", "received", 2, 1);
    event["unit"] = json!("");
    assert_eq!(log.tell(&event), "applied");
    event["unit"] = Value::Null;
    assert_eq!(log.tell(&event), "duplicate");
    event["unit"] = json!("box");
    event["quantity"] = json!(3);
    let answers = log.twin.apply_message(event.to_string().as_bytes(), 9, NOON_NS);
    assert_eq!(answers[0].fields, ["quantity"]);
    event["quantity"] = json!(2);
    let answers = log.twin.apply_message(event.to_string().as_bytes(), 10, NOON_NS);
    assert_eq!(answers[0].fields, ["quantity"]);
    let item = |unit: Value| json!({"id": "d1", "source": "erp", "type": "item.defined", "time": "2026-03-01T10:00:00Z", "sku": "A", "unit": unit});
    assert_eq!(log.tell(&item(json!(""))), "applied");
    assert_eq!(log.tell(&item(Value::Null)), "duplicate");
    let hops = |hops: Value| {
        let mut event = stock("r2", "received", 1, 1);
        event["hops"] = hops;
        event
    };
    for malformed in [json!("0"), json!(""), json!("+1"), json!("1.0"), json!("9223372036854775808"), json!(0)] {
        assert_eq!(log.tell(&hops(malformed)), "malformed");
    }
    assert_eq!(log.tell(&hops(json!("9223372036854775807"))), "loop");
    assert_eq!(log.tell(&hops(json!("02"))), "applied");
}

#[test]
fn master_data_is_of_any_time() {
    let mut log = Log::new("[sources.erp]\nmax_age = \"1h\"\nmax_ahead = \"1m\"\n");
    let item =
        |id: &str, kind: &str, time: &str| json!({"id": id, "source": "erp", "type": kind, "time": time, "sku": "A"});
    assert_eq!(log.tell(&item("d1", "item.defined", "1970-01-01T00:00:00Z")), "applied");
    assert_eq!(log.tell(&item("d2", "item.retired", "2200-01-01T00:00:00Z")), "applied");
    assert_eq!(log.tell(&item("d3", "item.defined", "2999-01-01T00:00:00Z")), "time_out_of_bounds");
    let tick = json!({"id": "w1", "source": "erp", "type": "tick", "time": "2200-01-01T00:00:00Z"});
    assert_eq!(log.tell(&tick), "time_out_of_bounds");

    let mut log = Log::new("");
    let lines = [item("d1", "item.defined", "2200-01-01T00:00:00Z"), stock("r1", "received", 2, 1)];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let answers = log.twin.apply_ndjson(lines.as_bytes(), 1, None);
    assert_eq!(answers.iter().map(words).collect::<Vec<_>>(), ["applied", "applied unknown_item"]);
    assert_eq!(log.twin.log_time_ns, Some(NOON_NS - 3_599 * SECOND_NS));
}

#[test]
fn what_was_held_is_admitted_when_its_turn_comes() {
    let mut log = Log::new("[sources.wms]\norder = \"source\"\n[engine]\nnegative_stock = \"refuse\"\n");
    let numbered = |id: &str, kind: &str, sequence: u64| {
        let mut event = stock(id, kind, 1, 1);
        event["sequence"] = json!(sequence);
        event
    };
    let of = |mut event: Value, field: &str, value: &str| {
        event[field] = json!(value);
        event
    };
    let item = |id: &str, kind: &str, members: &Value| {
        let mut event = json!({"id": id, "source": "erp", "type": kind, "time": "2026-03-01T10:00:00Z", "sku": "A"});
        event["data"] = members.clone();
        event
    };
    let units = json!({"units": {"box": 2, "bag": 3, "cup": "0.5"}});
    assert_eq!(log.tell(&item("d1", "item.defined", &units)), "applied");
    let sold = of(numbered("s2", "sold", 2), "sku", "4711");
    let received = of(numbered("r3", "received", 3), "unit", "box");
    let bag = of(numbered("r4", "received", 4), "unit", "bag");
    let cup = of(numbered("r5", "received", 5), "unit", "cup");
    let returned = numbered("u6", "adjusted", 6);
    for event in [&sold, &received, &bag, &cup, &returned] {
        assert_eq!(log.tell(event), "held");
    }
    let now = json!({"units": {"box": 10, "cup": "0.001"}, "aliases": {"wms": "4711"}});
    assert_eq!(log.tell(&item("d2", "item.defined", &now)), "applied");
    let policy = json!({"config": {"ownership": {"rules": [{"types": ["stock.adjusted"], "role": "refused"}]}}});
    assert_eq!(log.tell(&by_operator("o1", "configuration.changed", &policy)), "applied");
    let first = of(numbered("r1", "received", 1), "sku", "B");
    let followed =
        "applied unknown_item | 2 negative_stock | 3 applied | 4 unknown_reference | 5 applied | 6 not_owner";
    assert_eq!(log.tell(&first), followed);
    assert_eq!(log.twin.balances()[0].accounts[0], 10_001);
    assert!(log.open().contains(&"not_owner wms/u6".to_owned()));
    assert_eq!(log.tell(&sold), "negative_stock");
    assert_eq!(log.tell(&bag), "unknown_reference");
    assert_eq!(log.tell(&returned), "duplicate");
    let mut void = json!({"id": "v7", "source": "wms", "type": "event.voided", "target": {"id": "u6"}});
    void["sequence"] = json!(7);
    assert_eq!(log.tell(&void), "unknown_reference");
}
