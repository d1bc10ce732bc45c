//! Output: what becomes of elements and what goes out because of them, in columns and as messages.

pub(crate) mod batch;
pub(crate) mod effect;
pub(crate) mod replenishment;
