//! Random lives of orders in a small world: shops hold, the ERP orders, the OMS reserves and allocates, warehouses pick
//! and ship, and any of them takes
//! things back. A life is the same for the same seed. Holds no test.

use super::random::Random;
use super::told::{Line, Says, Spot, Told};

/// Longer than any life is told, in seconds: what ends after it ends after the last message.
pub(crate) const LONG: i64 = 7_200;

/// How a life is told.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    /// Whether shipments take from `on_hand` by configuration.
    pub(crate) ships_from_shelf: bool,
    /// So many messages fill the shelves, and stay in front.
    pub(crate) receipts: usize,
    pub(crate) told: Vec<Told>,
}

/// How goods leave.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leaving {
    /// They are picked and shipped.
    Picked,
    /// A till sells them.
    Sold,
    /// They are shipped from the shelf.
    Shipped,
    /// They are picked, and shipped or sold by a till that tells of the same line.
    Either,
}

/// A hold, and how much of it is live at least, whichever of its steps are known.
#[derive(Debug, Clone, Copy)]
struct Hold {
    id: usize,
    source: &'static str,
    low: i64,
    last: i64,
}

struct Maker {
    random: Random,
    life: Life,
    leaving: Leaving,
    is_scarce: bool,
    /// Whether messages leave lines away.
    is_loose: bool,
    lines: Vec<(&'static str, Line)>,
    spots: Vec<Spot>,
    size: i64,
    /// One day for all holds: which of them lapses first depends on which was told first.
    day: Option<i64>,
    holds: Vec<Hold>,
    time: i64,
}

impl Life {
    /// A life on shelves that are full, or that hold little.
    pub(crate) fn random(seed: u64, is_scarce: bool) -> Self {
        let mut random = Random::new(seed);
        // The first numbers of seeds that lie close together do as well.
        (0..4).for_each(|_| _ = random.bits());
        let leaving = match random.below(12) {
            0 | 1 => Leaving::Sold,
            2 | 3 => Leaving::Shipped,
            4 | 5 => Leaving::Either,
            _ => Leaving::Picked,
        };
        let is_loose = random.below(4) == 0;
        let mut lines = vec![("SO-1", Line::Number(10))];
        for (line, chance) in
            [(("SO-1", Line::Number(20)), 3), (("SO-1", Line::Text("gift")), 6), (("SO-2", Line::Number(1)), 4)]
        {
            if random.below(chance) == 0 || is_loose && line.1 == Line::Number(20) {
                lines.push(line);
            }
        }
        let mut spots = vec![("DC1", "")];
        for (spot, chance) in [(("DC2", ""), 3), (("DC1", "L1"), 8)] {
            if random.below(chance) == 0 {
                spots.push(spot);
            }
        }
        let size = 2 + i64::try_from(random.below(7)).expect("a size");
        let day = [None, None, Some(0), Some(1), Some(3)][usize::try_from(random.below(5)).expect("a place")];
        let ships_from_shelf = leaving == Leaving::Shipped;
        let life = Self { seed, ships_from_shelf, receipts: 0, told: Vec::new() };
        let holds = Vec::new();
        let mut maker = Maker { random, life, leaving, is_scarce, is_loose, lines, spots, size, day, holds, time: 0 };
        maker.fill();
        let steps = if maker.random.below(5) < 2 { 2 + maker.random.below(4) } else { 6 + maker.random.below(7) };
        for _ in 0..steps {
            maker.step();
        }
        if maker.random.below(3) == 0 {
            maker.close();
        }
        maker.life
    }

