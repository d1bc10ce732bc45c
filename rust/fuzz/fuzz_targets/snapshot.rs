//! Any bytes as a snapshot: refused or loaded, never a panic, never more memory than the bytes justify. The seal is put
//! right first, or nothing behind it would ever be reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallystick_contract::config::Config;
use tallystick_engine::Engine;
use tallystick_tables::wire::Writer;

fuzz_target!(|data: &[u8]| {
    assert!(Engine::restore(data, Config::default()).is_err() || data.len() > 44);
    let config = Config::default();
    let mut writer = Writer::default();
    writer.raw(config.fingerprint());
    writer.raw(data);
    if let Ok(engine) = Engine::restore(&writer.finish(), config) {
        // What loads can be asked and saved again.
        let _ = engine.state_hash();
        let again = engine.snapshot();
        let restored = Engine::restore(&again, Config::default()).expect("what was saved loads");
        assert_eq!(restored.state_hash(), engine.state_hash());
    }
});
