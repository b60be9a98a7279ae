//! `GET /metrics`: what Prometheus scrapes.

use actix_web::{HttpResponse, web};

use crate::metrics::Metrics;

pub(crate) const PATH: &str = "/metrics";

/// The text exposition format that every Prometheus reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(metrics.render())
}
