//! Packed: a line as bytes, for as long as nothing is said of it. Numbers are written as short as they are, times and
//! days as what they are apart; what a line does not have costs nothing.

mod pack;
mod unpack;

use crate::claims::book::LineKey;
pub(crate) use pack::pack;
pub(crate) use unpack::{head, unpack};

/// What a line has, as bits of its first byte.
const IS_DEMAND: u8 = 1;
const IS_NUMBER: u8 = 2;
const IS_TEXT: u8 = 4;
const HAS_PLACES: u8 = 8;
const HAS_FACTS: u8 = 16;
const HAS_HOLDS: u8 = 32;
const HAS_MORE: u8 = 64;
const HAS_GIVEN: u8 = 128;

/// The low bits of a statement or hold say what kind of day it has; a date is mostly its own bucket.
const DAY: u8 = 7;
const NO_DAY: u8 = 0;
const DATE: u8 = 1;
const DATE_OF_BUCKET: u8 = 2;
const AT: u8 = 3;
const LONG_AGO: u8 = 4;
const FAR_OFF: u8 = 5;

/// What a statement has beside its day.
const HAS_QUANTITY: u8 = 8;
const HAS_TERMS: u8 = 16;
/// Of statements, facts and holds: it is not at the first place.
const IS_ELSEWHERE: u8 = 64;

/// What a fact has beside its kind.
const KIND: u8 = 15;
const HAS_KEY: u8 = 16;

/// What a hold has beside its day.
const HAS_POSTS: u8 = 8;
const HAS_GIVEN_BACK: u8 = 16;
const HAS_LAPSED: u8 = 32;
const WAS_RAISED: u8 = 128;

/// What a line has of a position beside steps, of which the upper bits say how many there are.
const HAS_LIVE_NOW: u8 = 1;
const HAS_LIVE_DATED: u8 = 2;
const HAS_MOVED: u8 = 4;
const IS_AT_PLACE: u8 = 8;
const IS_AT_SPOT: u8 = 16;
const STEPS_SHIFT: u32 = 5;
const STEPS_MANY: u8 = 7;

/// What a step has: of each of three amounts whether there is one, and whether it is the amount that was written last.
const HAS_SHOWN: u8 = 1;
const IS_AS_BEFORE: u8 = 8;

/// Units of times, in nanoseconds, and the bits that say which one it is; what lies too far apart is written as it is.
const UNITS: [i64; 3] = [1_000_000, 1_000, 1];
const UNIT_BITS: u32 = 2;

