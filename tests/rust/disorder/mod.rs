//! Random events of sources that are late, repeat, contradict and correct themselves, over small alphabets, so that
//! they meet often. Holds no test.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tallystick_contract::instant;

/// 2026-03-01T12:00:00Z, where random logs begin.
pub(crate) const BASE_NS: i64 = 1_772_366_400 * SECOND_NS;
const SECOND_NS: i64 = 1_000_000_000;

/// What random logs are run under.
pub(crate) const CONFIGS: [&str; 10] = [
    "",
    "[engine]\nhistory_max = 1\ncorrections_max = 12\nnegative_stock = \"refuse\"\noperators = [\"operator\", \"erp\"]\n",
    "[sources.wms]\norder = \"source\"\ngap_wait = \"30s\"\nheld_max = 4\n[sources.erp]\norder = \"increasing\"\n\
     [engine]\ndedup_window = \"10m\"\nmax_age = \"none\"\n",
    "[ownership]\ndefault = \"owner\"\n\
     [ownership.location_sets]\nwest = [\"DC2\"]\n\
     [[ownership.rules]]\nsources = [\"erp\"]\ntypes = [\"event.*\"]\nrole = \"owner\"\n\
     [[ownership.rules]]\nsources = [\"shop*\"]\naccounts = [\"reserved\"]\nrole = \"contributor\"\n\
     [[ownership.rules]]\nsources = [\"shop\"]\ntypes = [\"stock.counted\"]\nrole = \"contributor\"\npriority = 3\n\
     [[ownership.rules]]\nsources = [\"erp\"]\nlocations = [\"@west\"]\nuntil = \"2026-03-01T11:59:00Z\"\nrole = \"observer\"\n\
     [[ownership.rules]]\nsources = [\"shop\"]\nlocations = [\"@west\"]\nrole = \"refused\"\n",
    "[ownership]\nsurvivorship = [\"priority\", \"newest\"]\ndefault = \"contributor\"\n\
     [[ownership.rules]]\nsources = [\"wms\"]\nrole = \"owner\"\npriority = 1\n\
     [engine]\nhistory_max = 3\nunregistered = \"flag\"\n[sources.wms]\nteam = \"east\"\n",
    "[approvals]\nabsolute = 10\npercent = 60\nvalue = \"25.5\"\nignore_below = 1\nexcept_sources = [\"shop\"]\n",
    "[approvals]\nabsolute = 15\nmass_change_percent = 40\nmass_change_window = \"2m\"\nmass_change_positions_min = 1\n\
     [receipts]\ntolerance = 1\n[transfers]\nage = \"40s\"\n",
    "[master]\nmode = \"strict\"\n[safety_stock]\ndefault = 2\n",
    "[engine]\nunregistered = \"refuse\"\nduplicate_suspect = false\n[sources.wms]\nmax_age = \"1h\"\n[sources.erp]\norder = \"position\"\ngap_wait = \"20s\"\n\
     [echo]\nhops_max = 2\n[receipts]\ntolerance = 2\ntolerance_percent = 10\n",
    "[engine]\nhistory_max = 1\n[transfers]\nage = \"1m\"\n[approvals]\npercent = 100\n",
];

/// Tables that `configuration.changed` may bring; some cannot be read.
const CHANGES: [&str; 6] = [
    "[ownership]\ndefault = \"contributor\"\n",
    "[approvals]\nabsolute = 4\n",
    "[safety_stock]\ndefault = 1\n",
    "[types.in]\nalias = \"stock.received\"\n",
    "[engine]\nhistory_max = 3\n",
    "[master]\nmode = \"off\"\n",
];

/// Some events and when the log saw them.
#[derive(Clone)]
pub(crate) struct Message {
    events: Vec<Value>,
    pub(crate) log_time_ns: i64,
}

/// As it would be sent, behind the seconds since the log's beginning.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", (self.log_time_ns - BASE_NS) / SECOND_NS, String::from_utf8_lossy(&self.bytes()))
    }
}

