//! Image: how a value stands in a snapshot. A type says how many bytes it takes at least, writes itself and reads
//! itself, so that its layout stands in one place.

mod std_types;
#[cfg(test)]
mod tests;
mod words;

use crate::wire::{Reader, SnapshotError, Writer};

pub use std_types::flagged;

/// A value as it stands in a snapshot.
///
/// ```
/// use tallystick_tables::image::{Image, image};
/// use tallystick_tables::wire::{Reader, Writer};
///
/// #[derive(Debug, PartialEq)]
/// struct Count { quantity: i64, source: String }
/// image!(Count { quantity, source });
///
/// let mut writer = Writer::default();
/// let count = Count { quantity: 5_000, source: "wms".into() };
/// count.save(&mut writer);
/// assert_eq!(Count::load(&mut Reader::open(&writer.finish()).unwrap()), Ok(count));
/// assert_eq!(Count::LEAST, 16); // the quantity, and how long the source is
/// ```
pub trait Image: Sized {
    /// Bytes of the smallest value: what a count of them is bounded by before it is believed.
    const LEAST: usize;

    /// Writes the value.
    fn save(&self, writer: &mut Writer);

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    fn load(reader: &mut Reader<'_>) -> Result<Self, SnapshotError>;
}

/// A value that may be absent, as it stands in a snapshot: an [`Image`] of `Option<Self>`.
pub trait Absent: Sized {
    /// Bytes of the smallest value, or of none.
    const LEAST_OR_NONE: usize;

    /// Writes the value, or that there is none.
    fn save_or_none(value: Option<&Self>, writer: &mut Writer);

    /// Reads what [`Self::save_or_none`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    fn load_or_none(reader: &mut Reader<'_>) -> Result<Option<Self>, SnapshotError>;
}

/// A layout for values of a type that is not their own.
pub trait Form<T> {
    /// Bytes of the smallest value.
    const LEAST: usize;

    /// Writes a value.
    fn save(value: &T, writer: &mut Writer);

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// When it could not have been written.
    fn load(reader: &mut Reader<'_>) -> Result<T, SnapshotError>;
}

/// The layout that a type has itself.
#[derive(Debug)]
pub enum Own {}

impl<T: Image> Form<T> for Own {
    const LEAST: usize = T::LEAST;

    fn save(value: &T, writer: &mut Writer) {
        value.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<T, SnapshotError> {
        T::load(reader)
    }
}

/// A number that is never below zero, and is so for none.
#[derive(Debug)]
pub enum OrNegative {}

impl Form<Option<i64>> for OrNegative {
    const LEAST: usize = i64::LEAST;

    fn save(value: &Option<i64>, writer: &mut Writer) {
        writer.i64(value.unwrap_or(-1));
    }

    fn load(reader: &mut Reader<'_>) -> Result<Option<i64>, SnapshotError> {
        Ok(Some(reader.i64()?).filter(|number| *number >= 0))
    }
}

/// Two numbers, of which the first is zero for none.
#[derive(Debug)]
pub enum OrZero {}

impl Form<Option<(u64, u64)>> for OrZero {
    const LEAST: usize = <(u64, u64)>::LEAST;

    fn save(value: &Option<(u64, u64)>, writer: &mut Writer) {
        value.unwrap_or_default().save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Option<(u64, u64)>, SnapshotError> {
        Ok(Some(Image::load(reader)?).filter(|(first, _)| *first > 0))
    }
}

/// A number in twice the bytes that it has.
#[derive(Debug)]
pub enum Wide {}

impl Form<u32> for Wide {
    const LEAST: usize = u64::LEAST;

    fn save(value: &u32, writer: &mut Writer) {
        writer.u64((*value).into());
    }

    fn load(reader: &mut Reader<'_>) -> Result<u32, SnapshotError> {
        u32::try_from(reader.u64()?).map_err(|_| OUT_OF_RANGE)
    }
}

/// Bytes in one piece, behind their number.
#[derive(Debug)]
pub enum Bytes {}

impl Form<Box<[u8]>> for Bytes {
    const LEAST: usize = u64::LEAST;

    fn save(value: &Box<[u8]>, writer: &mut Writer) {
        writer.bytes(value);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Box<[u8]>, SnapshotError> {
        reader.owned()
    }
}

/// Bytes that must be text.
#[derive(Debug)]
pub enum TextBytes {}

impl Form<Box<[u8]>> for TextBytes {
    const LEAST: usize = u64::LEAST;