/// What a line is known by, and when something was said of it last.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) key: LineKey<'a>,
    pub(crate) touched_ns: i64,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use smallvec::SmallVec;

    use super::*;
    use crate::calendar::Due;
    use crate::claims::book::fact::{Fact, FactKind, Hold, Statement, SupplyTerms};
    use crate::claims::book::line::{Flags, Line, LinePlace};
    use crate::read::directive::Side;
    use crate::read::line_number::LineNumber;
    use crate::schedule::{AT_ONCE, Given, Moved, Shown};
    use crate::stock::Spot;

    fn time() -> impl Strategy<Value = i64> {
        let in_units = |unit: i64| (-3_000_000_000_000_i64..3_000_000_000_000).prop_map(move |time| time * unit);
        prop_oneof![
            any::<i64>(),
            Just(i64::MIN),
            Just(i64::MAX),
            0..1_000_000_i64,
            in_units(1_000),
            in_units(1_000_000)
        ]
    }

    fn day() -> impl Strategy<Value = (Option<Due>, i32)> {
        let due = prop_oneof![
            Just(None),
            any::<i32>().prop_map(|days| Some(Due::Date(days))),
            time().prop_map(|time_ns| Some(Due::At(time_ns))),
            Just(Some(Due::LongAgo)),
            Just(Some(Due::FarOff)),
        ];
        let bucket = prop_oneof![any::<i32>(), Just(AT_ONCE), 19_000..21_000];
        // Mostly a date is its own bucket.
        let same = any::<i32>().prop_map(|days| (Some(Due::Date(days)), days));
        prop_oneof![(due, bucket), same]
    }

    prop_compose! {
        fn fact()(key in prop_oneof![Just(0), any::<u64>()], time_ns in time(), amount in any::<i64>(),
            kind in 0..FactKind::ALL.len(), place in 0..3_u32, source in any::<u16>()) -> Fact {
            Fact { key, time_ns, amount, kind: FactKind::ALL[kind], place, source }
        }
    }

    prop_compose! {
        fn statement()(time_ns in time(), quantity in any::<Option<i64>>(), (due, bucket) in day(), place in 0..3_u32,
            source in any::<u16>(), terms in any::<Option<(Option<String>, Option<String>)>>()) -> Statement {
            let text = |text: Option<String>| text.map(String::into_boxed_str);
            let terms = terms.map(|(supplier, kind)| SupplyTerms { supplier: text(supplier), kind: text(kind) });
            let terms = terms.map(Box::new);
            Statement { time_ns, quantity, due, bucket, place, source, terms }
        }
    }

    fn steps() -> impl Strategy<Value = Vec<(i64, i64)>> {
        vec((time(), any::<i64>()), 0..3)
    }

    prop_compose! {
        fn hold()(serial in any::<u64>(), part in 0..3_u16, place in 0..3_u32, asked_ns in time(),
            raised_ns in any::<Option<i64>>(), (due, bucket) in day(), live in any::<i64>(), posts in steps(),
            given in steps(), lapsed in any::<Option<(i64, i64)>>()) -> Hold {
            let raised_ns = raised_ns.unwrap_or(asked_ns);
            Hold { serial, part, place, asked_ns, raised_ns, due, bucket, live, posts: posts.into(), given, lapsed }
        }
    }

    prop_compose! {
        fn given()(spot in (0..2_u32, 0..4_u32),
            steps in vec((prop_oneof![Just(AT_ONCE), any::<i32>()], any::<[i64; 3]>()), 0..9),
            live_now in any::<u32>(), live_dated in vec((any::<i32>(), any::<u32>()), 0..3),
            all in vec((any::<u16>(), any::<i64>(), any::<i64>()), 0..3)) -> Given {
            let shown = |[allocated, reserved, ordered]: [i64; 3]| Shown { allocated, reserved, ordered };
            let moved = |(source, unpicked, unshipped)| Moved { source, unpicked, unshipped };
            let moved = all.into_iter().map(moved).collect();
            let steps = steps.into_iter().map(|(bucket, amounts)| (bucket, shown(amounts))).collect();
            Given { spot: Spot { part: spot.0, place: spot.1 }, steps, live_now, live_dated, moved }
        }
    }

    prop_compose! {
        fn line()(names in any::<(bool, u32, u32, u32)>(), number in any::<Option<Result<i64, String>>>(),
            touched_ns in time(), places in vec((0..2_u32, 0..4_u32, any::<u32>(), any::<Option<u64>>()), 0..4),
            facts in vec(fact(), 0..4), statements in vec(statement(), 0..3),
            holds in vec(hold(), 0..3), asked in vec(time(), 0..2), given in vec(given(), 0..3),
            told in any::<[bool; 4]>()) -> Line {
            let side = if names.0 { Side::Demand } else { Side::Supply };
            let text = |text: String| LineNumber::Text(text.into());
            let number = number.map(|number| number.map_or_else(text, LineNumber::Number));
            let place = |(part, place, location, serial): (u32, u32, u32, Option<u64>)| {
                LinePlace { spot: Spot { part, place }, location, serial: serial.unwrap_or(0) }
            };
            let [is_below_zero, is_used_after_closing, is_clashing, is_unallocated] = told;
            Line {
                places: places.into_iter().map(place).collect(),
                facts,
                statements,
                holds,
                asked_loosely: asked,
                given: given.into_iter().collect::<SmallVec<_>>(),
                told: Flags { is_below_zero, is_used_after_closing, is_clashing, is_unallocated },
                touched_ns,
                ..Line::new(side, names.1, number, (names.2, names.3))
            }
        }
    }

    proptest! {
        #[test]
        fn a_line_comes_back_as_it_was(line in line(), behind in any::<[u8; 3]>()) {
            let mut bytes = Vec::new();
            pack(&line, &mut bytes);
            bytes.extend(behind);
            prop_assert_eq!(format!("{:?}", unpack(&bytes)), format!("{line:?}"));
            let Head { key, touched_ns } = head(&bytes);
            prop_assert_eq!((key, touched_ns), (line.key(), line.touched_ns));
        }
    }

    #[test]
    fn an_order_that_is_due_takes_few_bytes() {
        let day = 20_800;
        let spot = Spot { part: 0, place: 40_000 };
        let mut line = Line::new(Side::Demand, 1_000_000, Some(LineNumber::Number(1)), (0, 40_000));
        line.touched_ns = 1_796_000_000_123_456_789;
        line.places.push(LinePlace { spot, location: 3, serial: 0 });
        let (quantity, due) = (Some(12_000), Some(Due::Date(day)));
        let time_ns = line.touched_ns - 3_000_000_000;
        line.statements.push(Statement { time_ns, quantity, due, bucket: day, place: 0, source: 1, terms: None });
        let steps = [(day, Shown { ordered: 12_000, ..Shown::default() })].into_iter().collect();
        line.given.push(Given { steps, ..Given::none(spot) });
        let mut bytes = Vec::new();
        pack(&line, &mut bytes);
        assert!(bytes.len() <= 46, "{}", bytes.len());
    }
}
