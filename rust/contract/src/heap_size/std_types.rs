//! What collections take from the ordinary allocator.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::mem::needs_drop;
use std::ops::Range;

use hashbrown::HashTable;
use smallvec::{Array, SmallVec};

use super::{HeapSize, flat};

// Of references only those to texts: else a reference to an `Arc` would have a count, and it would be nothing.
flat!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, str, &str);

/// What values hold. Those that have nothing to drop hold nothing, and a long list of them is not walked through.
fn held<'v, T: HeapSize + 'v>(values: impl IntoIterator<Item = &'v T>) -> usize {
    if needs_drop::<T>() { values.into_iter().map(T::heap_bytes).sum() } else { 0 }
}

impl<T: HeapSize> HeapSize for [T] {
    fn heap_bytes(&self) -> usize {
        held(self)
    }
}

impl<T: HeapSize, const N: usize> HeapSize for [T; N] {
    fn heap_bytes(&self) -> usize {
        held(self)
    }
}

/// One after the other.
macro_rules! tuples {
    ($(($($part:ident $number:tt),+)),+) => {$(
        impl<$($part: HeapSize),+> HeapSize for ($($part,)+) {
            fn heap_bytes(&self) -> usize {
                0 $(+ self.$number.heap_bytes())+
            }
        }
    )+};
}

tuples!((A 0), (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));

impl<T: HeapSize> HeapSize for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}

impl<T: HeapSize> HeapSize for Reverse<T> {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl<T: HeapSize> HeapSize for Range<T> {
    fn heap_bytes(&self) -> usize {
        self.start.heap_bytes() + self.end.heap_bytes()
    }
}

impl<T: HeapSize + ?Sized> HeapSize for Box<T> {
    fn heap_bytes(&self) -> usize {
        size_of_val(&**self) + T::heap_bytes(self)
    }
}

impl HeapSize for String {
    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

impl HeapSize for Cow<'_, str> {
    fn heap_bytes(&self) -> usize {
        match self {
            Cow::Borrowed(text) => text.heap_bytes(),
            Cow::Owned(text) => text.heap_bytes(),
        }
    }
}

impl<T: HeapSize> HeapSize for Vec<T> {
    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + held(self)
    }
}

impl<T: HeapSize> HeapSize for VecDeque<T> {
    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + held(self)
    }
}

impl<T: HeapSize> HeapSize for BinaryHeap<T> {
    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + held(self)
    }
}

/// As long as its values have room in the list itself, they take nothing else.
impl<A: Array<Item: HeapSize>> HeapSize for SmallVec<A> {
    fn heap_bytes(&self) -> usize {
        let spilled = if self.spilled() { self.capacity() * size_of::<A::Item>() } else { 0 };
        spilled + held(self)
    }
}

impl<T: HeapSize> HeapSize for HashTable<T> {
    fn heap_bytes(&self) -> usize {
        self.allocation_size() + held(self)
    }
}

impl<K: HeapSize, V: HeapSize> HeapSize for BTreeMap<K, V> {
    fn heap_bytes(&self) -> usize {
        nodes::<K, V>(self.len()) + held(self.keys()) + held(self.values())
    }
}

impl<T: HeapSize> HeapSize for BTreeSet<T> {
    fn heap_bytes(&self) -> usize {
        nodes::<T, ()>(self.len()) + held(self)
    }
}

/// Entries of a node in the standard library's trees, and how many are filled when entries come in order.
const TREE_NODE_MAX: usize = 11;
const TREE_NODE_IN_ORDER: usize = 7;
/// What a node has beside its entries: the way to its parent, its place there, its count.
const TREE_NODE_HEAD_BYTES: usize = size_of::<usize>() + 4;

/// The nodes of a tree: exact for few entries, about right for many, since how full nodes are depends on how they came
/// about.
const fn nodes<K, V>(entries: usize) -> usize {
    let leaf = (TREE_NODE_MAX * (size_of::<K>() + size_of::<V>()) + TREE_NODE_HEAD_BYTES).next_multiple_of(8);
    if entries <= TREE_NODE_MAX {
        return if entries == 0 { 0 } else { leaf };
    }
    // Every node but the last of its level gives an entry to the one above it.
    let mut nodes = entries.div_ceil(TREE_NODE_IN_ORDER);
    let mut bytes = nodes * leaf;
    while nodes > 1 {
        nodes = nodes.div_ceil(TREE_NODE_IN_ORDER);
        bytes += nodes * (leaf + (TREE_NODE_MAX + 1) * size_of::<usize>());
    }
    bytes
}
