//! Items of work as JSON, and which of them are asked for.

use tallystick_contract::codes;
use tallystick_contract::exception_state::{self, ExceptionState};
use tallystick_contract::instant;

use crate::output::effect::{write_members, write_name, write_number, write_text};
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
            && is(self.owner, Some(record.team.name()))
            && is(self.correlation, record.correlation_id.as_deref())
            && is(self.sku, record.sku.as_deref())
    }
}

impl Work {
    /// A JSON array of the items that fit, by number.
    pub(crate) fn write_items(&self, filter: &Filter<'_>, out: &mut Vec<u8>) {
        out.push(b'[');
        let after = self.items.range(filter.after.saturating_add(1)..);
        let mut lead = false;
        for (_, item) in after.filter(|(_, item)| filter.fits(item)).take(filter.limit) {
            if std::mem::replace(&mut lead, true) {
                out.push(b',');
            }
            write_item(item, out);
        }
        out.push(b']');
    }

    /// Counts by state and by code, as JSON.
    pub(crate) fn write_stats(&self, out: &mut Vec<u8>) {
        let count = |state: ExceptionState| self.items.values().filter(|item| item.state == state).count() as u64;
        let escalated = self.items.values().filter(|item| item.is_escalated && !item.state.is_done()).count() as u64;
        out.extend_from_slice(b"{\"kept\":");
        tallystick_contract::quantity::write_digits(out, self.items.len() as u64);
        for state in exception_state::ALL {
            write_number(out, state.name(), count(state));
        }
        write_number(out, "escalated", escalated);
        write_number(out, "spilled", self.spilled);
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
            write_text(out, "owner", Some(oldest.record.team.name()));
            write_text(out, "severity", Some(codes::find(code).severity.name()));
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

/// Writes one item.
pub(crate) fn write_item(item: &Item, out: &mut Vec<u8>) {
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
    for (name, value) in [
        ("correlationid", &record.correlation_id),
        ("causationid", &record.causation_id),
        ("moved_by", &item.moved_by),
        ("note", &item.note),
    ] {
        write_text(out, name, value.as_deref());
    }
    write_members(out, record);
    out.push(b'}');
}