impl Message {
    /// The message's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &*self.events {
            [event] => event.to_string().into_bytes(),
            events => Value::from(events).to_string().into_bytes(),
        }
    }
}

/// A time around the log's beginning.
fn near() -> impl Strategy<Value = String> {
    (-25..3_i64).prop_map(|tens| instant::format(BASE_NS + tens * 10 * SECOND_NS))
}

/// Adds what is not nothing to an object.
fn with(mut event: Value, members: &[(&str, Value)]) -> Value {
    for (name, value) in members {
        if !value.is_null() {
            event[*name] = value.clone();
        }
    }
    event
}

fn rarely<T: Into<Value> + Clone + std::fmt::Debug + 'static>(
    weight: u32,
    of: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Value> {
    prop_oneof![weight => Just(Value::Null), 1 => of.prop_map(Into::into)]
}

/// What is said of stock, without a key.
fn said() -> impl Strategy<Value = Value> {
    let kinds = [
        "stock.received",
        "stock.received",
        "stock.sold",
        "stock.counted",
        "stock.counted",
        "stock.adjusted",
        "stock.picked",
        "stock.reserved",
        "transfer.dispatched",
        "transfer.received",
        "in",
    ];
    let names = (select(&["A", "A", "B", "a"][..]), select(&["DC1", "DC2", "west"][..]), rarely(8, Just("L1")));
    let quantity = prop_oneof![12 => 1..20_i64, 1 => Just(0_i64)];
    let document = (rarely(2, Just("PO1")), rarely(3, 1..3_i64));
    (
        select(kinds.to_vec()),
        names,
        quantity,
        rarely(8, select(&["case", "each", "bag"][..])),
        rarely(4, near()),
        document,
    )
        .prop_map(|(kind, (sku, location, lot), quantity, unit, time, (document, line))| {
            let event =
                json!({"type": kind, "sku": sku, "location": location, "quantity": quantity, "to_location": "DC2"});
            with(event, &[("lot", lot), ("unit", unit), ("time", time), ("document", document), ("line", line)])
        })
}

/// Who says it, and under which key.
fn keyed(prefix: &'static str, ids: u32) -> impl Strategy<Value = Value> {
    let source = select(&["wms", "wms", "erp", "shop"][..]);
    (0..ids, source, rarely(6, 1..12_u64), rarely(3, near())).prop_map(move |(id, source, sequence, time)| {
        with(json!({"id": format!("{prefix}{id}"), "source": source}), &[("sequence", sequence), ("time", time)])
    })
}

fn merged(mut key: Value, said: Value) -> Value {
    if let (Value::Object(key), Value::Object(said)) = (&mut key, said) {
        key.extend(said);
    }
    key
}

fn target() -> impl Strategy<Value = Value> {
    let id = prop_oneof![12 => (0..16_u32).prop_map(|id| format!("e{id}")), 1 => Just("v1".to_owned())];
    let source = prop_oneof![3 => Just(Value::Null), 2 => select(&["wms", "erp", "shop"][..]).prop_map(Value::from)];
    (id, source).prop_map(|(id, source)| with(json!({"id": id}), &[("source", source)]))
}

fn stock() -> impl Strategy<Value = Value> {
    let origin = prop_oneof![10 => Just(None), 1 => (0..16_u32, 1..10_u64).prop_map(Some)];
    (keyed("e", 16), said(), origin, 1..12_u64).prop_map(|(key, said, origin, sequence)| {
        let mut event = merged(key, said);
        event["sequence"] = sequence.into();
        if let Some((id, hops)) = origin {
            event["originsource"] = "pos".into();
            event["originid"] = format!("e{id}").into();
            event["hops"] = hops.into();
        }
        event
    })
}

fn correction() -> impl Strategy<Value = Value> {
    (keyed("v", 10), target(), any::<bool>(), said()).prop_map(|(key, target, is_void, said)| {
        let event = if is_void { Value::Null } else { said };
        let kind = if is_void { "event.voided" } else { "event.corrected" };
        with(key, &[("type", kind.into()), ("target", target), ("event", event)])
    })
}

