//! Sequence tracker: the counted sequences of sources that promise an order. Each knows which number comes next, holds
//! what is ahead of it, and remembers which numbers were given up. Knows no event and no ledger.

pub(crate) mod rank;

pub(crate) use rank::Rank;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::LOST_RANGES_MAX;
use tallystick_tables::dedup::Fingerprint;
use tallystick_tables::hash::{fold, of_name};
use tallystick_tables::image::{Form, Image, TextBytes, Wide};
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

/// What is counted: a source, or one of its positions (SKU, location).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackKey<'a> {
    pub(crate) source: &'a str,
    pub(crate) position: Option<(&'a str, &'a str)>,
}

/// An event that waits for those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldEvent {
    /// Its place in the log: sequence of the message, index within it, and elements before it.
    pub(crate) sequence: u64,
    pub(crate) index: u32,
    pub(crate) ordinal: u64,
    /// The log's time when it came.
    pub(crate) came_ns: i64,
    /// Its effective time.
    pub(crate) time_ns: i64,
    pub(crate) key: Fingerprint,
    /// Whether its number was behind already, so that it is called late.
    pub(crate) is_late: bool,
    /// What it was written in, or the JSON event that its row is.
    pub(crate) bytes: Box<[u8]>,
}

heap_size!(HeldEvent { sequence, index, ordinal, came_ns, time_ns, key, is_late, bytes });

/// A range of sequence numbers: the first and the last.
pub(crate) type SequenceRange = (u64, u64);

/// What a number on a track means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is the one that comes next.
    Now,
    /// Others come before it.
    Ahead,
    /// Its place is behind: it was given up, or another event took it.
    Behind {
        /// Whether it was given up.
        was_lost: bool,
    },
}

/// One counted sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) source: Box<str>,
    pub(crate) position: Option<(Box<str>, Box<str>)>,
    /// The number that comes next. In order `increasing`, one more than the greatest.
    pub(crate) next: u64,
    /// By number, then by place in the log: a source may use a number twice.
    pub(crate) held: BTreeMap<(u64, u64), HeldEvent>,
    /// Numbers that were given up and have not come since, ascending, each range with the gap that it was a part of.
    pub(crate) lost: Vec<(SequenceRange, SequenceRange)>,
    /// When the oldest held event has waited long enough.
    deadline_ns: Option<i64>,
}

heap_size!(Track { source, position, next, held, lost, deadline_ns });

/// All tracks.
#[derive(Debug, Default)]
pub(crate) struct SequenceTracker {
    all: Vec<Track>,
    index: HashTable<u32>,
    deadlines: BTreeSet<(i64, u32)>,
    held_bytes: usize,
    /// The track that the last element moved.
    pub(crate) moved: Option<u32>,
}

heap_size!(SequenceTracker { all, index, deadlines, held_bytes, moved });

impl Track {
    pub(crate) fn key(&self) -> TrackKey<'_> {
        let position = self.position.as_ref().map(|(sku, location)| (&**sku, &**location));
        TrackKey { source: &self.source, position }
    }

    /// The numbers that are missing before the first held event.
    pub(crate) fn gap(&self) -> Option<SequenceRange> {
        let ((first, _), _) = self.held.first_key_value()?;
        (*first > self.next).then(|| (self.next, first - 1))
    }

    fn turn(&self, number: u64) -> Turn {
        match number.cmp(&self.next) {
            std::cmp::Ordering::Equal => Turn::Now,
            std::cmp::Ordering::Greater => Turn::Ahead,
            std::cmp::Ordering::Less => {
                let is_lost = |((first, last), _): &(SequenceRange, SequenceRange)| (*first..=*last).contains(&number);
                Turn::Behind { was_lost: self.lost.iter().any(is_lost) }
            }
        }
    }

    /// Takes a number out of those that were given up. Returns the gap that it closes, if it was the last of it.
    fn find_lost(&mut self, number: u64) -> Option<SequenceRange> {
        let place = self.lost.iter().position(|((first, last), _)| (*first..=*last).contains(&number))?;
        let ((first, last), gap) = self.lost.remove(place);
        let rest = [(first, number.wrapping_sub(1)), (number + 1, last)];
        let rest = rest.into_iter().filter(|(from, to)| first <= *from && from <= to && *to <= last);
        self.lost.splice(place..place, rest.map(|range| (range, gap)).collect::<Vec<_>>());
        self.lost.iter().all(|(_, of)| *of != gap).then_some(gap)
    }
}

