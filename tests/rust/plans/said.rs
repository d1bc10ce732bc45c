//! What is drawn of events, before it is said what they are about.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::aim::with;
use super::{Aim, Draft};

const LOCATIONS: [&str; 6] = ["DC1", "DC1", "DC1", "DC2", "DC2", "DC3"];
const ZONES: [&str; 5] = ["Europe/Berlin", "Pacific/Auckland", "America/New_York", "Asia/Kolkata", "UTC"];

fn draft(said: impl Strategy<Value = Value>, aim: Aim) -> impl Strategy<Value = Draft> {
    (said, 0..24_usize, 0..100_u32).prop_map(move |(said, pick, luck)| Draft { said, aim, pick, luck })
}

fn rarely<T: Into<Value> + Clone + std::fmt::Debug + 'static>(
    weight: u32,
    of: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Value> {
    prop_oneof![weight => Just(Value::Null), 1 => of.prop_map(Into::into)]
}

/// A day or an hour from the log's time on.
fn due() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => (-1..6_i64).prop_map(|days| json!({"day": days})),
        1 => (-4..12_i64).prop_map(|days| json!({"day": days})),
        6 => (-6..60_i64).prop_map(|hours| json!({"hour": hours})),
    ]
}

/// A day for a line, or now and then none at all.
fn due_of_line() -> impl Strategy<Value = Value> {
    prop_oneof![40 => due(), 2 => (-2..40_i64).prop_map(|days| json!({"day": days})), 1 => select(&["soon", "9999-12-31"][..]).prop_map(Value::from)]
}

/// A time around the log's; in hours.
fn time() -> impl Strategy<Value = Value> {
    rarely(1, (-30..60_i64).prop_map(|hours| json!({"hour": hours})))
}

fn place() -> impl Strategy<Value = Value> {
    (select(&["A", "A", "B"][..]), select(&LOCATIONS[..]), rarely(30, Just("L1")))
        .prop_map(|(sku, location, lot)| with(json!({"sku": sku, "location": location}), json!({"lot": lot})))
}

fn document() -> impl Strategy<Value = Value> {
    (select(&["D1", "D2", "D3", "D4"][..]), rarely(1, 1..3_i64))
        .prop_map(|(document, line)| with(json!({"document": document}), json!({"line": line})))
}

fn stock() -> impl Strategy<Value = Value> {
    let kinds = [
        "stock.received",
        "stock.received",
        "stock.received",
        "stock.received",
        "stock.allocated",
        "stock.allocated",
        "stock.deallocated",
        "stock.picked",
        "stock.picked",
        "stock.short_picked",
        "stock.shipped",
        "stock.shipped",
        "transfer.dispatched",
        "transfer.received",
    ];
    let about = prop_oneof![2 => document(), 1 => Just(json!({}))];
    (select(kinds.to_vec()), place(), about, 1..10_i64, rarely(8, Just("final"))).prop_map(
        |(kind, place, about, quantity, reason)| {
            let to = if kind == "transfer.dispatched" { json!("DC2") } else { Value::Null };
            let said = json!({"type": kind, "quantity": quantity, "to_location": to, "reason": reason});
            with(with(place, about), said)
        },
    )
}

/// What is about no document.
fn plain_stock() -> impl Strategy<Value = Value> {
    let said = prop_oneof![
        2 => (1..6_i64).prop_map(|quantity| json!({"type": "stock.sold", "quantity": quantity})),
        2 => (8..40_i64).prop_map(|quantity| json!({"type": "stock.received", "quantity": quantity})),
        1 => (10..50_i64).prop_map(|quantity| json!({"type": "stock.counted", "quantity": quantity})),
        1 => (-9..12_i64).prop_map(|quantity| json!({"type": "stock.adjusted", "quantity": quantity})),
        1 => (1..4_i64).prop_map(|quantity| json!({"type": "stock.reserved", "quantity": quantity})),
    ];
    (place(), said).prop_map(|(place, said)| with(place, said))
}

fn scheduled() -> impl Strategy<Value = Value> {
    let side = select(&["supply", "supply", "demand"][..]);
    (side, place(), document(), (due_of_line(), 1..14_i64, rarely(3, Just("ACME")))).prop_map(
        |(side, place, about, (due, quantity, supplier))| {
            let said =
                json!({"type": format!("{side}.scheduled"), "due": due, "quantity": quantity, "supplier": supplier});
            with(with(place, about), said)
        },
    )
}

