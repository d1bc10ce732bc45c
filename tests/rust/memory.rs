//! What the key table says it holds is what the allocator gave and what it mapped. Maps do not go through the allocator, so they are counted beside.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use tallystick_engine::body::Known;
use tallystick_engine::dedup::{Dedup, Fingerprint};

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
            let counted = OUT.load(Ordering::Relaxed) - before + bytes.mapped;
            let said = dedup.memory_bytes();
            assert!(said.abs_diff(counted) * 50 <= counted, "{said} said, {counted} counted, with {n} keys");
            assert_eq!(said, bytes.table + bytes.directory + bytes.generations);
            checked += 1;
            if n > 2_000_000 {
                // A huge page more or less, and all that leads to the keys.
                assert!(said as u64 <= 25 * n, "{said} bytes for {n} keys");
            }
        }
    }
    assert!(checked > 30);
    println!("{:?} for {} keys", dedup.bytes(), dedup.len());
    // All outdated, all given back.
    dedup.advance(1_000_000);
    assert!(dedup.is_empty());
    assert!(dedup.memory_bytes() < 1_000 && OUT.load(Ordering::Relaxed) - before < 1_000);
}
