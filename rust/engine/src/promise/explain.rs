//! Explaining a figure: the bucket that binds it, and the lines behind it.

use tallystick_contract::json_text::write_string;

use crate::output::effect::{write_amount, write_name, write_text};
use crate::promise::Promises;
use crate::promise::lines::OrderLines;
use crate::schedule::Site;
use crate::schedule::View;

/// Lines that an answer names on either side.
const LINES_MAX: usize = 100;

impl Promises {
    /// Appends what binds a figure.
    pub(crate) fn write_explain(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        out: &mut Vec<u8>,
        site: &Site,
        bucket: i32,
    ) {
        let binding = view.schedule.binding(view.core, site, bucket);
        out.extend_from_slice(b"{\"bucket\":");
        write_string(out, &view.core.bucket_text(binding));
        write_amount(out, "on_hand", site.on_hand);
        write_amount(out, "safety_stock", site.kept.at(site.offset(binding)));
        write_name(out, "supply");
        out.push(b'[');
        orders.write_supply(view, out, site, binding);
        out.push(b']');
        write_name(out, "demand");
        out.push(b'[');
        orders.write_claimed(view, out, site, binding);
        self.write_held(view, out, site, binding);
        out.extend_from_slice(b"]}");
    }

    /// Appends the live reservations with a date and without a document that count by a bucket, as demand.
    fn write_held(&self, view: View<'_>, out: &mut Vec<u8>, site: &Site, binding: i32) {
        let Some(slot) = site.entry else { return };
        let entry = view.schedule.entry(slot);
        if entry.live_dated.is_empty() {
            return;
        }
        let mut held = Vec::new();
        for (record, number) in self.parts_of(entry.spot) {
            let record = self.reservations.get(record);
            let part = &record.parts[number];
            if let Some((_, bucket)) = part.due.filter(|(_, bucket)| *bucket <= binding)
                && record.named.document().is_none()
            {
                held.push((bucket, record.serial, record.named.to_string(), part.held));
            }
        }
        held.sort_unstable();
        for (bucket, _, name, quantity) in held.into_iter().take(LINES_MAX) {
            out.extend_from_slice(if out.last() == Some(&b'[') { b"{\"reservation\":" } else { b",{\"reservation\":" });
            write_string(out, &name);
            write_text(out, "due", Some(&view.core.bucket_text(bucket)));
            write_amount(out, "quantity", quantity);
            out.push(b'}');
        }
    }
}
