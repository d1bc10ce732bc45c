//! Which live reservations hold something of a position. Nobody asks for it as long as all is in order, so no
//! reservation pays for it: it is found out when it
//! is asked for first, and from then on what is added since is noted.

use tallystick_contract::heap_size::heap_size;

use crate::promise::reservation::Reservations;
use crate::stock::Spot;
/// Reservations that may be added before it is found out anew; more if there are many.
const RECENT_MIN: usize = 1_024;

/// Slots of reservations by position. Some hold nothing any more, or are another's by now; whoever asks looks.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// Position and slot, in order; nothing before somebody asked.
    known: Option<Vec<(Spot, u32)>>,
    /// Slots that were added since.
    recent: Vec<u32>,
}

heap_size!(Holders { known, recent });

impl Holders {
    /// Notes that a reservation was added.
    #[inline]
    pub(crate) fn add(&mut self, slot: u32) {
        if self.known.is_some() {
            self.recent.push(slot);
        }
    }

    /// Finds out who holds what, if too much came since or nobody asked before.
    pub(crate) fn look(&mut self, reservations: &Reservations) {
        let recent_max = self.known.as_ref().map(|known| RECENT_MIN.max(known.len() / 8));
        if recent_max.is_none_or(|most| self.recent.len() > most) {
            let mut known = reservations.live_parts();
            known.sort_unstable();
            known.dedup();
            self.known = Some(known);
            self.recent = Vec::new();
        }
    }

    /// Slots that may hold something of a position; nothing if nobody looked.
    pub(crate) fn of(&self, spot: Spot) -> Option<Vec<u32>> {
        let known = self.known.as_ref()?;
        let begin = known.partition_point(|(of, _)| *of < spot);
        let here = known[begin..].iter().take_while(|(of, _)| *of == spot).map(|(_, slot)| *slot);
        let mut slots: Vec<u32> = here.chain(self.recent.iter().copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        Some(slots)
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use tallystick_tables::body::Known;
    use tallystick_tables::dedup::Fingerprint;

    use super::*;
    use crate::promise::record::{End, Got, Record, RecordName, ReservationPart, Status};

    /// A live reservation at positions, one line for each.
    fn record(serial: u64, entries: &[u32]) -> Record<'static> {
        let part = |(line, place): (u16, &u32)| ReservationPart {
            line,
            spot: Spot { part: 0, place: *place },
            due: None,
            granted: 5,
            held: 5,
            protections: Box::default(),
        };
        let got = Got { asked: 5, granted: 5, available: 5, earliest: None, line: None, is_group: false };
        Record {
            key: Fingerprint([serial, 1]),
            known: Known::default(),
            serial,
            sequence: serial,
            named: RecordName::new("shop", "q", ""),
            expires_ns: i64::MAX,
            status: Status::Granted,
            end: End::Live,
            posted: 0,
            got: smallvec![got; entries.len()],
            parts: (0..).zip(entries).map(part).collect(),
            more: None,
        }
    }

    #[test]
    fn whoever_holds_something_is_found() {
        let (mut reservations, mut holders) = (Reservations::new(), Holders::default());
        let mut live: Vec<(u32, Vec<u32>)> = Vec::new();
        let mut random = crate::random::Random::new(5);
        let mut below = |end: u64| random.below(end);
        for serial in 1..20_000 {
            let mut entry = || u32::try_from(below(40)).unwrap();
            let entries = if serial % 3 == 0 { vec![entry(), entry()] } else { vec![entry()] };
            let slot = reservations.add(record(serial, &entries), 0);
            holders.add(slot);
            live.push((slot, entries));
            // Slots of those that ended are used again at once.
            while live.len() > 300 || below(3) == 0 && !live.is_empty() {
                let (slot, _) = live.swap_remove(usize::try_from(below(live.len() as u64)).unwrap());
                reservations.end(slot, End::Voided, 0);
                reservations.tidy(1, usize::MAX);
            }
            if serial > 5_000 && below(7) == 0 {
                let asked = u32::try_from(below(40)).unwrap();
                holders.look(&reservations);
                let asked_of = Spot { part: 0, place: asked };
                let found = holders.of(asked_of).unwrap().into_iter();
                let found: Vec<(u32, usize)> = found
                    .flat_map(|slot| reservations.parts_at(slot, asked_of).into_iter().map(move |at| (slot, at)))
                    .collect();
                let parts = live.iter().flat_map(|(slot, entries)| {
                    entries.iter().enumerate().filter(|(_, entry)| **entry == asked).map(|(at, _)| (*slot, at))
                });
                let mut expected: Vec<(u32, usize)> = parts.collect();
                expected.sort_unstable();
                assert_eq!(found, expected, "{serial}");
            }
        }
    }
}
