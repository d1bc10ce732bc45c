//! Entries: the positions of which something comes, is claimed or is held, and what they count.

use tallystick_contract::balance::Claimed;
use tallystick_contract::config::Config;
use tallystick_contract::limits::ACCOUNT_MAX;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::rules::Flow;

use crate::core::Core;
use crate::read::element::Decoded;
use crate::read::event::Event;
use crate::read::reading::Posting;
use crate::schedule::Schedule;
use crate::schedule::given::{AT_ONCE, Shown};
use crate::schedule::line::SupplyState;
use crate::stock::Spot;
use crate::stock::ledger::{PROMISED, Position};
use crate::stock::lookup::Found;

impl Schedule {
    /// Brings the projections of a position up to date, before they are asked for again and again.
    pub(crate) fn look_at(&mut self, core: &Core, slot: u32) {
        let entry = self.entry(slot);
        if entry.timeline.is_empty() {
            return;
        }
        let span = self.site_of(core, entry.spot, Some(slot), None).span();
        self.entry_mut(slot).timeline.look(span);
    }

    /// The entry of a position, if it has one.
    pub(crate) fn promised(&self, core: &Core, spot: Spot) -> Option<u32> {
        let is_promised = core.stock.at(spot).1.counts & PROMISED != 0;
        if is_promised { self.find(spot) } else { None }
    }

    /// Where an event's position is, if it has an entry.
    pub(crate) fn promised_spot(core: &Core, decoded: &Decoded<'_>, found: Found) -> Option<Spot> {
        let part = u32::try_from(core.stock.part_of(decoded.hashes.sku)).expect("there are few parts");
        let spot = Spot { part, place: found.place? };
        Some(spot).filter(|spot| core.stock.at(*spot).1.counts & PROMISED != 0)
    }

    /// The entry of a position, new if need be.
    pub(crate) fn entry_of(&mut self, core: &mut Core, spot: Spot) -> u32 {
        if let Some(slot) = self.promised(core, spot) {
            return slot;
        }
        let (part, position) = core.stock.at(spot);
        let zone = core.zone_of(part.names.name(position.names[1]));
        core.stock.parts[spot.part as usize].ledger.set_promised(spot.place, true);
        let slot = self.add(spot, zone);
        // Nothing may come of it, and then it goes again.
        self.touch(slot);
        slot
    }

    /// Lets a line's rest count where it belongs now, and tells when its day has passed.
    pub(crate) fn recount(&mut self, core: &Core, config: &Config, serial: u64) {
        let line = &self.lines[&serial];
        let slot = line.entry;
        let is_open = line.state == SupplyState::Open;
        let zone = if is_open { self.entry(slot).zone } else { 0 };
        let today = core.today(zone);
        let policy = config.promise.past_due(line.supplier.as_deref(), &line.source);
        let rest = line.open_rest();
        let is_past = rest > 0 && line.bucket < today;
        let counted = line.place(today, policy).map(|bucket| (bucket, rest)).filter(|(_, rest)| *rest > 0);
        let (before, was_overdue) = (line.counted, line.is_overdue);
        if counted != before {
            let entry = self.entry_mut(slot);
            if let Some((bucket, rest)) = before {
                entry.timeline.add(bucket, -rest, 0);
            }
            if let Some((bucket, rest)) = counted {
                entry.timeline.add(bucket, rest, 0);
            }
            self.lines.get_mut(&serial).expect("the line is known").counted = counted;
        }
        if is_open || counted != before {
            self.touch(slot);
        }
        if is_past || was_overdue {
            self.overdue.push(serial);
        }
    }

    /// Lets all entries be looked at once the element is done, because what must be left of them may be another.
    pub(crate) fn review_all(&mut self) {
        for slot in self.slots() {
            self.touch(slot);
        }
    }

    /// Looks where bucket 0 is in all zones, and when the next one begins. Returns for each zone whether it is another
    /// than before.
    pub(crate) fn reach_zones(&mut self, core: &mut Core) -> Vec<bool> {
        let now_ns = core.now_ns();
        let calendar = &mut core.calendar;
        self.next_bucket_ns = i64::MAX;
        let mut turned = Vec::new();
        for zone in 0..calendar.zones() {
            let before = calendar.reached(zone);
            let bucket = calendar.reach(zone, now_ns);
            let next_ns = calendar.start_of(zone, bucket.saturating_add(1));
            self.next_bucket_ns = self.next_bucket_ns.min(next_ns);
            turned.push(before != Some(bucket));
        }
        turned
    }

    /// Keeps no entry of a position of which nothing is to come and nothing is claimed.
    pub(crate) fn drop_if_idle(&mut self, core: &mut Core, slot: u32) {
        let entry = self.entry(slot);
        if entry.is_idle() {
            let spot = entry.spot;
            core.stock.parts[spot.part as usize].ledger.set_promised(spot.place, false);
            self.remove(slot);
        }
    }

    /// Refuses a claim of a line that would be more than a position can count.
    #[inline]
    pub(crate) fn check_claim(
        &self,
        core: &Core,
        event: &Event<'_>,
        posting: &Posting<'_>,
        quantity: i64,
    ) -> Result<(), Outcome> {
        let is_claiming = event.document.is_some()
            && posting
                .rule
                .step
                .is_some_and(|step| matches!(step.flow, Flow::Reserve | Flow::Allocate) && !step.is_back);
        if is_claiming && self.is_used { self.check_room(core, event, quantity) } else { Ok(()) }
    }

    pub(crate) fn check_room(&self, core: &Core, event: &Event<'_>, quantity: i64) -> Result<(), Outcome> {
        let names = [event.sku, event.location, event.lot, event.owner];
        let Some(slot) = core.stock.find(names).and_then(|spot| self.promised(core, spot)) else { return Ok(()) };
        let claims = self.entry(slot).claims();
        if claims.saturating_add(quantity) > ACCOUNT_MAX { Err(Outcome::Overflow) } else { Ok(()) }
    }

    /// Lets a position hold another amount for a reservation without a document, as of now or in a bucket.
    pub(crate) fn hold_at(&mut self, core: &mut Core, spot: Spot, bucket: Option<i32>, (before, now): (i64, i64)) {
        let slot = self.entry_of(core, spot);
        let entry = self.entry_mut(slot);
        match bucket {
            None => entry.claimed += now - before,
            Some(bucket) => {
                entry.dated += now - before;
                entry.claim(bucket, Shown { reserved: now - before, ..Shown::default() });
            }
        }
        if (before > 0) != (now > 0) {
            entry.count_live(bucket.unwrap_or(AT_ONCE), now == 0);
        }
        self.touch(slot);
    }

    /// Notes that positions of an item that are promised may have another safety stock in some bucket.
    pub(crate) fn touch_promised(&self, core: &mut Core, sku: &str, sequence: u64) {
        for spot in core.stock.spots_of(sku) {
            if self.promised(core, spot).is_some() {
                core.touch(spot, sequence);
            }
        }
    }

    /// What is claimed of a position beside its accounts.
    pub(crate) fn claimed(&self, core: &Core, spot: Spot, position: &Position) -> Claimed {
        let unpicked = core.unpicked_at(spot, position);
        let Some(number) = self.promised(core, spot) else { return Claimed { unpicked, ..Claimed::default() } };
        let entry = self.entry(number);
        let shown = entry.shown_until(core.today(entry.zone));
        Claimed {
            reserved: entry.claimed + shown.reserved,
            allocated: shown.allocated,
            ordered: shown.ordered,
            unpicked,
        }
    }
}
