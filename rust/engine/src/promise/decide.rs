//! Deciding: a request for a reservation is checked and taken in one step (`docs/promise.md` §4).

use smallvec::{SmallVec, smallvec};
use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;

use tallystick_contract::config::Mode;

use crate::atp::UNLIMITED;
use crate::core::admitted::Admitted;
use crate::core::context::Context;
use crate::core::days::When;
use crate::diagnostics::Diagnostics;
use crate::output::batch::Batch;
use crate::promise::Promises;
use crate::promise::lines::OrderLines;
use crate::promise::offer::Demand;
use crate::promise::record::{End, Got, More, Record, RecordName, ReservationPart, Status};
use crate::read::directive::{Ask, Scope, Wanted};
use crate::read::event::given;
use crate::read::line_number::OwnLineNumber;
use crate::schedule::hold::{For, HoldKey, Lifted, PartNow};
use crate::schedule::{Books, View};
use crate::stock::Spot;
/// A line with its names as the ledger has them, and the positions that it can take from.
struct RequestLine<'a> {
    wanted: &'a Wanted<'a>,
    sku: &'a str,
    location: Option<&'a str>,
    quantity: i64,
    spots: SmallVec<[Spot; 4]>,
    /// Whether all positions that it may take from exist.
    is_whole: bool,
}

/// What a request takes, line by line.
#[derive(Debug, Default)]
struct Grant {
    got: SmallVec<[Got; 1]>,
    parts: SmallVec<[ReservationPart; 1]>,
    /// Whether a line got less than it asked for.
    is_short: bool,
    /// What a position reflected instead of the version that was asked for.
    seen: Option<u64>,
}

