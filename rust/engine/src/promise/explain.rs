//! Explaining a figure: the bucket that binds it, and the lines behind it.

use super::figure::Site;
use crate::atp::Mode;
use crate::balance::write_string;
use crate::directive::Side;
use crate::effect::{write_name, write_text};
use crate::engine::Engine;
use crate::promise::answer::write_amount;
use crate::quantity;

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
        let serials = site.entry.map(|slot| self.promises.entry(slot).lines.clone()).unwrap_or_default();
        for side in [Side::Supply, Side::Demand] {
            write_name(out, side.name());
            out.push(b'[');
            let mut lines: Vec<_> = serials
                .iter()
                .map(|serial| (*serial, &self.promises.lines[serial]))
                .filter(|(_, line)| line.side == side && line.counted.is_some_and(|(at, _)| at <= binding))
                .collect();
            lines.sort_by_key(|(serial, line)| (line.counted, *serial));
            for (number, (_, line)) in lines.into_iter().take(LINES_MAX).enumerate() {
                out.extend_from_slice(if number > 0 { b",{\"document\":" } else { b"{\"document\":" });
                write_string(out, &line.document);
                if let Some(number) = line.number {
                    write_name(out, "line");
                    quantity::write(out, number.saturating_mul(crate::limits::SCALE));
                }
                write_text(out, "due", Some(&self.bucket_text(line.bucket)));
                write_amount(out, "quantity", line.counted.map_or(0, |(_, rest)| rest));
                write_text(out, "supplier", line.supplier.as_deref());
                write_text(out, "kind", line.kind.as_deref());
                out.push(b'}');
            }
            if side == Side::Demand {
                self.write_held(out, site, binding);
            }
            out.push(b']');
        }
        out.push(b'}');
    }

    /// Appends the live reservations with a date that count by a bucket, as demand.
    fn write_held(&self, out: &mut Vec<u8>, site: &Site, binding: i32) {
        let Some(slot) = site.entry else { return };
        if self.promises.entry(slot).live_dated.is_empty() {
            return;
        }
        let mut held = Vec::new();
        for (record, number) in self.promises.parts_of(slot) {
            let record = self.promises.reservations.get(record);
            let part = &record.parts[number];
            if let Some((_, bucket)) = part.due.filter(|(_, bucket)| *bucket <= binding) {
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
