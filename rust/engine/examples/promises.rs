//! Promises: how fast reservations are decided in memory, and how fast what can be promised is recomputed. Prints a
//! JSON row for `benches`.
//!
//! ```text
//! cargo run --release --example promises -- [REQUESTS [PART]]
//! ```
//!
//! What is prepared is outside the measure. It refuses to be measured as a debug build.

use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tallystick_contract::config::Config;
use tallystick_engine::Batch;
use tallystick_engine::Engine;
use tallystick_engine::atp::{Span, Timeline};

/// What a count is divided by, or divides.
fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

const NOW_NS: i64 = 1_795_219_200_000_000_000;
const POSITIONS: usize = 100_000;
/// Positions that many want at once.
const HOT: usize = 1_000;
/// Lines of a request with several.
const LINES: usize = 10;
const REQUESTS_DEFAULT: usize = 1_000_000;
/// Events that are handed over at once.
const TOGETHER: usize = 1_000;
const BUCKETS: i32 = 400;
const CONFIG: &str = "[promise]\nhorizon = 400\n";

/// Returns SKUs.
type Skus<'s> = dyn FnMut() -> u64 + 's;
/// Writes the members of a request for SKUs, and tells how many lines it has.
type Members<'m> = dyn Fn(&mut Skus<'_>) -> (String, usize) + 'm;
/// Measures something of so many requests.
type Part = fn(usize) -> Value;

/// What can be measured: decisions without and with an answer, and the recomputation by the kernel alone and through
/// the engine.
const PARTS: [(&str, Part); 6] = [
    ("decided", |requests| decide(requests, POSITIONS, &one(""))),
    ("decided_hot", |requests| decide(requests, HOT, &one(""))),
    ("answered_hot", |requests| decide(requests, HOT, &one(",\"reply\":\"_INBOX.aaaaaaaaaaaaaaaa.1\""))),
    ("lines_hot", |requests| decide(requests / LINES, HOT, &several)),
    ("kernel", |_| recompute_kernel()),
    ("engine", |_| recompute_engine()),
];

fn main() -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("promises: this is a debug build; build with --release");
        return ExitCode::FAILURE;
    }
    let requests = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(REQUESTS_DEFAULT);
    let only = std::env::args().nth(2);
    let mut row = json!({ "requests": requests, "positions": POSITIONS });
    for (name, part) in PARTS {
        if only.as_deref().is_none_or(|only| only == name) {
            row[name] = part(requests);
        }
    }
    println!("{row}");
    ExitCode::SUCCESS
}

/// A source of numbers that is the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

struct Log {
    engine: Engine,
    batch: Batch,
    sequence: u64,
}

impl Log {
    fn new() -> Self {
        let config = Config::parse(CONFIG).expect("the configuration is valid");
        Self { engine: Engine::new(config, [7; 16]), batch: Batch::new(), sequence: 0 }
    }

    /// Applies lines, many at once.
    fn apply(&mut self, lines: &[String]) {
        for chunk in lines.chunks(TOGETHER) {
            self.batch.clear();
            let now_ns = NOW_NS + i64::try_from(self.sequence).unwrap_or(0) * 1_000;
            let first = self.sequence + 1;
            self.engine
                .apply_ndjson(chunk.concat().as_bytes(), first, Some(now_ns), &mut self.batch)
                .expect("sequences follow each other");
            self.sequence += chunk.len() as u64;
        }
    }

    /// Applies lines that are joined already, and tells how many seconds it took.
    fn time(&mut self, chunks: &[(Vec<u8>, usize)]) -> f64 {
        let before = Instant::now();
        for (bytes, count) in chunks {
            self.batch.clear();
            let now_ns = NOW_NS + i64::try_from(self.sequence).unwrap_or(0) * 1_000;
            self.engine
                .apply_ndjson(bytes, self.sequence + 1, Some(now_ns), &mut self.batch)
                .expect("sequences follow each other");
            self.sequence += *count as u64;
        }
        before.elapsed().as_secs_f64()
    }

    fn totals(&self) -> Value {
        self.engine.totals().map(|(outcome, count)| (outcome.name().to_owned(), json!(count))).collect()
    }
}

fn joined(lines: &[String]) -> Vec<(Vec<u8>, usize)> {
    lines.chunks(TOGETHER).map(|chunk| (chunk.concat().into_bytes(), chunk.len())).collect()
}

/// What a request asks for: one unit of a SKU.
fn one(reply: &'static str) -> impl Fn(&mut Skus<'_>) -> (String, usize) {
    move |sku| (format!("\"sku\":\"SKU-{:06}\",\"location\":\"DC-1\",\"quantity\":1{reply}", sku()), 1)
}

