//! One column: what it holds by its type, and the value of a row. Says which types a field of the contract may have.

use std::sync::Arc;

use crate::read::columns::memory::{Bits, Memory, Numbers, TextLayout, Texts};
use crate::read::event::Field;
use crate::read::malformed::Malformed;
/// What a column's values are, as its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Nothing: every row is null.
    Null,
    /// Texts.
    Text(TextLayout),
    /// Whole numbers.
    Integer {
        /// Bytes of each: 1, 2, 4 or 8.
        width: usize,
        /// Whether there are negative ones.
        is_signed: bool,
    },
    /// Fixed-point numbers: whole numbers × 10^−scale.
    Decimal {
        /// Bytes of each: 4, 8 or 16.
        width: usize,
        /// Digits behind the point.
        scale: i8,
    },
    /// Instants since 1970, of 64 bits.
    Instant {
        /// Nanoseconds in a unit.
        unit_ns: i64,
        /// Whether the type names a zone, so that the instant is one.
        has_zone: bool,
    },
    /// Days since 1970, of 32 bits.
    Day,
    /// Floats of any width.
    Float,
    /// Any other type.
    Other,
}

/// The value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text, and whether it is known to hold no control character.
    Text(&'a str, bool),
    /// A whole number.
    Integer(i128),
    /// `unscaled` × 10^−`scale`.
    Decimal {
        /// The number without its point.
        unscaled: i128,
        /// Digits behind the point.
        scale: i8,
    },
    /// Nanoseconds since 1970.
    Instant(i128),
    /// Days since 1970.
    Day(i64),
    /// No value that could be read.
    Damaged {
        /// What there is of it.
        bytes: &'a [u8],
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What is known of a row's text without a look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// It is UTF-8 and holds no control character.
    Text(&'a str),
    Null,
    /// Nothing.
    Unknown,
}

/// The texts that a column's keys name.
#[derive(Debug)]
pub struct Dictionary<'a> {
    entries: usize,
    texts: Texts<'a>,
    validity: Option<Bits<'a>>,
    /// The entries, checked once. Without them, each entry is checked when a row names it.
    checked: Option<Vec<Option<Value<'a>>>>,
}

impl Default for Dictionary<'_> {
    /// A dictionary without entries.
    fn default() -> Self {
        Self { entries: 0, texts: Texts::default(), validity: None, checked: None }
    }
}

impl<'a> Dictionary<'a> {
    /// A dictionary. With `check_all`, every entry is checked at once: that pays unless only a few of them are named.
    ///
    /// # Errors
    /// When its memory is shorter than its entries.
    pub fn new(form: TextLayout, memory: &Memory<'a>, check_all: bool) -> Result<Self, Malformed> {
        let texts = Texts::new(form, memory, false)?;
        let mut dictionary = Self { entries: memory.rows, texts, validity: memory.bits()?, checked: None };
        if check_all {
            dictionary.checked = Some((0..memory.rows).map(|key| dictionary.value(key)).collect());
        }
        Ok(dictionary)
    }

    /// Entries that it has; keys are below.
    pub const fn len(&self) -> usize {
        self.entries
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The entry of a key; nothing where it is null.
    #[inline]
    pub fn value(&self, key: usize) -> Option<Value<'a>> {
        if let Some(checked) = &self.checked {
            return checked.get(key).copied().flatten();
        }
        if self.validity.is_some_and(|bits| !bits.is_set(key)) {
            return None;
        }
        Some(text(&self.texts, key))
    }
}

/// The keys of a dictionary-encoded column, with its dictionary.
#[derive(Debug, Clone)]
pub struct DictionaryKeys<'a> {
    numbers: Numbers<'a>,
    dictionary: Arc<Dictionary<'a>>,
}

impl<'a> DictionaryKeys<'a> {
    /// The key of a row, whether it is null or not; nothing if it lies outside the dictionary.
    pub fn key(&self, row: usize) -> Option<usize> {
        self.numbers.place(row).filter(|key| *key < self.dictionary.len())
    }

    /// The entries.
    pub fn dictionary(&self) -> &Dictionary<'a> {
        &self.dictionary
    }
}

