//! Plain: each home-made part against the plain way of a crate, over a file of events, in turns in one process. It
//! holds the figures of `docs/design.md`.
//!
//! ```text
//! cargo run --release --example plain -- EVENTS.ndjson
//! ```
//!
//! Each row gives nanoseconds per item of both, medians of so many turns, and that both found the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use bumpalo::Bump;
use hashbrown::HashTable;
use jiff::Timestamp;
use serde::Deserialize;
use tallystick_contract::heap_size::HeapSize;
use tallystick_contract::instant::{self, Minute, ParsedInstant};
use tallystick_contract::outcome::Outcome;
use tallystick_engine::read::decode::decode;
use tallystick_engine::read::event::Event;
use tallystick_engine::read::shape::Shapes;
use tallystick_engine::read::split::split_lines;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::{Dedup, Fingerprint, fingerprint};
use tallystick_tables::intern::Interner;
use tallystick_tables::pages::Pages;

const TURNS: usize = 7;
/// As many keys as the engine looks at together.
const WAVE_EVENTS: usize = 32;
/// A day, and as many keys as nobody reaches here.
const WINDOW_NS: i64 = 86_400_000_000_000;

/// An event as a derived reader has it: texts borrowed, numbers with their digits.
#[expect(dead_code, reason = "all members are read, as the engine does")]
#[derive(Debug, Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sku: Option<Cow<'a, str>>,
    #[serde(borrow)]
    location: Option<Cow<'a, str>>,
    #[serde(borrow)]
    to_location: Option<Cow<'a, str>>,
    #[serde(borrow)]
    lot: Option<Cow<'a, str>>,
    #[serde(borrow)]
    owner: Option<Cow<'a, str>>,
    #[serde(borrow)]
    document: Option<Cow<'a, str>>,
    quantity: Option<serde_json::Number>,
    sequence: Option<u64>,
}

/// A way to do something with all items; what it found is compared.
type Way<'a> = &'a mut dyn FnMut() -> u64;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("plain: give a file of events, one JSON object a line");
        return ExitCode::from(2);
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("plain: {path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut ranges = Vec::new();
    split_lines(&bytes, &mut ranges);
    let lines: Vec<&[u8]> = ranges.into_iter().map(|range| &bytes[range]).collect();
    let events: Vec<Plain<'_>> = lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
    println!("{:34} {:>10} {:>10} {:>8}", "part, and the plain way", "ours, ns", "plain, ns", "times");
    decoding(&lines);
    times(&events);
    keys(&events);
    names(&events);
    records(events.len());
    ExitCode::SUCCESS
}

/// Runs two ways in turns, and prints what each takes for one item.
fn compare(title: &str, items: usize, ours: Way<'_>, plain: Way<'_>) {
    let mut seconds = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        let mut found = [0; 2];
        for way in [turn % 2, 1 - turn % 2] {
            let before = Instant::now();
            found[way] = if way == 0 { ours() } else { plain() };
            seconds[way].push(before.elapsed().as_secs_f64());
        }
        assert_eq!(found[0], found[1], "{title}: both find the same");
    }
    let [ours, plain] = seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[TURNS / 2] * 1e9 / f64::from(u32::try_from(items).expect("a file of fewer events"))
    });
    println!("{title:34} {ours:10.1} {plain:10.1} {:8.2}", plain / ours);
}

fn decoding(lines: &[&[u8]]) {
    let mut shapes = Shapes::default();
    let mut ours = || {
        let (arena, mut event) = (Bump::new(), Event::default());
        let mut found = 0;
        for line in lines {
            found += u64::from(decode(line, &mut event, &mut shapes, &arena).is_ok() && !event.sku.is_empty());
        }
        found
    };
    let mut plain = || {
        let read = |line: &&&[u8]| serde_json::from_slice::<Plain<'_>>(line).is_ok_and(|event| event.sku.is_some());
        lines.iter().filter(read).count() as u64
    };
    compare("decode / serde_json, derived", lines.len(), &mut ours, &mut plain);
}

