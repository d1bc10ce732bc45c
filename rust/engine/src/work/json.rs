//! Items of work as JSON, and which of them are asked for.

use tallystick_contract::codes;
use tallystick_contract::config::Config;
use tallystick_contract::exception_state::{self, ExceptionState};
use tallystick_contract::instant;

use crate::diagnostics::exception::ExceptionRecord;
use crate::diagnostics::sent;
use crate::output::effect::{write_amount, write_members, write_name, write_names, write_number, write_text};
use crate::work::{Item, Work};
/// Which items are asked for, and how many at most. Of the rest, what is absent fits all.
///
/// ```
/// use tallystick_contract::config::Config;
/// use tallystick_engine::{Batch, Engine, Filter};
///
/// let mut engine = Engine::new(Config::default(), [0; 16]);
/// engine.apply_message(br#"[{"id":"1","source":"wms"},{"id":"1","source":"erp"}]"#, 1, 0, &mut Batch::new()).unwrap();
/// let filter = Filter { source: Some("erp"), limit: 10, ..Filter::default() };
/// let items = String::from_utf8(engine.exceptions_json(&filter)).unwrap();
/// assert!(items.starts_with(r#"[{"number":2,"subject":"erp/1","#), "{items}");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Open and acknowledged ones.
    pub is_unresolved: bool,
    /// In this state.
    pub state: Option<ExceptionState>,
    /// With this code.
    pub code: Option<&'a str>,
    /// About events of this source.
    pub source: Option<&'a str>,
    /// Of this team.
    pub owner: Option<&'a str>,
    /// With this correlation id.
    pub correlation: Option<&'a str>,
    /// About this SKU.
    pub sku: Option<&'a str>,
    /// About this location.
    pub location: Option<&'a str>,
    /// About this document.
    pub document: Option<&'a str>,
    /// As bad as this.
    pub severity: Option<&'a str>,
    /// Seen at this time of the log or later, in nanoseconds since 1970.
    pub since_ns: Option<i64>,
    /// With a greater number than this.
    pub after: u64,
    /// So many at most.
    pub limit: usize,
}

impl Filter<'_> {
    fn fits(&self, item: &Item) -> bool {
        let record = &item.record;
        let is = |wanted: Option<&str>, value: Option<&str>| wanted.is_none_or(|wanted| value == Some(wanted));
        (!self.is_unresolved || !item.state.is_done())
            && self.state.is_none_or(|state| item.state == state)
            && is(self.code, Some(&record.code))
            && is(self.source, record.source.as_deref())
            && is(self.owner, Some(item.team()))
            && is(self.correlation, record.correlation_id.as_deref())
            && is(self.sku, record.sku.as_deref())
            && is(self.location, record.location.as_deref())
            && is(self.document, record.document.as_deref())
            && is(self.severity, Some(codes::find(&record.code).severity.name()))
            && self.since_ns.is_none_or(|since_ns| item.last_seen_ns >= since_ns)
    }
}

impl Work {
    /// A JSON array of the items that fit, by number.
    pub(crate) fn write_items(&self, filter: &Filter<'_>, known: &impl Known, out: &mut Vec<u8>) {
        out.push(b'[');
        let after = self.items.range(filter.after.saturating_add(1)..);
        let mut lead = false;
        for (_, item) in after.filter(|(_, item)| filter.fits(item)).take(filter.limit) {
            if std::mem::replace(&mut lead, true) {
                out.push(b',');
            }
            write_item(item, known, out);
        }
        out.push(b']');
    }