/// A request of several lines, all or nothing.
fn several(sku: &mut Skus<'_>) -> (String, usize) {
    let line = |_| format!("{{\"sku\":\"SKU-{:06}\",\"location\":\"DC-1\",\"quantity\":1}}", sku());
    let lines: Vec<String> = (0..LINES).map(line).collect();
    (format!("\"lines\":[{}]", lines.join(",")), LINES)
}

/// Requests for units of many positions, all within the stock. A decision is that of a line.
fn decide(requests: usize, positions: usize, members: &Members<'_>) -> Value {
    let mut log = Log::new();
    let receipts: Vec<String> = (0..positions)
        .map(|n| {
            format!(
                "{{\"id\":\"r{n}\",\"source\":\"wms\",\"type\":\"stock.received\",\"sku\":\"SKU-{n:06}\",\"location\":\"DC-1\",\"quantity\":100000}}\n"
            )
        })
        .collect();
    log.apply(&receipts);
    let mut random = Random(1);
    let mut decisions = 0;
    let lines: Vec<String> = (0..requests)
        .map(|n| {
            let (members, count) = members(&mut || random.below(positions as u64));
            decisions += count;
            format!("{{\"id\":\"q{n}\",\"source\":\"shop\",\"type\":\"reservation.requested\",{members}}}\n")
        })
        .collect();
    let seconds = log.time(&joined(&lines));
    json!({
        "requests": requests,
        "decisions": decisions,
        "seconds": seconds,
        "decisions_per_second": float(decisions) / seconds,
        "outcomes": log.totals(),
        "state_hash": log.engine.state_hash().to_string(),
    })
}

/// Changes of a position with as many buckets as there can be, and one look at what can be promised behind a thousand
/// of them.
fn recompute_kernel() -> Value {
    const CHANGES: usize = 1_000;
    const ROUNDS: usize = 1_000;
    let mut timeline = Timeline::default();
    (0..BUCKETS).for_each(|bucket| timeline.add(bucket, 5_000, 4_000));
    let span = Span { today: 0, end: BUCKETS };
    let mut random = Random(2);
    let changes: Vec<(i32, i64, i64)> = (0..CHANGES * ROUNDS)
        .map(|_| {
            let bucket = i32::try_from(random.below(BUCKETS.unsigned_abs().into())).unwrap_or(0);
            let amount = i64::try_from(random.below(2_000)).unwrap_or(0) - 999;
            if random.below(2) == 0 { (bucket, amount, 0) } else { (bucket, 0, amount) }
        })
        .collect();
    let mut sum = 0_i64;
    let before = Instant::now();
    for batch in changes.chunks(CHANGES) {
        for (bucket, supply, demand) in batch {
            timeline.add(*bucket, *supply, *demand);
        }
        timeline.look(span);
        sum = sum.wrapping_add(timeline.least_from(span, 0));
    }
    let seconds = before.elapsed().as_secs_f64();
    json!({ "buckets": BUCKETS, "changes": changes.len(), "us_per_change": seconds * 1e6 / float(changes.len()), "check": sum })
}

/// Recomputation through the whole engine: events that reschedule the lines of such a position, a thousand at once, and
/// a question behind them.
fn recompute_engine() -> Value {
    const CHANGES: usize = 1_000;
    const ROUNDS: usize = 100;
    let mut log = Log::new();
    let event = |id: String, kind: &str, line: i32, quantity: u64| {
        let due = tallystick_contract::instant::format_date(NOW_NS / 86_400_000_000_000 + i64::from(line));
        format!(
            "{{\"id\":\"{id}\",\"source\":\"erp\",\"type\":\"supply.{kind}\",\"sku\":\"A\",\"location\":\"DC-1\",\"document\":\"PO\",\"line\":{line},\"due\":\"{due}\",\"quantity\":{quantity}}}\n"
        )
    };
    log.apply(&(0..BUCKETS).map(|line| event(format!("s{line}"), "scheduled", line, 5)).collect::<Vec<_>>());
    let mut random = Random(3);
    let lines: Vec<String> = (0..CHANGES * ROUNDS)
        .map(|n| {
            let line = i32::try_from(random.below(BUCKETS.unsigned_abs().into())).unwrap_or(0);
            event(format!("c{n}"), "rescheduled", line, 1 + random.below(9))
        })
        .collect();
    let mut seconds = 0.0;
    let mut check = 0;
    for chunk in joined(&lines) {
        seconds += log.time(std::slice::from_ref(&chunk));
        let before = Instant::now();
        check += log.engine.promise("{\"sku\":\"A\",\"location\":\"DC-1\",\"horizon\":true}").len();
        seconds += before.elapsed().as_secs_f64();
    }
    json!({ "buckets": BUCKETS, "changes": lines.len(), "us_per_change": seconds * 1e6 / float(lines.len()), "check": check })
}
