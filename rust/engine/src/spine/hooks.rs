//! Hooks: where the spine calls capabilities, hook by hook, each in one order. A capability that is added is added
//! here.
//!
//! | hook | called |
//! |---|---|
//! | was posted | once an event was written to the stock |
//! | was undone | before and after a correction writes what it makes of an event |
//! | time has passed | with each element, before it is judged |
//! | next due | when somebody asks until when nothing happens of itself |
//! | forget | once in a while of the log's time |
//! | memory | when somebody asks |
//! | save, load | in a snapshot |
//!
//! Directives are carried out in `directives`, questions are answered in `query` and `inspect`.

use crate::claims::book::Noted;
use crate::claims::{Claims, Stepped};
use crate::core::Core;
use crate::core::admitted::Admitted;
use crate::core::context::Context;
use crate::correction::retract_beside_lines;
use crate::diagnostics::Diagnostics;
use crate::diagnostics::exception::ExceptionRecord;
use crate::output::batch::Batch;
use crate::read::directive::ReceiptLine;
use crate::read::element::Place;
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::schedule::{Books, Schedule, SupplyState, View};
use crate::shadow::Shadow;
use crate::spine::engine::Engine;
use crate::stock::Spot;
use crate::stock::journal::Posted;
use crate::stock::post::Checked;
use std::sync::Arc;
use tallystick_contract::config::Config;
use tallystick_contract::heap_size::{HeapSize, shared};
use tallystick_contract::limits::DEDUP_GENERATIONS;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

impl Engine {
    /// An event was posted that its names or its source had to be looked up for: its order line, receipts against what
    /// was announced, transfers on their way.
    pub(crate) fn was_posted(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        posting: &Posting<'_>,
        admitted: &Admitted,
        diagnostics: &mut Diagnostics,
    ) {
        let event = admitted.event(&context.decoded.event);
        let posted = (&event, posting, admitted.quantity.unwrap_or(posting.quantity));
        self.line_was_posted(config, context, posted, diagnostics);
        self.replenish.note_posted(&self.core, config, posted, context.time_ns);
        if config.receipts.is_none() && config.transfer_age_ns.is_none() {
            return;
        }
        let judged = is_scheduled(&self.core, &self.schedule, &self.claims, config);
        self.receipts.note_receipt(&self.core, judged, config, posted, context.decoded.key, diagnostics);
        self.in_transit.note_transfer(&self.core, config, posted, context.decoded.key, diagnostics);
    }

    /// An event was posted: it may be a fact of an order line.
    pub(crate) fn line_was_posted(
        &mut self,
        config: &Config,
        context: &Context<'_, '_>,
        (event, posting, quantity): (&Event<'_>, &Posting<'_>, i64),
        diagnostics: &mut Diagnostics,
    ) {
        let (key, time_ns) = (context.decoded.key, context.time_ns);
        let (mut books, claims, _) = self.split(config, context.sequence);
        claims.note_step(&mut books, &Stepped { event, posting, quantity, key, time_ns }, diagnostics);
        claims.tell_claims(&mut books, diagnostics);
    }

    /// What an event posted was taken out of the stock: receipts, transfers and its order line forget it. Returns the
    /// line of its receipt, which is compared once what came instead was noted.
    pub(crate) fn was_undone(
        &mut self,
        config: &Config,
        (key, source): (Fingerprint, &str),
        old: Option<(usize, Posted)>,
        sequence: u64,
        diagnostics: &mut Diagnostics,
    ) -> Option<ReceiptLine> {
        let receipt = self.receipts.retract_receipt(&self.core, config, key);
        self.in_transit.retract_transfer(config, key, diagnostics);
        if let Some((part, posted)) = old {
            let (mut books, claims, _) = self.split(config, sequence);
            claims.retract_step(&mut books, &noted(key, part, &posted), diagnostics);
            retract_beside_lines(&mut self.core, part, posted, source);
            self.replenish.note_undone(&self.core, (part, posted));
            self.core.stock.parts[part].journal.forget(key);
        }
        receipt
    }

