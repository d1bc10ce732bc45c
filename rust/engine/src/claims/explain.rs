//! Explaining: the lines behind a figure.

use tallystick_contract::json_text::write_string;

use crate::claims::book::Claims;
use crate::output::effect::{write_amount, write_name, write_text};
use crate::schedule::Site;
use crate::schedule::{Given, View};

/// Lines that an answer names on either side.
pub(crate) const LINES_MAX: usize = 100;

impl Claims {
    /// Appends the lines of supply that count by a bucket.
    pub(crate) fn write_supply(&self, view: View<'_>, out: &mut Vec<u8>, site: &Site, binding: i32) {
        let serials = site.entry.map(|slot| view.schedule.entry(slot).lines.clone()).unwrap_or_default();
        let mut lines: Vec<_> = serials
            .iter()
            .map(|serial| (*serial, &view.schedule.lines[serial]))
            .filter(|(_, line)| line.counted.is_some_and(|(at, _)| at <= binding))
            .collect();
        lines.sort_by_key(|(serial, line)| (line.counted, *serial));
        for (_, line) in lines.into_iter().take(LINES_MAX) {
            self.write_name_of_line(out, line.claim);
            write_text(out, "due", Some(&view.core.bucket_text(line.bucket)));
            write_amount(out, "quantity", line.counted.map_or(0, |(_, rest)| rest));
            write_text(out, "supplier", line.supplier.as_deref());
            write_text(out, "kind", line.kind.as_deref());
            out.push(b'}');
        }
    }

    /// Appends what order lines claim by a bucket, those that claim first before the others.
    pub(crate) fn write_claimed(&self, view: View<'_>, out: &mut Vec<u8>, site: &Site, binding: i32) {
        let Some(slot) = site.entry else { return };
        let (spot, today) = (view.schedule.entry(slot).spot, site.horizon.today);
        let mut claims = Vec::new();
        for number in self.numbers() {
            let line = self.line(number);
            let given = line.given.iter().find(|given| given.spot == spot);
            for (bucket, shown) in given.into_iter().flat_map(Given::changes) {
                if bucket <= binding && shown.total() != 0 {
                    claims.push((bucket.max(today), number, shown.total()));
                }
            }
        }
        claims.sort_unstable();
        for (bucket, number, quantity) in claims.into_iter().take(LINES_MAX) {
            self.write_name_of_line(out, number);
            write_text(out, "due", Some(&view.core.bucket_text(bucket)));
            write_amount(out, "quantity", quantity);
            out.push(b'}');
        }
    }

    /// Begins an entry of a list with document and line.
    pub(crate) fn write_name_of_line(&self, out: &mut Vec<u8>, number: u32) {
        let line = self.line(number);
        out.extend_from_slice(if out.last() == Some(&b'[') { b"{\"document\":" } else { b",{\"document\":" });
        write_string(out, self.document(line.document).name());
        if let Some(number) = &line.number {
            write_name(out, "line");
            number.write_json(out);
        }
    }
}