    fn save(value: &Box<[u8]>, writer: &mut Writer) {
        writer.bytes(value);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Box<[u8]>, SnapshotError> {
        Ok(reader.text()?.into_owned().into_bytes().into())
    }
}

const OUT_OF_RANGE: SnapshotError = SnapshotError::Damaged("a number is out of range");

impl Writer {
    /// Appends values one after the other, behind their number.
    pub fn each<'v, T: Image + 'v>(&mut self, values: impl ExactSizeIterator<Item = &'v T>) {
        self.u64(values.len() as u64);
        values.for_each(|value| value.save(self));
    }
}

impl Reader<'_> {
    /// Reads a number of values, and then each of them as it is asked for.
    ///
    /// # Errors
    /// When there cannot be so many; of each, when it could not have been written.
    pub fn each<T: Image>(&mut self) -> Result<impl Iterator<Item = Result<T, SnapshotError>>, SnapshotError> {
        let count = self.count(T::LEAST)?;
        Ok((0..count).map(move |_| T::load(self)))
    }
}

/// Whether so many zeros are a value as a value takes at least, no fewer are, and it takes as many when it is written.
/// For tests.
#[doc(hidden)]
pub fn is_least<T: Image>() -> bool {
    let write = |save: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::default();
        save(&mut writer);
        writer.finish()
    };
    let zeros = |count: usize| write(&|writer| writer.raw(&vec![0; count]));
    let load = |bytes: &[u8]| {
        let mut reader = Reader::open(bytes).ok()?;
        let value = T::load(&mut reader).ok()?;
        reader.finish().ok().map(|()| value)
    };
    let least = zeros(T::LEAST);
    load(&least).is_some_and(|value| write(&|writer| value.save(writer)).len() == least.len())
        && load(&zeros(T::LEAST - 1)).is_none()
}

/// What a field takes at least in a form. The field is shown and not named by its type, so that the type stands in the
/// struct alone.
#[doc(hidden)]
pub const fn least_of<F: Form<T>, S, T>(_: fn(&S) -> &T) -> usize {
    F::LEAST
}

/// Reads a field in a form. It is shown as for [`least_of`].
///
/// # Errors
/// When it could not have been written.
#[doc(hidden)]
#[inline]
pub fn load_of<F: Form<T>, S, T>(_: fn(&S) -> &T, reader: &mut Reader<'_>) -> Result<T, SnapshotError> {
    F::load(reader)
}

/// Implements [`Image`] for a struct: its fields in the order in which they stand in a snapshot, `field as Form` where
/// one has another layout than its own. Behind a semicolon those that do not stand there, with what they are read as.
#[macro_export]
macro_rules! image {
    ($type:ty { $($field:ident $(as $form:ty)?),+ $(; $($other:ident = $value:expr),+)? }) => {
        impl $crate::image::Image for $type {
            const LEAST: usize =
                0 $(+ $crate::image::least_of::<$crate::image::form!($($form)?), Self, _>(|value| &value.$field))+;

            fn save(&self, writer: &mut $crate::wire::Writer) {
                $(<$crate::image::form!($($form)?) as $crate::image::Form<_>>::save(&self.$field, writer);)+
            }

            fn load(reader: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::SnapshotError> {
                $(
                    let $field =
                        $crate::image::load_of::<$crate::image::form!($($form)?), Self, _>(|value| &value.$field, reader)?;
                )+
                Ok(Self { $($($other: $value,)+)? $($field,)+ })
            }
        }
    };
}

pub use image;

/// The form that a field names, or its type's own.
#[doc(hidden)]
#[macro_export]
macro_rules! form {
    () => {
        $crate::image::Own
    };
    ($form:ty) => {
        $form
    };
}

#[doc(hidden)]
pub use form;

/// Implements [`Image`] for an enum: a byte with its number, of which all are listed in their order.
#[macro_export]
macro_rules! numbered {
    ($type:ty, $all:expr, $none:literal) => {
        impl $crate::image::Image for $type {
            const LEAST: usize = <u8 as $crate::image::Image>::LEAST;

            fn save(&self, writer: &mut $crate::wire::Writer) {
                writer.u8(*self as u8);
            }

            fn load(reader: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::SnapshotError> {
                let number = usize::from(reader.u8()?);
                $all.get(number).copied().ok_or($crate::wire::SnapshotError::Damaged($none))
            }
        }
    };
}

pub use numbered;
