//! `GET /health`: the process answers, and has had a model since it started to listen.

use actix_web::HttpResponse;
use serde::Serialize;

pub(crate) const PATH: &str = "/health";

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}
