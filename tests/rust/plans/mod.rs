//! Random logs about what comes, goes, is reserved and protected. What is drawn is only roughly said; what it is about
//! is chosen among what was said before it, so that it hits lines that are open and reservations that live. Holds no
//! test.

// Every test program is built with a copy of this folder and uses its own part of it.
#![allow(dead_code)]

mod aim;
mod said;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use tallystick_contract::instant;

use aim::Teller;

/// 2026-03-27T12:00:00Z, two days before clocks change in Europe.
pub(crate) const BASE_NS: i64 = 1_774_612_800 * SECOND_NS;
pub(crate) const SECOND_NS: i64 = 1_000_000_000;

/// What random logs are run under. Keys outlive every log but in the one with a short window.
pub(crate) const CONFIGS: [&str; 9] = [
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
    "[engine]\ndedup_window = \"1h\"\n[promise]\nhorizon = 6\nreservation_ttl = \"3h\"\ntime_zone = \"Europe/Berlin\"\npast_due = \"slide\"\n[receipts]\n",
    "[engine]\ndedup_window = \"30d\"\n[promise]\nhorizon = 8\ntime_zone = \"Pacific/Auckland\"\nreservation_ttl = \"1d\"\n\
     [promise.suppliers.ACME]\npast_due = \"keep\"\n[promise.sources.erp]\npast_due = \"slide\"\nslide = 3\n[promise.sources.wms]\npast_due = \"drop\"\n\
     [[safety_stock.rules]]\nlocation = \"DC1\"\nquantity = 2\nuntil = \"2026-03-29T09:00:00Z\"\n\
     [[safety_stock.rules]]\nlocation = \"DC1\"\npercent = 10\nfrom = \"2026-03-29T09:00:00Z\"\n",
];
/// Those whose `[promise]` an operator may replace: nothing else is asked of them.
const CHANGEABLE: [usize; 5] = [0, 1, 2, 3, 8];
/// The one in which keys are forgotten.
const SHORT: usize = 7;

/// Some events and when the log saw them.
#[derive(Clone)]
pub(crate) struct Message {
    events: Vec<Value>,
    pub(crate) log_time_ns: i64,
    /// The fewest buckets that the horizon had so far.
    pub(crate) buckets: usize,
}

/// As it would be sent, behind its time.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", instant::format(self.log_time_ns), String::from_utf8_lossy(&self.bytes()))
    }
}

impl Message {
    /// Whether it only lets time pass.
    pub(crate) fn is_tick(&self) -> bool {
        self.events.iter().all(|event| event["type"] == "tick")
    }

    /// The message's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &*self.events {
            [event] => event.to_string().into_bytes(),
            events => Value::from(events).to_string().into_bytes(),
        }
    }
}

/// What is drawn of an event, or of a message that only lets time pass.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    said: Value,
    aim: Aim,
    /// Which of those that it can be about, the newest first.
    pick: usize,
    /// Out of a hundred.
    luck: u32,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// What it says itself.
    Nothing,
    /// An element is repeated.
    Again,
    /// A schedule line is consumed or changed, or a request is for it.
    Line,
    /// A line for a reservation that was asked for before.
    Purpose,
    /// A reservation is posted or voided.
    Request,
    /// An event is undone.
    Stock,
}

/// The number of a configuration and a log for it, whose stamps mostly grow, over some days.
pub(crate) fn plans(messages_max: usize) -> impl Strategy<Value = (usize, Vec<Message>)> {
    let step_s = prop_oneof![
        20 => 0..40_i64, 1 => -50..0_i64, 5 => 60..1_200_i64, 3 => 1_200..9_000_i64, 2 => 20_000..90_000_i64
    ];
    let events = prop_oneof![12 => vec(said::event(), 1..4), 1 => said::tick().prop_map(|tick| vec![tick])];
    let messages = vec((events, step_s), 1..messages_max);
    let numbers: Vec<usize> = (0..CONFIGS.len()).filter(|number| *number != SHORT).collect();
    (select(numbers), said::beginning(), messages).prop_map(|(number, beginning, messages)| {
        let mut teller = Teller::new(number);
        let mut log_time_ns = BASE_NS;
        let mut log = vec![teller.message(beginning, log_time_ns)];
        for (drafts, step_s) in messages {
            log_time_ns += step_s * SECOND_NS;
            log.push(teller.message(drafts, log_time_ns));
        }
        (number, log)
    })
}
