//! Overdue: supply whose day passes (`docs/promise.md` §1, §2).

use tallystick_contract::config::PastDue;

use crate::claims::book::Claims;
use crate::diagnostics::About;
use crate::read::directive::ReceiptLine;
use crate::read::element::Place;
use crate::schedule::SupplyLine;
use crate::schedule::{Books, View};

impl Claims {
    /// Whether supply of a receipt's names is scheduled, of whatever lot and owner.
    pub(crate) fn is_scheduled(&self, view: View<'_>, receipt: &ReceiptLine) -> bool {
        let (now_ns, window_ns) = (view.core.now_ns(), view.core.config.dedup_window_ns);
        view.schedule.lines.values().any(|known| {
            let [sku, location, ..] = view.core.view_names(known.spot);
            (sku, location) == (&*receipt.sku, &*receipt.location) && !known.is_forgotten(now_ns, window_ns) && {
                let line = self.line(known.claim);
                line.number == receipt.line && self.document(line.document).name() == &*receipt.document
            }
        })
    }

    /// What an exception about a line of supply is about.
    pub(crate) fn subject_of_supply(&self, view: View<'_>, line: &SupplyLine) -> String {
        let [sku, location, ..] = view.core.view_names(line.spot);
        let claim = self.line(line.claim);
        let number = claim.number.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}/{number}/{sku}/{location}", self.document(claim.document).label())
    }

    /// Tells of lines whose day has passed, and of those that are in order again: once the element, or the step of
    /// time, is done.
    pub(crate) fn tell_lines_overdue(&mut self, books: &mut Books<'_>, place: Place) {
        for serial in std::mem::take(&mut books.schedule.overdue) {
            let Some(line) = books.schedule.lines.get(&serial) else { continue };
            let is_open = line.open_rest() > 0;
            let is_past = is_open && line.bucket < books.core.today(books.schedule.entry(line.entry).zone);
            let policy = books.config.promise.past_due(line.supplier.as_deref(), &line.source);
            if is_past != line.is_overdue {
                self.tell_overdue_line(books, (serial, policy), is_past, place);
            }
            if is_past && policy == PastDue::Drop {
                // What is told stays with the people, though the line is closed.
                let line = books.schedule.lines.get_mut(&serial).expect("the line is known");
                (line.is_overdue, line.is_dropped) = (false, true);
                let claim = line.claim;
                self.settle_supply(books, claim);
            }
        }
    }

    pub(crate) fn tell_overdue_line(
        &self,
        books: &mut Books<'_>,
        (serial, policy): (u64, PastDue),
        is_past: bool,
        place: Place,
    ) {
        let line = &books.schedule.lines[&serial];
        let subject = self.subject_of_supply(books.view(), line);
        let [sku, location, ..] = books.core.view_names(line.spot).map(ToOwned::to_owned);
        let what = match policy {
            PastDue::Exception => "it counts no more until it is rescheduled or received".to_owned(),
            PastDue::Drop => "it is dropped".to_owned(),
            PastDue::Slide(buckets) => format!("it counts {buckets} buckets after the present one"),
            PastDue::Keep(buckets) => format!("it counts as of now for {buckets} buckets"),
        };
        let (rest, due) = (tallystick_contract::quantity::text(line.open_rest()), books.core.bucket_text(line.bucket));
        let document = self.document(self.line(line.claim).document).name();
        let cause = format!("{rest} of {document:?} was due {due} and has not come; {what}");
        let source = line.source.clone();
        books.schedule.lines.get_mut(&serial).expect("the line is known").is_overdue = is_past;
        if !is_past {
            books.core.resolve("supply_overdue", &subject, "in order again", place);
            return;
        }
        let about = About {
            code: "supply_overdue",
            subject: &subject,
            source: Some(&source),
            sku: Some(&sku),
            location: Some(&location),
            cause,
            missing: None,
            place,
        };
        books.core.raise(books.config, about);
    }
}