impl Promises {
    /// Decides a request. What is granted is held from here on.
    pub(crate) fn reserve(
        &mut self,
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        context: &Context<'_, '_>,
        (ask, admitted): (&Ask, &Admitted),
        (diagnostics, batch): (&mut Diagnostics, &mut Batch),
    ) -> Outcome {
        let event = &context.decoded.event;
        let (source, time_ns) = (event.source, context.time_ns);
        let mode = ask.mode.unwrap_or(books.config.promise.mode);
        let serial = books.schedule.next_serial();
        let mut grant = Grant::default();
        let names: Vec<_> = if books.core.items.has_aliases() || books.core.locations.has_aliases() {
            ask.lines.iter().map(|wanted| books.core.named(source, wanted, time_ns)).collect()
        } else {
            Vec::new()
        };
        let mut lines: SmallVec<[RequestLine<'_>; 1]> = SmallVec::with_capacity(ask.lines.len());
        for (number, wanted) in ask.lines.iter().enumerate() {
            let (sku, location) =
                names.get(number).map_or((None, None), |(sku, location)| (sku.as_deref(), location.as_deref()));
            lines.push(RequestLine {
                wanted,
                sku: sku.unwrap_or(&wanted.sku),
                location: location.or(wanted.position.as_ref().map(|[location, ..]| &**location)),
                quantity: admitted.quantity.unwrap_or(wanted.quantity),
                spots: SmallVec::new(),
                is_whole: false,
            });
        }
        let mut outcome = Self::check_lines(books.view(), orders, context, (ask, &mut lines), &mut grant, diagnostics);
        books.core.tried = Some(Vec::new());
        if outcome == Outcome::Applied {
            for (number, line) in (0..).zip(&lines) {
                self.take_line(books, orders, context, (line, number), (mode, ask, serial), &mut grant);
            }
        }
        let granted: i64 = grant.got.iter().map(|got| got.granted).fold(0, i64::saturating_add);
        let status = match outcome {
            Outcome::Applied if grant.is_short && !ask.is_partial || granted == 0 => Status::Insufficient,
            Outcome::Applied if grant.is_short => Status::Partly,
            Outcome::Applied => Status::Granted,
            Outcome::Insufficient if grant.seen.is_none() => Status::Closed,
            Outcome::Insufficient => Status::Changed,
            _ => Status::Refused,
        };
        let is_granted = matches!(status, Status::Granted | Status::Partly);
        if !is_granted {
            self.put_back(books, orders, (ask, serial), source, &mut grant);
        }
        for spot in books.core.tried.take().into_iter().flatten().filter(|_| is_granted) {
            books.core.touch(spot, context.sequence);
        }
        if matches!(status, Status::Insufficient) {
            outcome = Outcome::Insufficient;
            diagnostics.why = Some(Self::shortage(books.view(), ask, &grant));
        }
        let record =
            record_of(books.config, context, (ask, serial, status), books.core.asked_ns(), (grant, diagnostics));
        Self::answer_request(books.view(), &record, ask, diagnostics, batch);
        self.remember_request(books, context, record);
        outcome
    }

    /// Checks groups, versions and closings, before anything is taken.
    fn check_lines(
        view: View<'_>,
        orders: &impl OrderLines,
        context: &Context<'_, '_>,
        (ask, lines): (&Ask, &mut [RequestLine<'_>]),
        grant: &mut Grant,
        diagnostics: &mut Diagnostics,
    ) -> Outcome {
        for line in &mut *lines {
            let Ok(spots) = Self::spots_wanted(view, context, line) else {
                let group = line.wanted.group.as_deref().unwrap_or_default();
                diagnostics.why = Some(format!("group {group:?} is not defined"));
                return Outcome::UnknownReference;
            };
            (line.spots, line.is_whole) = spots;
        }
        for line in &mut *lines {
            if let Some(closed_ns) = Self::leave_out_closed(view, orders, context, (ask, line)) {
                let document = ask.document.as_deref().unwrap_or_default();
                let closed = tallystick_contract::instant::format(closed_ns);
                diagnostics.why =
                    Some(format!("{document:?} was closed at {closed}, and this was asked for before that"));
                diagnostics.is_told = true;
                return Outcome::Insufficient;
            }
        }
        for line in lines {
            let Some(version) = line.wanted.version else { continue };
            let seen = line.spots.first().map_or(0, |spot| view.core.stock.at(*spot).1.version);
            if seen != version {
                grant.seen = Some(seen);
                diagnostics.why = Some(format!("the position reflects log sequence {seen}, not {version}"));
                return Outcome::Insufficient;
            }
        }
        Outcome::Applied
    }

    /// Leaves out the positions at which a line was closed when it was asked for, or after that. Tells when, if none is
    /// left.
    fn leave_out_closed(
        view: View<'_>,
        orders: &impl OrderLines,
        context: &Context<'_, '_>,
        (ask, line): (&Ask, &mut RequestLine<'_>),
    ) -> Option<i64> {
        let named = named(context, ask, line)?;
        if !orders.knows_document(view, named) {
            return None;
        }
        let document_ns = orders.closed_ns(view, named, None);
        let closed_ns = |spot: &Spot| orders.closed_ns(view, named, Some(*spot));
        let is_open = |closed_ns: Option<i64>| closed_ns.is_none_or(|closed_ns| context.time_ns > closed_ns);
        let latest = line.spots.iter().map(&closed_ns).max().unwrap_or(document_ns);
        let closed: SmallVec<[bool; 4]> = line.spots.iter().map(|spot| !is_open(closed_ns(spot))).collect();
        let mut closed = closed.into_iter();
        line.spots.retain(|_| !closed.next().unwrap_or(false));
        // At a position that does not exist nothing but the whole document can be closed.
        let is_closed = line.spots.is_empty() && (line.is_whole || !is_open(document_ns));
        latest.filter(|_| is_closed)
    }

    /// Takes what a line gets.
    fn take_line(
        &mut self,
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        context: &Context<'_, '_>,
        (line, number): (&RequestLine<'_>, u16),
        (mode, ask, serial): (Mode, &Ask, u64),
        grant: &mut Grant,
    ) {
        let wanted = line.wanted;
        let lifted = Self::lift_wanted(books, orders, context, ask, line);
        for spot in &line.spots {
            if let Some(slot) = books.schedule.promised(books.core, *spot) {
                books.schedule.look_at(books.core, slot);
            }
        }
        let when = wanted.due.map_or(When::Now, When::Due);
        let channel = wanted.channel.as_deref();
        let demand = Demand { sku: line.sku, spots: &line.spots, when, mode, channel, quantity: line.quantity };
        let offer = self.offer(books.view(), orders, &demand, lifted.as_ref());
        let is_short = offer.total < line.quantity;
        let earliest = || self.earliest_of(books.view(), orders, &demand, lifted.as_ref());
        let earliest = is_short.then(earliest).flatten();
        if let Some(lifted) = &lifted {
            orders.put_down(books, lifted);
        }
        let is_taken = !is_short || ask.is_partial;
        grant.is_short |= is_short;
        grant.got.push(Got {
            asked: line.quantity,
            granted: if is_taken { offer.total } else { 0 },
            available: offer.total,
            earliest,
            line: wanted.line.clone().or_else(|| ask.line.clone()),
            is_group: wanted.group.is_some(),
        });
        if is_taken {
            for &(spot, quantity) in &offer.parts {
                let at = u16::try_from(grant.parts.len()).expect("a request has few lines and positions");
                let held = HoldKey { serial, part: at, asked_ns: context.time_ns };
                let of_line = lifted.as_ref().map(|lifted| (lifted.line, held));
                let part =
                    self.take(books, orders, (of_line, spot), (wanted, number, mode), (quantity, context.sequence));
                grant.parts.push(part);
            }
        }
        if let Some(lifted) = &lifted {
            orders.drop_blank(books, lifted.line);
        }
    }

    /// The positions that a line can take from, in their order, as far as the ledger has them.
    fn spots_wanted(
        view: View<'_>,
        context: &Context<'_, '_>,
        line: &RequestLine<'_>,
    ) -> Result<(SmallVec<[Spot; 4]>, bool), ()> {
        let event = &context.decoded.event;
        if let Some(place) = context.found.place
            && (line.sku, line.location) == (event.sku, given(event.location))
        {
            // It was found when the event was looked at first.
            let part = u32::try_from(view.core.stock.part_of(context.decoded.hashes.sku)).expect("there are few parts");
            return Ok((smallvec![Spot { part, place }], true));
        }
        let (Some(location), Some([_, lot, owner])) = (line.location, &line.wanted.position) else {
            let group = line.wanted.group.as_deref().unwrap_or_default();
            let members = view.core.groups.members(group, view.core.now_ns()).ok_or(())?;
            let all = members.into_iter().map(|location| view.core.stock.find([line.sku, location, "", ""]));
            let all: SmallVec<[Option<Spot>; 4]> = all.collect();
            let is_whole = !all.is_empty() && all.iter().all(Option::is_some);
            return Ok((all.into_iter().flatten().collect(), is_whole));
        };
        let spot = view.core.stock.find([line.sku, location, lot, owner]);
        Ok((spot.into_iter().collect(), spot.is_some()))
    }

    /// The line that a wanted one is for, with its claims lifted; nothing for a request without a document.
    fn lift_wanted(
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        context: &Context<'_, '_>,
        ask: &Ask,
        line: &RequestLine<'_>,
    ) -> Option<Lifted> {
        let named = named(context, ask, line)?;
        let first = *line.spots.first()?;
        let number = orders.enter(books, named, first);
        Some(orders.lift(books, (number, context.time_ns), &line.spots))
    }

    /// Takes a quantity at a position.
    fn take(
        &mut self,
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        (line, spot): (Option<(u32, HoldKey)>, Spot),
        (wanted, number, mode): (&Wanted, u16, Mode),
        (quantity, _sequence): (i64, u64),
    ) -> ReservationPart {
        let entry = books.schedule.entry_of(books.core, spot);
        let zone = books.schedule.entry(entry).zone;
        let today = books.core.today(zone);
        let due = wanted.due.map(|due| (due, books.core.calendar.bucket_of(zone, due)));
        // What is on hand knows no days.
        let due = due.filter(|(_, bucket)| *bucket > today && mode != Mode::OnHand);
        match line {
            Some((line, held)) => {
                let now = PartNow::granted(quantity);
                orders.hold(books, (line, held), (spot, due), &now);
            }
            None => books.schedule.hold_at(books.core, spot, due.map(|(_, bucket)| bucket), (0, quantity)),
        }
        let (part, position) = books.core.stock.at(spot);
        let sku = part.names.name(position.names[0]).to_owned();
        let protections = match &wanted.channel {
            Some(channel) if !self.protections.of(&sku).is_empty() => {
                self.consume_protection(books.view(), &sku, spot, channel, quantity)
            }
            _ => Box::default(),
        };
        ReservationPart { line: number, spot, due, granted: quantity, held: quantity, protections }
    }

    fn consume_protection(
        &mut self,
        view: View<'_>,
        sku: &str,
        spot: Spot,
        channel: &str,
        quantity: i64,
    ) -> Box<[u64]> {
        let (part, position) = view.core.stock.at(spot);
        let [_, location, lot, owner] = position.names.map(|name| part.names.name(name));
        if !lot.is_empty() || !owner.is_empty() {
            return Box::default();
        }
        let scopes = self.protections.of(sku).iter().map(|scoped| scoped.scope.clone());
        let within: Vec<Scope> = scopes.filter(|scope| view.core.is_within(scope, location)).collect();
        self.protections.consume(sku, channel, quantity, |scope| within.contains(scope))
    }

    /// Gives back all that a request took before it failed.
    fn put_back(
        &mut self,
        books: &mut Books<'_>,
        orders: &mut impl OrderLines,
        (ask, serial): (&Ask, u64),
        source: &str,
        grant: &mut Grant,
    ) {
        for (at, part) in (0..).zip(std::mem::take(&mut grant.parts)) {
            let number = grant.got[usize::from(part.line)].line.as_ref();
            let held = HoldKey { serial, part: at, asked_ns: i64::MIN };
            let whom = For { source, id: "", document: ask.document.as_deref(), number };
            let change = (&PartNow::granted(part.held), &PartNow::granted(0));
            orders.settle(books, whom, (held, part.place()), change);
            if !part.protections.is_empty() {
                let (stock, position) = books.core.stock.at(part.spot);
                let sku = stock.names.name(position.names[0]);
                self.protections.give_back(sku, &part.protections, part.held);
            }
        }
        for got in &mut grant.got {
            got.granted = 0;
        }
    }

    /// Writes down what became of a request.
    fn remember_request(&mut self, books: &mut Books<'_>, context: &Context<'_, '_>, record: Record<'_>) {
        let now_ns = books.core.now_ns();
        for part in &record.parts {
            books.core.touch(part.spot, context.sequence);
        }
        self.remember(record, now_ns);
        self.reservations.tidy(i64::MIN, books.config.promise.answers_max);
    }

    fn shortage(view: View<'_>, ask: &Ask, grant: &Grant) -> String {
        let short =
            grant.got.iter().zip(&*ask.lines).enumerate().find(|(_, (got, wanted))| got.available < wanted.quantity);
        let Some((_, (got, wanted))) = short else { return "nothing can be promised".to_owned() };
        let amount = |thousandths: i64| {
            let mut text = Vec::new();
            tallystick_contract::quantity::write(&mut text, thousandths);
            String::from_utf8_lossy(&text).into_owned()
        };
        let later = got.earliest.map_or_else(
            || "the horizon has no date for all of it".to_owned(),
            |bucket| format!("all of it from {} on", view.core.bucket_text(bucket)),
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

/// How a wanted line names its order line; nothing without a document.
fn named<'a>(
    context: &Context<'a, '_>,
    ask: &'a Ask<'_>,
    line: &'a RequestLine<'_>,
) -> Option<crate::schedule::hold::LineNamed<'a>> {
    let number = line.wanted.line.as_ref().or(ask.line.as_ref()).map(OwnLineNumber::borrow);
    let source = context.decoded.event.source;
    Some(crate::schedule::hold::LineNamed { source, document: ask.document.as_deref()?, number })
}

/// What is remembered of a request.
fn record_of<'a>(
    config: &Config,
    context: &Context<'a, '_>,
    (ask, serial, status): (&'a Ask<'_>, u64, Status),
    now_ns: i64,
    (grant, diagnostics): (Grant, &Diagnostics),
) -> Record<'a> {
    let event = &context.decoded.event;
    let asked_ns = context.came.map_or(now_ns, |(_, came_ns)| came_ns);
    let ttl_ns = ask.ttl_ns.or(config.promise.reservation_ttl_ns);
    let is_granted = matches!(status, Status::Granted | Status::Partly);
    let (source, id) = (event.source, event.id);
    let channels = ask.lines.iter().any(|line| line.channel.is_some());
    let channel = |line: &Wanted<'_>| line.channel.as_deref().unwrap_or_default().into();
    let more = More {
        seen: grant.seen,
        why: diagnostics.why.as_deref().map(Into::into),
        answered_end_ns: None,
        channels: if channels { ask.lines.iter().map(channel).collect() } else { Box::default() },
    };
    Record {
        key: context.decoded.key,
        known: context.command.body().known(Outcome::Applied),
        serial,
        sequence: context.sequence,
        named: RecordName::new(source, id, ask.document.as_deref().unwrap_or_default()),
        expires_ns: ttl_ns.map_or(i64::MAX, |ttl_ns| asked_ns.saturating_add(ttl_ns)),
        status,
        end: if is_granted { End::Live } else { End::Refused },
        posted: 0,
        got: grant.got,
        parts: grant.parts,
        more: more.boxed(),
    }
}
