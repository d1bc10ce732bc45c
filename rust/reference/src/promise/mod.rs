//! Promises: schedule lines, figures, reservations, protection and groups (`docs/promise.md` §1–§6). All that was said
//! is kept, and every figure is computed anew from it when somebody asks.

mod answer;
mod decision;
mod draw;
mod figures;
mod fit;
mod follow;
mod group;
pub(super) mod kernel;
mod look;
mod names;
mod outlook;
mod protection;
mod reservation;
mod schedule;
mod wanting;

pub use figures::GroupFigures;

pub(super) use answer::is_answered;
