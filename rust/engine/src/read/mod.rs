//! Read: from bytes to elements, from elements to decoded events, and from those to what they ask for. Knows no state.

pub mod columns;
pub mod decode;
pub(crate) mod directive;
pub(crate) mod element;
pub mod event;
pub mod form;
pub mod json;
pub mod line_number;
pub mod malformed;
pub(crate) mod reading;
pub mod shape;
pub mod split;
