//! Properties of the kernel (`docs/promise.md` §3): what is promised leaves nothing short, and not a thousandth less
//! than that; published tables to the digit.

mod common;

use std::fs;

use common::check;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tallystick_engine::atp::{Mode, Problem, UNLIMITED, figures};

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/atp_tables.json");

/// A position with all that it looks forward to.
#[derive(Debug, Clone)]
struct Case {
    on_hand: i64,
    supply: Vec<i64>,
    demand: Vec<i64>,
    safety: Vec<i64>,
    window: Option<usize>,
    fence: Option<usize>,
}

impl Case {
    fn figures(&self, mode: Mode) -> Vec<i64> {
        self.figures_carrying(mode, true)
    }

    fn figures_carrying(&self, mode: Mode, carry_shortage: bool) -> Vec<i64> {
        let Self { on_hand, supply, demand, safety, window, fence } = self;
        let (on_hand, window, fence) = (*on_hand, *window, *fence);
        figures(&Problem { on_hand, supply, demand, safety, window, fence, carry_shortage }, mode)
    }

    fn plain(&self) -> Self {
        Self { safety: vec![0; self.supply.len()], window: None, fence: None, ..self.clone() }
    }

    /// Buckets in front of the fence.
    fn end(&self) -> usize {
        self.fence.map_or(self.supply.len(), |fence| fence.min(self.supply.len()))
    }

    /// Whether stock never falls below what must be left from a bucket on, day after day, with a promise there.
    fn is_kept(&self, promise: i64, at: usize) -> bool {
        let mut stock = self.on_hand;
        (0..self.end()).all(|bucket| {
            stock += self.supply[bucket] - self.demand[bucket] - if bucket == at { promise } else { 0 };
            bucket < at || stock >= self.safety[bucket]
        })
    }