impl SequenceTracker {
    /// The number of a track, new or known.
    pub(crate) fn find_or_add(&mut self, seed: u64, key: TrackKey<'_>) -> u32 {
        let code = hash(seed, key);
        if let Some(known) = self.index.find(code, |track| self.all[*track as usize].key() == key) {
            return *known;
        }
        let owned = |(sku, location): (&str, &str)| (sku.into(), location.into());
        let track = Track {
            source: key.source.into(),
            position: key.position.map(owned),
            next: 1,
            held: BTreeMap::new(),
            lost: Vec::new(),
            deadline_ns: None,
        };
        self.add(seed, track)
    }

    fn add(&mut self, seed: u64, track: Track) -> u32 {
        let number = u32::try_from(self.all.len()).expect("tracks have 32 bits");
        let code = hash(seed, track.key());
        self.all.push(track);
        let tracks = &self.all;
        self.index.insert_unique(code, number, |track| hash(seed, tracks[*track as usize].key()));
        number
    }

    /// What a number means on a track.
    pub(crate) fn turn(&self, track: u32, number: u64) -> Turn {
        self.all[track as usize].turn(number)
    }

    /// Notes that the number that comes next has come.
    pub(crate) fn pass(&mut self, track: u32, number: u64) {
        self.all[track as usize].next = number.saturating_add(1);
    }

    /// Notes that a number which was given up has come. Returns the gap that it closes, if it was the last of it.
    pub(crate) fn find_lost(&mut self, track: u32, number: u64) -> Option<SequenceRange> {
        self.all[track as usize].find_lost(number)
    }

    /// Holds an event that is ahead.
    pub(crate) fn hold(&mut self, track: u32, number: u64, held: HeldEvent, gap_wait_ns: i64) {
        self.held_bytes += held.bytes.len();
        let of = &mut self.all[track as usize];
        if of.deadline_ns.is_none() {
            // The log's time never goes backwards, so the first one that is held has waited longest.
            let deadline_ns = held.came_ns.saturating_add(gap_wait_ns);
            of.deadline_ns = Some(deadline_ns);
            self.deadlines.insert((deadline_ns, track));
        }
        of.held.insert((number, held.ordinal), held);
    }

    /// The first held event if its turn has come, with its number and what that means now. Notes that it has come.
    /// Behind the last of them [`Self::settle`] is due.
    pub(crate) fn take(&mut self, track: u32) -> Option<(Turn, u64, HeldEvent)> {
        let of = &mut self.all[track as usize];
        let ((number, _), _) = of.held.first_key_value()?;
        let turn = of.turn(*number);
        if turn == Turn::Ahead {
            return None;
        }
        let ((number, _), held) = of.held.pop_first()?;
        of.next = of.next.max(number.saturating_add(1));
        self.held_bytes -= held.bytes.len();
        Some((turn, number, held))
    }

    /// Finds out how long what is still held may wait.
    pub(crate) fn settle(&mut self, track: u32, gap_wait_ns: i64) {
        let of = &mut self.all[track as usize];
        let oldest_ns = of.held.values().map(|held| held.came_ns).min();
        let deadline_ns = oldest_ns.map(|came_ns| came_ns.saturating_add(gap_wait_ns));
        if let Some(before_ns) = std::mem::replace(&mut of.deadline_ns, deadline_ns) {
            self.deadlines.remove(&(before_ns, track));
        }
        self.deadlines.extend(deadline_ns.map(|deadline_ns| (deadline_ns, track)));
    }

    /// Gives up what is missing before the first held event. Returns the missing numbers and that event.
    pub(crate) fn give_up(&mut self, track: u32) -> Option<(SequenceRange, &HeldEvent)> {
        let of = &mut self.all[track as usize];
        let gap = of.gap()?;
        of.next = gap.1 + 1;
        of.lost.push((gap, gap));
        if of.lost.len() > LOST_RANGES_MAX {
            of.lost.remove(0);
        }
        of.held.first_key_value().map(|(_, held)| (gap, held))
    }

