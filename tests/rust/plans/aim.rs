//! What events are about: chosen among what was said before.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tallystick_contract::config::Config;
use tallystick_contract::instant;

use super::{Aim, BASE_NS, CHANGEABLE, CONFIGS, Draft, Message, SECOND_NS, SHORT};

const HOUR_NS: i64 = 3_600 * SECOND_NS;
const GRAIN_NS: i64 = 660 * SECOND_NS;

/// Adds members that are not null.
pub(super) fn with(mut event: Value, members: Value) -> Value {
    if let (Value::Object(event), Value::Object(members)) = (&mut event, members) {
        event.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    }
    event
}

/// Sets members, and takes out those that are null.
fn over(event: &mut Value, members: Value) {
    let (Value::Object(event), Value::Object(members)) = (event, members) else { return };
    for (name, value) in members {
        if value.is_null() {
            event.remove(&name);
        } else {
            event.insert(name, value);
        }
    }
}

/// Where keys are forgotten, nothing waits for a request that never comes: when it gives up, and its own key with it,
/// is a matter of grains.
fn awaited(event: Value, is_short: bool) -> Value {
    let is_vain = is_short && event["target"]["id"] == "x99";
    if is_vain {
        json!({"id": event["id"], "source": event["source"], "sequence": event["sequence"], "type": "tick"})
    } else {
        event
    }
}

/// Half of the documents have numbers for their lines, and half have none: what is told of one both ways is the
/// business of `claims.rs`. A request under a channel names no document.
fn numbered(mut event: Value) -> Value {
    let lines = || event["lines"].as_array().into_iter().flatten();
    if event["type"] == "reservation.requested"
        && std::iter::once(&event).chain(lines()).any(|said| !said["channel"].is_null())
    {
        over(&mut event, json!({"document": null, "line": null}));
        for line in event.get_mut("lines").and_then(Value::as_array_mut).into_iter().flatten() {
            over(line, json!({"line": null}));
        }
        return event;
    }
    if let Some(replacement) = event.get_mut("event") {
        *replacement = numbered(replacement.take());
    }
    let has_numbers = matches!(event["document"].as_str(), Some("D2" | "D4"));
    let number = |said: &Value| match said["line"].as_i64() {
        _ if !has_numbers => Value::Null,
        number => number.unwrap_or(1).into(),
    };
    if event["document"].is_null() || event["type"].as_str().is_some_and(|kind| kind.starts_with("document.")) {
        return event;
    }
    for line in event.get_mut("lines").and_then(Value::as_array_mut).into_iter().flatten() {
        let members = json!({"line": number(line)});
        over(line, members);
    }
    if event["lines"].is_null() || !event["line"].is_null() {
        let members = json!({"line": number(&event)});
        over(&mut event, members);
    }
    event
}

/// Tells a log, and remembers what it told.
pub(super) struct Teller {
    number: usize,
    is_hourly: bool,
    buckets: usize,
    log_time_ns: i64,
    told: Vec<Value>,
    sequences: BTreeMap<String, u64>,
}

impl Teller {
    pub(super) fn new(number: usize) -> Self {
        let config = Config::parse(CONFIGS[number]).expect("the test looks at it again");
        let (is_hourly, buckets) = (CONFIGS[number].contains("\"hour\""), config.promise.horizon as usize);
        Self { number, is_hourly, buckets, log_time_ns: 0, told: Vec::new(), sequences: BTreeMap::new() }
    }

    pub(super) fn message(&mut self, drafts: Vec<Draft>, log_time_ns: i64) -> Message {
        // What is remembered for a while may be remembered a little longer: where it is forgotten, no two times lie as
        // far apart.
        let grain_ns = if self.number == SHORT { GRAIN_NS } else { SECOND_NS };
        let log_time_ns = BASE_NS + (log_time_ns - BASE_NS).div_euclid(grain_ns) * grain_ns;
        self.log_time_ns = log_time_ns;
        let events =
            drafts.into_iter().map(|draft| awaited(numbered(self.event(&draft)), self.number == SHORT)).collect();
        Message { events, log_time_ns, buckets: self.buckets }
    }

    fn event(&mut self, draft: &Draft) -> Value {
        let event = match draft.aim {
            Aim::Again if !self.told.is_empty() => return self.again(draft),
            Aim::Nothing | Aim::Again => self.plain(draft),
            Aim::Line => self.about_a_line(draft),
            Aim::Purpose => self.for_a_request(draft),
            Aim::Request => self.about_a_request(draft),
            Aim::Stock => self.undoing(draft),
        };
        let event = self.keyed(event, draft);
        self.told.push(event.clone());
        event
    }