    /// The messages as lines of JSON.
    pub(crate) fn json(&self) -> String {
        let lines = self.told.iter().map(|told| told.json(self.ships_from_shelf).to_string());
        let config = if self.ships_from_shelf { "[[shipping]] from = \"on_hand\"" } else { "no configuration" };
        format!("# seed {}, {config}\n{}", self.seed, lines.collect::<Vec<_>>().join("\n"))
    }
}

impl Maker {
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(end as u64)).expect("less than its end")
    }

    fn mostly_first(&mut self, end: usize) -> usize {
        if self.below(3) == 0 { self.below(end) } else { 0 }
    }

    fn quantity(&mut self) -> i64 {
        if self.below(2) == 0 { self.size } else { self.up_to(self.size) }
    }

    fn up_to(&mut self, most: i64) -> i64 {
        1 + i64::try_from(self.random.below(most.max(1).unsigned_abs())).expect("a quantity")
    }

    fn fill(&mut self) {
        for spot in self.spots.clone() {
            let quantity = if self.is_scarce { self.size + self.up_to(8) } else { 500 };
            self.push("wms", 0, None, spot, Says::Received(quantity));
            self.life.receipts += 1;
        }
        self.time = 600;
    }

    fn push(&mut self, source: &'static str, time: i64, line: Option<(&'static str, Line)>, at: Spot, says: Says) {
        let (document, line) = line.map_or((None, Line::Missing), |(document, line)| (Some(document), line));
        let id = self.life.told.len();
        self.life.told.push(Told { id, source, time, arrived: 0, at, document, line, says });
    }

    /// Later than the last message, or at the same time.
    fn tick(&mut self) -> i64 {
        if self.below(6) > 0 {
            self.time += self.up_to(500);
        }
        self.time
    }

    fn say(&mut self, source: &'static str, says: Says) {
        let (line, at) = (self.mostly_first(self.lines.len()), self.mostly_first(self.spots.len()));
        let (mut line, at) = (self.lines[line].clone(), self.spots[at]);
        if self.is_loose && line.0 == "SO-1" && self.below(2) == 0 {
            line.1 = Line::Missing;
        }
        let time = self.tick();
        self.push(source, time, Some(line), at, says);
    }

    fn step(&mut self) {
        let quantity = self.quantity();
        match 4 + self.below(40) {
            4..9 => self.request(quantity),
            9..11 => self.say("oms", Says::Reserved(quantity)),
            11 => self.say("oms", Says::Unreserved(quantity)),
            12..15 => {
                let converted = self.below(5) < 2;
                self.say("oms", Says::Allocated { quantity, converted });
            }
            15 | 16 => self.say("oms", Says::Deallocated(quantity)),
            17..25 => self.leave(quantity),
            25..28 => self.post(),
            28..30 => self.void_hold(),
            30..32 => self.change(),
            32 => self.say("erp", Says::Cancelled),
            33 => self.close(),
            34 => self.void(),
            35 => self.say("wms", Says::Returned(quantity)),
            36..39 => self.without_document(quantity),
            39 if self.below(3) == 0 => {
                let (time, at) = (self.tick(), self.spots[0]);
                self.push("wms", time, None, at, Says::Counted(if self.is_scarce { quantity } else { 480 }));
            }
            _ => self.order(quantity),
        }
    }

    fn order(&mut self, quantity: i64) {
        let day = i64::try_from(self.below(4)).expect("a day");
        let says = match self.below(8) {
            0 => Says::Order { quantity: Some(quantity), day: None },
            1 => Says::Order { quantity: None, day: Some(day) },
            _ => Says::Order { quantity: Some(quantity), day: Some(day) },
        };
        let source = if self.below(12) == 0 { "oms" } else { "erp" };
        self.say(source, says);
    }

    fn request(&mut self, quantity: i64) {
        let source = if self.below(3) == 0 { "shop" } else { "web" };
        // Only where there is little do holds run out while the life is told; nothing more is said of those.
        let ttl = match self.below(6) {
            0 if self.is_scarce => Some(150),
            1 | 2 => Some(LONG),
            _ => None,
        };
        let id = self.life.told.len();
        self.say(source, Says::Requested { quantity, day: self.day, ttl });
        if ttl != Some(150) {
            self.holds.push(Hold { id, source, low: quantity, last: self.time });
        }
    }

    /// A step of a hold that is live, always later than its last one.
    fn step_of_hold(&mut self, says: impl FnOnce(&mut Self, &mut Hold) -> Says) {
        if self.holds.is_empty() {
            return;
        }
        let place = self.below(self.holds.len());
        let mut hold = self.holds[place];
        let says = says(self, &mut hold);
        let time = self.tick().max(hold.last + 1);
        self.time = time;
        hold.last = time;
        self.push(hold.source, time, None, ("", ""), says);
        if hold.low > 0 { self.holds[place] = hold } else { _ = self.holds.swap_remove(place) }
    }

    fn post(&mut self) {
        self.step_of_hold(|maker, hold| {
            let keep = maker.below(3) == 0;
            let part = maker.up_to(hold.low);
            let quantity = (maker.below(2) == 0).then_some(part);
            hold.low = if keep { hold.low - quantity.unwrap_or(hold.low) } else { 0 };
            Says::Posted { hold: hold.id, quantity, keep }
        });
    }

    fn void_hold(&mut self) {
        self.step_of_hold(|maker, hold| {
            let part = maker.up_to(hold.low);
            let quantity = (maker.below(2) == 0).then_some(part);
            hold.low -= quantity.unwrap_or(hold.low);
            Says::Voided { hold: hold.id, quantity }
        });
    }

    fn change(&mut self) {
        self.step_of_hold(|maker, hold| {
            let quantity = maker.up_to(maker.size + 2);
            let ttl = (maker.below(4) == 0).then_some(LONG);
            let quantity = (ttl.is_none() || maker.below(2) == 0).then_some(quantity);
            hold.low = hold.low.min(quantity.unwrap_or(hold.low));
            Says::Changed { hold: hold.id, quantity, ttl }
        });
    }

    /// Something leaves, or is put back.
    fn leave(&mut self, quantity: i64) {
        let is_final = self.below(10) == 0;
        let source = if self.below(5) == 0 { "wms2" } else { "wms" };
        match (self.leaving, self.below(9)) {
            (Leaving::Sold, _) | (Leaving::Either, 6 | 7) => {
                self.say("till", Says::Shipped { quantity, from_picked: false, is_final });
            }
            (Leaving::Shipped, _) => self.say(source, Says::Shipped { quantity, from_picked: false, is_final }),
            (_, 0..5) => self.say(source, Says::Picked(quantity)),
            (_, 5) => self.say(source, Says::Unpicked(quantity)),
            (_, _) => self.say(source, Says::Shipped { quantity, from_picked: true, is_final }),
        }
    }

    fn close(&mut self) {
        let line = self.below(self.lines.len());
        let document = self.lines[line].0;
        let time = self.tick();
        self.push("erp", time, Some((document, Line::Missing)), ("", ""), Says::Closed);
    }

    /// A stock event of the order never was.
    fn void(&mut self) {
        let told = &self.life.told;
        let is_known = |id: usize| told.iter().any(|told| told.says == Says::Void(id));
        let can_be_voided = |told: &&Told| {
            use Says::{Allocated, Deallocated, Picked, Reserved, Returned, Shipped, Unpicked, Unreserved};
            !is_known(told.id)
                && matches!(
                    told.says,
                    Reserved(_)
                        | Unreserved(_)
                        | Allocated { .. }
                        | Deallocated(_)
                        | Picked(_)
                        | Unpicked(_)
                        | Shipped { .. }
                        | Returned(_)
                )
        };
        let events: Vec<(usize, &'static str)> =
            told.iter().filter(can_be_voided).map(|told| (told.id, told.source)).collect();
        if !events.is_empty() {
            let (id, source) = events[self.below(events.len())];
            let time = self.tick();
            self.push(source, time, None, ("", ""), Says::Void(id));
        }
    }

    /// What is told of the shelf and of no order.
    fn without_document(&mut self, quantity: i64) {
        let at = self.spots[0];
        let from_picked = self.leaving != Leaving::Shipped;
        let (source, says) = match self.below(9) {
            0 | 1 => ("wms", Says::Picked(quantity)),
            2 | 3 => ("wms", Says::Shipped { quantity, from_picked, is_final: false }),
            4 => ("oms", Says::Reserved(quantity)),
            5 => ("oms", Says::Unreserved(quantity)),
            6 => ("oms", Says::Allocated { quantity, converted: false }),
            _ => {
                let id = self.life.told.len();
                let time = self.tick();
                self.push("shop", time, None, at, Says::Requested { quantity, day: self.day, ttl: None });
                self.holds.push(Hold { id, source: "shop", low: quantity, last: time });
                return;
            }
        };
        let time = self.tick();
        self.push(source, time, None, at, says);
    }
}
