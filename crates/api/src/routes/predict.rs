//! `POST /predict`: 30 named numbers in, probability and decision out.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use fraud_core::{Decision, Threshold};
use serde::Serialize;
use utoipa::ToSchema;

use crate::observe::MODEL_VERSION;
use crate::openapi;
use crate::routes::{Detail, transaction};
use crate::security::body::{Body, Unread};
use crate::state::State;

pub(crate) const PATH: &str = "/predict";

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer, in the order in which the Python service writes it.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Prediction)]
pub(crate) struct Answer {
    /// Probability of fraud in [0, 1], rounded to 4 decimals.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) fraud_probability: f64,
    /// 1 (fraud) if the probability, before rounding, is at or above the threshold, else 0.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) fraud_prediction: u8,
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) threshold_used: f64,
}

impl Answer {
    /// A decision at a threshold, in the form of an answer.
    pub(crate) fn of(decision: Decision, threshold: Threshold) -> Self {
        Self {
            fraud_probability: round4(decision.probability),
            fraud_prediction: decision.fraud.into(),
            threshold_used: threshold.value(),
        }
    }

    /// As serde writes it, in a third of the time: the names need no look for what is to be escaped.
    fn to_json(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(96);
        let mut number = zmij::Buffer::new();
        text.extend_from_slice(b"{\"fraud_probability\":");
        text.extend_from_slice(number.format_finite(self.fraud_probability).as_bytes());
        text.extend_from_slice(b",\"fraud_prediction\":");
        text.push(b'0' + self.fraud_prediction);
        text.extend_from_slice(b",\"threshold_used\":");
        text.extend_from_slice(number.format_finite(self.threshold_used).as_bytes());
        text.push(b'}');
        text
    }
}

/// Probability and decision for one transaction
#[utoipa::path(
    post,
    path = PATH,
    tag = "Scoring",
    request_body = openapi::Transaction,
    responses(
        (status = 200, body = Answer, description = "Probability and decision"),
        (status = 400, body = Detail<'static>, description = "Not UTF-8, cut off, or nested too deeply",
         example = json!({"detail": "There was an error parsing the body"})),
        (status = 413, body = Detail<'static>, description = "Longer than 64 KiB",
         example = json!({"detail": "The body is longer than 65536 bytes"})),
        (status = 422, body = crate::request::Report<'static>, description = "No transaction: every bad field")
    )
)]
pub(crate) async fn predict(
    request: HttpRequest,
    body: Result<Body, Unread>,
    state: web::Data<State>,
) -> HttpResponse {
    match transaction(&request, &body) {
        Ok(transaction) => {
            let served = state.served();
            HttpResponse::Ok()
                .insert_header((MODEL_VERSION, served.version.clone()))
                .insert_header((header::CONTENT_TYPE, JSON))
                .body(state.score(&served, &transaction).to_json())
        }
        Err(refusal) => refusal,
    }
}

/// Python's `round(p, 4)` for `p` in [0, 1]: the nearest 4-digit decimal of the exact value.
fn round4(p: f64) -> f64 {
    let scaled = p * 1e4;
    let below = scaled.floor();
    // The product is off by 1e-12 at most: further than that from the middle, it decides rightly,
    // and an integer over 1e4 is the double nearest to that decimal. Close to it, the exact digits
    // decide.
    if (scaled - below - 0.5).abs() > 1e-9 {
        return if scaled - below < 0.5 { below / 1e4 } else { (below + 1.0) / 1e4 };
    }
    // What `format!` writes is a number.
    format!("{p:.4}").parse().unwrap_or(p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_as_python_does() {
        // Python 3.11, `round(x, 4)`; the first two are exact ties, which go to the even digit.
        for (value, rounded) in [
            (0.03125, 0.0312),
            (0.09375, 0.0938),
            (0.00005, 0.0001),
            (0.000_15, 0.0001),
            (0.000_25, 0.0003),
            (0.12345, 0.1235),
            (0.99995, 1.0),
            (0.999_949_99, 0.9999),
            (1e-300, 0.0),
            (0.0, 0.0),
            (1.0, 1.0),
            (0.029_712, 0.0297),
        ] {
            assert_eq!(round4(value), rounded, "round({value}, 4)");
        }
    }

    #[test]
    fn the_short_way_and_the_exact_digits_agree() {
        for i in 0..200_000_u32 {
            // Around every multiple of half a unit in the fourth place.
            let p = f64::from(i) / 200_000.0 + f64::from(i % 7) * 1e-15;
            let exact: f64 = format!("{p:.4}").parse().unwrap();
            assert_eq!(round4(p), exact, "{p}");
        }
    }

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        let answer = Answer { fraud_probability: 1.0, fraud_prediction: 1, threshold_used: 0.9 };
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"fraud_probability":1.0,"fraud_prediction":1,"threshold_used":0.9}"#
        );
        for (value, text) in [(0.0, "0.0"), (0.0001, "0.0001"), (0.5, "0.5")] {
            assert_eq!(serde_json::to_string(&round4(value)).unwrap(), text);
        }
        for i in 0..=10_000_u16 {
            let fraud_probability = f64::from(i) / 1e4;
            let answer = Answer {
                fraud_probability,
                fraud_prediction: (i % 2).try_into().unwrap(),
                threshold_used: f64::from(i % 97) / 97.0,
            };
            assert_eq!(answer.to_json(), serde_json::to_vec(&answer).unwrap());
        }
    }
}
