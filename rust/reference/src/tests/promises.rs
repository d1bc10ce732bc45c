//! Small logs about what comes, goes, is held and kept, with their figures written out.

use tallystick_contract::config::Mode;

use super::*;

/// A day of the week that begins with the log's, 2026-03-01.
fn day(number: usize) -> String {
    format!("2026-03-{:02}", number + 1)
}

impl Log {
    fn line(&mut self, kind: &str, document: &str, due: &str, quantity: i64) -> String {
        let id = format!("{kind}-{}", self.sequence);
        self.tell(&json!({"id": id, "source": "erp", "type": kind, "sku": "A", "location": "DC1", "document": document,
            "due": due, "quantity": quantity}))
    }

    fn about(&mut self, kind: &str, document: &str, quantity: i64) -> String {
        let id = format!("{kind}-{}", self.sequence);
        self.tell(&json!({"id": id, "source": "wms", "type": kind, "sku": "A", "location": "DC1", "document": document,
            "quantity": quantity, "to_location": "DC2"}))
    }

    fn request(&mut self, id: &str, members: &Value) -> Value {
        let mut event = json!({"id": id, "source": "shop", "type": "reservation.requested", "reply": "here"});
        event["data"] = members.clone();
        self.tell(&event);
        self.twin.answers.pop().expect("a request is answered").body
    }

    /// The first five figures of A/DC1, in units.
    fn figures(&self, mode: Mode) -> Vec<i64> {
        let figures = self.twin.figures(&key("DC1"), mode, None);
        figures.into_iter().take(5).map(|figure| figure.unwrap_or(99_000) / 1_000).collect()
    }
}

fn key(location: &str) -> PositionKey {
    PositionKey { sku: "A".to_owned(), location: location.to_owned(), lot: String::new(), owner: String::new() }
}

#[test]
fn lines_are_netted_and_consumed_once() {
    let mut log = Log::new("");
    log.stock("r1", "received", 20, 1);
    assert_eq!(log.line("supply.scheduled", "PO1", &day(2), 10), "applied");
    assert_eq!(log.line("demand.scheduled", "SO1", &day(3), 15), "applied");
    assert_eq!(log.figures(Mode::LookAhead), [15, 15, 15, 15, 15]);
    assert_eq!(log.figures(Mode::Cumulative), [20, 20, 30, 15, 15]);
    log.about("stock.allocated", "SO1", 15);
    assert_eq!(log.figures(Mode::Cumulative), [5, 5, 15, 15, 15]);
    log.about("stock.picked", "SO1", 15);
    assert_eq!(log.figures(Mode::Cumulative), [5, 5, 15, 15, 15]);
    assert_eq!(log.about("stock.received", "PO1", 4), "applied");
    assert_eq!(log.figures(Mode::Cumulative), [9, 9, 15, 15, 15]);
    assert_eq!(log.about("stock.received", "PO1", 7), "applied receipt_variance");
    assert_eq!(log.about("stock.received", "PO1", 1), "applied", "nobody closed the line by word");
    assert_eq!(log.figures(Mode::PeriodNet), [17, 0, 0, 0, 0]);
    assert_eq!(log.line("supply.cancelled", "PO1", &day(2), 1), "applied");
}

#[test]
fn a_void_gives_back_what_was_consumed() {
    let mut log = Log::new("");
    log.line("supply.scheduled", "PO1", &day(2), 10);
    log.tell(&json!({"id": "r1", "source": "wms", "type": "stock.received", "sku": "A", "location": "DC1", "document": "PO1", "quantity": 10}));
    assert_eq!(log.figures(Mode::PeriodNet), [10, 0, 0, 0, 0]);
    log.void("v1", "r1");
    assert_eq!(log.figures(Mode::PeriodNet), [0, 0, 10, 0, 0]);
}

