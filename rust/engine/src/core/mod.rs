//! Core: what every capability stands on: the stock, the keys, master data, the configuration, and where the log is.
//! A verb of a capability is a function over its own state and this one. It knows no capability.

use std::sync::Arc;

use tallystick_contract::config::Config;
use tallystick_contract::outcome::Outcome;
use tallystick_tables::dedup::{Fingerprint, fingerprint};
use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

use tallystick_contract::account::Account;

use crate::calendar::Calendar;
use crate::core::leap::Leap;
use crate::diagnostics::turn::{NetTurn, ShelfTurn};
use crate::diagnostics::{About, Notice, Now};
use crate::keys::Keys;
use crate::master::Catalog;
use crate::master::group::Groups;
use crate::read::element::Place;
use crate::read::event::Event;
use crate::read::shape::Shapes;
use crate::stock::ledger::{MISSING, Position};
use crate::stock::{PositionNames, Spot, Stock};
pub(crate) mod admitted;
pub(crate) mod context;
pub(crate) mod days;
pub(crate) mod held;
pub(crate) mod leap;
mod losses;
mod names;
mod revise;
pub(crate) mod safety;
mod scope;

pub(crate) use losses::Losses;

const NO_POSITION: SnapshotError = SnapshotError::Damaged("something is promised of a position that is not there");
/// What a position takes at least in a snapshot, where it stands by its names.
pub(crate) const SPOT_LEAST: usize = <PositionNames as Image>::LEAST;
const ALLOCATED: usize = Account::Allocated as usize;

/// The foundation of all capabilities.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Arc<Config>,
    pub(crate) secret: [u8; 16],
    pub(crate) seed: u64,
    pub(crate) stock: Stock,
    pub(crate) keys: Keys,
    pub(crate) items: Catalog,
    pub(crate) locations: Catalog,
    pub(crate) groups: Groups,
    pub(crate) calendar: Calendar,
    /// What events that wait for an approval would take away.
    pub(crate) losses: Losses,
    pub(crate) log_time_ns: Option<i64>,
    /// What is believed of it, where it went further for a stamp that is not.
    pub(crate) believed_ns: Option<i64>,
    /// That stamp, until it is believed or taken back.
    pub(crate) leap: Option<Leap>,
    /// How far a message alone may move the log's time, in nanoseconds.
    pub(crate) leap_ns: i64,
    /// The last sequence that the state reflects.
    pub(crate) sequence: u64,
    /// Elements of the log that were judged.
    pub(crate) elements: u64,
    /// Events that were posted, in this process: what puts the parts of the stock in one order.
    pub(crate) posts: u64,
    /// What changed of shelves and claims without documents, until it is told.
    pub(crate) turns: Vec<ShelfTurn>,
    pub(crate) nets: Vec<NetTurn>,
    /// What capabilities have to tell that is about no element in hand, until the spine passes it on.
    pub(crate) notices: Vec<Notice>,
    /// Whether a snapshot is put back, so that nothing changes that others see.
    pub(crate) is_quiet: bool,
    /// Positions that a request takes from while it is decided: they change only if it is granted.
    pub(crate) tried: Option<Vec<Spot>>,
    /// When a rule of safety stock begins or ends next, in nanoseconds.
    pub(crate) safety_ns: i64,
    /// For each shard's reader.
    pub(crate) shapes: Vec<Shapes>,
}

