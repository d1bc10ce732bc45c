//! The window against a twin that keeps every key in a map and forgets it at once.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tallystick_contract::limits::NAMED_ELEMENTS;
use tallystick_contract::outcome::Outcome;

use super::*;
use crate::body::{BodyBuilder, Slices};
use crate::wire::{Reader, SnapshotError, Writer};

const SPAN_NS: i64 = 100;
const WINDOW_NS: i64 = SPAN_NS * DEDUP_GENERATIONS;

/// What the window promises, without any way to go wrong: all keys with their generations.
struct Twin {
    keys: BTreeMap<[u64; 2], (Known, i64)>,
    generations: VecDeque<i64>,
    keys_max: u64,
    floor_ns: i64,
    current: i64,
}

impl Twin {
    fn new(keys_max: u64) -> Self {
        let (keys, generations) = (BTreeMap::new(), VecDeque::new());
        Self { keys, generations, keys_max, floor_ns: i64::MIN, current: i64::MIN }
    }

    fn advance(&mut self, log_time_ns: i64) {
        self.current = self.current.max(log_time_ns.div_euclid(SPAN_NS));
        self.forget_before(self.current - DEDUP_GENERATIONS);
    }

    fn forget_before(&mut self, generation: i64) {
        self.keys.retain(|_, (_, own)| *own >= generation);
        self.generations.retain(|own| *own >= generation);
    }

    fn remember(&mut self, key: Fingerprint, known: Known) {
        self.keys.insert(key.0, (known, self.current));
        self.begin_generation();
        while self.keys.len() as u64 > self.keys_max && self.generations.len() > 1 {
            let oldest = self.generations[0];
            self.floor_ns = (oldest + 1) * SPAN_NS;
            self.forget_before(oldest + 1);
        }
    }

    fn renew(&mut self, key: Fingerprint) -> bool {
        let current = self.current;
        let is_known = self.keys.get_mut(&key.0).map(|(_, generation)| *generation = current).is_some();
        if is_known {
            self.begin_generation();
        }
        is_known
    }

    fn begin_generation(&mut self) {
        if self.generations.back() != Some(&self.current) {
            self.generations.push_back(self.current);
        }
    }

    fn find(&self, key: Fingerprint) -> Option<Known> {
        self.keys.get(&key.0).map(|(known, _)| *known)
    }
}

/// How fingerprints lie: spread like real ones, or crowded as no secret key would make them.
#[derive(Debug, Clone, Copy)]
enum Crowd {
    Spread,
    /// One first byte, so that a single segment is split again and again.
    Segment,
    /// One pair of groups.
    Groups,
    /// One pair of groups, one class, one tag.
    Tags,
    /// The first half tells nothing, the second half all.
    Second,
}

const CROWDS: [Crowd; 5] = [Crowd::Spread, Crowd::Segment, Crowd::Groups, Crowd::Tags, Crowd::Second];

impl Crowd {
    fn key(self, n: u64) -> Fingerprint {
        let Fingerprint([first, second]) = fingerprint(&[7; 16], "wms", &n.to_string());
        Fingerprint(match self {
            Self::Spread => [first, second],
            Self::Segment => [first >> 9, second],
            Self::Groups => [0x1234_5678_9ABC_0000 | n & 0xFFFF, n << 8 | second & 0xFF],
            Self::Tags => [u64::MAX << 16 | n & 0xFFFF, n << 16 | 0x3344],
            Self::Second => [0, second],
        })
    }
}

fn known(n: u64) -> Known {
    let mut body = BodyBuilder::new(3);
    body.number(6, Some(n.cast_signed()));
    let outcomes = [Outcome::Applied, Outcome::NegativeStock, Outcome::Insufficient];
    body.finish().known(outcomes[usize::try_from(n % 3).unwrap()])
}

fn image(dedup: &Dedup) -> Vec<u8> {
    let mut writer = Writer::default();
    dedup.write(&mut writer);
    writer.finish()
}

