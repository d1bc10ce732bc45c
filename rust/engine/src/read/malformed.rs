//! Malformed: what an element has that keeps it from being an event, in words.

use std::fmt;

use crate::read::event::Field;
use crate::read::json::Fault;

/// Why an element is `malformed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    pub(crate) field: Option<Field>,
    pub(crate) fault: Fault,
}

impl Malformed {
    /// A fault of a field that only shows with the event's type.
    pub const fn of_field(field: Field, what: &'static str) -> Self {
        Self { field: Some(field), fault: Fault { what, offset: 0 } }
    }

    /// A fault of a message or element as a whole.
    pub const fn of_element(what: &'static str) -> Self {
        Self { field: None, fault: Fault { what, offset: 0 } }
    }
}

impl Malformed {
    /// As it is displayed, but with the value itself instead of its place, where `sent` knows the field's value.
    pub(crate) fn in_words(self, sent: impl Fn(&str) -> Option<String>) -> String {
        let is_of_value = self.fault.what.starts_with("is no ") || self.fault.what.starts_with("is not ");
        match self.field.filter(|_| is_of_value).and_then(|field| Some((field.name(), sent(field.name())?))) {
            Some((name, value)) => format!("`{name}`: {value} {}", self.fault.what),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.field {
            write!(f, "`{}`: ", field.name())?;
        }
        f.write_str(self.fault.what)?;
        if self.fault.offset > 0 {
            write!(f, " (byte {})", self.fault.offset)?;
        }
        Ok(())
    }
}

impl From<Fault> for Malformed {
    fn from(fault: Fault) -> Self {
        Self { field: None, fault }
    }
}
