//! What Prometheus reads, under the names of the Python service.
//!
//! The recorder belongs to one application and every series on the way of a request is a handle
//! that was registered before, so counting takes no lock. Histograms are counted in place
//! ([`crate::histogram`]); what a model or the kernel says of itself is read when it is asked for.

use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{Counter, counter, describe_counter, with_local_recorder};
use actix_web::http::{Method, StatusCode};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::exposition::{Exposition, Kind};
use crate::histogram::Histogram;
use crate::process;
use crate::reload::Outcome;
use crate::routes;
use crate::state::Served;

const REQUESTS: &str = "http_requests_total";
const LATENCY: &str = "http_request_latency_seconds";
const ERRORS: &str = "http_request_errors_total";
const PREDICTIONS: &str = "fraud_predictions_total";
const PROBABILITY: &str = "fraud_probability";
const RELOADS: &str = "model_reloads_total";
const SHADOW: &str = "shadow_agreement_total";
const SHADOW_DIFFERENCE: &str = "shadow_score_difference";
const PANICS: &str = "http_panics_total";
const SLOW: &str = "http_slow_connections_total";

/// Upper bounds of the latency buckets in seconds, 50 µs to 1 s.
const LATENCIES: [f64; 14] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0,
];

/// Upper bounds of the buckets of probabilities: finer where most transactions and most thresholds are.
const PROBABILITIES: [f64; 16] =
    [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0];

/// Upper bounds of the buckets of differences between two probabilities.
const DIFFERENCES: [f64; 9] = [0.000_1, 0.001, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Values of the label `class` of errors, and the statuses that fall into each; what is in none is
/// `server` from 500 on, else `other`.
const CLASSES: [(&str, &[u16]); 10] = [
    ("unreadable", &[400]),
    ("unauthorized", &[401]),
    ("not_found", &[404]),
    ("method", &[405]),
    ("timeout", &[408]),
    ("too_large", &[413, 431]),
    ("invalid", &[415, 422]),
    ("rate_limited", &[429]),
    ("server", &[]),
    ("other", &[]),
];

/// Values of the label `endpoint`. A raw path is never one: callers choose paths, and each would
/// be a series for ever. The same holds for `method`.
pub(crate) const ENDPOINTS: [&str; 15] = [
    routes::predict::PATH,
    routes::health::PATH,
    routes::metrics::PATH,
    routes::explain::PATH,
    routes::batch::PATH,
    routes::model::PATH,
    routes::health::LIVE,
    routes::health::READY,
    routes::page::PATH,
    routes::docs::OPENAPI,
    routes::docs::DOCS,
    routes::docs::REDOC,
    routes::docs::DOCS_FILE,
    routes::page::ASSET,
    "unmatched",
];
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];
/// Statuses that a client can make the service answer with.
const STATUSES: [u16; 15] =
    [200, 304, 307, 400, 401, 404, 405, 408, 413, 415, 422, 429, 431, 500, 503];

/// All series of one application.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    exposition: PrometheusHandle,
    /// In the order of [`ENDPOINTS`].
    latency: [Histogram<{ LATENCIES.len() }>; ENDPOINTS.len()],
    /// Legitimate, fraud.
    predictions: [Counter; 2],
    probability: Histogram<{ PROBABILITIES.len() }>,
    /// Disagreeing, agreeing.
    shadow: [Counter; 2],
    shadow_difference: Histogram<{ DIFFERENCES.len() }>,
    panics: Counter,
    /// In the order of [`CLASSES`].
    errors: [Counter; CLASSES.len()],
    /// By endpoint, method, status; each registered when it is first needed, so that the exposition
    /// shows only what happened.
    requests: [[[OnceLock<Counter>; STATUSES.len()]; METHODS.len()]; ENDPOINTS.len()],
}

/// Which series an answer is counted in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    /// In [`ENDPOINTS`].
    endpoint: usize,
    /// In [`METHODS`].
    method: usize,
}

