//! Orders of all kinds, and what they leave to promise: rows of `docs/claims.md`, and the public reports that it came
//! from.

use super::*;

/// Events of an order at A/DC1, written shortly: a time in minutes after 11:00, a type, and members.
fn event(number: usize, minute: u32, kind: &str, members: &Value) -> Value {
    let time = format!("2026-03-01T11:{minute:02}:00Z");
    let source = kind.split_once(' ').map_or("wms", |(source, _)| source);
    let kind = kind.split_once(' ').map_or(kind, |(_, kind)| kind);
    let mut event = json!({"id": format!("e{number}"), "source": source, "type": kind, "time": time});
    let is_about_stock = kind.starts_with("stock.") || kind.starts_with("demand.") || kind == "reservation.requested";
    if is_about_stock {
        (event["sku"], event["location"]) = (json!("A"), json!("DC1"));
    }
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn line(quantity: i64) -> Value {
    json!({"document": "SO-1", "line": 1, "quantity": quantity})
}

fn order(quantity: i64) -> Value {
    json!({"document": "SO-1", "line": 1, "quantity": quantity, "due": "2026-03-01"})
}

fn hold(quantity: i64) -> Value {
    json!({"document": "SO-1", "line": 1, "quantity": quantity, "ttl": "none"})
}

/// A row: what is told, and what is on the shelf and unclaimed afterwards.
fn check(name: &str, config: &str, said: &[(u32, &str, Value)], on_hand_atp: i64, open: &[&str]) {
    let mut log = Log::new(config);
    for (number, (minute, kind, members)) in said.iter().enumerate() {
        log.tell(&event(number, *minute, kind, members));
    }
    let balance = log.twin.balances().into_iter().find(|balance| balance.key.location == "DC1").unwrap();
    assert_eq!(balance.on_hand_atp(), on_hand_atp * 1_000, "{name}: {balance:?}");
    assert_eq!(log.open(), open, "{name}");
}

/// Checks the figure in every order of what follows the first.
fn check_orders(name: &str, said: &[(u32, &str, Value)], on_hand_atp: i64) {
    for order in orders::orders(&said[1..].iter().cloned().enumerate().collect::<Vec<_>>()) {
        let mut log = Log::new("");
        log.tell(&event(99, said[0].0, said[0].1, &said[0].2));
        for (number, (minute, kind, members)) in &order {
            log.tell(&event(*number, *minute, kind, members));
        }
        let balance = log.twin.balances().remove(0);
        assert_eq!(balance.on_hand_atp(), on_hand_atp * 1_000, "{name}: {order:?}: {balance:?}");
    }
}

#[test]
fn what_was_wrong_is_right() {
    let received = |quantity: i64| (0, "stock.received", json!({"quantity": quantity}));
    let closed = (50, "oms document.closed", json!({"document": "SO-1"}));
    check(
        "a hold that nobody posts",
        "",
        &[
            received(100),
            (1, "shop reservation.requested", hold(5)),
            (2, "stock.picked", line(5)),
            (3, "stock.shipped", line(5)),
            closed,
        ],
        95,
        &[],
    );
    check(
        "a pick that nobody allocated",
        "",
        &[received(10), (1, "stock.picked", line(8)), (2, "stock.shipped", line(8))],
        2,
        &[],
    );
    let other = json!({"document": "SO-B", "line": 1, "quantity": 5});
    check(
        "somebody else's pick",
        "",
        &[received(10), (1, "oms stock.allocated", other), (2, "stock.picked", line(8))],
        -3,
        &[],
    );
    check(
        "given back without a claim",
        "",
        &[received(100), (1, "stock.deallocated", line(3))],
        100,
        &["claim_below_zero SO-1/1/A"],
    );
    check(
        "given back without a document",
        "",
        &[received(100), (1, "stock.deallocated", json!({"quantity": 3}))],
        100,
        &["claim_below_zero A/DC1//"],
    );
    check(
        "an order that asks for itself",
        "",
        &[received(10), (1, "erp demand.scheduled", order(10)), (2, "shop reservation.requested", hold(10))],
        0,
        &[],
    );
}

#[test]
fn what_was_wrong_of_whole_orders_is_right() {
    let received = |quantity: i64| (0, "stock.received", json!({"quantity": quantity}));
    let closed = (50, "oms document.closed", json!({"document": "SO-1"}));
    check(
        "an order that was cut",
        "",
        &[
            received(100),
            (1, "oms demand.scheduled", order(100)),
            (2, "oms stock.allocated", line(100)),
            (3, "oms demand.rescheduled", order(75)),
            (4, "stock.picked", line(75)),
            (5, "stock.shipped", line(75)),
            closed,
        ],
        25,
        &[],
    );
    check(
        "shipped without a pick",
        "",
        &[received(100), (1, "stock.shipped", line(5))],
        95,
        &["ship_without_pick wms/DC1"],
    );
    check(
        "shipped from the shelf",
        "[[shipping]]\nfrom = \"on_hand\"\n",
        &[received(100), (1, "stock.shipped", line(5)), (2, "stock.counted", json!({"quantity": 95}))],
        95,
        &[],
    );
    check(
        "a sale of an order",
        "",
        &[received(100), (1, "erp demand.scheduled", order(5)), (2, "stock.sold", line(5))],
        95,
        &[],
    );
    check(
        "a void that comes first",
        "",
        &[
            received(100),
            (2, "shop reservation.voided", json!({"target": {"id": "e2"}})),
            (1, "shop reservation.requested", hold(10)),
        ],
        100,
        &[],
    );
}

#[test]
fn the_order_of_messages_makes_no_difference() {
    let received = (0, "stock.received", json!({"quantity": 100}));
    let target = |number: usize| json!({"target": {"id": format!("e{number}")}});
    let ordered =
        (3, "erp demand.scheduled", json!({"document": "SO-1", "line": 1, "quantity": 10, "due": "2026-03-05"}));
    let held = (1, "shop reservation.requested", hold(10));
    let posted = (2, "shop reservation.posted", target(0));
    check_orders("held, posted, ordered", &[received.clone(), held.clone(), posted.clone(), ordered.clone()], 90);
    check_orders(
        "changed twice",
        &[
            received.clone(),
            (1, "erp demand.scheduled", order(9)),
            (20, "erp demand.rescheduled", json!({"document": "SO-1", "line": 1, "quantity": 7})),
            (10, "erp demand.rescheduled", json!({"document": "SO-1", "line": 1, "quantity": 4})),
        ],
        93,
    );
    check_orders(
        "posted, shipped, closed",
        &[
            received.clone(),
            held,
            posted,
            (4, "stock.picked", line(7)),
            (5, "stock.shipped", line(7)),
            (6, "oms document.closed", json!({"document": "SO-1"})),
        ],
        93,
    );
    check_orders(
        "without a line",
        &[
            received,
            (1, "erp demand.scheduled", order(10)),
            (2, "oms stock.allocated", json!({"document": "SO-1", "quantity": 10})),
            (3, "stock.picked", json!({"document": "SO-1", "quantity": 4})),
            (4, "stock.shipped", json!({"document": "SO-1", "quantity": 4})),
        ],
        90,
    );
}

#[test]
fn holds_of_one_line_add_up() {
    let mut log = Log::new("");
    log.tell(&event(0, 0, "stock.received", &json!({"quantity": 10})));
    assert_eq!(log.tell(&event(1, 1, "shop reservation.requested", &hold(6))), "applied");
    assert_eq!(log.tell(&event(2, 2, "shop reservation.requested", &hold(6))), "insufficient");
    let mut partial = hold(6);
    (partial["policy"], partial["reply"]) = (json!("partial"), json!("here"));
    assert_eq!(log.tell(&event(3, 3, "shop reservation.requested", &partial)), "applied");
    assert_eq!(log.twin.answers.pop().unwrap().body["quantity"], json!(4));
    let target = json!({"target": {"id": "e1"}, "quantity": 7, "reply": "here"});
    assert_eq!(log.tell(&event(4, 4, "shop reservation.changed", &target)), "insufficient");
    let target = json!({"target": {"id": "e1"}, "quantity": 2, "reply": "here"});
    assert_eq!(log.tell(&event(5, 5, "shop reservation.changed", &target)), "applied");
    assert_eq!(log.twin.answers.pop().unwrap().body["quantity"], json!(2));
    let nothing = json!({"target": {"id": "e1"}});
    assert_eq!(log.tell(&event(6, 6, "shop reservation.changed", &nothing)), "malformed");
    let keep = json!({"target": {"id": "e1"}, "quantity": 1, "rest": "keep"});
    assert_eq!(log.tell(&event(7, 7, "shop reservation.posted", &keep)), "applied");
    let balance = log.twin.balances().remove(0);
    assert_eq!((balance.claimed.reserved, balance.claimed.allocated), (5_000, 1_000));
    assert_eq!(log.tell(&event(8, 8, "oms document.closed", &json!({"document": "SO-1"}))), "applied");
    assert_eq!(log.tell(&event(9, 9, "shop reservation.posted", &json!({"target": {"id": "e1"}}))), "absorbed");
    let late = json!({"document": "SO-1", "line": 2, "quantity": 1, "reply": "here"});
    assert_eq!(log.tell(&event(10, 7, "shop reservation.requested", &late)), "insufficient");
    assert_eq!(log.twin.answers.pop().unwrap().body["status"], json!("refused"));
    assert_eq!(log.tell(&event(11, 9, "shop reservation.voided", &json!({"target": {"id": "e10"}}))), "absorbed");
    assert_eq!(log.tell(&event(12, 9, "shop reservation.voided", &json!({"target": {"id": "e0"}}))), "held");
    assert_eq!(
        log.tell(&event(13, 9, "shop reservation.voided", &json!({"target": {"id": "e2"}}))),
        "unknown_reference"
    );
    assert_eq!(log.tell(&event(14, 10, "shop reservation.requested", &hold(3))), "applied closed_line");
    assert_eq!(log.twin.balances().remove(0).on_hand_atp(), 7_000);
}

#[test]
fn a_line_is_closed_by_quantity_while_it_is_so() {
    let mut log = Log::new("");
    log.tell(&event(0, 0, "stock.received", &json!({"quantity": 100})));
    log.tell(&event(1, 1, "erp demand.scheduled", &order(10)));
    log.tell(&event(2, 2, "oms stock.allocated", &line(15)));
    log.tell(&event(3, 3, "stock.picked", &line(10)));
    log.tell(&event(4, 4, "stock.shipped", &line(10)));
    let atp = |log: &Log| log.twin.balances().remove(0).on_hand_atp() / 1_000;
    // What was allocated after the order speaks for itself.
    assert_eq!(atp(&log), 85);
    log.tell(&event(5, 5, "oms demand.rescheduled", &json!({"document": "SO-1", "line": "0001", "quantity": 10})));
    assert_eq!(atp(&log), 90);
    assert!(log.open().contains(&"document_clash SO-1/1/A".to_owned()));
    assert_eq!(log.tell(&event(6, 6, "shop reservation.requested", &hold(4))), "applied");
    assert_eq!(atp(&log), 86);
    log.tell(&event(7, 7, "event.voided", &json!({"target": {"id": "e4"}})));
    // The request opened nothing then: the 15 that were allocated count again, and 10 of them are picked.
    assert_eq!(atp(&log), 85);
}

/// The cases of public reports that belong to this contract and are told in full here.
#[test]
fn lots_and_locations_of_one_line() {
    let mut log = Log::new("");
    let at = |number, minute, kind: &str, lot: &str, members: Value| {
        let mut event = event(number, minute, kind, &members);
        event["lot"] = json!(lot);
        event
    };
    log.tell(&at(0, 0, "stock.received", "L1", json!({"quantity": 60})));
    log.tell(&event(1, 1, "stock.received", &json!({"quantity": 40})));
    log.tell(&event(2, 2, "erp demand.scheduled", &order(30)));
    log.tell(&at(3, 3, "stock.picked", "L1", line(30)));
    let atp = |log: &Log| log.twin.balances().iter().map(|balance| balance.on_hand_atp() / 1_000).collect::<Vec<_>>();
    assert_eq!(atp(&log), [40, 30]);
    log.tell(&at(4, 4, "stock.shipped", "L1", line(30)));
    assert_eq!(atp(&log), [40, 30]);
}

#[test]
fn claims_that_end_by_time_count_as_far_as_they_were_used() {
    let mut log = Log::new("");
    log.tell(&event(0, 0, "stock.received", &json!({"quantity": 100})));
    let mut held = hold(5);
    held["ttl"] = json!("1m");
    log.tell(&event(1, 1, "shop reservation.requested", &held));
    let converted = json!({"document": "SO-1", "line": 1, "quantity": 5, "from_status": "reserved"});
    log.tell(&event(2, 2, "oms stock.allocated", &converted));
    log.sequence += 100;
    log.tell(&json!({"id": "t", "source": "clock", "type": "tick"}));
    let balance = log.twin.balances().remove(0);
    assert_eq!((balance.on_hand_atp(), balance.claimed.allocated), (95_000, 5_000));
    // What it was allocated for counts once also when it leaves.
    log.tell(&event(3, 3, "stock.picked", &line(5)));
    assert_eq!(log.twin.balances().remove(0).on_hand_atp(), 95_000);
}

#[test]
fn what_has_no_line_is_shared_out_once() {
    let received = |quantity: i64| (0, "stock.received", json!({"quantity": quantity}));
    let closed = |minute| (minute, "oms document.cancelled", json!({"document": "SO-1"}));
    let loose = |quantity: i64| json!({"document": "SO-1", "quantity": quantity});
    let second = |quantity: i64| json!({"document": "SO-1", "line": 2, "quantity": quantity, "due": "2026-03-01"});
    check_orders(
        "a base is that of the facts that were given",
        &[received(4), (50, "oms stock.allocated", line(4)), (10, "stock.picked", loose(4)), closed(30)],
        -4,
    );
    check_orders(
        "what was put back is no base any more",
        &[
            received(9),
            (1, "stock.picked", line(4)),
            closed(2),
            (3, "stock.unpicked", line(3)),
            (4, "oms stock.allocated", line(2)),
        ],
        6,
    );
    let picked = (2, "stock.picked", json!({"document": "SO-1", "line": 2, "quantity": 5}));
    let shipped = (3, "stock.shipped", loose(5));
    let ordered = [(1, "erp demand.scheduled", order(5)), (1, "erp demand.scheduled", second(5))];
    let all = |last: &[(u32, &'static str, Value)]| {
        let first = [received(100), ordered[0].clone(), ordered[1].clone(), picked.clone(), shipped.clone()];
        first.into_iter().chain(last.iter().cloned()).collect::<Vec<_>>()
    };
    check_orders("a unit that was picked with a line and shipped without one", &all(&[]), 90);
    check("the same, closed", "", &all(&[closed(4)]), 95, &[]);
    check_orders(
        "an order without a line is that of the lines as far as they have more than theirs",
        &[
            received(100),
            (1, "erp demand.scheduled", json!({"document": "SO-1", "quantity": 10, "due": "2026-03-01"})),
            (2, "oms stock.allocated", line(4)),
            (3, "oms stock.allocated", json!({"document": "SO-1", "line": 2, "quantity": 3})),
        ],
        90,
    );
}

#[test]
fn a_grant_opens_no_claim_elsewhere_that_is_not_there() {
    for (shelf, outcome) in [(5, "insufficient"), (8, "applied")] {
        let mut log = Log::new("");
        let elsewhere = |quantity: i64| json!({"document": "SO-1", "line": 1, "quantity": quantity, "location": "DC2"});
        log.tell(&event(0, 0, "stock.received", &json!({"quantity": 100})));
        log.tell(&event(1, 0, "stock.received", &json!({"quantity": shelf, "location": "DC2"})));
        log.tell(&event(2, 1, "erp demand.scheduled", &order(10)));
        log.tell(&event(3, 2, "stock.picked", &line(10)));
        log.tell(&event(4, 2, "stock.shipped", &line(10)));
        log.tell(&event(5, 9, "oms stock.allocated", &elsewhere(8)));
        // The line is closed by quantity. Opened again, it is allocated 8 elsewhere.
        assert_eq!(log.tell(&event(6, 5, "shop reservation.requested", &hold(3))), outcome, "{shelf}");
    }
}
