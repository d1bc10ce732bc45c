//! The bytes of a NATS connection, split into frames, and the messages of one JetStream consumer among them, in the
//! order of their stream.
//!
//! It connects to nothing and knows no ledger: bytes come in as they were read from the socket, in chunks of any size,
//! and payloads go out in segments that can be borrowed from.
//!
//! ```
//! use tallystick_frames::{frame::Frame, splitter::Splitter};
//!
//! let mut splitter = Splitter::default();
//! let mut payloads = Vec::new();
//! for chunk in [&b"MSG events 1 5\r\nhe"[..], b"llo\r\nPING\r\n"] {
//!     splitter.split(chunk, |_, frame| match frame {
//!         Some(Frame::Message(message)) => payloads.push(message.payload.to_vec()),
//!         _ => {}
//!     });
//! }
//! assert_eq!(payloads, [b"hello"]);
//! ```
#![forbid(unsafe_code)]

pub mod limits;

pub mod frame;
pub mod splitter;

pub mod delivery;
pub mod segment;

pub mod inbox;
pub mod tap;

mod digits;
mod usual;
