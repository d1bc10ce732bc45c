//! The recent movements of `on_hand` per position, for counts that arrive late. Pooled by size class, so that quiet
//! positions cost little.

use bytemuck::{Pod, Zeroable};
use tallystick_contract::heap_size::heap_size;
use tallystick_contract::limits::HISTORY_MAX;
use tallystick_tables::pages::Pages;

/// A movement of `on_hand`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Zeroable, Pod)]
#[repr(C)]
pub(crate) struct Movement {
    /// Effective time, in nanoseconds since 1970.
    pub time_ns: i64,
    /// Change of `on_hand`, in thousandths.
    pub quantity: i64,
}

/// A position's place in the pool: a ring in ascending order of time. All zero means empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Zeroable, Pod)]
#[repr(C)]
pub(crate) struct HistoryHandle {
    slot: u32,
    head: u16,
    len: u16,
    /// Size class plus one; zero for none.
    class: u32,
}

impl HistoryHandle {
    /// Movements kept.
    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }

    /// Whether none is kept.
    pub(crate) const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// The smallest ring.
const RING_MIN: usize = 4;
/// Rings of 4, 8, 16, … up to the largest history that can be configured.
const CLASSES: usize = (HISTORY_MAX as usize / RING_MIN).ilog2() as usize + 1;

/// All rings of one size.
#[derive(Debug, Default)]
struct Class {
    movements: Pages<Movement>,
    free: Vec<u32>,
}

heap_size!(Class { movements, free });

/// The pool of all positions' movements.
#[derive(Debug)]
pub(crate) struct History {
    classes: [Class; CLASSES],
    kept_max: usize,
}

heap_size!(History { classes, kept_max });

impl History {
    /// A pool that keeps at most `kept_max` movements per position.
    pub(crate) fn new(kept_max: u16) -> Self {
        Self { classes: std::array::from_fn(|_| Class::default()), kept_max: usize::from(kept_max) }
    }

    /// Adds a movement. Returns the time of the movement that had to be dropped for it (which may be itself), if any.
    pub(crate) fn insert(&mut self, handle: &mut HistoryHandle, movement: Movement) -> Option<i64> {
        let mut dropped = None;
        if handle.len() == self.kept_max {
            let oldest = self.get(*handle, 0);
            if movement.time_ns <= oldest.time_ns {
                return Some(movement.time_ns);
            }
            Self::pop_front(handle);
            dropped = Some(oldest.time_ns);
        }
        if handle.class == 0 || handle.len() == capacity(*handle) {
            self.grow(handle);
        }
        let mut place = handle.len();
        handle.len += 1;
        // Most movements arrive in order, so the search for the place begins at the end.
        while place > 0 {
            let before = self.get(*handle, place - 1);
            if before.time_ns <= movement.time_ns {
                break;
            }
            self.set(*handle, place, before);
            place -= 1;
        }
        self.set(*handle, place, movement);
        dropped
    }

    /// Puts back a position's movements: at once into a ring that holds them all, if they are as [`Self::movements`]
    /// gives them.
    pub(crate) fn put_back(&mut self, movements: &[Movement]) -> HistoryHandle {
        let mut handle = HistoryHandle::default();
        if movements.is_empty() {
            return handle;
        }
        let is_sorted = movements.is_sorted_by_key(|movement| movement.time_ns);
        let Some(len) =
            u16::try_from(movements.len()).ok().filter(|len| is_sorted && usize::from(*len) <= self.kept_max)
        else {
            for movement in movements {
                self.insert(&mut handle, *movement);
            }
            return handle;
        };
        handle.len = len;
        handle.class = movements.len().div_ceil(RING_MIN).next_power_of_two().ilog2() + 1;
        handle.slot = self.classes[class(handle)].take(capacity(handle));
        for (place, movement) in movements.iter().enumerate() {
            self.set(handle, place, *movement);
        }
        handle
    }

    /// Asks for the memory that [`Self::insert`] will most likely need.
    #[inline]
    pub(crate) fn prefetch(&self, handle: HistoryHandle) {
        if !handle.is_empty() {
            self.classes[class(handle)].movements.prefetch(Self::index(handle, handle.len() - 1));
        }
    }

    /// The sum of the movements effective after a time, in thousandths; saturating, since what is out of range is
    /// refused there.
    pub(crate) fn sum_after(&self, handle: HistoryHandle, time_ns: i64) -> i64 {
        (0..handle.len())
            .rev()
            .map(|place| self.get(handle, place))
            .take_while(|movement| movement.time_ns > time_ns)
            .map(|movement| movement.quantity)
            .fold(0, i64::saturating_add)
    }

    /// Takes a movement out, if it is kept.
    pub(crate) fn remove(&mut self, handle: &mut HistoryHandle, movement: Movement) {
        let Some(place) = (0..handle.len()).rev().find(|place| self.get(*handle, *place) == movement) else { return };
        for place in place..handle.len() - 1 {
            let behind = self.get(*handle, place + 1);
            self.set(*handle, place, behind);
        }
        handle.len -= 1;
        if handle.is_empty() {
            self.release(handle);
        }
    }

