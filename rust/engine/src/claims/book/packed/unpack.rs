//! Unpacking: bytes become the line that they were.

use integer_encoding::VarInt;
use smallvec::SmallVec;

use crate::calendar::Due;
use crate::claims::book::LineKey;
use crate::claims::book::fact::{Fact, FactKind, Hold, Statement, SupplyTerms};
use crate::claims::book::line::{Flags, Line, LinePlace};
use crate::claims::book::packed::{
    AT, DATE, DATE_OF_BUCKET, DAY, FAR_OFF, HAS_FACTS, HAS_GIVEN, HAS_GIVEN_BACK, HAS_HOLDS, HAS_KEY, HAS_LAPSED,
    HAS_LIVE_DATED, HAS_LIVE_NOW, HAS_MORE, HAS_MOVED, HAS_PLACES, HAS_POSTS, HAS_QUANTITY, HAS_SHOWN, HAS_TERMS, Head,
    IS_AS_BEFORE, IS_AT_PLACE, IS_AT_SPOT, IS_DEMAND, IS_ELSEWHERE, IS_NUMBER, IS_TEXT, KIND, LONG_AGO, STEPS_MANY,
    STEPS_SHIFT, UNIT_BITS, UNITS, WAS_RAISED,
};
use crate::read::directive::Side;
use crate::read::line_number::LineNumber;
use crate::schedule::{AT_ONCE, Given, Moved, Shown};
use crate::stock::Spot;

/// What a line was known by when it was packed.
pub(crate) fn head(bytes: &[u8]) -> Head<'_> {
    Unpack::of(bytes).head().1
}

/// The line that was packed. Bytes behind it are not looked at.
pub(crate) fn unpack(bytes: &[u8]) -> Line {
    let mut from = Unpack::of(bytes);
    let (has, Head { key, touched_ns }) = from.head();
    let number = key.number.map(LineNumber::to_own);
    let mut line = Line { touched_ns, ..Line::new(key.side, key.document, number, (key.part, key.sku)) };
    from.places(&mut line, has);
    line.statements = (0..from.count()).map(|_| from.statement()).collect();
    if has & HAS_FACTS > 0 {
        line.facts = (0..from.count()).map(|_| from.fact()).collect();
    }
    if has & HAS_HOLDS > 0 {
        line.holds = (0..from.count()).map(|_| from.hold()).collect();
    }
    if has & HAS_MORE > 0 {
        let told = from.byte();
        let [is_below_zero, is_used_after_closing, is_clashing, is_unallocated] =
            [1, 2, 4, 8].map(|bit| told & bit > 0);
        line.told = Flags { is_below_zero, is_used_after_closing, is_clashing, is_unallocated };
        line.asked_loosely = (0..from.count()).map(|_| from.time()).collect();
    }
    if has & HAS_GIVEN > 0 {
        line.given = (0..from.count()).map(|_| from.given(&line.places)).collect();
    }
    line
}

/// What is left of the bytes, with the time, the bucket and the amount that were read last.
struct Unpack<'b> {
    bytes: &'b [u8],
    time_ns: i64,
    bucket: i32,
    amount: i64,
}

impl<'b> Unpack<'b> {
    const fn of(bytes: &'b [u8]) -> Self {
        Self { bytes, time_ns: 0, bucket: 0, amount: 0 }
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().expect("a line was packed whole");
        self.bytes = rest;
        *first
    }

    fn run(&mut self, count: usize) -> &'b [u8] {
        let (run, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        run
    }

    fn number<N: VarInt>(&mut self) -> N {
        let (number, bytes) = N::decode_var(self.bytes).expect("a line was packed whole");
        self.bytes = &self.bytes[bytes..];
        number
    }

    fn count(&mut self) -> usize {
        self.number::<usize>()
    }

    fn amount(&mut self) -> i64 {
        self.amount = self.number();
        self.amount
    }

    fn log_time(&mut self) -> i64 {
        self.time_ns = self.number();
        self.time_ns
    }

    fn time(&mut self) -> i64 {
        let code: u64 = self.number();
        let Some(unit) = UNITS.get((code & ((1 << UNIT_BITS) - 1)) as usize) else { return self.log_time() };
        let zigzag = code >> UNIT_BITS;
        let apart = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        // What is apart wraps around where times lie at both ends.
        self.time_ns = self.time_ns.div_euclid(*unit).wrapping_add(apart).wrapping_mul(*unit);
        self.time_ns
    }

