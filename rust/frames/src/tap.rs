//! Takes the messages of one subscription out of a connection's bytes. All other bytes are given back as they came.

use crate::delivery::Delivery;
use crate::frame::{Frame, Malformed};
use crate::inbox::Inbox;
use crate::splitter::Splitter;

/// Which subscription is tapped, and how far the bytes are split.
#[derive(Debug)]
pub struct Tap {
    sid: u64,
    splitter: Splitter,
}

/// What came of a chunk.
#[derive(Debug, Default)]
pub struct Fed {
    /// Messages that went to the inbox.
    pub messages: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
    /// All other bytes: each run was one in the stream, and messages of the inbox stood between two of them.
    pub foreign: Vec<Vec<u8>>,
}

impl Tap {
    /// Taps a subscription from a frame's boundary on.
    pub fn new(sid: u64) -> Self {
        Self { sid, splitter: Splitter::default() }
    }

    /// Splits a chunk. Messages that JetStream delivered to the subscription go to the inbox. What else there is, statuses of the
    /// subscription among it, is foreign, and so is everything from malformed bytes on.
    pub fn feed(&mut self, chunk: &[u8], inbox: &mut Inbox) -> Fed {
        let Self { sid, splitter } = self;
        let mut fed = Fed::default();
        let mut goes_on = false;
        splitter.split(chunk, |bytes, frame| {
            if let Some(Frame::Message(message)) = frame
                && message.sid == *sid
                && let Some(delivery) = Delivery::parse(message.reply)
            {
                inbox.deliver(&delivery, message.payload);
                fed.messages += 1;
                fed.bytes += message.payload.len();
                goes_on = false;
                return;
            }
            match fed.foreign.last_mut() {
                Some(run) if goes_on => run.extend_from_slice(bytes),
                _ => fed.foreign.push(bytes.to_vec()),
            }
            goes_on = true;
        });
        fed
    }

    /// Why bytes are no longer looked at.
    pub fn malformed(&self) -> Option<Malformed> {
        self.splitter.malformed()
    }

    /// Begins at a frame's boundary again, and gives back the bytes of the frame that was not whole.
    pub fn reset(&mut self) -> Vec<u8> {
        self.splitter.reset()
    }
}
