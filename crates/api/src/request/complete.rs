//! The way of a body that is not plain: every rule, every error.

use fraud_core::Transaction;
use fraud_core::schema::{FEATURES, N_FEATURES};
use fraud_core::transaction::ValueProblem;

use super::json::Json;
use super::lax_float;
use super::python_json::{self, JsonError};
use super::rejection::{Invalid, Problem, Rejection};

/// The transaction in `text`, or all that is wrong with it.
///
/// A body can be good and yet come this way: one with a byte order mark, or one in which a bad
/// value is overruled by a later one of the same name.
pub(super) fn transaction(text: &str) -> Result<Transaction, Rejection<'_>> {
    let body = match python_json::parse(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok(body @ Json::Object(_)) => body,
        Ok(other) => return Err(Invalid::NotAnObject(other).into()),
        Err(JsonError::Syntax { position, message }) => {
            return Err(Invalid::Syntax { position, message }.into());
        }
        Err(JsonError::TooDeep) => return Err(Rejection::Unreadable),
    };
    let mut values = [0.0; N_FEATURES];
    let mut problems = Vec::new();
    for (index, name) in FEATURES.into_iter().enumerate() {
        match value(index, body.get(name)) {
            Ok(value) => values[index] = value,
            Err(problem) => problems.push((index, problem)),
        }
    }
    if !problems.is_empty() {
        return Err(Invalid::Fields { body, problems }.into());
    }
    // Each value has passed the check that this repeats, so the error cannot come.
    Transaction::new(values).map_err(|_| Rejection::Unreadable)
}

