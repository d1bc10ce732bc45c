//! Questions beyond balances, answered as JSON: exceptions, a policy on trial, the trail of a position, what is
//! remembered of keys, and what messages would do. Changes nothing.

use std::collections::BTreeMap;

use tallystick_contract::balance::Balance;
use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity;
use tallystick_tables::dedup::fingerprint;

use crate::output::batch::Batch;
use crate::output::effect::{write_name, write_number, write_text};
use crate::read::element::Place;
use crate::spine::engine::Engine;
use crate::work::{Filter, Item, Known, Undecided, value_of, write_item};

impl Known for Engine {
    /// As of now, by the log's time.
    fn cost(&self, sku: &str) -> Option<i64> {
        self.core.items.at(sku, self.core.now_ns()).and_then(|item| item.unit_cost)
    }

    fn waiting(&self, item: &Item) -> Option<Undecided> {
        let site = self.site_under(item)?;
        let mut waiting = Undecided::default();
        for pending in self.pendings.of_site(&site) {
            waiting.events += 1;
            waiting.loss = waiting.loss.saturating_add(pending.loss);
            if let Some(cost) = self.cost(&pending.position[0]) {
                let value = value_of(pending.loss, cost);
                waiting.value = Some(waiting.value.unwrap_or_default().saturating_add(value));
            }
        }
        Some(waiting)
    }
}

impl Engine {
    /// The items of work that fit, as a JSON array, by their numbers.
    pub fn exceptions_json(&self, filter: &Filter<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.work.write_items(filter, self, &mut out);
        out
    }