fn changed() -> impl Strategy<Value = Value> {
    let side = select(&["supply", "supply", "demand"][..]);
    (side, 0..6_u32, place(), document(), (due_of_line(), 0..14_i64, 0..3_u32)).prop_map(
        |(side, cancels, place, about, (due, quantity, has))| {
            let kind = if cancels == 0 { "cancelled" } else { "rescheduled" };
            let due = if has < 2 { due } else { Value::Null };
            let quantity = if has > 0 && quantity > 0 { quantity.into() } else { Value::Null };
            let said = json!({"type": format!("{side}.{kind}"), "due": due, "quantity": quantity});
            with(with(place, about), said)
        },
    )
}

fn channel() -> impl Strategy<Value = Value> {
    rarely(1, select(&["web", "web", "app"][..]))
}

fn wanted() -> impl Strategy<Value = Value> {
    let of_group =
        |group: &'static str| select(&["A", "A", "B"][..]).prop_map(move |sku| json!({"sku": sku, "group": group}));
    let place = prop_oneof![10 => place(), 6 => of_group("east"), 1 => of_group("west")];
    (place, prop_oneof![10 => 1..7_i64, 1 => 7..40_i64], due(), any::<bool>(), channel()).prop_map(
        |(place, quantity, due, is_dated, channel)| {
            let due = if is_dated { due } else { Value::Null };
            with(place, json!({"quantity": quantity, "due": due, "channel": channel}))
        },
    )
}

fn request() -> impl Strategy<Value = Value> {
    let numbered = (wanted(), rarely(2, 1..3_i64)).prop_map(|(wanted, line)| with(wanted, json!({"line": line})));
    let one = (wanted(), rarely(20, Just("changed"))).prop_map(|(wanted, version)| {
        let version = if wanted.get("group").is_some() { Value::Null } else { version };
        with(wanted, json!({"version": version}))
    });
    let what = prop_oneof![2 => one, 1 => vec(numbered, 1..4).prop_map(|lines| json!({"lines": lines}))];
    let modes = ["look_ahead", "period_net", "cumulative", "on_hand", "discrete", "backward", "discrete_running_total"];
    let more = (
        rarely(1, select(&["all", "partial", "partial"][..])),
        rarely(5, select(modes.to_vec())),
        rarely(1, select(&["20s", "20s", "5m", "90m", "2d", "none"][..])),
    );
    let about = prop_oneof![1 => document(), 1 => Just(json!({}))];
    (what, more, about, rarely(12, Just(0))).prop_map(|(what, (policy, mode, ttl), about, silent)| {
        let reply = if silent.is_null() { json!("here") } else { Value::Null };
        let said = json!({"type": "reservation.requested", "policy": policy, "mode": mode, "ttl": ttl, "reply": reply});
        let about = if what.get("lines").is_some() { json!({"document": about["document"]}) } else { about };
        with(with(about, what), said)
    })
}

/// What is taken or given back is said when it is known what was asked for.
fn settled() -> impl Strategy<Value = Value> {
    let kind = select(&["reservation.posted", "reservation.posted", "reservation.voided"][..]);
    (kind, vec(0..9_i64, 4), 0..8_u32, rarely(1, Just("settled"))).prop_map(|(kind, shares, form, reply)| {
        with(json!({"type": kind, "shares": shares, "form": form}), json!({"reply": reply}))
    })
}

fn kept() -> impl Strategy<Value = Value> {
    let scope = prop_oneof![
        2 => Just(json!({})),
        3 => select(&["DC1", "DC2"][..]).prop_map(|location| json!({"location": location})),
        2 => select(&["east", "east", "west"][..]).prop_map(|group| json!({"group": group})),
    ];
    let channel = || select(&["web", "web", "app"][..]);
    let protected = prop_oneof![5 => 0..14_i64, 1 => 20..120_i64];
    let set = (channel(), protected, rarely(3, 0..12_i64)).prop_map(|(channel, protected, capped)| {
        with(json!({"type": "protection.set", "protected": protected, "channel": channel}), json!({"capped": capped}))
    });
    let moved = (channel(), channel(), 1..5_i64).prop_map(|(from, to, quantity)| {
        let to = if from == to && quantity < 4 { "till" } else { to };
        json!({"type": "protection.moved", "from": from, "to": to, "quantity": quantity})
    });
    (scope, prop_oneof![3 => set, 2 => moved], select(&["A", "A", "B"][..]))
        .prop_map(|(scope, said, sku)| with(with(scope, said), json!({"sku": sku})))
}

