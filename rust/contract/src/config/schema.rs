//! The schema: every table and key of the configuration with its form, its default and what it is for. What has
//! another form is refused here, by name and with the cure. What values mean together, `validate` decides.

use serde_json::{Map, Value, json};

use crate::limits::{CORRECTIONS_MAX, EXCEPTIONS_KEPT_DEFAULT, HELD_MAX, HISTORY_MAX, HOPS_DEFAULT, HORIZON_MAX};

/// Settings of the process around the engine, which are somebody else's.
const PROCESS: [&str; 5] = ["nats", "input", "output", "snapshots", "process"];
/// Characters of a value that a message repeats.
const SHOWN_MAX: usize = 60;

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Whole(i64, i64),
    /// A text.
    Text,
    /// A duration such as `"24h"`.
    Duration,
    /// A number, or a text with one.
    Quantity,
    /// A quantity, or days of demand such as `"7d"`.
    Level,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of some words.
    Words(&'static [&'static str]),
    /// A list of pairs of accounts.
    Pairs,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// A table in which each name has a value of this form.
    Named(&'static Form),
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// As TOML. Empty: nothing, unless it is given.
    pub(super) default: &'static str,
    /// Whether its table means nothing without it.
    is_needed: bool,
    pub(super) about: &'static str,
}

use Form::{Duration, Flag, Level, Named, OneOf, Pairs, Quantity, Table, Tables, Text, Texts, Whole, Words};

const fn key(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Key {
    Key { name, form, default, is_needed: false, about }
}

const fn needed(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, default: "", is_needed: true, about }
}

/// None of the limits is near to what does not fit.
const fn limit(value: u64) -> i64 {
    value.cast_signed()
}

const COUNT: Form = Whole(0, i64::MAX);
const PERCENT: Form = Whole(0, 100);
/// Of an amount that may be more than doubled.
const SHARE: Form = Whole(0, u32::MAX as i64);
const BUCKETS: Form = Whole(1, HORIZON_MAX as i64);
const BUCKETS_OR_NONE: Form = Whole(0, HORIZON_MAX as i64);
/// Which there are is looked at afterwards: the configuration may name further ones.
const TEAM: Form = Text;
const ROLE: Form = OneOf(&["owner", "contributor", "observer", "refused"]);
const PAST_DUE: Form = OneOf(&["exception", "drop", "slide", "keep"]);
const MODE: Form = OneOf(&[
    "on_hand",
    "period_net",
    "discrete",
    "discrete_running_total",
    "cumulative",
    "look_ahead",
    "backward",
    "backward_accumulated",
]);

const ENGINE: [Key; 12] = [
    key("negative_stock", OneOf(&["allow", "flag", "refuse"]), "\"flag\"", "what happens below zero"),
    key("dedup_window", Duration, "\"24h\"", "how long a key is remembered, by the log's time"),
    key("dedup_keys_max", Whole(1, i64::MAX), "100000000", "keys that are remembered at most"),
    key("history_max", Whole(1, HISTORY_MAX as i64), "64", "movements that are kept of each position"),
    key("max_age", Duration, "", "how old an event may be; without it: dedup_window"),
    key("max_ahead", Duration, "\"5m\"", "how far ahead of the log an event may be"),
    key("log_time_jump_max", Duration, "\"1h\"", "how far one message may move the log's time, unless it is confirmed"),
    key("duplicate_suspect", Flag, "false", "whether events that look like a repetition are pointed out"),
    key("corrections_max", Whole(0, limit(CORRECTIONS_MAX)), "10000000", "how many events back can be corrected"),
    key("operators", Texts, "[\"operator\"]", "sources that decide about exceptions, approvals and configuration"),
    key("unregistered", OneOf(&["accept", "flag", "refuse"]), "\"accept\"", "what becomes of sources without a table"),
    key("source_subject", Text, "", "which subject each source must speak on, such as \"tallystick.events.{source}\""),
];

