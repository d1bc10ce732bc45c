//! Lines: what open lines of documents cost, in bytes and in time. Prints a JSON row.
//!
//! ```text
//! cargo run --release --example lines -- [LINES [PART]]
//! ```
//!
//! Each line is one of a SKU at one location, with a day. What is prepared is outside the measure. It refuses to be
//! measured as a debug build.

use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use tallystick_contract::config::Config;
use tallystick_engine::Batch;
use tallystick_engine::Engine;

const NOW_NS: i64 = 1_795_219_200_000_000_000;
const SKUS: usize = 100_000;
const LINES_DEFAULT: usize = 1_000_000;
/// Events that are handed over at once.
const TOGETHER: usize = 1_000;
/// Lines of a document: an order of one line, and one of several.
const OF_DOCUMENT: [usize; 2] = [1, 5];

/// What is told of a line: its story, event by event.
const STORIES: [(&str, &[&str]); 5] = [
    ("ordered", &["demand.scheduled"]),
    ("allocated", &["stock.allocated"]),
    ("held", &["reservation.requested"]),
    ("ordered_and_allocated", &["demand.scheduled", "stock.allocated"]),
    (
        "held_ordered_allocated_picked",
        &["reservation.requested", "demand.scheduled", "stock.allocated", "stock.picked"],
    ),
];

fn main() -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("lines: this is a debug build; build with --release");
        return ExitCode::FAILURE;
    }
    let lines = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(LINES_DEFAULT);
    let only = std::env::args().nth(2);
    let mut row = json!({ "lines": lines, "skus": SKUS });
    for (name, story) in STORIES {
        if only.as_deref().is_none_or(|only| only == name) {
            for of_document in OF_DOCUMENT {
                row[format!("{name}_{of_document}")] = tell(lines, story, of_document);
            }
        }
    }
    println!("{row}");
    ExitCode::SUCCESS
}

/// Tells a story of each line, and gives what it cost.
fn tell(lines: usize, story: &[&str], of_document: usize) -> Value {
    let mut engine = Engine::new(Config::default(), [7; 16]);
    let mut batch = Batch::new();
    let mut sequence = 0_u64;
    let mut apply = |engine: &mut Engine, events: &[String]| {
        for chunk in events.chunks(TOGETHER) {
            batch.clear();
            // A millisecond for each event, as the log has it.
            let now_ns = NOW_NS + i64::try_from(sequence).unwrap_or(0) * 1_000_123;
            engine
                .apply_ndjson(chunk.concat().as_bytes(), sequence + 1, Some(now_ns), &mut batch)
                .expect("sequences follow each other");
            sequence += chunk.len() as u64;
        }
    };
    let receipts: Vec<String> = (0..SKUS).map(receipt).collect();
    apply(&mut engine, &receipts);
    // So that nothing grows by what is only used at first.
    apply(&mut engine, &[order("first", "demand.scheduled", lines, of_document)]);
    let before = (part(&engine, "claims"), part(&engine, "documents"));
    let mut seconds = 0.0;
    for (step, kind) in story.iter().enumerate() {
        let events: Vec<String> =
            (0..lines).map(|line| order(&format!("{step}-{line}"), kind, line, of_document)).collect();
        let begun = Instant::now();
        apply(&mut engine, &events);
        seconds += begun.elapsed().as_secs_f64();
    }
    let (claims, documents) = (part(&engine, "claims") - before.0, part(&engine, "documents") - before.1);
    let names: usize = (0..lines / of_document).map(|document| name(document).len()).sum();
    let applied = engine.totals().find(|(outcome, _)| outcome.name() == "applied").map_or(0, |(_, count)| count);
    json!({
        "bytes_per_line": per(claims, lines),
        "bytes_per_document_beside_its_name": per(documents - names, lines / of_document),
        "events_per_second": float(lines * story.len()) / seconds,
        "applied": applied,
        "state_hash": engine.state_hash().to_string(),
    })
}

fn receipt(sku: usize) -> String {
    format!(
        "{{\"id\":\"r{sku}\",\"source\":\"wms\",\"type\":\"stock.received\",\
         \"sku\":\"SKU-{sku:06}\",\"location\":\"DC-1\",\"quantity\":100000}}\n"
    )
}

fn order(id: &str, kind: &str, line: usize, of_document: usize) -> String {
    let sku = line.wrapping_mul(7_919) % SKUS;
    let day = if kind == "stock.allocated" || kind == "stock.picked" { "" } else { ",\"due\":\"2026-11-27\"" };
    format!(
        "{{\"id\":\"{id}\",\"source\":\"erp\",\"type\":\"{kind}\",\
         \"time\":\"2026-11-20T23:59:59.250Z\",\"sku\":\"SKU-{sku:06}\",\"location\":\"DC-1\",\
         \"document\":\"{}\",\"line\":{},\"quantity\":12{day}}}\n",
        name(line / of_document),
        10 * (line % of_document + 1),
    )
}

fn name(document: usize) -> String {
    format!("SO-{document:08}")
}

/// Bytes of a part of the engine.
fn part(engine: &Engine, name: &str) -> usize {
    engine.memory_bytes().into_iter().filter(|(part, _)| *part == name).map(|(_, bytes)| bytes).sum()
}

fn per(bytes: usize, count: usize) -> f64 {
    (10.0 * float(bytes) / float(count)).round() / 10.0
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