fn group() -> impl Strategy<Value = Value> {
    let locations = vec(select(&["DC1", "DC2", "DC3"][..]), 0..4);
    (select(&["east", "east", "west"][..]), locations, rarely(2, select(&["east", "west", "west"][..])), time())
        .prop_map(|(group, locations, member, time)| {
            let groups = if member.is_null() || member == group { Value::Null } else { json!([member]) };
            let said = json!({"type": "group.defined", "group": group, "locations": locations});
            with(said, json!({"groups": groups, "time": time}))
        })
}

fn zone() -> impl Strategy<Value = Value> {
    (select(&["DC1", "DC2", "DC3"][..]), select(&ZONES[..]), time()).prop_map(|(location, zone, time)| {
        with(json!({"type": "location.defined", "location": location, "time_zone": zone}), json!({"time": time}))
    })
}

fn defined() -> impl Strategy<Value = Value> {
    let item = (select(&["A", "B"][..]), rarely(3, 0..4_i64), time()).prop_map(|(sku, safety_stock, time)| {
        with(json!({"type": "item.defined", "sku": sku}), json!({"safety_stock": safety_stock, "time": time}))
    });
    let retired =
        time().prop_map(|time| with(json!({"type": "group.retired", "group": "east"}), json!({"time": time})));
    prop_oneof![6 => group(), 4 => zone(), 3 => item, 1 => retired]
}

fn correction() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(json!({"type": "event.voided"})),
        1 => (1..12_i64, rarely(3, stock())).prop_map(|(quantity, event)| {
            with(json!({"type": "event.corrected", "quantity": quantity}), json!({"event": event}))
        }),
    ]
}

fn closed() -> impl Strategy<Value = Value> {
    let close = (document(), select(&["document.closed", "document.cancelled"][..]))
        .prop_map(|(about, kind)| json!({"type": kind, "document": about["document"]}));
    let receipt = (document(), select(&["receipt.announced", "receipt.closed"][..]), 1..12_i64, place()).prop_map(
        |(about, kind, quantity, place)| {
            let said = json!({"type": kind, "sku": place["sku"], "location": place["location"], "quantity": quantity});
            with(about, said)
        },
    );
    prop_oneof![1 => close, 1 => receipt]
}

fn operated() -> impl Strategy<Value = Value> {
    let more = (
        rarely(1, select(&["30s", "10m", "none"][..])),
        rarely(1, select(&["exception", "drop", "slide", "keep"][..])),
        rarely(2, select(&["keep", "drop"][..])),
        rarely(3, 1..4_u32),
        rarely(3, 1..5_u32),
    );
    (3..10_u32, more).prop_map(|(horizon, (ttl, past_due, demand, window, fence))| {
        let said = with(
            json!({"horizon": horizon}),
            json!({"reservation_ttl": ttl, "past_due": past_due, "past_due_demand": demand, "accumulation_window": window, "lead_time": fence}),
        );
        json!({"type": "configuration.changed", "config": {"promise": said}})
    })
}

/// Nothing but time that passes.
pub(super) fn tick() -> impl Strategy<Value = Draft> {
    draft(Just(json!({"type": "tick"})), Aim::Nothing)
}

/// What may happen.
pub(super) fn event() -> impl Strategy<Value = Draft> {
    prop_oneof![
        12 => draft(stock(), Aim::Line),
        5 => draft(plain_stock(), Aim::Nothing),
        7 => draft(scheduled(), Aim::Nothing),
        2 => draft(scheduled(), Aim::Purpose),
        5 => draft(changed(), Aim::Line),
        8 => draft(request(), Aim::Nothing),
        5 => draft(request(), Aim::Line),
        11 => draft(settled(), Aim::Request),
        4 => draft(kept(), Aim::Nothing),
        3 => draft(defined(), Aim::Nothing),
        4 => draft(correction(), Aim::Stock),
        2 => draft(closed(), Aim::Line),
        5 => draft(Just(Value::Null), Aim::Again),
        1 => tick(),
        1 => draft(operated(), Aim::Nothing),
    ]
}

/// What is there when a log begins: stock, and mostly a group and zones.
pub(super) fn beginning() -> impl Strategy<Value = Vec<Draft>> {
    let received = (place(), 15..70_i64)
        .prop_map(|(place, quantity)| with(place, json!({"type": "stock.received", "quantity": quantity})));
    (
        vec(draft(received, Aim::Nothing), 3..10),
        vec(draft(group(), Aim::Nothing), 0..3),
        vec(draft(zone(), Aim::Nothing), 0..3),
    )
        .prop_map(|(stock, groups, zones)| {
            let mut all = stock;
            for mut draft in groups.into_iter().chain(zones) {
                // It holds from the beginning on.
                draft.said.as_object_mut().expect("an event is an object").remove("time");
                all.push(draft);
            }
            all
        })
}
