//! Snapshots that earlier versions wrote in the middle of each scenario: what they write is read for ever, and the
//! story goes on as if nothing had happened.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tallystick_contract::config::Config;
use tallystick_engine::Engine;
use tallystick_engine::snapshot::FORMAT;

use super::{for_each_scenario, run};

/// Where they are: one file for each format, `name length u16 · name · length u32 · snapshot` again and again, gzipped.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/snapshots");
/// Larger ones show nothing that smaller ones do not.
const BYTES_MAX: usize = 16 << 10;

fn file(format: u32) -> PathBuf {
    PathBuf::from(FOLDER).join(format!("format-{format}.gz"))
}

/// The snapshots of a format, by table and name of their scenario.
fn read(format: u32) -> BTreeMap<String, Vec<u8>> {
    let file = fs::File::open(file(format)).expect("there is a file for each format since 6");
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).expect("it is gzipped");
    let mut rest = &*bytes;
    let mut take = |length: usize| {
        let (head, tail) = rest.split_at_checked(length)?;
        rest = tail;
        Some(head)
    };
    let mut found = BTreeMap::new();
    while let Some(&[low, high]) = take(2) {
        let name = take(usize::from(u16::from_le_bytes([low, high]))).expect("a name");
        let length = u32::from_le_bytes(take(4).and_then(|four| four.try_into().ok()).expect("a length"));
        let snapshot = take(length as usize).expect("a snapshot");
        found.insert(String::from_utf8(name.to_vec()).expect("a name is a text"), snapshot.to_vec());
    }
    found
}

/// Lets an engine go through its image.
fn reloaded(engine: &Engine, image: &[u8], config: &str) -> Engine {
    let config = Config::parse(config).expect("it was read before");
    let loaded = Engine::restore(image, config).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.state_hash(), engine.state_hash());
    assert_eq!(loaded.open_exceptions(), engine.open_exceptions());
    loaded
}

#[test]
fn a_story_goes_on_from_a_snapshot() {
    for_each_scenario(|table, scenario, place| {
        run::<Engine>(table, scenario, place, |engine, _| reloaded(&engine, &engine.snapshot(), &scenario.config));
    });
}

#[test]
fn a_story_goes_on_from_a_snapshot_of_an_earlier_version() {
    let (mut sixth, seventh, eighth) = (read(6), read(7), read(8));
    // Format 6 did not say until when an event is held.
    let wait = "ownership: what is held is released after its wait, though its source promises no order any more";
    assert!(sixth.remove(wait).is_some());
    for golden in [&sixth, &seventh, &eighth] {
        assert!(golden.len() > 900, "only {} snapshots", golden.len());
    }
    for_each_scenario(|table, scenario, place| {
        for image in [&sixth, &seventh, &eighth].into_iter().filter_map(|golden| golden.get(place)) {
            run::<Engine>(table, scenario, place, |engine, is_middle| {
                if is_middle { reloaded(&engine, image, &scenario.config) } else { engine }
            });
        }
    });
}

/// Writes the file of today's format. What was written once stays: it is what users have.
#[test]
#[ignore = "writes the file of a new format"]
fn write() {
    let made = RefCell::new(Vec::new());
    for_each_scenario(|table, scenario, place| {
        run::<Engine>(table, scenario, place, |engine, is_middle| {
            let (image, mut made) = (engine.snapshot(), made.borrow_mut());
            if is_middle && image.len() <= BYTES_MAX {
                made.extend(u16::try_from(place.len()).expect("a short name").to_le_bytes());
                made.extend(place.as_bytes());
                made.extend(u32::try_from(image.len()).expect("a small snapshot").to_le_bytes());
                made.extend(image);
            }
            engine
        });
    });
    assert!(!file(FORMAT).exists(), "there is one of format {FORMAT}");
    fs::create_dir_all(FOLDER).expect("a folder can be made");
    let mut packed = GzEncoder::new(fs::File::create(file(FORMAT)).expect("a file"), Compression::best());
    packed.write_all(&made.take()).and_then(|()| packed.try_finish()).expect("a file can be written");
}