    /// The track whose oldest held event has waited longest, if it has until a time.
    pub(crate) fn due(&self, now_ns: i64) -> Option<u32> {
        self.deadlines.first().filter(|(deadline_ns, _)| *deadline_ns <= now_ns).map(|(_, track)| *track)
    }

    /// When the first that waits for its gap has waited long enough, in nanoseconds since 1970.
    pub(crate) fn next_due_ns(&self) -> Option<i64> {
        self.deadlines.first().map(|(deadline_ns, _)| *deadline_ns)
    }

    /// Whether nothing is held.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// Events held on a track.
    pub(crate) fn held_count(&self, track: u32) -> usize {
        self.all[track as usize].held.len()
    }

    /// Bytes of all held events.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// All tracks, in the order in which they came into being.
    pub(crate) fn all(&self) -> &[Track] {
        &self.all
    }

    /// All held events.
    pub(crate) fn held(&self) -> impl Iterator<Item = &HeldEvent> + '_ {
        self.all.iter().flat_map(|track| track.held.values())
    }

    /// The track with a number.
    pub(crate) fn get(&self, track: u32) -> &Track {
        &self.all[track as usize]
    }

    /// Writes all tracks, in the order in which they came into being.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.each(self.all.iter());
    }

    /// Puts back what [`Self::write`] wrote, where there are no tracks yet.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        seed: u64,
        gap_wait_ns: impl Fn(&str) -> i64,
    ) -> Result<(), SnapshotError> {
        let has_deadlines = has_deadlines(reader);
        for track in reader.each::<Track>()? {
            let track = track?;
            let is_known =
                self.index.find(hash(seed, track.key()), |known| self.all[*known as usize].key() == track.key());
            let is_ahead = track.held.keys().all(|(number, _)| *number > track.next);
            if is_known.is_some() || !is_ahead {
                return Err(SnapshotError::Damaged("a source's order is out of place"));
            }
            self.held_bytes += track.held.values().map(|held| held.bytes.len()).sum::<usize>();
            let gap_wait_ns = gap_wait_ns(&track.source);
            let deadline_ns = track.deadline_ns;
            let number = self.add(seed, track);
            // What waits keeps its time, though the log may have changed the source's since.
            if has_deadlines {
                self.deadlines.extend(deadline_ns.map(|deadline_ns| (deadline_ns, number)));
            } else {
                self.settle(number, gap_wait_ns);
            }
        }
        Ok(())
    }
}

tallystick_tables::image::image!(HeldEvent {
    sequence,
    index as Wide,
    ordinal,
    key,
    came_ns,
    time_ns,
    is_late,
    bytes as TextBytes
});

/// A held event whose place is in no source's order: as one with the number zero.
#[derive(Debug)]
pub(crate) enum Unnumbered {}

impl Form<HeldEvent> for Unnumbered {
    const LEAST: usize = <(u64, HeldEvent)>::LEAST;

    fn save(held: &HeldEvent, writer: &mut Writer) {
        0_u64.save(writer);
        held.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<HeldEvent, SnapshotError> {
        let (_, held) = <(u64, HeldEvent)>::load(reader)?;
        Ok(held)
    }
}

impl Image for Track {
    const LEAST: usize = Box::<str>::LEAST
        + Option::<(Box<str>, Box<str>)>::LEAST
        + u64::LEAST
        + Vec::<(SequenceRange, SequenceRange)>::LEAST
        + Vec::<(u64, HeldEvent)>::LEAST;

