//! `GET /metrics`: names, labels and counts.

use serde_json::json;

use crate::helpers::{TestApp, example_with};

fn has(samples: &[String], sample: &str) {
    assert!(samples.iter().any(|line| line == sample), "{sample} not in\n{}", samples.join("\n"));
}

#[actix_web::test]
async fn is_prometheus_text_with_help_and_type_for_each_metric() {
    let app = TestApp::spawn().await;
    app.send("GET", "/health").await;
    let response = app.send("GET", "/metrics").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    for (name, kind) in [
        ("http_requests_total", "counter"),
        ("http_request_latency_seconds", "histogram"),
        ("fraud_predictions_total", "counter"),
    ] {
        assert!(text.contains(&format!("# HELP {name} ")), "{text}");
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{text}");
    }
}

#[actix_web::test]
async fn both_predictions_are_there_from_the_start() {
    let app = TestApp::spawn().await;
    let samples = app.samples().await;
    has(&samples, "fraud_predictions_total{prediction=\"0\"} 0");
    has(&samples, "fraud_predictions_total{prediction=\"1\"} 0");
}

#[actix_web::test]
async fn requests_latencies_and_predictions_are_counted() {
    let app = TestApp::spawn().await;
    for amount in [json!(0), json!(1), json!(300), json!("x")] {
        app.predict(&example_with("Amount", amount)).await;
    }
    app.send("GET", "/predict").await;
    app.send("GET", "/hea%6cth").await;
    let samples = app.samples().await;
    for sample in [
        "fraud_predictions_total{prediction=\"0\"} 2",
        "fraud_predictions_total{prediction=\"1\"} 1",
        "http_requests_total{method=\"POST\",endpoint=\"/predict\",status=\"200\"} 3",
        "http_requests_total{method=\"POST\",endpoint=\"/predict\",status=\"422\"} 1",
        "http_requests_total{method=\"GET\",endpoint=\"/predict\",status=\"405\"} 1",
        "http_requests_total{method=\"GET\",endpoint=\"/health\",status=\"200\"} 1",
        "http_request_latency_seconds_count{endpoint=\"/predict\"} 5",
        "http_request_latency_seconds_bucket{endpoint=\"/predict\",le=\"+Inf\"} 5",
        "http_request_latency_seconds_count{endpoint=\"/health\"} 1",
    ] {
        has(&samples, sample);
    }
    has(
        &app.samples().await,
        "http_requests_total{method=\"GET\",endpoint=\"/metrics\",status=\"200\"} 1",
    );
}

#[actix_web::test]
async fn paths_and_methods_of_callers_are_no_labels() {
    let app = TestApp::spawn().await;
    for path in ["/a", "/b/c", "/predict/1", "/unmatched"] {
        app.send("BREW", path).await;
    }
    let samples = app.samples().await;
    has(&samples, "http_requests_total{method=\"other\",endpoint=\"unmatched\",status=\"404\"} 4");
    let requests = samples.iter().filter(|line| line.starts_with("http_requests_total")).count();
    assert_eq!(requests, 1, "{samples:?}");
}

#[actix_web::test]
async fn every_route_has_its_own_label() {
    let app = TestApp::spawn().await;
    for path in ["/predict", "/health", "/metrics"] {
        app.send("PATCH", path).await;
        let sample =
            format!("http_requests_total{{method=\"PATCH\",endpoint=\"{path}\",status=\"405\"}} 1");
        has(&app.samples().await, &sample);
    }
}

#[actix_web::test]
async fn two_applications_in_one_process_count_apart() {
    let (busy, idle) = (TestApp::spawn().await, TestApp::spawn().await);
    busy.predict(&example_with("Amount", json!(300))).await;
    has(&busy.samples().await, "fraud_predictions_total{prediction=\"1\"} 1");
    has(&idle.samples().await, "fraud_predictions_total{prediction=\"1\"} 0");
}
