//! Properties of promises (`docs/promise.md`): the engine equals its twin in answers and figures, whatever is
//! scheduled, received, reserved, protected and taken back; and neither shards nor a snapshot nor the cut of a batch
//! change any of it.

mod common;
mod plans;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use common::promise::{Figures, Promises, Question, Told, of_batch};
use common::{Ledger, assert_books_balance, assert_met, check};
use plans::{CONFIGS, Message, plans};
use tallystick_contract::balance::{Balance, PositionKey};
use tallystick_contract::config::{Config, MODES};
use tallystick_engine::Batch;
use tallystick_engine::Engine;
use tallystick_engine::shards::{Alone, Shards};
use tallystick_reference::{Answer, Reference};

/// Outcomes, codes and statuses that random logs must meet.
const WANTED: [(&str, u32); 27] = [
    ("applied", 5_000),
    ("duplicate", 200),
    ("conflict", 50),
    ("malformed", 20),
    ("observed", 5),
    ("held", 20),
    ("late", 1),
    ("quantity_invalid", 1),
    ("absorbed", 1),
    ("time_out_of_bounds", 20),
    ("unknown_reference", 100),
    ("not_owner", 50),
    ("insufficient", 100),
    ("receipt_variance", 50),
    ("closed_line", 50),
    ("over_release", 20),
    ("over_protected", 50),
    ("supply_overdue", 100),
    ("reservation_at_risk", 50),
    ("expiry", 20),
    ("status granted", 500),
    ("status partly", 50),
    ("status changed", 10),
    ("status insufficient", 100),
    ("status refused", 100),
    ("status posted", 50),
    ("status voided", 50),
];

fn config(number: usize) -> Config {
    Config::parse(CONFIGS[number]).unwrap_or_else(|error| panic!("configuration {number}: {error}"))
}

/// What is open, but for what only the engine watches.
fn open(all: BTreeSet<String>) -> BTreeSet<String> {
    all.into_iter().filter(|item| !item.starts_with("source_")).collect()
}

/// Without the word that the members of a directive differ, which the engine leaves out once in 256 times, and with
/// gaps in front.
fn clear(mut answers: Vec<Answer>) -> Vec<Answer> {
    for answer in &mut answers {
        answer.fields.retain(|field| *field != "data");
    }
    let is_gap = |answer: &Answer| answer.codes.first().is_some_and(|code| code.starts_with("sequence_gap "));
    answers.sort_by_key(|answer| !is_gap(answer));
    answers
}

/// A position may be published more often than it has to, but not less often: a version that is at least the twin's is
/// left aside, and one of a position
/// of which nothing is other than before.
fn reflecting(mut balances: Vec<Balance>, twin: &[Balance], before: &[Balance]) -> Vec<Balance> {
    let known: BTreeMap<&PositionKey, &Balance> = before.iter().map(|balance| (&balance.key, balance)).collect();
    for (engine, twin) in balances.iter_mut().zip(twin) {
        let is_same = known.get(&engine.key).is_some_and(|known| **known == *engine);
        if engine.version >= twin.version || is_same {
            engine.version = twin.version;
        }
    }
    balances
}

/// Lets the versions that answers name be those of the twin.
fn reflected(mut told: Vec<Told>, twin: &[Told]) -> Vec<Told> {
    for (engine, twin) in told.iter_mut().zip(twin) {
        if let (Some(version), Some(least)) = (engine.get_mut("version"), twin.get("version"))
            && version.as_u64() >= least.as_u64()
        {
            *version = least.clone();
        }
    }
    told
}

/// All that can be asked of some positions and the groups.
fn questions(balances: &[Balance], number: usize) -> Vec<Question> {
    let mut questions = Vec::new();
    for (mode, _) in MODES {
        for PositionKey { sku, location, lot, owner } in balances.iter().map(|balance| balance.key.clone()) {
            let plain = Question { sku, location, lot, owner, mode, ..Question::default() };
            if number == 5 {
                questions.push(Question { measure: "floor".to_owned(), ..plain.clone() });
            }
            questions
                .extend(["", "web", "till"].map(|channel| Question { channel: channel.to_owned(), ..plain.clone() }));
        }
        for (sku, channel) in [("A", ""), ("A", "web"), ("B", "app")] {
            let (sku, channel, group) = (sku.to_owned(), channel.to_owned(), "east".to_owned());
            questions.push(Question { sku, group, channel, mode, ..Question::default() });
        }
    }
    questions
}

