//! Snapshots: nothing is lost on the way, and nothing damaged is ever loaded.

use std::collections::BTreeSet;

use tallystick_contract::balance::Balance;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::snapshot::{SnapshotError, verify};
use tallystick_engine::{Batch, Engine};

const LOG_TIME_NS: i64 = 1_767_225_600_000_000_000;
/// Enough for every kind of content, few enough to flip every bit.
const EVENTS: usize = 60;

/// An engine with something of everything: lots, counts, history, refusals, notes.
fn engine() -> Engine {
    let mut engine = Engine::new(Config::parse("[engine]\nduplicate_suspect = true").unwrap(), [3; 16]);
    let mut batch = Batch::new();
    let types = ["stock.received", "stock.sold", "stock.counted", "stock.reserved", "stock.picked", "stock.returned"];
    for n in 0..EVENTS {
        let event = format!(
            r#"{{"id":"{n}","source":"wms","type":"{}","time":"2025-12-31T23:{:02}:00Z","sku":"S{}","location":"L{}","lot":"{}","quantity":{},"document":"D{}"}}"#,
            types[n % 6],
            n * 37 % 60,
            n % 5,
            n % 3,
            ["", "B1"][n % 2],
            n % 7,
            n % 11,
        );
        engine.apply_message(event.as_bytes(), n as u64 + 1, LOG_TIME_NS, &mut batch).unwrap();
    }
    engine.notes.insert("stream".to_owned(), "EVENTS".to_owned());
    engine.flush("EVENTS", 100, 1 << 20);
    engine
}

fn config() -> Config {
    Config::parse("[engine]\nduplicate_suspect = true").unwrap()
}

#[test]
fn everything_survives() {
    let mut before = engine();
    let image = before.snapshot();
    let head = verify(&image).unwrap();
    assert_eq!((head.sequence, head.log_time_ns), (EVENTS as u64, Some(LOG_TIME_NS)));
    assert_eq!(head.notes["stream"], "EVENTS");
    let mut after = Engine::restore(&image, config()).unwrap();
    assert_eq!(after.balances(), before.balances());
    assert_eq!(after.state_hash(), before.state_hash());
    assert_eq!(after.totals().collect::<Vec<_>>(), before.totals().collect::<Vec<_>>());
    assert_eq!(after.snapshot(), image);

    // What comes next is judged the same: duplicates, conflicts, late counts that need the history, suspects.
    for n in 0..200_usize {
        let event = format!(
            r#"{{"id":"{}","source":"wms","type":"{}","time":"2025-12-31T23:{:02}:30Z","sku":"S{}","location":"L{}","quantity":{},"document":"D{}"}}"#,
            n + EVENTS / 2,
            ["stock.counted", "stock.sold"][n % 2],
            n % 60,
            n % 5,
            n % 3,
            n % 7,
            n % 11,
        );
        let (mut one, mut other) = (Batch::new(), Batch::new());
        before.apply_message(event.as_bytes(), (EVENTS + n) as u64 + 1, LOG_TIME_NS, &mut one).unwrap();
        after.apply_message(event.as_bytes(), (EVENTS + n) as u64 + 1, LOG_TIME_NS, &mut other).unwrap();
        assert_eq!(one.outcomes, other.outcomes, "{event}");
        assert_eq!(one.exceptions, other.exceptions, "{event}");
    }
    assert_eq!(after.state_hash(), before.state_hash());
}