    fn save(&self, writer: &mut Writer) {
        self.source.save(writer);
        self.position.save(writer);
        self.next.save(writer);
        self.lost.save(writer);
        writer.u64(self.held.len() as u64);
        for ((number, _), held) in &self.held {
            number.save(writer);
            held.save(writer);
        }
        if let Some(deadline_ns) = self.deadline_ns {
            deadline_ns.save(writer);
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (source, position, next, lost) = Image::load(reader)?;
        let mut held = BTreeMap::new();
        for numbered in reader.each::<(u64, HeldEvent)>()? {
            let (number, event) = numbered?;
            held.insert((number, event.ordinal), event);
        }
        let has_deadline = has_deadlines(reader) && !held.is_empty();
        let deadline_ns = if has_deadline { Some(i64::load(reader)?) } else { None };
        Ok(Self { source, position, next, held, lost, deadline_ns })
    }
}

/// Whether a snapshot says until when events are held.
const fn has_deadlines(reader: &Reader<'_>) -> bool {
    reader.format() >= 7
}

fn hash(seed: u64, key: TrackKey<'_>) -> u64 {
    let (sku, location) = key.position.unwrap_or_default();
    let names = fold(of_name(seed, sku) ^ seed, of_name(seed, location).rotate_left(32));
    fold(of_name(seed, key.source) ^ seed, names.rotate_left(1) ^ seed)
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Track>());
        assert!(is_least::<HeldEvent>());
    }

    fn event(came_ns: i64) -> HeldEvent {
        let ordinal = came_ns.cast_unsigned();
        let key = Fingerprint([ordinal; 2]);
        HeldEvent {
            sequence: ordinal,
            index: 0,
            ordinal,
            came_ns,
            time_ns: 0,
            key,
            is_late: false,
            bytes: Box::new([0; 3]),
        }
    }

    fn drain(tracker: &mut SequenceTracker) -> Vec<(u64, Turn)> {
        let drained = std::iter::from_fn(|| tracker.take(0)).map(|(turn, number, _)| (number, turn)).collect();
        tracker.settle(0, 10);
        drained
    }

    #[test]
    fn what_is_ahead_waits_and_follows() {
        let mut tracker = SequenceTracker::default();
        let wms = TrackKey { source: "wms", position: None };
        assert_eq!((tracker.find_or_add(7, wms), tracker.find_or_add(7, wms)), (0, 0));
        assert_eq!((tracker.turn(0, 1), tracker.turn(0, 2)), (Turn::Now, Turn::Ahead));
        for (number, came_ns) in [(3, 5), (2, 6), (5, 7), (3, 8)] {
            tracker.hold(0, number, event(came_ns), 10);
        }
        assert_eq!((tracker.due(14), tracker.due(15), tracker.held_bytes()), (None, Some(0), 12));
        tracker.pass(0, 1);
        let twice = (3, Turn::Behind { was_lost: false });
        assert_eq!(drain(&mut tracker), [(2, Turn::Now), (3, Turn::Now), twice]);
        // The event with number 5 came at 7.
        assert_eq!((tracker.due(16), tracker.due(17), tracker.held_count(0)), (None, Some(0), 1));
        assert_eq!(tracker.give_up(0).map(|(gap, held)| (gap, held.ordinal)), Some(((4, 4), 7)));
        assert_eq!(drain(&mut tracker), [(5, Turn::Now)]);
        assert_eq!((tracker.turn(0, 4), tracker.due(i64::MAX)), (Turn::Behind { was_lost: true }, None));
        assert_eq!(tracker.find_lost(0, 4), Some((4, 4)));
        assert_eq!(tracker.turn(0, 4), Turn::Behind { was_lost: false });
    }

    #[test]
    fn numbers_that_were_given_up_are_found_one_by_one() {
        let lost = [(1, 1), (5, 8), (20, 22)].map(|range| (range, range)).into();
        let mut track =
            Track { source: "a".into(), position: None, next: 100, held: BTreeMap::new(), lost, deadline_ns: None };
        for (number, left) in [
            (6, vec![(1, 1), (5, 5), (7, 8), (20, 22)]),
            (1, vec![(5, 5), (7, 8), (20, 22)]),
            (22, vec![(5, 5), (7, 8), (20, 21)]),
            (7, vec![(5, 5), (8, 8), (20, 21)]),
            (9, vec![(5, 5), (8, 8), (20, 21)]),
        ] {
            let closed = track.find_lost(number);
            let ranges: Vec<_> = track.lost.iter().map(|(range, _)| *range).collect();
            assert_eq!((ranges, closed), (left, (number == 1).then_some((1, 1))), "after {number}");
        }
    }
}
