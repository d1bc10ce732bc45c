//! Any bytes as messages of the bus: engine and reference give the same answers and the same state, and the engine
//! never panics. The reference decodes with serde_json, so this holds the engine's decoder against it too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallystick_contract::config::Config;
use tallystick_engine::{Batch, Engine};
use tallystick_reference::Reference;

const LOG_TIME_NS: i64 = 1_772_366_400_000_000_000;

fuzz_target!(|data: &[u8]| {
    let mut engine = Engine::new(Config::default(), [7; 16]);
    let mut reference = Reference::new(Config::default());
    // A zero byte never belongs to JSON; here it ends a message, so that one input can be a whole log.
    for (sequence, message) in (1..).zip(data.split(|byte| *byte == 0)) {
        let mut batch = Batch::new();
        engine.apply_message(message, sequence, LOG_TIME_NS, &mut batch).expect("sequences grow");
        let answers = reference.apply_message(message, sequence, LOG_TIME_NS);
        let expected: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
        assert_eq!(batch.outcomes, expected);
    }
    assert_eq!(engine.state_hash(), reference.state_hash());
});
