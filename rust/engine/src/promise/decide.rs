//! Deciding: a request for a reservation is checked and taken in one step (`docs/promise.md` §4).

use smallvec::{SmallVec, smallvec};

use super::figure::When;
use super::line::State;
use super::protection::Scoped;
use super::record::{End, Got, More, Named, Part, Record, Status};
use crate::admit::Admitted;
use crate::atp::{Mode, UNLIMITED};
use crate::batch::Batch;
use crate::carry_out::raised_about;
use crate::config::Config;
use crate::directive::{Ask, Scope, Side, Wanted};
use crate::engine::Engine;
use crate::explain::Findings;
use crate::intern::NONE;
use crate::judge::Case;
use crate::limits::ACCOUNT_MAX;
use crate::outcome::Outcome;
use crate::stock::Spot;

/// What a line can get: how much at which position, and whether that is all of it.
#[derive(Debug, Default)]
struct Offer {
    parts: SmallVec<[(Spot, i64); 4]>,
    total: i64,
}

/// A line with its names as the ledger has them, and the positions that it can take from.
struct Line<'a> {
    wanted: &'a Wanted<'a>,
    sku: &'a str,
    location: Option<&'a str>,
    quantity: i64,
    spots: SmallVec<[Spot; 4]>,
}

/// What a request takes, line by line.
#[derive(Debug, Default)]
struct Taken {
    got: SmallVec<[Got; 1]>,
    parts: SmallVec<[Part; 1]>,
    /// Whether a line got less than it asked for.
    is_short: bool,
    /// What a position reflected instead of the version that was asked for.
    seen: Option<u64>,
}

