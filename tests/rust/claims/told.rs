//! Messages of an order's life, as the model reads them and as the ledger is told them. Holds no test.

use serde_json::{Map, Value, json};

use tallystick_contract::instant;

/// Location and lot.
pub(crate) type Spot = (&'static str, &'static str);

/// Numbers come before texts, and last what has no line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    Number(i64),
    Text(&'static str),
    Missing,
}

/// A message. Times are seconds of [`FIRST`].
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) id: usize,
    pub(crate) source: &'static str,
    /// When it holds, and the log's time when it came.
    pub(crate) time: i64,
    pub(crate) arrived: i64,
    pub(crate) at: Spot,
    pub(crate) document: Option<&'static str>,
    pub(crate) line: Line,
    pub(crate) says: Says,
}

/// What it says: quantities in units, days from today, holds and events by their ids.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Says {
    Order {
        quantity: Option<i64>,
        day: Option<i64>,
    },
    Reserved(i64),
    Unreserved(i64),
    Allocated {
        quantity: i64,
        converted: bool,
    },
    Deallocated(i64),
    Picked(i64),
    Unpicked(i64),
    Shipped {
        quantity: i64,
        from_picked: bool,
        is_final: bool,
    },
    Received(i64),
    Returned(i64),
    Counted(i64),
    Requested {
        quantity: i64,
        day: Option<i64>,
        ttl: Option<i64>,
    },
    Posted {
        hold: usize,
        quantity: Option<i64>,
        keep: bool,
    },
    Voided {
        hold: usize,
        quantity: Option<i64>,
    },
    Changed {
        hold: usize,
        quantity: Option<i64>,
        ttl: Option<i64>,
    },
    /// The whole document.
    Closed,
    /// The line at its location.
    Cancelled,
    /// The event never was.
    Void(usize),
}

/// 2026-03-02T08:00:00Z, in nanoseconds.
pub(crate) const FIRST_NS: i64 = 1_772_438_400_000_000_000;

/// The SKU of all lives.
pub(crate) const SKU: &str = "LAMP";

/// Nanoseconds of a second of a life.
pub(crate) const fn nanoseconds(second: i64) -> i64 {
    FIRST_NS + second * 1_000_000_000
}

/// The day that lies so many days ahead.
pub(crate) fn date(day: i64) -> String {
    instant::format(nanoseconds(day * 86_400))[..10].to_owned()
}

impl Told {
    /// The message in compact form; `ships_from_shelf` where the configuration lets shipments take from `on_hand`.
    ///
    /// Where two types say the same, the id decides which one is taken.
    pub(crate) fn json(&self, ships_from_shelf: bool) -> Value {
        let (kind, quantity, more) = self.words(ships_from_shelf);
        let mut said = Map::new();
        let mut say = |name: &str, value: Value| said.insert(name.to_owned(), value);
        say("id", format!("m{}", self.id).into());
        say("source", self.source.into());
        say("type", kind.into());
        say("time", instant::format(nanoseconds(self.time)).into());
        if let Some(quantity) = quantity {
            say("quantity", quantity.into());
        }
        let is_about_another =
            matches!(self.says, Says::Posted { .. } | Says::Voided { .. } | Says::Changed { .. } | Says::Void(_));
        if let Some(document) = self.document.filter(|_| !is_about_another) {
            say("document", document.into());
        }
        if !is_about_another && self.says != Says::Closed {
            say("sku", SKU.into());
            say("location", self.at.0.into());
            if !self.at.1.is_empty() {
                say("lot", self.at.1.into());
            }
            match self.line {
                // The same number, as an ERP writes it.
                Line::Number(number) if self.id.is_multiple_of(3) => say("line", format!("{number:06}").into()),
                Line::Number(number) => say("line", number.into()),
                Line::Text(text) => say("line", text.into()),
                Line::Missing => None,
            };
        }
        if let Value::Object(more) = more {
            said.extend(more);
        }
        Value::Object(said)
    }

    /// Type, quantity, and what else is said.
    fn words(&self, ships_from_shelf: bool) -> (&'static str, Option<i64>, Value) {
        let is_even = self.id.is_multiple_of(2);
        let either = |even, odd| if is_even { even } else { odd };
        let target = |id: usize| json!({ "id": format!("m{id}") });
        match self.says {
            Says::Order { quantity: Some(quantity), day: Some(day) } => {
                let kind = either("demand.scheduled", "demand.rescheduled");
                (kind, Some(quantity), json!({ "due": date(day) }))
            }
            Says::Order { quantity, day } => {
                let due = day.map_or(json!({}), |day| json!({ "due": date(day) }));
                ("demand.rescheduled", quantity, due)
            }
            Says::Reserved(quantity) => ("stock.reserved", Some(quantity), Value::Null),
            Says::Unreserved(quantity) => ("stock.unreserved", Some(quantity), Value::Null),
            Says::Allocated { quantity, converted } => {
                let from = if converted { json!({ "from_status": "reserved" }) } else { Value::Null };
                ("stock.allocated", Some(quantity), from)
            }
            Says::Deallocated(quantity) => {
                (either("stock.deallocated", "stock.short_picked"), Some(quantity), Value::Null)
            }
            Says::Picked(quantity) => ("stock.picked", Some(quantity), Value::Null),
            Says::Unpicked(quantity) => ("stock.unpicked", Some(quantity), Value::Null),
            Says::Shipped { quantity, from_picked, is_final } => {
                let kind = if from_picked || ships_from_shelf { "stock.shipped" } else { "stock.sold" };
                (kind, Some(quantity), if is_final { json!({ "reason": "final" }) } else { Value::Null })
            }
            Says::Received(quantity) => ("stock.received", Some(quantity), Value::Null),
            Says::Returned(quantity) => ("stock.returned", Some(quantity), json!({ "to_status": "on_hand" })),
            Says::Counted(quantity) => ("stock.counted", Some(quantity), Value::Null),
            Says::Requested { quantity, day, ttl } => {
                let mut more = json!({ "ttl": duration(ttl), "reply": "r" });
                if let Some(day) = day {
                    more["due"] = date(day).into();
                }
                ("reservation.requested", Some(quantity), more)
            }
            Says::Posted { hold, quantity, keep } => {
                let rest = if keep { "keep" } else { "release" };
                ("reservation.posted", quantity, json!({ "target": target(hold), "rest": rest, "reply": "r" }))
            }
            Says::Voided { hold, quantity } => {
                ("reservation.voided", quantity, json!({ "target": target(hold), "reply": "r" }))
            }
            Says::Changed { hold, quantity, ttl } => {
                let mut more = json!({ "target": target(hold), "reply": "r" });
                if ttl.is_some() {
                    more["ttl"] = duration(ttl).into();
                }
                ("reservation.changed", quantity, more)
            }
            Says::Closed => (either("document.closed", "document.cancelled"), None, Value::Null),
            Says::Cancelled if is_even => ("demand.cancelled", None, Value::Null),
            Says::Cancelled => ("demand.rescheduled", Some(0), Value::Null),
            Says::Void(id) => ("event.voided", None, json!({ "target": target(id) })),
        }
    }
}

fn duration(ttl: Option<i64>) -> String {
    ttl.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds}s"))
}