fn by_operator() -> impl Strategy<Value = Value> {
    let who = prop_oneof![6 => Just("operator"), 1 => Just("erp")];
    let decision =
        (target(), any::<bool>(), any::<bool>(), 1..6_u64).prop_map(|(target, granted, by_number, number)| {
            let kind = if granted { "approval.granted" } else { "approval.denied" };
            let mut target = target;
            if target.get("source").is_none() {
                target["source"] = "wms".into();
            }
            if by_number { json!({"type": kind, "exception": number}) } else { json!({"type": kind, "target": target}) }
        });
    let moves = ["exception.acknowledged", "exception.resolved", "exception.discarded"];
    let work = (select(moves.to_vec()), 1..8_u64).prop_map(|(kind, number)| json!({"type": kind, "exception": number}));
    let change = (select(&CHANGES[..]), select(&["act", "act", "shadow", "end_shadow"][..]))
        .prop_map(|(config, mode)| json!({"type": "configuration.changed", "config": config, "mode": mode}));
    let request = prop_oneof![6 => decision, 3 => work, 1 => change];
    (0..40_u32, who, request, rarely(20, 1..9_u64)).prop_map(|(id, source, request, sequence)| {
        with(merged(json!({"id": format!("o{id}"), "source": source}), request), &[("sequence", sequence)])
    })
}

fn master() -> impl Strategy<Value = Value> {
    let item = (select(&["A", "B"][..]), 1..4_i64, rarely(1, 0..6_i64), any::<bool>()).prop_map(
        |(sku, factor, safety, aliased)| {
            let aliases = if aliased { json!({"wms": "a"}) } else { Value::Null };
            let units = json!({"case": 6 * factor, "bag": "0.0005"});
            let units = if factor == 3 { json!({"case": "1.5"}) } else { with(units, &[]) };
            let units = if factor == 2 { json!({"case": 12, "bag": "0.333"}) } else { units };
            let units = if units["bag"] == "0.0005" { json!({"case": 6}) } else { units };
            with(
                json!({"type": "item.defined", "sku": sku, "unit": "each", "units": units, "unit_cost": "2.5"}),
                &[("safety_stock", safety), ("aliases", aliases)],
            )
        },
    );
    let location = select(&["DC1", "DC2"][..])
        .prop_map(|location| json!({"type": "location.defined", "location": location, "aliases": {"shop": "west"}}));
    let retired = select(&["A", "B"][..]).prop_map(|sku| json!({"type": "item.retired", "sku": sku}));
    (keyed("m", 12), prop_oneof![4 => item, 2 => location, 1 => retired]).prop_map(|(key, said)| merged(key, said))
}

fn receipt() -> impl Strategy<Value = Value> {
    let said = (
        select(&["receipt.announced", "receipt.announced", "receipt.closed", "tick"][..]),
        1..30_i64,
        rarely(3, 1..3_i64),
    );
    (keyed("r", 12), said).prop_map(|(key, (kind, quantity, line))| {
        let said = json!({"type": kind, "document": "PO1", "sku": "A", "location": "DC1", "quantity": quantity});
        with(merged(key, said), &[("line", line)])
    })
}

/// How long ids mean the same: shorter than any window, since what an id that is used again after it was forgotten
/// means is asked elsewhere.
const LIFE_NS: i64 = 500 * SECOND_NS;

/// Returns an event, and the one that it is about, the ids of a life.
fn rename(event: &mut Value, life: u32) {
    for place in ["/id", "/target/id", "/originid"] {
        if let Some(id) = event.pointer_mut(place) {
            *id = format!("{}.{life}", id.as_str().unwrap_or_default()).into();
        }
    }
}

