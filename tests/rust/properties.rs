//! Properties of random logs: the engine equals its twin, whatever the cuts; order and repetition leave one state;
//! nothing is lost by a snapshot; the books balance.

mod common;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use common::{Ledger, assert_books_balance, assert_met, check};
use stream::{CONFIGS, Draft, Form, Message, PLAIN, draft, logs, well_formed};
use tallystick_contract::balance::Balance;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::Batch;
use tallystick_engine::Engine;
use tallystick_reference::{Answer, Reference};

/// Outcomes and codes that random logs must meet. Too large and overflow have scenarios of their own.
const WANTED: [&str; 17] = [
    "applied",
    "duplicate",
    "conflict",
    "absorbed",
    "malformed",
    "unknown_type",
    "quantity_invalid",
    "time_out_of_bounds",
    "negative_stock",
    "count_beyond_history",
    "short_pick",
    "duplicate_suspect",
    "swapped",
    "held",
    "late",
    "sequence_missing",
    "sequence_gap",
];

fn config(number: usize) -> Config {
    Config::parse(CONFIGS[number]).expect("the configurations of this test are valid")
}

fn run<L: Ledger>(ledger: &mut L, log: &[Message], first_sequence: u64) -> Vec<Answer> {
    (first_sequence..)
        .zip(log)
        .flat_map(|(sequence, message)| ledger.message(&message.bytes(), sequence, message.log_time_ns))
        .collect()
}

/// Balances without the log sequences that they reflect, which depend on how a log is cut.
fn amounts(ledger: &impl Ledger) -> Vec<Balance> {
    ledger.sorted().into_iter().map(|balance| Balance { version: 0, ..balance }).collect()
}

#[test]
fn the_engine_equals_its_twin() {
    let seen = RefCell::new(BTreeMap::<String, u32>::new());
    check(1_500, &(0..CONFIGS.len(), logs(40)), |(number, log)| {
        let mut engine = Engine::with(config(number));
        let mut twin = Reference::with(config(number));
        for (sequence, message) in (1..).zip(&log) {
            let text = message.bytes();
            let answers = engine.message(&text, sequence, message.log_time_ns);
            let expected = twin.message(&text, sequence, message.log_time_ns);
            prop_assert_eq!(&answers, &expected, "(engine, reference) {}", String::from_utf8_lossy(&text));
            for answer in answers {
                *seen.borrow_mut().entry(answer.outcome.name().to_owned()).or_default() += 1;
                for code in answer.codes.into_iter().filter(|code| code != answer.outcome.name()) {
                    let code = code.split(' ').next().unwrap_or_default();
                    *seen.borrow_mut().entry(code.to_owned()).or_default() += 1;
                }
            }
        }
        prop_assert_eq!(engine.sorted(), twin.sorted());
        prop_assert_eq!(engine.hash(), twin.hash());
        assert_books_balance(&engine.sorted());
        Ok(())
    });
    // Logs that never meet an outcome would prove nothing about it.
    let seen = seen.into_inner();
    println!("{seen:?}");
    for name in WANTED {
        assert_met(&seen, name, 20);
    }
}

#[test]
fn the_engine_equals_its_twin_in_replay() {
    check(800, &(0..CONFIGS.len(), prop::collection::vec(draft(), 0..120)), |(number, drafts)| {
        let file = drafts.iter().map(Draft::json).collect::<Vec<_>>().join("\n");
        let (mut engine, mut twin) = (Engine::with(config(number)), Reference::with(config(number)));
        prop_assert_eq!(engine.lines(file.as_bytes(), 1), twin.lines(file.as_bytes(), 1));
        prop_assert_eq!(engine.end(drafts.len() as u64), twin.end(drafts.len() as u64));
        prop_assert_eq!(engine.sorted(), twin.sorted());
        prop_assert_eq!(engine.hash(), twin.hash());
        Ok(())
    });
}

#[test]
fn cuts_into_messages_change_nothing() {
    let drafts = prop::collection::vec(draft().prop_filter("breaks no neighbour", |draft| !draft.is_torn()), 1..60);
    check(500, &(0..PLAIN, drafts, 1_usize..10), |(number, drafts, size)| {
        let cut = |size: usize, form: Form| {
            let mut ledger = Engine::with(config(number));
            let log: Vec<_> = drafts
                .chunks(size)
                .map(|drafts| Message { drafts: drafts.to_vec(), form, log_time_ns: stream::BASE_NS })
                .collect();
            let answers = run(&mut ledger, &log, 1);
            let kept: Vec<_> = answers
                .into_iter()
                .map(|answer| (answer.source, answer.id, answer.outcome, answer.codes, answer.fields))
                .collect();
            (kept, amounts(&ledger), ledger.hash())
        };
        let single = cut(1, Form::One);
        for form in [Form::Array, Form::Lines] {
            prop_assert_eq!(&single, &cut(size, form), "cut by {} as {:?}", size, form);
            prop_assert_eq!(&single, &cut(drafts.len(), form), "one message as {:?}", form);
        }
        Ok(())
    });
}

#[test]
fn cuts_into_batches_change_nothing() {
    check(300, &(0..PLAIN, logs(20)), |(number, log)| {
        let mut whole = Engine::with(config(number));
        let mut batch = Batch::new();
        let mut apart = Engine::with(config(number));
        let mut outcomes: Vec<Outcome> = Vec::new();
        for (sequence, message) in (1..).zip(&log) {
            whole.apply_message(&message.bytes(), sequence, message.log_time_ns, &mut batch).unwrap();
            outcomes.extend(
                apart.message(&message.bytes(), sequence, message.log_time_ns).iter().map(|answer| answer.outcome),
            );
        }
        prop_assert_eq!(batch.outcomes, outcomes);
        prop_assert_eq!(whole.sorted(), apart.sorted());
        Ok(())
    });
}