    /// The movements of a position, oldest first.
    pub(crate) fn movements(&self, handle: HistoryHandle) -> impl Iterator<Item = Movement> + '_ {
        (0..handle.len()).map(move |place| self.get(handle, place))
    }

    fn index(handle: HistoryHandle, place: usize) -> usize {
        let ring = capacity(handle);
        handle.slot as usize * ring + ((usize::from(handle.head) + place) & (ring - 1))
    }

    fn get(&self, handle: HistoryHandle, place: usize) -> Movement {
        *self.classes[class(handle)].movements.get(Self::index(handle, place))
    }

    fn set(&mut self, handle: HistoryHandle, place: usize, movement: Movement) {
        *self.classes[class(handle)].movements.get_mut(Self::index(handle, place)) = movement;
    }

    fn pop_front(handle: &mut HistoryHandle) {
        let ring = capacity(*handle);
        handle.head =
            u16::try_from((usize::from(handle.head) + 1) & (ring - 1)).expect("a ring is shorter than 65,536");
        handle.len -= 1;
    }

    /// Moves a full ring into the next larger size.
    fn grow(&mut self, handle: &mut HistoryHandle) {
        let mut larger = HistoryHandle { slot: 0, head: 0, len: handle.len, class: handle.class + 1 };
        larger.slot = self.classes[class(larger)].take(capacity(larger));
        for place in 0..handle.len() {
            let movement = self.get(*handle, place);
            self.set(larger, place, movement);
        }
        self.release(handle);
        *handle = larger;
    }

    fn release(&mut self, handle: &mut HistoryHandle) {
        if handle.class != 0 {
            self.classes[class(*handle)].free.push(handle.slot);
        }
        *handle = HistoryHandle::default();
    }
}

impl Class {
    fn take(&mut self, ring: usize) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let slot = u32::try_from(self.movements.len() / ring).expect("fewer rings than positions");
            for _ in 0..ring {
                self.movements.grow();
            }
            slot
        })
    }
}

const fn class(handle: HistoryHandle) -> usize {
    handle.class as usize - 1
}

const fn capacity(handle: HistoryHandle) -> usize {
    RING_MIN << (handle.class - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_times_are_kept_in_order() {
        for kept_max in [1_u16, 3, 4, 5, 64, 100] {
            let mut history = History::new(kept_max);
            let mut handles = [HistoryHandle::default(); 3];
            let mut kept: [Vec<Movement>; 3] = Default::default();
            let mut dropped_max = [i64::MIN; 3];
            let mut random = crate::random::Random::new(0x9E37_79B9_7F4A_7C15);
            for _ in 0..5_000 {
                let state = random.bits();
                let which = (state >> 60) as usize % 3;
                let movement =
                    Movement { time_ns: (state >> 40).cast_signed() % 500, quantity: (state >> 33).cast_signed() % 90 };
                if (state >> 20).trailing_zeros() >= 6 {
                    // Mostly one that is there.
                    let there = kept[which].get(usize::try_from(movement.time_ns % 5).unwrap_or(0)).copied();
                    let gone = there.unwrap_or(movement);
                    history.remove(&mut handles[which], gone);
                    if let Some(place) = kept[which].iter().rposition(|known| *known == gone) {
                        kept[which].remove(place);
                    }
                } else {
                    if let Some(time) = history.insert(&mut handles[which], movement) {
                        dropped_max[which] = dropped_max[which].max(time);
                    }
                    let is_full = kept[which].len() == usize::from(kept_max);
                    if !is_full || movement.time_ns > kept[which][0].time_ns {
                        kept[which].push(movement);
                        kept[which].sort_by_key(|known| known.time_ns);
                    }
                    if kept[which].len() > usize::from(kept_max) {
                        let oldest = kept[which].remove(0);
                        assert!(dropped_max[which] >= oldest.time_ns);
                    }
                }
                if movement.quantity == 0 {
                    // Put back as a snapshot does, or out of order as nobody does.
                    let mut movements: Vec<_> = history.movements(handles[which]).collect();
                    if movement.time_ns % 2 == 0 {
                        movements.reverse();
                        movements.sort_by_key(|known| known.time_ns % 2);
                    }
                    history.release(&mut handles[which]);
                    handles[which] = history.put_back(&movements);
                    movements.sort_by_key(|known| known.time_ns);
                    kept[which] = movements;
                }
                let times: Vec<_> = history.movements(handles[which]).map(|known| known.time_ns).collect();
                assert_eq!(times, kept[which].iter().map(|known| known.time_ns).collect::<Vec<_>>());
                let probe = dropped_max[which].max(movement.time_ns - 50);
                let expected: i64 =
                    kept[which].iter().filter(|known| known.time_ns > probe).map(|known| known.quantity).sum();
                assert_eq!(history.sum_after(handles[which], probe), expected);
            }
        }
    }
}
