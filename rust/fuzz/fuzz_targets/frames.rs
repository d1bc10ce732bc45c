//! A connection's bytes in chunks of any size: the tap sorts them as a slow, obvious splitter sorts them in one piece;
//! nothing panics, no byte is lost or made up, and nothing is kept that was not there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallystick_frames::delivery::Delivery;
use tallystick_frames::frame::{Beginning, Frame};
use tallystick_frames::inbox::Inbox;
use tallystick_frames::splitter::Splitter;
use tallystick_frames::tap::Tap;

#[path = "../../../tests/rust/naive/mod.rs"]
mod naive;

const SID: u64 = 7;

fuzz_target!(|data: &[u8]| {
    let Some(([mode, seed], rest)) = data.split_first_chunk::<2>().map(|(head, rest)| (*head, rest)) else { return };
    // Bytes as they are, or a stream written from them, in which most frames are right.
    let stream = if mode & 1 == 0 { rest.to_vec() } else { written(rest) };
    if let Ok(Beginning::Whole(_, length)) = Frame::first(&stream) {
        assert!(length <= stream.len());
    }
    let _ = Delivery::parse(&stream);

    let mut expected_inbox = inbox();
    let expected = naive::sort(&stream, SID, &mut expected_inbox);
    let expected_state = state(&mut expected_inbox);
    for chunk_bytes_max in [usize::MAX, 1 + usize::from(seed)] {
        let (mut tap, mut inbox) = (Tap::new(SID), inbox());
        let (mut messages, mut bytes, mut foreign) = (0, 0, Vec::new());
        for chunk in chunks(&stream, seed, chunk_bytes_max) {
            let fed = tap.feed(chunk, &mut inbox);
            messages += fed.messages;
            bytes += fed.bytes;
            foreign.extend(fed.foreign.concat());
        }
        assert!(inbox.waiting_bytes() <= bytes && bytes <= stream.len());
        assert_eq!(tap.malformed().is_some(), expected.malformed);
        assert_eq!((messages, &foreign, &tap.reset()), (expected.messages, &expected.foreign, &expected.rest));
        assert_eq!(state(&mut inbox), expected_state);
    }
    let (mut splitter, mut seen) = (Splitter::default(), Vec::new());
    for chunk in chunks(&stream, seed, 64) {
        splitter.split(chunk, |bytes, _| seen.extend_from_slice(bytes));
    }
    seen.extend(splitter.reset());
    assert_eq!(seen, stream);
});

fn inbox() -> Inbox {
    let mut inbox = Inbox::new(1);
    inbox.follow(b"c");
    inbox
}

type State = ((u64, u64, u64, bool, u64), Vec<(u64, i64, Vec<u8>)>);

/// All that an inbox says and holds.
fn state(inbox: &mut Inbox) -> State {
    let told =
        (inbox.expected(), inbox.stream_end(), inbox.delivered(), inbox.began_well(), inbox.missing_until());
    let mut messages = Vec::new();
    while let Some(batch) = inbox.take() {
        messages.extend(batch.iter().map(|(sequence, time_ns, payload)| (sequence, time_ns, payload.to_vec())));
    }
    (told, messages)
}

/// Cuts bytes into chunks of 1 to `bytes_max`, at places that depend on the seed alone.
fn chunks(bytes: &[u8], seed: u8, bytes_max: usize) -> Vec<&[u8]> {
    let (mut rest, mut chunks, mut random) = (bytes, Vec::new(), u32::from(seed) + 1);
    while !rest.is_empty() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = if bytes_max == usize::MAX { rest.len() } else { 1 + (random >> 16) as usize % bytes_max };
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// A stream whose frames are chosen by three bytes each: what it is, a number in it, and what is wrong with it, if
/// anything.
fn written(choices: &[u8]) -> Vec<u8> {
    let (mut stream, mut sequence) = (Vec::new(), 0_u64);
    for choice in choices.chunks_exact(3) {
        let [kind, number, flaw] = *choice else { continue };
        let start = stream.len();
        let payload = vec![b'a' + number % 26; usize::from(number)];
        match kind % 16 {
            0 => stream.extend(b"PING\r\n"),
            1 => stream.extend(b"HMSG _INBOX.x.1 7 16 16\r\nNATS/1.0 404\r\n\r\n\r\n"),
            2 => stream.extend(b"-ERR 'Permissions Violation'\r\n"),
            3 => stream.extend(b"INFO {}\r\n"),
            4 => stream.extend([number]),
            kind => {
                // Mostly the next one of the stream; now and then one is missing or comes again.
                sequence = (sequence + 1 + u64::from(number == 1)).saturating_sub(2 * u64::from(number == 2));
                let subject = ["events", "events.wms", "e"][usize::from(number) % 3];
                let consumer = ["c", "c", "c", "d", "1"][usize::from(kind % 5)];
                let place = format!("S.{consumer}.1.{sequence}.{sequence}.{}", u64::MAX / 2 - sequence);
                let reply = match kind {
                    5 => format!("$JS.ACK.hub.acc.{place}.{number}"),
                    6 => format!("$JS.ACK.hub.acc.{place}.{number}.{number}"),
                    7 => format!("_INBOX.{place}"),
                    _ => format!("$JS.ACK.{place}.{number}"),
                };
                let sid = if kind == 8 { "007" } else { "7" };
                if kind == 9 {
                    let total = 12 + payload.len();
                    stream.extend(format!("HMSG {subject} {sid} {reply} 12 {total}\r\nNATS/1.0\r\n\r\n").into_bytes());
                } else {
                    stream.extend(format!("MSG {subject} {sid} {reply} {}\r\n", payload.len()).into_bytes());
                }
                stream.extend(payload);
                stream.extend(b"\r\n");
            }
        }
        if flaw >= 128 {
            let place = start + usize::from(flaw - 128) % (stream.len() - start);
            stream[place] = number ^ kind;
        }
    }
    stream
}
