//! Stamps that are not believed, and messages that break in many places: alike in engine and twin, however the log is
//! cut, divided and put back; and what goes out is bounded by what came in.

mod common;
// Every test program is built with a copy of this file and uses its own part of it.
#[allow(dead_code)]
mod stream;

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use common::{Ledger, check};
use stream::logs;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::shards::{Alone, Shards};
use tallystick_engine::{Batch, Engine};
use tallystick_reference::Reference;

const BASE_NS: i64 = stream::BASE_NS;
const SECRET: [u8; 16] = *b"b key of 16 byte";

fn config() -> Config {
    Config::parse("[engine]\nlog_time_jump_max = \"10m\"\ndedup_window = \"48m\"\n").unwrap()
}

/// All that can be seen of an engine.
fn view(engine: &Engine) -> impl PartialEq + std::fmt::Debug {
    (engine.balances(), engine.open_exceptions(), engine.log_time_ns(), engine.keys())
}

#[test]
fn leaps_are_alike_however_the_log_is_cut_divided_and_put_back() {
    let leaps = Cell::new(0);
    check(400, &(logs(40), prop::collection::vec(1_usize..9, 40)), |(log, cuts)| {
        let mut whole = Engine::new(config(), SECRET);
        let mut divided = Engine::with_shards(config(), SECRET, Shards::new(4, Alone).unwrap().in_rounds_of(5));
        let mut reloaded = Engine::new(config(), SECRET);
        let mut twin = Reference::with(config());
        let messages: Vec<_> =
            (1..).zip(&log).map(|(sequence, one)| (sequence, one.log_time_ns, one.bytes())).collect();
        let mut rest = &messages[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            rest = later;
            let borrowed = || now.iter().map(|(sequence, ns, bytes)| (*sequence, *ns, &**bytes));
            let [mut once, mut parts, mut apart] = [Batch::new(), Batch::new(), Batch::new()];
            whole.apply_messages(borrowed(), &mut once).unwrap();
            divided.apply_messages(borrowed(), &mut parts).unwrap();
            for message in borrowed() {
                reloaded.apply_messages(std::iter::once(message), &mut apart).unwrap();
                reloaded = Engine::restore(&reloaded.snapshot(), config()).unwrap();
                twin.message(message.2, message.0, message.1);
            }
            prop_assert_eq!((&once.outcomes, &once.exceptions), (&parts.outcomes, &parts.exceptions));
            prop_assert_eq!((&once.outcomes, &once.exceptions), (&apart.outcomes, &apart.exceptions));
            prop_assert_eq!(view(&whole), view(&divided));
            prop_assert_eq!(view(&whole), view(&reloaded));
            // What can still be read of a malformed element is no part of the contract.
            let told = |open: BTreeSet<String>| -> BTreeSet<String> {
                open.into_iter().filter(|one| !one.starts_with("malformed")).collect()
            };
            prop_assert_eq!(told(whole.open_exceptions()), told(twin.open()));
            prop_assert_eq!(whole.balances(), twin.sorted());
            leaps.set(leaps.get() + once.exceptions.iter().filter(|one| &*one.code == "log_time_jump").count());
        }
        Ok(())
    });
    assert!(leaps.get() > 20, "{} leaps", leaps.get());
}

#[test]
fn a_retry_after_one_stamp_far_ahead_is_a_duplicate_whenever_it_comes() {
    let event = |id: &str| {
        format!(
            "{{\"id\":\"{id}\",\"source\":\"s\",\"type\":\"stock.received\",\"sku\":\"A\",\"location\":\"L\",\"quantity\":1}}"
        )
    };
    let day_ns = 86_400_000_000_000;
    for days in [1, 2, 30, 3_650] {
        for retried_after_s in [0, 1, 3_600, 86_399] {
            let mut engine = Engine::new(Config::default(), SECRET);
            let mut batch = Batch::new();
            for (sequence, (id, stamp_ns)) in (1..).zip([
                ("old", BASE_NS),
                ("ahead", BASE_NS + 1 + days * day_ns),
                ("old", BASE_NS + retried_after_s * 1_000_000_000),
                ("new", BASE_NS + retried_after_s * 1_000_000_000),
            ]) {
                engine.apply_message(event(id).as_bytes(), sequence, stamp_ns, &mut batch).unwrap();
            }
            assert_eq!(batch.outcomes[2..], [Outcome::Duplicate, Outcome::Applied], "{days} days, {retried_after_s} s");
        }
    }
}

/// An element by its number.
type Element = Box<dyn Fn(usize) -> String>;

/// A message of as many elements as go into so many bytes.
fn message(bytes: usize, element: impl Fn(usize) -> String) -> Vec<u8> {
    let mut message = String::from("[");
    for number in 0.. {
        let next = element(number);
        if message.len() + next.len() + 1 > bytes {
            break;
        }
        message += if number == 0 { "" } else { "," };
        message += &next;
    }
    (message + "]").into_bytes()
}

fn event(number: usize, more: &str) -> String {
    format!("{{\"id\":\"{number}\",\"source\":\"s\",\"sku\":\"A{number}\",\"location\":\"L\",\"quantity\":1,{more}}}")
}