#[test]
fn order_and_repetition_leave_one_state() {
    let shuffled = prop::collection::vec(well_formed(), 1..60).prop_flat_map(|mut drafts| {
        for (id, draft) in drafts.iter_mut().enumerate() {
            draft.id = format!("e{id}");
        }
        let repeated: Vec<Draft> = drafts.iter().chain(drafts.iter().step_by(3)).cloned().collect();
        (Just(drafts), Just(repeated).prop_shuffle())
    });
    check(600, &shuffled, |(in_order, shuffled)| {
        let file = |drafts: &[Draft]| drafts.iter().map(Draft::json).collect::<Vec<_>>().join("\n");
        let mut first = Engine::with(Config::default());
        first.lines(file(&in_order).as_bytes(), 1);
        let mut second = Engine::with(Config::default());
        let answers = second.lines(file(&shuffled).as_bytes(), 1);
        let mut twin = Reference::with(Config::default());
        twin.lines(file(&shuffled).as_bytes(), 1);
        let duplicates = answers.iter().filter(|answer| answer.outcome == Outcome::Duplicate).count();
        prop_assert_eq!(duplicates, shuffled.len() - in_order.len());
        prop_assert_eq!(amounts(&first), amounts(&second));
        prop_assert_eq!(amounts(&second), amounts(&twin));
        prop_assert_eq!((first.hash(), second.hash()), (second.hash(), twin.hash()));
        assert_books_balance(&second.sorted());
        Ok(())
    });
}

/// Events that are never refused, numbered as their source's order asks, and the same in an order that the bounds of
/// holding allow for.
fn shuffled_within_bounds(per_position: bool) -> impl Strategy<Value = (Vec<Draft>, Vec<Draft>)> {
    let drafts = prop::collection::vec(well_formed(), 1..60);
    (drafts, prop::collection::vec(0_usize..HELD_MAX, 60)).prop_map(move |(mut drafts, delays)| {
        let mut next = BTreeMap::new();
        for (id, draft) in drafts.iter_mut().enumerate() {
            draft.id = format!("e{id}");
            draft.source = "wms";
            let track = if per_position { draft.position() } else { String::new() };
            let number = next.entry(track).or_insert(0_u64);
            *number += 1;
            draft.sequence = *number;
        }
        // No event comes more than so many places later than its own.
        let mut places: Vec<_> = delays.iter().zip(0..).map(|(delay, place)| (place + delay, place)).collect();
        places.truncate(drafts.len());
        places.sort_unstable();
        let shuffled = places.into_iter().map(|(_, place)| drafts[place].clone()).collect();
        (drafts, shuffled)
    })
}

/// What a source of [`shuffled_within_bounds`] may have held at once.
const HELD_MAX: usize = 12;

#[test]
fn what_comes_within_the_bounds_of_holding_is_as_good_as_in_order() {
    let orders = any::<bool>().prop_flat_map(|per_position| (Just(per_position), shuffled_within_bounds(per_position)));
    check(600, &orders, |(per_position, (in_order, shuffled))| {
        let order = if per_position { "position" } else { "source" };
        // Refusals depend on the order, so that one which was not restored would show.
        let text = format!(
            "[engine]\nnegative_stock = \"refuse\"\nhistory_max = 2\n[sources.wms]\norder = \"{order}\"\nheld_max = {HELD_MAX}\n"
        );
        let run = |drafts: &[Draft]| {
            let mut engine = Engine::with(Config::parse(&text).unwrap());
            let mut finals = BTreeMap::new();
            for (sequence, draft) in (1..).zip(drafts) {
                let answers = engine.message(draft.json().as_bytes(), sequence, stream::BASE_NS);
                let places = answers.into_iter().map(|answer| (answer.sequence, answer.outcome));
                let id = |place: u64| drafts[usize::try_from(place).unwrap() - 1].id.clone();
                finals.extend(places.map(|(place, outcome)| (id(place), outcome)));
            }
            (finals, amounts(&engine), engine.hash())
        };
        let expected = run(&in_order);
        prop_assert!(!expected.0.values().any(|outcome| matches!(outcome, Outcome::Held | Outcome::Late)));
        prop_assert_eq!(run(&shuffled), expected);
        Ok(())
    });
}

#[test]
fn a_snapshot_in_the_middle_changes_nothing() {
    check(400, &(0..CONFIGS.len(), logs(40), any::<prop::sample::Index>()), |(number, log, place)| {
        let place = place.index(log.len());
        let mut straight = Engine::with(config(number));
        run(&mut straight, &log[..place], 1);
        let image = straight.snapshot();
        let mut restored = Engine::restore(&image, config(number)).expect("its own snapshot is valid");
        prop_assert_eq!(restored.snapshot(), image, "the image of an image");
        let rest = place as u64 + 1;
        prop_assert_eq!(run(&mut straight, &log[place..], rest), run(&mut restored, &log[place..], rest));
        prop_assert_eq!(straight.sorted(), restored.sorted());
        prop_assert_eq!(straight.hash(), restored.hash());
        prop_assert_eq!(straight.snapshot(), restored.snapshot());
        Ok(())
    });
}
