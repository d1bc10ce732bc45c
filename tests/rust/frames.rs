//! Frames against a model: whatever the chunks, the same frames come out, and no byte is lost or made up.

use proptest::prelude::*;
use tallystick_frames::delivery::Delivery;
use tallystick_frames::frame::{Beginning, Frame, Malformed, Message};
use tallystick_frames::inbox::Inbox;
use tallystick_frames::limits::{CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX, SEGMENT_MESSAGES_MAX};
use tallystick_frames::splitter::Splitter;
use tallystick_frames::tap::Tap;

mod naive;

const SID: u64 = 7;

/// What a test stream is made of.
#[derive(Debug, Clone)]
enum Part {
    /// For the inbox: payload and whether it has headers.
    Delivered(Vec<u8>, bool),
    /// Somebody else's bytes.
    Foreign(Vec<u8>),
}

fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let message = (1..20_u64, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(|(sid, payload)| {
        let mut bytes = format!("MSG _INBOX.x.1 {sid} {}\r\n", payload.len()).into_bytes();
        bytes.extend(payload);
        bytes.extend(b"\r\n");
        bytes
    });
    prop_oneof![
        Just(b"PING\r\n".to_vec()),
        Just(b"PONG\r\n".to_vec()),
        Just(b"+OK\r\n".to_vec()),
        Just(b"-ERR 'Permissions Violation'\r\n".to_vec()),
        Just(b"INFO {\"server_id\":\"a\"}\r\n".to_vec()),
        Just(format!("HMSG _INBOX.x.1 {SID} 16 16\r\nNATS/1.0 404\r\n\r\n\r\n").into_bytes()),
        message,
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let payload = proptest::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        3 => (payload, any::<bool>()).prop_map(|(payload, headers)| Part::Delivered(payload, headers)),
        1 => foreign().prop_map(Part::Foreign),
    ]
}

fn reply(sequence: u64) -> String {
    format!("$JS.ACK.EVENTS.reader.1.{sequence}.{sequence}.{}.5", sequence * 1_000)
}

fn delivered(sequence: u64, payload: &[u8], with_headers: bool) -> Vec<u8> {
    let headers: &[u8] = if with_headers { b"NATS/1.0\r\nA: b\r\n\r\n" } else { b"" };
    let total = headers.len() + payload.len();
    let sizes = if with_headers { format!("{} {total}", headers.len()) } else { total.to_string() };
    let operation = if with_headers { "HMSG" } else { "MSG" };
    let mut bytes = format!("{operation} events {SID} {} {sizes}\r\n", reply(sequence)).into_bytes();
    bytes.extend(headers);
    bytes.extend(payload);
    bytes.extend(b"\r\n");
    bytes
}

/// Cuts bytes at places that depend on the given sizes alone.
fn chunks<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

fn drain(inbox: &mut Inbox) -> Vec<(u64, i64, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(messages) = inbox.take() {
        all.extend(messages.iter().map(|(sequence, time_ns, payload)| (sequence, time_ns, payload.to_vec())));
    }
    all
}

fn drain_with_subjects(inbox: &mut Inbox) -> Vec<(u64, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(messages) = inbox.take() {
        let subjects = messages.subjects().expect("the inbox keeps them").map(<[u8]>::to_vec);
        all.extend(messages.iter().zip(subjects).map(|((sequence, _, payload), on)| (sequence, on, payload.to_vec())));
    }
    all
}

