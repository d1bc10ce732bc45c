//! Any bytes as messages of the bus: engine and reference give the same answers and the same state, and the engine
//! never panics. The reference decodes with serde_json, so this holds the engine's decoder against it too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallystick_contract::config::Config;
use tallystick_engine::{Batch, Engine};
use tallystick_reference::Reference;

const LOG_TIME_NS: i64 = 1_772_366_400_000_000_000;
/// How far stamps move, in seconds: a control byte before a message chooses. No message begins with one.
const STEPS_S: [i64; 8] = [0, 1, 1_800, 7_200, -7_200, 2_592_000, -2_592_000, 90_000];

fuzz_target!(|data: &[u8]| {
    let mut engine = Engine::new(Config::default(), [7; 16]);
    let mut reference = Reference::new(Config::default());
    // A zero byte never belongs to JSON; here it ends a message, so that one input can be a whole log.
    let mut stamp_ns = LOG_TIME_NS;
    for (sequence, message) in (1..).zip(data.split(|byte| *byte == 0)) {
        let step = message.first().and_then(|byte| STEPS_S.get(usize::from(*byte)));
        let message = if step.is_some() { &message[1..] } else { message };
        stamp_ns += step.unwrap_or(&0) * 1_000_000_000;
        let mut batch = Batch::new();
        engine.apply_message(message, sequence, stamp_ns, &mut batch).expect("sequences grow");
        let answers = reference.apply_message(message, sequence, stamp_ns);
        let expected: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
        assert_eq!(batch.outcomes, expected);
    }
    assert_eq!(engine.state_hash(), reference.state_hash());
    assert_eq!(engine.open_exceptions(), reference.open_exceptions());
});