    /// One of those of a kind, mostly one of the newest.
    fn one(&self, pick: usize, is_meant: impl Fn(&Value) -> bool) -> Option<&Value> {
        let all: Vec<&Value> = self.told.iter().rev().filter(|event| is_meant(event)).collect();
        let newest = if pick.is_multiple_of(3) { all.len() } else { all.len().min(4) };
        (!all.is_empty()).then(|| all[pick / 3 % newest])
    }

    /// What was said once more, or now and then something else under its key.
    fn again(&self, draft: &Draft) -> Value {
        let is_meant = |event: &Value| draft.luck.is_multiple_of(2) || text(event, "type").starts_with("reservation.");
        let known = self.one(draft.pick, is_meant).or_else(|| self.one(draft.pick, |_| true));
        let mut event = known.expect("something was told").clone();
        match draft.luck {
            0..6 if !event["quantity"].is_null() => over(&mut event, json!({"quantity": 5})),
            6..16 if text(&event, "type").starts_with("reservation.") => over(&mut event, json!({"reply": "there"})),
            _ => {}
        }
        event
    }

    fn plain(&mut self, draft: &Draft) -> Value {
        let mut event = draft.said.clone();
        if event["type"] == "configuration.changed" {
            if !CHANGEABLE.contains(&self.number) {
                return json!({"type": "tick"});
            }
            let horizon = event["config"]["promise"]["horizon"].as_u64().unwrap_or(0);
            self.buckets = self.buckets.min(usize::try_from(horizon).expect("it is short"));
        }
        if event["version"] == "changed" {
            // Mostly another one than that which the position has.
            over(&mut event, json!({"version": 1 + draft.pick}));
        }
        event
    }

    fn about_a_line(&self, draft: &Draft) -> Value {
        let mut event = draft.said.clone();
        let kind = text(&event, "type").to_owned();
        let side = match &*kind {
            "stock.received" | "transfer.received" | "receipt.announced" | "receipt.closed" => "supply.scheduled",
            _ if kind.starts_with("supply.") => "supply.scheduled",
            _ => "demand.scheduled",
        };
        let is_any = kind.starts_with("document.");
        let line = self.one(draft.pick, |line| line["type"] == side || (is_any && !line["document"].is_null()));
        let Some(line) = line.filter(|_| draft.luck < 90) else { return event };
        if is_any {
            over(&mut event, json!({"document": line["document"]}));
            return event;
        }
        if event.get("lines").is_some() {
            over(&mut event, json!({"document": line["document"]}));
            let about = json!({"sku": line["sku"], "location": line["location"], "lot": line["lot"], "group": null, "line": line["line"]});
            over(&mut event["lines"][0], about);
            return event;
        }
        for name in ["sku", "location", "document", "line", "lot"] {
            let is_known = name != "lot" || !kind.starts_with("receipt.");
            over(&mut event, json!({name: if is_known { line[name].clone() } else { Value::Null }}));
        }
        if kind.starts_with("reservation.") {
            over(&mut event, json!({"group": null}));
        }
        if kind.starts_with("stock.") || kind.starts_with("transfer.") {
            let quantity = line["quantity"].as_i64().unwrap_or(1);
            match draft.luck {
                0..30 => over(&mut event, json!({"quantity": quantity.max(1)})),
                30..40 => over(&mut event, json!({"quantity": quantity.max(0) + 2})),
                _ => {}
            }
        }
        event
    }

    /// Demand that a reservation is already there for.
    fn for_a_request(&self, draft: &Draft) -> Value {
        let mut event = draft.said.clone();
        let is_meant = |event: &Value| event["type"] == "reservation.requested" && !event["document"].is_null();
        let Some(request) = self.one(draft.pick, is_meant) else { return event };
        let line = if request["lines"].is_array() { &request["lines"][0] } else { request };
        let number = if line["line"].is_null() { &request["line"] } else { &line["line"] };
        let location = if line["location"].is_null() { &event["location"] } else { &line["location"] }.clone();
        let about = json!({"type": "demand.scheduled", "sku": line["sku"], "location": location, "lot": line["lot"],
            "document": request["document"], "line": number, "supplier": null});
        over(&mut event, about);
        event
    }

