//! Corrections in every order: one state, whatever comes first.

use super::*;

/// All orders of some things.
pub(super) fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: usize| {
        let mut rest = things.to_vec();
        let thing = rest.remove(first);
        orders(&rest).into_iter().map(move |order| [vec![thing.clone()], order].concat())
    };
    (0..things.len()).flat_map(with_first).collect()
}

#[test]
fn corrections_leave_one_state_in_every_order() {
    let timed = |mut event: Value, second: u32| {
        event["time"] = json!(format!("2026-03-01T11:30:{second:02}Z"));
        event
    };
    let to = |kind: &str, quantity: i64| json!({"type": kind, "sku": "A", "location": "DC1", "quantity": quantity});
    let events = [
        stock("r1", "received", 5, 20),
        stock("c1", "counted", 7, 10),
        stock("s1", "sold", 2, 15),
        timed(correction("k1", "c1", &to("stock.counted", 9)), 1),
        timed(correction("k2", "c1", &to("stock.received", 8)), 2),
        json!({"id": "v1", "source": "wms", "type": "event.voided", "target": {"id": "s1"}}),
    ];
    for order in orders(&events) {
        let mut log = Log::new("");
        for event in &order {
            log.tell(event);
        }
        let balance = log.twin.balances().remove(0);
        assert_eq!(balance.accounts[..8], [13_000, 0, 0, 0, 0, 0, 0, -13_000], "{order:?}");
        assert!(log.open().is_empty(), "{order:?}");
    }
}

#[test]
fn what_waits_for_an_approval_can_be_taken_back() {
    let mut log =
        Log::new("[approvals]\npercent = 10\nexcept_sources = [\"erp\"]\n[engine]\nnegative_stock = \"refuse\"\n");
    log.stock("r1", "received", 20, 1);
    assert_eq!(log.stock("a1", "adjusted", 3, 2), "pending_approval");
    assert_eq!(log.void("v1", "a1"), "applied");
    assert_eq!(log.stock("a2", "adjusted", -3, 2), "pending_approval");
    let event = json!({"type": "stock.adjusted", "sku": "A", "location": "DC1", "quantity": -5});
    assert_eq!(log.tell(&correction("k1", "a2", &event)), "applied");
    assert_eq!((log.on_hand(), log.twin.balances()[0].pending), (15, 0));
    let target = |id: &str| json!({"target": {"source": "wms", "id": id}});
    assert_eq!(log.tell(&by_operator("g1", "approval.granted", &target("a2"))), "absorbed");
    assert_eq!(log.stock("a3", "adjusted", -15, 2), "pending_approval");
    log.stock("s1", "sold", 1, 3);
    assert_eq!(log.tell(&by_operator("g2", "approval.granted", &target("a3"))), "negative_stock");
    assert_eq!(log.stock("a3", "adjusted", -15, 2), "negative_stock");
    assert_eq!(log.void("v2", "r1"), "negative_stock");
    assert_eq!(log.on_hand(), 14);
    let mut free = stock("a4", "adjusted", -10, 2);
    free["source"] = json!("erp");
    assert_eq!(log.tell(&free), "applied");
}

#[test]
fn exceptions_resolve_by_what_comes() {
    let mut log = Log::new("[sources.wms]\norder = \"source\"\nheld_max = 1\n[engine]\nunregistered = \"flag\"\n");
    let numbered = |id: &str, kind: &str, quantity: i64, sequence: u64| {
        let mut event = stock(id, kind, quantity, 1);
        event["sequence"] = json!(sequence);
        event
    };
    assert_eq!(log.tell(&numbered("s3", "sold", 5, 3)), "held");
    let after_gap = "held | 1 held sequence_gap 1-2 | 1 applied negative_stock | 2 applied";
    assert_eq!(log.tell(&numbered("s4", "sold", 1, 4)), after_gap);
    assert_eq!(log.open(), ["negative_stock A/DC1//", "sequence_gap wms 1-2"]);
    assert_eq!(log.tell(&numbered("r0", "received", 0, 1)), "quantity_invalid");
    assert_eq!(log.tell(&numbered("r0", "received", 9, 1)), "late");
    assert_eq!(log.open(), ["late wms/r0", "sequence_gap wms 1-2"]);
    assert_eq!(log.tell(&numbered("r2", "received", 9, 2)), "late");
    assert_eq!(log.open(), ["late wms/r0", "late wms/r2"]);
    let mut other = stock("r1", "received", 1, 1);
    other["source"] = json!("shop");
    assert_eq!(log.tell(&other), "applied unregistered_source");
    other["id"] = json!("r2");
    assert_eq!(log.tell(&other), "applied");
}

/// A stock event, void or correction among few names, with an own time, so that only the order can make a difference.
fn any_event() -> impl Strategy<Value = Value> {
    let stock = (0..4_usize, 0..3_usize, 1..9_i64, 0..20_u32).prop_map(|(kind, sku, quantity, second)| {
        let mut event = stock("", ["received", "sold", "counted", "picked"][kind], quantity, second);
        event["sku"] = json!(["A", "B", "C"][sku]);
        event
    });
    (stock, 0..3_u8, 0..12_u32, 0..60_u32).prop_map(|(stock, kind, target, second)| {
        let target = json!({"id": format!("e{target}")});
        let time = format!("2026-03-01T11:30:{second:02}Z");
        match kind {
            0 => stock,
            1 => json!({"source": "wms", "type": "event.voided", "target": target, "time": time}),
            _ => {
                json!({"source": "wms", "type": "event.corrected", "target": target, "event": stock, "time": time})
            }
        }
    })
}

#[test]
fn any_order_of_any_corrections_leaves_one_state() {
    let events = prop::collection::vec(any_event(), 12..24).prop_map(|mut events| {
        for (number, event) in events.iter_mut().enumerate() {
            event["id"] = json!(format!("e{number}"));
        }
        events
    });
    let orders = events.prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()));
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }, |((one, other) in orders)| {
        let state = |events: &[Value]| {
            let mut log = Log::new("");
            for event in events {
                log.tell(event);
            }
            log.twin.release_held(99);
            let all = log.twin.balances();
            // A position from which an earlier correction was taken away exists all the same, and only in some orders.
            let is_any = |balance: &Balance| balance.accounts.iter().any(|amount| *amount != 0);
            let amounts = all.into_iter().filter(is_any).map(|balance| Balance { version: 0, ..balance });
            amounts.collect::<Vec<_>>()
        };
        prop_assert_eq!(state(&one), state(&other));
    });
}
