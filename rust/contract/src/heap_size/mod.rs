//! Heap size: what a value holds beside its own bytes, for the accounts of memory. A type names all of its fields, so
//! that none is forgotten.

mod std_types;
#[cfg(test)]
mod tests;

use std::sync::Arc;

/// Bytes that a value holds beside its own, on the heap. An [`Arc`] has no such count: one of its owners counts it, by
/// [`shared`].
pub trait HeapSize {
    /// Counts them.
    fn heap_bytes(&self) -> usize;
}

/// What an [`Arc`] leads to: the two counts of its owners, the value, and what that holds.
pub fn shared<T: HeapSize>(value: &Arc<T>) -> usize {
    2 * size_of::<usize>() + size_of::<T>() + T::heap_bytes(value)
}

/// Implements [`HeapSize`] for a struct, or for an enum, by all of its fields: one that is forgotten does not compile.
/// Behind a semicolon those that are not counted here.
#[macro_export]
macro_rules! heap_size {
    ($type:ident = $($variant:ident $(($($field:ident),+))?)|+) => {
        impl $crate::heap_size::HeapSize for $type {
            fn heap_bytes(&self) -> usize {
                match self {
                    $(Self::$variant $(($($field),+))? => {
                        0 $($(+ $crate::heap_size::HeapSize::heap_bytes($field))+)?
                    })+
                }
            }
        }
    };
    ($type:ident($($field:ident),+)) => {
        impl $crate::heap_size::HeapSize for $type {
            fn heap_bytes(&self) -> usize {
                let Self($($field),+) = self;
                0 $(+ $crate::heap_size::HeapSize::heap_bytes($field))+
            }
        }
    };
    ($type:ty { $($field:ident),+ $(,)? $(; $($other:ident),+)? }) => {
        impl $crate::heap_size::HeapSize for $type {
            fn heap_bytes(&self) -> usize {
                let Self { $($field,)+ $($($other: _,)+)? } = self;
                0 $(+ $crate::heap_size::HeapSize::heap_bytes($field))+
            }
        }
    };
}

pub use heap_size;

/// Implements [`HeapSize`] for types that hold nothing. One that has something to drop does not compile.
#[macro_export]
macro_rules! flat {
    ($($type:ty),+ $(,)?) => {$(
        const _: () = assert!(!std::mem::needs_drop::<$type>(), "what is dropped holds something");

        impl $crate::heap_size::HeapSize for $type {
            #[inline]
            fn heap_bytes(&self) -> usize {
                0
            }
        }
    )+};
}

pub use flat;

/// Entries of a node in the standard library's trees, and how many are filled when entries come in order.
const TREE_NODE_MAX: usize = 11;
const TREE_NODE_IN_ORDER: usize = 7;
/// What a node has beside its entries: the way to its parent, its place there, its count.
const TREE_NODE_HEAD_BYTES: usize = size_of::<usize>() + 4;

/// A text that may be absent.
pub fn text(text: Option<&str>) -> usize {
    text.map_or(0, str::len)
}

/// A list without what its entries lead to.
pub const fn list<T>(list: &Vec<T>) -> usize {
    list.capacity() * size_of::<T>()
}

/// A tree without what its entries lead to: exact for few entries, about right for many, since how full nodes are
/// depends on how they came about.
pub const fn tree<K, V>(entries: usize) -> usize {
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
