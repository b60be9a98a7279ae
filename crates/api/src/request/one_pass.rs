//! The way of a good body: straight from the text into 30 numbers.

use std::fmt;

use fraud_core::Transaction;
use fraud_core::schema::{AMOUNT, N_FEATURES, TIME};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::lax_float;

/// The transaction in `text`, or `None` if anything at all is wrong or unusual; why is for
/// [`super::complete`] to find out.
pub(super) fn transaction(text: &str) -> Option<Transaction> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let values = deserializer.deserialize_map(Features).ok()?;
    deserializer.end().ok()?;
    Transaction::new(values).ok()
}

/// Position of a feature among the 30, by its bytes: half the time of comparing with each name.
fn index_of(name: &str) -> Option<usize> {
    let number = match name.as_bytes() {
        b"Time" => return Some(TIME),
        b"Amount" => return Some(AMOUNT),
        [b'V', units @ b'1'..=b'9'] => units - b'0',
        [b'V', tens @ b'1'..=b'2', units @ b'0'..=b'9'] => (tens - b'0') * 10 + (units - b'0'),
        _ => return None,
    };
    (usize::from(number) < AMOUNT).then_some(number.into())
}

/// The object as a whole.
struct Features;

impl<'de> Visitor<'de> for Features {
    type Value = [f64; N_FEATURES];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with the 30 features")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        const ALL: u32 = (1 << N_FEATURES) - 1;
        let mut values = [0.0; N_FEATURES];
        let mut seen = 0_u32;
        while let Some(feature) = map.next_key_seed(Name)? {
            match feature {
                Some(index) => {
                    values[index] = map.next_value_seed(LaxFloat)?;
                    seen |= 1 << index;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if seen == ALL { Ok(values) } else { Err(A::Error::custom("a feature is missing")) }
    }
}

/// A key: the position of its feature, or `None` for a field that is not ours.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(index_of(name))
    }
}

/// A value, in the forms that pydantic's lax mode takes for a float.
struct LaxFloat;

impl<'de> DeserializeSeed<'de> for LaxFloat {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for LaxFloat {
    type Value = f64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<f64, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        lax_float::parse(text).ok_or_else(|| E::custom("no number"))
    }
}

#[cfg(test)]
mod tests {
    use fraud_core::FEATURES;

    use super::*;

    #[test]
    fn names_are_those_of_the_schema() {
        for (index, name) in FEATURES.into_iter().enumerate() {
            assert_eq!(index_of(name), Some(index), "{name}");
        }
        for other in ["", "V", "V0", "V01", "V29", "V30", "V111", "v1", "time", "Class", "Amount "]
        {
            assert_eq!(index_of(other), None, "{other}");
        }
    }

    fn body(v1: &str) -> String {
        let fields = FEATURES.map(|name| match name {
            "V1" => format!("\"V1\": {v1}"),
            name => format!("\"{name}\": 2"),
        });
        format!("{{{}}}", fields.join(", "))
    }

    #[test]
    fn an_ordinary_body_is_read_here() {
        for (text, value) in [("0.5", 0.5), ("-3", -3.0), ("\" 1.5 \"", 1.5), ("true", 1.0)] {
            let transaction = transaction(&body(text)).unwrap();
            assert_eq!(transaction.values()[1], value);
            assert_eq!(transaction.values()[0], 2.0);
        }
    }

    #[test]
    fn doubt_is_handed_on() {
        for text in ["null", "[1]", "\"one\"", "1e999", "NaN", "01"] {
            assert!(transaction(&body(text)).is_none(), "{text}");
        }
        assert!(transaction("{}").is_none());
        assert!(transaction(&format!("{} x", body("1"))).is_none());
    }
}
