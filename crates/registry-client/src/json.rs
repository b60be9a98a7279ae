//! The habits of MLflow's JSON: whole numbers now as numbers, now as text, and null for what is not
//! there.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A whole number, as such or as text; null is 0.
pub(crate) fn int<'de, D: Deserializer<'de>, T: TryFrom<i64> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| serde::de::Error::custom(format!("expected a whole number, found {value}")))
}

/// A text, or a number as text; null is empty.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("expected a text, found {other}"))),
    }
}

/// Floats as protobuf's JSON writes them: what is not finite by name.
pub(crate) mod number {
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            // Rust reads "NaN", "Infinity" and "-Infinity" as well.
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| serde::de::Error::custom(format!("expected a number, found {value}")))
    }
}

#[cfg(test)]
mod tests {
    use crate::types::{Metric, ModelVersion, RunInfo};

    #[test]
    fn numbers_come_in_any_form() {
        let info: RunInfo =
            serde_json::from_str(r#"{"start_time": "17", "end_time": null}"#).unwrap();
        assert_eq!((info.start_time, info.end_time), (17, 0));
        let version: ModelVersion = serde_json::from_str(r#"{"version": 3}"#).unwrap();
        assert_eq!(version.version, "3");
        assert!(serde_json::from_str::<RunInfo>(r#"{"start_time": "soon"}"#).is_err());
    }

    #[test]
    fn what_is_not_finite_has_a_name() {
        for (value, text) in [
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
            (0.1, "0.1"),
        ] {
            let json =
                serde_json::to_string(&Metric { key: "k".into(), value, ..Metric::default() });
            let json = json.unwrap();
            assert!(json.contains(&format!("\"value\":{text}")), "{json}");
            let back: Metric = serde_json::from_str(&json).unwrap();
            assert_eq!(back.value.to_bits() << 1, value.to_bits() << 1);
        }
    }
}