const SOURCE: [Key; 12] = [
    key("order", OneOf(&["arrival", "source", "position", "increasing"]), "\"arrival\"", "the order that it promises"),
    key("gap_wait", Duration, "\"5m\"", "how long what comes too early is held; for order source and position"),
    key(
        "held_max",
        Whole(1, limit(HELD_MAX as u64)),
        "1000",
        "events that are held at most; for order source and position",
    ),
    key("max_age", Duration, "", "how old its events may be; without it: engine.max_age"),
    key("max_ahead", Duration, "", "how far ahead of the log they may be; without it: engine.max_ahead"),
    key("dedup_window", Duration, "", "how old its events may be, where that is less than engine.dedup_window"),
    key("team", Text, "", "who looks after it"),
    key("alert_lag", Duration, "", "from which lag on an exception says so"),
    key("alert_refusals_percent", PERCENT, "", "from which share of refusals on an exception says so"),
    key("replay_procedure", Text, "", "how its events are got once more"),
    key("quality_percent", PERCENT, "", "share of its events that should be accepted"),
    key("documents", Text, "", "sources with the same name here share document numbers"),
];

const STATUS: [Key; 2] = [
    needed("allowed", Texts, "accounts that an event may name"),
    key("default", Text, "", "the account where it names none"),
];

const TYPE: [Key; 8] = [
    key("alias", Text, "", "the type that it is another name of"),
    key("quantity", OneOf(&["positive", "signed", "count"]), "", "which quantities it takes"),
    key("from_status", Table(&STATUS), "", "accounts that it may take from"),
    key("to_status", Table(&STATUS), "", "accounts that it may give to"),
    key("postings", Pairs, "[]", "from which account to which"),
    key("exception", Text, "", "code of an exception that each of its events raises"),
    key(
        "flow",
        OneOf(&["reserve", "allocate", "pick", "unpick", "ship", "receive", "return"]),
        "",
        "which step of an order line it is",
    ),
    key("back", Flag, "false", "whether it takes that step back"),
];

const OWNERSHIP: [Key; 5] = [
    key("preset", Text, "", "a policy that ships: wms_erp_oms"),
    key("default", ROLE, "", "what a source is where no rule fits: owner, under a preset observer"),
    key("survivorship", Words(&["owner", "newest", "priority"]), "", "what decides between counts, in this order"),
    key("location_sets", Named(&Texts), "{}", "names for lists of locations"),
    key("rules", Tables(&OWNERSHIP_RULE), "[]", "who may say what; the first that fits decides"),
];
const OWNERSHIP_RULE: [Key; 8] = [
    key("sources", Texts, "[]", "whose events; none: everybody's"),
    key("types", Texts, "[]", "of which types; none: all"),
    key("accounts", Texts, "[]", "of which accounts; none: all"),
    key("locations", Texts, "[]", "at which locations; none: all"),
    key("from", Text, "", "from which time on"),
    key("until", Text, "", "before which time"),
    key("role", ROLE, "", "what the source is then"),
    key("priority", Whole(i64::MIN, i64::MAX), "0", "for survivorship"),
];

const APPROVALS: [Key; 8] = [
    key("absolute", Quantity, "", "from which difference on an event waits for a person"),
    key("percent", SHARE, "", "the same, in percent of what was on hand"),
    key("value", Quantity, "", "the same, in money by the item's unit cost"),
    key("ignore_below", Quantity, "0", "differences that never wait"),
    key("except_sources", Texts, "[]", "sources that never wait"),
    key("mass_change_percent", SHARE, "", "from which share of a location's positions on a feed waits"),
    key("mass_change_window", Duration, "\"10m\"", "within which time"),
    key("mass_change_positions_min", COUNT, "20", "positions that may always change"),
];

