//! Sources bound to subjects: engine and twin agree on whose an event is, however the log is cut and the state divided,
//! and what is not its source's own leaves no trace.

mod common;
// Every test program is built with a copy of this file and uses its own part of it.
#[allow(dead_code)]
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use common::{Ledger, assert_met, check};
use stream::{CONFIGS, Message, PLAIN, logs};
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::shards::{Alone, Shards};
use tallystick_engine::{Batch, Engine};
use tallystick_reference::Reference;

const SECRET: [u8; 16] = *b"b key of 16 byte";

/// One of the configurations of random logs, with sources bound to subjects.
fn config(number: usize) -> Config {
    let bound = "source_subject = \"events.{source}\"\n";
    let text = match CONFIGS[number].split_once("[engine]\n") {
        Some((before, after)) => format!("{before}[engine]\n{bound}{after}"),
        None => format!("[engine]\n{bound}{}", CONFIGS[number]),
    };
    Config::parse(&text).expect("the configurations of this test are valid")
}

/// A message, and what it came on.
type Sent = (u64, i64, Vec<u8>, String);

/// Messages on the subject of their first event's source, on another one's, or on none's.
fn sent(log: &[Message], subjects: &[&str]) -> Vec<Sent> {
    let messages = (1..).zip(log).zip(subjects.iter().cycle());
    messages
        .map(|((sequence, message), subject)| {
            let subject = if *subject == "own" { message.drafts[0].source } else { subject };
            (sequence, message.log_time_ns, message.bytes(), format!("events.{subject}"))
        })
        .collect()
}

fn subjects() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(&["own", "own", "own", "own", "wms", "erp", "", "wms.x", "%77ms"][..]), 40)
}

fn apply(engine: &mut Engine, messages: &[Sent], batch: &mut Batch) {
    let messages = messages.iter().map(|(sequence, ns, bytes, subject)| (*sequence, *ns, &**bytes, subject.as_bytes()));
    engine.apply_messages_on(messages, batch).expect("the messages of this test follow each other");
}

#[test]
fn the_engine_equals_its_twin_on_any_subjects() {
    let met = RefCell::new(BTreeMap::<String, u32>::new());
    check(1_200, &(0..CONFIGS.len(), logs(40), subjects()), |(number, log, subjects)| {
        let mut engine = Engine::with(config(number));
        let mut twin = Reference::with(config(number));
        for (sequence, ns, bytes, subject) in &sent(&log, &subjects) {
            let (answers, told) = engine.message_told_on(Some(subject), bytes, *sequence, *ns);
            let expected = twin.message_told_on(Some(subject), bytes, *sequence, *ns);
            prop_assert_eq!(&(answers.clone(), told), &expected, "{} {}", subject, String::from_utf8_lossy(bytes));
            for answer in answers {
                *met.borrow_mut().entry(answer.outcome.name().to_owned()).or_default() += 1;
            }
        }
        prop_assert_eq!(engine.sorted(), twin.sorted());
        prop_assert_eq!(engine.hash(), twin.hash());
        Ok(())
    });
    let met = met.into_inner();
    for name in ["not_owner", "applied", "duplicate", "conflict", "malformed", "held"] {
        assert_met(&met, name, 100);
    }
}

#[test]
fn no_cut_and_no_number_of_shards_changes_whose_an_event_is() {
    let met = RefCell::new(BTreeMap::<&str, u32>::new());
    let cuts = vec(1_usize..20, 0..6);
    let division = (1_usize..=4, prop_oneof![1_usize..6, 20_usize..80]);
    let values = (0..CONFIGS.len(), logs(60), subjects(), cuts, division);
    check(1_000, &values, |(number, log, subjects, cuts, (parts, round))| {
        let messages = sent(&log, &subjects);
        let shards =
            Shards::new(parts.next_power_of_two(), Alone).expect("these parts are possible").in_rounds_of(round);
        let (mut whole, mut one_by_one) = (Engine::new(config(number), SECRET), Batch::new());
        for message in &messages {
            apply(&mut whole, std::slice::from_ref(message), &mut one_by_one);
        }
        let (mut divided, mut together) = (Engine::with_shards(config(number), SECRET, shards), Batch::new());
        let mut rest = &messages[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            apply(&mut divided, now, &mut together);
            rest = later;
        }
        apply(&mut divided, rest, &mut together);
        prop_assert_eq!(&together.outcomes, &one_by_one.outcomes);
        prop_assert_eq!(format!("{:?}", together.exceptions), format!("{:?}", one_by_one.exceptions));
        prop_assert_eq!(divided.state_hash(), whole.state_hash());
        prop_assert_eq!(divided.keys(), whole.keys());
        prop_assert_eq!(divided.sources_json(), whole.sources_json());
        for outcome in together.outcomes {
            *met.borrow_mut().entry(outcome.name()).or_default() += 1;
        }
        Ok(())
    });
    assert_met(&met.into_inner(), "not_owner", 100);
}

#[test]
fn what_is_not_its_sources_own_leaves_no_trace() {
    let values = (0..PLAIN, logs(40), subjects());
    let foreign = RefCell::new(BTreeMap::<&str, u32>::new());
    check(600, &values, |(number, log, subjects)| {
        // One event in each message, so that it can be left away whole.
        let log: Vec<_> =
            log.into_iter().map(|message| Message { drafts: message.drafts[..1].to_vec(), ..message }).collect();
        let messages = sent(&log, &subjects);
        let (mut all, mut batch) = (Engine::new(config(number), SECRET), Batch::new());
        apply(&mut all, &messages, &mut batch);
        // A source counts as heard of with what is its own alone.
        let mut own = messages.clone();
        for ((_, _, bytes, _), outcome) in own.iter_mut().zip(&batch.outcomes) {
            if *outcome == Outcome::NotOwner {
                *foreign.borrow_mut().entry("not_owner").or_default() += 1;
                *bytes = b"[]".to_vec();
            }
        }
        let (mut fewer, mut batch) = (Engine::new(config(number), SECRET), Batch::new());
        apply(&mut fewer, &own, &mut batch);
        prop_assert_eq!(all.keys(), fewer.keys());
        prop_assert_eq!(all.state_hash(), fewer.state_hash());
        prop_assert_eq!(all.sources_json(), fewer.sources_json());
        Ok(())
    });
    assert_met(&foreign.into_inner(), "not_owner", 100);
}