    /// An event was put in another's place.
    pub(crate) fn was_put_in(
        &mut self,
        config: &Config,
        checked: &Checked<'_, '_>,
        sequence: u64,
        diagnostics: &mut Diagnostics,
    ) {
        let Checked { event, posting, key, time_ns, .. } = *checked;
        let posted = (event, posting, posting.quantity);
        let judged = is_scheduled(&self.core, &self.schedule, &self.claims, config);
        self.receipts.note_receipt(&self.core, judged, config, posted, key, diagnostics);
        self.in_transit.note_transfer(&self.core, config, posted, key, diagnostics);
        self.replenish.note_posted(&self.core, config, posted, time_ns);
        let stepped = Stepped { event, posting, quantity: posting.quantity, key, time_ns };
        let (mut books, claims, _) = self.split(config, sequence);
        claims.note_step(&mut books, &stepped, diagnostics);
    }

    /// A correction is whole: what it changed is compared, and told.
    pub(crate) fn was_corrected(
        &mut self,
        config: &Config,
        receipt: Option<&ReceiptLine>,
        sequence: u64,
        diagnostics: &mut Diagnostics,
    ) {
        if let (Some(receipts), Some(line)) = (config.receipts, receipt) {
            let judged = is_scheduled(&self.core, &self.schedule, &self.claims, config);
            self.receipts.compare(judged, receipts, line, diagnostics);
        }
        let (mut books, claims, _) = self.split(config, sequence);
        claims.tell_claims(&mut books, diagnostics);
    }

    /// What the log's time brings about: gaps that are given up, directives whose target does not come, transfers that
    /// age, versions that begin.
    #[inline]
    pub(crate) fn on_time(&mut self, config: &Config, place: Place, batch: &mut Batch) {
        let log_time_ns = self.core.reached_ns();
        let is_anything_due = self.schedule.is_used
            || !self.tracker.is_idle()
            || !self.waiting.is_empty()
            || self.in_transit.is_due(log_time_ns)
            || self.core.items.has_begun(log_time_ns)
            || config.has_timed_safety()
            || self.replenish.is_due(config, log_time_ns)
            || log_time_ns > self.tidy_ns;
        if is_anything_due {
            self.follow_time(config, place, batch);
        }
    }

    fn follow_time(&mut self, config: &Config, place: Place, batch: &mut Batch) {
        if self.is_promise_due() {
            self.promises_on_time(config, place, batch);
        }
        // What is held stays so when its source's order is changed.
        if !self.tracker.is_idle() {
            self.expire(config, place.sequence, batch);
        }
        if !self.waiting.is_empty() {
            self.expire_waiting(config, batch);
        }
        let log_time_ns = self.core.reached_ns();
        if self.in_transit.is_due(log_time_ns) {
            self.in_transit.tell_overdue(&mut self.core, config, place);
        }
        // What was held may have been released only when its time was over.
        if self.schedule.is_used && self.promises.reservations.expired(log_time_ns).is_some() {
            self.promises.expire_reservations(
                &mut Books::new(&mut self.core, &mut self.schedule, config, place.sequence),
                &mut self.claims,
            );
        }
        if self.core.items.has_begun(log_time_ns) {
            self.core.touch_begun(log_time_ns, place.sequence);
        }
        if config.has_timed_safety() {
            self.follow_safety(config, log_time_ns, place.sequence);
        }
        if self.replenish.is_due(config, log_time_ns) {
            self.replenish.touch_all(&self.core);
        }
        if log_time_ns > self.tidy_ns {
            self.tidy_ns = log_time_ns.saturating_add(config.dedup_window_ns / DEDUP_GENERATIONS);
            self.tidy(config, self.core.keys_ns());
        }
        self.pass_notices(batch);
    }

    /// What the log's time brings for promises.
    #[cold]
    pub(crate) fn promises_on_time(&mut self, config: &Config, place: Place, batch: &mut Batch) {
        let sequence = place.sequence;
        let now_ns = self.core.reached_ns();
        self.promises.expire_reservations(
            &mut Books::new(&mut self.core, &mut self.schedule, config, sequence),
            &mut self.claims,
        );
        if now_ns >= self.schedule.next_bucket_ns {
            self.claims.turn(&mut Books::new(&mut self.core, &mut self.schedule, config, sequence));
        }
        while let Some((location, _)) = self.core.locations.begun(now_ns) {
            self.rezone(config, &location, sequence);
            self.replenish.touch_location(&self.core, &location);
        }
        self.claims
            .tell_lines_overdue(&mut Books::new(&mut self.core, &mut self.schedule, config, place.sequence), place);
        self.pass_notices(batch);
    }

