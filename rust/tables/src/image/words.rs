//! Images of the contract's words.

use tallystick_contract::exception_state::{self, ExceptionState};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;

use super::{Absent, Image};
use crate::wire::{Reader, SnapshotError, Writer};

const ROLES: [Role; 4] = [Role::Owner, Role::Contributor, Role::Observer, Role::Refused];

crate::image::numbered!(Role, ROLES, "a role cannot be read");
crate::image::numbered!(ExceptionState, exception_state::ALL, "an exception's state cannot be read");

const NO_OUTCOME: SnapshotError = SnapshotError::Damaged("an outcome cannot be read");

impl Image for Outcome {
    const LEAST: usize = u8::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.u8(self.number());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Self::from_number(reader.u8()?).ok_or(NO_OUTCOME)
    }
}

/// The greatest byte stands for none.
impl Absent for Outcome {
    const LEAST_OR_NONE: usize = u8::LEAST;

    fn save_or_none(value: Option<&Self>, writer: &mut Writer) {
        writer.u8(value.map_or(u8::MAX, |outcome| outcome.number()));
    }

    fn load_or_none(reader: &mut Reader<'_>) -> Result<Option<Self>, SnapshotError> {
        match reader.u8()? {
            u8::MAX => Ok(None),
            number => Self::from_number(number).ok_or(NO_OUTCOME).map(Some),
        }
    }
}