    fn text(&mut self) -> &'b str {
        let bytes = self.count();
        std::str::from_utf8(self.run(bytes)).expect("texts were packed")
    }

    fn bucket(&mut self) -> i32 {
        let Some(apart) = self.number::<u64>().checked_sub(1) else { return AT_ONCE };
        let apart = (apart >> 1).cast_signed() ^ -(apart & 1).cast_signed();
        self.bucket = i32::try_from(i64::from(self.bucket) + apart).expect("a bucket was packed");
        self.bucket
    }

    fn head(&mut self) -> (u8, Head<'b>) {
        let has = self.byte();
        let side = if has & IS_DEMAND > 0 { Side::Demand } else { Side::Supply };
        let (document, part, sku) = (self.number(), self.number(), self.number());
        let number = match has & (IS_NUMBER | IS_TEXT) {
            IS_NUMBER => Some(LineNumber::Number(self.number())),
            IS_TEXT => Some(LineNumber::Text(self.text())),
            _ => None,
        };
        (has, Head { key: LineKey { side, document, number, part, sku }, touched_ns: self.log_time() })
    }

    fn places(&mut self, line: &mut Line, has: u8) {
        if has & HAS_PLACES == 0 {
            let spot = Spot { part: line.part, place: self.number() };
            line.places.push(LinePlace { spot, location: self.number(), serial: 0 });
            return;
        }
        for _ in 0..self.count() {
            let spot = Spot { part: self.number(), place: self.number() };
            line.places.push(LinePlace { spot, location: self.number(), serial: self.number() });
        }
    }

    fn day(&mut self, kind: u8) -> (Option<Due>, i32) {
        let bucket = self.bucket();
        let due = match kind {
            DATE_OF_BUCKET => Due::Date(bucket),
            DATE => Due::Date(self.number()),
            AT => Due::At(self.time()),
            LONG_AGO => Due::LongAgo,
            FAR_OFF => Due::FarOff,
            _ => return (None, bucket),
        };
        (Some(due), bucket)
    }

    fn place(&mut self, has: u8) -> u32 {
        if has & IS_ELSEWHERE > 0 { self.number() } else { 0 }
    }

    fn statement(&mut self) -> Statement {
        let has = self.byte();
        let place = self.place(has);
        let (time_ns, source) = (self.time(), self.number());
        let quantity = (has & HAS_QUANTITY > 0).then(|| self.amount());
        let (due, bucket) = self.day(has & DAY);
        let terms = (has & HAS_TERMS > 0).then(|| {
            let mut name = || {
                let is_there = self.byte() == 1;
                Some(Box::<str>::from(self.text())).filter(|_| is_there)
            };
            Box::new(SupplyTerms { supplier: name(), kind: name() })
        });
        Statement { time_ns, quantity, due, bucket, place, source, terms }
    }

    fn fact(&mut self) -> Fact {
        let has = self.byte();
        let place = self.place(has);
        let mut key = [0; 8];
        if has & HAS_KEY > 0 {
            key.copy_from_slice(self.run(8));
        }
        let (time_ns, amount) = (self.time(), self.amount());
        let kind = FactKind::ALL[usize::from(has & KIND)];
        Fact { key: u64::from_le_bytes(key), time_ns, amount, kind, place, source: self.number() }
    }

    fn hold(&mut self) -> Hold {
        let has = self.byte();
        let (place, part) = if has & IS_ELSEWHERE > 0 { (self.number(), self.number()) } else { (0, 0) };
        let (serial, asked_ns) = (self.number(), self.time());
        let raised_ns = if has & WAS_RAISED > 0 { self.time() } else { asked_ns };
        let (due, bucket) = self.day(has & DAY);
        let live = self.amount();
        let (mut posts, mut given) = (SmallVec::new(), Vec::new());
        if has & HAS_POSTS > 0 {
            posts = (0..self.count()).map(|_| self.step()).collect();
        }
        if has & HAS_GIVEN_BACK > 0 {
            given = (0..self.count()).map(|_| self.step()).collect();
        }
        let lapsed = (has & HAS_LAPSED > 0).then(|| self.step());
        Hold { serial, part, place, asked_ns, raised_ns, due, bucket, live, posts, given, lapsed }
    }

    fn step(&mut self) -> (i64, i64) {
        (self.time(), self.amount())
    }

    fn given(&mut self, places: &[LinePlace]) -> Given {
        let has = self.byte();
        let spot = if has & IS_AT_SPOT > 0 {
            Spot { part: self.number(), place: self.number() }
        } else {
            places[if has & IS_AT_PLACE > 0 { self.count() } else { 0 }].spot
        };
        let mut given = Given::none(spot);
        let many = has >> STEPS_SHIFT;
        let steps = if many == STEPS_MANY { self.count() } else { usize::from(many) };
        given.steps = (0..steps).map(|_| self.shown()).collect();
        if has & HAS_LIVE_NOW > 0 {
            given.live_now = self.number();
        }
        if has & HAS_LIVE_DATED > 0 {
            given.live_dated = (0..self.count()).map(|_| (self.bucket(), self.number())).collect();
        }
        if has & HAS_MOVED > 0 {
            given.moved = (0..self.count())
                .map(|_| Moved { source: self.number(), unpicked: self.number(), unshipped: self.number() })
                .collect();
        }
        given
    }

    fn shown(&mut self) -> (i32, Shown) {
        let has = self.byte();
        let bucket = self.bucket();
        let mut amount = |at: u32| match has & (HAS_SHOWN | IS_AS_BEFORE) << at {
            0 => 0,
            has if has == HAS_SHOWN << at => self.amount(),
            _ => self.amount,
        };
        (bucket, Shown { allocated: amount(0), reserved: amount(1), ordered: amount(2) })
    }
}
