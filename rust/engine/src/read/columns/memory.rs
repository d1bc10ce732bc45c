//! The memory of one column as the Arrow format lays it out: bits, numbers, texts. Every access is checked against the
//! bytes that are there.

use tallystick_contract::limits::EVENT_BYTES_MAX;

use crate::read::columns::column::Answer;
use crate::read::decode::has_control;
use crate::read::malformed::Malformed;
/// How texts lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextLayout {
    /// Offsets of 32 bits, then all texts in a row.
    Offsets32,
    /// Offsets of 64 bits, then all texts in a row.
    Offsets64,
    /// Views of 16 bytes, then any number of buffers.
    Views,
    /// A fixed number of bytes each, filled up with NULs, as NumPy keeps them.
    Padded(usize),
}

/// What a column lies in.
#[derive(Debug, Clone)]
pub struct Memory<'a> {
    /// Rows that it has.
    pub rows: usize,
    /// Values before the first row.
    pub offset: usize,
    /// One bit per row, set where there is a value, and the bits before the first row's. Without it, every row has one.
    pub validity: Option<(&'a [u8], usize)>,
    /// The format's own buffers, without the validity.
    pub buffers: Vec<&'a [u8]>,
}

const TOO_SHORT: Malformed = Malformed::of_element("a column's memory is shorter than its rows");

impl<'a> Memory<'a> {
    /// A buffer that holds `width` bytes for each of the rows and for `more` values behind them.
    pub(crate) fn buffer(&self, number: usize, width: usize, more: usize) -> Result<&'a [u8], Malformed> {
        let buffer = self.buffers.get(number).copied().unwrap_or_default();
        let values = self.rows.checked_add(self.offset).and_then(|values| values.checked_add(more));
        let bytes = values.and_then(|values| values.checked_mul(width)).ok_or(TOO_SHORT)?;
        if buffer.len() < bytes && self.rows > 0 { Err(TOO_SHORT) } else { Ok(buffer) }
    }

    /// The bits of the validity.
    pub(crate) fn bits(&self) -> Result<Option<Bits<'a>>, Malformed> {
        let Some((bytes, offset)) = self.validity else { return Ok(None) };
        let bits = self.rows.checked_add(offset).ok_or(TOO_SHORT)?;
        if bytes.len() < bits.div_ceil(8) { Err(TOO_SHORT) } else { Ok(Some(Bits { bytes, offset })) }
    }
}

/// One bit per row, lowest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Bits<'_> {
    pub(crate) fn is_set(&self, row: usize) -> bool {
        let bit = self.offset + row;
        self.bytes.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }
}

/// Whole numbers of one width, little endian.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a> {
    bytes: &'a [u8],
    width: usize,
    is_signed: bool,
}

impl<'a> Numbers<'a> {
    pub(crate) fn new(memory: &Memory<'a>, width: usize, is_signed: bool) -> Result<Self, Malformed> {
        let bytes = memory.buffer(0, width, 0)?;
        let bytes = bytes.get(memory.offset * width..).unwrap_or_default();
        Ok(Self { bytes, width, is_signed })
    }

    /// The number of a row; zero behind the end, where no row is.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> i128 {
        match (self.width, self.is_signed) {
            (1, true) => i8::from_le_bytes(self.array(row)).into(),
            (1, false) => u8::from_le_bytes(self.array(row)).into(),
            (2, true) => i16::from_le_bytes(self.array(row)).into(),
            (2, false) => u16::from_le_bytes(self.array(row)).into(),
            (4, true) => i32::from_le_bytes(self.array(row)).into(),
            (4, false) => u32::from_le_bytes(self.array(row)).into(),
            (8, true) => i64::from_le_bytes(self.array(row)).into(),
            (8, false) => u64::from_le_bytes(self.array(row)).into(),
            _ => i128::from_le_bytes(self.array(row)),
        }
    }

    /// The number of a row as a place; nothing if it is negative.
    #[inline]
    pub(crate) fn place(&self, row: usize) -> Option<usize> {
        usize::try_from(self.get_short(row)?).ok()
    }

    /// The number of a row, if it fits into 64 bits.
    #[inline]
    pub(crate) fn get_short(&self, row: usize) -> Option<i64> {
        match (self.width, self.is_signed) {
            (8, true) => Some(i64::from_le_bytes(self.array(row))),
            (4, true) => Some(i32::from_le_bytes(self.array(row)).into()),
            (4, false) => Some(u32::from_le_bytes(self.array(row)).into()),
            _ => i64::try_from(self.get(row)).ok(),
        }
    }

    #[inline]
    fn array<const WIDTH: usize>(&self, row: usize) -> [u8; WIDTH] {
        chunk(self.bytes, row).unwrap_or([0; WIDTH])
    }
}

/// The bytes of a value that is no text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Damage<'a> {
    /// What there is of it.
    pub(crate) bytes: &'a [u8],
    pub(crate) what: &'static str,
}

const OUTSIDE: Damage<'static> = Damage { bytes: &[], what: "lies outside its column's memory" };
const NOT_UTF8: &str = "is not UTF-8";

/// What one check of all texts of a column together has found.
#[derive(Debug, Clone, Copy)]
enum Utf8Check<'a> {
    /// Nobody looked: each text is checked by itself.
    Nothing,
    /// All of them are UTF-8, from a place on, and whether none holds a control character.
    Text(&'a str, usize, bool),
}

