//! Random events, messages and logs over small alphabets, so that keys, positions and times meet often. Holds no test.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tallystick_contract::instant;

/// 2026-03-01T12:00:00Z, where random logs begin.
pub(crate) const BASE_NS: i64 = 1_772_366_400 * SECOND_NS;
const SECOND_NS: i64 = 1_000_000_000;

/// Configurations under which a log may be cut anywhere: what is released is answered with the message that releases
/// it, so those that hold come last.
pub(crate) const PLAIN: usize = 6;
/// What random logs are run under.
pub(crate) const CONFIGS: [&str; 8] = [
    "",
    "[engine]\nnegative_stock = \"refuse\"\nhistory_max = 2\n[sources.wms]\nmax_age = \"none\"\n",
    "[engine]\nnegative_stock = \"allow\"\nhistory_max = 1\nduplicate_suspect = true\n[types.in]\nalias = \"stock.received\"\n",
    "[engine]\ndedup_window = \"48s\"\nmax_age = \"10m\"\nhistory_max = 3\n",
    "[engine]\ndedup_keys_max = 5\ndedup_window = \"24m\"\nmax_ahead = \"1s\"\n",
    "[types.swap]\nquantity = \"signed\"\npostings = [[\"on_hand\", \"on_hand@to_location\"]]\nexception = \"swapped\"\n\
     [safety_stock]\ndefault = 2\n",
    "[sources.wms]\norder = \"source\"\ngap_wait = \"30s\"\nheld_max = 4\n\
     [sources.erp]\norder = \"position\"\ngap_wait = \"2m\"\nheld_max = 3\n",
    "[engine]\nnegative_stock = \"refuse\"\nhistory_max = 2\n[sources.wms]\norder = \"increasing\"\n\
     [sources.erp]\norder = \"source\"\ngap_wait = \"5s\"\n",
];

const TYPES: [&str; 14] = [
    "stock.received",
    "stock.adjusted",
    "stock.counted",
    "stock.moved",
    "stock.reserved",
    "stock.unreserved",
    "stock.allocated",
    "stock.deallocated",
    "stock.picked",
    "stock.short_picked",
    "stock.shipped",
    "stock.sold",
    "transfer.dispatched",
    "transfer.received",
];
const PHYSICAL: [&str; 3] = ["on_hand", "quarantine", "damaged"];

/// An event before it is written down. A text field is left away where it is empty.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) source: &'static str,
    kind: &'static str,
    place: [&'static str; 5],
    quantity: String,
    time: String,
    statuses: [&'static str; 2],
    document: &'static str,
    line: &'static str,
    /// Zero for none.
    pub(crate) sequence: u64,
    flaw: Flaw,
}

/// What is wrong with an event's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// The data form instead of the compact one; no flaw at all.
    Data,
    /// A known field twice.
    Twice,
    /// A value that is not JSON, within brackets that balance.
    Broken,
    /// Brackets that do not balance.
    Torn,
}

impl Draft {
    /// Whether the text would break its neighbours in an array.
    pub(crate) fn is_torn(&self) -> bool {
        self.flaw == Flaw::Torn
    }

    /// SKU and location.
    pub(crate) fn position(&self) -> String {
        self.place[..2].join("/")
    }

    /// The event's JSON, or what its flaw leaves of it.
    pub(crate) fn json(&self) -> String {
        let text =
            |name: &str, value: &str| if value.is_empty() { String::new() } else { format!(",\"{name}\":\"{value}\"") };
        let names = ["sku", "location", "to_location", "lot", "owner"];
        let place: String = names.iter().zip(self.place).map(|(name, value)| text(name, value)).collect();
        let [from, to] = self.statuses;
        let line = if self.line.is_empty() { String::new() } else { format!(",\"line\":{}", self.line) };
        let statuses = text("from_status", from) + &text("to_status", to);
        let fields =
            format!("\"quantity\":{}{place}{statuses}{}{line}", self.quantity, text("document", self.document));
        let head = format!(
            "{{\"id\":\"{}\",\"source\":\"{}\",\"type\":\"{}\"{}{}",
            self.id,
            self.source,
            self.kind,
            text("time", &self.time),
            if self.sequence == 0 { String::new() } else { format!(",\"sequence\":{}", self.sequence) }
        );
        match self.flaw {
            Flaw::None => format!("{head},{fields}}}"),
            Flaw::Data => format!("{head},\"data\":{{{fields}}}}}"),
            Flaw::Twice => format!("{head},{fields},\"data\":{{\"quantity\":1}}}}"),
            Flaw::Broken => format!("{head},{fields},\"x\":[1,]}}"),
            Flaw::Torn => format!("{head},{fields},\"x\":{{"),
        }
    }
}

/// How a message holds its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    One,
    Array,
    Lines,
}

/// Some events and when the log saw them.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) form: Form,
    pub(crate) log_time_ns: i64,
}

impl Message {
    /// The message's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let events: Vec<_> = self.drafts.iter().map(Draft::json).collect();
        match self.form {
            Form::One => events[0].clone().into_bytes(),
            Form::Array => format!("[{}]", events.join(",")).into_bytes(),
            Form::Lines => events.join("\n").into_bytes(),
        }
    }
}