    /// Whether the log's time brings anything for promises.
    #[inline]
    pub(crate) fn is_promise_due(&self) -> bool {
        let now_ns = self.core.reached_ns();
        self.schedule.is_used
            && (now_ns >= self.schedule.next_bucket_ns
                || self.promises.reservations.expired(now_ns).is_some()
                || self.core.locations.has_begun(now_ns))
    }

    /// The log time at which something happens of itself, in nanoseconds since 1970: what is waited for, runs out, or
    /// begins.
    pub fn next_due_ns(&self) -> Option<i64> {
        let schedule = &self.schedule;
        let expiry = self.promises.reservations.next_expiry_ns();
        let is_scheduled = schedule.entries.iter().flatten().any(|entry| !entry.timeline.is_empty())
            || schedule.lines.values().any(|line| line.state == SupplyState::Open);
        let bucket = Some(schedule.next_bucket_ns).filter(|ns| schedule.is_used && is_scheduled && *ns > i64::MIN);
        let begins = [self.core.items.next_begin_ns(), self.core.locations.next_begin_ns()].into_iter().flatten().min();
        let safety = self.core.log_time_ns.and_then(|now_ns| self.core.config.next_safety_ns(now_ns));
        let day = self.replenish.next_due_ns(&self.core.config);
        let promises = [expiry, bucket, begins, safety, day, self.in_transit.next_due_ns()];
        // What is held or open waits for nobody to speak: its time is over in silence, too.
        let window_ns = self.core.config.dedup_window_ns;
        let held = [self.tracker.next_due_ns(), self.waiting.next_due_ns(window_ns), self.core.next_witness_ns()];
        // What is overdue already is looked at with the next element.
        let is_ahead = |due_ns: &i64| *due_ns > self.core.reached_ns();
        let watched = [self.work.next_due_ns(), self.sources.next_due_ns()].map(|due_ns| due_ns.filter(is_ahead));
        promises.into_iter().chain(held).chain(watched).flatten().min()
    }

    /// Forgets what is kept for as long as keys are.
    #[cold]
    fn tidy(&mut self, config: &Config, keys_ns: i64) {
        // A key is remembered for up to 25/24 of the window.
        let kept_ns = config.dedup_window_ns.saturating_add(2 * (config.dedup_window_ns / DEDUP_GENERATIONS));
        let before_ns = keys_ns.saturating_sub(kept_ns);
        self.amended.0.retain(|_, amendment| amendment.at_ns >= before_ns);
        self.pendings.decided.retain(|_, at_ns| *at_ns >= before_ns);
        self.receipts.forget(before_ns);
        self.in_transit.forget(before_ns);
        self.promises.tidy_promises(config, before_ns);
        self.claims.tidy_claims(&mut Books::new(&mut self.core, &mut self.schedule, config, 0), before_ns);
    }

    /// Bytes held, by part.
    pub fn memory_bytes(&self) -> Vec<(&'static str, usize)> {
        let core = &self.core;
        // A record that stands for work, too, is counted there.
        let own = self.exceptions.iter().filter(|record| Arc::strong_count(record) == 1);
        let records = self.exceptions.capacity() * size_of::<Arc<ExceptionRecord>>();
        let days = core.calendar.heap_bytes() + core.groups.heap_bytes();
        let bodies = core.keys.bodies_bytes();
        let mut parts = vec![
            ("config", shared(&core.config)),
            ("notes", self.notes.heap_bytes()),
            ("shapes", core.shapes.heap_bytes() + self.ranges.heap_bytes()),
            ("dedup", core.keys.heap_bytes() - bodies),
            ("meanings", self.suspects.heap_bytes()),
            ("bodies", bodies),
            ("held", self.tracker.heap_bytes()),
            ("exceptions", self.flood.heap_bytes() + records + own.map(shared).sum::<usize>()),
            ("work", self.work.heap_bytes()),
            ("sources", self.sources.heap_bytes()),
            ("corrections", self.amended.heap_bytes() + self.waiting.heap_bytes()),
            ("approvals", self.pendings.heap_bytes() + core.losses.heap_bytes()),
            ("watched", self.receipts.heap_bytes() + self.in_transit.heap_bytes()),
            ("master", core.items.heap_bytes() + core.locations.heap_bytes()),
            ("promises", self.promises.heap_bytes() + self.schedule.heap_bytes() + days),
            ("claims", self.claims.heap_bytes()),
            ("documents", self.claims.documents_bytes()),
            ("replenish", self.replenish.heap_bytes()),
            ("shadow", self.shadow.heap_bytes()),
        ];
        parts.extend(core.stock.memory_bytes());
        parts
    }

