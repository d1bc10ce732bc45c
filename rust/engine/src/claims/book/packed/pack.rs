//! Packing: a line becomes bytes.

use integer_encoding::VarIntWriter;

use crate::calendar::Due;
use crate::claims::book::fact::{Fact, Hold, Statement};
use crate::claims::book::line::{Flags, Line, LinePlace};
use crate::claims::book::packed::{
    AT, DATE, DATE_OF_BUCKET, FAR_OFF, HAS_FACTS, HAS_GIVEN, HAS_GIVEN_BACK, HAS_HOLDS, HAS_KEY, HAS_LAPSED,
    HAS_LIVE_DATED, HAS_LIVE_NOW, HAS_MORE, HAS_MOVED, HAS_PLACES, HAS_POSTS, HAS_QUANTITY, HAS_SHOWN, HAS_TERMS,
    IS_AS_BEFORE, IS_AT_PLACE, IS_AT_SPOT, IS_DEMAND, IS_ELSEWHERE, IS_NUMBER, IS_TEXT, LONG_AGO, NO_DAY, STEPS_MANY,
    STEPS_SHIFT, UNIT_BITS, UNITS, WAS_RAISED,
};
use crate::read::directive::Side;
use crate::read::line_number::LineNumber;
use crate::schedule::{AT_ONCE, Given, Moved, Shown};

/// Appends a line.
pub(crate) fn pack(line: &Line, out: &mut Vec<u8>) {
    let bit = |has: bool, bit: u8| if has { bit } else { 0 };
    let is_one_place = matches!(&*line.places, [place] if place.serial == 0 && place.spot.part == line.part);
    let has_more = !line.asked_loosely.is_empty() || line.told != Flags::default();
    out.push(
        bit(line.side == Side::Demand, IS_DEMAND)
            | bit(matches!(line.number, Some(LineNumber::Number(_))), IS_NUMBER)
            | bit(matches!(line.number, Some(LineNumber::Text(_))), IS_TEXT)
            | bit(!is_one_place, HAS_PLACES)
            | bit(!line.facts.is_empty(), HAS_FACTS)
            | bit(!line.holds.is_empty(), HAS_HOLDS)
            | bit(has_more, HAS_MORE)
            | bit(!line.given.is_empty(), HAS_GIVEN),
    );
    let mut to = Pack { out, time_ns: 0, bucket: 0, amount: 0 };
    to.head(line);
    to.places(line, is_one_place);
    to.count(line.statements.len());
    line.statements.iter().for_each(|statement| to.statement(statement));
    if !line.facts.is_empty() {
        to.count(line.facts.len());
        line.facts.iter().for_each(|fact| to.fact(fact));
    }
    if !line.holds.is_empty() {
        to.count(line.holds.len());
        line.holds.iter().for_each(|hold| to.hold(hold));
    }
    if has_more {
        let Flags { is_below_zero, is_used_after_closing, is_clashing, is_unallocated } = line.told;
        to.out
            .push(bit(is_below_zero, 1) | bit(is_used_after_closing, 2) | bit(is_clashing, 4) | bit(is_unallocated, 8));
        to.count(line.asked_loosely.len());
        line.asked_loosely.iter().for_each(|time_ns| to.time(*time_ns));
    }
    if !line.given.is_empty() {
        to.count(line.given.len());
        line.given.iter().for_each(|given| to.given(given, &line.places));
    }
}

/// Where a line is written, with the time, the bucket and the amount that were written last.
struct Pack<'o> {
    out: &'o mut Vec<u8>,
    time_ns: i64,
    bucket: i32,
    amount: i64,
}

