//! Receipts against what was announced: more than that is told at once, less when the receipt is closed
//! (`docs/truth.md` §5).

use std::collections::BTreeMap;

use tallystick_contract::config::{Config, Receipts};
use tallystick_contract::heap_size::heap_size;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::image::{Image, OrNegative};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use crate::core::Core;
use crate::diagnostics::{Diagnostics, Raised};
use crate::read::directive::ReceiptLine;
use crate::read::event::Event;
use crate::read::line_number::LineNumber;
use crate::read::reading::Posting;
/// What is known of a line, in thousandths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Expected {
    announced: Option<i64>,
    /// By the key of the receipt.
    received: BTreeMap<[u64; 2], i64>,
    is_closed: bool,
    /// Whether it was told that it does not fit.
    is_told: bool,
    /// The log's time when it was touched last.
    touched_ns: i64,
}

heap_size!(Expected { announced, received, is_closed, is_told, touched_ns });

tallystick_tables::image::image!(Expected { announced as OrNegative, is_closed, is_told, touched_ns, received });

/// All lines that are watched.
#[derive(Debug, Default)]
pub(crate) struct ExpectedReceipts {
    lines: BTreeMap<ReceiptLine, Expected>,
    /// The line of each receipt.
    by_key: BTreeMap<[u64; 2], ReceiptLine>,
}

heap_size!(ExpectedReceipts { lines, by_key });

impl ExpectedReceipts {
    /// Forgets what was not touched since a time.
    pub(crate) fn forget(&mut self, before_ns: i64) {
        let by_key = &mut self.by_key;
        self.lines.retain(|_, expected| {
            let is_kept = expected.touched_ns >= before_ns;
            if !is_kept {
                expected.received.keys().for_each(|key| {
                    by_key.remove(key);
                });
            }
            is_kept
        });
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.lines.save(writer);
    }

    /// Puts back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for line in reader.each::<(ReceiptLine, Expected)>()? {
            let (line, expected) = line?;
            self.by_key.extend(expected.received.keys().map(|key| (*key, line.clone())));
            self.lines.insert(line, expected);
        }
        Ok(())
    }
}

impl ExpectedReceipts {
    /// Notes what a receipt is to bring.
    pub(crate) fn announce(
        &mut self,
        core: &Core,
        is_scheduled: impl Fn(&ReceiptLine) -> bool,
        config: &Config,
        line: &ReceiptLine,
        quantity: i64,
        diagnostics: &mut Diagnostics,
    ) {
        if let Some(receipts) = config.receipts {
            self.expected(core, config, line).announced = Some(quantity);
            self.compare(is_scheduled, receipts, line, diagnostics);
        }
    }

    /// Notes that nothing more is to come.
    pub(crate) fn close_receipt(
        &mut self,
        core: &Core,
        is_scheduled: impl Fn(&ReceiptLine) -> bool,
        config: &Config,
        line: &ReceiptLine,
        diagnostics: &mut Diagnostics,
    ) {
        if let Some(receipts) = config.receipts {
            self.expected(core, config, line).is_closed = true;
            self.compare(is_scheduled, receipts, line, diagnostics);
        }
    }

    /// Notes what came.
    pub(crate) fn note_receipt(
        &mut self,
        core: &Core,
        is_scheduled: impl Fn(&ReceiptLine) -> bool,
        config: &Config,
        (event, posting, quantity): (&Event<'_>, &Posting<'_>, i64),
        key: Fingerprint,
        diagnostics: &mut Diagnostics,
    ) {
        let (Some(receipts), Some(document)) = (config.receipts, event.document) else { return };
        if &*posting.rule.name != "stock.received" {
            return;
        }
        let line = ReceiptLine {
            document: document.into(),
            line: event.line.map(LineNumber::to_own),
            sku: event.sku.into(),
            location: event.location.into(),
        };
        self.expected(core, config, &line).received.insert(key.0, quantity);
        self.by_key.insert(key.0, line.clone());
        self.compare(is_scheduled, receipts, &line, diagnostics);
    }

    /// Takes back what came, because it never did. Returns its line, which is looked at once what came instead was
    /// noted.
    pub(crate) fn retract_receipt(&mut self, core: &Core, config: &Config, key: Fingerprint) -> Option<ReceiptLine> {
        config.receipts?;
        let line = self.by_key.remove(&key.0)?;
        self.expected(core, config, &line).received.remove(&key.0);
        Some(line)
    }

    /// What is known of a line; nothing more, if it was not touched for as long as keys are remembered.
    fn expected(&mut self, core: &Core, config: &Config, line: &ReceiptLine) -> &mut Expected {
        let now_ns = core.now_ns();
        let Self { lines, by_key } = self;
        let expected = lines.entry(line.clone()).or_default();
        if expected.touched_ns.saturating_add(config.dedup_window_ns) <= now_ns {
            expected.received.keys().for_each(|key| {
                by_key.remove(key);
            });
            *expected = Expected::default();
        }
        expected.touched_ns = now_ns;
        expected
    }

    /// Tells whether a line is as announced.
    pub(crate) fn compare(
        &mut self,
        is_scheduled: impl Fn(&ReceiptLine) -> bool,
        receipts: Receipts,
        line: &ReceiptLine,
        diagnostics: &mut Diagnostics,
    ) {
        if is_scheduled(line) {
            return; // The schedule judges.
        }
        let Some(expected) = self.lines.get_mut(line) else { return };
        let Some(announced) = expected.announced else { return };
        let received: i128 = expected.received.values().map(|quantity| i128::from(*quantity)).sum();
        let excess = received - i128::from(announced);
        let is_beyond = |size: i128| {
            size > i128::from(receipts.tolerance)
                && size * 100 > i128::from(announced) * i128::from(receipts.tolerance_percent)
        };
        let is_over = excess > 0 && is_beyond(excess);
        let is_short = excess < 0 && expected.is_closed && is_beyond(-excess);
        let number = line.line.as_ref().map(std::string::ToString::to_string).unwrap_or_default();
        let subject = format!("{}/{number}/{}/{}", line.document, line.sku, line.location);
        let was_told = std::mem::replace(&mut expected.is_told, is_over || is_short);
        if !is_over && !is_short {
            diagnostics.settled.push(("receipt_variance", subject));
            return;
        }
        if was_told {
            return;
        }
        let amount = |thousandths: i128| {
            let mut text = Vec::new();
            tallystick_contract::quantity::write(&mut text, i64::try_from(thousandths).unwrap_or(i64::MAX));
            String::from_utf8_lossy(&text).into_owned()
        };
        let what = if is_over { "more" } else { "less" };
        let cause =
            format!("{} came, {what} than the {} that were announced", amount(received), amount(announced.into()));
        diagnostics.raised.push(Raised::about("receipt_variance", subject, cause));
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<(ReceiptLine, Expected)>());
    }
}
