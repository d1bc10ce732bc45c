//! Shadow mode: an ownership policy that is tried beside the one that acts, and what it would have said otherwise
//! (`docs/truth.md` §4).

use crate::read::element::Place;
use std::collections::BTreeMap;

use tallystick_contract::heap_size::heap_size;
use tallystick_contract::ownership::{Policy, Role, Statement};
use tallystick_tables::image::Image;
use tallystick_tables::wire::{Reader, SnapshotError, Writer};

/// Places that are kept of each difference.
const PLACES_MAX: usize = 10;
/// Differences that are told apart.
const ROWS_MAX: usize = 10_000;

/// Who, what, the role that acts and the one that would.
type RowKey = (Box<str>, Box<str>, Role, Role);

/// Events whose role would differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) count: u64,
    /// The first of them: sequence of the message and index within it.
    pub(crate) places: Vec<Place>,
}

heap_size!(Row { count, places });

tallystick_tables::image::image!(Row { count, places });

/// A policy on trial.
#[derive(Debug)]
pub(crate) struct Shadow {
    policy: Policy,
    /// The tables that it came in, for snapshots.
    pub(crate) tables: String,
    /// The log sequence that brought it.
    pub(crate) since: u64,
    pub(crate) rows: BTreeMap<RowKey, Row>,
}

heap_size!(Shadow { policy, tables, since, rows });

impl Shadow {
    pub(crate) const fn new(policy: Policy, tables: String, since: u64) -> Self {
        Self { policy, tables, since, rows: BTreeMap::new() }
    }

    /// Compares what the policy on trial says with what holds.
    pub(crate) fn compare(&mut self, statement: Statement<'_>, role: Role, place: Place) {
        let other = self.policy.judge(statement).role;
        if other == role {
            return;
        }
        let key = (statement.source.into(), statement.kind.into(), role, other);
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            return;
        }
        let row = self.rows.entry(key).or_default();
        row.count += 1;
        if row.places.len() < PLACES_MAX {
            row.places.push(place);
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.tables.save(writer);
        self.since.save(writer);
        self.rows.save(writer);
    }

    /// Puts back what [`Self::write`] wrote, where the tables were read already.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.rows = Image::load(reader)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tallystick_tables::image::is_least;

    use super::*;

    #[test]
    fn a_record_takes_as_much_as_it_says() {
        assert!(is_least::<Row>());
        assert!(is_least::<RowKey>());
    }
}