/// Any event: mostly well-formed, now and then wrong in any of the ways that the contract names.
pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![60 => select(&TYPES[..]), 3 => Just("stock.returned"), 3 => select(&["in", "swap", "unknown.type"][..])];
    let quantity = prop_oneof![20 => (1..20_i64).prop_map(|halves| format!("{}.{}", halves / 2, halves % 2 * 5)), 1 => select(
        &["0", "-1", "-2.5", "1e1", "\"3\"", "0.0001", "1e12", "\"x\"", "null", "true"][..]).prop_map(str::to_owned)];
    let time = prop_oneof![5 => Just(String::new()), 20 => near(), 1 => select(
        &["2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z", "9999-12-31T23:59:59Z", "never"][..]).prop_map(str::to_owned)];
    let status =
        || prop_oneof![12 => Just(""), 8 => select(&PHYSICAL[..]), 1 => select(&["reserved", "picked", "nowhere"][..])];
    let flaw = prop_oneof![60 => Just(Flaw::None), 10 => Just(Flaw::Data), 1 => Just(Flaw::Twice),
        1 => Just(Flaw::Torn), 1 => Just(Flaw::Broken)];
    let source = select(&["wms", "erp"][..]);
    let document = prop_oneof![8 => Just(""), 3 => select(&["PO1", "PO2"][..])];
    let line = prop_oneof![40 => Just(""), 10 => select(&["1", "2"][..]), 1 => Just("1.5")];
    let sequence = prop_oneof![1 => Just(0), 20 => 1..25_u64];
    let parts =
        (0..200_u8, source, kind, place(), quantity, time, status(), status(), document, (line, flaw, sequence));
    parts.prop_map(|(id, source, kind, place, quantity, time, from, to, document, (line, flaw, sequence))| {
        let (id, statuses) = (id.to_string(), fitting(kind, from, to).into());
        Draft { id, source, kind, place, quantity, time, statuses, document, line, sequence, flaw }
    })
}

/// An event that is never refused, with a time of its own.
pub(crate) fn well_formed() -> impl Strategy<Value = Draft> {
    let parts = (
        select(&["wms", "erp"][..]),
        select(&TYPES[..]),
        place(),
        1..100_u8,
        near(),
        select(&PHYSICAL[..]),
        select(&PHYSICAL[..]),
    );
    parts.prop_map(|(source, kind, place, quantity, time, from, to)| {
        let statuses =
            if kind == "stock.moved" { [from, to] } else { ["", if kind == "stock.received" { to } else { "" }] };
        let (id, quantity) = (String::new(), quantity.to_string());
        Draft {
            id,
            source,
            kind,
            place,
            quantity,
            time,
            statuses,
            document: "",
            line: "",
            sequence: 0,
            flaw: Flaw::None,
        }
    })
}

/// How an event comes again.
#[derive(Debug, Clone, Copy)]
enum Repeat {
    Same,
    OtherBody,
    OtherKey,
}

impl Repeat {
    fn of(self, draft: &Draft, number: usize) -> Draft {
        match self {
            Self::Same => draft.clone(),
            Self::OtherBody => Draft { quantity: "77".to_owned(), ..draft.clone() },
            Self::OtherKey => Draft { id: format!("again-{number}"), ..draft.clone() },
        }
    }
}

/// A log of messages whose stamps mostly grow, in which events come again.
pub(crate) fn logs(messages_max: usize) -> impl Strategy<Value = Vec<Message>> {
    let step_s = prop_oneof![20 => 0..20_i64, 2 => -100..0_i64, 1 => 600..8_000_i64];
    let form = select(&[Form::One, Form::One, Form::Array, Form::Lines][..]);
    let repeat = (any::<Index>(), select(&[Repeat::Same, Repeat::Same, Repeat::OtherBody, Repeat::OtherKey][..]));
    // A clock that is wrong for one message.
    let ahead_s = prop_oneof![40 => Just(0), 1 => 600..3_000_000_i64];
    let message = (vec(draft(), 1..6), form, (step_s, ahead_s), vec(repeat, 0..3));
    vec(message, 1..messages_max).prop_map(|messages| {
        let mut log_time_ns = BASE_NS;
        let mut earlier = Vec::new();
        let stamped = messages.into_iter().map(|(mut drafts, form, (step_s, ahead_s), repeats)| {
            log_time_ns += step_s * SECOND_NS;
            earlier.extend(drafts.clone());
            let again = repeats.into_iter().enumerate();
            drafts.extend(
                again.map(|(number, (place, repeat))| repeat.of(place.get(&earlier), earlier.len() * 4 + number)),
            );
            Message { drafts, form, log_time_ns: log_time_ns + ahead_s * SECOND_NS }
        });
        stamped.collect()
    })
}

/// Names of a position, with a `to_location`.
fn place() -> impl Strategy<Value = [&'static str; 5]> {
    let rare = |name| prop_oneof![6 => Just(""), 1 => Just(name)];
    let location = || select(&["DC1", "DC2"][..]);
    (select(&["A", "B"][..]), location(), location(), rare("L1"), rare("O1"))
        .prop_map(|(sku, location, to, lot, owner)| [sku, location, to, lot, owner])
}

/// One of a few times around the log's beginning, in several spellings of the same instants.
fn near() -> impl Strategy<Value = String> {
    (-20..5_i64, any::<bool>()).prop_map(|(tens, is_zulu)| {
        let text = instant::format(BASE_NS + tens * 10 * SECOND_NS);
        if is_zulu { text } else { text.replace('Z', "+00:00") }
    })
}

/// Mostly the statuses that the type asks for, so that not every second event is malformed.
fn fitting(kind: &str, from: &'static str, to: &'static str) -> (&'static str, &'static str) {
    match (kind, from, to) {
        ("stock.moved", "", "") => ("on_hand", "quarantine"),
        ("stock.moved", ..) => (from, to),
        ("stock.received" | "stock.returned", _, to) => ("", to),
        ("stock.allocated", "quarantine", _) => ("reserved", ""),
        // A status that the type does not use is kept only where it names nothing of use.
        (_, _, "picked") => ("", to),
        _ => ("", ""),
    }
}
