//! Lists of live reservations, for people: of a document, a SKU, a location, and those that leak.

use std::borrow::Cow;

use serde::Deserialize;
use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::quantity;
use tallystick_tables::dedup::fingerprint;

use crate::output::effect::{write_amount, write_name, write_number, write_text};
use crate::promise::Promises;
use crate::promise::lines::OrderLines;
use crate::promise::record::{End, Record};
use crate::schedule::View;
/// Reservations of one list, unless asked for fewer.
const LIST_MAX: usize = 1_000;

/// Which reservations are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReservationFilter {
    document: Option<String>,
    sku: Option<String>,
    location: Option<String>,
    leaks: bool,
    /// The key of one, whether it is live or not.
    source: Option<String>,
    id: Option<String>,
    limit: Option<usize>,
}

impl Promises {
    /// Live reservations as JSON: `{"sequence", "total", "reservations": […]}`, oldest first. The filter is a JSON
    /// object with any of `document`, `sku`, `location`, `leaks` (only those whose document is closed) and `limit`; one
    /// in another form gives `{"error"}`. With `source` and `id` it is the one with this key, live or not.
    pub(crate) fn list(&self, view: View<'_>, orders: &impl OrderLines, filter: &str) -> String {
        let filter: ReservationFilter = match serde_json::from_str(filter) {
            Ok(filter) => filter,
            Err(error) => return serde_json::json!({ "error": format!("the filter: {error}") }).to_string(),
        };
        let found: Vec<Cow<'_, Record<'_>>> =
            if let Some((source, id)) = filter.source.as_deref().zip(filter.id.as_deref()) {
                let slot = self.reservations.find(fingerprint(&view.core.secret, source, id));
                slot.map(|slot| self.reservations.get(slot)).into_iter().collect()
            } else {
                let live = self.reservations.all_live();
                live.filter(|record| Self::matches(view, orders, &filter, record)).collect()
            };
        let mut out = b"{\"sequence\":".to_vec();
        quantity::write_digits(&mut out, view.core.sequence);
        write_number(&mut out, "total", found.len() as u64);
        out.extend_from_slice(b",\"reservations\":[");
        for (number, record) in found.into_iter().take(filter.limit.unwrap_or(LIST_MAX)).enumerate() {
            if number > 0 {
                out.push(b',');
            }
            Self::write_reservation(view, orders, &mut out, &record);
        }
        out.extend_from_slice(b"]}");
        String::from_utf8(out).expect("JSON is text")
    }

    fn matches(view: View<'_>, orders: &impl OrderLines, filter: &ReservationFilter, record: &Record<'_>) -> bool {
        let is =
            |wanted: &Option<String>, value: Option<&str>| wanted.as_deref().is_none_or(|wanted| value == Some(wanted));
        let is_at = |place: usize, wanted: &Option<String>| {
            wanted.is_none() || record.parts.iter().any(|part| is(wanted, Some(view.core.view_names(part.spot)[place])))
        };
        is(&filter.document, record.named.document())
            && is_at(0, &filter.sku)
            && is_at(1, &filter.location)
            && !Self::leaks(view, orders, record)
            && !filter.leaks
    }

    /// Whether stock is held for a document that is closed. Such a hold claims nothing any more.
    fn leaks(view: View<'_>, orders: &impl OrderLines, record: &Record<'_>) -> bool {
        record.end == End::Live && Self::is_closed(view, orders, record)
    }

    fn write_reservation(view: View<'_>, orders: &impl OrderLines, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b"{\"source\":");
        write_string(out, &record.named.source);
        write_text(out, "id", Some(&record.named.id));
        write_text(out, "document", record.named.document());
        write_text(out, "end", Some(record.end.name()));
        if record.expires_ns < i64::MAX {
            write_text(out, "expires", Some(&instant::format(record.expires_ns)));
        }
        out.extend_from_slice(b",\"lines\":[");
        let open = Self::open_parts(view, orders, record);
        let held = record.parts.iter().zip(open).filter(|(part, is_open)| part.held > 0 && *is_open);
        for (number, (part, _)) in held.enumerate() {
            let [sku, location, lot, owner] = view.core.view_names(part.spot);
            out.extend_from_slice(if number > 0 { b",{\"sku\":" } else { b"{\"sku\":" });
            write_string(out, sku);
            write_text(out, "location", Some(location));
            for (name, value) in [("lot", lot), ("owner", owner)] {
                write_text(out, name, Some(value).filter(|value| !value.is_empty()));
            }
            write_amount(out, "held", part.held);
            if let Some((_, bucket)) = part.due {
                write_text(out, "due", Some(&view.core.bucket_text(bucket)));
            }
            write_text(out, "channel", record.channel(usize::from(part.line)));
            out.push(b'}');
        }
        out.push(b']');
        // What is held for a closed document claims nothing, so nothing leaks; the member stays for those who read it.
        write_name(out, "leak");
        out.extend_from_slice(b"false");
        out.push(b'}');
    }
}
