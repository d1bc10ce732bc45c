//! Columns in: events as the rows of an Arrow record batch (`docs/events.md` §1). Another way to an
//! [`Event`](crate::read::event::Event): a row is the event that its own rendering as JSON is, with the same checks,
//! outcomes and exceptions.
//!
//! Everything is read where it lies: views borrow the memory of the message, of another library's arrays or of NumPy,
//! and look at a value when its row is due. A dictionary's entry is checked once, not once per row. Nothing that the
//! bytes claim is believed before it is held against their length, so damaged columns are refused, never a panic.

mod column;
mod memory;
mod render;
mod rows;
mod run;
mod schema;
mod stream;

pub use column::{Column, ColumnKind, Dictionary, DictionaryKeys, Value};
pub use memory::{Memory, TextLayout};
pub use rows::{RowRefusal, Rows};
pub use stream::{is_stream, read};
