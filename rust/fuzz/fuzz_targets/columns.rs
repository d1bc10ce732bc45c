//! Tables drawn from any bytes, as an Arrow stream and as JSON: the same outcomes and the same state.
#![no_main]

#[path = "../../../tests/rust/table/mod.rs"]
mod table;

use libfuzzer_sys::fuzz_target;
use table::{BASE_NS, Dice, Table};
use tallystick_contract::config::Config;
use tallystick_engine::{Batch, Engine};
use tallystick_reference::Reference;

fuzz_target!(|data: &[u8]| {
    let table = Table::draw(&mut Dice(data));
    let (stream, events) = (table.bytes(), table.events());
    let (mut engine, mut batch) = (Engine::new(Config::default(), [7; 16]), Batch::new());
    engine.apply_message(&stream, 1, BASE_NS, &mut batch).expect("sequences grow");
    let mut reference = Reference::new(Config::default());
    let answers = reference.apply_message(format!("[{}]", events.join(",")).as_bytes(), 1, BASE_NS);
    let expected: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
    assert_eq!(batch.outcomes, expected);
    assert_eq!(engine.state_hash(), reference.state_hash());
});
