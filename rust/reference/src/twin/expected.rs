//! Lines that were announced, and transfers that are on their way.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Receipts;

use crate::body::Key;
use crate::work;

/// What is known of a line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    pub(crate) announced: Option<i64>,
    pub(crate) received: i128,
    pub(crate) is_closed: bool,
    /// Whether it did not fit when it was looked at last.
    pub(crate) is_off: bool,
    pub(crate) touched_ns: i64,
}

/// A dispatch.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) number: u64,
    pub(crate) key: Key,
    pub(crate) to: PositionKey,
    pub(crate) quantity: i128,
    pub(crate) came_ns: i64,
    pub(crate) is_told: bool,
}

/// What was taken out of transit.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) number: u64,
    pub(crate) at: PositionKey,
    pub(crate) quantity: i128,
}

impl Expected {
    pub(crate) fn fits(&self, receipts: Receipts) -> bool {
        let Some(announced) = self.announced else { return true };
        let more = self.received - i128::from(announced);
        let is_too_many = more > 0 || (more < 0 && self.is_closed);
        let is_tolerated = more.abs() <= i128::from(receipts.tolerance)
            || more.abs() * 100 <= i128::from(announced) * i128::from(receipts.tolerance_percent);
        !is_too_many || is_tolerated
    }
}

impl Dispatch {
    pub(crate) fn subject(&self) -> String {
        format!("{}/{}", work::of_position(&self.to), work::of_key(&self.key))
    }
}
