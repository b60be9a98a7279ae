//! What Prometheus reads, under the names of the Python service, and the middleware that counts.
//!
//! The recorder belongs to one application and every series on the way of a request is a handle
//! that was registered before, so counting takes no lock.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ::metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram,
    with_local_recorder,
};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::routes;

const REQUESTS: &str = "http_requests_total";
const LATENCY: &str = "http_request_latency_seconds";
const PREDICTIONS: &str = "fraud_predictions_total";

/// Upper bounds of the latency buckets in seconds, 50 µs to 1 s.
const BUCKETS: [f64; 14] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0,
];

/// Values of the label `endpoint`. A raw path is never one: callers choose paths, and each would
/// be a series for ever. The same holds for `method`.
const ENDPOINTS: [&str; 4] =
    [routes::predict::PATH, routes::health::PATH, routes::metrics::PATH, "unmatched"];
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];
/// Statuses that a client can make the service answer with.
const STATUSES: [u16; 7] = [200, 400, 404, 405, 413, 422, 500];

/// All series of one application.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    exposition: PrometheusHandle,
    /// In the order of [`ENDPOINTS`].
    latency: [Histogram; ENDPOINTS.len()],
    /// Legitimate, fraud.
    predictions: [Counter; 2],
    /// By endpoint, method, status; each registered when it is first needed, so that the exposition
    /// shows only what happened.
    requests: [[[OnceLock<Counter>; STATUSES.len()]; METHODS.len()]; ENDPOINTS.len()],
}

impl Metrics {
    /// Registers what must be there before the first request.
    ///
    /// # Errors
    ///
    /// If the exporter refuses the buckets.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .context("the latency buckets are refused")?
            .build_recorder();
        let (latency, predictions) = with_local_recorder(&recorder, || {
            describe_counter!(REQUESTS, "HTTP requests by method, endpoint and status.");
            describe_histogram!(LATENCY, Unit::Seconds, "Time to answer a request, in seconds.");
            describe_counter!(PREDICTIONS, "Predictions made: 0 legitimate, 1 fraud.");
            (
                ENDPOINTS.map(|endpoint| histogram!(LATENCY, "endpoint" => endpoint)),
                ["0", "1"].map(|prediction| counter!(PREDICTIONS, "prediction" => prediction)),
            )
        });
        let exposition = recorder.handle();
        Ok(Self { recorder, exposition, latency, predictions, requests: Default::default() })
    }

    /// Counts one prediction.
    pub(crate) fn predicted(&self, fraud: bool) {
        self.predictions[usize::from(fraud)].increment(1);
    }

    /// The text exposition, format 0.0.4.
    pub(crate) fn render(&self) -> String {
        self.exposition.render()
    }

    /// Folds the latencies recorded since the last call into their buckets.
    pub(crate) fn upkeep(&self) {
        self.exposition.run_upkeep();
    }

    fn answered(&self, endpoint: usize, method: usize, status: StatusCode, took: Duration) {
        self.latency[endpoint].record(took.as_secs_f64());
        let status = status.as_u16();
        let register = || {
            with_local_recorder(&self.recorder, || {
                counter!(REQUESTS, "method" => METHODS[method], "endpoint" => ENDPOINTS[endpoint],
                    "status" => status.to_string())
            })
        };
        match STATUSES.iter().position(|known| *known == status) {
            Some(place) => {
                self.requests[endpoint][method][place].get_or_init(register).increment(1);
            }
            None => register().increment(1),
        }
    }
}

/// The middleware around every route, and around what has none.
pub(crate) async fn record(
    metrics: web::Data<Metrics>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let start = Instant::now();
    // The path as the router compares it, with percent-encoding resolved.
    let endpoint = place(&ENDPOINTS, request.match_info().as_str());
    let method = method_place(request.method());
    let outcome = next.call(request).await;
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    metrics.answered(endpoint, method, status, start.elapsed());
    outcome
}

fn method_place(method: &Method) -> usize {
    place(&METHODS, method.as_str())
}

/// Where `name` stands in `names`; the last entry stands for all others.
fn place(names: &[&str], name: &str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or(names.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: &[(usize, usize, u16, u64)]) -> String {
        let metrics = Metrics::new().unwrap();
        for &(endpoint, method, status, micros) in answers {
            let status = StatusCode::from_u16(status).unwrap();
            metrics.answered(endpoint, method, status, Duration::from_micros(micros));
        }
        metrics.render()
    }

    #[test]
    fn predictions_and_latencies_exist_before_the_first_request() {
        let text = after(&[]);
        assert!(text.contains("fraud_predictions_total{prediction=\"0\"} 0\n"), "{text}");
        assert!(text.contains("fraud_predictions_total{prediction=\"1\"} 0\n"), "{text}");
        let count = "http_request_latency_seconds_count{endpoint=\"/predict\"} 0\n";
        assert!(text.contains(count), "{text}");
    }

    #[test]
    fn a_latency_falls_into_the_buckets_from_its_size_up() {
        let text = after(&[(0, 1, 200, 80), (0, 1, 200, 300)]);
        for (bound, count) in [("0.00005", 0), ("0.0001", 1), ("0.00025", 1), ("0.0005", 2)] {
            let line = format!(
                "http_request_latency_seconds_bucket{{endpoint=\"/predict\",le=\"{bound}\"}} {count}\n"
            );
            assert!(text.contains(&line), "{line} not in {text}");
        }
    }

    #[test]
    fn a_status_outside_the_table_is_counted_too() {
        let line = "http_requests_total{method=\"GET\",endpoint=\"/health\",status=\"503\"} 2\n";
        let text = after(&[(1, 0, 503, 1), (1, 0, 503, 1)]);
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn what_callers_invent_makes_no_new_label() {
        assert_eq!(ENDPOINTS[place(&ENDPOINTS, "/wp-login.php")], "unmatched");
        assert_eq!(METHODS[method_place(&Method::from_bytes(b"BREW").unwrap())], "other");
        assert_eq!(METHODS[method_place(&Method::DELETE)], "DELETE");
    }
}
