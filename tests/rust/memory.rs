//! What the key table and the whole engine say they hold is what the allocator gave.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use tallystick_contract::config::Config;
use tallystick_contract::heap_size::HeapSize;
use tallystick_engine::Batch;
use tallystick_engine::Engine;
use tallystick_tables::body::Known;
use tallystick_tables::dedup::{Dedup, Fingerprint};

/// The system's allocator, with a count of the bytes that are out.
struct Counting;

static OUT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged; counting touches no memory that was asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        OUT.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `alloc`, which are the same here and there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        OUT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the place came from `alloc` above, so from the system's allocator, with the same layout.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Spread like a keyed hash, and cheap.
fn key(n: u64) -> Fingerprint {
    let spread = |n: u64| {
        let n = (n ^ n >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let n = (n ^ n >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        n ^ n >> 31
    };
    Fingerprint([spread(2 * n + 1), spread(2 * n + 2)])
}

/// One test, so that no other allocates at the same time.
#[test]
fn memory_is_what_is_held() {
    the_key_table_says_what_it_holds();
    the_engine_says_what_it_holds();
}

fn the_key_table_says_what_it_holds() {
    let before = OUT.load(Ordering::Relaxed);
    let mut dedup = Dedup::new(24_000, u64::MAX);
    assert_eq!(OUT.load(Ordering::Relaxed), before, "no key, no memory");
    dedup.advance(0);
    let mut checked = 0;
    for n in 0..3_000_000_u64 {
        dedup.remember(key(n), Known::default());
        if n.is_power_of_two() || n % 250_000 == 1 {
            let bytes = dedup.bytes();
            let counted = OUT.load(Ordering::Relaxed) - before;
            let said = dedup.heap_bytes();
            assert!(said.abs_diff(counted) * 50 <= counted, "{said} said, {counted} counted, with {n} keys");
            assert_eq!(said, bytes.table + bytes.directory + bytes.generations);
            checked += 1;
            if n > 2_000_000 {
                // A block more or less, and all that leads to the keys.
                assert!(said as u64 <= 25 * n, "{said} bytes for {n} keys");
            }
        }
    }
    assert!(checked > 30);
    // All outdated, all given back.
    dedup.advance(1_000_000);
    assert!(dedup.is_empty());
    assert!(dedup.heap_bytes() < 1_000 && OUT.load(Ordering::Relaxed) - before < 1_000);
}

const LOG_TIME_NS: i64 = 1_767_225_600_000_000_000;
const BLOCK_EVENTS: u64 = 2_500;

/// Blocks of events of every kind: new positions and known ones, lots, counts, late movements, long names, ids to carry
/// through, layouts, duplicates, and all that makes exceptions.
fn block(first: u64) -> String {
    let types = ["received", "sold", "counted", "reserved", "picked", "returned", "adjusted", "unheard_of"];
    let line = |n: u64| {
        // No more than one in seven is a repetition, some of them with another meaning.
        let id = if n % 7 == 6 { n - 5 } else { n };
        let mixed = key(id).0[0];
        let long = if n.is_multiple_of(3) { "-of-which-the-name-is-longer-than-a-record" } else { "" };
        let mut line = format!(
            r#"{{"id":"{id}","source":"wms-{}","type":"stock.{}","sku":"S{}{long}","location":"L{}","quantity":{}"#,
            mixed % 3,
            types[usize::try_from(mixed >> 8 & 7).unwrap()],
            (mixed >> 16) % (200 + n / 3),
            (mixed >> 40) % 9,
            mixed % 50 + u64::from(n.is_multiple_of(91)),
        );
        let more = [
            r#","lot":"B1""#,
            r#","correlationid":"an order that has a long name""#,
            r#","causationid":"c""#,
            r#","note":1"#,
            r#","document":"D7""#,
        ];
        for (bit, more) in more.iter().enumerate() {
            if (mixed >> (49 + 3 * bit)).trailing_zeros() >= 3 {
                line.push_str(more);
            }
        }
        line + if n.is_multiple_of(1_001) { "" } else { "}" }
    };
    (first..first + BLOCK_EVENTS).map(line).collect::<Vec<_>>().join("\n")
}

fn check(engine: &Engine, before: usize, when: &str) {
    let parts = engine.memory_bytes();
    let said: usize = parts.iter().map(|(_, bytes)| bytes).sum();
    let counted = OUT.load(Ordering::Relaxed) - before;
    // Empty collections, locks and the like are not counted one by one.
    let small_bytes = 1_024;
    assert!(said.abs_diff(counted) <= counted / 50 + small_bytes, "{when}: {said} said, {counted} counted; {parts:?}");
}

fn the_engine_says_what_it_holds() {
    let config = "[engine]\nduplicate_suspect = true\n[sources.erp]\nmax_age = \"none\"\n[exceptions.owners]\nmalformed = \"it\"\n\
                  [types.\"stock.in\"]\nalias = \"stock.received\"\n";
    for blocks in [0, 1, 120] {
        let before = OUT.load(Ordering::Relaxed);
        let mut batch = Batch::new();
        let mut engine = Engine::new(Config::parse(config).unwrap(), [3; 16]);
        check(&engine, before, "empty");
        for number in 0..blocks {
            let log_time_ns = LOG_TIME_NS + i64::try_from(number).unwrap() * 60_000_000_000;
            let first = number * BLOCK_EVENTS;
            engine.apply_ndjson(block(first).as_bytes(), first + 1, Some(log_time_ns), &mut batch).unwrap();
            engine.hold_exceptions(&mut batch);
            // The caller's batch is no part of the engine.
            batch = Batch::new();
            if number % 10 == 0 {
                check(&engine, before, "as it grows");
            }
        }
        check(&engine, before, "full");
        drop(engine.flush("S", 500, 1 << 19));
        engine.notes.insert("stream".to_owned(), "S".to_owned());
        check(&engine, before, "flushed");
        let restored = {
            let image = engine.snapshot();
            drop(engine);
            Engine::restore(&image, Config::parse(config).unwrap()).unwrap()
        };
        check(&restored, before, "restored");
        assert_eq!(restored.sequence(), blocks * BLOCK_EVENTS);
        drop(restored);
        assert_eq!(OUT.load(Ordering::Relaxed), before, "all was given back");
    }
}
