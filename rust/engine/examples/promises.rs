//! Promises: how fast reservations are decided in memory, and how fast what can be promised is recomputed. Prints a JSON row for `benches`.
//!
//! ```text
//! cargo run --release --example promises -- [REQUESTS]
//! ```
//!
//! What is prepared is outside the measure. It refuses to be measured as a debug build.

use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tallystick_engine::batch::Batch;
use tallystick_engine::config::Config;
use tallystick_engine::engine::Engine;
use tallystick_engine::timeline::{Span, Timeline};

/// What a count is divided by, or divides.
fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

const NOW_NS: i64 = 1_795_219_200_000_000_000;
const POSITIONS: usize = 100_000;
const REQUESTS_DEFAULT: usize = 1_000_000;
/// Events that are handed over at once.
const TOGETHER: usize = 1_000;
const BUCKETS: i32 = 400;
const CONFIG: &str = "[promise]\nhorizon = 400\n";

fn main() -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("promises: this is a debug build; build with --release");
        return ExitCode::FAILURE;
    }
    let requests = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(REQUESTS_DEFAULT);
    let row = json!({
        "requests": requests,
        "positions": POSITIONS,
        "decided": decide(requests, ""),
        "answered": decide(requests, ",\"reply\":\"_INBOX.aaaaaaaaaaaaaaaa.1\""),
        "kernel": recompute_kernel(),
        "engine": recompute_engine(),
    });
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

    /// The same with lines that are joined already, and how many seconds it took.
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

/// Requests for one unit of one of many positions, all within the stock.
fn decide(requests: usize, reply: &str) -> Value {
    let mut log = Log::new();
    let receipts: Vec<String> = (0..POSITIONS)
        .map(|n| {
            format!(
                "{{\"id\":\"r{n}\",\"source\":\"wms\",\"type\":\"stock.received\",\"sku\":\"SKU-{n:06}\",\"location\":\"DC-1\",\"quantity\":1000}}\n"
            )
        })
        .collect();
    log.apply(&receipts);
    let mut random = Random(1);
    let lines: Vec<String> = (0..requests)
        .map(|n| {
            let sku = random.below(POSITIONS as u64);
            format!(
                "{{\"id\":\"q{n}\",\"source\":\"shop\",\"type\":\"reservation.requested\",\"sku\":\"SKU-{sku:06}\",\"location\":\"DC-1\",\"quantity\":1{reply}}}\n"
            )
        })
        .collect();
    let seconds = log.time(&joined(&lines));
    json!({
        "seconds": seconds,
        "per_second": float(requests) / seconds,
        "outcomes": log.totals(),
        "state_hash": log.engine.state_hash().to_string(),
    })
}

/// Changes of a position with as many buckets as there can be, and one look at what can be promised behind a thousand of them.
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

/// The same through the whole engine: events that reschedule the lines of such a position, a thousand at once, and a question behind them.
fn recompute_engine() -> Value {
    const CHANGES: usize = 1_000;
    const ROUNDS: usize = 100;
    let mut log = Log::new();
    let event = |id: String, kind: &str, line: i32, quantity: u64| {
        let due = tallystick_engine::instant::format_date(NOW_NS / 86_400_000_000_000 + i64::from(line));
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
