//! Random logs about what comes, goes, is reserved and protected, over small alphabets, so that they meet often. Holds no test.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tallystick_engine::instant;

/// 2026-03-27T12:00:00Z, two days before clocks change in Europe.
pub(crate) const BASE_NS: i64 = 1_774_612_800 * SECOND_NS;
const SECOND_NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * SECOND_NS;

/// What random logs are run under. Keys outlive every log, since what an id that is used again means is asked elsewhere.
pub(crate) const CONFIGS: [&str; 7] = [
    "[engine]\ndedup_window = \"30d\"\n[promise]\nhorizon = 8\n",
    "[engine]\ndedup_window = \"30d\"\n[promise]\nhorizon = 9\ntime_zone = \"America/New_York\"\nlead_time = 5\npast_due = \"slide\"\nslide = 2\n\
     [[promise.rules]]\nsku = \"B\"\nlead_time = 2\n[[promise.rules]]\nlocation = \"DC2\"\naccumulation_window = 2\n",
    "[engine]\ndedup_window = \"30d\"\n[promise]\nhorizon = 7\naccumulation_window = 3\npast_due = \"keep\"\nkeep = 2\n\
     [safety_stock]\ndefault = 1\n[[safety_stock.rules]]\nsku = \"A\"\npercent = 25\nfrom = \"2026-03-28\"\nuntil = \"2026-03-30\"\n\
     [[safety_stock.rules]]\ngroup = \"east\"\nquantity = 3\n",
    "[engine]\ndedup_window = \"30d\"\n[promise]\nhorizon = 6\npast_due = \"drop\"\npast_due_demand = \"drop\"\nmode = \"cumulative\"\n\
     [receipts]\ntolerance = 1\ntolerance_percent = 10\n",
    "[engine]\ndedup_window = \"30d\"\nnegative_stock = \"refuse\"\n[promise]\nbucket = \"hour\"\nhorizon = 12\ncarry_shortage = false\n\
     reservation_ttl = \"2h\"\n[promise.suppliers.ACME]\npast_due = \"keep\"\nkeep = 3\n[promise.sources.erp]\npast_due = \"slide\"\n",
    "[engine]\ndedup_window = \"30d\"\n[sources.shop]\norder = \"source\"\ngap_wait = \"30s\"\n[promise]\nhorizon = 5\n\
     [promise.measures]\nfloor = { on_hand = 1, picked = -1, pending = -1 }\n[ownership]\ndefault = \"owner\"\n\
     [[ownership.rules]]\nsources = [\"erp\"]\ntypes = [\"reservation.*\"]\nrole = \"owner\"\n\
     [[ownership.rules]]\nsources = [\"shop\"]\ntypes = [\"supply.*\"]\nrole = \"observer\"\n",
    "[engine]\ndedup_window = \"30d\"\n[promise]\nhorizon = 4\nmode = \"backward_accumulated\"\nreservation_ttl = \"none\"\n\
     [approvals]\nabsolute = 12\n",
];

/// Some events and when the log saw them.
#[derive(Clone)]
pub(crate) struct Message {
    events: Vec<Value>,
    pub(crate) log_time_ns: i64,
}

/// As it would be sent, behind its time.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", instant::format(self.log_time_ns), String::from_utf8_lossy(&self.bytes()))
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

fn rarely<T: Into<Value> + Clone + std::fmt::Debug + 'static>(
    weight: u32,
    of: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Value> {
    prop_oneof![weight => Just(Value::Null), 1 => of.prop_map(Into::into)]
}

/// Adds members that are not null.
fn with(mut event: Value, members: Value) -> Value {
    if let (Value::Object(event), Value::Object(members)) = (&mut event, members) {
        event.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    }
    event
}

/// A day or a time around the log's beginning, now and then none at all.
fn due() -> impl Strategy<Value = Value> {
    let day = (-3..9_i64).prop_map(|days| instant::format(BASE_NS + days * DAY_NS)[..10].into());
    let time = (-60..200_i64).prop_map(|hours| instant::format(BASE_NS + hours * 3_600 * SECOND_NS).into());
    prop_oneof![6 => day, 3 => time, 1 => select(&["soon", "2026-03-29T01:30:00+01:00", "9999-12-31"][..]).prop_map(Value::from)]
}

fn place() -> impl Strategy<Value = Value> {
    (select(&["A", "A", "B"][..]), select(&["DC1", "DC1", "DC2", "DC3"][..]), rarely(14, Just("L1")))
        .prop_map(|(sku, location, lot)| with(json!({"sku": sku, "location": location}), json!({"lot": lot})))
}

fn document() -> impl Strategy<Value = Value> {
    (select(&["D1", "D2"][..]), rarely(2, 1..3_i64))
        .prop_map(|(document, line)| with(json!({"document": document}), json!({"line": line})))
}

