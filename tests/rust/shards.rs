//! Shards: however the state is divided and however many threads work on it, the answers, the outputs and the state are
//! those of one part.

mod common;
// Every test program is built with a copy of this file and uses its own part of it.
#[allow(dead_code)]
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use common::{assert_met, check};
use stream::{CONFIGS, Draft, draft, logs};
use tallystick_contract::balance::Balance;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::Batch;
use tallystick_engine::ExceptionRecord;
use tallystick_engine::shards::{Alone, Crew, Shards};
use tallystick_engine::{Engine, Flush};

/// Beside what all random logs are run under: refusals by the state in a short window, and room for the keys of a round
/// and then for no more of them.
const MORE_CONFIGS: [&str; 2] = [
    "[engine]\ndedup_window = \"48s\"\nmax_age = \"10m\"\nhistory_max = 3\nnegative_stock = \"refuse\"\n",
    "[engine]\ndedup_keys_max = 60\ndedup_window = \"24m\"\nnegative_stock = \"refuse\"\n",
];
const SECRET: [u8; 16] = *b"b key of 16 byte";

fn config(number: usize) -> Config {
    let text = CONFIGS.iter().chain(&MORE_CONFIGS).nth(number).expect("it is one of them");
    Config::parse(text).expect("the configurations of this test are valid")
}

/// Two threads, each with every other task.
#[derive(Debug)]
struct Threads;

impl Crew for Threads {
    fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            scope.spawn(|| (1..tasks).step_by(2).for_each(work));
            (0..tasks).step_by(2).for_each(work);
        });
    }
}

/// The last task first, on one thread.
#[derive(Debug)]
struct Backwards;

impl Crew for Backwards {
    fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..tasks).rev().for_each(work);
    }
}

/// The division of a test: how many parts, worked on by whom, and in rounds of how many elements.
#[derive(Debug, Clone, Copy)]
struct Division {
    parts: usize,
    crew: u8,
    round: usize,
}

impl Division {
    const WHOLE: Self = Self { parts: 1, crew: 0, round: 1 };

    fn any() -> impl Strategy<Value = Self> {
        let parts = prop::sample::select(&[2_usize, 4, 8, 16][..]);
        let round = prop_oneof![1_usize..6, 20_usize..80];
        (parts, 0_u8..3, round).prop_map(|(parts, crew, round)| Self { parts, crew, round })
    }

    fn shards(self) -> Shards {
        let shards = match self.crew {
            0 => Shards::new(self.parts, Alone),
            1 => Shards::new(self.parts, Backwards),
            _ => Shards::new(self.parts, Threads),
        };
        shards.expect("the parts of this test are possible").in_rounds_of(self.round)
    }

    fn engine(self, config: Config) -> Engine {
        Engine::with_shards(config, SECRET, self.shards())
    }
}

/// All that can be seen of an engine.
#[derive(Debug, PartialEq)]
struct View {
    by_birth: Vec<Balance>,
    sorted: Vec<Balance>,
    hash: String,
    keys: usize,
    totals: Vec<(Outcome, u64)>,
    log_time_ns: Option<i64>,
}

fn view(engine: &Engine) -> View {
    View {
        by_birth: engine.spots().into_iter().map(|spot| engine.balance(spot)).collect(),
        sorted: engine.balances(),
        hash: engine.state_hash().to_string(),
        keys: engine.keys(),
        totals: engine.totals().collect(),
        log_time_ns: engine.log_time_ns(),
    }
}

type Answers = (Vec<u64>, Vec<u32>, Vec<Outcome>, Vec<(u64, u32, Outcome)>, Vec<std::sync::Arc<ExceptionRecord>>);

fn answers(batch: &Batch) -> Answers {
    let Batch { sequences, indices, outcomes, released, exceptions, .. } = batch;
    (sequences.clone(), indices.clone(), outcomes.clone(), released.clone(), exceptions.clone())
}

/// One step of a log: some messages, applied together, then perhaps a flush.
type Step = (Vec<(u64, i64, Vec<u8>)>, bool);

fn take(engine: &mut Engine, (messages, flushes): &Step) -> (Answers, Option<Flush>) {
    let mut batch = Batch::new();
    let messages = messages.iter().map(|(sequence, time_ns, bytes)| (*sequence, *time_ns, &**bytes));
    engine.apply_messages(messages, &mut batch).expect("the messages of this test follow each other");
    let seen = answers(&batch);
    engine.hold_exceptions(&mut batch);
    (seen, flushes.then(|| engine.flush("S", 3, 1_000)))
}

fn steps(log: &[stream::Message], cuts: &[(usize, bool)]) -> Vec<Step> {
    let mut messages = (1..).zip(log).map(|(sequence, message)| (sequence, message.log_time_ns, message.bytes()));
    let mut steps: Vec<Step> =
        cuts.iter().map(|(size, flushes)| (messages.by_ref().take(*size).collect(), *flushes)).collect();
    steps.push((messages.collect(), true));
    steps
}

