//! Chunks in, frames out, whatever the boundaries. A frame that lies within one chunk is not copied.

use memchr::memchr;

use crate::frame::{Beginning, Frame, Malformed};

/// Who gets the frames.
pub(crate) trait Receiver {
    /// Takes what it knows at sight from the beginning of bytes that stand at a frame's boundary, and says how many
    /// bytes that were. They must be whole frames; 0 is always right.
    fn take_known(&mut self, _bytes: &[u8]) -> usize {
        0
    }

    /// Takes a frame, or bytes that are none.
    fn take(&mut self, bytes: &[u8], frame: Option<&Frame<'_>>);
}

impl<F: FnMut(&[u8], Option<&Frame<'_>>)> Receiver for F {
    fn take(&mut self, bytes: &[u8], frame: Option<&Frame<'_>>) {
        self(bytes, frame);
    }
}

/// The state between two chunks: the beginning of a frame, kept until the frame is whole.
#[derive(Debug, Default)]
pub struct Splitter {
    partial: Vec<u8>,
    /// Length of the frame that `partial` begins; 0 while its control line is not whole.
    whole: usize,
    malformed: Option<Malformed>,
}

impl Splitter {
    /// Hands every frame that is now whole to `take`, with its bytes. What is not a frame, and all that follows it,
    /// comes without one and at once: behind such bytes no frame boundary is known any more.
    pub fn split(&mut self, chunk: &[u8], mut take: impl FnMut(&[u8], Option<&Frame<'_>>)) {
        self.split_for(chunk, &mut take);
    }

    /// Splits a chunk for a receiver that knows some frames at sight.
    pub(crate) fn split_for(&mut self, chunk: &[u8], receiver: &mut impl Receiver) {
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.malformed.is_some() {
                return receiver.take(rest, None);
            }
            if !self.partial.is_empty() {
                let (missing, after) = rest.split_at(self.missing_of(rest));
                self.partial.extend_from_slice(missing);
                rest = after;
                self.look_at_partial(receiver);
                continue;
            }
            rest = &rest[receiver.take_known(rest)..];
            if rest.is_empty() {
                return;
            }
            match Frame::first(rest) {
                Ok(Beginning::Whole(frame, length)) => {
                    let (bytes, after) = rest.split_at(length);
                    receiver.take(bytes, Some(&frame));
                    rest = after;
                }
                Ok(Beginning::Part(whole)) => {
                    self.partial.extend_from_slice(rest);
                    self.whole = whole;
                    return;
                }
                Err(malformed) => self.malformed = Some(malformed),
            }
        }
    }

    /// Why the bytes are no longer split.
    pub fn malformed(&self) -> Option<Malformed> {
        self.malformed
    }

    /// Forgets everything, and gives back the bytes that were kept.
    pub fn reset(&mut self) -> Vec<u8> {
        std::mem::take(self).partial
    }

    /// How much of `rest` belongs to the frame that is not whole yet.
    fn missing_of(&self, rest: &[u8]) -> usize {
        match self.whole.checked_sub(self.partial.len()) {
            Some(missing) if missing > 0 => missing.min(rest.len()),
            _ => memchr(b'\n', rest).map_or(rest.len(), |end| end + 1),
        }
    }

    fn look_at_partial(&mut self, receiver: &mut impl Receiver) {
        match Frame::first(&self.partial) {
            Ok(Beginning::Whole(frame, _)) => {
                receiver.take(&self.partial, Some(&frame));
                self.partial.clear();
                self.whole = 0;
            }
            Ok(Beginning::Part(whole)) => self.whole = whole,
            Err(malformed) => {
                receiver.take(&self.partial, None);
                self.partial.clear();
                self.malformed = Some(malformed);
            }
        }
    }
}