#[test]
fn past_due_supply_follows_its_policy() {
    for (policy, expected) in [
        ("past_due = \"exception\"", [0, 0, 0]),
        ("past_due = \"drop\"", [0, 0, 0]),
        ("past_due = \"slide\"", [0, 10, 0]),
        ("past_due = \"keep\"\nkeep = 2", [10, 0, 0]),
    ] {
        let mut log = Log::new(&format!("[promise]\n{policy}\n"));
        assert_eq!(log.line("supply.scheduled", "PO1", "2026-02-28", 10), "applied");
        assert_eq!(log.figures(Mode::PeriodNet)[..3], expected, "{policy}");
        assert_eq!(log.open().len(), 1, "{policy}");
        log.line("supply.scheduled", "PO1", &day(1), 10);
        // What was dropped stays with the people.
        assert_eq!(log.open().is_empty(), !policy.contains("drop"), "{policy}");
    }
}

#[test]
fn a_request_is_granted_claimed_posted_and_given_back() {
    let mut log = Log::new("");
    log.stock("r1", "received", 10, 1);
    let answer = log.request("q1", &json!({"sku": "A", "location": "DC1", "quantity": 4}));
    assert_eq!(
        (&answer["status"], &answer["quantity"], &answer["expires"]),
        (&json!("granted"), &json!(4), &json!("2026-03-01T12:15:02Z"))
    );
    assert_eq!(log.twin.balances()[0].claimed.reserved, 4_000);
    let answer = log.request("q2", &json!({"sku": "A", "location": "DC1", "quantity": 7}));
    assert_eq!((&answer["status"], &answer["lines"][0]["available"]), (&json!("insufficient"), &json!(6)));
    assert_eq!(answer["lines"][0]["earliest"], Value::Null);
    let again = log.request("q2", &json!({"sku": "A", "location": "DC1", "quantity": 7}));
    assert_eq!(again, answer);
    let settle = |kind: &str, quantity: i64| json!({"id": format!("{kind}{quantity}"), "source": "shop", "type": format!("reservation.{kind}"), "target": {"id": "q1"}, "quantity": quantity});
    assert_eq!(log.tell(&settle("posted", 5)), "insufficient");
    assert_eq!(log.tell(&settle("voided", 1)), "applied");
    assert_eq!(log.tell(&settle("posted", 2)), "applied");
    let balance = &log.twin.balances()[0];
    assert_eq!((balance.accounts[2], balance.claimed.reserved), (2_000, 0));
    assert_eq!(log.tell(&settle("voided", 2)), "applied over_release");
}

#[test]
fn a_channel_keeps_what_is_protected() {
    let mut log = Log::new("");
    log.stock("r1", "received", 10, 1);
    let set =
        json!({"id": "p1", "source": "erp", "type": "protection.set", "channel": "web", "sku": "A", "protected": 6});
    assert_eq!(log.tell(&set), "applied");
    let wants = |quantity: i64, channel: &str| json!({"sku": "A", "location": "DC1", "quantity": quantity, "channel": channel, "policy": "partial"});
    assert_eq!(log.request("q1", &wants(9, "shop"))["quantity"], 4);
    assert_eq!(log.request("q2", &wants(1, "shop"))["quantity"], 0);
    assert_eq!(log.request("q3", &wants(9, "web"))["quantity"], 6);
}

#[test]
fn a_group_is_picked_in_its_order() {
    let mut log = Log::new("");
    let group =
        json!({"id": "g1", "source": "erp", "type": "group.defined", "group": "east", "locations": ["DC2", "DC1"]});
    assert_eq!(log.tell(&group), "applied");
    log.stock("r1", "received", 10, 1);
    log.tell(
        &json!({"id": "r2", "source": "wms", "type": "stock.received", "sku": "A", "location": "DC2", "quantity": 3}),
    );
    let answer = log.request("q1", &json!({"sku": "A", "group": "east", "quantity": 5}));
    assert_eq!(
        answer["lines"][0]["parts"],
        json!([{"location": "DC2", "quantity": 3}, {"location": "DC1", "quantity": 2}])
    );
    let figures = log.twin.group_figures("A", "east", None, Mode::LookAhead).unwrap();
    assert_eq!(figures.available[0], Some(8_000));
    let itself = json!({"id": "g2", "source": "erp", "type": "group.defined", "group": "all", "groups": ["all"]});
    assert_eq!(log.tell(&itself), "malformed");
}
