//! Takes the messages of one subscription out of a connection's bytes. All other bytes are given back as they came.

use crate::delivery::Delivery;
use crate::frame::{Frame, Malformed};
use crate::inbox::Inbox;
use crate::splitter::{Receiver, Splitter};
use crate::usual::Usual;

/// Which subscription is tapped, and how far the bytes are split.
///
/// ```
/// use tallystick_frames::{inbox::Inbox, tap::Tap};
///
/// let (mut tap, mut inbox) = (Tap::new(3), Inbox::new(7));
/// let chunk = b"PING\r\nMSG events 3 $JS.ACK.EVENTS.reader.1.7.7.1772359200000000000.0 5\r\nhello\r\n";
/// let fed = tap.feed(chunk, &mut inbox);
/// assert_eq!((fed.messages, fed.bytes), (1, 5));
/// assert_eq!(fed.foreign, [b"PING\r\n"]); // for the client, which answers it
/// assert_eq!(inbox.last_payload(), Some(&b"hello"[..]));
/// ```
#[derive(Debug)]
pub struct Tap {
    sid: u64,
    usual: Usual,
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
        Self { sid, usual: Usual::default(), splitter: Splitter::default() }
    }

    /// Splits a chunk. Messages that JetStream delivered to the subscription go to the inbox. What else there is,
    /// statuses of the subscription among it, is foreign, and so is everything from malformed bytes on.
    pub fn feed(&mut self, chunk: &[u8], inbox: &mut Inbox) -> Fed {
        let mut sorter =
            Sorter { sid: self.sid, usual: &mut self.usual, inbox, fed: Fed::default(), foreign_goes_on: false };
        self.splitter.split_for(chunk, &mut sorter);
        sorter.fed
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

/// Tells the inbox's messages from all other bytes of one chunk.
struct Sorter<'a> {
    sid: u64,
    usual: &'a mut Usual,
    inbox: &'a mut Inbox,
    fed: Fed,
    /// Whether the bytes that come next follow the last foreign ones.
    foreign_goes_on: bool,
}

impl Sorter<'_> {
    fn deliver(inbox: &mut Inbox, fed: &mut Fed, delivery: &Delivery<'_>, (subject, payload): (&[u8], &[u8])) {
        inbox.deliver(delivery, subject, payload);
        fed.messages += 1;
        fed.bytes += payload.len();
    }
}

impl Receiver for Sorter<'_> {
    fn take_known(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(message) = self.usual.first(&bytes[taken..]) {
            Self::deliver(self.inbox, &mut self.fed, &message.delivery, (message.subject, message.payload));
            self.foreign_goes_on = false;
            taken += message.bytes;
        }
        taken
    }

    fn take(&mut self, bytes: &[u8], frame: Option<&Frame<'_>>) {
        if let Some(Frame::Message(message)) = frame
            && message.sid == self.sid
            && let Some(delivery) = Delivery::parse(message.reply)
        {
            self.usual.remember(message, &delivery);
            Self::deliver(self.inbox, &mut self.fed, &delivery, (message.subject, message.payload));
            self.foreign_goes_on = false;
            return;
        }
        match self.fed.foreign.last_mut() {
            Some(run) if self.foreign_goes_on => run.extend_from_slice(bytes),
            _ => self.fed.foreign.push(bytes.to_vec()),
        }
        self.foreign_goes_on = true;
    }
}
