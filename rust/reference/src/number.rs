//! What a line of a document is called, as the twin reads it.

use std::fmt;

use serde_json::Value;

/// The number of a line. The order is that of `docs/claims.md` §5: numbers before texts; none comes last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Number {
    Digits(i64),
    Text(String),
    None,
}

impl Number {
    /// Of a text: digits, with or without a minus, are that number, however many zeros lead.
    pub(crate) fn of_text(text: String) -> Self {
        let digits = text.strip_prefix('-').unwrap_or(&text);
        if text.is_empty() {
            return Self::None;
        }
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if is_number => Self::Digits(number),
            _ => Self::Text(text),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// This one, or another where it is none.
    pub(crate) fn or(&self, other: &Self) -> Self {
        if self.is_none() { other.clone() } else { self.clone() }
    }

    /// The one form that it has in what is compared.
    pub(crate) fn value(&self) -> Option<Value> {
        match self {
            Self::Digits(number) => Some(Value::from(*number)),
            Self::Text(text) => Some(Value::from(text.clone())),
            Self::None => None,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::None => Ok(()),
        }
    }
}