impl Engine {
    /// Decides a request. What is granted is held from here on.
    pub(crate) fn reserve(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        (ask, admitted): (&Ask, &Admitted),
        (findings, batch): (&mut Findings, &mut Batch),
    ) -> Outcome {
        let event = &case.seen.event;
        let (source, time_ns) = (event.source.unwrap_or_default(), case.time_ns);
        let mode = ask.mode.unwrap_or(config.promise.mode);
        let serial = self.promises.next_serial();
        let mut taken = Taken::default();
        let names: Vec<_> = if self.items.has_aliases() || self.locations.has_aliases() {
            ask.lines.iter().map(|wanted| self.named(source, wanted, time_ns)).collect()
        } else {
            Vec::new()
        };
        let mut lines: SmallVec<[Line<'_>; 1]> = SmallVec::with_capacity(ask.lines.len());
        for (number, wanted) in ask.lines.iter().enumerate() {
            let (sku, location) =
                names.get(number).map_or((None, None), |(sku, location)| (sku.as_deref(), location.as_deref()));
            lines.push(Line {
                wanted,
                sku: sku.unwrap_or(&wanted.sku),
                location: location.or(wanted.position.as_ref().map(|[location, ..]| &**location)),
                quantity: admitted.quantity.unwrap_or(wanted.quantity),
                spots: SmallVec::new(),
            });
        }
        let mut outcome = self.check_lines(case, &mut lines, &mut taken, findings);
        if outcome == Outcome::Applied {
            for (number, line) in (0..).zip(&lines) {
                self.take_line(line, number, mode, ask, &mut taken);
            }
        }
        let granted: i64 = taken.got.iter().map(|got| got.granted).fold(0, i64::saturating_add);
        let status = match outcome {
            Outcome::Applied if taken.is_short && !ask.is_partial || granted == 0 => Status::Insufficient,
            Outcome::Applied if taken.is_short => Status::Partly,
            Outcome::Applied => Status::Granted,
            Outcome::Insufficient => Status::Changed,
            _ => Status::Refused,
        };
        let is_granted = matches!(status, Status::Granted | Status::Partly);
        if !is_granted {
            self.put_back(ask, &mut taken);
        }
        if matches!(status, Status::Insufficient) {
            outcome = Outcome::Insufficient;
            findings.why = Some(self.shortage(ask, &taken));
        }
        let record = record_of(config, case, (ask, serial, status), self.log_time_ns.unwrap_or(0), (taken, findings));
        self.answer_request(&record, ask, findings, batch);
        self.remember_request(config, case, ask, record, findings);
        outcome
    }

    /// Checks groups and versions, before anything is taken.
    fn check_lines(
        &self,
        case: &Case<'_, '_>,
        lines: &mut [Line<'_>],
        taken: &mut Taken,
        findings: &mut Findings,
    ) -> Outcome {
        for line in &mut *lines {
            let Ok(spots) = self.spots_wanted(case, line) else {
                let group = line.wanted.group.as_deref().unwrap_or_default();
                findings.why = Some(format!("group {group:?} is not defined"));
                return Outcome::UnknownReference;
            };
            line.spots = spots;
        }
        for line in lines {
            let Some(version) = line.wanted.version else { continue };
            let seen = line.spots.first().map_or(0, |spot| self.stock.at(*spot).1.version);
            if seen != version {
                taken.seen = Some(seen);
                findings.why = Some(format!("the position reflects log sequence {seen}, not {version}"));
                return Outcome::Insufficient;
            }
        }
        Outcome::Applied
    }

    /// Takes what a line gets.
    fn take_line(&mut self, line: &Line<'_>, number: u16, mode: Mode, ask: &Ask, taken: &mut Taken) {
        let wanted = line.wanted;
        let spots = &line.spots;
        for spot in spots {
            if let Some(slot) = self.promised(*spot) {
                self.look_at(slot);
            }
        }
        let when = wanted.due.map_or(When::Now, When::Due);
        let channel = wanted.channel.as_deref();
        let offer = self.offer(line.sku, spots, (when, mode, channel), line.quantity);
        let is_short = offer.total < line.quantity;
        let earliest = is_short.then(|| self.earliest_of(line.sku, spots, (mode, channel), line.quantity)).flatten();
        let is_taken = !is_short || ask.is_partial;
        taken.is_short |= is_short;
        taken.got.push(Got {
            asked: line.quantity,
            granted: if is_taken { offer.total } else { 0 },
            available: offer.total,
            earliest,
            line: wanted.line.or(ask.line),
            is_group: wanted.group.is_some(),
        });
        if is_taken {
            for &(spot, quantity) in &offer.parts {
                let part = self.take(line.sku, spot, (wanted, number, mode), quantity);
                taken.parts.push(part);
                self.count_taken(ask, wanted, spot, quantity);
            }
        }
    }

    /// Names of a line where the source has others than the ledger.
    fn named(&self, source: &str, wanted: &Wanted, time_ns: i64) -> (Option<Box<str>>, Option<Box<str>>) {
        let sku = self.items.has_aliases().then(|| self.items.resolve(source, &wanted.sku, time_ns)).flatten();
        let code = wanted.position.as_ref().map(|[location, ..]| &**location).filter(|_| self.locations.has_aliases());
        let location = code.and_then(|code| self.locations.resolve(source, code, time_ns));
        (sku.map(Into::into), location.map(Into::into))
    }

    /// The positions that a line can take from, in their order, as far as the ledger has them.
    fn spots_wanted(&self, case: &Case<'_, '_>, line: &Line<'_>) -> Result<SmallVec<[Spot; 4]>, ()> {
        let event = &case.seen.event;
        if let (Some(place), Some(sku)) = (case.found.place, event.sku)
            && (line.sku, line.location) == (sku, event.location)
        {
            // It was found when the event was looked at first.
            let part = u32::try_from(self.stock.part_of(case.seen.hashes.sku)).expect("there are few parts");
            return Ok(smallvec![Spot { part, place }]);
        }
        let (Some(location), Some([_, lot, owner])) = (line.location, &line.wanted.position) else {
            let group = line.wanted.group.as_deref().unwrap_or_default();
            let members = self.promises.groups.members(group, self.log_time_ns.unwrap_or(0)).ok_or(())?;
            let spots = members.into_iter().filter_map(|location| self.stock.find([line.sku, location, "", ""]));
            return Ok(spots.collect());
        };
        Ok(self.stock.find([line.sku, location, lot, owner]).into_iter().collect())
    }

    /// Brings the projections of a position up to date, before they are asked for again and again.
    pub(crate) fn look_at(&mut self, slot: u32) {
        let entry = self.promises.entry(slot);
        if entry.timeline.is_empty() {
            return;
        }
        let span = self.site_of(entry.spot, Some(slot), None).span();
        self.promises.entry_mut(slot).timeline.look(span);
    }

    /// What positions can give of a quantity, taken in their order.
    fn offer(
        &self,
        sku: &str,
        spots: &[Spot],
        (when, mode, channel): (When, Mode, Option<&str>),
        quantity: i64,
    ) -> Offer {
        let scopes = self.promises.protections.of(sku);
        // What scopes have is counted from each location's own bucket 0, as far ahead as the position is looked at.
        let mut totals: (Option<i32>, Vec<i64>) = (None, Vec::new());
        let mut taken = vec![0; scopes.len()];
        let mut offer = Offer::default();
        for spot in spots {
            let site = self.site(*spot, None);
            let bucket = self.bucket_within(site.zone, site.horizon, when);
            let mut figure = self.figure(&site, mode, bucket);
            let ahead = bucket - site.horizon.today;
            if totals.0 != Some(ahead) && !scopes.is_empty() {
                let total = |scoped: &Scoped| self.total(sku, &scoped.scope, When::Ahead(ahead), mode);
                totals = (Some(ahead), scopes.iter().map(total).collect());
            }
            if ahead > 0 && quantity < UNLIMITED {
                // So that buckets cannot overflow, whatever the mode or the fence allows.
                let promised = site.entry.map_or(0, |slot| self.promises.entry(slot).dated);
                figure = figure.min(ACCOUNT_MAX - promised);
            }
            let is_in = |scoped: &Scoped| {
                let (part, position) = self.stock.at(*spot);
                let is_whole = position.names[2..] == [NONE; 2];
                is_whole && self.is_within(&scoped.scope, part.names.name(position.names[1]))
            };
            for ((scoped, total), taken) in scopes.iter().zip(&totals.1).zip(&taken) {
                if is_in(scoped) {
                    figure = figure.min(scoped.view(*total, channel, *taken));
                }
            }
            let share = figure.max(0).min(quantity - offer.total);
            if share > 0 {
                offer.parts.push((*spot, share));
                offer.total += share;
                for (scoped, taken) in scopes.iter().zip(&mut taken) {
                    *taken += if is_in(scoped) { share } else { 0 };
                }
            }
            if offer.total == quantity {
                break;
            }
        }
        offer
    }

    /// What a channel could be promised of positions, at most a quantity, in thousandths.
    pub(crate) fn offered(&self, sku: &str, spots: &[Spot], asked: (When, Mode, Option<&str>), quantity: i64) -> i64 {
        self.offer(sku, spots, asked, quantity).total
    }

    /// The first bucket in which positions can give a quantity.
    pub(crate) fn earliest_of(
        &self,
        sku: &str,
        spots: &[Spot],
        (mode, channel): (Mode, Option<&str>),
        quantity: i64,
    ) -> Option<i32> {
        if let ([spot], true) = (spots, self.promises.protections.of(sku).is_empty()) {
            return self.earliest(&self.site(*spot, None), mode, quantity);
        }
        let (first, ..) = spots.split_first()?;
        let span = self.horizon(self.site(*first, None).zone);
        let has = |bucket: &i32| {
            let when = When::Ahead(bucket - span.today);
            self.offered(sku, spots, (when, mode, channel), quantity) >= quantity
        };
        (span.today..span.end).find(has)
    }

    /// What a scope has in all.
    pub(crate) fn total(&self, sku: &str, scope: &Scope, when: When, mode: Mode) -> i64 {
        let figure = |spot: Spot| {
            let site = self.site(spot, None);
            self.figure(&site, mode, self.bucket_in(site.zone, when)).max(0)
        };
        self.spots_in(sku, scope).into_iter().map(figure).fold(0, i64::saturating_add)
    }

    /// The positions of a scope.
    fn spots_in(&self, sku: &str, scope: &Scope) -> Vec<Spot> {
        let find = |location: &str| self.stock.find([sku, location, "", ""]);
        match scope {
            Scope::Location(location) => find(location).into_iter().collect(),
            Scope::Group(group) => {
                let members = self.promises.groups.members(group, self.log_time_ns.unwrap_or(0));
                members.into_iter().flatten().filter_map(find).collect()
            }
            Scope::Everywhere => {
                let is_whole = |spot: &Spot| self.stock.at(*spot).1.names[2..] == [NONE; 2];
                self.stock.spots_of(sku).into_iter().filter(is_whole).collect()
            }
        }
    }

    /// Whether a location lies in a scope.
    pub(crate) fn is_within(&self, scope: &Scope, location: &str) -> bool {
        match scope {
            Scope::Location(name) => **name == *location,
            Scope::Group(group) => self.promises.groups.contains(group, location, self.log_time_ns.unwrap_or(0)),
            Scope::Everywhere => true,
        }
    }

    /// Takes a quantity at a position.
    fn take(&mut self, sku: &str, spot: Spot, (wanted, number, mode): (&Wanted, u16, Mode), quantity: i64) -> Part {
        let entry = self.entry_of(spot);
        let zone = self.promises.entry(entry).zone;
        let today = self.today(zone);
        let due = wanted.due.map(|due| (due, self.promises.calendar.bucket_of(zone, due)));
        // What is on hand knows no days.
        let due = due.filter(|(_, bucket)| *bucket > today && mode != Mode::OnHand);
        self.hold_at(entry, due.map(|(_, bucket)| bucket), quantity);
        let protections = match &wanted.channel {
            Some(channel) if !self.promises.protections.of(sku).is_empty() => {
                self.consume_protection(sku, spot, channel, quantity)
            }
            _ => Box::default(),
        };
        Part { line: number, spot, entry, due, granted: quantity, held: quantity, protections }
    }

    fn consume_protection(&mut self, sku: &str, spot: Spot, channel: &str, quantity: i64) -> Box<[u64]> {
        let (part, position) = self.stock.at(spot);
        let [_, location, lot, owner] = position.names.map(|name| part.names.name(name));
        if !lot.is_empty() || !owner.is_empty() {
            return Box::default();
        }
        let scopes = self.promises.protections.of(sku).iter().map(|scoped| scoped.scope.clone());
        let within: Vec<Scope> = scopes.filter(|scope| self.is_within(scope, location)).collect();
        self.promises.protections.consume(sku, channel, quantity, |scope| within.contains(scope))
    }

    /// Lets the lines of a request behind this one see that its demand is reserved for.
    fn count_taken(&mut self, ask: &Ask, wanted: &Wanted, spot: Spot, quantity: i64) {
        let Some(document) = ask.document.as_deref().filter(|_| ask.lines.len() > 1) else { return };
        let Some(serial) = self.line_at((Side::Demand, document, wanted.line.or(ask.line)), spot) else { return };
        let line = self.promises.lines.get_mut(&serial).expect("the line is known");
        if line.state == State::Open {
            line.reserved += quantity;
            let config = std::sync::Arc::clone(&self.config);
            self.recount(&config, serial);
        }
    }

    /// Gives back all that a request took before it failed.
    fn put_back(&mut self, ask: &Ask, taken: &mut Taken) {
        for part in std::mem::take(&mut taken.parts) {
            self.release(&part, part.held, true);
            self.count_taken(ask, &ask.lines[usize::from(part.line)], part.spot, -part.held);
        }
        for got in &mut taken.got {
            got.granted = 0;
        }
    }

    /// Writes down what became of a request.
    fn remember_request(
        &mut self,
        config: &Config,
        case: &Case<'_, '_>,
        ask: &Ask<'_>,
        record: Record<'_>,
        findings: &mut Findings,
    ) {
        let now_ns = self.log_time_ns.unwrap_or(0);
        for part in &record.parts {
            self.touch(part.spot, case.sequence);
        }
        let is_granted = record.end == End::Live;
        let slot = self.promises.remember(record, now_ns);
        self.promises.reservations.tidy(i64::MIN, config.promise.answers_max);
        if !is_granted {
            return;
        }
        if let Some(name) = &ask.document {
            self.promises.document_mut(name).reservations.push(slot);
            self.count_held(config, slot, findings);
            let document = self.promises.document_mut(name);
            if document.closed_ns.is_some_and(|closed_ns| closed_ns.saturating_add(config.dedup_window_ns) > now_ns) {
                let event = &case.seen.event;
                let subject = format!("{}/{}", event.source.unwrap_or_default(), event.id.unwrap_or_default());
                let cause = format!("document {name:?} was closed before stock was reserved for it");
                findings.raised.push(raised_about("reservation_leak", subject, cause));
            }
        }
    }

    fn shortage(&self, ask: &Ask, taken: &Taken) -> String {
        let short =
            taken.got.iter().zip(&*ask.lines).enumerate().find(|(_, (got, wanted))| got.available < wanted.quantity);
        let Some((_, (got, wanted))) = short else { return "nothing can be promised".to_owned() };
        let amount = |thousandths: i64| {
            let mut text = Vec::new();
            crate::quantity::write(&mut text, thousandths);
            String::from_utf8_lossy(&text).into_owned()
        };
        let later = got.earliest.map_or_else(
            || "the horizon has no date for all of it".to_owned(),
            |bucket| format!("all of it from {} on", self.bucket_text(bucket)),
        );
        debug_assert!(got.available < UNLIMITED, "what has no limit is never short");
        format!(
            "{} of {:?} can be promised, not {}; {later}",
            amount(got.available),
            wanted.sku,
            amount(wanted.quantity)
        )
    }
}

/// What is remembered of a request.
fn record_of<'a>(
    config: &Config,
    case: &Case<'a, '_>,
    (ask, serial, status): (&'a Ask<'_>, u64, Status),
    now_ns: i64,
    (taken, findings): (Taken, &Findings),
) -> Record<'a> {
    let event = &case.seen.event;
    let asked_ns = case.came.map_or(now_ns, |(_, came_ns)| came_ns);
    let ttl_ns = ask.ttl_ns.or(config.promise.reservation_ttl_ns);
    let is_granted = matches!(status, Status::Granted | Status::Partly);
    let (source, id) = (event.source.unwrap_or_default(), event.id.unwrap_or_default());
    let channels = ask.lines.iter().any(|line| line.channel.is_some());
    let channel = |line: &Wanted<'_>| line.channel.as_deref().unwrap_or_default().into();
    let more = More {
        seen: taken.seen,
        why: findings.why.as_deref().map(Into::into),
        channels: if channels { ask.lines.iter().map(channel).collect() } else { Box::default() },
    };
    Record {
        key: case.seen.key,
        known: case.said.body().known(Outcome::Applied),
        serial,
        sequence: case.sequence,
        named: Named::new(source, id, ask.document.as_deref().unwrap_or_default()),
        expires_ns: ttl_ns.map_or(i64::MAX, |ttl_ns| asked_ns.saturating_add(ttl_ns)),
        status,
        end: if is_granted { End::Live } else { End::Refused },
        posted: 0,
        got: taken.got,
        parts: taken.parts,
        more: more.boxed(),
    }
}