/// The figures of all of them; the day of a group's first bucket is that of its first location.
fn figures(ledger: &impl Promises, questions: &[Question], buckets: usize) -> Vec<Figures> {
    let all = questions.iter().map(|question| {
        let figures = ledger.figures_of(question, buckets);
        if question.group.is_empty() { figures } else { Figures { first: String::new(), ..figures } }
    });
    all.collect()
}

type Seen = RefCell<BTreeMap<String, u32>>;

fn note(seen: &Seen, answers: &[Answer], told: &[Told], open: &BTreeSet<String>) {
    let mut seen = seen.borrow_mut();
    let outcomes = answers.iter().map(|answer| answer.outcome.name().to_owned());
    let codes =
        answers.iter().flat_map(|answer| answer.codes.iter().filter(|code| *code != answer.outcome.name()).cloned());
    let statuses = told.iter().map(|told| format!("status {}", told["status"].as_str().unwrap_or_default()));
    let by_time = ["supply_overdue", "reservation_at_risk"];
    let open = by_time.iter().filter(|code| open.iter().any(|item| item.starts_with(*code))).map(ToString::to_string);
    for name in outcomes.chain(codes).chain(statuses).chain(open) {
        *seen.entry(name).or_default() += 1;
    }
}

#[test]
fn the_engine_equals_its_twin() {
    let seen = Seen::default();
    check(600, &plans(40), |(number, log)| {
        let (mut engine, mut twin) = (Engine::with(config(number)), Reference::with(config(number)));
        let mut claimed = 0;
        for (sequence, message) in (1..).zip(&log) {
            let text = message.bytes();
            let before = engine.sorted();
            let (answers, told) = engine.message_told(&text, sequence, message.log_time_ns);
            let (expected, expected_told) = twin.message_told(&text, sequence, message.log_time_ns);
            let answers = clear(answers);
            prop_assert_eq!(&answers, &clear(expected), "(engine, reference) {}: {:?}", sequence, message);
            let told = reflected(told, &expected_told);
            prop_assert_eq!(&told, &expected_told, "answers (engine, reference) {}: {:?}", sequence, message);
            let balances = twin.sorted();
            prop_assert_eq!(
                reflecting(engine.sorted(), &balances, &before),
                balances.clone(),
                "{}: {:?}",
                sequence,
                message
            );
            prop_assert_eq!(
                open(engine.open_exceptions()),
                twin.open_exceptions(),
                "behind {}: {:?}",
                sequence,
                message
            );
            note(&seen, &answers, &told, &twin.open_exceptions());
            // Time alone gives back what was claimed.
            let claimed_now: i64 = balances.iter().map(|balance| balance.claimed.reserved).sum();
            if claimed_now < claimed && message.is_tick() {
                *seen.borrow_mut().entry("expiry".to_owned()).or_default() += 1;
            }
            claimed = claimed_now;
            if sequence % 5 == 0 || sequence == log.len() as u64 {
                let questions = questions(&balances, number);
                let found = figures(&engine, &questions, message.buckets);
                let expected = figures(&twin, &questions, message.buckets);
                for (place, question) in questions.iter().enumerate() {
                    prop_assert_eq!(
                        &found[place],
                        &expected[place],
                        "{:?} behind {}: {:?}",
                        question,
                        sequence,
                        message
                    );
                }
            }
        }
        let end = log.len() as u64;
        let (answers, told) = engine.end_told(end);
        let (expected, expected_told) = twin.end_told(end);
        prop_assert_eq!(clear(answers), clear(expected), "(engine, reference) at the end");
        prop_assert_eq!(told, expected_told, "answers (engine, reference) at the end");
        prop_assert_eq!(engine.hash(), twin.hash());
        assert_books_balance(&engine.sorted());
        Ok(())
    });
    let seen = seen.into_inner();
    println!("{seen:?}");
    for (name, least) in WANTED {
        assert_met(&seen, name, least);
    }
}