const SAFETY_RULE: [Key; 7] = [
    key("sku", Text, "\"\"", "of which SKU"),
    key("location", Text, "\"\"", "at which location"),
    key("group", Text, "\"\"", "in which group of locations"),
    key("quantity", Quantity, "", "how much stays"),
    key("percent", PERCENT, "", "how much stays, in percent of what is on hand"),
    key("from", Text, "", "from which day or time on"),
    key("until", Text, "", "before which day or time"),
];

const POLICY: [Key; 3] = [
    needed("past_due", PAST_DUE, "what becomes of supply that is late"),
    key("slide", BUCKETS_OR_NONE, "1", "with slide: so many buckets after today"),
    key("keep", BUCKETS_OR_NONE, "1", "with keep: for so many buckets"),
];
const REACH: [Key; 4] = [
    key("sku", Text, "\"\"", "of which SKU"),
    key("location", Text, "\"\"", "at which location"),
    key("lead_time", BUCKETS, "", "buckets after which supply is unlimited"),
    key("accumulation_window", BUCKETS, "", "buckets for which supply can serve demand"),
];
const PROMISE: [Key; 19] = [
    key("bucket", OneOf(&["day", "hour"]), "\"day\"", "how long a bucket is"),
    key("horizon", BUCKETS, "90", "buckets that are looked at"),
    key("time_zone", Text, "\"UTC\"", "zone of the locations that have none of their own"),
    key("mode", MODE, "\"look_ahead\"", "how it is reckoned where a question names no mode"),
    key("carry_shortage", Flag, "true", "whether backward_accumulated carries a shortage on"),
    key("past_due_demand", OneOf(&["keep", "drop"]), "\"keep\"", "whether demand that is late still counts"),
    key("past_due", PAST_DUE, "\"exception\"", "what becomes of supply that is late"),
    key("slide", BUCKETS_OR_NONE, "1", "with past_due slide: so many buckets after today"),
    key("keep", BUCKETS_OR_NONE, "1", "with past_due keep: for so many buckets"),
    key("lead_time", BUCKETS, "", "buckets after which supply is unlimited"),
    key("accumulation_window", BUCKETS, "", "buckets for which supply can serve demand"),
    key("reservation_ttl", Duration, "\"15m\"", "how long a reservation holds that says nothing else"),
    key("answers_max", Whole(1, 100_000_000), "10000000", "reservations whose answer is remembered at most"),
    key("provisional_after", Duration, "\"5m\"", "from which lag of a source on a figure is provisional"),
    key("stale_after", Duration, "\"1h\"", "from which lag of a source on a figure is stale"),
    key("suppliers", Named(&Table(&POLICY)), "{}", "what becomes of late supply, by supplier"),
    key("sources", Named(&Table(&POLICY)), "{}", "what becomes of late supply, by source"),
    key("measures", Named(&Named(&Whole(-1, 1))), "{}", "other sums of accounts, by name"),
    key("rules", Tables(&REACH), "[]", "lead_time and accumulation_window of some positions"),
];

const SHIPPING: [Key; 4] = [
    key("locations", Texts, "[]", "at which locations; none: all"),
    key("sources", Texts, "[]", "as which sources tell it; none: all"),
    key("from", OneOf(&["picked", "on_hand"]), "\"picked\"", "what shipments take from"),
    key("allocates", Flag, "true", "whether picks without a document take from allocated"),
];

const REPLENISH: [Key; 6] = [
    key("skus", Texts, "[]", "of which SKUs; none: all"),
    key("locations", Texts, "[]", "at which locations; none: all"),
    needed("point", Level, "below what it is time to order"),
    needed("target", Level, "up to what"),
    key("lead_time", Duration, "\"1d\"", "days that an order takes"),
    key("window", Duration, "\"28d\"", "days whose demand is looked at"),
];

