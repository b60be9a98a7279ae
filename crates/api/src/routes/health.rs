//! `GET /health`, `/health/live`, `/health/ready`: is the process there, and should it get requests?

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;

pub(crate) const PATH: &str = "/health";
pub(crate) const LIVE: &str = "/health/live";
pub(crate) const READY: &str = "/health/ready";

/// How the service is.
#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// The process answers, and has had a model since it started to listen.
#[utoipa::path(
    get,
    path = PATH,
    tag = "Operations",
    responses((status = 200, body = Health, description = "The service runs"))
)]
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// The process answers; when it does not, only a new one helps.
#[utoipa::path(
    get,
    path = LIVE,
    tag = "Operations",
    responses((status = 200, body = Health, description = "The process answers"))
)]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "live" })
}

/// Requests are welcome: there is a model, and the service is not shutting down.
#[utoipa::path(
    get,
    path = READY,
    tag = "Operations",
    responses(
        (status = 200, body = Health, description = "Requests are welcome"),
        (status = 503, body = Health, description = "The service is shutting down")
    )
)]
pub(crate) async fn ready(state: web::Data<State>) -> HttpResponse {
    if state.is_stopping() {
        HttpResponse::ServiceUnavailable().json(Health { status: "stopping" })
    } else {
        HttpResponse::Ok().json(Health { status: "ready" })
    }
}
