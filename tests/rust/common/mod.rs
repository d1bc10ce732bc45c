//! The engine and its twin behind one interface, so that every test runs both. Holds no test.

// Every test program is built with a copy of this file and uses its own part of it.
#![allow(dead_code)]

pub(crate) mod promise;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::BuildHasher;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config as Cases, RngSeed, TestCaseResult, TestRunner};
use serde_json::Value;

use tallystick_contract::account::{ALL, Account};
use tallystick_contract::balance::Balance;
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_engine::Batch;
use tallystick_engine::Engine;
use tallystick_engine::ExceptionRecord;
use tallystick_reference::{Answer, Reference};

use promise::Told;

/// Where the tables stand.
pub(crate) const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scenarios");

/// What applies messages and can be asked for balances.
pub(crate) trait Ledger {
    fn with(config: Config) -> Self;
    /// What became of a message, and the answers to requests in it. It came on a subject, where that matters.
    fn message_told_on(
        &mut self,
        subject: Option<&str>,
        message: &[u8],
        sequence: u64,
        log_time_ns: i64,
    ) -> (Vec<Answer>, Vec<Told>);

    fn message_told(&mut self, message: &[u8], sequence: u64, log_time_ns: i64) -> (Vec<Answer>, Vec<Told>) {
        self.message_told_on(None, message, sequence, log_time_ns)
    }

    fn lines_told(&mut self, buffer: &[u8], first_sequence: u64) -> (Vec<Answer>, Vec<Told>);
    /// Releases what is held, as at the end of a replay.
    fn end_told(&mut self, sequence: u64) -> (Vec<Answer>, Vec<Told>);

    fn message(&mut self, message: &[u8], sequence: u64, log_time_ns: i64) -> Vec<Answer> {
        self.message_told(message, sequence, log_time_ns).0
    }

    fn lines(&mut self, buffer: &[u8], first_sequence: u64) -> Vec<Answer> {
        self.lines_told(buffer, first_sequence).0
    }

    fn end(&mut self, sequence: u64) -> Vec<Answer> {
        self.end_told(sequence).0
    }
    fn sorted(&self) -> Vec<Balance>;
    fn hash(&self) -> String;
    /// "code subject" of every exception that is open or acknowledged.
    fn open(&self) -> BTreeSet<String>;
    /// Replenishment signals that stand, by SKU and location.
    fn signals(&self) -> Vec<Value>;
}

impl Ledger for Engine {
    fn with(config: Config) -> Self {
        Self::new(config, *b"b key of 16 byte")
    }

    fn message_told_on(
        &mut self,
        subject: Option<&str>,
        message: &[u8],
        sequence: u64,
        log_time_ns: i64,
    ) -> (Vec<Answer>, Vec<Told>) {
        let mut batch = Batch::with_keys();
        match subject {
            None => self.apply_message(message, sequence, log_time_ns, &mut batch),
            Some(subject) => {
                let message = (sequence, log_time_ns, message, subject.as_bytes());
                self.apply_messages_on(std::iter::once(message), &mut batch)
            }
        }
        .expect("tests number their messages without gaps");
        (answers(&batch), promise::of_batch(&batch))
    }

    fn lines_told(&mut self, buffer: &[u8], first_sequence: u64) -> (Vec<Answer>, Vec<Told>) {
        let mut batch = Batch::with_keys();
        self.apply_ndjson(buffer, first_sequence, None, &mut batch).expect("tests number their lines without gaps");
        (answers(&batch), promise::of_batch(&batch))
    }

    fn end_told(&mut self, _: u64) -> (Vec<Answer>, Vec<Told>) {
        let mut batch = Batch::with_keys();
        self.release_held(&mut batch);
        (answers(&batch), promise::of_batch(&batch))
    }

    fn sorted(&self) -> Vec<Balance> {
        self.balances()
    }

    fn hash(&self) -> String {
        self.state_hash().to_string()
    }

    fn open(&self) -> BTreeSet<String> {
        self.open_exceptions()
    }

    fn signals(&self) -> Vec<Value> {
        serde_json::from_str(&self.replenishment(None, None, None).1).expect("signals are a list in JSON")
    }
}

impl Ledger for Reference {
    fn with(config: Config) -> Self {
        Self::new(config)
    }

    fn message_told_on(
        &mut self,
        subject: Option<&str>,
        message: &[u8],
        sequence: u64,
        log_time_ns: i64,
    ) -> (Vec<Answer>, Vec<Told>) {
        let answers = self.apply_message_on(subject, message, sequence, log_time_ns);
        (answers.into_iter().map(in_one_order).chain(followed(self)).collect(), promise::of_twin(self))
    }

    fn lines_told(&mut self, buffer: &[u8], first_sequence: u64) -> (Vec<Answer>, Vec<Told>) {
        let answers = self.apply_ndjson(buffer, first_sequence, None);
        (answers.into_iter().map(in_one_order).chain(followed(self)).collect(), promise::of_twin(self))
    }

    fn end_told(&mut self, sequence: u64) -> (Vec<Answer>, Vec<Told>) {
        self.release_held(sequence);
        (followed(self).collect(), promise::of_twin(self))
    }

    fn sorted(&self) -> Vec<Balance> {
        self.balances()
    }

    fn hash(&self) -> String {
        self.state_hash().to_string()
    }

    fn open(&self) -> BTreeSet<String> {
        self.open_exceptions()
    }

    fn signals(&self) -> Vec<Value> {
        self.replenishment().as_array().expect("signals are a list").clone()
    }
}