/// A message with everything that can vary in its control line.
fn varied(sequence: u64) -> impl Strategy<Value = Vec<u8>> {
    let subject = prop_oneof![3 => Just("events"), 1 => Just("events.wms"), 1 => Just("e\u{1}")];
    let consumer = prop_oneof![4 => Just("reader"), 1 => Just("other"), 1 => Just("1")];
    let ending = prop_oneof![6 => Just(""), 1 => Just(".9"), 1 => Just(".x"), 1 => Just(" ")];
    let parts = (subject, consumer, ending, any::<bool>(), 0..200_usize, any::<u64>());
    parts.prop_map(move |(subject, consumer, ending, is_far, size, number)| {
        let domain = if is_far { "hub.account." } else { "" };
        let time = if size == 0 { number } else { number / 2 };
        let reply = format!("$JS.ACK.{domain}S.{consumer}.1.{sequence}.{}.{time}.{size}{ending}", number % 1_000);
        let mut bytes = format!("MSG {subject} {SID} {reply} {size}\r\n").into_bytes();
        bytes.extend(vec![b'x'; size]);
        bytes.extend(b"\r\n");
        bytes
    })
}

proptest! {
    #[test]
    fn usual_messages_are_read_like_any_other(
        frames in proptest::collection::vec(prop_oneof![20 => (1..6_u64).prop_flat_map(varied), 1 => foreign()], 0..30),
        flaw in proptest::option::weighted(0.3, (any::<proptest::sample::Index>(), any::<u8>())),
        sizes in proptest::collection::vec(1..400_usize, 1..10),
    ) {
        let mut bytes = frames.concat();
        if let Some((place, byte)) = flaw.filter(|_| !bytes.is_empty()) {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let (mut tap, mut inbox, mut naive_inbox) = (Tap::new(SID), Inbox::with_subjects(1), Inbox::with_subjects(1));
        inbox.follow(b"reader");
        naive_inbox.follow(b"reader");
        let expected = naive::sort(&bytes, SID, &mut naive_inbox);
        let (mut foreign, mut messages) = (Vec::new(), 0);
        for chunk in chunks(&bytes, &sizes) {
            let fed = tap.feed(chunk, &mut inbox);
            foreign.extend(fed.foreign.concat());
            messages += fed.messages;
        }
        let malformed = tap.malformed().is_some();
        prop_assert_eq!(naive::Sorted { messages, foreign, rest: tap.reset(), malformed }, expected);
        prop_assert_eq!(inbox.stream_end(), naive_inbox.stream_end());
        prop_assert_eq!(inbox.delivered(), naive_inbox.delivered());
        prop_assert_eq!(inbox.missing_until(), naive_inbox.missing_until());
        prop_assert_eq!(drain_with_subjects(&mut inbox), drain_with_subjects(&mut naive_inbox));
    }

    #[test]
    fn chunks_make_no_difference(
        parts in proptest::collection::vec(part(), 0..60),
        sizes in proptest::collection::vec(1..200_usize, 1..20),
    ) {
        let (mut bytes, mut others, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Delivered(payload, with_headers) => {
                    let sequence = expected.len() as u64 + 1;
                    bytes.extend(delivered(sequence, &payload, with_headers));
                    expected.push((sequence, i64::try_from(sequence).unwrap() * 1_000, payload));
                }
                Part::Foreign(frame) => {
                    bytes.extend(&frame);
                    others.extend(frame);
                }
            }
        }
        let (mut tap, mut inbox) = (Tap::new(SID), Inbox::new(1));
        inbox.follow(b"reader");
        let (mut foreign, mut messages) = (Vec::new(), 0);
        for chunk in chunks(&bytes, &sizes) {
            let fed = tap.feed(chunk, &mut inbox);
            foreign.extend(fed.foreign.concat());
            messages += fed.messages;
        }
        prop_assert_eq!(tap.malformed(), None);
        prop_assert_eq!(foreign, others);
        prop_assert_eq!(messages, expected.len());
        prop_assert_eq!(inbox.delivered(), expected.len() as u64);
        prop_assert_eq!(drain(&mut inbox), expected);
    }

    #[test]
    fn no_byte_is_lost_or_made_up(
        parts in proptest::collection::vec(prop_oneof![foreign(), proptest::collection::vec(any::<u8>(), 0..30)], 0..20),
        sizes in proptest::collection::vec(1..100_usize, 1..10),
    ) {
        let bytes = parts.concat();
        let mut splitter = Splitter::default();
        let mut seen = Vec::new();
        for chunk in chunks(&bytes, &sizes) {
            splitter.split(chunk, |bytes, _| seen.extend_from_slice(bytes));
        }
        seen.extend(splitter.reset());
        prop_assert_eq!(seen, bytes);
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Beginning::Whole(_, length)) = Frame::first(&bytes) {
            prop_assert!(length <= bytes.len());
        }
        let _ = Delivery::parse(&bytes);
    }
}

