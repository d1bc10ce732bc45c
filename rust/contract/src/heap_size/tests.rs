use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::{SmallVec, smallvec};

use super::{HeapSize, flat, heap_size, shared};

const BOX: usize = size_of::<Box<str>>();
const STRING: usize = size_of::<String>();

/// A text of so many bytes.
fn text(bytes: usize) -> Box<str> {
    "x".repeat(bytes).into()
}

#[test]
fn what_is_flat_or_borrowed_holds_nothing() {
    let long = text(100);
    assert_eq!(((), true, 'c', 1_u8).heap_bytes(), 0);
    assert_eq!((1_i128, 1_usize, -1_i8).heap_bytes(), 0);
    assert_eq!((&*long, 0).heap_bytes(), 0);
    assert_eq!((Cow::Borrowed(&*long), [[0_u64; 9]; 9], 1..7_usize).heap_bytes(), 0);
    assert_eq!((None::<String>, String::new(), Box::<str>::default(), Vec::<String>::new()).heap_bytes(), 0);
    assert_eq!((BTreeMap::<u64, String>::new(), BTreeSet::<u64>::new()).heap_bytes(), 0);
    assert_eq!((HashTable::<u64>::new(), SmallVec::<[String; 2]>::new(), VecDeque::<u8>::new()).heap_bytes(), 0);
}

#[test]
fn texts_count_what_they_have_room_for() {
    let mut roomy = String::with_capacity(50);
    roomy.push('x');
    assert_eq!((text(7).heap_bytes(), roomy.heap_bytes()), (7, 50));
    assert_eq!((Cow::Owned::<str>(roomy).heap_bytes(), Some(text(7)).heap_bytes()), (50, 7));
}

#[test]
fn boxes_count_what_they_lead_to() {
    assert_eq!(Box::new([0_u64; 3]).heap_bytes(), 24);
    assert_eq!(Box::new(text(7)).heap_bytes(), BOX + 7);
    assert_eq!(vec![0_u32; 5].into_boxed_slice().heap_bytes(), 20);
    assert_eq!(vec![text(7), text(2)].into_boxed_slice().heap_bytes(), 2 * BOX + 9);
}

#[test]
fn lists_count_their_room_and_what_is_in_it() {
    let mut list = Vec::with_capacity(10);
    list.extend([text(7), text(2)]);
    assert_eq!(list.heap_bytes(), 10 * BOX + 9);
    assert_eq!(VecDeque::from(list.clone()).heap_bytes(), 2 * BOX + 9);
    let heap: BinaryHeap<_> = list.iter().cloned().map(Reverse).collect();
    assert_eq!(heap.heap_bytes(), heap.capacity() * BOX + 9);
    assert_eq!([text(7), text(2)].heap_bytes(), 9);
    assert_eq!((text(7), 1, (text(2),), [text(1)]).heap_bytes(), 10);
    assert_eq!(Vec::<u16>::with_capacity(10).heap_bytes(), 20);
}

#[test]
fn short_lists_count_their_room_once_they_have_outgrown_themselves() {
    let mut list: SmallVec<[Box<str>; 2]> = smallvec![text(7), text(2)];
    assert_eq!(list.heap_bytes(), 9);
    list.push(text(1));
    assert_eq!(list.heap_bytes(), list.capacity() * BOX + 10);
}

#[test]
fn tables_count_their_room_and_what_is_in_it() {
    let mut table = HashTable::new();
    for length in 1..=3 {
        table.insert_unique(length, text(3), |name| name.len() as u64);
    }
    assert_eq!(table.heap_bytes(), table.allocation_size() + 9);
    assert!(table.allocation_size() >= 3 * BOX);
}

#[test]
fn trees_count_their_nodes_and_what_is_in_them() {
    // A leaf: eleven entries, a way to its parent, two numbers of two bytes, in words.
    let leaf = 11 * (8 + STRING) + 16;
    let tree = |entries: u64| (0..entries).map(|key| (key, "xy".repeat(4))).collect::<BTreeMap<_, _>>();
    assert_eq!(tree(1).heap_bytes(), leaf + 8);
    assert_eq!(tree(11).heap_bytes(), leaf + 11 * 8);
    // Two leaves of seven entries and more, and a root that leads to twelve.
    assert_eq!(tree(12).heap_bytes(), 2 * leaf + (leaf + 12 * 8) + 12 * 8);
    let set: BTreeSet<_> = [text(7), text(2)].into();
    assert_eq!(set.heap_bytes(), 11 * BOX + 16 + 9);
    let named: BTreeMap<_, _> = [(text(7), vec![text(2)])].into();
    assert_eq!(named.heap_bytes(), 11 * (BOX + size_of::<Vec<Box<str>>>()) + 16 + 7 + BOX + 2);
}

#[derive(Clone, Copy)]
enum Size {
    Small,
    Large,
}

flat!(Size);

struct Label(Box<str>, u8);

heap_size!(Label(text, number));

enum Goal {
    Nowhere,
    Place(Box<str>),
    Range(i64, String),
}

heap_size!(Goal = Nowhere | Place(name) | Range(number, name));

struct Parcel<'a> {
    sender: &'a str,
    size: Size,
    label: Option<Box<Label>>,
    contents: Vec<(Box<str>, i64)>,
    route: Arc<str>,
}

heap_size!(Parcel<'_> { sender, size, label, contents; route });

#[test]
fn a_struct_counts_its_fields_but_for_those_that_are_not_counted_here() {
    let parcel = Parcel {
        sender: "somebody with a long name",
        size: Size::Large,
        label: Some(Box::new(Label(text(7), 1))),
        contents: vec![(text(2), 1), (text(1), 2)],
        route: "a long way".into(),
    };
    let contents = 2 * size_of::<(Box<str>, i64)>() + 3;
    assert_eq!(parcel.heap_bytes(), size_of::<Label>() + 7 + contents);
    assert_eq!((parcel.sender.len(), parcel.route.len(), Size::Small.heap_bytes()), (25, 10, 0));
    let bytes = parcel.heap_bytes();
    assert_eq!(shared(&Arc::new(parcel)), 2 * size_of::<usize>() + size_of::<Parcel<'_>>() + bytes);
}

#[test]
fn an_enum_counts_the_fields_of_what_it_is() {
    let goals = [Goal::Nowhere, Goal::Place(text(7)), Goal::Range(1, "xy".repeat(2))];
    assert_eq!(goals.each_ref().map(Goal::heap_bytes), [0, 7, 4]);
}
