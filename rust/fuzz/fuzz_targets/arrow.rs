//! Any bytes as an Arrow IPC stream or file: read or refused, never a panic, never more memory than the bytes justify;
//! and each row reads as the JSON event does that it is rendered as.
#![no_main]

use bumpalo::Bump;
use libfuzzer_sys::fuzz_target;
use tallystick_engine::read::columns::{self, RowRefusal};
use tallystick_contract::config::Config;
use tallystick_engine::read::decode::decode;
use tallystick_engine::{Batch, Engine};
use tallystick_engine::read::event::Event;
use tallystick_contract::limits::EVENT_BYTES_MAX;
use tallystick_engine::read::shape::Shapes;

const LOG_TIME_NS: i64 = 1_772_366_400_000_000_000;

fuzz_target!(|data: &[u8]| {
    if let Ok(batches) = columns::read(data) {
        for rows in &batches {
            for row in 0..rows.len() {
                let (mut event, arena) = (Event::default(), Bump::new());
                let read = rows.read(row, &mut event, &arena);
                let (original, total) = rows.original(row);
                assert_eq!(read == Err(RowRefusal::TooLarge), total > EVENT_BYTES_MAX as u64);
                // A rendering that was cut is no longer the row.
                if original.len() as u64 == total {
                    let mut rendered = Event::default();
                    let decoded = decode(&original, &mut rendered, &mut Shapes::default(), &arena);
                    assert_eq!(read.is_ok(), decoded.is_ok(), "{}", String::from_utf8_lossy(&original));
                    assert!(read.is_err() || event == rendered, "{}", String::from_utf8_lossy(&original));
                }
            }
        }
    }
    let mut batch = Batch::new();
    let mut engine = Engine::new(Config::default(), [7; 16]);
    engine.apply_message(data, 1, LOG_TIME_NS, &mut batch).expect("sequences grow");
    assert!(batch.len() <= data.len() + 1);
});