/// A batch in the form of the twin's answers: one for each element, then what followed for elements that were held, and
/// gaps.
fn answers(batch: &Batch) -> Vec<Answer> {
    let keys = batch.keys.as_ref().expect("the batch was made with keys");
    let exceptions: Vec<&ExceptionRecord> = batch.exceptions.iter().map(|exception| &**exception).collect();
    let answer = |(sequence, index, outcome): (u64, u32, Outcome), source: Option<String>, id: Option<String>| {
        let is_here = |exception: &&ExceptionRecord| {
            (exception.sequence, exception.index) == (sequence, index)
                // What time alone brings about is no part of an answer.
                && exception.outcome.is_some()
                && outcome != Outcome::Held
        };
        let here = || exceptions.iter().copied().filter(is_here);
        let codes = here().map(|exception| exception.code.to_string()).collect();
        let fields = here().flat_map(|exception| exception.fields.clone()).collect();
        in_one_order(Answer { sequence, index, source, id, outcome, codes, fields })
    };
    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let element = |place: usize| {
        let at = (batch.sequences[place], batch.indices[place], batch.outcomes[place]);
        answer(at, text(&keys[place].0), text(&keys[place].1))
    };
    let mut answers: Vec<_> = (0..batch.len()).map(element).collect();
    let mut gaps = exceptions.iter().filter_map(|exception| Some((*exception, exception.missing?))).peekable();
    for released in &batch.released {
        // A gap is told before the event that waited behind it.
        let before = |(gap, _): &(&ExceptionRecord, _)| (gap.sequence, gap.index) == (released.0, released.1);
        answers.extend(gaps.next_if(before).map(gap));
        answers.push(answer(*released, None, None));
    }
    answers.extend(gaps.map(gap));
    answers
}
fn gap((exception, (first, last)): (&ExceptionRecord, (u64, u64))) -> Answer {
    assert_eq!((&*exception.code, exception.outcome), ("sequence_gap", None));
    Answer {
        sequence: exception.sequence,
        index: exception.index,
        source: exception.source.as_deref().map(str::to_owned),
        id: None,
        outcome: Outcome::Held,
        codes: vec![format!("sequence_gap {first}-{last}")],
        fields: Vec::new(),
    }
}

/// What followed, without the keys of events that were held: a batch does not say them again.
fn followed(twin: &mut Reference) -> impl Iterator<Item = Answer> {
    std::mem::take(&mut twin.followed).into_iter().map(|answer| {
        let is_gap = answer.outcome == Outcome::Held;
        in_one_order(Answer { source: answer.source.filter(|_| is_gap), id: None, ..answer })
    })
}

/// Neither the order of codes nor what can still be read of a malformed element is part of the contract.
fn in_one_order(mut answer: Answer) -> Answer {
    answer.codes.sort_unstable();
    answer.fields.sort_unstable();
    if matches!(answer.outcome, Outcome::Malformed | Outcome::TooLarge) {
        (answer.source, answer.id) = (None, None);
    }
    answer
}

/// Fails unless each of the two books sums to zero over all positions.
pub(crate) fn assert_books_balance(balances: &[Balance]) {
    for is_claim in [false, true] {
        let book = |balance: &Balance| -> i128 {
            let accounts = ALL.iter().filter(|account| account.is_claim() == is_claim);
            accounts.map(|account| i128::from(balance.account(*account))).sum()
        };
        assert_eq!(
            balances.iter().map(book).sum::<i128>(),
            0,
            "the book of {} does not balance",
            if is_claim { "claims" } else { "stock" }
        );
    }
}

/// The sum of one account over all positions.
pub(crate) fn total(balances: &[Balance], account: Account) -> i64 {
    balances.iter().map(|balance| balance.account(account)).sum()
}

/// The bytes that a table means by a text, or by a list of parts.
pub(crate) fn bytes(text: &Value) -> Vec<u8> {
    match text {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(parts) => parts.iter().flat_map(bytes).collect(),
        part => match (part["repeat"].as_str(), part["hex"].as_str()) {
            (Some(text), _) => text.repeat(usize::try_from(part["times"].as_u64().unwrap()).unwrap()).into_bytes(),
            (_, Some(hex)) => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect(),
            _ => panic!("a part of `text` is a text, or has `repeat` and `times`, or `hex`"),
        },
    }
}

/// The seed of this run: random unless it is given, and printed, so that a failure can be run again.
pub(crate) fn seed() -> u64 {
    let given =
        std::env::var("TALLYSTICK_TEST_SEED").ok().map(|text| text.parse().expect("TALLYSTICK_TEST_SEED is a number"));
    let seed = given.unwrap_or_else(|| std::collections::hash_map::RandomState::new().hash_one("seed") >> 32);
    println!("TALLYSTICK_TEST_SEED={seed}");
    seed
}

/// Of how many cases one is tried: where the seed is always the same, more of them find nothing new.
pub(crate) fn share() -> u32 {
    std::env::var("TALLYSTICK_TEST_SHARE").map_or(1, |text| text.parse().expect("TALLYSTICK_TEST_SHARE is a number"))
}

/// Asserts that something was met often enough in a run of all cases: what is never met proves nothing.
pub(crate) fn assert_met<K: Ord + Debug + Borrow<str>>(met: &BTreeMap<K, u32>, name: &str, least: u32) {
    let count = met.get(name).copied().unwrap_or(0);
    assert!(count > 0 && count * share() >= least, "{name} was met too seldom: {met:?}");
}

/// Runs a property on many values, seeded by the run.
pub(crate) fn check<S: Strategy>(cases: u32, values: &S, property: impl Fn(S::Value) -> TestCaseResult)
where
    S::Value: Debug,
{
    let (seed, cases) = (seed(), cases.div_ceil(share()));
    let mut runner =
        TestRunner::new(Cases { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Cases::default() });
    let result = runner.run(values, property);
    result.unwrap_or_else(|failure| panic!("TALLYSTICK_TEST_SEED={seed}: {failure}"));
}