fn judged(bytes: &[u8]) -> Result<Beginning<'_>, Malformed> {
    Frame::first(bytes)
}

#[test]
fn every_kind_is_read() {
    assert_eq!(judged(b"PING\r\n"), Ok(Beginning::Whole(Frame::Ping, 6)));
    assert_eq!(judged(b"PONG\r\nPING"), Ok(Beginning::Whole(Frame::Pong, 6)));
    assert_eq!(judged(b"+OK\r\n"), Ok(Beginning::Whole(Frame::Ok, 5)));
    assert_eq!(judged(b"INFO {}\r\n"), Ok(Beginning::Whole(Frame::Info(b"{}"), 9)));
    assert_eq!(judged(b"-ERR 'no'\r\n"), Ok(Beginning::Whole(Frame::Err(b"'no'"), 11)));
    let bytes = b"HMSG a.b 3 r 16 18\r\nNATS/1.0 408\r\n\r\nhi\r\n";
    let message = Message { subject: b"a.b", sid: 3, reply: b"r", headers: b"NATS/1.0 408\r\n\r\n", payload: b"hi" };
    assert_eq!(judged(bytes), Ok(Beginning::Whole(Frame::Message(message), bytes.len())));
    assert_eq!(judged(&bytes[..30]), Ok(Beginning::Part(bytes.len())));
    assert_eq!(judged(&bytes[..10]), Ok(Beginning::Part(0)));
    assert_eq!(message.status(), Some(408));
}

#[test]
fn malformed_bytes_are_named() {
    let too_long = format!("MSG {} 1 5\r\n", "s".repeat(CONTROL_LINE_BYTES_MAX));
    let too_large = format!("MSG s 1 {}\r\n", PAYLOAD_BYTES_MAX + 1);
    for (bytes, malformed) in [
        (&b"msg s 1 0\r\n\r\n"[..], Malformed::Operation),
        (b"\r\n", Malformed::Operation),
        (b"MSG s 1 0\n\r\n", Malformed::ControlLine),
        (b"MSG s 1\r\n", Malformed::ControlLine),
        (b"MSG s  1 0\r\n\r\n", Malformed::ControlLine),
        (b"MSG s\t1 1 0\r\n\r\n", Malformed::ControlLine),
        (b"MSG s 1 r x 0\r\n\r\n", Malformed::ControlLine),
        (b"MSG s -1 0\r\n\r\n", Malformed::ControlLine),
        (b"MSG s 99999999999999999999 0\r\n\r\n", Malformed::ControlLine),
        (b"HMSG s 1 9 5\r\nhello\r\n", Malformed::ControlLine),
        (b"HMSG s 1 0 5\r\nhello\r\n", Malformed::ControlLine),
        (b"PING now\r\n", Malformed::ControlLine),
        (b"-ERR \r\n", Malformed::ControlLine),
        (b"INFO  \r\n", Malformed::ControlLine),
        (b"MSG s 1 5\r\nhello!!", Malformed::PayloadEnd),
        (too_large.as_bytes(), Malformed::PayloadTooLong),
        (too_long.as_bytes(), Malformed::ControlLineTooLong),
    ] {
        assert_eq!(judged(bytes), Err(malformed), "{}", bytes.escape_ascii());
    }
}