fn keyed(prefix: &'static str, ids: u32) -> impl Strategy<Value = Value> {
    (0..ids, select(&["wms", "wms", "erp", "shop"][..]), 1..30_u64).prop_map(
        move |(id, source, sequence)| json!({"id": format!("{prefix}{id}"), "source": source, "sequence": sequence}),
    )
}

fn stock() -> impl Strategy<Value = Value> {
    let kinds = [
        "stock.received",
        "stock.received",
        "stock.received",
        "stock.sold",
        "stock.counted",
        "stock.adjusted",
        "stock.allocated",
        "stock.allocated",
        "stock.deallocated",
        "stock.picked",
        "stock.short_picked",
        "stock.shipped",
        "transfer.dispatched",
        "transfer.received",
        "stock.reserved",
    ];
    let about = prop_oneof![3 => document(), 1 => Just(json!({}))];
    (keyed("e", 40), select(kinds.to_vec()), place(), about, 1..16_i64, rarely(6, Just("final"))).prop_map(
        |(key, kind, place, about, quantity, reason)| {
            let said = json!({"type": kind, "quantity": quantity, "to_location": "DC2", "reason": reason});
            with(with(with(key, place), about), said)
        },
    )
}

fn line() -> impl Strategy<Value = Value> {
    let kinds = ["scheduled", "scheduled", "scheduled", "scheduled", "rescheduled", "rescheduled", "cancelled"];
    let side = select(&["supply", "supply", "demand"][..]);
    let more = (due(), 0..14_i64, any::<bool>(), any::<bool>(), rarely(4, Just("ACME")));
    (keyed("l", 60), side, select(kinds.to_vec()), place(), document(), more).prop_map(
        |(key, side, kind, place, about, (due, quantity, has_due, has_quantity, supplier))| {
            let is_whole = kind == "scheduled";
            let due = if has_due || is_whole { due } else { Value::Null };
            let quantity = if has_quantity || is_whole { quantity.into() } else { Value::Null };
            let said =
                json!({"type": format!("{side}.{kind}"), "due": due, "quantity": quantity, "supplier": supplier});
            with(with(with(key, place), about), said)
        },
    )
}

fn channel() -> impl Strategy<Value = Value> {
    rarely(1, select(&["web", "app"][..]))
}

fn wanted() -> impl Strategy<Value = Value> {
    let place =
        prop_oneof![3 => place(), 1 => select(&["A", "B"][..]).prop_map(|sku| json!({"sku": sku, "group": "east"}))];
    // Requests of another form are the tables' business.
    let due = due().prop_map(|due| if due == "soon" { Value::Null } else { due });
    (place, 1..14_i64, due, any::<bool>(), channel(), rarely(12, 1..40_u64)).prop_map(
        |(place, quantity, due, is_dated, channel, version)| {
            let due = if is_dated { due } else { Value::Null };
            let version = if place.get("group").is_some() { Value::Null } else { version };
            with(place, json!({"quantity": quantity, "due": due, "channel": channel, "version": version}))
        },
    )
}

fn request() -> impl Strategy<Value = Value> {
    let what = prop_oneof![3 => wanted(), 1 => vec(wanted(), 1..4).prop_map(|lines| json!({"lines": lines}))];
    let modes = ["look_ahead", "period_net", "cumulative", "on_hand", "discrete", "backward"];
    let more = (
        rarely(1, select(&["all", "partial", "partial"][..])),
        rarely(4, select(modes.to_vec())),
        rarely(1, select(&["20s", "90m", "2d", "none"][..])),
    );
    let about = prop_oneof![1 => document(), 1 => Just(json!({}))];
    (keyed("q", 24), what, more, about, rarely(8, Just(0))).prop_map(
        |(key, what, (policy, mode, ttl), about, silent)| {
            let reply = if silent.is_null() { json!("here") } else { Value::Null };
            let said =
                json!({"type": "reservation.requested", "policy": policy, "mode": mode, "ttl": ttl, "reply": reply});
            with(with(with(key, what), about), said)
        },
    )
}

fn settled() -> impl Strategy<Value = Value> {
    let kind = select(&["reservation.posted", "reservation.voided"][..]);
    let amounts = prop_oneof![
        3 => Just(json!({})),
        3 => (1..8_i64).prop_map(|quantity| json!({"quantity": quantity})),
        1 => vec(0..5_i64, 1..3).prop_map(|quantities| json!({"quantities": quantities})),
    ];
    let target = (0..26_u32, select(&["wms", "erp", "shop"][..]));
    (keyed("s", 40), kind, target, amounts).prop_map(|(key, kind, (id, source), amounts)| {
        let source = if id % 2 == 0 { key["source"].clone() } else { source.into() };
        with(with(key, amounts), json!({"type": kind, "target": {"source": source, "id": format!("q{id}")}}))
    })
}