impl Core {
    /// Nothing yet, in so many parts. The secret keys all hashes; it changes no result.
    pub(crate) fn new(config: Config, secret: [u8; 16], parts: usize) -> Self {
        let (half, _) = secret.split_first_chunk::<8>().expect("16 bytes have a first half");
        let seed = u64::from_le_bytes(*half);
        let mut stock = Stock::new(parts, config.history_max, seed);
        stock.watch(!config.replenish.is_empty());
        Self {
            stock,
            keys: Keys::new(parts, config.dedup_window_ns, config.dedup_keys_max),
            items: Catalog::new(seed),
            locations: Catalog::new(seed),
            groups: Groups::default(),
            calendar: Calendar::new(config.promise.bucket, &config.promise.time_zone),
            losses: Losses::default(),
            log_time_ns: None,
            believed_ns: None,
            leap: None,
            leap_ns: config.log_time_jump_max_ns,
            sequence: 0,
            elements: 0,
            posts: 0,
            turns: Vec::new(),
            nets: Vec::new(),
            notices: Vec::new(),
            is_quiet: false,
            tried: None,
            safety_ns: i64::MIN,
            shapes: std::iter::repeat_with(Shapes::default).take(parts).collect(),
            config: Arc::new(config),
            secret,
            seed,
        }
    }

    /// The log's time; the least number before there is one.
    #[inline]
    pub(crate) fn reached_ns(&self) -> i64 {
        self.log_time_ns.unwrap_or(i64::MIN)
    }

    /// The log's time, in nanoseconds since 1970; zero before there is one.
    #[inline]
    pub(crate) fn now_ns(&self) -> i64 {
        self.log_time_ns.unwrap_or(0)
    }

    /// Tells that something is out of order that is about no single event.
    pub(crate) fn raise(&mut self, config: &Config, about: About<'_>) {
        let notice = Notice::raise(config, about, self.now_ns());
        self.notices.push(notice);
    }

    /// Tells that something is in order again.
    pub(crate) fn resolve(&mut self, code: &'static str, subject: &str, how: &'static str, place: Place) {
        let now = self.now(place);
        self.notices.push(Notice::Resolve(code, subject.to_owned(), how, now));
    }

    pub(crate) fn write_spot(&self, spot: Spot, writer: &mut Writer) {
        write_names(self.view_names(spot), writer);
    }

    pub(crate) fn read_spot(&self, reader: &mut Reader<'_>) -> Result<Spot, SnapshotError> {
        let names = [reader.text()?, reader.text()?, reader.text()?, reader.text()?];
        self.stock.find([&names[0], &names[1], &names[2], &names[3]]).ok_or(NO_POSITION)
    }

    /// A position by its names. One that nothing was posted to yet comes into being empty.
    pub(crate) fn position_of(&mut self, names: [&str; 4], sequence: u64) -> Result<Spot, Outcome> {
        if let Some(spot) = self.stock.find(names) {
            return Ok(spot);
        }
        if !self.stock.has_room(1) {
            return Err(Outcome::Overflow);
        }
        let number = self.stock.part_of(self.stock.hash(names[0]));
        let part = &mut self.stock.parts[number];
        let mut ids = [tallystick_tables::intern::NONE; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = part.names.intern(name).ok_or(Outcome::Overflow)?;
        }
        let place = part.ledger.bring_about(ids, sequence);
        let spot = Spot { part: u32::try_from(number).expect("there are few parts"), place };
        self.touch(spot, sequence);
        Ok(spot)
    }

    /// Positions in the order of their names, which does not depend on how the stock is divided.
    pub(crate) fn in_order(&self, mut spots: Vec<Spot>) -> Vec<Spot> {
        if spots.len() > 1 {
            spots.sort_by(|one, other| self.view_names(*one).cmp(&self.view_names(*other)));
        }
        spots
    }

    /// Writes what sources picked and shipped, and what was claimed, without documents.
    pub(crate) fn write_shelves(&self, writer: &mut Writer) {
        let (mut batches, mut nets) = (Vec::new(), Vec::new());
        for (number, part) in (0..).zip(&self.stock.parts) {
            let spot = |place: u32| crate::stock::Spot { part: number, place };
            for (place, moves) in part.shelves.all() {
                for one in moves.iter().filter(|moves| (moves.batch, moves.forgotten) != (0, [0, 0])) {
                    let left = [one.batch, one.forgotten[0], one.forgotten[1]];
                    batches.push((self.view_names(spot(place)), part.names.name(one.source), left));
                }
            }
            nets.extend(part.nets.all().into_iter().map(|(place, sums)| (self.view_names(spot(place)), sums)));
        }
        batches.sort_unstable();
        nets.sort_unstable();
        writer.u64(batches.len() as u64);
        for (names, source, left) in batches {
            write_names(names, writer);
            writer.bytes(source.as_bytes());
            left.save(writer);
        }
        writer.u64(nets.len() as u64);
        for (names, sums) in nets {
            write_names(names, writer);
            sums.save(writer);
        }
    }

