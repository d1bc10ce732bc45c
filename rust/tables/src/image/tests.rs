use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use tallystick_contract::exception_state::ExceptionState;
use tallystick_contract::outcome::Outcome;
use tallystick_contract::ownership::Role;

use super::{Bytes, Form, Image, OrNegative, OrZero, Own, TextBytes, Wide, is_least};
use crate::dedup::Fingerprint;
use crate::wire::{Reader, SnapshotError, Writer};

/// Bytes that a value takes in a form, after it was read back as it was written.
fn bytes_of<F: Form<T>, T: PartialEq + Debug>(value: &T) -> usize {
    let empty = Writer::default().finish().len();
    let mut writer = Writer::default();
    F::save(value, &mut writer);
    let bytes = writer.finish();
    let mut reader = Reader::open(&bytes).expect("it was just written");
    assert_eq!(F::load(&mut reader).as_ref(), Ok(value));
    assert_eq!(reader.finish(), Ok(()), "{value:?}");
    // A snapshot with content has the head of a chunk beside it.
    bytes.len().saturating_sub(empty + 8)
}

/// The smallest value of a type, and a larger one.
fn check<T: Image + PartialEq + Debug>(smallest: &T, other: &T) {
    assert_eq!(bytes_of::<Own, T>(smallest), T::LEAST, "{smallest:?}");
    assert!(bytes_of::<Own, T>(other) >= T::LEAST, "{other:?}");
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Parcel {
    name: Box<str>,
    place: u32,
    limit: Option<i64>,
    weights: Vec<(i64, i64)>,
    /// Found out anew.
    length: usize,
}

crate::image::image!(Parcel { name, place as Wide, limit as OrNegative, weights; length = name.len() });

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

crate::image::numbered!(Side, [Side::Left, Side::Right], "a side cannot be read");

#[test]
fn the_least_is_what_the_smallest_value_takes() {
    let text = |text: &str| Box::<str>::from(text);
    check(&0_u8, &u8::MAX);
    check(&0_u16, &u16::MAX);
    check(&0_u32, &u32::MAX);
    check(&0_u64, &u64::MAX);
    check(&0_i32, &i32::MIN);
    check(&0_i64, &i64::MIN);
    check(&false, &true);
    check(&text(""), &text("päckchen"));
    check(&String::new(), &"parcel".to_owned());
    check(&Box::new(0_u64), &Box::new(7));
    check(&Arc::new(0_u64), &Arc::new(7));
    check(&[0_i64; 3], &[1, 2, 3]);
    check(&(0_u8, text("")), &(1, text("a")));
    check(&(0_u8, 0_u32, false), &(1, 2, true));
    check(&(0_u8, 0_u32, false, text("")), &(1, 2, true, text("a")));
    check(&Vec::<u32>::new(), &vec![1, 2]);
    check(&Box::<[u32]>::default(), &Box::from([1, 2]));
    check(&BTreeMap::<u64, bool>::new(), &BTreeMap::from([(1, true), (2, false)]));
    check(&BTreeSet::<u64>::new(), &BTreeSet::from([1, 2]));
    check(&None::<u64>, &Some(0));
    check(&None::<i64>, &Some(-1));
    check(&None::<i32>, &Some(-1));
    check(&None::<(i64, i64)>, &Some((0, 1)));
    check(&None, &Some((text(""), text("b"))));
    check(&None, &Some(text("a")));
    check(&Role::Owner, &Role::Refused);
    check(&ExceptionState::Open, &ExceptionState::Discarded);
    check(&Outcome::Applied, &Outcome::Held);
    check(&None, &Some(Outcome::Held));
    check(&Fingerprint::default(), &Fingerprint([1, 2]));
    check(&None, &Some(Fingerprint::default()));
    check(&Side::Left, &Side::Right);
    let parcel = Parcel { name: text("b"), place: 3, limit: Some(0), weights: vec![(1, 2)], length: 1 };
    check(&Parcel::default(), &parcel);
    assert_eq!(Parcel::LEAST, 8 + 8 + 8 + 8);
    assert!(is_least::<Parcel>() && is_least::<Side>() && is_least::<(u64, Vec<Parcel>)>());
}

#[test]
fn forms_say_what_they_take() {
    for limit in [None, Some(0), Some(i64::MAX)] {
        assert_eq!(bytes_of::<OrNegative, _>(&limit), <OrNegative as Form<_>>::LEAST);
    }
    for range in [None, Some((1, 0)), Some((3, 9))] {
        assert_eq!(bytes_of::<OrZero, _>(&range), <OrZero as Form<_>>::LEAST);
    }
    assert_eq!(bytes_of::<Wide, _>(&u32::MAX), <Wide as Form<u32>>::LEAST);
    let bytes = |bytes: &[u8]| Box::<[u8]>::from(bytes);
    assert_eq!(bytes_of::<Bytes, _>(&bytes(&[])), <Bytes as Form<_>>::LEAST);
    assert_eq!(bytes_of::<Bytes, _>(&bytes(&[0xFF, 0])), <Bytes as Form<_>>::LEAST + 2);
    assert_eq!(bytes_of::<TextBytes, _>(&bytes(&[])), <TextBytes as Form<_>>::LEAST);
    assert_eq!(bytes_of::<TextBytes, _>(&bytes(b"ab")), <TextBytes as Form<_>>::LEAST + 2);
}

#[test]
fn a_layout_is_what_it_was_since_format_6() {
    let mut expected = Writer::default();
    expected.u8(0);
    expected.i64(0);
    expected.bytes(b"");
    expected.bytes(b"a");
    expected.u64(1);
    [5_u64, 6].save(&mut expected);
    expected.i64(-1);
    expected.u32(9);
    let mut writer = Writer::default();
    None::<i64>.save(&mut writer);
    None::<Box<str>>.save(&mut writer);
    Some(Box::<str>::from("a")).save(&mut writer);
    BTreeMap::from([(5_u64, 6_u64)]).save(&mut writer);
    OrNegative::save(&None, &mut writer);
    9_u16.save(&mut writer);
    assert_eq!(writer.finish(), expected.finish());
}

#[test]
fn what_could_not_have_been_written_is_not_read() {
    fn load<T: Image + Debug>(write: impl FnOnce(&mut Writer)) -> Result<T, SnapshotError> {
        let mut writer = Writer::default();
        write(&mut writer);
        T::load(&mut Reader::open(&writer.finish()).expect("it was just written"))
    }
    assert_eq!(load::<Side>(|writer| writer.u8(2)), Err(SnapshotError::Damaged("a side cannot be read")));
    assert!(load::<u16>(|writer| writer.u32(1 << 16)).is_err());
    assert!(load::<Outcome>(|writer| writer.u8(u8::MAX)).is_err());
    assert!(load::<Box<str>>(|writer| writer.bytes(&[0xFF])).is_err());
    // As many as fit are believed, and no more.
    assert_eq!(load(|writer| [2_u64, 7, 8].save(writer)), Ok(vec![7_u64, 8]));
    assert!(load::<Vec<u64>>(|writer| [3_u64, 7, 8].save(writer)).is_err());
    assert!(load::<Vec<Parcel>>(|writer| [u64::MAX, 0, 0, 0].save(writer)).is_err());
}