/// The number for the feature at `index`.
fn value(index: usize, input: Option<&Json<'_>>) -> Result<f64, Problem> {
    let value = match input.ok_or(Problem::Missing)? {
        Json::Bool(value) => f64::from(*value),
        // A whole number beyond f64 is no float to Python, whereas 1e999 is infinity.
        Json::Int(digits) => {
            digits.parse().ok().filter(|v: &f64| v.is_finite()).ok_or(Problem::Type)?
        }
        Json::Float(value) => *value,
        Json::String(text) => lax_float::parse(text).ok_or(Problem::Parsing)?,
        Json::Null | Json::Array(_) | Json::Object(_) => return Err(Problem::Type),
    };
    match ValueProblem::of(index, value) {
        None => Ok(value),
        Some(ValueProblem::NotFinite) => Err(Problem::NotFinite),
        Some(ValueProblem::Negative) => Err(Problem::Negative),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::one_pass;
    use super::*;

    /// A good body but for `field`, whose value is the JSON text `value`.
    fn body(field: &str, value: &str) -> String {
        let fields = FEATURES.map(|name| {
            let value = if name == field { value } else { "0.1" };
            format!("\"{name}\":{value}")
        });
        format!("{{{}}}", fields.join(","))
    }

    fn report(text: &str) -> serde_json::Value {
        match transaction(text) {
            Err(Rejection::Invalid(invalid)) => serde_json::to_value(invalid.report()).unwrap(),
            other => panic!("{text}: {other:?}"),
        }
    }

    // The expected reports are the answers of FastAPI 0.165 with pydantic 2.14 on Python 3.11 to a
    // model of 30 fields, `float` with `allow_inf_nan=False`, `ge=0` for Time and Amount.

    #[test]
    fn both_ways_read_the_same_number() {
        for (text, value) in [
            ("1", 1.0),
            ("-0", 0.0),
            ("0.1e1", 1.0),
            ("1E5", 1e5),
            ("1e-400", 0.0),
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
            ("123456789012345678901234567890", 123_456_789_012_345_678_901_234_567_890.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("true", 1.0),
            ("false", 0.0),
            ("\"1_000.5\"", 1000.5),
            ("\"\\u0031\"", 1.0),
            ("\" 1e3\\n\"", 1000.0),
        ] {
            let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            let text = body("V1", text);
            let read = one_pass::transaction(&text).map(|read| read.values()[1]);
            assert_eq!(read, is_number.then_some(value), "{text}");
            assert_eq!(transaction(&text).unwrap().values()[1], value, "{text}");
        }
    }

    #[test]
    fn each_kind_of_bad_value_has_its_form() {
        for (field, value, kind, message, input) in [
            ("V1", "null", "float_type", "Input should be a valid number", json!(null)),
            ("V1", "[1]", "float_type", "Input should be a valid number", json!([1])),
            ("V1", "{\"a\":1}", "float_type", "Input should be a valid number", json!({"a": 1})),
            (
                "V2",
                "\"1,5\"",
                "float_parsing",
                "Input should be a valid number, unable to parse string as a number",
                json!("1,5"),
            ),
            ("V28", "\"nan\"", "finite_number", "Input should be a finite number", json!("nan")),
            (
                "Amount",
                "\"-inf\"",
                "finite_number",
                "Input should be a finite number",
                json!("-inf"),
            ),
            // FastAPI fails with 500 on these four, since it cannot write its own error as JSON.
            ("V3", "1e999", "finite_number", "Input should be a finite number", json!(null)),
            ("V3", "-1e999", "finite_number", "Input should be a finite number", json!(null)),
            ("V3", "NaN", "finite_number", "Input should be a finite number", json!(null)),
            ("V3", "-Infinity", "finite_number", "Input should be a finite number", json!(null)),
        ] {
            let expected = json!({"detail": [
                {"type": kind, "loc": ["body", field], "msg": message, "input": input}
            ]});
            assert_eq!(report(&body(field, value)), expected);
        }
    }

    #[test]
    fn a_negative_amount_or_time_shows_the_bound() {
        for (field, value, input) in [
            ("Amount", "-1", json!(-1)),
            ("Time", "-0.5", json!(-0.5)),
            ("Time", "\"-3\"", json!("-3")),
        ] {
            let expected = json!({"detail": [{
                "type": "greater_than_equal", "loc": ["body", field],
                "msg": "Input should be greater than or equal to 0",
                "input": input, "ctx": {"ge": 0.0}
            }]});
            assert_eq!(report(&body(field, value)), expected);
        }
        assert!(transaction(&body("Amount", "-0.0")).is_ok());
    }

    #[test]
    fn a_whole_number_beyond_f64_is_no_number() {
        let digits = format!("1{}", "0".repeat(320));
        let text = body("V1", &digits);
        let Err(Rejection::Invalid(invalid)) = transaction(&text) else {
            panic!("must be refused");
        };
        let expected = format!(
            r#"{{"detail":[{{"type":"float_type","loc":["body","V1"],"msg":"Input should be a valid number","input":{digits}}}]}}"#
        );
        assert_eq!(serde_json::to_string(&invalid.report()).unwrap(), expected);
    }

    #[test]
    fn every_bad_field_is_named_in_the_order_of_the_schema() {
        let report = report(r#"{"Amount": -1, "V2": "x", "Time": null, "extra": [1]}"#);
        let detail = report["detail"].as_array().unwrap();
        let names: Vec<_> = detail.iter().map(|error| error["loc"][1].as_str().unwrap()).collect();
        assert_eq!(names, FEATURES);
        let kinds: Vec<_> = [0, 1, 2, 29].map(|i| detail[i]["type"].as_str().unwrap()).to_vec();
        assert_eq!(kinds, ["float_type", "missing", "float_parsing", "greater_than_equal"]);
        let whole = json!({"Amount": -1, "V2": "x", "Time": null, "extra": [1]});
        assert_eq!(detail[1]["input"], whole);
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        let good = body("V1", "1");
        let with = |field: &str| format!("{},{field}}}", good.trim_end_matches('}'));
        assert_eq!(transaction(&with("\"V1\":7")).unwrap().values()[1], 7.0);
        assert_eq!(one_pass::transaction(&with("\"V1\":7")).unwrap().values()[1], 7.0);
        assert_eq!(report(&with("\"V1\":\"x\""))["detail"][0]["input"], "x");
        let overruled = body("V1", "\"x\"").replace('}', ",\"V1\":3}");
        assert_eq!(transaction(&overruled).unwrap().values()[1], 3.0);
    }

    #[test]
    fn what_is_no_object_or_no_json_is_said() {
        for (text, input) in [("[]", json!([])), ("null", json!(null)), ("1.5", json!(1.5))] {
            let expected = json!({"detail": [{
                "type": "model_attributes_type", "loc": ["body"],
                "msg": "Input should be a valid dictionary or object to extract fields from",
                "input": input
            }]});
            assert_eq!(report(text), expected);
        }
        let expected = json!({"detail": [{
            "type": "json_invalid", "loc": ["body", 10], "msg": "JSON decode error", "input": {},
            "ctx": {"error": "Expecting property name enclosed in double quotes"}
        }]});
        assert_eq!(report("{\"Time\":1,}"), expected);
    }

    #[test]
    fn a_byte_order_mark_and_odd_extra_fields_do_no_harm() {
        for text in [
            format!("\u{feff}{}", body("V1", "1")),
            body("V1", "1,\"x\":NaN"),
            body("V1", "1,\"x\":\"\\ud800\""),
            body("V1", "1,\"\\ud800\":2"),
            body("V1", &format!("1,\"x\":{}{}", "[".repeat(200), "]".repeat(200))),
        ] {
            assert!(transaction(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn nesting_without_end_is_unreadable() {
        assert_eq!(transaction(&"[".repeat(60_000)), Err(Rejection::Unreadable));
        assert_eq!(transaction(&"{\"a\":".repeat(10_000)), Err(Rejection::Unreadable));
    }
}