#[test]
fn deliveries_are_read_in_both_forms() {
    let short = Delivery::parse(b"$JS.ACK.EVENTS.reader.1.42.7.1700000000000000001.3").unwrap();
    assert_eq!((short.consumer, short.sequence), (&b"reader"[..], 42));
    assert_eq!((short.time_ns, short.pending), (1_700_000_000_000_000_001, 3));
    for long in [
        &b"$JS.ACK.hub.acc.EVENTS.reader.1.42.7.1700000000000000001.3"[..],
        b"$JS.ACK._.acc.EVENTS.reader.1.42.7.1700000000000000001.3.rnd",
    ] {
        assert_eq!(Delivery::parse(long), Some(short));
    }
    for other in
        [&b"_INBOX.a.b"[..], b"$JS.ACK.a.b.1.2.3.4", b"$JS.ACK.a.b.1.x.3.4.5", b"$JS.ACK.a.b.c.1.2.3.4.5", b"$JS.ACK."]
    {
        assert_eq!(Delivery::parse(other), None, "{}", other.escape_ascii());
    }
}

fn place(sequence: u64, consumer: &[u8]) -> Delivery<'_> {
    Delivery { consumer, sequence, time_ns: 0, pending: 10 }
}

#[test]
fn only_the_expected_message_is_kept() {
    let mut inbox = Inbox::new(5);
    inbox.follow(b"new");
    inbox.deliver(&place(4, b"old"), b"events", b"seen");
    inbox.deliver(&place(5, b"old"), b"events", b"five");
    assert_eq!((inbox.delivered(), inbox.began_well(), inbox.expected()), (0, false, 6));
    inbox.deliver(&place(8, b"new"), b"events", b"eight");
    inbox.deliver(&place(9, b"new"), b"events", b"nine");
    assert_eq!((inbox.delivered(), inbox.began_well(), inbox.missing_until()), (2, false, 7));
    assert!(!inbox.push(7, 0, b"events", b"seven"));
    assert!(inbox.push(6, 0, b"events", b"six"));
    assert_eq!((inbox.waiting_messages(), inbox.waiting_bytes(), inbox.stream_end()), (2, 7, 15));
    assert_eq!(inbox.last_payload(), Some(&b"six"[..]));
    assert_eq!(drain(&mut inbox), [(5, 0, b"five".to_vec()), (6, 0, b"six".to_vec())]);
    assert_eq!((inbox.waiting_messages(), inbox.last_payload()), (0, Some(&b"six"[..])));
    inbox.follow(b"newer");
    inbox.deliver(&place(7, b"newer"), b"events", b"");
    assert_eq!((inbox.delivered(), inbox.began_well(), inbox.missing_until()), (1, true, 0));
}

#[test]
fn segments_are_bounded_split_and_used_again() {
    let mut inbox = Inbox::new(1);
    let count = SEGMENT_MESSAGES_MAX as u64 + 10;
    for round in 0..3 {
        for sequence in 1..=count {
            assert!(inbox.push(round * count + sequence, 0, b"events", &sequence.to_le_bytes()));
        }
        let first = inbox.take().unwrap();
        assert_eq!(first.len(), SEGMENT_MESSAGES_MAX);
        let begin = first.first_sequence();
        assert!(first.split(begin - 1).is_none());
        let (one, rest) = first.split(begin).unwrap();
        let rest = rest.unwrap();
        assert_eq!((one.len(), one.bytes_total(), one.last_payload()), (1, 8, &1_u64.to_le_bytes()[..]));
        assert_eq!((rest.first_sequence(), rest.len()), (begin + 1, SEGMENT_MESSAGES_MAX - 1));
        assert!(rest.split(u64::MAX).unwrap().1.is_none());
        let held = inbox.take().unwrap();
        assert_eq!((held.first_sequence(), held.len()), (begin + SEGMENT_MESSAGES_MAX as u64, 10));
        assert!(inbox.take().is_none());
        let bytes: Vec<_> = rest.payloads().chain(held.payloads()).flatten().copied().collect();
        let expected: Vec<_> = (2..=count).flat_map(u64::to_le_bytes).collect();
        assert_eq!(bytes, expected);
    }
}