impl Pack<'_> {
    fn unsigned(&mut self, number: impl Into<u64>) {
        self.out.write_varint(number.into()).expect("a list takes what it is given");
    }

    fn signed(&mut self, number: i64) {
        self.out.write_varint(number).expect("a list takes what it is given");
    }

    fn count(&mut self, count: usize) {
        self.unsigned(count as u64);
    }

    fn amount(&mut self, amount: i64) {
        self.signed(amount);
        self.amount = amount;
    }

    /// The first time, of the log: to the nanosecond.
    fn log_time(&mut self, time_ns: i64) {
        self.signed(time_ns);
        self.time_ns = time_ns;
    }

    /// How far a time is from the last one, in the greatest unit in which it is whole.
    fn time(&mut self, time_ns: i64) {
        let unit = UNITS.iter().position(|unit| time_ns % unit == 0).expect("any is whole in nanoseconds");
        let apart = (time_ns / UNITS[unit]).wrapping_sub(self.time_ns.div_euclid(UNITS[unit]));
        if apart.unsigned_abs() < 1 << 60 {
            let zigzag = (apart << 1 ^ apart >> 63).cast_unsigned();
            self.unsigned(zigzag << UNIT_BITS | unit as u64);
        } else {
            self.unsigned(UNITS.len() as u64);
            self.signed(time_ns);
        }
        self.time_ns = time_ns;
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.out.extend_from_slice(text.as_bytes());
    }

    fn bucket(&mut self, bucket: i32) {
        if bucket == AT_ONCE {
            self.unsigned(0_u64);
            return;
        }
        let apart = i64::from(bucket) - i64::from(self.bucket);
        self.unsigned((apart.cast_unsigned() << 1 ^ (apart >> 63).cast_unsigned()) + 1);
        self.bucket = bucket;
    }

    fn head(&mut self, line: &Line) {
        for number in [line.document, line.part, line.sku] {
            self.unsigned(number);
        }
        match &line.number {
            None => {}
            Some(LineNumber::Number(number)) => self.signed(*number),
            Some(LineNumber::Text(text)) => self.text(text),
        }
        self.log_time(line.touched_ns);
    }

    fn places(&mut self, line: &Line, is_one: bool) {
        if let [place] = &*line.places
            && is_one
        {
            self.unsigned(place.spot.place);
            self.unsigned(place.location);
            return;
        }
        self.count(line.places.len());
        for place in &line.places {
            for number in [place.spot.part, place.spot.place, place.location] {
                self.unsigned(number);
            }
            self.unsigned(place.serial);
        }
    }

    /// The kind of a day, for the bits that stand before it.
    fn kind_of_day(due: Option<Due>, bucket: i32) -> u8 {
        match due {
            None => NO_DAY,
            Some(Due::Date(days)) if days == bucket => DATE_OF_BUCKET,
            Some(Due::Date(_)) => DATE,
            Some(Due::At(_)) => AT,
            Some(Due::LongAgo) => LONG_AGO,
            Some(Due::FarOff) => FAR_OFF,
        }
    }

    fn day(&mut self, due: Option<Due>, bucket: i32) {
        self.bucket(bucket);
        match due {
            Some(Due::Date(days)) if days != bucket => self.signed(days.into()),
            Some(Due::At(time_ns)) => self.time(time_ns),
            _ => {}
        }
    }

    fn elsewhere(&mut self, place: u32) {
        if place > 0 {
            self.unsigned(place);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        let Statement { time_ns, quantity, due, bucket, place, source, terms } = statement;
        let mut has = Self::kind_of_day(*due, *bucket);
        has |= if quantity.is_some() { HAS_QUANTITY } else { 0 };
        has |= if terms.is_some() { HAS_TERMS } else { 0 };
        has |= if *place > 0 { IS_ELSEWHERE } else { 0 };
        self.out.push(has);
        self.elsewhere(*place);
        self.time(*time_ns);
        self.unsigned(*source);
        if let Some(quantity) = quantity {
            self.amount(*quantity);
        }
        self.day(*due, *bucket);
        if let Some(terms) = terms {
            for name in [&terms.supplier, &terms.kind] {
                // Nothing is not the same as an empty name.
                self.out.push(u8::from(name.is_some()));
                self.text(name.as_deref().unwrap_or_default());
            }
        }
    }

    fn fact(&mut self, fact: &Fact) {
        let Fact { key, time_ns, amount, kind, place, source } = *fact;
        let has_key = if key == 0 { 0 } else { HAS_KEY };
        self.out.push(kind as u8 | has_key | if place > 0 { IS_ELSEWHERE } else { 0 });
        self.elsewhere(place);
        if key != 0 {
            self.out.extend_from_slice(&key.to_le_bytes());
        }
        self.time(time_ns);
        self.amount(amount);
        self.unsigned(source);
    }

    fn hold(&mut self, hold: &Hold) {
        let Hold { serial, part, place, asked_ns, raised_ns, due, bucket, live, posts, given, lapsed } = hold;
        let mut has = Self::kind_of_day(*due, *bucket);
        has |= if posts.is_empty() { 0 } else { HAS_POSTS };
        has |= if given.is_empty() { 0 } else { HAS_GIVEN_BACK };
        has |= if lapsed.is_some() { HAS_LAPSED } else { 0 };
        has |= if (*place, *part) == (0, 0) { 0 } else { IS_ELSEWHERE };
        has |= if raised_ns == asked_ns { 0 } else { WAS_RAISED };
        self.out.push(has);
        if has & IS_ELSEWHERE > 0 {
            self.unsigned(*place);
            self.unsigned(*part);
        }
        self.unsigned(*serial);
        self.time(*asked_ns);
        if has & WAS_RAISED > 0 {
            self.time(*raised_ns);
        }
        self.day(*due, *bucket);
        self.amount(*live);
        for steps in [&**posts, given].into_iter().filter(|steps| !steps.is_empty()) {
            self.count(steps.len());
            for step in steps {
                self.step(*step);
            }
        }
        if let Some(lapsed) = lapsed {
            self.step(*lapsed);
        }
    }

    fn step(&mut self, (time_ns, amount): (i64, i64)) {
        self.time(time_ns);
        self.amount(amount);
    }

    fn given(&mut self, given: &Given, places: &[LinePlace]) {
        let Given { spot, steps, live_now, live_dated, moved } = given;
        let place = places.iter().position(|place| place.spot == *spot);
        let many = u8::try_from(steps.len()).ok().filter(|count| *count < STEPS_MANY);
        let mut has = many.unwrap_or(STEPS_MANY) << STEPS_SHIFT;
        has |= if *live_now > 0 { HAS_LIVE_NOW } else { 0 };
        has |= if live_dated.is_empty() { 0 } else { HAS_LIVE_DATED };
        has |= if moved.is_empty() { 0 } else { HAS_MOVED };
        has |= place.map_or(IS_AT_SPOT, |place| if place > 0 { IS_AT_PLACE } else { 0 });
        self.out.push(has);
        match place {
            None => {
                self.unsigned(spot.part);
                self.unsigned(spot.place);
            }
            Some(0) => {}
            Some(place) => self.count(place),
        }
        if many.is_none() {
            self.count(steps.len());
        }
        for (bucket, shown) in steps {
            self.shown(*bucket, *shown);
        }
        if *live_now > 0 {
            self.unsigned(*live_now);
        }
        if !live_dated.is_empty() {
            self.count(live_dated.len());
            for (bucket, count) in live_dated {
                self.bucket(*bucket);
                self.unsigned(*count);
            }
        }
        if !moved.is_empty() {
            self.count(moved.len());
            for Moved { source, unpicked, unshipped } in moved {
                self.unsigned(*source);
                self.signed(*unpicked);
                self.signed(*unshipped);
            }
        }
    }
    fn shown(&mut self, bucket: i32, Shown { allocated, reserved, ordered }: Shown) {
        let amounts = [allocated, reserved, ordered];
        let (mut has, mut last) = (0, self.amount);
        for (at, amount) in amounts.into_iter().enumerate().filter(|(_, amount)| *amount != 0) {
            has |= HAS_SHOWN << at | if amount == last { IS_AS_BEFORE << at } else { 0 };
            last = amount;
        }
        self.out.push(has);
        self.bucket(bucket);
        for (at, amount) in amounts.into_iter().enumerate() {
            if has & HAS_SHOWN << at > 0 && has & IS_AS_BEFORE << at == 0 {
                self.amount(amount);
            }
        }
    }
}