/// Texts.
#[derive(Debug, Clone)]
pub(crate) struct Texts<'a> {
    layout: TextLayout,
    /// Offsets, views, or the padded texts themselves, from the first row on.
    index: &'a [u8],
    buffers: Vec<&'a [u8]>,
    utf8: Utf8Check<'a>,
}

impl Default for Texts<'_> {
    /// No texts.
    fn default() -> Self {
        Self { layout: TextLayout::Views, index: &[], buffers: Vec::new(), utf8: Utf8Check::Nothing }
    }
}

impl<'a> Texts<'a> {
    /// The texts of a memory. With `look`, all of them are checked together, which is cheaper where every row is read
    /// once.
    pub(crate) fn new(layout: TextLayout, memory: &Memory<'a>, look: bool) -> Result<Self, Malformed> {
        let (width, more) = match layout {
            TextLayout::Offsets32 => (4, 1),
            TextLayout::Offsets64 => (8, 1),
            TextLayout::Views => (16, 0),
            TextLayout::Padded(width) => (width, 0),
        };
        let index = memory.buffer(0, width, more)?;
        let index = index.get(memory.offset * width..).unwrap_or_default();
        let buffers = memory.buffers.get(1..).unwrap_or_default().to_vec();
        let mut texts = Self { layout, index, buffers, utf8: Utf8Check::Nothing };
        if look && matches!(layout, TextLayout::Offsets32 | TextLayout::Offsets64) {
            texts.utf8 = texts.look(memory.rows);
        }
        Ok(texts)
    }

    fn look(&self, rows: usize) -> Utf8Check<'a> {
        let (Some(start), Some(end)) = (self.boundary(0), self.boundary(rows)) else { return Utf8Check::Nothing };
        let Some(bytes) = self.buffers.first().and_then(|bytes| bytes.get(start..end)) else {
            return Utf8Check::Nothing;
        };
        std::str::from_utf8(bytes).map_or(Utf8Check::Nothing, |text| Utf8Check::Text(text, start, !has_control(text)))
    }

    /// The text at a place, and whether it is known to hold no control character.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Result<(&'a str, bool), Damage<'a>> {
        let Utf8Check::Text(text, from, is_clean) = self.utf8 else { return self.get_unseen(place) };
        let (start, end) = (self.boundary(place).ok_or(OUTSIDE)?, self.boundary(place + 1).ok_or(OUTSIDE)?);
        let range = start.checked_sub(from).zip(end.checked_sub(from));
        match range.and_then(|(start, end)| text.get(start..end)) {
            Some(text) => Ok((text, is_clean)),
            None => self.get_unseen(place),
        }
    }

    /// The texts from a place on, if all of the column are clean; otherwise nothing. Those that cannot be cut out get
    /// no answer.
    #[inline]
    pub(crate) fn clean_run(&self, first: usize, answers: &mut [Answer<'a>]) -> Option<()> {
        let Utf8Check::Text(text, from, true) = self.utf8 else { return None };
        let mut start = self.boundary(first)?.checked_sub(from);
        for (place, answer) in (first + 1..).zip(answers) {
            let end = self.boundary(place).and_then(|end| end.checked_sub(from));
            *answer =
                start.zip(end).and_then(|(start, end)| text.get(start..end)).map_or(Answer::Unknown, Answer::Text);
            start = end;
        }
        Some(())
    }

    fn get_unseen(&self, place: usize) -> Result<(&'a str, bool), Damage<'a>> {
        let bytes = self.bytes(place).ok_or(OUTSIDE)?;
        if bytes.len() > EVENT_BYTES_MAX {
            // Its row is too large whatever it says, and many rows may share it.
            return Err(Damage { bytes, what: "is longer than an event may be" });
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok((text, !has_control(text))),
            Err(_) => Err(Damage { bytes, what: NOT_UTF8 }),
        }
    }

    fn bytes(&self, place: usize) -> Option<&'a [u8]> {
        match self.layout {
            TextLayout::Offsets32 | TextLayout::Offsets64 => {
                self.buffers.first()?.get(self.boundary(place)?..self.boundary(place.checked_add(1)?)?)
            }
            TextLayout::Views => {
                let start = place.checked_mul(16)?;
                let view = self.index.get(start..start.checked_add(16)?)?;
                let number = |at: usize| usize::try_from(i32::from_le_bytes(*view[at..].first_chunk()?)).ok();
                let length = number(0)?;
                if length <= 12 {
                    return view.get(4..4 + length);
                }
                let (buffer, start) = (number(8)?, number(12)?);
                self.buffers.get(buffer)?.get(start..start.checked_add(length)?)
            }
            TextLayout::Padded(width) => {
                let start = place.checked_mul(width)?;
                let padded = self.index.get(start..start.checked_add(width)?)?;
                let length = padded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                Some(&padded[..length])
            }
        }
    }

    /// Where the text at a place begins in the texts.
    #[inline]
    fn boundary(&self, place: usize) -> Option<usize> {
        if self.layout == TextLayout::Offsets32 {
            usize::try_from(i32::from_le_bytes(chunk(self.index, place)?)).ok()
        } else {
            usize::try_from(i64::from_le_bytes(chunk(self.index, place)?)).ok()
        }
    }
}

/// The bytes of the value at a place.
#[inline]
fn chunk<const WIDTH: usize>(bytes: &[u8], place: usize) -> Option<[u8; WIDTH]> {
    bytes.get(place.checked_mul(WIDTH)?..)?.first_chunk().copied()
}
