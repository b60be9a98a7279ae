//! `GET /metrics`: what Prometheus scrapes.

use actix_web::{HttpResponse, web};

use crate::state::State;

pub(crate) const PATH: &str = "/metrics";

/// The text exposition format that every Prometheus reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What Prometheus scrapes
#[utoipa::path(
    get,
    path = PATH,
    tag = "Operations",
    responses((status = 200, body = String, content_type = "text/plain",
               description = "Prometheus text exposition, format 0.0.4"))
)]
pub(crate) async fn metrics(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(state.render())
}
