//! Images of the standard library's types.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Absent, Image, OUT_OF_RANGE};
use crate::wire::{Reader, SnapshotError, Writer};

/// Numbers in the bytes that they have.
macro_rules! numbers {
    ($($number:ident),+) => {$(
        impl Image for $number {
            const LEAST: usize = size_of::<Self>();

            #[inline]
            fn save(&self, writer: &mut Writer) {
                writer.$number(*self);
            }

            #[inline]
            fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
                reader.$number()
            }
        }
    )+};
}

numbers!(u8, u32, u64, i64);

/// Numbers that stand as longer ones.
macro_rules! widened {
    ($($number:ident as $wide:ident),+) => {$(
        impl Image for $number {
            const LEAST: usize = $wide::LEAST;

            fn save(&self, writer: &mut Writer) {
                $wide::from(*self).save(writer);
            }

            fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
                Self::try_from($wide::load(reader)?).map_err(|_| OUT_OF_RANGE)
            }
        }
    )+};
}

widened!(u16 as u32, i32 as i64);

impl Image for bool {
    const LEAST: usize = u8::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.u8(u8::from(*self));
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(reader.u8()? == 1)
    }
}

impl Image for Box<str> {
    const LEAST: usize = u64::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.bytes(self.as_bytes());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(reader.text()?.into())
    }
}

impl Image for String {
    const LEAST: usize = u64::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.bytes(self.as_bytes());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(reader.text()?.into_owned())
    }
}

/// What it leads to.
macro_rules! pointers {
    ($($pointer:ident),+) => {$(
        impl<T: Image> Image for $pointer<T> {
            const LEAST: usize = T::LEAST;

            fn save(&self, writer: &mut Writer) {
                T::save(self, writer);
            }

            fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
                T::load(reader).map(Self::new)
            }
        }
    )+};
}

pointers!(Box, Arc);

impl<T: Image, const N: usize> Image for [T; N] {
    const LEAST: usize = N * T::LEAST;

    fn save(&self, writer: &mut Writer) {
        for value in self {
            value.save(writer);
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut values = [const { None }; N];
        for value in &mut values {
            *value = Some(T::load(reader)?);
        }
        Ok(values.map(|value| value.expect("each was read")))
    }
}

/// One after the other.
macro_rules! tuples {
    ($(($($part:ident $number:tt),+)),+) => {$(
        impl<$($part: Image),+> Image for ($($part,)+) {
            const LEAST: usize = 0 $(+ $part::LEAST)+;

            fn save(&self, writer: &mut Writer) {
                $(self.$number.save(writer);)+
            }

            fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
                Ok(($($part::load(reader)?,)+))
            }
        }
    )+};
}

tuples!((A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));

impl<T: Image> Image for Vec<T> {
    const LEAST: usize = u64::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.each(self.iter());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        reader.each()?.collect()
    }
}

impl<T: Image> Image for Box<[T]> {
    const LEAST: usize = u64::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.each(self.iter());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Vec::load(reader).map(Into::into)
    }
}

impl<K: Image + Ord, V: Image> Image for BTreeMap<K, V> {
    const LEAST: usize = u64::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.u64(self.len() as u64);
        for (key, value) in self {
            key.save(writer);
            value.save(writer);
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut map = Self::new();
        for entry in reader.each()? {
            // One by one, so that its nodes are filled as those of the map that was written.
            let (key, value) = entry?;
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl<T: Image + Ord> Image for BTreeSet<T> {
    const LEAST: usize = u64::LEAST;

    fn save(&self, writer: &mut Writer) {
        writer.each(self.iter());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut set = Self::new();
        for value in reader.each()? {
            set.insert(value?);
        }
        Ok(set)
    }
}

impl<T: Absent> Image for Option<T> {
    const LEAST: usize = T::LEAST_OR_NONE;

    fn save(&self, writer: &mut Writer) {
        T::save_or_none(self.as_ref(), writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        T::load_or_none(reader)
    }
}

/// An empty text stands for none.
impl Absent for Box<str> {
    const LEAST_OR_NONE: usize = Self::LEAST;

    fn save_or_none(value: Option<&Self>, writer: &mut Writer) {
        writer.bytes(value.map_or(&[], |text| text.as_bytes()));
    }

    fn load_or_none(reader: &mut Reader<'_>) -> Result<Option<Self>, SnapshotError> {
        let text = reader.text()?;
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

/// Implements [`Absent`]: whether it is there, and then the value; for none, what the type has where nothing is said.
#[macro_export]
macro_rules! flagged {
    ($($type:ty),+) => {$(
        impl $crate::image::Absent for $type {
            const LEAST_OR_NONE: usize = <(bool, Self) as $crate::image::Image>::LEAST;

            fn save_or_none(value: Option<&Self>, writer: &mut $crate::wire::Writer) {
                $crate::image::Image::save(&value.is_some(), writer);
                match value {
                    Some(value) => $crate::image::Image::save(value, writer),
                    None => $crate::image::Image::save(&Self::default(), writer),
                }
            }

            fn load_or_none(reader: &mut $crate::wire::Reader<'_>) -> Result<Option<Self>, $crate::wire::SnapshotError> {
                let (is_there, value) = $crate::image::Image::load(reader)?;
                Ok(Some(value).filter(|_| is_there))
            }
        }
    )+};
}

pub use flagged;

flagged!(u64, i64, i32, (i64, i64), (i64, u32), (Box<str>, Box<str>));