/// The whole of it, in the order in which it is shown.
pub(super) const TABLES: [Key; 15] = [
    key("engine", Table(&ENGINE), "", "what is remembered, and what is let through"),
    key("sources", Named(&Table(&SOURCE)), "{}", "who speaks"),
    key("types", Named(&Table(&TYPE)), "{}", "types and aliases of one installation"),
    key("ownership", Table(&OWNERSHIP), "", "who may say what"),
    key("approvals", Table(&APPROVALS), "", "what waits for a person"),
    key(
        "receipts",
        Table(&[
            key("tolerance", Quantity, "0", "how far a receipt may be from what was announced"),
            key("tolerance_percent", SHARE, "0", "the same, in percent of what was announced"),
        ]),
        "",
        "how exact receipts are to be",
    ),
    key(
        "transfers",
        Table(&[needed("age", Duration, "how long a transfer may be on its way")]),
        "",
        "transfers that do not arrive",
    ),
    key(
        "master",
        Table(&[key("mode", OneOf(&["flag", "strict", "off"]), "\"flag\"", "what becomes of names nobody defined")]),
        "",
        "master data",
    ),
    key("echo", Table(&[key("hops_max", COUNT, HOPS_TEXT, "hops of a two-way sync at most")]), "", "two-way syncs"),
    key(
        "safety_stock",
        Table(&[
            key("default", Quantity, "0", "how much stays at each position"),
            key("rules", Tables(&SAFETY_RULE), "[]", "how much stays at some of them"),
        ]),
        "",
        "what is not promised",
    ),
    key("promise", Table(&PROMISE), "", "what can be promised"),
    key(
        "exceptions",
        Table(&[
            key("owners", Named(&TEAM), "{}", "who works on which code"),
            key("teams", Texts, "[]", "teams beside operations, finance and it"),
            key("escalate_after", Duration, "\"24h\"", "after which time an open exception is escalated"),
            key(
                "kept_max",
                Whole(1, limit(10 * EXCEPTIONS_KEPT_DEFAULT as u64)),
                "100000",
                "exceptions that are kept at most",
            ),
        ]),
        "",
        "what is wrong, and whose it is",
    ),
    key(
        "claims",
        Table(&[
            key("remember", Duration, "", "how long a line that is done is remembered; without it: dedup_window"),
            key("unnamed", OneOf(&["keep"]), "\"keep\"", "what a pick with a document takes from claims without one"),
            key("unallocated_pick", OneOf(&["allow", "flag"]), "\"allow\"", "picks that nobody allocated"),
        ]),
        "",
        "what orders claim",
    ),
    key("shipping", Tables(&SHIPPING), "[]", "how goods leave; the first that fits holds"),
    key("replenish", Tables(&REPLENISH), "[]", "when a position is filled up; the first that fits holds"),
];

const HOPS_TEXT: &str = "8";
const _: () = assert!(HOPS_DEFAULT == 8, "the text says so, too");

/// Takes away what was not given: it is written as null where a configuration is kept.
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// A configuration that has the form that it must have.
///
/// # Errors
/// One line that names the key, what it has, and what to give.
pub(super) fn checked(mut whole: Value) -> Result<Value, String> {
    prune(&mut whole);
    check(&whole).map(|()| whole)
}

fn check(whole: &Value) -> Result<(), String> {
    let tables = whole.as_object().ok_or("a configuration is made of tables")?;
    for (name, value) in tables.iter().filter(|(name, _)| !PROCESS.contains(&name.as_str())) {
        let known = TABLES.iter().find(|table| table.name == name);
        let table = known.ok_or_else(|| format!("there is no table [{name}]; known are {}", names(&TABLES)))?;
        table.form.check(name, value)?;
    }
    Ok(())
}

/// Every table and key with form, default and meaning, as JSON.
pub(super) fn to_json() -> String {
    json!(TABLES.map(Key::to_json)).to_string()
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_MAX {
        return text;
    }
    text.chars().take(SHOWN_MAX).chain("…".chars()).collect()
}