/// A log of messages whose stamps mostly grow.
pub(crate) fn logs(messages_max: usize) -> impl Strategy<Value = Vec<Message>> {
    let event = prop_oneof![
        14 => stock(), 5 => correction(), 4 => by_operator(), 2 => master(), 1 => receipt()
    ];
    let step_s = prop_oneof![20 => 0..20_i64, 2 => -100..0_i64, 1 => 300..2_000_i64];
    vec((vec(event, 1..4), step_s), 1..messages_max).prop_map(|messages| {
        let (mut log_time_ns, mut latest_ns, mut began_ns, mut life) = (BASE_NS, BASE_NS, BASE_NS, 0);
        let stamped = messages.into_iter().map(|(mut events, step_s)| {
            log_time_ns += step_s * SECOND_NS;
            latest_ns = latest_ns.max(log_time_ns);
            if latest_ns - began_ns > LIFE_NS {
                (life, began_ns) = (life + 1, latest_ns);
            }
            for event in &mut events {
                rename(event, life);
            }
            Message { events, log_time_ns }
        });
        stamped.collect()
    })
}

/// Stock events that are never refused, at times of their own, numbered.
fn orderly(count: usize) -> impl Strategy<Value = Vec<Value>> {
    let kinds =
        ["stock.received", "stock.sold", "stock.counted", "stock.picked", "transfer.dispatched", "transfer.received"];
    let said = (select(kinds.to_vec()), select(&["A", "B"][..]), select(&["DC1", "DC2"][..]), 1..30_i64, near());
    vec(said, 1..count).prop_map(|said| {
        let event = |(number, (kind, sku, location, quantity, time)): (usize, (&str, &str, &str, i64, String))| {
            json!({"id": format!("e{number}"), "source": "wms", "type": kind, "sku": sku, "location": location,
                "to_location": "DC2", "quantity": quantity, "time": time, "sequence": number + 1})
        };
        said.into_iter().enumerate().map(event).collect()
    })
}

/// Stock events with voids and corrections of some of them: no event is voided twice, since which of two voids is
/// refused depends on their order.
pub(crate) fn corrected() -> impl Strategy<Value = Vec<String>> {
    let plans = vec((0..6_u8, 1..30_i64, near(), near(), select(&["A", "B"][..]), any::<bool>()), 30);
    (orderly(20), plans).prop_map(|(events, plans)| {
        let mut all = events.clone();
        let mut number = events.len();
        let mut add = |mut event: Value| {
            number += 1;
            event["source"] = "wms".into();
            event["sequence"] = number.into();
            all.push(event);
        };
        for (target, (plan, quantity, time, at, sku, is_count)) in plans.into_iter().enumerate().take(events.len() + 1) {
            // One target never comes.
            let target_id = json!({"id": format!("e{target}")});
            let kind = if is_count { "stock.counted" } else { "stock.sold" };
            let said = |quantity: i64| json!({"type": kind, "sku": sku, "location": "DC1", "quantity": quantity, "time": at});
            let correction = |id: String, quantity: i64, time: &str| {
                json!({"id": id, "type": "event.corrected", "target": target_id, "event": said(quantity), "time": time})
            };
            if matches!(plan, 1 | 3) {
                add(json!({"id": format!("v{target}"), "type": "event.voided", "target": target_id, "time": time}));
            }
            // A correction of what is voided is refused or not, as they come; it is left away then.
            if matches!(plan, 2 | 4) {
                add(correction(format!("c{target}"), quantity, &time));
            }
            if plan == 4 {
                add(correction(format!("d{target}"), quantity + 1, &at));
            }
        }
        all.into_iter().map(|event| event.to_string()).collect()
    })
}

/// Stock events with some that leap, and a grant for each of them.
pub(crate) fn leaps() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    orderly(20).prop_map(|mut events| {
        for event in &mut events {
            if event["type"] == "stock.sold" {
                event["type"] = "stock.adjusted".into();
                event["quantity"] = (15 - event["quantity"].as_i64().unwrap_or(1) * 2).into();
            }
        }
        let grant = |event: &Value| {
            json!({"id": format!("g-{}", event["id"]), "source": "operator", "type": "approval.granted",
                "target": {"source": "wms", "id": event["id"]}})
        };
        let grants = events.iter().map(grant).map(|grant| grant.to_string()).collect();
        (events.into_iter().map(|event| event.to_string()).collect(), grants)
    })
}