    /// One item of work as JSON.
    pub fn exception_json(&self, number: u64) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        write_item(self.work.get(number)?, self, &mut out);
        Some(out)
    }

    /// How many items of work there are, by state and by code, as JSON.
    pub fn exception_stats_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.work.write_stats(&self.core.config, &mut out);
        out
    }

    /// What a policy on trial would have said otherwise, as JSON.
    pub fn shadow_json(&self) -> Vec<u8> {
        let Some(shadow) = &self.shadow else { return b"{\"active\":false,\"rows\":[]}".to_vec() };
        let mut out = b"{\"active\":true".to_vec();
        write_number(&mut out, "since_sequence", shadow.since);
        write_list(&mut out, "rows", &shadow.rows, |out, ((source, kind, role, other), row)| {
            out.extend_from_slice(b"{\"source\":");
            write_string(out, source);
            write_text(out, "type", Some(kind));
            write_text(out, "role", Some(role.name()));
            write_text(out, "shadow_role", Some(other.name()));
            write_number(out, "count", row.count);
            write_list(out, "places", &row.places, |out, Place { sequence, index }| {
                out.extend_from_slice(format!("[{sequence},{index}]").as_bytes());
            });
            out.push(b'}');
        });
        out.push(b'}');
        out
    }

    /// The recent movements and counts of a position, oldest first, as JSON.
    pub fn trail_json(&self, names: [&str; 4]) -> Option<Vec<u8>> {
        let (part, position) = self.core.stock.at(self.core.stock.find(names)?);
        let mut out = b"{".to_vec();
        out.extend_from_slice(b"\"movements\":[");
        for (place, movement) in part.ledger.movements(position).enumerate() {
            out.extend_from_slice(if place > 0 { b",{\"time\":" } else { b"{\"time\":" });
            write_string(&mut out, &instant::format(movement.time_ns));
            write_name(&mut out, "quantity");
            quantity::write(&mut out, movement.quantity);
            out.push(b'}');
        }
        out.push(b']');
        let counts = part.ledger.counts(position);
        let latest = counts.map_or(0, |counts| counts.kept.len());
        let kept = counts.into_iter().flat_map(|counts| &counts.kept).zip(1..);
        write_list(&mut out, "counts", kept, |out, (count, number)| {
            out.extend_from_slice(b"{\"time\":");
            write_string(out, &instant::format(count.time_ns));
            write_name(out, "quantity");
            quantity::write(out, count.quantity);
            write_text(out, "source", Some(&count.source));
            write_text(out, "id", Some(&count.id));
            write_name(out, "is_barrier");
            out.extend_from_slice(if number == latest { b"true}" } else { b"false}" });
        });
        if position.dropped_ns > i64::MIN {
            write_text(&mut out, "dropped_through", Some(&instant::format(position.dropped_ns)));
        }
        out.push(b'}');
        Some(out)
    }

    /// What is remembered of keys (source and id): the outcome that a repetition would repeat, `observed` of what was
    /// taken and posted nothing, directives included, else `applied`.
    pub fn answers(&mut self, keys: &[(String, String)]) -> Vec<Option<&'static str>> {
        let keys_ns = self.core.keys_ns();
        let answer = |(source, id): &(String, String)| {
            let key = fingerprint(&self.core.secret, source, id);
            if self.pendings.get(key).is_some() {
                return Some(Outcome::PendingApproval.name());
            }
            if self.tracker.held().chain(self.waiting.held()).any(|held| held.key == key) {
                return Some(Outcome::Held.name());
            }
            self.core.keys.find(key, keys_ns).filter(|known| !known.is_echoed()).map(|known| {
                match known.answer_again() {
                    // What was denied stays what it was.
                    Outcome::Duplicate if known.is_unposted() && self.pendings.decided.contains_key(&key.0) => {
                        Outcome::PendingApproval.name()
                    }
                    Outcome::Duplicate if known.is_unposted() => Outcome::Observed.name(),
                    Outcome::Duplicate => Outcome::Applied.name(),
                    refusal => refusal.name(),
                }
            })
        };
        keys.iter().map(answer).collect()
    }

    /// What messages would do if they came now, tried on a copy of everything, as JSON.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    /// use tallystick_engine::Engine;
    ///
    /// let engine = Engine::new(Config::default(), [0; 16]);
    /// let event = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}"#;
    /// let json = String::from_utf8(engine.what_if_json(&[event])).unwrap();
    /// assert!(json.contains(r#""outcomes":[{"outcome":"applied","source":"wms","id":"1"}]"#), "{json}");
    /// assert!(engine.is_empty()); // nothing has happened
    /// ```
    pub fn what_if_json(&self, messages: &[&[u8]]) -> Vec<u8> {
        let mut copy =
            Self::restore(&self.snapshot(), (*self.core.config).clone()).expect("its own snapshot can be loaded");
        let opened_after = copy.work.last();
        let mut batch = Batch::with_keys();
        let log_time_ns = self.core.now_ns();
        let places = (self.core.sequence + 1..).zip(messages);
        copy.apply_messages(places.map(|(sequence, message)| (sequence, log_time_ns, *message)), &mut batch)
            .expect("the sequences follow the last one");
        let released: BTreeMap<_, _> =
            batch.released.iter().map(|(sequence, index, outcome)| ((*sequence, *index), *outcome)).collect();
        let mut out = b"{".to_vec();
        out.extend_from_slice(b"\"sequence\":");
        quantity::write_digits(&mut out, self.core.sequence);
        let keys = batch.keys.as_deref().unwrap_or_default();
        let elements = (0..batch.len()).map(|at| (at, (batch.sequences[at], batch.indices[at])));
        write_list(&mut out, "outcomes", elements, |out, (at, place)| {
            let outcome = released.get(&place).copied().unwrap_or(batch.outcomes[at]);
            out.extend_from_slice(b"{\"outcome\":");
            write_string(out, outcome.name());
            let (source, id) = &keys[at];
            write_text(out, "source", source.as_deref());
            write_text(out, "id", id.as_deref());
            let mut raised = batch.exceptions.iter().filter(|record| (record.sequence, record.index) == place);
            let refused = raised.find(|record| *record.code == *outcome.name());
            write_text(out, "cause", refused.map(|record| &*record.cause));
            out.push(b'}');
        });
        let (changed, _) = copy.core.stock.take_changed();
        let changed: Vec<_> = changed.into_iter().map(|spot| copy.balance(spot)).collect();
        write_list(&mut out, "positions", &changed, |out, after| {
            out.extend_from_slice(b"{\"sku\":");
            write_string(out, &after.key.sku);
            write_text(out, "location", Some(&after.key.location));
            for (name, value) in [("lot", &after.key.lot), ("owner", &after.key.owner)] {
                write_text(out, name, Some(&**value).filter(|value| !value.is_empty()));
            }
            write_name(out, "after");
            after.write_json(out);
            if let Some(before) = self.find(&after.key) {
                write_name(out, "before");
                Balance::write_json(&before, out);
            }
            out.push(b'}');
        });
        write_name(&mut out, "exceptions");
        let opened = Filter { after: opened_after, limit: usize::MAX, ..Filter::default() };
        copy.work.write_items(&opened, &copy, &mut out);
        let resolved = copy.work.changes.iter().filter(|change| change.state.is_done());
        write_list(&mut out, "resolved", resolved, |out, change| quantity::write_digits(out, change.number));
        out.push(b'}');
        out
    }
}

/// Writes a member that is a list.
fn write_list<T>(out: &mut Vec<u8>, name: &str, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    write_name(out, name);
    out.push(b'[');
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}