#[test]
fn the_number_of_shards_changes_nothing() {
    let met = RefCell::new(BTreeMap::<&str, u32>::new());
    let cuts = prop::collection::vec((0_usize..30, any::<bool>()), 0..4);
    check(
        1_200,
        &(0..CONFIGS.len() + MORE_CONFIGS.len(), logs(60), Division::any(), cuts),
        |(number, log, division, cuts)| {
            let (mut whole, mut divided) = (Division::WHOLE.engine(config(number)), division.engine(config(number)));
            for step in steps(&log, &cuts) {
                let (expected, flush) = take(&mut whole, &step);
                let (seen, divided_flush) = take(&mut divided, &step);
                prop_assert_eq!(&seen, &expected, "(divided, whole)");
                prop_assert_eq!(format!("{divided_flush:?}"), format!("{flush:?}"));
                prop_assert_eq!(view(&divided), view(&whole));
                for outcome in expected.2 {
                    *met.borrow_mut().entry(outcome.name()).or_default() += 1;
                }
            }
            Ok(())
        },
    );
    let met = met.into_inner();
    println!("{met:?}");
    for name in ["applied", "duplicate", "conflict", "negative_stock", "time_out_of_bounds", "count_beyond_history"] {
        assert_met(&met, name, 20);
    }
}

#[test]
fn a_round_may_span_more_than_the_window() {
    let drafts = prop::collection::vec(draft(), 0..150);
    check(600, &(0..CONFIGS.len() + MORE_CONFIGS.len(), drafts, Division::any()), |(number, drafts, division)| {
        let file = drafts.iter().map(Draft::json).collect::<Vec<_>>().join("\n");
        let run = |division: Division| {
            let (mut engine, mut batch) = (division.engine(config(number)), Batch::new());
            engine.apply_ndjson(file.as_bytes(), 1, None, &mut batch).expect("the lines of this test are the first");
            (answers(&batch), view(&engine))
        };
        prop_assert_eq!(run(division), run(Division::WHOLE));
        Ok(())
    });
}

#[test]
fn a_refusal_is_given_again_and_forgotten_with_its_key() {
    // One key, refused and sent again within its window, then behind it, when there is stock; all in one round.
    let event = |id: &str, kind: &str, quantity: i64, second: i64| {
        format!(
            "{{\"id\":\"{id}\",\"source\":\"wms\",\"type\":\"{kind}\",\"sku\":\"A\",\"location\":\"L\",\
             \"quantity\":{quantity},\"time\":\"2026-03-01T12:{:02}:{:02}Z\"}}",
            second / 60,
            second % 60
        )
    };
    let lines = [
        event("ship", "stock.sold", 5, 0),
        event("ship", "stock.sold", 5, 0),
        event("in", "stock.received", 9, 1),
        event("ship", "stock.sold", 5, 0),
        event("tick", "stock.received", 1, 600),
        event("ship", "stock.sold", 5, 0),
        event("ship", "stock.sold", 5, 0),
        event("tick", "stock.received", 1, 1200),
        event("ship", "stock.sold", 50, 0),
        event("ship", "stock.sold", 50, 0),
    ];
    let expected = [
        Outcome::NegativeStock,
        Outcome::NegativeStock,
        Outcome::Applied,
        Outcome::NegativeStock,
        Outcome::Applied,
        Outcome::Applied,
        Outcome::Duplicate,
        Outcome::Applied,
        Outcome::NegativeStock,
        Outcome::NegativeStock,
    ];
    let text = "[engine]\nnegative_stock = \"refuse\"\ndedup_window = \"48s\"\nmax_age = \"none\"\n";
    for parts in [1, 2, 4, 8, 16] {
        let division = Division { parts, crew: 2, round: 64 };
        let (mut engine, mut batch) = (division.engine(Config::parse(text).unwrap()), Batch::new());
        engine.apply_ndjson(lines.join("\n").as_bytes(), 1, None, &mut batch).unwrap();
        assert_eq!(batch.outcomes, expected, "{parts} parts");
        // What is remembered is the last answer.
        batch.clear();
        engine.apply_ndjson(event("ship", "stock.sold", 50, 0).as_bytes(), 11, None, &mut batch).unwrap();
        assert_eq!(batch.outcomes, [Outcome::NegativeStock], "{parts} parts");
    }
}

#[test]
fn a_snapshot_is_restored_under_any_number_of_shards() {
    let divisions = (Division::any(), prop_oneof![Division::any(), Just(Division::WHOLE)]);
    check(
        500,
        &(0..CONFIGS.len() + MORE_CONFIGS.len(), logs(50), divisions, any::<prop::sample::Index>()),
        |(number, log, (first, second), place)| {
            let place = place.index(log.len());
            let (before, behind) = log.split_at(place);
            let mut straight = Division::WHOLE.engine(config(number));
            let mut engine = first.engine(config(number));
            for step in steps(before, &[]) {
                take(&mut straight, &step);
                take(&mut engine, &step);
            }
            let image = engine.snapshot();
            let mut restored =
                Engine::restore_with_shards(&image, config(number), second.shards()).expect("it is its own");
            prop_assert_eq!(view(&restored), view(&straight));
            let rest: Vec<_> =
                behind.iter().zip(place as u64 + 1..).map(|(m, at)| (at, m.log_time_ns, m.bytes())).collect();
            let step = (rest, true);
            let ((seen, flush), (expected, straight_flush)) = (take(&mut restored, &step), take(&mut straight, &step));
            prop_assert_eq!(seen, expected, "(restored, straight)");
            prop_assert_eq!(format!("{flush:?}"), format!("{straight_flush:?}"));
            prop_assert_eq!(view(&restored), view(&straight));
            Ok(())
        },
    );
}