/// All that can be seen of an engine.
fn seen_of(engine: &Engine, number: usize) -> (Vec<Balance>, String, BTreeSet<String>, Vec<Figures>, Vec<u8>) {
    let balances = engine.sorted();
    let figures = figures(engine, &questions(&balances, number), config(number).promise.horizon as usize);
    (balances, engine.hash(), engine.open_exceptions(), figures, engine.snapshot())
}

#[test]
fn a_snapshot_in_the_middle_changes_nothing() {
    check(250, &(plans(40), any::<prop::sample::Index>()), |((number, log), place)| {
        let place = place.index(log.len());
        let run = |engine: &mut Engine, log: &[Message], first: u64| -> Vec<_> {
            let places = (first..).zip(log);
            let tell = |(sequence, message): (u64, &Message)| {
                engine.message_told(&message.bytes(), sequence, message.log_time_ns)
            };
            places.map(tell).collect()
        };
        let mut straight = Engine::with(config(number));
        run(&mut straight, &log[..place], 1);
        let image = straight.snapshot();
        let mut restored = Engine::restore(&image, config(number)).expect("its own snapshot is valid");
        prop_assert_eq!(restored.snapshot(), image, "the image of an image");
        prop_assert_eq!(seen_of(&straight, number), seen_of(&restored, number), "restored");
        let rest = place as u64 + 1;
        prop_assert_eq!(run(&mut straight, &log[place..], rest), run(&mut restored, &log[place..], rest));
        prop_assert_eq!(seen_of(&straight, number), seen_of(&restored, number), "at the end");
        Ok(())
    });
}

#[test]
fn the_number_of_shards_changes_nothing() {
    check(250, &(plans(40), 2_usize..6), |((number, log), count)| {
        let shards = || Shards::new(count, Alone).expect("so many are possible").in_rounds_of(5);
        let mut whole = Engine::with(config(number));
        let mut parts = Engine::with_shards(config(number), *b"b key of 16 byte", shards());
        for (sequence, message) in (1..).zip(&log) {
            let (text, log_time_ns) = (message.bytes(), message.log_time_ns);
            let answers = whole.message_told(&text, sequence, log_time_ns);
            prop_assert_eq!(answers, parts.message_told(&text, sequence, log_time_ns), "{}: {:?}", sequence, message);
        }
        let (whole, parts) = (seen_of(&whole, number), seen_of(&parts, number));
        prop_assert_eq!((whole.0, whole.1, whole.2, whole.3), (parts.0, parts.1, parts.2, parts.3));
        Ok(())
    });
}

#[test]
fn the_cut_of_batches_changes_nothing() {
    check(250, &(plans(40), 1_usize..9), |((number, log), together)| {
        let (mut one_by_one, mut cut) = (Engine::with(config(number)), Engine::with(config(number)));
        let (mut told, mut told_together) = (Vec::new(), Vec::new());
        let (mut outcomes, mut outcomes_together) = (Vec::new(), Vec::new());
        let places: Vec<_> = (1..).zip(&log).collect();
        for messages in places.chunks(together) {
            let mut batch = Batch::with_keys();
            for (sequence, message) in messages {
                let (text, log_time_ns) = (message.bytes(), message.log_time_ns);
                let mut alone = Batch::with_keys();
                one_by_one.apply_message(&text, *sequence, log_time_ns, &mut alone).expect("messages are numbered");
                told.extend(of_batch(&alone));
                outcomes.extend(alone.outcomes);
                cut.apply_message(&text, *sequence, log_time_ns, &mut batch).expect("messages are numbered");
            }
            told_together.extend(of_batch(&batch));
            outcomes_together.extend(batch.outcomes);
        }
        prop_assert_eq!(outcomes, outcomes_together);
        prop_assert_eq!(told, told_together);
        prop_assert_eq!(seen_of(&one_by_one, number), seen_of(&cut, number));
        Ok(())
    });
}