#[test]
fn every_flipped_bit_is_refused() {
    let image = engine().snapshot();
    for place in 0..image.len() {
        for bit in 0..8 {
            let mut damaged = image.clone();
            damaged[place] ^= 1 << bit;
            assert!(Engine::restore(&damaged, config()).is_err(), "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_every_appendix_is_refused() {
    let image = engine().snapshot();
    for length in 0..image.len() {
        assert!(Engine::restore(&image[..length], config()).is_err(), "{length} bytes");
        assert!(verify(&image[..length]).is_err(), "{length} bytes");
    }
    let mut longer = image;
    longer.push(0);
    assert!(verify(&longer).is_err());
}

#[test]
fn foreign_newer_and_otherwise_configured_ones_are_refused_by_name() {
    let image = engine().snapshot();
    let other = Config::parse("[engine]\nhistory_max = 63\nduplicate_suspect = true").unwrap();
    assert_eq!(Engine::restore(&image, other).unwrap_err(), SnapshotError::OtherConfiguration);
    assert_eq!(verify(b"GIF89a, and more than enough bytes").unwrap_err(), SnapshotError::Foreign);
    let mut newer = image.clone();
    newer[8] = 99;
    assert_eq!(verify(&newer).unwrap_err(), SnapshotError::NewerFormat(99));
    // An older one is sealed like this one, so it is known for what it is.
    let mut older = image;
    older[8] = 1;
    let body_end = older.len() - 32;
    let seal = blake3::Hasher::new_derive_key("tallystick 2026 snapshot seal v1").update(&older[..body_end]).finalize();
    older[body_end..].copy_from_slice(seal.as_bytes());
    assert_eq!(verify(&older).unwrap_err(), SnapshotError::OlderFormat(1));
    assert!(SnapshotError::OlderFormat(1).to_string().contains("rebuild from the log"));
}

#[test]
fn a_large_image_has_many_chunks_and_loads() {
    let mut engine = Engine::new(Config::default(), [9; 16]);
    let mut batch = Batch::new();
    let line = |n: u32| {
        let sku = n % 20_000;
        format!(r#"{{"id":"{n}","source":"erp","type":"stock.received","sku":"{sku}","location":"L","quantity":1}}"#)
    };
    let lines = (0..60_000).map(line).collect::<Vec<_>>().join("\n");
    engine.apply_ndjson(lines.as_bytes(), 1, Some(LOG_TIME_NS), &mut batch).unwrap();
    assert!(batch.outcomes.iter().all(|outcome| *outcome == Outcome::Applied));
    let image = engine.snapshot();
    assert!(image.len() > 3 << 20);
    let mut restored = Engine::restore(&image, Config::default()).unwrap();
    assert_eq!(restored.state_hash(), engine.state_hash());
    assert_eq!(restored.snapshot(), image);
    batch.clear();
    restored.apply_ndjson(&lines.as_bytes()[..1_000], 60_001, Some(LOG_TIME_NS), &mut batch).unwrap();
    assert_eq!(batch.outcomes[0], Outcome::Duplicate);
}

#[test]
fn what_is_open_is_escalated_by_the_configuration_that_holds() {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let start = || Config::parse("[exceptions]\nescalate_after = \"1h\"").unwrap();
    let told = |engine: &mut Engine, number: u64, hours: i64, members: &str| {
        let message = format!(r#"{{"id":"{number}","source":"operator",{members}}}"#);
        let mut batch = Batch::new();
        engine.apply_message(message.as_bytes(), number, LOG_TIME_NS + hours * HOUR_NS, &mut batch).unwrap();
        let flush = engine.flush("EVENTS", 100, 1 << 20);
        flush.exceptions.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect::<String>()
    };
    let mut live = Engine::new(start(), [3; 16]);
    told(&mut live, 1, 0, r#""type":"nothing.known""#);
    told(&mut live, 2, 0, r#""type":"configuration.changed","config":{"exceptions":{"escalate_after":"3h"}}"#);
    let mut restored = Engine::restore(&live.snapshot(), start()).unwrap();
    for (number, hours, is_escalated) in [(3, 2, false), (4, 3, true)] {
        let [one, other] = [&mut live, &mut restored].map(|engine| told(engine, number, hours, r#""type":"tick""#));
        assert_eq!(one, other);
        assert_eq!(one.contains("\"escalated\":true"), is_escalated, "after {hours} h: {one}");
    }
}

/// An order's life, with something of all that is kept of lines: statements, facts with and without a line, holds with
/// what was said of them, closings,
/// words that wait for their target, purchases, what was shipped and never picked. The number says how many minutes
/// after the one before it comes.
const LIFE: [(i64, &str); 34] = [
    (0, r#""type":"stock.received","quantity":40"#),
    (1, r#""type":"reservation.posted","target":{"id":"later"},"quantity":1"#),
    (1, r#""type":"reservation.requested","id":"later","quantity":3,"document":"SO-0","ttl":"none""#),
    (1, r#""type":"reservation.requested","id":"hold","quantity":6,"document":"SO-1","line":1,"ttl":"2d""#),
    (1, r#""type":"demand.scheduled","quantity":5,"document":"SO-1","line":1,"due":"2026-01-02""#),
    (1, r#""type":"demand.scheduled","quantity":4,"document":"SO-1","line":"20-B","due":"2026-01-03""#),
    (1, r#""type":"stock.allocated","quantity":7,"document":"SO-1""#),
    (1, r#""type":"stock.deallocated","quantity":9,"document":"SO-1","line":1"#),
    (1, r#""type":"reservation.changed","target":{"id":"hold"},"quantity":4"#),
    (1, r#""type":"reservation.posted","target":{"id":"hold"},"quantity":2,"rest":"keep""#),
    (1, r#""type":"stock.picked","quantity":3,"document":"SO-1","line":1"#),
    (1, r#""type":"stock.unpicked","quantity":1,"document":"SO-1","line":1"#),
    (1, r#""type":"stock.picked","id":"pick","quantity":2,"document":"SO-1","location":"DC2""#),
    (1, r#""type":"stock.shipped","quantity":6,"document":"SO-2","line":3"#),
    (1, r#""type":"reservation.requested","id":"dated","quantity":2,"due":"2026-01-04","ttl":"none""#),
    (1, r#""type":"reservation.posted","target":{"id":"dated"},"quantity":1,"rest":"keep""#),
    (1, r#""type":"reservation.voided","target":{"id":"dated"},"quantity":5"#),
    (1, r#""type":"supply.scheduled","quantity":9,"document":"PO-1","line":1,"due":"2026-01-02""#),
    (1, r#""type":"supply.scheduled","quantity":3,"document":"PO-1","line":2,"due":"2026-01-05""#),
    (1, r#""type":"stock.received","quantity":10,"document":"PO-1""#),
    (1, r#""type":"event.voided","target":{"id":"pick"}"#),
    (1440, r#""type":"tick""#),
    (1, r#""type":"document.closed","document":"SO-1","side":"demand""#),
    (1, r#""type":"stock.picked","quantity":1,"document":"SO-1","line":1"#),
    (1, r#""type":"reservation.posted","target":{"id":"hold"}"#),
    (1, r#""type":"reservation.requested","quantity":2,"document":"SO-1","line":1,"ttl":"5m""#),
    (10, r#""type":"tick""#),
    (1, r#""type":"stock.shipped","quantity":2,"document":"SO-1","line":1,"reason":"final""#),
    (1, r#""type":"supply.cancelled","document":"PO-1","line":2"#),
    (1, r#""type":"stock.received","quantity":1,"document":"PO-1","line":2"#),
    (1, r#""type":"stock.unreserved","quantity":1"#),
    (1, r#""type":"stock.picked","quantity":6,"document":"SO-2","line":3"#),
    (1440, r#""type":"tick""#),
    (2880, r#""type":"demand.rescheduled","quantity":2,"document":"SO-1","line":1"#),
];

/// The messages of the life with their times in the log.
fn life() -> Vec<(String, i64)> {
    let mut log_time_ns = LOG_TIME_NS;
    let message = |(number, (minutes, members)): (usize, &(i64, &str))| {
        log_time_ns += minutes * 60_000_000_000;
        let mut message = format!(r#"{{"source":"oms",{members}"#);
        for (name, value) in [("id", &*number.to_string()), ("sku", "A"), ("location", "DC1")] {
            // The type stands first, so what an event says of its own comes after a comma.
            if !members.contains(&format!(r#","{name}":"#)) {
                message.extend([",\"", name, "\":\"", value, "\""]);
            }
        }
        (message + "}", log_time_ns)
    };
    LIFE.iter().enumerate().map(message).collect()
}

/// What can be seen of lines and of what follows from them.
fn seen(engine: &Engine) -> (Vec<Balance>, [String; 2], BTreeSet<String>, String) {
    let texts = [engine.claims("{}"), engine.reservations("{}")];
    (engine.balances(), texts, engine.open_exceptions(), engine.state_hash().to_string())
}

#[test]
fn an_orders_life_goes_on_from_any_step() {
    let config = || Config::parse("[claims]\nunallocated_pick = \"flag\"").unwrap();
    let life = life();
    let run = |engine: &mut Engine, steps: std::ops::Range<usize>| {
        let mut told = Vec::new();
        for at in steps {
            let mut batch = Batch::new();
            let (message, log_time_ns) = &life[at];
            engine.apply_message(message.as_bytes(), at as u64 + 1, *log_time_ns, &mut batch).unwrap();
            told.push((batch.outcomes, batch.released, batch.exceptions, batch.answers));
        }
        told
    };
    let mut whole = Engine::new(config(), [5; 16]);
    let all = run(&mut whole, 0..life.len());
    let refused: Vec<_> = all.iter().flat_map(|told| &told.0).filter(|outcome| outcome.is_refusal()).collect();
    assert_eq!(refused, [&Outcome::Insufficient; 0], "the life is one that can be lived");
    for step in 0..=life.len() {
        let mut before = Engine::new(config(), [5; 16]);
        run(&mut before, 0..step);
        let image = before.snapshot();
        let mut after = Engine::restore(&image, config()).unwrap();
        assert_eq!(seen(&after), seen(&before), "after step {step}");
        let again = after.snapshot();
        let other = image.iter().zip(&again).position(|(one, other)| one != other);
        assert!(again == image, "after step {step}: another image from byte {other:?} on");
        let rest = run(&mut after, step..life.len());
        assert_eq!(rest, all[step..], "what followed from step {step} on");
        assert_eq!(seen(&after), seen(&whole), "in the end, from step {step} on");
    }
}

#[test]
fn many_lines_at_the_end_of_an_image_are_no_more_than_it_holds() {
    let mut engine = Engine::new(Config::default(), [3; 16]);
    let lines = vec![r#"{"sku":"A","location":"DC1","quantity":1}"#; 100].join(",");
    let ask = format!(r#"{{"id":"1","source":"oms","type":"reservation.requested","ttl":"none","lines":[{lines}]}}"#);
    let received = |members: &str| format!(r#"{{"source":"wms","type":"stock.received","location":"DC1",{members}}}"#);
    let mut batch = Batch::new();
    for (sequence, message) in [(1, received(r#""id":"0","sku":"A","quantity":50"#)), (2, ask)] {
        engine.apply_message(message.as_bytes(), sequence, LOG_TIME_NS, &mut batch).unwrap();
    }
    // What was asked for and not granted is remembered line by line, in few bytes.
    assert_eq!(batch.outcomes, [Outcome::Applied, Outcome::Insufficient]);
    let image = engine.snapshot();
    let restored = Engine::restore(&image, Config::default()).unwrap();
    assert_eq!(restored.snapshot(), image);
}