fn restored(image: &[u8], keys_max: u64) -> Result<Dedup, SnapshotError> {
    let mut reader = Reader::open(image)?;
    let mut dedup = Dedup::new(WINDOW_NS, keys_max);
    dedup.read(&mut reader)?;
    reader.finish()?;
    Ok(dedup)
}

/// What happens to a window.
#[derive(Debug, Clone)]
enum Step {
    /// So many keys from a given one on: found, remembered if new, renewed if asked for.
    Send {
        from: u64,
        count: u64,
        is_renewed: bool,
    },
    Advance(i64),
    Restore,
}

fn steps(count: u64) -> impl Strategy<Value = Vec<Step>> {
    let send = (0..4 * count, 1..count, any::<bool>()).prop_map(|(from, count, is_renewed)| Step::Send {
        from,
        count,
        is_renewed,
    });
    let span = prop_oneof![4 => 0..2 * SPAN_NS, 2 => 0..8 * SPAN_NS, 1 => 0..80 * SPAN_NS];
    let step = prop_oneof![6 => send, 3 => span.prop_map(Step::Advance), 1 => Just(Step::Restore)];
    prop::collection::vec(step, 1..40)
}

fn run(crowd: Crowd, keys_max: u64, steps: &[Step]) {
    let (mut dedup, mut twin) = (Dedup::new(WINDOW_NS, keys_max), Twin::new(keys_max));
    let mut now_ns = -1_000;
    dedup.advance(now_ns);
    twin.advance(now_ns);
    let mut sent = 0;
    for step in steps {
        match *step {
            Step::Send { from, count, is_renewed } => {
                sent = sent.max(from + count);
                (from..from + count).for_each(|n| dedup.prefetch(crowd.key(n)));
                (from..from + count).for_each(|n| dedup.prefetch_places(crowd.key(n)));
                // By the time they are used, many of these places have moved.
                let vacancies: Vec<_> = (from..from + count).map(|n| dedup.look(crowd.key(n)).err()).collect();
                for (n, early) in (from..).zip(vacancies) {
                    let key = crowd.key(n);
                    assert_eq!(dedup.find(key), twin.find(key), "{n}");
                    if twin.find(key).is_none() {
                        assert!(!dedup.renew(key) && !twin.renew(key));
                        let now = dedup.look(key).err();
                        match [None, now, early][usize::try_from(n % 3).unwrap()] {
                            Some(vacancy) => dedup.remember_at(vacancy, key, known(n)),
                            None => dedup.remember(key, known(n)),
                        }
                        twin.remember(key, known(n));
                    } else if is_renewed {
                        assert!(dedup.renew(key) && twin.renew(key));
                    }
                }
            }
            Step::Advance(span_ns) => {
                now_ns += span_ns;
                dedup.advance(now_ns);
                twin.advance(now_ns);
            }
            Step::Restore => {
                let before = image(&dedup);
                dedup = restored(&before, keys_max).unwrap();
                assert!(image(&dedup) == before, "the image of an image");
            }
        }
        assert_eq!((dedup.len(), dedup.floor_ns()), (twin.keys.len(), twin.floor_ns));
        assert_eq!(dedup.is_empty(), twin.keys.is_empty());
    }
    for n in 0..sent {
        assert_eq!(dedup.find(crowd.key(n)), twin.find(crowd.key(n)), "{n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_window_equals_its_twin(crowd in prop::sample::select(&CROWDS), keys_max in prop_oneof![1_u64..50, Just(u64::MAX)], steps in steps(60)) {
        run(crowd, keys_max, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_large_window_equals_its_twin(crowd in prop::sample::select(&[Crowd::Spread, Crowd::Segment]), steps in steps(20_000)) {
        run(crowd, 100_000, &steps);
    }
}

/// Sends keys in an order, a generation at a time.
fn filled(keys: &(impl Iterator<Item = u64> + Clone), crowd: Crowd) -> Dedup {
    let mut dedup = Dedup::new(WINDOW_NS, u64::MAX);
    for generation in 0..=DEDUP_GENERATIONS {
        dedup.advance(generation * SPAN_NS);
        for n in keys.clone().filter(|n| n % 25 == generation.cast_unsigned()) {
            dedup.remember(crowd.key(n), known(n));
        }
    }
    dedup
}

#[test]
fn an_image_depends_on_what_is_remembered_and_not_on_how_it_came_about() {
    for (crowd, count) in [(Crowd::Spread, 200_000), (Crowd::Segment, 200_000), (Crowd::Second, 3_000)] {
        let (forth, back) = (filled(&(0..count), crowd), filled(&(0..count).rev(), crowd));
        let image = image(&forth);
        assert!(image == self::image(&back), "{crowd:?}");
        let again = restored(&image, u64::MAX).unwrap();
        assert!(image == self::image(&again), "{crowd:?}");
        assert!((0..count).all(|n| again.find(crowd.key(n)) == Some(known(n))));
        assert!((count..2 * count).all(|n| again.find(crowd.key(n)).is_none()));
    }
}

#[test]
fn keys_that_nobody_asks_for_never_come_back() {
    // Long silence, then one generation after the other, for more generations than there are codes, while most segments
    // see no key at all.
    let mut dedup = filled(&(0..5_000), Crowd::Spread);
    let mut now = DEDUP_GENERATIONS;
    for step in [0, 1, 5, 6, 7, 25, 30, 31, 32, 62, 63, 1_000] {
        now += step;
        dedup.advance(now * SPAN_NS);
        dedup.remember(Crowd::Spread.key(1_000_000 + now.cast_unsigned()), Known::default());
        for n in 0..5_000 {
            let generation = i64::try_from(n % 25).unwrap();
            assert_eq!(
                dedup.find(Crowd::Spread.key(n)).is_some(),
                generation >= now - DEDUP_GENERATIONS,
                "{n} at {now}"
            );
        }
    }
}

#[test]
fn traffic_that_goes_on_needs_no_more_memory() {
    const KEYS: u64 = 30_000;
    let mut dedup = Dedup::new(WINDOW_NS, u64::MAX);
    let mut bytes = Vec::new();
    for generation in 0..100 {
        dedup.advance(generation * SPAN_NS);
        for n in 0..KEYS {
            dedup.remember(Crowd::Spread.key(generation.cast_unsigned() * KEYS + n), Known::default());
        }
        bytes.push(dedup.heap_bytes() / dedup.len());
    }
    assert_eq!(dedup.len() as u64, 25 * KEYS);
    println!("{bytes:?}");
    assert!(bytes[25..].iter().all(|bytes| *bytes <= 27), "{bytes:?}");
}

#[test]
fn damaged_images_are_refused() {
    let dedup = filled(&(0..300), Crowd::Spread);
    let mut writer = Writer::default();
    dedup.write(&mut writer);
    let whole = writer.finish();
    // The seal is put right again, so that what is read is what was damaged.
    let body = &whole[20..whole.len() - 36];
    let sealed = |body: &[u8]| {
        let mut writer = Writer::default();
        writer.raw(body);
        writer.finish()
    };
    assert_eq!(image(&restored(&sealed(body), u64::MAX).unwrap()), whole);
    for place in 0..body.len() {
        let mut damaged = body.to_vec();
        damaged[place] ^= 0x10;
        if let Ok(again) = restored(&sealed(&damaged), u64::MAX) {
            // Another floor, digest or fingerprint may be as good; then it is what was written.
            assert_eq!(image(&again), sealed(&damaged), "byte {place}");
        }
    }
}

#[test]
fn no_false_count_makes_room() {
    // Keys that no bits part, and a count by which a directory deep enough to part them would be worth its memory.
    let mut dedup = Dedup::new(WINDOW_NS, u64::MAX);
    dedup.advance(0);
    (0..20_000).for_each(|n| dedup.remember(Crowd::Second.key(n), known(n)));
    let keys = dedup.generations[0].1;
    dedup.generations[0].1 = 1 << 50;
    assert_eq!(restored(&image(&dedup), u64::MAX).unwrap_err(), SnapshotError::Damaged("it counts more than it holds"));
    dedup.generations[0].1 = keys;
    let again = restored(&image(&dedup), u64::MAX).unwrap();
    let (now, before) = (again.heap_bytes(), dedup.heap_bytes());
    assert!(now <= before * 5 / 4, "{now} bytes, {before} before");
}

#[test]
fn recent_bodies_are_found_as_far_back_as_promised() {
    let slices = |n: u64| Slices::from_bytes(u128::from(n).to_le_bytes());
    let mut recent = Recent::default();
    // Every third element has a new key; each fifth of these is the one before again, as after it was forgotten.
    let key = |n: u64| Crowd::Spread.key(if n.is_multiple_of(15) && n > 0 { n - 3 } else { n });
    let mut asked = 0;
    for n in 0..5 * NAMED_ELEMENTS {
        if n % 3 == 0 {
            recent.push(n, key(n), slices(n));
        }
        // Asked now and then, with long silence between.
        if n % 7_919 == 0 || (200_000..200_200).contains(&n) {
            for back in
                [1, 2, 3, 4, 15, 3_000, NAMED_ELEMENTS - 1, NAMED_ELEMENTS, NAMED_ELEMENTS + 1, NAMED_ELEMENTS + 2]
            {
                let Some(first) = (n + 1).checked_sub(back).filter(|first| first % 3 == 0) else { continue };
                let is_replaced = (first + 3).is_multiple_of(15) && first + 3 <= n;
                let newest = if is_replaced { first + 3 } else { first };
                let expected = (n + 1 - newest <= NAMED_ELEMENTS).then(|| slices(newest));
                assert_eq!(recent.find(n + 1, key(first)), expected, "{first} from {n}");
                asked += 1;
            }
            assert_eq!(recent.find(n + 1, Crowd::Spread.key(u64::MAX)), None);
        }
    }
    assert!(asked > 300, "{asked}");
    assert!(recent.heap_bytes() < 20_000_000);
    let elements = 5 * NAMED_ELEMENTS;
    let write = |recent: &Recent| {
        let mut writer = Writer::default();
        image::write_recent(&recent.parts(elements).collect::<Vec<_>>(), &mut writer);
        writer.finish()
    };
    let image = write(&recent);
    let mut again = Recent::default();
    let push = |ordinal, key, slices| again.push(ordinal, key, slices);
    image::read_recent(elements, &mut Reader::open(&image).unwrap(), push).unwrap();
    assert_eq!(write(&again), image);
    assert_eq!(again.find(elements, key(elements - 2)), recent.find(elements, key(elements - 2)));
}

fn key(n: u64) -> Fingerprint {
    fingerprint(&[7; 16], "wms", &n.to_string())
}

#[test]
fn a_key_is_remembered_for_its_window_and_not_much_longer() {
    let mut dedup = Dedup::new(2_400, 1_000);
    for n in 0..100 {
        dedup.advance(i64::try_from(n).unwrap() * 100);
        dedup.remember(key(n), Known::default());
        for back in 0..=n {
            assert_eq!(dedup.find(key(n - back)).is_some(), back <= 24, "{n} {back}");
        }
    }
    assert_eq!(dedup.len(), 25);
    assert!(dedup.renew(key(75)) && !dedup.renew(key(1_000)));
    dedup.advance(100 * 99 + 2_300);
    assert!(dedup.find(key(75)).is_some() && dedup.find(key(76)).is_none() && dedup.find(key(98)).is_some());
    dedup.advance(1_000_000);
    assert!(dedup.is_empty());
    assert_eq!(dedup.floor_ns(), i64::MIN);
}

#[test]
fn a_full_window_forgets_its_oldest_generation_and_says_from_when() {
    let mut dedup = Dedup::new(2_400, 10);
    for n in 0..30 {
        dedup.advance(i64::try_from(n / 4).unwrap() * 100);
        dedup.remember(key(n), Known::default());
        assert!(dedup.len() <= 10);
    }
    assert!(dedup.find(key(29)).is_some() && dedup.find(key(0)).is_none());
    assert!(dedup.floor_ns() > 0);
    let mut one = Dedup::new(2_400, 2);
    one.advance(0);
    (0..5).for_each(|n| one.remember(key(n), Known::default()));
    assert_eq!((one.len(), one.floor_ns()), (5, i64::MIN));
}