#[test]
fn what_goes_out_is_bounded_by_what_came_in() {
    const MEGABYTE: usize = 1 << 20;
    let config = Config::parse(
        "[engine]\nnegative_stock = \"flag\"\n[sources.n]\norder = \"source\"\nheld_max = 1\n\
         [sources.i]\norder = \"increasing\"\n[approvals]\nabsolute = \"0.5\"\n",
    )
    .unwrap();
    let kinds: Vec<(&str, Element)> = vec![
        ("objects", Box::new(|_| "{}".to_owned())),
        ("arrays", Box::new(|_| "[]".to_owned())),
        ("numbers", Box::new(|_| "1".to_owned())),
        ("strings", Box::new(|_| "\"x\"".to_owned())),
        ("nothing", Box::new(|_| String::new())),
        ("unknown types", Box::new(|n| event(n, "\"type\":\"t\""))),
        ("unknown types under one id", Box::new(|_| event(0, "\"type\":\"t\""))),
        ("negative stock", Box::new(|n| event(n, "\"type\":\"stock.sold\""))),
        ("conflicts", Box::new(|n| event(0, &format!("\"type\":\"stock.received\",\"document\":\"{n}\"")))),
        ("duplicates", Box::new(|_| event(0, "\"type\":\"stock.received\""))),
        ("short picks", Box::new(|n| event(n, "\"type\":\"stock.short_picked\""))),
        ("bad quantities", Box::new(|n| event(n, "\"type\":\"stock.received\"").replace(":1,", ":-1,"))),
        ("bad times", Box::new(|n| event(n, "\"type\":\"stock.received\",\"time\":\"1990-01-01T00:00:00Z\""))),
        ("approvals", Box::new(|n| event(n, "\"type\":\"stock.adjusted\""))),
        (
            "gaps",
            Box::new(|n| {
                event(n, &format!("\"type\":\"stock.received\",\"sequence\":{}", 2 * n + 2)).replace("\"s\"", "\"n\"")
            }),
        ),
        ("late", Box::new(|n| event(n, "\"type\":\"stock.received\",\"sequence\":5").replace("\"s\"", "\"i\""))),
        ("no sequence", Box::new(|n| event(n, "\"type\":\"stock.received\"").replace("\"s\"", "\"n\""))),
        (
            "unknown targets",
            Box::new(|n| event(n, "\"type\":\"exception.resolved\",\"exception\":9").replace("\"s\"", "\"operator\"")),
        ),
        ("strangers' directives", Box::new(|n| event(n, "\"type\":\"exception.resolved\",\"exception\":9"))),
        ("requests that nobody hears", Box::new(|n| event(n, "\"type\":\"reservation.requested\""))),
        ("control characters", Box::new(|_| "\u{1}".repeat(60_000))),
        ("quotes", Box::new(|_| format!("{{\"a\":\"{}\"}}", "\\\"".repeat(16_000)))),
        ("too large", Box::new(|_| format!("\"{}\"", "x".repeat(70_000)))),
    ];
    for (name, element) in kinds {
        let message = message(MEGABYTE, element);
        let mut engine = Engine::new(config.clone(), SECRET);
        let mut batch = Batch::new();
        engine.apply_message(&message, 1, BASE_NS, &mut batch).unwrap();
        let elements = batch.outcomes.len();
        assert!(elements > 10, "{name}: {elements} elements");
        engine.hold_exceptions(&mut batch);
        let held: usize = ["exceptions", "work"].iter().map(|part| bytes_of(&engine, part)).sum();
        let out: usize = engine.flush("S", 500, 512 << 10).exceptions.iter().map(|(_, body)| body.len()).sum();
        println!("{name}: {elements} elements, {out} bytes out of {}, {held} held", message.len());
        assert!(out <= 4 * message.len(), "{name}: {out} bytes out of {}", message.len());
        assert!(held <= 4 * message.len(), "{name}: {held} bytes held after {}", message.len());
    }
}

fn bytes_of(engine: &Engine, part: &str) -> usize {
    engine.memory_bytes().into_iter().find(|(name, _)| *name == part).map_or(0, |(_, bytes)| bytes)
}

#[test]
fn a_flood_begins_behind_a_hundred_elements_of_its_message() {
    for broken in [99, 100, 101, 250] {
        let text = format!("[{}]", vec!["{}"; broken].join(","));
        let mut twin = Reference::with(Config::default());
        let mut one = Engine::new(Config::default(), SECRET);
        let mut divided =
            Engine::with_shards(Config::default(), SECRET, Shards::new(4, Alone).unwrap().in_rounds_of(64));
        let [mut batch, mut parts] = [Batch::new(), Batch::new()];
        // Two messages in one call and a third in another: each has its own hundred.
        let both = [(1, BASE_NS, text.as_bytes()), (2, BASE_NS, text.as_bytes())];
        for engine in [(&mut one, &mut batch), (&mut divided, &mut parts)] {
            engine.0.apply_messages(both.into_iter(), engine.1).unwrap();
            engine.0.apply_message(text.as_bytes(), 3, BASE_NS, engine.1).unwrap();
        }
        for sequence in 1..=3 {
            twin.message(text.as_bytes(), sequence, BASE_NS);
        }
        assert_eq!(batch.outcomes, vec![Outcome::Malformed; 3 * broken]);
        assert_eq!((&batch.outcomes, &batch.exceptions), (&parts.outcomes, &parts.exceptions), "{broken}");
        assert_eq!(one.open_exceptions(), twin.open(), "{broken}");
        let floods: Vec<_> = batch.exceptions.iter().filter(|one| &*one.code == "exception_flood").collect();
        assert_eq!(floods.len(), if broken > 100 { 3 } else { 0 });
        assert_eq!(batch.exceptions.len() - floods.len(), 3 * broken.min(100));
        for flood in floods {
            let rest = broken - 100;
            assert!(
                flood.cause.ends_with(&format!("{rest} more, at its elements 100 to {}: {rest} malformed", broken - 1)),
                "{}",
                flood.cause
            );
            assert_eq!(flood.index, 100);
        }
    }
}
