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
