//! Shadow mode: an ownership policy that is tried beside the one that acts, and what it would have said otherwise
//! (`docs/truth.md` §4).

use crate::read::element::Place;
use std::collections::BTreeMap;

use tallystick_contract::ownership::{Policy, Role, Statement};
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

    pub(crate) fn memory_bytes(&self) -> usize {
        self.tables.capacity()
            + self.policy.memory_bytes()
            + tallystick_contract::heap_size::tree::<RowKey, Row>(self.rows.len())
            + self
                .rows
                .iter()
                .map(|((source, kind, ..), row)| {
                    source.len() + kind.len() + tallystick_contract::heap_size::list(&row.places)
                })
                .sum::<usize>()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.tables.as_bytes());
        writer.u64(self.since);
        writer.u64(self.rows.len() as u64);
        for ((source, kind, role, other), row) in &self.rows {
            writer.bytes(source.as_bytes());
            writer.bytes(kind.as_bytes());
            writer.u8(*role as u8);
            writer.u8(*other as u8);
            writer.u64(row.count);
            writer.u64(row.places.len() as u64);
            for Place { sequence, index } in &row.places {
                writer.u64(*sequence);
                writer.u32(*index);
            }
        }
    }

    /// Puts back what [`Self::write`] wrote, where the tables were read already.
    ///
    /// # Errors
    /// When it could not have been written.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        const ROLES: [Role; 4] = [Role::Owner, Role::Contributor, Role::Observer, Role::Refused];
        for _ in 0..reader.count(30)? {
            let (source, kind) = (reader.text()?.into(), reader.text()?.into());
            let mut role = || -> Result<Role, SnapshotError> {
                let number = usize::from(reader.u8()?);
                ROLES.get(number).copied().ok_or(SnapshotError::Damaged("a role is none"))
            };
            let key = (source, kind, role()?, role()?);
            let mut row = Row { count: reader.u64()?, places: Vec::new() };
            for _ in 0..reader.count(12)? {
                row.places.push(Place { sequence: reader.u64()?, index: reader.u32()? });
            }
            self.rows.insert(key, row);
        }
        Ok(())
    }
}