fn kept() -> impl Strategy<Value = Value> {
    let scope = prop_oneof![
        2 => Just(json!({})),
        2 => select(&["DC1", "DC2"][..]).prop_map(|location| json!({"location": location})),
        1 => Just(json!({"group": "east"})),
    ];
    let set = (channel(), 0..9_i64, rarely(3, 0..9_i64)).prop_map(|(channel, protected, capped)| {
        with(json!({"type": "protection.set", "protected": protected}), json!({"channel": channel, "capped": capped}))
    });
    let moved = (1..5_i64)
        .prop_map(|quantity| json!({"type": "protection.moved", "from": "web", "to": "app", "quantity": quantity}));
    (keyed("p", 40), scope, prop_oneof![4 => set, 1 => moved], select(&["A", "B"][..]))
        .prop_map(|(key, scope, said, sku)| with(with(with(key, scope), said), json!({"sku": sku})))
}

fn defined() -> impl Strategy<Value = Value> {
    let locations = vec(select(&["DC1", "DC2", "DC3"][..]), 0..4);
    let time = || rarely(2, (-30..60_i64).prop_map(|hours| instant::format(BASE_NS + hours * 3_600 * SECOND_NS)));
    let group = (select(&["east", "east", "west"][..]), locations, rarely(3, select(&["east", "west"][..])), time())
        .prop_map(|(group, locations, member, time)| {
            let groups = if member.is_null() { Value::Null } else { json!([member]) };
            with(
                json!({"type": "group.defined", "group": group, "locations": locations}),
                json!({"groups": groups, "time": time}),
            )
        });
    let zones = ["Europe/Berlin", "Pacific/Auckland", "America/New_York", "Asia/Kolkata", "UTC"];
    let zone = (select(&["DC1", "DC2"][..]), select(zones.to_vec()), time()).prop_map(|(location, zone, time)| {
        with(json!({"type": "location.defined", "location": location, "time_zone": zone}), json!({"time": time}))
    });
    let item = (select(&["A", "B"][..]), 0..5_i64, time()).prop_map(|(sku, safety_stock, time)| {
        with(json!({"type": "item.defined", "sku": sku, "safety_stock": safety_stock}), json!({"time": time}))
    });
    let retired = Just(json!({"type": "group.retired", "group": "east"}));
    (keyed("m", 40), prop_oneof![5 => group, 3 => zone, 2 => item, 1 => retired])
        .prop_map(|(key, said)| with(key, said))
}

fn other() -> impl Strategy<Value = Value> {
    let target = (0..40_u32).prop_map(|id| json!({"id": format!("e{id}")}));
    let void =
        (keyed("v", 40), target).prop_map(|(key, target)| with(key, json!({"type": "event.voided", "target": target})));
    let target = (0..40_u32).prop_map(|id| json!({"id": format!("e{id}")}));
    let correct = (keyed("v", 40), target, stock()).prop_map(|(key, target, mut event)| {
        for member in ["id", "source", "sequence"] {
            event.as_object_mut().expect("an event is an object").remove(member);
        }
        with(key, json!({"type": "event.corrected", "target": target, "event": event}))
    });
    let close = (keyed("d", 40), document(), select(&["document.closed", "document.cancelled"][..]))
        .prop_map(|(key, about, kind)| with(key, json!({"type": kind, "document": about["document"]})));
    let receipt = (keyed("r", 40), document(), select(&["receipt.announced", "receipt.closed"][..]), 1..12_i64)
        .prop_map(|(key, about, kind, quantity)| {
            with(with(key, about), json!({"type": kind, "sku": "A", "location": "DC1", "quantity": quantity}))
        });
    prop_oneof![4 => void, 3 => correct, 2 => close, 1 => receipt]
}

/// A log of messages whose stamps mostly grow, over some days.
pub(crate) fn logs(messages_max: usize) -> impl Strategy<Value = Vec<Message>> {
    let event = prop_oneof![
        10 => stock(), 9 => line(), 10 => request(), 5 => settled(), 3 => kept(), 3 => defined(), 4 => other()
    ];
    let step_s = prop_oneof![20 => 0..40_i64, 1 => -50..0_i64, 3 => 600..5_000_i64, 2 => 20_000..90_000_i64];
    vec((vec(event, 1..4), step_s), 1..messages_max).prop_map(|messages| {
        let mut log_time_ns = BASE_NS;
        let stamped = messages.into_iter().map(|(events, step_s)| {
            log_time_ns += step_s * SECOND_NS;
            Message { events, log_time_ns }
        });
        stamped.collect()
    })
}