    pub(crate) fn read_shelves(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..reader.count(SPOT_LEAST + <(String, i64, [i64; 2])>::LEAST)? {
            let spot = self.read_spot(reader)?;
            let (source, batch, forgotten) = <(String, i64, [i64; 2])>::load(reader)?;
            let change = |moves: &mut crate::stock::shelf::Moves| (moves.batch, moves.forgotten) = (batch, forgotten);
            self.stock.parts[spot.part as usize].move_shelf(spot.place, &source, change, &mut self.turns);
        }
        for _ in 0..reader.count(SPOT_LEAST + <[i64; 2]>::LEAST)? {
            let spot = self.read_spot(reader)?;
            let sums = Image::load(reader)?;
            self.stock.parts[spot.part as usize].nets.put_back(spot.place, sums);
        }
        Ok(())
    }

    /// Lets a position have so much more allocated without a document.
    pub(crate) fn allocate(&mut self, spot: Spot, posted: i64) {
        let part = &mut self.stock.parts[spot.part as usize];
        part.ledger.accounts_mut(spot.place)[ALLOCATED] += posted;
        part.move_net(spot.place, 1, posted, &mut self.nets);
    }

    /// What is missing on the shelf of a position, because it was shipped and never picked, in thousandths.
    pub(crate) fn unpicked_at(&self, spot: Spot, position: &Position) -> i64 {
        if position.counts & MISSING == 0 {
            return 0;
        }
        self.stock.parts[spot.part as usize].shelves.missing(spot.place)
    }

    /// Where the log is, for what is resolved there.
    pub(crate) fn now(&self, place: Place) -> Now {
        Now { place, log_time_ns: self.now_ns() }
    }

    /// Notes that what can be promised at a position may be another.
    pub(crate) fn touch(&mut self, spot: crate::stock::Spot, sequence: u64) {
        if self.is_quiet {
            return;
        }
        if let Some(tried) = &mut self.tried {
            tried.push(spot);
            return;
        }
        let ordinal = self.posts;
        self.posts += 1;
        let part = &mut self.stock.parts[spot.part as usize];
        part.ledger.set_version(spot.place, sequence);
        part.touch(spot.place, ordinal, None);
    }

    /// The names of a position: SKU, location, lot and owner.
    pub(crate) fn view_names(&self, spot: Spot) -> [&str; 4] {
        let (part, position) = self.stock.at(spot);
        position.names.map(|name| part.names.name(name))
    }

    /// The key of the event that a sync made this one from.
    pub(crate) fn origin_of(&mut self, event: &Event<'_>, log_time_ns: i64) -> Option<Fingerprint> {
        let origin = fingerprint(&self.secret, event.origin_source?, event.origin_id?);
        self.keys.reach(origin, log_time_ns).dedup.advance(log_time_ns);
        Some(origin)
    }

    /// Remembers that the origin of an event was counted with it.
    #[inline]
    pub(crate) fn remember_origin(&mut self, origin: Option<Fingerprint>) {
        if let Some(origin) = origin {
            self.keys.remember_echoed(origin);
        }
    }

    /// Moves the log's time, which never goes backwards.
    #[inline]
    pub(crate) fn tick(&mut self, offered: Option<i64>) {
        self.log_time_ns = self.log_time_ns.max(offered);
    }
}

fn write_names(names: [&str; 4], writer: &mut Writer) {
    for name in names {
        writer.bytes(name.as_bytes());
    }
}
