//! A JSON value as Python holds it: whole numbers of any size, objects in order, infinities.

use std::borrow::Cow;

use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// The digits of a whole number of any size.
    Int(&'a str),
    /// May be infinite or NaN.
    Float(f64),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// Every name once, with its last value, in the order of their first appearance.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// `{}`
pub(super) static EMPTY_OBJECT: Json<'static> = Json::Object(Vec::new());

impl Json<'_> {
    /// The value under `name`, if this is an object that has it.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(digits) => match digits.parse::<i64>() {
                Ok(value) => serializer.serialize_i64(value),
                // Python's whole numbers have no largest: the digits go back as they came.
                Err(_) => RawValue::from_string((*digits).to_owned())
                    .map_err(S::Error::custom)?
                    .serialize(serializer),
            },
            // JSON has no infinity and no NaN: serde_json writes null.
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::python_json::parse;

    #[test]
    fn numbers_are_written_back_as_they_came() {
        let text = format!("[12345678901234567890123,-1,0.5,null,-1{}]", "0".repeat(320));
        assert_eq!(serde_json::to_string(&parse(&text).unwrap()).unwrap(), text);
        assert_eq!(serde_json::to_string(&parse("[1e999]").unwrap()).unwrap(), "[null]");
    }
}