#[derive(Debug, Clone)]
enum Values<'a> {
    Null,
    Texts(Texts<'a>),
    Keys(DictionaryKeys<'a>),
    Integers(Numbers<'a>),
    Decimals(Numbers<'a>, i8),
    Instants(Numbers<'a>, i64),
    Days(Numbers<'a>),
}

/// A column of a field.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    validity: Option<Bits<'a>>,
    values: Values<'a>,
}

impl<'a> Column<'a> {
    /// The column of a field.
    ///
    /// # Errors
    /// When the field cannot be of this kind, or the memory is shorter than the rows.
    pub fn new(field: Field, kind: ColumnKind, memory: &Memory<'a>) -> Result<Self, Malformed> {
        check(field, kind)?;
        let values = match kind {
            ColumnKind::Null | ColumnKind::Float | ColumnKind::Other => Values::Null,
            ColumnKind::Text(form) => Values::Texts(Texts::new(form, memory, true)?),
            ColumnKind::Integer { width, is_signed } => Values::Integers(Numbers::new(memory, width, is_signed)?),
            ColumnKind::Decimal { width, scale } => Values::Decimals(Numbers::new(memory, width, true)?, scale),
            ColumnKind::Instant { unit_ns, .. } => Values::Instants(Numbers::new(memory, 8, true)?, unit_ns),
            ColumnKind::Day => Values::Days(Numbers::new(memory, 4, true)?),
        };
        let validity = if kind == ColumnKind::Null { None } else { memory.bits()? };
        Ok(Self { validity, values })
    }

    /// The dictionary-encoded column of a field: whole numbers that name entries.
    ///
    /// # Errors
    /// When the field holds no texts, or the memory is shorter than the rows.
    pub fn encoded(
        field: Field,
        (width, is_signed): (usize, bool),
        memory: &Memory<'a>,
        dictionary: Arc<Dictionary<'a>>,
    ) -> Result<Self, Malformed> {
        check(field, ColumnKind::Text(TextLayout::Views))?;
        let keys = DictionaryKeys { numbers: Numbers::new(memory, width, is_signed)?, dictionary };
        Ok(Self { validity: memory.bits()?, values: Values::Keys(keys) })
    }

    /// The keys, if the column is dictionary-encoded.
    pub const fn keys(&self) -> Option<&DictionaryKeys<'a>> {
        match &self.values {
            Values::Keys(keys) => Some(keys),
            _ => None,
        }
    }

    /// Returns the texts of rows that follow each other, where all that is needed to trust them was checked before: of
    /// a column of texts that are clean throughout, or of a dictionary whose entries were checked. A row that has
    /// something else gets no answer.
    ///
    /// Returns nothing where each row has to be looked at by itself.
    #[inline]
    pub(crate) fn clean_texts(&self, first: usize, answers: &mut [Answer<'a>]) -> Option<()> {
        match &self.values {
            Values::Texts(texts) => texts.clean_run(first, answers)?,
            Values::Keys(keys) => {
                let checked = keys.dictionary.checked.as_ref()?;
                for (row, answer) in (first..).zip(&mut *answers) {
                    *answer = match keys.numbers.place(row).and_then(|key| *checked.get(key)?) {
                        Some(Value::Text(text, true)) => Answer::Text(text),
                        _ => Answer::Unknown,
                    };
                }
            }
            _ => return None,
        }
        if let Some(bits) = self.validity {
            for (row, answer) in (first..).zip(answers) {
                if !bits.is_set(row) {
                    *answer = Answer::Null;
                }
            }
        }
        Some(())
    }

    /// The numbers of a column of whole numbers that fit into 64 bits, or of instants with the nanoseconds of their
    /// unit.
    #[inline]
    pub(crate) fn plain_numbers(&self) -> Option<(&Numbers<'a>, i64)> {
        match &self.values {
            Values::Integers(numbers) => Some((numbers, 1)),
            Values::Instants(numbers, unit_ns) => Some((numbers, *unit_ns)),
            _ => None,
        }
    }

    /// Whether a row has no value. An entry of a dictionary may be null too.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.validity.is_some_and(|bits| !bits.is_set(row))
    }

    /// The value of a row; nothing where it is null.
    #[inline]
    pub fn value(&self, row: usize) -> Option<Value<'a>> {
        if self.is_null(row) {
            return None;
        }
        Some(match &self.values {
            Values::Null => return None,
            Values::Texts(texts) => text(texts, row),
            Values::Keys(keys) => match keys.key(row) {
                Some(key) => return keys.dictionary.value(key),
                None => Value::Damaged { bytes: &[], what: "has a key that its dictionary does not know" },
            },
            Values::Integers(numbers) => Value::Integer(numbers.get(row)),
            Values::Decimals(numbers, scale) => Value::Decimal { unscaled: numbers.get(row), scale: *scale },
            Values::Instants(numbers, unit_ns) => Value::Instant(numbers.get(row) * i128::from(*unit_ns)),
            Values::Days(numbers) => Value::Day(i64::try_from(numbers.get(row)).unwrap_or_default()),
        })
    }
}

fn text<'a>(texts: &Texts<'a>, place: usize) -> Value<'a> {
    match texts.get(place) {
        Ok((text, is_clean)) => Value::Text(text, is_clean),
        Err(damage) => Value::Damaged { bytes: damage.bytes, what: damage.what },
    }
}

/// Refuses a field whose column has a type that could only be read by guessing.
pub(crate) fn check(field: Field, kind: ColumnKind) -> Result<(), Malformed> {
    let is_text = matches!(kind, ColumnKind::Null | ColumnKind::Text(_));
    let what = match field {
        Field::Data => "is no column: give its members as columns of their own",
        _ if is_text => return Ok(()),
        Field::Quantity if matches!(kind, ColumnKind::Integer { .. } | ColumnKind::Decimal { .. }) => return Ok(()),
        Field::Quantity if kind == ColumnKind::Float => {
            "is a column of floats, which are not exact: cast it to decimal128(18, 3) or to integers"
        }
        Field::Quantity => "must be a column of integers, decimals of at most 128 bits, or strings",
        Field::Sequence | Field::Line | Field::Hops if matches!(kind, ColumnKind::Integer { .. }) => return Ok(()),
        Field::Sequence | Field::Line | Field::Hops => "must be a column of integers or strings",
        Field::Due if kind == ColumnKind::Day => return Ok(()),
        Field::Time | Field::Due => match kind {
            ColumnKind::Instant { has_zone: true, .. } => return Ok(()),
            ColumnKind::Instant { .. } => "is a column of timestamps without a zone: name it in the type, such as UTC",
            _ if field == Field::Time => "must be a column of timestamps with a zone, or of strings",
            _ => "must be a column of dates, of timestamps with a zone, or of strings",
        },
        _ => "must be a column of strings",
    };
    Err(Malformed::of_field(field, what))
}
