//! Documents with very many lines: what ends all of them at once is right. What took longer for each line the more
//! there are
//! would not come to its end here; how long it does take is measured by `python -m benches growth`.

use serde_json::json;

use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::Batch;
use tallystick_engine::Engine;

use super::common::Ledger;
use super::told::nanoseconds;

const LINES: i64 = 100_000;
/// So many lines come in one message.
const AT_ONCE: i64 = 1_000;

struct Book {
    engine: Engine,
    sequence: u64,
}

impl Book {
    fn new() -> Self {
        Self { engine: Engine::with(Config::parse("").expect("the defaults")), sequence: 0 }
    }

    /// All must be taken.
    fn tell(&mut self, elements: &[serde_json::Value]) {
        self.sequence += 1;
        let message = serde_json::to_vec(elements).expect("JSON");
        let mut batch = Batch::default();
        let log_time_ns = nanoseconds(i64::try_from(self.sequence).expect("few messages"));
        self.engine.apply_message(&message, self.sequence, log_time_ns, &mut batch).expect("sequences ascend");
        assert!(batch.outcomes.iter().all(|outcome| *outcome == Outcome::Applied), "message {}", self.sequence);
    }

    fn tell_lines(&mut self, line: impl Fn(i64) -> serde_json::Value) {
        for first in (0..LINES).step_by(usize::try_from(AT_ONCE).expect("a step")) {
            let elements: Vec<_> = (first..first + AT_ONCE).map(&line).collect();
            self.tell(&elements);
        }
    }

    fn unclaimed(&self) -> i64 {
        self.engine.balances().iter().map(|balance| balance.on_hand_atp() / 1_000).sum()
    }
}

/// A document whose lines name so many SKUs: received, ordered, allocated, half of it picked and shipped, and closed.
fn check_document(skus: i64) {
    let mut book = Book::new();
    let sku = |number: i64| format!("S{}", number % skus);
    let place = |number: i64, kind: &str, of: &str| json!({"id": format!("{of}-{number}"), "source": of, "type": kind, "sku": sku(number), "location": "DC1", "quantity": 1, "document": "SO-1", "line": number});
    let stock: Vec<_> = (0..skus)
        .map(|number| json!({"id": format!("in-{number}"), "source": "wms", "type": "stock.received", "sku": sku(number), "location": "DC1", "quantity": LINES / skus * 2}))
        .collect();
    book.tell(&stock);
    book.tell_lines(|number| {
        let mut order = place(number, "demand.scheduled", "erp");
        order["due"] = "2026-03-02".into();
        order
    });
    assert_eq!(book.unclaimed(), LINES, "each line is ordered");
    book.tell_lines(|number| place(number, "stock.allocated", "oms"));
    assert_eq!(book.unclaimed(), LINES, "what is ordered and allocated counts once");
    book.tell_lines(|number| {
        // Every other line is left alone; a pick of it is told of the line before.
        let mut pick = place(number / 2 * 2, "stock.picked", "wms");
        pick["id"] = format!("wms-{number}").into();
        if number % 2 == 1 {
            pick["type"] = "stock.shipped".into();
        }
        pick
    });
    assert_eq!(book.unclaimed(), LINES, "what has gone was claimed before");
    book.tell(&[json!({"id": "close", "source": "erp", "type": "document.closed", "document": "SO-1"})]);
    assert_eq!(book.unclaimed(), LINES * 2 - LINES / 2, "a closed document claims nothing, and half of it has gone");
}

#[test]
fn a_document_of_100_000_lines_is_closed_at_once() {
    check_document(1_000);
}

#[test]
fn a_document_of_100_000_lines_of_one_sku_is_closed_at_once() {
    check_document(1);
}