    /// Whether all is served earliest expiry first, a promise too, and what must be left in each bucket from there on
    /// could be served there as well.
    fn is_served(&self, promise: i64, at: usize, window: usize) -> bool {
        (at..self.end()).all(|last| {
            let mut lots = vec![0; last + 1];
            (0..=last).all(|bucket| {
                lots[bucket] = self.supply[bucket] + if bucket == 0 { self.on_hand } else { 0 };
                let extra =
                    if bucket == at { promise } else { 0 } + if bucket == last { self.safety[bucket] } else { 0 };
                let mut wanted = self.demand[bucket] + extra;
                for lot in &mut lots[(bucket + 1).saturating_sub(window)..=bucket] {
                    let served = wanted.min(*lot);
                    *lot -= served;
                    wanted -= served;
                }
                wanted <= 0
            })
        })
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let buckets = vec((prop_oneof![2 => Just(0), 3 => 0..30_i64], 0..12_i64, 0..5_i64), 1..14);
    (-10..40_i64, buckets, proptest::option::of(1..7_usize), proptest::option::weighted(0.3, 1..14_usize)).prop_map(
        |(on_hand, buckets, window, fence)| Case {
            on_hand,
            supply: buckets.iter().map(|bucket| bucket.0).collect(),
            demand: buckets.iter().map(|bucket| bucket.1).collect(),
            safety: buckets.iter().map(|bucket| bucket.2).collect(),
            window,
            fence,
        },
    )
}

fn totals(figures: &[i64]) -> Vec<i64> {
    figures
        .iter()
        .scan(0, |total, figure| {
            *total += figure;
            Some(*total)
        })
        .collect()
}

/// The least from each bucket on.
fn least_ahead(figures: &[i64]) -> Vec<i64> {
    (0..figures.len()).map(|bucket| figures[bucket..].iter().copied().min().unwrap_or_default()).collect()
}

#[test]
fn published_tables_are_reproduced_to_the_digit() {
    let tables: Value = serde_json::from_slice(&fs::read(TABLES).unwrap()).unwrap();
    let numbers =
        |value: &Value| value.as_array().unwrap().iter().map(|each| each.as_i64().unwrap()).collect::<Vec<_>>();
    let cases = tables["cases"].as_array().unwrap();
    assert!(cases.len() >= 7);
    for case in cases {
        let supply = numbers(&case["supply"]);
        let problem = Case {
            on_hand: case["on_hand"].as_i64().unwrap(),
            demand: numbers(&case["demand"]),
            safety: vec![0; supply.len()],
            supply,
            window: None,
            fence: None,
        };
        let mode = Mode::from_name(case["mode"].as_str().unwrap()).unwrap();
        let found = problem.figures_carrying(mode, case["carry_shortage"].as_bool().unwrap_or(true));
        assert_eq!(found, numbers(&case["expected"]), "{}", case["name"]);
    }
}

#[test]
fn a_promise_is_kept_if_and_only_if_it_is_within_the_figure() {
    check(3_000, &cases(), |case| {
        let case = Case { window: None, ..case };
        let figures = case.figures(Mode::LookAhead);
        for (at, figure) in figures.iter().enumerate() {
            if at >= case.end() {
                prop_assert_eq!(*figure, UNLIMITED);
                continue;
            }
            for promise in [*figure - 3, *figure - 1, *figure, *figure + 1, *figure + 7] {
                prop_assert_eq!(
                    case.is_kept(promise, at),
                    promise <= *figure,
                    "{} at {} of {:?}",
                    promise,
                    at,
                    figures
                );
            }
        }
        prop_assert!(figures.is_sorted(), "{:?} decreases", figures);
        Ok(())
    });
}

#[test]
fn within_a_window_a_promise_is_served_if_and_only_if_it_is_within_the_figure() {
    let met = std::cell::Cell::new(0);
    check(6_000, &cases(), |case| {
        let window = case.window.unwrap_or(3);
        let case = Case { on_hand: case.on_hand.max(0) + 10, window: Some(window), ..case };
        if !case.is_served(0, 0, window) {
            return Ok(());
        }
        met.set(met.get() + 1);
        let figures = case.figures(Mode::LookAhead);
        for (at, figure) in figures.iter().enumerate().take(case.end()) {
            prop_assert!(*figure >= 0);
            for promise in [0, figure / 2, *figure, *figure + 1, *figure + 5] {
                prop_assert_eq!(
                    case.is_served(promise, at, window),
                    promise <= *figure,
                    "{} at {} of {:?}",
                    promise,
                    at,
                    figures
                );
            }
        }
        Ok(())
    });
    assert!(met.get() > 500, "only {} cases had no shortage to begin with", met.get());
}

#[test]
fn the_modes_are_views_of_each_other() {
    check(3_000, &cases(), |case| {
        let plain = case.plain();
        let cumulative = plain.figures(Mode::Cumulative);
        prop_assert_eq!(&totals(&plain.figures(Mode::PeriodNet)), &cumulative);
        prop_assert_eq!(&plain.figures(Mode::BackwardAccumulated), &totals(&plain.figures(Mode::Backward)));
        prop_assert_eq!(&totals(&plain.figures(Mode::Discrete)), &plain.figures(Mode::DiscreteRunningTotal));
        prop_assert_eq!(plain.figures(Mode::Discrete).iter().sum::<i64>(), *cumulative.last().unwrap());
        let ahead = plain.figures(Mode::LookAhead);
        prop_assert_eq!(&ahead, &least_ahead(&cumulative));
        prop_assert_eq!(&ahead, &least_ahead(&plain.figures(Mode::BackwardAccumulated)));
        let kept = Case { window: None, fence: None, ..case.clone() };
        let spare: Vec<i64> = cumulative.iter().zip(&case.safety).map(|(stock, safety)| stock - safety).collect();
        prop_assert_eq!(kept.figures(Mode::LookAhead), least_ahead(&spare));
        prop_assert_eq!(kept.figures(Mode::OnHand), vec![case.on_hand - case.safety[0]; spare.len()]);
        // A window as long as the horizon is none.
        let wide = Case { window: Some(spare.len()), fence: None, ..case.clone() };
        prop_assert_eq!(wide.figures(Mode::LookAhead), kept.figures(Mode::LookAhead));
        Ok(())
    });
}