    /// A posting or a release, mostly of what was asked for by the same source.
    fn about_a_request(&self, draft: &Draft) -> Value {
        let said = &draft.said;
        let mut event = with(json!({"type": said["type"]}), json!({"reply": said["reply"]}));
        let is_request = |event: &Value| event["type"] == "reservation.requested";
        let is_whole = |event: &Value| {
            text(event, "type") == said["type"] && event["quantities"].is_null() && event["quantity"].is_null()
        };
        let is_likely = |event: &Value| {
            is_request(event)
                && event["version"].is_null()
                && (event["policy"] == "partial" || event["quantity"].as_i64().is_some_and(|quantity| quantity < 7))
                && !self.told.iter().any(|other| other["target"]["id"] == event["id"] && is_whole(other))
        };
        let likely = self.one(draft.pick, is_likely).filter(|_| !draft.luck.is_multiple_of(8));
        let Some(request) = likely.or_else(|| self.one(draft.pick, is_request)) else {
            over(&mut event, json!({"target": {"id": "x99"}}));
            return event;
        };
        let id = if draft.luck < 97 { request["id"].clone() } else { "x99".into() };
        over(&mut event, json!({"target": {"source": request["source"], "id": id}}));
        // Another source has no say about it.
        if draft.luck < 93 {
            over(&mut event, json!({"source": request["source"]}));
        }
        let wanted: Vec<i64> = match request["lines"].as_array() {
            Some(lines) => lines.iter().map(|line| line["quantity"].as_i64().unwrap_or(1)).collect(),
            None => vec![request["quantity"].as_i64().unwrap_or(1)],
        };
        let share = |place: usize| said["shares"][place].as_i64().unwrap_or(0);
        match said["form"].as_u64().unwrap_or(0) {
            0..3 => {}
            3..6 => {
                let more = if share(1) > 6 { 3 } else { 0 };
                over(&mut event, json!({"quantity": (share(0) * wanted[0] / 8).clamp(1, wanted[0]) + more}));
            }
            _ => {
                let mut each: Vec<i64> =
                    wanted.iter().zip(0..).map(|(wanted, place)| wanted * share(place) / 8).collect();
                if each.iter().all(|one| *one == 0) {
                    each[0] = 1;
                }
                over(&mut event, json!({"quantities": each}));
            }
        }
        event
    }

    fn undoing(&self, draft: &Draft) -> Value {
        let mut event = json!({"type": draft.said["type"]});
        let is_stock = |event: &Value| {
            let kind = text(event, "type");
            kind.starts_with("stock.") || kind.starts_with("transfer.")
        };
        let about_documents = |event: &Value| is_stock(event) && !event["document"].is_null();
        let target = self.one(draft.pick, about_documents).filter(|_| draft.luck < 80);
        let Some(target) = target.or_else(|| self.one(draft.pick, is_stock)) else { return json!({"type": "tick"}) };
        let is_undone = |event: &Value| event["target"]["id"] == target["id"];
        if self.number == SHORT && self.told.iter().any(is_undone) {
            return json!({"type": "tick"});
        }
        over(&mut event, json!({"target": {"source": target["source"], "id": target["id"]}}));
        if event["type"] == "event.corrected" {
            let mut other = target.clone();
            over(&mut other, json!({"id": null, "source": null, "sequence": null, "quantity": draft.said["quantity"]}));
            let event_said = if draft.said["event"].is_null() { other } else { draft.said["event"].clone() };
            over(&mut event, json!({"event": event_said}));
        }
        event
    }

    /// With a source, its number and a key, and times where they were only drawn.
    fn keyed(&mut self, mut event: Value, draft: &Draft) -> Value {
        let drawn = match text(&event, "type") {
            "configuration.changed" => "operator",
            "tick" => "clock",
            _ => ["wms", "wms", "wms", "erp", "shop"][draft.pick % 5],
        };
        let source = event["source"].as_str().unwrap_or(drawn).to_owned();
        let sequence = self.sequences.entry(source.clone()).or_insert(0);
        *sequence += match draft.luck {
            50..53 => 2,
            53..57 => 0,
            _ => 1,
        };
        let sequence = (*sequence).max(1);
        let used =
            self.told.iter().rev().find(|event| event["source"] == *source && draft.luck == 60 && self.number != SHORT);
        let id = used.map_or_else(|| format!("e{}", self.told.len()).into(), |event| event["id"].clone());
        over(&mut event, json!({"id": id, "source": source, "sequence": sequence}));
        let (due, time) = (self.when(&event["due"]), self.when(&event["time"]));
        over(&mut event, json!({"due": due, "time": time}));
        if let Some(lines) = event["lines"].as_array().cloned() {
            for (place, line) in lines.iter().enumerate() {
                over(&mut event["lines"][place], json!({"due": self.when(&line["due"])}));
            }
        } else if let Value::Object(event) = &mut event {
            event.retain(|_, value| !value.is_null());
        }
        event
    }

    /// A day or a time of those that are counted from the log's time on.
    fn when(&self, drawn: &Value) -> Value {
        let at = |hours: i64| instant::format(self.log_time_ns + hours * HOUR_NS);
        match (drawn["day"].as_i64(), drawn["hour"].as_i64()) {
            (Some(days), _) if self.is_hourly => at(days).into(),
            (Some(days), _) => at(days * 24)[..10].into(),
            (_, Some(hours)) => at(if self.is_hourly { hours / 5 } else { hours }).into(),
            _ => drawn.clone(),
        }
    }
}

fn text<'a>(event: &'a Value, member: &str) -> &'a str {
    event[member].as_str().unwrap_or_default()
}