    /// Counts by state and by code, as JSON, with all teams and codes that there are.
    pub(crate) fn write_stats(&self, config: &Config, out: &mut Vec<u8>) {
        let count = |state: ExceptionState| self.items.values().filter(|item| item.state == state).count() as u64;
        let escalated = self.items.values().filter(|item| item.is_escalated && !item.state.is_done()).count() as u64;
        out.extend_from_slice(b"{\"kept\":");
        tallystick_contract::quantity::write_digits(out, self.items.len() as u64);
        for state in exception_state::ALL {
            write_number(out, state.name(), count(state));
        }
        write_number(out, "escalated", escalated);
        write_number(out, "spilled", self.spilled);
        write_names(out, "teams", config.teams());
        write_names(out, "operators", config.operators.iter().map(|operator| &**operator));
        write_names(out, "codes", codes::CODES.iter().map(|code| code.name).chain(config.rules.own_codes()));
        out.extend_from_slice(b",\"by_code\":[");
        let mut codes: Vec<&str> = self.items.values().map(|item| &*item.record.code).collect();
        codes.sort_unstable();
        codes.dedup();
        let mut lead: &[u8] = b"";
        for code in codes {
            let of = || self.items.values().filter(|item| *item.record.code == *code);
            let unresolved = || of().filter(|item| !item.state.is_done());
            let Some(oldest) = unresolved().next() else { continue };
            out.extend_from_slice(lead);
            lead = b",";
            out.extend_from_slice(b"{\"code\":");
            tallystick_contract::json_text::write_string(out, code);
            write_number(out, "open", of().filter(|item| item.state == ExceptionState::Open).count() as u64);
            write_number(
                out,
                "acknowledged",
                of().filter(|item| item.state == ExceptionState::Acknowledged).count() as u64,
            );
            write_text(out, "oldest", Some(&instant::format(oldest.record.log_time_ns)));
            write_text(out, "owner", Some(oldest.team()));
            write_text(out, "severity", Some(codes::find(code).severity.name()));
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

/// What others know of an item.
pub(crate) trait Known {
    /// What a unit of a SKU costs, in thousandths.
    fn cost(&self, sku: &str) -> Option<i64>;
    /// What waits for the decision of an item, beside the event that opened it.
    fn waiting(&self, item: &Item) -> Option<Undecided>;
}

/// Events that wait for one decision.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Undecided {
    pub(crate) events: u64,
    /// What they would take away, in thousandths; its value as far as costs are known.
    pub(crate) loss: i64,
    pub(crate) value: Option<i64>,
}

/// How much it is about, in thousandths: what is missing, what would change, or what was sent.
fn at_stake(record: &ExceptionRecord) -> Option<i64> {
    let amount = match record.stock {
        Some((_, after)) if &*record.code == "negative_stock" => Some(after),
        Some((before, after)) => Some(after.saturating_sub(before)),
        None => record.quantity.or_else(|| sent::amount(&record.event)),
    };
    amount.map(i64::saturating_abs).filter(|amount| *amount > 0)
}

/// What a quantity is worth, where a unit's cost is known; both in thousandths.
pub(crate) fn value_of(quantity: i64, cost: i64) -> i64 {
    i64::try_from(i128::from(quantity) * i128::from(cost) / 1_000).unwrap_or(i64::MAX - 1)
}

/// How much it is about and what that is worth, with all that waits for its decision.
fn write_worth(item: &Item, known: &impl Known, out: &mut Vec<u8>) {
    let waiting = known.waiting(item);
    if let Some(Undecided { events, .. }) = waiting {
        write_number(out, "waiting", events);
    }
    if let Some(Undecided { loss, value, .. }) = waiting.filter(|waiting| waiting.loss > 0) {
        write_amount(out, "at_stake", loss);
        if let Some(value) = value {
            write_amount(out, "value", value);
        }
        return;
    }
    let record = &item.record;
    let Some(quantity) = at_stake(record) else { return };
    write_amount(out, "at_stake", quantity);
    if let Some(cost) = record.sku.as_deref().and_then(|sku| known.cost(sku)) {
        write_amount(out, "value", value_of(quantity, cost));
    }
}

/// Writes one item, with its value where a unit's cost is known.
pub(crate) fn write_item(item: &Item, known: &impl Known, out: &mut Vec<u8>) {
    let record = &item.record;
    out.extend_from_slice(b"{\"number\":");
    tallystick_contract::quantity::write_digits(out, record.number);
    write_text(out, "subject", Some(&item.subject));
    write_text(out, "state", Some(item.state.name()));
    write_name(out, "escalated");
    out.extend_from_slice(if item.is_escalated { b"true" } else { b"false" });
    write_number(out, "count", item.count);
    write_text(out, "first_seen", Some(&instant::format(record.log_time_ns)));
    write_text(out, "last_seen", Some(&instant::format(item.last_seen_ns)));
    if let Some(moved_ns) = item.moved_ns {
        write_text(out, "moved_at", Some(&instant::format(moved_ns)));
    }
    write_worth(item, known, out);
    for (name, value) in [
        ("correlationid", &record.correlation_id),
        ("causationid", &record.causation_id),
        ("moved_by", &item.moved_by),
        ("person", &item.person),
        ("note", &item.note),
    ] {
        write_text(out, name, value.as_deref());
    }
    write_members(out, record, item.team());
    out.push(b'}');
}