impl Series {
    /// The series of a path and method.
    pub(crate) fn of(path: &str, method: &Method) -> Self {
        Self { endpoint: endpoint_place(path), method: method_place(method) }
    }

    /// The pattern of the route.
    pub(crate) const fn endpoint(self) -> &'static str {
        ENDPOINTS[self.endpoint]
    }

    /// The method, or `other`.
    pub(crate) const fn method(self) -> &'static str {
        METHODS[self.method]
    }
}

impl Metrics {
    /// Registers what must be there before the first request: a rate sees no first event of a series
    /// that begins with it.
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (predictions, shadow, panics, errors) = with_local_recorder(&recorder, || {
            describe_counter!(REQUESTS, "HTTP requests by method, endpoint and status.");
            describe_counter!(ERRORS, "Requests that were refused or failed, by class.");
            describe_counter!(PREDICTIONS, "Predictions made: 0 legitimate, 1 fraud.");
            describe_counter!(PANICS, "Requests whose handler panicked.");
            describe_counter!(SLOW, "Connections that were cut since the caller took too long.");
            describe_counter!(RELOADS, "Looks for another model, by how they ended.");
            describe_counter!(SHADOW, "Decisions of the model in the shadow, by agreement.");
            for outcome in Outcome::ALL {
                counter!(RELOADS, "outcome" => outcome.label()).increment(0);
            }
            (
                ["0", "1"].map(|prediction| counter!(PREDICTIONS, "prediction" => prediction)),
                ["false", "true"].map(|agree| counter!(SHADOW, "agree" => agree)),
                counter!(PANICS),
                CLASSES.map(|(class, _)| counter!(ERRORS, "class" => class)),
            )
        });
        let exposition = recorder.handle();
        Self {
            recorder,
            exposition,
            latency: [const { Histogram::new(LATENCIES) }; ENDPOINTS.len()],
            predictions,
            probability: Histogram::new(PROBABILITIES),
            shadow,
            shadow_difference: Histogram::new(DIFFERENCES),
            panics,
            errors,
            requests: Default::default(),
        }
    }

    /// Has series registered with this application's recorder.
    pub(crate) fn register<T>(&self, register: impl FnOnce() -> T) -> T {
        with_local_recorder(&self.recorder, register)
    }

    /// Counts connections that are cut.
    pub(crate) fn slow_connections(&self) -> Counter {
        self.register(|| counter!(SLOW))
    }

    /// Counts one prediction.
    pub(crate) fn predicted(&self, probability: f64, fraud: bool) {
        self.predictions[usize::from(fraud)].increment(1);
        self.probability.record(probability);
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, outcome: Outcome) {
        with_local_recorder(&self.recorder, || {
            counter!(RELOADS, "outcome" => outcome.label()).increment(1);
        });
    }

    /// Counts a transaction that the shadow scored too: whether the decisions agree, and how far apart
    /// the probabilities are.
    pub(crate) fn shadowed(&self, agree: bool, difference: f64) {
        self.shadow[usize::from(agree)].increment(1);
        self.shadow_difference.record(difference);
    }

    /// Counts one panic of a handler.
    pub(crate) fn panicked(&self) {
        self.panics.increment(1);
    }

    /// The text exposition, format 0.0.4.
    pub(crate) fn render(&self, served: &Served, shadow: Option<&Served>) -> String {
        let mut text = Exposition::after(self.exposition.render());
        text.metric(LATENCY, Kind::Histogram, "Time to answer a request, in seconds.");
        for (endpoint, latency) in ENDPOINTS.into_iter().zip(&self.latency) {
            let latency = latency.snapshot();
            if latency.count > 0 || endpoint == routes::predict::PATH {
                text.histogram(LATENCY, &[("endpoint", endpoint)], &latency);
            }
        }
        text.metric(PROBABILITY, Kind::Histogram, "Probabilities of fraud that were predicted.");
        text.histogram(PROBABILITY, &[], &self.probability.snapshot());
        if shadow.is_some() {
            let help = "Difference between the shadow's probability and the one answered.";
            text.metric(SHADOW_DIFFERENCE, Kind::Histogram, help);
            text.histogram(SHADOW_DIFFERENCE, &[], &self.shadow_difference.snapshot());
        }
        served.describe(shadow, &mut text);
        text.metric("fraud_api_build_info", Kind::Gauge, "This program.");
        text.sample("fraud_api_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        process::describe(&mut text);
        text.into_text()
    }

    /// Counts one answer.
    pub(crate) fn answered(&self, series: Series, status: StatusCode, took: Duration) {
        let Series { endpoint, method } = series;
        self.latency[endpoint].record(took.as_secs_f64());
        let status = status.as_u16();
        if status >= 400 {
            self.errors[class_place(status)].increment(1);
        }
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

/// Where the class of an error's status stands in [`CLASSES`].
fn class_place(status: u16) -> usize {
    let known = CLASSES.iter().position(|(_, statuses)| statuses.contains(&status));
    known.unwrap_or(CLASSES.len() - if status >= 500 { 2 } else { 1 })
}

/// Where the route of `path` stands in [`ENDPOINTS`]. Two routes take the name of a file.
fn endpoint_place(path: &str) -> usize {
    let known = place(&ENDPOINTS, path);
    if known + 1 < ENDPOINTS.len() {
        return known;
    }
    [routes::docs::DOCS_FILE, routes::page::ASSET]
        .into_iter()
        .find(|route| {
            let folder = route.trim_end_matches("{file}");
            path.strip_prefix(folder).is_some_and(|file| !file.is_empty() && !file.contains('/'))
        })
        .map_or(known, |route| place(&ENDPOINTS, route))
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
        let metrics = Metrics::new();
        for &(endpoint, method, status, micros) in answers {
            let status = StatusCode::from_u16(status).unwrap();
            let series = Series { endpoint, method };
            metrics.answered(series, status, Duration::from_micros(micros));
        }
        metrics.render(&Served::for_tests(), None)
    }

    #[test]
    fn predictions_and_latencies_exist_before_the_first_request() {
        let text = after(&[]);
        assert!(text.contains("fraud_predictions_total{prediction=\"0\"} 0\n"), "{text}");
        assert!(text.contains("fraud_predictions_total{prediction=\"1\"} 0\n"), "{text}");
        let count = "http_request_latency_seconds_count{endpoint=\"/predict\"} 0\n";
        assert!(text.contains(count), "{text}");
        let failed = "model_reloads_total{outcome=\"failed\"} 0\n";
        assert!(text.contains(failed), "{text}");
        assert!(!text.contains("endpoint=\"/docs\""), "{text}");
        assert!(!text.contains("shadow_score_difference"), "{text}");
    }

    #[test]
    fn an_error_has_a_class() {
        for (status, class) in [
            (400, "unreadable"),
            (422, "invalid"),
            (418, "other"),
            (500, "server"),
            (503, "server"),
        ] {
            assert_eq!(CLASSES[class_place(status)].0, class, "{status}");
        }
        let text = after(&[(0, 1, 422, 1), (0, 1, 200, 1)]);
        assert!(text.contains("http_request_errors_total{class=\"invalid\"} 1\n"), "{text}");
        assert!(text.contains("http_request_errors_total{class=\"server\"} 0\n"), "{text}");
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
        let line = "http_requests_total{method=\"GET\",endpoint=\"/health\",status=\"507\"} 2\n";
        let text = after(&[(1, 0, 507, 1), (1, 0, 507, 1)]);
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn what_callers_invent_makes_no_new_label() {
        assert_eq!(ENDPOINTS[endpoint_place("/wp-login.php")], "unmatched");
        assert_eq!(ENDPOINTS[endpoint_place("/assets/a.css")], "/assets/{file}");
        assert_eq!(ENDPOINTS[endpoint_place("/assets/a/b")], "unmatched");
        assert_eq!(METHODS[method_place(&Method::from_bytes(b"BREW").unwrap())], "other");
        assert_eq!(METHODS[method_place(&Method::DELETE)], "DELETE");
    }
}
