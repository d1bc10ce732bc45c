//! Two texts: the second read along the shape of the first says the same as the second read with all care.
#![no_main]

use bumpalo::Bump;
use libfuzzer_sys::fuzz_target;
use tallystick_engine::read::decode::decode;
use tallystick_engine::read::event::Event;
use tallystick_engine::read::shape::Shapes;

fuzz_target!(|data: &[u8]| {
    let mut shapes = Shapes::default();
    for text in data.split(|byte| *byte == 0) {
        let (mut careful, mut short, arena) = (Event::default(), Event::default(), Bump::new());
        let expected = decode(text, &mut careful, &mut Shapes::default(), &arena);
        assert_eq!(decode(text, &mut short, &mut shapes, &arena), expected);
        assert_eq!(short, careful);
    }
});
