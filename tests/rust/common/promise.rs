//! Answers to requests and figures of positions and groups, asked for in one form of engine and twin. Holds no test.

use serde_json::{Map, Value, json};

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;
use tallystick_contract::instant::{self, ParsedInstant};
use tallystick_engine::Batch;
use tallystick_engine::Engine;
use tallystick_reference::Reference;

/// An answer, with the subject that it goes to beside its members.
pub(crate) type Told = Map<String, Value>;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    pub(crate) sku: String,
    /// A location, or else a group.
    pub(crate) location: String,
    pub(crate) group: String,
    pub(crate) lot: String,
    pub(crate) owner: String,
    pub(crate) channel: String,
    pub(crate) measure: String,
    pub(crate) mode: Mode,
}

/// Figures of the first buckets, in thousandths; nothing where one is unlimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The day or hour of bucket 0; empty where it is not known.
    pub(crate) first: String,
    pub(crate) available: Vec<Option<i64>>,
    /// Of a group in bucket 0; an empty list for none.
    pub(crate) signed: Vec<Option<i64>>,
}

/// What can be asked for figures.
pub(crate) trait Promises {
    /// The figures of so many buckets, as [`Figures`] says.
    fn figures_of(&self, question: &Question, buckets: usize) -> Figures;
}

impl Question {
    fn key(&self) -> PositionKey {
        let Self { sku, location, lot, owner, .. } = self.clone();
        PositionKey { sku, location, lot, owner }
    }

    fn json(&self) -> Value {
        let mut place = Map::new();
        for (name, text) in [
            ("sku", &self.sku),
            ("location", &self.location),
            ("group", &self.group),
            ("lot", &self.lot),
            ("owner", &self.owner),
        ] {
            if !text.is_empty() {
                place.insert(name.to_owned(), text.as_str().into());
            }
        }
        let mut question = json!({"positions": [place], "mode": self.mode.name(), "horizon": true});
        for (name, text) in [("channel", &self.channel), ("measure", &self.measure)] {
            if !text.is_empty() {
                question[name] = text.as_str().into();
            }
        }
        question
    }
}

impl Promises for Engine {
    fn figures_of(&self, question: &Question, buckets: usize) -> Figures {
        let text = self.promise(&question.json().to_string());
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        if answer["error"].as_str().is_some_and(|error| error.starts_with("group: ")) {
            return Figures { first: String::new(), available: Vec::new(), signed: Vec::new() };
        }
        let answer = answer["answers"].get(0).unwrap_or_else(|| panic!("{question:?}: {text}"));
        if answer.get("known") == Some(&Value::Bool(false)) {
            let signed = if question.group.is_empty() { Vec::new() } else { vec![Some(0)] };
            return Figures { first: String::new(), available: vec![Some(0); buckets], signed };
        }
        let steps = answer["horizon"].as_array().unwrap_or_else(|| panic!("{question:?}: {text}"));
        let bucket = |step: &Value| step[0].as_str().expect("a bucket is a day or an hour").to_owned();
        let mut available = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            let end = steps.get(place + 1).map_or(buckets, |next| apart(&bucket(&steps[0]), &bucket(next)));
            available.resize(end.max(available.len()), thousandths(&step[1]));
        }
        available.truncate(buckets);
        let first = steps.first().map(bucket).unwrap_or_default();
        Figures { first, available, signed: answer.get("signed").map(thousandths).into_iter().collect() }
    }
}

impl Promises for Reference {
    fn figures_of(&self, question: &Question, buckets: usize) -> Figures {
        let Question { sku, location, group, channel, measure, mode, .. } = question;
        let channel = Some(&**channel).filter(|channel| !channel.is_empty());
        let measure = Some(&**measure).filter(|measure| !measure.is_empty());
        let (mut available, signed) = if group.is_empty() {
            let figures = match channel {
                None => self.figures(&question.key(), *mode, measure),
                channel => self.figures_for(&question.key(), channel, *mode),
            };
            (figures, Vec::new())
        } else {
            let figures = self.group_figures(sku, group, channel, *mode);
            figures.map_or((vec![Some(0); buckets], vec![Some(0)]), |mut figures| {
                figures.signed.truncate(1);
                (figures.available, figures.signed)
            })
        };
        available.truncate(buckets);
        let first = if group.is_empty() { self.bucket_text(location, 0) } else { String::new() };
        Figures { first, available, signed }
    }
}

/// The answers of a batch.
pub(crate) fn of_batch(batch: &Batch) -> Vec<Told> {
    let told = |(reply, body): (&str, &[u8])| {
        let body = serde_json::from_slice(body);
        told(reply, body.unwrap_or_else(|error| panic!("an answer is JSON: {error}")))
    };
    batch.answers.iter().map(|answer| (&*answer.reply, &*answer.body)).map(told).collect()
}

/// The answers of the twin since it was asked last.
pub(crate) fn of_twin(twin: &mut Reference) -> Vec<Told> {
    std::mem::take(&mut twin.answers).into_iter().map(|answer| told(&answer.reply, answer.body)).collect()
}

/// What is said in words is nobody's contract.
fn told(reply: &str, body: Value) -> Told {
    let Value::Object(mut body) = body else { panic!("an answer is an object, not {body}") };
    body.remove("why");
    body.insert("reply".to_owned(), reply.into());
    body
}

/// Whether what was found says all that was expected: members that were not named are not compared, lists are compared
/// whole.
pub(crate) fn says(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| found.get(name).is_some_and(|found| says(found, expected)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| says(found, expected))
        }
        (Value::Number(_), Value::Number(_)) => thousandths(found) == thousandths(expected),
        (found, expected) => found == expected,
    }
}

/// How many buckets lie between two.
fn apart(from: &str, to: &str) -> usize {
    let whole = |text: &str| if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let ns = |text: &str| match instant::parse(whole(text).as_bytes()) {
        ParsedInstant::Exact(ns) => ns,
        _ => panic!("{text:?} is no bucket"),
    };
    let length_ns = if from.len() == 10 { 86_400_000_000_000 } else { 3_600_000_000_000 };
    usize::try_from((ns(to) - ns(from)) / length_ns).expect("buckets ascend")
}

/// Thousandths of a number; nothing of a null.
pub(crate) fn thousandths(value: &Value) -> Option<i64> {
    if value.is_null() {
        return None;
    }
    let number = value.to_string();
    let (units, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let (sign, units) = units.strip_prefix('-').map_or((1, units), |units| (-1, units));
    let amount: i64 = format!("{units}{fraction:0<3}").parse().unwrap_or_else(|_| panic!("{number} is no amount"));
    Some(sign * amount)
}
