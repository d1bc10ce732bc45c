//! Explaining a figure: the bucket that binds it, and the lines behind it.

use tallystick_contract::json_text::write_string;

use super::figure::Site;
use crate::atp::Mode;
use crate::effect::{write_name, write_text};
use crate::engine::Engine;
use crate::promise::answer::write_amount;

/// Lines that an answer names on either side.
const LINES_MAX: usize = 100;

impl Engine {
    /// The bucket that binds what can be promised in another: the first from there on where least is left.
    pub(crate) fn binding(&self, site: &Site, bucket: i32) -> i32 {
        let totals = self.figures(site, Mode::Cumulative);
        let left = |offset: usize| totals[offset].saturating_sub(site.kept.at(offset));
        let (first, end) = (site.offset(bucket), site.offset(site.fence - 1));
        let least = (first..=end).min_by_key(|offset| left(*offset)).unwrap_or(first);
        site.horizon.today + i32::try_from(least).unwrap_or(0)
    }

    /// Appends what binds a figure.
    pub(super) fn write_explain(&self, out: &mut Vec<u8>, site: &Site, bucket: i32) {
        let binding = self.binding(site, bucket);
        out.extend_from_slice(b"{\"bucket\":");
        write_string(out, &self.bucket_text(binding));
        write_amount(out, "on_hand", site.on_hand);
        write_amount(out, "safety_stock", site.kept.at(site.offset(binding)));
        write_name(out, "supply");
        out.push(b'[');
        self.write_supply(out, site, binding);
        out.push(b']');
        write_name(out, "demand");
        out.push(b'[');
        self.write_claimed(out, site, binding);
        self.write_held(out, site, binding);
        out.extend_from_slice(b"]}");
    }

    /// Appends the lines of supply that count by a bucket.
    fn write_supply(&self, out: &mut Vec<u8>, site: &Site, binding: i32) {
        let serials = site.entry.map(|slot| self.promises.entry(slot).lines.clone()).unwrap_or_default();
        let mut lines: Vec<_> = serials
            .iter()
            .map(|serial| (*serial, &self.promises.lines[serial]))
            .filter(|(_, line)| line.counted.is_some_and(|(at, _)| at <= binding))
            .collect();
        lines.sort_by_key(|(serial, line)| (line.counted, *serial));
        for (_, line) in lines.into_iter().take(LINES_MAX) {
            self.write_name_of_line(out, line.claim);
            write_text(out, "due", Some(&self.bucket_text(line.bucket)));
            write_amount(out, "quantity", line.counted.map_or(0, |(_, rest)| rest));
            write_text(out, "supplier", line.supplier.as_deref());
            write_text(out, "kind", line.kind.as_deref());
            out.push(b'}');
        }
    }

    /// Appends what order lines claim by a bucket, those that claim first before the others.
    fn write_claimed(&self, out: &mut Vec<u8>, site: &Site, binding: i32) {
        let Some(slot) = site.entry else { return };
        let (spot, today) = (self.promises.entry(slot).spot, site.horizon.today);
        let mut claims = Vec::new();
        for number in self.claims.numbers() {
            let line = self.claims.line(number);
            let given = line.given.iter().find(|given| given.spot == spot);
            for (bucket, shown) in given.into_iter().flat_map(crate::claims::Given::changes) {
                if bucket <= binding && shown.total() != 0 {
                    claims.push((bucket.max(today), number, shown.total()));
                }
            }
        }
        claims.sort_unstable();
        for (bucket, number, quantity) in claims.into_iter().take(LINES_MAX) {
            self.write_name_of_line(out, number);
            write_text(out, "due", Some(&self.bucket_text(bucket)));
            write_amount(out, "quantity", quantity);
            out.push(b'}');
        }
    }

    /// Begins an entry of a list with document and line.
    fn write_name_of_line(&self, out: &mut Vec<u8>, number: u32) {
        let line = self.claims.line(number);
        out.extend_from_slice(if out.last() == Some(&b'[') { b"{\"document\":" } else { b",{\"document\":" });
        write_string(out, self.claims.document(line.document).name());
        if let Some(number) = &line.number {
            write_name(out, "line");
            number.write_json(out);
        }
    }

    /// Appends the live reservations with a date and without a document that count by a bucket, as demand.
    fn write_held(&self, out: &mut Vec<u8>, site: &Site, binding: i32) {
        let Some(slot) = site.entry else { return };
        let entry = self.promises.entry(slot);
        if entry.live_dated.is_empty() {
            return;
        }
        let mut held = Vec::new();
        for (record, number) in self.promises.parts_of(entry.spot) {
            let record = self.promises.reservations.get(record);
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
            write_text(out, "due", Some(&self.bucket_text(bucket)));
            write_amount(out, "quantity", quantity);
            out.push(b'}');
        }
    }
}
