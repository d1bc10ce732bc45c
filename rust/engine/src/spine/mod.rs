//! Spine: what knows all capabilities. Batches come in, each element runs down the column of checks, and what it
//! changes and what the log's time brings is told to the capabilities in one order.

pub(crate) mod engine;

mod admit;
pub(crate) mod check;
mod column;
mod correct;
mod decide;
mod define;
mod directives;
mod door;
mod execute;
mod holding;
mod hooks;
mod inspect;
mod lines;
mod query;
mod raise;
mod retell;
mod review;
mod round;
pub mod snapshot;
mod stamp;
mod waiting;
mod wave;