    /// Writes what is known beyond balances, keys and orders.
    pub(crate) fn write_truth(&self, writer: &mut Writer) {
        self.core.stock.write_journal(self.core.elements, self.core.config.corrections_max, writer);
        self.amended.0.save(writer);
        self.waiting.write(writer);
        self.pendings.write(writer);
        self.receipts.write(writer);
        self.in_transit.write(writer);
        self.core.items.write(writer);
        self.core.locations.write(writer);
        self.work.write(writer);
        self.sources.write(writer);
        writer.u8(u8::from(self.shadow.is_some()));
        if let Some(shadow) = &self.shadow {
            shadow.write(writer);
        }
        writer.i64(self.tidy_ns);
        writer.i64(self.core.safety_ns);
        self.promises.write_promises(self.looked_at(), writer);
        self.claims.write_claims(self.looked_at(), writer);
        self.schedule.write_risks(&self.core, writer);
        self.replenish.write(&self.core, writer);
        self.core.believed_ns.save(writer);
        self.core.leap.save(writer);
    }

    pub(crate) fn read_truth(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.core.stock.read_journal(reader)?;
        self.amended.0 = Image::load(reader)?;
        self.waiting.read(reader)?;
        self.pendings.read(&mut self.core.losses, reader)?;
        self.receipts.read(reader)?;
        self.in_transit.read(reader, self.core.config.transfer_age_ns)?;
        let log_time_ns = self.core.reached_ns();
        self.core.items.read(reader, log_time_ns)?;
        self.core.locations.read(reader, log_time_ns)?;
        self.work.read(reader)?;
        self.sources.read(reader)?;
        if reader.u8()? == 1 {
            let (tables, since) = <(String, u64)>::load(reader)?;
            let policy = self.core.config.changed(&tables).ok().and_then(|changed| changed.ownership);
            let policy = policy.ok_or(SnapshotError::Damaged("a policy on trial cannot be read"))?;
            let mut shadow = Shadow::new(policy, tables, since);
            shadow.read(reader)?;
            self.shadow = Some(shadow);
        }
        self.tidy_ns = reader.i64()?;
        self.core.safety_ns = reader.i64()?;
        let config = Arc::clone(&self.core.config);
        self.promises.read_promises(&mut Books::new(&mut self.core, &mut self.schedule, &config, 0), reader)?;
        self.claims.read_claims(&mut Books::new(&mut self.core, &mut self.schedule, &config, 0), reader)?;
        self.schedule.read_risks(&self.core, reader)?;
        self.replenish.read(&self.core, reader)?;
        if reader.format() >= 9 {
            (self.core.believed_ns, self.core.leap) = (Image::load(reader)?, Image::load(reader)?);
        }
        Ok(())
    }
}

/// Tells of receipts whether the schedule judges them.
pub(crate) fn is_scheduled<'a>(
    core: &'a Core,
    schedule: &'a Schedule,
    claims: &'a Claims,
    config: &'a Config,
) -> impl Fn(&ReceiptLine) -> bool + 'a {
    move |line| claims.is_scheduled(View::new(core, schedule, config), line)
}

/// An event as its line knows it.
fn noted(key: Fingerprint, part: usize, posted: &Posted) -> Noted {
    let part = u32::try_from(part).expect("there are few parts");
    let spot = Spot { part, place: posted.places.0 };
    Noted { key: key.0[1], time_ns: posted.time_ns, amount: posted.quantity, spot }
}
