//! Operations: one operation of the engine at a time, alone, over a file of events. Prints a JSON row for `benches`,
//! and is what callgrind counts.
//!
//! ```text
//! cargo run --release --example operations -- OPERATION EVENTS.ndjson CONFIG.toml
//! ```
//!
//! What is prepared for an operation is outside its measure. It refuses to be measured as a debug build.

mod key;
mod load;
mod measure;
mod state;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::load::Input;
use crate::measure::Measured;

/// What an operation did: how many of what, and what else is to be told of it.
struct Done {
    units: &'static str,
    count: usize,
    measured: Measured,
    more: Value,
}

type Operation = fn(&Input) -> Result<Done, String>;

const OPERATIONS: [(&str, Operation); 7] = [
    ("decode", key::decode_all),
    ("dedup", key::dedup_all),
    ("apply", state::apply),
    ("query", state::query),
    ("flush", state::flush),
    ("snapshot", state::snapshot),
    ("restore", state::restore),
];

fn main() -> ExitCode {
    match run() {
        Ok(row) => {
            println!("{row}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("operations: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Value, String> {
    if cfg!(debug_assertions) {
        eprintln!("operations: this is a debug build, and its figures mean nothing; build with --release");
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, events, config] = arguments.as_slice() else {
        return Err("give an operation, a file of events and a file of configuration".into());
    };
    let Some((_, operation)) = OPERATIONS.iter().find(|(known, _)| known == name) else {
        let known: Vec<&str> = OPERATIONS.iter().map(|(known, _)| *known).collect();
        return Err(format!("no operation {name}; give one of {}", known.join(", ")));
    };
    let input = Input::read(events, config)?;
    let done = operation(&input)?;
    let mut row = json!({
        "operation": name,
        "debug_build": cfg!(debug_assertions),
        "events": input.lines.len(),
        "units": done.units,
        "count": done.count,
        "seconds": done.measured.seconds,
        "cpu_seconds": done.measured.cpu_seconds,
        "rss_kib_peak": measure::rss_kib_peak(),
        "cpu_features": measure::cpu_features(),
    });
    if let (Value::Object(row), Value::Object(more)) = (&mut row, done.more) {
        row.extend(more);
    }
    Ok(row)
}
