//! One NumPy array as the memory of a column: which of NumPy's types stand for which of the engine's, and where a
//! value is missing.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::IntoPyDict;
use tallystick_engine::read::columns::{ColumnKind, Memory, TextLayout};

use crate::input::Bytes;

/// An array's copy.
pub(crate) struct Array {
    pub(crate) kind: ColumnKind,
    pub(crate) length: usize,
    validity: Option<PyBackedBytes>,
    buffers: Vec<Bytes>,
}

impl Array {
    /// Copies what `numpy.asarray` makes of a value. Masked values and `NaT` are missing ones.
    pub(crate) fn read(numpy: &Bound<'_, PyModule>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let array = numpy.call_method1("asarray", (value,))?;
        if array.getattr("ndim")?.extract::<usize>()? != 1 {
            return Err(PyTypeError::new_err(format!("column {name:?} has more or fewer than one dimension")));
        }
        let dtype = array.getattr("dtype")?;
        let width = dtype.getattr("itemsize")?.extract::<usize>()?;
        let length = array.len()?;
        let plain = |kind: ColumnKind| -> PyResult<Self> {
            let native = array.call_method1("astype", (dtype.call_method1("newbyteorder", ("=",))?,))?;
            Ok(Self { kind, length, validity: masked(numpy, value)?, buffers: vec![bytes(&native)?] })
        };
        match dtype.getattr("kind")?.extract::<char>()? {
            'i' => plain(ColumnKind::Integer { width, is_signed: true }),
            'u' => plain(ColumnKind::Integer { width, is_signed: false }),
            'S' => plain(ColumnKind::Text(TextLayout::Padded(width))),
            'U' => {
                let copy = plain(ColumnKind::Other)?;
                let buffers = value.py().detach(|| utf8_of(&copy.buffers[0], length));
                Ok(Self { kind: ColumnKind::Text(TextLayout::Offsets64), buffers, ..copy })
            }
            'M' => {
                let copy = plain(instant_kind(numpy, &dtype)?)?;
                let copy = if copy.kind == ColumnKind::Day {
                    Self { buffers: vec![days(numpy, &array)?], ..copy }
                } else {
                    copy
                };
                let missing = numpy.call_method1("isnat", (&array,))?;
                let validity = match copy.validity {
                    None => valid(numpy, &numpy.call_method1("logical_not", (missing,))?)?,
                    masked => masked,
                };
                Ok(Self { validity, ..copy })
            }
            'f' => Ok(Self { kind: ColumnKind::Float, length, validity: None, buffers: Vec::new() }),
            'O' => Err(PyTypeError::new_err(format!(
                "column {name:?} holds Python objects: give strings of a fixed width (dtype 'S' or 'U'), (codes, categories), or Arrow columns"
            ))),
            _ => Ok(Self { kind: ColumnKind::Other, length, validity: None, buffers: Vec::new() }),
        }
    }

    /// Copies codes; negative ones name nothing.
    pub(crate) fn read_codes(numpy: &Bound<'_, PyModule>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let codes = Self::read(numpy, name, value)?;
        if !matches!(codes.kind, ColumnKind::Integer { .. }) {
            return Err(PyTypeError::new_err(format!("column {name:?}: codes are integers")));
        }
        let validity = match codes.validity {
            None => valid(numpy, &numpy.call_method1("greater_equal", (value, 0))?)?,
            masked => masked,
        };
        Ok(Self { validity, ..codes })
    }

    /// An array of one text.
    pub(crate) fn of_text(text: &str) -> Self {
        let end = i64::try_from(text.len()).unwrap_or(i64::MAX);
        let offsets = [0_i64, end].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        let buffers = vec![Bytes::Copied(offsets), Bytes::Copied(text.as_bytes().to_vec())];
        Self { kind: ColumnKind::Text(TextLayout::Offsets64), length: 1, validity: None, buffers }
    }

    /// The array's memory.
    pub(crate) fn memory(&self) -> Memory<'_> {
        Memory {
            rows: self.length,
            offset: 0,
            validity: self.validity.as_deref().map(|bits| (bits, 0)),
            buffers: self.buffers.iter().map(|buffer| &**buffer).collect(),
        }
    }
}

fn bytes(array: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    Ok(Bytes::Borrowed(array.call_method0("tobytes")?.extract()?))
}

/// The bits of an array of bools; nothing if all are true.
fn valid(numpy: &Bound<'_, PyModule>, valid: &Bound<'_, PyAny>) -> PyResult<Option<PyBackedBytes>> {
    if valid.call_method0("all")?.is_truthy()? {
        return Ok(None);
    }
    let lowest_first = [("bitorder", "little")].into_py_dict(valid.py())?;
    let bits = numpy.call_method("packbits", (valid,), Some(&lowest_first))?;
    Ok(Some(bits.call_method0("tobytes")?.extract()?))
}

/// Which values a mask leaves, if there is one.
fn masked(numpy: &Bound<'_, PyModule>, value: &Bound<'_, PyAny>) -> PyResult<Option<PyBackedBytes>> {
    let masked = numpy.getattr("ma")?;
    if !value.is_instance(&masked.getattr("MaskedArray")?)? {
        return Ok(None);
    }
    let mask = masked.call_method1("getmaskarray", (value,))?;
    valid(numpy, &numpy.call_method1("logical_not", (mask,))?)
}

/// NumPy's instants carry no zone and count in UTC.
fn instant_kind(numpy: &Bound<'_, PyModule>, dtype: &Bound<'_, PyAny>) -> PyResult<ColumnKind> {
    let (unit, count) = numpy.call_method1("datetime_data", (dtype,))?.extract::<(String, i64)>()?;
    let unit_ns = match (&*unit, count) {
        ("s", 1) => 1_000_000_000,
        ("ms", 1) => 1_000_000,
        ("us", 1) => 1_000,
        ("ns", 1) => 1,
        ("D", 1) => return Ok(ColumnKind::Day),
        _ => return Ok(ColumnKind::Other),
    };
    Ok(ColumnKind::Instant { unit_ns, has_zone: true })
}

/// Days of 64 bits as the engine's days of 32; those beyond stay beyond any calendar.
fn days(numpy: &Bound<'_, PyModule>, array: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let days = array.call_method1("astype", ("datetime64[D]",))?.call_method1("astype", ("int64",))?;
    let days = numpy.call_method1("clip", (days, i32::MIN, i32::MAX))?;
    bytes(&days.call_method1("astype", ("int32",))?)
}

/// Texts of 32 bits per character as offsets and UTF-8. What is no character stays no text.
fn utf8_of(characters: &[u8], length: usize) -> Vec<Bytes> {
    let mut texts = Vec::with_capacity(characters.len() / 4);
    let mut offsets = Vec::with_capacity(8 * (length + 1));
    offsets.extend_from_slice(&0_i64.to_le_bytes());
    for row in 0..length {
        let width = characters.len() / length;
        let (padded, _) = characters[row * width..(row + 1) * width].as_chunks::<4>();
        let codes = padded.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let used = padded.iter().rposition(|bytes| *bytes != [0; 4]).map_or(0, |last| last + 1);
        for code in codes.take(used) {
            match char::from_u32(code) {
                Some(character) => texts.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => texts.push(0xFF),
            }
        }
        offsets.extend_from_slice(&i64::try_from(texts.len()).unwrap_or(i64::MAX).to_le_bytes());
    }
    vec![Bytes::Copied(offsets), Bytes::Copied(texts)]
}
