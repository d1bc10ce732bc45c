//! The members of a directive: what stands under `data` or beside the attributes, each once. Numbers keep their digits.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tallystick_contract::directive_kind::{PERSON, REPLY};
use tallystick_contract::limits::PERSON_BYTES_MAX;

use crate::read::decode::has_control;
use crate::read::directive::{Refused, malformed};
use crate::read::line_number::LineNumber;
/// The members that a type has, and who spoke. A null is absence.
#[derive(Debug)]
pub(crate) struct Members(BTreeMap<&'static str, Value>, Option<Value>);

impl Members {
    pub(crate) fn read(bytes: &[u8], names: &'static [&'static str]) -> Result<Self, Refused> {
        let Ok(Object(envelope)) = serde_json::from_slice(bytes) else {
            return Err(malformed("data", "cannot be read"));
        };
        let mut members = Self(BTreeMap::new(), None);
        let mut data = None;
        for (name, value) in envelope {
            if name == "data" {
                data = Some(value);
            } else {
                members.add(&name, value, names)?;
            }
        }
        // The decoder has seen to it that `data` is an object without repetitions of stock fields.
        if let Some(Value::Object(object)) = data {
            for (name, value) in object {
                members.add(&name, value, names)?;
            }
        }
        Ok(members)
    }

    fn add(&mut self, name: &str, value: Value, names: &'static [&'static str]) -> Result<(), Refused> {
        if name == PERSON {
            self.1 = Some(value);
            return Ok(());
        }
        let Some(known) = names.iter().find(|known| **known == name) else { return Ok(()) };
        if value.is_null() {
            return Ok(());
        }
        match self.0.insert(known, value) {
            None => Ok(()),
            Some(_) => Err(malformed(known, "is given twice")),
        }
    }

    /// Takes the line as it was understood: digits are a number, whether they stood in quotes or not.
    pub(crate) fn set_line(&mut self, line: Option<LineNumber<&str>>) {
        if let Some(said) = self.0.get_mut("line") {
            match line {
                Some(LineNumber::Number(number)) => *said = number.into(),
                Some(LineNumber::Text(text)) => *said = text.into(),
                None => *said = Value::Null,
            }
        }
        self.0.retain(|_, value| !value.is_null());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The person behind an operator. Whoever writes it in another form is nobody, and is heard all the same.
    pub(crate) fn person(&self) -> Option<&str> {
        self.1.as_ref().and_then(|person| text(person, PERSON_BYTES_MAX))
    }

    /// All of them in one form. A target is what it means, whether its source was left away or not.
    pub(crate) fn said(&self, target: Option<[&str; 2]>) -> String {
        let counts = |name: &str| name != REPLY && (target.is_none() || name != "target");
        let rest: BTreeMap<_, _> = self.0.iter().filter(|(name, _)| counts(name)).collect();
        serde_json::to_string(&(target, rest)).expect("what was JSON is JSON")
    }
}

/// A text within its length, not empty and without control characters.
pub(crate) fn text(value: &Value, bytes_max: usize) -> Option<&str> {
    value.as_str().filter(|text| (1..=bytes_max).contains(&text.len()) && !has_control(text))
}

/// An object with all its members, repeated ones too.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