fn times(events: &[Plain<'_>]) {
    let texts: Vec<&str> = events.iter().filter_map(|event| event.time.as_deref()).collect();
    let mut minute = Minute::default();
    let sum = |sum: u64, ns: i64| sum.wrapping_add(ns.cast_unsigned());
    let mut ours = || {
        let read = |text: &&str| match minute.parse(text.as_bytes()) {
            ParsedInstant::Exact(ns) => Some(ns),
            ParsedInstant::BeyondRange | ParsedInstant::NotATime => None,
        };
        texts.iter().filter_map(read).fold(0, sum)
    };
    let parsed = |text: &&str| text.parse::<Timestamp>().ok().and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    compare("times read / jiff", texts.len(), &mut ours, &mut || texts.iter().filter_map(parsed).fold(0, sum));
    let instants: Vec<i64> = texts.iter().filter_map(parsed).collect();
    let stamps: Vec<Timestamp> =
        instants.iter().filter_map(|ns| Timestamp::from_nanosecond((*ns).into()).ok()).collect();
    let mut out = Vec::new();
    let mut ours = || {
        out.clear();
        for ns in &instants {
            instant::write(&mut out, *ns);
        }
        black_box(&out).len() as u64
    };
    let mut text = String::new();
    let mut plain = || {
        use std::fmt::Write;
        text.clear();
        for at in &stamps {
            write!(text, "{at}").expect("a text takes all");
        }
        black_box(&text).len() as u64
    };
    compare("times written / jiff", instants.len(), &mut ours, &mut plain);
}

fn keys(events: &[Plain<'_>]) {
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let keys: Vec<Fingerprint> =
        events.iter().map(|event| fingerprint(&[7; 16], &text(&event.source), &text(&event.id))).collect();
    let mut held = [0; 2];
    let mut ours = || {
        let mut table = Dedup::new(WINDOW_NS, u64::MAX);
        table.advance(0);
        for wave in keys.chunks(WAVE_EVENTS) {
            for key in wave {
                table.prefetch(*key);
            }
            for key in wave {
                table.prefetch_places(*key);
            }
            for key in wave {
                if let Err(vacancy) = table.look(*key) {
                    table.remember_at(vacancy, *key, Known::of(Outcome::Applied));
                }
            }
        }
        held[0] = table.heap_bytes() / table.len().max(1);
        table.len() as u64
    };
    let mut plain_held = 0;
    let mut plain = || {
        // A key is a keyed hash already.
        let mut table: HashTable<([u64; 2], u8)> = HashTable::new();
        for key in &keys {
            table.entry(key.0[0], |(known, _)| *known == key.0, |(known, _)| known[0]).or_insert((key.0, 1));
        }
        plain_held = table.allocation_size() / table.len().max(1);
        table.len() as u64
    };
    compare("keys / hashbrown", keys.len(), &mut ours, &mut plain);
    println!("{:34} {:10} {plain_held:10}", "  bytes per key", held[0]);
}

fn names(events: &[Plain<'_>]) {
    let names: Vec<&str> = events.iter().filter_map(|event| event.sku.as_deref()).collect();
    let mut ours = || {
        let mut table = Interner::new(7);
        names.iter().filter_map(|name| table.intern(name)).map(u64::from).sum()
    };
    let mut plain = || {
        let mut table: HashMap<Box<str>, u64> = HashMap::new();
        let mut sum = 0;
        for name in &names {
            // Our own begin at 1: zero is the empty name.
            let next = table.len() as u64 + 1;
            sum += match table.get(*name) {
                Some(id) => *id,
                None => *table.entry((*name).into()).or_insert(next),
            };
        }
        sum
    };
    compare("names / std HashMap", names.len(), &mut ours, &mut plain);
}

fn records(count: usize) {
    type Record = [u64; 16];
    let at = |number: usize| number.wrapping_mul(7_368_787) % count;
    let mut ours = || {
        let mut pages = Pages::<Record>::new();
        (0..count).for_each(|_| {
            pages.grow();
        });
        (0..count).for_each(|number| pages.get_mut(at(number))[0] += number as u64);
        (0..count).map(|number| pages.get(number)[0]).sum()
    };
    let mut plain = || {
        let mut all: Vec<Record> = Vec::new();
        (0..count).for_each(|_| all.push([0; 16]));
        (0..count).for_each(|number| all[at(number)][0] += number as u64);
        all.iter().map(|record| record[0]).sum()
    };
    compare("records in blocks / Vec", count, &mut ours, &mut plain);
}