impl Key {
    fn to_json(self) -> Value {
        let mut found = Map::new();
        found.insert("name".into(), self.name.into());
        found.insert("default".into(), if self.default.is_empty() { Value::Null } else { self.default.into() });
        found.insert("about".into(), self.about.into());
        let (form, keys) = self.form.described();
        found.insert("form".into(), form.into());
        if let Some(keys) = keys {
            found.insert("keys".into(), json!(keys.iter().map(|key| key.to_json()).collect::<Vec<_>>()));
        }
        Value::Object(found)
    }
}

impl Form {
    /// What it is in one word, and its keys.
    const fn described(self) -> (&'static str, Option<&'static [Key]>) {
        match self {
            Table(keys) => ("table", Some(keys)),
            Tables(keys) => ("tables", Some(keys)),
            Named(Table(keys)) => ("named", Some(keys)),
            _ => ("value", None),
        }
    }

    /// What to give.
    fn cure(self) -> String {
        match self {
            Flag => "true or false".to_owned(),
            Whole(i64::MIN, _) => "a whole number".to_owned(),
            Whole(least, i64::MAX) => format!("a whole number of at least {least}"),
            Whole(least, most) => format!("a whole number from {least} to {most}"),
            Text => "a text in quotes".to_owned(),
            Duration => "a duration in quotes, such as \"24h\"".to_owned(),
            Quantity => "a number such as 12.5".to_owned(),
            Level => "a number such as 12.5, or days of demand such as \"7d\"".to_owned(),
            OneOf(words) => format!("one of {}", quoted(words)),
            Texts => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
            Words(words) => format!("a list of some of {}", quoted(words)),
            Pairs => "a list of pairs, such as [[\"on_hand\", \"customer\"]]".to_owned(),
            Table(_) | Named(_) => "a table".to_owned(),
            Tables(_) => "a list of tables".to_owned(),
        }
    }

    fn check(self, path: &str, value: &Value) -> Result<(), String> {
        let refused = || Err(format!("{path}: {} does not do; give {}", shown(value), self.cure()));
        let is_word = |words: &[&str], value: &Value| value.as_str().is_some_and(|word| words.contains(&word));
        let is_good = match (self, value) {
            (Flag, value) => value.is_boolean(),
            (Whole(least, most), value) => value.as_i64().is_some_and(|number| (least..=most).contains(&number)),
            (Text | Duration, value) => value.is_string(),
            (Quantity | Level, value) => value.is_number() || value.is_string(),
            (OneOf(words), value) => is_word(words, value),
            (Texts, Value::Array(texts)) => texts.iter().all(Value::is_string),
            (Words(words), Value::Array(found)) => found.iter().all(|word| is_word(words, word)),
            (Pairs, Value::Array(pairs)) => pairs
                .iter()
                .all(|pair| pair.as_array().is_some_and(|pair| pair.len() == 2 && pair.iter().all(Value::is_string))),
            (Table(keys), Value::Object(members)) => return check_members(path, keys, members),
            (Tables(keys), Value::Array(tables)) => {
                return tables
                    .iter()
                    .enumerate()
                    .try_for_each(|(place, table)| Table(keys).check(&format!("{path}[{place}]"), table));
            }
            (Named(form), Value::Object(members)) => {
                return members
                    .iter()
                    .try_for_each(|(name, value)| form.check(&format!("{path}.{}", json!(name)), value));
            }
            _ => false,
        };
        if is_good { Ok(()) } else { refused() }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn check_members(path: &str, keys: &[Key], members: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in members {
        let known = keys.iter().find(|key| key.name == name);
        let key = known.ok_or_else(|| format!("{path}.{name}: there is no such key; known are {}", names(keys)))?;
        key.form.check(&format!("{path}.{name}"), value)?;
    }
    match keys.iter().find(|key| key.is_needed && !members.contains_key(key.name)) {
        Some(key) => Err(format!("{path}.{}: is missing; give {}", key.name, key.form.cure())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
